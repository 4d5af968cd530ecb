"""Two pages give two figures for one model's memory: under which assumptions is each right?

Every way in which people count memory is computed by the same ledgers, from weights alone to everything kept at once;
those that come out at the figure are its readings. The simplest come first.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cardyears.base.errors import MissingFigure
from cardyears.base.text import N_, Text
from cardyears.base.units import GB, GIB
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.fit import SEVERAL
from cardyears.estimate.memory import memory
from cardyears.layout.layout import Layout
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.models import model
from cardyears.work.activations import AttentionKernel, Recompute
from cardyears.work.architecture import Architecture
from cardyears.work.params import total_parameters
from cardyears.work.state import RECIPES, Training, full_state

TOLERANCE = 0.02
"""Published figures are rounded to two or three digits; more would find a reading for any figure."""
READINGS_SHOWN = 5
SIZES = ((1, 2_048), (1, 4_096), (2, 2_048), (4, 2_048), (8, 2_048))
"""Batch and length of the examples that pages and tools give; with all of them any figure would have a reading."""
SHARDS = (8,)

_WEIGHTS = (
    (N_("weights alone in fp32"), 4.0),
    (N_("weights alone in 16 bit: inference without its cache"), 2.0),
    (N_("weights alone in 8 bit"), 1.0),
    (N_("weights alone in 4 bit"), 0.5),
)
_STATES = (
    (N_("16-bit weights and gradients, no optimiser"), 4.0),
    (N_("fp32 weights and gradients, no optimiser"), 8.0),
    (N_("the optimiser alone: fp32 master weights and moments"), 12.0),
    (N_("moments alone in fp32"), 8.0),
    (N_("four times the fp32 weights: the optimiser's step as accelerate estimates it"), 16.0),
    (N_("four times the 16-bit weights: a 16-bit step as accelerate estimates it"), 8.0),
)


class Way(msgspec.Struct, frozen=True):
    """One way to count, and what it comes to."""

    bytes: float
    assumptions: tuple[Text, ...]
    size: Text | None = None
    """Batch and length, where they matter."""
    oddness: int = 0
    """How many uncommon choices it takes: the likelier readings come first."""


class Reading(msgspec.Struct, frozen=True):
    """A way whose result is the figure."""

    value: float
    ours: float
    unit_slip: bool
    """Whether the figure is right only if its GB are GiB."""
    assumptions: tuple[Text, ...]
    size: Text | None = None


class Reconciled(msgspec.Struct, frozen=True):
    """Each figure with the readings that were found; none means none that we know."""

    model: str
    figures: tuple[float, ...]
    readings: tuple[tuple[Reading, ...], ...]


def reconcile(name: str, figures: tuple[float, ...], catalogue: Catalogue) -> Reconciled:
    """The assumptions under which each figure, in bytes, is what training (or holding) the model takes."""
    found = model(name, catalogue, Assumed({}))
    if found.architecture is None or found.readings:
        raise MissingFigure(
            Text("{model} is undisclosed: nobody has published its shape.", model=found.name),
            Text("Name a model with a known shape."),
        )
    ways = list(ways_to_count(found.architecture))
    return Reconciled(found.name, figures, tuple(tuple(_readings(figure, ways)) for figure in figures))


def _readings(figure: float, ways: list[Way]) -> list[Reading]:
    """The readings of one figure: the commonest ways first, of each the nearest; GB meant as GiB last."""
    found: dict[tuple[bool, tuple[Text, ...]], tuple[int, float, Reading]] = {}
    for slip, wanted in ((False, figure), (True, figure * GIB / GB)):
        for way in (one for one in ways if not (slip and one.size)):
            miss = abs(way.bytes / wanted - 1)
            key = (slip, way.assumptions)
            rank = way.oddness + 2 * slip
            if miss <= TOLERANCE and (key not in found or (rank, miss) < found[key][:2]):
                found[key] = (rank, miss, Reading(figure, way.bytes, slip, way.assumptions, way.size))
    ordered = sorted(found.values(), key=lambda one: one[:2])
    return [reading for _, _, reading in ordered[:READINGS_SHOWN]]


def ways_to_count(arch: Architecture) -> Iterator[Way]:
    """Every way that we know."""
    n = total_parameters(arch)
    for oddness, (label, each) in enumerate((*_WEIGHTS, *_STATES)):
        yield Way(n * each, (Text(label),), oddness=oddness // 4)
    for recipe in RECIPES.values():
        state = float(full_state(arch, recipe).total)
        labels = (Text(N_("state alone, no activations")), Text(recipe.label))
        yield Way(state, labels, oddness=_ODD_RECIPES.get(recipe.key, 2))
    state = float(full_state(arch, RECIPES["adamw"]).total)
    labels = (Text(N_("state alone, no activations")), Text(RECIPES["adamw"].label))
    for shards in SHARDS:
        sharded = Text("sharded over {n:integer} devices (ZeRO-3)", n=shards)
        yield Way(state / shards, (*labels, sharded), oddness=1)
    everything = (Training("full", RECIPES[key]) for key in _ODD_RECIPES)
    for training in (*everything, Training("lora"), Training("qlora")):
        yield from _whole(arch, training)


_ODD_RECIPES = {"adamw": 0, "adamw-fp32-gradients": 1, "adamw-fp32": 1, "adamw-bf16": 1, "adamw-8bit": 1}
"""Recipes by how common they are; all others count as 2."""
_METHODS = {"lora": N_("LoRA, rank 16, 16-bit base"), "qlora": N_("QLoRA, rank 16, 4-bit base")}
_RECOMPUTES: tuple[tuple[Recompute, AttentionKernel, str], ...] = (
    ("full", "flash", N_("full recomputation")),
    ("none", "flash", N_("no recomputation")),
    ("none", "eager", N_("no recomputation, eager attention")),
)


def _whole(arch: Architecture, training: Training) -> Iterator[Way]:
    """State, activations, logits, framework: everything that the ledger has, at usual lengths and batches."""
    method = Text(_METHODS.get(training.method, training.recipe.label))
    odd_method = 0 if training.adapters else _ODD_RECIPES.get(training.recipe.key, 2)
    for odd_recompute, (recompute, kernel, label) in enumerate(_RECOMPUTES):
        layout = Layout(recompute=recompute, kernel=kernel, accumulation=SEVERAL)
        for odd_size, (batch, seq_len) in enumerate(SIZES):
            total = float(memory(arch, training, layout, seq_len, micro_batch=float(batch)).total)
            size = Text("{b:integer} × {t:integer} tokens", b=batch, t=seq_len)
            assumptions = (Text(N_("everything at the peak")), method, Text(label))
            yield Way(total, assumptions, size, odd_method + odd_recompute // 2 + odd_size)
