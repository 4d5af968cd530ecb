"""What does one rank hold from step to step? Weights, gradients, master copy and moments, after ZeRO and offload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cardyears.base.broadcast import any_of, maximum, minimum, where
from cardyears.base.ledger import Ledger
from cardyears.layout.layout import ZERO_GRADIENTS, ZERO_OPTIMIZER, ZERO_WEIGHTS, Layout
from cardyears.layout.pipeline import in_flight, in_flight_last, in_flight_second, stages
from cardyears.layout.shard import RankParameters
from cardyears.machine.engine import MemoryHabits
from cardyears.work.architecture import Architecture
from cardyears.work.channels import Experts
from cardyears.work.state import BF16_BYTES, Recipe, Training

if TYPE_CHECKING:
    from cardyears.base.units import Bytes, Scalar

_SHARDED_FROM_STAGE = {
    "optimizer": ZERO_OPTIMIZER,
    "master_weights": ZERO_OPTIMIZER,
    "gradients": ZERO_GRADIENTS,
    "weights": ZERO_WEIGHTS,
}
"""The ZeRO stage from which each line is sharded (Rajbhandari 2020, figure 1)."""
LOW_PRECISION_COPIES = {"fp8": 2.0, "mxfp8": 2.0, "nvfp4": 1.125}
"""Bytes for each weight of a product kept in low precision beside it: as it is and transposed, with nvfp4's block
scales. Source: transformer-engine."""
DUALPIPE_COPIES = 2.0
"""DualPipe holds weights and gradients of two stages: its own and its mirror's. Source: deepseek-v3-2024, table 3."""


class Place(NamedTuple):
    """One rank that may be the fullest: its share of all layers, what it holds in flight, which ends it has."""

    layers: Scalar
    routed: Scalar
    """Its share of the layers with experts: dense ones come first."""
    flight: Scalar
    first: Scalar
    last: bool


def places(arch: Architecture, layout: Layout) -> Iterator[Place]:
    """The first stage, the second and the last; one where there is no pipeline.

    >>> [place.layers for place in places(LLAMA2_7B, Layout(pp=4, accumulation=8))]
    [0.25, 0.25, 0.25]
    """
    count = float(arch.layer_count)
    if not any_of(layout.pp != 1):
        yield Place(1.0, 1.0, 1.0, first=1.0, last=True)
        return
    have, flight = stages(count, layout), in_flight(layout)
    alone = layout.pp <= 1
    leading = leading_dense(arch)
    sparse = max(count - leading, 1.0)
    begun = maximum(have.first - leading, 0.0) / sparse
    yield Place(have.first / count, begun, flight, first=1.0, last=False)
    between = where(layout.pp > 2, have.middle, 0.0)
    yield Place(between / count, minimum(between / sparse, 1.0), in_flight_second(layout), first=0.0, last=False)
    flight = where(alone, flight, in_flight_last(layout))
    yield Place(have.last / count, minimum(have.last / sparse, 1.0), flight, first=where(alone, 1.0, 0.0), last=True)


@lru_cache(maxsize=1024)
def leading_dense(arch: Architecture) -> float:
    """Layers before the first one with experts; none where no layer has any.

    >>> leading_dense(LLAMA2_7B)
    0.0
    """
    dense = 0
    for layer, times in arch.layers:
        if isinstance(layer.channel, Experts):
            return float(dense)
        dense += times
    return 0.0


def sharded_state(state: Ledger, zero: Scalar, shards: Scalar) -> Ledger:
    """The state that one rank holds under a ZeRO stage.

    >>> from cardyears.work.state import full_state
    >>> sharded_state(full_state(GPT3_175B, RECIPES["adamw"]), 3, 275).total / 1e9
    10.15...
    """
    return _divided(state, _divisors(zero, shards))


def _divisors(zero: Scalar, shards: Scalar) -> Mapping[str, Scalar]:
    """What each line of the state is divided by."""
    return {name: where(zero >= stage, shards, 1.0) for name, stage in _SHARDED_FROM_STAGE.items()}


def _divided(state: Ledger, by: Mapping[str, Scalar]) -> Ledger:
    return Ledger({name: value / by[name] for name, value in state.items()})


class Sharing(NamedTuple):
    """How ZeRO divides the state of layers and tables, and that of routed experts: the same on every stage."""

    dense: Mapping[str, Scalar]
    routed: Mapping[str, Scalar]


def sharing(layout: Layout) -> Sharing:
    """The divisors under a layout's ZeRO stage.

    >>> sharing(Layout(dp=8, zero=1)).dense["optimizer"]
    8.0
    """
    # With a pipeline ZeRO 2 scatters once, after the last micro-batch: until then gradients are whole.
    late = (layout.pp > 1) & (layout.zero == ZERO_GRADIENTS)
    stage = where(late, ZERO_OPTIMIZER, layout.zero)
    return Sharing(_divisors(stage, layout.shards * 1.0), _divisors(stage, layout.expert_replicas))


def state(
    arch: Architecture,
    training: Training,
    layout: Layout,
    habits: MemoryHabits,
    held: RankParameters,
    adapters: Scalar,
    place: Place,
    shared: Sharing,
) -> Ledger:
    """Weights, gradients, master copy and moments of one rank, after ZeRO and offload."""
    dense, routed = held.dense * place.layers, held.routed * place.routed
    linear = held.dense_linear * place.layers
    table = held.embedding * place.first + held.head * place.last
    if arch.tied and place.last:
        table = table + held.embedding * (1.0 - place.first)  # the tied table stands on both ends
    around = _bytes(training, dense + table, linear, adapters * place.layers)
    low = LOW_PRECISION_COPIES.get(layout.precision, 0.0) * habits.low_precision_copies
    if low:
        around = around.plus({"weights": linear * low})
    found = _divided(around, shared.dense)
    if any_of(held.routed):
        experts = _bytes(training, routed, routed, 0.0 * routed).plus({"weights": routed * low})
        found = found.plus(_divided(experts, shared.routed))
    if layout.schedule == "dualpipe":
        more = DUALPIPE_COPIES - 1.0
        found = found.plus({"weights": found["weights"] * more, "gradients": found["gradients"] * more})
    if layout.offload == "none":
        return found
    gone = ["optimizer", "master_weights"] + (["weights"] if layout.offload == "optimizer+weights" else [])
    return Ledger({name: 0.0 * value if name in gone else value for name, value in found.items()})


def _bytes(training: Training, parameters: Scalar, linear: Scalar, adapters: Scalar) -> Ledger:
    """State of so many parameters, of which `linear` may be quantised; adapters stand with the dense part."""
    recipe = training.trained
    if not training.adapters:
        return Ledger(
            weights=parameters * recipe.weight,
            gradients=parameters * recipe.gradient,
            master_weights=parameters * recipe.master,
            optimizer=parameters * recipe.moments,
        )
    base = linear * training.base_bytes + (parameters - linear) * BF16_BYTES
    return Ledger(
        weights=base + adapters * recipe.weight,
        gradients=adapters * recipe.gradient,
        master_weights=adapters * recipe.master,
        optimizer=adapters * recipe.moments,
    )


def state_only(parameters: float, recipe: Recipe) -> Bytes:
    """Bytes of state of a model of which only the number of parameters is known: a lower bound of what it needs.

    >>> state_only(175e9, RECIPES["adamw"]) / 1e12
    2.8
    """
    return parameters * recipe.bytes_per_parameter


GRADIENT_AND_WEIGHT_PASSES = 3
"""ZeRO-3 gathers the weights forward and backward and scatters the gradients once (Rajbhandari 2020, section 7)."""


def zero3_traffic(parameters: float, bytes_per_weight: float = 2.0) -> Bytes:
    """Bytes that each rank sends (and receives) in one optimiser step under ZeRO-3, for many ranks.

        3 · 2 B · N

    Source: zero-2020, section 7.2.

    >>> zero3_traffic(174.6e9) / 1e12
    1.0476
    """
    return GRADIENT_AND_WEIGHT_PASSES * bytes_per_weight * parameters
