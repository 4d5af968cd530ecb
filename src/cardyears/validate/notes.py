"""What does the remark of a measured run say that no column holds? Words and numbers that the sums use.

The public format has one free column, ``notes``. What changes time or memory is taken from it here, as flags and three
numbers; the rest is prose and is left where it is. A shipped row has the flags themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from cardyears.base.units import GIB

_MIB = 2**20
_GB = 1e9

FRONT_END = "front-end"
BARE_VOCABULARY = "bare-vocabulary"
FLAGS: Mapping[str, str] = {
    # what the attention sees
    "short-samples": r"use_varlen_attn=True|attention only inside each short",
    "whole-square-encoder": r"encoder, no LM head",
    "packed": r"\bpacked\b(?! to)",
    "unpacked": r"\bunpacked\b",
    "padding-free": r"padding-free(?!:)",
    "document-mask": r"(?<!no )intra-doc masking",
    # which kernels
    "fast-kernels": r"foak|fused kernels",
    "liger": r"liger",
    "unsloth": r"system Unsloth|method Unsloth|^Unsloth;|; Unsloth;",
    "eager": r"system Hugging Face|method HF;|flash attention off",
    "flash": r"system Flash Attention|HF ?\+ ?FA2|flash attention(?! off)",
    "scatter-moe": r"scattermoe",
    "recompute-norms": r"recompute[ _]modules[ =][\w+,]*(?:layernorm|moe_act|mlp)|recompute=select|recompute mlp",
    "fused-loss": r"fused CE|--lmhead-chunks",
    "recompute-every-2": r'AC "selective layer"',
    "cuda-graph": r"cuda_graph=|CUDA graphs|_cg(?:_fp4)?\.sh",
    BARE_VOCABULARY: r"simulator default vocab 50257",
    # which adapters
    "lora-qkvo": r"LoRA on q_proj k_proj v_proj o_proj",
    "lora-qv": r"LoRA on Q and V only",
    "lora-all": r"LoRA on all layers|all linear layers|linear layers",
    # how state is kept
    "autocast": r"autocast flag on|precision amp_",
    "autocast-fp16": r"fp16 autocast flag on",
    "states-fp32": r"fp32 states under FSDP autocast|bf16-MIXED",
    "states-bf16": r"grads and AdamW states in torch_dtype|bf16-true|bf16 weights and Adam moments|MP mode PURE",
    "gradients-fp32": r"fp32 gradient accumulation",
    "moments-reduced": r"reduced-precision optimizer moments",
    "layer-split": r"device_map layer split|device_map auto|row model \S+ \(\d\*A\d+\)",
    # how experts are fed
    "balanced": r"force-balanced|forced expert balance|forced balance|fake balanced gate|force load balancing|"
    r"force_balance",
    "tokens-dropped": r"tokendrop|capacity=",
    "natural-routing": r"natural routing",
    "deep-ep": r"DeepEP|deepep",
    "hybrid-ep": r"hybridep|HybridEP",
    "expert-overlap": r"EP A2A overlap|1F1B EP overlap|EP overlap on\b",
    # how the work is laid out
    "no-overlap": r"no compute/comm overlap",
    "async-tp": r"async TP",
    "ulysses": r"Ulysses|CP all-to-all|sequence parallel size from config name",
    "dual-pipe": r"DualPipe",
    "even-embedding": r"embedding balanced as a layer",
    "activation-offload": r"activation offload|offload-residual|qkv_proj_offloaded",
    "optimizer-offload": r"optimizer CPU offload",
    "node-shards": r"fsdp inside the node",
    # which program, where the engine's name is a family's
    "paxml": r"JAX Paxml",
    "maxtext": r"JAX MaxText",
    "megatron-patch": r"Pai-Megatron-Patch",
    "megatron-deepspeed": r"; Megatron-DeepSpeed;",
    "deepspeed": r"; DeepSpeed(?: ZeRO|;)|^DeepSpeed ZeRO",
    "llama-factory": r"^Llama Factory|LLaMA-Factory full training",
    # what the run is
    "hybrid": r"hybrid Mamba",
    "proxy": r"layer-reduced|layer proxy",
    "prediction": r"w/ MTP|MTP on",
    "untuned": r"NOT tuned|launch-bound",
    "images": r"vision-language",
    "power-capped": r"power-capped|power-limited",
    "last-rank": r"LAST rank",
    # what the peak is a peak of: see validate.memory
    "allocated": r"max_memory_allocated|peak allocated|mem-max-allocated|GB allocated|peak reserved [\d.]+ GiB",
    "reserved": r"peak reserved memory|peak_mem_reserved|max_memory_reserved|GB reserved during training",
    "driver": r"peak_mem = nvidia-smi|nvidia-smi screenshot|per-GPU use seen",
    # what computes again unless told not to: axolotl, LLaMA-Factory, ms-swift; by the engine's name too
    FRONT_END: r"row model |^Llama Factory|LLaMA-Factory full training",
}
"""A flag and what the remark says where it holds. Flags name facts; `validate.read` says what follows from them."""

_PATTERNS = {flag: re.compile(pattern, re.IGNORECASE) for flag, pattern in FLAGS.items()}


class Remark(msgspec.Struct, frozen=True):
    """What a remark holds for the sums."""

    flags: tuple[str, ...] = ()
    sample_tokens: float | None = None
    """Mean length of a sample, where samples are neither packed nor padded to the sequence length."""
    reserved_gib: float | None = None
    """Memory that the allocator held, where the peak is what it gave out."""
    limit_gib: float | None = None
    """Memory of a device that is named by its memory only."""
    shard_group: int | None = None
    """Ranks that one sharded copy spans, where it is not all."""
    slices: int | None = None
    """Pods of TPU that the network joins."""


def remark(notes: str) -> Remark:
    """What a remark holds for the sums.

    >>> found = remark("packed; nvidia-smi reserved 77824 MiB; bf16 autocast flag on")
    >>> found.flags, found.reserved_gib
    (('packed', 'autocast'), 76.0)
    """
    if not notes:
        return Remark()
    flags = tuple(flag for flag, pattern in _PATTERNS.items() if pattern.search(notes))
    return Remark(
        flags,
        _number(r"mean (\d+) tokens per sample", notes) or _number(r"averages (\d+) tokens/row", notes),
        _reserved(notes),
        _limit(notes),
        _whole(r"zero1=(\d+)", notes) or _whole(r"FSDP group (\d+)", notes),
        _whole(r"(\d+) slice\(s\)", notes) or _whole(r"\b(\d+)x v\d\w?-\d+ = ", notes),
    )


def _whole(pattern: str, notes: str) -> int | None:
    found = _number(pattern, notes)
    return None if found is None else int(found)


def _number(pattern: str, notes: str, scale: float = 1.0) -> float | None:
    found = re.search(pattern, notes)
    return None if found is None else float(found[1]) * scale


def _reserved(notes: str) -> float | None:
    return (
        _number(r"nvidia-smi reserved ([\d.]+) MiB", notes, _MIB / GIB)
        or _number(r"peak reserved ([\d.]+) GiB", notes)
        or _number(r"/ ([\d.]+) GB reserved", notes, _GB / GIB)
    )


def _limit(notes: str) -> float | None:
    """Cards are sold by binary gigabytes: "80 GB" is 80 GiB here."""
    return (
        _number(r"fits in (\d+) GB", notes)
        or _number(r"\b(\d+)GB GPU\b(?! /)", notes)
        or _number(r"on \d+x(\d+)GB", notes)
    )
