"""Words of public tables: engines, networks, devices, remarks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cardyears.base.errors import UnreadableValue
from cardyears.catalogue.load import load
from cardyears.question.networks import bandwidth, is_unheard, network
from cardyears.validate.engines import cell_flags, engine_of
from cardyears.validate.machines import device_key, taken_for
from cardyears.validate.notes import remark
from cardyears.validate.read import problems
from cardyears.validate.runs import load_runs
from cardyears.validate.shapes import model_key

NETWORKS = {
    # words: gigabits per second, of each device or of each node
    "8x HDR InfiniBand 200Gb/s per node": (1_600, False),
    "InfiniBand NDR 8x400Gb/s per node": (3_200, False),
    "RoCE 1600 Gb/s per node": (1_600, False),
    "4x Omni-Path 100 Gb/s per node": (400, False),
    "4x100Gb RoCE per node": (400, False),
    "RDMA CX-7 400 Gb/s per GPU": (400, True),
    "BF3 200Gbps for NS and 2xBF3 400Gbps for EW": (800, False),
    "Storage: 2x BF3 ConnectX-7 400Gb/s, Compute: 8x BF3 ConnectX-7 400Gb/s, Management: 100Gb/s NIC": (3_200, False),
    "Storage&Compute: 4x ConnectX-7 IB NDR 400Gb/s, Management: 25Gb/s Ethernet NIC": (1_600, False),
    "1x Ethernet 100Gb/Sec, 8x NVIDIA Quantum-2 CX7 InfiniBand (400Gb/s)": (3_200, False),
    "100GbE InfiniBand": (100, False),
    "RoCE (on-chip 100 GbE)": (300, True),
    "InfiniBand; Data bandwidth for GPU-PCIe: 504 GB/s; PCIe-NIC: 500 GB/s": (None, False),
    "NVL72 NVLink5; inter-rack not stated": (None, False),
    "IB NDR": (400, True),
    "8xNDR400": (3_200, False),
    "4x HDR": (800, False),
    "InfiniBand HDR 200G": (200, False),
    "IB NDR 400 per GPU": (400, True),
    "8x400G": (3_200, False),
    "InfiniBand 8x200": (1_600, False),
    "50 GB/s per GPU": (400, True),
    "12.5 GB/s": (100, False),
    "400gbps/gpu": (400, True),
    "EFA 3200": (3_200, False),
    "EFA 3.2T": (3_200, False),
    "RoCE 400Gb": (400, False),
    "1.6Tbps": (1_600, False),
    "100GbE": (100, False),
    "8 NICs of 400 Gb/s": (3_200, False),
    "Slingshot 11 4x200G": (800, False),
    "100 Mb/s": (0.1, False),
    "0 Gb/s": (None, False),
    "5mb/s": (None, False),
    "8x NDR per GPU": (400, True),
    "EFA": (None, False),
    "": (None, False),
    "-800 Gb/s": (None, False),
    "−3x HDR": (None, False),
    "400Gb/s-800Gb/s": (None, False),
    "400-800 Gb/s": (None, False),
    "0.5x HDR": (None, False),
    "0x NDR": (None, False),
    "NDR x 0": (None, False),
    "9" * 500 + "x HDR": (None, False),
    "HDR × " + "9" * 500: (None, False),
    "9999999 Gb/s": (None, False),
    "RDMA CX-7 8x 400 Gb/s": (3_200, False),
    "4 x 0.4Tb/s": (1_600, False),
    "2 x 0.1 Tb/s": (200, False),
    "2x 1600 Gb/s": (3_200, False),
    "PCIe 4.0 x16, 100 Gb/s Ethernet": (100, False),
    "NVLink 4.0 x18; 8x 400G": (3_200, False),
    "8xConnectX-7 400Gb/s": (3_200, False),
    "2xConnectX-6 200Gb/s": (400, False),
    "4xSlingshot-11 200G": (800, False),
    "400G/ConnectX-7": (400, False),
    "InfiniBand - 200 Gb/s": (200, False),
    "InfiniBand HDR - 8x 200 Gb/s per node": (1_600, False),
    "HDR200 - 200 Gb/s": (200, False),
    "Slingshot 11 - 200 Gb/s": (200, False),
    "XDR": (800, True),
    "8x NDR (3.2 Tb/s)": (3_200, False),
    "1.6 Tb/s - 8x200G": (1_600, False),
    "InfiniBand 1.6 Tb/s (8x200)": (1_600, False),
    "1.6 Tb/s x 8": (12_800, False),
    "p5.48xlarge 3200 Gbps EFA": (3_200, False),
    "a3-megagpu-8g 1600 Gbps": (1_600, False),
    "InfiniBand 2023-11 400G": (400, False),
    "8 NICs at 1600 Gb/s": (1_600, False),
    "8 NICs at 3200 Gb/s total": (3_200, False),
    "8 NICs at 1600 Gb/s per node": (1_600, False),
    "8 NICs, each 400 Gb/s": (3_200, False),
    "400 Gb/s each, 8 NICs": (3_200, False),
    "1600Gb/s, 4 per node": (6_400, False),
    "4 NICs with 1600 Gb/s each": (6_400, False),
    "8 NICs, 400 Gb/s each": (3_200, False),
    "8 ports; 0.8 Tb/s each": (6_400, False),
    "8 NICs, 3200 Gb/s": (3_200, False),
}
REFUSED = (
    *("400 Gb/s - 800 Gb/s", "100-200 Gb/s", "2.5x 400G", "0 x 400G", "1-2 ports of 400G", "x 8 400Gb/s"),
    *("-800 Gb/s", "−3x HDR", "400Gb/s-800Gb/s", "0.5x HDR", "0x NDR", "NDR x 0", "9" * 180 + "x HDR"),
)


@pytest.mark.parametrize("words", NETWORKS)
def test_networks_as_people_write_them(words: str) -> None:
    found = network(words)
    assert (found.gbit_s, found.each_device) == NETWORKS[words]


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_no_rate_and_no_count_is_unknown_in_a_table_and_refused_in_a_question(words: str) -> None:
    assert is_unheard(words)
    with pytest.raises(UnreadableValue, match="is no rate of a link"):
        network(words, asked=True)


def test_two_generations_are_no_one_network() -> None:
    with pytest.raises(UnreadableValue, match="is no rate of a link"):
        network("HDR/NDR", asked=True)


def test_links_that_each_device_is_said_to_have_may_be_the_nodes() -> None:
    assert network("4x 100Gb/s EFA per GPU").gbit_s == 100  # in a table, a node's four devices
    with pytest.raises(UnreadableValue, match="may count the links of each device or of a node"):
        network("4x 100Gb/s EFA per GPU", asked=True)
    assert network("2x 100Gb/s EFA per GPU", asked=True).gbit_s == 200


def test_ports_without_a_count_are_one_for_each_device_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    header = "model,gpu,n_gpus,seq_len,tp,pp,inter_node_net,tokens_per_s_per_gpu\n"
    rows = "".join(f"Llama-3-8B,A100,16,2048,1,1,{words},3000\n" for words in ("IB HDR", "8x200G", "pigeons", "EFA"))
    path.write_text(header + rows, encoding="utf-8")
    runs = load_runs(path)
    made = problems(runs, load())[0]
    assert made[0].cluster == made[1].cluster
    assert [one.assumes("ports") for one in made] == [True, False, False, False]
    assert [one.assumes("network") for one in made] == [False, False, True, True]
    assert [run.unheard for run in runs] == [(), (), ("inter_node_net=pigeons",), ()]


@pytest.mark.parametrize("words", ["1", "123 ", "8x ", "9x400G "])
def test_words_without_end_are_read_in_no_time(words: str) -> None:
    start = time.perf_counter()
    network(words * 30_000)
    assert time.perf_counter() - start < 5.0


def test_bandwidth_is_of_one_device() -> None:
    assert bandwidth(network("800 Gb/s per node"), 8) == 12.5e9
    assert bandwidth(network("400 Gb/s per GPU"), 8) == 50e9
    assert bandwidth(network("single node"), 8) is None


ENGINES = {
    ("megatron", "Narayanan et al. 2021", "2021-04", ()): "megatron-2021",
    ("megatron", "Narayanan et al. 2021", "2021-04", ("deepspeed",)): "deepspeed",
    ("megatron", "NVIDIA NeMo performance summary (NeMo 24.07 container)", "2024-08", ()): "nemo",
    ("megatron", "NVIDIA dgxc-benchmarking recipes v24.11.1", "2024-11", ("paxml",)): "paxml",
    ("megatron", "NVIDIA Megatron-Bridge performance summary", "2026-02", ()): "megatron-bridge",
    ("megatron", "", "2025", ()): "megatron-core",
    ("Megatron-LM", "", "", ()): "megatron-core",
    ("hf-trainer", "", "2024", ("fast-kernels",)): "hf-trainer-fused",
    ("unsloth", "", "2024", ("eager",)): "hf-trainer",
    ("unsloth", "", "2024", ("unsloth",)): "unsloth",
    ("fsdp_qlora", "", "2024", ()): "fsdp-qlora",
    ("torchtitan", "", "2024", ()): "torchtitan",
}


@pytest.mark.parametrize("words", ENGINES)
def test_engines_by_name_source_date_and_flags(words: tuple[str, str, str, tuple[str, ...]]) -> None:
    named, source, date, flags = words
    assert engine_of(named, source=source, date=date, flags=flags) == (ENGINES[words], "")


def test_mlperf_on_amd_is_another_program() -> None:
    assert engine_of("mlperf-submission", device="MI300X")[0] == "mlperf-rocm"
    assert engine_of("mlperf-submission", device="H200-SXM")[0] == "mlperf"


def test_an_engine_that_nobody_knows_is_assumed_aloud() -> None:
    engine, reason = engine_of("my-own", method="lora")
    assert (engine, reason) == ("hf-trainer", "engine {named} has no row: the usual one for {method}")


WRITTEN_ENGINES = {
    # as people write them: the engine, the flags of the cell, whether another stands in
    "Megatron-LM 23.06": ("megatron-core", (), False),
    "torchtitan v0.1": ("torchtitan", (), False),
    "NeMo 25.04": ("nemo", (), False),
    "nemo2": ("nemo", (), False),
    "DeepSpeed 0.14": ("deepspeed", (), False),
    "accelerate+fsdp": ("hf-trainer", (), False),
    "LLaMA Factory 0.9": ("hf-trainer", ("front-end",), False),
    "axolotl 0.5": ("hf-trainer", ("front-end",), False),
    "axolotl liger": ("hf-trainer-fused", ("liger", "front-end"), False),
    "hf-trainer+liger": ("hf-trainer-fused", ("liger",), False),
    "ms-swift 3.0": ("hf-trainer", ("front-end",), False),
    "TRL": ("hf-trainer", (), False),
    "Trainer": ("hf-trainer", (), False),
    "unsloth": ("unsloth", (), False),
    "litgpt": ("litgpt", (), False),
    "mosaic/llm-foundry/composer": ("llm-foundry", (), False),
    "llmfoundry": ("llm-foundry", (), False),
    "Colossal-AI 0.3": ("colossalai", (), False),
    "nanoGPT": ("plain-torch", (), False),
    "OLMo-core": ("olmo-core", (), False),
    "GPT-NeoX": ("megatron-deepspeed", (), False),
    "xtuner": ("xtuner", (), False),
    "nanotron": ("nanotron", (), False),
    "MaxText": ("maxtext", (), False),
    "torchtune 0.3": ("torchtune", (), False),
    "FSDP": ("torchtitan", (), False),
    "torch.distributed.fsdp": ("torchtitan", (), False),
    "picotron": ("nanotron", (), True),
    "VeOmni": ("torchtitan", (), True),
    "Levanter": ("maxtext", (), True),
    "EasyLM": ("maxtext", (), True),
    "Zyphra-internal": ("megatron-core", (), True),
}


@pytest.mark.parametrize("words", WRITTEN_ENGINES)
def test_engines_as_people_write_them(words: str) -> None:
    engine, flags, assumed = WRITTEN_ENGINES[words]
    found, reason = engine_of(words, flags=cell_flags(words))
    assert (found, cell_flags(words), bool(reason)) == (engine, flags, assumed)


def test_liger_in_the_engines_cell_means_that_logits_are_never_there_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "model,gpu,seq_len,kind,engine,tokens_per_s_per_gpu\nphi-2,A100,2048,full_ft,hf-trainer+liger,1\n"
        "phi-2,A100,2048,full_ft,hf-trainer,1\n",
        encoding="utf-8",
    )
    made = problems(load_runs(path), load())[0]
    assert [one.layout.chunked_loss for one in made] == [True, False]


DEVICES = {
    "A100-80GB": "a100-sxm-80gb",
    "A100-40GB": "a100-sxm-40gb",
    "A100": "a100-sxm-80gb",
    "H100": "h100-sxm-80gb",
    "H100-SXM": "h100-sxm-80gb",
    "H100x8": "h100-sxm-80gb",
    "A100-40GB×8": "a100-sxm-40gb",
    "H100-SXM-96GB-HBM2e-500W": "h100-sxm-96gb-hbm2e",
    "RTXPRO6000": "rtx-pro-6000-server",
    "H800-SXM": "h800-sxm-80gb",
    "QuadroRTX8000": "quadro-rtx-8000",
    "NVIDIA H100 80GB HBM3": "h100-sxm-80gb",
    "H100-SXM5-80GB": "h100-sxm-80gb",
    "H100s": "h100-sxm-80gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "A100-SXM4-40GB": "a100-sxm-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "H200-141GB": "h200-sxm",
    "H200-SXM5-141GB": "h200-sxm",
    "H800-SXM5-80GB": "h800-sxm-80gb",
    "B200-SXM-180GB": "b200",
    "NVIDIA B300 SXM6 AC": "b300",
    "GH200 (96GB)": "gh200-96gb",
    "NVIDIA GH200 120GB": "gh200-96gb",
    "GH200 480GB": "gh200-96gb",
    "GH200 144GB": "gh200-141gb",
    "v5litepod-256": "tpu-v5e",
    "v5p": "tpu-v5p",
    "TPU Trillium": "tpu-v6e",
    "TPU v6e (Trillium)": "tpu-v6e",
    "tpu7x-128": "tpu-v7x",
    "Ironwood": "tpu-v7x",
    "Intel Gaudi2": "gaudi-2",
    "HL-225H": "gaudi-2",
    "Gaudi 3": "gaudi-3",
    "AMD Instinct MI300X OAM": "mi300x",
    "AMD Instinct MI355X OAM": "mi355x",
    "MI250X (GCD)": "mi250x",
    "NVIDIA GeForce RTX 4060 Ti": "rtx-4060-ti-16gb",
    "A10G 22GB": "a10g",
    "Tesla T4 16GB": "t4",
    "RTX PRO 6000 Blackwell Workstation Edition": "rtx-pro-6000-server",
    # no figures, or other ones than those of the card with the same name
    "H100 NVL": None,
    "H100-SXM-94GB": None,
    "H20-SXM-96GB": None,
    "A100-SXM-64GB": None,
    "A800-40GB": None,
    "RTX 4090 48GB": None,
    "MI350X": None,
    "Ascend-910B": None,
    "": None,
}


@pytest.mark.parametrize("name", DEVICES)
def test_devices_as_public_tables_name_them(name: str) -> None:
    assert device_key(name, load()) == DEVICES[name]


def test_where_another_card_stands_in_the_row_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "model,gpu,seq_len,tokens_per_s_per_gpu\nphi-2,RTXPRO6000-Workstation,2048,1\nphi-2,RTX 4060 Ti,2048,1\n",
        encoding="utf-8",
    )
    made = problems(load_runs(path), load())[0]
    assert all(one.assumes("card") for one in made)
    assert taken_for("RTXPRO6000-Server") == taken_for("RTX 4060 Ti 8GB") == ""


def test_models_as_public_tables_name_them() -> None:
    assert model_key("Llama-2-70B LoRA (MLPerf)", load()) == "llama-2-70b"
    assert model_key("GPT 0.355B (h1024 L24)", load()) is None


MODELS = {
    "Llama-3-8B": "llama-3-8b",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "llama3_1_8b": "llama-3.1-8b",
    "Llama 8B": "llama-3.1-8b",
    "Llama 3.1 8B (BF16)": "llama-3.1-8b",
    "llama2-70b-lora": "llama-2-70b",
    "Llama-3-8B FP8": "llama-3-8b",
    "Llama3 70B 2-node": "llama-3-70b",
    "GPT 175B": "gpt-3-175b",
    "GPT-3": "gpt-3-175b",
    "GPT-3 1.3B": "gpt-3-xl",
    "gpt2": "gpt-2-small",
    "GPT2-345M": "gpt-2-medium",
    "BLOOM-7B1": "bloom-7b1",
    "Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
    "Qwen3 30B A3B": "qwen3-30b-a3b",
    "Mistral": "mistral-7b",
    "Phi-3": "phi-3-mini",
    # another family, generation or size than any that the catalogue has
    "InternLM-7B": None,
    "InternLM-20B": None,
    "Turing-NLG": None,
    "Turing-NLG 17B": None,
    "Baichuan-7B": None,
    "Qwen-1.8B": None,
    "Qwen 7B": None,
    "Gemma 4B": None,
    "Granite-8B": None,
    "GPT 1.3B": None,
    "Llama 70B": None,
    "Llama": None,
    "Qwen": None,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_models_name_means_its_family_generation_and_size_or_nothing(name: str) -> None:
    assert model_key(name, load()) == MODELS[name]


def test_a_stated_size_that_is_not_the_models_is_skipped_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = "Llama-3-8B,13\nLlama-3-8B,8\nGemma-7B,7\nGemma-7B,8.5\nMixtral-8x7B,46.7\nInternLM-7B,\nInternLM-7B,7.3\n"
    body = rows.replace("\n", ",A100,2048,1000\n")
    path.write_text(f"model,params_b,gpu,seq_len,tokens_per_s_per_gpu\n{body}", encoding="utf-8")
    made, skipped = problems(load_runs(path), load())
    assert [(one.reason, one.name) for one in skipped] == [
        ("the catalogue's model of that name has another number of parameters than is stated", "Llama-3-8B"),
        ("no architecture in the row, and the catalogue has no such model", "InternLM-7B"),
    ]
    assert [one.assumes("shape") for one in made] == [False, False, False, False, True]


def test_a_remark_gives_flags_and_numbers() -> None:
    found = remark("framework none; unpacked/padding-free: mean 445 tokens per sample; nvidia-smi reserved 80896 MiB")
    assert (found.sample_tokens, found.reserved_gib) == (445.0, 79.0)
    assert found.flags == ("unpacked",)
    assert remark("MAXIMUM context that fits in 24 GB; all linear layers").limit_gib == 24.0
    assert remark("zero1=8 (optimizer states sharded within 8 ranks)").shard_group == 8
    assert remark("") == remark("nothing of interest")
