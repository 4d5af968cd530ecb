"""What does a row say of how sure estimates are? Spreads of peak memory and step time, and what was measured."""

from __future__ import annotations

from cardyears.catalogue.schema import Figure, Row, Share
from cardyears.machine.calibration import RunKind


class MemoryRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Measured over estimated peak memory: of one engine, or of sources that no coefficient was fitted on."""

    low: Figure
    """10th percentile."""
    high: Figure
    """90th percentile."""
    runs: int
    sources: int
    error: Share
    """Median of the errors without their sign, of coefficients fitted on these runs too."""
    held_out: Share
    """The same of coefficients fitted without the run's source."""


class StepRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Measured over estimated step time of runs that no coefficient was fitted on, where runs like it are this far off.

    Where runs like it are off by more or less, or lie farther away, the interval is wider or narrower in proportion
    (`resolve.spreads`).
    """

    low: Figure
    """10th percentile."""
    high: Figure
    """90th percentile."""
    experts: bool
    """Whether it is of mixtures of experts."""
    farther: float | None = None
    """How much wider with the root of the distance of the nearest measured run (`resolve.nearness`): logarithm, at a
    distance of one. None: the same everywhere, for an engine that is not known."""
    runs: int
    sources: int
    error: Share
    """Median of the errors without their sign, and how far off runs like it are where `low` and `high` hold."""


class MeasuredRow(RunKind, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of run that one source measured. Its runs are `validate`'s."""

    source: str
    """Key of the run's table (`validate`), by which no single table drowns the others."""
    runs: int
    error: float
    """Mean error of the logarithm without its sign, of fits that these runs were left out of."""
