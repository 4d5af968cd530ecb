"""Names that the examples in docstrings may use without importing them."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from cardyears.layout.layout import Layout
from cardyears.work import architecture
from cardyears.work.state import RECIPES, Training

pytest.register_assert_rewrite("support")


def pytest_collection_finish() -> None:
    """Keep thousands of collected tests out of every garbage collection."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _example_models(doctest_namespace: dict[str, Any]) -> None:
    for name in ("GPT2_SMALL", "GPT3_175B", "LLAMA2_7B", "LLAMA3_8B"):
        doctest_namespace[name] = getattr(architecture, name)
    doctest_namespace.update(Layout=Layout, RECIPES=RECIPES, Training=Training)
