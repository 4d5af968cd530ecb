"""Which is the best layout of all legal ones, which come next, and why not the obvious ones?"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from cardyears.answer.links import workable_batch
from cardyears.answer.verdict import Verdict
from cardyears.base.errors import Contradiction, MissingFigure, UnreadableValue, listed
from cardyears.base.text import Text
from cardyears.base.units import HOUR
from cardyears.case import Job, Precision, Workload
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.estimate import Estimate
from cardyears.layout.layout import Layout
from cardyears.layout.partial import PartialLayout
from cardyears.layout.site import Site, site
from cardyears.machine.engine import Engine
from cardyears.machine.rates import LOW_PRECISION
from cardyears.question.question import Question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster, owned
from cardyears.resolve.generic import Build
from cardyears.resolve.models import model
from cardyears.resolve.prices import rent
from cardyears.resolve.resolve import usual_batch, workload
from cardyears.search.frontier import Point
from cardyears.search.measured import unlike
from cardyears.search.search import Aim, Found, search
from cardyears.search.space import OPENED, Space, space
from cardyears.verbs.advice import WORTH
from cardyears.verbs.estimate import Estimated, estimate_layout, usual_precision

Objective = Literal["time", "cost", "devices", "memory"]
OBJECTIVES: tuple[str, ...] = get_args(Objective)
SHOWN = 5
"""Layouts that are shown unless --top says otherwise: the best, and those that come next."""
MOST_SHOWN = 50
ONLY_IF_NEEDED = ("chunked_loss", "offload")
"""Switches that are opened, one after the other, where nothing fits without them; on one device always, where the
space is small."""
OF_THE_TRAINING = ("rent", "tokens", "tokens_per_parameter", "finetune_tokens")
"""Assumptions that a plan takes and the estimate of a step does not."""
LIKELY = (Verdict.YES, Verdict.PROBABLY)


class RunnerUp(NamedTuple):
    """A layout that came after the best, and where it lost."""

    estimate: Estimate
    slower: float
    """Its time for each sequence over the best one's."""
    line: str
    """The line of the ledger by which it lost most; of the time ledger unless memory was the aim."""
    lost: float
    """Seconds of a step of the best one's batch, or bytes, that this line is longer."""
    unlike: tuple[Text, ...]
    """In what nothing like it was measured."""


class Planned(msgspec.Struct, frozen=True):
    """The best layout, and everything that was looked at."""

    question: Question
    objective: Objective
    best: Estimated
    """The smallest layout where nothing fits."""
    fits: bool
    runners_up: tuple[RunnerUp, ...]
    found: Found
    room: Space
    ground: Site
    usual: Layout
    opened: tuple[str, ...]
    needed: tuple[str, ...]
    """Of those opened: because nothing fits without them."""
    batch: int
    batch_said: bool
    batch_near: int
    """The published or usual batch that `batch` was taken near to."""
    tokens: float
    device_hours: float | None
    """Of the whole training; None where the tokens are not known."""
    usd_per_hour: float | None
    """Rent of one device."""
    unlike: tuple[Text, ...]
    search_s: float
    tried: tuple[int, ...]
    """Numbers of devices that were looked at."""

    @property
    def frontier(self) -> tuple[Point, ...]:
        """The fastest for each amount of memory."""
        return self.found.frontier

    @property
    def bolder(self) -> Point | None:
        """The fastest layout that fits only if memory comes out as estimated, where it is worth the risk."""
        if self.objective == "memory" or not self.frontier or not self.fits:
            return None
        last = self.frontier[-1]
        mine = float(self.best.estimate.step_s) / self.batch
        return last if last.seconds * WORTH < mine else None

    @property
    def devices(self) -> int:
        """Devices of the best layout."""
        return self.best.job.cluster.count

    @property
    def training_s(self) -> float | None:
        """Seconds of the whole training without interruptions."""
        return None if self.device_hours is None else self.device_hours * HOUR / self.devices

    @property
    def in_time(self) -> bool | None:
        """Whether the training is done in the time that was named; None where none was."""
        if self.question.duration_s is None or self.training_s is None:
            return None
        return self.training_s <= self.question.duration_s

    @property
    def cost_usd(self) -> float | None:
        """Rent of the whole training."""
        if self.device_hours is None or self.usd_per_hour is None:
            return None
        return self.device_hours * self.usd_per_hour


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is to be: read, but nothing looked up."""

    objective: Objective = "time"
    global_batch: int | None = None
    top: int = SHOWN
    opened: tuple[str, ...] = ()
    prune: bool = True


def read_wish(objective: str, global_batch: int | None, top: int, opened: Sequence[str], *, prune: bool) -> Wish:
    """A wish from what was typed; `BadInput` names what does not read."""
    if objective not in OBJECTIVES:
        raise UnreadableValue(
            Text("{name} cannot be {value}.", name="--objective", value=repr(objective)),
            Text("Take one of {allowed}.", allowed=listed(OBJECTIVES)),
        )
    for name in opened:
        if name not in OPENED:
            raise UnreadableValue(
                Text("{name} cannot be {value}.", name="--open", value=repr(name)),
                Text("Take one of {allowed}.", allowed=listed(OPENED)),
            )
    if top > MOST_SHOWN:
        raise UnreadableValue(
            Text("{name} cannot be {value}.", name="--top", value=str(top)),
            Text("Name at most {most:integer}.", most=MOST_SHOWN),
        )
    return Wish(
        objective=objective,  # type: ignore[arg-type]
        global_batch=global_batch, top=top, opened=tuple(dict.fromkeys(opened)), prune=prune,
    )  # fmt: skip


def plan(question: Question, catalogue: Catalogue, wish: Wish) -> Planned:
    """The best layout for the objective, on one kind of device.

    Raises `BadInput` where no layout is legal, or a figure is missing that the objective needs.
    """
    if wish.objective in ("time", "memory") or question.hardware is None or question.hardware.count == 1:
        return plan_on(question, catalogue, wish)
    if wish.objective == "cost":
        return _cheapest(question, catalogue, wish)
    return _fewest(question, catalogue, wish)


def counts(devices: int, per_node: int) -> tuple[int, ...]:
    """Numbers of devices worth a look: powers of two in a node, of nodes, and all of them.

    >>> counts(48, 8)
    (1, 2, 4, 8, 16, 32, 48)
    """
    inside = [2**power for power in range(per_node.bit_length()) if 2**power < per_node]
    nodes = [per_node * 2**power for power in range(devices.bit_length())]
    return (*(count for count in (*inside, *nodes) if count < devices), devices)


def _fewest(question: Question, catalogue: Catalogue, wish: Wish) -> Planned:
    """The fewest devices on which it probably fits and, where a time is given, is done in time."""
    made: Planned | None = None
    for made in _smaller(question, catalogue, wish):
        in_time = question.duration_s is None or (made.training_s or float("inf")) <= question.duration_s
        if made.fits and made.best.fits.verdict in LIKELY and in_time:
            break
    assert made is not None  # the last one is all the devices
    return made


def _cheapest(question: Question, catalogue: Catalogue, wish: Wish) -> Planned:
    """The number of devices on which the whole training takes the fewest device-hours, and so the least rent."""
    every = list(_smaller(question, catalogue, wish))
    if every[-1].usd_per_hour is None:
        raise MissingFigure(
            Text("No price of {device} is known.", device=every[-1].best.job.cluster.device.name),
            Text("Name dollars per device-hour with --assume rent=USD."),
        )
    fitting = [one for one in every if one.fits and one.best.fits.verdict in LIKELY] or every[-1:]
    in_time = [one for one in fitting if one.in_time is not False]
    if not in_time:  # the fastest says how far it is
        return min(fitting, key=lambda one: one.training_s or 0.0)
    return min(in_time, key=lambda one: float(one.best.estimate.step_s) * one.devices / one.batch)


def _smaller(question: Question, catalogue: Catalogue, wish: Wish) -> Iterator[Planned]:
    """The best layouts on ever more of the devices."""
    assert question.hardware is not None
    whole = cluster(question.hardware, catalogue, Assumed({}))
    tried = []
    for count in counts(whole.count, whole.per_node):
        fewer = msgspec.structs.replace(question.hardware, count=count)
        tried.append(count)
        try:
            made = plan_on(msgspec.structs.replace(question, hardware=fewer), catalogue, wish)
        except Contradiction:
            if count == whole.count:
                raise
            continue
        yield msgspec.structs.replace(made, tried=tuple(tried))


class _Setting(NamedTuple):
    """What the search is about."""

    job: Job
    work: Workload
    ground: Site
    usual: Layout
    limits: tuple[float, ...]


def plan_on(question: Question, catalogue: Catalogue, wish: Wish, *, engine: Engine | None = None) -> Planned:
    """The best layout on all devices that were named, by this engine where none is."""
    step_only = {key: value for key, value in question.assume.items() if key not in OF_THE_TRAINING}
    plain = msgspec.structs.replace(question, layout=None, assume=step_only)
    first = estimate_layout(plain, catalogue, engine=engine)
    job, count = first.job, first.job.cluster.count
    assumed = Assumed(question.assume)
    shape = model(question.model, catalogue, assumed, Build(**question.build))
    work = workload(question, shape, assumed)
    near = wish.global_batch or work.global_batch or usual_batch(work, assumed)
    batch = near if wish.global_batch else workable_batch(near, count)
    usual = Layout(
        sp=job.engine.sp, kernel="flash" if job.engine.flash else "eager",
        precision=question.precision or usual_precision(job.cluster),
    )  # fmt: skip
    ground = site(
        job.architecture, devices=count, per_node=job.cluster.per_node, seq_len=int(job.seq_len),
        method=question.method, engine=job.engine.key, global_batch=batch,
    )  # fmt: skip
    spread = job.memory_spread
    limits = tuple(job.usable_bytes / factor for factor in (spread.high, spread.mid, spread.low))
    there = _Setting(job, work, ground, usual, limits)
    started = time.perf_counter()
    found, room, opened, needed = _searched(there, question, wish)
    elapsed = time.perf_counter() - started
    chosen = found.best[0] if found.best else found.smallest
    if chosen is None:
        raise _nothing_legal(there, wish)
    best = estimate_layout(_laid(plain, chosen.layout), catalogue, engine=engine)
    hourly = usd_per_hour(job, catalogue, assumed)
    hours = None
    if work.tokens:
        hours = work.tokens / float(chosen.tokens_per_s_per_device) / HOUR
    return Planned(
        question=question, objective=wish.objective, best=best, fits=bool(found.best),
        runners_up=tuple(
            runner_up(one, chosen, job, by_memory=wish.objective == "memory") for one in found.best[1:]
        ),
        found=found, room=room, ground=ground, usual=usual, opened=opened, needed=needed, batch=batch,
        batch_said=wish.global_batch is not None, batch_near=near, tokens=work.tokens, device_hours=hours,
        usd_per_hour=hourly, unlike=tuple(unlike(job.engine, chosen.layout)), search_s=elapsed, tried=(count,),
    )  # fmt: skip


def usd_per_hour(job: Job, catalogue: Catalogue, assumed: Assumed) -> float | None:
    """Rent of one device: as stated, else the median price; none for a device that is mostly owned."""
    if assumed.stated("rent"):
        return float(assumed.take("rent"))
    price = None if owned(job.cluster.device.family) else rent(job.cluster.device, catalogue)
    return None if price is None else price.usd.mid


def _searched(there: _Setting, question: Question, wish: Wish) -> tuple[Found, Space, tuple[str, ...], tuple[str, ...]]:
    """The search; where nothing fits, once more with what saves memory opened."""
    aim: Aim = "memory" if wish.objective == "memory" else "time"
    within = _seconds_allowed(there, question) if aim == "memory" else math.inf
    alone = ONLY_IF_NEEDED if there.job.cluster.count == 1 else ()
    opened, needed = tuple(dict.fromkeys((*wish.opened, *alone))), tuple[str, ...]()
    if not host_holds(there.job) and "offload" not in wish.opened:
        opened = tuple(name for name in opened if name != "offload")
    switches = [name for name in ONLY_IF_NEEDED if name not in opened]
    if not host_holds(there.job) and "offload" in switches:
        switches.remove("offload")
    while True:
        room = space(
            there.ground, there.job.engine.axes, there.usual, domain=there.job.cluster.domain, opened=opened,
            precisions=common_precisions(there.job) if "precision" in opened else (),
        )  # fmt: skip
        if question.micro_batch is not None:
            room = msgspec.structs.replace(room, micro_batch=(question.micro_batch,))
        found = search(
            there.job, room, there.ground, there.limits, top=wish.top, prune=wish.prune, aim=aim, with_frontier=True,
            within_s=within,
        )  # fmt: skip
        if not found.best and within < math.inf:
            within, aim = math.inf, "time"  # no layout is that fast: the fastest says how far it is
            continue
        if found.best or not found.legal or not switches:
            return found, room, opened, needed
        opened, needed = (*opened, switches[0]), (*needed, switches.pop(0))


def _seconds_allowed(there: _Setting, question: Question) -> float:
    """Seconds for each sequence in which the whole training is done in the time that was named."""
    if question.duration_s is None or not there.work.tokens:
        return math.inf
    return question.duration_s * there.job.seq_len * there.job.useful_tokens / there.work.tokens


def common_precisions(*jobs: Job) -> tuple[Precision, ...]:
    """Types below 16 bit that all these devices train in; `Contradiction` where there are none to open."""
    low = tuple(one for one in LOW_PRECISION if all(one in job.silicon.gain for job in jobs))
    if any(job.training.quantised for job in jobs):
        raise Contradiction(
            Text("QLoRA unpacks its base to 16 bit, and --open precision looks at types below."),
            Text("Leave --open precision out."),
        )
    if not low:
        without = [job for job in jobs if not any(one in job.silicon.gain for one in LOW_PRECISION)]
        why = (
            Text("--open precision looks at types below 16 bit, and {device} trains in none of them here.",
                 device=without[0].cluster.device.name)
            if without
            else Text("--open precision looks at types below 16 bit, and these devices have none in common.")
        )  # fmt: skip
        raise Contradiction(why, Text("Leave --open precision out."))
    return low


def host_holds(job: Job) -> bool:
    """Whether the hosts have room for the optimiser's state."""
    if job.training.adapters:
        return False
    state = job.training.state(job.architecture)
    moved = float(state["optimizer"]) + float(state.get("master_weights", 0.0))
    return moved / job.cluster.count <= job.host.capacity


def _nothing_legal(there: _Setting, wish: Wish) -> Contradiction:
    count = there.ground.devices
    near = workable_batch(wish.global_batch or count, count)
    return Contradiction(
        Text(
            "No layout on {devices:integer} devices makes a global batch of {batch:integer} sequences.",
            devices=count,
            batch=there.ground.global_batch or 0,
        ),
        Text("Try --global-batch {near:integer}, or another number of devices.", near=max(near, count)),
    )


def _laid(question: Question, layout: Layout) -> Question:
    """The question for this very layout."""
    fields = {key: getattr(layout, key) for key in layout.__struct_fields__}
    said = PartialLayout(**fields, global_batch=int(layout.global_batch))
    return msgspec.structs.replace(question, layout=said, precision=None, micro_batch=None)


def runner_up(one: Estimate, best: Estimate, job: Job, *, by_memory: bool = False) -> RunnerUp:
    """Where a layout lost: the line that is longer by most, for the batch of the best."""
    share = float(best.layout.global_batch) / float(one.layout.global_batch)
    if by_memory:
        mine, others = one.memory, best.memory
        more = {name: float(mine.get(name, 0.0)) - float(others.get(name, 0.0)) for name in {**mine, **others}}
    else:
        more = {name: float(line) * share - float(best.time[name]) for name, line in one.time.items()}
    line = max(more, key=lambda name: more[name])
    slower = float(one.step_s) * share / float(best.step_s)
    return RunnerUp(one, slower, line, more[line], tuple(unlike(job.engine, one.layout)))
