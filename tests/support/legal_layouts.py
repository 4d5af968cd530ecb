"""Jobs and layouts that are legal on them, drawn at random."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import msgspec
from hypothesis import assume, settings
from hypothesis import strategies as st

from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.estimate.estimate import estimate
from cardyears.layout.layout import Layout
from cardyears.layout.legal import legal
from cardyears.layout.site import site
from cardyears.question.hardware import read_hardware
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster
from cardyears.resolve.engines import engine
from cardyears.resolve.jobs import job
from cardyears.resolve.models import model
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.linear_attention import GatedDeltaNet
from cardyears.work.mixers import NOTHING, Attention
from cardyears.work.recurrent import Mamba2
from cardyears.work.state import RECIPES, Training

few = settings(max_examples=40, deadline=None, derandomize=True)
CLOSE = 1 + 1e-9
"""Sums in another order round in the last digits."""
HYBRID = Architecture(
    "hybrid",
    2_048,
    151_936,
    (
        (
            Layer(GatedDeltaNet(16, 32, 128, 128), Experts(64, 8, 512, gated=True, shared_width=512, shared_gate=True)),
            12,
        ),
        (Layer(Attention(16, 2, 256, gate="query"), Experts(64, 8, 512, gated=True, shared_width=512)), 4),
    ),
)
STATE_SPACE = Architecture(
    "state space",
    4_096,
    131_072,
    (
        (Layer(Mamba2(heads=128, head_dim=64, state=128, groups=8), NOTHING, norms=1), 14),
        (Layer(Attention(32, 8, 128), NOTHING, norms=1), 4),
        (Layer(NOTHING, Mlp(14_336, gated=False), norms=1), 14),
    ),
    tied=True,
)
CATALOGUED = ("llama-3-8b", "gpt2-xl", "llama-3.1-405b", "mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3", "gemma-3-27b")
EVEN = ("llama-3-8b", "gpt2-xl", "llama-3.1-405b", "mixtral-8x7b", "qwen3-30b-a3b")
"""Models of one kind of layer."""
ENGINES = ("megatron-core", "hf-trainer", "torchtitan")
METHODS = ("pretrain", "full", "lora", "qlora")
RECOMPUTE = ("none", "selective", "selective-norms", "selective-products", "full")
LENGTHS = (512, 4_096, 32_768)


@lru_cache
def shape(key: str) -> Architecture:
    own = {"hybrid": HYBRID, "state space": STATE_SPACE}
    found = own.get(key) or model(key, load(), Assumed({})).architecture
    assert found is not None
    return found


@cache
def made(key: str, devices: int, method: str, recipe: str, by: str, seq_len: int) -> Job:
    catalogue = load()
    machine = cluster(read_hardware(f"{devices}x H100 over 400Gb/s per gpu"), catalogue, Assumed({}))
    training = Training(method, RECIPES[recipe])
    return job(shape(key), training, seq_len, machine, engine(by, catalogue.engines[by]), catalogue, Assumed({}))


NUMBERS = {
    "tp": (1, 1, 2, 4, 8, 16), "pp": (1, 1, 2, 4, 8), "dp": (1, 2, 3, 8, 32, 256), "cp": (1, 1, 1, 2, 4),
    "ep": (1, 1, 2, 8, 32), "etp": (1, 1, 1, 2), "micro_batch": (1, 1, 2, 4), "accumulation": (1, 4, 8, 16, 64),
    "virtual_stages": (1, 2, 4), "recompute_every": (1, 1, 2, 3),
}  # fmt: skip
"""Fields that may be arrays."""
WORDS: dict[str, tuple[Any, ...]] = {
    "sp": (True, False), "context_kind": ("ring", "ulysses", "all-gather"),
    "schedule": ("1f1b", "1f1b", "interleaved", "zero-bubble", "dualpipe"), "zero": (0, 1, 2, 3),
    "recompute": RECOMPUTE, "kernel": ("flash", "flash", "eager"), "chunked_loss": (True, False),
    "dropout": (False, True), "overlap": (True, False), "balanced": (True, False),
    "offload": ("none", "none", "optimizer", "optimizer+weights"), "precision": ("bf16", "bf16", "fp8"),
}  # fmt: skip


@st.composite
def cases(
    draw: st.DrawFn, models: tuple[str, ...] = (*CATALOGUED, "hybrid", "state space"), **fixed: Any
) -> tuple[Job, Layout]:
    """A job, and a layout that is legal on it."""
    key = draw(st.sampled_from(models))
    words = {name: draw(st.sampled_from(choices)) for name, choices in WORDS.items() if name not in fixed}
    numbers = {name: draw(st.sampled_from(choices)) for name, choices in NUMBERS.items() if name not in fixed}
    layout = mended(key, Layout(**{**words, **numbers, **fixed}), fixed)
    method, recipe = draw(st.sampled_from(METHODS)), draw(st.sampled_from(("adamw", "adamw-fp32", "adamw-8bit-bf16")))
    by, seq_len = draw(st.sampled_from(ENGINES)), draw(st.sampled_from(LENGTHS))
    assume(layout.devices <= 16_384 and allowed(key, layout, method, seq_len))
    return made(key, int(layout.devices), method, recipe, by, seq_len), layout


def mended(key: str, layout: Layout, fixed: dict[str, Any]) -> Layout:
    """Less of what is seldom legal."""
    change: dict[str, Any] = {}
    if not any(isinstance(layer.channel, Experts) for layer, _ in shape(key).layers):
        change |= {"ep": 1, "etp": 1}
    if layout.recompute != "full":
        change["recompute_every"] = 1
    if layout.pp == 1:
        change["schedule"] = "1f1b"
    if layout.pp == 1 or layout.schedule in ("1f1b", "dualpipe"):
        change["virtual_stages"] = 1
    elif layout.schedule == "interleaved" and layout.virtual_stages == 1:
        change["virtual_stages"] = 2
    return msgspec.structs.replace(layout, **{name: value for name, value in change.items() if name not in fixed})


def allowed(key: str, layout: Layout, method: str, seq_len: int) -> Any:
    """Whether a layout is legal on a cluster of just so many devices; element by element."""
    devices: Any = layout.devices
    ground = site(shape(key), devices=devices, per_node=8, seq_len=seq_len, method=method)  # type: ignore[arg-type]
    return legal(layout, ground)


def changed(layout: Layout, **fields: Any) -> Layout:
    return msgspec.structs.replace(layout, **fields)


def step_s(where: Job, layout: Layout) -> float:
    return float(estimate(where, layout).step_s)


def peak(where: Job, layout: Layout) -> float:
    return float(estimate(where, layout).peak_bytes)
