"""`cardyears plan`: which is the best layout of all legal ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cardyears.cli.completion import complete_device, complete_model
from cardyears.cli.options import EXIT_CODES, calibration, common, examples, present, said_in, shaped

if TYPE_CHECKING:
    from cardyears.verbs.plan import Planned
    from cardyears.verbs.ways import MixedPlanned


@click.command(
    epilog=examples(
        'plan llama-3.1-405b --on "16384x H100"',
        'plan llama-3-70b --on "64x H100" --global-batch 512 --top 10 --chart frontier.svg',
        'plan mixtral-8x7b --on "32x A100" --open chunked_loss --open compile',
        'plan llama-3-8b --method qlora --on "RTX 4070 Ti"',
        'plan llama-3-70b --on "64x H100" --objective devices',
        'plan llama-3-8b --on "8x H100 + 8x A100"',
    )
)
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--on",
    required=True,
    metavar="HARDWARE",
    shell_complete=complete_device,
    help='Such as "RTX 4070 Ti", "8x H100", "1024x A100 over 400Gb/s", or of two kinds, "8x H100 + 8x A100".',
)
@click.option("--global-batch", metavar="N", help="Sequences in one optimiser step. Otherwise near the published one.")
@click.option(
    "--objective", default="time", show_default=True, help="time, cost (rent), devices (the fewest) or memory."
)
@click.option("--top", default="5", show_default=True, metavar="K", help="So many layouts, each of other degrees.")
@click.option(
    "--open",
    "open_axes",
    multiple=True,
    metavar="AXIS",
    help="Search a switch that stays as the engine has it: kernel, compile, chunked_loss, overlap, sp, context_kind, "
    "offload, dualpipe, recompute (all kinds), recompute_every, precision (below 16 bit).",
)
@click.option("--no-prune", "no_prune", is_flag=True, help="Compute every legal layout, also what a bound excludes.")
@click.option(
    "--for",
    "duration",
    metavar="TIME",
    help="The time allowed for the whole training: devices, cost and memory keep within it where any layout does.",
)
@click.option("--tokens", metavar="N", help="Tokens of the whole training.")
@click.option("--seq-len", metavar="TOKENS", help="Length of one sequence.")
@click.option("--method", default="pretrain", show_default=True, help="pretrain, full, lora or qlora.")
@click.option("--precision", metavar="DTYPE", help="What products run in: bf16, fp16, fp32, fp8, mxfp8, nvfp4.")
@click.option("--engine", metavar="NAME", help="The training engine, such as megatron-core, torchtitan, hf-trainer.")
@click.option("--micro-batch", metavar="N", help="Sequences at a time on each device, where that is fixed.")
@click.option("--chart", metavar="FILE", help="Write time against memory as a chart: .svg, .png, .pdf, .html or .json.")
@click.option(
    "--exit-code", "by_verdict", is_flag=True, help="Exit 0 if the best fits or probably does, 3 if unlikely or not."
)
@calibration
@shaped
@common
def plan(
    model: str,
    on: str,
    no_prune: bool,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    by_verdict: bool,
    chart: str | None,
    **said: Any,
) -> int:
    """Which is the best layout of MODEL on HARDWARE of all legal ones, and by which line did the next ones lose?

    MODEL is a name ("gpt-3", "llama-3.1-8b"), a TOML file with a shape, or a size ("1.3B").
    """
    from cardyears.api.functions import plan as ask
    from cardyears.question.question import read_assumptions

    if chart is not None:
        from cardyears.render.chart_file import check_chart_path

        check_chart_path(chart)
    result = ask(model, on=on, prune=not no_prune, assume=read_assumptions(assume), catalogue=catalogue, **said)
    if chart is not None:
        charted(result.subject, chart, lang)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return EXIT_CODES[str(result.best["fits"])] if by_verdict else 0


def charted(made: Planned | MixedPlanned, path: str, lang: str) -> None:
    """Time against memory, and the best layouts, as a file; of two kinds of device the ways to use them."""
    from cardyears.render.chart_file import write_chart
    from cardyears.render.plan_chart import plan_chart, ways_chart
    from cardyears.verbs.ways import MixedPlanned

    voice = said_in(lang)
    write_chart(ways_chart(made, voice) if isinstance(made, MixedPlanned) else plan_chart(made, voice), path)
