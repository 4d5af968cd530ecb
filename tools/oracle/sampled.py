"""Random small architectures of every family, so that no count is right for published shapes alone.

Heads, key heads, widths, windows, experts, biases, tied heads and layer patterns are drawn; sizes stay small, because
a few layers show everything that many do.
"""

from __future__ import annotations

from random import Random

from oracle import draw_dense, draw_hybrids, draw_mixtures
from oracle.draw import Config, Draw

FLOP_LENGTH = 32
"""Tokens of a sequence when FLOP are counted: no window that is drawn is shorter."""
MASK_LENGTH = 160
"""Tokens when masks are looked at: every window that is drawn is shorter."""

FAMILIES: dict[str, Draw] = {**draw_dense.FAMILIES, **draw_mixtures.FAMILIES, **draw_hybrids.FAMILIES}
"""How a random config of each family is drawn."""

WINDOWED = (
    *("mistral", "mixtral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gemma4_text", "phi3", "starcoder2", "olmo3"),
    *("cohere2", "smollm3", "exaone4", "gpt_oss", "llama4_text", "mimo_v2_flash", "recurrent_gemma"),
)
"""Families with layers that see a window or a chunk, whose implementation lets its masks be looked at."""


def draw(family: str, r: Random) -> Config:
    """A random small config of one family."""
    return {"model_type": family, **FAMILIES[family](r)}
