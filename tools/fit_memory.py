"""Fit what engines hold beside what training needs, and how far the estimate of peak memory is off.

    python tools/fit_memory.py              write engines.toml (memory only) and memory.toml
    python tools/fit_memory.py --held-out   fit without each source in turn, and say how it does on that source

State, activations and buffers are not fitted. Four coefficients an engine are, within what `memory_priors.toml` holds
plausible, on the measured runs that show them: the allocator's reserve where a source reports what was reserved, the
context where it reports what the driver shows. Deterministic: the same runs give the same files.
"""

from __future__ import annotations

import json
import math
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.units import GIB
from cardyears.catalogue.compile import DATA
from cardyears.catalogue.load import load
from cardyears.machine.engine import Engine
from cardyears.resolve.spreads import UNSTATED
from cardyears.validate.compare import engines
from cardyears.validate.held import is_guessed, leaves_open
from cardyears.validate.memory import (
    GROUPS,
    ComparedMemory,
    compared_memory,
    coverage,
    fit_verdict,
    memory_errors,
    weighted_quantiles,
)
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs

CHECKED = "2026-11-24"
PRIORS = Path(__file__).with_name("memory_priors.toml")
LEFT_OUT = Path(__file__).parents[1] / "docs" / "examples" / "memory_left_out.json"
ENGINES, SPREADS = DATA / "engines.toml", DATA / "memory.toml"

WIDTHS = {"reserve_share": 0.5, "idle_share": 0.5, "context_gib": 0.7, "idle_logits": 0.5, "logit_bytes": 0.1}
"""How far each coefficient may lie from its prior: one standard deviation of its logarithm."""
SHOWN_BY = {
    "reserve_share": ("driver",),
    "idle_share": ("reserved", "driver"),
    "context_gib": ("driver",),
    "idle_logits": ("reserved", "driver"),
    "logit_bytes": ("allocated", "reserved", "driver"),
}
"""What a source must report for a coefficient to be seen in it."""
STEPS = (0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25)
"""Factors that are tried on each coefficient, again and again until none helps."""
SCALE = 0.05
"""Errors beyond which a row weighs less and less."""
HEADER = """\
# Measured over estimated peak memory: 10th and 90th percentile, every source weighing as the root of its runs. Made by
# tools/fit_memory.py. Those of other engines are of sources that were left out of the fit.
"""
FEWEST_RUNS, FEWEST_SOURCES = 8, 2
"""Below either an engine has no interval of its own."""
NARROWEST = 0.04
"""Half the width, in logarithm, that no interval goes below: allocators, versions and drivers differ."""
ONE_SOURCE = 0.5
"""How much wider an interval is where one source alone has measured an engine; half as much with each further one."""

Values = dict[str, dict[str, float]]


def main() -> None:
    """Fit, and write or hold out."""
    made = [one for one in problems(load_runs(), load())[0] if one.measured.has_memory]
    known = engines(load())
    priors: Values = tomllib.loads(PRIORS.read_text(encoding="utf-8"))
    fitted = fit(made, known, priors)
    rows = compared_memory(made, with_values(known, fitted))
    unseen = held_out(made, known, priors)
    report(rows, unseen)
    if "--held-out" in sys.argv:
        return
    write_engines(fitted)
    write_left_out(unseen)
    SPREADS.write_text(spreads_toml(rows, unseen), encoding="utf-8")


def write_left_out(unseen: Sequence[ComparedMemory]) -> None:
    """What the page on accuracy says of runs whose source the coefficients have not seen."""
    found = memory_errors(one for one in unseen if one.stated)["all"]
    said = {"runs": found.runs, **{name: float(f"{getattr(found, name):.4g}") for name in ("median", "p90", "bias")}}
    LEFT_OUT.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def fit(made: Sequence[Problem], known: Mapping[str, Engine], priors: Values) -> Values:
    """The coefficients of every engine that some run shows, from its prior."""
    found = {}
    for key, prior in priors.items():
        runs = [one for one in made if one.engine == key and one.measured.peak_gib and one.measured.outcome == "ran"]
        runs = [one for one in runs if one.measured.quality == "good"]
        found[key] = fit_engine(runs, known, key, prior) if runs else dict(prior)
    return found


def fit_engine(
    runs: Sequence[Problem], known: Mapping[str, Engine], key: str, prior: dict[str, float]
) -> dict[str, float]:
    """One engine's: each coefficient in turn, by the step that helps most, until none helps."""
    kinds = {one.reports for one in compared_memory(runs, known)}
    free = [name for name, seen in SHOWN_BY.items() if prior[name] and kinds & set(seen)]
    if "idle_share" in free and "reserve_share" in free:
        free.remove("reserve_share")  # the two are one number where there is room
    best, now = cost(runs, known, key, prior, prior), dict(prior)
    improved = True
    while improved:
        improved = False
        for name in free:
            tried = [{**now, name: now[name] * step} for step in STEPS]
            cheapest, chosen = min((cost(runs, known, key, one, prior), one[name]) for one in tried)
            if cheapest < best - 1e-9:
                best, now, improved = cheapest, {**now, name: chosen}, True
    return now


def cost(
    runs: Sequence[Problem], known: Mapping[str, Engine], key: str, values: dict[str, float], prior: dict[str, float]
) -> float:
    """Pseudo-Huber errors, every source weighing as the root of its runs, and the distance to the prior."""
    counts = Counter(one.measured.source for one in runs)
    total = 0.0
    for row in compared_memory(runs, with_values(known, {key: values})):
        total += (math.sqrt(1.0 + (row.ratio / SCALE) ** 2) - 1.0) / math.sqrt(counts[row.problem.measured.source])
    return total + sum(
        (math.log(values[name] / prior[name]) / width) ** 2 for name, width in WIDTHS.items() if prior[name]
    )


def with_values(known: Mapping[str, Engine], values: Values) -> dict[str, Engine]:
    """The engines with other coefficients of memory."""
    changed = dict(known)
    for key, one in values.items():
        habits = msgspec.structs.replace(
            known[key].memory,
            context_bytes=one["context_gib"] * GIB,
            reserve_share=one["reserve_share"],
            logit_bytes=one["logit_bytes"],
            idle_share=one["idle_share"],
            idle_logits=one["idle_logits"],
        )
        changed[key] = msgspec.structs.replace(known[key], memory=habits)
    return changed


def held_out(made: Sequence[Problem], known: Mapping[str, Engine], priors: Values) -> list[ComparedMemory]:
    """Every run by coefficients that were fitted without its source; engines without another source by their prior."""
    found = []
    for source in sorted({one.measured.source for one in made}):
        out = [one for one in made if one.measured.source == source]
        keys = {one.engine for one in out}
        rest = [one for one in made if one.measured.source != source and one.engine in keys]
        values = fit(rest, known, {key: prior for key, prior in priors.items() if key in keys})
        found += compared_memory(out, with_values(known, values))
    return found


def report(rows: Sequence[ComparedMemory], unseen: Sequence[ComparedMemory]) -> None:
    """Print errors in sample and held out, verdicts and coverage."""
    spread = spreads(rows, unseen)
    for name, of in (("in sample", rows), ("source left out", unseen)):
        stated = [one for one in of if one.stated]
        print(f"\n{name}: {memory_errors(stated)['all']}")
        print(f"  all good rows: {memory_errors(one for one in of if one.problem.measured.quality == 'good')['all']}")
        for by in ("engine", "source"):
            for group, found in memory_errors(stated, GROUPS[by]).items():
                print(f"  {by:7} {group:60} {found.runs:4} {found.median:7.1%} {found.p90:7.1%} {found.bias:+7.1%}")
        chosen = of_engine if of is rows else of_unseen
        held = {key: coverage(some, lambda one: chosen(spread, one)) for key, some in by_quality(of)}  # noqa: B023
        print("  in their interval:", {key: f"{share:.0%}" for key, share in held.items()})
    verdicts(rows, lambda one: of_engine(spread, one))


def by_quality(rows: Iterable[ComparedMemory]) -> Iterator[tuple[str, list[ComparedMemory]]]:
    """Good rows, those that state everything, weak ones."""
    rows = [one for one in rows if one.measured]
    yield "stated", [one for one in rows if one.stated]
    yield "good", [one for one in rows if one.problem.measured.quality == "good"]
    yield "weak", [one for one in rows if one.problem.measured.quality == "weak"]


def verdicts(rows: Iterable[ComparedMemory], spread: object) -> None:
    """Print what is said of runs that ran and of those that did not."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in rows:
        source = one.problem.measured.source
        name = ("fms-acceleration" if source.startswith("fms-") else "others") + (" ran" if one.measured else " oom")
        known = not one.problem.assumes("device")
        if known and one.problem.measured.quality == "good":
            counts[name][fit_verdict(one, spread(one)).value] += 1  # type: ignore[operator]
    for name, of in sorted(counts.items()):
        print(f"{name:22}", {word.value: of[word.value] for word in Verdict}, of.total())


class Found(NamedTuple):
    """Measured over predicted peak memory, and on what that rests."""

    width: Interval
    runs: int
    sources: int
    error: float
    held_out: float


Spread = dict[str, Found]
"""By engine, of runs of which nothing had to be guessed; "any" and "any-adapters" are for all other engines, "unstated"
for the runs of which something was."""


def spreads(rows: Sequence[ComparedMemory], unseen: Sequence[ComparedMemory]) -> Spread:
    """Intervals by engine, from both fits; for engines that nobody measured, of all sources left out."""
    found: Spread = {}
    for name, wanted in (("any", False), ("any-adapters", True)):
        seen, left = ([one for one in told(of) if adapters(one) == wanted] for of in (rows, unseen))
        found[name] = described(interval(left), seen, left)
    seen, left = ([one for one in usable(of) if leaves_open(one.problem)] for of in (rows, unseen))
    found[UNSTATED] = described(interval([*seen, *left]), seen, left)
    for key in sorted({one.problem.engine for one in rows}):
        seen, left = ([one for one in told(of) if one.problem.engine == key] for of in (rows, unseen))
        if len(seen) >= FEWEST_RUNS:
            sources = len({one.problem.measured.source for one in seen})
            some = [*seen, *left] if sources >= FEWEST_SOURCES else seen
            found[key] = described(wider(interval(some), sources), seen, left)
    return found


def described(width: Interval, seen: Sequence[ComparedMemory], left: Sequence[ComparedMemory]) -> Found:
    """An interval with what it rests on."""
    sources = {one.problem.measured.source for one in seen}
    return Found(width, len(seen), len(sources), memory_errors(seen)["all"].median, memory_errors(left)["all"].median)


def adapters(one: ComparedMemory) -> bool:
    """Whether the run trained adapters only."""
    return one.problem.training.adapters


def usable(rows: Iterable[ComparedMemory]) -> list[ComparedMemory]:
    """Rows that an interval may rest on: good ones with a measured peak."""
    return [one for one in rows if one.measured and one.problem.measured.quality == "good"]


def told(rows: Iterable[ComparedMemory]) -> list[ComparedMemory]:
    """Those of which nothing had to be guessed."""
    return [one for one in usable(rows) if not is_guessed(one.problem)]


def interval(rows: Sequence[ComparedMemory]) -> Interval:
    """The interval of some rows."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for one in rows:
        ratios[one.problem.measured.source].append(one.ratio)
    low, high = weighted_quantiles(ratios)
    return Interval(min(low, math.exp(-NARROWEST)), 1.0, max(high, math.exp(NARROWEST)))


def wider(width: Interval, sources: int) -> Interval:
    """An interval that rests on so many sources."""
    more = 1.0 + ONE_SOURCE / 2.0 ** (sources - 1)
    return Interval(width.low**more, 1.0, width.high**more)


def of_engine(found: Spread, one: ComparedMemory) -> Interval:
    """The interval of a run whose engine is known."""
    other = "any-adapters" if adapters(one) else "any"
    return found.get(one.problem.engine, found[other]).width


def of_unseen(found: Spread, one: ComparedMemory) -> Interval:
    """The interval of a run whose source was left out: its engine's only where another source has measured that."""
    own = found.get(one.problem.engine)
    other = found["any-adapters" if adapters(one) else "any"]
    return (own if own and own.sources >= FEWEST_SOURCES else other).width


def spreads_toml(rows: Sequence[ComparedMemory], unseen: Sequence[ComparedMemory]) -> str:
    """The intervals as the catalogue has them."""
    names = {key: row.name for key, row in load().engines.items()}
    names |= {"any": "other engines, all weights trained", "any-adapters": "other engines, adapters"}
    names[UNSTATED] = "recomputation, length, batch or layout not stated"
    text = [HEADER]
    for key, one in spreads(rows, unseen).items():
        text.append(
            f"\n[{json.dumps(key) if '.' in key else key}]\nname = {json.dumps(names[key])}\n"
            f"low = {one.width.low:.3g}\nhigh = {one.width.high:.3g}\n"
            f"runs = {one.runs}\nsources = {one.sources}\nerror = {one.error:.3g}\nheld_out = {one.held_out:.3g}\n"
            f'kind = "measured"\nsource = "measured-runs"\nchecked = {CHECKED}\n'
        )
    return "".join(text)


def write_engines(fitted: Values) -> None:
    """The coefficients into engines.toml, line by line: everything else stays as it is."""
    lines, key = [], ""
    for line in ENGINES.read_text(encoding="utf-8").splitlines():
        section = re.fullmatch(r'\["?([\w.-]+)"?\]', line)
        key = section[1] if section else key
        name = line.split(" = ", maxsplit=1)[0]
        value = fitted.get(key, {}).get(name)
        lines.append(line if value is None else f"{name} = {float(f'{value:.4g}')}")
    ENGINES.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
