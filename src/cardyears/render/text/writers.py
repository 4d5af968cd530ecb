"""Which text belongs to which answer?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cardyears.base.text import Voice

WRITERS = {
    "Answer": ("check", "check"),
    "ParameterCount": ("counts", "params"),
    "FlopCount": ("counts", "flops"),
    "Audit": ("verdicts", "audit"),
    "Need": ("inverse", "need"),
    "Instead": ("inverse", "instead"),
    "Reconciled": ("reconcile", "reconcile"),
    "Listing": ("rows", "rows"),
}
"""File and function for each kind of answer; imported when one is written, so that none waits for the others."""


def write(subject: Any, voice: Voice, **options: Any) -> str:
    """An answer of any kind as text; options are `width`, `colour`, `explained`, `titles`."""
    file, function = WRITERS[type(subject).__name__]
    written: str = getattr(import_module(f"cardyears.render.text.{file}"), function)(subject, voice, **options)
    return written
