"""Where does an answer go? To stdout as text or JSON; errors as one line to stderr, or as JSON to stdout."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import click

from cardyears.base.errors import CardyearsError
from cardyears.base.text import ENGLISH, Text, Voice

WIDEST = 110
"""Beyond this many columns the eye loses the line."""
_PLAIN = str.maketrans(
    {
        "×": "x",
        "·": "*",
        "█": "#",
        "–": "-",
        "—": "-",
        "…": "...",
        "ᵀ": "T",
        "²": "^2",
        "ʸ": "y",
        "⁰": "^0",
        "¹": "^1",
        "³": "^3",
        "⁴": "^4",
        "⁵": "^5",
        "⁶": "^6",
        "⁷": "^7",
        "⁸": "^8",
        "⁹": "^9",
        "⁻": "^-",
    }
)


def width() -> int:
    """Columns to write in: the terminal's, at most `WIDEST`; `WIDEST` into a pipe unless COLUMNS says otherwise."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return min(WIDEST, int(columns))
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns) if sys.stdout.isatty() else 100


def colour() -> bool:
    """Whether stdout takes colour: a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def put(text: str) -> None:
    """Write text to stdout, in plain characters where its encoding has no others."""
    _write(encodable(text, sys.stdout.encoding), color=colour())


def encodable(text: str, encoding: str | None) -> str:
    """The text as this encoding can write it: × as x, 10²³ as 10^23, bars as #.

    >>> encodable("3.14 × 10²³", "ascii")
    '3.14 x 10^23'
    """
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.translate(_PLAIN)
        while any(f"^{a}^{b}" in plain for a in "-0123456789" for b in "0123456789"):
            for digit in "0123456789":
                for before in "-0123456789":
                    plain = plain.replace(f"^{before}^{digit}", f"^{before}{digit}")
        return plain.encode(encoding, "replace").decode(encoding)
    return text


def put_json(value: Any) -> None:
    """Write one JSON object to stdout; infinite numbers become null, as JSON has none."""
    import msgspec

    _write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n", color=False)


def _write(text: str, *, color: bool) -> None:
    """To stdout; a reader that has gone (``| head``) ends the program quietly."""
    try:
        click.echo(text, nl=False, color=color)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def put_error(code: str, rule: Text, remedy: Text, *, as_json: bool, language: str, details: str = "") -> None:
    """One line on stderr, and below it what can be copied; with `as_json` an object on stdout."""
    voice = _voice(language)
    message, advice = (_clean(voice.say(text)) for text in (rule, remedy))
    if as_json:
        more = {"details": _clean(details)} if details else {}
        put_json({"error": {"code": code, "message": message, "remedy": advice, **more}})
    else:
        line = " ".join(f"cardyears: {message} {advice}".split())
        click.echo(encodable(line, sys.stderr.encoding), err=True)
        if details:
            click.echo(encodable(f"\n{_clean(details)}", sys.stderr.encoding), err=True)


def _clean(text: str) -> str:
    """The text without halves of characters, which arguments that are no text are made of."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _voice(language: str) -> Voice:
    if language == "en":
        return ENGLISH
    from cardyears.render.locale.voice import voice

    try:
        return voice(language)
    except CardyearsError:
        return ENGLISH
