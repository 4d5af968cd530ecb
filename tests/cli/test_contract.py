"""The public contract, as `contract.md` and the docs promise it: keys, types, units.

Keys may be added; what stands here keeps its name and its type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from support.asking import FOUNDING, answered, asked

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

Checker: TypeAlias = Callable[[Any], bool]


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
def test_json_has_every_key_of_the_contract_with_its_type(line: str, shape: Mapping[str, Checker]) -> None:
    check_shape(asked(line), shape)


CHECKS = [line for line, _ in CONTRACT if line.startswith("check")]


@pytest.mark.parametrize("line", CHECKS)
def test_a_check_agrees_with_itself(line: str) -> None:
    found = asked(line)
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
def test_every_source_that_an_assumption_names_is_in_the_sources(line: str) -> None:
    found = asked(line)
    keys = {one["key"] for one in found["sources"]}
    assert {one["source"] for one in found["assumptions"] if one["source"]} <= keys


def test_a_single_card_is_connected_enough() -> None:
    assert asked(FOUNDING)["verdict"]["connected_enough"] == "yes"


def test_parameters_and_flop_add_up_by_part() -> None:
    params = asked("params mixtral-8x7b")
    assert sum(params["parts"].values()) == params["total"]
    assert params["active"] < params["total"]
    flops = asked("flops gpt-3 --tokens 300B --seq-len 2048")
    assert 3 * sum(flops["parts"].values()) == pytest.approx(flops["per_token_flop"])
    assert flops["per_token_flop"] * 300e9 == pytest.approx(flops["total_flop"])
    assert flops["conventions"][flops["convention"]] == flops["per_token_flop"]


def test_options_are_the_cheapest_first_and_within_the_budget() -> None:
    options = asked("need gpt2 --within 30d --budget 10k --tokens 10B")["options"]
    costs = [one["cost_usd"]["mid"] for one in options]
    assert costs == sorted(costs)
    assert costs[-1] <= 10_000
    assert all(one["time_s"]["mid"] <= 30 * 86_400 for one in options)


def test_what_could_be_trained_instead_is_sorted_into_its_two_lists() -> None:
    found = asked('instead --on "RTX 4070 Ti" --for 1y')
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
def test_the_verdict_of_an_audit_follows_its_finer_word(params: str, tokens: str, hours: str, word: str) -> None:
    claim = f"audit --params {params} --tokens {tokens} --device A100 --device-hours {hours}"
    found = asked(claim)
    assert (found["plausibility"], found["verdict"]) == (word, PLAUSIBILITIES[word])
    hours_at_peak = found["implied_mfu"]["mid"] * float(hours)
    assert hours_at_peak == pytest.approx(6e18 / 312e12 / 3600)
    assert any("at the whole bf16 peak one A100 SXM 80GB takes 5.34 hours" in one for one in found["findings"])
    assert any("8·N·D" in one and "(HFU)" in one for one in found["findings"])


def test_an_audit_without_a_time_has_no_verdict() -> None:
    found = asked("audit --params 8B --tokens 15T --device H100")
    assert (found["verdict"], found["plausibility"], found["implied_mfu"]) == ("unknown", "unknown", None)
    assert interval(found["usual_device_s"])


def test_an_audit_puts_the_price_beside_that_of_such_hours() -> None:
    found = asked("audit --params 8B --tokens 15T --device H100 --device-hours 1.3M --usd 3.9M")
    assert any("are $3.00 an hour" in one for one in found["findings"])
    assert any("an hour of H100 SXM 80GB costs $" in one for one in found["findings"])


def test_the_least_memory_falls_from_all_weights_to_qlora() -> None:
    found = asked("need llama-2-7b --method qlora --within 1w")["memory"]
    assert [(one["method"], one["recipe"]) for one in found] == [
        ("full", "adamw"),
        ("full", "adamw-8bit"),
        ("lora", "adamw"),
        ("qlora", "adamw"),
    ]
    mids = [one["memory_bytes"]["mid"] for one in found]
    assert mids == sorted(mids, reverse=True)
    assert mids[0] > 10 * mids[-1]


def test_each_figure_is_reconciled_with_readings_of_about_its_size() -> None:
    found = asked("reconcile llama-7b 153GB 59GB 1GB")
    assert (found["model"], found["figures"]) == ("LLaMA 7B", [153e9, 59e9, 1e9])
    assert {one["value"] for one in found["readings"]} == {153e9, 59e9}  # 1 GB is none that we know
    for one in found["readings"]:
        meant = one["value"] * (2**30 / 1e9 if one["gb_for_gib"] else 1)
        assert one["ours_bytes"] == pytest.approx(meant, rel=0.02)
    assert "none that we know" in answered("reconcile llama-7b 1GB")
