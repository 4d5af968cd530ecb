"""A person's own table: read in the public format, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

SMALLEST = "model,gpu,n_gpus,seq_len,step_time_s,tp,pp,global_batch_seqs\nLlama-3-8B,H100,8,8192,2.5,1,1,8\n"


def brought(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_model_a_machine_and_a_time_are_enough(tmp_path: Path) -> None:
    made, skipped = problems(load_runs(brought(tmp_path, SMALLEST)), load())
    assert not skipped
    one = made[0]
    assert (one.device.key, one.architecture.layer_count, one.layout.dp) == ("h100-sxm-80gb", 32, 8)
    assert (one.step_s, one.measured.id, one.engine) == (2.5, "mine-2", "megatron-core")
    assert all(one.assumes(name) for name in ("engine", "recompute", "precision", "model"))


def test_empty_cells_blank_lines_unknown_columns_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeffmodel,gpu,peak_mem_gib,remark,notes\nphi-2,A100-80GB,20.5,mine,packed\n\nphi-2,,21,,\n"
    runs = load_runs(brought(tmp_path, text))
    assert [(run.device, run.peak_gib, run.flags) for run in runs] == [("A100-80GB", 20.5, ("packed",)), ("", 21.0, ())]


def test_words_of_people_mean_ours(tmp_path: Path) -> None:
    text = "model,gpu,kind,sharding,engine,notes,step_time_s\nphi-2,T4,sft,fsdp,axolotl,with Liger,1\n"
    run = load_runs(brought(tmp_path, text))[0]
    assert (run.method, run.sharding, run.engine) == ("full", "zero3", "hf-trainer-fused")


def test_a_row_that_cannot_be_used_is_skipped_with_a_reason(tmp_path: Path) -> None:
    text = "model,gpu,seq_len,step_time_s\nNever-Heard-7B,H100,2048,1\nphi-2,Ascend-910B,2048,1\nphi-2,H100,,1\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not made
    assert [one.reason for one in skipped] == [
        "no architecture in the row, and the catalogue has no such model",
        "the catalogue has no such device",
        "the sequence length is not stated",
    ]


BAD = {
    "a number that is none": (
        "model,gpu,step_time_s\nphi-2,T4,fast\n",
        'mine.csv, row 2: step_time_s cannot be "fast". Write a positive number, or leave the cell empty.',
    ),
    "a negative number": (
        "model,gpu,step_time_s\nphi-2,T4,1\nphi-2,T4,-1\n",
        'mine.csv, row 3: step_time_s cannot be "-1". Write a positive number, or leave the cell empty.',
    ),
    "not a number": (
        "model,gpu,mfu\nphi-2,T4,nan\n",
        'mine.csv, row 2: mfu cannot be "nan". Write a positive number, or leave the cell empty.',
    ),
    "half a device": (
        "model,gpu,step_time_s,n_gpus\nphi-2,T4,1,1.5\n",
        'mine.csv, row 2: n_gpus cannot be "1.5". Write a positive whole number, or leave the cell empty.',
    ),
    "no fact": (
        "model,gpu,step_time_s,compile\nphi-2,T4,1,maybe\n",
        'mine.csv, row 2: compile cannot be "maybe". Write 1 or 0, or leave the cell empty.',
    ),
    "a word that is none of ours": (
        "model,gpu,step_time_s,recompute\nphi-2,T4,1,some\n",
        'mine.csv, row 2: recompute cannot be "some". Write one of none, selective, full, or leave the cell empty.',
    ),
    "too many cells": (
        "model,gpu,step_time_s\nphi-2,T4,1,2\n",
        "mine.csv, row 2: 4 cells under 3 columns. Put a cell with a comma in it into quotation marks.",
    ),
    "a column twice": (
        "model,gpu,gpu,step_time_s\nphi-2,T4,T4,1\n",
        "mine.csv has two columns gpu. Remove or rename one.",
    ),
    "no machine": (
        "model,step_time_s\nphi-2,1\n",
        (
            "mine.csv has no column gpu; it has model, step_time_s. The first line must name a model (model), "
            "a machine (gpu) and a measured value (step_time_s)."
        ),
    ),
    "no rows": ("model,gpu,step_time_s\n", "mine.csv has no rows. Put one measured run into each row below the names."),
    "bytes": (
        b"\xff\xfe\x00model",
        "mine.csv cannot be read as a table. Name a CSV file in UTF-8 whose first line has the names of its columns.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_gives_one_sentence_and_a_remedy(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(CardyearsError) as raised:
        load_runs(brought(tmp_path, text))
    assert str(raised.value) == message
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "\n", '"model', 'model,gpu,step_time_s\nphi-2,"T4,1\n', "a\x00b,c\n1,2\n"])
def test_any_other_rubbish_is_refused_and_never_crashes(tmp_path: Path, text: str) -> None:
    with pytest.raises(CardyearsError):
        load_runs(brought(tmp_path, text))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CardyearsError, match=r"cannot be read as a table"):
            load_runs(path)


def test_a_problem_says_what_it_assumes(tmp_path: Path) -> None:
    one = problems(load_runs(brought(tmp_path, SMALLEST)), load())[0][0]
    assert isinstance(one, Problem)
    assert not one.assumes("global_batch")
    assert all(": " in line and "=" in line for line in one.assumed)
