"""The errors on the shipped runs rise only where somebody says so: `python tools/errors.py` writes them anew."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

HELD = json.loads(Path(__file__).with_name("errors.json").read_text(encoding="utf-8"))
TOOL = Path(__file__).parents[2] / "tools" / "errors.py"
REMEDY = "find out why, or run python tools/errors.py and say in the commit what rose and for what"


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("errors", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert Path(__file__).with_name("errors.json") == module.FILE
    found: dict[str, Any] = module.errors()
    return found


@pytest.mark.parametrize("group", HELD["groups"])
def test_errors_do_not_rise(now: dict[str, Any], group: str) -> None:
    tolerance = HELD["tolerance"]
    assert group in now["groups"], f"{group} is gone: {REMEDY}"
    for what, line in HELD["groups"][group].items():
        found = now["groups"][group].get(what)
        assert found is not None, f"{what} of {group} is gone: {REMEDY}"
        room = tolerance["all"] if group == "all" else tolerance["median"]
        assert found["median"] <= line["median"] + room, f"{what} of {group}: {REMEDY}"
        assert found["p90"] <= line["p90"] + tolerance["p90"], f"{what} of {group}: {REMEDY}"
        assert abs(found["bias"]) <= abs(line["bias"]) + tolerance["bias"], f"{what} of {group}: {REMEDY}"
        assert found["coverage"] >= line["coverage"] - tolerance["coverage"], f"{what} of {group}: {REMEDY}"
        assert found["n"] >= 0.95 * line["n"], f"fewer rows of {group} are predicted: {REMEDY}"


def test_tolerances_are_small_and_all_runs_are_held() -> None:
    assert max(HELD["tolerance"].values()) <= 0.05
    assert HELD["groups"]["all"]["speed"]["n"] > 2_500
    assert HELD["groups"]["all"]["memory"]["n"] > 400
