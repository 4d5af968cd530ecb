"""How many tokens in one optimiser step? The batch that trains best, by a scaling law. Knows no hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardyears.base.units import Count

FACTOR, EXPONENT = 0.58, 0.571
"""Fitted on 3,700 models of up to 1B parameters and 100B tokens; beyond that extrapolated. Source: step-law-2025."""
FINETUNE_SEQUENCES = 128
"""Sequences in one step of fine-tuning. Source: alpaca-2023."""


def best_batch(tokens: Count) -> Count:
    """Tokens in one step that give the lowest loss, from the tokens of the whole training.

        B = 0.58 · D^0.571

    DeepSeek's and later laws differ by a factor of about two. Source: step-law-2025.

    >>> round(best_batch(1.4e12) / 1e6, 1)
    5.0
    """
    return FACTOR * tokens**EXPONENT
