"""A table against its estimates as text: how far off, by group, what was skipped, the worst rows, and why."""

from __future__ import annotations

from collections.abc import Sequence

from cardyears.base.text import N_, Text, Value
from cardyears.machine.calibration import FACTORS, Calibration
from cardyears.render.locale.voice import RIGHT_TO_LEFT
from cardyears.render.page import ISOLATE_END, LEFT_TO_RIGHT, Page, Styled, Titles
from cardyears.validate.compare import Compared
from cardyears.validate.held import Held
from cardyears.validate.interval import interval, known
from cardyears.validate.neighbours import neighbours
from cardyears.validate.page_skips import not_read, skipped, skipped_trainings
from cardyears.validate.report import Part, Validation, worst
from cardyears.validate.runs import SHIPPED, sources
from cardyears.validate.scores import FitVerdicts, Scores
from cardyears.validate.validated import Validated
from cardyears.validate.whole import WholeRuns

GROUPS_SHOWN = 24
EXPLAINED = 5
"""Of the worst rows, so many with their neighbours."""
_NONE = "–"

GROUP_NAMES = {
    "source": N_("source"),
    "gpu": N_("device"),
    "kind": N_("kind of training"),
    "table": N_("kind of measurement"),
    "engine": N_("engine"),
    "scale": N_("devices"),
}
FACTOR_NAMES = {
    "rate": N_("rate of products and attention"),
    "memory_bound": N_("bytes of memory-bound operators"),
    "host": N_("host time: launches, collectives, each step"),
    "traffic": N_("traffic that is not hidden"),
    "held": N_("memory held beside state and activations"),
    "share": N_("share of peak of whole runs"),
}


def validated(made: Validated, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """Everything that was asked of a table."""
    found = made.found
    page.line(_headline(found), "bold")
    page.line(_rests(found), indent=2)
    if found.calibration is not None:
        page.line(Text("Calibrated with {name}.", name=found.calibration.name), indent=2)
    _scores(page, found)
    _verdicts(page, found.good.fit_verdicts)
    _groups(page, found)
    _printed(page, found)
    skipped(page, found)
    _worst(page, made)
    if made.runs is not None:
        _whole(page, made.runs)
    not_read(page, made.not_read)
    if made.made is not None:
        _calibration(page, made)
    if explained:
        _explained(page, made)
    if titles is not None and not found.name:
        page.heading(N_("Sources"))
        page.rows(([key, row.title, row.where] for key, row in sources().items()), wrap=1)


def _headline(found: Validation) -> Text:
    values: dict[str, Value] = {"rows": found.rows, "predicted": found.predicted, "file": found.name or SHIPPED.name}
    if found.good.speed.n:
        return Text(
            "{file}: {predicted:integer} of {rows:integer} rows predicted; the step time is off by {error:percent} at "
            "the median, the 80 % interval holds {held:percent}.",
            error=found.good.speed.median_abs_error or 0.0, held=found.good.speed.interval_coverage or 0.0, **values,
        )  # fmt: skip
    if found.good.memory.n:
        return Text(
            "{file}: {predicted:integer} of {rows:integer} rows predicted; peak memory is off by {error:percent} at "
            "the median, the 80 % interval holds {held:percent}.",
            error=found.good.memory.median_abs_error or 0.0, held=found.good.memory.interval_coverage or 0.0, **values,
        )  # fmt: skip
    return Text("{file}: {predicted:integer} of {rows:integer} rows predicted.", **values)


def _rests(found: Validation) -> Text:
    if found.rests is None:
        return Text("No row has a speed that an estimate can be held against.")
    return Text(
        "{any:percent} of the estimated times rest on something assumed: rates of the device {device:percent}, of the "
        "engine {engine:percent}, an engine that the row does not name {named:percent}.",
        any=found.rests.anything, device=found.rests.device_rates, engine=found.rests.engine_rates,
        named=found.rests.engine_named,
    )  # fmt: skip


_HEADINGS = (N_("runs"), N_("median"), N_("of sources"), N_("90th percentile"), N_("bias"), N_("in the interval"),
             N_("within 10 %"))  # fmt: skip


def _cells(page: Page, one: Scores) -> list[str]:
    """The figures of a part, a dash where there is no run."""
    shares = (one.median_abs_error, one.median_of_source_medians, one.p90_abs_error)
    more = (one.interval_coverage, one.within_10pct)
    return [
        page.say(Text("{n:integer}", n=one.n)) if one.n else _NONE,
        *(_share(page, value) for value in shares),
        _signed(page, one.bias),
        *(_share(page, value) for value in more),
    ]


def _share(page: Page, value: float | None) -> str:
    return _NONE if value is None else page.say(Text("{x:percent}", x=round(value, 3)))


def _signed(page: Page, value: float | None) -> str:
    if value is None:
        return _NONE
    said = f"{'+' if value >= 0 else '−'}{_share(page, abs(value))}"
    return f"{LEFT_TO_RIGHT}{said}{ISOLATE_END}" if page.voice.language in RIGHT_TO_LEFT else said


def _scores(page: Page, found: Validation) -> None:
    rows: list[tuple[str, Scores]] = [
        (N_("step time"), found.good.speed),
        (N_("one constant share of peak"), found.good.baseline),
        (N_("peak memory"), found.good.memory),
        (N_("step time, weak rows"), found.weak.speed),
        (N_("peak memory, weak rows"), found.weak.memory),
        (N_("by printed TFLOP/s"), found.good.printed),
        (N_("by printed TFLOP/s, weak rows"), found.weak.printed),
    ]
    if not any(one.n for _, one in rows):
        return
    meaningless = found.good.baseline if found.constant_why and found.good.speed.n else None
    page.heading(N_("Error of the estimates, without its sign"))
    page.table(
        ("", *_HEADINGS),
        ([page.say(name), *_cells(page, one)] for name, one in rows if one.n or one is meaningless),
        right=tuple(range(1, 8)),
        wrap=0,
    )
    _constant(page, found)
    if found.choice is not None:
        page.line(
            Text(
                "Among {n:integer} families of layouts, choosing by the estimate costs {regret:percent} at the median; "
                "its order agrees with the measured one by {order:number} (1 is the same).",
                n=found.choice.families, regret=found.choice.regret, order=found.choice.order,
            ),
            indent=2,
        )  # fmt: skip


def _constant(page: Page, found: Validation) -> None:
    """The share of the constant rule, or why it says nothing."""
    if found.good.baseline.n and found.constant_share is not None:
        page.line(
            Text("The constant share that fits these rows best is {x:percent}.", x=found.constant_share), indent=2
        )
    elif found.constant_why is not None and found.good.speed.n:
        page.line(found.constant_why, indent=2)


def _verdicts(page: Page, one: FitVerdicts) -> None:
    every = one.true_fit + one.true_oom + one.false_fit + one.false_oom + one.undecided
    if not every:
        return
    page.heading(N_("Does it fit? The verdict against what happened"))
    rows = [
        (N_("ran, said yes"), one.true_fit),
        (N_("ran, said no"), one.false_oom),
        (N_("out of memory, said no"), one.true_oom),
        (N_("out of memory, said yes"), one.false_fit),
        (N_("said probably, unlikely or unknown"), one.undecided),
    ]
    page.rows(
        ([page.say(name), page.say(Text("{n:integer}", n=count)), page.bar(count / every, 20)] for name, count in rows),
        right=(1,),
    )


def _groups(page: Page, found: Validation) -> None:
    shown = [(name, part) for name, part in found.groups.items() if part.speed.n or part.memory.n]
    if len(shown) <= 1:
        return
    page.heading(Text("By {group:word}, rows of good quality", group=GROUP_NAMES[found.by]))
    heads = (N_("runs"), N_("median"), N_("90th percentile"), N_("bias"), N_("in the interval"), N_("peaks"),
             N_("median"))  # fmt: skip
    page.table(
        (GROUP_NAMES[found.by], *heads),
        (_group(page, name, part) for name, part in shown[:GROUPS_SHOWN]),
        right=tuple(range(1, 8)),
        wrap=0,
    )
    if len(shown) > GROUPS_SHOWN:
        page.line(Text("and {n:integer} smaller groups", n=len(shown) - GROUPS_SHOWN), indent=2)


def _group(page: Page, name: str, part: Part) -> list[str]:
    speed, memory = part.speed, part.memory
    return [
        page.say(Text("{x:word}", x=name)),
        page.say(Text("{n:integer}", n=speed.n)),
        _share(page, speed.median_abs_error),
        _share(page, speed.p90_abs_error),
        _signed(page, speed.bias),
        _share(page, speed.interval_coverage),
        page.say(Text("{n:integer}", n=memory.n)),
        _share(page, memory.median_abs_error),
    ]


def _printed(page: Page, found: Validation) -> None:
    """Groups of the rows that have a printed rate of FLOP and no more."""
    shown = [(name, part.printed) for name, part in found.groups.items() if part.printed.n]
    if len(shown) <= 1:
        return
    page.heading(Text("By {group:word}, rows with printed TFLOP/s only", group=GROUP_NAMES[found.by]))
    page.table(
        (GROUP_NAMES[found.by], N_("runs"), N_("median"), N_("mean"), N_("90th percentile"), N_("bias")),
        (
            [
                page.say(Text("{x:word}", x=name)),
                page.say(Text("{n:integer}", n=one.n)),
                *(_share(page, value) for value in (one.median_abs_error, one.mean_abs_error, one.p90_abs_error)),
                _signed(page, one.bias),
            ]
            for name, one in shown[:GROUPS_SHOWN]
        ),
        right=tuple(range(1, 6)),
        wrap=0,
    )


def _worst(page: Page, made: Validated) -> None:
    found = made.found
    rows: Sequence[Compared] = (*found.speeds, *found.printed) if made.rows else worst(found)
    if rows:
        page.heading(N_("Every row") if made.rows else N_("Furthest off"))
        page.table(
            (N_("run"), N_("device"), N_("engine"), N_("measured"), N_("predicted"), N_("error")),
            (_row(page, one) for one in rows),
            right=(3, 4, 5),
            wrap=0,
        )
    peaks = [one for one in made.found.memories if one.measured is not None]
    if made.rows and peaks:
        page.heading(N_("Every peak"))
        page.table(
            (N_("run"), N_("device"), N_("engine"), N_("measured"), N_("predicted"), N_("error")),
            (_peak(page, one) for one in peaks),
            right=(3, 4, 5),
            wrap=0,
        )


def _row(page: Page, one: Compared) -> list[str]:
    return [
        *_who(one),
        page.say(Text("{x:duration}", x=one.measured_s)),
        page.say(Text("{x:duration}", x=one.predicted_s)),
        _signed(page, one.error),
    ]


def _peak(page: Page, one: Held) -> list[str]:
    return [
        *_who(one),
        page.say(Text("{x:bytes}", x=one.measured or 0.0)),
        page.say(Text("{x:bytes}", x=one.predicted)),
        _signed(page, one.error),
    ]


def _who(one: Compared | Held) -> list[str]:
    problem = one.problem
    return [
        f"{problem.measured.model} ({problem.measured.id})",
        f"{problem.cluster.count} × {problem.device.key}",
        problem.engine,
    ]


def _whole(page: Page, runs: WholeRuns) -> None:
    rows = [(N_("as reported"), runs.good), (N_("second-hand figures"), runs.weak)]
    if runs.judged:
        page.heading(N_("Whole trainings: device-hours"))
        page.table(
            ("", *_HEADINGS),
            ([page.say(name), *_cells(page, one)] for name, one in rows if one.n),
            right=tuple(range(1, 8)),
        )
    skipped_trainings(page, runs)


def _calibration(page: Page, made: Validated) -> None:
    """The factors, and the errors before and after."""
    one, after = made.made, made.after
    assert one is not None
    assert after is not None
    page.heading(Text("Calibration, written to {name}", name=made.made_file))
    page.rows(
        (
            [page.say(FACTOR_NAMES[key]), page.say(Text("× {x:number}", x=round(getattr(one, key), 3)))]
            for key in FACTORS
        ),
        right=(1,),
    )
    page.line(_left(one, made.found, after), indent=2)
    page.line(Text("Use it: cardyears estimate … --calibration {name}", name=made.made_file), indent=2)


def _left(one: Calibration, before: Validation, after: Validation) -> Text:
    values: dict[str, Value] = {"rows": one.rows, "peaks": one.memory_rows}
    if not before.good.speed.n:
        return Text("Rows fitted on: {rows:integer} with a speed, {peaks:integer} with a peak.", **values)
    return Text(
        "Rows fitted on: {rows:integer} with a speed, {peaks:integer} with a peak. On these same the median error of "
        "the step time goes from {before:percent} to {after:percent}.",
        before=round(before.good.speed.median_abs_error or 0.0, 3),
        after=round(after.good.speed.median_abs_error or 0.0, 3), **values,
    )  # fmt: skip


def _explained(page: Page, made: Validated) -> None:
    """How it is done, and the measured neighbours of the worst rows."""
    page.heading(N_("How it is done"))
    for text in _METHOD:
        page.line(text, indent=2)
    page.heading(
        N_("Nearest measured runs of those furthest off, and how far off the estimate fitted on them is there")
    )
    for one in worst(made.found, EXPLAINED):
        wide = interval(one.problem, made.found.catalogue)
        sure = N_("known engine and device") if known(one.problem) else N_("something is assumed")
        page.line(
            Text(
                "{run}: measured over predicted {ratio:number}, interval {low:number} to {high:number} ({why:word})",
                run=_who(one)[0], ratio=one.measured_s / one.predicted_s, low=wide.low, high=wide.high, why=sure,
            ),
            indent=2,
        )  # fmt: skip
        page.rows(
            (
                [Styled("  "), *_who(near.run), page.say(Text("off by {x:percent}", x=round(abs(near.run.error), 3)))]
                for near in neighbours(one.problem, made.shipped)
            ),
            wrap=1,
        )
        for filled in one.problem.filled.values():
            page.line(filled.text, indent=6)


_METHOD = (
    N_(
        "A row becomes a model, a training, a machine and a layout. What it leaves open is what its engine does by "
        "default, and every such value is listed with the row (--rows --json)."
    ),
    N_(
        "Predicted is the step time of cardyears estimate for that layout; measured is the step time, or the tokens of "
        "a step over the rate of tokens. The error is predicted over measured, minus one."
    ),
    N_(
        "Scores are over rows of good quality. The 80 % interval is what held of runs that were left out of the fit: "
        "narrow where runs like it were measured and were little off, wider the farther they are, or what a "
        "calibration leaves."
    ),
    N_(
        "Rows that have a printed rate of FLOP, or a share of peak, and no time are scored apart, by the convention "
        "that they name: conventions differ."
    ),
    N_("The constant rule takes model FLOP over one share of the training peak, the share that fits these rows best."),
    N_("The coefficients were fitted on the runs that ship with cardyears: on those the errors are in sample."),
)
