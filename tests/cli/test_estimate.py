"""`cardyears estimate`: its JSON, its page, its refusals, and what its advice rests on."""

from __future__ import annotations

import json
import math
import re
import shlex
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import cardyears
from cardyears.cli.main import run

VERDICTS = {"yes": 0, "probably": 0, "unlikely": 3, "no": 3}
LINES = (
    'llama-3-8b --method qlora --on "RTX 4070 Ti"',
    'llama-3-8b --method full --on "4x RTX 4090"',
    'gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=16,micro_batch=1,global_batch=1536"',
    'gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=32,micro_batch=1,global_batch=128,recompute=full"',
    'llama-3.1-8b --on "64x H100" --layout "zero=3,cp=2,global_batch=64" --seq-len 32768 --precision fp8',
    'mixtral-8x7b --on "64x H100" --layout "ep=8,pp=4,micro_batch=1,global_batch=256,schedule=zero-bubble"',
)
INTERVALS = ("step_time_s", "tokens_per_s_per_device", "mfu", "hfu", "peak_memory_bytes")


@pytest.fixture(autouse=True)
def _same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARDYEARS_LANG", "CARDYEARS_DEBUG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def invoke(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(["estimate", *shlex.split(line)])
    assert isinstance(left.value.code, int)
    return (left.value.code, *capsys.readouterr())


def asked(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    code, out, err = invoke(capsys, f"{line} --json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def columns(text: str) -> int:
    return sum(unicodedata.category(char) not in ("Mn", "Me", "Cf") for char in text)


# The contract.


@pytest.mark.parametrize("line", LINES)
def test_the_ledgers_add_up_to_the_middle_of_their_totals(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = asked(capsys, line)
    assert math.fsum(found["time_ledger"].values()) == pytest.approx(found["step_time_s"]["mid"], rel=1e-9)
    assert math.fsum(found["memory_ledger"].values()) == pytest.approx(found["peak_memory_bytes"]["mid"], rel=1e-9)
    assert all(value >= 0 for value in (*found["time_ledger"].values(), *found["memory_ledger"].values()))


@pytest.mark.parametrize("line", LINES)
def test_json_has_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = asked(capsys, line)
    for key in INTERVALS:
        assert 0 < found[key]["low"] <= found[key]["mid"] <= found[key]["high"], key
    assert found["fits"] in VERDICTS
    assert found["connected_enough"] in VERDICTS
    assert set(found["why"]) == {"fits", "connected_enough"}
    assert 0 <= found["waiting_share"] < 1
    assert 0 <= found["assumed_share"] <= 1
    assert found["available_bytes"] > 0
    assert found["engine"]
    assert found["sources"]
    assert all(one["reason"] for one in found["assumptions"])


@pytest.mark.parametrize("line", LINES)
def test_the_layout_is_complete(capsys: pytest.CaptureFixture[str], line: str) -> None:
    layout = asked(capsys, line)["layout"]
    assert layout["devices"] == layout["tp"] * layout["pp"] * layout["cp"] * layout["dp"]
    assert layout["global_batch"] == layout["micro_batch"] * layout["accumulation"] * layout["dp"]
    assert None not in layout.values()


def test_the_speed_is_the_batch_over_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, LINES[2])
    layout = found["layout"]
    tokens = layout["global_batch"] * 2_048
    speed = tokens / found["step_time_s"]["mid"] / layout["devices"]
    assert found["tokens_per_s_per_device"]["mid"] == pytest.approx(speed)
    assert found["hfu"]["mid"] >= found["mfu"]["mid"]


def test_a_layout_that_was_not_said_is_chosen_and_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, LINES[0])["chosen"]
    assert not asked(capsys, LINES[2])["chosen"]
    assert "was chosen here" in invoke(capsys, LINES[0])[1]


def test_layouts_in_several_options_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    one = asked(capsys, 'gpt-3 --on "64x H100" --layout "tp=8,pp=4,global_batch=64"')
    two = asked(capsys, 'gpt-3 --on "64x H100" --layout tp=8 --layout "pp=4,global_batch=64"')
    assert one == two


@pytest.mark.parametrize("line", LINES)
def test_the_exit_code_is_that_of_the_fit(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert invoke(capsys, f"{line} --exit-code")[0] == VERDICTS[asked(capsys, line)["fits"]]


def test_python_says_what_the_command_line_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = cardyears.estimate("llama-3-8b", on="RTX 4070 Ti", method="qlora")
    assert json.loads(json.dumps(found.as_dict())) == asked(capsys, LINES[0])
    assert repr(found) == invoke(capsys, LINES[0])[1]
    assert found._repr_html_().startswith("<section")


def test_one_device_waits_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, LINES[0])
    assert (found["connected_enough"], found["waiting_share"], found["layout"]["devices"]) == ("yes", 0.0, 1)


# The page.


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("width", [40, 64, 100])
@pytest.mark.parametrize("line", LINES[:3])
def test_no_line_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, width: int, language: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = invoke(capsys, f"{line} --explain --lang {language}")
    assert code == 0
    assert max(map(columns, out.splitlines())) <= width
    assert "\x1b" not in out


def test_the_first_sentence_has_step_speed_and_utilisation(capsys: pytest.CaptureFixture[str]) -> None:
    first = " ".join(invoke(capsys, LINES[2])[1].splitlines()[:3])
    for words in ("GPT-3 175B on 1,024 A100 SXM 80GB", "one step takes", "tokens/s on each device", "in all", "MFU of"):
        assert words in first


def test_lines_are_said_for_people_the_largest_first(capsys: pytest.CaptureFixture[str]) -> None:
    found, page = asked(capsys, LINES[3]), invoke(capsys, LINES[3])[1]
    assert found["time_ledger"]["bubble"] == max(found["time_ledger"].values())
    section = page.split("Where the time of a step goes")[1].split("\n\n")[0]
    assert section.splitlines()[1].strip().startswith("pipeline stages waiting for their turn (bubble)")
    shares = [float(share) for share in re.findall(r"([\d.]+) %", section)]
    assert shares[:-1] == sorted(shares[:-1], reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_explain_has_equations_and_every_assumption(capsys: pytest.CaptureFixture[str]) -> None:
    found, page = asked(capsys, LINES[3]), invoke(capsys, f"{LINES[3]} --explain")[1]
    assert set(found["equations"]) >= {"batch", "step", "speed", "MFU", "bubble", "memory"}
    assert all(re.search(rf"^  {one['key']} ", page, re.MULTILINE) for one in found["assumptions"])


def test_the_chart_holds_both_ledgers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chart = tmp_path / "both.json"
    code, out, _ = invoke(capsys, f"{LINES[0]} --chart {chart}")
    assert (code, out) == (0, invoke(capsys, LINES[0])[1])
    assert "matrix products of the layers" in chart.read_text(encoding="utf-8")


def test_a_chart_of_another_kind_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = invoke(capsys, f"{LINES[0]} --chart {tmp_path / 'both.gif'}")
    assert (code, out) == (2, "")
    assert ".svg" in err


def test_the_timeline_has_a_row_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    page = invoke(capsys, f"{LINES[2]} --timeline")[1]
    section = page.split("One step on the pipeline's ranks")[1]
    assert re.findall(r"^ +(\d+)  \S", section, re.MULTILINE) == [str(rank) for rank in range(16)]
    assert json.loads(invoke(capsys, f"{LINES[2]} --timeline --json")[1])["layout"]["pp"] == 16


# The advice: computed, legal, and worth it.


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ('llama-3-8b --method full --on "4x RTX 4090" --layout "zero=3,recompute=full,global_batch=64"', "memory"),
        ('gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=32,micro_batch=1,global_batch=128,recompute=full"', "bubble"),
        ('llama-3-8b --method lora --on "4x RTX 3090" --layout "tp=4,global_batch=64,recompute=full"', "waiting"),
        ('llama-3-8b --method lora --on H100 --layout "recompute=full,global_batch=16"', "recomputation"),
    ],
)
def test_advice_gives_what_it_promises(capsys: pytest.CaptureFixture[str], line: str, about: str) -> None:
    found = asked(capsys, line)
    advice = found["advice"]
    assert advice["about"] == about
    other, _, said = line.partition(" --layout ")
    given = dict(part.split("=") for part in shlex.split(said)[0].split(",")) if said else {}
    kept = {"global_batch": str(found["layout"]["global_batch"]), "recompute": found["layout"]["recompute"]}
    kept |= {"zero": str(found["layout"]["zero"]), "chunked_loss": str(found["layout"]["chunked_loss"]).lower()}
    changed = kept | given | dict(part.split("=") for part in advice["change"].split(","))
    again = asked(capsys, f"{other} --layout {','.join(f'{key}={value}' for key, value in changed.items())}")
    assert again["step_time_s"]["mid"] == pytest.approx(advice["step_time_s"])
    assert again["peak_memory_bytes"]["mid"] == pytest.approx(advice["peak_memory_bytes"])
    faster = again["tokens_per_s_per_device"]["mid"] / found["tokens_per_s_per_device"]["mid"]
    assert faster == pytest.approx(advice["speedup"])
    assert again["fits"] in ("yes", "probably")
    assert about == "memory" or advice["speedup"] >= 1.05


def test_where_nothing_makes_it_fit_the_least_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, 'gpt-3 --on "RTX 4070 Ti"')
    assert (found["fits"], found["advice"]["change"]) == ("no", "")
    assert found["available_bytes"] < found["advice"]["peak_memory_bytes"] < found["peak_memory_bytes"]["mid"]


def test_where_all_is_well_nothing_is_advised(capsys: pytest.CaptureFixture[str]) -> None:
    line = 'gpt2 --on "8x A100" --layout "micro_batch=12,global_batch=480,compile" --seq-len 1024'
    assert asked(capsys, line)["advice"] is None
    assert "What would help" not in invoke(capsys, line)[1]


# Refusals.

SMALL = 'llama-3-8b --on "8x H100"'
BAD = (
    (f"{SMALL} --layout tp=3", "contradiction", ["tp = 3 does not divide 32 heads", "Try tp = 1, 2, 4"]),
    (f'{SMALL} --layout "tp=4,dp=4"', "contradiction", ["4 x 1 x 1 x 4 = 16", "8 devices"]),
    (f"{SMALL} --layout tp=16", "contradiction", ["tp", "16", "8 devices"]),
    (f"{SMALL} --layout ep=2", "contradiction", ["ep = 2", "the model has none"]),
    (f'{SMALL} --layout "pp=2,virtual_stages=40,global_batch=64"', "contradiction", ["80 chunks", "32 layers"]),
    (f'{SMALL} --layout "micro_batch=3,global_batch=64"', "contradiction", ["does not divide", "64"]),
    (f"{SMALL} --layout virtual_stages=2", "contradiction", ["virtual_stages = 2 needs a pipeline"]),
    (f"{SMALL} --layout zero=4", "unreadable-value", ["zero", "4"]),
    (f"{SMALL} --layout pipline=4", "unknown-name", ["pipline", "Did you mean pp?"]),
    (f"{SMALL} --layout tp=many", "unreadable-value", ["tp", "many"]),
    (f'{SMALL} --layout ""', "unreadable-value", ["layout says nothing"]),
    (f"{SMALL} --layout tp=2 --layout tp=4", "contradiction", ["tp twice", "Keep one"]),
    (f"{SMALL} --layout precision=bf16 --precision fp8", "contradiction", ["--precision says fp8", "bf16", "Keep one"]),
    (f"{SMALL} --layout micro_batch=2 --micro-batch 4", "contradiction", ["--micro-batch says 4", "2", "Keep one"]),
    (f"{SMALL} --precision int8", "unreadable-value", ["--precision", "int8", "bf16"]),
    ('llama-3-8b --on "8x A100" --precision fp8', "missing-figure", ["A100", "does not train in fp8"]),
    (f"{SMALL} --precision nvfp4", "missing-figure", ["H100", "nvfp4", "Take another precision"]),
    (f"{SMALL} --engine megatrom", "unknown-name", ["megatrom", "megatron-core"]),
    (f"{SMALL} --engine ''", "unknown-name", ["engines"]),
    (f"{SMALL} --micro-batch 0", "unreadable-value", ["micro-batch", "not more than zero"]),
    (f"{SMALL} --seq-len 0", "unreadable-value", ["sequence length"]),
    (f"{SMALL} --method rlhf", "unreadable-value", ["--method", "rlhf"]),
    (f"{SMALL} --assume pue=1.2", "contradiction", ["pue plays no part"]),
    (f"{SMALL} --assume foo=1", "unknown-name", ["foo"]),
    (f'{SMALL} --method qlora --layout "tp=2"', "contradiction", ["tp = 2", "QLoRA", "bitsandbytes"]),
    ('gpt-4 --on "8x H100"', "bad-input", ["GPT-4", "shape"]),
    ("llama-3-8b --on mine", "bad-input", ["has not been measured"]),
    ("llama-3-8b", "bad-input", ["--on", "cardyears estimate --help"]),
    ("zzz --on H100", "unknown-name", ["zzz", "cardyears models"]),
    ("llama-3-8b --on zzz", "unknown-name", ["zzz", "cardyears devices"]),
)


@pytest.mark.parametrize(("line", "code", "says"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input_is_one_line_with_a_remedy(
    capsys: pytest.CaptureFixture[str], line: str, code: str, says: list[str]
) -> None:
    left, out, err = invoke(capsys, line)
    assert (left, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err
    for words in says:
        assert words in err, words
    left, out, err = invoke(capsys, f"{line} --json")
    assert (left, err) == (2, "")
    error = json.loads(out)["error"]
    assert error["code"] == code
    assert all(error[key] for key in ("message", "remedy"))


def test_a_device_without_bandwidth_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        '[accelerators.my-card]\nname = "My card"\nsource = "techpowerup"\nchecked = 2026-01-01\nvendor = "X"\n'
        'architecture = "Y"\nfamily = "geforce-ada"\nform = "PCIe"\nreleased = "2026"\nmemory_gib = 12\n'
        "peak_tflop_s = { bf16 = 50 }\n"
    )
    left, _, err = invoke(capsys, f'gpt2 --on "My card" --catalogue {card}')
    assert left == 2, err
    assert "no published memory bandwidth" in err
    assert "--catalogue" in err


def test_what_makes_it_fit_also_waits_less_where_the_bubble_stands_out(capsys: pytest.CaptureFixture[str]) -> None:
    layout = "tp=8,pp=16,dp=128,micro_batch=1,global_batch=2048,recompute=none,zero=1"
    line = f'llama-3.1-405b --on "16384x H100 over 400Gb/s per gpu" --seq-len 8192 --layout "{layout}"'
    advice = asked(capsys, line)["advice"]
    assert advice["about"] == "memory"
    assert "recompute=" in advice["change"]
    assert "virtual_stages=" in advice["change"]
    assert advice["speedup"] > 1.3
