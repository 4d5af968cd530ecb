"""`cardyears models | devices | runs | prices | sources`: the catalogue. Imports no NumPy."""

from __future__ import annotations

import click

from cardyears.cli.options import common, examples, known_assumptions, known_catalogue, said_in, titles
from cardyears.cli.output import colour, put, put_json, width
from cardyears.verbs.listing import listing

_WHAT = {
    "models": ("Models of the catalogue: shape, tokens, release.", ("models llama", "models gpt-3 --explain")),
    "devices": (
        "Accelerators: memory, bandwidth, training peak, power, price.",
        ('devices "rtx 4070 ti"', "devices h100 --explain"),
    ),
    "runs": ("Published whole training runs.", ("runs gpt-3",)),
    "prices": ("Dated prices per device-hour, the newest first.", ("prices h100", 'prices "rtx 4090" --json')),
    "sources": ("The bibliography.", ("sources chinchilla",)),
}


def _command(what: str) -> click.Command:
    line, lines = _WHAT[what]

    @click.command(
        what, help=f"{line}\n\nQUERY narrows the list; an exact name shows one row whole.", epilog=examples(*lines)
    )
    @click.argument("query", nargs=-1)
    @common
    def command(
        query: tuple[str, ...],
        as_json: bool,
        lang: str,
        assume: tuple[str, ...],
        catalogue: str | None,
        explained: bool,
        with_sources: bool,
    ) -> int:
        from cardyears.render.report.writers import write

        known_assumptions(assume)
        said = said_in(lang)
        found = listing(what, " ".join(query), known_catalogue(catalogue))
        if as_json:
            put_json({"rows": list(found.rows)})
        else:
            known = titles(catalogue) if with_sources else None
            put(write(found, said, width=width(), colour=colour(), explained=explained, titles=known))
        return 0

    return command


models, devices, runs, prices, sources = (_command(what) for what in ("models", "devices", "runs", "prices", "sources"))
