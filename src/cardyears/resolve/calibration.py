"""What does a person's calibration change? Its file, and the catalogue with its factors in it.

The factors go into the catalogue's rows, so that everything that rests on them is calibrated and nothing else knows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from cardyears.base.errors import BadInput, UnreadableValue, UnusableFile, listed, shown
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Method, Precision
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import EngineRow, ShareRow
from cardyears.machine.calibration import FACTORS, LARGEST, MOST_RESERVE, SMALLEST, Calibration, Kept
from cardyears.resolve.defaults import Assumed

COUNTS = ("rows", "memory_rows")
SPREADS = ("step_spread", "memory_spread")
KEPT = "kept"
NAMES = (*FACTORS, *COUNTS, *SPREADS, KEPT)
TABLE = "calibration"
MOST_ROWS = 10_000_000
MOST_KEPT = 200
"""Kinds of runs in one file: what each says of every other is worked out in plain Python, in a tenth of a second."""
MOST_PARAMETERS = 1e18
YEARS = (2000.0, 2100.0)
"""When runs on accelerators can have been measured."""
WIDEST = (0.01, 100.0)
"""Beyond these a spread is none."""


def read_calibration(path: str | Path) -> Calibration:
    """The calibration of a file that `validate --calibrate` wrote. `BadInput` says in one sentence what is wrong."""
    path = Path(path)
    name = shown(path.name)
    try:
        with path.open("rb") as file:
            said = tomllib.load(file).get(TABLE)
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(
            Text("{path} cannot be read as a calibration.", path=name),
            Text("Write one: cardyears validate my-runs.csv --calibrate mine.toml."),
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(
            Text("{path} is no TOML file: {why}.", path=name, why=shown(str(error))),
            Text("Write one: cardyears validate my-runs.csv --calibrate mine.toml."),
        ) from error
    if not isinstance(said, dict):
        raise BadInput(
            Text("{path} has no table [calibration].", path=name),
            Text("Write one: cardyears validate my-runs.csv --calibrate mine.toml."),
        )
    unknown = [key for key in said if key not in NAMES]
    if unknown:
        raise BadInput(
            Text("{path}: a calibration has no {key}.", path=name, key=shown(unknown[0])),
            Text("Take of {names}.", names=listed(NAMES)),
        )
    return Calibration(name=path.name, **_values(said, name))


def _values(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    factors = {key: _number(name, key, said[key], SMALLEST, LARGEST) for key in FACTORS if key in said}
    counts = {key: int(_number(name, key, said[key], 0, MOST_ROWS)) for key in COUNTS if key in said}
    spreads = {key: _spread(name, key, said[key]) for key in SPREADS if key in said}
    return {**factors, **counts, **spreads, KEPT: _kept(name, said.get(KEPT, []))}


def _kept(name: str, said: Any) -> tuple[Kept, ...]:
    """The runs that the calibration keeps."""
    try:
        found = msgspec.convert(said, tuple[Kept, ...])
    except msgspec.ValidationError as error:
        raise UnreadableValue(
            Text("{path}: {key} cannot be read ({why}).", path=name, key=KEPT, why=shown(str(error))),
            Text("Write the runs as validate --calibrate does."),
        ) from error
    if len(found) > MOST_KEPT:
        raise BadInput(
            Text("{path}: {key} has {n:integer} runs.", path=name, key=KEPT, n=len(found)),
            Text("Keep at most {most:integer}, one for each kind.", most=MOST_KEPT),
        )
    for one in found:
        _number(name, f"{KEPT}.rows", one.rows, 1, MOST_ROWS)
        for key in ("parameters", "devices", "seq_len"):
            _number(name, f"{KEPT}.{key}", getattr(one, key), 1, MOST_PARAMETERS)
        _number(name, f"{KEPT}.slower", one.slower, *WIDEST)
        if one.before is not None:
            _number(name, f"{KEPT}.before", one.before, *WIDEST)
        if one.year is not None:
            _number(name, f"{KEPT}.year", one.year, *YEARS)
    return found


def _number(name: str, key: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UnreadableValue(
            Text("{path}: {key} cannot be {value}.", path=name, key=key, value=shown(repr(value))),
            Text("Write a number from {low:number} to {high:number}.", low=low, high=high),
        )
    return float(value)


def _spread(name: str, key: str, value: Any) -> Interval:
    """Low and high end around one."""
    pair = value if isinstance(value, list) and len(value) == 2 else [None, None]
    numbers = [one for one in pair if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if len(numbers) != 2 or not WIDEST[0] <= numbers[0] <= 1.0 <= numbers[1] <= WIDEST[1]:
        raise UnreadableValue(
            Text("{path}: {key} cannot be {value}.", path=name, key=key, value=shown(repr(value))),
            Text("Write two numbers around 1, such as [0.9, 1.1]."),
        )
    return Interval(float(numbers[0]), 1.0, float(numbers[1]))


def calibrated(catalogue: Catalogue, one: Calibration | None) -> Catalogue:
    """The catalogue as this cluster is: every engine's coefficients and every usual share with their factor.

    >>> from cardyears.catalogue.load import load
    >>> mine = calibrated(load(), Calibration(rate=1.1))
    >>> round(mine.engines["nemo"].product_factor / load().engines["nemo"].product_factor, 3)
    1.1
    """
    if one is None:
        return catalogue
    _check_kept(catalogue, one)
    families = _families(catalogue, one)
    rows = {
        "engines": {key: calibrated_engine(row, one) for key, row in catalogue.engines.items()},
        "shares": {key: _share(row, one) for key, row in catalogue.shares.items() if key in families},
    }
    return catalogue.with_rows(rows, one)


def _families(catalogue: Catalogue, one: Calibration) -> Collection[str]:
    """Families of devices whose usual share of peak it changes: those of its runs, or all where it keeps none."""
    if not one.kept:
        return catalogue.shares.keys()
    return {catalogue.accelerators[run.device].family for run in one.kept}


def _check_kept(catalogue: Catalogue, one: Calibration) -> None:
    """Raises `UnreadableValue` where a kept run names what nobody knows."""
    known: dict[str, Collection[str]] = {
        "engine": catalogue.engines.keys(), "device": catalogue.accelerators.keys(), "method": get_args(Method),
        "precision": get_args(Precision),
    }  # fmt: skip
    for number, run in enumerate(one.kept, start=1):
        for key, allowed in known.items():
            value = getattr(run, key)
            if value not in allowed:
                raise UnreadableValue(
                    Text(
                        "{path}: {key} of run {number:integer} in kept cannot be {value}.",
                        path=shown(one.name), key=key, number=number, value=shown(repr(value)),
                    ),
                    Text("Write it as validate --calibrate does; cardyears devices lists devices."),
                )  # fmt: skip


def calibrated_engine(row: EngineRow, one: Calibration) -> EngineRow:
    """An engine's row with the factors. Exposures are shares: none exceeds one."""
    return msgspec.structs.replace(
        row,
        product_factor=row.product_factor * one.rate,
        attention_factor=row.attention_factor * one.rate,
        memory_bound_factor=row.memory_bound_factor * one.memory_bound,
        kernel_us=row.kernel_us * one.host,
        collective_us=row.collective_us * one.host,
        routing_us=row.routing_us * one.host,
        step_ms=row.step_ms * one.host,
        gradient_exposure=min(1.0, row.gradient_exposure * one.traffic),
        tensor_exposure=min(1.0, row.tensor_exposure * one.traffic),
        expert_exposure=min(1.0, row.expert_exposure * one.traffic),
        context_gib=row.context_gib * one.held,
        reserve_share=min(MOST_RESERVE, row.reserve_share * one.held),
    )


def _share(row: ShareRow, one: Calibration) -> ShareRow:
    """What such devices usually attain, moved to what this cluster does and narrowed to the spread that is left."""
    mid = min(1.0, row.mid * one.share)
    if one.step_spread is None or not one.rows:
        return row
    left = one.step_spread.inverse()
    return msgspec.structs.replace(
        row, low=mid * left.low, mid=mid, high=min(1.0, mid * left.high), runs=one.rows, kind="measured"
    )


def noted(catalogue: Catalogue, assumed: Assumed) -> None:
    """Say among the assumptions that a calibration was used, and what it does."""
    one = catalogue.calibration
    if one is None:
        return
    reason = Text(
        "fitted on {rows:integer} of your own runs and {memory:integer} peaks: rate × {rate:number}, memory-bound × "
        "{moved:number}, host × {host:number}, traffic × {traffic:number}, memory beside the state × {held:number}; "
        "those on time in full near these runs, and less the farther",
        rows=one.rows, memory=one.memory_rows, rate=one.rate, moved=one.memory_bound, host=one.host,
        traffic=one.traffic, held=one.held,
    )  # fmt: skip
    assumed.filled("calibration", one.name, kind="measured", source="", reason=reason)
