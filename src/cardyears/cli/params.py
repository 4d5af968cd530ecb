"""`cardyears params`: how many parameters has a model?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_model
from cardyears.cli.options import common, examples, known_assumptions, present, shaped


@click.command(epilog=examples("params gpt2", "params 1.3B --depth 24 --experts 8", "params mixtral-8x7b --json"))
@click.argument("model", shell_complete=complete_model)
@shaped
@common
def params(
    model: str,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    **said: Any,
) -> int:
    """How many parameters has MODEL, part by part, to the single one?"""
    from cardyears.api.functions import params as ask

    known_assumptions(assume)
    result = ask(model, catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
