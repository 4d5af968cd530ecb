"""How many FLOP does a token cost, part by part, and what does each convention call it?

A multiply-add is two FLOP. *Model FLOP* are what training needs: forward and backward. *Hardware FLOP* add what is
computed again to save memory. One convention is printed with its name; `conventions` restates it in the others.
This file knows no hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.ledger import Ledger, added
from cardyears.work.architecture import Architecture
from cardyears.work.mixers import FORWARD_PER_WEIGHT
from cardyears.work.params import active_parameters, layer_linears, matmul_parameters

if TYPE_CHECKING:
    from cardyears.base.units import Flop, Scalar

TRAINING_PER_FORWARD = 3
"""The backward pass costs two forward passes: gradients of inputs and of weights."""
FROZEN_PER_FORWARD = 2
"""A frozen weight needs the gradient of its input only."""


def head_flop(arch: Architecture) -> float:
    """FLOP per token, forward, of the output head.

        2·h·V

    >>> head_flop(GPT2_SMALL) / 1e6
    77.194752
    """
    return float(FORWARD_PER_WEIGHT * arch.embedding_width * arch.vocab)


def attention_core_flop(arch: Architecture, seq_len: Scalar, *, causal: bool) -> Flop:
    """FLOP per token, forward, to score the context and to average it.

    Two matrix products per layer, each 2·T·q per token:

        4·L·T·q    whole square    PaLM, nanoGPT, torchtitan
        2·L·T·q    causal half     Megatron-Core, MaxText

    with q = heads · head dimension; a sliding window takes the place of T. Counts QKᵀ and softmax·V. Leaves out
    softmax, mask and rotary embedding. Sources: palm-2022 app. B; megatron-core.

    >>> attention_core_flop(GPT3_175B, 2_048, causal=False) / 1e9
    9.663676416
    """
    parts = [times * layer.mixer.core_flop(seq_len, causal=causal) for layer, times in arch.each_kind()]
    return added(parts)


def forward_flop(arch: Architecture, seq_len: Scalar, *, causal: bool = False) -> Ledger:
    """FLOP per token, forward, by part; they add up.

    Counts every matrix product, the router's and the head's among them. Leaves out norms, activation functions,
    softmax, rotary embedding and the embedding gather, which multiply no matrices.
    Sources: palm-2022 app. B; chinchilla-2022 app. F.

    >>> forward_flop(GPT3_175B, 2_048).total / 1e9
    358.79...
    """
    lines: dict[str, Scalar] = {}
    for layer, times in arch.each_kind():
        for linear in layer_linears(layer, arch.hidden):
            part = "attention_projections" if linear.part == "attention" else linear.part
            lines[part] = lines.get(part, 0.0) + float(FORWARD_PER_WEIGHT * times * linear.used * linear.weights)
    for linear in arch.beside:
        lines[linear.part] = lines.get(linear.part, 0.0) + float(FORWARD_PER_WEIGHT * linear.used * linear.weights)
    lines["attention_core"] = attention_core_flop(arch, seq_len, causal=causal)
    lines["head"] = head_flop(arch)
    return Ledger(lines)


def model_flop(arch: Architecture, seq_len: Scalar, *, causal: bool = False) -> Flop:
    """Model FLOP per trained token: forward and backward of every matrix product.

        6·N_matmul + 12·L·q·T        (whole square)

    The convention of PaLM, nanoGPT and torchtitan, in which most MFU are published. Leaves out recomputation.
    Source: palm-2022 app. B.

    >>> model_flop(GPT3_175B, 2_048) / 1e9
    1076.37...
    """
    return TRAINING_PER_FORWARD * forward_flop(arch, seq_len, causal=causal).total


def finetune_flop(arch: Architecture, seq_len: Scalar, adapter_parameters: float) -> Flop:
    """Model FLOP per trained token with a frozen base and trained adapters.

        4·N_matmul + 6·N_adapter + 12·L·q·T

    The gradient flows through the frozen weights (twice forward in all instead of three times) and through the
    attention core, which has no weights to freeze. Source: lora-2021; counted by parts.

    >>> finetune_flop(LLAMA2_7B, 2_048, 39_976_960) / model_flop(LLAMA2_7B, 2_048)
    0.697...
    """
    core = attention_core_flop(arch, seq_len, causal=False)
    frozen = FROZEN_PER_FORWARD * FORWARD_PER_WEIGHT * matmul_parameters(arch)
    return frozen + TRAINING_PER_FORWARD * (FORWARD_PER_WEIGHT * adapter_parameters + core)


def recomputed_flop(arch: Architecture, seq_len: Scalar) -> Flop:
    """Hardware FLOP per trained token when every block is computed again in the backward pass, the head not.

        4 · forward of the blocks + 3 · forward of the head

    Source: narayanan-2021, eq. 3.

    >>> recomputed_flop(GPT3_175B, 2_048) / 1e9
    1433.9...
    """
    return model_flop(arch, seq_len) + forward_flop(arch, seq_len).total - head_flop(arch)


NORM_FLOP_PER_ELEMENT = 4
"""Square, add, times the reciprocal root, times the scale."""


def uncounted_flop(arch: Architecture, seq_len: Scalar) -> Ledger:
    """FLOP per token, forward, that no convention counts: norms, and multi-token-prediction layers with their head.

        norms       4·h for each norm
        prediction  2·N_matmul of each such layer + its attention core + 2·h·V

    Source: chinchilla-2022 app. F, which leaves norms out; deepseek-v3-2024, 2.2.

    >>> uncounted_flop(GPT2_SMALL, 1_024)["norms"]
    76800.0
    """
    norms = sum(times * layer.norms for layer, times in arch.each_kind()) + arch.final_norm
    prediction: Scalar = 0.0
    for layer, times in arch.prediction:
        weights = sum(linear.used * linear.weights for linear in layer_linears(layer, arch.hidden))
        core = layer.mixer.core_flop(seq_len, causal=False)
        prediction = prediction + times * (FORWARD_PER_WEIGHT * weights + core + head_flop(arch))
    return Ledger(norms=float(NORM_FLOP_PER_ELEMENT * arch.hidden * norms), prediction=prediction)


def conventions(arch: Architecture, seq_len: Scalar) -> dict[str, Scalar]:
    """FLOP per trained token as eight conventions in use count it.

    N is active parameters, q the width of all heads, T the sequence length. The differences are whether embeddings
    and head count, whether attention counts and as square or half, and whether recomputation counts.

    >>> round(conventions(GPT3_175B, 2_048)["kaplan"] / 1e9)
    1044
    """
    active, square = active_parameters(arch), attention_core_flop(arch, seq_len, causal=False)
    # Kaplan's N has neither embeddings and head nor biases and norms: 12·L·d² for a GPT.
    kaplan = 6 * (matmul_parameters(arch) - arch.embedding_width * arch.vocab)
    return {
        "6n": 6 * active,
        "kaplan": kaplan,
        # Kaplan 2020, table 1, adds 2·L·T·d forward: half of the square, as the mask leaves it, of QKᵀ and softmax·V.
        "kaplan-attention": kaplan + TRAINING_PER_FORWARD * attention_core_flop(arch, seq_len, causal=True),
        "palm": model_flop(arch, seq_len),
        "megatron": model_flop(arch, seq_len, causal=True),
        "chinchilla": _chinchilla_flop(arch, seq_len),
        "llm-foundry-hfu": 8 * active + 4 * square,
        "narayanan-hfu": recomputed_flop(arch, seq_len),
    }


def _chinchilla_flop(arch: Architecture, seq_len: Scalar) -> Scalar:
    """Chinchilla's appendix F as printed: the embedding as a matrix product, and softmax with three FLOP a score."""
    softmax: Scalar = 0.0
    for layer, times in arch.each_kind():
        softmax = softmax + 3 * times * layer.mixer.score_heads * seq_len
    return model_flop(arch, seq_len) + TRAINING_PER_FORWARD * (head_flop(arch) + softmax)
