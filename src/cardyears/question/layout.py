"""Which layout did the person write?

    tp=8, pp=16, micro_batch=1, global_batch=2048, recompute=full/2, zero=1

Keys in any order and spelling ("micro-batch", "mbs", "tensor parallel"), joined by commas, semicolons or spaces, each
with "=" or ":"; "tp8 pp16" reads too, and a key that is yes or no may stand alone ("compile"). Nothing is filled in and
nothing is judged: `layout.legal` does both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from cardyears.base.errors import BadInput, Contradiction, UnknownName, UnreadableValue, listed
from cardyears.base.text import Text
from cardyears.case import Precision
from cardyears.layout.layout import ZERO_WEIGHTS, ContextKind, Offload, OffloadTo, Schedule
from cardyears.layout.partial import PartialLayout
from cardyears.question.numbers import fold, read_whole, shown
from cardyears.work.activations import AttentionKernel, Recompute

LayoutText = PartialLayout
"""A layout as its words say it: nothing filled in, None where nothing was said."""

LONGEST_LAYOUT = 2_000
"""Characters; anything longer was pasted by mistake."""

_SAYS = {
    **dict.fromkeys(("yes", "true", "1", "on", "y"), True),
    **dict.fromkeys(("no", "false", "0", "off", "n"), False),
}


def _words(options: tuple[str, ...]) -> dict[str, str]:
    """Each option as it is written; underscores are read as dashes."""
    return {option: option for option in options}


_RECOMPUTE = {**_words(get_args(Recompute)), **{word: "full" if yes else "none" for word, yes in _SAYS.items()}}
_OFFLOAD = {
    **_words(get_args(Offload)),
    "optimiser": "optimizer",
    "optimiser+weights": "optimizer+weights",
    "weights": "optimizer+weights",
    **{word: "none" for word, yes in _SAYS.items() if not yes},
}
_WORDS: dict[str, dict[str, str]] = {
    "schedule": {
        **_words(get_args(Schedule)),
        **dict.fromkeys(("zerobubble", "zb", "zb-h1"), "zero-bubble"),
        **dict.fromkeys(("interleaved-1f1b", "interleaved1f1b"), "interleaved"),
    },
    "context_kind": {**_words(get_args(ContextKind)), "allgather": "all-gather", "p2p": "ring", "a2a": "ulysses"},
    "recompute": _RECOMPUTE,
    "kernel": {**_words(get_args(AttentionKernel)), "flash-attention": "flash", "flash-attention-2": "flash"},
    "offload": _OFFLOAD,
    "offload_to": _words(get_args(OffloadTo)),
    "precision": _words(get_args(Precision)),
}
_BOOLEANS = ("sp", "balanced", "chunked_loss", "dropout", "compile", "graphs", "overlap", "expert_overlap", "fsdp")
_NUMBERS = (
    *("tp", "pp", "virtual_stages", "dp", "cp", "ep", "etp", "shard_group"),
    *("micro_batch", "global_batch", "accumulation", "recompute_every"),
)
KEYS = (
    *("tp", "sp", "pp", "virtual_stages", "schedule", "dp", "cp", "context_kind", "balanced", "ep", "etp"),
    *("zero", "shard_group", "micro_batch", "global_batch", "accumulation", "recompute", "recompute_every"),
    *("kernel", "chunked_loss", "dropout", "compile", "graphs", "overlap", "expert_overlap"),
    *("offload", "offload_to", "precision"),
)
"""What a layout may say, as messages list it."""
_ALIASES = {
    alias: key
    for key, aliases in (
        ("tp", "tensor tensor_parallel"),
        ("sp", "sequence sequence_parallel"),
        ("pp", "pipeline pipeline_parallel"),
        ("virtual_stages", "vpp v vp"),
        ("dp", "data data_parallel"),
        ("cp", "context context_parallel"),
        ("ep", "expert expert_parallel"),
        ("etp", "expert_tensor expert_tensor_parallel"),
        ("shard_group", "hsdp"),
        ("micro_batch", "mbs mb"),
        ("global_batch", "gbs gb"),
        ("accumulation", "grad_accum ga gradient_accumulation accumulation_steps gradient_accumulation_steps"),
        ("recompute", "gradient_checkpointing activation_checkpointing"),
        ("kernel", "attention"),
        ("compile", "compiled"),
        ("graphs", "cuda_graphs cuda_graph"),
        ("zero", "zero_stage fsdp"),
    )
    for alias in aliases.split()
}


def read_layout(text: str) -> LayoutText:
    """A layout from one line, as on the command line.

    >>> layout = read_layout("tp=8, pp: 16; mbs=1 global_batch=2,048, recompute=full/2, zero=1")
    >>> layout.tp, layout.pp, layout.micro_batch, layout.global_batch, layout.recompute_every, layout.dp
    (8, 16, 1, 2048, 2, None)
    """
    found: dict[str, tuple[str, Any]] = {}
    for written, value in _pairs(text):
        for key, read in _read(written, value):
            if key in found and found[key][1] != read:
                raise Contradiction(
                    Text(
                        'The layout says {key} twice: "{one}" and "{two}".',
                        key=key,
                        one=found[key][0],
                        two=f"{shown(written)}={shown(value)}",
                    ),
                    Text("Keep one of them."),
                )
            found[key] = f"{shown(written)}={shown(value)}", read
    return msgspec.structs.replace(LayoutText(), **{key: read for key, (_, read) in found.items()})


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Keys and values as they stand, folded; a comma between digits groups thousands."""
    if not isinstance(text, str) or len(text) > LONGEST_LAYOUT:
        raise UnreadableValue(
            Text('The layout "{written}" cannot be read.', written=shown(text)),
            Text("Write it as in {example}.", **_EXAMPLE),
        )
    line = re.sub(r"\s*([=/+])\s*", r"\1", fold(text).replace(":", "="))
    pieces = [piece.strip() for piece in re.split(r"[,;](?!\d)", line) if piece.strip()]
    if not pieces:
        raise UnreadableValue(Text("The layout says nothing."), Text("Write it as in {example}.", **_EXAMPLE))
    for piece in pieces:
        yield from _pairs_of(piece)


_EXAMPLE = {"example": "tp=8,pp=4,micro_batch=1,global_batch=512"}


def _pairs_of(piece: str) -> Iterator[tuple[str, str]]:
    """The pairs between two commas: one as a rule, more where only spaces part them."""
    if "=" not in piece:
        if re.fullmatch(r"(?:[a-z_]+\s?\d+(?:\s|$))+", piece):
            piece = re.sub(r"(?<=[a-z_])\s?(?=\d)", "=", piece)
        elif _known(piece) in _BOOLEANS:
            piece = f"{piece}=yes"
    end = 0
    for match in re.finditer(r"\s*([^=]+)=([^\s=]+)(?=\s|$)", piece):
        if match.start() != end:
            break
        end = match.end()
        yield match[1].strip(), match[2]
    rest = piece[end:].strip()
    if rest:
        raise UnreadableValue(
            Text('"{rest}" says nothing about a layout.', rest=shown(rest)),
            Text("Write KEY=VALUE as in {example}.", **_EXAMPLE),
        )


def _known(written: str) -> str:
    """The key in our spelling, "fsdp" apart, since its value is yes or no."""
    key = re.sub(r"[\s-]+", "_", written.strip().lstrip("-"))
    return key if key == "fsdp" else _ALIASES.get(key, key)


def _read(written: str, value: str) -> Iterator[tuple[str, Any]]:
    """The fields that one pair says, read."""
    key = _known(written)
    every = re.fullmatch(r"full/(.+)", value) if key == "recompute" else None
    if every:
        yield "recompute", "full"
        yield "recompute_every", read_whole(every[1], "recompute_every")
    elif key == "cp" and value.replace("_", "-") in _WORDS["context_kind"]:
        yield "context_kind", _WORDS["context_kind"][value.replace("_", "-")]
    elif key in _WORDS:
        yield key, _one_of(key, value.replace("_", "-"), _WORDS[key])
    elif key == "fsdp":
        yield "zero", ZERO_WEIGHTS if _one_of(key, value, _SAYS) else 0
    elif key == "zero":
        yield key, _stage(value)
    elif key in _BOOLEANS:
        yield "compiled" if key == "compile" else key, _one_of(key, value, _SAYS)
    elif key in _NUMBERS:
        yield key, read_whole(value, key)
    else:
        raise _unknown(written, key)


def _stage(value: str) -> int:
    """The ZeRO stage: 0 shards nothing."""
    return int(_one_of("zero", value, {str(stage): stage for stage in range(ZERO_WEIGHTS + 1)} | {"none": 0}))


def _one_of(key: str, value: str, allowed: dict[str, Any]) -> Any:
    if value not in allowed:
        names = ("yes", "no") if allowed is _SAYS else dict.fromkeys(str(option) for option in allowed.values())
        raise UnreadableValue(
            Text("{name} cannot be {value}.", name=key, value=repr(shown(value))),
            Text("Take one of {allowed}.", allowed=listed(names)),
        )
    return allowed[value]


def _unknown(written: str, key: str) -> BadInput:
    from difflib import get_close_matches

    near = get_close_matches(key[:60], [*KEYS, *_ALIASES], n=1, cutoff=0.6)
    rule = Text("A layout has no {key}.", key=repr(shown(written)))
    if near:
        meant = "fsdp" if near[0] == "fsdp" else _ALIASES.get(near[0], near[0])
        return UnknownName(rule, Text("Did you mean {near}? The keys are {names}.", near=meant, names=listed(KEYS)))
    return UnknownName(rule, Text("The keys are {names}.", names=listed(KEYS)))
