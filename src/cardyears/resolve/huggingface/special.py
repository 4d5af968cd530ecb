"""Dense decoders whose configs decide more than sizes: GPT-Neo, OPT, Falcon, Nemotron-NAS and StarCoder."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from cardyears.base.text import Text
from cardyears.resolve.huggingface.attention import grouped_query
from cardyears.resolve.huggingface.decoder import architecture, decoder
from cardyears.resolve.huggingface.experts import mlp
from cardyears.resolve.huggingface.family import Family, trait
from cardyears.resolve.huggingface.fields import Fields, Json
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Mlp
from cardyears.work.linear import Linear
from cardyears.work.mixers import NOTHING, Attention, Mixer


def bigcode(fields: Fields, family: Family) -> Architecture:
    """GPT-2 with one key head for all, unless the config says otherwise. Source: SantaCoder 2023."""
    layer = Layer(_multi_query(fields, family, fields.flag("multi_query")), mlp(fields, family))
    return architecture(fields, family, [layer] * fields.layers())


def _multi_query(fields: Fields, family: Family, one_key: bool) -> Attention:  # noqa: FBT001 - what the config says
    heads, head_dim = fields.whole("heads"), fields.head_dim()
    bias, output_bias = trait(fields, family.qkv_bias), trait(fields, family.output_bias)
    return Attention(heads, 1 if one_key else heads, head_dim, qkv_bias=bias, output_bias=output_bias)


def gpt_neo(fields: Fields, family: Family) -> Architecture:
    """GPT-2 whose layers attend to everything or to 256 tokens, as a nested list repeats."""
    full, channel = grouped_query(fields, family), mlp(fields, family)
    local = structs.replace(full, window=fields.whole("window_size"))
    kinds = {"global": Layer(full, channel), "local": Layer(local, channel)}
    count = fields.layers()
    stated = fields.words("attention_layers", tuple(kinds), count) or _expanded(fields, count)
    return architecture(fields, family, (kinds[kind] for kind in stated))


_NEO_KINDS = {"global", "local"}


def _expanded(fields: Fields, layers: int) -> tuple[str, ...]:
    """[[["global", "local"], 12]] as one word for each layer."""
    types = fields.value("attention_types")
    if types is None:
        return tuple("local" if i % 2 else "global" for i in range(layers))
    words: list[str] = []
    for entry in types if isinstance(types, list) else [types]:
        match entry:
            case [[*kinds], int(times)] if len(kinds) * times <= layers and set(map(str, kinds)) <= _NEO_KINDS:
                words += [str(kind) for kind in kinds] * times
            case _:
                break
    if len(words) != layers:
        raise fields.wrong(
            "attention_types",
            types,
            Text("no list of layers"),
            Text("Write kinds and repeats for all layers, such as {example}.", example='[[["global", "local"], 12]]'),
        )
    return tuple(words)


def opt(fields: Fields, family: Family) -> Architecture:
    """GPT-2 with two more positions; the 350M model projects from and to a narrower embedding and has no last norm."""
    hidden, width = fields.whole("hidden"), fields.optional("word_embed_proj_dim")
    first = fields.flag("do_layer_norm_before", default=True)
    narrow = width is not None and width != hidden
    found = decoder(fields, family)
    return structs.replace(
        found,
        norm_vectors=family.norm_vectors if fields.flag("layer_norm_elementwise_affine", default=True) else 0,
        final_norm=first and not fields.flag("_remove_final_layer_norm"),
        table_width=width if narrow else 0,
        beside=(
            (
                Linear("residual_path", "project_in", width, hidden),
                Linear("residual_path", "project_out", hidden, width),
            )
            if width is not None and narrow
            else ()
        ),
    )


def falcon(fields: Fields, family: Family) -> Architecture:
    """Falcon 7B (one key head, one norm), RW (all heads, two norms) and 40B, 180B, 11B (groups of heads).

    The norms of attention and MLP that stand side by side are one or two. Source: Almazrouei et al. 2023.
    """
    grouped, parallel = fields.flag("new_decoder_architecture"), fields.flag("parallel_attn", default=True)
    side_by_side = fields.whole("num_ln_in_parallel_attn", 2 if grouped else 1, least=1, most=2)
    mixer = grouped_query(fields, family) if grouped else _multi_query(fields, family, fields.flag("multi_query"))
    layer = Layer(mixer, mlp(fields, family), side_by_side if parallel else 2)
    return architecture(fields, family, [layer] * fields.layers())


def nemotron_nas(fields: Fields, family: Family) -> Architecture:
    """Llama after a neural architecture search: every block has its own key heads and width, or none at all.

    Source: Puzzle (Bercovich et al. 2024); the model's own `modeling_decilm`.
    """
    count = fields.layers()
    blocks = fields.listed("block_configs", count)
    if blocks is None:
        return decoder(fields, family)
    return architecture(fields, family, _searched(fields, family, blocks))


def _searched(fields: Fields, family: Family, blocks: list[Json]) -> Iterator[Layer]:
    hidden, heads = fields.whole("hidden"), fields.whole("heads")
    full = Attention(heads, heads, fields.head_dim(), *(trait(fields, family.qkv_bias),) * 2)
    for block in blocks:
        if not isinstance(block, dict):
            raise fields.wrong("block_configs", str(block), Text("not a block"), Text("Write attention and ffn."))
        one = Fields(block, fields.file)
        attention, ffn = one.section("attention"), one.section("ffn")
        beside: list[Linear] = []
        mixer: Mixer = NOTHING
        channel: Channel = NOTHING
        if attention.flag("replace_with_linear"):
            beside.append(Linear("attention", "linear", hidden, hidden))
        elif not attention.flag("no_op"):
            group = attention.whole("n_heads_in_group")
            attention.divides("n_heads_in_group", group, "heads", heads)
            mixer = structs.replace(full, kv_heads=heads // group, window=attention.optional("window_length"))
        if ffn.flag("replace_with_linear"):
            beside.append(Linear("mlp", "linear", hidden, hidden))
        elif not ffn.flag("no_op"):
            channel = Mlp(_ffn_width(ffn, hidden), family.gated, trait(fields, family.mlp_bias))
        norms = (not attention.flag("no_op")) + (not ffn.flag("no_op"))
        yield Layer(mixer, channel, norms, beside=tuple(beside))


FFN_STEP = 256
"""Widths are rounded up to a multiple of it."""


def _ffn_width(ffn: Fields, hidden: int) -> int:
    """Two thirds of `ffn_mult` times the hidden width, rounded up."""
    stated = ffn.optional("intermediate_size")
    if stated is not None:
        return stated
    width = int(2 * ffn.fraction("ffn_mult", 4.0) * hidden / 3)
    return max(FFN_STEP, -(-width // FFN_STEP) * FFN_STEP)
