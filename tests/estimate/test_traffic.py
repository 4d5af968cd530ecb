"""Volumes on the wire as their papers state them, recovered as time x bandwidth on wires without latency."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from cardyears.case import Job
from cardyears.estimate.estimate import Estimate, estimate
from cardyears.estimate.held import zero3_traffic
from cardyears.estimate.setting import setting
from cardyears.estimate.step import step
from cardyears.estimate.traffic import exposed, mesh, neighbours
from cardyears.layout.layout import Layout
from cardyears.machine.collectives import all_gather
from cardyears.work.architecture import GPT2_SMALL, GPT3_175B, LLAMA2_7B, LLAMA3_8B, Architecture, Layer
from cardyears.work.channels import Experts
from cardyears.work.mixers import NOTHING, Attention, LatentAttention
from cardyears.work.params import lora_parameters, total_parameters
from cardyears.work.recurrent import Mamba

INSIDE, BETWEEN = 2.0**38, 2.0**35
TOKENS = 2_048
MIXTURE = Architecture(
    "mixture", 4_096, 32_000, ((Layer(Attention(32, 8, 128), Experts(8, 2, 14_336, gated=True)), 4),)
)
MAMBA = Architecture("mamba", 2_560, 50_280, ((Layer(Mamba(5_120, 16, 160), NOTHING, norms=1), 4),), tied=True)


def run(job: Job, **fields: Any) -> Estimate:
    return estimate(job, Layout(overlap=False, **fields))


# Tensor parallelism. Shoeybi 2019, section 3: two all-reduces of b·s·h forward and two backward for each layer.


@pytest.mark.parametrize("sp", [True, False])
def test_four_all_reduces_of_the_hidden_state_for_each_layer(ideal: Any, *, sp: bool) -> None:
    # 96 layers · 4 · 2(n-1)/n · V/B with V = 2,048 · 12,288 · 2 B; an all-gather and a reduce-scatter are as much
    # (Korthikanti 2022, section 4.2.2). In a ring of 8: 2·7/8.
    found = run(ideal(GPT3_175B), tp=8, dp=8, sp=sp).time["tensor_traffic"]
    assert found * INSIDE == pytest.approx(96 * 4 * (2 * 7 / 8) * 2_048 * 12_288 * 2, rel=1e-12)


def test_recomputation_gathers_and_reduces_once_more(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    plain, again = (run(job, tp=4, recompute=word).time["tensor_traffic"] for word in ("none", "full"))
    assert again == pytest.approx(1.5 * plain, rel=1e-12)


def test_tensor_parallelism_across_nodes_shares_the_network_cards(ideal: Any) -> None:
    # 16 ranks, 8 in each node: the ring of all-gather and reduce-scatter over 8 network cards, 15/16 · V / (8·C).
    found = run(ideal(GPT3_175B), tp=16, dp=4).time["tensor_traffic"]
    each = 15 / 16 * 2_048 * 12_288 * 2 / min(INSIDE, 8 * BETWEEN)
    assert found == pytest.approx(96 * 4 * 2 * each, rel=1e-12)


def test_experts_need_no_tensor_traffic_of_their_own(ideal: Any) -> None:
    # Only attention's block gathers and scatters: half of a dense layer's.
    found = run(ideal(MIXTURE), tp=4, dp=2).time["tensor_traffic"]
    assert found * INSIDE == pytest.approx(4 * 2 * (2 * 3 / 4) * 2_048 * 4_096 * 2, rel=1e-12)


def test_the_vocabulary_is_reduced_over_tensor_ranks(ideal: Any) -> None:
    # The embedding's rows and the head's input gradient, 2 B·h each; three fp32 numbers for each token of the loss.
    found = run(ideal(LLAMA3_8B), tp=8).time["vocabulary_traffic"]
    assert found * INSIDE == pytest.approx(2 * 7 / 8 * TOKENS * (2 * 2 * 4_096 + 3 * 4), rel=1e-12)


# Data parallelism. Rajbhandari 2020, section 7: 2Ψ for stages 0 to 2, 3Ψ for stage 3, in elements of 2 bytes.


@pytest.mark.parametrize(("zero", "volumes"), [(0, 2), (1, 2), (2, 2), (3, 3)])
def test_zero_moves_two_or_three_times_the_parameters(ideal: Any, zero: int, volumes: int) -> None:
    found = run(ideal(LLAMA2_7B), dp=8, zero=zero).time["data_traffic"]
    assert found * INSIDE == pytest.approx(volumes * 2 * total_parameters(LLAMA2_7B) * 7 / 8, rel=1e-12)


def test_zero_3_sends_what_the_memory_sums_say(ideal: Any) -> None:
    found = run(ideal(LLAMA2_7B), dp=8, zero=3).time["data_traffic"]
    assert found * INSIDE / (7 / 8) == pytest.approx(zero3_traffic(total_parameters(LLAMA2_7B)), rel=1e-12)


def test_only_stages_2_and_3_talk_for_every_micro_batch(ideal: Any) -> None:
    # Scatter m times and gather once: (m + 1) volumes; gather twice and scatter m times: 3·m.
    job, volume = ideal(LLAMA2_7B), 2 * total_parameters(LLAMA2_7B) * 7 / 8 / INSIDE
    found = [run(job, dp=8, zero=zero, accumulation=4).time["data_traffic"] / volume for zero in (0, 1, 2, 3)]
    assert found == pytest.approx([2, 2, 5, 12], rel=1e-9)


def test_owners_of_whole_tensors_reduce_to_all_and_send_by_themselves(ideal: Any) -> None:
    # 2 all-reduces' ways of the gradients and one of the weights, each (n-1)/n · 2 B; ZeRO 1 has 1 and 1.
    time = {
        word: run(ideal(LLAMA3_8B, whole_tensors=word), dp=8, zero=1).time["data_traffic"] for word in (False, True)
    }
    assert time[True] == pytest.approx(1.5 * time[False], rel=1e-9)


def test_the_hops_of_all_owners_add_up(ideal: Any) -> None:
    # 16 ranks own the tensors of 4 layers, 4 matrices and 2 norms each: the whole depth has 24 for them, half of it 12.
    # Each owner beyond the first takes one more way round both nodes; the gradients' tree goes there and back.
    job = ideal(MAMBA, whole_tensors=True)
    there = setting(job, "bf16")
    slow = there._replace(wires=msgspec.structs.replace(there.wires, between_hop_s=1.0))
    for pp, owners in ((1, 16), (2, 12)):
        layout = Layout(dp=16, pp=pp, zero=1, overlap=False)
        more = step(job, layout, slow)["data_traffic"] - step(job, layout, there)["data_traffic"]
        assert more > 0.0
        gathered = all_gather(0.0, mesh(layout, 8.0).shards, slow.wires)
        assert more == pytest.approx(gathered * owners + 2.0 * mesh(layout, 8.0).shards.depth, rel=1e-9)


def test_experts_and_the_rest_have_owners_of_their_own(ideal: Any) -> None:
    # 4 layers: 3 matrices of attention and router with 2 norms for 16 ranks; 2 of each of the 8 experts over ep 8
    # for the 2 ranks that share an expert.
    job = ideal(MIXTURE, whole_tensors=True)
    there = setting(job, "bf16")
    slow = there._replace(wires=msgspec.structs.replace(there.wires, between_hop_s=1.0))
    layout = Layout(dp=16, ep=8, zero=1, overlap=False)
    more = step(job, layout, slow)["data_traffic"] - step(job, layout, there)["data_traffic"]
    who = mesh(layout, 8.0)
    dense, routed = (all_gather(0.0, one, slow.wires) for one in (who.shards, who.expert_replicas))
    trees = 2.0 * (who.shards.depth + who.expert_replicas.depth)
    assert more == pytest.approx(16 * dense + 2 * routed + trees, rel=1e-9)


def test_gradients_in_fp32_weigh_twice(ideal: Any) -> None:
    half, whole = (run(ideal(LLAMA2_7B, reduce_bytes=b), dp=8).time["data_traffic"] for b in (2.0, 4.0))
    assert whole == pytest.approx(2 * half, rel=1e-12)


def test_hybrid_sharding_adds_up_the_copies_gradients_between_nodes(ideal: Any) -> None:
    # Sharded over the 8 ranks of a node: 3 volumes inside. 8 copies: an all-reduce of an eighth, 2·7/8 · V/8 / C.
    job, size = ideal(LLAMA2_7B), 2 * total_parameters(LLAMA2_7B)
    found = run(job, dp=64, zero=3, shard_group=8).time["data_traffic"]
    assert found == pytest.approx(3 * 7 / 8 * size / INSIDE + 2 * 7 / 8 * size / 8 / BETWEEN, rel=1e-9)


def test_adapters_alone_are_reduced_and_renewed(ideal: Any) -> None:
    # LoRA under ZeRO 1: reduce-scatter of the adapters' gradients and all-gather of the adapters, 2 B each.
    found = run(ideal(LLAMA2_7B, method="lora"), dp=8, zero=1).time["data_traffic"]
    assert found * INSIDE == pytest.approx(2 * 2 * lora_parameters(LLAMA2_7B, 16) * 7 / 8, rel=1e-9)


def test_a_frozen_base_is_gathered_twice_and_scattered_never_under_zero_3(ideal: Any) -> None:
    found = run(ideal(LLAMA2_7B, method="lora"), dp=8, zero=3).time["data_traffic"]
    base, adapters = total_parameters(LLAMA2_7B), lora_parameters(LLAMA2_7B, 16)
    assert found * INSIDE == pytest.approx(7 / 8 * 2 * (2 * base + adapters), rel=1e-9)


def test_the_tied_table_is_added_up_between_the_ends(ideal: Any) -> None:
    # GPT-2's table of 50,257 x 768 and its 1,024 positions and final norm, 2 B each; two ranks: 2·1/2 · V.
    found = run(ideal(GPT2_SMALL), pp=2).time["tied_traffic"]
    assert found * INSIDE == pytest.approx(2 * (50_257 + 1_024 + 2) * 768, rel=1e-12)
    assert run(ideal(LLAMA2_7B), pp=2).time["tied_traffic"] == 0


@pytest.mark.parametrize(("tp", "pp"), [(4, 2), (2, 4), (1, 8), (2, 3)])
def test_one_node_needs_no_network(ideal: Any, tp: int, pp: int) -> None:
    job = ideal(GPT2_SMALL, devices=8, between=None)
    assert math.isfinite(run(job, tp=tp, pp=pp, accumulation=8).step_s)


# Experts. Lepikhin 2020 (GShard): two all-to-alls forward and two backward, of k copies of each token.


def test_experts_exchange_their_tokens_twice_forward_and_twice_backward(ideal: Any) -> None:
    # 4 layers · 4 · t·k·h·2B · (n-1)/n, in one node.
    found = run(ideal(MIXTURE), dp=8, ep=8).time["expert_traffic"]
    assert found * INSIDE == pytest.approx(4 * 4 * TOKENS * 2 * 4_096 * 2 * 7 / 8, rel=1e-12)


def test_tensor_ranks_divide_the_tokens_that_experts_exchange(ideal: Any) -> None:
    job = ideal(MIXTURE)
    one, four = (run(job, tp=tp, dp=8, ep=2).time["expert_traffic"] for tp in (1, 4))
    assert four == pytest.approx(one / 4, rel=1e-12)


def test_a_split_expert_gathers_and_scatters_its_copies(ideal: Any) -> None:
    # ep = 1, etp = 2 of tp = 2: each rank's t/2·k·h copies are gathered from 2 and the outputs scattered, both ways.
    found = run(ideal(MIXTURE), tp=2, etp=2).time["expert_traffic"]
    assert found * INSIDE == pytest.approx(4 * 2 * 2 * (1 / 2) * TOKENS * 2 * 4_096 * 2, rel=1e-12)


def test_replicas_of_experts_are_fewer_than_replicas_of_the_rest(ideal: Any) -> None:
    # dp = 8, ep = 8: each expert once, so only the dense part is reduced.
    found = run(ideal(MIXTURE), dp=8, ep=8).time["data_traffic"]
    experts = 4 * 8 * 3 * 4_096 * 14_336
    assert found * INSIDE == pytest.approx(2 * 2 * (total_parameters(MIXTURE) - experts) * 7 / 8, rel=1e-12)


# Context. Liu 2023 (ring attention); Llama 3, section 3.3.2 (all-gather); Jacobs 2023 (Ulysses).


def test_keys_and_values_go_round_forward_and_twice_backward(ideal: Any) -> None:
    # 2 · 8 heads · 128 · 2 B of the other 3 of 4 ranks' tokens, 32 layers, once forward, twice backward.
    found = run(ideal(LLAMA3_8B), cp=4, context_kind="all-gather").time["context_traffic"]
    assert found * INSIDE == pytest.approx(3 * 32 * 3 / 4 * TOKENS * 2 * 1_024 * 2, rel=1e-12)


def test_tensor_ranks_divide_keys_and_values_until_there_is_one_head_each(ideal: Any) -> None:
    job = ideal(LLAMA3_8B, per_node=64)
    eight, sixteen = (run(job, tp=tp, cp=2, context_kind="all-gather").time["context_traffic"] for tp in (8, 16))
    assert sixteen == eight


def test_heads_are_exchanged_for_tokens(ideal: Any) -> None:
    # Queries and outputs 4,096 each, keys and values 1,024 each, of a quarter of the tokens: 3/4 of it leaves, forward
    # and, as gradients, backward.
    found = run(ideal(LLAMA3_8B), cp=4, context_kind="ulysses").time["context_traffic"]
    assert found * INSIDE == pytest.approx(2 * 32 * 3 / 4 * TOKENS / 4 * 2 * (2 * 4_096 + 2 * 1_024), rel=1e-12)


def test_ulysses_deals_out_the_causal_square_evenly_whatever_the_order(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    even, uneven = (
        run(job, cp=4, context_kind="ulysses", balanced=word).time["attention_core"] for word in (True, False)
    )
    assert even == uneven
    ring = run(job, cp=4, context_kind="ring", balanced=False).time["attention_core"]
    assert ring == pytest.approx(even * (2 - 1 / 4), rel=1e-12)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize(("pp", "accumulation"), [(1, 4), (4, 4), (4, 32)])
def test_sharding_the_weights_never_saves_traffic(ideal: Any, pp: int, accumulation: int, *, overlap: bool) -> None:
    job = ideal(LLAMA2_7B, per_node=1)
    one, three = (
        estimate(job, Layout(dp=8, pp=pp, accumulation=accumulation, zero=zero, overlap=overlap)).time["data_traffic"]
        for zero in (1, 3)
    )
    assert three >= one


def test_dualpipe_hides_the_experts_traffic_behind_the_other_micro_batch(ideal: Any) -> None:
    job = ideal(MIXTURE, per_node=1)
    plain, dual = (
        run(job, pp=2, dp=8, ep=8, accumulation=8, schedule=word).time["expert_traffic"]
        for word in ("1f1b", "dualpipe")
    )
    assert dual < plain


def test_an_engine_may_hide_the_experts_traffic_in_any_schedule(ideal: Any) -> None:
    job = ideal(MIXTURE, per_node=1)
    plain, beside = (
        run(job, dp=8, ep=8, accumulation=8, expert_overlap=word).time["expert_traffic"] for word in (False, True)
    )
    assert beside < plain


def test_a_pipeline_that_leaves_a_node_anywhere_waits_for_the_network(ideal: Any) -> None:
    # 4 ranks a stage in nodes of 8: the first two stages are neighbours, the second and third are not.
    who = mesh(Layout(tp=4, pp=4), 8.0)
    assert who.next_stage == 1.0


def test_a_ring_hides_behind_attention(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    ring, gathered = (run(job, cp=4, context_kind=kind).time["context_traffic"] for kind in ("ring", "all-gather"))
    assert 0 < ring < gathered


@pytest.mark.parametrize("kind", ["ring", "all-gather", "ulysses"])
def test_recurrences_exchange_no_keys_and_values(ideal: Any, kind: str) -> None:
    assert run(ideal(MAMBA), cp=4, context_kind=kind).time["context_traffic"] == 0


def test_latent_attention_exchanges_every_heads_keys_and_values(ideal: Any) -> None:
    layer = Layer(LatentAttention(16, 512, 64, 128, 128), Experts(8, 2, 1_024, gated=True))
    found = run(ideal(Architecture("latent", 2_048, 32_000, ((layer, 2),))), cp=2, context_kind="all-gather")
    assert found.time["context_traffic"] > 0


# Pipeline


@pytest.mark.parametrize("tp", [1, 4])
def test_each_micro_batch_is_handed_on_and_its_gradient_back(ideal: Any, tp: int) -> None:
    # 8 micro-batches and the 3 stages that fill: 2·(8 + 3) messages of t·h·2B, from node to node, each rank its part.
    found = run(ideal(LLAMA3_8B, per_node=tp), tp=tp, pp=4, accumulation=8).time["pipeline_traffic"]
    assert found * BETWEEN == pytest.approx(2 * 11 * TOKENS * 4_096 * 2 / tp, rel=1e-12)


def test_ranks_without_sequence_parallelism_gather_what_the_others_took_over(ideal: Any) -> None:
    # Scatter-gather: besides the part over the network, 3/4 of t·h·2B come from the neighbours inside the node.
    there = ideal(LLAMA3_8B, per_node=4)
    split, whole = (run(there, tp=4, pp=4, sp=sp, accumulation=8).time["pipeline_traffic"] for sp in (True, False))
    assert whole - split == pytest.approx(2 * 11 * 3 / 4 * TOKENS * 4_096 * 2 / INSIDE, rel=1e-9)


# Who sits where: tensor innermost, then context, data, pipeline.


def test_the_axis_that_talks_most_sits_inside_the_node() -> None:
    # (ranks, of them in one node, nodes)
    laid = Layout(tp=8, cp=2, dp=4, pp=16)
    near, who = neighbours(laid, 8.0), mesh(laid, 8.0)
    assert near.tensor[:3] == (8.0, 8.0, 1.0)
    assert near.context[:3] == (2.0, 1.0, 2.0)
    assert who.shards[:3] == (8.0, 1.0, 8.0)
    assert who.next_stage == 1.0
    assert who.ends.nodes == 2.0
    assert who.all[:3] == (1_024.0, 8.0, 128.0)


def test_stages_in_one_node_hand_on_inside_it() -> None:
    who = mesh(Layout(tp=2, pp=4), 8.0)
    assert who.next_stage == 0.0
    assert who.ends[:3] == (2.0, 2.0, 1.0)


def test_no_axis_of_one_rank_talks(ideal: Any) -> None:
    found = estimate(ideal(GPT2_SMALL), Layout(), setting(ideal(GPT2_SMALL), "bf16"))
    assert found.waiting == 0


def test_traffic_hides_the_better_the_longer_the_computation() -> None:
    assert exposed(0.0, 4.0) == 4.0
    assert exposed(3.0, 4.0) == 2.0
    assert exposed(30.0, 4.0) == pytest.approx(0.27, abs=0.01)
