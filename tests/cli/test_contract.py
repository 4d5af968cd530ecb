"""The public contract, as `contract.md` and the docs promise it: keys, types, units, verdicts, exit codes.

Keys may be added; what stands here keeps its name and its type.
"""

from __future__ import annotations

import html.parser
import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import cardyears
from cardyears.base.text import ENGLISH
from cardyears.cli.main import run
from cardyears.render.page import BAR
from cardyears.render.report.writers import write

VERDICTS = ("yes", "probably", "unlikely", "no", "unknown")
PLAUSIBILITIES = {
    "impossible": "no",
    "implausible": "no",
    "high": "unlikely",
    "plausible": "yes",
    "low": "probably",
    "unknown": "unknown",
}
"""The finer word of an audit, and the verdict that goes with it."""
KINDS = ("estimate", "bound", "measured", "published", "derived", "assumed")
METHODS = ("pretrain", "full", "lora", "qlora")
FOUNDING = 'check gpt-3.5 --on "RTX 4070 Ti" --for 1y --utilization 90%'

Checker: TypeAlias = Callable[[Any], bool]


@pytest.fixture(autouse=True)
def _same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARDYEARS_LANG", "CARDYEARS_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def answered(capsys: pytest.CaptureFixture[str], line: str, *, code: int = 0) -> str:
    """What a command line writes to stdout; it leaves with this code and writes nothing to stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(shlex.split(line))
    out, err = capsys.readouterr()
    assert (left.value.code, err) == (code, "")
    return out


def asked(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    """The one JSON object that a command line writes: `json.loads` refuses anything before or behind it."""
    found = json.loads(answered(capsys, f"{line} --json"), parse_constant=_no_constant)
    assert isinstance(found, dict)
    return found


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


# What a value may be.


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def text(value: Any) -> bool:
    return isinstance(value, str)


def words(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def interval(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == ["low", "mid", "high"]
        and all(number(part) for part in value.values())
        and value["low"] <= value["mid"] <= value["high"]
    )


def one_of(allowed: tuple[str, ...]) -> Checker:
    return lambda value: value in allowed


def ledger(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(words(key) and number(part) for key, part in value.items())


def either(*checkers: Checker) -> Checker:
    return lambda value: any(checker(value) for checker in checkers)


def missing(value: Any) -> bool:
    return value is None


def texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(words(part) for part in value)


def each(shape: Mapping[str, Checker]) -> Checker:
    return lambda value: isinstance(value, list) and all(has(item, shape) for item in value)


def inside(shape: Mapping[str, Checker]) -> Checker:
    return lambda value: has(value, shape)


def has(value: Any, shape: Mapping[str, Checker]) -> bool:
    return isinstance(value, dict) and all(key in value and checker(value[key]) for key, checker in shape.items())


def check_shape(found: Mapping[str, Any], shape: Mapping[str, Checker]) -> None:
    """`has`, saying which key is wrong."""
    for key, checker in shape.items():
        assert key in found, f"{key} is missing"
        assert checker(found[key]), f"{key} is {str(found[key])[:300]}"


ASSUMPTION = {
    "key": words,
    "value": either(number, text),
    "unit": text,
    "kind": one_of(KINDS),
    "source": text,
    "reason": words,
}
SOURCE = {"key": words, "title": words, "where": words, "date": text}
ALTERNATIVE = {
    "model": words,
    "method": one_of(METHODS),
    "tokens": number,
    "time_s": interval,
    "peak_memory_bytes": interval,
    "why": words,
}
CHECK = {
    "verdict": inside(
        {key: one_of(VERDICTS) for key in ("overall", "fits", "fast_enough", "connected_enough")} | {"sentence": words}
    ),
    "required_flop": either(number, interval),
    "available_flop": interval,
    "share": interval,
    "card_years": interval,
    "time_s": interval,
    "memory": inside({"required_bytes": interval, "available_bytes": number, "ledger": ledger}),
    "energy_kwh": interval,
    "cost_usd": interval,
    "alternatives": each(ALTERNATIVE),
    "assumptions": each(ASSUMPTION),
    "sources": each(SOURCE),
}
OPTION = {
    "hardware": words,
    "devices": whole,
    "time_s": interval,
    "cost_usd": either(interval, missing),
    "energy_kwh": either(interval, missing),
    "layout": lambda value: isinstance(value, dict) and bool(value),
}
NEED = {
    "options": each(OPTION),
    "memory": each({"method": one_of(METHODS), "recipe": words, "memory_bytes": interval}),
    "tried": whole,
}
AUDIT = {
    "implied_mfu": interval,
    "implied_flop": number,
    "verdict": one_of(VERDICTS),
    "why": words,
    "plausibility": one_of(tuple(PLAUSIBILITIES)),
    "findings": texts,
}
RECONCILE = {
    "model": words,
    "figures": lambda value: isinstance(value, list) and bool(value) and all(number(part) for part in value),
    "readings": each({"value": number, "assumptions": texts, "ours_bytes": number}),
}
ROW = {"key": words, "source": words}
NAMED_ROW = ROW | {"name": words, "kind": one_of(KINDS), "checked": words}

CONTRACT: tuple[tuple[str, Mapping[str, Checker]], ...] = (
    (FOUNDING, CHECK | {"required_flop": interval}),
    (f"{FOUNDING} --peak fp32", CHECK | {"required_flop": interval}),
    ('check gpt2 --on "RTX 3060" --tokens 10B', CHECK | {"required_flop": number}),
    ('check llama-2-7b --method qlora --on "RTX 3090"', CHECK),
    ('check 1.3B --on "H100" --for 30d --budget 50k', CHECK),
    ('check 1.3B --on "12GB GPU" --duty 50% --seq-len 512 --micro-batch 2', CHECK),
    ('check gpt-3 --on "1024x A100 over 400Gb/s per gpu"', CHECK),
    (
        "check gpt2 --on TPU-v4",
        CHECK | {"energy_kwh": either(interval, missing), "cost_usd": either(interval, missing)},
    ),
    ("params gpt2", {"total": whole, "active": whole, "matmul": whole, "embedding": whole, "parts": ledger}),
    ("params mixtral-8x7b", {"total": whole, "active": whole, "matmul": whole, "embedding": whole, "parts": ledger}),
    (
        "flops gpt-3 --tokens 300B --seq-len 2048",
        {"per_token_flop": number, "total_flop": number, "conventions": ledger, "parts": ledger},
    ),
    ("flops 7B", {"per_token_flop": number, "total_flop": number, "conventions": ledger, "parts": ledger}),
    ("need gpt2 --within 30d --budget 10k --tokens 10B", NEED),
    ("need llama-3.1-8b --within 90d", NEED),
    ('instead --on "RTX 4070 Ti" --for 1y', {"pretrain": each(ALTERNATIVE), "finetune": each(ALTERNATIVE)}),
    ('instead --on "8GB GPU" --for 1w --budget 500', {"pretrain": each(ALTERNATIVE), "finetune": each(ALTERNATIVE)}),
    ("audit --params 8B --tokens 15T --device H100 --device-hours 1.3M", AUDIT),
    ('audit "7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500"', AUDIT),
    ("audit --flop 3.14e23 --device A100 --devices 8 --wall-hours 1000", AUDIT),
    ("reconcile llama-7b 153GB 59GB", RECONCILE),
    ("reconcile gpt-3 350GB", RECONCILE),
    ("models", {"rows": each(NAMED_ROW)}),
    ("models llama", {"rows": each(NAMED_ROW)}),
    ("devices", {"rows": each(NAMED_ROW)}),
    ("devices rtx 4070 ti", {"rows": each(NAMED_ROW)}),
    ("runs", {"rows": each(NAMED_ROW)}),
    ("prices", {"rows": each(ROW | {"usd_per_device_hour": number, "date": words, "market": words})}),
    ("prices h100", {"rows": each(ROW | {"usd_per_device_hour": number})}),
    ("sources", {"rows": each({"key": words, "title": words, "where": words, "date": text})}),
)


@pytest.mark.parametrize(("line", "shape"), CONTRACT, ids=[line for line, _ in CONTRACT])
def test_json_has_every_key_of_the_contract_with_its_type(
    capsys: pytest.CaptureFixture[str], line: str, shape: Mapping[str, Checker]
) -> None:
    check_shape(asked(capsys, line), shape)


CHECKS = [line for line, _ in CONTRACT if line.startswith("check")]


@pytest.mark.parametrize("line", CHECKS)
def test_a_check_agrees_with_itself(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = asked(capsys, line)
    memory, verdict = found["memory"], found["verdict"]
    assert sum(memory["ledger"].values()) == pytest.approx(memory["required_bytes"]["mid"], rel=1e-9)
    order = dict(zip(VERDICTS, (0, 1, 2, 4, 3), strict=True))  # no is worse than unknown
    three = [verdict[key] for key in ("fits", "fast_enough", "connected_enough")]
    assert verdict["overall"] == max(three, key=order.__getitem__)
    required = found["required_flop"]
    need = required["mid"] if isinstance(required, dict) else required
    assert found["share"]["mid"] == pytest.approx(found["available_flop"]["mid"] / need, rel=1e-9)
    assert found["cost_lines_usd"] is None or sum(found["cost_lines_usd"].values()) >= 0


@pytest.mark.parametrize("line", CHECKS)
def test_every_source_that_an_assumption_names_is_in_the_sources(capsys: pytest.CaptureFixture[str], line: str) -> None:
    found = asked(capsys, line)
    keys = {one["key"] for one in found["sources"]}
    assert {one["source"] for one in found["assumptions"] if one["source"]} <= keys


def test_a_single_card_is_connected_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, FOUNDING)["verdict"]["connected_enough"] == "yes"


def test_parameters_and_flop_add_up_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    params = asked(capsys, "params mixtral-8x7b")
    assert sum(params["parts"].values()) == params["total"]
    assert params["active"] < params["total"]
    flops = asked(capsys, "flops gpt-3 --tokens 300B --seq-len 2048")
    assert 3 * sum(flops["parts"].values()) == pytest.approx(flops["per_token_flop"])
    assert flops["per_token_flop"] * 300e9 == pytest.approx(flops["total_flop"])
    assert flops["conventions"][flops["convention"]] == flops["per_token_flop"]


def test_options_are_the_cheapest_first_and_within_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    options = asked(capsys, "need gpt2 --within 30d --budget 10k --tokens 10B")["options"]
    costs = [one["cost_usd"]["mid"] for one in options]
    assert costs == sorted(costs)
    assert costs[-1] <= 10_000
    assert all(one["time_s"]["mid"] <= 30 * 86_400 for one in options)


def test_what_could_be_trained_instead_is_sorted_into_its_two_lists(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, 'instead --on "RTX 4070 Ti" --for 1y')
    assert {one["method"] for one in found["pretrain"]} == {"pretrain"}
    assert {one["method"] for one in found["finetune"]} == {"full", "lora", "qlora"}


AUDITS = (
    ("1B", "1B", "5.3", "impossible"),
    ("1B", "1B", "6", "implausible"),
    ("1B", "1B", "8", "high"),
    ("1B", "1B", "12", "plausible"),
    ("1B", "1B", "60", "low"),
)


@pytest.mark.parametrize(("params", "tokens", "hours", "word"), AUDITS, ids=[word for *_, word in AUDITS])
def test_the_verdict_of_an_audit_follows_its_finer_word(
    capsys: pytest.CaptureFixture[str], params: str, tokens: str, hours: str, word: str
) -> None:
    claim = f"audit --params {params} --tokens {tokens} --device A100 --device-hours {hours}"
    found = asked(capsys, claim)
    assert (found["plausibility"], found["verdict"]) == (word, PLAUSIBILITIES[word])
    hours_at_peak = found["implied_mfu"]["mid"] * float(hours)
    assert hours_at_peak == pytest.approx(6e18 / 312e12 / 3600)
    assert any("at the whole bf16 peak one A100 SXM 80GB takes 5.34 hours" in one for one in found["findings"])
    assert any("8·N·D" in one and "(HFU)" in one for one in found["findings"])


def test_an_audit_without_a_time_has_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "audit --params 8B --tokens 15T --device H100")
    assert (found["verdict"], found["plausibility"], found["implied_mfu"]) == ("unknown", "unknown", None)
    assert interval(found["usual_device_s"])


def test_an_audit_puts_the_price_beside_that_of_such_hours(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M --usd 3.9M")
    assert any("are $3.00 an hour" in one for one in found["findings"])
    assert any("an hour of H100 SXM 80GB costs $" in one for one in found["findings"])


def test_the_least_memory_falls_from_all_weights_to_qlora(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "need llama-2-7b --method qlora --within 1w")["memory"]
    assert [(one["method"], one["recipe"]) for one in found] == [
        ("full", "adamw"),
        ("full", "adamw-8bit"),
        ("lora", "adamw"),
        ("qlora", "adamw"),
    ]
    mids = [one["memory_bytes"]["mid"] for one in found]
    assert mids == sorted(mids, reverse=True)
    assert mids[0] > 10 * mids[-1]


def test_each_figure_is_reconciled_with_readings_of_about_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "reconcile llama-7b 153GB 59GB 1GB")
    assert (found["model"], found["figures"]) == ("LLaMA 7B", [153e9, 59e9, 1e9])
    assert {one["value"] for one in found["readings"]} == {153e9, 59e9}  # 1 GB is none that we know
    for one in found["readings"]:
        meant = one["value"] * (2**30 / 1e9 if one["gb_for_gib"] else 1)
        assert one["ours_bytes"] == pytest.approx(meant, rel=0.02)
    assert "none that we know" in answered(capsys, "reconcile llama-7b 1GB")


# Exit codes.

EXITS = (
    ("check gpt2 --on 4090", "yes", 0),
    (FOUNDING, "no", 3),
    ('check gpt2 --on "H200 NVL"', "unknown", 4),
    ('check gpt-2 --on "2x H200 NVL"', "unknown", 4),
)


@pytest.mark.parametrize(("line", "verdict", "code"), EXITS, ids=[line for line, _, _ in EXITS])
def test_the_exit_code_follows_the_verdict_only_when_asked(
    capsys: pytest.CaptureFixture[str], line: str, verdict: str, code: int
) -> None:
    assert asked(capsys, line)["verdict"]["overall"] == verdict
    answered(capsys, line)
    answered(capsys, f"{line} --exit-code", code=code)
    answered(capsys, f"{line} --exit-code --json", code=code)


def test_probably_exits_0_and_unlikely_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    time = asked(capsys, "check gpt2 --on 4090")["time_s"]
    for between, verdict, code in (
        ((time["mid"] + time["high"]) / 2, "probably", 0),
        ((time["low"] + time["mid"]) / 2, "unlikely", 3),
    ):
        line = f"check gpt2 --on 4090 --for {between:.0f}s"
        assert asked(capsys, line)["verdict"]["fast_enough"] == verdict
        answered(capsys, f"{line} --exit-code", code=code)


# Python has the same fields, and its `repr` is the text of the command line.

PYTHON: tuple[tuple[str, Callable[[], Any]], ...] = (
    (FOUNDING, lambda: cardyears.check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%")),
    ("check gpt2 --on 3060 --assume duty=50%", lambda: cardyears.check("gpt2", on="3060", assume={"duty": "50%"})),
    ("params gpt2", lambda: cardyears.params("gpt2")),
    ("flops gpt-3 --tokens 300B", lambda: cardyears.flops("gpt-3", tokens="300B")),
    ("need gpt2 --within 30d", lambda: cardyears.need("gpt2", within="30d")),
    ("instead --on 4090 --for 30d", lambda: cardyears.instead(on="4090", duration="30d")),
    (
        "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M",
        lambda: cardyears.audit(params="8B", tokens="15T", device="H100", device_hours="1.3M"),
    ),
    ("reconcile llama-7b 153GB 59GB", lambda: cardyears.reconcile("llama-7b", "153GB", 59e9)),
    ('audit "2T tokens on 7B, 104 A100-days"', lambda: cardyears.audit("2T tokens on 7B, 104 A100-days")),
    ("models llama", lambda: cardyears.models("llama")),
    ("devices rtx 4070 ti", lambda: cardyears.devices("rtx 4070 ti")),
    ("runs gpt-3", lambda: cardyears.runs("gpt-3")),
    ("prices h100", lambda: cardyears.prices("h100")),
    ("sources chinchilla", lambda: cardyears.sources("chinchilla")),
)


@pytest.mark.parametrize(("line", "call"), PYTHON, ids=[line for line, _ in PYTHON])
def test_python_has_the_same_fields_and_says_the_same(
    capsys: pytest.CaptureFixture[str], line: str, call: Callable[[], Any]
) -> None:
    result = call()
    assert result.as_dict() == asked(capsys, line)
    assert repr(result) == answered(capsys, line)
    assert all(hasattr(result, key) for key in result.as_dict())


def test_plain_numbers_are_si_and_equal_to_what_people_write() -> None:
    said = cardyears.check("gpt2", on="4090", duration="30 days", tokens="10B", utilization="40%", budget="$1k")
    meant = cardyears.check("gpt2", on="4090", duration=30 * 86_400.0, tokens=10e9, utilization=0.4, budget=1e3)
    assert {**said.as_dict(), "question": None} == {**meant.as_dict(), "question": None}


def test_the_fields_of_a_result_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        cardyears.params("gpt2").total = 1  # type: ignore[misc]


def test_python_raises_the_sentence_of_the_command_line() -> None:
    with pytest.raises(
        cardyears.CardyearsError, match=r'"RTX 9999" is not among the devices\. cardyears devices'
    ) as bad:
        cardyears.check("gpt2", on="RTX 9999")
    assert bad.value.code == "unknown-name"


class _Elements(html.parser.HTMLParser):
    """Every element of a fragment, once each is shown to be closed in its turn."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.rows: list[list[int]] = []
        self.text = ""
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append(tag)
        if tag == "table":
            self.rows.append([])
        elif tag == "tr":
            self.rows[-1].append(0)
        elif tag == "td":
            self.rows[-1][-1] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("line", "call"), PYTHON, ids=[line for line, _ in PYTHON])
def test_html_is_well_formed_and_says_what_the_text_says(line: str, call: Callable[[], Any]) -> None:
    """The text on a page so wide that no cell is wrapped; its bars are boxes in HTML."""
    result = call()
    found = _Elements(result._repr_html_())
    assert set(found.seen) <= {"section", "p", "h4", "table", "tr", "td", "span"}
    assert found.seen.count("section") == 1
    assert found.seen.count("table") >= 1
    assert all(len(set(cells)) == 1 for cells in found.rows), "a table's rows are equally long"
    written = write(result.subject, ENGLISH, width=10_000)
    assert "".join(found.text.split()) == "".join(written.replace(BAR, "").split())
    assert found.seen.count("span") == len(re.findall(f"{BAR}+", written))


def test_html_escapes_what_people_wrote(tmp_path: Path) -> None:
    name = "<script>alert('x')</script> & <b>\\\"bold\\\"</b>"
    file = tmp_path / "shape.toml"
    file.write_text(f'name = "{name}"\n[shape]\nlayers = 2\nhidden = 128\nheads = 8\nvocab = 1000\nffn = 400\n')
    for result in (cardyears.check(str(file), on="4090"), cardyears.params(str(file))):
        found = _Elements(result._repr_html_())
        assert not {"script", "b"} & set(found.seen)
        assert "<script>alert('x')</script>" in found.text


# The founding question.


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_the_founding_question_is_answered_on_one_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = answered(capsys, FOUNDING)
    flat = _flat(text)
    assert flat.startswith(
        "No: training GPT-3.5 takes 2.94 TB of memory where 12.9 GB are there, and in 1 year one RTX 4070 Ti can do "
        "0.725 % of the computation."
    )
    for question in (r"Fits no", r"Fast enough no", r"Connected enough yes"):
        assert question in flat
    assert "GPT-3.5 is undisclosed" in flat
    assert "2,497 kWh for the cards alone in 1 year, at 285 W" in flat
    assert "at 90 % of the fp32 rate, 40.1 TFLOP/s: 1.14 × 10²¹ FLOP, 0.362 %, 276 card-years" in flat
    assert "it equals an MFU of 45 % in bf16 (0.9 × 40.1 TFLOP/s / 80.2 TFLOP/s)" in flat
    assert "the two agree by accident" in flat
    assert "35 years on 1 A100 SXM 80GB takes 91.2 % of its bf16 peak, more than any measured" in flat
    assert len(text.splitlines()) < 80


def test_the_founding_answer_has_every_rung_and_every_alternative(capsys: pytest.CaptureFixture[str]) -> None:
    flat, found = _flat(answered(capsys, FOUNDING)), asked(capsys, FOUNDING)
    rungs = [one["label"] for one in found["ladder"]]
    assert [one.split()[0] for one in rungs[:4]] == ["fp32,", "bf16", "FlashAttention", "8-bit"]
    assert any(one.startswith("sharding") for one in rungs)
    assert any(one.startswith("fp8") for one in rungs)
    assert rungs[-1] == "the whole bf16 peak"
    assert all(rung in flat for rung in rungs)
    assert {one["method"] for one in found["alternatives"]} == set(METHODS)
    assert {(one["method"], one["recipe"]) for one in found["alternatives"]} == {
        ("pretrain", "adamw"),
        ("pretrain", "adamw-8bit"),
        ("full", "adamw"),
        ("full", "adamw-8bit"),
        ("lora", "adamw"),
        ("qlora", "adamw"),
    }
    shown = re.search(r"Instead, on this machine within 1 year (.*) Sources", flat)
    assert shown is not None
    surest = {(one["method"], one["recipe"]): one["model"] for one in found["alternatives"]}
    scratch = [one["model"] for one in found["alternatives"] if one["method"] == "pretrain"]
    assert all(name in shown[1] for name in (*scratch, *surest.values()))
    assert shown[1].count(" tokens ") == len(scratch) + 4
    assert len(found["levers"]) == 3


def test_the_rungs_are_of_one_device_and_shown_where_the_answer_needs_them(capsys: pytest.CaptureFixture[str]) -> None:
    for line, shown in ((FOUNDING, True), ("check gpt2 --on 4090", False)):
        assert asked(capsys, line)["ladder"]
        assert ("What each saving brings" in answered(capsys, line)) is shown
    assert asked(capsys, 'check gpt-3 --on "8x A100"')["ladder"] == []


def test_the_founding_answer_gives_three_readings_of_a_percentage(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, FOUNDING)
    years = {one["key"]: one["card_years"]["mid"] for one in found["utilization_readings"]}
    assert list(years) == ["share-of-peak", "calendar", "driver-busy"]
    assert years["share-of-peak"] == found["card_years"]["mid"] == pytest.approx(137.98, rel=1e-3)
    assert years["calendar"] == pytest.approx(years["driver-busy"] / 0.9)
    assert found["naive"]["by_accident"] is True
    assert found["naive"]["equal_mfu"] == pytest.approx(0.45)
    claim = next(one for one in found["claims"] if one["source"] == "video-35-years")
    assert claim["implied_mfu"] == pytest.approx(0.9118, rel=1e-3)
    assert claim["plausibility"] == "implausible"


def test_the_founding_sum_on_the_fp32_rate(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, f"{FOUNDING} --peak fp32")
    assert found["available_flop"]["mid"] == pytest.approx(1.1379e21, rel=1e-4)
    assert found["share"]["mid"] == pytest.approx(0.0036, rel=1e-2)
    assert found["card_years"]["mid"] == pytest.approx(276, rel=1e-3)
    assert found["verdict"]["overall"] == "no"
    flat = _flat(answered(capsys, f"{FOUNDING} --peak fp32"))
    for part in ("1.14 × 10²¹ FLOP", "0.362 (", "276 ("):
        assert part in flat


# What was once got wrong.


@pytest.mark.parametrize(("assumed", "option"), [("tokens=1B", "--tokens 1B"), ("seq_len=512", "--seq-len 512")])
def test_an_assumption_counts_as_much_as_its_option(
    capsys: pytest.CaptureFixture[str], assumed: str, option: str
) -> None:
    by_key, by_option = (asked(capsys, f"check gpt-3 --on 4090 {one}") for one in (f"--assume {assumed}", option))
    assert by_key["required_flop"] == by_option["required_flop"]


HEADLINES = (
    ("check gpt2 --on 4090", r"Yes: one RTX 4090 can train GPT-2 124M in about [\d.]+ hours\."),
    (
        "check llama-2-7b --method lora --on 3090",
        r"Probably: one RTX 3090 can fine-tune Llama 2 7B with LoRA in about .*",
    ),
    ('check gpt2-medium --on "6GB GPU" --method full', r"Unlikely: only at the optimistic end of the estimate can .*"),
    (
        'check gpt2 --on "1GB GPU"',
        r"No: training GPT-2 124M this way takes [\d.]+ GB of memory where 1\.07 GB are there\.",
    ),
    (
        "check gpt2 --on 4090 --for 3h",
        r"No: in 3 hours one RTX 4090 can do [\d.]+ % of the computation for GPT-2 124M\.",
    ),
    ("check gpt2 --on 4090 --budget 0.01", r"No: training GPT-2 124M costs too much: .*\$.*"),
    ('check gpt2 --on "H200 NVL"', r"It cannot be said whether one H200 NVL can train GPT-2 124M: .*"),
)


@pytest.mark.parametrize(("line", "says"), HEADLINES, ids=[line for line, _ in HEADLINES])
def test_the_first_line_gives_the_verdict_and_its_reason(
    capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    sentence = asked(capsys, line)["verdict"]["sentence"]
    assert re.fullmatch(says, sentence)
    assert _flat(answered(capsys, line)).startswith(sentence)


def test_no_option_has_more_devices_than_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(one["devices"] <= 10_000_000 for one in asked(capsys, "need gpt2 --tokens 1e40")["options"])


def test_an_undisclosed_model_is_not_said_to_need_no_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    assert " 0 tokens" not in answered(capsys, "need gpt-3.5")


def test_a_machine_that_trains_nothing_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing" in answered(capsys, 'instead --on "1GB GPU"')


def test_a_query_of_marks_alone_does_not_match_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    answered(capsys, "models '???' --json", code=2)
