"""Predicted against measured: what the scores are made of, and that a table means what the shipped runs mean."""

from __future__ import annotations

import csv
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.resolve.nearness import FARTHEST, distance, measured_grounds, near
from cardyears.validate.columns import COLUMNS
from cardyears.validate.compare import compared, measured_step
from cardyears.validate.constant import constant
from cardyears.validate.held import held
from cardyears.validate.interval import Grounds, interval, known, run_place
from cardyears.validate.neighbours import neighbours
from cardyears.validate.read import problems
from cardyears.validate.report import GROUPS, Validation, grouped, validation, worst
from cardyears.validate.runs import load_runs
from cardyears.validate.scores import Signed, fit_verdicts, scores

TABLE = Path(__file__).resolve().parents[3] / "shared" / "truth" / "runs.csv"
"""The table that the shipped runs were made from; where it is not there, the tests that read it are skipped."""
CHANGED = {"maxtext-046"}
"""Rows whose network the shipped table has more exactly than its public column."""


@pytest.fixture(scope="module")
def found() -> Validation:
    return validation(load_runs(), load(), "gpu")


def test_every_row_is_predicted_or_counted_as_skipped(found: Validation) -> None:
    assert found.rows == 3_651
    assert found.predicted + sum(found.skipped.values()) == found.rows
    timed, printed, weighed = (
        {id(one.problem) for one in some} for some in (found.speeds, found.printed, found.memories)
    )
    assert len(timed | printed | weighed) == found.predicted
    assert not timed & printed


def test_enough_rows_are_predicted(found: Validation) -> None:
    runs = load_runs()
    speeds = [run for run in runs if run.has_speed and run.device and (run.layers or run.model_key)]
    peaks = [run for run in runs if run.has_memory]
    timed, weighed = (
        {one.problem.measured.id for one in found.speeds},
        {one.problem.measured.id for one in found.memories},
    )
    assert sum(run.id in timed for run in speeds) >= 0.9 * len(speeds)
    assert sum(run.id in weighed for run in peaks) >= 0.85 * len(peaks)


def test_runs_left_out_of_the_fit_are_those_that_are_scored(found: Validation) -> None:
    said = json.loads((Path(__file__).parents[2] / "docs" / "examples" / "held_out.json").read_text("utf-8"))
    assert [said[way]["runs"] for way in ("source", "fold")] == [found.good.speed.n] * 2
    assert sum(row.runs for row in load().measured) == found.good.speed.n


def test_scores_are_what_their_names_say() -> None:
    some = [Signed("a", 0.2, True), Signed("a", -0.1, True), Signed("a", 0.0, False), Signed("b", 0.5, False)]
    found = scores(some)
    assert (found.n, found.within_10pct, found.interval_coverage) == (4, 0.5, 0.5)
    assert found.median_abs_error == pytest.approx(0.15)
    assert found.median_of_source_medians == pytest.approx(statistics.median([0.1, 0.5]))
    assert found.bias == pytest.approx(0.1)
    assert found.p90_abs_error == pytest.approx(0.41)
    assert scores([]).median_abs_error is None


@pytest.mark.parametrize("by", GROUPS)
def test_groups_together_are_all_good_rows(found: Validation, by: str) -> None:
    parts = grouped(found, by)
    assert sum(part.speed.n for part in parts.values()) == found.good.speed.n
    assert sum(part.memory.n for part in parts.values()) == found.good.memory.n
    assert sum(part.fit_verdicts.true_fit for part in parts.values()) == found.good.fit_verdicts.true_fit


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(CardyearsError, match=r"--by cannot be 'colour'\. Take one of source"):
        validation(load_runs()[:1], load(), "colour")


def test_the_estimate_beats_the_constant_rule_by_far(found: Validation) -> None:
    ours, theirs = found.good.speed.median_abs_error, found.good.baseline.median_abs_error
    assert ours is not None
    assert theirs is not None
    assert found.good.speed.n == found.good.baseline.n
    assert 3 * ours < theirs


def test_the_constant_is_the_one_that_fits_best(found: Validation) -> None:
    share, ruled, why = constant(found.speeds)
    assert share is not None
    assert why is None
    assert statistics.median(one.predicted_s / one.measured_s for one in ruled) == pytest.approx(1.0, rel=0.01)
    assert 0.1 < share < 0.7


def test_intervals_are_wider_where_something_is_assumed(found: Validation) -> None:
    unnamed = load().steps["unnamed"]
    for one in found.speeds:
        if not known(one.problem):
            wide = interval(one.problem, load())
            assert wide.low <= unnamed.low
            assert wide.high >= unnamed.high


def test_what_many_places_say_at_once_is_what_they_say_one_by_one(found: Validation) -> None:
    grounds = measured_grounds(load())
    for one in found.speeds[::97]:
        here = run_place(one.problem)
        others = [other for other in grounds if other.place != here]
        assert Grounds(others).near(here) == pytest.approx(near(here, others), rel=1e-9)
    assert Grounds([]).near(here) == near(here, []) == (FARTHEST, 0.0)


def test_a_verdict_is_true_or_false_by_what_happened(found: Validation) -> None:
    counts = fit_verdicts(found.memories)
    burst = [one for one in found.memories if one.problem.measured.outcome == "oom"]
    assert counts.true_oom + counts.false_fit <= len(burst)
    assert sum(one.measured is None for one in burst) == len(burst)
    assert counts.false_fit == sum(one.verdict.value == "yes" for one in burst)


def test_a_peak_is_inside_its_interval_or_not() -> None:
    run = next(run for run in load_runs() if run.peak_gib and run.quality == "good")
    one = held(problems([run], load())[0], load())[0]
    assert one.measured == run.peak_gib * 2**30  # type: ignore[operator]
    assert one.inside is (one.spread.low <= one.measured / one.predicted <= one.spread.high)  # type: ignore[operator]
    assert one.error == pytest.approx(one.predicted / one.measured - 1)  # type: ignore[operator]


def test_the_worst_come_first_and_are_good_rows(found: Validation) -> None:
    rows = worst(found, 20)
    sizes = [abs(math.log(1 + one.error)) for one in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one.problem.measured.quality == "good" for one in rows)


def test_the_nearest_neighbour_of_a_run_is_like_it_and_never_itself(found: Validation) -> None:
    one = next(one for one in found.speeds if one.problem.measured.id == "lf-001")
    near = neighbours(one.problem, found.speeds)
    assert [each.distance for each in near] == sorted(each.distance for each in near)
    assert all(each.run.problem.measured.id != "lf-001" for each in near)
    assert near[0].run.problem.engine == one.problem.engine
    assert distance(run_place(one.problem), run_place(one.problem)) == 0.0


def test_only_weak_rows_are_in_the_weak_part(found: Validation) -> None:
    weak = [one for one in found.speeds if one.problem.measured.quality == "weak"]
    assert found.weak.speed.n == len(weak)
    assert found.weak.speed.n + found.good.speed.n == len(found.speeds)


def written(tmp_path: Path, runs: list[dict[str, str]], columns: list[str]) -> Path:
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, columns, extrasaction="ignore")
        lines.writeheader()
        lines.writerows(runs)
    return path


@pytest.fixture(scope="module")
def public() -> list[dict[str, str]]:
    if not TABLE.exists():
        pytest.skip("the table that the shipped runs were made from is not here")
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_public_table_is_predicted_as_the_shipped_runs_are(
    found: Validation, public: list[dict[str, str]], tmp_path: Path
) -> None:
    assert set(public[0]) <= set(COLUMNS)
    path = written(tmp_path, public, list(public[0]))
    theirs = compared(problems(load_runs(path), load())[0], load(), measured_step)
    ours = {one.problem.measured.id: one for one in (*found.speeds, *found.printed) if measured_step(one.problem)}
    assert abs(len(theirs) - len(ours)) <= 1
    twice = {one.removesuffix("-2") for one in ours if one.endswith("-2")}
    for one in theirs:
        key = one.problem.measured.id
        if key not in CHANGED | twice:
            assert one.predicted_s == pytest.approx(ours[key].predicted_s, rel=1e-9), key
            assert one.measured_s == pytest.approx(ours[key].measured_s, rel=1e-9), key


LEFT_OUT: dict[str, list[str]] = {
    "engine": ["engine", "notes", "source"],
    "layout": ["tp", "pp", "vpp", "cp", "ep", "etp", "sp", "dp", "sharding"],
    "batches": ["micro_batch", "global_batch_seqs", "grad_accum"],
    "how it runs": ["recompute", "optimizer", "compile", "precision", "offload", "inter_node_net", "gpus_per_node"],
    "shape": ["n_heads", "n_kv_heads", "head_dim", "vocab", "ffn_gated", "tied_embeddings"],
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_most_rows_are_still_predicted_without_some_of_the_columns(
    public: list[dict[str, str]], tmp_path: Path, what: str
) -> None:
    columns = [name for name in public[0] if name not in LEFT_OUT[what]]
    runs = load_runs(written(tmp_path, public[::3], columns))
    made = problems(runs, load())[0]
    wanted = [run for run in runs if run.has_speed and run.device and run.seq_len and (run.layers or run.model)]
    timed = {one.problem.measured.id for one in compared(made, load())}
    assert sum(run.id in timed for run in wanted) >= 0.85 * len(wanted)


SPELLINGS = {
    "H100-SXM-80GB": "NVIDIA H100 80GB HBM3",
    "A100-SXM-80GB": "NVIDIA A100-SXM4-80GB",
    "A100-SXM-40GB": "A100-SXM4-40GB",
    "RTX4090": "NVIDIA GeForce RTX 4090",
    "MI300X": "AMD Instinct MI300X",
    "H200-SXM": "NVIDIA H200",
}


def test_other_spellings_of_devices_change_nothing(public: list[dict[str, str]], tmp_path: Path) -> None:
    some = [row for row in public if row["gpu"] in SPELLINGS][::7]
    other = [{**row, "gpu": SPELLINGS[row["gpu"]]} for row in some]
    results: list[Any] = []
    for rows in (some, other):
        (tmp_path / "x").mkdir(exist_ok=True)
        made = problems(load_runs(written(tmp_path / "x", rows, list(public[0]))), load())[0]
        results.append([one.predicted_s for one in compared(made, load())])
    assert results[0] == pytest.approx(results[1])
    assert len(results[0]) > 200
