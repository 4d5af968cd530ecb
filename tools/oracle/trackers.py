"""What does one training step hold, as torch's own memory trackers report it on tensors that have no data?

Models are those of transformers, in bf16, on fake tensors of the CPU; ranks are those of a process group that sends
nothing. Attention is torch's fused kernel, its one with scores, or a stand-in that saves what FlashAttention saves.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
import transformers
from torch import distributed, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

aten = torch.ops.aten
CPU = torch.device("cpu")
FLASH_ON_CPU = aten._scaled_dot_product_flash_attention_for_cpu.default  # noqa: SLF001
PRODUCTS_IN_A_LAYER = 7
"""Of a layer with q, k, v, o, gate, up and down."""
Bytes = dict[str, int]


class Report(NamedTuple):
    """Bytes by kind: when the loss is known and the 16-bit logits are freed, after the update, and at the peak."""

    forward: Bytes
    updated: Bytes
    peak: Bytes


# Attention as each kernel has it.


def kernel(_: nn.Module, q: Any, k: Any, v: Any, mask: Any, *, scaling: float, dropout: float = 0.0, **__: Any) -> Any:
    """Torch's own kernel; keys and values stay as they are."""
    assert mask is None
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, dropout_p=dropout, enable_gqa=grouped)
    return out.transpose(1, 2).contiguous(), None


class _Flash(torch.autograd.Function):
    """Saves q, k, v, the output and a log-sum for each head, as FlashAttention does; the values are of no concern."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
        out = q.new_empty(q.shape[0], q.shape[2], q.shape[1], v.shape[3])
        ctx.save_for_backward(q, k, v, out, q.new_empty(q.shape[:3], dtype=torch.float32))
        return out

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


def stand_in(_: nn.Module, q: Any, k: Any, v: Any, mask: Any, **__: Any) -> Any:
    """For keys and values of different width, which torch's kernel on the CPU cannot do."""
    assert mask is None
    return _Flash.apply(q, k, v), None


def scored(
    module: nn.Module, q: Any, k: Any, v: Any, mask: Any, *, scaling: float, dropout: float = 0.0, **_: Any
) -> Any:
    """Attention with its scores in memory, softmax in 16 bits; keys and values copied to their heads."""
    assert mask is None
    k, v = (one.repeat_interleave(q.shape[1] // one.shape[1], dim=1) for one in (k, v))
    weights = F.dropout(torch.softmax(q @ k.transpose(2, 3) * scaling, dim=-1), dropout, training=module.training)
    return (weights @ v).transpose(1, 2).contiguous(), None


def stepwise(module: nn.Module, q: Any, k: Any, v: Any, mask: Any, **words: Any) -> Any:
    """Transformers' own attention without a kernel."""
    llama = importlib.import_module("transformers.models.llama.modeling_llama")
    return llama.eager_attention_forward(module, q, k, v, mask, **words)


def again(core: Callable[..., Any], module: nn.Module, q: Any, k: Any, v: Any, mask: Any, **words: Any) -> Any:
    """A core that the backward pass computes again, as Megatron-Core's default selective recomputation does."""
    return checkpoint(partial(core, module, **words), q, k, v, mask, use_reentrant=False)


CORES: dict[str, Callable[..., Any]] = {"kernel": kernel, "stand-in": stand_in, "scored": scored, "stepwise": stepwise}
for _name, _core in CORES.items():
    ALL_ATTENTION_FUNCTIONS.register(_name, _core)
    ALL_ATTENTION_FUNCTIONS.register(f"{_name}-again", partial(again, _core))


# What is computed again.


def _contexts(saves: Callable[[int], bool]) -> Any:
    """Contexts of a checkpoint that saves the attention kernel's output and those products that a rule says."""
    counts = {False: 0, True: 0}

    def policy(context: Any, operator: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        if operator == aten.mm.default:
            counts[context.is_recompute] += 1
        saved = operator == FLASH_ON_CPU or (operator == aten.mm.default and saves(counts[context.is_recompute]))
        return CheckpointPolicy.MUST_SAVE if saved else CheckpointPolicy.PREFER_RECOMPUTE

    return create_selective_checkpoint_contexts(policy)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "full": checkpoint_wrapper,
    # The last product's output is the next layer's input, less the residual: nobody needs it.
    "selective-norms": partial(
        checkpoint_wrapper, context_fn=partial(_contexts, lambda product: product < PRODUCTS_IN_A_LAYER)
    ),
    "selective-products": partial(checkpoint_wrapper, context_fn=partial(_contexts, lambda product: product % 2 == 1)),
}


# One step.


@contextmanager
def _patched() -> Iterator[None]:
    """Dropout with a mask of one byte, as on a GPU, and an optimiser that asks no fake tensor for its step's number."""
    adam: Any = importlib.import_module("torch.optim.adam")
    places = ((adam, "_get_value", lambda _: 1.0), (F, "dropout", _dropout))
    before = [getattr(module, name) for module, name, _ in places]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module, name, instead in places:
            setattr(module, name, instead)
        try:
            yield
        finally:
            for (module, name, _), old in zip(places, before, strict=True):
                setattr(module, name, old)


def _dropout(values: Any, p: float, training: bool = True, inplace: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002
    return torch.native_dropout(values, p, training)[0] if p and training else values


def _fuse_norms(model: nn.Module, dtype: torch.dtype) -> None:
    """Every norm of Python steps becomes a layer norm: it saves what a fused RMSNorm saves, which the CPU has not."""
    for name, module in list(model.named_modules()):
        if type(module).__name__.endswith("RMSNorm"):
            parent, _, own = name.rpartition(".")
            norm = nn.LayerNorm(module.weight.shape, bias=False, dtype=dtype)
            setattr(model.get_submodule(parent), own, norm)


def _model(config: Any, recompute: str, every: int, dtype: torch.dtype, *, fused_norms: bool) -> tuple[Any, Any]:
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).train()
    if fused_norms:
        _fuse_norms(model, dtype)
    body = model.base_model
    layers = body.h if hasattr(body, "h") else body.layers
    if wrapper := WRAPPERS.get(recompute):
        for place in range(every - 1, len(layers), every):
            layers[place] = wrapper(layers[place])
    return model, layers


def _step(model: nn.Module, tracker: Any, optimizer: Any, ids: Any) -> Report:
    """Forward, backward and update; the second look is at what is left when all is done."""
    with tracker:
        out = model(input_ids=ids, labels=ids)
        loss = out.loss
        del out
        forward = _kinds(tracker)
        loss.backward()
        del loss
        optimizer.step()
        updated = _kinds(tracker)
    return Report(forward, updated, _kinds(tracker, "peak"))


def _kinds(tracker: Any, moment: str = "current") -> Bytes:
    return {getattr(kind, "name", kind): size for kind, size in tracker.get_tracker_snapshot(moment)[CPU].items()}


def track(
    config: Any, tokens: tuple[int, int], *, recompute: str = "none", every: int = 1, fused_norms: bool = False
) -> Report:
    """A step on one device with AdamW, all in bf16; `tokens` are sequences and their length."""
    with _patched(), FakeTensorMode():
        model, _ = _model(config, recompute, every, torch.bfloat16, fused_norms=fused_norms)
        tracker, ids = MemTracker(), torch.zeros(tokens, dtype=torch.long)
        tracker.track_external(model, ids)
        return _step(model, tracker, torch.optim.AdamW(model.parameters(), foreach=False), ids)


def track_sharded(
    config: Any, ranks: int, tokens: tuple[int, int], *, recompute: str = "none", fused_norms: bool = False
) -> Report:
    """A step of the first of so many ranks under FSDP2: weights, gradients and AdamW in fp32, products in bf16."""
    distributed.init_process_group("fake", rank=0, world_size=ranks, store=FakeStore())
    try:
        mesh = init_device_mesh("cpu", (ranks,))
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        with _patched(), FakeTensorMode():
            model, layers = _model(config, recompute, 1, torch.float32, fused_norms=fused_norms)
            for part in (*layers, model):
                fully_shard(part, mesh=mesh, mp_policy=policy)
            optimizer, ids = torch.optim.AdamW(model.parameters(), foreach=False), torch.zeros(tokens, dtype=torch.long)
            tracker = FSDPMemTracker(model, optimizer)
            tracker.track_inputs((ids,))
            return _step(model, tracker, optimizer, ids)
    finally:
        distributed.destroy_process_group()
