"""How many parameters has a model, part by part, to the single one?

Four totals, never one word: *total* (what a checkpoint holds), *active* (what one token touches), *matmul* (what
passes through a matrix product per token; what FLOP are counted on) and *trainable* (LoRA). This file knows no
training recipe and no hardware.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture, Attention, Channel, Experts, LatentAttention, Layer, Mixer, Mlp


class Linear(msgspec.Struct, frozen=True):
    """One weight matrix: in x out, how many are held, how many a token passes through, whether it has a bias."""

    part: str
    name: str
    inputs: int
    outputs: int
    held: int = 1
    used: int = 1
    bias: bool = False

    @property
    def weights(self) -> int:
        """Weights of one such matrix."""
        return self.inputs * self.outputs


def mixer_linears(mixer: Mixer, hidden: int) -> tuple[Linear, ...]:
    """The weight matrices of a token mixer.

    Attention: q, k, v of hidden x (heads or kv_heads)·head_dim and the output projection.
    Latent attention (DeepSeek-V2, eqs. 37-47): down- and up-projections of q (or one full matrix) and of kv.
    """
    match mixer:
        case Attention():
            q, kv, bias = mixer.q_width, mixer.kv_width, mixer.qkv_bias
            return (
                Linear("attention", "q", hidden, q, bias=bias),
                Linear("attention", "k", hidden, kv, bias=bias),
                Linear("attention", "v", hidden, kv, bias=bias),
                Linear("attention", "o", q, hidden, bias=mixer.output_bias),
            )
        case LatentAttention():
            return _latent_linears(mixer, hidden)


def _latent_linears(mixer: LatentAttention, hidden: int) -> tuple[Linear, ...]:
    q_width = mixer.heads * mixer.qk_dim
    queries = (
        (Linear("attention", "q", hidden, q_width),)
        if mixer.q_rank is None
        else (Linear("attention", "q_down", hidden, mixer.q_rank), Linear("attention", "q_up", mixer.q_rank, q_width))
    )
    return (
        *queries,
        Linear("attention", "kv_down", hidden, mixer.kv_rank + mixer.rope_dim),
        Linear("attention", "kv_up", mixer.kv_rank, mixer.heads * (mixer.nope_dim + mixer.value_dim)),
        Linear("attention", "o", mixer.heads * mixer.value_dim, hidden),
    )


def channel_linears(channel: Channel, hidden: int) -> tuple[Linear, ...]:
    """The weight matrices of a channel mixer: an MLP, or a router with routed and shared experts."""
    match channel:
        case Mlp():
            return _mlp_linears("mlp", channel.width, hidden, gated=channel.gated, bias=channel.bias)
        case Experts():
            routed = _mlp_linears(
                "experts",
                channel.width,
                hidden,
                gated=channel.gated,
                bias=channel.bias,
                held=channel.count,
                used=channel.top_k,
            )
            shared = (
                ()
                if not channel.shared_width
                else _mlp_linears(
                    "shared_experts", channel.shared_width, hidden, gated=channel.gated, bias=channel.bias
                )
            )
            gate = (Linear("router", "shared_gate", hidden, 1),) if channel.shared_gate else ()
            return (
                Linear("router", "router", hidden, channel.count, bias=channel.router_bias),
                *gate,
                *routed,
                *shared,
            )


def _mlp_linears(
    part: str, width: int, hidden: int, *, gated: bool, bias: bool, held: int = 1, used: int = 1
) -> tuple[Linear, ...]:
    ways_in = ("gate", "up") if gated else ("up",)
    return (
        *(Linear(part, name, hidden, width, held, used, bias) for name in ways_in),
        Linear(part, "down", width, hidden, held, used, bias),
    )


@lru_cache(maxsize=4096)
def layer_linears(layer: Layer, hidden: int) -> tuple[Linear, ...]:
    """All weight matrices of one layer."""
    return (*mixer_linears(layer.mixer, hidden), *channel_linears(layer.channel, hidden))


def _norm_parameters(arch: Architecture, layer: Layer) -> int:
    """Norm scales and biases of one layer, the norms of q and k (or of the latents) among them."""
    mixer = layer.mixer
    own = layer.norms * arch.hidden * arch.norm_vectors
    match mixer:
        case LatentAttention():
            return own + mixer.kv_rank + (mixer.q_rank or 0)
        case Attention(qk_norm="head"):
            return own + 2 * mixer.head_dim
        case Attention(qk_norm="hidden"):
            return own + mixer.q_width + mixer.kv_width
        case Attention(qk_norm="per-head"):
            return own + mixer.q_width + mixer.kv_width
    return own


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
            lines[linear.part] += times * linear.held * linear.weights
            lines["biases"] += times * linear.held * linear.outputs * linear.bias
        lines["norms"] += times * _norm_parameters(arch, layer)
        if isinstance(layer.mixer, Attention) and layer.mixer.sinks:
            lines["biases"] += times * layer.mixer.heads
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
        times * (linear.held - linear.used) * (linear.weights + linear.outputs * linear.bias)
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
