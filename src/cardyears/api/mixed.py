"""From a plan on two kinds of device to its public result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cardyears.api import estimates, plans
from cardyears.catalogue.load import Catalogue
from cardyears.layout.written import written
from cardyears.verbs.ways import MixedPlanned, Way, runners_up, unsure

ENDS = ("high", "mid", "low")
"""Of the interval of the memory, by `Way.level`."""


def plan(made: MixedPlanned, catalogue: Catalogue) -> plans.Plan:
    """The result of `plan`: that of the best way, with all ways beside it."""
    best, ways = made.best, [_way(way, made) for way in made.ways]
    counted = {name: sum(getattr(way, name) for way in made.ways) for name in ("legal", "searched", "fitting")}
    shared: dict[str, Any] = {
        **counted, "subject": made, "ways": ways, "pruned": counted["legal"] - counted["searched"],
        "search_s": made.search_s, "objective": made.objective, "in_time": made.in_time, "time_s": best.training_s,
        "cost_usd": best.cost_usd,
    }  # fmt: skip
    if best.planned is not None:
        return msgspec.structs.replace(plans.plan(best.planned, catalogue), **shared)
    assert best.best is not None  # a way over both is the best only where it fits
    one = estimates.estimate(best.best, catalogue).as_dict()
    one["layout"] = {**one["layout"], "accumulation": _whole(best), "global_batch": made.batch}
    return plans.Plan(
        model=made.model, method=made.question.method, devices=best.devices, global_batch=made.batch,
        best={**one, "chosen": True, "line": _line(best, made), "parts": msgspec.to_builtins(list(_parts(best, made)))},
        runners_up=[plans.runner_up(each, made.usual) for each in runners_up(best)],
        obvious=[], frontier=[], optimisers=[], longest_sequence=None, opened=list(made.opened),
        needed=list(made.needed), unmeasured=[str(text) for text in unsure(best)], tried_devices=[best.devices],
        **shared,
    )  # fmt: skip


def _whole(way: Way) -> int | None:
    """Micro-batches of every replica in a step; None where the kinds have unequal numbers: `parts` has each."""
    found = {int(kind.layout.accumulation) for kind in way.mixed[0].kinds}
    return found.pop() if len(found) == 1 else None


def _line(way: Way, made: MixedPlanned) -> str:
    return "" if way.best is None else written(way.best.estimate.layout, made.usual)


def _way(way: Way, made: MixedPlanned) -> plans.WayResult:
    found = way.best
    return plans.WayResult(
        way=way.key,
        name=str(way.name),
        devices=way.devices,
        fits=way.fits,
        layout=_line(way, made),
        step_time_s=None if found is None else found.step_s,
        tokens_per_s=None if found is None else found.tokens_per_s_per_device.mid * way.devices,
        mfu=None if found is None else found.mfu.mid,
        time_s=way.training_s,
        cost_usd=way.cost_usd,
        parts=list(_parts(way, made)),
        unmeasured=[str(text) for text in unsure(way)],
        why="" if way.why is None else str(way.why),
        fits_at=ENDS[way.level] if way.fits else "",
    )


def _parts(way: Way, made: MixedPlanned) -> Iterator[plans.PartResult]:
    """What each kind does."""
    if way.mixed:
        for cluster, kind, have in zip(made.pair.kinds, way.mixed[0].kinds, made.available, strict=True):
            one = kind.layout
            yield plans.PartResult(
                cluster.device.name, cluster.count, int(one.pp), kind.layers, int(one.dp), int(one.accumulation),
                float(kind.memory.total), have,
            )  # fmt: skip
    elif way.best is not None:
        found, job = way.best, way.best.job
        one = found.estimate.layout
        yield plans.PartResult(
            job.cluster.device.name, way.devices, int(one.pp), job.architecture.layer_count, int(one.dp),
            int(one.accumulation), float(found.estimate.peak_bytes), found.available,
        )  # fmt: skip
