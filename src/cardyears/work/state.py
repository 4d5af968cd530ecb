"""How many bytes does training hold for each parameter, for as long as it runs?

Weights, gradients, the optimiser's master copy and moments, by recipe. This file knows no hardware, no sharding
and no activations.
"""

from __future__ import annotations

import msgspec

from cardyears.base.ledger import Ledger
from cardyears.work.architecture import Architecture
from cardyears.work.params import Targets, active_lora_parameters, linear_parameters, lora_parameters, total_parameters


class Recipe(msgspec.Struct, frozen=True):
    """Bytes per trained parameter.

    >>> RECIPES["adamw"].bytes_per_parameter
    16.0
    """

    key: str
    label: str
    weight: float
    gradient: float
    master: float
    moments: float
    source: str
    temporaries: float = 0.0
    """Held for each parameter that a rank updates, while it does: none with fused kernels, one copy with foreach
    loops, a gradient in fp32 with DeepSpeed."""
    paged: bool = False
    """Whether moments that do not fit move to the host and back, page by page, instead of failing."""

    @property
    def bytes_per_parameter(self) -> float:
        """All of them together."""
        return self.weight + self.gradient + self.master + self.moments


_BLOCK = 256
"""Values that share one fp32 scale in an 8-bit optimiser's moments (Dettmers 2021 used 2,048; its library, 256)."""

RECIPES = {
    recipe.key: recipe
    for recipe in (
        Recipe("adamw", "bf16 mixed precision, AdamW", 2.0, 2.0, 4.0, 8.0, "zero-2020"),
        Recipe(
            "adamw-fp32-gradients", "bf16 mixed precision, AdamW, fp32 gradients", 2.0, 4.0, 4.0, 8.0, "megatron-core"
        ),
        Recipe("adamw-fp32", "fp32 weights, bf16 products, AdamW", 4.0, 4.0, 0.0, 8.0, "torchtitan"),
        Recipe(
            "adamw-fp32-foreach",
            "fp32 weights, bf16 products, AdamW in loops over tensors",
            4.0,
            4.0,
            0.0,
            8.0,
            "torchtitan",
            temporaries=4.0,
        ),
        Recipe(
            "adamw-deepspeed",
            "fp16 or bf16 mixed precision, AdamW of DeepSpeed",
            2.0,
            2.0,
            4.0,
            8.0,
            "deepspeed",
            temporaries=4.0,
        ),
        Recipe(
            "adamw-deepspeed-bf16",
            "bf16 mixed precision, AdamW of DeepSpeed, gradients in bf16 and added up in fp32",
            2.0,
            6.0,
            4.0,
            8.0,
            "deepspeed",
        ),
        Recipe(
            "adamw-precision-aware",
            "bf16 mixed precision, AdamW, gradients and moments in bf16",
            2.0,
            2.0,
            4.0,
            4.0,
            "megatron-core",
        ),
        Recipe("adamw-bf16", "pure bf16, AdamW", 2.0, 2.0, 0.0, 4.0, "llama-recipes", temporaries=2.0),
        Recipe("adamw-8bit", "bf16 mixed precision, 8-bit AdamW", 2.0, 2.0, 4.0, 2 + 2 * 4 / _BLOCK, "adam8bit-2021"),
        Recipe(
            "paged-adamw-8bit",
            "bf16 mixed precision, paged 8-bit AdamW",
            2.0,
            2.0,
            4.0,
            2 + 2 * 4 / _BLOCK,
            "qlora-2023",
            paged=True,
        ),
        Recipe(
            "paged-adamw-8bit-bf16",
            "pure bf16, paged 8-bit AdamW",
            2.0,
            2.0,
            0.0,
            2 + 2 * 4 / _BLOCK,
            "qlora-2023",
            temporaries=2.0,
            paged=True,
        ),
        Recipe(
            "adamw-8bit-bf16",
            "pure bf16, 8-bit AdamW",
            2.0,
            2.0,
            0.0,
            2 + 2 * 4 / _BLOCK,
            "adam8bit-2021",
            temporaries=2.0,
        ),
        Recipe("adafactor", "bf16 mixed precision, Adafactor", 2.0, 2.0, 4.0, 0.0, "adafactor-2018"),
        Recipe("lion", "bf16 mixed precision, Lion", 2.0, 2.0, 4.0, 4.0, "lion-2023"),
        Recipe("muon", "bf16 mixed precision, Muon", 2.0, 2.0, 4.0, 4.0, "muon"),
        Recipe("sgd", "bf16 mixed precision, SGD with momentum", 2.0, 2.0, 4.0, 4.0, "mixed-precision-2018"),
    )
}
"""Adafactor's factored moments (a row and a column for each matrix) are below 0.1 % and left out."""

BF16_BYTES = 2.0
NF4_BYTES = 0.5 + 0.127 / 8
"""A 4-bit weight with its doubly quantised scale: 4.127 bits (QLoRA 2023, section 3)."""

INT8_BYTES = 1.0 + 2 / 64
"""An 8-bit weight; the outliers' columns stay in 16 bit (LLM.int8(), about one in 64). Source: adam8bit-2021."""
BASES = {"nf4": NF4_BYTES, "int8": INT8_BYTES}
"""Bytes for each weight of a quantised base."""

ADAPTER_RECIPE = RECIPES["adamw-fp32"]
"""Adapters are kept, multiplied in bf16 and updated in fp32, as PEFT does by default."""


def full_state(arch: Architecture, recipe: Recipe) -> Ledger:
    """Bytes of state when every parameter is trained.

    >>> full_state(GPT3_175B, RECIPES["adamw"]).total / 1e12
    2.793...
    """
    n = total_parameters(arch)
    return Ledger(
        weights=n * recipe.weight,
        gradients=n * recipe.gradient,
        master_weights=n * recipe.master,
        optimizer=n * recipe.moments,
    )


def adapter_state(
    arch: Architecture,
    rank: int,
    *,
    quantised: bool,
    base: str = "nf4",
    targets: Targets = "all-linear",
    recipe: Recipe = ADAPTER_RECIPE,
) -> Ledger:
    """Bytes of state of a frozen base with trained adapters (LoRA, or QLoRA when quantised).

    The base is in bf16; when quantised its linear layers are in NF4 with doubly quantised scales, and embedding,
    head, router and norms stay in bf16. Sources: lora-2021; qlora-2023.

    >>> adapter_state(LLAMA2_7B, 16, quantised=True)["weights"] / 1e9
    4.02...
    """
    linear, trained = linear_parameters(arch), lora_parameters(arch, rank, targets)
    rest = total_parameters(arch) - linear
    return Ledger(
        weights=linear * (BASES[base] if quantised else BF16_BYTES) + rest * BF16_BYTES + trained * recipe.weight,
        gradients=trained * recipe.gradient,
        master_weights=trained * recipe.master,
        optimizer=trained * recipe.moments,
    )


class Training(msgspec.Struct, frozen=True):
    """What is trained and how it is kept: everything, or adapters on a frozen base."""

    method: str
    """pretrain, full, lora or qlora."""
    recipe: Recipe = RECIPES["adamw"]
    rank: int = 16
    """Of the adapters."""
    targets: Targets = "all-linear"
    """Matrices that have adapters."""
    base: str = "nf4"
    """What the frozen base is quantised to: a key of `BASES`."""
    adapter: Recipe = ADAPTER_RECIPE
    """How the adapters are kept and updated."""

    @property
    def adapters(self) -> bool:
        """Whether the base is frozen."""
        return self.method in ("lora", "qlora")

    @property
    def trained(self) -> Recipe:
        """How the trained parameters are kept."""
        return self.adapter if self.adapters else self.recipe

    @property
    def quantised(self) -> bool:
        """Whether the frozen base is quantised."""
        return self.method == "qlora"

    @property
    def base_bytes(self) -> float:
        """Bytes for each weight of the frozen base's matrices."""
        return BASES[self.base] if self.quantised else BF16_BYTES

    def adapter_parameters(self, arch: Architecture) -> float:
        """Trained parameters of all adapters."""
        return lora_parameters(arch, self.rank, self.targets)

    def active_adapter_parameters(self, arch: Architecture) -> float:
        """Those that one token passes through."""
        return active_lora_parameters(arch, self.rank, self.targets)

    def state(self, arch: Architecture) -> Ledger:
        """Bytes of weights, gradients and optimiser of the whole model."""
        if self.adapters:
            return adapter_state(
                arch, self.rank, quantised=self.quantised, base=self.base, targets=self.targets, recipe=self.adapter
            )
        return full_state(arch, self.recipe)
