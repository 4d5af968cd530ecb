"""`cardyears instead`: what could this hardware train or fine-tune?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_device
from cardyears.cli.options import calibration, common, examples, present


@click.command(epilog=examples('instead --on "RTX 4070 Ti" --for 1y', 'instead --on "8GB GPU" --for 1w'))
@click.option(
    "--on",
    required=True,
    metavar="HARDWARE",
    shell_complete=complete_device,
    help='Such as "RTX 4070 Ti", "8x H100", "12GB GPU".',
)
@click.option("--for", "duration", metavar="TIME", help="The time allowed, such as 1y, 90d, 36h.")
@click.option("--budget", metavar="USD", help="The money allowed, such as $500.")
@calibration
@common
def instead(
    on: str,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    **said: Any,
) -> int:
    """What could this HARDWARE train from scratch, or fine-tune, in this time?"""
    from cardyears.api.functions import instead as ask
    from cardyears.question.question import read_assumptions

    result = ask(on=on, assume=read_assumptions(assume), catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
