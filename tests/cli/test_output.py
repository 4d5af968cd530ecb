"""What comes out, and where to: a pipe, a narrow terminal, an old encoding, a reader that has left."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import click
import pytest

import cardyears
from cardyears.cli.main import COMMANDS
from cardyears.cli.main import cardyears as program
from support.asking import FOUNDING, answered, invoke

PAGES = (
    FOUNDING,
    f"{FOUNDING} --explain --sources",
    "check gpt2 --on 4090 --tokens 10B",
    'check llama-2-7b --method qlora --on "RTX 3090" --explain',
    'estimate llama-3-8b --method full --on "4x RTX 4090" --explain --sources',
    'estimate gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=16,global_batch=1536" --timeline',
    "params mixtral-8x7b --explain --sources",
    "flops gpt-3 --explain --sources",
    "need gpt2 --explain --sources",
    "instead --on 4090 --explain",
    "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M --explain --sources",
    "reconcile llama-7b 153GB 59GB --explain --sources",
    "models",
    "models gpt-3 --explain",
    "devices",
    'devices "rtx 4070 ti" --explain',
    "runs",
    "runs llama",
    "prices h100",
    "sources chinchilla",
)
WIDTHS = (40, 60, 80, 200)
WIDEST = 110


def environment(**variables: str) -> dict[str, str]:
    dropped = ("CARDYEARS_", "COLUMNS", "NO_COLOR", "PYTHONIOENCODING", "PYTHONUTF8")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)} | variables


def process(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "cardyears", *shlex.split(line)]
    return subprocess.run(words, capture_output=True, check=False, env=environment(**variables))


def columns(line: str) -> int:
    """Columns that a terminal gives to a line: two for wide letters, none for marks."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )


def squeezed(text: str) -> str:
    """A text without its spaces: however it is wrapped, the words are the same."""
    return "".join(text.split())


# A pipe and a terminal.


@pytest.mark.parametrize("line", [*PAGES, "sources", "prices", "--help", "check --help", "--version"])
def test_a_pipe_gets_no_escape_codes(line: str) -> None:
    out = answered(line)
    assert out
    assert "\x1b" not in out
    assert out.endswith("\n")
    assert not [one for one in out.splitlines() if one != one.rstrip()]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
    ids=["a terminal", "NO_COLOR", "NO_COLOR is empty", "TERM=dumb"],
)
def test_colour_is_for_terminals_that_want_it(variables: dict[str, str], coloured: bool) -> None:  # noqa: FBT001
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "cardyears", "check", "gpt2", "--on", "4090", "--tokens", "10B"]
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=environment(**variables)) as running:
        os.close(theirs)
        out = _read_all(ours)
        assert running.wait(30) == 0
    os.close(ours)
    assert (b"\x1b[" in out) is coloured
    assert b"Fits" in out


def _read_all(descriptor: int) -> bytes:
    found = b""
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # Linux's way to say that the other end has closed
            return found
        if not part:
            return found
        found += part


# Width.


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", PAGES)
def test_no_line_is_wider_than_the_terminal(line: str, width: int) -> None:
    wide = [one for one in answered(line, columns=str(width)).splitlines() if columns(one) > min(width, WIDEST)]
    assert not wide


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", [line for line in PAGES if line.startswith(("check", "instead", "need", "audit"))])
def test_no_verdict_is_lost_at_any_width(line: str, width: int) -> None:
    def verdicts(width: int) -> Counter[str]:
        page = answered(line, columns=str(width))
        return Counter(re.findall(r"\b(yes|probably|unlikely|no|unknown)\b", page, re.IGNORECASE))

    assert verdicts(width) == verdicts(WIDEST)


@pytest.mark.parametrize("columns_said", ["0", "-5", "many", "", "99999999999"])
def test_a_width_that_is_none_is_ignored(columns_said: str) -> None:
    found = invoke("check", "gpt2", "--on", "4090", COLUMNS=columns_said)
    assert (found.code, found.err) == (0, "")
    assert max(columns(one) for one in found.out.splitlines()) <= WIDEST


# Encoding.


@pytest.mark.parametrize("line", [f"{FOUNDING} --explain --sources", "devices rtx-4070-ti --explain"])
def test_an_ascii_terminal_gets_plain_characters(line: str) -> None:
    plain, rich = process(line, PYTHONIOENCODING="ascii"), process(line, PYTHONIOENCODING="utf-8")
    assert (plain.returncode, plain.stderr) == (0, b"")
    text = plain.stdout.decode("ascii")
    assert text.count("?") == rich.stdout.decode().count("?")
    assert len(text.splitlines()) == len(rich.stdout.splitlines())


def test_powers_of_ten_and_products_read_well_in_ascii() -> None:
    text = process(FOUNDING, PYTHONIOENCODING="ascii").stdout.decode()
    assert "1.14 x 10^21 FLOP" in text
    assert "####" in text
    assert "0.9 x 40.1 TFLOP/s" in text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp437"])
def test_other_encodings_do_no_harm(encoding: str) -> None:
    found = process("check gpt2 --on 4090 --explain", PYTHONIOENCODING=encoding)
    assert (found.returncode, found.stderr) == (0, b"")
    assert "Yes: one RTX 4090 can train GPT-2 124M" in found.stdout.decode(encoding)


def test_json_and_errors_come_through_ascii_too() -> None:
    data = process("check gpt2 --on 4090 --json", PYTHONIOENCODING="ascii")
    assert (data.returncode, data.stderr) == (0, b"")
    assert json.loads(data.stdout)["verdict"]["overall"] == "yes"
    bad = process("check gpt2 --on بطاقة", PYTHONIOENCODING="ascii")
    assert (bad.returncode, bad.stdout) == (2, b"")
    assert bad.stderr.decode("ascii").startswith("cardyears: ")


# A reader that has left.


def test_head_may_close_the_pipe() -> None:
    words = [sys.executable, "-m", "cardyears", "sources", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"{\n"
        running.stdout.close()
        running.wait(30)
        assert running.stderr.read() == b""


def _into_a_closed_pipe(line: str) -> subprocess.CompletedProcess[bytes]:
    ours, theirs = os.pipe()
    os.close(ours)
    words = [sys.executable, "-m", "cardyears", *shlex.split(line)]
    try:
        return subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, check=False, env=environment())
    finally:
        os.close(theirs)


@pytest.mark.parametrize("line", ["devices", "check gpt2 --on 4090", "check gpt2 --on 4090 --json"])
def test_a_closed_pipe_is_left_without_a_word(line: str) -> None:
    assert _into_a_closed_pipe(line).stderr == b""


def test_a_closed_pipe_is_no_fault_of_ours() -> None:
    assert _into_a_closed_pipe("devices").returncode == 0


# Where numbers come from.


@pytest.mark.parametrize(
    "line", [FOUNDING, 'check llama-2-7b --method lora --on "RTX 3090"', "check 1.3B --on H100", "check gpt2 --on 12GB"]
)
def test_explain_lists_every_equation_and_every_assumption_with_its_source(line: str) -> None:
    found = json.loads(answered(f"{line} --json"))
    page = squeezed(answered(f"{line} --explain"))
    assert found["equations"]
    for name, equation in found["equations"].items():
        assert squeezed(name + equation) in page
    assert found["assumptions"]
    for one in found["assumptions"]:
        assert squeezed(one["key"]) in page
        assert squeezed(one["reason"] + (f" [{one['source']}]" if one["source"] else "")) in page


@pytest.mark.parametrize("line", ["flops gpt-3", "need gpt2", 'instead --on "RTX 4070 Ti"'])
def test_explain_lists_the_assumptions_of_every_command(line: str) -> None:
    found = json.loads(answered(f"{line} --json"))
    page = squeezed(answered(f"{line} --explain"))
    assert found["assumptions"]
    for one in found["assumptions"]:
        assert squeezed(one["reason"]) in page


def test_sources_prints_titles() -> None:
    found = json.loads(answered(f"{FOUNDING} --json"))
    without, page = (squeezed(answered(f"{FOUNDING}{option}")) for option in ("", " --sources"))
    assert found["sources"]
    for one in found["sources"]:
        assert one["key"] in without
        assert squeezed(one["title"]) in page
        assert squeezed(one["where"]) in page


@pytest.mark.parametrize(
    "line",
    [
        "params gpt2",
        "flops gpt2",
        "need gpt2",
        "instead --on 4090",
        "audit --params 8B --tokens 15T",
        "reconcile gpt2 2GB",
        "devices rtx-4070-ti",
    ],
)
def test_sources_prints_titles_with_every_command(line: str) -> None:
    page = answered(f"{line} --sources")
    known = {row["key"]: row["title"] for row in cardyears.sources().rows}
    named = [key for key in known if re.search(rf"^  {re.escape(key)}  ", page, re.MULTILINE)]
    assert named
    assert all(squeezed(known[key]) in squeezed(page) for key in named)


# Help, version, completion.


def _examples() -> list[str]:
    """Every line of a help page that a person can copy."""
    context = click.Context(program)
    pages = [program.epilog or ""]
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        assert command.epilog, f"{name} has no example"
        pages.append(command.epilog)
    found = [match for page in pages for match in re.findall(r"\bcardyears (.+?)(?:\)\"|$)", page, re.MULTILINE)]
    return list(dict.fromkeys(found))


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("line", _examples())
def test_every_example_in_the_help_runs(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # some write a chart
    for name in ("my-runs.csv", "mine.toml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    assert answered(line)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_with_its_examples_on_lines_of_their_own(name: str) -> None:
    assert squeezed(name + COMMANDS[name][1]) in squeezed(answered("--help"))
    page = answered(f"{name} --help")
    assert page == answered(f"{name} -h")
    command = program.get_command(click.Context(program), name)
    assert command is not None
    assert command.epilog is not None
    for line in command.epilog.splitlines():
        if line.startswith("  cardyears "):
            assert re.search(rf"^ +{re.escape(line.strip())}$", page, re.MULTILINE)


def test_every_command_takes_the_common_options() -> None:
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        options = {option for param in command.params for option in param.opts}
        common = {"--json", "--lang", "--assume", "--catalogue", "--explain", "--sources"}
        assert name == "completion" or common <= options


def test_version_is_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert answered("--version") == f"cardyears {project['version']}\n"


@pytest.mark.parametrize(
    ("shell", "says"), [("bash", "complete -o nosort"), ("zsh", "#compdef cardyears"), ("fish", "complete ")]
)
def test_completion_prints_the_script_of_a_shell(shell: str, says: str) -> None:
    script = answered(f"completion {shell}")
    assert says in script
    assert "_CARDYEARS_COMPLETE" in script
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=script.encode(), check=True, capture_output=True)


COMPLETIONS = (
    ("cardyears che", "check"),
    ("cardyears check gpt-3", "gpt-3-175b"),
    ("cardyears check GPT-3", "gpt-3-175b"),
    ("cardyears params llama-3.1", "llama-3.1-8b"),
    ("cardyears flops qwen", "qwen2.5-7b"),
    ("cardyears need olmo", "olmo-2-7b"),
    ("cardyears reconcile olmo", "olmo-2-7b"),
    ("cardyears check gpt2 --on rtx-4070", "rtx-4070-ti"),
    ("cardyears check gpt2 --on RTX", "rtx-4070-ti"),
    ("cardyears instead --on h100", "h100-sxm-80gb"),
    ("cardyears audit --device a100", "a100-sxm-80gb"),
    ("cardyears check gpt2 --on 4090 --util", "--utilization"),
    ("cardyears completion z", "zsh"),
)


def completed(shell: str, line: str, place: str) -> str:
    """What the script of a shell gets for the word in this place of a line."""
    found = invoke(_CARDYEARS_COMPLETE=f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=place)
    assert (found.code, found.err) == (0, "")
    return found.out


@pytest.mark.parametrize(("line", "offered"), COMPLETIONS, ids=[line for line, _ in COMPLETIONS])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_names_of_the_catalogue(shell: str, line: str, offered: str) -> None:
    last = len(shlex.split(line)) - 1
    place = shlex.split(line)[-1] if shell == "fish" else str(last)
    assert offered in re.split(r"[\s,]+", completed(shell, line, place))


def test_completion_offers_a_device_by_its_name() -> None:
    assert "4070" in completed("bash", "cardyears check gpt2 --on 'RTX 407", "4")
