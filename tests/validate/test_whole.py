"""Whole trainings: device-hours predicted against reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.validate.whole import Whole, WholeRuns, load_whole, whole_runs
from support.asking import invoke, on_one_line

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


WHY = {
    # row: the reason, and what it is about
    "Nobody-7B,,1000,H100,,1,,,": ("the catalogue has no such model, and its parameters are not stated", "Nobody-7B"),
    "GPT-4,,1000,H100,,1,,,": ("the model's makers published no shape, and its parameters are not stated", "GPT-4"),
    ",,1000,H100,,1,,,": ("neither the model nor its parameters are stated", ""),
    "Llama-2-7B,,,H100,,1,,,": ("neither tokens nor FLOP are stated", ""),
    "Llama-2-7B,,2000,TPU v9,,1,,,": ("the catalogue has no such device", "TPU v9"),
    "Llama-2-7B,,2000,,,1,,,": ("the device is not stated", ""),
    "Llama-2-7B,,2000,H100,,,,,": ("neither device-hours, nor devices and days, are stated", ""),
    "Llama-2-7B,seven,2000,H100,,1,,,": ("a cell that the run depends on cannot be read", ""),
}


def test_each_row_that_is_skipped_has_its_own_reason_and_name(tmp_path: Path) -> None:
    found = judged(tmp_path, HEAD + "Llama-2-7B,,2000,A100,,184320,,,\n" + "".join(f"{row}\n" for row in WHY))
    assert found.skipped == {reason: 1 for reason, _ in WHY.values()}
    assert found.skipped_names == {reason: {name: 1} for reason, name in WHY.values() if name}
    assert [(one.column, one.value, one.first_row) for one in found.unread] == [("params_b", "seven", 10)]


def test_text_and_json_name_what_was_skipped(tmp_path: Path) -> None:
    steps, whole = tmp_path / "steps.csv", tmp_path / "whole.csv"
    steps.write_text("model,gpu,seq_len,tokens_per_s_per_gpu\nphi-2,H100,2048,20000\n", encoding="utf-8")
    whole.write_text(HEAD + "".join(f"{row}\n" for row in WHY if "seven" not in row), encoding="utf-8")
    words = ("validate", str(steps), "--runs", str(whole))
    text = on_one_line(invoke(*words).out)
    assert "Whole trainings that were skipped: 7" in text
    assert "the catalogue has no such device: TPU v9 (1)" in text
    assert "its parameters are not stated: Nobody-7B (1)" in text
    assert "Whole trainings" not in invoke(*words, "--lang", "ar").out
    runs = json.loads(invoke(*words, "--json").out)["runs"]
    assert runs["skipped_names"]["the catalogue has no such device"] == {"TPU v9": 1}
    assert runs["unreadable_cells"] == []


def test_a_row_that_breaks_a_rule_of_ours_says_which_in_arabic_too(tmp_path: Path) -> None:
    steps, whole = tmp_path / "steps.csv", tmp_path / "whole.csv"
    steps.write_text("model,gpu,seq_len,tokens_per_s_per_gpu\nphi-2,H100,2048,20000\n", encoding="utf-8")
    whole.write_text(HEAD + "Llama-2-7B,,1000,H100,1000000000,1,,,\n", encoding="utf-8")
    words = ("validate", str(steps), "--runs", str(whole))
    rule = "hardware: at most 10,000,000 devices can be reckoned with, and 1,000,000,000 are named. Name fewer."
    assert rule.rstrip(".") in on_one_line(invoke(*words).out)
    arabic = invoke(*words, "--lang", "ar").out
    assert "at most" not in arabic
    assert "Name fewer" not in arabic
    assert json.loads(invoke(*words, "--json").out)["runs"]["skipped"] == {rule: 1}


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
        ("model,gpu\nx,H100\n", "whole.csv has none of these columns: gpu_hours, wall_days"),
        (HEAD, "whole.csv has no rows."),
        (HEAD + "x,seven,,,,,,,\n", 'whole.csv, row 2: params_b cannot be "seven".'),
    ],
)
def test_a_bad_table_gives_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CardyearsError) as raised:
        judged(tmp_path, text)
    assert str(raised.value).startswith(message)
