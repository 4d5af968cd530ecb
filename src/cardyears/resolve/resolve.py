"""What exactly is the problem? Question and catalogue to a Case, every filled-in value with its reason."""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from cardyears.base.errors import BadInput, Contradiction, MissingFigure
from cardyears.base.interval import Interval
from cardyears.base.text import Text, Value
from cardyears.base.units import DAY
from cardyears.case import Case, Claim, Landmark, Method, Rate, Terms, Workload
from cardyears.catalogue.load import Catalogue
from cardyears.laws.batch import FINETUNE_SEQUENCES, best_batch
from cardyears.machine.cluster import Cluster
from cardyears.machine.device import Device
from cardyears.machine.efficiency import FP8_GAIN
from cardyears.machine.engine import Engine
from cardyears.question.question import Question
from cardyears.resolve.calibration import noted
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.devices import cluster, device, owned, usable_assumption
from cardyears.resolve.engines import engine, find_engine, usual_engine
from cardyears.resolve.generic import Build
from cardyears.resolve.hosts import host
from cardyears.resolve.likeness import engine_of
from cardyears.resolve.models import Model, candidates, model
from cardyears.resolve.nearness import place_of
from cardyears.resolve.neighbours import neighbours
from cardyears.resolve.prices import rent
from cardyears.resolve.silicon import silicon
from cardyears.resolve.spreads import memory_spread, step_spread
from cardyears.work.flops import finetune_flop, model_flop
from cardyears.work.params import total_parameters
from cardyears.work.state import ADAPTER_RECIPE, RECIPES, Recipe, Training


def resolve(question: Question, catalogue: Catalogue, *, strict: bool = False) -> Case:
    """The complete problem. Raises `BadInput` where a name is unknown or two statements contradict.

    `strict` refuses an assumption that was stated and plays no part.
    """
    assumed = Assumed(question.assume)
    found = model(question.model, catalogue, assumed, Build(**question.build))
    if question.hardware is None:
        raise BadInput(Text("No hardware was named."), Text('Name it, such as --on "RTX 4070 Ti" or --on "8x H100".'))
    if question.hardware.device.casefold().endswith(".toml"):
        catalogue = catalogue.with_file(question.hardware.device)
    machine = cluster(question.hardware, catalogue, assumed)
    work = workload(question, found, assumed)
    rate = _rate(question, machine.device, catalogue, assumed)
    seconds = question.duration_s if question.duration_s is not None else assumed.take("time_limit")
    terms = _terms(machine, catalogue, assumed)
    several = machine.count > 1
    engines = _engines(question, machine, catalogue, assumed) if several else {}
    if several and work.architecture is not None and work.global_batch is None:
        work = msgspec.structs.replace(work, global_batch=usual_batch(work, assumed))
    known = engines[question.method].key if engines and question.engine is not None else None
    noted(catalogue, assumed)
    case = Case(
        method=question.method,
        workload=work,
        cluster=machine,
        rate=rate,
        seconds=seconds,
        budget_usd=question.budget_usd,
        terms=terms,
        finetune_tokens=assumed.peek("finetune_tokens"),
        finetune_seq_len=assumed.peek("finetune_seq_len"),
        tokens_per_parameter=assumed.peek("tokens_per_parameter"),
        memory_spread={method: memory_spread(catalogue, method, known) for method in get_args(Method)},
        usable_share=assumed.take(usable_assumption(machine.device, assumed)),
        candidates=candidates(catalogue),
        landmarks=landmarks(catalogue),
        claims=claims(found, catalogue),
        assumptions=assumed.used,
        calibration=catalogue.calibration,
        stated_seconds=question.duration_s is not None,
        micro_batch=question.micro_batch,
        silicon=silicon(machine.device, catalogue) if several else None,
        engines=engines,
        host=host(machine, assumed) if several else None,
        precision=question.precision or ("fp16" if machine.device.training_dtype == "fp16" else "bf16"),
    )
    if strict:
        assumed.refuse_idle()
    job = case.job()
    if job is None:
        return case
    here = place_of(job, case.precision)
    engines = {
        method: engine_of(one, here._replace(engine=one.key, method=method), catalogue)
        for method, one in engines.items()
    }
    case = msgspec.structs.replace(case, engines=engines)
    spread = step_spread(catalogue, here, named=question.engine is not None)
    return msgspec.structs.replace(case, step_spread=spread, neighbours=neighbours(catalogue, here))


def _engines(question: Question, machine: Cluster, catalogue: Catalogue, assumed: Assumed) -> dict[Method, Engine]:
    """The engine of each method: the named one, or the usual one; alternatives may take another than the question."""
    asked = find_engine(question.engine, question.method, machine, catalogue, assumed)
    if question.engine is not None:
        return dict.fromkeys(get_args(Method), asked)
    keys: dict[Method, str] = {method: usual_engine(method, machine)[0] for method in get_args(Method)}
    return {method: engine(key, catalogue.engines[key]) for method, key in keys.items()}


def usual_batch(work: Workload, assumed: Assumed) -> int:
    """Sequences in one optimiser step where nobody published them: the best by a scaling law, or Alpaca's."""
    if work.training.method != "pretrain" or not work.tokens:
        reason = Text("sequences in one optimiser step, as in Alpaca")
        assumed.filled("global_batch", FINETUNE_SEQUENCES, kind="assumed", source="alpaca-2023", reason=reason)
        return FINETUNE_SEQUENCES
    best = max(1, round(float(best_batch(work.tokens)) / work.seq_len))
    reason = Text("sequences in one optimiser step: the best batch by Step Law for so many tokens")
    assumed.filled("global_batch", best, kind="derived", source="step-law-2025", reason=reason)
    return best


def usual_training(method: Method, recipe: Recipe, assumed: Assumed) -> Training:
    """What is trained and how it is kept, with whatever the person states of it.

    `recipe` is for all weights where none is stated; adapters have their own.
    """
    if method in ("pretrain", "full"):
        stated = RECIPES[assumed.take("recipe")] if assumed.stated("recipe") or recipe.key == "adamw" else recipe
        return Training(method, stated, assumed.peek("rank"))
    return Training(
        method,
        recipe,
        assumed.take("rank"),
        targets=assumed.take("targets") if assumed.stated("targets") else assumed.peek("targets"),
        base=assumed.take("base") if assumed.stated("base") and method == "qlora" else "nf4",
        adapter=RECIPES[assumed.take("recipe")] if assumed.stated("recipe") else ADAPTER_RECIPE,
    )


def workload(question: Question, found: Model, assumed: Assumed) -> Workload:
    """What is trained, on how many tokens, at which length."""
    method = question.method
    if method != "pretrain" and not found.open_weights:
        raise Contradiction(
            Text("The weights of {model} are not public: it cannot be fine-tuned.", model=found.name),
            Text("Name an open model, or ask with --method pretrain."),
        )
    training = usual_training(method, RECIPES["adamw"], assumed)
    seq_len = sequence_length(question, found, assumed)
    if found.readings:
        if question.tokens is not None or assumed.stated("tokens"):
            raise Contradiction(
                Text("{model} is undisclosed: its FLOP are read, not computed from tokens.", model=found.name),
                Text("Leave --tokens out, or ask for a model with a known shape, such as gpt-3."),
            )
        flops = [reading.flop for reading in found.readings if reading.flop]
        # The first reading is the one that the question itself usually takes; the others widen the range.
        flop = Interval(min(flops), flops[0], max(flops))
        return Workload(found.key, found.name, training, 0.0, seq_len, flop, found.architecture, found.readings)
    arch = found.architecture
    assert arch is not None  # a row without readings has a shape: the schema's check
    tokens = token_count(question, found, assumed)
    per_token = (
        finetune_flop(arch, seq_len, training.active_adapter_parameters(arch))
        if training.adapters
        else model_flop(arch, seq_len)
    )
    batch = (
        None
        if found.global_batch_tokens is None or method != "pretrain"
        else max(1, int(found.global_batch_tokens // seq_len))
    )
    return Workload(
        found.key,
        found.name,
        training,
        tokens,
        seq_len,
        Interval.exact(float(per_token) * tokens),
        arch,
        global_batch=batch,
    )


def sequence_length(question: Question, found: Model, assumed: Assumed) -> int:
    """Tokens of one sequence: as said, as published, or assumed."""
    if question.seq_len is not None:
        return question.seq_len
    if assumed.stated("seq_len"):
        return cast("int", assumed.take("seq_len"))
    if question.method != "pretrain":
        return cast("int", assumed.take("finetune_seq_len"))
    if found.seq_len is not None:
        assumed.filled(
            "seq_len",
            found.seq_len,
            kind="published",
            source=found.source,
            reason=Text("the length that {model} was pretrained at", model=found.name),
        )
        return found.seq_len
    return cast("int", assumed.take("seq_len"))


def token_count(question: Question, found: Model, assumed: Assumed) -> float:
    """Tokens seen: as said, as published, or by the ratio to parameters."""
    if question.tokens is not None:
        return question.tokens
    if assumed.stated("tokens"):
        return cast("float", assumed.take("tokens"))
    if question.method != "pretrain":
        return cast("float", assumed.take("finetune_tokens"))
    if found.tokens is not None:
        assumed.filled(
            "tokens",
            found.tokens,
            kind="published",
            source=found.source,
            reason=Text("what {model} was trained on", model=found.name),
        )
        return found.tokens
    assert found.architecture is not None
    return cast("float", assumed.take("tokens_per_parameter")) * total_parameters(found.architecture)


def _rate(question: Question, one: Device, catalogue: Catalogue, assumed: Assumed) -> Rate | None:
    """Peak, share and duty. A stated share is of the stated peak, else of the training peak."""
    dtype = question.peak or one.training_dtype
    if dtype is None:
        if question.utilization is not None:
            raise MissingFigure(
                Text("No source gives {device} a peak rate, so no share of it can be taken.", device=one.name),
                Text("Bring its peak with --catalogue FILE."),
            )
        return None
    peak = one.peak(dtype)
    if question.peak is None:
        reason = Text("training computes in {dtype} with fp32 accumulation, dense", dtype=dtype)
        assumed.filled(
            "peak", peak.value, kind=peak.kind, source=peak.source, reason=reason, unit="FLOP/s", written="rate"
        )
    duty = question.duty if question.duty is not None else assumed.take("duty")
    stated = question.utilization is not None
    if stated and assumed.stated("mfu"):
        raise Contradiction(
            Text("--utilization and the assumption mfu both state the share of peak."), Text("Keep one of them.")
        )
    measured = _measured_share(one, catalogue, assumed, listed=not stated)
    usual = one.training_dtype or dtype
    training_peak = one.spread * one.peak(usual).value
    share = Interval.exact(question.utilization) if question.utilization is not None else measured
    if not stated and dtype != usual:
        share = _share_of_other_peak(dtype, usual, measured * (training_peak.mid / peak.value), measured, assumed)
    return Rate(dtype, one.spread * peak.value, share, duty, stated, measured, usual, training_peak)


def _share_of_other_peak(dtype: str, usual: str, same_rate: Interval, measured: Interval, assumed: Assumed) -> Interval:
    """The share of a peak that no run was measured against.

    Low-precision products gain what measured runs gain end to end, not what their peak promises; for all others the
    share of the training peak is taken, and said so.
    """
    if dtype in LOW_PRECISION:
        reason = Text(
            "{dtype} products gain {gain:number} times over {usual} end to end", dtype=dtype, usual=usual, gain=FP8_GAIN
        )
        share = same_rate * FP8_GAIN
        assumed.filled("mfu", share.mid, kind="measured", source="measured-runs", reason=reason)
        return share
    reason = Text("measured in {usual}, and taken for {dtype} too: nobody has measured it", dtype=dtype, usual=usual)
    assumed.filled("mfu", measured.mid, kind="assumed", source="measured-runs", reason=reason)
    return measured


LOW_PRECISION = ("fp8", "fp4")


def _measured_share(one: Device, catalogue: Catalogue, assumed: Assumed, *, listed: bool) -> Interval:
    """What runs on this family of devices attain, or on a wider class of them where the family has too few."""
    if assumed.stated("mfu"):
        return Interval.exact(assumed.take("mfu"))
    row = catalogue.shares.get(one.family, catalogue.shares["all"])
    if listed:
        values: dict[str, Value] = {"low": row.low, "high": row.high, "runs": row.runs, "family": row.name}
        reason = (
            Text("{low:percent} to {high:percent} in {runs:integer} runs on {family}", **values)
            if row.kind == "measured"
            else Text(
                "{low:percent} to {high:percent}: too few runs on {family}, so {runs:integer} on its wider class",
                **values,
            )
        )
        assumed.filled("mfu", row.mid, kind=row.kind, source=row.source, reason=reason)
    return Interval(row.low, row.mid, row.high)


def _terms(machine: Cluster, catalogue: Catalogue, assumed: Assumed) -> Terms:
    """Power, electricity and price; only what a case uses is listed among its assumptions."""
    one, own = machine.device, owned(machine.device.family)
    grid = catalogue.grid.get(str(assumed.take("country")).casefold())
    if grid is None or grid.usd_per_kwh is None or grid.gco2e_per_kwh is None:
        raise MissingFigure(
            Text("No electricity price is known for {country}.", country=str(assumed.peek("country"))),
            Text(
                "Take one of {names}.",
                names=", ".join(key for key, row in catalogue.grid.items() if row.usd_per_kwh and row.gco2e_per_kwh),
            ),
        )
    board = one.board_w.value if one.board_w else None
    hourly = None if own and not assumed.stated("rent") else _rent(one, catalogue, assumed)
    return Terms(
        board_w=board,
        host_factor=_desktop_factor(board, min(machine.count, machine.per_node), assumed)
        if own and not assumed.stated("host_factor")
        else assumed.take("host_factor"),
        pue=1.0 if own and not assumed.stated("pue") else assumed.take("pue"),
        usd_per_kwh=grid.usd_per_kwh,
        gco2e_per_kwh=grid.gco2e_per_kwh,
        owned=hourly is None and own,
        rent=hourly,
        purchase_usd=one.launch_usd.value if one.launch_usd else None,
        lifetime_s=assumed.peek("lifetime") if hourly else assumed.take("lifetime"),
    )


def _desktop_factor(board_w: float | None, cards: int, assumed: Assumed) -> float:
    """Boards and their share of the desktop around them, over the boards alone."""
    return 1.0 if not board_w else 1 + cast("float", assumed.take("host_w")) / (board_w * cards)


def _rent(one: Device, catalogue: Catalogue, assumed: Assumed) -> Interval | None:
    """The stated rent, or the median of the newest on-demand prices."""
    if assumed.stated("rent"):
        return Interval.exact(assumed.take("rent"))
    price = rent(one, catalogue)
    if price is None:
        return None
    reason = Text(
        "median of {n:integer} on-demand prices in the year to {date}, {low:usd} to {high:usd}",
        n=price.count, date=price.newest.isoformat(), low=price.usd.low, high=price.usd.high,
    )  # fmt: skip
    assumed.filled("rent", price.usd.mid, kind="published", source=price.source, reason=reason)
    return price.usd


def landmarks(catalogue: Catalogue) -> tuple[Landmark, ...]:
    """Known runs to draw the answer against, smallest first."""
    marks = [
        Landmark(row.name, row.flop, row.kind, row.source)
        for row in catalogue.runs.values()
        if row.landmark and row.flop
    ]
    return tuple(sorted(marks, key=lambda mark: mark.flop))


def claims(found: Model, catalogue: Catalogue) -> tuple[Claim, ...]:
    """Published sums about this model that name a device and a time."""
    made = []
    for row in catalogue.runs.values():
        if (
            row.kind != "estimate"
            or row.model != found.key
            or not (row.device and row.devices and row.wall_days and row.flop)
        ):
            continue
        one = device(row.device, catalogue.accelerators[row.device])
        dtype = one.training_dtype
        if dtype is None:
            continue
        share = catalogue.shares.get(one.family, catalogue.shares["all"])
        made.append(
            Claim(
                row.name,
                row.source,
                row.flop,
                one.name,
                row.devices,
                one.peaks[dtype].value,
                dtype,
                row.wall_days * DAY,
                Interval(share.low, share.mid, share.high),
            )
        )
    return tuple(made)
