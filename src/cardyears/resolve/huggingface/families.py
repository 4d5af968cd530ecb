"""Which family is a config of, and what is its architecture? By `model_type`; hybrids have a table of their own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import structs

from cardyears.base.errors import BadInput, UnknownName, shown
from cardyears.base.sourced import Kind
from cardyears.base.text import Text
from cardyears.resolve.huggingface import deepseek, dense, gemma, hybrids, mixtures
from cardyears.resolve.huggingface.describe import shape_toml
from cardyears.resolve.huggingface.family import Family
from cardyears.resolve.huggingface.fields import Fields, Json
from cardyears.resolve.huggingface.refused import refuse
from cardyears.work.architecture import Architecture

FAMILIES: Mapping[str, Family] = {**dense.TABLE, **mixtures.TABLE, **deepseek.TABLE, **gemma.TABLE, **hybrids.TABLE}
"""Every family that is read, by `model_type`."""

SAME: Mapping[str, str] = {
    "code_llama": "llama",
    "ernie4_5_moe_vl": "ernie4_5_moe",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "glm4v": "glm4",
    "glm4v_moe": "glm4_moe",
    "glm4v_moe_text": "glm4_moe",
    "glm4v_text": "glm4",
    "kimi_k25": "kimi_k2",
    "llama4": "llama4_text",
    "llava": "llama",
    "llava_next": "llama",
    "llava_onevision": "qwen2",
    "minimax_m3_vl": "minimax_m3",
    "mistral3": "mistral",
    "paligemma": "gemma",
    "phi3_v": "phi3",
    "qwen2_5_vl": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen2_vl": "qwen2",
    "qwen2_vl_text": "qwen2",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen2_5_omni_text": "qwen2",
    "qwen3_omni_moe_text": "qwen3_moe",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen3_vl_text": "qwen3",
    "refinedweb": "falcon",
    "refinedwebmodel": "falcon",
    "yi": "llama",
}
"""Model types whose text decoder is another family's."""

DECODERS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Keys under which a multimodal config keeps its text decoder's."""
DEEPEST = 3
"""Qwen's omni models keep it in a part of a part."""
MODALITIES = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower", "speech_config")
HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


class Note(msgspec.Struct, frozen=True):
    """What the answer rests on and the file does not say."""

    key: str
    value: str
    reason: Text
    kind: Kind = "assumed"


class Found(msgspec.Struct, frozen=True):
    """A config that was read: its decoder, and what to know of it."""

    family: str
    architecture: Architecture
    longest: int | None = None
    """The longest sequence, where a learned table of positions bounds it."""
    notes: tuple[Note, ...] = ()


def found(raw: Mapping[str, Json], file: str, name: str) -> Found:
    """The decoder of a config."""
    refuse(raw, file)
    text = decoder_config(raw, file)
    kind = model_type(text, raw, file)
    family = FAMILIES[kind]
    fields = Fields(text, file, family.defaults)
    architecture = structs.replace(family.read(fields, family), name=name, fused=FUSED_BY_TYPE.get(kind, ()))
    longest = None if family.position_rows is None else fields.whole("positions")
    return Found(kind, architecture, longest, tuple(_notes(raw, text, fields)))


_QKV, _BOTH = ("qkv",), ("qkv", "gate_up")
FUSED_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("baichuan", "bloom", "codegen", "dbrx", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "gpt_neox_japanese"), _QKV
    ),
    **dict.fromkeys(("internlm2", "mpt", "openai-gpt", "persimmon", "qwen"), _QKV),
    **dict.fromkeys(("glm", "glm4"), ("gate_up",)),
    **dict.fromkeys(("chatglm", "phi3"), _BOTH),
}
"""Matrices that a family's implementation holds as one; they share an adapter of LoRA."""


def decoder_config(raw: Mapping[str, Json], file: str) -> Mapping[str, Json]:
    """The config of the text decoder: the whole, or the part that a multimodal config keeps for it."""
    for _ in range(DEEPEST):
        inner = next((part for key in DECODERS if isinstance(part := raw.get(key), dict)), None)
        if inner is None:
            break
        refuse(inner, file)
        outer_tied = raw.get("tie_word_embeddings")
        raw = inner if outer_tied is None else {**inner, "tie_word_embeddings": outer_tied}
    return raw


def model_type(text: Mapping[str, Json], raw: Mapping[str, Json], file: str) -> str:
    """The name of a family that is known; `UnknownName` names the nearest and shows the config as a shape."""
    said = [kind for kind in (text.get("model_type"), raw.get("model_type")) if isinstance(kind, str) and kind][:1]
    for kind in said:
        name = SAME.get(kind.lower(), kind)
        if name in FAMILIES:
            return name
    classes = raw.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes else None
    if not said and not isinstance(first, str):
        raise BadInput(
            Text("{file} has no model_type; it is no model's config.", file=file),
            Text("Name the config.json of the model, or add model_type."),
        )
    by_class = _by_class(first) if isinstance(first, str) else None
    if by_class is not None and not said:
        return by_class
    unknown = said[0] if said else str(first)
    raise unknown_family(text, shown(unknown), by_class, file)


def _by_class(name: str) -> str | None:
    """The family whose implementation has a class of this name."""
    for head in HEADS:
        name = name.removesuffix(head)
    plain = {known.replace("_", "").replace("-", ""): known for known in FAMILIES}
    return plain.get(name.lower())


def unknown_family(text: Mapping[str, Json], kind: str, by_class: str | None, file: str) -> UnknownName:
    """The error for a model type that nobody here reads: the nearest one, and the TOML that describes the model."""
    import difflib

    near = [by_class] if by_class else difflib.get_close_matches(kind.lower(), [*FAMILIES, *SAME], n=1, cutoff=0.0)
    return UnknownName(
        Text("{file}: no model type is called {kind}; the nearest is {near}.", file=file, kind=kind, near=near[0]),
        Text("If it is built like that one, change model_type; if not, describe it in a TOML file: docs/catalogue.md."),
        details=shape_toml(text, kind),
    )


def _notes(raw: Mapping[str, Json], text: Mapping[str, Json], fields: Fields) -> list[Note]:
    notes = []
    if (text is not raw and any(key in raw for key in DECODERS)) or any(raw.get(key) for key in MODALITIES):
        reason = Text("the text decoder is counted; what reads images or sound is left out")
        notes.append(Note("part", "text decoder", reason))
    if any(one.get("quantization_config") for one in (raw, text)):
        reason = Text("the config is of a quantised copy; the model is counted as it was before")
        notes.append(Note("quantization", "unquantised", reason))
    if fields.filled:
        said = ", ".join(f"{key} = {value}" for key, value in fields.filled.items())
        reason = Text("the file leaves it out; this is the published implementation's default")
        notes.append(Note("config", said, reason, "published"))
    return notes
