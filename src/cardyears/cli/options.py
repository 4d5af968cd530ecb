"""Options that every command takes, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cardyears.base.text import ENGLISH, Voice
from cardyears.catalogue.load import Catalogue, load
from cardyears.cli.output import colour, put, put_json, width

if TYPE_CHECKING:
    from cardyears.api.results import Result

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_CODES = {"yes": 0, "probably": 0, "unlikely": 3, "no": 3, "unknown": 4}


def common(command: Command) -> Command:
    """--json, --lang, --assume, --catalogue, --explain, --sources."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else."),
            click.option(
                "--lang", envvar="CARDYEARS_LANG", default="en", show_default=True, help="Language: en or ar."
            ),
            click.option(
                "--assume",
                "assume",
                multiple=True,
                metavar="KEY=VALUE",
                help="Replace a named assumption (see --explain).",
            ),
            click.option("--catalogue", metavar="FILE", help="A TOML file with your own rows, laid on top."),
            click.option(
                "--explain", "explained", is_flag=True, help="Every equation with its values, every assumption."
            ),
            click.option("--sources", "with_sources", is_flag=True, help="The sources with their titles."),
        )
    ):
        command = option(command)
    return command


def calibration(command: Command) -> Command:
    """--calibration: the factors of one's own cluster."""
    return click.option(
        "--calibration", metavar="FILE", help="Factors of your own cluster, from validate --calibrate."
    )(command)


def shaped(command: Command) -> Command:
    """--depth, --width, --heads, --experts: what is fixed of a generic decoder."""
    for option in reversed(
        (
            click.option("--depth", metavar="LAYERS", help="Layers of a generic decoder (MODEL a size, or custom)."),
            click.option("--width", metavar="N", help="Its hidden width."),
            click.option("--heads", metavar="N", help="Its attention heads."),
            click.option("--experts", metavar="N", help="Experts in place of its MLP."),
        )
    ):
        command = option(command)
    return command


def examples(*lines: str) -> str:
    r"""An epilog of examples that can be copied; \\b keeps click from joining them."""
    return "\b\nExamples:\n" + "\n".join(f"  cardyears {line}" for line in lines)


def said_in(language: str) -> Voice:
    """The voice of a language; English without importing the others."""
    if language == "en":
        return ENGLISH
    from cardyears.render.locale.voice import voice

    return voice(language)


def present(
    result: Result, *, as_json: bool, lang: str, explained: bool, with_sources: bool, catalogue: str | None
) -> None:
    """Write a result as asked."""
    said = said_in(lang)
    if as_json:
        put_json(result.as_dict())
        return
    from cardyears.render.report.writers import write

    put(
        write(
            result.subject,
            said,
            width=width(),
            colour=colour(),
            explained=explained,
            titles=titles(catalogue) if with_sources else None,
        )
    )


def known_assumptions(pairs: tuple[str, ...]) -> None:
    """Refuse an unknown key where a command takes assumptions and needs none, so that a slip never passes."""
    if pairs:
        from cardyears.question.question import read_assumptions
        from cardyears.resolve.defaults import Assumed

        Assumed(read_assumptions(pairs))


def titles(catalogue: str | None) -> dict[str, str]:
    """The bibliography as key to a line."""
    known = known_catalogue(catalogue).sources
    return {
        key: " · ".join(part for part in (row.authors, row.title, row.date, row.where) if part)
        for key, row in known.items()
    }


def known_catalogue(path: str | None) -> Catalogue:
    """The catalogue with the user's own rows on top."""
    return load() if path is None else load().with_file(path)
