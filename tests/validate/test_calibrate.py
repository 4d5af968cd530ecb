"""A calibration: what it fits, how it is kept, and what one row brings."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec
import pytest

from cardyears.base.errors import CardyearsError
from cardyears.base.interval import Interval
from cardyears.catalogue.load import load
from cardyears.machine.calibration import FACTORS, Calibration
from cardyears.resolve.calibration import calibrated, read_calibration
from cardyears.validate.calibrate import COMMON, WITHIN, calibrate, one_row, spread
from cardyears.validate.compare import Compared, compared
from cardyears.validate.mine import write, written
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

SOURCE = "llm-foundry-benchmarking-readme"
SLOWER = 1.25


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


def test_a_file_says_what_it_was_written_from(tmp_path: Path) -> None:
    made = Calibration(
        name="mine.csv", rate=0.9, held=1.5, rows=3, memory_rows=1, step_spread=Interval(0.9, 1.0, 1.1),
        memory_spread=Interval(0.8, 1.0, 1.2),
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
    "bytes": (b"\xff\xfe\x00", "mine.toml cannot be read as a calibration."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_gives_one_sentence(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CardyearsError) as raised:
        read_calibration(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardyearsError, match="cannot be read as a calibration"):
        read_calibration(tmp_path / "none.toml")


def test_one_row_of_a_source_whose_rows_agree_brings_its_error_down(mine: list[Problem]) -> None:
    """The experiment on a source that is slow throughout: what one row brings, the others have."""
    slow = moved(mine, SLOWER)
    every = compared(slow, load())
    assert isinstance(every[0], Compared)
    found = one_row(every, load())
    assert [one.source for one in found] == [SOURCE]
    assert found[0].before == pytest.approx(1 - 1 / SLOWER)
    assert found[0].after < found[0].before * (WITHIN**2 / (COMMON**2 + WITHIN**2) + 0.1)
    assert found[0].covered >= 0.9
