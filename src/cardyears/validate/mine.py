"""How is a calibration kept? As a small TOML file that says what each line means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cardyears.base.errors import BadInput, UnusableFile
from cardyears.base.text import Text
from cardyears.machine.calibration import Calibration, Kept

SUFFIX = ".toml"
MEANINGS = {
    "rate": "rate of matrix products and attention",
    "memory_bound": "bytes that memory-bound operators move",
    "host": "launching kernels and collectives, and what each step takes besides",
    "traffic": "traffic between devices that computation does not hide",
    "held": "memory held beside state and activations",
    "share": "share of peak of whole runs, over what such devices usually attain",
}
"""What each factor multiplies, as the file says it."""
KIND = ("engine", "device", "method", "precision", "experts")
"""What makes runs of one kind, beside their sizes."""


def written(one: Calibration) -> str:
    """The calibration as TOML.

    >>> print(written(Calibration(name="mine.csv", rate=1.08, rows=3)).splitlines()[2])
    rate = 1.0800  # rate of matrix products and attention
    """
    lines = [f"# Factors on the coefficients of cardyears, fitted on {one.name or 'measured runs'}.", "[calibration]"]
    lines += [f"{key} = {getattr(one, key):.4f}  # {text}" for key, text in MEANINGS.items()]
    lines += [f"rows = {one.rows}  # runs with a speed", f"memory_rows = {one.memory_rows}  # runs with a peak"]
    for key, text in (("step_spread", "step time"), ("memory_spread", "peak memory")):
        left = getattr(one, key)
        if left is not None:
            lines.append(f"{key} = [{left.low:.3f}, {left.high:.3f}]  # measured over predicted {text} left, 80 %")
    return "\n".join([*lines, *_kept(one.kept)]) + "\n"


def _kept(kept: Sequence[Kept]) -> list[str]:
    """A line for each kind of run."""
    if not kept:
        return []
    lines = [
        "# Runs near which the factors on time hold, and measured over predicted step time that is left there and that",
        "# there was before. What is left is taken off a run like them too; one unlike all of them is estimated as",
        "# without a calibration. Estimates near them are of the engine as it was in their year.",
        "kept = [",
    ]
    for run in kept:
        words = ", ".join(f"{key} = {json.dumps(getattr(run, key))}" for key in KIND)
        sizes = f"parameters = {run.parameters:.3e}, devices = {run.devices}, seq_len = {run.seq_len}"
        found = {"slower": f"{run.slower:.4f}"}
        if run.before is not None:
            found["before"] = f"{run.before:.4f}"
        if run.year is not None:
            found["year"] = f"{run.year:.2f}"
        told = ", ".join(f"{key} = {value}" for key, value in found.items())
        lines.append(f"  {{ {words}, {sizes}, rows = {run.rows}, {told} }},")
    return [*lines, "]"]


def check_path(path: str | Path) -> None:
    """Raises `BadInput` unless a calibration can be written under this name, before there is one."""
    if Path(path).suffix.lower() != SUFFIX:
        raise BadInput(
            Text("A calibration cannot be written as {name}.", name=Path(path).name or str(path)),
            Text("Let the name end in {endings}.", endings=SUFFIX),
        )


def write(one: Calibration, path: str | Path) -> None:
    """Write the file. `UnusableFile` where the place cannot be written to."""
    check_path(path)
    try:
        Path(path).write_text(written(one), encoding="utf-8")
    except OSError as problem:
        raise UnusableFile(
            Text("{path} cannot be written: {why}.", path=str(path), why=problem.strerror or str(problem)),
            Text("Name a file in a folder that you may write to."),
        ) from None
