"""How many parameters has a model, part by part, to the single one?

Four totals, never one word: *total* (what a checkpoint holds), *active* (what one token touches), *matmul* (what
passes through a matrix product per token; what FLOP are counted on) and *trainable* (LoRA). This file knows no
training recipe and no hardware.
"""

from __future__ import annotations

from functools import lru_cache

from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.linear import Linear


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
    lines["token_embedding"] = arch.vocab * arch.hidden
    lines["position_embedding"] = arch.positions * arch.hidden
    lines["norms"] = (1 + arch.embedding_norm) * arch.hidden * arch.norm_vectors
    lines["head"] = 0 if arch.tied else arch.vocab * arch.hidden
    lines["biases"] = arch.vocab * arch.head_bias
    for layer, times in arch.each_kind():
        for linear in layer_linears(layer, arch.hidden):
            lines[linear.part] = lines.get(linear.part, 0) + times * linear.held * linear.weights
            lines["biases"] += times * linear.held * linear.outputs * linear.bias
        for part, count in (*layer.mixer.vectors().items(), *layer.channel.vectors().items()):
            lines[part] = lines.get(part, 0) + times * count
        lines["norms"] += times * layer.norms * arch.hidden * arch.norm_vectors
    return Ledger({name: float(value) for name, value in lines.items() if value})


def total_parameters(arch: Architecture) -> float:
    """Parameters that a checkpoint holds.

    >>> int(total_parameters(GPT2_SMALL))
    124439808
    """
    return float(parameters(arch).total)


def embedding_parameters(arch: Architecture) -> float:
    """Parameters of the token and position tables, which no matrix product uses.

    >>> int(embedding_parameters(GPT2_SMALL))
    39383808
    """
    return float((arch.vocab + arch.positions) * arch.hidden)


def active_parameters(arch: Architecture) -> float:
    """Parameters that one token touches: total without the experts that it is not routed to.

    >>> active_parameters(GPT2_SMALL) == total_parameters(GPT2_SMALL)
    True
    """
    idle = sum(
        times * (linear.held - linear.used) * linear.parameters
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
    return float(layers + arch.vocab * arch.hidden)


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


@lru_cache(maxsize=4096)
def lora_parameters(arch: Architecture, rank: int) -> float:
    """Trainable parameters of adapters of one rank on every linear layer of the decoder.

        rank · Σ (inputs + outputs)

    Leaves out the router, embedding and head, as PEFT's ``all-linear`` does for the head. Source: Hu et al. 2021.

    >>> int(lora_parameters(LLAMA2_7B, 16))
    39976960
    """
    return float(
        sum(
            times * linear.held * rank * (linear.inputs + linear.outputs)
            for layer, times in arch.each_kind()
            for linear in layer_linears(layer, arch.hidden)
            if linear.part != "router"
        )
    )
