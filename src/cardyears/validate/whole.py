"""How far are estimates of whole trainings from what was published? Device-hours, predicted and reported.

A row names a model, its tokens, a device, and device-hours (or devices and days). Where the number of devices and the
model's shape are known the best layout on them gives the rate, else what such devices usually attain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cardyears.answer.judgement import judge
from cardyears.base.errors import BadInput, CardyearsError, shown
from cardyears.base.interval import Interval
from cardyears.base.text import N_, Text
from cardyears.base.units import DAY, HOUR
from cardyears.catalogue.load import Catalogue
from cardyears.question.question import read_question
from cardyears.resolve.devices import device as to_device
from cardyears.resolve.resolve import resolve
from cardyears.validate import cells
from cardyears.validate.machines import device_key
from cardyears.validate.read import NO_DEVICE, UNKNOWN_DEVICE
from cardyears.validate.report import NO_RATE
from cardyears.validate.runs import Unusable
from cardyears.validate.scores import Scores, Signed, scores
from cardyears.validate.shapes import model_key
from cardyears.validate.skips import Left, UnreadCell, names, reasons, unread_cells
from cardyears.validate.table import LINE, Schema, table

COLUMNS = {
    "model": ("model", cells.text),
    "params_b": ("parameters", cells.billions),
    "params_active_b": ("active_parameters", cells.billions),
    "tokens_b": ("tokens", cells.scaled(1e9)),
    "train_flop_reported": ("flop", cells.flop),
    "gpu": ("device", cells.text),
    "n_gpus": ("devices", cells.count),
    "gpu_hours": ("device_hours", cells.number),
    "wall_days": ("days", cells.number),
    "source": ("source", cells.text),
    "source_ref": ("where", cells.text),
    "notes": ("notes", cells.text),
}
WHOLE = Schema(
    COLUMNS,
    (("model",), ("gpu",), ("gpu_hours", "wall_days")),
    Text("The first line must name a model (model), a device (gpu) and device-hours (gpu_hours, or wall_days)."),
)
SECOND_HAND = ("from memory", "unverified", "epoch", "estimate not a run", "secondary")
"""Words of rows whose figures are not the maker's own."""
NO_HOURS = N_("neither device-hours, nor devices and days, are stated")
NO_TOKENS = N_("neither tokens nor FLOP are stated")
NO_MODEL = N_("neither the model nor its parameters are stated")
UNKNOWN_MODEL = N_("the catalogue has no such model, and its parameters are not stated")
UNDISCLOSED = N_("the model's makers published no shape, and its parameters are not stated")
REPORTED = Interval(0.98, 1.46, 2.13)
"""Device-hours that are reported over those of uninterrupted steps: restarts, evaluation, waiting nodes, repeated work
and the software of its year. Of 41 published trainings."""
DENSE = 0.9
"""Active over all parameters from which a model counts as dense."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """One published training."""

    id: str
    model: str = ""
    parameters: float | None = None
    active_parameters: float | None = None
    tokens: float | None = None
    flop: float | None = None
    device: str = ""
    devices: int | None = None
    device_hours: float | None = None
    days: float | None = None
    source: str = ""
    where: str = ""
    notes: str = ""
    line: int | None = None
    """Its number in the table."""
    unread: tuple[str, ...] = ()
    """Cells that do not read, as "column=cell"."""
    refused: str = ""
    """Why the row cannot be used: a cell that does not read, or more cells than columns."""

    @property
    def hours(self) -> float | None:
        """Device-hours, as reported or of devices and days."""
        if self.device_hours is not None:
            return self.device_hours
        return None if self.devices is None or self.days is None else self.devices * self.days * DAY / HOUR

    @property
    def weak(self) -> bool:
        """Whether its figures are second-hand."""
        words = f"{self.source} {self.notes}".casefold()
        return any(word in words for word in SECOND_HAND)


class Judged(msgspec.Struct, frozen=True):
    """One training, predicted and reported, in device-hours."""

    run: Whole
    predicted: Interval
    measured: float

    @property
    def error(self) -> float:
        """Predicted over reported, minus one."""
        return self.predicted.mid / self.measured - 1.0

    @property
    def inside(self) -> bool:
        """Whether the reported hours lie in the interval."""
        return self.predicted.low <= self.measured <= self.predicted.high


class WholeRuns(msgspec.Struct, frozen=True):
    """A table of published trainings, judged."""

    rows: int
    skipped: Mapping[str | Text, int]
    skipped_names: Mapping[str | Text, Mapping[str, int]]
    """By reason, the models or devices that it is about."""
    unread: Sequence[UnreadCell]
    good: Scores
    weak: Scores
    judged: Sequence[Judged]


def load_whole(path: str | Path) -> list[Whole]:
    """The trainings of a table; an error with row, column and remedy where it cannot be used."""
    name = Path(path).name
    found = [Whole(id=f"{Path(name).stem}-{row[LINE]}", **_known(row)) for row in table(path, WHOLE)]
    if not found:
        raise BadInput(
            Text("{path} has no rows.", path=shown(name)), Text("Put one training into each row below the names.")
        )
    return found


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key in Whole.__struct_fields__}


def whole_runs(some: Sequence[Whole], catalogue: Catalogue) -> WholeRuns:
    """All trainings against their estimates."""
    judged: list[Judged] = []
    left: list[Left] = []
    for run in some:
        try:
            judged.append(_judged(run, catalogue))
        except Unusable as error:
            left.append(Left(error.reason, error.name))
        except CardyearsError as error:
            left.append(Left(error.sentence))
    sides = [[Signed(one.run.source, one.error, one.inside) for one in judged if one.run.weak is weak]
             for weak in (False, True)]  # fmt: skip
    return WholeRuns(
        rows=len(some),
        skipped=reasons(left),
        skipped_names=names(left),
        unread=unread_cells(some),
        good=scores(sides[0]),
        weak=scores(sides[1]),
        judged=judged,
    )


def _judged(run: Whole, catalogue: Catalogue) -> Judged:
    """One training judged; `Unusable` says why it cannot be."""
    if run.refused:
        raise Unusable(run.refused)
    if run.hours is None:
        raise Unusable(NO_HOURS)
    if not run.device:
        raise Unusable(NO_DEVICE)
    key = device_key(run.device, catalogue)
    if key is None:
        raise Unusable(UNKNOWN_DEVICE, run.device)
    hours = _hours(run, key, catalogue)
    if hours is None:
        raise Unusable(NO_RATE, run.device)
    return Judged(run, hours, run.hours)


def _hours(run: Whole, key: str, catalogue: Catalogue) -> Interval | None:
    """Device-hours of a training; None where the device has no rate."""
    name = _model(run, catalogue)
    if run.tokens is not None and name is not None:
        count = run.devices or 1
        case = resolve(read_question(name, on=f"{count}x {key}", tokens=run.tokens), catalogue)
        found = judge(case, links=run.devices is not None)
        devices = count if found.linked is None else found.linked.devices
        return None if found.time is None else found.time * (devices / HOUR) * REPORTED
    flop = _flop(run, catalogue)
    one = to_device(key, catalogue.accelerators[key])
    if one.training_dtype is None:
        return None
    row = catalogue.shares.get(one.family, catalogue.shares["all"])
    rate = Interval(row.low, row.mid, row.high) * one.peak(one.training_dtype).value
    return flop / rate / HOUR * REPORTED


def _flop(run: Whole, catalogue: Catalogue) -> float:
    """FLOP of a training, as stated or of parameters and tokens; `Unusable` says what is missing."""
    if run.flop is not None:
        return run.flop
    if run.tokens is None:
        raise Unusable(NO_TOKENS)
    parameters = run.active_parameters or run.parameters
    if parameters is None:
        raise Unusable(*_nameless(run, catalogue))
    return 6.0 * parameters * run.tokens


def _nameless(run: Whole, catalogue: Catalogue) -> tuple[str, str]:
    """Why nothing is known of a model whose row has no parameters, and its name."""
    if not run.model:
        return NO_MODEL, ""
    return UNKNOWN_MODEL if model_key(run.model, catalogue) is None else UNDISCLOSED, run.model


def _model(run: Whole, catalogue: Catalogue) -> str | None:
    """What to ask for: the catalogue's model of that name, else a generic decoder of a dense model's size."""
    known = model_key(run.model, catalogue) if run.model else None
    if known is not None and catalogue.models[known].shape is not None:
        return known
    size = run.parameters
    dense = size is not None and (run.active_parameters or size) >= DENSE * size
    return f"{size / 1e9:.6g}B" if size is not None and dense else None
