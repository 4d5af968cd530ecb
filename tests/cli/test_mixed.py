"""`cardyears plan` on two kinds of device: its JSON, its page in both languages, its chart; what refuses two kinds."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cardyears.api.functions import plan
from cardyears.cli.main import run
from cardyears.verbs.ways import MixedPlanned, rank


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


TOGETHER = 'llama-3-8b --on "8x H100 + 8x A100" --global-batch 256'
ALONE = 'llama-3-8b --method qlora --on "RTX 4090 + RTX 3060"'


def test_every_way_is_compared_at_the_same_batch(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, TOGETHER)
    assert {way["way"] for way in found["ways"]} == {"pipeline", "replicas", "first", "second"}
    for way in found["ways"]:
        tokens = way["tokens_per_s"] * way["step_time_s"]["mid"]
        assert tokens == pytest.approx(256 * 8_192)
        assert sum(part["devices"] for part in way["parts"]) == way["devices"]
    best = found["ways"][0]
    assert best["step_time_s"] == found["best"]["step_time_s"]
    assert found["legal"] == found["searched"] + found["pruned"]


def test_both_kinds_together_are_best_where_they_are_enough_faster(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, TOGETHER)
    steps = {way["way"]: way["step_time_s"]["mid"] for way in found["ways"]}
    assert min(steps["pipeline"], steps["replicas"]) < steps["first"] < steps["second"]
    assert found["ways"][0]["way"] in ("pipeline", "replicas")
    assert (found["devices"], found["best"]["layout"]["devices"]) == (16, 16)
    assert found["unmeasured"] == ["no measured run trains on two kinds of device"]
    for part in found["best"]["parts"]:
        assert 0 < part["peak_memory_bytes"] <= part["available_bytes"]


def test_a_weak_card_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, ALONE)
    assert found["ways"][0]["way"] == "first"
    assert found["devices"] == 1
    replicas = next(way for way in found["ways"] if way["way"] == "replicas")
    assert replicas["step_time_s"]["mid"] > found["best"]["step_time_s"]["mid"]


def test_where_nothing_fits_the_smallest_layout_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, 'plan gpt-3 --on "8x H100 + 8x A100"')
    assert code == 0
    assert "nothing fits, neither on both kinds together nor on one alone" in " ".join(out.split())
    assert invoke(capsys, 'plan gpt-3 --on "8x H100 + 8x A100" --exit-code')[0] == 3


def test_devices_of_two_makers_are_compared_and_not_joined(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, 'llama-3-8b --on "8x H100 + 8x MI300X" --global-batch 64')
    whys = {way["way"]: way["why"] for way in found["ways"]}
    assert whys["pipeline"] == whys["replicas"] == "NVIDIA and AMD devices have no communication library in common"
    assert whys["first"] == ""


def test_the_cheapest_way_may_be_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, f"{TOGETHER} --objective cost")
    costs = [way["cost_usd"] for way in found["ways"]]
    assert costs[0] == min(costs) == found["cost_usd"]


def test_a_time_that_is_named_is_kept_by_the_cheapest(capsys: pytest.CaptureFixture[str]) -> None:
    free = planned(capsys, f"{TOGETHER} --objective cost")
    slowest = max(way["time_s"] for way in free["ways"] if way["way"] != free["ways"][0]["way"])
    hours = min(slowest, free["time_s"]) / 3_600 * 0.99
    kept = planned(capsys, f"{TOGETHER} --objective cost --for {hours:.0f}h")
    assert free["in_time"] is None
    assert kept["in_time"] is (kept["time_s"] <= hours * 3_600)
    assert kept["time_s"] < free["time_s"]


def test_the_page_says_what_the_weaker_kind_adds(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, f"plan {TOGETHER}")
    assert code == 0
    for said in (
        "What A100 SXM 80GB adds",
        "more speed than 8 H100 SXM 80GB alone",
        "one pipeline over both",
        "Not sure",
    ):
        assert said in " ".join(out.split()), said


def test_the_page_is_there_in_arabic(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, 'plan gpt2 --on "٨ بطاقات H100 و ٨ بطاقات A100" --lang ar')
    assert code == 0
    assert "طرق استعمالها" in out
    assert "ما يضيفه" in out


BOLD = 'llama-3-8b --on "4x H100 + 8x A100"'
DEAR = 'llama-3-8b --on "8x H100 + 8x H200" --objective cost'
"""The cheapest kind alone is not the fastest one."""
STRANGERS = 'llama-3-8b --on "8x H100 + 8x MI300X" --global-batch 64'


def mixed_plan(line: str) -> MixedPlanned:
    model, *rest = shlex.split(line.replace("--for", "--duration"))
    keys = (key.removeprefix("--").replace("-", "_") for key in rest[::2])
    said: dict[str, Any] = dict(zip(keys, rest[1::2], strict=True))
    made = plan(model, **said).subject
    assert isinstance(made, MixedPlanned)
    return made


@pytest.mark.parametrize(
    ("line", "key", "says", "never"),
    [
        (BOLD, "level", "but fits only if its memory comes out as estimated", "too little less to be sure"),
        (TOGETHER, "worth", "more speed than 8 H100 SXM 80GB alone", "fits only if"),
        (ALONE, "worth", "replicas on both would take", "fits only if"),
        (DEAR, "worth", "one pipeline over both would cost $", "would take"),
        (f"{TOGETHER} --objective cost --for 6y", "late", "would take", "would cost"),
        (STRANGERS, None, "NVIDIA and AMD devices cannot be joined in one training", "No layout over both fits"),
    ],
)
def test_the_headline_names_the_key_that_decided(
    capsys: pytest.CaptureFixture[str], line: str, key: str | None, says: str, never: str
) -> None:
    assert mixed_plan(line).decided_by == key
    code, out, _ = invoke(capsys, f"plan {line}")
    headline = " ".join(out.split("  Batch:")[0].split())
    assert code == 0
    assert says in headline
    assert never not in headline


def test_a_way_that_is_bold_in_memory_says_so_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(invoke(capsys, f"plan {BOLD}")[1].split())
    assert "memory of the fullest device" in said
    assert "¹ fits only if memory" in said


def test_json_says_how_bold_a_way_is_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    ends = {way["way"]: way["fits_at"] for way in planned(capsys, BOLD)["ways"]}
    assert ends == {"first": "high", "second": "high", "replicas": "mid", "pipeline": ""}


def test_the_gain_is_over_the_fastest_kind_alone() -> None:
    made = mixed_plan(DEAR)
    alone = [way for way in made.ways if way.planned is not None]
    assert made.alone is min(alone, key=lambda way: way.step_s)
    assert made.alone is not alone[0]
    assert made.together is not None
    assert made.gain == pytest.approx(made.alone.step_s / made.together.step_s - 1.0)


def test_rent_is_ranked_by_the_pessimistic_end() -> None:
    made = mixed_plan(DEAR)
    worths = [rank(way, made.question, made.objective).worth for way in made.ways]
    assert worths == sorted(worths)
    for way, worth in zip(made.ways, worths, strict=True):
        assert way.cost_usd is not None
        assert (worth > way.cost_usd * 1.1) is bool(way.mixed)


def test_where_nothing_is_in_time_the_fastest_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{TOGETHER} --objective cost --for 30d"
    made = mixed_plan(line)
    assert made.in_time is False
    values = [way.value for way in made.ways]
    assert values == sorted(values)
    said = " ".join(invoke(capsys, f"plan {line}")[1].split())
    assert "nothing is done in 30 days; the fastest is" in said or "nothing is done in 1 month; the fastest is" in said
    assert "device, training, its rent" in said


def test_uneven_replicas_have_whole_numbers_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, 'llama-3-8b --on "8x H100 + 8x A100" --global-batch 1024 --engine torchtitan')
    (both,) = (way for way in found["ways"] if way["way"] == "replicas")
    assert both["parts"][0]["accumulation"] != both["parts"][1]["accumulation"]
    uneven = planned(capsys, 'gpt2 --on "RTX 4090 + RTX 3090" --global-batch 500')
    assert uneven["ways"][0]["way"] == "replicas"
    parts, layout = uneven["best"]["parts"], uneven["best"]["layout"]
    assert layout["accumulation"] is None
    assert layout["global_batch"] == 500
    micro = layout["micro_batch"]
    assert sum(part["replicas"] * part["accumulation"] * micro for part in parts) == 500
    assert all(isinstance(value, int) for value in layout.values() if isinstance(value, int | float))


@pytest.mark.parametrize("line", [f"{TOGETHER} --open dualpipe", BOLD])
def test_the_page_says_what_is_never_looked_at_over_both(capsys: pytest.CaptureFixture[str], line: str) -> None:
    said = " ".join(invoke(capsys, f"plan {line}")[1].split())
    assert "Over both kinds no DualPipe" in said.split("What was looked at")[1]
    assert said.count("no measured run trains on two kinds of device") == 1
    if "dualpipe" in line:
        assert "Opened: dualpipe." in said
    assert "All by one engine, that of both kinds together:" in said


def test_the_page_says_how_the_batch_is_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(invoke(capsys, f"plan {TOGETHER}")[1].split())
    assert "= 256 sequences a step" in said or "256 sequences a step, 1 in each micro-batch" in said


@pytest.mark.parametrize("line", [TOGETHER, ALONE])
def test_a_chart_has_a_bar_for_each_way(capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str) -> None:
    there = tmp_path / "ways.json"
    code, *_ = invoke(capsys, f"plan {line} --chart {there}")
    assert code == 0
    spec = json.loads(there.read_text(encoding="utf-8"))
    shown = [row["line"] for row in spec["vconcat"][0]["layer"][0]["data"]["values"]]
    assert len(shown) >= 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'estimate llama-3-8b --on "8x H100 + 8x A100"',
            "Only cardyears plan takes two kinds of device, and two are named",
        ),
        ('check llama-3-8b --on "8x H100 + 8x A100"', "8x H100 + 8x A100. Name one of them, or ask cardyears plan"),
        ('instead --on "RTX 4090 + RTX 3090"', "Only cardyears plan takes two kinds"),
        ('plan gpt2 --on "8x H100 + 8x A100 + 8x V100"', "at most 2 kinds of device make one machine, and 3 are named"),
        (
            'plan gpt2 --on "8x H100 + 8x A100" --objective memory',
            "--objective memory compares layouts by the memory of one kind",
        ),
        (
            'plan gpt2 --on "8x H100 + 8x A100" --objective devices',
            "--objective devices looks for fewer devices of one kind",
        ),
        ('plan gpt2 --on "8x H100 + 8x A100" --precision fp8', "A100 SXM 80GB does not train in fp8"),
        ('plan gpt2 --on "8x H100 + 8x nonsense"', "nonsense"),
        ('plan gpt2 --on "8x H100 + 8x A100" --open precision', "A100 SXM 80GB trains in none of them"),
        ('plan gpt2 --on "8x A100 + 8x H100" --open precision', "A100 SXM 80GB trains in none of them"),
        ('plan gpt2 --on "8x H100, 8x A100"', "Join them by +, as in 8x H100 + 8x A100"),
        ('plan gpt2 --on "8x H100 & A100"', 'by "&", which is not read'),
        ('plan gpt2 --on "RTX 4090 with RTX 3090"', 'by "with", which is not read'),
        ('plan gpt2 --on "8x H100 + 8x A100" --assume duty=0.5', "plays no part"),
        ('plan gpt2 --on "8x H100 + 3x A100" --global-batch 7', "makes a global batch of 7 sequences"),
        ('plan gpt2 --on "8x H100 + RTX 4090" --objective cost', "No price of every device is known"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    code, out, err = invoke(capsys, line)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
