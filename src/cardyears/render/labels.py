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
    "logits": N_("logits and their gradient"),
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
