"""How many parameters and FLOP has a published implementation, as torch itself counts them?

The model is built from its config alone: parameters on the meta device, FLOP on fake tensors of a CPU, which have
shapes and no numbers. Nothing of cardyears is used here: this is what it is compared with.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar, NamedTuple

import torch
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from transformers.masking_utils import eager_mask

Config = dict[str, Any]

BATCH, LENGTH = 2, 128
"""Of the counted step. No window of a golden shape is shorter, as eager attention computes what it then masks."""

OWN_NAME = {"kimi_k2": "deepseek_v3", "mimo": "qwen2"}
"""Families that the published implementation knows by another name."""

NOISE = (
    "_token_id",
    "_name_or_path",
    "dropout",
    "_pdrop",
    "_eps",
    "epsilon",
    "time_step_m",
    "time_step_f",
    "time_step_l",
    "multiplier",
    "initializer",
    "rope_",
    "output_",
)
NOISE_KEYS = {
    *("architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "return_dict", "chunk_size_feed"),
    *("id2label", "label2id", "problem_type", "is_encoder_decoder", "router_aux_loss_coef", "quantization_config"),
    *("auto_map", "pretraining_tp", "router_jitter_noise", "input_jitter_noise", "summary_activation"),
    *("summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj", "routed_scaling_factor"),
    *("tokenizer_class", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"),
}
"""Keys of a config that change no shape."""

NO_FLOP = {
    "mamba": "the scan is no matrix product",
    "mamba2": "the backward pass of its depthwise convolution is counted as a dense one",
    "falcon_mamba": "as mamba",
    "jamba": "as mamba",
    "zamba": "as mamba",
    "zamba2": "as mamba2",
    "bamba": "as mamba2",
    "nemotron_h": "as mamba2",
    "falcon_h1": "as mamba2",
    "granitemoehybrid": "as mamba2",
    "recurrent_gemma": "as mamba2, and the scan is no matrix product",
    "rwkv": "the recurrence is no matrix product",
    "xlstm": "a chunk size of the implementation decides",
    "kimi_linear": "as qwen3_next",
    "olmo_hybrid": "as qwen3_next",
    "minimax": "a block size of the implementation decides what lightning attention costs",
    "qwen3_next": "a chunk size of the implementation decides what the delta rule costs",
    "qwen3_5": "as qwen3_next",
    "qwen3_5_text": "as qwen3_next",
    "qwen3_5_moe": "as qwen3_next",
    "qwen3_5_moe_text": "as qwen3_next",
    "deepseek_v4": "its compressed attention is written with gathers",
}
"""Families whose products of activations torch does not count as the mathematics has them."""

NO_BACKWARD = {
    "deepseek_v32": "the indexer that picks positions gets no gradient from the loss",
    "glm_moe_dsa": "as deepseek_v32",
    "minimax_m3_vl_text": "as deepseek_v32",
    "lfm2": "as mamba2, with no scan",
    "lfm2_moe": "as lfm2",
}
"""Families whose forward pass alone is counted as the mathematics has it."""

EVERY_EXPERT = {"llama4", "llama4_text"}
"""Every expert computes every token, and what was not routed to it is multiplied by zero."""
DATA_DEPENDENT = {"dbrx"}
"""Experts that are looped over by what the router says: counted on real tensors, when the model is small."""


class Counted(NamedTuple):
    """What torch counts of one model."""

    parameters: int
    weights: int | None
    """Weights that multiply a token's activations: FLOP of such products, forward, over 2 and the tokens."""
    forward: int | None
    """FLOP of all matrix products of one forward pass of the batch."""
    training: int | None
    """The same of forward and backward."""


def read_config(fields: Config) -> Any:
    """The implementation's own config object of a config.json."""
    fields = {key: value for key, value in copy.deepcopy(fields).items() if key not in NOISE_KEYS}
    fields["model_type"] = OWN_NAME.get(fields["model_type"], fields["model_type"])
    return transformers.CONFIG_MAPPING[fields["model_type"]].from_dict(fields)


def as_on_disk(fields: Config) -> Config:
    """What a config.json of this shape would have: every key of the family that can change a shape."""
    written = read_config(fields).to_diff_dict()
    return {**_shapes_only(written), "model_type": fields["model_type"]}


def _shapes_only(written: Mapping[str, Any]) -> Config:
    kept = {
        key: _shapes_only(value) if isinstance(value, dict) else value
        for key, value in written.items()
        if key not in NOISE_KEYS and value is not None and not any(noise in key for noise in NOISE)
    }
    return dict(sorted(kept.items()))


def causal_model(config: Any, **how: Any) -> Any:
    """The published implementation of a config, on whatever device is current."""
    config = copy.deepcopy(config)
    model = transformers.AutoModelForCausalLM.from_config(config, **how)
    model.tie_weights()
    return model


def total_parameters(fields: Config) -> int:
    """Parameters that the published implementation holds; a tied head is one with its embedding."""
    with torch.device("meta"):
        model = causal_model(read_config(fields))
    return sum(parameter.numel() for parameter in model.parameters())


class WeightProducts(TorchDispatchMode):
    """FLOP of the matrix products in which one operand is a weight, or a view, cast or selection of weights.

    Looking up an embedding makes activations of weights. Convolutions are left out: they are no matrix product.
    """

    PRODUCTS: ClassVar = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.by_operator: Counter[str] = Counter()
        for parameter in model.parameters():
            parameter.is_weight = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator; counts it, or hands the mark of a weight on to what is made of weights alone."""
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket  # noqa: SLF001 - the operator without its overload, as torch's registry knows it
        name = packet.__name__
        if name in self.PRODUCTS:
            if any(getattr(args[place], "is_weight", False) for place in self.PRODUCTS[name]):
                self.by_operator[name] += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif name != "embedding":
            inputs = [one for one in tree_leaves((args, kwargs)) if _holds_numbers(one)]
            if inputs and all(getattr(one, "is_weight", False) for one in inputs):
                for made in tree_leaves(out):
                    if _holds_numbers(made):
                        made.is_weight = True
        return out


def _holds_numbers(one: Any) -> bool:
    """Whether something is a tensor of real numbers, as weights and activations are and indices are not."""
    return isinstance(one, torch.Tensor) and one.is_floating_point()


def count(fields: Config, *, batch: int = BATCH, length: int = LENGTH) -> Counted:
    """Everything that torch can be trusted to count of one model."""
    family = fields["model_type"]
    total = total_parameters(fields)
    real = family in DATA_DEPENDENT
    if real and total > 1e8:
        return Counted(total, None, None, None)
    config = read_config(fields)
    with ExitStack() as stack:
        if not real:
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        model = causal_model(config, attn_implementation="eager", experts_implementation="batched_mm")
        model.train()
        ids = torch.zeros(batch, length, dtype=torch.long)
        with FlopCounterMode(display=False) as forward, WeightProducts(model) as products:
            logits = model(input_ids=ids, use_cache=False).logits
        idle = _idle_expert_flop(products, config) if family in EVERY_EXPERT else 0
        made, forward_flop = products.by_operator.total() - idle, forward.get_total_flops() - idle
        weights, rest = divmod(made, 2 * batch * length)
        if rest:
            raise ArithmeticError(f"{family}: a product of weights that is not once for each token")
        if family in NO_FLOP:
            return Counted(total, weights, None, None)
        if family in NO_BACKWARD:
            return Counted(total, weights, forward_flop, None)
        with FlopCounterMode(display=False) as backward:
            logits.sum().backward()
    return Counted(total, weights, forward_flop, forward_flop + backward.get_total_flops() - 2 * idle)


def _idle_expert_flop(products: WeightProducts, config: Any) -> int:
    """FLOP, forward, of experts on tokens that were not routed to them."""
    text = config.get_text_config()
    every = products.by_operator["bmm"]
    return every - every * int(text.num_experts_per_tok) // int(text.num_local_experts)


def attended_pairs(fields: Config, length: int) -> dict[int, int]:
    """For each layer that asks for attention, the pairs of a query and a key that its mask lets through.

    The model runs on real tensors, with an attention that only looks at its mask. Windows change no parameter and,
    with eager attention, no FLOP: this is where they show.
    """
    pairs: dict[int, int] = {}

    def look(module: Any, query: Any, _key: Any, value: Any, attention_mask: Any, **_: Any) -> tuple[Any, None]:
        pairs[module.layer_idx] = int((attention_mask == 0).sum())
        batch, heads, queries, _width = query.shape
        return query.new_zeros(batch, queries, heads, value.shape[-1]), None

    transformers.AttentionInterface.register("look", look)
    transformers.AttentionMaskInterface.register("look", eager_mask)
    model = causal_model(read_config(fields), attn_implementation="look", experts_implementation="eager")
    with torch.no_grad():
        model(input_ids=torch.zeros(1, length, dtype=torch.long), use_cache=False)
    return pairs
