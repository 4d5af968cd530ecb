"""Which architecture was measured? From a row's own columns, and from the catalogue's model of that name.

The row's numbers win; what it has no column for (windows, norms, latent ranks) comes from the catalogue's model where
its width is the row's, so that a cut-down proxy keeps the kinds of its layers.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import msgspec

from cardyears.base.errors import CardyearsError
from cardyears.base.text import N_, Text
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import LatentRow, ModelRow, ShapeRow
from cardyears.resolve.generic import generic_decoder
from cardyears.resolve.models import checked
from cardyears.validate.filled import Assume
from cardyears.validate.notes import BARE_VOCABULARY
from cardyears.validate.runs import Measured, Unusable
from cardyears.work.architecture import Architecture
from cardyears.work.channels import Mlp
from cardyears.work.mixers import Attention
from cardyears.work.params import total_parameters

NO_SHAPE = N_("no architecture in the row, and the catalogue has no such model")
NO_WIDTH = N_("the architecture lacks layers or width")
HYBRID = N_("hybrid layers whose pattern the row does not have")
IMPOSSIBLE = N_("the architecture's parts do not fit together")
OTHER_COUNT = N_("the architecture's columns make other than the stated parameters")
OTHER_SIZE = N_("the catalogue's model of that name has another number of parameters than is stated")
SAME_SIZE = 0.1
"""How far a stated size may be from the catalogue's: names are rounded."""
_UNTOLD = frozenset(
    {"nvidia", "meta", "google", "microsoft", "openai", "instruct", "chat", "base", "hf", "it", "model"}
)
"""Words of a name that say nothing of the shape."""
_REMARKS = re.compile(
    r"[\s_-]*(?<![^\W_])(?:q?lora|dora|peft|sft|dpo|full|ft|fine-?tun(?:e|ing)|pre-?train(?:ing)?|bf16|fp16|fp8|mxfp8|nvfp4|"
    r"int8|int4|nf4|4-?bit|8-?bit|mlperf|\d+-?(?:node|gpu)s?)(?![^\W_])",
    re.IGNORECASE,
)
"""What people write behind a model's name that columns hold: the method, the precision, the number of nodes."""
USUAL_HEAD = 128
"""Width of a head where the row states none."""
SMALLEST, LARGEST = 1e7, 1e12
"""Parameters of a model that may be taken for a generic decoder."""
MORE, LESS = 1.25, 0.6
"""How far the count of the columns may be from the stated one. Hybrids whose layers are not all attention come out
half as large again; columns have no table of learned positions, which small models at long sequences have."""

GPT2_VOCAB = 50_257
VOCAB_MULTIPLE = 128
"""Megatron pads the vocabulary to a multiple of this times tp (its make-vocab-size-divisible-by)."""
OTHER_VOCAB = 32_000
"""Llama's tokenizer, where a gated decoder does not say its vocabulary; MLPerf's Llama rows use one of this size."""
_LLAMA_TOKENS = Text("Llama's tokenizer")
_GPT_2_TOKENS = Text("GPT-2's 50,257 padded as Megatron does")
_SIMULATED_TOKENS = Text("GPT-2's 50,257, the default of the source's simulator")
ENCODER_HEAD = 2
"""Start and end of an answer: the only outputs of BERT fine-tuned on SQuAD."""
_DEEPSEEK = LatentRow(kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128, q_rank=1_536)
"""Ranks of DeepSeek-V2, V3 and Kimi K2 (deepseek-v3-2024, section 4.2), where a row says mla and no more."""
_FULL_QUERIES_BELOW = 4_096
"""Width below which DeepSeek's models (V2-Lite, Moonlight) have no latent for queries."""

_OWN = (
    "layers",
    "hidden",
    "heads",
    "kv_heads",
    "head_dim",
    "ffn",
    "gated",
    "vocab",
    "tied",
    "experts",
    "top_k",
    "expert_ffn",
    "shared_experts",
    "dense_layers",
)


def model_key(name: str, catalogue: Catalogue) -> str | None:
    """The catalogue's model that a measured row names; None where it has none of that family, generation and size.

    >>> from cardyears.catalogue.load import load
    >>> model_key("Llama-2-70B LoRA (MLPerf)", load()), model_key("BERT-large", load())
    ('llama-2-70b', None)
    >>> model_key("InternLM2-7B", load()), model_key("InternLM-7B", load()), model_key("llama3_1_8b", load())
    ('internlm2-7b', None, 'llama-3.1-8b')
    """
    plain = name.split("(", maxsplit=1)[0]
    pointed = re.sub(r"(?<=[a-z]\d)_(?=\d_)", ".", plain.casefold())
    for words in dict.fromkeys((name, plain.strip(), _REMARKS.sub(" ", plain).strip(), _REMARKS.sub(" ", pointed))):
        try:
            key = find(words, catalogue.models, "models").key
        except CardyearsError:
            continue
        if _is_it(words, key, catalogue.models[key]):
            return key
    return None


def _is_it(words: str, key: str, row: ModelRow) -> bool:
    """Whether a row that was found is of the family and generation that the words name, and of their size."""
    family, size = _parted(words)
    own = [_parted(one) for one in (key, row.name, *row.aliases)]
    if size is not None:
        return any(family == other for other, _ in own) and any(
            near(size, other) for other in (row.parameters, *(of for _, of in own)) if other
        )
    # The name of a family stands for its usual model where it has the generation: "Phi-3", and not "Qwen".
    exact = [other for other, of in own[2:] if of is None] + [other for other, _ in own[:2]]
    usual = [_parted(one)[0] for one in row.stands_for] if any(char.isdigit() for char in family) else []
    return family in (*exact, *usual)


def near(size: float, other: float) -> bool:
    """Whether two counts of parameters are one model's."""
    return abs(size / other - 1.0) <= SAME_SIZE


@lru_cache(maxsize=1024)
def _parted(name: str) -> tuple[str, float | None]:
    """Family and generation in one word, and the size that a name states, in parameters."""
    words = re.findall(r"(?:[^\W_]|(?<=\d)\.(?=\d))+", name.rsplit("/", maxsplit=1)[-1].casefold())
    sizes = [_size(word) for word in words]
    kept = [word for word, size in zip(words, sizes, strict=True) if size is None and word not in _UNTOLD]
    return "".join(kept), next((size for size in sizes if size is not None), None)


def _size(word: str) -> float | None:
    """Parameters that a word of a name states: "7b", "7b1", "124m", "8x7b"; None for any other.

    >>> _size("1b7"), _size("124m"), _size("8x7b"), _size("a3b")
    (1700000000.0, 124000000.0, 56000000000.0, None)
    """
    found = re.fullmatch(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(\d?)", word)
    if found is None:
        return None
    times, number, letter, tenths = found.groups()
    return int(times or 1) * float(f"{number}.{tenths}" if tenths else number) * {"b": 1e9, "m": 1e6}[letter]


def shape_of(run: Measured, catalogue: Catalogue, assume: Assume) -> ShapeRow:
    """The row's shape, with what had to be assumed noted; `Unusable` where there is none."""
    own = {field: getattr(run, field) for field in _OWN if getattr(run, field) is not None}
    base = _base(run, catalogue)
    if base is None and not own.keys() & {"layers", "hidden"}:
        return _by_size(run, assume)
    if "hybrid" in run.flags:
        raise Unusable(HYBRID, run.model)
    if base is not None:
        missing = [field for field in ("layers", "hidden", "heads") if field not in own]
        if missing:
            assume("model", run.model_key or run.model, Text("the catalogue's shape of that name"))
        return _over(base, own, run, assume)
    if not {"layers", "hidden"} <= own.keys():
        raise Unusable(NO_WIDTH, run.model)
    if "heads" not in own:
        width = own.get("head_dim") or USUAL_HEAD
        own["heads"] = max(1, own["hidden"] // width)
        assume("heads", own["heads"], Text("not stated: heads of {width:integer}", width=width))
    return _from_columns(own, run, assume)


_GENERIC = Text("a generic decoder of that size: neither row nor catalogue has its shape")


def _by_size(run: Measured, assume: Assume) -> ShapeRow:
    """A generic decoder of the stated size; `Unusable` where the model cannot be one."""
    size = run.parameters
    sparse = run.experts or run.active_parameters not in (None, run.parameters)
    if size is None or sparse or "images" in run.flags or "hybrid" in run.flags or not SMALLEST < size < LARGEST:
        raise Unusable(NO_SHAPE, run.model)
    arch = generic_decoder(size)
    assume("shape", f"{size / 1e9:.3g}B", _GENERIC)
    layer = arch.layers[0][0]
    mixer, channel = layer.mixer, layer.channel
    assert isinstance(mixer, Attention)
    assert isinstance(channel, Mlp)
    return ShapeRow(
        layers=arch.layer_count, hidden=arch.hidden, heads=mixer.heads, kv_heads=mixer.kv_heads,
        head_dim=mixer.head_dim, ffn=channel.width, gated=channel.gated, vocab=arch.vocab, tied=arch.tied,
    )  # fmt: skip


def _base(run: Measured, catalogue: Catalogue) -> ShapeRow | None:
    """The catalogue's shape of that name, if the row's width and heads are its."""
    row = catalogue.models.get(run.model_key or "")
    if row is None or row.shape is None:
        return None
    same = run.hidden in (None, row.shape.hidden) and run.heads in (None, row.shape.heads)
    return row.shape if same else None


def _over(base: ShapeRow, own: dict[str, Any], run: Measured, assume: Assume) -> ShapeRow:
    """The catalogue's shape with the row's numbers over it."""
    if "expert_ffn" in own and own.get("ffn") == own["expert_ffn"] != base.ffn:
        own = {field: value for field, value in own.items() if field != "ffn"}
    if base.latent is not None:
        own = {field: value for field, value in own.items() if field not in ("kv_heads", "head_dim")}
    shape = msgspec.structs.replace(base, **own)
    if shape.experts == 0 and base.experts:
        shape = msgspec.structs.replace(shape, top_k=0, shared_experts=0, dense_layers=0)
    if "shared_experts" in own and own["shared_experts"] != base.shared_experts:
        shape = msgspec.structs.replace(shape, shared_ffn=0)
    if "vocab" not in own and "layers" in own:
        assume("vocab", base.vocab, Text("that of {name}", name=run.model_key or ""))
    return shape


def _from_columns(own: dict[str, Any], run: Measured, assume: Assume) -> ShapeRow:
    """A shape of the row's columns alone."""
    gated = own.setdefault("gated", own.get("ffn") != 4 * own["hidden"])
    if "vocab" not in own:
        own["vocab"], why = _usual_vocabulary(run, gated=gated)
        assume("vocab", own["vocab"], why)
    if "ffn" not in own:
        own["ffn"] = (own.get("expert_ffn") or 0) * max(1, own.get("top_k", 1)) or _usual_width(own, assume)
        if own.get("dense_layers"):
            assume("ffn", own["ffn"], Text("a dense layer as wide as the experts that a token takes"))
    if own.get("experts") and not own.get("expert_ffn"):
        own["expert_ffn"] = own["ffn"]
    own.setdefault("tied", not gated)
    own.setdefault("norm", "rmsnorm" if gated else "layernorm")
    latent = None
    if run.attention == "mla":
        latent = _latent(own["hidden"])
        assume("latent", latent.kv_rank, Text("ranks of DeepSeek's models"))
        own.pop("kv_heads", None)
        own.pop("head_dim", None)
    return ShapeRow(**own, latent=latent)


def _usual_vocabulary(run: Measured, *, gated: bool) -> tuple[int, Text]:
    """Tokens of a vocabulary that nobody states, and why so many."""
    if gated:
        return OTHER_VOCAB, _LLAMA_TOKENS
    if BARE_VOCABULARY in run.flags:
        return GPT2_VOCAB, _SIMULATED_TOKENS
    return _padded(run.tp or 1), _GPT_2_TOKENS


def _usual_width(own: dict[str, Any], assume: Assume) -> int:
    """Width of an MLP that nobody states: four times the model's, or 8/3 where it is gated."""
    width: int = round(own["hidden"] * (8 / 3 if own["gated"] else 4))
    assume("ffn", width, Text("not stated: the usual proportion"))
    return width


def _latent(hidden: int) -> LatentRow:
    return msgspec.structs.replace(_DEEPSEEK, q_rank=None) if hidden < _FULL_QUERIES_BELOW else _DEEPSEEK


def _padded(tp: int) -> int:
    """GPT-2's vocabulary as Megatron pads it: 51,200 with tp 8."""
    step = VOCAB_MULTIPLE * tp
    return math.ceil(GPT2_VOCAB / step) * step


def built(name: str, shape: ShapeRow) -> Architecture:
    """The architecture of a shape; `Unusable` where its parts do not fit together."""
    try:
        return checked(name, shape)
    except CardyearsError as error:
        raise Unusable(IMPOSSIBLE, name) from error


def check_count(arch: Architecture, run: Measured) -> None:
    """Raises `Unusable` unless an architecture has about as many parameters as the row says, if it says.

    Where its shape is the catalogue's, they must be those of that model, or those that its name rounds to.
    """
    stated, total = run.parameters, total_parameters(arch)
    if stated is None:
        return
    named = _parted(run.model)[1] or total
    if run.layers is None and run.model_key and not (near(stated, total) or near(stated, named)):
        raise Unusable(OTHER_SIZE, run.model)
    if not LESS * stated <= total <= MORE * stated:
        raise Unusable(OTHER_COUNT, run.model)


def as_run(arch: Architecture, run: Measured) -> Architecture:
    """The architecture as the run used it: an encoder has no language head."""
    if "whole-square-encoder" in run.flags:
        table = arch.vocab * arch.hidden
        arch = msgspec.structs.replace(arch, vocab=ENCODER_HEAD, tied=True, looked_up=arch.looked_up + table)
    return arch
