"""What people get wrong at the door: each is one line that says the rule and the remedy, exit code 2, no traceback.

With --json the same sentence is an object on stdout and stderr stays empty.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from cardyears.question.hardware import read_hardware
from cardyears.question.read import read_bytes
from support.asking import invoke, process, refused

# Words of the command line, the error's code, and what its sentence has to say.
BAD = (
    # names
    ('check gpt2 --on "RTX 4070 Tii"', "unknown-name", ["RTX 4070 Tii", "Did you mean RTX 4070 Ti,"]),
    ('check gpt2 --on "RTX 9999"', "unknown-name", ["RTX 9999", "cardyears devices lists all"]),
    ("check gtp-2 --on 4090", "unknown-name", ["gtp-2", "Did you mean GPT-2", "cardyears models lists all"]),
    ("instead --on nothing", "unknown-name", ["nothing", "cardyears devices"]),
    ("need zzz", "unknown-name", ["zzz", "cardyears models"]),
    ("params zzz", "unknown-name", ["zzz", "cardyears models"]),
    ("flops zzz", "unknown-name", ["zzz", "cardyears models"]),
    ("audit --device zzz --flop 1e20", "unknown-name", ["zzz", "cardyears devices"]),
    ("reconcile zzz 1GB", "unknown-name", ["zzz", "cardyears models"]),
    ("models zzz", "unknown-name", ["zzz", "cardyears models"]),
    ("devices zzz", "unknown-name", ["zzz", "cardyears devices"]),
    ("runs zzz", "unknown-name", ["zzz", "cardyears runs"]),
    ("prices zzz", "unknown-name", ["zzz"]),
    ("sources zzz", "unknown-name", ["zzz", "cardyears sources"]),
    ("models ???", "unknown-name", ["???", "cardyears models"]),
    ("devices -- -", "unknown-name", ["cardyears devices"]),
    ('check gpt2 --on "RTX 4060 Ti"', "ambiguous-name", ["RTX 4060 Ti 8GB", "RTX 4060 Ti 16GB", "Name one"]),
    ('check gpt2 --on "64x H100 over nothing"', "unknown-name", ["nothing", "links", "400Gb/s per gpu"]),
    ('check "" --on 4090', "bad-input", ["No model was named", "cardyears models"]),
    ('check " " --on 4090', "bad-input", ["No model was named"]),
    ("check gpt2 --on mine", "bad-input", ["has not been measured"]),
    # counts
    ("check gpt2 --on 4090 --tokens -5B", "unreadable-value", ["tokens", "-5B", "not more than zero"]),
    ("check gpt2 --on 4090 --tokens 0", "unreadable-value", ["tokens", "not more than zero"]),
    ("check gpt2 --on 4090 --tokens NaN", "unreadable-value", ["tokens", "NaN", "not a finite number"]),
    ("check gpt2 --on 4090 --tokens inf", "unreadable-value", ["tokens", "inf", "not a finite number"]),
    ("check gpt2 --on 4090 --tokens 1e400", "unreadable-value", ["tokens", "1e400", "too large"]),
    ('check gpt2 --on 4090 --tokens ""', "unreadable-value", ["tokens", "nothing is written"]),
    ("check gpt2 --on 4090 --tokens 1,5B", "unreadable-value", ["comma", "1.5"]),
    ("check gpt2 --on 4090 --seq-len 0", "unreadable-value", ["sequence length", "not more than zero"]),
    ("check gpt2 --on 4090 --seq-len 1.5", "unreadable-value", ["sequence length", "not a whole number"]),
    ("check gpt2 --on 4090 --seq-len 1e12", "unreadable-value", ["beyond any model"]),
    ("check gpt2 --on 4090 --micro-batch 0", "unreadable-value", ["micro-batch", "not more than zero"]),
    ("need gpt2 --micro-batch 0", "unreadable-value", ["micro-batch"]),
    ("flops gpt2 --tokens nan", "unreadable-value", ["tokens", "finite"]),
    ("audit --params 0 --tokens 1B", "unreadable-value", ["parameters"]),
    ("audit --devices 1.5", "unreadable-value", ["number of devices", "not a whole number"]),
    ("reconcile llama-7b many", "unreadable-value", ["many", "12GiB"]),
    ("reconcile llama-7b 59", "unreadable-value", ["59", "no unit"]),
    ("reconcile llama-7b 59GB 0GB", "unreadable-value", ["0GB", "not more than zero"]),
    # shares, times, money
    ("check gpt2 --on 4090 --utilization 90", "unreadable-value", ["no percent sign", "90%", "0.9"]),
    ("check gpt2 --on 4090 --utilization 110%", "unreadable-value", ["more than the whole"]),
    ("check gpt2 --on 4090 --utilization nan", "unreadable-value", ["finite"]),
    ("check gpt2 --on 4090 --duty 0", "unreadable-value", ["duty", "not more than zero"]),
    ("check gpt2 --on 4090 --for 1", "unreadable-value", ["duration", "no unit"]),
    ("check gpt2 --on 4090 --for 5m", "unreadable-value", ["minutes or months"]),
    ("check gpt2 --on 4090 --for 0d", "unreadable-value", ["not more than zero"]),
    ("check gpt2 --on 4090 --for inf", "unreadable-value", ["duration"]),
    ("need gpt2 --within 0d", "unreadable-value", ["not more than zero"]),
    ("check gpt2 --on 4090 --budget €5", "unreadable-value", ["€5", "not in US dollars"]),
    ("check gpt2 --on 4090 --budget nan", "unreadable-value", ["budget", "finite"]),
    # hardware
    ('check gpt2 --on ""', "unreadable-value", ["hardware", "nothing is written"]),
    ('check gpt2 --on "0x H100"', "unreadable-value", ["number of devices", "not more than zero"]),
    ('check gpt2 --on "1.5x H100"', "unreadable-value", ["number of devices", "not a whole number"]),
    ('check gpt2 --on "8x H100 in nodes of 3"', "unreadable-value", ["8 devices do not fill nodes of 3"]),
    ('check gpt2 --on "64x H100 over"', "unreadable-value", ["names no link"]),
    ('check gpt2 --on "64x H100 over 400G"', "unreadable-value", ["bits or in bytes"]),
    ('check gpt2 --on "12Gb GPU"', "unreadable-value", ["12Gb", "bits", "capital B"]),
    # figures that no source gives
    ('check gpt2 --on "RTX 3090" --peak fp8', "missing-figure", ["RTX 3090", "fp8", "--catalogue"]),
    ('check gpt2 --on "RTX 4070 Ti" --peak fp4', "missing-figure", ["RTX 4070 Ti", "fp4", "published: fp32"]),
    ("params gpt-3.5", "missing-figure", ["undisclosed"]),
    ("flops gpt-4", "missing-figure", ["undisclosed"]),
    ("reconcile gpt-3.5 100GB", "missing-figure", ["undisclosed"]),
    ("check gpt2 --on 4090 --assume country=atlantis", "missing-figure", ["atlantis", "world"]),
    # words that are none of the allowed
    ("check gpt2 --on 4090 --peak fp3", "unreadable-value", ["--peak", "fp3", "bf16"]),
    ("check gpt2 --on 4090 --method rlhf", "unreadable-value", ["--method", "rlhf", "pretrain, full, lora, qlora"]),
    ("check gpt2 --on 4090 --lang xx", "unknown-name", ["xx", "en"]),
    ("devices --lang xx", "unknown-name", ["xx", "en"]),
    # assumptions
    ("check gpt2 --on 4090 --assume foo=1", "unknown-name", ["foo", "host_factor"]),
    ("flops gpt2 --assume foo=1", "unknown-name", ["foo", "seq_len"]),
    ("need gpt2 --assume foo=1", "unknown-name", ["foo"]),
    ("instead --on 4090 --assume foo=1", "unknown-name", ["foo"]),
    ("params gpt2 --assume foo=1", "unknown-name", ["foo"]),
    ("audit --flop 1e20 --device A100 --assume foo=1", "unknown-name", ["foo"]),
    ("reconcile gpt2 2GB --assume foo=1", "unknown-name", ["foo"]),
    ("devices --assume foo=1", "unknown-name", ["foo"]),
    ("devices --assume foo", "unreadable-value", ["foo", "KEY=VALUE"]),
    ("check gpt2 --on 4090 --assume pue", "unreadable-value", ["pue", "KEY=VALUE"]),
    ("check gpt2 --on 4090 --assume =1", "unreadable-value", ["KEY=VALUE"]),
    ("check gpt2 --on 4090 --assume pue=", "unreadable-value", ["KEY=VALUE"]),
    ("check gpt2 --on 4090 --assume pue=0.5", "unreadable-value", ["0.5", "below 1"]),
    ("check gpt2 --on H100 --assume pue=many", "unreadable-value", ["many"]),
    ("check gpt2 --on 4090 --assume recipe=magic", "unknown-name", ["magic", "adamw"]),
    ("check gpt2 --on 4090 --assume host_w=50 --assume host_w=60", "contradiction", ["host_w", "50", "60"]),
    ("params gpt2 --assume a=1 --assume a=2", "contradiction", ["a is assumed twice"]),
    ("check gpt-3.5 --on 4090 --method qlora", "contradiction", ["GPT-3.5", "not public", "fine-tuned"]),
    # options and commands
    ("check gpt2", "bad-input", ["--on", "cardyears check --help"]),
    ("instead", "bad-input", ["--on", "cardyears instead --help"]),
    ("check", "bad-input", ["MODEL", "cardyears check --help"]),
    ("reconcile", "bad-input", ["MODEL", "cardyears reconcile --help"]),
    ("reconcile llama-7b", "bad-input", ["FIGURES", "cardyears reconcile --help"]),
    ("check gpt2 --on", "bad-input", ["--on"]),
    ("check gpt2 --on 4090 --frobnicate", "bad-input", ["--frobnicate", "cardyears check --help"]),
    ("check gpt2 --on 4090 extra", "bad-input", ["extra"]),
    ("chekc gpt2", "bad-input", ["chekc", "Did you mean check?"]),
    ("frobnicate", "bad-input", ["frobnicate", "cardyears --help"]),
    ("audit", "bad-input", ["too little to check"]),
    ('audit "nothing to see"', "bad-input", ["No figure was recognised"]),
    # files
    ("check gpt2 --on 4090 --catalogue /nowhere/mine.toml", "unusable-file", ["mine.toml", "TOML"]),
    ("devices --catalogue /nowhere/mine.toml", "unusable-file", ["mine.toml"]),
    ("check /nowhere/shape.toml --on 4090", "unusable-file", ["/nowhere/shape.toml", "cannot be read"]),
    ("check /nowhere/config.json --on 4090", "unusable-file", ["/nowhere/config.json"]),
    ("check gpt2 --on /nowhere/card.toml", "unusable-file", ["card.toml"]),
    # sizes
    ("check 0.0001B --on 4090", "unreadable-value", ["100,000 parameters", "between"]),
    ("check 1.2.3B --on 4090", "unreadable-value", ["1.2.3B"]),
)


@pytest.mark.parametrize(("line", "code", "says"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input_is_one_line_with_a_remedy(line: str, code: str, says: list[str]) -> None:
    found, sentence = refused(*shlex.split(line))
    assert found == code
    for part in says:
        assert part in sentence


def test_a_shell_that_has_no_completion_is_named_with_those_that_have() -> None:
    found = invoke("completion", "tcsh")
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert all(shell in found.err for shell in ("tcsh", "bash", "zsh", "fish"))


def test_json_may_stand_behind_the_words_that_are_wrong() -> None:
    found = invoke("check", "gpt2", "--on", "RTX 9999", "--json")
    assert (found.code, found.err) == (2, "")
    assert json.loads(found.out)["error"]["code"] == "unknown-name"


def test_a_bad_exit_is_two_even_with_exit_code() -> None:
    assert invoke("check", "gpt2", "--on", "RTX 9999", "--exit-code").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("check", "x" * 10_000, "--on", "4090"),
        ("check", "gpt2", "--on", "x" * 10_000),
        ("check", "gpt2", "--on", "x" * 10_000 + ".toml"),
        ("check", "gpt2", "--on", "4090", "--tokens", "9" * 10_000),
        ("prices", "x" * 10_000),
        ("check", "a/" + "x" * 10_000, "--on", "4090"),
        ("check", "x" * 10_000 + ".toml", "--on", "4090"),
        ("check", "gpt2", "--on", "4090", "--catalogue", "x" * 10_000),
        ("models", "x" * 10_000),
    ],
    ids=["model", "device", "device file", "number", "price", "folder", "model file", "catalogue", "query"],
)
def test_what_was_pasted_by_mistake_is_quoted_short(words: tuple[str, ...]) -> None:
    _, sentence = refused(*words)
    assert len(sentence) < 500
    assert not re.search(r"([x9])\1{60}", sentence)


@pytest.mark.parametrize("option", ["--catalogue", "--on"])
def test_a_file_is_quoted_by_its_name_and_not_by_its_path(tmp_path: Path, option: str) -> None:
    words = {"--on": "4090"} | {option: str(tmp_path / "mine.toml")}
    _, sentence = refused("check", "gpt2", *(word for pair in words.items() for word in pair))
    assert sentence.startswith("mine.toml cannot be read")
    assert str(tmp_path) not in sentence


@pytest.mark.parametrize(
    "words", [("check", "a\x1b[31mb\nc", "--on", "4090"), ("check", "gpt2", "--on", "a\x1b[31mb\nc")]
)
def test_control_characters_do_not_reach_the_terminal(words: tuple[str, ...]) -> None:
    refused(*words)
    assert "\x1b" not in invoke(*words).err


def test_gb_and_gib_are_kept_apart_where_they_differ() -> None:
    assert read_bytes("12GiB") - read_bytes("12GB") == 12 * (2**30 - 10**9)
    tens, twos = read_hardware("64x H100 over 50GB/s"), read_hardware("64x H100 over 50GiB/s")
    assert tens.link_bandwidth_bytes_s == 50e9
    assert twos.link_bandwidth_bytes_s == 50 * 2**30


def test_a_card_that_is_sold_as_12gb_has_12gib() -> None:
    for card in ("12GB GPU", "12GiB GPU", "12GB", "RTX 4070 Ti"):
        found = json.loads(invoke("check", "gpt2", "--on", card, "--json").out)
        assert found["memory"]["available_bytes"] == 12 * 2**30
    assert "12.9 GB there" in invoke("check", "gpt2", "--on", "12GB GPU").out


def test_a_family_that_has_a_commonest_variant_is_answered_and_said_so() -> None:
    found = json.loads(invoke("check", "gpt2", "--on", "a100 pcie", "--json").out)
    taken = next(one for one in found["assumptions"] if one["key"] == "device")
    assert taken["value"] == "A100 PCIe 80GB"
    assert "commonest variant" in taken["reason"]


def test_no_command_at_all_shows_the_help() -> None:
    found = invoke()
    assert (found.code, found.err) == (2, "")
    assert found.out == invoke("--help").out
    assert "Commands:\n" in found.out


def test_a_fault_of_ours_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a cause")

    monkeypatch.setattr("cardyears.api.functions.ask", broken)
    text = invoke("check", "gpt2", "--on", "4090")
    assert (text.code, text.out, text.err.count("\n")) == (1, "", 1)
    assert "a fault of cardyears: RuntimeError: a cause" in text.err
    data = invoke("check", "gpt2", "--on", "4090", "--json")
    assert (data.code, data.err) == (1, "")
    assert json.loads(data.out)["error"]["code"] == "fault"


# In a process of its own: bytes that are no text, and the cache folder.

GARBAGE = (b"\xff\xfe", b"\xff\xfe.toml", b"a/\xff\x80.toml", b"\xff.json")


@pytest.mark.parametrize("path", GARBAGE, ids=[repr(path) for path in GARBAGE])
def test_bytes_that_are_no_text_are_refused_in_one_line(path: bytes) -> None:
    found = process(b"check", path, b"--on", b"4090")
    assert found.returncode == 2
    assert found.stdout == b""
    assert found.stderr.startswith(b"cardyears: ")
    assert found.stderr.count(b"\n") == 1


def test_bytes_that_are_no_text_are_refused_as_json() -> None:
    found = process(b"check", b"\xff\xfe.toml", b"--on", b"4090", b"--json")
    assert found.returncode == 2
    assert found.stderr == b""
    assert json.loads(found.stdout)["error"]["code"] == "unusable-file"
