"""`cardyears check`: does this hardware train that model in this time?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_device, complete_model
from cardyears.cli.options import EXIT_CODES, calibration, common, examples, present, shaped


@click.command(
    epilog=examples(
        'check gpt-3.5 --on "RTX 4070 Ti" --for 1y --utilization 90%',
        'check gpt2 --on "RTX 3060" --tokens 10B',
        'check llama-2-7b --method qlora --on "RTX 3090"',
        'check 1.3B --on "8x H100" --for 30d --budget 50k',
    )
)
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--on",
    required=True,
    metavar="HARDWARE",
    shell_complete=complete_device,
    help='Such as "RTX 4070 Ti", "8x H100", "12GB GPU".',
)
@click.option("--for", "duration", metavar="TIME", help="The time allowed, such as 1y, 90d, 36h.")
@click.option("--tokens", metavar="COUNT", help="Tokens seen, such as 300B.")
@click.option("--seq-len", metavar="TOKENS", help="Length of one sequence.")
@click.option("--budget", metavar="USD", help="The money allowed, such as $5M.")
@click.option("--peak", metavar="DTYPE", help="The peak rate to take: fp32, bf16, fp8 ...")
@click.option("--utilization", metavar="SHARE", help="Attained share of that peak, such as 45%.")
@click.option("--duty", metavar="SHARE", help="Share of the calendar on which the device works on this, such as 90%.")
@click.option("--method", default="pretrain", show_default=True, help="pretrain, full, lora or qlora.")
@click.option("--micro-batch", metavar="N", help="Sequences per device and step.")
@click.option(
    "--exit-code", "by_verdict", is_flag=True, help="Exit 0 for yes or probably, 3 for unlikely or no, 4 for unknown."
)
@calibration
@shaped
@common
def check(
    model: str,
    on: str,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    by_verdict: bool,
    **said: Any,
) -> int:
    """Does this HARDWARE train that MODEL in this time?

    MODEL is a name ("gpt-3", "llama-3.1-8b"), a TOML file with a shape, or a size ("1.3B").
    """
    from cardyears.api.functions import check as ask
    from cardyears.question.question import read_assumptions

    result = ask(model, on=on, assume=read_assumptions(assume), catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return EXIT_CODES[result.verdict.overall] if by_verdict else 0
