"""What does one layout give on a cluster: step time, memory, speed, line by line?"""

from __future__ import annotations

from typing import NamedTuple, cast

import msgspec

from cardyears.answer.verdict import Finding, Verdict, within
from cardyears.base.errors import BadInput, Contradiction
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Assumption, Job, Method, Precision
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.estimate import COMPUTING, TRAFFIC, Estimate, estimate
from cardyears.estimate.fit import fit
from cardyears.estimate.step import setting
from cardyears.layout.layout import Layout
from cardyears.layout.legal import complete
from cardyears.layout.partial import PartialLayout
from cardyears.layout.remarks import remarks
from cardyears.layout.site import Site, site
from cardyears.machine.cluster import Cluster
from cardyears.machine.engine import Engine
from cardyears.question.question import Question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster
from cardyears.resolve.engines import find_engine
from cardyears.resolve.generic import Build
from cardyears.resolve.jobs import job
from cardyears.resolve.models import Model, model
from cardyears.resolve.resolve import MEMORY_SPREAD, sequence_length
from cardyears.verbs.advice import Advice, advise
from cardyears.work.state import RECIPES, Training

KNOWN_SPREAD = Interval(0.84, 1.0, 1.19)
"""Measured over predicted step time where device and engine were measured. Source: measured-runs."""
ASSUMED_SPREAD = Interval(0.72, 1.0, 1.38)
"""The same where the engine or the device was not. Source: measured-runs."""


class Estimated(msgspec.Struct, frozen=True):
    """One layout's estimate with its case."""

    model: str
    key: str
    method: Method
    job: Job
    estimate: Estimate
    step_s: Interval
    tokens_per_s_per_device: Interval
    mfu: Interval
    hfu: Interval
    peak: Interval
    available: float
    fits: Finding
    connected: Finding
    assumed_share: float
    """Share of the step time whose rates were assumed and not measured."""
    chosen: bool
    """Whether the layout was chosen here, none having been said."""
    assumptions: tuple[Assumption, ...]
    peak_rate: float
    """FLOP/s that MFU and HFU are shares of."""
    usual_mfu: Interval | None = None
    """What runs on such devices attain."""
    remarks: tuple[Text, ...] = ()
    """What should be said about the layout though it is legal."""
    advice: Advice | None = None
    """Filled in by `advised`, where somebody reads it."""


def estimate_layout(question: Question, catalogue: Catalogue) -> Estimated:
    """The estimate of the layout that was said; of the first one that fits where none was.

    Raises `BadInput` where the layout cannot be.
    """
    assumed = Assumed(question.assume)
    found = model(question.model, catalogue, assumed, Build(**question.build))
    if question.hardware is None:
        raise BadInput(Text("No hardware was named."), Text('Name it, such as --on "RTX 4070 Ti" or --on "8x H100".'))
    machine = cluster(question.hardware, catalogue, assumed)
    if found.architecture is None:
        raise BadInput(
            Text("No published reading of {model} has a shape.", model=found.name),
            Text("Name a model whose shape is known: cardyears models lists them."),
        )
    engine = find_engine(question.engine, question.method, machine, catalogue, assumed)
    training = _training(question, engine, assumed)
    seq_len = sequence_length(question, found, assumed)
    usable = assumed.take("usable_unified_memory" if machine.device.unified_memory else "usable_memory")
    task = job(
        found.architecture, training, seq_len, machine, engine, catalogue, assumed, usable_share=usable,
    )  # fmt: skip
    layout = _layout(question, found, task)
    assumed.refuse_idle()
    return _estimated(question, found, task, layout, usable, assumed, _usual_mfu(task.cluster, catalogue))


def advised(found: Estimated) -> Estimated:
    """The same with the change that would help most, if any does."""
    return msgspec.structs.replace(found, advice=advise(found))


def _usual_mfu(machine: Cluster, catalogue: Catalogue) -> Interval | None:
    """What runs on devices of this family attain; None where none was measured."""
    row = catalogue.shares.get(machine.device.family)
    return None if row is None else Interval(row.low, row.mid, row.high)


def _training(question: Question, engine: Engine, assumed: Assumed) -> Training:
    """Method, recipe and rank: the recipe as stated, else the engine's own."""
    if question.method in ("lora", "qlora"):
        return Training(question.method, RECIPES[engine.recipe], assumed.take("rank"))
    if assumed.stated("recipe"):
        return Training(question.method, RECIPES[assumed.take("recipe")], assumed.peek("rank"))
    recipe = RECIPES[engine.recipe]
    reason = Text("what {engine:word} keeps for each parameter: {label:word}", engine=engine.name, label=recipe.label)
    assumed.filled("recipe", recipe.key, kind="published", source=recipe.source, reason=reason)
    return Training(question.method, recipe, assumed.peek("rank"))


def _layout(question: Question, found: Model, task: Job) -> Layout:
    """The layout that was said, completed and judged; or the first of plain replicas that fits."""
    said = question.layout or PartialLayout()
    if question.precision is not None:
        if said.precision is not None and said.precision != question.precision:
            raise Contradiction(
                Text("--precision says {one} and the layout says {two}.", one=question.precision, two=said.precision),
                Text("Keep one of them."),
            )
        said = msgspec.structs.replace(said, precision=question.precision)
    if question.micro_batch is not None:
        if said.micro_batch is not None and said.micro_batch != question.micro_batch:
            raise Contradiction(
                Text(
                    "--micro-batch says {one:integer} and the layout says {two:integer}.",
                    one=question.micro_batch,
                    two=said.micro_batch,
                ),
                Text("Keep one of them."),
            )
        said = msgspec.structs.replace(said, micro_batch=question.micro_batch)
    batch = said.global_batch
    if batch is None and question.method == "pretrain" and found.global_batch_tokens:
        batch = max(1, int(found.global_batch_tokens // task.seq_len))
    ground = _ground(task, question, batch)
    usual = Layout(
        sp=task.engine.sp, kernel="flash" if task.engine.flash else "eager", precision=usual_precision(task.cluster)
    )
    if question.layout is not None:
        return complete(said, ground, usual)
    return chosen_layout(task, said, usual)


def _ground(task: Job, question: Question, batch: int | None = None) -> Site:
    """Where the layout must fit."""
    return site(
        task.architecture, devices=task.cluster.count, per_node=task.cluster.per_node, seq_len=int(task.seq_len),
        method=question.method, engine=task.engine.key, global_batch=batch,
    )  # fmt: skip


def usual_precision(machine: Cluster) -> Precision:
    """What training on such a device computes in: bf16, fp16 where there is none."""
    return cast("Precision", machine.device.training_dtype or "bf16")


def chosen_layout(task: Job, said: PartialLayout, usual: Layout) -> Layout:
    """The first layout of plain replicas that fits the usable memory."""
    found = fit(
        task.architecture, task.training, int(task.seq_len), task.cluster.count, [task.usable_bytes],
        micro_batch=said.micro_batch, habits=task.engine.memory,
    )  # fmt: skip
    precision = said.precision or usual.precision
    return msgspec.structs.replace(found.layout, sp=usual.sp, kernel=usual.kernel, precision=precision)


class _Rested(NamedTuple):
    """What the estimate rests on."""

    share: float
    spread: Interval


def _rested(task: Job, found: Estimate, *, named: bool) -> _Rested:
    """Share of the step whose rates were assumed: the device's for computing, the links' for traffic, the engine's."""
    time, total = found.time, float(found.step_s)
    computing = sum(float(time[name]) for name in COMPUTING)
    waiting = sum(float(time[name]) for name in TRAFFIC)
    links = [link for link in (task.cluster.inside, task.cluster.between) if link is not None]
    assumed = 0.0
    if task.silicon.kind != "measured":
        assumed += computing
    if waiting and any(link.attained is None or link.attained.kind != "measured" for link in links):
        assumed += waiting
    if not named or task.engine.kind != "measured":
        assumed = max(assumed, total - computing - waiting)
    share = assumed / total
    known = named and task.engine.kind == "measured" and task.silicon.kind == "measured"
    return _Rested(share, KNOWN_SPREAD if known else ASSUMED_SPREAD)


def _estimated(
    question: Question,
    found: Model,
    task: Job,
    layout: Layout,
    usable: float,
    assumed: Assumed,
    usual_mfu: Interval | None,
) -> Estimated:
    there = setting(task, layout.precision)
    result = estimate(task, layout, there)
    rested = _rested(task, result, named=question.engine is not None)
    slower, faster = rested.spread, rested.spread.inverse()
    peak = MEMORY_SPREAD[question.method] * float(result.peak_bytes)
    available = task.cluster.device.memory.value * usable
    why = Text("{need:bytes} needed, {have:bytes} there", need=peak, have=available)
    return Estimated(
        model=found.name,
        key=found.key,
        method=question.method,
        job=task,
        estimate=result,
        step_s=slower * float(result.step_s),
        tokens_per_s_per_device=faster * float(result.tokens_per_s_per_device),
        mfu=faster * float(result.mfu),
        hfu=faster * float(result.hfu),
        peak=peak,
        available=available,
        fits=Finding(within(peak, available), why),
        connected=connected(result, rested.spread, task.cluster.count),
        assumed_share=rested.share,
        chosen=question.layout is None,
        assumptions=assumed.used,
        peak_rate=float(there.rates.peak),
        usual_mfu=usual_mfu,
        remarks=remarks(layout, _ground(task, question)),
    )


def connected(result: Estimate, spread: Interval, devices: int) -> Finding:
    """Whether the links are enough: devices wait for them no longer than they compute."""
    if devices == 1:
        return Finding(Verdict.YES, Text("one device needs no link"))
    waiting = float(result.waiting) * float(result.step_s)
    computing = float(result.step_s) - waiting
    verdict = within(spread * waiting, computing)
    return Finding(verdict, Text("devices wait {share:percent} of each step for links", share=float(result.waiting)))
