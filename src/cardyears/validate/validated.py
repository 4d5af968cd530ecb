"""What `validate` answers: a table against its estimates, what was asked besides, and the calibration that it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cardyears.base.errors import BadInput, shown
from cardyears.base.text import N_, Text
from cardyears.catalogue.load import Catalogue
from cardyears.machine.calibration import Calibration
from cardyears.validate import mine
from cardyears.validate.calibrate import calibrate
from cardyears.validate.compare import Compared, compared
from cardyears.validate.read import problems
from cardyears.validate.report import Validation, read_group, validation
from cardyears.validate.runs import load_runs
from cardyears.validate.table import other_names
from cardyears.validate.whole import WholeRuns, load_whole, whole_runs


class Validated(msgspec.Struct, frozen=True):
    """Everything that was asked of a table."""

    found: Validation
    rows: bool
    """Whether every row is wanted."""
    runs: WholeRuns | None
    """Whole trainings, where a table of them was named."""
    made: Calibration | None
    """The calibration that was fitted."""
    made_file: str
    after: Validation | None
    """The same table with that calibration: in sample."""
    shipped: Sequence[Compared]
    """Measured runs among which neighbours are looked for."""
    not_read: Mapping[str, str]
    """Columns of the tables that nobody reads, and the one of ours that each may be."""


def validate(
    file: str | Path | None,
    catalogue: Catalogue,
    plain: Catalogue,
    *,
    by: str = "gpu",
    rows: bool = False,
    runs: str | Path | None = None,
    calibrate_to: str | Path | None = None,
) -> Validated:
    """A table against its estimates. `plain` is the catalogue without a calibration: what one is fitted to."""
    read_group(by)
    if calibrate_to is not None:
        mine.check_path(calibrate_to)
    name = "" if file is None else Path(file).name
    brought = load_runs(file)
    found = validation(brought, catalogue, by, name)
    made, after = None, None
    if calibrate_to is not None:
        made = fitted(found, plain, name)
        mine.write(made, calibrate_to)
        after = validation(brought, _with(plain, made), by, name)
    whole = None if runs is None else whole_runs(load_whole(runs), catalogue)
    shipped = found.speeds if file is None else compared(problems(load_runs(), plain)[0], plain)
    return Validated(
        found=found,
        rows=rows,
        runs=whole,
        made=made,
        made_file="" if calibrate_to is None else Path(calibrate_to).name,
        after=after,
        shipped=shipped,
        not_read={**({} if file is None else other_names(file)), **({} if runs is None else other_names(runs))},
    )


def fitted(found: Validation, plain: Catalogue, name: str) -> Calibration:
    """The calibration of a table. `BadInput` where no row of it was predicted."""
    timed = {id(one.problem): one.problem for one in (*found.speeds, *found.printed)}
    some = list((timed | {id(one.problem): one.problem for one in found.memories}).values())
    if not some:
        raise BadInput(
            Text("No row of {path} could be predicted, so nothing can be calibrated.", path=shown(name or "it")),
            Text("cardyears validate FILE says why each was skipped."),
        )
    return calibrate(some, plain, name or "the runs that ship with cardyears")


def nothing(found: Validation) -> BadInput | None:
    """The error of a table of which no row was predicted; the answer still says why, row by row."""
    if found.predicted or not found.rows:
        return None
    often = max(found.skipped, key=lambda reason: found.skipped[reason])
    return BadInput(
        Text(
            N_("No row of {path} could be predicted. Most often: {why:word}.")
            if isinstance(often, str)
            else N_("No row of {path} could be predicted. Most often: {why}"),
            path=shown(found.name),
            why=often,
        ),
        Text("docs/validate.md says what a row needs."),
    )


def _with(plain: Catalogue, made: Calibration) -> Catalogue:
    from cardyears.resolve.calibration import calibrated

    return calibrated(plain, made)
