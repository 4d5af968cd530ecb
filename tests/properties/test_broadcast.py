"""A float and an array give the same bits, whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import given

from cardyears.base.units import YEAR, Scalar
from cardyears.estimate import campaign
from cardyears.estimate.held import sharded_state
from cardyears.estimate.memory import memory, peak_bytes
from cardyears.layout.layout import Layout
from cardyears.machine.energy import depreciation_usd, energy_kwh, rent_usd
from cardyears.work.activations import activations, eager_score_bytes, logits
from cardyears.work.architecture import Architecture
from cardyears.work.flops import conventions, finetune_flop, forward_flop, model_flop
from cardyears.work.params import lora_parameters
from cardyears.work.state import Training
from support.problems import (
    amount_lists,
    amounts,
    architectures,
    batch_lists,
    few,
    flags,
    layouts,
    length_lists,
    lengths,
    trainings,
    whole,
)

# A float and an array give the same bits


def same_bits(compute: Callable[[Scalar], Scalar], values: list[float]) -> None:
    """The same call with floats, with arrays without an axis, and with one array."""
    alone = [float(compute(value)) for value in values]
    assert [float(compute(np.asarray(value))) for value in values] == alone
    together = np.broadcast_to(np.asarray(compute(np.asarray(values))), len(values))
    assert together.tolist() == alone


def same_lines(compute: Callable[[Scalar], Mapping[str, Scalar]], values: list[float]) -> None:
    """`same_bits` of each line; a line that is nowhere more than zero may be missing."""
    for name in {name for value in values for name in compute(value)}:
        same_bits(lambda value, name=name: compute(value).get(name, 0.0), values)  # type: ignore[misc]


@few
@given(architectures(), length_lists, flags)
def test_forward_flop_broadcast_over_length(arch: Architecture, seq_lens: list[float], causal: bool) -> None:  # noqa: FBT001
    same_lines(lambda seq_len: forward_flop(arch, seq_len, causal=causal), seq_lens)
    same_bits(lambda seq_len: forward_flop(arch, seq_len, causal=causal).total, seq_lens)


@few
@given(architectures(), length_lists, flags)
def test_model_flop_broadcast_over_length(arch: Architecture, seq_lens: list[float], causal: bool) -> None:  # noqa: FBT001
    same_bits(lambda seq_len: model_flop(arch, seq_len, causal=causal), seq_lens)


@few
@given(architectures(), length_lists)
def test_conventions_broadcast_over_length(arch: Architecture, seq_lens: list[float]) -> None:
    same_lines(lambda seq_len: conventions(arch, seq_len), seq_lens)


@few
@given(architectures(), length_lists)
def test_fine_tuning_flop_broadcast_over_length(arch: Architecture, seq_lens: list[float]) -> None:
    same_bits(lambda seq_len: finetune_flop(arch, seq_len, lora_parameters(arch, 16)), seq_lens)


@few
@given(architectures(), layouts, length_lists)
def test_activations_broadcast_over_tokens_and_length(
    arch: Architecture, layout: Layout, seq_lens: list[float]
) -> None:
    same_lines(
        lambda seq_len: activations(arch, 3.0 * seq_len, seq_len, recompute=layout.recompute, kernel=layout.kernel),
        seq_lens,
    )
    same_bits(lambda seq_len: eager_score_bytes(arch, seq_len), seq_lens)


@few
@given(architectures(), length_lists, flags)
def test_logits_broadcast_over_tokens(arch: Architecture, tokens: list[float], chunked: bool) -> None:  # noqa: FBT001
    same_bits(lambda count: logits(arch, count, chunked=chunked), tokens)


@few
@given(architectures(), trainings, layouts, lengths, batch_lists)
def test_memory_broadcasts_over_the_micro_batch(
    arch: Architecture, training: Training, layout: Layout, seq_len: int, batches: list[float]
) -> None:
    same_lines(lambda batch: memory(arch, training, layout, seq_len, micro_batch=batch), batches)
    same_bits(lambda batch: memory(arch, training, layout, seq_len, micro_batch=batch).total, batches)


@few
@given(architectures(), trainings, layouts, lengths, batch_lists)
def test_peak_bytes_broadcast_over_the_micro_batch(
    arch: Architecture, training: Training, layout: Layout, seq_len: int, batches: list[float]
) -> None:
    same_bits(lambda batch: peak_bytes(arch, training, layout, seq_len, batch), batches)


@few
@given(architectures(), trainings, whole(0, 3), batch_lists)
def test_sharded_state_broadcasts_over_the_shards(
    arch: Architecture, training: Training, zero: int, shards: list[float]
) -> None:
    same_lines(lambda count: sharded_state(training.state(arch), zero, count), shards)


@few
@given(amount_lists, amounts, amounts)
def test_campaigns_broadcast(values: list[float], one: float, other: float) -> None:
    same_bits(lambda peak: campaign.attained_rate(peak, 0.4, 0.9), values)
    same_bits(lambda flop: campaign.training_time(flop, one, 8.0), values)
    same_bits(lambda rate: campaign.training_time(other, rate, 8.0), values)
    same_bits(lambda flop: campaign.card_years(flop, one), values)
    same_bits(lambda rate: campaign.available_flop(rate, 8.0, YEAR), values)


@few
@given(amount_lists, amounts)
def test_energy_and_money_broadcast(values: list[float], one: float) -> None:
    same_bits(lambda seconds: energy_kwh(seconds, one, host_factor=1.25, pue=1.1), values)
    same_bits(lambda board_w: energy_kwh(one, board_w), values)
    same_bits(lambda seconds: rent_usd(seconds, one), values)
    same_bits(lambda price: rent_usd(one, price), values)
    same_bits(lambda seconds: depreciation_usd(seconds, one, 4 * YEAR), values)
