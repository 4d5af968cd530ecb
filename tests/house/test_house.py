"""What holds for the whole house: what a start costs, what is public, where numbers come from, what is left out."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import cardyears
from cardyears.api import functions
from cardyears.catalogue.load import load
from cardyears.cli.main import COMMANDS
from cardyears.resolve.defaults import DEFAULTS
from cardyears.verbs.count import CONVENTIONS
from cardyears.work.state import ADAPTER_RECIPE, RECIPES

PACKAGE = Path(cardyears.__file__).parent
ROOT = PACKAGE.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 400


# What a start costs.

HEAVY = ("numpy", "scipy", "torch", "rich", "babel", "jinja2")


def imported(program: str, *arguments: str) -> set[str]:
    """Packages that a process has imported when this program is at its end, however it leaves."""
    shown = "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    code = f"import sys\ntry:\n {program}\nfinally:\n {shown}"
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return set(found.stderr.split())


LIGHT = (
    "--help",
    "--version",
    "check --help",
    "need --help",
    "models",
    "devices",
    "devices h100 --explain --sources",
    "runs gpt-3",
    "prices h100",
    "sources",
    "devices --json",
)


@pytest.mark.parametrize("line", LIGHT)
def test_help_and_listings_import_no_numpy(line: str) -> None:
    found = imported("from cardyears.cli.main import run; run()", *line.split())
    assert "cardyears" in found
    assert not found & set(HEAVY)


def test_an_answer_in_english_imports_no_tables_templates_or_locales() -> None:
    found = imported("from cardyears.cli.main import run; run()", "check", "gpt2", "--on", "4090")
    assert not found & (set(HEAVY) - {"numpy"})


def test_importing_the_package_imports_nothing_else() -> None:
    found = imported("import cardyears")
    assert "cardyears" in found
    assert not found & {*HEAVY, "msgspec", "click", "platformdirs", "typing", "dataclasses"}


def test_completing_a_name_imports_no_numpy() -> None:
    program = (
        "import os; os.environ.update(_CARDYEARS_COMPLETE='bash_complete', COMP_WORDS='cardyears check gpt', "
        "COMP_CWORD='2'); from cardyears.cli.main import run; run()"
    )
    assert not imported(program) & set(HEAVY)


# What is public.

VERBS = [name for name in COMMANDS if name != "completion"]
"""Each command is a verb of the same name in Python."""


def test_the_public_names_are_the_documented_verbs() -> None:
    assert sorted(cardyears.__all__) == sorted([*VERBS, "CardyearsError", "__version__"])


def test_every_public_name_can_be_had_and_listed() -> None:
    assert dir(cardyears) == sorted(cardyears.__all__)
    for name in cardyears.__all__:
        assert getattr(cardyears, name) is not None
    with pytest.raises(AttributeError, match="no_such_verb"):
        _ = cardyears.no_such_verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_docstring_with_an_example_that_runs(verb: str) -> None:
    function = getattr(cardyears, verb)
    assert function.__doc__
    assert doctest.DocTestParser().get_examples(function.__doc__)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_typed(verb: str) -> None:
    function = getattr(functions, verb)
    assert set(function.__annotations__) == {*inspect.signature(function).parameters, "return"}


def test_the_type_checkers_see_the_names_that_the_program_gives() -> None:
    """`__init__` imports lazily: what it shows a type checker must be the same list."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    shown = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert shown - {None, "import_module", "annotations"} == {*VERBS, "CardyearsError"}


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_version_is_the_projects() -> None:
    assert cardyears.__version__ == PROJECT["version"]


# Where numbers come from: every key of a source that stands in code is in the bibliography.

KEY_WITH_YEAR = re.compile(r"[a-z][a-z0-9.]*(?:-[a-z0-9.]+)*-(?:19|20)\d\d")
KEY = re.compile(r"[a-z][a-z0-9.]*(?:-[a-z0-9.]+)*")


def constants(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _given(node: ast.expr) -> Iterator[str]:
    """A string, or the strings that a condition chooses from; what is looked up is the catalogue's to know."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_given(node.body), *_given(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (value for part in node.values for value in _given(part))


def _docstrings(tree: ast.AST) -> Iterator[str]:
    """Every string that stands as a statement: docstrings, and those below constants and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def keys_in_docstrings(tree: ast.AST) -> Iterator[str]:
    """What follows "Source:" in docstrings, where it is a key: "palm-2022 app. B; megatron-core"."""
    for text in _docstrings(tree):
        for named in re.findall(r"\bSources?: (.+?)(?:\.(?:\s|$)|\n\n|$)", text, re.DOTALL):
            for part in re.split(r";\s*|,\s+(?=[a-z]+-)", named):
                words = re.sub(r"\(.*?\)", "", part, flags=re.DOTALL).split()
                if words and KEY.fullmatch(words[0].rstrip(",.")) and ("-" in words[0] or len(words) == 1):
                    yield words[0].rstrip(",.")


def keys_in_code(tree: ast.AST) -> Iterator[str]:
    """Values that are given as a source, and strings that look like a key with its year."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "source":
            yield from (value for value in _given(node.value) if value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sources":
            yield from (value for value in constants(node) if KEY.fullmatch(value) and "-" in value)
    yield from (value for value in constants(tree) if KEY_WITH_YEAR.fullmatch(value))


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_every_source_that_code_and_docstrings_name_is_in_the_bibliography(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert {*keys_in_code(tree), *keys_in_docstrings(tree)} <= {*load().sources, *load().engines}


def test_the_search_for_sources_finds_some() -> None:
    """So that the test above cannot pass by looking past them."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in FILES]
    assert {"zero-2020", "palm-2022", "llama-2023"} <= {key for tree in trees for key in keys_in_code(tree)}
    assert {"korthikanti-2022", "palm-2022", "pytorch-memory"} <= {
        key for tree in trees for key in keys_in_docstrings(tree)
    }


def test_every_recipe_has_a_source() -> None:
    assert {recipe.source for recipe in (*RECIPES.values(), ADAPTER_RECIPE)} <= set(load().sources)


def test_every_convention_has_a_source() -> None:
    assert {source for _, source in CONVENTIONS.values()} <= set(load().sources)


def test_every_default_has_a_reason_and_a_source_unless_it_is_assumed() -> None:
    for key, default in DEFAULTS.items():
        assert default.reason, key
        assert default.source in load().sources or (not default.source and default.kind == "assumed") or key == "rent"


def test_every_source_of_the_bibliography_says_where_it_is_found() -> None:
    for key, row in load().sources.items():
        assert row.title.strip(), key
        assert row.where.strip(), key
        assert KEY.fullmatch(key), key


# What is left out.


def repository() -> list[Path]:
    """Every file that is in the repository or about to be; skips where there is none."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    words = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in found.split("\0") if name and (path := ROOT / name).is_file()]


# In pieces, so that this file does not find itself.
OUTSIDE = re.compile(r"(?<![\w./-])/wo" + r"rk/|(?<![\w.])\.\./sha" + r"red\b")
REGISTRIES = re.compile(
    "|".join(
        re.escape("".join(parts))
        for parts in (
            ("py", "pi.org"),
            ("python", "hosted.org"),
            ("npm", "js.org"),
            ("npm", "js.com"),
            ("registry.", "yarnpkg"),
            ("static.", "crates.io"),
            ("proxy.", "golang.org"),
            ("extra-", "index-url"),
            ("--index", "-url"),
            ("arti", "factory"),
        )
    ),
    re.IGNORECASE,
)


def lines_with(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for path in repository():
        text = path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            if pattern.search(line):
                yield str(path.relative_to(ROOT)), line.strip()[:120]


def test_no_file_names_a_folder_outside_the_repository_unless_its_test_skips_without() -> None:
    found = {
        file: line
        for file, line in lines_with(OUTSIDE)
        if not (file.startswith("tests/") and "skip" in (ROOT / file).read_text(encoding="utf-8"))
    }
    assert found == {}


def test_no_file_names_a_package_registry() -> None:
    assert dict(lines_with(REGISTRIES)) == {}


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_no_file_is_longer_than_can_be_read_at_a_sitting(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_every_file_says_what_it_is_for(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
