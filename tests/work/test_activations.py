"""Bytes kept for the backward pass: Korthikanti et al. term by term, and every way of splitting and recomputing them.

Korthikanti 2022 (arXiv 2205.05198), in units of s·b·h bytes a layer, t ranks of tensor parallelism:

    table 2    no parallelism                    34 + 5as/h
               tensor parallelism                10 + 24/t + 5as/(ht)
               and sequence parallelism          34/t + 5as/(ht)
               and selective recomputation       34/t
               full recomputation                2
    section 4  attention 11 + 5as/h, MLP 19, layer norms 4; section 4.3: embedding's dropout 1, norm and head 2 + 2
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from cardyears.work import activations as sums
from cardyears.work.activations import (
    AttentionKernel,
    Recompute,
    activation_gradients,
    activations,
    eager_score_bytes,
    ends,
    layer_saved,
    logits,
)
from cardyears.work.architecture import GPT3_175B, LLAMA2_7B, LLAMA3_8B, Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.mixers import NOTHING, Attention, LatentAttention, Parallel
from cardyears.work.recurrent import Mamba, Mamba2
from cardyears.work.saved import Saved

S, B = 2_048, 4
H, A, L = 12_288, 96, 96
SBH = S * B * H
TOKENS = float(S * B)
SCORES = 5 * A * S / H
"""5as/h, which is 80 for GPT-3."""
KINDS = get_args(Recompute)


def per_layer(arch: Architecture = GPT3_175B, line: str = "activations", **words: Any) -> float:
    """Bytes of one layer over s·b·h, as the paper trains it: with dropout and without a flash kernel."""
    said: dict[str, Any] = {"recompute": "none", "kernel": "eager", "dropout": True, **words}
    return float(activations(arch, TOKENS, S, **said)[line]) / arch.layer_count / SBH


def gpt(*, mixer: Any = None, channel: Any = None, norms: int = 2) -> Architecture:
    layer, times = GPT3_175B.layers[0]
    other = Layer(mixer or layer.mixer, channel or layer.channel, norms)
    return msgspec.structs.replace(GPT3_175B, layers=((other, times),))


# Table 2.

DEGREES = [1.0, 2.0, 8.0, 32.0]


def test_without_parallelism_a_layer_keeps_34_and_its_scores() -> None:
    assert per_layer() == 34 + SCORES


@pytest.mark.parametrize("t", DEGREES)
def test_tensor_parallelism_leaves_10_whole(t: float) -> None:
    assert per_layer(tp=t, sp=False) == pytest.approx(10 + 24 / t + SCORES / t, rel=1e-12)


@pytest.mark.parametrize("t", DEGREES)
def test_sequence_parallelism_splits_everything(t: float) -> None:
    assert per_layer(tp=t) == pytest.approx(34 / t + SCORES / t, rel=1e-12)


@pytest.mark.parametrize("t", DEGREES)
def test_selective_recomputation_leaves_34_over_t(t: float) -> None:
    assert per_layer(tp=t, recompute="selective") == pytest.approx(34 / t, rel=1e-12)
    assert per_layer(tp=t, recompute="selective", sp=False) == pytest.approx(10 + 24 / t, rel=1e-12)


@pytest.mark.parametrize("t", DEGREES)
def test_full_recomputation_leaves_2(t: float) -> None:
    assert per_layer(tp=t, recompute="full", sp=False) == 2
    assert per_layer(tp=t, recompute="full") == pytest.approx(2 / t, rel=1e-12)


# Section 4, term by term: what is left when a part of the layer is taken away.


def test_attention_keeps_11_and_its_scores() -> None:
    """Input 2, q and k 4, v 2, the output 2, the output's dropout mask 1; the input is counted as the norm's output."""
    without = gpt(mixer=NOTHING)
    norm_output = 2
    assert per_layer() - per_layer(without) + norm_output == 11 + SCORES


def test_the_mlp_keeps_19() -> None:
    """Input 2, GELU's input 8 and output 8, the output's dropout mask 1."""
    norm_output = 2
    assert per_layer() - per_layer(gpt(channel=NOTHING)) + norm_output == 19


def test_layer_norms_keep_4() -> None:
    norm_outputs = 4
    assert per_layer() - per_layer(gpt(norms=0)) - norm_outputs == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [("kept", 2 + 2 + 8), ("group_kept", 2 + 2), ("cheap", 8), ("whole_kept", 4), ("whole_cheap", 2 + 2)],
)
def test_each_operator_is_on_its_line(field: str, value: float) -> None:
    """q, output, GELU's input; k and v; GELU's output; the norms' inputs; and their outputs."""
    assert getattr(layer_saved(GPT3_175B.layers[0][0], H), field) == value * H


def test_scores_keep_5_with_dropout_and_2_without_it() -> None:
    assert eager_score_bytes(GPT3_175B, S, dropout=True) == 5 * A * S * L
    assert eager_score_bytes(GPT3_175B, S) == 2 * A * S * L
    assert per_layer(dropout=False) == 34 - 2 + 2 / 5 * SCORES


def test_what_is_outside_the_layers_is_the_papers() -> None:
    assert dict(ends(GPT3_175B, TOKENS, dropout=True)) == {"embedding": 1 * SBH, "head": 4 * SBH}
    assert ends(GPT3_175B, TOKENS, dropout=True, tp=8.0).total == 5 * SBH / 8
    assert ends(GPT3_175B, TOKENS, tp=8.0, sp=False).total == 4 * SBH


# Kernels and words.


def test_a_flash_kernel_keeps_a_log_sum_for_each_head_and_no_scores() -> None:
    assert per_layer(kernel="flash") == 34 + 4 * A / H
    assert per_layer(kernel="flash", recompute="selective") == per_layer(kernel="flash")


def test_selective_norms_keeps_what_products_and_attention_put_out() -> None:
    """Norms' inputs 4, q, k, v and output 8, GELU's input 8, and the masks 2."""
    assert per_layer(recompute="selective-norms") == 4 + 8 + 8 + 2


def test_selective_products_keeps_the_first_product_and_every_second_after_it() -> None:
    """Llama 3 8B: the layer's input; q, v, the gate's matrix and the last one; attention's output and log-sum."""
    (kept,) = (activations(LLAMA3_8B, 1, S, recompute="selective-products")["activations"] / 32,)
    h, kv, f = 4_096, 1_024, 14_336
    assert kept == 2 * h + 2 * h + 2 * kv + 2 * f + 2 * h + 2 * h + 4 * 32


def test_sums_over_ranks_stay_whole_in_selective_products() -> None:
    kept = activations(LLAMA3_8B, 1, S, recompute="selective-products", tp=8.0)["activations"] / 32
    h, kv, f = 4_096, 1_024, 14_336
    assert kept == (2 * h + 2 * h + 2 * kv + 2 * f + 2 * h + 4 * 32) / 8 + 2 * h


def test_norms_in_steps_keep_fp32_copies() -> None:
    """Each of two norms 4 more for each number: its input in fp32 and a normalised copy."""
    fused, steps = (activations(LLAMA2_7B, 1, S, recompute="none", fused=fused).total / 32 for fused in (True, False))
    assert steps - fused == 2 * 4 * 4_096
    assert sums.score_bytes(dropout=False, fused=False) == 4 + 2


def test_eager_attention_copies_keys_and_values_to_their_heads() -> None:
    eager, flash = (activations(LLAMA3_8B, 1, 0, recompute="none", kernel=kernel).total / 32 for kernel in KERNELS)
    assert eager - flash == 2 * (32 - 8) * (128 + 128) - 4 * 32


KERNELS: tuple[AttentionKernel, ...] = ("eager", "flash")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("arch", [GPT3_175B, LLAMA3_8B], ids=lambda arch: arch.name)
def test_more_recomputation_keeps_less_and_has_more_at_once(arch: Architecture, kernel: AttentionKernel) -> None:
    found = [activations(arch, TOKENS, S, recompute=kind, kernel=kernel) for kind in KINDS]
    kept = [float(one["activations"]) for one in found]
    assert kept == sorted(kept, reverse=True)
    again = [float(one.get("recomputed_layer", 0.0)) for one in found]
    assert again == sorted(again)
    layer = kept[0] / arch.layer_count
    assert again[-1] == pytest.approx(layer - kept[-1] / arch.layer_count)


# Sharding.


def test_ranks_beyond_the_heads_of_keys_hold_copies_of_them() -> None:
    """Llama 3 8B has 8 such heads: of its 2·2·1,024 bytes of k and v, 16 and 8 ranks have as much each."""
    eight, sixteen = (activations(LLAMA3_8B, 1, S, recompute="none", tp=tp).total / 32 for tp in (8.0, 16.0))
    pair = 2 * 2 * 1_024
    assert (eight - pair / 8) / 2 == sixteen - pair / 8


def sparse(tokens: float = 1.0, **words: Any) -> float:
    """Mixtral's layer."""
    arch = Architecture(
        "Mixtral", 4_096, 32_000, ((Layer(Attention(32, 8, 128), Experts(8, 2, 14_336, gated=True)), 1),)
    )
    return float(activations(arch, tokens, S, recompute="none", **words).total)


def test_experts_keep_an_mlp_for_each_choice_and_their_copies() -> None:
    h, f = 4_096, 14_336
    attention = 2 * (h + 2 * 1_024 + h) + 4 * 32
    around = 2 * 2 * h + 2 * 2 * h
    inner, copies, router = 2 * 2 * 4 * f, 2 * 2 * 2 * h, 4 * 8
    assert sparse() == attention + around + inner + copies + router


def test_expert_tensor_parallelism_splits_the_inside_and_copies_the_tokens() -> None:
    copies = 2 * 2 * 2 * 4_096
    assert sparse(tp=8.0, etp=8.0) - sparse(tp=8.0, etp=1.0) == copies - copies / 8
    assert sparse(tp=8.0) == pytest.approx(sparse() / 8, rel=1e-12)


def test_shared_experts_and_a_latent_change_what_experts_keep() -> None:
    plain, shared = Experts(64, 6, 1_408, gated=True), Experts(64, 6, 1_408, gated=True, shared_width=2_816)
    assert shared.saved_bytes(2_048).kept - plain.saved_bytes(2_048).kept == 2 * 2 * 2_816
    assert Experts(64, 6, 1_408, gated=True, latent=512).saved_bytes(2_048).routed == 2 * 2 * 6 * 512


def test_latent_attention_keeps_heads_split_and_latents_whole() -> None:
    """DeepSeek-V3: 128 heads of 192 and 128, latents of 1,536 and 512, 64 of rotary key."""
    mixer = LatentAttention(128, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128, q_rank=1_536)
    saved = mixer.saved_bytes()
    queries, keys, made_together, output = 192, 192, 128 + 128, 128
    assert saved.kept == 2 * 128 * (queries + keys + made_together + output)
    assert (saved.whole_kept, saved.whole_cheap) == (2 * (1_536 + 512 + 64), 2 * (1_536 + 512))
    assert (saved.whole_stepwise, saved.flash) == (4 * (1_536 + 512), 4 * 128)
    without = LatentAttention(16, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128).saved_bytes()
    assert (without.whole_kept, without.whole_cheap) == (2 * (512 + 64), 2 * 512)


def test_norms_of_q_and_k_are_cheap_and_split_as_their_heads() -> None:
    plain, normed = Attention(16, 8, 128).saved_bytes(), Attention(16, 8, 128, qk_norm="head").saved_bytes()
    assert normed.cheap - plain.cheap == 2 * 16 * 128
    assert normed.group_cheap - plain.group_cheap == 2 * 8 * 128
    assert normed.stepwise == 4 * (16 + 8) * 128


def test_norms_on_the_way_out_of_a_layer_keep_their_input_only() -> None:
    """Gemma 2 has four norms in a layer, of which two feed products."""
    assert layer_saved(Layer(NOTHING, NOTHING, norms=4), 100).whole_cheap == 2 * 2 * 100
    assert layer_saved(Layer(NOTHING, NOTHING, norms=4), 100).whole_kept == 2 * 4 * 100


def test_what_all_channels_of_a_state_space_share_stays_whole() -> None:
    assert Mamba(5_120, 16, 160).saved_bytes().whole_kept == 2 * (160 + 4 * 16)
    grouped = Mamba2(heads=80, head_dim=64, state=128, groups=8).saved_bytes()
    assert (grouped.groups, grouped.group_kept) == (8, 8 * (2 * 2 * 128 + 4))


def test_mixers_side_by_side_add_up() -> None:
    members = Attention(12, 2, 128), Mamba2(heads=24, head_dim=128, state=256)
    one, two = (member.saved_bytes() for member in members)
    assert Parallel(members).saved_bytes() == one.plus(two)
    assert one.plus(two).groups == 2
    assert Saved().plus(one) == one


# Every so-manieth layer; gradients; arrays.


@pytest.mark.parametrize(("every", "again"), [(1.0, 32), (2.0, 16), (3.0, 10), (32.0, 1)])
def test_every_so_manieth_layer_is_computed_again(every: float, again: int) -> None:
    none, full, mixed = (
        float(activations(LLAMA2_7B, 1, S, recompute=kind, recompute_every=k)["activations"]) / 32
        for kind, k in (("none", 1.0), ("full", 1.0), ("full", every))
    )
    assert mixed * 32 == pytest.approx(again * full + (32 - again) * none)


def test_the_gradients_of_one_layer_are_those_of_its_mlp_or_its_scores() -> None:
    assert activation_gradients(LLAMA2_7B, 1, S) == 2 * 4_096 + 2 * 2 * 11_008
    scores = activation_gradients(GPT3_175B, 1, 32_768, kernel="eager")
    assert scores == 4 * A * 32_768 - 2 * 2 * 4 * H
    assert activation_gradients(LLAMA2_7B, 1, S, tp=8.0, sp=False) == 2 * 4_096 + 2 * 2 * 11_008 / 8


def test_the_loss_in_two_operators_holds_half_as_much_again() -> None:
    assert logits(LLAMA3_8B, 1) == 8 * 128_256
    assert logits(LLAMA3_8B, 1, fused=False) == 12 * 128_256


@pytest.mark.parametrize("sp", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("recompute", KINDS)
def test_arrays_go_through_the_same_lines(recompute: Recompute, kernel: AttentionKernel, sp: bool) -> None:  # noqa: FBT001
    tokens, lengths = np.array([1.0, 777.0, 8_192.0]), np.array([1.0, 1_000.0, 8_192.0])
    degrees, expert, every = np.array([1.0, 2.0, 16.0]), np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 7.0])
    words: dict[str, Any] = {"recompute": recompute, "kernel": kernel, "sp": sp}
    together = activations(LLAMA3_8B, tokens, lengths, tp=degrees, etp=expert, recompute_every=every, **words)
    for place in range(3):
        one = activations(
            LLAMA3_8B,
            float(tokens[place]),
            float(lengths[place]),
            tp=float(degrees[place]),
            etp=float(expert[place]),
            recompute_every=float(every[place]),
            **words,
        )
        for line, value in one.items():
            assert np.asarray(together[line])[place] == value


def test_an_mlp_of_no_width_keeps_nothing() -> None:
    assert Mlp(0, gated=True).saved_bytes(H) == Saved()
