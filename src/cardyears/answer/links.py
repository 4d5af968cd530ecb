"""Are several devices connected enough? The best layout of all, and how long its devices wait for each other.

Only asked where there are several devices: one needs no link.
"""

from __future__ import annotations

import math

import msgspec

from cardyears.answer.verdict import Finding, Verdict, within
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Case, Job
from cardyears.estimate.estimate import Estimate
from cardyears.laws.batch import FINETUNE_SEQUENCES
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site, site
from cardyears.search.search import Found, search
from cardyears.search.space import space

TRAFFIC_SPREAD = Interval(0.5, 1.0, 2.0)
"""Traffic that is measured over predicted: exposure and congestion are the least certain part of a step. Assumed."""
NEAR_BATCH = 0.1
"""A power of two this near is what a rounded figure meant: 16M tokens of 8,192 are 2,048 sequences and not 1,953."""
_BATCH_GRAIN = 8
"""A batch is rounded to a power of two that is at most this part of it, so that many degrees divide it."""


class Linked(msgspec.Struct, frozen=True):
    """The best layout on several devices, and what the links take of it."""

    estimate: Estimate
    devices: int
    """Devices that the layout uses: all, or as many as the batch and the model can be divided over."""
    fits: bool
    mfu: Interval
    """Share of the training peak that the step-time ledger gives."""
    connected: Finding


def linked(case: Case) -> Linked | None:
    """The best layout of a case with several devices; None where the sums lack a figure."""
    job = case.job()
    if job is None or case.cluster.count == 1:
        return None
    found, devices = _found(case, job)
    if found is None:
        return None
    estimate = found.best[0] if found.best else found.smallest
    assert estimate is not None
    mfu = case.step_spread.inverse() * float(estimate.mfu)
    return Linked(estimate, devices, bool(found.best), mfu, connected(estimate, TRAFFIC_SPREAD))


def connected(estimate: Estimate, spread: Interval) -> Finding:
    """Whether devices wait for links no longer than they compute; one device waits for none."""
    if float(estimate.layout.devices) == 1:
        return Finding(Verdict.YES, Text("one device needs no link"))
    step, waiting = float(estimate.step_s), float(estimate.waiting)
    verdict = within(spread * (waiting * step), step - waiting * step)
    return Finding(verdict, Text("devices wait {share:percent} of each step for links", share=waiting))


def _found(case: Case, job: Job) -> tuple[Found | None, int]:
    """The search on all devices, or on the largest power of two of them on which there is a legal layout."""
    spread = case.memory_spread[case.method]
    limits = [job.usable_bytes / factor for factor in (spread.high, spread.mid, spread.low)]
    count = case.cluster.count
    usual = Layout(
        sp=job.engine.sp, kernel="flash" if job.engine.flash else "eager", precision=case.precision,
    )  # fmt: skip
    while count >= 1:
        ground = _ground(case, job, count)
        room = space(ground, job.engine.axes, usual, domain=case.cluster.domain, brief=True)
        if case.micro_batch is not None:
            room = msgspec.structs.replace(room, micro_batch=(case.micro_batch,))
        found = search(job, room, ground, limits)
        if found.legal:
            return found, count
        count = 2 ** math.floor(math.log2(count - 1)) if count > 1 else 0
    return None, 0


def _ground(case: Case, job: Job, count: int) -> Site:
    batch = case.workload.global_batch or FINETUNE_SEQUENCES
    return site(
        job.architecture, devices=count, per_node=case.cluster.per_node, seq_len=case.workload.seq_len,
        method=case.method, engine=job.engine.key, global_batch=workable_batch(batch, count),
    )  # fmt: skip


def workable_batch(batch: int, devices: int) -> int:
    """A batch near the one that was said that can be divided over the devices in many ways.

    Published batches are rounded: GPT-3's 3.2M tokens are 1,562 sequences, which hardly any degree divides.

    >>> workable_batch(1_562, 1_024), workable_batch(2_048, 24)
    (1536, 2304)
    """
    near = 2 ** round(math.log2(batch))
    if devices & (devices - 1) == 0 and abs(near / batch - 1) <= NEAR_BATCH:
        return int(near)
    grain = 2 ** math.floor(math.log2(max(1, batch / _BATCH_GRAIN)))
    odd = devices
    while odd % 2 == 0:
        odd //= 2
    step = grain * odd if grain * odd <= 2 * batch else odd if odd <= 2 * batch else grain
    return max(1, round(batch / step)) * step
