"""Which attention has each layer? Grouped-query attention, and which layers see a window only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from cardyears.base.text import Text
from cardyears.resolve.huggingface.family import Family, trait
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.mixers import Attention, Mixer

FULL, SLIDING, CHUNKED = "full_attention", "sliding_attention", "chunked_attention"
KINDS = (FULL, SLIDING, CHUNKED)


def grouped(fields: Fields, family: Family, layers: int) -> list[Mixer]:
    """Grouped-query attention in every layer, each with its window."""
    full = grouped_query(fields, family)
    kinds: Mapping[str, Mixer] = {
        FULL: full,
        SLIDING: structs.replace(full, window=fields.optional("sliding_window", least=0) or None),
        CHUNKED: structs.replace(full, window=fields.optional("attention_chunk_size"), blocks=True),
    }
    return [kinds[kind] for kind in layer_kinds(fields, family, layers)]


def grouped_query(fields: Fields, family: Family) -> Attention:
    """Attention over everything, with the family's biases and norms."""
    heads = fields.whole("heads")
    kv_heads = fields.optional("kv_heads") or heads
    fields.divides("kv_heads", kv_heads, "heads", heads)
    normed = not family.qk_norm_if or fields.flag(family.qk_norm_if)
    return Attention(
        heads,
        kv_heads,
        fields.head_dim(),
        qkv_bias=trait(fields, family.qkv_bias),
        output_bias=trait(fields, family.output_bias),
        qk_norm=family.qk_norm if normed else "none",
        gate=family.gate,
        sinks=family.sinks,
    )


def layer_kinds(fields: Fields, family: Family, layers: int) -> tuple[str, ...]:
    """Whether each layer attends to everything, a sliding window or its own chunk."""
    if family.window == "none":
        return (FULL,) * layers
    if fields.defaults.get("use_sliding_window") is not None and not fields.flag("use_sliding_window"):
        return (FULL,) * layers
    stated = fields.words("layer_types", KINDS, layers)
    return stated if stated is not None else RULES[family.window](fields, layers)


def _stated(fields: Fields, layers: int) -> tuple[str, ...]:  # noqa: ARG001 - other rules read the config
    return (FULL,) * layers


def _all(fields: Fields, layers: int) -> tuple[str, ...]:  # noqa: ARG001 - other rules read the config
    return (SLIDING,) * layers


def _pattern(fields: Fields, layers: int) -> tuple[str, ...]:
    """Every so-manieth layer attends to everything; "LLLG" says the same as 4."""
    pattern = fields.value("window_pattern")
    if isinstance(pattern, str):
        if not pattern or set(pattern) - set("LG"):
            what = Text("no pattern of local and global layers")
            raise fields.wrong("window_pattern", pattern, what, Text('Write a number, or letters such as "LLLG".'))
        return tuple(SLIDING if pattern[i % len(pattern)] == "L" else FULL for i in range(layers))
    every = fields.whole("window_pattern")
    return tuple(FULL if (i + 1) % every == 0 else SLIDING for i in range(layers))


def _first(fields: Fields, layers: int) -> tuple[str, ...]:
    every = fields.whole("window_pattern")
    return tuple(FULL if i % every == 0 else SLIDING for i in range(layers))


def _late(fields: Fields, layers: int) -> tuple[str, ...]:
    first = fields.whole("max_window_layers", least=0)
    return tuple(SLIDING if i >= first else FULL for i in range(layers))


def _early(fields: Fields, layers: int) -> tuple[str, ...]:
    last = fields.whole("max_window_layers", least=0)
    return tuple(SLIDING if i % 2 == 0 and i < last else FULL for i in range(layers))


def _unrotated(fields: Fields, layers: int) -> tuple[str, ...]:
    return tuple(FULL if rotated else SLIDING for rotated in _rotary(fields, layers))


def _rotated(fields: Fields, layers: int) -> tuple[str, ...]:
    return tuple(CHUNKED if rotated else FULL for rotated in _rotary(fields, layers))


def _rotary(fields: Fields, layers: int) -> tuple[int, ...]:
    """Which layers have a rotary embedding: as a list says, or all but every so-manieth."""
    stated = fields.wholes("no_rope_layers", layers)  # its 1 means that the layer has one
    if stated:
        return stated
    every = fields.whole("no_rope_layer_interval", 4)
    return tuple((i + 1) % every for i in range(layers))


RULES: Mapping[str, Callable[[Fields, int], tuple[str, ...]]] = {
    "stated": _stated,
    "all": _all,
    "pattern": _pattern,
    "first": _first,
    "late": _late,
    "early": _early,
    "unrotated": _unrotated,
    "rotated": _rotated,
}
"""How a family lays its windows when the config has no list; `Family.window` names one."""
