"""The coefficients of memory in the catalogue are what the fit gives, and the fit stays near its priors."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cardyears.catalogue.load import load
from cardyears.validate.compare import engines
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

FIELDS = ("context_gib", "reserve_share", "idle_share", "logit_bytes", "idle_logits")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "fit_memory.py"
    spec = importlib.util.spec_from_file_location("fit_memory", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_memory"] = module  # its annotations are looked up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured() -> list[Problem]:
    return [one for one in problems(load_runs(), load())[0] if one.measured.has_memory]


def priors(tool: ModuleType) -> dict[str, dict[str, float]]:
    return tomllib.loads(tool.PRIORS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", ["torchtitan", "fsdp-qlora", "litgpt"])
def test_the_catalogue_has_what_the_fit_gives(tool: ModuleType, measured: list[Problem], key: str) -> None:
    found = tool.fit(measured, engines(load()), {key: priors(tool)[key]})[key]
    row: Any = load().engines[key]
    assert {name: getattr(row, name) for name in FIELDS} == pytest.approx(
        {name: found[name] for name in FIELDS}, rel=1e-3
    )


def test_an_engine_that_nobody_measured_has_its_priors(tool: ModuleType, measured: list[Problem]) -> None:
    others = [one for one in measured if one.engine != "torchtitan"]
    prior = priors(tool)["torchtitan"]
    assert tool.fit(others, engines(load()), {"torchtitan": prior})["torchtitan"] == prior


def test_no_coefficient_is_moved_beyond_what_is_plausible(tool: ModuleType) -> None:
    for key, prior in priors(tool).items():
        row: Any = load().engines[key]
        for name in FIELDS:
            now, before = getattr(row, name), prior[name]
            assert (now == 0.0) == (before == 0.0)
            if before:
                assert 0.2 < now / before < 5.0
