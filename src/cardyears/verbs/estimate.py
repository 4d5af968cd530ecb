"""What does one layout give on a cluster: step time, memory, speed, line by line?"""

from __future__ import annotations

from typing import NamedTuple, cast

import msgspec

from cardyears.answer.links import connected, workable_batch
from cardyears.answer.verdict import Finding, within
from cardyears.base.errors import BadInput, Contradiction
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Assumption, Job, Method, Neighbour, Precision, Workload
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.estimate import TRAFFIC, Estimate, estimate
from cardyears.estimate.fit import fit
from cardyears.estimate.setting import setting
from cardyears.layout.layout import Layout
from cardyears.layout.legal import complete
from cardyears.layout.partial import PartialLayout
from cardyears.layout.remarks import remarks
from cardyears.layout.site import Site, site
from cardyears.machine.cluster import Cluster
from cardyears.machine.engine import Engine
from cardyears.machine.rates import LOW_PRECISION
from cardyears.question.question import Question
from cardyears.resolve.calibration import noted
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster, usable_assumption
from cardyears.resolve.engines import find_engine
from cardyears.resolve.generic import Build
from cardyears.resolve.jobs import job
from cardyears.resolve.likeness import calibrated_job
from cardyears.resolve.models import Model, model
from cardyears.resolve.nearness import place_of
from cardyears.resolve.neighbours import neighbours
from cardyears.resolve.resolve import sequence_length, token_count, usual_batch, usual_training
from cardyears.resolve.spreads import step_spread
from cardyears.search.search import search
from cardyears.search.space import space
from cardyears.verbs.advice import Advice, advise
from cardyears.work.state import RECIPES, Training


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
    neighbours: tuple[Neighbour, ...] = ()
    """The measured runs that are the most like it."""
    remarks: tuple[Text, ...] = ()
    """What should be said about the layout though it is legal."""
    advice: Advice | None = None
    """Filled in by `advised`, where somebody reads it."""


def estimate_layout(question: Question, catalogue: Catalogue, *, engine: Engine | None = None) -> Estimated:
    """The estimate of the layout that was said; of the first one that fits where none was.

    `engine` stands in where none is named. Raises `BadInput` where the layout cannot be.
    """
    assumed = Assumed(question.assume)
    found = model(question.model, catalogue, assumed, Build(**question.build))
    if question.hardware is None:
        raise BadInput(Text("No hardware was named."), Text('Name it, such as --on "RTX 4070 Ti" or --on "8x H100".'))
    machine = cluster(question.hardware, catalogue, assumed)
    ready = prepared(question, found, catalogue, assumed, machine, engine)
    layout = _layout(question, ready.found, ready.task, assumed)
    assumed.refuse_idle()
    return estimated(question, ready, layout, assumed, catalogue)


class Prepared(NamedTuple):
    """One training step without a layout."""

    found: Model
    task: Job
    usable: float
    """Share of a device's memory that one process may take."""


def prepared(
    question: Question,
    found: Model,
    catalogue: Catalogue,
    assumed: Assumed,
    machine: Cluster,
    engine: Engine | None = None,
) -> Prepared:
    """The step that is asked about, on a machine, by the engine that was named, this one, or the usual one."""
    if found.architecture is None:
        raise BadInput(
            Text("No published reading of {model} has a shape.", model=found.name),
            Text("Name a model whose shape is known: cardyears models lists them."),
        )
    if engine is None or question.engine is not None:
        engine = find_engine(question.engine, question.method, machine, catalogue, assumed)
    training = _training(question, engine, assumed)
    seq_len = sequence_length(question, found, assumed)
    usable = assumed.take(usable_assumption(machine.device, assumed))
    task = job(
        found.architecture, training, seq_len, machine, engine, catalogue, assumed, usable_share=usable,
        named=question.engine is not None,
    )  # fmt: skip
    noted(catalogue, assumed)
    said = question.precision or (question.layout and question.layout.precision) or usual_precision(machine)
    return Prepared(found, calibrated_job(task, said, catalogue), usable)


def advised(found: Estimated) -> Estimated:
    """The same with the change that would help most, if any does."""
    return msgspec.structs.replace(found, advice=advise(found))


def _usual_mfu(machine: Cluster, catalogue: Catalogue) -> Interval | None:
    """What runs on devices of this family attain; None where none was measured."""
    row = catalogue.shares.get(machine.device.family)
    return None if row is None else Interval(row.low, row.mid, row.high)


def _training(question: Question, engine: Engine, assumed: Assumed) -> Training:
    """Method, recipe and adapters: as stated, else what the engine keeps."""
    recipe = RECIPES[engine.recipe]
    if question.method in ("pretrain", "full") and not assumed.stated("recipe"):
        reason = Text(
            "what {engine:word} keeps for each parameter: {label:word}", engine=engine.name, label=recipe.label
        )
        assumed.filled("recipe", recipe.key, kind="published", source=recipe.source, reason=reason)
        return Training(question.method, recipe, assumed.peek("rank"))
    return usual_training(question.method, recipe, assumed)


def _layout(question: Question, found: Model, task: Job, assumed: Assumed) -> Layout:
    """The layout that was said, completed and judged; or on several devices the fastest that fits, on one the first."""
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
        batch = _near_batch(found.global_batch_tokens / task.seq_len, said, task.cluster.count)
    ground = _ground(task, question, batch)
    usual = Layout(
        sp=task.engine.sp, kernel="flash" if task.engine.flash else "eager", precision=usual_precision(task.cluster)
    )
    if question.layout is not None:
        return complete(said, ground, usual)
    usual = msgspec.structs.replace(usual, precision=said.precision or usual.precision)
    if said.global_batch is None:
        published = found.global_batch_tokens if question.method == "pretrain" else None
        sequences = published / task.seq_len if published else _usual_batch(question, found, task, assumed)
        batch = max(1, round(sequences))
    else:
        batch = said.global_batch
    if task.cluster.count > 1:
        best = _searched(task, question, said, usual, batch)
        if best is not None:
            return best
    return chosen_layout(task, said, usual, batch)


def _searched(task: Job, question: Question, said: PartialLayout, usual: Layout, batch: int) -> Layout | None:
    """The fastest layout that fits; where none does, the smallest of an engine that can split layers."""
    ground = _ground(task, question, workable_batch(batch, task.cluster.count))
    room = space(ground, task.engine.axes, usual, domain=task.cluster.domain, brief=True)
    if said.micro_batch is not None:
        room = msgspec.structs.replace(room, micro_batch=(said.micro_batch,))
    spread = task.memory_spread
    found = search(task, room, ground, [task.usable_bytes / factor for factor in (spread.high, spread.mid, spread.low)])
    best = found.best[0] if found.best else found.smallest if task.engine.axes else None
    return None if best is None else best.layout


def _near_batch(sequences: float, said: PartialLayout, devices: int) -> int:
    """The published batch, rounded to what the replicas can share: 3.2M tokens are 1,562 sequences of GPT-3."""
    replicas = said.dp or max(1, devices // ((said.tp or 1) * (said.pp or 1) * (said.cp or 1)))
    turns = (said.pp or 1) if (said.virtual_stages or 1) > 1 and said.accumulation is None else 1
    each = replicas * (said.micro_batch or 1) * (said.accumulation or 1) * turns
    return max(1, round(sequences / each)) * each


def _usual_batch(question: Question, found: Model, task: Job, assumed: Assumed) -> int:
    """Sequences in one step where nobody says or publishes them."""
    training = Workload(
        found.key, found.name, task.training, token_count(question, found, assumed), int(task.seq_len),
        Interval.exact(0.0), found.architecture,
    )  # fmt: skip
    return usual_batch(training, assumed)


def _ground(task: Job, question: Question, batch: int | None = None) -> Site:
    """Where the layout must fit."""
    return site(
        task.architecture, devices=task.cluster.count, per_node=task.cluster.per_node, seq_len=int(task.seq_len),
        method=question.method, engine=task.engine.key, global_batch=batch,
    )  # fmt: skip


def usual_precision(machine: Cluster) -> Precision:
    """What training on such a device computes in: bf16, fp16 where there is none."""
    return cast("Precision", machine.device.training_dtype or "bf16")


def chosen_layout(task: Job, said: PartialLayout, usual: Layout, batch: int) -> Layout:
    """The first layout of plain replicas that fits the usable memory, with as many micro-batches as the batch has."""
    devices = task.cluster.count
    found = fit(
        task.architecture, task.training, int(task.seq_len), task.cluster.count, [task.usable_bytes],
        micro_batch=said.micro_batch, global_batch=batch, habits=task.engine.memory,
        host_bytes=task.host.capacity,
    )  # fmt: skip
    return msgspec.structs.replace(
        found.layout,
        sp=usual.sp,
        kernel=usual.kernel,
        precision=usual.precision,
        accumulation=max(1, round(batch / (float(found.layout.micro_batch) * devices))),
    )


def _assumed_share(task: Job, found: Estimate) -> float:
    """Share of the step whose rates nobody measured: the device's for computing, the links' for traffic, the engine's.

    What stages wait for each other follows from what they compute.
    """
    time, total, layout = found.time, float(found.step_s), found.layout
    waiting = sum(float(time[name]) for name in TRAFFIC)
    host = sum(float(time[name]) for name in ("launch", "step_overhead"))
    used = [task.cluster.inside] if task.cluster.domain > 1 else []
    used += [task.cluster.between] if float(layout.devices) > task.cluster.domain else []
    links = all(link is not None and link.attained is not None and link.attained.kind == "measured" for link in used)
    assumed = 0.0 if links else waiting
    if task.silicon.kind != "measured":
        assumed += total - waiting - host
    if task.engine.kind != "measured":
        assumed += host
    return assumed / total


def _reading_remarks(found: Model) -> tuple[Text, ...]:
    """That the shape of an undisclosed model is a reading."""
    if not found.readings:
        return ()
    return (Text("{model} is undisclosed: its shape is the first published reading of it.", model=found.name),)


def engine_remarks(task: Job, layout: Layout) -> tuple[Text, ...]:
    """What the layout asks of the engine that it does not have: the estimate shows what it would bring."""
    degrees = {"tp": layout.tp, "pp": layout.pp, "cp": layout.cp, "ep": layout.ep}
    return tuple(
        Text(
            "{engine:word} has no {axis} of its own: another engine may run it so.", engine=task.engine.name, axis=axis
        )
        for axis, degree in degrees.items()
        if degree > 1 and axis not in task.engine.axes
    )


def estimated(
    question: Question,
    ready: Prepared,
    layout: Layout,
    assumed: Assumed,
    catalogue: Catalogue,
    result: Estimate | None = None,
) -> Estimated:
    """A layout's estimate with its intervals and findings; `result` where it is made already."""
    found, usable = ready.found, ready.usable
    task = ready.task.computing(layout.precision)
    there = setting(task, layout.precision)
    if task.training.quantised and layout.precision in LOW_PRECISION:
        raise Contradiction(
            Text("QLoRA unpacks its base to 16 bit, and the products are said to run in {one}.", one=layout.precision),
            Text("Leave the precision out, or take --method lora."),
        )
    result = result or estimate(task, layout, there)
    here = place_of(task, layout.precision)
    spread = step_spread(catalogue, here, named=question.engine is not None)
    # No run uses more of a device than all of it: that bounds how much faster than estimated it can be.
    slower = Interval(max(spread.low, min(1.0, float(result.hfu))), 1.0, spread.high)
    faster = slower.inverse()
    peak = task.memory_spread * float(result.peak_bytes)
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
        connected=connected(result, spread),
        assumed_share=_assumed_share(task, result),
        chosen=question.layout is None,
        assumptions=assumed.used,
        peak_rate=float(there.rates.peak),
        usual_mfu=_usual_mfu(task.cluster, catalogue),
        neighbours=neighbours(catalogue, here),
        remarks=(*remarks(layout, _ground(task, question)), *engine_remarks(task, layout), *_reading_remarks(found)),
    )
