"""What are lines, verdicts and parts called for people? Words to translate, by key."""

from __future__ import annotations

from cardyears.base.text import N_

LINES = {
    "weights": N_("weights"),
    "gradients": N_("gradients"),
    "master_weights": N_("fp32 master weights"),
    "optimizer": N_("optimiser state"),
    "activations": N_("activations"),
    "recomputed_layer": N_("layer computed again"),
    "activation_gradients": N_("gradients of one layer's activations"),
    "logits": N_("logits and their gradient"),
    "passing_gradients": N_("gradients on their way"),
    "update": N_("optimiser's temporaries"),
    "communication": N_("communication buffers"),
    "reserve": N_("allocator reserve"),
    "context": N_("framework context"),
    "others": N_("all other lines"),
    "cards": N_("cards"),
    "host": N_("rest of the computer"),
    "building": N_("cooling and losses"),
    "rent": N_("rent"),
    "electricity": N_("electricity"),
    "wear_of_purchase": N_("wear of the purchase"),
    "token_embedding": N_("token embedding"),
    "position_embedding": N_("position embedding"),
    "layer_embedding": N_("embedding for each layer"),
    "attention": N_("attention"),
    "attention_projections": N_("attention projections"),
    "attention_core": N_("attention core"),
    "state_space": N_("state space"),
    "residual_path": N_("residual path"),
    "mlp": N_("MLP"),
    "router": N_("router"),
    "experts": N_("experts"),
    "shared_experts": N_("shared experts"),
    "biases": N_("biases"),
    "norms": N_("norms"),
    "head": N_("output head"),
}

TIME = {
    "products": N_("matrix products of the layers"),
    "attention_core": N_("attention core"),
    "memory_bound": N_("norms, activations, residuals: passes through memory"),
    "recomputation": N_("forward pass computed again"),
    "dequantisation": N_("unpacking of the 4-bit weights"),
    "head": N_("output head and loss"),
    "embedding": N_("embedding"),
    "weight_casts": N_("casting of the weights to low precision"),
    "optimizer": N_("optimiser step"),
    "gradient_norm": N_("norm of the gradients"),
    "tensor_traffic": N_("waiting for tensor-parallel neighbours"),
    "context_traffic": N_("waiting for the rest of the sequence (context)"),
    "expert_traffic": N_("waiting for tokens to reach their experts and return"),
    "data_traffic": N_("waiting for gradients and weights of the other replicas"),
    "vocabulary_traffic": N_("waiting for the other parts of the vocabulary"),
    "tied_traffic": N_("adding up both copies of the tied embedding"),
    "pipeline_traffic": N_("sending activations from stage to stage"),
    "bubble": N_("pipeline stages waiting for their turn (bubble)"),
    "stage_imbalance": N_("pipeline stages waiting for the fullest one"),
    "launch": N_("waiting for the host to launch kernels"),
    "host_transfers": N_("moving state to the host and back"),
    "step_overhead": N_("data, logging, waiting for the host"),
    "stragglers": N_("waiting for the slowest device"),
    "others": LINES["others"],
}
"""Lines of a step's time, as somebody says them who is no engineer."""

ZERO = {
    0: N_("each with the whole state"),
    1: N_("optimiser state sharded (ZeRO-1)"),
    2: N_("optimiser state and gradients sharded (ZeRO-2)"),
    3: N_("weights and all state sharded (ZeRO-3, FSDP)"),
}

OFFLOAD = {
    "optimizer": N_("optimiser state kept on the host"),
    "optimizer+weights": N_("weights and optimiser state kept on the host"),
}

VERDICTS = {
    "yes": N_("yes"),
    "probably": N_("probably"),
    "unlikely": N_("unlikely"),
    "no": N_("no"),
    "unknown": N_("unknown"),
}

VERDICT_STYLES = {
    "yes": "bold green",
    "probably": "green",
    "unlikely": "yellow",
    "no": "bold red",
    "unknown": "magenta",
}

METHODS = {"pretrain": N_("from scratch"), "full": N_("all weights"), "lora": N_("LoRA"), "qlora": N_("QLoRA")}

RECOMPUTE = {
    "none": N_("no recomputation"),
    "selective": N_("selective recomputation"),
    "selective-norms": N_("norms and activations recomputed"),
    "selective-products": N_("every second product recomputed"),
    "full": N_("full recomputation"),
}

KINDS = {
    "estimate": N_("estimate"),
    "bound": N_("bound"),
    "measured": N_("measurement"),
    "published": N_("published"),
    "derived": N_("derived"),
    "assumed": N_("assumption"),
}
