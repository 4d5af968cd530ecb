"""What does an engine do where a measured row is silent? Its documented defaults, one line for each engine.

Only what a row leaves open is taken from here, and every value that is taken is noted with the problem. What an
engine keeps for each parameter, its attention kernel and its sequence parallelism are in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from cardyears.base.text import Text
from cardyears.catalogue.schema import EngineRow
from cardyears.layout.layout import ContextKind
from cardyears.machine.engine import MemoryHabits
from cardyears.validate.runs import Measured
from cardyears.work.activations import AttentionKernel, Recompute
from cardyears.work.architecture import Architecture
from cardyears.work.params import Targets

Reported = Literal["allocated", "reserved", "driver"]
"""What a peak is a peak of.

    allocated   tensors: torch.cuda.max_memory_allocated
    reserved    what PyTorch's allocator holds for them: max_memory_reserved
    driver      the device's memory in use, with context and communication buffers: nvidia-smi
"""


class Habit(msgspec.Struct, frozen=True):
    """The defaults of one engine."""

    zero: Literal[0, 1, 2, 3]
    recompute: Recompute
    reason: Text
    """Where the defaults are written down."""
    dropout: bool = False
    chunked_loss: bool = False
    context: ContextKind = "ring"
    degrees_said: bool = False
    """Whether a large run cannot be thought of without tensor or pipeline degrees, so that a row must say them."""
    whole_batch: bool = False
    """Whether it runs all sequences of a device at once instead of accumulating."""
    chunk_layers: int = 0
    """Layers of one pipeline chunk where it interleaves without saying how deep; 0: it does not interleave."""
    selective: Recompute = "selective"
    """What the engine means by selective recomputation."""
    reports: Reported = "reserved"
    """What its own log calls the peak memory."""


_CORE = Text("Megatron-Core's distributed optimiser; recomputation off in its recipes where memory allows")
_PRODUCTS: Recompute = "selective-products"

_TRAINER = Text("TrainingArguments: neither FSDP nor gradient checkpointing")
HABITS: Mapping[str, Habit] = {
    "megatron-2021": Habit(
        0,
        "full",
        Text("narayanan-2021 section 5: fp16, full recomputation, no sharding of state, dropout 0.1"),
        dropout=True,
        degrees_said=True,
        reports="driver",
    ),
    "megatron-deepspeed": Habit(
        0,
        "full",
        Text("BigScience's and MT-NLG's scripts: fp16, full recomputation, no sharding of state, dropout 0.1"),
        dropout=True,
        degrees_said=True,
        reports="driver",
    ),
    "megatron-deepspeed-2023": Habit(
        0,
        "full",
        Text("Megatron-DeepSpeed's examples: fp16, full recomputation, no sharding of state, dropout 0.1"),
        dropout=True,
        degrees_said=True,
        reports="driver",
    ),
    "nemo": Habit(
        1,
        "none",
        Text(
            "Megatron-Core's distributed optimiser; recomputation off in its recipes where memory allows; they "
            "interleave (virtual_pipeline_model_parallel_size)"
        ),
        degrees_said=True,
        reports="allocated",
        chunk_layers=1,
    ),
    "megatron-bridge": Habit(1, "none", _CORE, degrees_said=True, reports="allocated"),
    "megatron-core": Habit(1, "none", _CORE, degrees_said=True, reports="allocated"),
    "mlperf": Habit(1, "none", _CORE, degrees_said=True, reports="allocated"),
    "mlperf-rocm": Habit(1, "none", _CORE),
    "paxml": Habit(3, "selective-norms", Text("Pax keeps the outputs of products"), degrees_said=True),
    "maxtext": Habit(
        3,
        "selective-norms",
        Text("MaxText's benchmarks: a minimal remat_policy, and the fsdp axis takes what is left"),
        context="all-gather",
        whole_batch=True,
        selective="selective-norms",
    ),
    "llm-foundry": Habit(3, "full", Text("llm-foundry's yamls: FULL_SHARD, activation checkpointing")),
    "torchtitan": Habit(
        3, _PRODUCTS, Text("torchtitan's configs: FSDP, selective op"), context="ring", selective=_PRODUCTS
    ),
    "fms-fsdp": Habit(3, "none", Text("fms-fsdp's training config: FSDP, no checkpointing")),
    "olmo-core": Habit(3, "none", Text("OLMo-core's model configs: FSDP, no checkpointing"), selective=_PRODUCTS),
    "nemo-automodel": Habit(3, "none", Text("AutoModel's recipes: FSDP2 without activation checkpointing")),
    "nanotron": Habit(1, "none", Text("nanotron's benchmark: ZeRO-1"), degrees_said=True),
    "plain-torch": Habit(0, "none", Text("DistributedDataParallel, nothing computed again"), reports="allocated"),
    "litgpt": Habit(0, "none", Text("litgpt's configs on one device: no FSDP, no checkpointing"), reports="allocated"),
    "torchtune": Habit(0, "full", Text("torchtune's recipes on one device: activation checkpointing on")),
    "hf-trainer": Habit(0, "none", _TRAINER),
    "hf-trainer-fused": Habit(0, "none", _TRAINER, reports="allocated"),
    "unsloth": Habit(
        0, "full", Text("Unsloth's notebooks: one device, checkpointing on, fused loss"), chunked_loss=True
    ),
    "fsdp-qlora": Habit(3, "full", Text("fsdp_qlora's train.py: FSDP, checkpointing on")),
    "xtuner": Habit(3, "full", Text("XTuner's speed configs: ZeRO-3, checkpointing on"), context="ulysses"),
    "deepspeed": Habit(3, "full", Text("ZeRO-3 with recomputation")),
    "colossalai": Habit(1, "none", Text("ColossalAI's low-level ZeRO, nothing computed again"), reports="allocated"),
    "internevo": Habit(1, "none", Text("InternEvo's configs: ZeRO-1, checkpoint off"), reports="driver"),
    "nvidia-examples": Habit(0, "none", Text("DeepLearningExamples' BERT: dropout 0.1"), dropout=True),
    "llm.q": Habit(1, "none", Text("llm.q's defaults: everything is kept"), reports="driver"),
    "optimum-habana": Habit(1, "none", Text("Gaudi's Megatron-DeepSpeed scripts")),
    "mlx": Habit(0, "none", Text("mlx-examples: no checkpointing unless asked for")),
    "in-house": Habit(
        1,
        "none",
        Text("llama3-2024, section 3.3.2: an interleaved schedule whose ends have one layer less"),
        degrees_said=True,
        context="all-gather",
        chunk_layers=1,
    ),
}
"""A habit for every engine of `validate.engines.ENGINES`."""

_PRECISION_WORDS = (
    (("nvfp4", "fp4"), "nvfp4"),
    (("mxfp8", "mx-fp8"), "mxfp8"),
    (("fp8", "float8", "e4m3", "e5m2"), "fp8"),
    (("nf4", "4bit", "4-bit", "int4"), "nf4"),
    (("int8", "8bit", "8-bit"), "int8"),
    (("bf16", "bfloat16"), "bf16"),
    (("fp16", "float16", "half", "f16"), "fp16"),
    (("tf32",), "tf32"),
    (("fp32", "float32", "full precision", "f32"), "fp32"),
)
"""Words for a precision, and ours: the lowest precision that a cell names is what products run in."""


@lru_cache(maxsize=1024)
def precision(words: str) -> str:
    """What products run in, by our word; "" where the words say nothing known.

    >>> precision("bf16-mixed"), precision("fp8 (e4m3), bf16 elsewhere"), precision("amp_bf16"), precision("O2")
    ('bf16', 'fp8', 'bf16', '')
    """
    return next((ours for names, ours in _PRECISION_WORDS if any(name in words for name in names)), "")


_ADAPTERS = Text("PEFT's prepare_model_for_kbit_training turns gradient checkpointing on")
_FRONT_END = Text("axolotl's, LLaMA-Factory's and ms-swift's defaults: gradient checkpointing on")
_AUTOCAST = Text("FSDP with autocast keeps weights and states in fp32, and loops over tensors")
_PRECISION_AWARE = Text("Megatron-Bridge's recipes of DeepSeek's family: use_precision_aware_optimizer")
_AS_LOADED = Text("the Trainer updates a model in the dtype that it was loaded in")
FIRST_FLASH = "2022-06"
"""FlashAttention was published at the end of May 2022: before that every engine was eager."""
_ADAPTS_ATTENTION = ("nemo",)
"""Engines whose recipes put adapters on attention alone: NeMo's target_modules is attention_qkv."""
_FIRST_FLASH_IN = {"nemo": "2023-09"}
"""Engines that took it over later: NeMo 23.08 was the first whose recipes turn it on."""
_BEFORE_FLASH = Text("NeMo-Framework-Launcher's recipes of 2023: attention computed again")
NORMS = "recompute-norms"
"""Flag of rows whose selective recomputation is of norms and activation functions."""


def recompute(run: Measured, habit: Habit) -> tuple[Recompute, Text | None]:
    """Recomputation by our words, and why where the row does not say."""
    if run.recompute is None:
        if run.engine in _FIRST_FLASH_IN and not _has_flash(run):
            return "selective", _BEFORE_FLASH
        trainer = run.engine.startswith("hf-trainer")
        if trainer and run.method == "qlora":
            return "full", _ADAPTERS
        return ("full", _FRONT_END) if trainer and "front-end" in run.flags else (habit.recompute, habit.reason)
    if run.recompute == "selective":
        return ("selective-norms" if NORMS in run.flags else habit.selective), None
    return ("full" if run.recompute == "full" else "none"), None


def recipe(run: Measured, engine: EngineRow) -> tuple[str, Text | None]:
    """Key of the recipe of a fully trained model, and why where the row does not say."""
    trainer = run.engine.startswith("hf-trainer")
    if "autocast" in run.flags and run.sharding == "zero3" and trainer:
        return "adamw-fp32-foreach", _AUTOCAST
    stated = _stated_recipe(run)
    if stated:
        return stated, None
    if "states-bf16" in run.flags:
        return "adamw-bf16", None
    if run.engine == "megatron-bridge" and run.attention == "mla":
        return "adamw-precision-aware", _PRECISION_AWARE
    if trainer and run.sharding in (None, "none") and run.offload in ("", "none") and "deepspeed" not in run.flags:
        return "adamw-bf16", _AS_LOADED
    return engine.recipe, _default_of(engine.name)


@lru_cache(maxsize=64)
def _default_of(name: str) -> Text:
    return Text("{name}'s default", name=name)


def _stated_recipe(run: Measured) -> str:
    """The recipe that the optimiser's name or the row's flags mean; "" where they mean none."""
    optimizer = run.optimizer.casefold()
    if "8bit" in optimizer:
        return "paged-adamw-8bit" if "paged" in optimizer else "adamw-8bit"
    if "muon" in optimizer:
        return "muon"
    if "states-fp32" in run.flags:
        return "adamw-fp32"
    if "bf16 states" in optimizer and "autocast" not in run.flags:
        return "adamw-bf16"
    if "gradients-fp32" in run.flags:
        return "adamw-deepspeed-bf16" if run.engine.startswith("megatron-deepspeed") else "adamw-fp32-gradients"
    return ""


PLAIN_LOGITS = {("hf-trainer", False): 8.0, ("hf-trainer-fused", False): 6.0, ("hf-trainer-fused", True): 14.0}
"""Bytes of each logit by engine and whether autocast is on, in transformers' older models (GPT-2, GPT-BigCode, Falcon).

They copy the shifted logits and do not cast them, where Llama and its kin cast to fp32: 2 + 2 + 2 + 2 without autocast,
2 + 4 + 4 + 4 with it; one kernel for the loss has no log-softmax of its own. Source: hugging-face.
"""


def memory(run: Measured, arch: Architecture, usual: MemoryHabits) -> MemoryHabits:
    """What the engine holds, for the model at hand."""
    plain = not any(getattr(layer.channel, "gated", True) for layer, _ in arch.layers)
    each = PLAIN_LOGITS.get((run.engine, "autocast" in run.flags)) if plain else None
    return usual if each is None else msgspec.structs.replace(usual, logit_bytes=each)


def reported(run: Measured) -> Reported:
    """What the row's peak is a peak of: as it says, else what its engine logs."""
    said = next((word for word in get_args(Reported) if word in run.flags), None)
    return said or HABITS[run.engine].reports


def targets(run: Measured) -> Targets:
    """Matrices that have adapters: those that the row names, else those of its engine's recipes."""
    attention = "lora-qkvo" in run.flags or "lora-qv" in run.flags or run.engine in _ADAPTS_ATTENTION
    return "attention" if attention else "all-linear"


def kernel(run: Measured, engine: EngineRow) -> AttentionKernel:
    """Which attention kernel the row's flags, its date or its engine mean."""
    if "eager" in run.flags or not _has_flash(run):
        return "eager"
    return "flash" if engine.flash or "flash" in run.flags else "eager"


def _has_flash(run: Measured) -> bool:
    """Whether the engine had a fused attention kernel when the run was measured; of undated runs taken as so."""
    first = _FIRST_FLASH_IN.get(run.engine, FIRST_FLASH)
    return not "2000" < run.date[:7] < first


def chunked_loss(run: Measured, habit: Habit) -> bool:
    """Whether the logits are never there as a whole: Liger's fused loss, llm.q's chunks of the head."""
    chunked = "liger" in run.flags or ("fused-loss" in run.flags and run.engine == "llm.q")
    return chunked or habit.chunked_loss
