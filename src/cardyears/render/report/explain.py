"""Where does every number come from? Assumptions, equations with the values put in, sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cardyears.answer.answer import Answer
from cardyears.base.text import N_, Text
from cardyears.base.units import DAY, YEAR
from cardyears.case import Assumption
from cardyears.render.labels import KINDS
from cardyears.render.page import Page
from cardyears.render.report.neighbours import neighbour_rows


class Equation(NamedTuple):
    """An equation with the values put in, and where it stands."""

    name: str
    text: Text
    source: str


def explain(page: Page, answer: Answer) -> None:
    """Every equation with its values, and every assumption with its reason."""
    page.heading(N_("Equations"))
    page.rows(([page.say(one.name), _sourced(page.say(one.text), one.source)] for one in equations(answer)), wrap=1)
    neighbour_rows(page, answer.case.neighbours)
    assumption_rows(page, answer.case.assumptions)


def equations(answer: Answer) -> Iterator[Equation]:
    """The equations behind the answer's main numbers."""
    yield from _required(answer)
    yield from _times(answer)
    yield from _resources(answer)


def _required(answer: Answer) -> Iterator[Equation]:
    work = answer.case.workload
    if work.undisclosed:
        reading = work.readings[0]
        text = Text("{label:word}: {flop:flop}", label=reading.label, flop=work.flop.mid)
        yield Equation(N_("required"), text, reading.source)
        return
    values = {"each": work.flop.mid / work.tokens, "tokens": work.tokens, "all": work.flop.mid}
    if work.training.adapters:
        text = Text(
            "(4·N_matmul + 6·N_adapter + 12·L·q·T) · tokens = {each:flop} · {tokens:count} = {all:flop}", **values
        )
        yield Equation(N_("required"), text, "lora-2021")
    else:
        text = Text("(6·N_matmul + 12·L·q·T) · tokens = {each:flop} · {tokens:count} = {all:flop}", **values)
        yield Equation(N_("required"), text, "palm-2022")


def _times(answer: Answer) -> Iterator[Equation]:
    case, judged, rate = answer.case, answer.judgement, answer.case.rate
    if rate is None or judged.rate is None or judged.available is None or judged.card_years is None:
        return
    attained, years, count = judged.rate.mid, judged.card_years.mid, case.cluster.count
    text = Text(
        "peak · share · duty = {peak:rate} · {share:percent} · {duty:percent} = {rate:rate}",
        peak=rate.peak.mid, share=rate.share.mid, duty=rate.duty, rate=attained,
    )  # fmt: skip
    yield Equation(N_("rate"), text, "palm-2022")
    text = Text(
        "devices · rate · time = {n:integer} · {rate:rate} · {s:number} s = {have:flop}",
        n=count, rate=attained, s=case.seconds, have=judged.available.mid,
    )  # fmt: skip
    yield Equation(N_("available"), text, "")
    text = Text(
        "required / (rate · 31,536,000 s) = {need:flop} / ({rate:rate} · 365 d) = {years:number}",
        need=case.workload.flop.mid, rate=attained, years=years,
    )  # fmt: skip
    yield Equation(N_("card-years"), text, "")
    text = Text(
        "card-years / devices = {years:number} / {n:integer} = {days:number} days",
        years=years, n=count, days=years * YEAR / DAY / count,
    )  # fmt: skip
    yield Equation(N_("time"), text, "narayanan-2021")


def _resources(answer: Answer) -> Iterator[Equation]:
    judged, terms = answer.judgement, answer.case.terms
    if judged.memory is not None:
        need = judged.memory.required
        text = Text(
            "sum of its lines = {all:bytes}; {low:bytes} to {high:bytes} as measured peaks lie around such ledgers",
            all=need.mid, low=need.low, high=need.high,
        )  # fmt: skip
        yield Equation(N_("memory"), text, "korthikanti-2022, zero-2020, measured-runs")
    if judged.energy is not None and terms.board_w:
        text = Text(
            "time · devices · {w:power} · {host:number} (host) · {pue:number} (building) = {all:kwh}",
            w=terms.board_w, host=terms.host_factor, pue=terms.pue, all=float(judged.energy.total),
        )  # fmt: skip
        yield Equation(N_("energy"), text, "patterson-2021")
    if judged.cost is not None and terms.rent is not None:
        text = Text("device-hours · ${rent:number} = {all:usd}", rent=terms.rent.mid, all=judged.cost.mid)
        yield Equation(N_("money"), text, "")
    elif judged.cost is not None and terms.purchase_usd is not None:
        text = Text(
            "energy · ${kwh:number} + time / {life:duration} · {price:usd} = {all:usd}",
            kwh=terms.usd_per_kwh, life=terms.lifetime_s, price=terms.purchase_usd, all=judged.cost.mid,
        )  # fmt: skip
        yield Equation(N_("money"), text, "")


def assumption_rows(page: Page, used: tuple[Assumption, ...]) -> None:
    """Each assumption with its value, kind, reason and source; how to replace it."""
    if not used:
        return
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
        return Text("{x:word}", x=one.value)
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
