"""Do the axes fit the model, the pipeline and the cluster? One rule after the other, each with its sentence.

`options` has the rules of sequence, sharding and batch; `legal` runs them all. A rule holds for floats and for arrays
through the same line; its sentence and what mends it are for one layout. What is only slow or unwise is legal:
tensor parallelism across nodes, uneven stages, options that stand idle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, Union

from cardyears.base.broadcast import floor
from cardyears.base.text import Text
from cardyears.layout.layout import Layout
from cardyears.layout.site import Site

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cardyears.base.units import Scalar

    Truth: TypeAlias = Union[bool, NDArray[np.bool_]]

DEGREES = (
    "tp",
    "pp",
    "virtual_stages",
    "dp",
    "cp",
    "ep",
    "etp",
    "shard_group",
    "micro_batch",
    "accumulation",
    "recompute_every",
)
"""Fields that count from one."""
LARGEST = 1e9
"""More than any cluster has devices or any batch sequences; products of two such numbers are still exact."""
END_CHUNKS = 2
"""Embedding and head may be chunks of their own: Llama 3 405B has 126 layers in 16 x 8 (llama3-2024, section 3.3)."""


class Rule(NamedTuple):
    """What must hold, what is said when it does not, and which keys may mend it, the likeliest first."""

    holds: Callable[[Layout, Site], Truth]
    broken: Callable[[Layout, Site], Text]
    mends: tuple[str, ...]
    implied: bool = False
    """Whether later rules refuse the same layouts, only less plainly."""
    otherwise: Callable[[Layout, Site], Text] | None = None
    """The remedy where no single key mends it."""


def whole(value: Scalar) -> Truth:
    """Whether a degree is a whole number from one to `LARGEST`.

    >>> whole(8), whole(2.5), whole(0)
    (True, False, False)
    """
    return (value >= 1) & (value <= LARGEST) & (value == floor_of(value))


def floor_of(value: Scalar) -> Scalar:
    """The largest whole number that is not above; what is not finite stays as it is."""
    if isinstance(value, (int, float)) and not math.isfinite(value):
        return value
    return floor(value)


def undivided(counts: tuple[int, ...], degree: Scalar) -> int:
    """The first count that a degree does not divide."""
    return next(count for count in counts if count % degree)


def common(counts: tuple[int, ...]) -> int:
    """What divides all of them; 0, which everything divides, if there are none."""
    return math.gcd(*counts)


# Tensor, expert and pipeline parallelism against the model.


def _no_larger(key: str) -> Rule:
    """One axis alone is no larger than the cluster."""
    return Rule(
        lambda layout, site: getattr(layout, key) <= site.devices,
        lambda layout, site: Text(
            "{key} = {value:integer} is more than the {devices:integer} devices of the cluster.",
            key=key,
            value=getattr(layout, key),
            devices=site.devices,
        ),
        (key,),
        implied=True,
    )


def _kv(layout: Layout, site: Site) -> Truth:
    """Each rank has whole key and value heads, or a copy of one. Source: megatron-core."""
    held: Truth = True
    for count in site.shape.kv_heads:
        held = held & ((count % layout.tp == 0) | (layout.tp % count == 0))
    return held


def _kv_broken(layout: Layout, site: Site) -> Text:
    tp = layout.tp
    count = next(count for count in site.shape.kv_heads if count % tp and tp % count)
    return Text(
        "tp = {tp:integer} neither divides {heads:integer} key and value heads nor is a multiple of them.",
        tp=tp,
        heads=count,
    )


def _experts(layout: Layout, site: Site) -> Truth:
    if not site.shape.experts:
        return (layout.ep == 1) & (layout.etp == 1)
    return common(site.shape.experts) % layout.ep == 0


def _experts_broken(layout: Layout, site: Site) -> Text:
    if site.shape.experts:
        count = undivided(site.shape.experts, layout.ep)
        return Text("ep = {ep:integer} does not divide {experts:integer} experts.", ep=layout.ep, experts=count)
    key = "ep" if layout.ep != 1 else "etp"
    value = getattr(layout, key)
    return Text("{key} = {value:integer} deals out experts, and the model has none.", key=key, value=value)


KV_HEADS = Rule(_kv, _kv_broken, ("tp",))
UNQUANTISED = Rule(
    lambda layout, site: site.method != "qlora" or layout.tp == 1,
    lambda layout, _: Text(
        "tp = {tp:integer} cannot split the 4-bit weights of QLoRA: bitsandbytes has no tensor parallelism.",
        tp=layout.tp,
    ),
    ("tp",),
)
HEADS = Rule(
    lambda layout, site: common(site.shape.heads) % layout.tp == 0,
    lambda layout, site: Text(
        "tp = {tp:integer} does not divide {heads:integer} heads.",
        tp=layout.tp,
        heads=undivided(site.shape.heads, layout.tp),
    ),
    ("tp",),
)
WIDTHS = Rule(
    lambda layout, site: common(site.shape.widths) % layout.tp == 0,
    lambda layout, site: Text(
        "tp = {tp:integer} does not divide a layer {width:integer} wide.",
        tp=layout.tp,
        width=undivided(site.shape.widths, layout.tp),
    ),
    ("tp",),
)
EXPERT_WIDTHS = Rule(
    lambda layout, site: common(site.shape.expert_widths) % layout.etp == 0,
    lambda layout, site: Text(
        "etp = {etp:integer} does not divide an expert {width:integer} wide.",
        etp=layout.etp,
        width=undivided(site.shape.expert_widths, layout.etp),
    ),
    ("etp",),
)
STAGES = Rule(
    lambda layout, site: layout.pp <= site.shape.layers,
    lambda layout, site: Text(
        "pp = {pp:integer} is more than the model's {layers:integer} layers: the last stage would be empty.",
        pp=layout.pp,
        layers=site.shape.layers,
    ),
    ("pp",),
)
CHUNKS = Rule(
    lambda layout, site: (
        (layout.virtual_stages <= 1) | (layout.pp * layout.virtual_stages <= site.shape.layers + END_CHUNKS)
    ),
    lambda layout, site: Text(
        "pp x virtual_stages = {pp:integer} x {chunks:integer} = {all:integer} chunks, more than embedding, "
        "{layers:integer} layers and head can fill.",
        pp=layout.pp,
        chunks=layout.virtual_stages,
        all=layout.pp * layout.virtual_stages,
        layers=site.shape.layers,
    ),
    ("virtual_stages", "pp"),
)
EXPERTS = Rule(_experts, _experts_broken, ("ep", "etp"), otherwise=lambda *_: Text("Take ep = 1 and etp = 1."))
SHAPE = (
    *(_no_larger(key) for key in ("tp", "pp", "cp", "dp", "ep", "etp")),
    *(UNQUANTISED, HEADS, KV_HEADS, WIDTHS, EXPERTS, EXPERT_WIDTHS, STAGES, CHUNKS),
)
"""The model, and the size of the cluster. Sources: megatron-core (its checks of arguments); torchtitan."""

# Schedules of the pipeline.


def _no_pipeline(layout: Layout, _: Site) -> Text:
    if layout.virtual_stages > 1:
        return Text("virtual_stages = {chunks:integer} needs a pipeline, and pp = 1.", chunks=layout.virtual_stages)
    return Text("schedule = {schedule} needs a pipeline, and pp = 1.", schedule=layout.schedule)


SCHEDULE = (
    Rule(
        lambda layout, _: layout.schedule == "1f1b" or layout.pp > 1, _no_pipeline, ("pp", "virtual_stages", "schedule")
    ),
    Rule(
        lambda layout, _: layout.schedule == "interleaved" or layout.virtual_stages == 1,
        lambda layout, _: Text(
            "schedule = {schedule} gives each stage one chunk of layers, and virtual_stages = {chunks:integer}.",
            schedule=layout.schedule,
            chunks=layout.virtual_stages,
        ),
        ("schedule", "virtual_stages"),
    ),
    Rule(
        lambda layout, _: layout.schedule != "interleaved" or layout.virtual_stages > 1,
        lambda *_: Text("schedule = interleaved deals out several chunks of layers, and virtual_stages = 1."),
        ("virtual_stages", "schedule"),
    ),
    Rule(
        lambda layout, _: layout.schedule != "dualpipe" or layout.pp % 2 == 0,
        lambda layout, _: Text(
            "schedule = dualpipe feeds a pipeline from both ends, and pp = {pp:integer} is odd.", pp=layout.pp
        ),
        ("pp", "schedule"),
    ),
)

# The axes against the cluster.


def _product(layout: Layout, _: Site) -> Scalar:
    return layout.tp * layout.pp * layout.cp


def _product_broken(layout: Layout, site: Site) -> Text:
    degrees = {"tp": layout.tp, "pp": layout.pp, "cp": layout.cp, "devices": site.devices}
    if not whole(layout.dp):
        return Text(
            "tp x pp x cp = {tp:integer} x {pp:integer} x {cp:integer} = {all:integer} does not divide the "
            "cluster's {devices:integer} devices.",
            all=_product(layout, site),
            **degrees,
        )
    return Text(
        "tp x pp x cp x dp = {tp:integer} x {pp:integer} x {cp:integer} x {dp:integer} = {all:integer}, but the "
        "cluster has {devices:integer} devices.",
        dp=layout.dp,
        all=layout.devices,
        **degrees,
    )


def _fitting_cluster(layout: Layout, site: Site) -> Text:
    """The number of devices that the degrees make, or the nearest that they divide."""
    if whole(layout.dp):
        return Text("Name {devices:integer} devices.", devices=layout.devices)
    one: Any = _product(layout, site)
    return Text("Name {devices:integer} devices.", devices=one * max(1, round(site.devices / one)))


MACHINE = (
    Rule(
        lambda layout, site: (layout.devices == site.devices) & whole(layout.dp),
        _product_broken,
        ("dp", "tp", "pp", "cp"),
        otherwise=_fitting_cluster,
    ),
    Rule(
        lambda layout, _: layout.replicas * layout.tp % (layout.ep * layout.etp) == 0,
        lambda layout, _: Text(
            "ep x etp = {ep:integer} x {etp:integer} = {all:integer} does not divide the {ranks:integer} ranks of "
            "tp x cp x dp.",
            ep=layout.ep,
            etp=layout.etp,
            all=layout.ep * layout.etp,
            ranks=layout.replicas * layout.tp,
        ),
        ("ep", "etp"),
        otherwise=lambda *_: Text("Take ep = 1 and etp = 1."),
    ),
)
