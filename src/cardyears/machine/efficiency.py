"""What do measured runs show that no data sheet says? A few shares and gains, each with what it was measured on.

Knows no model.
"""

from __future__ import annotations

from cardyears.base.interval import Interval

FP8_GAIN = Interval(1.10, 1.19, 1.28)
"""End-to-end gain of fp8 over bf16 in runs of 8B models; the products alone gain twice. Source: measured-runs."""
EAGER_PASSES = 5.3
"""Times that attention without a flash kernel moves its score matrix through memory, forward, in Hugging Face's eager
attention; the backward pass doubles it. Source: measured-runs."""
