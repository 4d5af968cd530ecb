"""How many layouts a second go through the full ledgers, on one core, and how far is that from the memory's limit?

Only layouts whose full ledgers were computed are counted (`searched`, with bounds switched off). Rates are given as
they are on this machine, and as passes: the time of a million layouts over the time of one `np.multiply` pass of 8,192
elements for each million elements. Only the passes have a limit. Exits 1 where it is broken.

    python bench/search.py --runs 3
    python bench/search.py --write    writes the figures of docs/performance.md too
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

import written
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site, site
from cardyears.question.question import read_question
from cardyears.search.search import CHUNK, Bench, search
from cardyears.search.space import ROWS, Space, blocks, parts, space
from cardyears.verbs.estimate import estimate_layout
from cardyears.verbs.mixed import mixed
from cardyears.verbs.plan import Wish

ELEMENTS = 8_192
MILLION = 1e6
PASSES_LIMIT = 2_500.0
"""Passes for each layout of a large space: a million layouts a second where an element takes 0.4 ns."""
LARGE = 1_000_000
"""Layouts from which on what is made once for a space no longer counts."""
CHUNKS = (1_024, 4_096, 16_384, 65_536, 262_144)
DENSE = ("llama-3.1-405b", "16384x H100", 2_048)
MIXTURE = ("deepseek-v3", "2048x H100", 15_360)
TWO_KINDS = (("llama-3-8b", "8x H100 + 8x A100"), ("llama-3.1-405b", "8192x H100 + 8192x A100"))


class Problem(NamedTuple):
    """A job with its space."""

    job: Job
    room: Space
    ground: Site


def problem(words: tuple[str, str, int], *, opened: Sequence[str] = (), **fixed: Any) -> Problem:
    """The default space of a model on a cluster, with some axes narrowed or opened."""
    model, on, batch = words
    job = estimate_layout(read_question(model, on=on), load()).job
    ground = site(
        job.architecture, devices=job.cluster.count, per_node=job.cluster.per_node, seq_len=int(job.seq_len),
        engine=job.engine.key, global_batch=batch,
    )  # fmt: skip
    room = space(ground, job.engine.axes, Layout(sp=job.engine.sp), domain=job.cluster.domain, opened=opened)
    return Problem(job, msgspec.structs.replace(room, **fixed), ground)


def sizes() -> Iterator[Problem]:
    """Spaces of about 1e4, 1e5, 1e6 and 1e7 layouts of the same job."""
    yield problem(MIXTURE, zero=(0, 1, 3), ep=(1, 8, 64), cp=(1,), etp=(1,), shard_nodes=())
    yield problem(MIXTURE, cp=(1,), etp=(1,))
    yield problem(MIXTURE, cp=(1, 2, 4, 8, 16), etp=(1, 2))
    yield problem(MIXTURE, opened=("chunked_loss",))


def pass_s() -> float:
    """Seconds of one `np.multiply` of 8,192 elements into an array that is there, in the cache."""
    one, two, out = (np.full(ELEMENTS, value) for value in (1.5, 2.5, 0.0))
    return median(lambda: [np.multiply(one, two, out=out) for _ in range(1_000)], 9) / 1_000


def median(task: Callable[[], object], times: int) -> float:
    """Median seconds of a task, after one warm-up."""
    task()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        task()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


class _Counted(np.ndarray[Any, Any]):
    """An array that counts the bytes that operations on it read and write."""

    moved = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(one) if isinstance(one, _Counted) else one for one in inputs]
        return self._counted(getattr(ufunc, method)(*plain, **options), plain)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        plain = [np.asarray(one) if isinstance(one, _Counted) else one for one in args]
        return self._counted(function(*plain, **options), plain)

    @staticmethod
    def _counted(found: Any, inputs: Sequence[Any]) -> Any:
        _Counted.moved += sum(one.nbytes for one in (found, *inputs) if isinstance(one, np.ndarray))
        return found.view(_Counted) if isinstance(found, np.ndarray) else found


def bytes_moved(one: Problem) -> float:
    """Bytes that both ledgers of a layout read and write, counted operation by operation."""
    bench = Bench(one.job, blocks(one.room, one.ground))
    grids = list(parts(one.room, one.ground, bench.blocks))
    part = max(grids, key=lambda grid: grid.size)
    part = next(iter(bench.sorted(part).chunks(CHUNK)))
    bench.peaks(part), bench.times(part)  # what blocks share is made before counting
    names = (*ROWS, "zero", "shard_group", "virtual_stages")
    counted = {
        name: value.view(_Counted) for name in names if isinstance(value := getattr(part.layouts, name), np.ndarray)
    }
    watched = part._replace(layouts=msgspec.structs.replace(part.layouts, **counted))
    _Counted.moved = 0
    bench.peaks(watched), bench.times(watched)
    return _Counted.moved / part.size


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and answer whether the limit holds."""
    parser = argparse.ArgumentParser(description="Layouts a second through the full ledgers.")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs after one warm-up (default: 3)")
    parser.add_argument("--write", action="store_true", help="write the figures of docs/performance.md")
    asked = parser.parse_args(arguments)
    found = figures(max(1, asked.runs))
    print("\n".join(lines(found)))
    if asked.write:
        written.write("search", found)
    return int(worst(found) > PASSES_LIMIT)


def figures(runs: int) -> dict[str, Any]:
    """Everything that is measured here."""
    each_pass, mixture = pass_s(), problem(MIXTURE)
    element_ns = each_pass / ELEMENTS * 1e9
    moved, width = bytes_moved(mixture), 3 * 8 * ELEMENTS / each_pass
    return {
        "element_ns": element_ns,
        "growth": [_growth(one, element_ns, runs) for one in sizes()],
        "plans": [_plan(*words, element_ns, runs) for words in (DENSE, MIXTURE)],
        "two_kinds": [_two_kinds(model, on) for model, on in TWO_KINDS],
        "at_once": {str(chunk): _rate(mixture, 1, chunk) for chunk in CHUNKS},
        "bytes_moved": moved,
        "gb_s": width / 1e9,
        "bound_per_s": width / moved,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def worst(found: dict[str, Any]) -> float:
    """The most passes for each layout of a large space."""
    return max(float(one["passes"]) for one in found["growth"] if one["layouts"] >= LARGE)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """What was measured, as text."""
    yield f"{written.processor()}, Python {platform.python_version()}, NumPy {np.__version__}, one core"
    yield f"One np.multiply pass of {ELEMENTS:,} elements: {found['element_ns']:.3f} ns an element"
    yield "\nGrowth, all bounds off        searched      seconds   layouts/s   passes a layout"
    yield from (_line("", one) for one in found["growth"])
    yield "\nThe default plan              searched      seconds   layouts/s   passes a layout"
    for one in found["plans"]:
        yield _line(one["model"], one)
        yield f"  with bounds{'':>14} {one['searched']:>12,} {one['bounded_s']:>12.3f}   ({one['pruned']:,} pruned)"
    yield "\nTwo kinds of device           searched      seconds   (legal), each way looked at and bounded"
    for one in found["two_kinds"]:
        yield f"  {one['model']:<24} {one['searched']:>12,} {one['seconds']:>12.3f}   ({one['layouts']:,})"
    yield "\nLayouts at once               layouts/s"
    yield from (f"  {int(chunk):>12,} {rate:>23,.0f}" for chunk, rate in found["at_once"].items())
    yield (f"\nBytes moved for each layout: {found['bytes_moved']:,.0f}; at {found['gb_s']:.0f} GB/s of the pass above "
           f"that is {found['bytes_moved'] / found['gb_s']:.0f} ns, or {found['bound_per_s']:,.0f} layouts a second "
           "at most")  # fmt: skip
    yield f"Largest memory of this process: {found['memory_mb']:.0f} MB"
    end = "   BROKEN" * (worst(found) > PASSES_LIMIT)
    yield f"Passes for each layout of a large space, the most: {worst(found):,.0f}, at most {PASSES_LIMIT:,.0f}{end}"


def _line(label: str, one: dict[str, Any]) -> str:
    speed = f"{one['per_s']:>11,.0f} {one['passes']:>12,.0f}"
    return f"  {label:<24} {one['layouts']:>12,} {one['seconds']:>12.3f} {speed}"


def _growth(one: Problem, element_ns: float, runs: int) -> dict[str, Any]:
    """A space with all bounds off."""
    searched = search(one.job, one.room, one.ground, [one.job.usable_bytes], prune=False).searched
    rate = _rate(one, runs if searched < LARGE else 1, CHUNK)
    return {
        "layouts": searched, "seconds": searched / rate, "per_s": rate, "passes": MILLION / rate * 1e3 / element_ns,
    }  # fmt: skip


def _plan(model: str, on: str, batch: int, element_ns: float, runs: int) -> dict[str, Any]:
    """The default plan, with all bounds off and with them."""
    one = problem((model, on, batch))
    start = time.perf_counter()
    found = search(one.job, one.room, one.ground, [one.job.usable_bytes], top=5, with_frontier=True)
    bounded = {"searched": found.searched, "pruned": found.pruned, "bounded_s": time.perf_counter() - start}
    return {"model": model, "on": on, **_growth(one, element_ns, runs), **bounded}


def _two_kinds(model: str, on: str) -> dict[str, Any]:
    """All four ways over two kinds of device."""
    made = mixed(read_question(model, on=on), load(), Wish())
    legal, searched = (sum(getattr(way, name) for way in made.ways) for name in ("legal", "searched"))
    return {"model": model, "on": on, "layouts": legal, "searched": searched, "seconds": made.search_s}


def _rate(one: Problem, runs: int, chunk: int) -> float:
    """Layouts a second, all bounds off."""
    searched = 0

    def task() -> None:
        nonlocal searched
        found = search(one.job, one.room, one.ground, [one.job.usable_bytes], prune=False, chunk=chunk)
        searched = found.searched

    seconds = median(task, runs) if runs > 1 else _once(task)
    return searched / seconds


def _once(task: Callable[[], None]) -> float:
    """Seconds of one run without a warm-up, for what takes seconds."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
