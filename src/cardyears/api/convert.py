"""From what the sums answer to the public results. Sentences are put together here, in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cardyears.answer.alternatives import Alternative
from cardyears.answer.answer import Answer
from cardyears.answer.judgement import Judgement, Memory
from cardyears.answer.verdict import Verdict
from cardyears.api import results
from cardyears.base.interval import Interval
from cardyears.case import Assumption, Case
from cardyears.catalogue.load import Catalogue
from cardyears.render.report.explain import equations, source_keys
from cardyears.verbs.audit import Audit
from cardyears.verbs.count import CONVENTION, FlopCount, ParameterCount
from cardyears.verbs.inverse import Instead, Need, Option
from cardyears.verbs.reconcile import Reconciled


def check(answer: Answer, catalogue: Catalogue, said: Mapping[str, Any]) -> results.Check:
    """The result of `check`."""
    judged, case = answer.judgement, answer.case
    return results.Check(
        subject=answer,
        question={key: value for key, value in said.items() if value not in (None, {}, ())},
        verdict=_verdict(answer),
        required_flop=_exact_or_interval(case.workload.flop),
        available_flop=judged.available,
        share=judged.share,
        card_years=judged.card_years,
        time_s=judged.time,
        memory=None if judged.memory is None else _memory(judged.memory),
        energy_kwh=_energy(judged),
        cost_usd=judged.cost,
        cost_lines_usd=None
        if judged.cost_lines is None
        else {name: float(value) for name, value in judged.cost_lines.items()},
        alternatives=[alternative(one) for one in answer.alternatives],
        assumptions=assumptions(case.assumptions),
        sources=sources(source_keys(answer), catalogue),
        levers=[
            results.LeverResult(one.key, str(one.what), one.low_card_years, one.high_card_years)
            for one in answer.levers
        ],
        ladder=[
            results.RungResult(
                one.key, str(one.label), str(one.brings), one.card_years, one.memory_bytes, one.verdict.value
            )
            for one in answer.ladder
        ],
        utilization_readings=[
            results.ReadingResult(one.key, str(one.meaning), one.available, one.card_years) for one in answer.readings
        ],
        naive=None
        if answer.naive is None
        else results.NaiveResult(
            answer.naive.utilization,
            answer.naive.peak,
            answer.naive.available,
            answer.naive.share,
            answer.naive.card_years,
            answer.naive.equal_mfu,
            answer.naive.by_accident,
        ),
        claims=[
            results.ClaimResult(
                one.name,
                one.source,
                one.device,
                one.devices,
                one.seconds,
                one.implied_mfu,
                one.plausibility.verdict.value,
                one.plausibility.value,
                one.plausibility.sentence,
            )
            for one in answer.claims
        ],
        equations={one.name: str(one.text) for one in equations(answer)},
    )


def _verdict(answer: Answer) -> results.VerdictResult:
    three = answer.judgement.verdicts
    found = {"fits": three.fits, "fast_enough": three.fast_enough, "connected_enough": three.connected_enough}
    return results.VerdictResult(
        overall=three.overall.value,
        **{name: one.verdict.value for name, one in found.items()},
        sentence=str(answer.headline),
        why={name: str(one.why) for name, one in found.items()},
    )


def _exact_or_interval(value: Interval) -> float | Interval:
    return value.mid if value.low == value.high else value


def _memory(memory: Memory) -> results.MemoryResult:
    return results.MemoryResult(
        memory.required,
        memory.available,
        {name: float(value) for name, value in memory.ledger.items()},
        _layout(memory),
    )


def _layout(memory: Memory) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(memory.layout).items() if value is not None}


def _energy(judged: Judgement) -> Interval | None:
    if judged.energy is None or judged.time is None:
        return None
    return judged.time / judged.time.mid * float(judged.energy.total)


def alternative(one: Alternative) -> results.AlternativeResult:
    """One alternative."""
    return results.AlternativeResult(
        one.model,
        one.method,
        one.tokens,
        one.time,
        one.peak_memory,
        str(one.why),
        one.key,
        one.parameters,
        one.verdict.value,
        one.recipe,
        one.seq_len,
    )


def assumptions(used: Iterable[Assumption]) -> list[results.AssumptionResult]:
    """Assumptions with their reasons."""
    return [
        results.AssumptionResult(one.key, one.value, one.unit, one.kind, one.source, str(one.reason)) for one in used
    ]


def sources(keys: Iterable[str], catalogue: Catalogue) -> list[results.SourceResult]:
    """Entries of the bibliography by key."""
    known = catalogue.sources
    return [
        results.SourceResult(key, known[key].title, known[key].where, known[key].date) for key in keys if key in known
    ]


def params(count: ParameterCount) -> results.Params:
    """The result of `params`."""
    return results.Params(
        subject=count,
        model=count.model,
        total=int(count.total),
        active=int(count.active),
        matmul=int(count.matmul),
        embedding=int(count.embedding),
        parts={name: int(value) for name, value in count.parts.items()},
        published=None if count.published is None else int(count.published),
        prediction=int(count.prediction),
        assumptions=assumptions(count.assumptions),
    )


def flops(count: FlopCount) -> results.Flops:
    """The result of `flops`."""
    return results.Flops(
        subject=count,
        model=count.model,
        tokens=count.tokens,
        seq_len=count.seq_len,
        per_token_flop=count.per_token,
        total_flop=count.total,
        convention=CONVENTION,
        conventions=count.conventions,
        parts={name: float(value) for name, value in count.forward.items()},
        uncounted_flop={name: float(value) for name, value in count.uncounted.items()},
        passes_flop={name: float(value) for name, value in count.passes.items()},
        assumptions=assumptions(count.assumptions),
    )


def audit(found: Audit) -> results.AuditResult:
    """The result of `audit`."""
    word = found.plausibility
    return results.AuditResult(
        subject=found,
        implied_flop=None if found.flop is None else found.flop.mid,
        implied_mfu=found.mfu,
        verdict=(Verdict.UNKNOWN if word is None else word.verdict).value,
        plausibility="unknown" if word is None else word.value,
        why=str(found.why),
        findings=[str(one) for one in found.findings],
        usual_mfu=found.usual,
        usual_device_s=found.usual_device_s,
    )


def need(found: Need) -> results.NeedResult:
    """The result of `need`."""
    return results.NeedResult(
        subject=found,
        options=[_option(one) for one in found.options],
        memory=[results.LeastMemoryResult(one.method, one.recipe, one.need) for one in found.memory],
        tried=found.tried,
        assumptions=assumptions(found.assumptions),
    )


def _option(one: Option) -> results.OptionResult:
    judged, case = one.judgement, one.case
    assert judged.time is not None
    assert judged.memory is not None
    return results.OptionResult(
        hardware=_machine(case),
        device=case.cluster.device.key,
        devices=case.cluster.count,
        time_s=judged.time,
        cost_usd=judged.cost,
        energy_kwh=_energy(judged),
        peak_memory_bytes=judged.memory.required,
        layout=_layout(judged.memory),
        verdict=judged.verdicts.overall.value,
    )


def _machine(case: Case) -> str:
    count, name = case.cluster.count, case.cluster.device.name
    return name if count == 1 else f"{count}x {name}"


def reconcile(found: Reconciled) -> results.ReconcileResult:
    """The result of `reconcile`."""
    readings = [
        results.MemoryReading(
            one.value, one.ours, one.unit_slip, [str(text) for text in (*one.assumptions, one.size) if text]
        )
        for each in found.readings
        for one in each
    ]
    return results.ReconcileResult(subject=found, model=found.model, figures=list(found.figures), readings=readings)


def instead(found: Instead) -> results.InsteadResult:
    """The result of `instead`."""
    return results.InsteadResult(
        subject=found,
        pretrain=[alternative(one) for one in found.pretrain],
        finetune=[alternative(one) for one in found.finetune],
        assumptions=assumptions(found.case.assumptions),
    )
