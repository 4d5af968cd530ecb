"""What must hold for every architecture, recipe, layout and length, whatever the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardyears.base.interval import Interval
from cardyears.base.units import YEAR, Scalar
from cardyears.estimate import campaign
from cardyears.estimate.memory import memory, peak_bytes, sharded_state
from cardyears.layout.layout import Layout
from cardyears.machine.energy import depreciation_usd, energy_kwh, rent_usd
from cardyears.work.activations import activations, eager_score_bytes, logits
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.flops import (
    attention_core_flop,
    conventions,
    finetune_flop,
    forward_flop,
    head_flop,
    model_flop,
    recomputed_flop,
)
from cardyears.work.mixers import Attention, LatentAttention, Mixer
from cardyears.work.params import (
    active_parameters,
    embedding_parameters,
    linear_parameters,
    lora_parameters,
    matmul_parameters,
    parameters,
    total_parameters,
)
from cardyears.work.state import RECIPES, Training

few = settings(max_examples=50, deadline=None, derandomize=True)

# Random problems

whole = st.integers
flags = st.booleans()
windows = st.none() | whole(16, 8_192)


@st.composite
def attentions(draw: st.DrawFn, *, biases: bool = True) -> Attention:
    """Multi-head, grouped-query or multi-query attention."""
    kv_heads = draw(whole(1, 8))
    return Attention(
        kv_heads * draw(whole(1, 8)),
        kv_heads,
        draw(st.sampled_from((16, 64, 80, 128))),
        qkv_bias=biases and draw(flags),
        output_bias=biases and draw(flags),
        qk_norm=draw(st.sampled_from(("none", "head", "hidden"))),
        window=draw(windows),
        sinks=biases and draw(flags),
    )


latents = st.builds(
    LatentAttention,
    heads=whole(1, 32),
    kv_rank=whole(16, 512),
    rope_dim=whole(16, 64),
    nope_dim=whole(16, 128),
    value_dim=whole(16, 128),
    q_rank=st.none() | whole(16, 1_536),
    window=windows,
)


@st.composite
def channels(draw: st.DrawFn, *, biases: bool = True) -> Channel:
    """An MLP, or routed and shared experts."""
    gated, bias = draw(flags), biases and draw(flags)
    if draw(flags):
        return Mlp(draw(whole(16, 8_192)), gated, bias)
    count = draw(whole(1, 64))
    shared = draw(whole(0, 2_048))
    return Experts(
        count,
        draw(whole(1, count)),
        draw(whole(16, 2_048)),
        gated,
        shared_width=shared,
        shared_gate=shared > 0 and draw(flags),
        router_bias=biases and draw(flags),
        bias=bias,
    )


@st.composite
def layers(draw: st.DrawFn, *, biases: bool = True) -> tuple[tuple[Layer, int], ...]:
    """One to three kinds of layer, each so many times."""
    mixers: st.SearchStrategy[Mixer] = attentions(biases=biases) | latents
    kinds = st.builds(Layer, mixers, channels(biases=biases), whole(1, 4))
    return tuple(draw(st.lists(st.tuples(kinds, whole(1, 12)), min_size=1, max_size=3)))


@st.composite
def architectures(draw: st.DrawFn, *, biases: bool = True) -> Architecture:
    """A decoder, dense or with experts."""
    return Architecture(
        "random",
        64 * draw(whole(1, 64)),
        draw(whole(256, 200_000)),
        draw(layers(biases=biases)),
        tied=draw(flags),
        positions=draw(st.sampled_from((0, 1_024))),
        norm_vectors=draw(whole(0, 2)),
        embedding_norm=draw(flags),
        head_bias=biases and draw(flags),
    )


trainings = st.builds(
    Training,
    st.sampled_from(("pretrain", "full", "lora", "qlora")),
    st.sampled_from(list(RECIPES.values())),
    whole(1, 256),
)
layouts = st.builds(
    Layout,
    dp=whole(1, 64),
    zero=st.sampled_from((0, 1, 2, 3)),
    recompute=st.sampled_from(("none", "selective", "full")),
    kernel=st.sampled_from(("flash", "eager")),
    chunked_loss=flags,
    micro_batch=whole(1, 16),
)
lengths = whole(1, 32_768)
length_lists = st.lists(lengths.map(float), min_size=2, max_size=4)
batch_lists = st.lists(whole(1, 64).map(float), min_size=2, max_size=4)
amounts = st.floats(1e-3, 1e26)
amount_lists = st.lists(amounts, min_size=2, max_size=4)

# Ledgers add up


@few
@given(architectures())
def test_no_part_of_a_model_has_negative_parameters(arch: Architecture) -> None:
    assert min(parameters(arch).values()) >= 0


@few
@given(architectures(), layers())
def test_parameters_of_layers_add_up(arch: Architecture, more: tuple[tuple[Layer, int], ...]) -> None:
    def with_layers(stack: tuple[tuple[Layer, int], ...]) -> float:
        return total_parameters(msgspec.structs.replace(arch, layers=stack))

    assert with_layers(arch.layers + more) + with_layers(()) == with_layers(arch.layers) + with_layers(more)


@few
@given(architectures(), lengths, flags)
def test_no_part_of_a_token_costs_negative_flop(arch: Architecture, seq_len: int, causal: bool) -> None:  # noqa: FBT001
    assert min(forward_flop(arch, seq_len, causal=causal).values()) >= 0


@few
@given(architectures(), lengths)
def test_forward_flop_are_two_for_each_matmul_parameter_and_the_attention_core(
    arch: Architecture, seq_len: int
) -> None:
    found = forward_flop(arch, seq_len)
    assert found.total == pytest.approx(
        2 * matmul_parameters(arch) + attention_core_flop(arch, seq_len, causal=False), rel=1e-12
    )


@few
@given(architectures(), trainings, layouts, lengths)
def test_no_line_of_the_memory_ledger_is_negative(
    arch: Architecture, training: Training, layout: Layout, seq_len: int
) -> None:
    assert min(memory(arch, training, layout, seq_len).values()) >= 0


@few
@given(architectures(), trainings, layouts, lengths)
def test_the_peak_is_the_total_of_the_memory_ledger(
    arch: Architecture, training: Training, layout: Layout, seq_len: int
) -> None:
    ledger = memory(arch, training, layout, seq_len)
    assert peak_bytes(arch, training, layout, seq_len, layout.micro_batch) == pytest.approx(ledger.total, rel=1e-14)


@few
@given(architectures(), st.sampled_from(list(RECIPES.values())))
def test_the_state_is_the_recipes_bytes_for_each_parameter(arch: Architecture, recipe: object) -> None:
    training = Training("full", recipe)  # type: ignore[arg-type]
    assert training.state(arch).total == pytest.approx(
        total_parameters(arch) * training.recipe.bytes_per_parameter, rel=1e-12
    )


# Counts


@few
@given(architectures())
def test_a_token_touches_no_more_parameters_than_there_are(arch: Architecture) -> None:
    assert 0 < active_parameters(arch) <= total_parameters(arch)


@few
@given(architectures())
def test_a_token_touches_all_parameters_where_it_takes_all_experts(arch: Architecture) -> None:
    def all_taken(channel: Channel) -> Channel:
        return msgspec.structs.replace(channel, top_k=channel.count) if isinstance(channel, Experts) else channel

    stack = tuple(
        (msgspec.structs.replace(layer, channel=all_taken(layer.channel)), times) for layer, times in arch.layers
    )
    dense = msgspec.structs.replace(arch, layers=stack)
    assert active_parameters(dense) == total_parameters(dense)


@few
@given(architectures(biases=False))
def test_without_biases_a_matmul_uses_all_active_parameters_but_embeddings_and_norms(arch: Architecture) -> None:
    norms = parameters(arch).get("norms", 0.0)
    tied_head = arch.vocab * arch.hidden if arch.tied else 0
    assert matmul_parameters(arch) == active_parameters(arch) - embedding_parameters(arch) - norms + tied_head


@few
@given(architectures(), whole(1, 128))
def test_adapters_grow_with_their_rank(arch: Architecture, rank: int) -> None:
    assert lora_parameters(arch, 2 * rank) == 2 * lora_parameters(arch, rank)


@few
@given(architectures())
def test_adapters_sit_on_no_more_than_the_layers_own_weights(arch: Architecture) -> None:
    assert 0 < linear_parameters(arch) < total_parameters(arch)


@few
@given(architectures(), lengths)
def test_conventions_are_ordered_by_what_they_count(arch: Architecture, seq_len: int) -> None:
    found = conventions(arch, float(seq_len))
    assert found["kaplan"] <= found["kaplan-attention"] <= found["megatron"] <= found["palm"]
    assert found["palm"] <= min(found["chinchilla"], found["narayanan-hfu"])


@few
@given(architectures(), lengths)
def test_recomputation_costs_one_more_forward_pass_of_the_blocks(arch: Architecture, seq_len: int) -> None:
    blocks = forward_flop(arch, seq_len).total - head_flop(arch)
    assert recomputed_flop(arch, seq_len) == pytest.approx(4 * blocks + 3 * head_flop(arch), rel=1e-12)


@few
@given(architectures(), lengths)
def test_a_token_costs_no_less_in_a_longer_sequence(arch: Architecture, seq_len: int) -> None:
    assert model_flop(arch, seq_len) <= model_flop(arch, 2 * seq_len)


# Memory


@few
@given(architectures(), trainings, layouts, lengths, whole(1, 32), whole(0, 32))
def test_more_sequences_never_take_less_memory(
    arch: Architecture, training: Training, layout: Layout, seq_len: int, batch: int, more: int
) -> None:
    few_sequences, many = (peak_bytes(arch, training, layout, seq_len, float(n)) for n in (batch, batch + more))
    assert few_sequences <= many


@few
@given(architectures(), trainings, layouts, lengths, whole(0, 32_768))
def test_longer_sequences_never_take_less_memory(
    arch: Architecture, training: Training, layout: Layout, seq_len: int, more: int
) -> None:
    short, long = (peak_bytes(arch, training, layout, length, 1.0) for length in (seq_len, seq_len + more))
    assert short <= long


@few
@given(architectures(), lengths, st.sampled_from(("flash", "eager")))
def test_more_recomputation_never_keeps_more_activations(arch: Architecture, seq_len: int, kernel: str) -> None:
    none, selective, full = (
        activations(arch, 1.0, float(seq_len), recompute=recompute, kernel=kernel)["activations"]  # type: ignore[arg-type]
        for recompute in ("none", "selective", "full")
    )
    assert full <= selective <= none


@few
@given(architectures(), st.floats(1, 1e6))
def test_a_chunked_loss_never_takes_more_memory(arch: Architecture, tokens: float) -> None:
    assert logits(arch, tokens, chunked=True) <= logits(arch, tokens)


@few
@given(architectures(), trainings, whole(1, 4_096))
def test_finer_sharding_never_holds_more_state(arch: Architecture, training: Training, shards: int) -> None:
    totals = [sharded_state(training.state(arch), zero, float(shards)).total for zero in (0, 1, 2, 3)]
    assert totals == sorted(totals, reverse=True)


@few
@given(architectures(), trainings, whole(1, 4_096))
def test_the_finest_sharding_spreads_the_whole_state(arch: Architecture, training: Training, shards: int) -> None:
    state = training.state(arch)
    assert sharded_state(state, 3, shards).total == pytest.approx(state.total / shards, rel=1e-12)


@few
@given(architectures(), whole(1, 256))
def test_a_quantised_base_never_takes_more_memory(arch: Architecture, rank: int) -> None:
    qlora, lora = (Training(method, rank=rank).state(arch).total for method in ("qlora", "lora"))
    assert qlora < lora


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


# Campaigns


@few
@given(amounts, amounts, whole(1, 100_000))
def test_card_years_are_the_time_of_all_devices_together(flop: float, rate: float, devices: int) -> None:
    time = campaign.training_time(flop, rate, float(devices))
    assert time * devices / YEAR == pytest.approx(campaign.card_years(flop, rate), rel=1e-12)


@few
@given(amounts, amounts, whole(1, 100_000))
def test_the_flop_available_in_the_time_needed_are_the_flop_required(flop: float, rate: float, devices: int) -> None:
    time = campaign.training_time(flop, rate, float(devices))
    assert campaign.available_flop(rate, float(devices), time) == pytest.approx(flop, rel=1e-12)


# Intervals

positive = st.floats(1e-20, 1e30)
spreads = st.floats(1, 1e6)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Low, mid and high of a positive quantity."""
    mid = draw(positive)
    return Interval(mid / draw(spreads), mid, mid * draw(spreads))


def widths(interval: Interval) -> tuple[float, float]:
    """ln(mid/low) and ln(high/mid)."""
    return math.log(interval.mid / interval.low), math.log(interval.high / interval.mid)


@few
@given(intervals(), intervals())
def test_a_product_keeps_its_ends_around_its_middle(one: Interval, other: Interval) -> None:
    found = one * other
    assert found.low <= found.mid <= found.high


@few
@given(intervals(), intervals())
def test_the_middle_of_a_product_is_the_product_of_the_middles(one: Interval, other: Interval) -> None:
    assert (one * other).mid == one.mid * other.mid


@few
@given(intervals(), intervals())
def test_the_widths_of_a_product_add_in_quadrature(one: Interval, other: Interval) -> None:
    together = [math.hypot(*pair) for pair in zip(widths(one), widths(other), strict=True)]
    assert widths(one * other) == pytest.approx(tuple(together), abs=1e-9)


@few
@given(intervals(), intervals())
def test_a_quotient_swaps_the_ends_of_its_divisor(one: Interval, other: Interval) -> None:
    below, above = widths(other)
    together = math.hypot(widths(one)[0], above), math.hypot(widths(one)[1], below)
    assert widths(one / other) == pytest.approx(together, abs=1e-9)


@few
@given(intervals())
def test_the_inverse_of_the_inverse_is_the_interval(one: Interval) -> None:
    again = one.inverse().inverse()
    assert (again.low, again.mid, again.high) == pytest.approx((one.low, one.mid, one.high), rel=1e-12)


@few
@given(intervals(), positive)
def test_a_plain_number_changes_no_width(one: Interval, factor: float) -> None:
    assert widths(one * factor) == pytest.approx(widths(one), abs=1e-9)


@few
@given(positive, positive)
def test_exact_numbers_multiply_exactly(one: float, other: float) -> None:
    assert Interval.exact(one) * Interval.exact(other) == Interval.exact(one * other)


@few
@given(positive, positive, positive)
def test_ends_out_of_order_are_refused(one: float, other: float, third: float) -> None:
    assume(not one <= other <= third)
    with pytest.raises(ValueError, match="low <= mid <= high"):
        Interval(one, other, third)
