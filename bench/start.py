"""How fast do the commands start, against NumPy's own import, and how fast are the sums, in one run?

Processes are timed in turn, round after round, so that whatever else the machine does falls on all of them alike; only
ratios of their medians have limits, and milliseconds are shown for orientation. What runs inside one process is timed
after them. Exits 1 where a limit is broken.

    python bench/start.py --runs 15
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from timing import Line, median

SCRIPT = Path(sysconfig.get_path("scripts")) / ("cardyears.exe" if os.name == "nt" else "cardyears")
CARDYEARS = (str(SCRIPT),) if SCRIPT.exists() else (sys.executable, "-m", "cardyears")
FOUNDING = ("check", "gpt-3.5", "--on", "RTX 4070 Ti", "--for", "1y", "--utilization", "90%")
CLUSTER = ("check", "llama-3.1-8b", "--on", "64x H100 over 400Gb/s per gpu", "--for", "90d")
LAYOUT = ("estimate", "gpt-3", "--on", "1024x A100-80GB", "--layout", "tp=8,pp=16,global_batch=1536")

PROCESSES: Mapping[str, tuple[str, ...]] = {
    "python, bare": (sys.executable, "-c", "pass"),
    "import numpy": (sys.executable, "-c", "import numpy"),
    "import cardyears": (sys.executable, "-c", "import cardyears"),
    "check (the founding question)": (*CARDYEARS, *FOUNDING),
    "check (64 devices)": (*CARDYEARS, *CLUSTER),
    "estimate (one layout)": (*CARDYEARS, *LAYOUT),
    "--help": (*CARDYEARS, "--help"),
    "devices": (*CARDYEARS, "devices"),
}
CHECK_LIMIT = 2.0
"""The founding answer, or one layout's estimate, whole process, over a process that imports NumPy and does nothing."""
IMPORT_LIMIT = 1.5
"""A process that imports cardyears over one that imports nothing."""
LOAD_LIMIT_MS = 10.0
CANDIDATES = 1_000
WITHOUT_NUMPY = (
    ("--help",),
    ("check", "--help"),
    *((name,) for name in ("models", "devices", "runs", "prices", "sources")),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and answer whether all limits hold."""
    parser = argparse.ArgumentParser(description="Start-up times as ratios in one run.")
    parser.add_argument("--runs", type=int, default=15, metavar="N", help="rounds after one warm-up (default: 15)")
    runs = max(1, parser.parse_args(arguments).runs)

    import sums

    medians = whole_processes(runs)
    lines = [*ratios(medians), *inside_one_process(runs), *sums.lines(runs)]
    loud = [f"{' '.join(words)} imports NumPy" for words in WITHOUT_NUMPY if imports_numpy(words)]

    print(f"Whole processes, medians of {runs} interleaved rounds")
    bare = medians["python, bare"]
    for name, seconds in medians.items():
        print(f"  {name:<32} {seconds * 1e3:8.1f} ms   {seconds / bare:5.2f} × bare")
    print("\nRatios and times with their limits")
    for line in lines:
        print(f"  {line}".rstrip())
    print(f"  {'help and listings without NumPy':<48} {'no: ' + '; '.join(loud) if loud else 'yes'}")
    return 1 if loud or any(line.broken for line in lines) else 0


def whole_processes(runs: int) -> dict[str, float]:
    """Median seconds of each process, after one round that warms the file cache and writes bytecode."""
    env = {**os.environ, "COLUMNS": "100"}
    taken: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for round_ in range(runs + 1):
        for name, words in PROCESSES.items():
            start = time.perf_counter()
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=env)
            if round_:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def ratios(medians: Mapping[str, float]) -> list[Line]:
    """What is promised of the processes, as ratios."""
    bare, numpy = medians["python, bare"], medians["import numpy"]
    founding = medians["check (the founding question)"]
    return [
        Line("check / import numpy", founding / numpy, "×", CHECK_LIMIT),
        Line("check of 64 devices / import numpy", medians["check (64 devices)"] / numpy, "×"),
        Line("estimate of one layout / import numpy", medians["estimate (one layout)"] / numpy, "×", CHECK_LIMIT),
        Line("import cardyears / bare", medians["import cardyears"] / bare, "×", IMPORT_LIMIT),
        Line("--help / import numpy", medians["--help"] / numpy, "×"),
        Line("devices / import numpy", medians["devices"] / numpy, "×"),
    ]


def imports_numpy(words: Sequence[str]) -> bool:
    """Whether a command has NumPy in memory when it is done."""
    code = "import sys\nfrom cardyears.cli.main import run\ntry:\n run()\nfinally:\n print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True)
    return found.stdout.split()[-1:] != ["False"]


def inside_one_process(runs: int) -> list[Line]:
    """What takes how long once everything is imported."""
    import msgspec

    from cardyears.api import functions
    from cardyears.ask import ask
    from cardyears.catalogue import compile as compiler
    from cardyears.catalogue.load import Catalogue, load
    from cardyears.question.question import read_question
    from cardyears.verbs.inverse import need

    def whole_catalogue() -> None:
        catalogue = load.__wrapped__()
        for section in (*compiler.SECTIONS, "prices"):
            getattr(catalogue, section)

    def as_json() -> None:
        functions.check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%").as_dict()

    question = read_question("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%")
    on_sale = [row for row in load().accelerators.values() if row.available and row.peak_tflop_s]
    many = {
        f"card-{i}": msgspec.structs.replace(on_sale[i % len(on_sale)], name=f"Card {i}") for i in range(CANDIDATES)
    }
    sections = {name: getattr(load(), name) for name in (*compiler.SECTIONS, "prices")} | {"accelerators": many}
    known = Catalogue(msgspec.msgpack.decode(compiler.encode(sections, ""), type=dict[str, bytes]))
    wanted = read_question("gpt-2", duration="30d")

    return [
        Line("catalogue, opened and decoded whole", median(whole_catalogue, runs) * 1e3, "ms", LOAD_LIMIT_MS),
        Line("one answer, in process", median(lambda: ask(question, load()), runs) * 1e3, "ms"),
        Line("one answer as JSON, in process", median(as_json, runs) * 1e3, "ms"),
        Line(f"need over {CANDIDATES:,} devices", median(lambda: need(wanted, known), max(1, runs // 5)) * 1e3, "ms"),
    ]


if __name__ == "__main__":
    sys.exit(main())
