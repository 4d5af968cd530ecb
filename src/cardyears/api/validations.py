"""The verb `validate` and its public result. What it needs is imported when it is called: no other verb reads runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cardyears.api import results
from cardyears.catalogue.load import load

if TYPE_CHECKING:
    from cardyears.validate.compare import Compared
    from cardyears.validate.held import Held
    from cardyears.validate.report import Part, Validation
    from cardyears.validate.validated import Validated
    from cardyears.validate.whole import WholeRuns


class ValidateResult(results.Result, frozen=True, kw_only=True):
    """Predicted against measured. `speed` to `baseline` are over rows of good quality, as `groups` are."""

    rows: int
    predicted: int
    skipped: Mapping[str, int]
    skipped_names: Mapping[str, Mapping[str, int]]
    """By reason, the models or devices that it is about, with the number of their rows."""
    speed: Mapping[str, Any]
    """Errors of the step time: predicted over measured, minus one."""
    memory: Mapping[str, Any]
    fit_verdicts: Mapping[str, int]
    baseline: Mapping[str, Any]
    """One constant share of peak on the same rows as `speed`; `share` is the one that fits them best. Too few rows have
    no errors of it, and `reason` says so."""
    printed: Mapping[str, Any]
    """Step times of rows that have a printed rate of FLOP and no more: they are in none of the other scores."""
    by: str
    groups: Mapping[str, Mapping[str, Any]]
    weak: Mapping[str, Any]
    """The same over the other rows."""
    choice: Mapping[str, Any] | None
    """What choosing by the estimate costs among families of layouts that were measured; None where there is none."""
    assumed: Mapping[str, float] | None
    """Shares of the runs with a speed whose estimate rests on something assumed."""
    unread_words: Mapping[str, int]
    """Words of the table that their columns do not know."""
    columns_not_read: Mapping[str, str]
    """Columns that were not read, and the one of ours that each may be."""
    unreadable_cells: list[dict[str, Any]]
    """Cells that do not read: column, value, number of rows, and the first of them."""
    runs: Mapping[str, Any] | None
    """Whole trainings, in device-hours."""
    entries: list[dict[str, Any]]
    """Every predicted row, where they were asked for."""
    calibration: Mapping[str, Any] | None
    """The factors that were used."""
    calibrated: Mapping[str, Any] | None
    """The factors that were fitted here, and the errors that they leave."""
    error: Mapping[str, str] | None
    """Said where no row was predicted: code, message, remedy."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; keys that nobody asked for are left out."""
        found = super().as_dict()
        unasked = [name for name in ("runs", "calibration", "calibrated", "error") if found[name] is None]
        if not self.subject.rows:
            unasked.append("entries")
        return {name: value for name, value in found.items() if name not in unasked}


def validate(
    file: str | Path | None = None,
    *,
    by: str = "gpu",
    rows: bool = False,
    runs: str | Path | None = None,
    calibrate: str | Path | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> ValidateResult:
    """How far the estimates are from measured runs: those that ship with the product, or those of a table.

    `calibrate` names a file for the factors that correct the estimates for the table's cluster, which the other verbs
    take as `calibration`.

    >>> found = validate()
    >>> found.rows, found.speed["median_abs_error"] < 0.1 < found.baseline["median_abs_error"]
    (3651, True)
    """
    from cardyears.resolve.calibration import calibrated, read_calibration
    from cardyears.validate import validated

    plain = load() if catalogue is None else load().with_file(catalogue)
    known = plain if calibration is None else calibrated(plain, read_calibration(calibration))
    return result(validated.validate(file, known, plain, by=by, rows=rows, runs=runs, calibrate_to=calibrate))


def result(made: Validated) -> ValidateResult:
    """The public result."""
    found = made.found
    good = _part(found.good)
    good["baseline"] |= {
        "share": found.constant_share,
        "reason": None if found.constant_why is None else str(found.constant_why),
    }
    return ValidateResult(
        subject=made,
        rows=found.rows,
        predicted=found.predicted,
        **_skips(found),
        **good,
        by=found.by,
        groups={name: _part(part) for name, part in found.groups.items()},
        weak=_part(found.weak),
        choice=None if found.choice is None else msgspec.to_builtins(found.choice),
        assumed=None if found.rests is None else msgspec.to_builtins(found.rests),
        unread_words=found.unheard,
        columns_not_read=made.not_read,
        unreadable_cells=[msgspec.structs.asdict(one) for one in found.unread],
        runs=None if made.runs is None else _whole(made.runs),
        entries=entries(found) if made.rows else [],
        calibration=None if found.calibration is None else msgspec.to_builtins(found.calibration),
        calibrated=None
        if made.made is None or made.after is None
        else {**msgspec.to_builtins(made.made), "after": _part(made.after.good)},
        error=_error(found),
    )


def _error(found: Validation) -> dict[str, str] | None:
    """What is wrong with a table of which no row was predicted."""
    from cardyears.validate.validated import nothing

    wrong = nothing(found)
    return None if wrong is None else {"code": wrong.code, "message": str(wrong.rule), "remedy": str(wrong.remedy)}


def _part(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(part)
    return found


def _skips(found: Validation | WholeRuns) -> dict[str, Any]:
    """Rows that were skipped, by reason, and the models or devices that a reason is about; in English."""
    return {
        "skipped": {str(reason): count for reason, count in found.skipped.items()},
        "skipped_names": {str(reason): dict(counted) for reason, counted in found.skipped_names.items()},
    }


def _whole(runs: WholeRuns) -> dict[str, Any]:
    """The contract's scores of whole trainings, those of second-hand figures apart."""
    return {
        "rows": runs.rows,
        "predicted": len(runs.judged),
        **_skips(runs),
        "unreadable_cells": [msgspec.structs.asdict(one) for one in runs.unread],
        **msgspec.to_builtins(runs.good),
        "weak": msgspec.to_builtins(runs.weak),
        "entries": [
            {
                "model": one.run.model,
                "source": one.run.source,
                "measured_device_hours": one.measured,
                "predicted_device_hours": msgspec.to_builtins(one.predicted),
                "error": one.error,
            }
            for one in runs.judged
        ],
    }


def entries(found: Validation) -> list[dict[str, Any]]:
    """Every predicted row, in the order of the table."""
    from cardyears.validate.interval import interval

    rows: dict[int, dict[str, Any]] = {}
    for one in (*found.speeds, *found.printed):
        wide = interval(one.problem, found.catalogue)
        row = rows.setdefault(id(one.problem), _row(one))
        row |= {
            "measured_step_s": one.measured_s,
            "predicted_step_s": msgspec.to_builtins(wide * one.predicted_s),
            "error": one.error,
            "measured_by": "printed TFLOP/s" if one.problem.step_s is None else "time",
        }
    for each in found.memories:
        row = rows.setdefault(id(each.problem), _row(each))
        row |= {
            "measured_peak_bytes": each.measured,
            "predicted_peak_bytes": msgspec.to_builtins(each.spread * each.predicted),
            "memory_error": each.error,
            "fits": each.verdict.value,
        }
    return list(rows.values())


def _row(one: Compared | Held) -> dict[str, Any]:
    problem, run = one.problem, one.problem.measured
    return {
        "id": run.id,
        "source": run.source,
        "quality": run.quality,
        "outcome": run.outcome,
        "model": run.model,
        "device": problem.device.key,
        "devices": problem.cluster.count,
        "engine": problem.engine,
        "method": problem.training.method,
        "assumed": list(problem.assumed),
    }
