"""The figures of docs/performance.md come from a file that the benchmarks write."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "examples" / "performance.json"


@pytest.fixture(scope="module")
def written() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_written", ROOT / "bench" / "written.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_benchmark_writes_its_part_and_leaves_the_others(written: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "performance.json"
    written.write("search", {"seconds": 0.123456, "rows": [{"per_s": 2_783_475.4}]}, to=path)
    written.write("validate", {"runs": 3}, to=path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["search"]["seconds"], found["search"]["rows"], found["validate"]["runs"]) == (
        0.1235, [{"per_s": 2_783_000.0}], 3,
    )  # fmt: skip
    for part in found.values():
        assert part["machine"].keys() == {"processor", "cores", "load", "python", "numpy", "date"}


def test_the_page_says_on_which_machine_and_when() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for part in json.loads(FIGURES.read_text(encoding="utf-8")).values():
        machine = part["machine"]
        assert re.search(r"\d{4}-\d\d-\d\d", machine["date"])
        for key in ("processor", "python", "numpy", "date"):
            assert machine[key] in page
