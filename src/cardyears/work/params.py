"""How many parameters has a model, part by part, to the single one?

Four totals, never one word: *total* (what a checkpoint holds), *active* (what one token touches), *matmul* (what
passes through a matrix product per token; what FLOP are counted on) and *trainable* (LoRA). This file knows no
training recipe and no hardware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

from msgspec import structs

from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.linear import FUSED, Linear


@lru_cache(maxsize=4096)
def layer_linears(layer: Layer, hidden: int) -> tuple[Linear, ...]:
    """All weight matrices of one layer."""
    return layer.linears(hidden)


@lru_cache(maxsize=4096)
def parameters(arch: Architecture) -> Ledger:
    """Parameters by part.

    Counts every learned number that the published implementation holds: weights, biases, norms, sinks. A tied
    head holds none of its own. Leaves out multi-token-prediction layers, buffers and optimiser state.
    Source: the published implementations.

    >>> int(parameters(GPT2_SMALL).total)
    124439808
    >>> parameters(GPT3_175B).total / 1e9
    174.604...
    """
    lines = dict.fromkeys(
        (
            "token_embedding",
            "position_embedding",
            "layer_embedding",
            "attention",
            "mlp",
            "router",
            "experts",
            "shared_experts",
            "biases",
            "norms",
            "head",
        ),
        0.0,
    )
    lines["token_embedding"] = arch.vocab * arch.embedding_width
    lines["position_embedding"] = arch.positions * arch.hidden
    lines["layer_embedding"] = arch.looked_up
    lines["norms"] = (arch.final_norm + arch.embedding_norm) * arch.hidden * arch.norm_vectors + arch.scales
    lines["head"] = 0 if arch.tied else arch.vocab * arch.embedding_width
    lines["biases"] = arch.vocab * arch.head_bias
    for linear in arch.beside:
        lines[linear.part] = lines.get(linear.part, 0) + linear.held * linear.weights
        lines["biases"] += linear.held * linear.outputs * linear.bias
    for layer, times in arch.each_kind():
        for linear in layer_linears(layer, arch.hidden):
            lines[linear.part] = lines.get(linear.part, 0) + times * linear.held * linear.weights
            lines["biases"] += times * linear.held * linear.outputs * linear.bias
        for part, count in (*layer.mixer.vectors().items(), *layer.channel.vectors().items()):
            lines[part] = lines.get(part, 0) + times * count
        lines["norms"] += times * (layer.norms * arch.hidden * arch.norm_vectors + layer.scales)
    return Ledger({name: float(value) for name, value in lines.items() if value})


def total_parameters(arch: Architecture) -> float:
    """Parameters that a checkpoint holds.

    >>> int(total_parameters(GPT2_SMALL))
    124439808
    """
    return float(parameters(arch).total)


def embedding_parameters(arch: Architecture) -> float:
    """Parameters of the tables of tokens, positions and layers, which no matrix product uses.

    >>> int(embedding_parameters(GPT2_SMALL))
    39383808
    """
    return float(arch.vocab * arch.embedding_width + arch.positions * arch.hidden + arch.looked_up)


def prediction_parameters(arch: Architecture) -> float:
    """Parameters of the multi-token-prediction layers, which `total_parameters` leaves out as the published counts do.

    Counts layer, way in and norms. Leaves out embedding and head, which are the model's own.
    Source: deepseek-v3-2024, section 2.2.

    >>> prediction_parameters(GPT2_SMALL)
    0.0
    """
    bare = structs.replace(arch, vocab=0, positions=0, layers=arch.prediction, prediction=(), final_norm=False)
    bare = structs.replace(bare, embedding_norm=False, beside=(), scales=0, looked_up=0)
    return float(parameters(bare).total) if arch.prediction else 0.0


def active_parameters(arch: Architecture) -> float:
    """Parameters that one token touches: total without the experts that it is not routed to.

    >>> active_parameters(GPT2_SMALL) == total_parameters(GPT2_SMALL)
    True
    """
    idle = sum(
        times * max(0, linear.held - linear.used) * linear.parameters
        for layer, times in arch.each_kind()
        for linear in layer_linears(layer, arch.hidden)
    )
    return total_parameters(arch) - idle


@lru_cache(maxsize=4096)
def matmul_parameters(arch: Architecture) -> float:
    """Parameters that pass through a matrix product per token: what FLOP are counted on.

    Counts projections, MLP, router, the chosen experts, and the head whether tied or not. Leaves out embeddings,
    norms and biases. Source: PaLM 2022, appendix B; nanoGPT.

    >>> int(matmul_parameters(GPT2_SMALL))
    123532032
    """
    layers = sum(
        times * linear.used * linear.weights
        for layer, times in arch.each_kind()
        for linear in layer_linears(layer, arch.hidden)
    )
    outside = sum(linear.used * linear.weights for linear in arch.beside)
    return float(layers + outside + arch.vocab * arch.embedding_width)


@lru_cache(maxsize=4096)
def linear_parameters(arch: Architecture) -> float:
    """Weights of the linear layers inside the decoder layers: what LoRA adapts and 4-bit loading quantises.

    >>> int(linear_parameters(GPT2_SMALL))
    84934656
    """
    return float(
        sum(
            times * linear.held * linear.weights
            for layer, times in arch.each_kind()
            for linear in layer_linears(layer, arch.hidden)
            if linear.part != "router"
        )
    )


Targets = Literal["all-linear", "attention", "mlp"]
ADAPTED: Mapping[str, frozenset[str]] = {
    "attention": frozenset({"attention"}),
    "mlp": frozenset({"mlp", "experts", "shared_experts"}),
}
"""Parts with adapters when not every matrix has one; the second set is gate, up and down."""
STACKED = (("experts.gate", "experts.up"),)
"""Matrices that implementations hold as one whatever the family: transformers 5 stacks experts that way."""


@lru_cache(maxsize=4096)
def lora_parameters(
    arch: Architecture, rank: int, targets: Targets = "all-linear", fused: tuple[tuple[str, ...], ...] = ()
) -> float:
    """Trainable parameters of adapters of one rank on the linear layers of the decoder.

        rank · Σ (inputs + outputs)

    all-linear  every matrix of the layers and the router; not embedding and head
    attention   the projections of attention
    mlp         gate, up and down, those of every expert too

    Matrices that the implementation holds as one (`Architecture.fused`, and `fused` by part and name) share an adapter,
    so their input counts once. A fused stack of experts gets the rank once for each matrix that it stands for.
    Sources: lora-2021; PEFT, `all-linear`.

    >>> int(lora_parameters(LLAMA2_7B, 16)), int(lora_parameters(LLAMA2_7B, 16, "attention"))
    (39976960, 16777216)
    >>> qkv = ("attention.q", "attention.k", "attention.v")
    >>> int(lora_parameters(GPT2_SMALL, 8, "attention", fused=(qkv,)))
    442368
    """
    groups = _adapted_groups(arch, ADAPTED.get(targets), fused)
    return float(sum(times * _adapter(group, rank) for group, times in groups))


@lru_cache(maxsize=4096)
def active_lora_parameters(arch: Architecture, rank: int, targets: Targets = "all-linear") -> float:
    """Parameters of the adapters that one token passes through: those of its own experts only.

    >>> active_lora_parameters(LLAMA2_7B, 16) == lora_parameters(LLAMA2_7B, 16)
    True
    """
    groups = _adapted_groups(arch, ADAPTED.get(targets), ())
    return float(sum(times * _adapter(group, rank) * _share_used(group[0]) for group, times in groups))


def _share_used(linear: Linear) -> float:
    """Share of the copies of a matrix that one token visits; 1 for one that is shared and visited again."""
    return min(1.0, linear.used / linear.held)


def _adapted_groups(
    arch: Architecture, adapted: frozenset[str] | None, fused: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[list[Linear], int]]:
    """Matrices that share one adapter, and how many layers hold such a group."""
    fused = (*STACKED, *fused, *(FUSED[group] for group in arch.fused))
    layers = ((layer_linears(layer, arch.hidden), times) for layer, times in arch.each_kind())
    for linears, times in (*layers, (arch.beside, 1)):
        groups: dict[tuple[str, ...], list[Linear]] = {}
        for linear in linears:
            if adapted is None or linear.part in adapted:
                own = (f"{linear.part}.{linear.name}",)
                groups.setdefault(next((names for names in fused if own[0] in names), own), []).append(linear)
        yield from ((group, times) for group in groups.values())


def _adapter(group: list[Linear], rank: int) -> int:
    """Parameters of one adapter: from the input of all to the outputs of all."""
    held, inputs = group[0].held, group[0].inputs
    ranks = len(group) * rank if held > 1 else rank
    return held * ranks * (inputs + sum(linear.outputs for linear in group))
