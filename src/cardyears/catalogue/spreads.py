"""What does a row say of how sure estimates are? Spreads of peak memory and step time, and what was measured."""

from __future__ import annotations

import msgspec

from cardyears.catalogue.schema import Figure, Row, Share


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
    """Measured over estimated step time of runs that no coefficient was fitted on, by how near a measured run is."""

    low: Figure
    """10th percentile."""
    high: Figure
    """90th percentile."""
    experts: bool
    """Whether it is of mixtures of experts."""
    upto: Figure | None = None
    """Distance of the nearest measured run (`resolve.nearness`) up to which it holds; None: any farther one, or an
    engine that is not known."""
    runs: int
    sources: int
    error: Share
    """Median of the errors without their sign."""


class MeasuredRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of run that was measured: what makes another one like it. Its runs are `validate`'s."""

    engine: str
    device: str
    method: str
    precision: str
    experts: bool
    parameters: float
    devices: int
    seq_len: int
