"""The table in which people bring their own measured runs: its columns, and what each cell may hold.

This is the public format of ``cardyears validate FILE``: any subset of the columns that names a model, a machine and a
measured value. Columns that are not here are left alone, so that a table may have remarks of its own. How a file is
opened and cut into rows is `validate.table`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cardyears.base.text import Text
from cardyears.validate import cells
from cardyears.validate.cells import Cell

OTHER_KIND = "other"
"""A kind of training of which no time is estimated: with rollouts, a reward model or a teacher."""


def _all(meaning: str, names: str) -> dict[str, str]:
    """Every word of a line with its meaning."""
    return {cells.plain(name): meaning for name in names.split(", ")}


WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": _all("pretrain", "pretrain, pretraining, pre-training, training, from scratch, continued, cpt, "
                 "continued pretraining, continued pre-training, midtraining")
    | _all("full", "full_ft, full, sft, full finetune, full fine-tune, full finetuning, full fine-tuning, finetune, "
           "fine-tune, finetuning, fine-tuning, ft, instruction tuning, supervised fine-tuning, full_sft")
    | _all("lora", "lora, peft, dora, rslora, lora+, lora_ft, lora sft, adapter")
    | _all("qlora", "qlora, qlora_ft, qdora, lora-4bit, 4bit lora")
    | _all(OTHER_KIND, "dpo, ppo, grpo, rlhf, rl, rlvr, orpo, kto, reward, distill, distillation, inference"),
    "sharding": _all("none", "none, no, ddp, dp, zero0, zero-0, stage0, replicated, no_shard, 0")
    | _all("zero1", "zero1, zero-1, stage1, zero stage 1, distopt, distributed optimizer, optimizer, 1")
    | _all("zero2", "zero2, zero-2, stage2, zero stage 2, shard_grad_op, 2")
    | _all("zero3", "zero3, zero-3, stage3, zero stage 3, fsdp, fsdp1, fsdp2, full_shard, fully_shard, "
           "fully sharded, 3")
    | _all("hsdp", "hsdp, hybrid, hybrid_shard, zero++, mics"),
    "recompute": _all("none", "none, no, off, false, 0, disabled")
    | _all("selective", "selective, sac, selective op, selective layer, partial, core_attn, attn, moe_act, layernorm")
    | _all("full", "full, yes, on, true, 1, block, uniform, ac, gradient checkpointing, activation checkpointing, "
           "checkpointing, all"),
    "attention": _all("mha", "mha, multi-head") | _all("gqa", "gqa, grouped-query, grouped query")
    | _all("mqa", "mqa, multi-query") | _all("mla", "mla, latent, multi-head latent"),
    "quality": _all("good", "good, ok, high, measured, a, 1")
    | _all("weak", "weak, low, poor, bad, approximate, medium, b, c, 0"),
    "outcome": _all("ran", "ran, ok, success, succeeded, completed, complete, fit, fits, pass, passed, trained, done, "
                    "true, 1")
    | _all("oom", "oom, out of memory, cuda oom, out-of-memory, failed, fail, false, 0, no, does not fit")
    | _all("limit", "limit, maximum"),
}  # fmt: skip
"""What a column of words may hold, and our word for it."""

_WITHIN: Sequence[tuple[str, str]] = (
    (r"\b(dpo|ppo|grpo|rlhf|rlvr|rl|orpo|kto|reward|distil\w*|inference)\b", OTHER_KIND),
    (r"q-?dora|q-?lora|(?=.*lora)(?=.*(?:4-?bit|nf4|int4))", "qlora"),
    (r"lora|\bpeft\b|\bdora\b|\badapters?\b", "lora"),
    (r"\bsft\b|fine[\s_-]?tun|\bft\b|instruct|\bfull\b", "full"),
    (r"pre[\s_-]?train|from scratch|\bcpt\b", "pretrain"),
)
"""What is looked for in a cell of several words: "LoRA r=16, 4-bit"."""


def kind(cell: str) -> str:
    """What is trained, in our word; `Unreadable` where it is not understood, as everything rests on it.

    >>> kind("QLoRA (4-bit)"), kind("LoRA r=16"), kind("LORA fine-tuning"), kind("continued pretraining")
    ('qlora', 'lora', 'lora', 'pretrain')
    """
    known = WORDS["kind"].get(cells.plain(cell))
    found = known or next((ours for words, ours in _WITHIN if re.search(words, cell.casefold())), None)
    if found is None:
        raise cells.Unreadable
    return found


COLUMNS: Mapping[str, tuple[str, Cell]] = {
    "id": ("id", cells.text),
    "source": ("source", cells.text),
    "source_ref": ("where", cells.text),
    "date": ("date", cells.text),
    "kind": ("method", kind),
    "model": ("model", cells.text),
    "params_b": ("parameters", cells.billions),
    "params_active_b": ("active_parameters", cells.billions),
    "n_layers": ("layers", cells.layers),
    "hidden": ("hidden", cells.count),
    "n_heads": ("heads", cells.count_if_any),
    "n_kv_heads": ("kv_heads", cells.count_if_any),
    "head_dim": ("head_dim", cells.count_if_any),
    "ffn_hidden": ("ffn", cells.count_if_any),
    "ffn_gated": ("gated", cells.fact),
    "vocab": ("vocab", cells.count_if_any),
    "tied_embeddings": ("tied", cells.fact),
    "n_experts": ("experts", cells.count_or_none),
    "top_k": ("top_k", cells.count_or_none),
    "moe_ffn_hidden": ("expert_ffn", cells.count_or_none),
    "n_shared_experts": ("shared_experts", cells.count_or_none),
    "n_dense_layers": ("dense_layers", cells.count_or_none),
    "attention": ("attention", cells.words(WORDS["attention"])),
    "seq_len": ("seq_len", cells.length),
    "gpu": ("device", cells.text),
    "n_gpus": ("devices", cells.devices),
    "gpus_per_node": ("per_node", cells.count_if_any),
    "inter_node_net": ("network", cells.text),
    "precision": ("precision", str.casefold),
    "tp": ("tp", cells.count_if_any),
    "sp": ("sp", cells.fact),
    "pp": ("pp", cells.count_if_any),
    "vpp": ("virtual_stages", cells.count_if_any),
    "cp": ("cp", cells.count_if_any),
    "ep": ("ep", cells.count_if_any),
    "etp": ("etp", cells.count_if_any),
    "dp": ("dp", cells.count_if_any),
    "sharding": ("sharding", cells.words(WORDS["sharding"])),
    "micro_batch": ("micro_batch", cells.number),
    "global_batch_seqs": ("global_batch", cells.number),
    "grad_accum": ("accumulation", cells.count_if_any),
    "recompute": ("recompute", cells.words(WORDS["recompute"])),
    "optimizer": ("optimizer", cells.text),
    "offload": ("offload", cells.text),
    "compile": ("compiled", cells.fact),
    "lora_rank": ("rank", cells.count_if_any),
    "step_time_s": ("step_s", cells.measured),
    "tokens_per_s_per_gpu": ("tokens_s", cells.measured),
    "tflops_per_gpu": ("tflop_s", cells.measured),
    "flops_convention": ("flop_convention", cells.text),
    "mfu": ("mfu", cells.share),
    "hfu": ("hfu", cells.share),
    "peak_mem_gib": ("peak_gib", cells.measured),
    "notes": ("notes", cells.text),
    "table": ("table", cells.text),
    "engine": ("engine", cells.text),
    "quality": ("quality", cells.words(WORDS["quality"])),
    "outcome": ("outcome", cells.words(WORDS["outcome"])),
}
"""Public column: our field, and what reads a cell."""

SPEEDS = ("step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu")
"""A run that went out of memory may have a zero here."""
MEASURES = (*SPEEDS, "mfu", "hfu", "peak_mem_gib", "outcome")
"""A table must have one of these."""
MEASURED = ("step_s", "tokens_s", "peak_gib", "tflop_s", "mfu", "hfu")
"""Our fields of what an estimate is held against: where one reads, another that does not is left out."""
DISPENSABLE = frozenset(
    {*("params_active_b", "ffn_gated", "vocab", "tied_embeddings", "sp", "compile", "lora_rank"), "gpus_per_node"}
)
"""Columns without which a row is still what it says, or nearly: a cell of theirs that does not read counts as empty."""
WHOLE_TRAINING = ("tokens_b", "gpu_hours", "wall_days", "train_flop_reported")
"""Columns that tables of whole trainings have (`validate.whole`), and those of measured steps have not."""
OTHER_NAMES: Mapping[str, str] = {
    other: ours
    for ours, others in {
        "model": ("model_name", "name"), "gpu": ("gpu_name", "device", "accelerator", "gpu_type"),
        "n_gpus": ("num_gpus", "gpus", "gpu_count", "n_devices", "num_devices", "world_size"),
        "gpus_per_node": ("num_gpus_per_node", "devices_per_node"), "inter_node_net": ("network", "interconnect"),
        "seq_len": ("sequence_length", "seq_length", "max_seq_len", "max_seq_length", "context_length"),
        "n_layers": ("num_layers", "layers", "num_hidden_layers"), "n_heads": ("num_heads", "num_attention_heads"),
        "n_kv_heads": ("num_kv_heads", "num_key_value_heads"), "hidden": ("hidden_size", "d_model"),
        "ffn_hidden": ("intermediate_size", "ffn_hidden_size"), "vocab": ("vocab_size",),
        "n_experts": ("num_experts", "experts"), "precision": ("dtype",), "engine": ("framework",),
        "tp": ("tp_size", "tensor_parallel_size"), "pp": ("pp_size", "pipeline_parallel_size"),
        "cp": ("cp_size", "context_parallel_size"), "ep": ("ep_size", "expert_parallel_size"), "dp": ("dp_size",),
        "vpp": ("virtual_stages", "virtual_pp"), "recompute": ("activation_checkpointing", "gradient_checkpointing"),
        "micro_batch": ("mbs", "micro_batch_size", "per_device_train_batch_size"),
        "global_batch_seqs": ("gbs", "global_batch", "global_batch_size"),
        "grad_accum": ("gradient_accumulation_steps", "grad_acc"), "sharding": ("zero", "zero_stage", "fsdp"),
        "lora_rank": ("rank", "lora_r"), "kind": ("method",),
        "step_time_s": ("step_time", "step_s", "seconds_per_step"),
        "tokens_per_s_per_gpu": ("tokens_per_gpu_per_s", "tokens_s_gpu", "tokens_per_sec_per_gpu", "tgs"),
        "tflops_per_gpu": ("tflops_gpu", "tflop_s_per_gpu"), "peak_mem_gib": ("peak_gib", "peak_memory_gib"),
    }.items()
    for other in others
}  # fmt: skip
"""What other tables call our columns: of the same quantity in the same unit. They are named and not read."""
MODEL = ("model", "n_layers")
MACHINE = ("gpu",)
MAY_BE: Mapping[Cell, Text] = {
    cells.number: Text("Write a positive number, or leave the cell empty."),
    cells.measured: Text("Write a number from a millionth to a billion, or leave the cell empty."),
    cells.share: Text("Write a share such as 0.41 or 41 %, or leave the cell empty."),
    cells.count: Text("Write a positive whole number, or leave the cell empty."),
    cells.length: Text("Write a positive whole number, or leave the cell empty."),
    cells.layers: Text("Write a positive whole number, or leave the cell empty."),
    cells.devices: Text("Write a positive whole number, or leave the cell empty."),
    cells.count_if_any: Text("Write a whole number, or leave the cell empty."),
    cells.count_or_none: Text("Write a whole number, or leave the cell empty."),
    cells.fact: Text("Write 1 or 0, or leave the cell empty."),
}
"""What to write where a cell does not read."""
