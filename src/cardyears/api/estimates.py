"""From the estimate of one layout to its public result."""

from __future__ import annotations

from typing import Any

import msgspec

from cardyears.api import results
from cardyears.api.convert import assumptions, sources
from cardyears.catalogue.load import Catalogue
from cardyears.render.report.estimate import equations, source_keys
from cardyears.verbs.advice import Advice
from cardyears.verbs.estimate import Estimated


def estimate(found: Estimated, catalogue: Catalogue) -> results.Estimate:
    """The result of `estimate`."""
    one = found.estimate
    return results.Estimate(
        subject=found,
        model=found.model,
        method=found.method,
        engine=found.job.engine.name,
        layout=layout(found),
        chosen=found.chosen,
        step_time_s=found.step_s,
        tokens_per_s_per_device=found.tokens_per_s_per_device,
        mfu=found.mfu,
        hfu=found.hfu,
        peak_memory_bytes=found.peak,
        available_bytes=found.available,
        fits=found.fits.verdict.value,
        connected_enough=found.connected.verdict.value,
        why={"fits": str(found.fits.why), "connected_enough": str(found.connected.why)},
        time_ledger={name: float(value) for name, value in one.time.items()},
        memory_ledger={name: float(value) for name, value in one.memory.items()},
        waiting_share=float(one.waiting),
        assumed_share=found.assumed_share,
        usual_mfu=found.usual_mfu,
        neighbours=list(found.neighbours),
        remarks=[str(remark) for remark in found.remarks],
        advice=None if found.advice is None else _advice(found.advice),
        assumptions=assumptions(found.assumptions),
        sources=sources(source_keys(found), catalogue),
        equations={name: str(text) for name, text, _ in equations(found)},
    )


def layout(found: Estimated) -> dict[str, Any]:
    """Every degree and option of the layout, with the devices that it takes and its global batch."""
    one = found.estimate.layout
    compiled = found.job.engine.compiled if one.compiled is None else one.compiled
    sharded = int(one.shards) if one.zero else 1
    said = msgspec.structs.asdict(one) | {"compiled": compiled, "shard_group": sharded}
    return said | {"devices": int(one.devices), "global_batch": int(one.global_batch)}


def _advice(one: Advice) -> results.AdviceResult:
    return results.AdviceResult(
        one.about, one.change, float(one.estimate.step_s), float(one.estimate.peak_bytes), one.gain, str(one.text)
    )
