"""FLOP come back from times on a machine where nothing is lost: time x peak is what `work.flops` counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cardyears.case import Job
from cardyears.estimate.estimate import estimate
from cardyears.estimate.passes import UNALIGNED, Passes, passes
from cardyears.estimate.setting import Setting, setting
from cardyears.layout.layout import Layout
from cardyears.machine.engine import MemoryHabits
from cardyears.work.architecture import GPT2_SMALL, GPT3_175B, LLAMA2_7B, LLAMA3_8B, Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.flops import forward_flop
from cardyears.work.mixers import Attention, LatentAttention

PEAK, TOKENS = 1e15, 2_048
FAST = 1e40
"""Memory bandwidth at which nothing that moves counts."""
MIXTURE = Architecture(
    "mixture", 4_096, 32_000, ((Layer(Attention(32, 8, 128), Experts(8, 2, 14_336, gated=True, shared_width=512)), 4),)
)
LATENT = Architecture(
    "latent",
    2_048,
    102_400,
    (
        (
            Layer(
                LatentAttention(16, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128, q_rank=1_536),
                Mlp(10_944, gated=True),
            ),
            3,
        ),
    ),
)


def passed(job: Job, layout: Layout | None = None) -> Passes:
    return passes(job, layout or Layout(), setting(job, "bf16"))


def rated(there: Setting, **rates: Any) -> Setting:
    return there._replace(rates=msgspec.structs.replace(there.rates, **rates))


def dense_flop(arch: Architecture) -> float:
    """Forward FLOP per token of the layers' products but the routed experts'."""
    lines = forward_flop(arch, TOKENS)
    return lines.total - sum(lines.get(name, 0.0) for name in ("attention_core", "head", "experts"))


@pytest.mark.parametrize("arch", [GPT2_SMALL, LLAMA3_8B, GPT3_175B, LATENT], ids=lambda arch: arch.name)
def test_products_take_three_times_the_forward_flop_over_the_peak(ideal: Any, arch: Architecture) -> None:
    found = passed(ideal(arch, moved=FAST))
    assert found.forward.products * PEAK == pytest.approx(dense_flop(arch) * TOKENS, rel=1e-12)
    assert found.backward.products == pytest.approx(2 * found.forward.products, rel=1e-12)
    assert found.weights == pytest.approx(found.forward.products, rel=1e-12)


def test_experts_take_their_chosen_share_of_the_flop_with_350_rows_of_padding_each(ideal: Any) -> None:
    # Forward, for each of 4 layers: 2 of 8 experts for each token, three matrices of 4,096 x 14,336, two FLOP each.
    # Each expert has 2,048·2/8 = 512 rows, to which 350 are added; its narrower side is 4,096: 1 + 1,500/4,096.
    experts = 4 * 2 * 3 * 2 * 4_096 * 14_336
    assert forward_flop(MIXTURE, TOKENS)["experts"] == experts
    slowed = (512 + 350) / 512 * (1 + 1_500 / 4_096)
    found = passed(ideal(MIXTURE, moved=FAST)).forward.products * PEAK
    assert found == pytest.approx((dense_flop(MIXTURE) + experts * slowed) * TOKENS, rel=1e-12)


def test_expert_parallelism_gathers_more_rows_for_fewer_experts(ideal: Any) -> None:
    # ep = 4: 2 experts of 2,048 rows each instead of 8 of 512: the same FLOP, less padding.
    job = ideal(MIXTURE, moved=FAST)
    alone, together = (passed(job, Layout(dp=8, ep=ep)).forward.products * PEAK for ep in (1, 4))
    flop = 4 * 2 * 3 * 2 * 4_096 * 14_336 * TOKENS * (1 + 1_500 / 4_096)
    assert alone - together == pytest.approx(flop * (350 / 512 - 350 / 2_048), rel=1e-9)


def test_a_busy_expert_rank_has_more_rows(ideal: Any) -> None:
    job = ideal(MIXTURE, moved=FAST)
    busy = msgspec.structs.replace(job, expert_load=1.5)
    more = (passed(busy).forward.products - passed(job).forward.products) * PEAK
    assert more == pytest.approx(0.5 * 4 * 2 * 3 * 2 * 4_096 * 14_336 * TOKENS * (1 + 1_500 / 4_096), rel=1e-9)


@pytest.mark.parametrize(("arch", "width"), [(GPT2_SMALL, 768), (LLAMA3_8B, 4_096)], ids=["tied", "untied"])
def test_the_head_costs_three_products_tied_or_not(ideal: Any, arch: Architecture, width: int) -> None:
    # 2·h·V forward, the same for the inputs' gradient and for the weights'.
    found = passed(ideal(arch, moved=FAST)).head.products * PEAK
    assert found == pytest.approx(3 * 2 * width * arch.vocab * TOKENS, rel=1e-12)


def test_a_vocabulary_that_no_kernel_suits_slows_the_head(ideal: Any) -> None:
    # GPT-2's 50,257 tokens are no multiple of 8; padded by the engine, by a compiler, or over ranks they are.
    def head(
        *, pads: bool, layout: Layout | None = None, bare: bool = False, slower: float = 16.0, **rates: Any
    ) -> Any:
        job = msgspec.structs.replace(ideal(GPT2_SMALL, moved=FAST, pads_vocabulary=pads), bare_vocabulary=bare)
        there = setting(job, "bf16")
        made = msgspec.structs.replace(there.rates, without_tensor_cores=slower, **rates)
        return passes(job, layout or Layout(), there._replace(rates=made)).head.products

    whole = head(pads=True)
    assert head(pads=False) == pytest.approx(UNALIGNED * whole, rel=1e-12)
    assert head(pads=False, slower=2.0) == pytest.approx(2.0 * whole, rel=1e-12)  # never slower than without
    assert head(pads=False, element_bytes=4.0) == head(pads=True, element_bytes=4.0)  # fp32 is no tensor core's
    assert head(pads=False, layout=Layout(compiled=True)) == whole
    assert head(pads=False, layout=Layout(tp=2)) == head(pads=True, layout=Layout(tp=2))
    assert head(pads=True, bare=True) == head(pads=False)
    assert passed(ideal(LLAMA3_8B, pads_vocabulary=False)).head == passed(ideal(LLAMA3_8B)).head


def test_norms_and_rotary_embeddings_in_steps_move_more(ideal: Any) -> None:
    # Two RMSNorms of 4,096: 16 elements more for each number; queries of 4,096 and keys of 1,024: 8 more for each.
    def moved(arch: Architecture, layout: Layout | None = None, *, fused: bool) -> float:
        engine = {"memory": MemoryHabits(fused=fused), "memory_bound_factor": 1.0, "compiled_gain": 1.0}
        return float(passed(ideal(arch, moved=1e12, **engine), layout).forward.moved) * 1e12

    more = moved(LLAMA3_8B, fused=False) - moved(LLAMA3_8B, fused=True)
    assert more == pytest.approx(32 * (16 * 2 * 4_096 + 8 * (4_096 + 1_024)) * 2 * TOKENS, rel=1e-9)
    compiled = Layout(compiled=True)
    assert moved(LLAMA3_8B, compiled, fused=False) == moved(LLAMA3_8B, compiled, fused=True)
    # GPT-2 has LayerNorms, which are one kernel, and learned positions; so has MPT, without bias and with ALiBi.
    mpt = msgspec.structs.replace(LLAMA3_8B, layer_norms=True, alibi=True)
    for plain in (GPT2_SMALL, mpt):
        assert moved(plain, fused=False) == moved(plain, fused=True)
    for one, keys in (("layer_norms", 5_120 * 8), ("alibi", 2 * 4_096 * 16)):
        half = msgspec.structs.replace(LLAMA3_8B, **{one: True})
        more = moved(half, fused=False) - moved(half, fused=True)
        assert more == pytest.approx(32 * keys * 2 * TOKENS, rel=1e-9)


def test_flash_attention_computes_the_causal_half_and_two_and_a_half_times_that_backward(ideal: Any) -> None:
    # Llama 3 8B: 2·L·T·q = 2 · 32 · 2,048 · 4,096 for each token; backward 2.5 times (flash-attention-2, section 3).
    found = passed(ideal(LLAMA3_8B, moved=FAST))
    assert found.forward.core * PEAK == pytest.approx(2 * 32 * 2_048 * 4_096 * TOKENS, rel=1e-12)
    assert found.backward.core == 2.5 * found.forward.core


def test_eager_attention_computes_the_whole_square_and_moves_it(ideal: Any) -> None:
    # 4·L·T·q FLOP for each token; backward twice. 5.3 passes over 2 bytes of 32 heads and 2,048 positions.
    fast, slow = (passed(ideal(LLAMA3_8B, moved=moved), Layout(kernel="eager")) for moved in (FAST, 1e12))
    assert fast.forward.core * PEAK == pytest.approx(4 * 32 * 2_048 * 4_096 * TOKENS, rel=1e-12)
    assert fast.backward.core == 2 * fast.forward.core
    moved = (slow.forward.core - fast.forward.core) * 1e12
    assert moved == pytest.approx(32 * 5.3 * 2 * 32 * 2_048 * TOKENS, rel=1e-9)


def test_eager_attention_of_heads_that_tensor_cores_cannot_load_runs_at_the_fp32_rate(ideal: Any) -> None:
    # Heads 108 wide are no multiple of 8: 13.5 times 16 bytes. A flash kernel pads them.
    def arch(width: int) -> Architecture:
        layer = Layer(Attention(32, 32, width), Mlp(4_096, gated=False))
        return Architecture("heads", 4_096, 32_000, ((layer, 1),))

    def core(width: int, kernel: str, slow: float) -> float:
        job = ideal(arch(width), moved=FAST)
        there = rated(setting(job, "bf16"), without_tensor_cores=slow)
        return passes(job, Layout(kernel=kernel), there).forward.core  # type: ignore[arg-type, return-value]

    assert core(108, "eager", 16.0) == pytest.approx(16 * core(108, "eager", 1.0), rel=1e-9)
    assert core(112, "eager", 16.0) == core(112, "eager", 1.0)
    assert core(108, "flash", 16.0) == core(108, "flash", 1.0)


def test_masked_documents_attend_among_their_own_tokens(ideal: Any) -> None:
    whole, packed = (passed(ideal(LLAMA3_8B, document=document)) for document in (None, 512.0))
    assert packed.forward.core == whole.forward.core / 4
    assert packed.forward.products == whole.forward.products


def test_frozen_weights_have_no_gradient_of_their_own(ideal: Any) -> None:
    # LoRA: forward and the inputs' gradient, 2 of 3; the adapters' skinny products are memory-bound and stand there.
    lora, full = (passed(ideal(LLAMA2_7B, method=method, moved=FAST)) for method in ("lora", "full"))
    assert lora.forward.products == full.forward.products
    assert lora.backward.products == pytest.approx(full.forward.products, rel=1e-12)
    assert lora.weights == 0
    assert lora.head.products == pytest.approx(full.head.products * 2 / 3, rel=1e-12)
    assert lora.forward.core == full.forward.core


def test_adapters_move_the_inputs_and_outputs_of_their_matrices(ideal: Any) -> None:
    # Llama 2 7B, bytes for each token and layer: the input read, the output written, read and written, in 16 bits.
    # qkv 4,096 -> 12,288; o 4,096 -> 4,096; gate and up 4,096 -> 22,016; down 11,008 -> 4,096.
    elements = (4_096 + 3 * 12_288) + (4_096 + 3 * 4_096) + (4_096 + 3 * 22_016) + (11_008 + 3 * 4_096)
    lora, full = (passed(ideal(LLAMA2_7B, method=method)).forward.moved for method in ("lora", "full"))
    assert (lora - full) * 1e12 == pytest.approx(32 * 2 * elements * TOKENS, rel=1e-9)


def test_matrices_without_adapters_move_nothing_for_them(ideal: Any) -> None:
    # Attention only: qkv 4,096 -> 12,288 and o 4,096 -> 4,096.
    elements = (4_096 + 3 * 12_288) + (4_096 + 3 * 4_096)
    lora, full = ideal(LLAMA2_7B, method="lora"), passed(ideal(LLAMA2_7B)).forward.moved
    attention = msgspec.structs.replace(lora, training=msgspec.structs.replace(lora.training, targets="attention"))
    assert (passed(attention).forward.moved - full) * 1e12 == pytest.approx(32 * 2 * elements * TOKENS, rel=1e-9)


def test_low_precision_casts_what_goes_into_products_each_pass_and_weights_once_a_step(ideal: Any) -> None:
    # Llama 2 7B in fp8 on a device whose products take nothing: 4 bytes for each element that goes into a product.
    job = ideal(LLAMA2_7B)
    free = rated(setting(job, "bf16"), product_peak=1e40, casts=True, operand_bytes=1.0)
    cast, plain = (passes(job, Layout(), there) for there in (free, rated(free, casts=False)))
    inputs, outputs = 4_096 * 3 + 11_008, 12_288 + 4_096 + 22_016 + 4_096
    moved = (cast.forward.products - plain.forward.products) * 1e12
    assert moved == pytest.approx(32 * 4 * inputs * TOKENS, rel=1e-9)
    assert (cast.backward.products - plain.backward.products) * 1e12 == pytest.approx(
        32 * 4 * outputs * TOKENS, rel=1e-9
    )
    weights = 4_096 * 12_288 + 4_096 * 4_096 + 4_096 * 22_016 + 11_008 * 4_096
    assert cast.weight_casts * 1e12 == pytest.approx(32 * 4 * weights, rel=1e-9)
    assert plain.weight_casts == 0


def test_wide_elements_move_twice_the_bytes(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    half = setting(job, "bf16")
    wide = rated(half, element_bytes=4.0)
    assert passes(job, Layout(), wide).forward.moved == 2 * passes(job, Layout(), half).forward.moved


def test_counting_the_tokens_of_experts_takes_the_engine_its_time_each_way(ideal: Any) -> None:
    quick, slow = (passed(ideal(MIXTURE, routing_s=seconds)) for seconds in (0.0, 1e-3))
    assert slow.forward.moved - quick.forward.moved == pytest.approx(4e-3, rel=1e-9)
    assert slow.backward.moved - quick.backward.moved == pytest.approx(4e-3, rel=1e-9)
    assert passed(ideal(MIXTURE, routing_s=1e-3), Layout(graphs=True)).forward.moved == quick.forward.moved


def test_full_recomputation_computes_the_blocks_forward_once_more(ideal: Any) -> None:
    job = ideal(LLAMA3_8B, moved=FAST)
    again = estimate(job, Layout(recompute="full")).time["recomputation"] * PEAK
    lines = forward_flop(LLAMA3_8B, TOKENS, causal=True)
    assert again == pytest.approx((lines.total - lines["head"]) * TOKENS, rel=1e-12)
    half = estimate(job, Layout(recompute="full", recompute_every=2)).time["recomputation"] * PEAK
    assert half == pytest.approx(again / 2, rel=1e-12)
    assert estimate(job, Layout()).time["recomputation"] == 0


def test_recomputation_that_stops_early_leaves_out_the_product_that_ends_a_layer(ideal: Any) -> None:
    whole, early = (
        estimate(ideal(LLAMA3_8B, moved=FAST, stops_early=word), Layout(recompute="full")).time["recomputation"] * PEAK
        for word in (False, True)
    )
    assert whole - early == pytest.approx(32 * 2 * 4_096 * 14_336 * TOKENS, rel=1e-9)
    assert passed(ideal(LLAMA3_8B, stops_early=True)).forward == passed(ideal(LLAMA3_8B)).forward


def test_selective_recomputation_computes_eager_attention_again_and_nothing_with_a_flash_kernel(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    eager = estimate(job, Layout(recompute="selective", kernel="eager")).time["recomputation"]
    assert eager == passed(job, Layout(kernel="eager")).forward.core
    assert estimate(job, Layout(recompute="selective")).time["recomputation"] == 0


def test_tensor_parallelism_divides_products_until_there_are_no_more_key_and_value_heads(ideal: Any) -> None:
    # Llama 3 8B at tp = 16 with 8 key and value heads: keys and values are divided by 8, all else by 16.
    job = ideal(LLAMA3_8B, moved=FAST)
    one, four, sixteen = (passed(job, Layout(tp=tp)).forward.products * PEAK for tp in (1, 4, 16))
    assert four == pytest.approx(one / 4, rel=1e-12)
    keys_and_values = 32 * 2 * 4_096 * 2_048 * TOKENS
    assert sixteen == pytest.approx((one - keys_and_values) / 16 + keys_and_values / 8, rel=1e-12)


def test_low_rank_ways_down_stay_whole_but_sequence_parallelism_splits_their_tokens(ideal: Any) -> None:
    job = ideal(LATENT, moved=FAST)
    one, split, whole = (
        passed(job, Layout(tp=tp, sp=sp)).forward.products for tp, sp in ((1, True), (4, True), (4, False))
    )
    down = 3 * 2 * 2_048 * (1_536 + 512 + 64) * TOKENS / PEAK
    assert split == pytest.approx(one / 4, rel=1e-12)
    assert whole == pytest.approx((one - down) / 4 + down, rel=1e-12)


def test_context_parallelism_divides_tokens_and_unbalanced_the_last_rank_sees_more(ideal: Any) -> None:
    job = ideal(LLAMA3_8B, moved=FAST)
    whole, even, uneven = (
        passed(job, layout).forward for layout in (Layout(), Layout(cp=4), Layout(cp=4, balanced=False))
    )
    assert even.products == whole.products / 4
    assert even.core == whole.core / 4
    # The last quarter of the rows of a triangle is 7/16 of it, over 1/4 when dealt out evenly: 2 - 1/4.
    assert uneven.core == pytest.approx(whole.core * 7 / 16, rel=1e-12)


def test_memory_bound_operators_move_what_is_counted_operator_by_operator(ideal: Any) -> None:
    # Llama 3 8B, elements for each token and layer: two norms read and write (4·h), two residuals read two and write
    # one and a copy (8·h); 2.5 for gate and up (2.5·2·14,336); rotary and order of queries and keys
    # (4·(4,096 + 1,024)), order of values (2·1,024). Two bytes each; the backward pass twice.
    elements = 12 * 4_096 + 2.5 * 2 * 14_336 + 4 * (4_096 + 1_024) + 2 * 1_024
    found = passed(ideal(LLAMA3_8B))
    assert found.forward.moved * 1e12 == pytest.approx(32 * 2 * elements * TOKENS, rel=1e-12)
    assert found.backward.moved == 2 * found.forward.moved


def test_only_sequence_parallelism_splits_what_moves_on_the_hidden_width(ideal: Any) -> None:
    job = ideal(LLAMA3_8B)
    one, split, whole = (
        passed(job, Layout(tp=tp, sp=sp)).forward.moved for tp, sp in ((1, True), (8, True), (8, False))
    )
    norms = 32 * 2 * 12 * 4_096 * TOKENS / 1e12
    assert split == pytest.approx(one / 8, rel=1e-12)
    assert whole == pytest.approx((one - norms) / 8 + norms, rel=1e-12)


def test_a_compiler_moves_fewer_bytes(ideal: Any) -> None:
    job = ideal(LLAMA3_8B, compiled_gain=0.5)
    plain, fused = (passed(job, Layout(compiled=compiled)).forward.moved for compiled in (None, True))
    assert fused == plain / 2
