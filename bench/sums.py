"""How long do both ledgers of a layout take: of one layout, and of many as arrays?"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from cardyears.catalogue.load import load
from cardyears.estimate.estimate import estimate
from cardyears.estimate.memory import memory
from cardyears.layout.layout import Layout
from cardyears.question.question import read_question
from cardyears.verbs.estimate import Estimated, estimate_layout
from cardyears.work.architecture import LLAMA2_7B
from cardyears.work.state import Training
from timing import Line, median

ESTIMATE_LIMIT_MS = 2.0
"""Both ledgers of one layout of a large model."""
AXES = {
    "tp": (1, 2, 4, 8),
    "pp": (2, 4, 8, 16),
    "cp": (1, 2, 4, 8),
    "micro_batch": (1, 2, 4, 8),
    "accumulation": (32, 64, 96, 128, 160, 192, 224, 256),
    "recompute_every": (1, 2, 3, 4),
}
MANY = math.prod(len(values) for values in AXES.values())
"""Layouts in one array: 8,192."""
LARGE = {
    "Llama 3.1 405B": ("llama-3.1-405b", "16384x H100 over 400Gb/s per gpu", "tp=8,pp=16,v=8,global_batch=2048", 8_192),
    "DeepSeek-V3": ("deepseek-v3", "2048x H800 over 400Gb/s per gpu", "pp=16,ep=64,schedule=dualpipe,zero=1", 4_096),
}
"""Published layouts: model, machine, layout and sequence length."""


def lines(runs: int) -> list[Line]:
    """Times of the sums alone, everything imported and looked up."""
    training, layout = Training("full"), Layout(recompute="full")
    found = [
        Line("one estimate.memory", median(lambda: memory(LLAMA2_7B, training, layout, 2_048), 100 * runs) * 1e6, "µs")
    ]
    cases = {name: _case(*asked) for name, asked in LARGE.items()}
    for name, case in cases.items():
        seconds = median(lambda case=case: estimate(case.job, case.estimate.layout), 10 * runs)  # type: ignore[misc]
        found.append(Line(f"one estimate of {name}", seconds * 1e3, "ms", ESTIMATE_LIMIT_MS))
    for name, case in cases.items():
        grid = _grid(case.estimate.layout)
        seconds = median(lambda case=case, grid=grid: estimate(case.job, grid), runs)  # type: ignore[misc]
        found.append(Line(f"{MANY:,} estimates of {name} as arrays", seconds * 1e3, "ms"))
        found.append(Line("    so many a second", MANY / seconds / 1e3, "thousand"))
    return found


def _case(model: str, machine: str, layout: str, seq_len: int) -> Estimated:
    return estimate_layout(read_question(model, on=machine, layout=layout, seq_len=seq_len), load())


def _grid(around: Layout) -> Layout:
    """So many layouts of the same devices as arrays: every combination of six axes, legal or not."""
    import numpy as np

    grid = np.meshgrid(*(np.array(values, float) for values in AXES.values()), indexing="ij")
    axes: dict[str, Any] = {name: values.ravel() for name, values in zip(AXES, grid, strict=True)}
    axes["dp"] = around.devices / (axes["tp"] * axes["pp"] * axes["cp"])
    return msgspec.structs.replace(around, recompute="full", **axes)
