"""The measured runs that are the most like what is asked about: who they are, and that explanations name them."""

from __future__ import annotations

import json
import math
import re

import pytest

from cardyears.catalogue.load import load
from cardyears.machine.calibration import Calibration, Kept
from cardyears.resolve.nearness import Place, distance, measured_grounds
from cardyears.resolve.neighbours import neighbours
from support.asking import invoke

HERE = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, math.log(8.03e9), math.log(8), math.log(8_192))


def test_they_are_the_nearest_of_all_and_the_nearest_first() -> None:
    found = neighbours(load(), HERE, 5)
    gaps = sorted(distance(HERE, one.place) for one in measured_grounds(load()))
    assert [one.away for one in found] == pytest.approx(gaps[:5])


def test_a_run_of_the_same_kind_is_no_way_off() -> None:
    first = neighbours(load(), HERE)[0]
    assert first.away == pytest.approx(0.0, abs=0.01)
    assert (first.devices, first.seq_len, first.precision, first.method) == (8, 8_192, "bf16", "pretrain")
    assert "H100" in first.device
    rows = [row for row in load().measured if (row.source, row.devices, row.seq_len) == (first.source, 8, 8_192)]
    assert first.error in [pytest.approx(math.expm1(row.error)) for row in rows]
    assert first.runs in [row.runs for row in rows]


def test_a_persons_own_runs_are_among_them_by_their_files_name() -> None:
    own = Kept(
        engine="nemo", device="h100-sxm-80gb", method="pretrain", precision="bf16", experts=False, parameters=8.03e9,
        devices=8, seq_len=8_192, rows=2, slower=1.25,
    )  # fmt: skip
    first = neighbours(load().with_rows({}, Calibration(name="mine.toml", kept=(own,))), HERE)[0]
    assert (first.source, first.runs, first.away) == ("mine.toml", 2, pytest.approx(0.0, abs=1e-6))
    assert first.error == pytest.approx(0.25)


@pytest.mark.parametrize(
    "asked",
    [
        ("plan", "llama-3-8b", "--on", "8x H100 + 8x A100", "--tokens", "100B"),
        ("estimate", "llama-3.1-8b", "--on", "8x H100", "--engine", "nemo"),
        ("plan", "llama-3.1-8b", "--on", "8x H100"),
        ("check", "llama-3.1-8b", "--on", "8x H100", "--for", "30d"),
    ],
    ids=lambda asked: f"{asked[0]} {asked[3]}",
)
def test_every_explanation_names_them_with_their_errors(asked: tuple[str, ...]) -> None:
    out = " ".join(invoke(*asked, "--explain").out.split())
    assert "Nearest measured runs" in out
    assert "parameters on 8 × H100 SXM 80GB" in out
    assert re.search(r"off by \d+(\.\d)? % ", out)
    assert "Nearest measured runs" not in invoke(*asked).out


def test_the_public_result_of_an_estimate_has_them() -> None:
    found = json.loads(invoke("estimate", "llama-3.1-8b", "--on", "8x H100", "--engine", "nemo", "--json").out)
    assert len(found["neighbours"]) == 3
    assert {"device", "engine", "parameters", "devices", "seq_len", "source", "runs", "error", "away"} <= set(
        found["neighbours"][0]
    )
