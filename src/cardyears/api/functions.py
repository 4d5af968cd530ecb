"""The verbs, one function each. Strings are read as on the command line; plain numbers are in SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import structs

from cardyears.api import convert, estimates, results
from cardyears.api.listings import devices, models, prices, runs, sources
from cardyears.api.mixed import plan as both
from cardyears.api.plans import Plan
from cardyears.api.plans import plan as made
from cardyears.api.validations import validate
from cardyears.ask import ask
from cardyears.base.units import HOUR
from cardyears.catalogue.load import Catalogue, load
from cardyears.question.claim import ClaimText, read_claim
from cardyears.question.question import read_question
from cardyears.question.read import read_bytes, read_count, read_duration, read_usd, read_whole
from cardyears.resolve.calibration import calibrated, read_calibration
from cardyears.verbs import audit as audits
from cardyears.verbs import count, inverse, mixed
from cardyears.verbs import plan as plans
from cardyears.verbs import reconcile as reconciles
from cardyears.verbs.estimate import advised, estimate_layout
from cardyears.verbs.plan import SHOWN
from cardyears.verbs.ways import MixedPlanned

__all__ = ["audit", "check", "devices", "estimate", "flops", "instead", "models", "need", "params", "plan", "prices",
           "reconcile", "runs", "sources", "validate"]  # fmt: skip


def _catalogue(path: str | Path | None, calibration: str | Path | None = None) -> Catalogue:
    """The catalogue with a person's rows on top, as their calibration says that their cluster is."""
    known = load() if path is None else load().with_file(path)
    return known if calibration is None else calibrated(known, read_calibration(calibration))


def check(
    model: str,
    *,
    on: str,
    duration: str | float | None = None,
    tokens: str | float | None = None,
    seq_len: str | int | None = None,
    budget: str | float | None = None,
    peak: str | None = None,
    utilization: str | float | None = None,
    duty: str | float | None = None,
    method: str = "pretrain",
    micro_batch: str | int | None = None,
    depth: str | int | None = None,
    width: str | int | None = None,
    heads: str | int | None = None,
    experts: str | int | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> results.Check:
    """Whether a machine trains a model in a time: fits, fast enough, connected enough, and what it takes.

    >>> found = check("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%", peak="fp32")
    >>> round(found.card_years.mid), found.verdict.overall
    (276, 'no')
    """
    build = {"depth": depth, "width": width, "heads": heads, "experts": experts}
    said = {
        "model": model,
        "on": on,
        "duration": duration,
        "tokens": tokens,
        "seq_len": seq_len,
        "budget": budget,
        "peak": peak,
        "utilization": utilization,
        "duty": duty,
        "method": method,
        "micro_batch": micro_batch,
        **build,
        "assume": dict(assume or {}),
    }
    known = _catalogue(catalogue, calibration)
    question = read_question(
        model,
        on=on,
        duration=duration,
        tokens=tokens,
        seq_len=seq_len,
        budget=budget,
        peak=peak,
        utilization=utilization,
        duty=duty,
        method=method,
        micro_batch=micro_batch,
        build=build,
        assume=assume,
    )
    return convert.check(ask(question, known), known, said)


def estimate(
    model: str,
    *,
    on: str,
    layout: str | None = None,
    seq_len: str | int | None = None,
    method: str = "pretrain",
    precision: str | None = None,
    engine: str | None = None,
    micro_batch: str | int | None = None,
    depth: str | int | None = None,
    width: str | int | None = None,
    heads: str | int | None = None,
    experts: str | int | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> results.Estimate:
    """What one layout gives: step time, speed and memory, line by line; without a layout, of one that is chosen.

    >>> found = estimate("llama-2-7b", on="8x A100-80GB", layout="tp=2,global_batch=64", seq_len=4096)
    >>> found.layout["dp"], found.layout["accumulation"], found.connected_enough
    (4, 16, 'yes')
    """
    question = read_question(
        model,
        on=on,
        layout=layout,
        seq_len=seq_len,
        method=method,
        precision=precision,
        engine=engine,
        micro_batch=micro_batch,
        build={"depth": depth, "width": width, "heads": heads, "experts": experts},
        assume=assume,
    )
    known = _catalogue(catalogue, calibration)
    return estimates.estimate(advised(estimate_layout(question, known)), known)


def plan(
    model: str,
    *,
    on: str,
    global_batch: str | int | None = None,
    objective: str = "time",
    top: str | int = SHOWN,
    open_axes: Sequence[str] = (),
    prune: bool = True,
    duration: str | float | None = None,
    tokens: str | float | None = None,
    seq_len: str | int | None = None,
    method: str = "pretrain",
    precision: str | None = None,
    engine: str | None = None,
    micro_batch: str | int | None = None,
    depth: str | int | None = None,
    width: str | int | None = None,
    heads: str | int | None = None,
    experts: str | int | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> Plan:
    """The best of all legal layouts, those that come next with the line by which each lost, and the obvious ones.

    >>> found = plan("llama-2-7b", on="16x A100-80GB", global_batch=128, seq_len=4096)
    >>> found.legal == found.searched + found.pruned, found.best["fits"]
    (True, 'yes')
    """
    question = read_question(
        model,
        on=on,
        duration=duration,
        tokens=tokens,
        seq_len=seq_len,
        method=method,
        precision=precision,
        engine=engine,
        micro_batch=micro_batch,
        build={"depth": depth, "width": width, "heads": heads, "experts": experts},
        assume=assume,
    )
    wish = plans.read_wish(
        objective,
        None if global_batch is None else read_whole(global_batch, "global batch"),
        read_whole(top, "number of layouts"),
        open_axes,
        prune=prune,
    )
    known = _catalogue(catalogue, calibration)
    found = mixed.planned(question, known, wish)
    return both(found, known) if isinstance(found, MixedPlanned) else made(found, known)


def params(
    model: str,
    *,
    depth: str | int | None = None,
    width: str | int | None = None,
    heads: str | int | None = None,
    experts: str | int | None = None,
    catalogue: str | Path | None = None,
) -> results.Params:
    """Parameters of a model by part, exact.

    >>> params("gpt2").total
    124439808
    >>> params("custom", depth=12, width=768).matmul
    109510656
    """
    question = read_question(model, build={"depth": depth, "width": width, "heads": heads, "experts": experts})
    return convert.params(count.count_parameters(question, _catalogue(catalogue)))


def flops(
    model: str,
    *,
    tokens: str | float | None = None,
    seq_len: str | int | None = None,
    depth: str | int | None = None,
    width: str | int | None = None,
    heads: str | int | None = None,
    experts: str | int | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
) -> results.Flops:
    """FLOP of training a model, by part and in every convention.

    >>> round(flops("gpt-3", tokens="300B", seq_len=2048).total_flop / 1e23, 3)
    3.229
    """
    build = {"depth": depth, "width": width, "heads": heads, "experts": experts}
    question = read_question(model, tokens=tokens, seq_len=seq_len, build=build, assume=assume)
    return convert.flops(count.count_flop(question, _catalogue(catalogue)))


def audit(
    claim: str | None = None,
    *,
    params: str | float | None = None,
    tokens: str | float | None = None,
    device: str | None = None,
    devices: str | int | None = None,
    device_hours: str | float | None = None,
    wall_hours: str | float | None = None,
    flop: str | float | None = None,
    usd: str | float | None = None,
    flop_per_param_token: float | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> results.AuditResult:
    """Whether a published claim is plausible: the share of peak that it implies.

    Figures given by name replace what the sentence says.

    >>> audit(params="1B", tokens="1B", device="A100", device_hours=5.3).plausibility
    'impossible'
    """
    said = read_claim(claim) if claim else ClaimText()
    named = {
        "params": None if params is None else read_count(params, "parameters"),
        "tokens": None if tokens is None else read_count(tokens, "tokens"),
        "device": device,
        "devices": None if devices is None else read_whole(devices, "number of devices"),
        "device_hours": None if device_hours is None else _hours(device_hours),
        "wall_hours": None if wall_hours is None else _hours(wall_hours),
        "flop": None if flop is None else read_count(flop, "FLOP"),
        "usd": None if usd is None else read_usd(usd),
        "flop_per_param_token": flop_per_param_token,
    }
    said = structs.replace(said, **{key: value for key, value in named.items() if value is not None})
    return convert.audit(audits.audit(said, _catalogue(catalogue, calibration)))


def _hours(value: str | float) -> float:
    """A number of hours ("1.3M"), or a duration with its unit ("53h", "2 days")."""
    if isinstance(value, str) and value.strip()[-1:].isalpha() and value.strip()[-1:] not in "kKmMbB":
        return read_duration(value) / HOUR
    return read_count(value, "hours")


def need(
    model: str,
    *,
    within: str | float | None = None,
    budget: str | float | None = None,
    tokens: str | float | None = None,
    method: str = "pretrain",
    micro_batch: str | int | None = None,
    seq_len: str | int | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> results.NeedResult:
    """What it would take: for each device on sale the fewest that do it, the cheapest first.

    >>> need("gpt2", within="30 days").options[0].devices
    1
    """
    question = read_question(
        model,
        duration=within,
        budget=budget,
        tokens=tokens,
        method=method,
        micro_batch=micro_batch,
        seq_len=seq_len,
        assume=assume,
    )
    return convert.need(inverse.need(question, _catalogue(catalogue, calibration)))


def instead(
    *,
    on: str,
    duration: str | float | None = None,
    budget: str | float | None = None,
    assume: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    calibration: str | Path | None = None,
) -> results.InsteadResult:
    """What a machine could train from scratch, or fine-tune, in a time.

    >>> [one.method for one in instead(on="RTX 4070 Ti", duration="1y").finetune][-1]
    'qlora'
    """
    question = read_question(inverse.ANY_MODEL, on=on, duration=duration, budget=budget, assume=assume)
    return convert.instead(inverse.instead(question, _catalogue(catalogue, calibration)))


def reconcile(model: str, *figures: str | float, catalogue: str | Path | None = None) -> results.ReconcileResult:
    """Under which assumptions each memory figure of a model is right.

    >>> reconcile("gpt-3", "350GB").readings[0].assumptions
    ['weights alone in 16 bit: inference without its cache']
    """
    sizes = tuple(read_bytes(figure, "memory") for figure in figures)
    return convert.reconcile(reconciles.reconcile(model, sizes, _catalogue(catalogue)))
