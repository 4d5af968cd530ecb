"""Models, and the ground that layouts are laid on: a cluster with a sequence and a method."""

from __future__ import annotations

from typing import Any

from cardyears.layout.site import Site, site
from cardyears.work.architecture import GPT3_175B, LLAMA3_8B, Architecture, Layer, plain_decoder
from cardyears.work.channels import Experts
from cardyears.work.mixers import Attention

LLAMA_405B = plain_decoder(
    "Llama 3.1 405B", layers=126, hidden=16_384, heads=128, kv_heads=8, vocab=128_256, ffn=53_248
)
MIXTURE = Architecture(
    "mixture", 4_096, 32_000, ((Layer(Attention(32, 4, 128), Experts(128, 8, 1_536, gated=True)), 48),)
)
MODELS = {"405b": LLAMA_405B, "8b": LLAMA3_8B, "gpt-3": GPT3_175B, "moe": MIXTURE}


def at(model: str, devices: int, **other: Any) -> Site:
    return site(MODELS[model], devices=devices, per_node=8, **{"seq_len": 8_192, **other})


BIG = at("405b", 16_384)
SMALL = at("8b", 16)
MOE = at("moe", 64)
