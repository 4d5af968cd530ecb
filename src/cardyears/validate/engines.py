"""Which software ran it? One short list of engines, and the names and releases that each stands for.

Engines that differ in speed or memory are apart, those that share code and defaults are one. A measured row names its
engine loosely ("megatron" from 2020 to 2026), so source, date and flags refine it. What an engine does where a row is
silent is `validate.habits`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cardyears.base.text import N_
from cardyears.validate.notes import FRONT_END

ENGINES: Mapping[str, str] = {
    "megatron-2021": "Megatron-LM of 2020 and 2021: eager attention, no sequence parallelism",
    "megatron-deepspeed": "Megatron-DeepSpeed of 2021 and 2022, and GPT-NeoX and metaseq of that time",
    "megatron-deepspeed-2023": "Megatron-DeepSpeed of 2023 and later",
    "nemo": "NVIDIA NeMo 23.03 to 25.07 on Megatron-Core and Transformer Engine",
    "megatron-bridge": "NVIDIA Megatron-Bridge, containers 25.09 to 26.08",
    "megatron-core": "Megatron-LM on Megatron-Core 0.5 and later, and trainers built on it",
    "mlperf": "MLPerf submissions on NVIDIA devices: NeMo tuned to the last per cent",
    "mlperf-rocm": "MLPerf submissions on AMD devices",
    "paxml": "JAX with Pax",
    "maxtext": "JAX with MaxText",
    "llm-foundry": "MosaicML llm-foundry: Composer and FSDP",
    "torchtitan": "torchtitan: FSDP2 and torch.compile",
    "fms-fsdp": "IBM fms-fsdp: FSDP and torch.compile",
    "olmo-core": "OLMo-core: FSDP2 and torch.compile",
    "nemo-automodel": "NVIDIA NeMo AutoModel: FSDP2, Transformer Engine, DeepEP",
    "nanotron": "Hugging Face nanotron",
    "plain-torch": "a training loop of one's own in PyTorch: nanoGPT, modded-nanogpt, nanochat",
    "litgpt": "Lightning litgpt, and TinyLlama, which was built on it",
    "torchtune": "torchtune",
    "hf-trainer": "Hugging Face Trainer with PEFT, and its front ends axolotl, LLaMA-Factory and ms-swift",
    "hf-trainer-fused": "the same with fused kernels: Liger, fms-acceleration",
    "unsloth": "Unsloth",
    "fsdp-qlora": "Answer.AI fsdp_qlora",
    "xtuner": "XTuner: Hugging Face models with kernels of its own on DeepSpeed",
    "deepspeed": "DeepSpeed ZeRO without model parallelism",
    "colossalai": "ColossalAI",
    "internevo": "InternEvo",
    "nvidia-examples": "NVIDIA DeepLearningExamples: BERT in eager PyTorch",
    "llm.q": "llm.q and llm.c: kernels written by hand in CUDA",
    "optimum-habana": "Intel Gaudi's Megatron-DeepSpeed and Optimum Habana",
    "mlx": "Apple MLX",
    "in-house": "a laboratory's own trainer that nobody else has",
}
"""Every key that a problem may carry, with what it stands for. Their coefficients are in the catalogue."""

_NAMES: Mapping[str, str] = {
    "megatron-lm": "megatron-core",
    "megatron": "megatron-core",
    "mcore": "megatron-core",
    "megatron-core-lm": "megatron-core",
    "primus": "megatron-core",
    "bionemo": "nemo",
    "megatron-patch": "megatron-core",
    "pai-megatron": "megatron-core",
    "nemo-framework": "nemo",
    "nemo2": "nemo",
    "automodel": "nemo-automodel",
    "gpt-neox": "megatron-deepspeed",
    "metaseq": "megatron-deepspeed",
    "fairseq": "megatron-deepspeed",
    "mlperf-submission": "mlperf",
    "composer": "llm-foundry",
    "llmfoundry": "llm-foundry",
    "mosaic": "llm-foundry",
    "mosaicml": "llm-foundry",
    "torchao": "torchtitan",
    "fsdp2": "torchtitan",
    "fsdp": "torchtitan",
    "fsdp1": "torchtitan",
    "torch.distributed.fsdp": "torchtitan",
    "simplefsdp": "torchtitan",
    "modded-nanogpt": "plain-torch",
    "nanochat": "plain-torch",
    "nanogpt": "plain-torch",
    "pytorch": "plain-torch",
    "torch": "plain-torch",
    "ddp": "plain-torch",
    "lightning": "plain-torch",
    "torch-fsdp": "torchtitan",
    "pytorch-fsdp": "torchtitan",
    "pytorch-fsdp2": "torchtitan",
    "fully-shard": "torchtitan",
    "olmo": "olmo-core",
    "open-lm": "fms-fsdp",
    "lit-gpt": "litgpt",
    "tinyllama": "litgpt",
    "transformers": "hf-trainer",
    "trl": "hf-trainer",
    "peft": "hf-trainer",
    "accelerate": "hf-trainer",
    "axolotl": "hf-trainer",
    "llama-factory": "hf-trainer",
    "ms-swift": "hf-trainer",
    "swift": "hf-trainer",
    "llamafactory": "hf-trainer",
    "hf": "hf-trainer",
    "huggingface": "hf-trainer",
    "hugging-face": "hf-trainer",
    "sfttrainer": "hf-trainer",
    "trainer": "hf-trainer",
    "alignment-handbook": "hf-trainer",
    "open-instruct": "hf-trainer",
    "fastchat": "hf-trainer",
    "qlora": "hf-trainer",
    "autotrain": "hf-trainer",
    "bitsandbytes": "hf-trainer",
    "liger": "hf-trainer-fused",
    "liger-kernel": "hf-trainer-fused",
    "mlx-lm": "mlx",
    "mlx-examples": "mlx",
    "colossal-ai": "colossalai",
    "colossal": "colossalai",
    "deepspeed-chat": "deepspeed",
    "optimum": "optimum-habana",
    "fms-acceleration": "hf-trainer-fused",
    "nvidia-deeplearning-examples": "nvidia-examples",
    "llmq": "llm.q",
    "llm.c": "llm.q",
    "pax": "paxml",
    "habana": "optimum-habana",
}
"""Other names of engines, and of programs that are one of them."""

_LIKE: Mapping[str, str] = {
    "mindspeed": "megatron-core",
    "megascale": "megatron-core",
    "vescale": "megatron-core",
    "veomni": "torchtitan",
    "lingua": "torchtitan",
    "torchforge": "torchtitan",
    "prime": "torchtitan",
    "picotron": "nanotron",
    "jax": "maxtext",
    "flax": "maxtext",
    "levanter": "maxtext",
    "easylm": "maxtext",
    "axlearn": "maxtext",
    "torchax": "maxtext",
    "tunix": "maxtext",
    "t5x": "maxtext",
    "praxis": "paxml",
    "internlm": "internevo",
    "train-internlm": "internevo",
    "transformer-engine": "plain-torch",
    "thunder": "litgpt",
    "openrlhf": "deepspeed",
    "verl": "hf-trainer",
}
"""Programs that nobody has measured here, and the one that is most like each: rows with them say so."""

ALIKE = N_("{named} has no coefficients of its own: those of {engine}, which is like it")
UNKNOWN = N_("engine {named} has no row: the usual one for {method}")
UNNAMED = N_("engine not named: the usual one for {method}")
OF_THE_SOURCE = N_("engine not named: from the source")

FRONT_ENDS = ("axolotl", "llama-factory", "llamafactory", "ms-swift", "swift")
"""Programs around the Trainer that compute again unless told not to: their rows have the flag "front-end"."""
_CELL_FLAGS = ("liger",)
"""Kernels that people write beside the engine's name: flags of `validate.notes`."""

_BY_FLAG: tuple[tuple[str, str, str], ...] = (
    ("megatron-core", "paxml", "paxml"),
    ("megatron-core", "maxtext", "maxtext"),
    ("megatron-core", "deepspeed", "deepspeed"),
    ("xtuner", "megatron-patch", "megatron-core"),
    ("xtuner", "llama-factory", "hf-trainer"),
    ("unsloth", "eager", "hf-trainer"),
    ("unsloth", "flash", "hf-trainer"),
    ("hf-trainer", "unsloth", "unsloth"),
    ("hf-trainer", "liger", "hf-trainer-fused"),
    ("hf-trainer", "fast-kernels", "hf-trainer-fused"),
    ("hf-trainer", "scatter-moe", "hf-trainer-fused"),
)
"""(engine, flag, the engine that it is then): the first that fits."""

_BY_SOURCE: tuple[tuple[str, str], ...] = (
    ("megatron-bridge", "megatron-bridge"),
    ("nemo automodel", "nemo-automodel"),
    ("dgxc-benchmarking readme", "megatron-bridge"),
    ("dgxc-benchmarking", "nemo"),
    ("nvidia nemo", "nemo"),
    ("nemo-framework", "nemo"),
)
"""(words of the source, engine): which of NVIDIA's programs on Megatron-Core a page of theirs was measured with."""

_UNNAMED: tuple[tuple[str, str], ...] = (
    ("transformerengine", "plain-torch"),
    ("modula", "plain-torch"),
    ("ralph", "plain-torch"),
    ("torch.compile tables", "hf-trainer"),
    ("when-to-upgrade", "hf-trainer-fused"),
    ("distributed-training-guide", "hf-trainer"),
    ("bloomberggpt", "deepspeed"),
    ("frontier", "megatron-deepspeed"),
    ("olmo", "olmo-core"),
    ("llama", "in-house"),
    ("deepseek", "in-house"),
    ("ernie", "in-house"),
    ("lamda", "in-house"),
)
"""(words of the source, engine) for rows without an engine."""

_FIRST_CORE = "2022"
"""Megatron-LM before 2022 had neither sequence parallelism nor a flash kernel (korthikanti-2022 brought the first)."""


def engine_of(
    named: str,
    *,
    source: str = "",
    date: str = "",
    method: str = "pretrain",
    device: str = "",
    flags: tuple[str, ...] = (),
    sharded: bool = False,
) -> tuple[str, str]:
    """The engine that a row means, and why where the row does not name it ("" where it does).

    The reason is a sentence for what the row names, the engine that is taken, and the method.

    >>> engine_of("megatron", date="2021-04")
    ('megatron-2021', '')
    >>> engine_of("axolotl", flags=("liger",))[0]
    'hf-trainer-fused'
    >>> engine_of("", method="qlora")
    ('hf-trainer', 'engine not named: the usual one for {method}')
    >>> engine_of("Levanter 1.2")
    ('maxtext', '{named} has no coefficients of its own: those of {engine}, which is like it')
    >>> engine_of("LLaMA-Factory 0.9 (DeepSpeed)")[0]
    'hf-trainer'
    """
    said = _known(plain(named))
    if said in ENGINES and said not in _NAMES:
        return _by_flag(_refined(_dated(said, date), device), flags), ""
    if said in _NAMES:
        return _by_flag(_refined(_dated(_megatron(said, source, date), date), device), flags), ""
    if said in _LIKE:
        like = _LIKE[said]
        return like, ALIKE
    if said:
        return _usual(method, device, sharded=sharded), UNKNOWN
    place = source.casefold()
    found = next((engine for words, engine in _UNNAMED if words in place), None)
    if found is not None:
        return _dated(found, date), OF_THE_SOURCE
    return _usual(method, device, sharded=sharded), UNNAMED


def cell_flags(named: str) -> tuple[str, ...]:
    """Flags that the engine's cell means: kernels beside the name, and front ends that compute again by default.

    >>> cell_flags("axolotl 0.5 + Liger"), cell_flags("torchtitan")
    (('liger', 'front-end'), ())
    """
    words = f"-{re.sub(r'[^a-z0-9.]+', '-', plain(named))}-"
    found = tuple(flag for flag in _CELL_FLAGS if f"-{flag}-" in words)
    return (*found, FRONT_END) if _known(plain(named)) in FRONT_ENDS else found


def plain(named: str) -> str:
    """A name as the lists here have it.

    >>> plain("LLaMA_Factory") in FRONT_ENDS
    True
    """
    return named.strip().casefold().replace("_", "-").replace(" ", "-")


def _megatron(said: str, source: str, date: str) -> str:
    """Megatron's many releases by source and date; every other name as it stands."""
    engine = _NAMES[said]
    if said not in ("megatron", "megatron-lm"):
        return engine
    if "2000" < date[:4] < _FIRST_CORE:
        return "megatron-2021"
    place = source.casefold()
    return next((one for words, one in _BY_SOURCE if words in place), engine)


def _dated(engine: str, date: str) -> str:
    """Megatron-DeepSpeed before and after it took over Megatron-LM's kernels of 2022."""
    newer = engine == "megatron-deepspeed" and date[:4] >= "2023"
    return "megatron-deepspeed-2023" if newer else engine


def _refined(engine: str, device: str) -> str:
    amd = device.casefold().startswith("mi")
    return "mlperf-rocm" if engine == "mlperf" and amd else engine


def _by_flag(engine: str, flags: tuple[str, ...]) -> str:
    family = "megatron-core" if engine in ("megatron-2021", "nemo") else engine
    return next((then for one, flag, then in _BY_FLAG if one == family and flag in flags), engine)


def _known(said: str) -> str:
    """The first name of an engine that stands inside a longer one; what was said where none does.

    A release, a front end or a strategy often stands behind the name: "axolotl-0.5", "megatron-lm-(core-0.8)".
    """
    if said in ENGINES or said in _NAMES or said in _LIKE:
        return said
    words = f"-{re.sub(r'[^a-z0-9.]+', '-', said)}-"
    places = {name: words.find(f"-{name}-") for name in (*ENGINES, *_NAMES, *_LIKE)}
    found = [name for name, place in places.items() if place >= 0]
    return min(found, key=lambda name: (places[name], -len(name)), default=said)


_ACCELERATOR_ENGINES = (("tpu", "maxtext"), ("gaudi", "optimum-habana"), ("hpu", "optimum-habana"), ("apple", "mlx"))


def _usual(method: str, device: str, *, sharded: bool) -> str:
    """What most people take: the maker's own on TPU, Gaudi and Apple devices; else what is usual for the method.

    For pretraining Megatron-Core and its kin, or FSDP where everything is sharded; the Trainer for fine-tuning.
    """
    plain = device.casefold()
    own = next((engine for words, engine in _ACCELERATOR_ENGINES if words in plain), None)
    if own is not None:
        return own
    if method != "pretrain":
        return "hf-trainer"
    return "torchtitan" if sharded else "megatron-core"
