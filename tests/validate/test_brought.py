"""A person's own table: read in the public format, or refused in one sentence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.validate.compare import compared
from cardyears.validate.interval import known
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs
from cardyears.work.params import total_parameters

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
    text = "model,gpu,seq_len,step_time_s\nNever-Heard,H100,2048,1\nphi-2,Ascend-910B,2048,1\nphi-2,H100,,1\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not made
    assert [one.reason for one in skipped] == [
        "no architecture in the row, and the catalogue has no such model",
        "the catalogue has no such device",
        "the sequence length is not stated",
    ]


SAME = "model,gpu,n_gpus,seq_len,tp,pp,global_batch_seqs,step_time_s\nLlama-3-8B,H100,8,8192,1,1,8,2.5\n"
WRITTEN = {
    "semicolons and a decimal comma": SAME.replace(",", ";").replace("2.5", "2,5"),
    "tabs": SAME.replace(",", "\t"),
    "bars": SAME.replace(",", "|"),
    "a byte order mark": "\ufeff" + SAME,
    "two bytes a character": SAME.encode("utf-16"),
    "an old spreadsheet": SAME.replace("step_time_s", "step_time_s,remark")
    .replace("2.5", "2.5,für mich")
    .encode("cp1252"),
    "line ends of Windows": SAME.replace("\n", "\r\n"),
    "semicolons, a decimal comma and grouped thousands": SAME.replace(",", ";")
    .replace("2.5", "2,500")
    .replace("8192", "8.192"),
    "capitals and spaces in the names": SAME.replace("step_time_s", "Step Time S").replace("gpu,", "GPU,", 1),
    "commas behind the last cell": SAME.replace("2.5\n", "2.5,,,\n"),
    "empty lines before and between": "\n\n" + SAME.replace("\n", "\n\n"),
    "quotes around everything": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in SAME.splitlines()
    ),
    "whole numbers with a point": SAME.replace(",8,8192,1,1,8,", ",8.0,8192.0,1.0,1.0,8.0,"),
    "columns of one's own": SAME.replace("model,", "colour,model,").replace("Llama", "blue,Llama"),
    "grouped thousands": SAME.replace("8192", '"8,192"'),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_a_table_means_the_same_however_it_is_written(tmp_path: Path, way: str) -> None:
    plain = problems(load_runs(brought(tmp_path, SAME)), load())[0][0]
    made, skipped = problems(load_runs(brought(tmp_path, WRITTEN[way])), load())
    assert not skipped
    one = made[0]
    assert (one.step_s, one.layout, one.cluster, one.seq_len) == (2.5, plain.layout, plain.cluster, plain.seq_len)


@pytest.mark.parametrize("nothing", ["", "nan", "NaN", "N/A", "-", "?", "None", "null", "unknown"])
def test_what_says_nothing_is_left_out(tmp_path: Path, nothing: str) -> None:
    text = f"model,gpu,n_gpus,seq_len,step_time_s,mfu,micro_batch,vocab,tp\nphi-2,T4,1,2048,1,{nothing},1,{nothing},1\n"
    run = load_runs(brought(tmp_path, text))[0]
    assert (run.mfu, run.vocab, run.step_s) == (None, None, 1.0)


def test_words_that_a_column_does_not_know_count_as_nothing_and_are_said(tmp_path: Path) -> None:
    text = "model,gpu,seq_len,tokens_per_s_per_gpu,recompute,attention\nphi-2,T4,2048,1,every third,gqa\n"
    run = load_runs(brought(tmp_path, text))[0]
    assert (run.recompute, run.attention, run.unheard) == (None, "gqa", ("recompute=every third",))
    assert problems([run], load())[0][0].assumes("recompute")


def test_a_run_without_memory_may_have_a_speed_of_zero(tmp_path: Path) -> None:
    text = "model,gpu,seq_len,tokens_per_s_per_gpu,step_time_s,outcome\nphi-2,T4,2048,0,0.0,OOM\n"
    run = load_runs(brought(tmp_path, text))[0]
    assert (run.outcome, run.tokens_s, run.step_s) == ("oom", None, None)


ENGINES_OF_OTHERS = (
    *("axolotl 0.5", "LLaMA-Factory", "torchtune", "unsloth 2024.8", "Megatron-LM core_r0.8", "MaxText", "NeMo 2.0"),
    *("HF Trainer", "PyTorch FSDP2", "GPT-NeoX", "my own", "", "Zyphra-internal"),
)


@pytest.mark.parametrize("engine", ENGINES_OF_OTHERS)
@pytest.mark.parametrize("kind", ["pretrain", "full_ft", "LoRA", "qlora"])
def test_a_row_is_predicted_whatever_ran_it(tmp_path: Path, engine: str, kind: str) -> None:
    text = (
        "model,gpu,n_gpus,seq_len,kind,engine,tokens_per_s_per_gpu\n"
        f"Qwen2.5-7B,NVIDIA H100 80GB HBM3,16,4096,{kind},{engine},9000\n"
    )
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not skipped
    assert len(compared(made, load())) == 1
    unknown = engine in ("my own", "", "Zyphra-internal")
    assert made[0].assumes("engine") is unknown
    assert known(made[0]) is False or not unknown


def test_a_large_model_without_degrees_gets_the_fewest_that_fit(tmp_path: Path) -> None:
    text = "model,gpu,n_gpus,seq_len,engine,tokens_per_s_per_gpu\nLlama-3-70B,H100,64,8192,NeMo,700\n"
    one = problems(load_runs(brought(tmp_path, text)), load())[0][0]
    assert one.assumes("degrees")
    assert one.layout.tp * one.layout.pp >= 8
    assert one.layout.devices == 64


def test_a_kind_of_training_that_is_not_estimated_is_skipped(tmp_path: Path) -> None:
    text = "model,gpu,seq_len,kind,step_time_s\nphi-2,T4,2048,GRPO,1\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not made
    assert skipped[0].reason == "a kind of training that is not estimated"


def test_a_length_follows_from_rate_time_and_batch(tmp_path: Path) -> None:
    text = "model,gpu,n_gpus,tokens_per_s_per_gpu,step_time_s,global_batch_seqs\nphi-2,A100,8,8192,2,64\n"
    one = problems(load_runs(brought(tmp_path, text)), load())[0][0]
    assert (one.seq_len, one.assumes("seq_len")) == (2_048, True)


def test_a_model_that_nobody_knows_is_a_decoder_of_its_size(tmp_path: Path) -> None:
    text = "model,params_b,gpu,seq_len,tokens_per_s_per_gpu\nNever-Heard,7,A100,2048,3000\n"
    one = problems(load_runs(brought(tmp_path, text)), load())[0][0]
    assert one.assumes("shape")
    assert total_parameters(one.architecture) == pytest.approx(7e9, rel=0.05)


def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path: Path) -> None:
    start = time.perf_counter()
    made, skipped = problems(
        load_runs(brought(tmp_path, SAME + SAME.splitlines()[1].join(("", "\n")) * 99_999)), load()
    )
    assert (len(made), len(skipped)) == (100_000, 0)
    assert time.perf_counter() - start < 60


BAD = {
    "a number that is none": (
        "model,gpu,step_time_s\nphi-2,T4,fast\n",
        (
            'mine.csv, row 2: step_time_s cannot be "fast". Write a number from a millionth to a billion, or leave the '
            "cell empty."
        ),
    ),
    "a negative number": (
        "model,gpu,step_time_s\n\nphi-2,T4,-1\n",
        (
            'mine.csv, row 3: step_time_s cannot be "-1". Write a number from a millionth to a billion, or leave the '
            "cell empty."
        ),
    ),
    "an infinite number": (
        "model,gpu,step_time_s\nphi-2,T4,inf\n",
        (
            'mine.csv, row 2: step_time_s cannot be "inf". Write a number from a millionth to a billion, or leave the '
            "cell empty."
        ),
    ),
    "a rate that is no rate": (
        "model,gpu,tokens_per_s_per_gpu\nphi-2,T4,5e-324\n",
        (
            'mine.csv, row 2: tokens_per_s_per_gpu cannot be "5e-324". Write a number from a millionth to a billion, '
            "or leave the cell empty."
        ),
    ),
    "a share of more than all": (
        "model,gpu,mfu\nphi-2,T4,250\n",
        'mine.csv, row 2: mfu cannot be "250". Write a share such as 0.41 or 41 %, or leave the cell empty.',
    ),
    "no columns": (
        ",,\n",
        (
            "mine.csv has no columns. The first line must name a model (model), a machine (gpu) and a measured value "
            "(step_time_s)."
        ),
    ),
    "a time of zero": (
        "model,gpu,step_time_s\nphi-2,T4,0\n",
        (
            'mine.csv, row 2: step_time_s cannot be "0". Write a number from a millionth to a billion, or leave the '
            "cell empty."
        ),
    ),
    "a share that is none": (
        "model,gpu,mfu\nphi-2,T4,much\n",
        'mine.csv, row 2: mfu cannot be "much". Write a share such as 0.41 or 41 %, or leave the cell empty.',
    ),
    "half a device": (
        "model,gpu,step_time_s,n_gpus\nphi-2,T4,1,1.5\n",
        'mine.csv, row 2: n_gpus cannot be "1.5". Write a positive whole number, or leave the cell empty.',
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
        b"\x00model\xff",
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


@pytest.mark.parametrize("precision", ["fp8", "mxfp8", "nvfp4", "fp16", "tf32", "fp32", "FP8 (E4M3)", "float8", "O2"])
@pytest.mark.parametrize("device", ["A100", "H100", "V100", "T4", "TPU v5p", "MI300X", "Gaudi2", "M3 Max", "B200"])
def test_what_a_device_cannot_compute_in_is_unpacked_to_what_it_can(
    tmp_path: Path, precision: str, device: str
) -> None:
    text = f"model,gpu,seq_len,precision,tokens_per_s_per_gpu\nphi-2,{device},2048,{precision},1000\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not skipped
    assert len(compared(made, load())) == 1
    if (precision, device) == ("fp8", "A100"):
        assert (made[0].layout.precision, made[0].assumes("computes")) == ("bf16", True)


def test_more_expert_ranks_than_there_are_become_as_many_as_there_are(tmp_path: Path) -> None:
    text = "model,gpu,n_gpus,seq_len,tp,pp,ep,tokens_per_s_per_gpu\nMixtral-8x7B,H100,8,4096,1,1,64,1\n"
    one = problems(load_runs(brought(tmp_path, text)), load())[0][0]
    assert (one.layout.ep, one.assumes("ep")) == (8, True)


IMPOSSIBLE = {
    # devices, tp, pp, vpp, ep
    "64,1,64,,": "pp = 64 is more than the model's 32 layers: the last stage would be empty.",
    "12,3,1,,": "tp = 3 does not divide 32 heads.",
    "8,2,4,99999,": (
        "pp x virtual_stages = 4 x 99,999 = 399,996 chunks, more than embedding, 32 layers and head can fill."
    ),
    "8,1,1,,8": "ep = 8 deals out experts, and the model has none.",
}


@pytest.mark.parametrize("degrees", IMPOSSIBLE)
def test_what_a_model_cannot_be_split_into_is_skipped_and_said_as_estimate_says_it(
    tmp_path: Path, degrees: str
) -> None:
    text = f"model,gpu,seq_len,tokens_per_s_per_gpu,n_gpus,tp,pp,vpp,ep\nLlama-3-8B,H100,4096,1000,{degrees}\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not made
    assert [(str(one.reason), one.name) for one in skipped] == [(IMPOSSIBLE[degrees], "Llama-3-8B")]


BLANKED: tuple[dict[str, Any], ...] = (
    {},
    {"ffn": None, "model_key": ""},
    {"ffn": None, "heads": None, "model_key": ""},
    {"virtual_stages": None},
    {"tp": None, "pp": None, "dp": None},
)


@pytest.mark.parametrize("blank", BLANKED)
def test_no_measured_run_is_impossible_for_a_value_that_was_filled_in(blank: dict[str, Any]) -> None:
    runs = [msgspec.structs.replace(run, **blank) for run in load_runs()]
    assert [str(one.reason) for one in problems(runs, load())[1] if not isinstance(one.reason, str)] == []


def test_a_time_and_a_rate_say_the_batch_of_a_step(tmp_path: Path) -> None:
    text = (
        "model,gpu,n_gpus,seq_len,kind,engine,step_time_s,tokens_per_s_per_gpu\n"
        "Llama-3.1-8B,H100,8,8192,pretrain,torchtitan,12.85,5100\n"
    )
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not skipped
    assert made[0].layout.global_batch == 64  # 12.85 s · 5,100/s · 8 devices / 8,192 tokens
    assert made[0].assumes("global_batch")


def test_a_time_without_a_batch_cannot_be_held_against_anything(tmp_path: Path) -> None:
    text = "model,gpu,n_gpus,seq_len,kind,engine,step_time_s\nLlama-3.1-8B,H100,8,8192,pretrain,torchtitan,12.85\n"
    made, skipped = problems(load_runs(brought(tmp_path, text)), load())
    assert not made
    assert skipped[0].reason == "the time of a step is stated, but not its batch"


def test_a_peak_at_a_length_that_is_guessed_is_not_scored(tmp_path: Path) -> None:
    text = (
        "model,gpu,n_gpus,kind,engine,tokens_per_s_per_gpu,peak_mem_gib\n"
        "Llama-3.1-8B,H100,8,pretrain,torchtitan,5100,60\n"
    )
    made, _ = problems(load_runs(brought(tmp_path, text)), load())
    assert made[0].scores_speed
    assert not made[0].scores_memory
