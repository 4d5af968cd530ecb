"""How was a measured run laid out? Degrees and batches from a row, the rest as its engine does by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cardyears.base.text import N_, Text
from cardyears.case import Precision
from cardyears.catalogue.schema import EngineRow
from cardyears.layout.layout import Layout, Offload, Schedule
from cardyears.layout.rules import END_CHUNKS
from cardyears.validate.filled import Assume
from cardyears.validate.habits import HABITS, Habit, chunked_loss, kernel
from cardyears.validate.habits import recompute as usual_recompute
from cardyears.validate.runs import Measured, Unusable

NO_DEGREES = N_("the degrees of parallelism are not stated")
NO_BATCH = N_("the time of a step is stated, but not its batch")
CONTRADICTION = N_("the degrees of parallelism do not divide the devices")
_ZERO: Mapping[str, int] = {"none": 0, "zero1": 1, "zero2": 2, "zero3": 3, "hsdp": 3}
_WEIGHTS = ("cpu_params", "quants")
_STATE = ("cpu_optimizer", "opt-m", "opt-v", "master")
_FEW = 4
"""Devices up to which one copy of the model on each is the usual thing."""


class Degrees(msgspec.Struct, frozen=True):
    """How the devices are dealt out."""

    devices: int
    tp: int
    pp: int
    cp: int
    dp: int


_NOT_STATED = Text("not stated")
_ONE_SEQUENCE = Text("not stated: one sequence")
_OF_THE_LAYERS = Text("Megatron's default: tp")
_OVER_THE_TENSOR_RANKS = Text("experts over the tensor ranks: no other fits")

USUAL_TOKENS, USUAL_BATCH = 8_192, 524_288
"""Tokens on one device and in one step of runs that state neither: a rate of tokens is measured where both are large
enough to keep the device busy. Assumed."""


STATE_SHARE, BYTES_EACH, BYTES_SHARED = 0.6, 6.0, 12.0
"""Where a row states no degrees: the share of a device's memory that the state of its part may take, with so many bytes
for each parameter of that part and so many that all replicas share (Megatron-Core's distributed optimiser)."""
FROZEN_BYTES = 2.0
"""For each parameter of a frozen base."""


def fewest(
    parameters: float, memory: float, devices: int, per_node: int, layers: int, heads: int, *, frozen: bool
) -> Degrees:
    """The fewest tensor ranks inside a node, and after them pipeline stages, on which the state fits.

    >>> fewest(175e9, 80e9, 64, 8, 96, 96, frozen=False)
    Degrees(devices=64, tp=8, pp=8, cp=1, dp=1)
    """
    legal = [tp for tp in (1, 2, 4, 8) if devices % tp == 0 and heads % tp == 0 and tp <= per_node]
    stages = [pp for pp in range(1, layers + 1) if layers % pp == 0 and devices // legal[-1] % pp == 0]
    tried = [(tp, 1) for tp in legal] + [(legal[-1], pp) for pp in stages[1:]]
    for tp, pp in tried:
        part = parameters / (tp * pp)
        held = part * FROZEN_BYTES if frozen else part * BYTES_EACH + BYTES_SHARED * parameters / devices
        if held <= STATE_SHARE * memory:
            break
    return Degrees(devices, tp, pp, 1, devices // (tp * pp))


def degrees(run: Measured, assume: Assume, fits: Callable[[int], Degrees]) -> Degrees:
    """Degrees that fill the devices; `Unusable` where the row's cannot.

    `fits` gives those on which the state of so many devices fits, where a row must have some and states none.
    """
    habit = HABITS[run.engine]
    tp, pp, cp = run.tp or 1, run.pp or 1, run.cp or 1
    devices = run.devices
    if devices is None:
        devices = tp * pp * cp * (run.dp or 1)
        assume("devices", devices, Text("as many as the stated degrees take"))
    if "layer-split" in run.flags and (run.dp or 1) == 1:
        return Degrees(devices, 1, devices, 1, 1)
    unsaid = run.tp is None and run.pp is None and (run.dp or 0) * cp != devices
    if unsaid and habit.degrees_said and devices > max(_FEW, cp):
        if run.cp is not None or run.ep is not None:
            raise Unusable(NO_DEGREES)
        laid = fits(devices)
        assume(
            "degrees", f"tp={laid.tp} pp={laid.pp}", Text("none are stated: the fewest ranks on which the state fits")
        )
        return laid
    if devices % (tp * pp * cp):
        raise Unusable(CONTRADICTION)
    for name, value in (("tp", run.tp), ("pp", run.pp)):
        if value is None and devices > 1:
            assume(name, 1, _NOT_STATED)
    return Degrees(devices, tp, pp, cp, devices // (tp * pp * cp))


def layout(
    run: Measured, laid: Degrees, engine: EngineRow, domain: int, precision: Precision, seq_len: int, assume: Assume
) -> Layout:
    """The layout of a run, with what its engine does by default. `domain` is the devices of one fast network."""
    habit = HABITS[run.engine]
    micro_batch, accumulation = _batches(run, habit, laid, seq_len, assume)
    recomputed, reason = usual_recompute(run, habit)
    if reason is not None:
        assume("recompute", recomputed, reason)
    every_second = "recompute-every-2" in run.flags
    stages = 1 if laid.pp == 1 else run.virtual_stages or _chunks(run, habit, laid, assume)
    etp = _expert_tensor(run, laid, assume)
    ep = min(run.ep or 1, laid.tp * laid.cp * laid.dp // etp)
    if ep != (run.ep or 1):
        assume("ep", ep, Text("{stated:integer} are stated, and a stage has no more ranks", stated=run.ep or 1))
    if ep < 1:
        raise Unusable(CONTRADICTION)
    return Layout(
        tp=laid.tp,
        sp=(engine.sp if run.sp is None else run.sp) and laid.tp > 1,
        pp=laid.pp,
        virtual_stages=stages,
        schedule=_schedule(run, stages),
        dp=laid.dp,
        cp=laid.cp,
        context_kind="ulysses" if "ulysses" in run.flags else habit.context,
        ep=ep,
        etp=etp,
        zero=_zero(run, habit, laid, assume),
        shard_group=_shard_group(run, laid, domain),
        micro_batch=micro_batch,
        accumulation=accumulation,
        recompute="full" if every_second else recomputed,
        recompute_every=2 if every_second else 1,
        kernel=kernel(run, engine),
        chunked_loss=chunked_loss(run, habit),
        dropout=habit.dropout,
        compiled=run.compiled,
        graphs="cuda-graph" in run.flags,
        overlap="no-overlap" not in run.flags,
        expert_overlap="expert-overlap" in run.flags,
        offload=_offload(run),
        precision=precision,
    )


def _expert_tensor(run: Measured, laid: Degrees, assume: Assume) -> int:
    """Tensor parallelism inside an expert: as stated; else Megatron's default, that of the other layers."""
    if run.etp is not None:
        return run.etp
    if not run.experts or laid.tp == 1:
        return 1
    fits = laid.dp * laid.cp % (run.ep or 1) == 0
    etp = laid.tp if fits else 1
    assume("etp", etp, _OF_THE_LAYERS if fits else _OVER_THE_TENSOR_RANKS)
    return etp


def _chunks(run: Measured, habit: Habit, laid: Degrees, assume: Assume) -> int:
    """Virtual stages where the row does not say: one, or as deep as the engine interleaves."""
    if not habit.chunk_layers or "dual-pipe" in run.flags or run.layers is None:
        return 1
    stages = max(1, min(-(-run.layers // (laid.pp * habit.chunk_layers)), (run.layers + END_CHUNKS) // laid.pp))
    assume("virtual_stages", stages, habit.reason)
    return stages


def _schedule(run: Measured, stages: int) -> Schedule:
    if "dual-pipe" in run.flags:
        return "dualpipe"
    return "interleaved" if stages > 1 else "1f1b"


def _zero(run: Measured, habit: Habit, laid: Degrees, assume: Assume) -> int:
    if run.sharding is not None:
        return _ZERO[run.sharding]
    if laid.dp * laid.cp == 1:
        return 0
    assume("sharding", f"zero{habit.zero}" if habit.zero else "none", habit.reason)
    return habit.zero


def _shard_group(run: Measured, laid: Degrees, domain: int) -> int | None:
    """Ranks of one sharded copy: as stated, or for HSDP those of one node or slice."""
    replicas = laid.dp * laid.cp
    group = run.shard_group
    if group is None and run.sharding == "hsdp":
        group = max(1, domain // (laid.tp * laid.pp))
    return None if group is None or group >= replicas or replicas % group else group


def _batches(run: Measured, habit: Habit, laid: Degrees, seq_len: int, assume: Assume) -> tuple[float, float]:
    """Sequences of one micro-batch, and micro-batches of one step."""
    if "layer-split" in run.flags and run.micro_batch is not None:
        assume("accumulation", 1, Text("layers are split over the devices, and one micro-batch is inside at a time"))
        return _whole(run.micro_batch), 1
    micro, times = run.micro_batch, run.accumulation
    total = run.global_batch or _batch_of_rates(run, laid, seq_len, assume)
    if micro is None and total is not None and times is None and habit.whole_batch:
        assume("micro_batch", total / laid.dp, habit.reason)
        return _whole(total / laid.dp), 1
    if micro is None and total is None and times is None and run.has_speed and seq_len:
        micro = float(max(1, USUAL_TOKENS // seq_len))
        times = max(1, round(USUAL_BATCH / (micro * seq_len * laid.dp)))
        assume("micro_batch", micro, Text("neither batch is stated: about 8,192 tokens on each device"))
        assume("accumulation", times, Text("neither batch is stated: about 524,288 tokens in a step"))
        return _whole(micro), times
    if micro is None and total is not None and times is not None:
        micro = total / (laid.dp * times)
    if micro is None and total is not None:
        micro = min(1.0, total / laid.dp)
        assume("micro_batch", micro, _ONE_SEQUENCE)
    if micro is None:
        micro = 1.0
        assume("micro_batch", 1, _ONE_SEQUENCE)
    if total is not None:
        return _whole(micro), _whole(max(1.0, total / (micro * laid.dp)))
    if times is None:
        assume("accumulation", 1, _NOT_STATED)
    return _whole(micro), times or 1


def _batch_of_rates(run: Measured, laid: Degrees, seq_len: int, assume: Assume) -> float | None:
    """Sequences of a step, where its time and its rate of tokens say how many.

    `Unusable` where only its time is known.
    """
    if run.step_s is None or run.micro_batch is not None or run.accumulation is not None or not seq_len:
        return None
    if run.tokens_s is None:
        if run.has_memory:
            return None
        raise Unusable(NO_BATCH)
    total = max(1, round(run.tokens_s * laid.devices * run.step_s / seq_len))
    assume("global_batch", total, Text("from the rate of tokens and the time of a step"))
    return float(total)


def _whole(value: float) -> float:
    """The same number, as an integer where it is one."""
    return int(value) if value == int(value) else value


def _offload(run: Measured) -> Offload:
    words = run.offload.casefold()
    if any(part in words for part in _WEIGHTS):
        return "optimizer+weights"
    moved = any(part in words for part in _STATE) or "optimizer-offload" in run.flags
    return "optimizer" if moved else "none"
