"""The drawing of a step: a row for each rank, as wide as the page, readable without colour, in both directions."""

from __future__ import annotations

import re

import pytest

from cardyears.base.text import ENGLISH
from cardyears.estimate.stages import COMPUTED, TALKED, stage_costs, step_timeline
from cardyears.layout.timeline import repeating
from cardyears.render.html import HtmlPage
from cardyears.render.locale.voice import voice
from cardyears.render.page import ISOLATE_END, LEFT_TO_RIGHT, TextPage, columns_of
from cardyears.render.timeline import LOOKS, moment, shown_ranks, timeline
from cardyears.verbs.estimate import Estimated

SHADES = "".join(dict.fromkeys(look.shade for look in LOOKS.values()))
ALL = ["1f1b", "interleaved", "zero-bubble", "dualpipe", "many"]


def drawn(found: Estimated, *, width: int = 100, language: str = "en", colour: bool = False) -> str:
    page = TextPage(voice(language), width=width, colour=colour)
    timeline(found, page)
    return str(page)


def rows(text: str) -> list[str]:
    """The drawing of each rank."""
    return [match[1] for line in text.splitlines() if (match := re.fullmatch(rf" +\d+  ([\d{SHADES}]+)  .+ %", line))]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [40, 60, 100, 160])
def test_a_row_for_each_rank_is_as_wide_as_the_page_and_no_wider(
    pipelines: dict[str, Estimated], name: str, width: int
) -> None:
    text = drawn(pipelines[name], width=width)
    found = rows(text)
    assert len(found) == min(16, int(pipelines[name].estimate.layout.pp))
    assert len(set(map(len, found))) == 1
    assert len(found[0]) > width - 25
    assert max(map(len, text.splitlines())) <= width


def test_passes_are_told_apart_by_their_shades_and_numbered_where_they_are_wide(
    pipelines: dict[str, Estimated],
) -> None:
    first, *_, last = rows(drawn(pipelines["1f1b"]))
    assert re.match(r"1▒+2▒+3▒+4▒+·+1█+5▒+2█+", first)
    assert re.match(r"·+1▒+1█+2▒+2█+3▒+3█+", last)
    assert "░" not in first
    assert "░" in "".join(rows(drawn(pipelines["zero-bubble"])))
    assert not re.search(r"\d", "".join(rows(drawn(pipelines["dualpipe"], width=60))))


def test_without_room_for_all_numbers_there_are_none(pipelines: dict[str, Estimated]) -> None:
    assert not re.search(r"\d", "".join(rows(drawn(pipelines["1f1b"], width=40))))


def test_the_legend_names_only_what_is_drawn(pipelines: dict[str, Estimated]) -> None:
    assert "▒ forward █ backward · idle" in drawn(pipelines["1f1b"])
    assert "░ weights' gradients" in drawn(pipelines["zero-bubble"])


def test_colour_adds_codes_and_changes_no_character(pipelines: dict[str, Estimated]) -> None:
    plain, coloured = drawn(pipelines["1f1b"]), drawn(pipelines["1f1b"], colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_what_is_left_out_is_said(pipelines: dict[str, Estimated]) -> None:
    assert "Drawn are 16 of 32 ranks." in drawn(pipelines["many"])
    text = " ".join(drawn(pipelines["dualpipe"]).split())
    assert "a step of 32 micro-batches in place of 256" in text
    assert "in place of" not in drawn(pipelines["1f1b"])


def test_in_arabic_the_drawing_still_runs_from_left_to_right(pipelines: dict[str, Estimated]) -> None:
    english, arabic = drawn(pipelines["1f1b"]), drawn(pipelines["1f1b"], language="ar")
    inside = re.findall(rf"{LEFT_TO_RIGHT}([\d{SHADES}]+){ISOLATE_END}", arabic)
    assert len(inside) == 4
    for one, other in zip(inside, rows(english), strict=True):
        assert re.sub(r"(.)\1*", r"\1", one) == re.sub(r"(.)\1*", r"\1", other)
    assert max(map(columns_of, arabic.splitlines())) <= 100


def test_one_device_is_one_row_that_is_never_idle(one_card: Estimated) -> None:
    (row,) = rows(drawn(one_card))
    assert re.fullmatch(r"1▒+1█+", row)


def test_a_page_of_html_draws_it_from_left_to_right_in_a_table(pipelines: dict[str, Estimated]) -> None:
    page = HtmlPage(voice("ar"))
    timeline(pipelines["1f1b"], page)
    assert str(page).count('<td dir="ltr"') == 5
    assert '<span style="color:#0969da;">1▒' in str(page)


@pytest.mark.parametrize("name", ["1f1b", "interleaved", "zero-bubble"])
def test_stages_take_what_the_ledger_says(pipelines: dict[str, Estimated], name: str) -> None:
    found = pipelines[name]
    layout, time = found.estimate.layout, found.estimate.time
    lines = (*COMPUTED, *TALKED, "head", "embedding", "vocabulary_traffic", "stage_imbalance")
    slowest = layout.accumulation * repeating(layout, stage_costs(found.job, found.estimate))
    assert slowest == pytest.approx(sum(float(time[line]) for line in lines))


@pytest.mark.parametrize("name", ["1f1b", "interleaved", "zero-bubble", "many"])
def test_the_pipeline_played_out_is_near_the_ledger(pipelines: dict[str, Estimated], name: str) -> None:
    found = pipelines[name]
    step, time = step_timeline(found.job, found.estimate), found.estimate.time
    lines = (*COMPUTED, *TALKED, "head", "embedding", "vocabulary_traffic", "stage_imbalance", "bubble")
    assert step.pipeline_s == pytest.approx(sum(float(time[line]) for line in lines), rel=0.05)


@pytest.mark.parametrize("name", ALL)
def test_every_rank_has_a_share_of_idle_time(pipelines: dict[str, Estimated], name: str) -> None:
    step = step_timeline(pipelines[name].job, pipelines[name].estimate)
    assert set(step.idle) == set(range(step.ranks))
    assert all(-1e-9 <= share < 1 for share in step.idle.values())


def test_ranks_are_chosen_evenly_and_the_ends_are_among_them() -> None:
    for ranks in (17, 61, 64, 128):
        found = shown_ranks(ranks)
        assert (found[0], found[-1], len(set(found))) == (0, ranks - 1, 16)


def test_short_times_are_in_milliseconds() -> None:
    assert [ENGLISH.say(moment(seconds)) for seconds in (0.0123, 0.5, 1.0, 12.34)] == [
        "12.3 ms",
        "500 ms",
        "1 s",
        "12.3 s",
    ]
