"""Which latent attention has each layer? DeepSeek's, its sparse successors, and the families that took them over."""

from __future__ import annotations

from msgspec import structs

from cardyears.base.errors import UnreadableValue
from cardyears.base.text import Text
from cardyears.resolve.huggingface.decoder import architecture, plain_layers
from cardyears.resolve.huggingface.family import Family, trait
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.compressed import Chooser, CompressedAttention
from cardyears.work.linear import Linear
from cardyears.work.mixers import Indexer, LatentAttention, Mixer

RESIDUAL = "residual_path"
"""Ledger line of matrices on the way between layers."""


def latent(fields: Fields, family: Family, layers: int) -> list[Mixer]:
    """The same latent attention in every layer."""
    return [latent_attention(fields, family)] * layers


def latent_attention(fields: Fields, family: Family) -> LatentAttention:
    """Latent attention over everything. A value's width left out is hidden over heads, as in MiniCPM3."""
    heads = fields.whole("heads")
    return LatentAttention(
        heads,
        fields.whole("kv_lora_rank"),
        fields.whole("qk_rope_head_dim"),
        fields.whole("qk_nope_head_dim"),
        fields.optional("v_head_dim") or fields.head_dim(),
        fields.optional("q_lora_rank"),
        bias=trait(fields, family.qkv_bias),
    )


def sparse(fields: Fields, family: Family, layers: int) -> list[Mixer]:
    """Latent attention to the positions that an indexer picks; some layers take over an earlier layer's choice."""
    taken = structs.replace(latent_attention(fields, family), window=fields.whole("index_topk"))
    indexer = Indexer(fields.whole("index_n_heads"), fields.whole("index_head_dim"), taken.q_rank)
    own = structs.replace(taken, indexer=indexer)
    return [own if kind == "full" else taken for kind in _indexer_kinds(fields, layers)]


def _indexer_kinds(fields: Fields, layers: int) -> tuple[str, ...]:
    """Whether each layer chooses by itself: a list, a pattern ("FSSS"), or every so-manieth behind the first few."""
    stated = fields.words("indexer_types", ("full", "shared"), layers)
    if stated is not None:
        return stated
    pattern = fields.value("index_topk_pattern")
    if isinstance(pattern, str) and pattern and not set(pattern) - set("FS") and len(pattern) >= layers:
        return tuple("full" if letter == "F" else "shared" for letter in pattern[:layers])
    every, first = fields.whole("index_topk_freq", 1), fields.whole("index_skip_topk_offset", 2, least=0)
    return tuple("shared" if max(i - first + 1, 0) % every else "full" for i in range(layers))


SLIDING, CHOSEN, HEAVY = "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"
BY_RATIO = {0: SLIDING, 4: CHOSEN, 128: HEAVY}
"""Legacy configs give the tokens per entry instead of the kind of layer."""


def compressed(fields: Fields, family: Family, layers: int) -> list[Mixer]:  # noqa: ARG001 - one family only
    """DeepSeek-V4's: a window alone, with chosen entries, or with heavily compressed ones."""
    heads, groups, head_dim = fields.whole("heads"), fields.whole("o_groups"), fields.whole("head_dim")
    fields.divides("o_groups", groups, "heads", heads)
    rates = fields.section("compress_rates")
    window = CompressedAttention(
        heads,
        head_dim,
        fields.whole("q_lora_rank"),
        groups,
        fields.whole("o_lora_rank"),
        fields.whole("sliding_window"),
    )
    chooser = Chooser(fields.whole("index_topk"), fields.whole("index_n_heads"), fields.whole("index_head_dim"))
    chosen = fields.whole("compress_rate_csa", rates.whole(CHOSEN, 4))
    heavy = fields.whole("compress_rate_hca", rates.whole(HEAVY, 128))
    kinds: dict[str, Mixer] = {
        SLIDING: window,
        CHOSEN: structs.replace(window, rate=chosen, chooser=chooser),
        HEAVY: structs.replace(window, rate=heavy),
    }
    return [kinds[kind] for kind in _compressions(fields, layers)]


def _compressions(fields: Fields, layers: int) -> tuple[str, ...]:
    stated = fields.words("layer_types", tuple(BY_RATIO.values()), layers)
    if stated is not None:
        return stated
    ratios = fields.wholes("compress_ratios", layers)
    if ratios is None:
        return tuple(HEAVY if i < 2 or i % 2 == 0 else CHOSEN for i in range(layers))
    unknown = next((ratio for ratio in ratios if ratio not in BY_RATIO), None)
    if unknown is not None:
        raise UnreadableValue(
            Text("{file}: compress_ratios has {ratio:integer}.", file=fields.file, ratio=unknown),
            Text("Write 0, 4 or 128 for each layer."),
        )
    return tuple(BY_RATIO[ratio] for ratio in ratios)


def hyper_connected(fields: Fields, family: Family) -> Architecture:
    """A decoder with several residual streams, which a matrix mixes before and behind both halves of every layer.

    For n streams each matrix makes n ways in, n ways out and n² between them. Source: DeepSeek-V4 report, section 2.2.
    """
    hidden, streams = fields.whole("hidden"), fields.whole("hc_mult", 4, most=1_000)
    mix = Linear(RESIDUAL, "streams", streams * hidden, streams * (streams + 2), bias=True)
    layers = (
        Layer(layer.mixer, layer.channel, layer.norms, beside=(mix, mix), scales=6)
        for layer in plain_layers(fields, family)
    )
    found = architecture(fields, family, layers)
    head = Linear(RESIDUAL, "streams_to_head", streams * hidden, streams, bias=True)
    return structs.replace(found, beside=(head,), scales=1)
