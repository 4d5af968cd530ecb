"""Which problem did a measured run solve? A row becomes what the sums take, or says why it cannot.

What a row leaves open is filled in as its engine documents (`validate.habits`), its model's name (`validate.shapes`) or
its device's makers (`validate.machines`) say; every value that is filled in is listed with the problem.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import cast

import msgspec

from cardyears.base.errors import CardyearsError, shown
from cardyears.base.text import N_, Text
from cardyears.base.units import GIB
from cardyears.case import Method, Precision
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import AcceleratorRow, EngineRow, ShapeRow
from cardyears.layout.layout import Layout
from cardyears.layout.rules import common
from cardyears.layout.site import shape
from cardyears.machine.cluster import Cluster
from cardyears.machine.device import Device
from cardyears.machine.rates import LOW_PRECISION
from cardyears.question.hardware import HardwareText
from cardyears.question.networks import Network, bandwidth, network
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster
from cardyears.resolve.silicon import silicon
from cardyears.validate import habits, layouts, machines, shapes
from cardyears.validate.columns import OTHER_KIND
from cardyears.validate.dates import year_of
from cardyears.validate.filled import Filled, Notes
from cardyears.validate.possible import ASSUMED, impossible
from cardyears.validate.runs import Measured, Unusable
from cardyears.work.architecture import Architecture
from cardyears.work.params import total_parameters
from cardyears.work.state import RECIPES, Training

NO_DEVICE = N_("the device is not stated")
UNKNOWN_DEVICE = N_("the catalogue has no such device")
NO_SEQ_LEN = N_("the sequence length is not stated")
INTEGERS = N_("products in 8-bit integers, which no peak for training covers")
STAND_IN = "a100-sxm-80gb"
"""Taken where a row of memory only names no device: what is held does not depend on it, only whether it fits."""
_UNSLOTH_SEQ_LEN = 2_048
"""max_seq_length of every notebook that Unsloth's README of 2024 compares."""
OTHER_TRAINING = N_("a kind of training that is not estimated")
USUAL_SEQ_LEN = 2_048
"""Where a row with a rate of tokens does not say: the commonest length of the measured runs."""
_SMALL_GIB = 24.0
"""Of a device that nobody names."""
SHORT_SAMPLE = 100.0
"""Tokens of an Alpaca sample: where packed samples keep their own attention, it stays inside about so many."""
_DEFAULT_RANK = 16
"""Of adapters, where the row does not say: PEFT's examples."""
_PRECISIONS = ("bf16", "fp16", "fp32", "tf32", "fp8", "mxfp8", "nvfp4")
_QUANTISED = ("nf4", "int4", "int8")
_USUAL_PRECISION = Text("the usual one of that engine")
_USUAL_NETWORK = Text("the usual one between such nodes")
_WIDE = {"fp16", "tf32", "fp32"}
"""Precisions of 16 bits and more that a device may have a peak for, beside the usual one."""


class Problem(msgspec.Struct, frozen=True, gc=False):
    """A measured run as the sums take it."""

    measured: Measured
    architecture: Architecture
    training: Training
    seq_len: int
    layout: Layout
    cluster: Cluster
    engine: str
    filled: Mapping[str, Filled] = msgspec.field(default_factory=dict)
    """Everything that the row does not say, by its name."""
    document: float | None = None
    """Mean tokens that attention stays inside where samples are packed and masked; None: the whole sequence."""
    scores_speed: bool = True
    """Whether its time can be held against an estimate: it was measured, on a device that is stated."""
    scores_memory: bool = True
    """Whether its peak, or that it did not fit, can be held against an estimate."""

    @property
    def device(self) -> Device:
        """The accelerator."""
        return self.cluster.device

    @property
    def year(self) -> float | None:
        """When it was measured, and so the releases of its engine."""
        return year_of(self.measured.date)

    @property
    def step_s(self) -> float | None:
        """Seconds of one optimiser step, measured or from the rate of tokens."""
        run = self.measured
        if run.step_s is not None:
            return run.step_s
        if run.tokens_s is None:
            return None
        return float(self.tokens) / (run.tokens_s * (run.devices or float(self.layout.devices)))

    @property
    def tokens(self) -> float:
        """Tokens in one optimiser step."""
        return float(self.layout.global_batch) * self.seq_len

    @property
    def assumed(self) -> tuple[str, ...]:
        """``name=value: reason`` for everything that the row does not say, in English."""
        return tuple(str(one.text) for one in self.filled.values())

    def assumes(self, *names: str) -> bool:
        """Whether any of these values had to be assumed."""
        return not self.filled.keys().isdisjoint(names)


class Skipped(msgspec.Struct, frozen=True):
    """A measured run that is no problem for the sums, and why."""

    measured: Measured
    reason: str | Text
    name: str = ""
    """The model or the device that the reason is about; "" where it is about neither."""


class Reader:
    """Makes problems of rows; clusters and architectures that come again are made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._assumed = Assumed({})
        self._clusters: dict[tuple[HardwareText, int | None], Cluster] = {}
        self._shapes: dict[tuple[str, ShapeRow], Architecture] = {}
        self._devices: dict[str, str | None] = {}
        self._models: dict[str, str | None] = {}
        self._impossible: dict[Hashable, Text | None] = {}
        self._computes: dict[tuple[str, Precision], Precision] = {}

    def problem(self, run: Measured) -> Problem | Skipped:
        """The problem that a row is, or why it is none."""
        try:
            return self._problem(self._named(run))
        except Unusable as error:
            return Skipped(run, error.reason, error.name)
        except CardyearsError as error:
            return Skipped(run, error.sentence)

    def _problem(self, run: Measured) -> Problem:
        notes = Notes()
        if run.refused:
            raise Unusable(run.refused)
        if run.method == OTHER_KIND:
            raise Unusable(OTHER_TRAINING)
        if run.engine_assumed:
            notes("engine", run.engine, _stand_in(run))
        for one in run.unheard:
            notes(one.split("=", 1)[0], "empty", Text("{cell} is no word of this column", cell=one))
        device = self._device(run, notes)
        row = self.catalogue.accelerators.get(device)
        engine = self.catalogue.engines[run.engine]
        arch = self._architecture(run, notes)
        seq_len = self._seq_len(run, notes)
        precision = _precision(run, row, notes)
        laid = layouts.degrees(run, notes, lambda devices: _fewest(run, arch, row, devices))
        machine = self._cluster(run, arch, device, row, laid, notes)
        precision = self._computed(precision, machine.device, notes)
        layout = layouts.layout(run, laid, engine, machine.domain, precision, seq_len, notes)
        self._check(arch, layout, run, ASSUMED.intersection(notes.filled))
        return Problem(
            run,
            shapes.as_run(arch, run),
            _training(run, engine, notes),
            seq_len,
            layout,
            machine,
            run.engine,
            notes.filled,
            document=SHORT_SAMPLE if "short-samples" in run.flags else None,
            scores_speed=run.has_speed and bool(run.device),
            scores_memory=run.has_memory and "length" not in notes.filled,
        )

    def _check(self, arch: Architecture, layout: Layout, run: Measured, assumed: frozenset[str]) -> None:
        """Raises `Unusable` where the model cannot be split as the row says."""
        degrees = (layout.tp, layout.pp, layout.virtual_stages, layout.ep, layout.etp)
        key = (id(arch), degrees, run.method, assumed)
        if key not in self._impossible:
            self._impossible[key] = impossible(arch, layout, cast(Method, run.method), assumed)
        why = self._impossible[key]
        if why is not None:
            raise Unusable(why, run.model)

    def _named(self, run: Measured) -> Measured:
        """The row with its model's key, where it comes from a person's table."""
        if run.model_key is not None or not run.model:
            return run
        if run.model not in self._models:
            self._models[run.model] = shapes.model_key(run.model, self.catalogue)
        key = self._models[run.model]
        return run if key is None else msgspec.structs.replace(run, model_key=key)

    def _seq_len(self, run: Measured, notes: Notes) -> int:
        """Tokens of one sequence; a rate of tokens can do without, a time of a step and a peak cannot."""
        if run.seq_len is not None:
            return run.seq_len
        if run.sample_tokens is not None:
            return round(run.sample_tokens)
        if run.engine == "unsloth" or "unsloth" in run.source:
            notes("seq_len", _UNSLOTH_SEQ_LEN, Text("max_seq_length of Unsloth's notebooks"))
            return _UNSLOTH_SEQ_LEN
        if run.step_s and run.tokens_s and run.devices and run.global_batch:
            found = max(1, round(run.tokens_s * run.devices * run.step_s / run.global_batch))
            notes("seq_len", found, Text("from the rate of tokens, the time of a step and its batch"))
            return found
        if run.tokens_s is None or run.step_s is not None:
            raise Unusable(NO_SEQ_LEN)
        row = self.catalogue.models.get(run.model_key or "")
        if run.method == "pretrain" and row is not None and row.sequence_length:
            why = Text("not stated: that of {name}; a rate of tokens hardly depends on it", name=row.name)
            notes("length", int(row.sequence_length), why)
            return int(row.sequence_length)
        notes("length", USUAL_SEQ_LEN, Text("not stated; a rate of tokens hardly depends on it"))
        return USUAL_SEQ_LEN

    def _device(self, run: Measured, notes: Notes) -> str:
        """Key of the device, or words for one that is named by its memory."""
        if run.device:
            if run.device not in self._devices:
                self._devices[run.device] = machines.device_key(run.device, self.catalogue)
            key = self._devices[run.device]
            if key is None:
                raise Unusable(UNKNOWN_DEVICE, run.device)
            stand_in = machines.taken_for(run.device)
            if stand_in:
                notes("card", key, Text(stand_in))
            return key
        if not (run.has_memory or run.outcome == "limit"):
            raise Unusable(NO_DEVICE)
        if run.limit_gib is not None:
            return f"{run.limit_gib:g}GB GPU"
        notes("device", STAND_IN, Text("not stated; what is held does not depend on it"))
        return STAND_IN

    def _computed(self, precision: Precision, device: Device, notes: Notes) -> Precision:
        """What the device computes in, noted where it is not what the row says."""
        found = self._computes.get((device.key, precision))
        if found is None:
            found = self._computes[device.key, precision] = self._computing(precision, device)
        if found != precision:
            notes("computes", found, Text("{name} has no rate for {precision}", name=device.name, precision=precision))
        return found

    def _computing(self, precision: Precision, device: Device) -> Precision:
        """What the device computes in: numbers that it only stores are unpacked to what it trains in."""
        usual = cast("Precision | None", device.training_dtype)
        if usual is None:
            return precision
        gains = silicon(device, self.catalogue).gain
        tried = (precision, *(("fp8",) if precision in LOW_PRECISION else ()), usual)
        wide = _WIDE & device.peaks.keys()
        found = next(one for one in tried if one in gains or one in ("bf16", usual) or one in wide)
        return cast(Precision, found)

    def _architecture(self, run: Measured, notes: Notes) -> Architecture:
        name, shape = run.model or "own", shapes.shape_of(run, self.catalogue, notes)
        known = self._shapes.get((name, shape))
        if known is None:
            known = self._shapes[name, shape] = shapes.built(name, shape)
        shapes.check_count(known, run)
        return known

    def _cluster(
        self,
        run: Measured,
        arch: Architecture,
        key: str,
        row: AcceleratorRow | None,
        laid: layouts.Degrees,
        notes: Notes,
    ) -> Cluster:
        said = network(run.network)
        dies = 1 if row is None else row.dies
        count = max(1, laid.devices // dies)
        per_box = run.per_node or machines.BOX
        replicas = run.method in ("pretrain", "full") and laid.tp * laid.pp * laid.cp <= per_box < count
        if replicas and machines.other_port(said, per_box, total_parameters(arch), run.step_s):
            said = Network()
        per_node = run.per_node and min(run.per_node, count)
        words = HardwareText(
            device=key,
            count=count,
            per_node=per_node,
            link_bandwidth_bytes_s=bandwidth(said, per_box),
            link_per_device=True,
        )
        domain = None if row is None else machines.domain(key, row, count, said)
        if (words, domain) not in self._clusters:
            made = cluster(words, self.catalogue, self._assumed)
            made = made if domain is None else msgspec.structs.replace(made, fabric=domain)
            self._clusters[words, domain] = made
        found = self._clusters[words, domain]
        if found.between is not None and words.link_bandwidth_bytes_s is None:
            notes("network", found.between.name, _USUAL_NETWORK)
        if found.between is not None and not said.counted:
            why = Text("{words} does not say how many: one for each device", words=shown(run.network))
            notes("ports", f"{said.gbit_s:g} Gb/s", why)
        return found


def _stand_in(run: Measured) -> Text:
    """Why the row's engine is not the one that it names."""
    return Text(run.engine_assumed, named=shown(run.engine_named), engine=run.engine, method=run.method)


def problems(runs: Iterable[Measured], catalogue: Catalogue) -> tuple[list[Problem], list[Skipped]]:
    """All rows as problems, and those that are none with the reason."""
    reader = Reader(catalogue)
    made: list[Problem] = []
    skipped: list[Skipped] = []
    for run in runs:
        one = reader.problem(run)
        if isinstance(one, Problem):
            made.append(one)
        else:
            skipped.append(one)
    return made, skipped


def _fewest(run: Measured, arch: Architecture, row: AcceleratorRow | None, devices: int) -> layouts.Degrees:
    """Degrees on which the state fits, where the row says none."""
    memory = (run.limit_gib or _SMALL_GIB) if row is None else row.memory_gib
    per_node = min(run.per_node or machines.BOX, devices)
    return layouts.fewest(
        total_parameters(arch), memory * GIB, devices, per_node, arch.layer_count, common(shape(arch).heads),
        frozen=run.method in ("lora", "qlora"),
    )  # fmt: skip


def _precision(run: Measured, row: AcceleratorRow | None, notes: Notes) -> Precision:
    """What the products run in; for a quantised base what it is unpacked to."""
    said = habits.precision(run.precision)
    if said in _PRECISIONS:
        return cast(Precision, said)
    if said == "int8" and run.method != "qlora":
        raise Unusable(INTEGERS)
    if "autocast-fp16" in run.flags or (row is not None and "bf16" not in row.peak_tflop_s):
        return "fp16"
    if said in _QUANTISED:
        return "bf16"
    usual: Precision = "fp8" if run.engine.startswith("mlperf") else "bf16"
    unknown = Text("{words} is unknown", words=shown(run.precision)) if run.precision else _USUAL_PRECISION
    notes("precision", usual, unknown)
    return usual


def _training(run: Measured, engine: EngineRow, notes: Notes) -> Training:
    key, reason = habits.recipe(run, engine)
    if run.method in ("lora", "qlora"):
        if run.rank is None:
            notes("rank", _DEFAULT_RANK, Text("PEFT's examples"))
        return Training(run.method, RECIPES[key], run.rank or _DEFAULT_RANK, targets=habits.targets(run))
    if reason is not None:
        notes("recipe", key, reason)
    return Training(run.method, RECIPES[key])
