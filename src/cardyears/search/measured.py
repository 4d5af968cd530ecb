"""Was anything like a layout ever measured? What the measured runs cover, and what is taken off the others.

A search exploits the errors of its model: what nobody measured looks better than it is. So a layout outside of what
was measured is ranked by the pessimistic end of its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cardyears.base.broadcast import where
from cardyears.base.text import Text
from cardyears.layout.layout import ZERO_GRADIENTS, Layout

if TYPE_CHECKING:
    from cardyears.base.units import Scalar
    from cardyears.machine.engine import Engine

LARGEST: Mapping[str, int] = {"tp": 16, "pp": 35, "cp": 32, "ep": 128, "etp": 4, "virtual_stages": 20}
"""The largest degree of each axis in at least two measured runs. Source: measured-runs."""
SCHEDULES = ("1f1b", "interleaved")
"""Schedules of the pipeline with more than a few measured runs. Source: measured-runs."""
SHARDED_PIPELINES = ("nemo-automodel",)
"""Engines of which runs with a pipeline and ZeRO 2 or 3 were measured. Source: measured-runs."""
KNOWN_HIGH, UNKNOWN_HIGH = 1.11, 1.3
"""Measured over predicted step time at the pessimistic end of 80 %: where a run like it was measured, and where
none was (docs/examples/held_out.json). Source: measured-runs."""


def pessimism(engine: str, layout: Layout, *, mixed: bool = False) -> Scalar:
    """Factor on the time of layouts by which they are ranked: above 1 where nothing like them was measured.

    `mixed` are layouts over two kinds of device, of which no run was measured.

        (1.3/1.11)^√n    for n ways in which a layout lies outside: independent errors add in quadrature

    >>> from cardyears.layout.layout import Layout
    >>> pessimism("megatron-core", Layout(tp=8)), round(pessimism("megatron-core", Layout(tp=64)), 3)
    (1.0, 1.171)
    """
    ways: Any = (layout.schedule not in SCHEDULES) + 1.0 * mixed
    for name, most in LARGEST.items():
        ways = ways + (getattr(layout, name) > most) * 1.0
    if engine not in SHARDED_PIPELINES:
        ways = ways + ((layout.pp > 1) & (layout.zero >= ZERO_GRADIENTS)) * 1.0
    factor: Scalar = 1.0
    for number, worse in enumerate(_WORSE, start=1):
        factor = where(ways >= number, worse, factor)
    return factor


_WORSE = tuple((UNKNOWN_HIGH / KNOWN_HIGH) ** (number**0.5) for number in range(1, 4))
"""Factors of one, two and three ways or more."""


def unlike(engine: Engine, layout: Layout) -> Iterator[Text]:
    """In what one layout lies outside of everything that was measured."""
    if layout.schedule not in SCHEDULES:
        yield Text("no measured run has the schedule {schedule}", schedule=layout.schedule)
    for name, most in LARGEST.items():
        if getattr(layout, name) > most:
            yield Text("no measured run has {key} above {most:integer}", key=name, most=most)
    if engine.key not in SHARDED_PIPELINES and layout.pp > 1 and layout.zero >= ZERO_GRADIENTS:
        yield Text(
            "no measured run of {engine:word} has a pipeline with zero = {zero:integer}",
            engine=engine.name,
            zero=layout.zero,
        )
