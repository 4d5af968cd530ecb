"""What does an engine do where a measured row is silent? Its documented defaults, one line for each engine.

Only what a row leaves open is taken from here, and every value that is taken is noted with the problem. What an
engine keeps for each parameter, its attention kernel and its sequence parallelism are in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from cardyears.catalogue.schema import EngineRow
from cardyears.layout.layout import ContextKind
from cardyears.validate.runs import Measured
from cardyears.work.activations import AttentionKernel, Recompute


class Habit(msgspec.Struct, frozen=True):
    """The defaults of one engine."""

    zero: Literal[0, 1, 2, 3]
    recompute: Recompute
    reason: str
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


_CORE = "Megatron-Core's distributed optimiser; recomputation off in its recipes where memory allows"
_OLD = "fp16, full recomputation, no sharding of state, dropout 0.1"
_PRODUCTS: Recompute = "selective-products"

HABITS: Mapping[str, Habit] = {
    "megatron-2021": Habit(0, "full", f"narayanan-2021 section 5: {_OLD}", dropout=True, degrees_said=True),
    "megatron-deepspeed": Habit(
        0, "full", f"BigScience's and MT-NLG's scripts: {_OLD}", dropout=True, degrees_said=True
    ),
    "nemo": Habit(1, "none", _CORE, degrees_said=True),
    "megatron-bridge": Habit(1, "none", _CORE, degrees_said=True),
    "megatron-core": Habit(1, "none", _CORE, degrees_said=True),
    "mlperf": Habit(1, "none", _CORE, degrees_said=True),
    "mlperf-rocm": Habit(1, "none", _CORE),
    "paxml": Habit(3, "selective-norms", "Pax keeps the outputs of products", degrees_said=True),
    "maxtext": Habit(
        3,
        "full",
        "MaxText base.yml: remat_policy full, and the fsdp axis takes what is left",
        context="all-gather",
        whole_batch=True,
        selective="selective-norms",
    ),
    "llm-foundry": Habit(3, "full", "llm-foundry's yamls: FULL_SHARD, activation checkpointing"),
    "torchtitan": Habit(3, _PRODUCTS, "torchtitan's configs: FSDP, selective op", context="ring", selective=_PRODUCTS),
    "fms-fsdp": Habit(3, "none", "fms-fsdp's training config"),
    "olmo-core": Habit(3, "none", "OLMo-core's model configs", selective=_PRODUCTS),
    "nemo-automodel": Habit(3, "none", "AutoModel's recipes: FSDP2 without activation checkpointing"),
    "nanotron": Habit(1, "none", "nanotron's benchmark: ZeRO-1", degrees_said=True),
    "plain-torch": Habit(0, "none", "DistributedDataParallel, nothing computed again"),
    "litgpt": Habit(0, "none", "litgpt's configs: no checkpointing on one device"),
    "torchtune": Habit(0, "full", "torchtune's recipes: activation checkpointing on"),
    "hf-trainer": Habit(0, "none", "TrainingArguments: gradient_checkpointing False"),
    "hf-trainer-fused": Habit(0, "none", "TrainingArguments: gradient_checkpointing False"),
    "unsloth": Habit(0, "full", "Unsloth's notebooks: checkpointing on, fused loss", chunked_loss=True),
    "fsdp-qlora": Habit(3, "full", "fsdp_qlora's train.py: FSDP, checkpointing on"),
    "xtuner": Habit(3, "full", "XTuner's speed configs: ZeRO-3, checkpointing on", context="ulysses"),
    "deepspeed": Habit(3, "full", "ZeRO-3 with recomputation"),
    "colossalai": Habit(1, "none", "ColossalAI's low-level ZeRO"),
    "internevo": Habit(1, "none", "InternEvo's configs: ZeRO-1, checkpoint off"),
    "nvidia-examples": Habit(0, "none", "DeepLearningExamples' BERT: dropout 0.1", dropout=True),
    "llm.q": Habit(1, "none", "llm.q's defaults: everything is kept"),
    "optimum-habana": Habit(1, "none", "Gaudi's Megatron-DeepSpeed scripts"),
    "mlx": Habit(0, "none", "mlx-examples: no checkpointing unless asked for"),
    "in-house": Habit(
        1,
        "none",
        "llama3-2024, section 3.3.2: an interleaved schedule whose ends have one layer less",
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


def precision(words: str) -> str:
    """What products run in, by our word; "" where the words say nothing known.

    >>> precision("bf16-mixed"), precision("fp8 (e4m3), bf16 elsewhere"), precision("amp_bf16"), precision("O2")
    ('bf16', 'fp8', 'bf16', '')
    """
    return next((ours for names, ours in _PRECISION_WORDS if any(name in words for name in names)), "")


_ADAPTERS = "PEFT's prepare_model_for_kbit_training turns gradient checkpointing on"
FIRST_FLASH = "2022-06"
"""FlashAttention was published at the end of May 2022: before that every engine was eager."""
NORMS = "recompute-norms"
"""Flag of rows whose selective recomputation is of norms and activation functions."""


def recompute(run: Measured, habit: Habit) -> tuple[Recompute, str]:
    """Recomputation by our words, and why where the row does not say."""
    if run.recompute is None:
        quantised = run.method == "qlora" and run.engine.startswith("hf-trainer")
        return ("full", _ADAPTERS) if quantised else (habit.recompute, habit.reason)
    if run.recompute == "selective":
        return ("selective-norms" if NORMS in run.flags else habit.selective), ""
    return ("full" if run.recompute == "full" else "none"), ""


def recipe(run: Measured, engine: EngineRow) -> tuple[str, str]:
    """Key of the recipe of a fully trained model, and why where the row does not say."""
    stated = _stated_recipe(run)
    if stated:
        return stated, ""
    if "autocast" in run.flags and run.sharding == "zero3" and run.engine.startswith("hf-trainer"):
        return "adamw-fp32-foreach", "FSDP with autocast keeps weights and states in fp32, and loops over tensors"
    if "states-bf16" in run.flags:
        return "adamw-bf16", ""
    return engine.recipe, f"{engine.name}'s default"


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
    return "adamw-fp32-gradients" if "gradients-fp32" in run.flags else ""


def kernel(run: Measured, engine: EngineRow) -> AttentionKernel:
    """Which attention kernel the row's flags, its date or its engine mean."""
    if "eager" in run.flags or "2000" < run.date[:7] < FIRST_FLASH:
        return "eager"
    return "flash" if engine.flash or "flash" in run.flags else "eager"


def chunked_loss(run: Measured, habit: Habit) -> bool:
    """Whether the logits are never there as a whole: Liger's fused loss, llm.q's chunks of the head."""
    chunked = "liger" in run.flags or ("fused-loss" in run.flags and run.engine == "llm.q")
    return chunked or habit.chunked_loss
