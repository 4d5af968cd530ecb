"""`cardyears plan`: its JSON, its page in both languages, its refusals, its chart; its answer can be pasted."""

from __future__ import annotations

import json
import math
import shlex
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import cardyears
from cardyears.base.text import Text
from cardyears.cli.main import run

LINES = (
    'llama-3-8b --on "64x H100"',
    'mixtral-8x7b --on "32x A100" --global-batch 256 --open chunked_loss --top 3',
    'llama-3-8b --method qlora --on "RTX 4070 Ti"',
    'llama-3-70b --method qlora --on "4x RTX A6000"',
    'llama-3.1-405b --on "8x RTX 4090"',
)
VERDICTS = {"yes": 0, "probably": 0, "unlikely": 3, "no": 3}


@pytest.fixture(autouse=True)
def _same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARDYEARS_LANG", "CARDYEARS_DEBUG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def invoke(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(shlex.split(line))
    assert isinstance(left.value.code, int)
    return (left.value.code, *capsys.readouterr())


def planned(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    code, out, err = invoke(capsys, f"plan {line} --json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def columns(text: str) -> int:
    return sum(unicodedata.category(char) not in ("Mn", "Me", "Cf") for char in text)


# The contract.


@pytest.mark.parametrize("line", LINES)
def test_json_has_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = planned(capsys, line)
    best = found["best"]
    for key in ("step_time_s", "tokens_per_s_per_device", "mfu", "hfu", "peak_memory_bytes"):
        assert 0 < best[key]["low"] <= best[key]["mid"] <= best[key]["high"], key
    assert math.fsum(best["time_ledger"].values()) == pytest.approx(best["step_time_s"]["mid"], rel=1e-9)
    assert math.fsum(best["memory_ledger"].values()) == pytest.approx(best["peak_memory_bytes"]["mid"], rel=1e-9)
    assert best["fits"] in VERDICTS
    assert best["layout"]["devices"] == found["devices"]
    assert best["layout"]["global_batch"] == found["global_batch"]
    assert found["legal"] == found["searched"] + found["pruned"]
    assert 0 <= found["fitting"] <= found["searched"]
    assert found["search_s"] > 0
    for one in found["runners_up"]:
        assert one["lost_by"] in one["time_ledger"]
        assert one["slower"] >= 1.0 or one["unmeasured"]


@pytest.mark.parametrize("line", LINES)
def test_the_best_layout_can_be_pasted_into_estimate(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = planned(capsys, line)
    words = shlex.split(line)
    kept = [words[0]]
    for key in ("--on", "--method"):
        if key in words:
            kept += [key, words[words.index(key) + 1]]
    again = shlex.join([*kept, "--layout", found["best"]["line"]])
    code, out, _ = invoke(capsys, f"estimate {again} --json")
    assert code == 0
    pasted = json.loads(out)
    assert pasted["step_time_s"] == pytest.approx(found["best"]["step_time_s"])
    assert pasted["peak_memory_bytes"] == pytest.approx(found["best"]["peak_memory_bytes"])
    assert pasted["layout"] == found["best"]["layout"]


def test_the_frontier_falls_as_memory_grows(capsys: pytest.CaptureFixture[str]) -> None:
    points = planned(capsys, LINES[0])["frontier"]
    assert len(points) > 2
    assert [one["peak_memory_bytes"] for one in points] == sorted(one["peak_memory_bytes"] for one in points)
    assert [one["step_time_s"] for one in points] == sorted((one["step_time_s"] for one in points), reverse=True)


def test_bounds_change_the_counts_and_not_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    pruned, whole = (planned(capsys, f"{LINES[0]}{more}") for more in ("", " --no-prune"))
    assert pruned["best"] == whole["best"]
    assert pruned["legal"] == whole["legal"] == whole["searched"]
    assert whole["pruned"] == 0 < pruned["pruned"]


def test_so_many_layouts_come_as_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(planned(capsys, LINES[1])["runners_up"]) == 2
    assert planned(capsys, f"{LINES[0]} --top 1")["runners_up"] == []


def test_an_opened_switch_is_searched(capsys: pytest.CaptureFixture[str]) -> None:
    closed, opened = (planned(capsys, f"{LINES[0]}{more}") for more in ("", " --open compile --open chunked_loss"))
    assert opened["legal"] > closed["legal"]
    assert opened["opened"] == ["compile", "chunked_loss"]
    assert opened["needed"] == []


def test_where_nothing_fits_more_is_opened_and_the_smallest_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, LINES[4])
    assert found["needed"][0] == "chunked_loss"
    assert found["fitting"] == 0
    assert found["best"]["fits"] == "no"
    assert "none of" in invoke(capsys, f"plan {LINES[4]}")[1]


# What it aims at.


def test_the_least_memory_takes_longer(capsys: pytest.CaptureFixture[str]) -> None:
    fast, small = (planned(capsys, f"{LINES[0]} --objective {aim}")["best"] for aim in ("time", "memory"))
    assert small["peak_memory_bytes"]["mid"] < fast["peak_memory_bytes"]["mid"]
    assert small["step_time_s"]["mid"] > fast["step_time_s"]["mid"]


def test_the_fewest_devices_are_fewer_unless_time_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    few = planned(capsys, f"{LINES[0]} --tokens 1B --objective devices")
    more = planned(capsys, f"{LINES[0]} --tokens 1B --objective devices --for {few['time_s'] / 86_400 / 2}d")
    assert few["devices"] < more["devices"] <= 64
    assert more["time_s"] < few["time_s"] / 2
    assert few["best"]["fits"] in {"yes", "probably"}
    assert few["tried_devices"][-1] == few["devices"]


def test_the_cheapest_costs_no_more_than_all_devices(capsys: pytest.CaptureFixture[str]) -> None:
    whole, cheap = (planned(capsys, f"{LINES[0]} --tokens 1B --objective {aim}") for aim in ("time", "cost"))
    assert cheap["cost_usd"] <= whole["cost_usd"]


def test_where_nothing_is_in_time_the_cheapest_is_the_fastest(capsys: pytest.CaptureFixture[str]) -> None:
    line = '1.3B --on "16x A100 over 100Mb/s" --global-batch 16 --tokens 1B'
    kept = planned(capsys, f"{line} --objective cost --for 1h")
    whole = planned(capsys, line)
    assert kept["in_time"] is False
    assert kept["devices"] == 8  # the slow wire makes two nodes slower than one
    assert kept["time_s"] < whole["time_s"]


def test_rent_can_be_stated_and_is_missing_for_cards_that_people_own(capsys: pytest.CaptureFixture[str]) -> None:
    line = 'gpt2 --on "2x RTX 4090" --objective cost'
    code, _, err = invoke(capsys, f"plan {line}")
    assert (code, "--assume rent=USD" in err) == (2, True)
    assert planned(capsys, f"{line} --assume rent=0.5")["cost_usd"] > 0


def test_one_device_shows_other_optimisers_and_the_longest_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, 'gpt2 --on "RTX 4070 Ti"')
    assert {one["recipe"] for one in found["optimisers"]} >= {"adamw", "adamw-8bit", "paged-adamw-8bit"}
    assert found["longest_sequence"] >= 4_096
    assert found["obvious"] == []
    assert planned(capsys, LINES[2])["optimisers"] == []
    assert planned(capsys, LINES[0])["longest_sequence"] is None


def test_the_obvious_layouts_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["name"]: one for one in planned(capsys, LINES[0])["obvious"]}
    assert set(found) == {"plain data parallel", "ZeRO-3 (FSDP) alone", "tensor parallelism over two nodes"}
    assert not found["plain data parallel"]["fits"]
    assert "does not fit" in found["plain data parallel"]["why"]
    wide = found["tensor parallelism over two nodes"]
    assert "tp=16" in wide["layout"]
    assert wide["slower"] > 1


# The page.


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("width", [40, 64, 100])
@pytest.mark.parametrize("line", LINES[1:3])
def test_no_line_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, width: int, language: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = invoke(capsys, f"plan {line} --explain --lang {language}")
    assert code == 0
    assert max(map(columns, out.splitlines())) <= width
    assert "\x1b" not in out


def test_the_page_has_what_a_reader_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    out = invoke(capsys, f"plan {LINES[0]}")[1]
    for words in ("--layout", "What comes next", "Why not the obvious layouts?", "What memory buys", "legal layouts"):
        assert words in out
    assert invoke(capsys, f"plan {LINES[0]}")[1] == out


def test_python_says_what_the_command_line_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = cardyears.plan("llama-3-8b", on="64x H100")
    other = planned(capsys, LINES[0])
    same = {key: value for key, value in json.loads(json.dumps(found.as_dict())).items() if key != "search_s"}
    assert same == {key: value for key, value in other.items() if key != "search_s"}
    assert repr(found) == invoke(capsys, f"plan {LINES[0]}")[1]
    assert found._repr_html_().startswith("<section")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_chart_has_the_frontier_and_the_best(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, language: str
) -> None:
    path = tmp_path / "plan.json"
    assert invoke(capsys, f"plan {LINES[0]} --chart {path} --lang {language}")[0] == 0
    spec = json.loads(path.read_text(encoding="utf-8"))
    frontier, best = spec["vconcat"]
    assert len(frontier["data"]["values"]) > 2
    assert len(best["layer"][0]["data"]["values"]) == 5


@pytest.mark.parametrize("line", LINES[2:])
def test_the_exit_code_is_that_of_the_fit(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert invoke(capsys, f"plan {line} --exit-code")[0] == VERDICTS[planned(capsys, line)["best"]["fits"]]


# What cannot be.


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--objective speed", "--objective cannot be 'speed'"),
        ("--open nothing", "--open cannot be 'nothing'"),
        ("--top 0", "number of layouts"),
        ("--top 51", "at most 50"),
        ("--global-batch x", "global batch"),
        ("--global-batch 7", "--global-batch"),
        ("--chart plan.txt", "cannot be written"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], more: str, words: str) -> None:
    code, out, err = invoke(capsys, f'plan gpt2 --on "16x H100 over 400Gb/s per gpu" --engine hf-trainer {more}')
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    code, out, _ = invoke(capsys, f'plan gpt2 --on "16x H100 over 400Gb/s per gpu" --engine hf-trainer {more} --json')
    assert code == 2
    assert set(json.loads(out)["error"]) >= {"code", "message", "remedy"}


# A time that is named, and precisions that are opened.

LONG = 'llama-3-8b --on "64x H100" --global-batch 128 --tokens 1T'


def test_the_smallest_memory_keeps_within_the_time_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    fast = planned(capsys, LONG)
    free = planned(capsys, f"{LONG} --objective memory")
    days = (fast["time_s"] + free["time_s"]) / 2 / 86_400
    kept = planned(capsys, f"{LONG} --objective memory --for {days:.1f}d")
    assert fast["time_s"] < kept["time_s"] <= days * 86_400 < free["time_s"]
    memory = [one["best"]["peak_memory_bytes"]["mid"] for one in (free, kept, fast)]
    assert memory[0] < memory[1] < memory[2]
    assert (free["in_time"], kept["in_time"]) == (None, True)


def test_where_no_layout_is_in_time_the_fastest_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    fast = planned(capsys, f"{LONG} --for 1d")
    small = planned(capsys, f"{LONG} --objective memory --for 1d")
    assert fast["in_time"] is small["in_time"] is False
    assert small["best"]["line"] == fast["best"]["line"]
    _, out, _ = invoke(capsys, f"plan {LONG} --for 1d")
    said = Text("no: {needed:duration}, and {allowed:duration} are allowed", needed=fast["time_s"], allowed=86_400.0)
    assert str(said) in out


def test_the_plan_says_that_it_is_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = invoke(capsys, f"plan {LONG} --for 1y")
    assert "In time" in out
    assert planned(capsys, f"{LONG} --for 1y")["in_time"] is True


def test_lower_precision_is_looked_at_where_it_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    usual = planned(capsys, 'llama-3-8b --on "64x H100" --global-batch 128')
    opened = planned(capsys, 'llama-3-8b --on "64x H100" --global-batch 128 --open precision')
    assert usual["best"]["layout"]["precision"] == "bf16"
    assert opened["best"]["layout"]["precision"] == "fp8"
    assert opened["legal"] > usual["legal"]
    assert opened["best"]["step_time_s"]["mid"] < usual["best"]["step_time_s"]["mid"]
    assert any("change the training numerically" in remark for remark in opened["best"]["remarks"])
    sixteen = next(one for one in opened["obvious"] if one["name"] == "products in 16 bit")
    assert sixteen["layout"] == usual["best"]["line"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('plan llama-3-8b --on "8x A100" --open precision', "A100 SXM 80GB trains in none of them"),
        ('plan llama-3-8b --method qlora --on "RTX 4090" --open precision', "QLoRA unpacks its base to 16 bit"),
        ('plan llama-3-8b --on "8x H100" --open precision --precision fp8', "--precision says fp8"),
    ],
)
def test_precision_is_opened_only_where_there_is_any(capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    code, out, err = invoke(capsys, line)
    assert (code, out) == (2, "")
    assert says in err
