"""FLOP of layers with a state as torch counts them and as papers publish them, and what holds for every mixer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from msgspec import structs

from cardyears.work.activations import activations
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.flops import attention_core_flop, forward_flop
from cardyears.work.linear_attention import GatedDeltaNet, LightningAttention, MatrixLstm
from cardyears.work.mixers import NOTHING, Attention, Mixer, Parallel
from cardyears.work.params import active_parameters, matmul_parameters, parameters, total_parameters
from cardyears.work.recurrent import GatedRecurrence, Mamba, Mamba2, ShortConvolution
from cardyears.work.rwkv import RwkvChannel, RwkvTime
from cardyears.work.shared import SharedAttention, SharedMlp


def stack(mixer: Mixer, channel: Channel, *, layers: int, hidden: int, vocab: int) -> Architecture:
    """A model of equal layers."""
    return Architecture("stack", hidden, vocab, ((Layer(mixer, channel), layers),))


# FLOP per token of one forward pass as torch's FlopCounterMode counts it on fake CPU tensors, batch 1: torch 2.13.0,
# transformers 5.23.0, eager attention, batched experts, a head on every token. Beside it what torch leaves out of ours
# or counts more: (name, model, sequence length, torch's count, FLOP that only we count per token).
#
# Mamba: the scan's 4·d·N that are no matrix product (Δ·A, (Δx)·B, a·h + b). Delta rule: the triangular solves.
# RWKV: the scan. Torch counts a convolution at k - 1 positions behind the sequence too.

LINEAR = GatedDeltaNet(key_heads=16, value_heads=32, key_dim=128, value_dim=128)
TORCH = [
    (
        "Mamba 130M",
        stack(Mamba(1_536, 16, 48), NOTHING, layers=24, hidden=768, vocab=50_280),
        (64, 16_513_597_440),
        24 * 4 * 1_536 * 16,
    ),
    (
        "Mamba 2.8B, four layers",
        stack(Mamba(5_120, 16, 160), NOTHING, layers=4, hidden=2_560, vocab=50_280),
        (64, 37_584_076_800),
        4 * 4 * 5_120 * 16,
    ),
    (
        "Qwen3.5, four layers with the delta rule",
        stack(LINEAR, Mlp(12_288, gated=True), layers=4, hidden=4_096, vocab=248_320),
        (1_024, 3_891_509_592_064),
        4 * 32 * 2 * 64 * (128 + 128),
    ),
    (
        "MiniMax, two layers with lightning attention",
        stack(LightningAttention(32, 128), Experts(8, 2, 14_336, gated=True), layers=2, hidden=4_096, vocab=32_000),
        (1_024, 2_068_160_970_752),
        0,
    ),
    (
        "RecurrentGemma, two recurrent layers",
        stack(GatedRecurrence(2_560, 10), Mlp(3_840, gated=True), layers=2, hidden=2_560, vocab=256_000),
        (256, 387_228_753_920),
        2 * 2 * 2_560,
    ),
    (
        "RWKV-4, two layers",
        stack(RwkvTime(4_096, 4_096), RwkvChannel(4_096, 16_384), layers=2, hidden=4_096, vocab=50_277),
        (64, 82_194_202_624),
        2 * 11 * 4_096,
    ),
    (
        "xLSTM, two layers, without its normaliser",
        stack(MatrixLstm(8, 2_048, 4_096), Mlp(10_944, gated=True), layers=2, hidden=4_096, vocab=50_304),
        (1_024, 1_258_165_370_880),
        -2 * 2 * 2_048,
    ),
    (
        "LFM2, two layers with convolutions",
        stack(ShortConvolution(2_560, 3), Mlp(8_192, gated=True), layers=2, hidden=2_560, vocab=65_536),
        (1_024, 708_701_122_560),
        0,
    ),
]
CASES = [pytest.param(*rest, id=name) for name, *rest in TORCH]


@pytest.mark.parametrize(("arch", "torch", "ours_only"), CASES)
def test_what_multiplies_matrices_is_what_torch_counts(
    arch: Architecture, torch: tuple[int, int], ours_only: int
) -> None:
    length, counted = torch
    ours = float(forward_flop(arch, length).total)
    assert ours - ours_only == pytest.approx(counted / length, rel=6e-5)  # the convolutions' overhang


@pytest.mark.parametrize(("arch", "torch", "ours_only"), CASES)
def test_the_whole_forward_pass_is_within_one_percent_of_torch(
    arch: Architecture, torch: tuple[int, int], ours_only: int
) -> None:
    length, counted = torch
    assert float(forward_flop(arch, length).total) == pytest.approx(counted / length, rel=0.01)


# RWKV 2023 (arXiv 2305.13048), table 2: layers, width, parameters, FLOP per token of a forward pass.

RWKV = [
    (12, 768, 1.693e8, 2.613e8),
    (24, 1_024, 4.304e8, 7.573e8),
    (24, 2_048, 1.515e9, 2.823e9),
    (32, 2_560, 2.985e9, 5.710e9),
    (32, 4_096, 7.393e9, 1.437e10),
    (40, 5_120, 1.415e10, 2.778e10),
]


@pytest.mark.parametrize(("layers", "width", "published", "flop"), RWKV)
def test_rwkv_is_as_its_paper_counts_it(layers: int, width: int, published: float, flop: float) -> None:
    mixer, channel = RwkvTime(width, width), RwkvChannel(width, 4 * width)
    arch = stack(mixer, channel, layers=layers, hidden=width, vocab=50_277)
    arch = structs.replace(arch, norm_vectors=2, embedding_norm=True)
    assert total_parameters(arch) == pytest.approx(published, rel=5e-4)
    products = forward_flop(arch, 1_024).total - attention_core_flop(arch, 1_024, causal=True)
    assert float(products) == pytest.approx(flop, rel=5e-3)


def test_the_chunked_scan_of_mamba_2_costs_less_than_megatrons_seven_flop_a_state() -> None:
    """Megatron-Core counts 7·d·N for the scan, as a recurrence; chunks of 256 cost 4·d·N and the products inside."""
    mixer = Mamba2(heads=128, head_dim=64, state=128, groups=8)
    recurrence = 7 * mixer.inner * mixer.state
    assert 4 / 7 < float(mixer.core_flop(8_192, causal=True)) / recurrence < 1


# What holds for every mixer with a state.

STATES: list[Mixer] = [
    Mamba(1_536, 16, 48),
    Mamba(1_536, 16, 48, norms=True, bias=True),
    Mamba2(heads=24, head_dim=64, state=128),
    Mamba2(heads=24, head_dim=64, state=128, groups=8, gated_norm=False, conv_bias=False),
    GatedRecurrence(2_560, 10),
    ShortConvolution(2_048, 3, bias=True),
    RwkvTime(768, 1_024),
    LightningAttention(64, 128),
    LINEAR,
    GatedDeltaNet(32, 32, 128, 128, gate_rank=128),
    MatrixLstm(8, 2_048, 4_096, bias=True),
    Parallel((Mamba2(heads=24, head_dim=64, state=128), Mamba(1_536, 16, 48))),
    NOTHING,
]
WITH_ATTENTION: list[Mixer] = [
    *STATES,
    Attention(16, 2, 256, gate="query", qk_norm="head"),
    SharedAttention(Attention(32, 32, 160), 2_560, owner=True, adapter_rank=128),
    Parallel((Attention(12, 2, 128), Mamba2(heads=24, head_dim=128, state=256))),
]
LENGTHS = (1, 16, 64, 100, 256, 2_048, 131_072)
by_class = pytest.mark.parametrize("mixer", WITH_ATTENTION, ids=lambda mixer: type(mixer).__name__)


@by_class
def test_one_length_and_an_array_of_lengths_cost_the_same(mixer: Mixer) -> None:
    for causal in (True, False):
        at_once = mixer.core_flop(np.array(LENGTHS, dtype=float), causal=causal)
        assert isinstance(at_once, np.ndarray)
        assert at_once.tolist() == [mixer.core_flop(length, causal=causal) for length in LENGTHS]


@by_class
def test_a_longer_sequence_never_costs_less_per_token_and_a_mask_never_more(mixer: Mixer) -> None:
    whole = [float(mixer.core_flop(length, causal=False)) for length in LENGTHS]
    half = [float(mixer.core_flop(length, causal=True)) for length in LENGTHS]
    assert whole == sorted(whole)
    assert half == sorted(half)
    assert all(one <= other for one, other in zip(half, whole, strict=True))


@pytest.mark.parametrize("mixer", STATES, ids=lambda mixer: type(mixer).__name__)
def test_a_state_costs_the_same_for_each_token_of_any_long_sequence(mixer: Mixer) -> None:
    assert mixer.core_flop(2_048, causal=True) == mixer.core_flop(1_000_000, causal=True)
    assert mixer.score_heads == 0


WIDER = [
    *((Mamba(1_536, 16, 48), field) for field in ("inner", "state")),
    *((Mamba2(24, 64, 128), field) for field in ("heads", "head_dim", "state", "groups")),
    (GatedRecurrence(2_560, 10), "width"),
    (ShortConvolution(2_048, 3), "width"),
    (RwkvTime(768, 1_024), "width"),
    *((LightningAttention(64, 128), field) for field in ("heads", "head_dim")),
    *((LINEAR, field) for field in ("key_heads", "value_heads", "key_dim", "value_dim")),
    *((MatrixLstm(8, 2_048, 4_096), field) for field in ("key_width", "value_width")),
]


@pytest.mark.parametrize(("mixer", "field"), WIDER, ids=[f"{type(one).__name__} {field}" for one, field in WIDER])
def test_wider_layers_have_more_of_everything(mixer: Mixer, field: str) -> None:
    wider = structs.replace(cast("Any", mixer), **{field: 2 * getattr(mixer, field)})
    assert _weights(wider) > _weights(mixer)
    assert wider.core_flop(4_096, causal=True) > mixer.core_flop(4_096, causal=True)
    assert sum(wider.saved_bytes()) > sum(mixer.saved_bytes())


def _weights(mixer: Mixer) -> int:
    return sum(linear.held * linear.parameters for linear in mixer.linears(1_024)) + sum(mixer.vectors().values())


# Nothing, side by side, shared.


def test_a_layer_of_nothing_is_its_norm() -> None:
    arch = Architecture("nothing", 512, 1_000, ((Layer(NOTHING, NOTHING, norms=1), 7),), tied=True)
    assert total_parameters(arch) == 1_000 * 512 + 8 * 512
    assert float(forward_flop(arch, 2_048).total) == 2 * 1_000 * 512
    assert float(activations(arch, 10, 10, recompute="none").total) == 10 * 7 * 2 * 2 * 512


def test_mixers_side_by_side_are_the_sum_of_both() -> None:
    attention, state = Attention(12, 2, 128), Mamba2(heads=24, head_dim=128, state=256)
    one, both = Layer(attention, Mlp(12_288, gated=True)), Layer(Parallel((attention, state)), Mlp(12_288, gated=True))
    alone = Layer(state, NOTHING, norms=0)
    together = Architecture("together", 3_072, 130_048, ((both, 44),))
    apart = Architecture("apart", 3_072, 130_048, ((one, 44), (alone, 44)))
    assert parameters(together) == parameters(apart)
    for causal in (True, False):
        assert forward_flop(together, 4_096, causal=causal).total == forward_flop(apart, 4_096, causal=causal).total
    assert (
        activations(together, 4_096, 4_096, recompute="none").total
        == activations(apart, 4_096, 4_096, recompute="none").total
    )


def _block(*, owner: bool) -> Layer:
    attention = SharedAttention(Attention(32, 32, 160), 2_560, owner, adapter_rank=128)
    return Layer(attention, SharedMlp(Mlp(10_240, gated=True), owner, adapter_rank=128), norms=0)


def test_a_block_used_again_adds_its_adapters_only_and_all_its_flop() -> None:
    once = Architecture("once", 2_560, 32_000, ((_block(owner=True), 1),))
    twice = Architecture("twice", 2_560, 32_000, ((_block(owner=True), 1), (_block(owner=False), 1)))
    behind, of_attention, of_mlp = 2_560**2, 3 * 2 * 5_120 * 128, 2_560 * 128 + 128 * 20_480
    assert total_parameters(twice) - total_parameters(once) == behind + of_attention + of_mlp
    assert matmul_parameters(twice) - matmul_parameters(once) == matmul_parameters(once) - 32_000 * 2_560


def test_no_token_touches_more_parameters_than_there_are() -> None:
    uses = ((_block(owner=True), 1), (_block(owner=False), 8))
    arch = Architecture("nine uses", 2_560, 32_000, uses)
    assert matmul_parameters(arch) > total_parameters(arch) == active_parameters(arch)


def test_experts_in_a_latent_hold_less_and_the_router_still_sees_the_hidden_state() -> None:
    """Nemotron 3 Ultra: 512 experts of 5,120 in 2,048 of 8,192."""
    wide = Experts(512, 22, 5_120, gated=False, shared_width=10_240)
    latent = structs.replace(wide, latent=2_048)
    by_part = {linear.name: linear for linear in latent.linears(8_192)}
    assert by_part["router"].weights == 8_192 * 512
    assert by_part["latent_down"].weights == by_part["latent_up"].weights == 8_192 * 2_048
    held = [sum(linear.held * linear.weights for linear in one.linears(8_192)) for one in (latent, wide)]
    assert held[0] / held[1] == pytest.approx(1 / 4, rel=0.02)
