"""`cardyears validate`: the keys of the contract, the page in both languages, the chart, the calibration everywhere."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import cardyears
from support.arabic import visible
from support.asking import answered, invoke, on_one_line

SCORES = {
    "n",
    "median_abs_error",
    "median_of_source_medians",
    "p90_abs_error",
    "bias",
    "interval_coverage",
    "within_10pct",
}
VERDICTS = {"true_fit", "true_oom", "false_fit", "false_oom", "undecided"}
TABLE = (
    "model,gpu,n_gpus,seq_len,kind,engine,micro_batch,global_batch_seqs,tokens_per_s_per_gpu,peak_mem_gib,outcome\n"
    "Llama-3.1-8B,NVIDIA H100 80GB HBM3,8,8192,pretrain,torchtitan,1,64,5100,58,ran\n"
    "Llama-3.1-8B,NVIDIA H100 80GB HBM3,64,8192,pretrain,torchtitan,1,512,4900,48,ran\n"
    "Qwen2.5-7B,NVIDIA H100 80GB HBM3,8,4096,lora,axolotl,2,64,8100,51.5,ran\n"
    "Qwen2.5-32B,NVIDIA H100 80GB HBM3,8,4096,full_ft,axolotl,4,64,0,,oom\n"
    "Qwen2.5-7B,Never 1000,8,4096,lora,axolotl,2,64,9100,41,ran\n"
)
WHOLE = "model,tokens_b,gpu,gpu_hours,source\nLlama-2-7B,2000,A100-SXM-80GB,184320,Llama 2\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.fixture
def mine(table: Path) -> Path:
    path = table.with_name("mine.toml")
    assert invoke("validate", str(table), "--calibrate", str(path)).code == 0
    return path


def said(*words: object) -> Any:
    found = invoke(*map(str, words), "--json")
    assert (found.code, found.err) == (0, "")
    return json.loads(found.out)


def check_part(found: dict[str, Any]) -> None:
    """One part of the answer, as the contract has it."""
    for name in ("speed", "memory", "baseline"):
        assert found[name].keys() >= SCORES, name
        assert found[name]["n"] >= 0
    assert found["fit_verdicts"].keys() >= VERDICTS


def test_json_has_the_keys_of_the_contract() -> None:
    found = json.loads(answered("validate --json"))
    assert (found["rows"], found["predicted"] + sum(found["skipped"].values())) == (3_651, 3_651)
    check_part(found)
    check_part(found["weak"])
    for part in found["groups"].values():
        check_part(part)
    assert sum(part["speed"]["n"] for part in found["groups"].values()) == found["speed"]["n"]
    assert found["speed"]["median_abs_error"] < 0.1 < found["baseline"]["median_abs_error"]
    assert not {"runs", "entries", "calibration", "calibrated"} & found.keys()


@pytest.mark.parametrize("by", ["source", "gpu", "kind", "table", "engine", "scale"])
def test_groups_are_those_that_were_asked_for(table: Path, by: str) -> None:
    found = said("validate", table, "--by", by)
    assert found["by"] == by
    expected = {"gpu": {"h100-sxm-80gb"}, "kind": {"pretrain", "lora", "full"}, "engine": {"torchtitan", "hf-trainer"}}
    if by in expected:
        assert found["groups"].keys() == expected[by]


def test_a_table_is_read_predicted_and_its_rows_are_shown(table: Path) -> None:
    found = said("validate", table, "--rows")
    assert (found["rows"], found["predicted"], found["skipped"]) == (5, 4, {"the catalogue has no such device": 1})
    assert (found["speed"]["n"], found["memory"]["n"]) == (3, 3)
    first = found["entries"][0]
    low, mid, high = (first["predicted_step_s"][name] for name in ("low", "mid", "high"))
    assert low < mid < high
    assert first["error"] == pytest.approx(mid / first["measured_step_s"] - 1)
    assert first["measured_step_s"] == pytest.approx(64 * 8_192 / (5_100 * 8))
    assert first["assumed"]


def test_whole_trainings_have_scores_of_their_own(table: Path) -> None:
    path = table.with_name("whole.csv")
    path.write_text(WHOLE, encoding="utf-8")
    found = said("validate", table, "--runs", path)["runs"]
    assert found.keys() >= SCORES
    assert (found["rows"], found["n"]) == (1, 1)
    assert "reported" in invoke("validate", str(table), "--runs", str(path)).out


def test_a_calibration_brings_the_estimates_to_the_table(table: Path, mine: Path) -> None:
    before, after = said("validate", table), said("validate", table, "--calibration", mine)
    assert after["speed"]["median_abs_error"] < 0.6 * before["speed"]["median_abs_error"]
    assert after["calibration"]["rows"] == 3
    assert after["calibration"]["name"] == "mine.toml"


def test_what_was_fitted_stands_in_the_answer(table: Path) -> None:
    found = said("validate", table, "--calibrate", table.with_name("other.toml"))["calibrated"]
    assert 0 < found["rate"] < 1
    assert (found["rows"], found["memory_rows"]) == (3, 3)
    assert found["after"]["speed"]["n"] == 3


EVERYWHERE = {
    "estimate": ("estimate", "llama-3-8b", "--on", "8x H100", "--engine", "torchtitan"),
    "plan": ("plan", "llama-3-8b", "--on", "8x H100", "--engine", "torchtitan"),
    "check on one": ("check", "llama-3-8b", "--on", "H100", "--tokens", "1B"),
    "check on several": ("check", "llama-3-8b", "--on", "8x H100", "--tokens", "1B"),
    "need": ("need", "gpt2", "--within", "30d"),
    "instead": ("instead", "--on", "H100", "--for", "7d"),
    "audit": ("audit", "--params", "1B", "--tokens", "1B", "--device", "H100", "--device-hours", "10"),
}


def time_of(found: dict[str, Any]) -> Any:
    """The time that an answer gives, of whatever command."""
    if "best" in found:
        return found["best"]["step_time_s"]
    if "options" in found:
        return next(one["time_s"] for one in found["options"] if one["device"].endswith("sxm-80gb"))
    if "pretrain" in found:
        return found["finetune"][0]["time_s"]
    return found.get("step_time_s") or found.get("time_s") or found["usual_device_s"]


@pytest.mark.parametrize("command", EVERYWHERE)
def test_every_command_takes_the_calibration_and_says_so(mine: Path, command: str) -> None:
    words = EVERYWHERE[command]
    plain, ours = said(*words), said(*words, "--calibration", mine)
    assert time_of(ours) != time_of(plain)
    text = invoke(*words, "--calibration", str(mine), "--explain").out
    assert "mine.toml" in text


def test_the_interval_is_what_the_calibration_leaves(mine: Path) -> None:
    mine.write_text("[calibration]\nrows = 40\nstep_spread = [0.95, 1.05]\nmemory_spread = [0.9, 1.1]\n", "utf-8")
    found = said(*EVERYWHERE["estimate"], "--calibration", mine)
    assert found["step_time_s"]["high"] / found["step_time_s"]["mid"] == pytest.approx(1.05)
    assert found["peak_memory_bytes"]["high"] / found["peak_memory_bytes"]["mid"] == pytest.approx(1.1)


def test_a_faster_cluster_is_faster_and_holds_more(mine: Path) -> None:
    mine.write_text("[calibration]\nrate = 1.2\nmemory_bound = 0.8\nheld = 3.0\nhost = 0.8\n", "utf-8")
    words = ("estimate", "llama-3-8b", "--on", "8x H100", "--engine", "torchtitan", "--layout", "zero=3,dp=8")
    plain, ours = said(*words), said(*words, "--calibration", mine)
    assert ours["time_ledger"]["products"] < plain["time_ledger"]["products"]
    assert ours["memory_ledger"]["context"] == pytest.approx(3 * plain["memory_ledger"]["context"])


def test_in_python_it_is_the_same(table: Path) -> None:
    assert cardyears.validate(table).as_dict() == said("validate", table)
    assert "mine.csv" in repr(cardyears.validate(table))


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("columns", [60, 100])
def test_no_line_is_wider_than_the_page(table: Path, language: str, columns: int) -> None:
    found = invoke("validate", str(table), "--rows", "--explain", "--lang", language, COLUMNS=str(columns))
    assert found.code == 0
    for line in found.out.splitlines():
        assert sum(unicodedata.category(char) not in ("Mn", "Me", "Cf") for char in line) <= columns, line


def test_the_page_is_in_arabic_where_that_is_asked_for(table: Path) -> None:
    text = invoke("validate", str(table), "--lang", "ar").out
    assert "خطأ التقديرات" in text
    assert "Error of the estimates" not in text


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_chart_is_whole_and_logarithmic(table: Path, language: str) -> None:
    path = table.with_name("errors.json")
    assert invoke("validate", str(table), "--chart", str(path), "--lang", language).code == 0
    chart = json.loads(path.read_text(encoding="utf-8"))
    times, peaks = chart["vconcat"]
    points = times["layer"][-1]["data"]["values"]
    assert len(points) == 3
    assert times["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert len(peaks["layer"][-1]["data"]["values"]) == 3
    assert all(point["measured"] > 0 and point["predicted"] > 0 for point in points)


@pytest.mark.parametrize("ending", ["svg", "png", "html"])
def test_the_chart_can_be_drawn(table: Path, ending: str) -> None:
    path = table.with_name(f"errors.{ending}")
    assert invoke("validate", str(table), "--chart", str(path)).code == 0
    assert path.stat().st_size > 5_000


def test_neighbours_and_method_are_explained(table: Path) -> None:
    text = invoke("validate", str(table), "--explain").out
    assert "Nearest measured runs" in text
    assert "How it is done" in text
    assert "How it is done" not in invoke("validate", str(table)).out


BAD = {
    "no such file": (("validate", "none.csv"), "unusable-file"),
    "no such group": (("validate", "--by", "colour"), "unreadable-value"),
    "no such chart": (("validate", "--chart", "x.doc"), "bad-input"),
    "a calibration of another kind": (("validate", "--calibrate", "x.csv"), "bad-input"),
    "a calibration that is not there": (
        ("check", "gpt2", "--on", "4090", "--calibration", "none.toml"),
        "unusable-file",
    ),
    "an unknown assumption": (("validate", "--assume", "colour=red"), "unknown-name"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_two(case: str) -> None:
    words, code = BAD[case]
    plain = invoke(*words)
    assert (plain.code, plain.out, plain.err.count("\n")) == (2, "", 1)
    assert json.loads(invoke(*words, "--json").out)["error"]["code"] == code


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_one_share_of_peak_is_not_scored_on_fewer_rows_than_say_anything(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "mine.csv"
    lines = [f"Llama-3.1-8B,H100,8,8192,torchtitan,1,64,{speed}" for speed in (5_100, 5_300, 6_000)]
    header = "model,gpu,n_gpus,seq_len,engine,micro_batch,global_batch_seqs,tokens_per_s_per_gpu"
    path.write_text("\n".join([header, *lines[:rows]]) + "\n", encoding="utf-8")
    baseline, text = said("validate", path)["baseline"], on_one_line(invoke("validate", str(path)).out)
    arabic = on_one_line(visible(invoke("validate", str(path), "--lang", "ar").out))
    few = rows < 3
    assert ("fewer than 3" in text, "أقل من 3" in arabic) == (few, few)
    assert ("constant share that fits these rows best is" in text) is not few
    assert (baseline["n"], baseline["share"] is None) == ((0, True) if few else (3, False))
    assert (baseline["median_abs_error"] is None, "fewer than 3" in (baseline["reason"] or "")) == (few, few)
    if few:
        assert re.search(r"one constant\s+–(?:\s+–){6}", text)


def test_a_table_of_which_nothing_is_predicted_is_an_answer_with_an_error_and_no_calibration(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("model,gpu,seq_len,step_time_s\nNobody,H100,2048,1\n", encoding="utf-8")
    found = json.loads(invoke("validate", str(path), "--json").out)
    assert (found["rows"], found["predicted"], found["speed"]["median_abs_error"]) == (1, 0, None)
    assert invoke("validate", str(path)).code == 2
    refused = invoke("validate", str(path), "--calibrate", str(tmp_path / "x.toml"))
    assert (refused.code, (tmp_path / "x.toml").exists()) == (2, False)
