"""Whole trainings: device-hours predicted against reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.validate.whole import Whole, WholeRuns, load_whole, whole_runs

HEAD = "model,params_b,tokens_b,gpu,n_gpus,gpu_hours,wall_days,source,notes\n"
ROWS = (
    "Llama-2-7B,6.74,2000,A100-SXM-80GB,,184320,,Llama 2,\n"
    "LLaMA-65B,65.2,1400,A100-SXM-80GB,2048,1022362,21,LLaMA,\n"
    "Nobody-7B,7,1000,H100,512,,10,a page,\n"
    "Somebody-7B,7,1000,H100,512,,10,Epoch AI notable models (secondary),\n"
    "Chinchilla-70B,70,1400,TPU v9,,,,,\n"
    "Grok-1-314B,314,,H100,100,,10,,\n"
)


def judged(tmp_path: Path, text: str = HEAD + ROWS) -> WholeRuns:
    path = tmp_path / "whole.csv"
    path.write_text(text, encoding="utf-8")
    return whole_runs(load_whole(path), load())


def test_rows_are_judged_or_skipped_with_a_reason(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert found.rows == len(found.judged) + sum(found.skipped.values()) == 6
    assert found.skipped == {
        "neither device-hours, nor devices and days, are stated": 1,
        "neither tokens nor FLOP are stated": 1,
    }
    assert (found.good.n, found.weak.n) == (3, 1)


def test_hours_follow_from_devices_and_days() -> None:
    assert Whole(id="x", devices=512, days=10).hours == 512 * 240
    assert Whole(id="x", devices=512, days=10, device_hours=7).hours == 7
    assert Whole(id="x", devices=512).hours is None


def test_known_trainings_are_near_what_was_reported(tmp_path: Path) -> None:
    for one in judged(tmp_path).judged[:2]:
        assert one.inside, one.run.model
        assert one.predicted.low < one.predicted.mid < one.predicted.high


def test_a_model_that_nobody_knows_is_judged_by_its_size(tmp_path: Path) -> None:
    names = [one.run.model for one in judged(tmp_path).judged]
    assert "Nobody-7B" in names


def test_twice_the_tokens_take_twice_the_hours(tmp_path: Path) -> None:
    one = judged(tmp_path, HEAD + "Llama-2-7B,,1000,A100,,1,,,\nLlama-2-7B,,2000,A100,,1,,,\n").judged
    assert one[1].predicted.mid == pytest.approx(2 * one[0].predicted.mid)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,gpu\nx,H100\n", "whole.csv has no column gpu_hours or wall_days"),
        (HEAD, "whole.csv has no rows."),
        (HEAD + "x,seven,,,,,,,\n", 'whole.csv, row 2: params_b cannot be "seven".'),
    ],
)
def test_a_bad_table_gives_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CardyearsError) as raised:
        judged(tmp_path, text)
    assert str(raised.value).startswith(message)
