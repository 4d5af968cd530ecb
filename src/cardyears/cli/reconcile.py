"""`cardyears reconcile`: under which assumptions is each memory figure right?"""

from __future__ import annotations

import click

from cardyears.cli.completion import complete_model
from cardyears.cli.options import common, examples, known_assumptions, present


@click.command(epilog=examples("reconcile llama-7b 153GB 59GB", "reconcile llama-2-70b 300GB 500GB"))
@click.argument("model", shell_complete=complete_model)
@click.argument("figures", nargs=-1, required=True)
@common
def reconcile(
    model: str,
    figures: tuple[str, ...],
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
) -> int:
    """Two pages disagree on MODEL's memory: under which assumptions is each of the FIGURES right?"""
    from cardyears.api.functions import reconcile as ask

    known_assumptions(assume)
    result = ask(model, *figures, catalogue=catalogue)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
