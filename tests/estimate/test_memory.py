"""The memory ledger of the fullest rank, line by line against sums done by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from cardyears.base.ledger import Ledger
from cardyears.estimate.held import leading_dense
from cardyears.estimate.memory import memory, peak_bytes
from cardyears.layout.layout import Layout
from cardyears.machine.engine import MemoryHabits
from cardyears.work.architecture import GPT2_SMALL, LLAMA2_7B, LLAMA3_8B, Architecture, Layer, plain_decoder
from cardyears.work.channels import Experts, Mlp
from cardyears.work.mixers import Attention
from cardyears.work.params import linear_parameters, lora_parameters, total_parameters
from cardyears.work.state import RECIPES, Training

LLAMA_405B = plain_decoder(
    "Llama 3.1 405B", layers=126, hidden=16_384, heads=128, kv_heads=8, vocab=128_256, ffn=53_248
)
MIXTURE = Architecture("mixture", 1_024, 32_000, ((Layer(Attention(8, 8, 128), Experts(8, 2, 2_048, gated=True)), 4),))
BARE = MemoryHabits(context_bytes=0.0, reserve_share=0.0, bucket_elements=0.0, keeps_gradients=True)
PRETRAIN = Training("pretrain", RECIPES["adamw"])


def held(
    arch: Architecture, layout: Layout, *, training: Training = PRETRAIN, seq_len: float = 2_048.0, **habits: Any
) -> Ledger:
    return memory(arch, training, layout, seq_len, habits=msgspec.structs.replace(BARE, **habits))


def state(ledger: Ledger) -> float:
    return sum(float(ledger.get(name, 0.0)) for name in ("weights", "gradients", "master_weights", "optimizer"))


# State


def test_one_device_holds_16_bytes_for_each_parameter() -> None:
    # Rajbhandari 2020, section 3.1: 2 + 2 + 4 + 4 + 4 with Adam in mixed precision.
    assert state(held(LLAMA2_7B, Layout())) == pytest.approx(16 * 6_738_415_616, rel=1e-12)


def test_zero_divides_what_figure_1_of_its_paper_says() -> None:
    # Rajbhandari 2020, figure 1, Ψ = 7.5e9 and 64 ranks: 120, 31.4, 16.6 and 1.9 GB; here with Ψ = 6.738e9.
    psi = total_parameters(LLAMA2_7B)
    found = [state(held(LLAMA2_7B, Layout(dp=64, zero=zero))) / psi for zero in (0, 1, 2, 3)]
    assert found == pytest.approx([16, 4 + 12 / 64, 2 + 14 / 64, 16 / 64], rel=1e-12)


def test_a_shard_group_holds_a_whole_copy() -> None:
    group, all_ranks = (held(LLAMA2_7B, Layout(dp=64, zero=3, shard_group=size)) for size in (8, None))
    assert state(group) == pytest.approx(8 * state(all_ranks), rel=1e-12)


def test_weights_of_llama_405b_on_a_rank_of_tp_8_and_pp_16() -> None:
    # A middle stage has 8 of 126 layers. Of each, an eighth of q and o 16,384², k and v 16,384 x 1,024, three matrices
    # 16,384 x 53,248; and two norms whole. First and last stage have 7 layers and an eighth of a table of 129,024
    # rows (128,256 padded to 8·128), but fewer in flight.
    layer = (2 * 16_384**2 + 2 * 16_384 * 1_024 + 3 * 16_384 * 53_248) / 8 + 2 * 16_384
    found = held(LLAMA_405B, Layout(tp=8, pp=16, dp=128, accumulation=16), seq_len=8_192)
    assert found["weights"] == 2 * 8 * layer == 6_375_866_368


def test_the_first_stage_is_fullest_where_its_table_weighs_more_than_a_layer() -> None:
    # Llama 3 8B on pp = 4, one micro-batch: first and last stage have 8 layers and a table of 128,256 x 4,096.
    layer = 2 * 4_096**2 + 2 * 4_096 * 1_024 + 3 * 4_096 * 14_336 + 2 * 4_096
    found = held(LLAMA3_8B, Layout(pp=4), seq_len=16.0)
    assert found["weights"] == pytest.approx(2 * (8 * layer + 128_256 * 4_096), rel=1e-4)


def test_key_and_value_heads_are_copied_where_there_are_more_ranks() -> None:
    # tp = 16, 8 heads: each rank has one head of keys and values, as with tp = 8; all else is halved.
    eight, sixteen = (held(LLAMA3_8B, Layout(tp=tp)) for tp in (8, 16))
    kv, norms = 32 * 2 * 4_096 * 1_024, 65 * 4_096
    rows = 128_256 + 768  # to a multiple of 8·128, and of 16·128
    split = 32 * (2 * 4_096**2 + 3 * 4_096 * 14_336) + 2 * rows * 4_096
    assert eight["weights"] == 2 * (split / 8 + kv / 8 + norms)
    assert sixteen["weights"] == 2 * (split / 16 + kv / 8 + norms)


def test_the_vocabulary_is_padded_for_each_tensor_rank() -> None:
    # GPT-2: 50,257 rows become 50,304 = 393·128 at tp = 1 in Megatron, here from tp = 2 on: 50,432 = 197·256.
    one, two = (held(GPT2_SMALL, Layout(tp=tp))["weights"] / 2 for tp in (1, 2))
    assert one == 124_439_808
    # Positions, norms and biases of each layer are whole: 4·768 norms, and biases 3·768 + 768 + 3,072 + 768.
    vectors = 12 * (4 * 768 + 2_304 + 768 + 3_072 + 768) + 2 * 768 + 1_024 * 768
    assert two == (one - vectors - 50_257 * 768 + 50_432 * 768) / 2 + vectors


def test_a_tied_table_stands_on_both_ends() -> None:
    # The last stage of GPT-2 on pp = 2: half of the layers, the table, and what stands beside it.
    found = held(GPT2_SMALL, Layout(pp=2, accumulation=2), seq_len=1_024.0)
    layer = 12 * 768**2 + 13 * 768
    assert found["logits"] > 0  # so this is the last stage
    assert found["weights"] == 2 * (6 * layer + (50_257 + 1_024 + 2) * 768)


def test_experts_are_dealt_out_and_sharded_over_their_own_replicas() -> None:
    experts = 4 * 8 * 3 * 1_024 * 2_048
    dense = total_parameters(MIXTURE) - experts
    found = held(MIXTURE, Layout(dp=8, ep=4, zero=1))
    assert found["weights"] == 2 * (dense + experts / 4)
    assert found["optimizer"] == 8 * (dense / 8 + experts / 4 / 2)


def test_dualpipe_holds_the_weights_of_two_stages() -> None:
    # DeepSeek-V3, table 3: parameters twice, and so their gradients; moments once.
    plain, dual = (held(LLAMA3_8B, Layout(pp=4, accumulation=64, schedule=word)) for word in ("1f1b", "dualpipe"))
    assert dual["weights"] == pytest.approx(2 * plain["weights"], rel=1e-5)  # but for the final norm
    assert dual["gradients"] == pytest.approx(2 * plain["gradients"], rel=1e-5)
    assert dual["optimizer"] == pytest.approx(plain["optimizer"], rel=1e-5)


def test_a_pipeline_keeps_gradients_whole_under_zero_2() -> None:
    # They are scattered once, after the last micro-batch, as under ZeRO 1.
    one, two = (held(LLAMA3_8B, Layout(pp=4, dp=8, accumulation=64, zero=zero)) for zero in (1, 2))
    assert two["gradients"] == one["gradients"]


def test_offload_leaves_gradients_and_what_computes() -> None:
    stays, optimizer = held(LLAMA2_7B, Layout()), held(LLAMA2_7B, Layout(offload="optimizer"))
    assert "optimizer" not in optimizer
    assert "master_weights" not in optimizer
    assert (optimizer["weights"], optimizer["gradients"]) == (stays["weights"], stays["gradients"])
    everything = held(LLAMA2_7B, Layout(offload="optimizer+weights", zero=3, dp=8))
    assert "weights" not in everything


def test_an_nf4_base_takes_4_127_bits() -> None:
    # Dettmers 2023, section 3; embedding, head and norms in bf16; adapters 4 + 4 + 8 bytes.
    n, linear, adapters = total_parameters(LLAMA2_7B), linear_parameters(LLAMA2_7B), lora_parameters(LLAMA2_7B, 16)
    found = held(LLAMA2_7B, Layout(), training=Training("qlora"))
    assert found["weights"] == pytest.approx(linear * 4.127 / 8 + (n - linear) * 2 + adapters * 4, rel=1e-12)
    assert (found["gradients"], found["optimizer"]) == (4 * adapters, 8 * adapters)


def test_tensor_parallelism_divides_adapters_as_their_matrices() -> None:
    # Of an adapter on a column-split matrix the output side is divided, on a row-split one the input side.
    # Llama 2 7B, fused products: qkv 4,096 -> 12,288, gate and up 4,096 -> 22,016, o and down the other way.
    one, two = (held(LLAMA2_7B, Layout(tp=tp), training=Training("lora"))["gradients"] for tp in (1, 2))
    sides = (4_096 + 12_288) + (4_096 + 22_016) + (4_096 + 4_096) + (11_008 + 4_096)
    divided = (4_096 + 6_144) + (4_096 + 11_008) + (2_048 + 4_096) + (5_504 + 4_096)
    assert two == pytest.approx(one * divided / sides, rel=1e-12)


def test_low_precision_copies_stand_beside_the_weights() -> None:
    # fp8, as it is and transposed: 2 bytes for each weight of a product in the layers.
    plain, fp8 = (held(LLAMA2_7B, Layout(precision=word))["weights"] for word in ("bf16", "fp8"))
    assert fp8 - plain == pytest.approx(2 * linear_parameters(LLAMA2_7B), rel=1e-12)


# Activations


def test_the_first_stage_holds_as_many_micro_batches_as_stages() -> None:
    # Korthikanti 2022, section 4.2.3: p stages of L/p layers, so as much as one device with all layers.
    one, four = (
        held(LLAMA3_8B, Layout(pp=pp, accumulation=8), seq_len=8_192.0, logit_bytes=0.0)["activations"] for pp in (1, 4)
    )
    last = 4 * 4_096 * 8_192  # inputs of final norm and head, which one device holds too
    assert four == pytest.approx(one - last, rel=1e-12)


def test_fewer_micro_batches_than_stages_are_all_in_flight() -> None:
    one, two, four = (
        held(LLAMA3_8B, Layout(pp=4, accumulation=m), seq_len=8_192.0, logit_bytes=0.0)["activations"]
        for m in (1, 2, 4)
    )
    assert four == pytest.approx(2 * two, rel=1e-3)
    assert one < two


def test_the_last_stage_holds_the_logits() -> None:
    # fp32 logits and their gradient: 8·V for each token, V padded to 128,512 = 251·512 on 4 ranks.
    found = held(LLAMA3_8B, Layout(tp=4, pp=2, recompute="full"), seq_len=8_192.0)
    assert found["logits"] == 8 * 128_512 / 4 * 8_192


def test_a_chunked_loss_holds_1024_rows_at_a_time() -> None:
    found = held(LLAMA3_8B, Layout(chunked_loss=True, recompute="none"), seq_len=8_192.0, logit_bytes=800.0)
    assert found["logits"] == 800 * 128_256 * 1_024


def test_full_recomputation_keeps_inputs_and_one_layer() -> None:
    found = held(LLAMA2_7B, Layout(recompute="full"), seq_len=8_192.0, logit_bytes=0.0)
    # 2·h for each of 32 layers, and for final norm and head.
    assert found["activations"] == 2 * 4_096 * 8_192 * (32 + 2)
    assert found["recomputed_layer"] > 0


# Buffers


def test_zero_3_gathers_two_layers_and_scatters_the_gradients_of_one() -> None:
    # A layer of Llama 2 7B has 4·4,096² + 3·4,096·11,008 weights. Two bytes for each in the layer in use and the next;
    # 2 bytes of gradient and 4 on its way to the shards in one; embedding and head stay, 2 bytes each.
    found = held(LLAMA2_7B, Layout(dp=8, zero=3))
    layer, tables = 4 * 4_096**2 + 3 * 4_096 * 11_008, 2 * 32_000 * 4_096
    assert found["communication"] == 2 * 2 * layer + (2 + 4) * layer + 2 * tables


def test_a_rank_gathers_its_own_experts_only() -> None:
    # ep = 8: one of 8 experts beside attention and router; 10 bytes for each weight, 2 for those of the tables.
    found = held(MIXTURE, Layout(dp=8, ep=8, zero=3))
    attention, expert, tables = 4 * 1_024**2, 3 * 1_024 * 2_048, 2 * 32_000 * 1_024
    assert found["communication"] == 10 * (attention + 8 * 1_024 + expert) + 2 * tables


def test_gradients_are_reduced_in_buckets() -> None:
    found = held(LLAMA2_7B, Layout(dp=8, zero=2), bucket_elements=1e8)
    assert found["communication"] == 2 * 1e8


def test_plain_replicas_reduce_a_copy_of_their_gradients() -> None:
    # DistributedDataParallel's buckets, once over.
    one, eight = (held(LLAMA2_7B, Layout(dp=dp), replica_buckets=1.0) for dp in (1, 8))
    assert "communication" not in one
    assert eight["communication"] == eight["gradients"]


def test_reserve_and_context_come_on_top() -> None:
    # The state lies where it was put: what the allocator cannot give out is a share of all else.
    bare = held(LLAMA2_7B, Layout())
    found = held(LLAMA2_7B, Layout(), reserve_share=0.05, context_bytes=1e9)
    assert found.total == pytest.approx(1.05 * bare.total - 0.05 * state(bare) + 1e9, rel=1e-12)


# Moments


def test_gradients_are_not_there_when_the_first_backward_pass_starts() -> None:
    # PyTorch frees them after the update (zero_grad, set_to_none). With many tokens the loss is the peak.
    once, twice, buffers = (
        held(LLAMA2_7B, Layout(micro_batch=16, accumulation=times), keeps_gradients=keeps)
        for times, keeps in ((1, False), (2, False), (1, True))
    )
    assert once.get("gradients", 0.0) == 0.0
    assert twice["gradients"] == buffers["gradients"] == 2 * total_parameters(LLAMA2_7B)


def test_a_full_finetune_in_pure_bf16_peaks_at_10_bytes_for_each_parameter() -> None:
    # Measured by fms-acceleration: 67.46 GiB for Mistral 7B on one A100, at the update: 2 + 2 + 4 and one copy of 2.
    mistral = plain_decoder("Mistral 7B", layers=32, hidden=4_096, heads=32, kv_heads=8, vocab=32_000, ffn=14_336)
    found = held(
        mistral, Layout(micro_batch=4, recompute="full"), training=Training("full", RECIPES["adamw-bf16"]),
        seq_len=4_096.0, keeps_gradients=False,
    )  # fmt: skip
    assert found.total == 10 * total_parameters(mistral)
    assert found.total / 2**30 == pytest.approx(67.46, rel=1e-3)


def test_whole_layers_are_given_back_before_the_update() -> None:
    # Measured by fms-acceleration: 74.80 GiB for Llama 3 8B in fp32 on two A100 under FSDP: (4 + 4 + 8 + 4) N / 2.
    found = held(
        LLAMA3_8B, Layout(dp=2, zero=3, micro_batch=4, recompute="full", chunked_loss=True),
        training=Training("full", RECIPES["adamw-fp32-foreach"]), seq_len=4_096.0, keeps_gradients=False,
    )  # fmt: skip
    assert "communication" not in found
    assert found.total / 2**30 == pytest.approx(74.80, rel=1e-3)


def test_adapters_under_zero_3_keep_the_inputs_of_frozen_layers_twice() -> None:
    layout = Layout(dp=2, zero=3, micro_batch=10, recompute="full")
    words: dict[str, Any] = {"training": Training("qlora"), "fused": False, "reserve_share": 0.09}
    once, twice = (held(LLAMA2_7B, layout, boundary_copies=copies, **words) for copies in (1.0, 2.0))
    assert twice["activations"] - once["activations"] == 32 * 2 * 4_096 * 10 * 2_048
    # fsdp_qlora measured 9.75 GiB more for 10 than for 4 sequences of 2,048 tokens.
    four = held(LLAMA2_7B, msgspec.structs.replace(layout, micro_batch=4), boundary_copies=2.0, **words)
    assert (twice.total - four.total) / 2**30 == pytest.approx(9.75, rel=0.06)


def test_megatron_makes_16_bit_gradients_of_head_and_one_layer_beside_its_buffers() -> None:
    found = held(LLAMA3_8B, Layout(tp=2), passing_gradient_bytes=2.0)
    layer = 2 * 4_096**2 + 2 * 4_096 * 1_024 + 3 * 4_096 * 14_336
    assert found["passing_gradients"] == 2 * (layer + 128_256 * 4_096) / 2


def test_dense_layers_come_first_so_the_last_stage_has_more_experts() -> None:
    # One dense layer and three with experts on two stages: the second has two of the three.
    attention = Attention(8, 8, 128)
    layers = ((Layer(attention, Mlp(4_096, gated=True)), 1), (Layer(attention, Experts(8, 2, 2_048, gated=True)), 3))
    arch = Architecture("leading", 1_024, 32_000, layers)
    found = held(arch, Layout(pp=2, accumulation=4))
    experts = 2 * 8 * 3 * 1_024 * 2_048
    assert found["weights"] > 2 * experts
    assert leading_dense(arch) == 1


def test_a_fused_gate_is_not_kept() -> None:
    # silu(gate): 2 bytes for each of 11,008 columns in each of 32 layers.
    own, fused = (held(LLAMA2_7B, Layout(), needed_only=word)["activations"] for word in (False, True))
    assert own - fused == 2 * 11_008 * 32 * 2_048


# Many layouts at once


def test_with_and_without_a_pipeline_side_by_side() -> None:
    # Which rank is fullest differs from layout to layout.
    degrees = [1.0, 2.0, 4.0, 8.0]
    for training in (PRETRAIN, Training("qlora")):
        for arch in (LLAMA3_8B, GPT2_SMALL):
            together = Layout(pp=np.array(degrees), accumulation=8.0, recompute="full")
            found = peak_bytes(arch, training, together, 1_024.0)
            alone = [
                peak_bytes(arch, training, Layout(pp=pp, accumulation=8.0, recompute="full"), 1_024.0) for pp in degrees
            ]
            assert np.asarray(found).tolist() == alone
