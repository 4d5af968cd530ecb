"""Charts: what the ledgers say, in every language, as files that are whole or not there."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cardyears.base.errors import BadInput, MissingExtra, UnusableFile
from cardyears.base.text import ENGLISH
from cardyears.render.chart import brief, estimate_chart, timeline_chart
from cardyears.render.chart_file import CHART_SUFFIXES, check_chart_path, write_chart
from cardyears.render.chart_parts import RIGHT_ISOLATE
from cardyears.render.locale.voice import voice
from cardyears.verbs.estimate import Estimated

BEGINNINGS = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".html": b"<!DOCTYPE html>", ".json": b"{"}


@pytest.fixture(scope="module")
def chart(one_card: Estimated) -> dict[str, Any]:
    return estimate_chart(one_card, ENGLISH)


def values(spec: Any) -> Iterator[list[dict[str, Any]]]:
    """All data of a specification."""
    if isinstance(spec, dict):
        if "values" in spec.get("data", {}):
            yield spec["data"]["values"]
        for part in spec.values():
            yield from values(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from values(part)


def test_the_heading_says_model_machine_layout_and_step(chart: dict[str, Any]) -> None:
    title = chart["title"]
    assert title["text"] == "Llama 3 8B on 1 × RTX 4070 Ti"
    assert title["subtitle"][0] == "micro_batch=1 accumulation=1 recompute=full bf16"
    assert title["subtitle"][1].startswith("One step takes ")


def test_bars_of_time_are_the_ledger_with_shares(chart: dict[str, Any], one_card: Estimated) -> None:
    bars = chart["vconcat"][0]["layer"][0]["data"]["values"]
    assert sum(bar["end"] for bar in bars) == pytest.approx(float(one_card.estimate.step_s))
    assert bars[0]["line"] == "matrix products of the layers"
    assert " ms · " in bars[0]["said"]
    assert bars[0]["said"].endswith(" %")


def test_memory_is_stacked_against_what_is_there(chart: dict[str, Any], one_card: Estimated) -> None:
    panel = chart["vconcat"][1]
    *lines, together = panel["layer"][1]["data"]["values"]
    for one, after in itertools.pairwise(lines):
        assert after["start"] == pytest.approx(one["end"])
    assert together["end"] == pytest.approx(float(one_card.estimate.peak_bytes))
    assert panel["layer"][2]["encoding"]["x"]["datum"] == one_card.available


def test_a_bar_that_crosses_the_memory_is_drawn_in_two(pipelines: dict[str, Estimated]) -> None:
    found = pipelines["many"]
    panel = estimate_chart(found, ENGLISH)["vconcat"][1]
    last = [part for part in panel["layer"][0]["data"]["values"] if part["line"] == "all together"]
    expected = 2 if float(found.estimate.peak_bytes) > found.available else 1
    assert len(last) == expected
    assert last[0]["end"] == min(found.available, float(found.estimate.peak_bytes))


def test_tiny_lines_are_drawn_together() -> None:
    assert brief({"weights": 999.0, "logits": 0.4, "context": 0.6, "reserve": 0.0}) == [
        ("weights", 999.0),
        ("others", 1.0),
    ]


@pytest.mark.parametrize("name", ["1f1b", "interleaved", "zero-bubble", "dualpipe", "many"])
def test_a_timeline_has_the_passes_of_the_ranks_that_are_shown(pipelines: dict[str, Estimated], name: str) -> None:
    spec = timeline_chart(pipelines[name], ENGLISH)
    rows = spec["vconcat"][0]["layer"][0]["data"]["values"]
    assert len({row["rank"] for row in rows}) == min(16, int(pipelines[name].estimate.layout.pp))
    kinds = ["forward", "backward", *(["weights' gradients"] if name in ("zero-bubble", "dualpipe") else [])]
    assert list(dict.fromkeys(row["kind"] for row in rows)) == kinds


def test_arabic_bars_begin_at_the_right_and_time_still_runs_from_the_left(pipelines: dict[str, Estimated]) -> None:
    found, arabic = pipelines["1f1b"], voice("ar")
    bars = estimate_chart(found, arabic)["vconcat"][0]["layer"][0]
    assert bars["encoding"]["x"]["scale"]["reverse"] is True
    assert bars["encoding"]["y"]["axis"]["orient"] == "right"
    assert all(row["line"].startswith(RIGHT_ISOLATE) for row in bars["data"]["values"])
    passes = timeline_chart(found, arabic)["vconcat"][0]["layer"][0]
    assert "reverse" not in passes["encoding"]["x"]["scale"]


@pytest.mark.parametrize("suffix", CHART_SUFFIXES)
def test_a_chart_is_written_as_what_its_name_ends_in(suffix: str, chart: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts")
    path = tmp_path / f"chart{suffix}"
    write_chart(chart, path)
    assert path.read_bytes().lstrip().startswith(BEGINNINGS[suffix])
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_specification_is_plain_json(chart: dict[str, Any], tmp_path: Path) -> None:
    write_chart(chart, tmp_path / "chart.json")
    assert json.loads((tmp_path / "chart.json").read_text()) == chart
    assert chart["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert len(list(values(chart))) > 3


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_picture_keeps_its_labels_whole_inside_a_page_from_right_to_left(
    language: str, pipelines: dict[str, Estimated], tmp_path: Path
) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts")
    for spec in (
        estimate_chart(pipelines["1f1b"], voice(language)),
        timeline_chart(pipelines["1f1b"], voice(language)),
    ):
        write_chart(spec, tmp_path / "chart.svg")
        text = (tmp_path / "chart.svg").read_text()
        assert text.startswith('<svg direction="ltr"')
        assert "…" not in text


def test_a_page_needs_no_network(chart: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts")
    write_chart(chart, tmp_path / "chart.html")
    text = (tmp_path / "chart.html").read_text()
    assert '<script src="http' not in text
    assert "cdn.jsdelivr" not in text


@pytest.mark.parametrize("name", ["chart.gif", "chart", "chart.svgz"])
def test_an_unknown_ending_is_refused_before_anything_is_drawn(
    name: str, chart: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=rf"cannot be written as {name}\. Let the name end in \.svg, \.png"):
        write_chart(chart, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_one_sentence(chart: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="cannot be written: No such file or directory"):
        write_chart(chart, tmp_path / "nowhere" / "chart.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.json" / "kept").touch()
    with pytest.raises(UnusableFile, match="cannot be written"):
        write_chart(chart, tmp_path / "folder.json")
    assert [one.name for one in tmp_path.iterdir()] == ["folder.json"]


def test_what_was_there_stays_until_the_new_chart_is_whole(
    chart: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chart.json"
    path.write_text("before")

    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(UnusableFile, match="No space left on device"):
        write_chart(chart, path)
    assert path.read_text() == "before"


def test_without_the_extra_the_line_that_installs_it_is_said(
    chart: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match=r'pip install "cardyears\[charts\]"'):
        check_chart_path("chart.png")
    with pytest.raises(MissingExtra, match=r"has the scripts that draw it inside"):
        check_chart_path("chart.html")
    write_chart(chart, tmp_path / "chart.json")
    assert (tmp_path / "chart.json").exists()
