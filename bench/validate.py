"""How much faster are all measured runs predicted at once than one after the other? Ratios in one run.

python bench/validate.py [--runs N] [--write]

`--write` writes the figures of docs/performance.md.
"""

from __future__ import annotations

import argparse
import time

import cardyears
import written
from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.estimate.estimate import estimate
from cardyears.validate.compare import clocked_step, compared, engines, estimable, job
from cardyears.validate.read import Problem, problems
from cardyears.validate.report import validation
from cardyears.validate.runs import load_runs
from timing import Line, median

LEAST = 20.0
"""Times faster that predicting all runs must be, and reading and scoring them besides, than asking for each."""
EVERY = 12
"""One run in so many is asked for by itself."""


def figures(runs: int) -> dict[str, float]:
    """Seconds of a run, each by itself and all at once."""
    catalogue = load()
    made, _ = problems(load_runs(), catalogue)
    timed = [one for one in made if clocked_step(one) is not None and estimable(one)]
    asked = [words for one in timed[::EVERY] if (words := _asked(one))]
    known = engines(catalogue)
    jobs = [(job(one, catalogue, known[one.engine]), one.layout) for one in timed[::EVERY]]
    all_at_once = median(lambda: compared(timed, catalogue), runs) / len(timed)
    whole = median(lambda: validation(load_runs(), catalogue), runs) / len(load_runs())
    by_verb = min(_one_by_one(asked) for _ in range(max(runs, 2)))
    by_sums = median(lambda: [estimate(*one) for one in jobs], runs) / len(jobs)
    return {
        "runs": len(timed), "by_verb_s": by_verb, "by_sums_s": by_sums, "at_once_s": all_at_once, "whole_s": whole,
    }  # fmt: skip


def lines(found: dict[str, float]) -> list[Line]:
    """Milliseconds a run, and how many times faster all of them are at once."""
    by_verb, by_sums, at_once, whole = (found[f"{name}_s"] for name in ("by_verb", "by_sums", "at_once", "whole"))
    return [
        Line("one run: cardyears.estimate", by_verb * 1e3, "ms"),
        Line("one run: estimate, all looked up", by_sums * 1e3, "ms"),
        Line("one run of all at once: predicted", at_once * 1e3, "ms"),
        Line("one run of all at once: read, predicted, scored", whole * 1e3, "ms"),
        Line("cardyears.estimate over predicted at once", by_verb / at_once, "times"),
        Line("cardyears.estimate over read, predicted, scored", by_verb / whole, "times"),
        Line("estimate, all looked up, over predicted at once", by_sums / at_once, "times"),
    ]


def _asked(problem: Problem) -> dict[str, object] | None:
    """The question whose answer is the estimate of this run, where the catalogue has its model."""
    run, layout = problem.measured, problem.layout
    if not run.model_key or problem.training.method != "pretrain":
        return None
    degrees = {name: getattr(layout, name) for name in ("tp", "pp", "cp", "ep", "zero")}
    words = ",".join(f"{name}={int(value)}" for name, value in degrees.items() if value > 0)
    words += f",micro_batch={int(max(1, layout.micro_batch))},global_batch={int(max(1, layout.global_batch))}"
    return {
        "model": run.model_key,
        "on": f"{int(layout.devices)}x {problem.device.key}",
        "layout": f"{words},recompute={layout.recompute}",
        "engine": problem.engine,
        "seq_len": problem.seq_len,
    }


def _one_by_one(asked: list[dict[str, object]]) -> float:
    """Seconds of one answered question; those that are refused do not count."""
    taken, answered = 0.0, 0
    for words in asked:
        start = time.perf_counter()
        try:
            cardyears.estimate(**words)  # type: ignore[arg-type]
        except CardyearsError:
            continue
        taken += time.perf_counter() - start
        answered += 1
    return taken / answered


def main() -> int:
    """Print the table; 1 where it is slower than it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the figures of docs/performance.md")
    asked = parser.parse_args()
    found = figures(asked.runs)
    print(*lines(found), sep="\n")
    if asked.write:
        written.write("validate", {**found, "least": LEAST})
    return int(found["by_verb_s"] / max(found["at_once_s"], found["whole_s"]) < LEAST)


if __name__ == "__main__":
    raise SystemExit(main())
