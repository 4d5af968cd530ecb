"""What must hold for every architecture, recipe, layout and length, whatever the numbers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.estimate.held import sharded_state
from cardyears.estimate.memory import memory, peak_bytes
from cardyears.layout.layout import Layout
from cardyears.work.activations import activations, logits
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts
from cardyears.work.flops import attention_core_flop, conventions, forward_flop, head_flop, model_flop, recomputed_flop
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
from support.problems import architectures, few, flags, layers, layouts, lengths, trainings, whole

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
