"""Mixtures of experts whose layers differ by more than a window: DBRX, MiniMax-M3, MiMo-V2, Step 3.5, LongCat."""

from __future__ import annotations

from msgspec import structs

from cardyears.resolve.huggingface.attention import FULL, SLIDING, grouped_query
from cardyears.resolve.huggingface.decoder import architecture, decoder
from cardyears.resolve.huggingface.experts import experts, mlp, routed
from cardyears.resolve.huggingface.family import Family
from cardyears.resolve.huggingface.fields import MOST_LAYERS, Fields
from cardyears.resolve.huggingface.latent import latent_attention
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel
from cardyears.work.mixers import Attention, Indexer, Mixer


def dbrx(fields: Fields, family: Family) -> Architecture:
    """Mixtral with its sizes in two nested objects."""
    nested = {**fields.section("attn_config").raw, **fields.section("ffn_config").raw}
    flat = Fields({**nested, **fields.raw}, fields.file, fields.defaults)
    found = decoder(flat, family)
    fields.filled.update(flat.filled)
    return found


def minimax_m3(fields: Fields, family: Family) -> Architecture:
    """Grouped-query attention, in most layers to the blocks of positions that an indexer picks.

    Source: MiniMax-M3's config; transformers' `minimax_m3_vl`.
    """
    count, full = fields.layers(), grouped_query(fields, family)
    # The sizes of sparse attention stand in an object of their own, or in newer configs beside all others.
    own = Fields({**fields.section("sparse_attention_config").raw, **fields.raw}, fields.file, fields.defaults)
    indexer = Indexer(own.whole("index_heads"), own.whole("index_dim"), weighted=False)
    picked = structs.replace(full, window=own.whole("index_block") * own.whole("index_blocks"), indexer=indexer)
    kinds: dict[str, Mixer] = {FULL: full, "minimax_m3_sparse": picked}
    stated = fields.words("layer_types", tuple(kinds), count)
    if stated is None:
        marks = own.wholes("sparse_attention_freq", count) or (0,) * count
        stated = tuple("minimax_m3_sparse" if mark else FULL for mark in marks)
    return architecture(fields, family, _layers([kinds[kind] for kind in stated], routed(fields, family, count)))


def _layers(mixers: list[Mixer], channels: list[Channel]) -> list[Layer]:
    return [Layer(mixer, channel) for mixer, channel in zip(mixers, channels, strict=True)]


def mimo_v2(fields: Fields, family: Family) -> Architecture:
    """Layers that see everything, and sliding ones with other heads and a sink each. Source: MiMo-V2-Flash 2026."""
    count = fields.layers()
    bare = grouped_query(fields, family)
    full = structs.replace(
        bare, value_dim=fields.whole("v_head_dim", bare.head_dim), sinks=fields.flag("add_full_attention_sink_bias")
    )
    before = fields.optional("sliding_window_size")
    heads = fields.whole("swa_num_attention_heads", full.heads)
    kv_heads = fields.whole("swa_num_key_value_heads", 2 * full.kv_heads)
    fields.divides("swa_num_key_value_heads", kv_heads, "swa_num_attention_heads", heads)
    sliding = structs.replace(
        full,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=fields.whole("swa_head_dim", full.head_dim),
        value_dim=fields.whole("swa_v_head_dim", full.value_dim),
        window=before + 1 if before else fields.optional("sliding_window"),  # the implementation adds the token itself
        sinks=fields.flag("add_swa_attention_sink_bias"),
    )
    kinds: dict[str, Mixer] = {FULL: full, SLIDING: sliding}
    stated = fields.words("layer_types", tuple(kinds), count)
    marks = fields.wholes("hybrid_layer_pattern", count)
    if stated is None and marks is not None:
        stated = tuple(SLIDING if mark else FULL for mark in marks)
    if stated is None:
        stated = tuple(FULL if i == 0 or (i + 1) % 6 == 0 else SLIDING for i in range(count))
    return architecture(fields, family, _layers([kinds[kind] for kind in stated], routed(fields, family, count)))


def step(fields: Fields, family: Family) -> Architecture:
    """Sliding layers may have more heads than those that see everything. Source: Step 3.5 Flash 2026."""
    count, full = fields.layers(), grouped_query(fields, family)
    other = fields.section("attention_other_setting")
    heads = fields.whole("num_sliding_attention_heads", other.whole("num_attention_heads", full.heads))
    fields.divides("kv_heads", full.kv_heads, "num_sliding_attention_heads", heads)
    sliding = structs.replace(full, heads=heads, window=fields.optional("sliding_window"))
    kinds: dict[str, Attention] = {FULL: full, SLIDING: sliding}
    stated = fields.words("layer_types", tuple(kinds), count) or (FULL,) * count
    return architecture(fields, family, _layers([kinds[kind] for kind in stated], routed(fields, family, count)))


def longcat(fields: Fields, family: Family) -> Architecture:
    """Each layer has attention and MLP twice, and experts beside the second MLP; some of the choices do nothing.

    Of `moe_topk` choices among real and idle experts, real ones get their share on average.
    Source: LongCat-Flash 2025 (arXiv 2509.01322), section 2.
    """
    assert family.routing is not None
    mixer, plain = latent_attention(fields, family), mlp(fields, family)
    idle = fields.whole("zero_expert_num", least=0)
    found = experts(fields, family, family.routing)
    real = max(1, round(found.top_k * found.count / (found.count + idle)))
    beside = structs.replace(found, top_k=real, idle=idle, shared_width=plain.width)
    pair = [Layer(mixer, plain), Layer(mixer, beside)]
    # `num_hidden_layers` counts both halves, `num_layers` the pairs.
    halves = fields.stated("num_hidden_layers") and not fields.stated("num_layers")
    count = max(1, fields.layers() // 2) if halves else fields.whole("num_layers", fields.layers(), most=MOST_LAYERS)
    return architecture(fields, family, pair * count)
