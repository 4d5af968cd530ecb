"""Make the shipped runs from a table in the public format.

    python tools/normalise_runs.py RUNS.csv

Reads the table as ``cardyears validate`` reads anybody's, joins devices and models to the catalogue, engines to their
keys and sources to a bibliography, keeps of the remarks only what the sums use, and writes ``runs.csv``,
``sources.toml`` and the counts that the tests compare with. No row is dropped: one that cannot be used says why when it
is read.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cardyears.catalogue.load import Catalogue, load
from cardyears.question import networks
from cardyears.validate import machines, shapes
from cardyears.validate.notes import remark
from cardyears.validate.read import problems
from cardyears.validate.runs import FIELDS, SHIPPED, SOURCES, Measured, brought

COUNTS = Path(__file__).parents[1] / "tests" / "validate" / "counts.json"

ADDRESSES: Mapping[str, str] = {
    "Intel Gaudi 2": "intel.com, Gaudi model performance: model-performance-gaudi2-training.html",
    "Nemotron-4 15B": "arXiv 2402.16819",
    "Olmo 3 report": "https://muxup.com/2025q4/minipost-olmo3-training-cost",
    "ERNIE 4.5": "https://yiyan.baidu.com/blog/publication/ERNIE_Technical_Report.pdf",
}
"""Where a source is whose table has no address for it."""
_SECOND_HAND = re.compile(
    r"OCR|abstract|Epoch AI|pages copy|stored copies|table copied|excerpt|notes on the paper", re.IGNORECASE
)
"""References that say how a figure was come by and not where it stands."""
_DROPPED = ("nvidia", "training", "result", "logs", "the", "of", "and", "a", "measured", "data", "repository", "table")
_REPOSITORY = re.compile(r"\(github ([\w.-]+/[\w.-]+)\)")
_LEADING = re.compile(r"^([A-Za-z][\w.-]*/[\w.-]+) (?=[\w./+-])")
_COMMIT = re.compile(r"\s?@(?:HEAD\s?)?([0-9a-f]{7,12}|HEAD|v[\d.]+\d)")


def main() -> None:
    """Write the three files and say what is in them."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    with path.open(encoding="utf-8", newline="") as lines:
        notes = [row.get("notes", "") for row in csv.DictReader(lines)]
    runs, catalogue = brought(path), load()
    books = bibliography(runs)
    keys = {run.source: key for key, (run, _) in books.items()}
    ours = [normal(run, note, keys[run.source], catalogue) for run, note in zip(distinct(runs), notes, strict=True)]
    write_runs(ours)
    SOURCES.write_text(bibliography_toml(books), encoding="utf-8")
    COUNTS.write_text(json.dumps(counts(ours), indent=1) + "\n", encoding="utf-8")
    report(ours, catalogue)


def distinct(runs: Iterable[Measured]) -> Iterator[Measured]:
    """The rows with an id of their own each: the second of two equal ones ends in -2."""
    seen: Counter[str] = Counter()
    for run in runs:
        seen[run.id] += 1
        yield run if seen[run.id] == 1 else msgspec.structs.replace(run, id=f"{run.id}-{seen[run.id]}")


def normal(run: Measured, note: str, source: str, catalogue: Catalogue) -> Measured:
    """One row in our words."""
    device = machines.device_key(run.device, catalogue) if run.device else None
    return msgspec.structs.replace(
        run,
        line=None,
        source=source,
        where=place(run.where),
        date=date(run.date),
        device=device or run.device,
        model_key=shapes.model_key(run.model, catalogue) if run.model else None,
        network=network(run, note),
        engine_assumed=run.engine_assumed,
        engine_named=run.engine_named if run.engine_assumed else "",
        flop_convention=run.flop_convention if run.flop_convention in ("6N", "6N+attn", "HFU") else "",
    )


def place(reference: str) -> str:
    """Where inside the source: path and line, without the repository and the commit that the source has."""
    if _SECOND_HAND.search(reference) or reference.startswith(("http", "github")):
        return ""
    bare = _LEADING.sub("", _REPOSITORY.sub("", reference.split(";", maxsplit=1)[0]))
    return re.sub(r"\s+", " ", _COMMIT.sub("", bare)).strip()


def date(words: str) -> str:
    """Year and month as far as the table has them; a release "v25.12" is December 2025."""
    release = re.fullmatch(r"v(\d\d)\.(\d\d)", words)
    return f"20{release[1]}-{release[2]}" if release else words.split(" ", maxsplit=1)[0]


def network(run: Measured, note: str) -> str:
    """The network in as few words as `question.networks.network` needs."""
    said = networks.network(run.network)
    slices = remark(note).slices
    if "TPU" in run.device and slices and run.devices:
        return f"DCN between {run.devices // slices}-chip slices" if slices > 1 else "ICI only"
    if said.gbit_s is None or "DCN" in run.network:
        if "-chip slices" in run.network:
            return run.network
        return next((words for words in ("single node", "ICI only", "NVL72") if run.network.startswith(words)), "")
    return f"{said.gbit_s:g} Gb/s per {'device' if said.each_device else 'node'}"


def bibliography(runs: Iterable[Measured]) -> dict[str, tuple[Measured, str]]:
    """Key: a row of the source, and the source's address with the commit where all its rows name one."""
    rows: dict[str, list[Measured]] = defaultdict(list)
    for run in runs:
        rows[run.source].append(run)
    books: dict[str, tuple[Measured, str]] = {}
    for title, of in rows.items():
        key = slug(title)
        assert key not in books, key
        books[key] = of[0], address(title, [run.where for run in of])
    return books


def slug(title: str) -> str:
    """A short key of a title.

    >>> slug("MLPerf Training v5.1 result logs, NVIDIA")
    'mlperf-v5.1-nvidia'
    """
    maker = title.rsplit(", ", 1)[-1] if title.startswith("MLPerf") else ""
    words = re.findall(r"[\w.]+", re.sub(r"\(arXiv [^)]*\)", "", title.removesuffix(f", {maker}")).casefold())
    kept = [word.strip("._") for word in words if word not in _DROPPED] + re.findall(r"\w+", maker.casefold())
    return "-".join(word.replace("_", "-") for word in kept if word)


def address(title: str, references: list[str]) -> str:
    """Where a source is to be found."""
    known = next((where for start, where in ADDRESSES.items() if title.startswith(start)), None)
    if known is not None:
        return known
    paper = re.search(r"arXiv[: ]?(\d{4}\.\d{5})", f"{title} {references[0]}")
    if paper is not None:
        return f"arXiv {paper[1]}"
    link = re.search(r"(?:https?://|github\.com/)[^\s()]+", references[0])
    if link is not None:
        return link[0] if link[0].startswith("http") else f"https://{link[0]}"
    repository = _REPOSITORY.search(references[0]) or _LEADING.match(references[0])
    assert repository is not None, title
    commits = {found[1] for one in references if (found := _COMMIT.search(one))} - {"HEAD"}
    at = f" at {commits.pop()}" if len(commits) == 1 else ""
    return f"https://github.com/{repository[1]}{at}"


def bibliography_toml(books: Mapping[str, tuple[Measured, str]]) -> str:
    """The bibliography as TOML, one table a source, by key."""
    text = ["# Where the measured runs of runs.csv come from. Made by tools/normalise_runs.py.\n"]
    for key in sorted(books):
        run, where = books[key]
        title = re.sub(r"\s*\(arXiv [^)]*\)", "", run.source)
        when = date(run.date).split("..")[0]
        text.append(f"\n[{json.dumps(key)}]\ntitle = {json.dumps(title)}\nwhere = {json.dumps(where)}\n")
        text.append(f"date = {json.dumps(when)}\n" if when else "")
    return "".join(text)


def write_runs(runs: Iterable[Measured]) -> None:
    """One line a run, a column for each field that any run has."""
    rows = [{name: cell(getattr(run, name)) for name in FIELDS} for run in runs]
    columns = [name for name in FIELDS if any(row[name] for row in rows)]
    with SHIPPED.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows([row[name] for name in columns] for row in rows)


def cell(value: Any) -> str:
    """A value as the table has it; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return " ".join(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def counts(runs: Iterable[Measured]) -> dict[str, dict[str, int]]:
    """Rows by source, quality, outcome and engine."""
    return {
        field: dict(sorted(Counter(getattr(run, field) for run in runs).items()))
        for field in ("source", "quality", "outcome", "engine")
    }


def report(runs: list[Measured], catalogue: Catalogue) -> None:
    """What the rows became."""
    made, skipped = problems(runs, catalogue)
    print(f"{len(runs)} runs, {len(made)} problems, {SHIPPED.stat().st_size / 1e3:.0f} kB")
    for reason, number in Counter(one.reason for one in skipped).most_common():
        print(f"{number:5} {reason}")


if __name__ == "__main__":
    main()
