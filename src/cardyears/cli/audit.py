"""`cardyears audit`: is a published claim plausible?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_device
from cardyears.cli.options import calibration, common, examples, known_assumptions, present


@click.command(
    epilog=examples(
        "audit --params 1B --tokens 1B --device A100 --device-hours 5.3",
        'audit "7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500"',
        "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M",
    )
)
@click.argument("claim", required=False)
@click.option("--params", metavar="COUNT", help="Parameters, such as 8B.")
@click.option("--tokens", metavar="COUNT", help="Tokens seen, such as 15T.")
@click.option("--device", metavar="NAME", shell_complete=complete_device, help="Such as H100.")
@click.option("--devices", metavar="N", help="How many of it.")
@click.option("--device-hours", metavar="HOURS", help="Device-hours in all, such as 1.3M.")
@click.option("--wall-hours", metavar="HOURS", help="Hours on the clock, or a time such as 53h or 2 days.")
@click.option("--flop", metavar="FLOP", help="FLOP in all, such as 3.14e23.")
@click.option("--usd", metavar="USD", help="The price that the claim names.")
@calibration
@common
def audit(
    claim: str | None,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    **said: Any,
) -> int:
    """Is a published CLAIM plausible: what share of the devices' peak does it imply?

    CLAIM is a sentence with its figures; options give figures by name.
    """
    from cardyears.api.functions import audit as ask

    known_assumptions(assume)
    result = ask(claim, catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
