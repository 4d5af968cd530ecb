"""Hybrids that no row of a table can say: Nemotron-H's layers of one part, Zamba2's shared block, xLSTM."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from cardyears.base.errors import MissingFigure
from cardyears.base.text import Text
from cardyears.resolve.huggingface.attention import FULL, grouped_query
from cardyears.resolve.huggingface.decoder import architecture, decoder
from cardyears.resolve.huggingface.experts import chosen, mlp
from cardyears.resolve.huggingface.family import Family, trait
from cardyears.resolve.huggingface.fields import Fields
from cardyears.resolve.huggingface.recurrent import LINEAR, WORDS, mamba2, matrix_lstm, nemotron_state
from cardyears.work.architecture import Architecture, Layer, prediction_layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.mixers import NOTHING, Attention, Parallel
from cardyears.work.shared import SharedAttention, SharedMlp

PATTERN = {"M": LINEAR, "*": FULL, "-": "mlp", "E": "moe"}
"""Nemotron-H's letters."""
ZAMBA2_LAYERS = 54
ZAMBA2_HYBRIDS = (6, 12, 18, 24, 30, 36, 42, 47, 51)
"""Layers of Zamba2-2.7B behind the shared block, which its implementation takes where a config has no list."""


def nemotron(fields: Fields, family: Family) -> Architecture:
    """Each layer is one of mixer, MLP or experts, as a string of letters or a list of words says.

    Its head is never tied. Source: Nemotron-H 2025 (arXiv 2504.03624); transformers' `nemotron_h`.
    """
    words = _nemotron_words(fields, "hybrid_override_pattern", "kinds")
    flat = Fields({**fields.raw, "tie_word_embeddings": False}, fields.file, fields.defaults)
    found = architecture(flat, family, _nemotron_layers(fields, family, words))
    fields.filled.update(flat.filled)
    ahead = fields.whole("prediction_layers", 0, least=0, most=1_000)
    if not ahead:
        return found
    ahead_words = _nemotron_words(fields, "mtp_hybrid_override_pattern", "mtp_layers_block_type") or [FULL, "moe"]
    first, *rest = _nemotron_layers(fields, family, ahead_words)
    layers = (prediction_layer(first, found.hidden), *rest)
    return structs.replace(found, prediction=tuple((layer, ahead) for layer in layers))


def _nemotron_words(fields: Fields, pattern_name: str, list_name: str) -> list[str]:
    """The kind of each layer: the list's, or the pattern's, or none."""
    known = {**WORDS, "mlp": "mlp", "moe": "moe"}
    entries = fields.listed(list_name, None)
    if entries is not None:
        return [known[word] for word in fields.words(list_name, tuple(known), len(entries)) or ()]
    pattern = fields.value(pattern_name)
    if pattern is None:
        return []
    if not isinstance(pattern, str) or not pattern or set(pattern) - set(PATTERN):
        what = Text("no pattern of layers")
        raise fields.wrong(pattern_name, pattern, what, Text('Write letters such as "{example}".', example="M-M*-ME"))
    return [PATTERN[letter] for letter in pattern]


def _nemotron_layers(fields: Fields, family: Family, words: list[str]) -> Iterator[Layer]:
    if not words:
        raise MissingFigure(
            Text("{file} has no {key}.", file=fields.file, key="hybrid_override_pattern"),
            Text('Write one letter for each layer, such as "{example}".', example="M-M*-ME"),
        )
    kinds: dict[str, Layer] = {}
    for word in words:
        if word not in kinds:
            kinds[word] = _nemotron_layer(fields, family, word)
        yield kinds[word]


def _nemotron_layer(fields: Fields, family: Family, word: str) -> Layer:
    match word:
        case "mlp":
            return Layer(NOTHING, mlp(fields, family), 1)
        case "moe":
            return Layer(NOTHING, _nemotron_experts(fields, family), 1)
        case "full_attention":
            return Layer(grouped_query(fields, family), NOTHING, 1)
        case _:
            return Layer(nemotron_state(fields, family), NOTHING, 1)


def _nemotron_experts(fields: Fields, family: Family) -> Experts:
    """Plain experts, in Nemotron 3 in a latent of their own, and one shared expert."""
    count, top_k = fields.whole("experts"), fields.whole("top_k")
    chosen(fields, top_k, count)
    return Experts(
        count,
        top_k,
        fields.whole("expert_ffn"),
        gated=False,
        shared_width=fields.whole("moe_shared_expert_intermediate_size"),
        shared_bias=trait(fields, family.mlp_bias),
        latent=fields.optional("moe_latent_size") or 0,
    )


def zamba2(fields: Fields, family: Family) -> Architecture:
    """Mamba-2 layers; before some of them one of a few shared blocks of attention and MLP, taken in turn.

    Source: Zamba2 2024 (arXiv 2411.15242), section 2; transformers' `zamba2`.
    """
    hybrid = _zamba2_hybrids(fields)
    hidden, rank = fields.whole("hidden"), fields.whole("adapter_rank")
    state = structs.replace(mamba2(fields, family), conv_bias=True)
    heads = fields.whole("heads")
    kv_heads = fields.optional("kv_heads") or heads
    fields.divides("kv_heads", kv_heads, "heads", heads)
    attention = Attention(heads, kv_heads, fields.whole("attention_head_dim", 2 * hidden // heads))
    attention_rank = rank if fields.flag("use_shared_attention_adapter") else 0
    layers, uses = [], 0
    for behind in hybrid:
        if not behind:
            layers.append(Layer(state, NOTHING, 1))
            continue
        owner = uses < fields.whole("num_mem_blocks")
        uses += 1
        block = SharedAttention(attention, hidden, owner, attention_rank)
        layers.append(Layer(Parallel((block, state)), SharedMlp(mlp(fields, family), owner, rank), 1))
    return architecture(fields, family, layers)


def _zamba2_hybrids(fields: Fields) -> list[bool]:
    """Whether each layer stands behind the shared block."""
    count = fields.layers()
    words = fields.words("kinds", (*WORDS, "hybrid"), count)
    if words is not None:
        return [word == "hybrid" for word in words]
    if count != ZAMBA2_LAYERS:
        raise MissingFigure(
            Text("{file} has no {key}.", file=fields.file, key="layers_block_type"),
            Text('Write a list of "{first}" and "{second}", one for each layer.', first="mamba", second="hybrid"),
        )
    return [i in ZAMBA2_HYBRIDS for i in range(count)]


def lfm2(fields: Fields, family: Family) -> Architecture:
    """A decoder whose older configs call the tied head otherwise."""
    return _with_head(fields, family, tied=fields.flag("tie_embedding", default=fields.flag("tied")))


def never_tied(fields: Fields, family: Family) -> Architecture:
    """A decoder whose implementation ties no head, whatever the config says."""
    return _with_head(fields, family, tied=False)


def _with_head(fields: Fields, family: Family, *, tied: bool) -> Architecture:
    flat = Fields({**fields.raw, "tie_word_embeddings": tied}, fields.file, fields.defaults)
    found = decoder(flat, family)
    fields.filled.update(flat.filled)
    return found


def xlstm(fields: Fields, family: Family) -> Architecture:
    """A decoder of matrix memories whose first releases call width and depth otherwise. Its head is never tied.

    With `use_bias` the norms of layers have biases too, the last norm has none.
    """
    older = {"hidden_size": fields.value("embedding_dim"), "num_hidden_layers": fields.value("num_blocks")}
    stated = {key: value for key, value in fields.raw.items() if value is not None}
    flat = Fields({**older, **stated, "tie_word_embeddings": False}, fields.file, fields.defaults)
    hidden, bias = flat.whole("hidden"), flat.flag("use_bias")
    layer = Layer(matrix_lstm(flat, family), xlstm_mlp(flat, hidden, bias=bias), scales=2 * hidden * bias)
    fields.filled.update(flat.filled)
    return architecture(flat, family, [layer] * flat.layers())


def xlstm_mlp(fields: Fields, hidden: int, *, bias: bool) -> Mlp:
    """The gated MLP, its width a factor of the hidden width rounded up."""
    step = fields.whole("ffn_round_up_to_multiple_of", 64)
    width = int((hidden * fields.fraction("ffn_proj_factor", 2.667) + step - 1) // step) * step
    return Mlp(width, gated=True, bias=bias)
