"""Can a model be split as a row says? The rules of layouts that hold whatever the machine, the batch and the engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cardyears.base.text import Text
from cardyears.case import Method
from cardyears.layout.layout import Layout
from cardyears.layout.rules import CHUNKS, EXPERT_WIDTHS, EXPERTS, HEADS, STAGES, UNQUANTISED, WIDTHS, Rule
from cardyears.layout.site import Site, shape
from cardyears.work.architecture import Architecture

RESTS: Mapping[Rule, Collection[str]] = {
    UNQUANTISED: ("degrees",),
    HEADS: ("heads", "shape", "degrees"),
    WIDTHS: ("ffn", "shape", "degrees"),
    EXPERTS: ("ep", "shape", "degrees"),
    EXPERT_WIDTHS: ("etp", "ffn", "shape", "degrees"),
    STAGES: ("shape", "degrees"),
    CHUNKS: ("virtual_stages", "shape", "degrees"),
}
"""Rules of the model's shape, and the values that each rests on: where one was filled in, the row breaks nothing. Not
the rule of key and value heads, which engines that copy some of them break (nine of the measured runs)."""
ASSUMED = frozenset(name for names in RESTS.values() for name in names)


def impossible(
    arch: Architecture, layout: Layout, method: Method, assumed: Collection[str] = frozenset()
) -> Text | None:
    """Why the model cannot be split as a row says, or None; `assumed` are the values that the row does not say.

    >>> from cardyears.work.architecture import LLAMA3_8B
    >>> str(impossible(LLAMA3_8B, Layout(tp=3), "pretrain"))
    'tp = 3 does not divide 32 heads.'
    >>> impossible(LLAMA3_8B, Layout(tp=3), "pretrain", {"degrees"}) is None
    True
    """
    ranks = int(layout.devices)
    ground = Site(shape=shape(arch), devices=ranks, per_node=ranks, seq_len=1, method=method)
    for rule, names in RESTS.items():
        if not any(name in assumed for name in names) and not rule.holds(layout, ground):
            return rule.broken(layout, ground)
    return None
