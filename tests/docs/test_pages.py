"""Pages say what is so: current, linked, with commands that exist and examples that run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import cardyears
from cardyears.answer.verdict import Verdict
from cardyears.cli.main import COMMANDS
from cardyears.cli.main import cardyears as group

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
EXAMPLES = DOCS / "examples"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def current(docs: ModuleType) -> dict[Path, str]:
    found: dict[Path, str] = docs.pages()
    return found


@each_page
def test_a_page_is_current(page: Path, current: dict[Path, str]) -> None:
    assert page.read_text(encoding="utf-8") == current[page], f"{page.name} is not current: make docs"


def test_every_template_has_its_page(current: dict[Path, str]) -> None:
    assert {path.with_suffix("") for path in DOCS.glob("*.md.j2")} <= set(current)
    assert set(current) == set(PAGES)


def test_a_stale_page_is_named(
    docs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "pages", lambda: {page: "new\n"})
    assert docs.main(check=True) == 1
    assert capsys.readouterr().out == "README.md is not current: make docs\n"
    assert docs.main(check=False) == 0
    assert page.read_text(encoding="utf-8") == "new\n"
    assert docs.main(check=True) == 0


def test_a_command_that_fails_stops_the_writing(docs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="exits with 2"):
        docs.output("cardyears check gpt-3")


@each_page
def test_every_console_block_has_a_command_and_its_output(page: Path) -> None:
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        command, _, output = block.partition("\n")
        assert command.startswith("$ cardyears ")
        assert output.strip(), command


def anchors(page: Path) -> set[str]:
    """What headings of a page are linked as."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return (target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target)


@each_page
def test_every_link_within_the_project_resolves(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def command_lines(text: str) -> Iterator[list[str]]:
    """Every `cardyears ...` of a page: in code spans, in code blocks, in comments of an example."""
    spans = re.findall(r"`(cardyears [^`\n]+)`", text)
    lines = re.findall(r"^(?:\$ |#\s+(?:[\w ]+:  )?)?(cardyears .+)$", text, re.MULTILINE)
    return (shlex.split(line)[1:] for line in [*spans, *lines])


@pytest.mark.parametrize("page", [*PAGES, *sorted(EXAMPLES.iterdir())], ids=lambda page: page.name)
def test_every_command_and_option_in_the_docs_exists(page: Path) -> None:
    for verb, *rest in command_lines(page.read_text(encoding="utf-8")):
        if verb == "--help":
            continue
        assert verb in COMMANDS
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known


@each_page
def test_every_make_target_in_the_docs_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)", page.read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_layers_in_the_architecture_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    checked = next(one["layers"] for one in contracts if one["type"] == "layers")
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"^```layers\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert block[1].splitlines() == checked


def test_every_part_of_the_package_is_in_the_architecture() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    code = ROOT / "src" / "cardyears"
    parts = {f"{path.name}/" for path in code.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.name for path in code.glob("*.py") if not path.name.startswith("__")}
    assert set(re.findall(r"^\| `([\w.]+/?)` \|", page, re.MULTILINE)) == parts


def test_files_named_in_the_architecture_exist() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:[a-z]+/)+[a-z_]+\.\w+)`", page):
        assert any((base / name).exists() for base in (ROOT, ROOT / "src" / "cardyears")), name


def test_verdicts_are_explained_as_the_program_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| (yes|probably|unlikely|no|unknown) \| (.*) \|$", readme, re.MULTILINE)) == {
        verdict.value: verdict.sentence for verdict in Verdict
    }


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.startswith("No: ")


def test_ones_own_device_model_and_price_are_used() -> None:
    own = EXAMPLES / "my-machine.toml"
    found = cardyears.check("my-model", on="my-card", duration="30d", catalogue=own)
    rows = tomllib.loads(own.read_text(encoding="utf-8"))
    assert found.verdict.overall == "yes"
    assert found.time_s is not None
    assert found.cost_usd is not None
    hours = found.time_s.mid / 3_600
    assert found.cost_usd.mid == pytest.approx(hours * rows["prices"][0]["usd_per_device_hour"])
    assert "my-notes" in {source.key for source in found.sources}


def test_a_file_stands_for_a_device() -> None:
    assert cardyears.check("gpt2", on=str(EXAMPLES / "my-machine.toml")).verdict.overall == "yes"


def test_a_file_stands_for_a_model_of_the_same_shape() -> None:
    alone = cardyears.params(str(EXAMPLES / "my-model.toml"))
    row = cardyears.params("my-model", catalogue=EXAMPLES / "my-machine.toml")
    assert alone.parts == row.parts
