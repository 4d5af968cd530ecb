"""Bytes of state and of activations, as torch's memory trackers report them for the published implementations.

Everything is counted by torch itself on fake tensors: transformers' own Llama, Qwen, Mixtral, DeepSeek and GPT-2, their
norms and softmax in Python's steps or fused, every kind of recomputation, alone and under FSDP2 on up to 1,024 ranks.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pytest
import transformers

from cardyears.resolve.huggingface.families import found
from cardyears.work.activations import AttentionKernel, Recompute, activation_gradients, activations, ends, logits
from cardyears.work.architecture import Architecture
from cardyears.work.params import layer_linears, total_parameters
from cardyears.work.saved import FP32_BYTES
from cardyears.work.state import RECIPES, full_state
from oracle.trackers import Report, track, track_sharded

SEQUENCES, LENGTH = 8, 2_048
TOKENS = float(SEQUENCES * LENGTH)
CLOSE = 0.003
"""Left out on purpose: the norms' scales, positions, sorted token numbers."""
LAYERS = 4
SIZE = {"num_hidden_layers": LAYERS, "vocab_size": 32_000, "use_cache": False}
HEADS = {"num_attention_heads": 32, "num_key_value_heads": 8}
GROUPED = {"experts_implementation": "grouped_mm"}

WIDTH = {"hidden_size": 2_048, **HEADS}
LATENT = {"hidden_size": 2_048, "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": 768}
CHOSEN = {"num_experts_per_tok": 4, "n_routed_experts": 16, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1}

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"intermediate_size": 8_192, **WIDTH},
    "qwen3": {"intermediate_size": 6_144, "head_dim": 128, **WIDTH},
    "mixtral": {"intermediate_size": 5_632, "num_local_experts": 8, **WIDTH, **GROUPED},
    "qwen3_moe": {"moe_intermediate_size": 768, "num_experts": 32, "num_experts_per_tok": 8, **WIDTH, **GROUPED},
    "deepseek_v3": {"intermediate_size": 6_144, "moe_intermediate_size": 1_024, **LATENT, **CHOSEN, **GROUPED},
    "gpt2": {"n_layer": LAYERS, "n_embd": 1_600, "n_head": 25, "n_positions": LENGTH, "activation_function": "gelu"},
}


class Case(NamedTuple):
    """One model, how its attention runs, and what is computed again."""

    family: str
    attention: str = "kernel"
    recompute: Recompute = "none"
    fused_norms: bool = False
    every: int = 1
    dropout: float = 0.0

    @property
    def kernel(self) -> AttentionKernel:
        return "flash" if self.attention in ("kernel", "stand-in") else "eager"

    @property
    def words(self) -> dict[str, Any]:
        """For our sums: GPT-2's norms are PyTorch's own, which is one kernel."""
        fused = self.attention != "stepwise" and (self.fused_norms or self.family == "gpt2")
        return {"fused": fused, "dropout": self.dropout > 0}


CASES = [
    *(Case("llama", recompute=kind) for kind in ("none", "selective-norms", "selective-products", "full")),
    *(Case("llama", recompute=kind, fused_norms=True) for kind in ("none", "selective-norms", "selective-products")),
    Case("llama", recompute="full", every=2),
    Case("llama", "stepwise"),
    Case("llama", "stepwise", "selective"),
    Case("llama", "scored", fused_norms=True),
    Case("llama", "scored", "selective", fused_norms=True),
    Case("qwen3"),
    Case("qwen3", recompute="selective-norms", fused_norms=True),
    Case("mixtral"),
    Case("mixtral", fused_norms=True),
    Case("mixtral", recompute="full"),
    Case("qwen3_moe"),
    Case("qwen3_moe", recompute="full"),
    Case("deepseek_v3", "stand-in"),
    Case("deepseek_v3", "stand-in", fused_norms=True),
    Case("deepseek_v3", "stand-in", "full"),
    Case("gpt2"),
    Case("gpt2", recompute="full"),
    Case("gpt2", "scored"),
    Case("gpt2", "scored", "selective"),
    Case("gpt2", "scored", dropout=0.1),
    Case("gpt2", "scored", "selective", dropout=0.1),
    Case("gpt2", "scored", "full", dropout=0.1),
]


def name(case: Case) -> str:
    flags = ("fused norms", case.fused_norms), ("dropout", case.dropout), (f"every {case.every}", case.every > 1)
    return " ".join((case.family, case.attention, case.recompute, *(word for word, there in flags if there)))


def config(case: Case, **other: Any) -> Any:
    attention = f"{case.attention}-again" if case.recompute == "selective" else case.attention
    drop = {f"{place}_pdrop": case.dropout for place in ("resid", "embd", "attn")} if case.family == "gpt2" else {}
    size = {**SIZE, **CONFIGS[case.family], **drop, **other}
    return transformers.CONFIG_MAPPING[case.family](attn_implementation=attention, **size)


def architecture(theirs: Any) -> Architecture:
    return found(theirs.to_dict(), "config.json", theirs.model_type).architecture


@cache
def report(case: Case) -> Report:
    return track(
        config(case),
        (SEQUENCES, LENGTH),
        recompute=case.recompute if case.recompute != "selective" else "none",  # the attention itself has it
        every=case.every,
        fused_norms=case.fused_norms,
    )


def kept(arch: Architecture, case: Case) -> float:
    """What we count in the layers and at the ends of the model."""
    layers = activations(
        arch, TOKENS, LENGTH, recompute=case.recompute, kernel=case.kernel, recompute_every=case.every, **case.words
    )["activations"]
    return float(layers + ends(arch, TOKENS, **case.words).total + router_copies(arch, case) * TOKENS)


def router_copies(arch: Architecture, case: Case) -> int:
    """DeepSeek's router alone multiplies an fp32 copy of its input, in transformers: 4·h in each sparse layer."""
    sparse = arch.layer_count - 1 if case.family == "deepseek_v3" and case.recompute == "none" else 0
    return FP32_BYTES * arch.hidden * sparse


def log_softmax(arch: Architecture) -> float:
    """What the loss keeps of the logits until its backward pass."""
    return FP32_BYTES * arch.vocab * TOKENS


pytestmark = pytest.mark.filterwarnings("ignore")  # those of the oracle are not ours
every_case = pytest.mark.parametrize("case", CASES, ids=name)


@every_case
def test_what_the_layers_keep_is_what_the_tracker_finds_at_the_end_of_the_forward_pass(case: Case) -> None:
    arch = architecture(config(case))
    assert kept(arch, case) == pytest.approx(report(case).forward["ACT"] - log_softmax(arch), rel=CLOSE)


@pytest.mark.parametrize("case", [case for case in CASES if case.recompute in ("none", "selective-norms")], ids=name)
def test_the_peak_is_what_is_kept_with_the_logits_and_their_gradients(case: Case) -> None:
    arch, peak = architecture(config(case)), report(case).peak
    theirs = peak["ACT"] + peak["TEMP"]
    assert kept(arch, case) + logits(arch, TOKENS, fused=False) == pytest.approx(theirs, rel=CLOSE)
    assert peak["PARAM"] == pytest.approx(full_state(arch, RECIPES["adamw-bf16"])["weights"], rel=CLOSE)


@every_case
def test_the_state_is_what_the_tracker_finds_after_the_update(case: Case) -> None:
    ours, theirs = full_state(architecture(config(case)), RECIPES["adamw-bf16"]), report(case).updated
    assert ours["weights"] == pytest.approx(theirs["PARAM"], rel=CLOSE)
    assert ours["gradients"] == pytest.approx(theirs["GRAD"], rel=CLOSE)
    assert ours["optimizer"] == pytest.approx(theirs["OPT"], rel=CLOSE)


# With a small vocabulary the peak moves from the loss into the backward pass of the last layer.

BACKWARD = [
    *(Case(family, recompute="full", fused_norms=True) for family in ("llama", "mixtral", "gpt2")),
    *(Case("llama", recompute=kind, fused_norms=True) for kind in ("none", "selective-norms")),
    *(Case("llama", "stepwise", kind) for kind in ("selective", "full")),
    *(Case("gpt2", "scored", kind) for kind in ("none", "selective", "full")),
]
MANY = 32
"""Sequences: so many that the optimiser's own peak is lower."""
BACKWARD_CLOSE = 0.02


@pytest.mark.parametrize("case", BACKWARD, ids=name)
def test_the_peak_of_the_backward_pass_has_the_layer_computed_again_and_its_gradients(case: Case) -> None:
    theirs = config(case, vocab_size=1_024)
    recompute = case.recompute if case.recompute != "selective" else "none"
    peak = track(theirs, (MANY, LENGTH), recompute=recompute, fused_norms=case.fused_norms).peak
    arch, tokens, fused = architecture(theirs), float(MANY * LENGTH), case.words["fused"]
    layers = activations(arch, tokens, LENGTH, recompute=case.recompute, kernel=case.kernel, fused=fused)
    gradients = activation_gradients(arch, tokens, LENGTH, kernel=case.kernel, fused=fused)
    assert layers.total + gradients == pytest.approx(peak["ACT"] + peak["TEMP"], rel=BACKWARD_CLOSE)


# FSDP2 with the widths of Llama 3 8B: rank 0 has the rounded-up share of every matrix's rows.

WIDE = {"hidden_size": 4_096, "intermediate_size": 14_336, "vocab_size": 128_256, **HEADS}
ROUNDED = 0.01
"""128,256 rows of embedding and head on 1,024 ranks are 125.25 each: the first has 126."""
GATHERED_BYTES, REDUCED_BYTES, GRADIENT_BYTES = 2, 4, 2
"""A weight of the layer in use, and of the next one; a gradient as it is sent, in fp32, and as it was computed."""


def sharded(family: str, ranks: int, recompute: Recompute, size: dict[str, Any]) -> tuple[Architecture, Case, Report]:
    case = Case(family, recompute=recompute)
    theirs = config(case, **size)
    return architecture(theirs), case, track_sharded(theirs, ranks, (SEQUENCES, LENGTH), recompute=recompute)


@pytest.mark.parametrize("recompute", ["none", "selective-products", "full"])
@pytest.mark.parametrize("ranks", [8, 64, 1_024])
def test_a_rank_of_fsdp_holds_its_share_of_the_state_and_all_its_activations(ranks: int, recompute: Recompute) -> None:
    arch, case, theirs = sharded("llama", ranks, recompute, WIDE)
    ours = full_state(arch, RECIPES["adamw-fp32"]).times(1 / ranks)
    assert ours["weights"] == pytest.approx(theirs.updated["SHARDED_PARAM"], rel=ROUNDED)
    assert ours["gradients"] == pytest.approx(theirs.updated["SHARDED_GRAD"], rel=ROUNDED)
    assert ours["optimizer"] == pytest.approx(theirs.updated["OPT"], rel=ROUNDED)
    assert kept(arch, case) == pytest.approx(theirs.forward["ACT"] - log_softmax(arch), rel=CLOSE)


@pytest.mark.parametrize("recompute", ["none", "full"])
def test_a_mixture_of_experts_is_sharded_like_any_other_layer(recompute: Recompute) -> None:
    arch, case, theirs = sharded("mixtral", 8, recompute, {})
    ours = full_state(arch, RECIPES["adamw-fp32"]).times(1 / 8)
    assert ours.total == pytest.approx(
        sum(theirs.updated[kind] for kind in ("SHARDED_PARAM", "SHARDED_GRAD", "OPT")), rel=CLOSE
    )
    assert kept(arch, case) == pytest.approx(theirs.forward["ACT"] - log_softmax(arch), rel=CLOSE)


def _layer_parameters(arch: Architecture) -> float:
    layer = arch.layers[0][0]
    weights = sum(linear.held * linear.weights for linear in layer_linears(layer, arch.hidden))
    return float(weights + layer.norms * arch.hidden)


def test_at_the_loss_fsdp_has_gathered_embedding_head_and_the_last_layer() -> None:
    arch, case, theirs = sharded("llama", 8, "none", {**WIDE, "num_hidden_layers": 2})
    layer = _layer_parameters(arch)
    around = total_parameters(arch) - 2 * layer
    assert theirs.peak["UNSHARDED_PARAM"] == pytest.approx(GATHERED_BYTES * around, rel=CLOSE)
    assert theirs.peak["ALL_GATHER"] == pytest.approx(GATHERED_BYTES * layer, rel=CLOSE)
    activated = theirs.peak["ACT"] + theirs.peak["TEMP"]
    assert kept(arch, case) + logits(arch, TOKENS, fused=False) == pytest.approx(activated, rel=CLOSE)


def test_in_the_backward_pass_fsdp_holds_10_bytes_for_each_weight_of_a_layer() -> None:
    arch, _, theirs = sharded("llama", 8, "full", {**WIDE, "vocab_size": 1_024})
    layer, peak = _layer_parameters(arch), theirs.peak
    around = total_parameters(arch) - LAYERS * layer
    assert peak["UNSHARDED_PARAM"] == pytest.approx(GATHERED_BYTES * (layer + around), rel=CLOSE)
    assert peak["ALL_GATHER"] == pytest.approx(GATHERED_BYTES * layer, rel=CLOSE)
    assert peak["REDUCE_SCATTER"] == pytest.approx(REDUCED_BYTES * layer, rel=CLOSE)
    assert peak["TEMP"] > GRADIENT_BYTES * layer
    assert GATHERED_BYTES + GATHERED_BYTES + REDUCED_BYTES + GRADIENT_BYTES == 10
