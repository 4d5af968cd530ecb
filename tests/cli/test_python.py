"""Python has the same fields as JSON; its `repr` is the text of the command line, and its HTML says the same."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cardyears
from cardyears.base.text import ENGLISH
from cardyears.render.page import BAR
from cardyears.render.report.writers import write
from support.asking import FOUNDING, answered, asked

# Python has the same fields, and its `repr` is the text of the command line.

PYTHON: tuple[tuple[str, Callable[[], Any]], ...] = (
    (FOUNDING, lambda: cardyears.check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%")),
    ("check gpt2 --on 3060 --assume duty=50%", lambda: cardyears.check("gpt2", on="3060", assume={"duty": "50%"})),
    ("params gpt2", lambda: cardyears.params("gpt2")),
    ("flops gpt-3 --tokens 300B", lambda: cardyears.flops("gpt-3", tokens="300B")),
    ("need gpt2 --within 30d", lambda: cardyears.need("gpt2", within="30d")),
    ("instead --on 4090 --for 30d", lambda: cardyears.instead(on="4090", duration="30d")),
    (
        "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M",
        lambda: cardyears.audit(params="8B", tokens="15T", device="H100", device_hours="1.3M"),
    ),
    ("reconcile llama-7b 153GB 59GB", lambda: cardyears.reconcile("llama-7b", "153GB", 59e9)),
    ('audit "2T tokens on 7B, 104 A100-days"', lambda: cardyears.audit("2T tokens on 7B, 104 A100-days")),
    ("models llama", lambda: cardyears.models("llama")),
    ("devices rtx 4070 ti", lambda: cardyears.devices("rtx 4070 ti")),
    ("runs gpt-3", lambda: cardyears.runs("gpt-3")),
    ("prices h100", lambda: cardyears.prices("h100")),
    ("sources chinchilla", lambda: cardyears.sources("chinchilla")),
)


@pytest.mark.parametrize(("line", "call"), PYTHON, ids=[line for line, _ in PYTHON])
def test_python_has_the_same_fields_and_says_the_same(line: str, call: Callable[[], Any]) -> None:
    result = call()
    assert result.as_dict() == asked(line)
    assert repr(result) == answered(line)
    assert all(hasattr(result, key) for key in result.as_dict())


def test_plain_numbers_are_si_and_equal_to_what_people_write() -> None:
    said = cardyears.check("gpt2", on="4090", duration="30 days", tokens="10B", utilization="40%", budget="$1k")
    meant = cardyears.check("gpt2", on="4090", duration=30 * 86_400.0, tokens=10e9, utilization=0.4, budget=1e3)
    assert {**said.as_dict(), "question": None} == {**meant.as_dict(), "question": None}


def test_the_fields_of_a_result_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        cardyears.params("gpt2").total = 1  # type: ignore[misc]


def test_python_raises_the_sentence_of_the_command_line() -> None:
    with pytest.raises(
        cardyears.CardyearsError, match=r'"RTX 9999" is not among the devices\. cardyears devices'
    ) as bad:
        cardyears.check("gpt2", on="RTX 9999")
    assert bad.value.code == "unknown-name"


class _Elements(html.parser.HTMLParser):
    """Every element of a fragment, once each is shown to be closed in its turn."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.rows: list[list[int]] = []
        self.text = ""
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append(tag)
        if tag == "table":
            self.rows.append([])
        elif tag == "tr":
            self.rows[-1].append(0)
        elif tag == "td":
            self.rows[-1][-1] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("line", "call"), PYTHON, ids=[line for line, _ in PYTHON])
def test_html_is_well_formed_and_says_what_the_text_says(line: str, call: Callable[[], Any]) -> None:
    """The text on a page so wide that no cell is wrapped; its bars are boxes in HTML."""
    result = call()
    found = _Elements(result._repr_html_())
    assert set(found.seen) <= {"section", "p", "h4", "table", "tr", "td", "span"}
    assert found.seen.count("section") == 1
    assert found.seen.count("table") >= 1
    assert all(len(set(cells)) == 1 for cells in found.rows), "a table's rows are equally long"
    written = write(result.subject, ENGLISH, width=10_000)
    assert "".join(found.text.split()) == "".join(written.replace(BAR, "").split())
    assert found.seen.count("span") == len(re.findall(f"{BAR}+", written))


def test_html_escapes_what_people_wrote(tmp_path: Path) -> None:
    name = "<script>alert('x')</script> & <b>\\\"bold\\\"</b>"
    file = tmp_path / "shape.toml"
    file.write_text(f'name = "{name}"\n[shape]\nlayers = 2\nhidden = 128\nheads = 8\nvocab = 1000\nffn = 400\n')
    for result in (cardyears.check(str(file), on="4090"), cardyears.params(str(file))):
        found = _Elements(result._repr_html_())
        assert not {"script", "b"} & set(found.seen)
        assert "<script>alert('x')</script>" in found.text
