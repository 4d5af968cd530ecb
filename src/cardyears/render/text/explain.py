"""Where does every number come from? Assumptions, equations with the values put in, sources."""

from __future__ import annotations

from cardyears.answer.answer import Answer
from cardyears.base.text import N_, Text
from cardyears.base.units import DAY, YEAR
from cardyears.case import Assumption
from cardyears.render.labels import KINDS
from cardyears.render.text.page import Page


def explain(page: Page, answer: Answer) -> None:
    """Every equation with its values, and every assumption with its reason."""
    page.heading(N_("Equations"))
    page.rows(([page.say(name), page.say(equation)] for name, equation in equations(answer)), wrap=1)
    assumption_rows(page, answer.case.assumptions)


def equations(answer: Answer) -> list[tuple[str, Text]]:
    """(quantity, equation with its values) for the answer's main numbers."""
    case, judged, rate = answer.case, answer.judgement, answer.case.rate
    found: list[tuple[str, Text]] = []
    work = case.workload
    if not work.undisclosed:
        found.append(
            (
                N_("required"),
                Text(
                    "FLOP per token · tokens = {per:flop} · {tokens:count} = {all:flop} (6·matmul parameters + "
                    "12·L·q·T; palm-2022)",
                    per=work.flop.mid / work.tokens,
                    tokens=work.tokens,
                    all=work.flop.mid,
                ),
            )
        )
    if (
        rate is not None
        and judged.rate is not None
        and judged.available is not None
        and judged.card_years is not None
        and judged.time
    ):
        values = {"peak": rate.peak.mid, "share": rate.share.mid, "duty": rate.duty, "rate": judged.rate.mid}
        found.append(
            (
                N_("rate"),
                Text("peak · share · duty = {peak:rate} · {share:percent} · {duty:percent} = {rate:rate}", **values),
            )
        )
        found.append(
            (
                N_("available"),
                Text(
                    "devices · rate · time = {n:integer} · {rate:rate} · {s:number} s = {have:flop}",
                    n=case.cluster.count,
                    rate=judged.rate.mid,
                    s=case.seconds,
                    have=judged.available.mid,
                ),
            )
        )
        found.append(
            (
                N_("card-years"),
                Text(
                    "required / (rate · 31,536,000 s) = {need:flop} / ({rate:rate} · 365 d) = {years:number}",
                    need=work.flop.mid,
                    rate=judged.rate.mid,
                    years=judged.card_years.mid,
                ),
            )
        )
        found.append(
            (
                N_("time"),
                Text(
                    "card-years / devices = {years:number} / {n:integer} = {days:number} days",
                    years=judged.card_years.mid,
                    n=case.cluster.count,
                    days=judged.card_years.mid * YEAR / DAY / case.cluster.count,
                ),
            )
        )
    if judged.memory is not None:
        found.append(
            (
                N_("memory"),
                Text(
                    "sum of its lines = {all:bytes}; from {low:bytes} to {high:bytes} as measured peaks lie around "
                    "such ledgers",
                    all=judged.memory.required.mid,
                    low=judged.memory.required.low,
                    high=judged.memory.required.high,
                ),
            )
        )
    if judged.energy is not None and case.terms.board_w:
        found.append(
            (
                N_("energy"),
                Text(
                    "time · devices · {w:power} · {host:number} (host) · {pue:number} (building) = {all:kwh}",
                    w=case.terms.board_w,
                    host=case.terms.host_factor,
                    pue=case.terms.pue,
                    all=float(judged.energy.total),
                ),
            )
        )
    return found


def assumption_rows(page: Page, used: tuple[Assumption, ...]) -> None:
    """Each assumption with its value, kind, reason and source; how to replace it."""
    page.heading(N_("Assumptions (replace one with --assume KEY=VALUE, or its own option)"))
    page.rows(
        (
            [one.key, page.say(_value(one)), page.say(KINDS[one.kind]), _sourced(page.say(one.reason), one.source)]
            for one in used
        ),
        wrap=3,
    )


def _value(one: Assumption) -> Text:
    if isinstance(one.value, str):
        return Text("{x}", x=one.value)
    return Text("{x:" + one.format + "}", x=one.value)


def _sourced(reason: str, source: str) -> str:
    return f"{reason} [{source}]" if source else reason


def source_keys(answer: Answer) -> list[str]:
    """Keys of every source that the answer rests on, in the order met."""
    device, case = answer.case.cluster.device, answer.case
    figures = [
        device.memory,
        device.board_w,
        *([device.peaks[case.rate.dtype]] if case.rate and case.rate.dtype in device.peaks else []),
    ]
    keys = [
        *(one.source for one in case.workload.readings),
        *(one.source for one in case.assumptions),
        *(figure.source for figure in figures if figure is not None),
        *(one.source for one in answer.claims),
        case.workload.training.recipe.source,
        "palm-2022",
        "korthikanti-2022",
    ]
    return list(dict.fromkeys(key for key in keys if key))
