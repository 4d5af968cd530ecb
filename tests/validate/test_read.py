"""Rows into problems: published ones field by field, and how many of all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cardyears.catalogue.load import load
from cardyears.layout.layout import Layout
from cardyears.layout.shard import padded_vocabulary
from cardyears.validate.compare import engines, job
from cardyears.validate.read import Problem, Skipped, problems
from cardyears.validate.runs import Measured, load_runs
from cardyears.work.mixers import LatentAttention
from cardyears.work.params import total_parameters

LEAST_SPEED, LEAST_MEMORY = 0.9, 0.85


@pytest.fixture(scope="module")
def runs() -> list[Measured]:
    return load_runs()


@pytest.fixture(scope="module")
def read(runs: list[Measured]) -> tuple[dict[str, Problem], list[Skipped]]:
    made, skipped = problems(runs, load())
    return {one.measured.id: one for one in made}, skipped


NARAYANAN_1 = {
    # id: parameters in billions, layers, hidden, heads, tp, pp, dp, devices, micro-batch, global batch
    "narayanan-001": (1.7, 24, 2_304, 24, 1, 1, 32, 32, 16, 512),
    "narayanan-002": (3.6, 30, 3_072, 32, 2, 1, 32, 64, 16, 512),
    "narayanan-005": (39.1, 48, 8_192, 64, 8, 2, 32, 512, 4, 1_536),
    "narayanan-008": (310.1, 96, 16_384, 128, 8, 16, 15, 1_920, 1, 2_160),
    "narayanan-010": (1_008.0, 128, 25_600, 160, 8, 64, 6, 3_072, 1, 3_072),
}
"""Narayanan et al. 2021, table 1; micro-batches as in the repository's table of the same runs."""


@pytest.mark.parametrize("key", NARAYANAN_1)
def test_narayanan_table_1(read: Any, key: str) -> None:
    one: Problem = read[0][key]
    billions, layers, hidden, heads, tp, pp, dp, devices, micro_batch, batch = NARAYANAN_1[key]
    arch, layout = one.architecture, one.layout
    assert total_parameters(arch) / 1e9 == pytest.approx(billions, rel=0.04)
    assert (arch.layer_count, arch.hidden, arch.layers[0][0].mixer.score_heads) == (layers, hidden, heads)
    assert (layout.tp, layout.pp, layout.dp, layout.devices) == (tp, pp, dp, devices)
    assert (layout.micro_batch, layout.global_batch) == (micro_batch, batch)
    assert (layout.kernel, layout.recompute, layout.precision, layout.zero) == ("eager", "full", "fp16", 0)
    assert (one.engine, one.seq_len, one.device.key) == ("megatron-2021", 2_048, "a100-sxm-80gb")
    assert one.cluster.between is not None
    assert one.cluster.between.bandwidth.value == 25e9
    assert one.measured.tflop_s is not None


LLAMA_3 = {
    # id: devices, tp, cp, pp, dp, tokens of a sequence
    "llama3-001": (8_192, 8, 1, 16, 64, 8_192),
    "llama3-002": (16_384, 8, 1, 16, 128, 8_192),
    "llama3-003": (16_384, 8, 16, 16, 8, 131_072),
}
"""The Llama 3 Herd of Models, table 4: about 16 million tokens in a step."""


@pytest.mark.parametrize("key", LLAMA_3)
def test_llama_3_405b_in_its_three_layouts(read: Any, key: str) -> None:
    one: Problem = read[0][key]
    layout = one.layout
    assert total_parameters(one.architecture) == 405_853_388_800
    assert (layout.devices, layout.tp, layout.cp, layout.pp, layout.dp, one.seq_len) == LLAMA_3[key]
    assert (layout.zero, layout.kernel, layout.context_kind, one.engine) == (2, "flash", "all-gather", "in-house")
    assert one.tokens == pytest.approx(16.8e6, rel=0.01)
    assert one.cluster.between is not None
    assert one.cluster.between.bandwidth.value == 50e9


def test_bloom_in_production(read: Any) -> None:
    one: Problem = read[0]["bloom-001"]
    layout = one.layout
    assert (layout.tp, layout.pp, layout.dp, layout.zero, layout.global_batch) == (4, 12, 8, 1, 2_048)
    assert (layout.sp, layout.kernel, layout.recompute, layout.dropout) == (False, "eager", "full", True)
    assert total_parameters(one.architecture) == pytest.approx(176.2e9, rel=1e-3)
    assert (one.step_s, one.training.recipe.key, one.scores_speed, one.scores_memory) == (
        105.2,
        "adamw-deepspeed",
        True,
        False,
    )


def test_bigscience_keeps_gradients_in_fp32_with_its_bf16_optimizer(read: Any) -> None:
    recipes = Counter(
        (one.training.recipe.key, "gradients-fp32" in one.measured.flags)
        for one in read[0].values()
        if one.measured.source.startswith("bigscience-tr11")
    )
    assert recipes == {("adamw-deepspeed", False): 92, ("adamw-deepspeed-bf16", True): 19}


def test_llm_foundry_is_fsdp(read: Any) -> None:
    mine = [one for one in read[0].values() if one.engine == "llm-foundry"]
    assert len(mine) == 216
    assert Counter(one.layout.zero for one in mine) == {3: 210, 2: 6}
    assert Counter(one.training.recipe.key for one in mine) == {"adamw-fp32": 136, "adamw-bf16": 80}
    assert all(one.layout.kernel == "flash" and one.layout.pp == one.layout.tp == 1 for one in mine)


def test_vtrains_vocabulary_is_the_simulators_and_bare_on_one_node(read: Any) -> None:
    mine = [one for one in read[0].values() if one.measured.source.startswith("vtrain")]
    assert len(mine) == 1_249
    assert {one.architecture.vocab for one in mine} == {50_257}
    engine = engines(load())["megatron-deepspeed-2023"]
    bare = {job(one, load(), engine).bare_vocabulary: one.cluster.nodes for one in mine}
    assert (bare[True], bare[False] > 1) == (1, True)
    assert padded_vocabulary(50_257, Layout(tp=8)) == 51_200
    assert all(one.assumes("vocab") and one.layout.zero == 0 for one in mine)


def test_deepseek_v3_has_its_latent_attention_and_its_pipeline(read: Any) -> None:
    one: Problem = read[0]["dsv3isca-001"]
    assert all(isinstance(layer.mixer, LatentAttention) for layer, _ in one.architecture.layers)
    assert total_parameters(one.architecture) == 671_026_404_352
    assert (one.layout.schedule, one.layout.ep, one.layout.precision) == ("dualpipe", 64, "fp8")


def test_a_cut_down_proxy_keeps_the_kinds_of_its_layers(read: Any) -> None:
    one = next(one for one in read[0].values() if one.measured.model == "deepseekv3 cut to 4 layers")
    assert one.architecture.layer_count == 4
    assert isinstance(one.architecture.layers[-1][0].mixer, LatentAttention)


def test_an_encoder_has_no_head_and_attends_to_the_whole_square(read: Any) -> None:
    one = next(one for one in read[0].values() if one.measured.model == "BERT-large")
    assert (one.architecture.vocab, one.layout.kernel, one.seq_len) == (2, "eager", 384)
    assert total_parameters(one.architecture) == pytest.approx(335e6, rel=0.01)


def test_packed_samples_with_their_own_attention_say_how_long_they_are(read: Any) -> None:
    short = [one for one in read[0].values() if one.document is not None]
    assert {(one.engine, one.document) for one in short} == {("xtuner", 100.0)}
    assert len(short) == 9


def test_layers_split_over_devices_are_no_replicas(read: Any) -> None:
    split = [one for one in read[0].values() if "layer-split" in one.measured.flags]
    assert split
    assert all(one.layout.dp == 1 and one.layout.pp == one.measured.devices for one in split)


def test_nvlink_racks_and_slices_are_one_domain(read: Any) -> None:
    domains = {(one.device.key, one.cluster.domain) for one in read[0].values()}
    assert {("gb200", 64), ("gb200", 72), ("tpu-v5e", 256), ("tpu-v4", 64), ("h100-sxm-80gb", 8)} <= domains


def test_every_layout_fills_its_cluster_and_counts_its_batch(read: Any) -> None:
    for one in read[0].values():
        assert one.layout.devices == one.cluster.count, one.measured.id
        batch = one.measured.global_batch
        if batch is not None and "layer-split" not in one.measured.flags:
            assert one.layout.global_batch >= batch * (1 - 1e-9), one.measured.id
        assert one.layout.accumulation >= 1


def test_a_rate_of_tokens_and_a_step_time_agree(read: Any) -> None:
    for one in read[0].values():
        run = one.measured
        if run.step_s and run.tokens_s and run.devices and run.sample_tokens is None and not one.assumes("micro_batch"):
            rate = one.tokens / (run.step_s * run.devices)
            assert rate == pytest.approx(run.tokens_s, rel=0.03), run.id


def test_most_rows_with_architecture_device_and_speed_become_problems(runs: list[Measured], read: Any) -> None:
    wanted = [run for run in runs if run.has_speed and run.device and (run.layers or run.model_key)]
    assert sum(run.id in read[0] for run in wanted) >= LEAST_SPEED * len(wanted)
    assert sum(run.has_speed and run.id in read[0] for run in runs) >= LEAST_SPEED * sum(run.has_speed for run in runs)


def test_most_rows_with_memory_become_problems(runs: list[Measured], read: Any) -> None:
    wanted = [run for run in runs if run.has_memory]
    assert sum(run.id in read[0] for run in wanted) >= LEAST_MEMORY * len(wanted)


def test_reasons_are_few_and_every_row_is_accounted_for(runs: list[Measured], read: Any) -> None:
    made, skipped = read
    assert len(made) + len(skipped) == len(runs)
    assert len({one.reason for one in skipped}) <= 10


def test_a_row_without_a_device_scores_memory_only(read: Any) -> None:
    blind = [one for one in read[0].values() if not one.measured.device]
    assert blind
    assert not any(one.scores_speed for one in blind)
