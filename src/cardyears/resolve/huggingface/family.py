"""What must a family say that its configs do not? Its norms, biases, windows and places of experts, as data.

A `Family` is a row of a table: the reader takes the sizes from the config and everything else from here. Where a
config decides a trait by a key of its own, the trait is that key's name. This file reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import structs

from cardyears.resolve.huggingface.fields import Default, Fields
from cardyears.work.architecture import Architecture
from cardyears.work.channels import Channel
from cardyears.work.mixers import Mixer

Trait: TypeAlias = "bool | str"
"""Always so, never so, or as the config's key of this name says."""


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a family's experts are and what belongs to them."""

    place: str = "all"
    """Layers with experts when the config has no list: a rule of `experts.PLACES`."""
    width: str = "expert_ffn"
    """The name of one expert's width."""
    dense_width: str = "ffn"
    """The name of the width of the layers without experts."""
    shared: str = ""
    """The name of the shared experts' width (all together), or "shared_experts" for a number of equal experts."""
    shared_gate: bool = False
    router_bias: bool = False
    bias: Trait = False
    correction: bool = False
    """The bias of the choice is a parameter of the implementation; most hold it as a buffer."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One way of building a decoder: how it is read, its traits, and its implementation's defaults."""

    read: Callable[[Fields, Family], Architecture]
    defaults: Mapping[str, Default] = {}
    mixers: Callable[[Fields, Family, int], Sequence[Mixer]] | None = None
    """The mixer of every layer."""
    channels: Callable[[Fields, Family, int], Sequence[Channel]] | None = None
    """The channel mixer of every layer."""
    norm_vectors: int = 1
    """1 RMSNorm, 2 LayerNorm with bias, 0 without parameters."""
    layer_norms: bool = False
    """Whether norms of one vector are LayerNorms without bias."""
    alibi: bool = False
    """Slopes on the scores instead of a rotary embedding."""
    norms: int = 2
    norms_if: tuple[str, int] | None = None
    """A key, and the norms of a layer where it is true."""
    final_norm: bool = True
    embedding_norm: bool = False
    qkv_bias: Trait = False
    output_bias: Trait = False
    mlp_bias: Trait = False
    head_bias: Trait = False
    gated: bool = True
    qk_norm: str = "none"
    qk_norm_if: str = ""
    """The key that turns the norm of q and k on; without one they always have it."""
    gate: str = "none"
    sinks: bool = False
    window: str = "none"
    """Which layers see a window when the config has no list: none, or a rule of `attention.RULES`."""
    position_rows: int | None = None
    """Rows of the learned position table beyond the longest sequence; None: there is no such table."""
    routing: Routing | None = None
    scales: Callable[[Fields], int] | None = None
    """Learned numbers of each layer that no other trait counts."""


def like(family: Family, defaults: Mapping[str, Default], **changes: object) -> Family:
    """A family that differs from another in its defaults and a few traits."""
    return structs.replace(family, defaults=defaults, **changes)


def sizes(
    layers: int, hidden: int, heads: int, kv_heads: int | None, ffn: int | None, vocab: int, **others: Default
) -> Mapping[str, Default]:
    """The defaults of an implementation: the sizes that nearly all have, and others by name."""
    return {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "ffn": ffn,
        "vocab": vocab,
        **others,
    }


def trait(fields: Fields, value: Trait) -> bool:
    """A trait that is fixed, or that the config decides."""
    return fields.flag(value) if isinstance(value, str) else value
