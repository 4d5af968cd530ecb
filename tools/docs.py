"""Writes every page whose numbers the program computes.

    python tools/docs.py            write the pages that are not current
    python tools/docs.py --check    name them, and exit 1

A number gets into a page in two ways:

- A fenced block ``console`` that begins with ``$ cardyears ...`` holds what that command prints.
- A template docs/NAME.md.j2 becomes docs/NAME.md. In it each command is a function of its arguments, as one types
  them, that returns its JSON with the line itself as ``command``; each quantity of `base.text` is a filter.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aims import aims, mixtures, repeated, said_to_fit, verdicts
from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.text import ENGLISH
from cardyears.catalogue.load import load
from cardyears.cli.main import COMMANDS, run
from cardyears.validate.compare import errors
from cardyears.validate.families import choice, families
from cardyears.validate.held import held
from cardyears.validate.memory import GROUPS as KEYS
from cardyears.validate.memory import memory_errors
from cardyears.validate.read import problems
from cardyears.validate.report import Validation, grouped, validation
from cardyears.validate.runs import load_runs
from cardyears.work.state import RECIPES

ROOT = Path(__file__).resolve().parents[1]
DOCS, SRC = ROOT / "docs", ROOT / "src" / "cardyears"

TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1", "CARDYEARS_LANG": "en", "CARDYEARS_DEBUG": "1"}
"""What every command is run with, so that its output is the same everywhere."""
BLOCK = re.compile(r"^```console\n\$ (?P<command>cardyears [^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
QUANTITIES = (
    "flop",
    "rate",
    "bytes",
    "bandwidth",
    "power",
    "kwh",
    "duration",
    "percent",
    "usd",
    "count",
    "integer",
    "number",
)


@cache
def output(command: str) -> str:
    """What a command line prints; a command that does not exit with 0 stops the writing."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with mock.patch.dict(os.environ, TERMINAL), contextlib.chdir(ROOT), contextlib.redirect_stdout(written):
        try:
            run(shlex.split(command)[1:])
        except SystemExit as end:
            if end.code != 0:
                raise RuntimeError(f"{command} exits with {end.code}") from end
    written.seek(0)
    return "".join(f"{line.rstrip()}\n" for line in written.read().splitlines())


def filled(text: str) -> str:
    """A page with the true output in every console block."""
    return BLOCK.sub(lambda found: f"```console\n$ {found['command']}\n{output(found['command'])}```", text)


def asked(verb: str, arguments: str) -> dict[str, Any]:
    """The JSON of a command line, and the line as `command`."""
    command = f"cardyears {verb} {arguments}"
    found: dict[str, Any] = json.loads(output(f"{command} --json"))
    return {**found, "command": command}


def assumption(answer: Mapping[str, Any], key: str) -> dict[str, Any]:
    """One of the assumptions that an answer lists."""
    found: dict[str, dict[str, Any]] = {one["key"]: one for one in answer["assumptions"]}
    return found[key]


def say(quantity: str, value: float | Mapping[str, float]) -> str:
    """A number, or an interval as JSON has it, written as the product writes it."""
    return ENGLISH.format_field(Interval(**value) if isinstance(value, Mapping) else value, quantity)


class Documented(NamedTuple):
    """A name of a module or class with its type and value as written, empty if none, and the string behind it."""

    name: str
    kind: str
    default: str
    doc: str


def documented(file: str, body: list[ast.stmt]) -> Iterator[Documented]:
    """The assignments of a module or class as they stand in its file, each with its docstring on one line."""
    source = (SRC / file).read_text(encoding="utf-8")

    def written(node: ast.expr | None) -> str:
        return " ".join((ast.get_source_segment(source, node) or "").split()) if node else ""

    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            kind = node.annotation if isinstance(node, ast.AnnAssign) else None
            yield Documented(written(target), written(kind), written(node.value), " ".join(_string(following).split()))


def _string(node: ast.stmt | None) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def files(package: str) -> list[str]:
    """The files of a package, as seen from the root of the code."""
    return [path.relative_to(SRC).as_posix() for path in sorted((SRC / package).glob("*.py"))]


def tree(file: str) -> ast.Module:
    """A file of the package, parsed."""
    return ast.parse((SRC / file).read_text(encoding="utf-8"))


def constant(file: str, name: str) -> Documented:
    """A constant of a module."""
    return {one.name: one for one in documented(file, tree(file).body)}[name]


def constants(package: str) -> list[tuple[str, Documented]]:
    """File and constant, for every public number of a package that has a docstring."""
    return [
        (file, one)
        for file in files(package)
        for one in documented(file, tree(file).body)
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", one.name) and one.doc and re.match(r"[\w. */]+$", one.default)
    ]


def fields(file: str, struct: str) -> list[Documented]:
    """The fields of a struct."""
    bodies = {node.name: node.body for node in tree(file).body if isinstance(node, ast.ClassDef)}
    return list(documented(file, bodies[struct]))


class Equation(NamedTuple):
    """One function of the sums as its docstring has it."""

    file: str
    function: str
    says: str
    lines: tuple[str, ...]
    source: str


def equations(package: str) -> list[Equation]:
    """All public functions and methods of a package: what each computes, how, and after whom."""
    return [
        _equation(file, prefix, node)
        for file in files(package)
        for prefix, body in _scopes(tree(file))
        for node in body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if "property" not in map(ast.unparse, node.decorator_list)
    ]


def _scopes(module: ast.Module) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The module itself and its classes; protocols compute nothing."""
    yield "", module.body
    for node in module.body:
        if isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases):
            yield f"{node.name}.", node.body


def _equation(file: str, prefix: str, node: ast.FunctionDef) -> Equation:
    paragraphs = re.split(r"\n\s*\n", (ast.get_docstring(node) or "").split(">>>")[0].rstrip())
    indented = [part for part in paragraphs[1:] if all(line.startswith("    ") for line in part.splitlines())]
    lines = tuple(re.sub(r" {2,}", " — ", line.strip()) for part in indented for line in part.splitlines())
    sourced = re.search(r"\bSources?: (.*)", " ".join(" ".join(paragraphs).split()))
    says = re.sub(r" Sources?: .*", "", " ".join(paragraphs[0].split()))
    return Equation(file, prefix + node.name, says, lines, sourced[1].rstrip(".") if sourced else "")


BIGSCIENCE = "bigscience-tr11-chronicles-prequel-bloom-topology-search"
TABLES: Mapping[str, str] = {
    "narayanan-et-al-2021-1": "Narayanan 2021, table 1, by printed TFLOP/s",
    "llama-3-herd-models-4": "Llama 3 405B, table 4, by printed TFLOP/s",
    "llm-foundry-benchmarking-readme": "llm-foundry's benchmark, A100 and H100",
    BIGSCIENCE: "BigScience's search for BLOOM's topology",
}
"""Measured tables with a line of their own on the page of accuracy, by their source."""
WORST = 10


def steps() -> dict[str, Any]:
    """Estimated against measured step times of the runs that ship, by table and engine, and the worst of them."""
    whole = validation(load_runs(), load(), "scale")
    good = [one for one in whole.speeds if one.problem.measured.quality == "good"]
    weak = [one for one in whole.speeds if one.problem.measured.quality != "good"]
    printed = [one for one in whole.printed if one.problem.measured.quality == "good"]
    tables = {"all": good, "all, weak ones apart": weak, "all by printed TFLOP/s, apart": printed}
    every = [*whole.speeds, *whole.printed]
    tables |= {
        name: [one for one in (*good, *printed) if one.problem.measured.source == key] for key, name in TABLES.items()
    }
    vtrain = [one for one in good if one.problem.measured.source == "vtrain-validation"]
    for name, inside in (("vTrain, one node", True), ("vTrain, across nodes", False)):
        tables[name] = [one for one in vtrain if (one.problem.cluster.count <= one.problem.cluster.per_node) == inside]
    found = {name: errors(one.error for one in runs) for name, runs in tables.items()}
    narayanan = TABLES["narayanan-et-al-2021-1"]
    found["Narayanan, by rate"] = errors(one.mfu_error for one in tables[narayanan])
    by_engine = {one.problem.engine: load().engines[one.problem.engine].name for one in good}
    found_engines = {
        name: errors(one.error for one in good if one.problem.engine == key)
        for key, name in sorted(by_engine.items(), key=lambda item: item[1].casefold())
    }
    worst = sorted(good, key=lambda one: -abs(math.log(1 + one.error)))[:WORST]
    return {
        "steps": every,
        "steps_printed": len(whole.printed),
        "step_tables": found,
        "step_engines": found_engines,
        "steps_worst": worst,
    }


def peaks() -> dict[str, Any]:
    """Errors of the estimated peak memory, for the page on accuracy."""
    made = held(problems(load_runs(), load())[0], load())
    rows = [one.run for one in made]
    stated = [one for one in rows if one.stated]
    tables = {
        "all that state what is computed again and how long sequences are": memory_errors(stated)["all"],
        "all of good quality": memory_errors(one for one in rows if one.problem.measured.quality == "good")["all"],
        "weak ones apart": memory_errors(one for one in rows if one.problem.measured.quality == "weak")["all"],
    }
    names = {key: row.name for key, row in load().engines.items()}
    by_engine = {names[key]: found for key, found in memory_errors(stated, KEYS["engine"]).items()}
    worst = sorted((one for one in stated if one.measured), key=lambda one: -abs(one.ratio))[:WORST]
    return {"peak_tables": tables, "peak_engines": by_engine, "peaks_worst": worst}


GROUPS = {
    "scale": "By number of devices",
    "kind": "By kind of training",
    "gpu": "By accelerator",
    "table": "By kind of measurement, as the sources' tables have it",
    "source": "By source, those of eight rows or more",
}
"""Groups of runs with a table of their own on the page of accuracy, and its heading."""
FEWEST = 8
"""Rows of a source that has a line of its own."""
ORDER = ("1", "2-8", "9-64", "65-512", "> 512")
"""Classes of the number of devices, the smallest first."""


def groups() -> dict[str, Any]:
    """Scores of the runs that ship, all and by group, for the page of accuracy."""
    found = validation(load_runs(), load(), "scale")
    parts = {by: grouped(found, by) for by in GROUPS}
    parts["scale"] = {name: parts["scale"][name] for name in ORDER}
    parts["source"] = {name: part for name, part in parts["source"].items() if part.speed.n + part.memory.n >= FEWEST}
    return {"validated": found, "groups": parts, "group_headings": GROUPS, "coefficients": coefficients}


def coefficients() -> list[tuple[str, str, float, float]]:
    """Each coefficient of an engine with what it means, its smallest and its largest value over engines."""
    meaning = {one.name: one.doc for one in fields("machine/engine.py", "Engine")}
    named = {"kernel_us": "kernel_s", "collective_us": "collective_s", "routing_us": "routing_s", "step_ms": "step_s"}
    rows = load().engines.values()
    return [
        (key, meaning[named.get(key, key)], min(values), max(values))
        for key in FITTED
        if (values := [float(getattr(row, key)) for row in rows])
    ]


FITTED = (
    *("product_factor", "grouped_loss", "attention_factor", "memory_bound_factor", "kernel_us", "collective_us"),
    *("routing_us", "step_ms"),
    *("gradient_exposure", "tensor_exposure", "expert_exposure", "loss_passes", "chunked_loss_passes"),
    *("optimizer_passes", "yearly_gain"),
)
"""Coefficients of an engine that are fitted on measured runs."""


def environment() -> Environment:
    """What templates may use."""
    found = Environment(  # Markdown for people, not HTML from strangers: nothing to escape
        loader=FileSystemLoader(DOCS),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {name: partial(say, name) for name in QUANTITIES}
    found.globals |= {verb: partial(asked, verb) for verb in COMMANDS}
    found.globals |= {"catalogue": load(), "recipes": RECIPES}
    found.filters["middle"] = median
    found.filters["signed"] = lambda value: f"{value:+.1%}".replace("%", " %").replace("-", "−")
    found.globals |= steps() | peaks()
    found.globals |= groups()
    whole: Validation = found.globals["validated"]  # type: ignore[assignment]
    found.globals |= {
        "choice": choice,
        "layout_families": families((*whole.speeds, *whole.printed)),
        "repeated": repeated(whole, BIGSCIENCE),
    }
    found.globals |= {"verdict_words": list(Verdict), "said_to_fit": said_to_fit(whole), "mixtures": mixtures(whole)}
    found.globals["fit_verdicts"] = verdicts(whole)
    found.globals["aims"] = aims(whole, load_runs())
    for name in ("held_out", "one_row", "performance", "refit"):
        found.globals[name] = json.loads((DOCS / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    found.globals |= {"calibration_example": (DOCS / "examples" / "mine.toml").read_text(encoding="utf-8").strip()}
    found.globals |= {
        "assumption": assumption,
        "constant": constant,
        "constants": constants,
        "fields": fields,
        "equations": equations,
    }
    return found


def _rendered(found: Environment, name: str) -> str:
    text = re.sub(r"\n{3,}", "\n\n", found.get_template(name).render())
    return f"<!-- Written by tools/docs.py: change {name}, then make docs. -->\n\n{text.strip()}\n"


def pages() -> dict[Path, str]:
    """Every page as it should be."""
    found, templates = environment(), sorted(DOCS.glob("*.md.j2"))
    rendered = {path.with_suffix(""): _rendered(found, path.name) for path in templates}
    written = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *DOCS.rglob("*.md"))}
    return {path: filled(text) for path, text in sorted({**written, **rendered}.items())}


def main(*, check: bool) -> int:
    """Write or name the pages that are not current."""
    stale = {
        path: text for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        name = path.relative_to(ROOT).as_posix()
        if check:
            print(f"{name} is not current: make docs")
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
