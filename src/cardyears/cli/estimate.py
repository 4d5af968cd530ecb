"""`cardyears estimate`: what does one layout give?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cardyears.cli.completion import complete_device, complete_model
from cardyears.cli.options import EXIT_CODES, calibration, common, examples, present, said_in, shaped
from cardyears.cli.output import colour, put, width

if TYPE_CHECKING:
    from cardyears.verbs.estimate import Estimated


@click.command(
    epilog=examples(
        'estimate llama-3-8b --method qlora --on "RTX 4070 Ti"',
        'estimate llama-3-8b --method full --on "4x RTX 4090"',
        'estimate gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=16,micro_batch=1,global_batch=1536"',
        'estimate gpt2 --on "8x A100" --layout "micro_batch=12,global_batch=480,compile" --seq-len 1024',
    )
)
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--on",
    required=True,
    metavar="HARDWARE",
    shell_complete=complete_device,
    help='Such as "RTX 4070 Ti", "8x H100", "1024x A100 over 400Gb/s".',
)
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    metavar="LAYOUT",
    help='Such as "tp=8,pp=4,micro_batch=1,global_batch=512,recompute=full,zero=1". Without one, one that fits.',
)
@click.option("--seq-len", metavar="TOKENS", help="Length of one sequence.")
@click.option("--method", default="pretrain", show_default=True, help="pretrain, full, lora or qlora.")
@click.option("--precision", metavar="DTYPE", help="What products run in: bf16, fp16, fp32, fp8, mxfp8, nvfp4.")
@click.option("--engine", metavar="NAME", help="The training engine, such as megatron-core, torchtitan, hf-trainer.")
@click.option("--micro-batch", metavar="N", help="Sequences at a time on each device.")
@click.option(
    "--timeline", "with_timeline", is_flag=True, help="Draw which pipeline stage works when, and which waits."
)
@click.option(
    "--chart",
    metavar="FILE",
    help="Write a chart of both ledgers (with --timeline: of the pipeline): .svg, .png, .pdf, .html, .json.",
)
@click.option(
    "--exit-code", "by_verdict", is_flag=True, help="Exit 0 if it fits or probably does, 3 if unlikely or not."
)
@calibration
@shaped
@common
def estimate(
    model: str,
    on: str,
    layouts: tuple[str, ...],
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    by_verdict: bool,
    with_timeline: bool,
    chart: str | None,
    **said: Any,
) -> int:
    """What does one layout of MODEL on HARDWARE give: step time, speed and memory, line by line?

    MODEL is a name ("gpt-3", "llama-3.1-8b"), a TOML file with a shape, or a size ("1.3B").
    """
    from cardyears.api.functions import estimate as ask
    from cardyears.question.question import read_assumptions

    if chart is not None:
        from cardyears.render.chart_file import check_chart_path

        check_chart_path(chart)
    layout = ",".join(layouts) if layouts else None
    result = ask(model, on=on, layout=layout, assume=read_assumptions(assume), catalogue=catalogue, **said)
    if chart is not None:
        charted(result.subject, chart, lang, pipeline=with_timeline)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    if with_timeline and not as_json:
        drawn(result.subject, lang)
    return EXIT_CODES[result.fits] if by_verdict else 0


def drawn(found: Estimated, lang: str) -> None:
    """The step on the pipeline's ranks, below the report."""
    from cardyears.render.page import TextPage
    from cardyears.render.timeline import timeline

    page = TextPage(said_in(lang), width=width(), colour=colour())
    timeline(found, page)
    put(f"\n{page}")


def charted(found: Estimated, path: str, lang: str, *, pipeline: bool) -> None:
    """Both ledgers as a file, or the pipeline's timeline."""
    from cardyears.render.chart import estimate_chart, timeline_chart
    from cardyears.render.chart_file import write_chart

    chart = timeline_chart if pipeline else estimate_chart
    write_chart(chart(found, said_in(lang)), path)
