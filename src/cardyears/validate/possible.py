"""Can a model be split so? The rules of layouts that hold whatever the machine, the batch and the engine."""

from __future__ import annotations

from cardyears.base.text import Text
from cardyears.case import Method
from cardyears.layout.layout import Layout
from cardyears.layout.rules import KV_HEADS, SHAPE
from cardyears.layout.site import Site, shape
from cardyears.work.architecture import Architecture

RULES = tuple(rule for rule in SHAPE if not rule.implied and rule is not KV_HEADS)
"""Of the model's shape. Not that of key and value heads, which runs by engines that copy some heads break (nine of the
measured ones); nor those that the devices imply, as degrees that do not divide them are refused before."""


def impossible(arch: Architecture, layout: Layout, method: Method) -> Text | None:
    """Why the model cannot be split as a row says, or None.

    >>> from cardyears.work.architecture import LLAMA3_8B
    >>> str(impossible(LLAMA3_8B, Layout(tp=3), "pretrain"))
    'tp = 3 does not divide 32 heads.'
    >>> impossible(LLAMA3_8B, Layout(tp=8, pp=4, virtual_stages=8), "pretrain") is None
    True
    """
    ranks = int(layout.devices)
    ground = Site(shape=shape(arch), devices=ranks, per_node=ranks, seq_len=1, method=method)
    broken = next((rule for rule in RULES if not rule.holds(layout, ground)), None)
    return None if broken is None else broken.broken(layout, ground)
