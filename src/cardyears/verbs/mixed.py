"""Two kinds of device: how do they train one model best, together or one kind alone, and what does the other bring?"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cardyears.answer.links import workable_batch
from cardyears.base.errors import Contradiction, MissingFigure
from cardyears.base.text import Text
from cardyears.base.units import HOUR
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.mixed import Mixed, Task
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site, site
from cardyears.machine.cluster import Cluster, Pair
from cardyears.question.question import Question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.engines import find_engine
from cardyears.resolve.generic import Build
from cardyears.resolve.models import model
from cardyears.resolve.pairs import pair
from cardyears.resolve.resolve import usual_batch, workload
from cardyears.search.measured import pessimism
from cardyears.search.mixed import MixedFound, pipelines
from cardyears.search.replicas import replicas
from cardyears.search.space import space
from cardyears.verbs.estimate import Estimated, Prepared, engine_remarks, estimated, prepared
from cardyears.verbs.plan import (
    OF_THE_TRAINING,
    ONLY_IF_NEEDED,
    Planned,
    Wish,
    common_precisions,
    host_holds,
    plan,
    plan_on,
    usd_per_hour,
)
from cardyears.verbs.ways import TOGETHER, Key, MixedPlanned, Way, common_precision, rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from cardyears.search.space import Space


class _Ground(NamedTuple):
    """What all ways share."""

    question: Question
    """Without what plays no part in a step."""
    ready: tuple[Prepared, Prepared]
    assumed: tuple[Assumed, Assumed]
    task: Task
    where: Site
    usual: Layout
    limits: tuple[float, ...]
    hourly: tuple[float | None, float | None]
    tokens: float


def planned(question: Question, catalogue: Catalogue, wish: Wish) -> Planned | MixedPlanned:
    """The best layout on whatever machine was named."""
    if "precision" in wish.opened and question.precision is not None:
        raise Contradiction(
            Text("--precision says {one}, and --open precision looks at several.", one=question.precision),
            Text("Keep one of them."),
        )
    two = question.hardware is not None and question.hardware.second is not None
    return mixed(question, catalogue, wish) if two else plan(question, catalogue, wish)


def mixed(question: Question, catalogue: Catalogue, wish: Wish) -> MixedPlanned:
    """All ways at the same global batch, ranked; `BadInput` where no layout of any is legal."""
    _refuse_one_kind_only(question, wish)
    assert question.hardware is not None
    full = (Assumed(question.assume), Assumed(question.assume))
    plain = msgspec.structs.replace(
        question, layout=None, assume={key: one for key, one in question.assume.items() if key not in OF_THE_TRAINING}
    )
    assumed = (Assumed(plain.assume), Assumed(plain.assume))
    machine = pair(question.hardware, catalogue, assumed)
    ready, task = _prepared(plain, catalogue, assumed, machine)
    work = workload(question, ready[0].found, full[0])
    near = wish.global_batch or work.global_batch or usual_batch(work, full[0])
    many = math.lcm(*(one.count for one in machine.kinds))
    batch = near if wish.global_batch else workable_batch(near, many)
    spread = task.kinds[0].memory_spread
    job = task.kinds[0]
    ground = _Ground(
        plain, ready, assumed, task,
        site(
            job.architecture, devices=machine.count, per_node=min(one.per_node for one in machine.kinds),
            seq_len=int(job.seq_len), method=question.method, engine=job.engine.key, global_batch=batch,
        ),
        Layout(sp=job.engine.sp, kernel="flash" if job.engine.flash else "eager",
               precision=question.precision or common_precision(machine)),
        tuple(1.0 / factor for factor in (spread.high, spread.mid, spread.low)),
        (usd_per_hour(job, catalogue, full[0]), usd_per_hour(task.kinds[1], catalogue, full[1])),
        work.tokens,
    )  # fmt: skip
    started = time.perf_counter()
    joint, opened, needed = (
        _joint(ground, question, wish, catalogue) if machine.talking else (_strangers(machine), wish.opened, ())
    )
    ways = [*joint, *_alone(ground, question, wish, catalogue, near)]
    assumed[0].refuse_idle(assumed[1], *full)
    return MixedPlanned(
        question=question, objective=wish.objective, model=ready[0].found.name, pair=machine,
        ways=_ranked(ways, question, wish, batch),
        available=(job.usable_bytes, task.kinds[1].usable_bytes),
        engine=job.engine, usual=ground.usual, opened=opened, needed=needed, batch=batch,
        batch_said=wish.global_batch is not None, batch_near=near, tokens=work.tokens,
        search_s=time.perf_counter() - started,
    )  # fmt: skip


def _refuse_one_kind_only(question: Question, wish: Wish) -> None:
    """The objectives that are of one kind of device: fewer of it, or less of its memory."""
    written = question.hardware.written if question.hardware else ""
    remedy = Text("Take --objective time or cost, or name one kind.")
    if wish.objective == "devices":
        raise Contradiction(
            Text("--objective devices looks for fewer devices of one kind, and two are named: {machine}.",
                 machine=written), remedy,
        )  # fmt: skip
    if wish.objective == "memory":
        raise Contradiction(
            Text("--objective memory compares layouts by the memory of one kind of device, and two are named: "
                 "{machine}.", machine=written), remedy,
        )  # fmt: skip


def _prepared(
    question: Question, catalogue: Catalogue, assumed: tuple[Assumed, Assumed], machine: Pair
) -> tuple[tuple[Prepared, Prepared], Task]:
    """The step on each kind, and on the whole machine as each kind sees it, by one engine."""
    found = [model(question.model, catalogue, each, Build(**question.build)) for each in assumed]
    engine = find_engine(question.engine, question.method, machine.whole(0), catalogue, assumed[0])
    one, other = (
        prepared(question, of, catalogue, each, kind, engine)
        for of, each, kind in zip(found, assumed, machine.kinds, strict=True)
    )
    first, second = (
        msgspec.structs.replace(ready.task, cluster=machine.whole(kind)) for kind, ready in enumerate((one, other))
    )
    return (one, other), Task((one.task, other.task), (first, second))


def _joint(
    ground: _Ground, question: Question, wish: Wish, catalogue: Catalogue
) -> tuple[list[Way], tuple[str, ...], tuple[str, ...]]:
    """Both ways over both kinds; where neither fits, once more with what saves memory opened."""
    opened, needed = wish.opened, tuple[str, ...]()
    switches = [name for name in ONLY_IF_NEEDED if name not in opened and (
        name != "offload" or all(map(host_holds, ground.task.kinds))
    )]  # fmt: skip
    searches: tuple[tuple[Key, Callable[..., MixedFound]], ...] = (("pipeline", pipelines), ("replicas", replicas))
    while True:
        room = _space(ground, question, opened)
        found = {
            key: search(ground.task, room, ground.where, ground.limits, top=wish.top, prune=wish.prune)
            for key, search in searches
        }
        if any(one.best for one in found.values()) or not any(one.legal for one in found.values()) or not switches:
            break
        opened, needed = (*opened, switches[0]), (*needed, switches.pop(0))
    return [_way(key, one, ground, catalogue) for key, one in found.items()], opened, needed


def _strangers(machine: Pair) -> list[Way]:
    """Both ways over both kinds where their devices cannot be in one training."""
    one, other = machine.makers
    why = Text("{one} and {other} devices have no communication library in common", one=one, other=other)
    return [Way(key, Text(name), machine.count, why) for key, name in TOGETHER.items()]


def _space(ground: _Ground, question: Question, opened: Sequence[str]) -> Space:
    """All layouts but those with tensor parallelism inside an expert and those sharded in groups (HSDP).

    These two seldom win, and with every way to share out the layers they are most of the space.
    """
    kinds = ground.task.kinds
    room = space(
        ground.where, kinds[0].engine.axes, ground.usual, domain=min(job.cluster.domain for job in kinds),
        opened=opened, precisions=common_precisions(*kinds) if "precision" in opened else (),
    )  # fmt: skip
    room = msgspec.structs.replace(room, etp=(1,), shard_nodes=())
    return room if question.micro_batch is None else msgspec.structs.replace(room, micro_batch=(question.micro_batch,))


def _way(key: Key, found: MixedFound, ground: _Ground, catalogue: Catalogue) -> Way:
    """What came of one way over both kinds."""
    devices, batch = ground.where.devices, ground.where.global_batch or 1
    way = Way(key, Text(TOGETHER[key]), devices, legal=found.legal, searched=found.searched, fitting=found.fitting)
    if not found.best:
        return msgspec.structs.replace(way, why=_impossible(key, found, ground))
    first = found.best[0]
    hourly = _sum(
        None if usd is None else usd * job.cluster.count
        for usd, job in zip(ground.hourly, ground.task.kinds, strict=True)
    )
    return msgspec.structs.replace(
        way, best=_estimated(first, ground, catalogue), fits=True, level=found.level, value=found.values[0] * batch,
        mixed=found.best, usd_per_hour=hourly,
        device_seconds=ground.tokens / float(first.estimate.tokens_per_s_per_device) if ground.tokens else None,
    )  # fmt: skip


def _sum(values: Iterator[float | None]) -> float | None:
    known = list(values)
    return None if None in known else sum(one for one in known if one is not None)


def _impossible(key: Key, found: MixedFound, ground: _Ground) -> Text:
    """Why a way has no layout that fits, or none that is legal."""
    engine = ground.task.kinds[0].engine
    if found.legal:
        return Text("none of {legal:integer} layouts fits", legal=found.legal)
    if key == "pipeline" and "pp" not in engine.axes:
        return Text("{engine:word} has no pipeline of its own; --engine names another", engine=engine.name)
    return Text("no layout divides both kinds evenly at this batch")


def _estimated(one: Mixed, ground: _Ground, catalogue: Catalogue) -> Estimated:
    """The estimate with its intervals, as the kind sees it that has the least to spare."""
    layout = one.estimate.layout
    tight = max((0, 1), key=lambda kind: float(one.kinds[kind].memory.total) / ground.task.kinds[kind].usable_bytes)
    unsure = msgspec.structs.replace(ground.question, engine=None)  # a known engine, but not on such a machine
    sides = [
        estimated(unsure, ready, layout, assumed, catalogue, one.estimate)
        for ready, assumed in zip(ground.ready, ground.assumed, strict=True)
    ]
    job = ground.task.kinds[tight]
    return msgspec.structs.replace(
        sides[tight], assumed_share=max(side.assumed_share for side in sides), usual_mfu=None,
        remarks=engine_remarks(job, layout),
        assumptions=tuple(dict.fromkeys(part for side in sides for part in side.assumptions)),
        neighbours=tuple(dict.fromkeys(one for side in sides for one in side.neighbours)),
    )  # fmt: skip


def _alone(ground: _Ground, question: Question, wish: Wish, catalogue: Catalogue, near: int) -> Iterator[Way]:
    """Each kind without the other, at the same batch and by the same engine."""
    assert question.hardware is not None
    assert question.hardware.second is not None
    words = (msgspec.structs.replace(question.hardware, second=None), question.hardware.second)
    batch = ground.where.global_batch
    keys: tuple[Key, Key] = ("first", "second")
    for key, one, usd, job in zip(keys, words, ground.hourly, ground.task.kinds, strict=True):
        kind = job.cluster
        way = Way(key, _only(kind), kind.count)
        asked = msgspec.structs.replace(question, hardware=one)
        try:
            made = plan_on(asked, catalogue, msgspec.structs.replace(wish, global_batch=batch), engine=job.engine)
        except Contradiction as error:
            yield msgspec.structs.replace(way, why=error.rule)
            continue
        made = msgspec.structs.replace(made, batch_said=wish.global_batch is not None, batch_near=near)
        yield msgspec.structs.replace(
            way, best=made.best, fits=made.fits, level=made.found.level, planned=made, legal=made.found.legal,
            searched=made.found.searched, fitting=made.found.fitting, value=_value(made),
            device_seconds=None if made.device_hours is None else made.device_hours * HOUR,
            usd_per_hour=None if usd is None else usd * kind.count,
            why=None if made.fits else Text("none of {legal:integer} layouts fits", legal=made.found.legal),
        )  # fmt: skip


def _value(made: Planned) -> float:
    """Seconds of a step by which the best layout of one kind is ranked."""
    found = made.best.estimate
    return float(found.step_s * pessimism(made.best.job.engine.key, found.layout))


def _only(kind: Cluster) -> Text:
    if kind.count == 1:
        return Text("one {device} alone", device=kind.device.name)
    return Text("{count:integer} {device} alone", count=kind.count, device=kind.device.name)


def _ranked(ways: Sequence[Way], question: Question, wish: Wish, batch: int) -> tuple[Way, ...]:
    """The best first: what fits, surely before probably, in time where a time is named, then by the objective."""
    if wish.objective == "cost" and any(way.fits and way.cost_usd is None for way in ways):
        raise MissingFigure(
            Text("No price of every device is known."), Text("Name dollars per device-hour with --assume rent=USD.")
        )
    if all(way.best is None for way in ways):
        raise Contradiction(
            Text(
                "No layout on both kinds of device or on one alone makes a global batch of {batch:integer} sequences.",
                batch=batch,
            ),
            Text("Name another --global-batch, or another number of devices."),
        )
    return tuple(sorted(ways, key=lambda way: rank(way, question, wish.objective)))
