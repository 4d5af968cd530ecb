"""`cardyears flops`: how many FLOP does training take?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_model
from cardyears.cli.options import common, examples, present, shaped


@click.command(epilog=examples("flops gpt-3 --tokens 300B --seq-len 2048 --explain", "flops llama-3.1-8b --json"))
@click.argument("model", shell_complete=complete_model)
@click.option("--tokens", metavar="COUNT", help="Tokens seen, such as 300B.")
@click.option("--seq-len", metavar="TOKENS", help="Length of one sequence.")
@shaped
@common
def flops(
    model: str,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    **said: Any,
) -> int:
    """How many FLOP does training MODEL take, by part and in every convention in use?"""
    from cardyears.api.functions import flops as ask
    from cardyears.question.question import read_assumptions

    result = ask(model, assume=read_assumptions(assume), catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
