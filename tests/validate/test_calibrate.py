"""A calibration: what it fits, how it is kept, and what one row brings."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec
import pytest

from cardyears.base.errors import CardyearsError
from cardyears.base.interval import Interval
from cardyears.catalogue.load import load
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.machine.calibration import FACTORS, Calibration, Kept
from cardyears.resolve.calibration import MOST_KEPT, MOST_ROWS, calibrated, read_calibration
from cardyears.resolve.likeness import Likeness, calibrated_job, release
from cardyears.resolve.nearness import Place, distance, place_of_kind
from cardyears.validate.calibrate import COMMON, WITHIN, calibrate, one_row, spread
from cardyears.validate.compare import Compared, compared, engines, job
from cardyears.validate.dates import year_of
from cardyears.validate.interval import interval, run_place
from cardyears.validate.keep import MOST, keep
from cardyears.validate.mine import write, written
from cardyears.validate.placed import placed
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

SOURCE = "llm-foundry-benchmarking-readme"
SLOWER = 1.25
LIKE, MIDDLE_RUN = 0.8, "lf-192"
"""Distance within which runs are like one in their middle: MPT of 760 million parameters."""
MIDDLE = 21.5
"""Logarithm of parameters between small and large models."""


def llm_foundry() -> list[Problem]:
    return problems([run for run in load_runs() if run.source == SOURCE], load())[0]


@pytest.fixture(scope="module")
def mine() -> list[Problem]:
    made, _ = problems([run for run in load_runs() if run.source == SOURCE], load())
    return made[::8]


def moved(some: list[Problem], factor: float) -> list[Problem]:
    """The same runs on a cluster that takes so much longer than is estimated."""
    return [
        msgspec.structs.replace(
            one.problem,
            measured=msgspec.structs.replace(one.problem.measured, step_s=one.predicted_s * factor, tokens_s=None),
        )
        for one in compared(some, load())
    ]


def test_runs_that_are_as_estimated_leave_every_factor_at_one(mine: list[Problem]) -> None:
    found = calibrate(moved(mine, 1.0), load())
    for name in ("rate", "memory_bound", "host", "traffic"):
        assert getattr(found, name) == pytest.approx(1.0, abs=1e-3), name
    assert (found.rows, found.memory_rows, found.memory_spread) == (len(mine), 0, None)


def test_a_slower_cluster_is_found_and_predicted(mine: list[Problem]) -> None:
    slow = moved(mine, SLOWER)
    found = calibrate(slow, load())
    after = compared(slow, calibrated(load(), found))
    assert statistics.median(abs(one.error) for one in after) < 0.01
    assert found.rate < 0.9
    assert found.step_spread is not None
    assert found.step_spread.high < 1.19


def test_one_row_moves_all_four_factors_together(mine: list[Problem]) -> None:
    found = calibrate(moved(mine[:1], SLOWER), load())
    assert found.rate < 1 < found.memory_bound
    assert 1 / found.rate == pytest.approx(found.memory_bound, rel=0.05)
    rest = compared(moved(mine[1:], SLOWER), calibrated(load(), found))
    assert statistics.median(abs(one.error) for one in rest) < 0.10


def test_a_single_wild_row_among_many_moves_little(mine: list[Problem]) -> None:
    slow = moved(mine, 1.0)
    wild = [*slow[1:], *moved(slow[:1], 20.0)]
    assert calibrate(wild, load()).rate == pytest.approx(1.0, abs=0.05)


def test_more_rows_narrow_the_interval() -> None:
    one, many = spread([0.05], 0.2, 0.1), spread([0.05, -0.05] * 20, 0.2, 0.1)
    assert one is not None
    assert many is not None
    assert many.high < one.high
    assert spread([], 0.2, 0.1) is None


def test_memory_is_calibrated_too() -> None:
    made, _ = problems([run for run in load_runs() if run.peak_gib and run.quality == "good"], load())
    some = made[::20]
    found = calibrate(some, load())
    assert found.memory_rows >= 10
    assert found.memory_spread is not None
    assert found.rows == len(compared(some, load()))


KEPT = Kept(
    engine="nemo", device="h100-sxm-80gb", method="lora", precision="fp8", experts=True, parameters=8.03e9, devices=8,
    seq_len=4096, rows=2, slower=1.0625, before=1.25,
)  # fmt: skip


def test_a_file_says_what_it_was_written_from(tmp_path: Path) -> None:
    made = Calibration(
        name="mine.csv", rate=0.9, held=1.5, rows=3, memory_rows=1, step_spread=Interval(0.9, 1.0, 1.1),
        memory_spread=Interval(0.8, 1.0, 1.2), kept=(KEPT,),
    )  # fmt: skip
    path = tmp_path / "mine.toml"
    write(made, path)
    assert read_calibration(path) == msgspec.structs.replace(made, name="mine.toml")
    assert all(f"{name} = " in written(made) for name in FACTORS)


def test_a_calibration_without_factors_changes_no_estimate(mine: list[Problem]) -> None:
    plain, same = compared(mine, load()), compared(mine, calibrated(load(), Calibration()))
    assert [one.predicted_s for one in plain] == [one.predicted_s for one in same]


BAD = {
    "no table": ("rate = 1.0\n", "mine.toml has no table [calibration]."),
    "no TOML": ("[calibration\n", "mine.toml is no TOML file: "),
    "an unknown key": ("[calibration]\nspeed = 2\n", "mine.toml: a calibration has no speed."),
    "a word": ('[calibration]\nrate = "fast"\n', "mine.toml: rate cannot be 'fast'. Write a number from 0.05 to 20."),
    "a factor of nothing": ("[calibration]\nrate = 0.0\n", "mine.toml: rate cannot be 0.0."),
    "not a number": ("[calibration]\nhost = nan\n", "mine.toml: host cannot be nan."),
    "yes": ("[calibration]\nhost = true\n", "mine.toml: host cannot be True."),
    "half a spread": ("[calibration]\nstep_spread = [0.9]\n", "mine.toml: step_spread cannot be [0.9]."),
    "a spread beside one": ("[calibration]\nstep_spread = [1.1, 1.2]\n", "Write two numbers around 1, such as"),
    "a kept run without its sizes": ('[calibration]\nkept = [{ engine = "nemo" }]\n', "mine.toml: kept cannot be "),
    "a kept run of an engine that nobody knows": (
        written(Calibration(name="mine.toml", kept=(msgspec.structs.replace(KEPT, engine="nope"),))),
        "mine.toml: engine of run 1 in kept cannot be 'nope'.",
    ),
    "a kept run on a device that nobody knows": (
        written(Calibration(name="mine.toml", kept=(KEPT, msgspec.structs.replace(KEPT, device="zzz")))),
        "mine.toml: device of run 2 in kept cannot be 'zzz'.",
    ),
    "more kept runs than a file has": (
        written(Calibration(kept=(KEPT,) * (MOST_KEPT + 1))),
        "mine.toml: kept has 201 runs. Keep at most 200, one for each kind.",
    ),
    "a kept run of more rows than there are": (
        written(Calibration(kept=(msgspec.structs.replace(KEPT, rows=10**18),))),
        "mine.toml: kept.rows cannot be 1000000000000000000.",
    ),
    "a kept run that was nowhere before": (
        written(Calibration(kept=(msgspec.structs.replace(KEPT, before=0.001),))),
        "mine.toml: kept.before cannot be 0.001. Write a number from 0.01 to 100.",
    ),
    "a kept run before there were accelerators": (
        written(Calibration(kept=(msgspec.structs.replace(KEPT, year=1999.0),))),
        "mine.toml: kept.year cannot be 1999.0. Write a number from 2,000 to 2,100.",
    ),
    "a kept run on no device": (
        written(Calibration(kept=(msgspec.structs.replace(KEPT, devices=0),))),
        "mine.toml: kept.devices cannot be 0. Write a number from 1 to",
    ),
    "bytes": (b"\xff\xfe\x00", "mine.toml cannot be read as a calibration."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_gives_one_sentence(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CardyearsError) as raised:
        calibrated(load(), read_calibration(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardyearsError, match="cannot be read as a calibration"):
        read_calibration(tmp_path / "none.toml")


def test_one_row_of_a_source_whose_rows_agree_brings_its_error_down() -> None:
    """The experiment on a source that is slow throughout: what one row brings, others like it have."""
    middle = run_place(next(one for one in llm_foundry() if one.measured.id == MIDDLE_RUN))
    alike = [one for one in llm_foundry() if distance(middle, run_place(one)) < LIKE]
    assert len(alike) > 8
    every = compared(moved(alike, SLOWER), load())
    assert isinstance(every[0], Compared)
    found = one_row(every, load())
    assert [one.source for one in found] == [SOURCE]
    assert found[0].before == pytest.approx(1 - 1 / SLOWER)
    assert found[0].after < found[0].before * (WITHIN**2 / (COMMON**2 + WITHIN**2) + 0.1)
    assert found[0].covered >= 0.9


def test_what_one_row_brings_fades_with_the_distance_and_never_harms() -> None:
    """Of a source that is slow throughout, the rows are the better corrected the more they are like the one given."""
    every = llm_foundry()
    given = next(one for one in every if one.measured.id == MIDDLE_RUN)
    made = calibrated(load(), calibrate(moved([given], SLOWER), load()))
    rest = moved([one for one in every if one is not given], SLOWER)
    here = run_place(given)
    found = sorted((distance(here, run_place(one.problem)), abs(one.error)) for one in placed(rest, made))
    assert all(error < 1 - 1 / SLOWER for _, error in found)
    third = len(found) // 3
    near, far = (statistics.mean(error for _, error in part) for part in (found[:third], found[-third:]))
    assert near < 0.75 * far


def test_a_run_unlike_all_of_them_is_estimated_nearly_as_without_a_calibration(mine: list[Problem]) -> None:
    made = calibrated(load(), calibrate(moved(mine[:4], SLOWER), load()))
    other, _ = problems([run for run in load_runs() if run.device.startswith("tpu")][:5], load())
    for before, after in zip(compared(other, load()), placed(other, made), strict=True):
        assert after.predicted_s == pytest.approx(before.predicted_s, rel=0.05)
        assert interval(after.problem, made).high == pytest.approx(interval(after.problem, load()).high, rel=0.05)


def test_many_rows_correct_each_other(mine: list[Problem]) -> None:
    """Small models are slow and large ones as estimated: each kind is corrected by its own."""
    small = [one for one in mine if run_place(one).size < MIDDLE]
    large = [one for one in mine if run_place(one).size >= MIDDLE]
    assert min(len(small), len(large)) > 4
    odd = [*moved(small, SLOWER), *moved(large, 1.0)]
    made = calibrate(odd, load())
    assert len(made.kept) > 2
    after = placed(odd, calibrated(load(), made))
    assert statistics.median(abs(one.error) for one in after) < 0.04


def test_a_run_never_widens_the_interval_at_its_own_place_unless_it_lies_outside_of_it() -> None:
    """Runs of many engines and devices, each as it was measured, and made just to lie inside and far outside."""
    every = problems([run for run in load_runs() if run.quality == "good"], load())[0]
    some = [one.problem for one in compared(every, load())[::150]]
    assert len({one.engine for one in some}) > 8
    for problem in some:
        usual = interval(problem, load())
        edges = [usual.low * 1.01, usual.high * 0.99, usual.high * 1.5]
        for run in (problem, *(moved([problem], factor)[0] for factor in edges)):
            first = compared([run], load())[0]
            mine = calibrated(load(), calibrate([run], load()))
            found = interval(run, mine)
            if usual.low <= first.measured_s / first.predicted_s <= usual.high:
                assert usual.low <= found.low
                assert found.high <= usual.high
            else:
                assert found.high / found.low > 0.9 * usual.high / usual.low


def test_what_was_off_before_is_kept_with_each_kind_and_read_again(mine: list[Problem], tmp_path: Path) -> None:
    made = calibrate(moved(mine, SLOWER), load())
    assert {round(one.before or 0.0, 6) for one in made.kept} == {SLOWER}
    write(made, tmp_path / "mine.toml")
    again = read_calibration(tmp_path / "mine.toml")
    assert [one.before for one in again.kept] == pytest.approx([one.before for one in made.kept], rel=1e-3)
    old = msgspec.structs.replace(KEPT, before=None)
    assert "before" not in written(Calibration(kept=(old,))).split("kept = [")[1]


def test_few_kinds_are_kept_of_many_runs() -> None:
    made, _ = problems(load_runs(), load())
    places = [run_place(one) for one in made[::3]]
    kept, left = keep(places, [0.1] * len(places))
    assert len(kept) <= MOST
    assert sum(one.rows for one in kept) == len(places)
    assert max(abs(value) for value in left) < 0.1


def test_an_estimate_is_corrected_as_a_row_is() -> None:
    """What the command estimates with a calibration is what the comparison of the same run says."""
    run = next(run for run in load_runs() if run.id == "fmsfsdp-004")
    slow = moved(problems([run], load())[0], SLOWER)
    made = calibrated(load(), calibrate(slow, load()))
    known = slow[0]
    task = calibrated_job(job(known, load(), engines(load())[known.engine]), "bf16", made)
    total = float(step(task, known.layout, setting(task, known.layout.precision)).total)
    assert total == pytest.approx(placed(slow, made)[0].predicted_s, rel=0.02)


def of_date(one: Problem, date: str) -> Problem:
    return msgspec.structs.replace(one, measured=msgspec.structs.replace(one.measured, date=date))


def test_an_estimate_near_runs_of_an_old_release_is_of_that_release(tmp_path: Path) -> None:
    engine = "megatron-bridge"
    runs = problems([run for run in load_runs() if run.engine == engine and run.step_s], load())[0]
    dates = sorted({one.measured.date for one in runs if one.year}, key=lambda date: year_of(date) or 0.0)
    old = of_date(runs[0], dates[0])
    slow = moved([old], SLOWER)
    write(calibrate(slow, load()), tmp_path / "mine.toml")
    made = calibrated(load(), read_calibration(tmp_path / "mine.toml"))

    def estimated(problem: Problem) -> float:
        task = calibrated_job(job(problem, load(), engines(load())[engine]), problem.layout.precision, made)
        return float(step(task, problem.layout, setting(task, problem.layout.precision)).total)

    assert estimated(old) == pytest.approx(placed(slow, made)[0].predicted_s, rel=1e-3)
    undated = of_date(slow[0], "")
    assert placed([undated], made)[0].predicted_s == pytest.approx(estimated(old), rel=1e-3)
    newer = of_date(slow[0], dates[-1])
    assert placed([newer], made)[0].predicted_s < estimated(old)


def test_runs_with_and_without_a_date_are_used_as_they_were_fitted() -> None:
    run = next(run for run in load_runs() if run.engine == "megatron-bridge" and run.step_s)
    one = problems([run], load())[0][0]
    old, undated = of_date(one, "2025-09"), of_date(one, "")
    pair = [moved([old], 1.0)[0], moved([undated], 1.0)[0]]
    found = calibrate(pair, load())
    assert [kept.year for kept in found.kept] == [None]
    assert [abs(each.error) for each in placed(pair, calibrated(load(), found))] == pytest.approx([0.0, 0.0], abs=1e-3)


def test_a_date_says_nothing_of_another_engines_releases() -> None:
    kept = msgspec.structs.replace(KEPT, year=2000.0)
    made = calibrated(load(), Calibration(kept=(kept,), rows=1))
    here = place_of_kind(kept, made)
    other = next(key for key in load().engines if key != kept.engine)
    first, _, last = load().engines[kept.engine].years
    assert release(made, here) == pytest.approx(first)
    assert release(made, here._replace(engine=other)) is None
    assert first <= (release(made, here._replace(size=here.size + 1.0)) or 0.0) <= last


def test_runs_that_are_the_same_twice_say_what_they_say_once() -> None:
    here = Place("nemo", "h100-sxm-80gb", "h100", "pretrain", "bf16", False, 22.8, 2.1, 9.0)
    twice = Likeness([here, here], [MOST_ROWS, MOST_ROWS], [1.2, 1.2]).at(here)
    once = Likeness([here], [MOST_ROWS], [1.2]).at(here)
    assert (twice.share, twice.slower) == pytest.approx((once.share, once.slower), rel=1e-3)


def test_a_share_of_peak_is_that_of_the_devices_it_was_measured_on() -> None:
    made = calibrated(load(), Calibration(share=0.7, rows=4, step_spread=Interval(0.9, 1.0, 1.1), kept=(KEPT,)))
    family = load().accelerators[KEPT.device].family
    changed = {key for key, row in made.shares.items() if row != load().shares[key]}
    assert changed == {family}
    assert made.shares[family].mid == pytest.approx(0.7 * load().shares[family].mid)
