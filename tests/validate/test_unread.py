"""Cells that do not read, rows that are skipped, and rows with a printed rate of FLOP only: counted and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.validate.report import Validation, grouped, validation
from cardyears.validate.runs import load_runs
from cardyears.validate.skips import UnreadCell
from cardyears.validate.whole import load_whole, whole_runs
from support.asking import invoke, on_one_line

UNREADABLE = "a cell that the run depends on cannot be read"
NAMES = "model,gpu,n_gpus,seq_len,step_time_s,peak_mem_gib,compile,micro_batch\n"
GOOD = "phi-2,T4,1,2048,2,,1,1\n"


def brought(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def judged(tmp_path: Path, text: str) -> Validation:
    return validation(load_runs(brought(tmp_path, text)), load(), name="mine.csv")


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        ("phi-2,T4,1,2048,fast,,1,1", "step_time_s", "fast"),
        ("phi-2,T4,1,2048,-1,,1,1", "step_time_s", "-1"),
        ("phi-2,T4,1,2048,inf,,1,1", "step_time_s", "inf"),
        ("phi-2,T4,1.5,2048,2,,1,1", "n_gpus", "1.5"),
        ("phi-2,T4,1,long,2,,1,1", "seq_len", "long"),
    ],
)
def test_a_row_that_depends_on_a_cell_that_does_not_read_is_skipped_and_counted(
    tmp_path: Path, row: str, column: str, value: str
) -> None:
    found = judged(tmp_path, f"{NAMES}{GOOD}{row}\n{row}\n")
    assert (found.rows, found.predicted, found.skipped) == (3, 1, {UNREADABLE: 2})
    assert found.unread == (UnreadCell(column, value, 2, 3),)


def test_a_cell_that_a_row_can_do_without_counts_as_empty_and_is_said(tmp_path: Path) -> None:
    found = judged(tmp_path, f"{NAMES}phi-2,T4,1,2048,2,,maybe,1\n")
    assert (found.predicted, found.skipped) == (1, {})
    assert found.unread == (UnreadCell("compile", "maybe", 1, 2),)
    assert found.speeds[0].problem.measured.compiled is None


@pytest.mark.parametrize(
    ("cell", "method"),
    [
        ("QLoRA (4-bit)", "qlora"),
        ("LoRA r=16", "lora"),
        ("LORA fine-tuning", "lora"),
        ("full SFT run", "full"),
        ("", "pretrain"),
    ],
)
def test_a_kind_in_several_words_is_what_it_names(tmp_path: Path, cell: str, method: str) -> None:
    found = judged(tmp_path, f"kind,{NAMES}{cell},{GOOD}")
    assert [one.problem.training.method for one in found.speeds] == [method]


def test_a_kind_that_is_not_understood_is_no_pretraining(tmp_path: Path) -> None:
    found = judged(tmp_path, f"kind,{NAMES},{GOOD}divination,{GOOD}")
    assert (found.predicted, found.skipped) == (1, {UNREADABLE: 1})
    assert found.unread == (UnreadCell("kind", "divination", 1, 3),)


def test_of_two_measured_values_the_one_that_reads_is_held_against_its_estimate(tmp_path: Path) -> None:
    found = judged(tmp_path, f"{NAMES}phi-2,T4,1,2048,slow,12,1,1\n")
    assert (len(found.speeds), len(found.memories), found.skipped) == (0, 1, {})
    assert found.unread == (UnreadCell("step_time_s", "slow", 1, 2),)


def test_a_row_with_more_cells_than_columns_is_counted(tmp_path: Path) -> None:
    found = judged(tmp_path, f"{NAMES}{GOOD}phi-2,T4,1,2048,2,,1,1,5\n")
    assert (found.predicted, found.skipped) == (1, {"more cells than the table has columns": 1})


def test_a_table_of_which_no_row_reads_is_refused_with_the_first_of_its_cells(tmp_path: Path) -> None:
    with pytest.raises(CardyearsError, match=r'row 2: step_time_s cannot be "fast"\. Write a number from a m'):
        judged(tmp_path, f"{NAMES}phi-2,T4,1,2048,fast,,1,1\nphi-2,T4,1.5,2048,2,,1,1\n")


def test_text_and_json_say_which_cells_and_how_often(tmp_path: Path) -> None:
    path = brought(tmp_path, f"{NAMES}{GOOD}phi-2,T4,1,2048,fast,,1,1\n")
    text = invoke("validate", str(path)).out
    assert 'step_time_s "fast", first in row 3' in text
    found = json.loads(invoke("validate", str(path), "--json").out)
    assert found["unreadable_cells"] == [{"column": "step_time_s", "value": "fast", "rows": 1, "first_row": 3}]


def test_a_table_of_whole_trainings_counts_its_cells_too(tmp_path: Path) -> None:
    text = "model,tokens_b,gpu,gpu_hours\nLlama-2-7B,2000,A100-SXM-80GB,184320\nLlama-2-7B,many,A100,1\n"
    found = whole_runs(load_whole(brought(tmp_path, text)), load())
    assert (found.rows, found.skipped) == (2, {UNREADABLE: 1})


COMMAS = {"2,5": 2.5, "1,234": 1.234, "1.234,5": 1234.5, "1.234": 1234.0, "12": 12.0}


@pytest.mark.parametrize("cell", COMMAS)
def test_with_semicolons_a_comma_is_the_decimal_one(tmp_path: Path, cell: str) -> None:
    text = f"model;gpu;seq_len;peak_mem_gib;step_time_s\nphi-2;T4;2048;1,5;{cell}\n"
    assert load_runs(brought(tmp_path, text))[0].step_s == COMMAS[cell]


@pytest.mark.parametrize(("cell", "value"), [("2.5", 2.5), ("1.234", 1.234), ("1,234.5", 1234.5)])
def test_with_semicolons_and_no_decimal_comma_a_point_is_the_decimal_one(
    tmp_path: Path, cell: str, value: float
) -> None:
    text = f"model;gpu;seq_len;step_time_s\nphi-2;T4;2048;{cell}\n"
    assert load_runs(brought(tmp_path, text))[0].step_s == value


def test_with_commas_a_comma_in_quotation_marks_groups_thousands(tmp_path: Path) -> None:
    text = 'model,gpu,seq_len,tokens_per_s_per_gpu\nphi-2,T4,2048,"1,234"\n'
    assert load_runs(brought(tmp_path, text))[0].tokens_s == 1234.0


def test_sizes_and_lengths_may_have_their_letter(tmp_path: Path) -> None:
    text = "model,params_b,gpu,seq_len,tokens_per_s_per_gpu\nNever-Heard,7B,A100,8k,3000\nOther,355M,A100,2048,9000\n"
    runs = load_runs(brought(tmp_path, text))
    assert [(run.parameters, run.seq_len) for run in runs] == [(7e9, 8_192), (355e6, 2_048)]


SKIPPED = "model,gpu,seq_len,step_time_s\nNobody,H100,2048,1\nphi-2,Foo 9,2048,1\nphi-2,Foo 9,2048,1\n"


def test_reasons_name_the_devices_and_models_that_they_are_about(tmp_path: Path) -> None:
    found = judged(tmp_path, SKIPPED)
    assert found.skipped_names == {
        "the catalogue has no such device": {"Foo 9": 2},
        "no architecture in the row, and the catalogue has no such model": {"Nobody": 1},
    }
    assert "the catalogue has no such device: Foo 9 (2)" in invoke("validate", str(tmp_path / "mine.csv")).out


def test_a_table_of_which_nothing_is_predicted_says_so_after_the_reasons(tmp_path: Path) -> None:
    path = brought(tmp_path, SKIPPED)
    plain = invoke("validate", str(path))
    assert plain.code == 2
    assert "Rows that were skipped: 3" in plain.out
    assert plain.err == (
        "cardyears: No row of mine.csv could be predicted. Most often: the catalogue has no such device. "
        "docs/validate.md says what a row needs.\n"
    )
    as_json = invoke("validate", str(path), "--json")
    found = json.loads(as_json.out)
    assert (as_json.code, as_json.err, found["rows"], sum(found["skipped"].values())) == (2, "", 3, 3)
    assert found["error"]["code"] == "bad-input"


def test_a_table_of_whole_trainings_in_the_wrong_place_is_known(tmp_path: Path) -> None:
    path = brought(tmp_path, "model,tokens_b,gpu,n_gpus,gpu_hours,mfu\nLlama-2-7B,2000,A100,1024,184320,0.4\n")
    found = invoke("validate", str(path))
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        "cardyears: mine.csv is a table of whole trainings and not of measured steps. Name it behind --runs: "
        "cardyears validate --runs mine.csv\n"
    )


@pytest.fixture(scope="module")
def shipped() -> Validation:
    return validation(load_runs(), load(), "source")


def test_printed_rates_are_scored_apart(shipped: Validation) -> None:
    assert all(one.problem.step_s is not None for one in shipped.speeds)
    assert all(one.problem.step_s is None for one in shipped.printed)
    assert len(shipped.printed) == shipped.good.printed.n + shipped.weak.printed.n > 90
    assert sum(part.printed.n for part in grouped(shipped, "kind").values()) == shipped.good.printed.n


def test_narayanan_table_1_is_within_6_percent_by_printed_tflop_s(shipped: Validation) -> None:
    part = shipped.groups["narayanan-et-al-2021-1"]
    assert (part.printed.n, part.speed.n) == (10, 0)
    assert part.printed.mean_abs_error is not None
    assert part.printed.mean_abs_error <= 0.06


def printed(tmp_path: Path, more: str) -> Any:
    header, cells = more.split("=")
    text = f"model,gpu,n_gpus,seq_len,kind,engine,micro_batch,{header}\n"
    found = judged(tmp_path, f"{text}Llama-3-8B,H100-SXM-80GB,8,8192,pretrain,torchtitan,1,{cells}\n")
    return [round(one.measured_s, 3) for one in found.printed], found.skipped


def test_a_share_of_peak_counts_by_the_convention_that_is_named(tmp_path: Path) -> None:
    by_share, _ = printed(tmp_path, "mfu,flops_convention=0.4,6N+attn")
    by_rate, _ = printed(tmp_path, "tflops_per_gpu,flops_convention=395.6,6N+attn")
    assert by_share == pytest.approx(by_rate, rel=0.01)
    hardware, _ = printed(tmp_path, "hfu,flops_convention=40 %,HFU")
    assert hardware[0] > by_share[0]
    assert len(printed(tmp_path, "mfu,flops_convention=0.4,6N")[0]) == 1


@pytest.mark.parametrize("more", ["mfu=0.4", "mfu,flops_convention=0.4,unknown", "hfu=0.5", "tflops_per_gpu=400"])
def test_a_rate_of_flop_by_no_known_convention_is_no_measure(tmp_path: Path, more: str) -> None:
    found, skipped = printed(tmp_path, more)
    assert found == []
    assert skipped == {"only a rate of FLOP or a share of peak, and not by which convention (flops_convention)": 1}


def test_columns_that_other_tables_have_in_place_of_ours_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("Model,GPU,num gpus,seq_len,global-batch,step_time_s,comment\nphi-2,H100,8,2048,64,2,\n", "utf-8")
    meant = {"num_gpus": "n_gpus", "global_batch": "global_batch_seqs"}
    assert json.loads(invoke("validate", str(path), "--json").out)["columns_not_read"] == meant
    text = on_one_line(invoke("validate", str(path)).out)
    assert "Columns that were not read, and what they may have meant num_gpus n_gpus global_batch" in text
    assert "Columns that were not read" not in invoke("validate").out


def test_a_share_of_peak_needs_the_number_of_devices(tmp_path: Path) -> None:
    found = judged(tmp_path, "model,gpu,seq_len,kind,mfu,flops_convention\nLlama-3-8B,H100,8192,pretrain,41,6N+attn\n")
    assert found.skipped == {"only a rate of FLOP or a share of peak, and not on how many devices (n_gpus)": 1}
