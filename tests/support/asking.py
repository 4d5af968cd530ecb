"""A command line asked in this process, in surroundings that are the same for everybody.

The same words give the same answer (that is itself tested), so each line is run once a session however many tests look
at it. What reads a file that a test has changed, or runs in surroundings of its own, is `invoke`d afresh.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

from cardyears.cli.main import run

FOUNDING = 'check gpt-3.5 --on "RTX 4070 Ti" --for 1y --utilization 90%'
VARIABLES = ("CARDYEARS_LANG", "CARDYEARS_DEBUG", "COLUMNS", "NO_COLOR")


class Invoked(NamedTuple):
    code: object
    out: str
    err: str


def invoke(*words: str, **variables: str) -> Invoked:
    """What words of a command line write, and the code that they leave with."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2)]
    surroundings = {key: value for key, value in os.environ.items() if key not in VARIABLES} | variables
    with (
        mock.patch.dict(os.environ, surroundings, clear=True),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            run(list(words))
        except SystemExit as left:
            code = left.code
    for stream in streams:
        stream.seek(0)
    return Invoked(code, *(stream.read() for stream in streams))


@cache
def _once(line: str, columns: str) -> Invoked:
    return invoke(*shlex.split(line), **({"COLUMNS": columns} if columns else {}))


def answered(line: str, *, code: int = 0, columns: str = "") -> str:
    """What a command line writes to stdout; it leaves with this code and writes nothing to stderr."""
    found = _once(line, columns)
    assert (found.code, found.err) == (code, "")
    return found.out


def asked(line: str) -> dict[str, Any]:
    """The one JSON object that a command line writes: `json.loads` refuses anything before or behind it."""
    found = json.loads(answered(f"{line} --json"), parse_constant=_no_constant)
    assert isinstance(found, Mapping)
    return dict(found)


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def on_one_line(text: str) -> str:
    """A text on one line, its spaces single."""
    return " ".join(text.split())


def process(*words: str | bytes, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command line in a process of its own, its streams as bytes."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("CARDYEARS_")} | variables
    return subprocess.run([sys.executable, "-m", "cardyears", *words], capture_output=True, check=False, env=env)


def refused(*words: str) -> tuple[str, str]:
    """The code and the sentence of a refusal, once text and JSON are shown to be in order and to agree."""
    text = invoke(*words)
    assert text.code == 2, text
    assert text.out == ""
    assert text.err.startswith("cardyears: ")
    assert text.err.endswith("\n")
    assert text.err.count("\n") == 1
    assert "Traceback" not in text.err

    data = invoke(*words[:1], "--json", *words[1:])
    assert (data.code, data.err) == (2, "")
    found = json.loads(data.out)
    assert list(found) == ["error"]
    assert list(found["error"]) == ["code", "message", "remedy"]
    assert all(isinstance(part, str) and part for part in found["error"].values())
    sentence = f"{found['error']['message']} {found['error']['remedy']}"
    assert " ".join(sentence.split()) == text.err.removeprefix("cardyears: ").rstrip("\n")
    return found["error"]["code"], sentence
