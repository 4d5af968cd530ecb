"""These tests need torch, transformers and PEFT, and run only when this folder is named: `make test-oracles`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` passes this folder by; without it named, nothing here is even imported."""
    named = [Path(config.invocation_params.dir, argument.partition("::")[0]) for argument in config.args]
    return None if any(HERE in (path, *path.parents) for path in named) else True
