"""Gemma 3n and 4: an embedding for each layer, keys shared between layers, experts beside the dense MLP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import structs

from cardyears.base.text import Text
from cardyears.resolve.huggingface.attention import FULL, SLIDING, grouped_query
from cardyears.resolve.huggingface.decoder import architecture
from cardyears.resolve.huggingface.dense import GEMMA
from cardyears.resolve.huggingface.experts import chosen
from cardyears.resolve.huggingface.family import Family, like, sizes
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.linear import Linear
from cardyears.work.mixers import Attention

RESIDUAL = "residual_path"


def gemma4(fields: Fields, family: Family) -> Architecture:
    """Wider heads where everything is seen; the last layers may share the keys of earlier ones.

    Source: Gemma 4's config and transformers' implementation.
    """
    count, inputs = fields.layers(), fields.whole("hidden_size_per_layer_input", least=0)
    hidden = fields.whole("hidden")
    beside, norms = _layer_input(hidden, inputs), family.norms + bool(inputs)
    with_experts = fields.flag("enable_moe_block")
    # With experts, both ways have norms of their own, and the router scales the width and each expert.
    scales = hidden + fields.whole("experts") if with_experts else 0
    ffn, first_shared = fields.whole("ffn"), count - _shared(fields, count)
    shared_ffn = ffn * (2 if fields.flag("use_double_wide_mlp") else 1)

    def layer(i: int, mixer: Attention) -> Layer:
        shared = i >= first_shared
        width = shared_ffn if shared else ffn
        channel: Channel = _experts4(fields, width) if with_experts else Mlp(width, family.gated)
        return Layer(
            structs.replace(mixer, keys="shared") if shared else mixer,
            channel,
            norms + 3 * with_experts,
            beside,
            scales,
        )

    layers = [layer(i, mixer) for i, mixer in enumerate(_mixers4(fields, family, count))]
    return _with_layer_embedding(fields, architecture(fields, family, layers), inputs)


def _shared(fields: Fields, count: int) -> int:
    return fields.whole("num_kv_shared_layers", 0, least=0, most=count - 1)


def _layer_input(hidden: int, inputs: int) -> tuple[Linear, ...]:
    """The gate of a layer's own embedding and the way from it to the hidden width."""
    gate, back = Linear(RESIDUAL, "layer_gate", hidden, inputs), Linear(RESIDUAL, "layer_back", inputs, hidden)
    return (gate, back) if inputs else ()


def _with_layer_embedding(fields: Fields, found: Architecture, inputs: int) -> Architecture:
    """The table with a row of `inputs` numbers for every token and layer, and the projection beside it."""
    if not inputs:
        return found
    width = found.layer_count * inputs
    return structs.replace(
        found,
        looked_up=fields.whole("vocab_size_per_layer_input") * width,
        beside=(*found.beside, Linear(RESIDUAL, "layer_inputs", found.hidden, width)),
        scales=found.scales + inputs,
    )


def _mixers4(fields: Fields, family: Family, count: int) -> Iterator[Attention]:
    sliding = structs.replace(grouped_query(fields, family), window=fields.optional("sliding_window"))
    as_values = fields.flag("attention_k_eq_v")
    fewer = fields.optional("num_global_key_value_heads") if as_values else None
    full = structs.replace(
        sliding,
        head_dim=fields.whole("global_head_dim"),
        kv_heads=fewer or sliding.kv_heads,
        window=None,
        keys="values" if as_values else "own",
    )
    fields.divides("num_global_key_value_heads", full.kv_heads, "heads", full.heads)
    kinds = {FULL: full, SLIDING: sliding}
    overrides = _overrides(fields)
    stated = fields.words("layer_types", tuple(kinds), count)
    which = list(stated or (FULL if (i + 1) % 6 == 0 else SLIDING for i in range(count)))
    which[-1] = FULL  # as the implementation forces it
    for i, kind in enumerate(which):
        own = overrides.get(i)
        if own is None:
            yield kinds[kind]
            continue
        head_dim, kv_heads = own.whole("head_dim", sliding.head_dim), own.whole("kv_heads", sliding.kv_heads)
        fields.divides("kv_heads", kv_heads, "heads", full.heads)
        yield structs.replace(kinds[kind], head_dim=head_dim, kv_heads=kv_heads)


def _overrides(fields: Fields) -> Mapping[int, Fields]:
    """What newer configs say of single layers ("05": {"head_dim": 512})."""
    section = fields.section("per_layer_config")
    wrong = next((key for key in section.raw if not key.isdecimal() or len(key) > 5), None)
    if wrong is not None:
        raise fields.wrong("per_layer_config", wrong, Text("not a layer"), Text("Write the layer's number."))
    return {int(key): section.section(key) for key in section.raw}


def _experts4(fields: Fields, ffn: int) -> Experts:
    """Experts beside the dense MLP that every token takes."""
    count, top_k = fields.whole("experts"), fields.whole("top_k")
    chosen(fields, top_k, count)
    return Experts(count, top_k, fields.whole("expert_ffn"), gated=True, shared_width=ffn)


def gemma3n(fields: Fields, family: Family) -> Architecture:
    """Four copies of the hidden state of which one is computed (AltUp), a low-rank way past every layer (Laurel).

    Sources: Gemma 3n's config and transformers' implementation; AltUp 2023 (arXiv 2301.13310).
    """
    count, hidden, inputs = fields.layers(), fields.whole("hidden"), fields.whole("hidden_size_per_layer_input")
    copies, rank = fields.whole("altup_num_inputs", most=1_000), fields.whole("laurel_rank")
    beside = (
        *_layer_input(hidden, inputs),
        Linear(RESIDUAL, "copies_router", hidden, copies, held=1, used=2),  # to predict, and to correct
        Linear(RESIDUAL, "copies_predict", copies, copies * copies),
        Linear(RESIDUAL, "copies_correct", copies, copies),
        Linear(RESIDUAL, "laurel_down", hidden, rank),
        Linear(RESIDUAL, "laurel_up", rank, hidden),
    )
    full = grouped_query(fields, family)
    kinds = {FULL: full, SLIDING: structs.replace(full, window=fields.optional("sliding_window"))}
    stated = fields.words("layer_types", tuple(kinds), count)
    which = stated or tuple(FULL if (i + 1) % 5 == 0 else SLIDING for i in range(count))
    widths = _widths(fields, count)
    first_shared = count - _shared(fields, count)
    layers = [
        Layer(
            structs.replace(kinds[kind], keys="shared") if i >= first_shared else kinds[kind],
            Mlp(width, family.gated),
            family.norms,
            beside,
            scales=hidden,
        )
        for i, (kind, width) in enumerate(zip(which, widths, strict=True))
    ]
    found = _with_layer_embedding(fields, architecture(fields, family, layers), inputs)
    ways = Linear(RESIDUAL, "copies", hidden, hidden, 2 * (copies - 1), 2 * (copies - 1))
    return structs.replace(found, beside=(*found.beside, ways)) if copies > 1 else found


def _widths(fields: Fields, count: int) -> tuple[int, ...]:
    """One MLP width for all layers, or one for each."""
    if isinstance(fields.value("ffn"), list):
        return tuple(max(1, width) for width in fields.wholes("ffn", count) or ())
    return (fields.whole("ffn"),) * count


_SIZES4 = sizes(
    30,
    2304,
    8,
    4,
    9216,
    262_144,
    head_dim=256,
    global_head_dim=512,
    tied=True,
    sliding_window=512,
    hidden_size_per_layer_input=256,
    vocab_size_per_layer_input=262_144,
)
_SIZES3N = sizes(
    35,
    2048,
    8,
    2,
    16_384,
    262_400,
    head_dim=256,
    tied=True,
    sliding_window=512,
    num_kv_shared_layers=15,
    altup_num_inputs=4,
    laurel_rank=64,
    hidden_size_per_layer_input=256,
    vocab_size_per_layer_input=262_144,
)

TABLE: Mapping[str, Family] = {
    "gemma3n_text": like(GEMMA, _SIZES3N, read=gemma3n, norms=7, qk_norm="head"),
    "gemma4_text": like(GEMMA, _SIZES4, read=gemma4, norms=4, qk_norm="head"),
}
"""Gemma 3n and 4 by `model_type`."""
