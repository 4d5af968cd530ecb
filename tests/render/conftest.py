"""Estimates that drawings and charts are made of; translations as they stand."""

from __future__ import annotations

import gettext

import pytest

from cardyears.catalogue.load import load
from cardyears.question.question import read_question
from cardyears.render.locale import compile as compiler
from cardyears.render.locale.voice import voice
from cardyears.verbs.estimate import Estimated, estimate_layout
from support.arabic import FILES

PIPELINES = {
    "1f1b": "tp=8,pp=4,dp=2,micro_batch=1,global_batch=16,zero=1",
    "interleaved": "tp=8,pp=4,dp=2,micro_batch=1,global_batch=32,virtual_stages=2,schedule=interleaved,zero=1",
    "zero-bubble": "tp=8,pp=4,dp=2,micro_batch=1,global_batch=64,schedule=zero-bubble,zero=1",
    "dualpipe": "tp=2,pp=16,dp=2,micro_batch=1,global_batch=512,schedule=dualpipe,zero=1",
    "many": "tp=1,pp=32,dp=2,micro_batch=1,global_batch=64,zero=1",
}


def pipeline(layout: str) -> Estimated:
    return estimate_layout(
        read_question("llama-3.1-70b", on="64x H100 over 400Gb/s per gpu", layout=layout, seq_len=8192), load()
    )


@pytest.fixture(scope="session")
def pipelines() -> dict[str, Estimated]:
    return {name: pipeline(layout) for name, layout in PIPELINES.items()}


@pytest.fixture(scope="session")
def one_card() -> Estimated:
    return estimate_layout(
        read_question("llama-3-8b", method="qlora", on="RTX 4070 Ti", layout="global_batch=1,recompute=full"), load()
    )


@pytest.fixture(scope="session", autouse=True)
def _compiled_as_it_stands() -> None:
    """The .mo files are not in the repository: a translation that has just been mended is tested, not the last one."""
    if any(not (mo := po.with_suffix(".mo")).exists() or mo.stat().st_mtime < po.stat().st_mtime for po in FILES):
        compiler.main()
        voice.cache_clear()
        vars(gettext)["_translations"].clear()
