"""The shipped runs: all there, all sourced, small, and apart from what a check loads."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cardyears.catalogue.load import load
from cardyears.validate.engines import ENGINES
from cardyears.validate.habits import HABITS
from cardyears.validate.notes import FLAGS
from cardyears.validate.runs import SHIPPED, Measured, load_runs, sources

COUNTS = json.loads(Path(__file__).with_name("counts.json").read_text(encoding="utf-8"))
LARGEST = 700_000


@pytest.fixture(scope="module")
def runs() -> list[Measured]:
    return load_runs()


def test_every_run_has_an_id_of_its_own(runs: list[Measured]) -> None:
    assert len(runs) == 3_651
    assert len({run.id for run in runs}) == len(runs)


@pytest.mark.parametrize("field", COUNTS)
def test_counts_are_those_that_the_normaliser_reported(runs: list[Measured], field: str) -> None:
    assert Counter(getattr(run, field) for run in runs) == COUNTS[field]


def test_every_source_exists_and_is_used(runs: list[Measured]) -> None:
    books = sources()
    assert {run.source for run in runs} == books.keys()
    assert all(book.title and book.where for book in books.values())


def test_every_engine_has_a_row_a_habit_and_a_meaning(runs: list[Measured]) -> None:
    assert {run.engine for run in runs} <= ENGINES.keys()
    assert ENGINES.keys() == HABITS.keys() == load().engines.keys()


def test_every_flag_is_known(runs: list[Measured]) -> None:
    assert {flag for run in runs for flag in run.flags} <= FLAGS.keys()


def test_devices_and_models_are_keys_of_the_catalogue_as_far_as_it_has_them(runs: list[Measured]) -> None:
    catalogue = load()
    foreign = Counter(run.device for run in runs if run.device and run.device not in catalogue.accelerators)
    assert foreign == {"MI350X": 2}
    assert all(run.model_key in catalogue.models for run in runs if run.model_key)


def test_the_table_is_small_in_the_wheel() -> None:
    assert len(gzip.compress(SHIPPED.read_bytes())) < LARGEST


def test_a_check_does_not_load_the_runs() -> None:
    program = "import sys, cardyears; cardyears.check('gpt2', on='4090'); print('cardyears.validate' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
