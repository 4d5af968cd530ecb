"""Verdicts, the sentence that says them, their exit codes, and what was once got wrong."""

from __future__ import annotations

import re

import pytest

from support.asking import FOUNDING, answered, asked, on_one_line

# Exit codes.

EXITS = (
    ("check gpt2 --on 4090", "yes", 0),
    (FOUNDING, "no", 3),
    ('check gpt2 --on "H200 NVL"', "unknown", 4),
    ('check gpt-2 --on "2x H200 NVL"', "unknown", 4),
)


@pytest.mark.parametrize(("line", "verdict", "code"), EXITS, ids=[line for line, _, _ in EXITS])
def test_the_exit_code_follows_the_verdict_only_when_asked(line: str, verdict: str, code: int) -> None:
    assert asked(line)["verdict"]["overall"] == verdict
    answered(line)
    answered(f"{line} --exit-code", code=code)
    answered(f"{line} --exit-code --json", code=code)


def test_probably_exits_0_and_unlikely_exits_3() -> None:
    time = asked("check gpt2 --on 4090")["time_s"]
    for between, verdict, code in (
        ((time["mid"] + time["high"]) / 2, "probably", 0),
        ((time["low"] + time["mid"]) / 2, "unlikely", 3),
    ):
        line = f"check gpt2 --on 4090 --for {between:.0f}s"
        assert asked(line)["verdict"]["fast_enough"] == verdict
        answered(f"{line} --exit-code", code=code)


# What was once got wrong.


@pytest.mark.parametrize(("assumed", "option"), [("tokens=1B", "--tokens 1B"), ("seq_len=512", "--seq-len 512")])
def test_an_assumption_counts_as_much_as_its_option(assumed: str, option: str) -> None:
    by_key, by_option = (asked(f"check gpt-3 --on 4090 {one}") for one in (f"--assume {assumed}", option))
    assert by_key["required_flop"] == by_option["required_flop"]


HEADLINES = (
    ("check gpt2 --on 4090", r"Yes: one RTX 4090 can train GPT-2 124M in about [\d.]+ hours\."),
    ("check llama-2-7b --method lora --on 3090", r"Yes: one RTX 3090 can fine-tune Llama 2 7B with LoRA in about .*"),
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
def test_the_first_line_gives_the_verdict_and_its_reason(line: str, says: str) -> None:
    sentence = asked(line)["verdict"]["sentence"]
    assert re.fullmatch(says, sentence)
    assert on_one_line(answered(line)).startswith(sentence)


def test_no_option_has_more_devices_than_can_be_asked_for() -> None:
    assert all(one["devices"] <= 10_000_000 for one in asked("need gpt2 --tokens 1e40")["options"])


def test_an_undisclosed_model_is_not_said_to_need_no_tokens() -> None:
    assert " 0 tokens" not in answered("need gpt-3.5")


def test_a_machine_that_trains_nothing_is_told_so() -> None:
    assert "Nothing" in answered('instead --on "1GB GPU"')


def test_a_query_of_marks_alone_does_not_match_every_row() -> None:
    answered("models '???' --json", code=2)
