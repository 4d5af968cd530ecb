"""Does this workload run on this machine in this time? The core that the answer and its alternatives share.

One Case in, the numbers and the three findings out; nothing here is worded for one model.
"""

from __future__ import annotations

import msgspec

from cardyears.answer.links import Linked, linked
from cardyears.answer.verdict import Finding, Verdict, Verdicts, best, within, worst
from cardyears.base.interval import Interval
from cardyears.base.ledger import Ledger
from cardyears.base.text import Text, Value
from cardyears.base.units import HOUR
from cardyears.case import Assumption, Case
from cardyears.estimate import campaign
from cardyears.estimate.fit import fit
from cardyears.estimate.held import state_only
from cardyears.estimate.memory import CONTEXT_BYTES
from cardyears.layout.layout import ZERO_WEIGHTS, Layout
from cardyears.machine.calibration import plain_habits
from cardyears.machine.energy import depreciation_usd, energy_kwh, rent_usd


class Memory(msgspec.Struct, frozen=True):
    """Peak memory of one device against what it has."""

    required: Interval
    available: float
    ledger: Ledger
    layout: Layout
    parameters: Interval
    """Of the readings, for an undisclosed model."""


class Judgement(msgspec.Struct, frozen=True):
    """The numbers behind the verdicts; None where a figure is missing."""

    verdicts: Verdicts
    memory: Memory | None
    rate: Interval | None
    """Attained FLOP/s of one device over the calendar."""
    time: Interval | None
    card_years: Interval | None
    available: Interval | None
    share: Interval | None
    energy: Ledger | None
    """kWh of the whole training by consumer: card, host, building."""
    cost: Interval | None
    cost_lines: Ledger | None
    linked: Linked | None = None
    """The best layout, where several devices were looked at."""


def settled(case: Case, found: Linked | None) -> Case:
    """The case with the share of peak that the best layout attains, in place of what a few devices side by side do.

    A share that the person states, or one of a peak that the ledger does not know, is taken as it is.
    """
    rate = case.rate
    if found is None or rate is None or rate.stated or rate.dtype != rate.training_dtype:
        return case
    reason = Text(
        "by the time ledger of the best layout on {devices:integer} devices: {layout}",
        devices=found.devices,
        layout=layout_words(found.estimate.layout),
    )
    kept = tuple(one for one in case.assumptions if one.key != "mfu")
    share = Assumption("mfu", found.mfu.mid, "", "derived", "measured-runs", reason, "percent")
    rate = msgspec.structs.replace(rate, share=found.mfu, measured_share=found.mfu)
    return msgspec.structs.replace(case, rate=rate, assumptions=(*kept, share))


def layout_words(layout: Layout) -> str:
    """The degrees of a layout that are not 1, as `--layout` reads them."""
    named = {
        "tp": layout.tp, "pp": layout.pp, "virtual_stages": layout.virtual_stages, "cp": layout.cp, "ep": layout.ep,
        "etp": layout.etp, "dp": layout.dp,
    }  # fmt: skip
    parts = [f"{name}={value:.0f}" for name, value in named.items() if value != 1]
    parts += [f"zero={layout.zero:.0f}"] * bool(layout.dp * layout.cp > 1)
    parts += [f"schedule={layout.schedule}"] * (layout.schedule not in ("1f1b", "interleaved"))
    parts += [f"micro_batch={layout.micro_batch:.0f}", f"recompute={layout.recompute}"]
    return ", ".join(parts)


def judge(case: Case, *, links: bool = False) -> Judgement:
    """All numbers and findings of a case.

    With `links` several devices get the best of all layouts; without, plain replicas (which is much less work, and
    enough to see what cannot be).
    """
    return judged(case, linked(case) if links else None, asked=links)


def judged(case: Case, found: Linked | None, *, asked: bool = True) -> Judgement:
    """All numbers and findings of a case whose layout was looked for."""
    case = settled(case, found)
    memory = peak_memory(case) if found is None else linked_memory(case, found)
    rate = attained(case)
    flop = case.workload.flop
    time = None if rate is None else campaign.training_time(flop, rate, useful_devices(case, found))
    available = None if rate is None else campaign.available_flop(rate, useful_devices(case, found), case.seconds)
    energy = None if time is None else energy_lines(case, time.mid)
    lines = None if time is None else cost_lines(case, time.mid)
    cost = None if time is None else total_cost(case, time)
    return Judgement(
        verdicts=Verdicts(
            _fits(memory), _fast_enough(case, time, cost), _connected_enough(case, found, time, asked=asked)
        ),
        memory=memory,
        rate=rate,
        time=time,
        card_years=None if rate is None else campaign.card_years(flop, rate),
        available=available,
        share=None if available is None else available / flop,
        energy=energy,
        cost=cost,
        cost_lines=lines,
        linked=found,
    )


def useful_devices(case: Case, found: Linked | None = None) -> float:
    """Devices that can work at once: those of the layout, or as many as have a sequence in every optimiser step."""
    work = case.workload
    if found is not None:
        return float(found.devices)
    if not work.tokens:
        return float(case.cluster.count)
    return min(float(case.cluster.count), max(1.0, work.tokens / work.seq_len / campaign.LEAST_STEPS))


def attained(case: Case) -> Interval | None:
    """Model FLOP/s of one device: peak · share · duty."""
    rate = case.rate
    return None if rate is None else campaign.attained_rate(rate.peak, rate.share, rate.duty)


def linked_memory(case: Case, found: Linked) -> Memory:
    """The memory ledger of the best layout's fullest rank."""
    return _required(case, found.estimate.memory, found.estimate.layout)


def peak_memory(case: Case) -> Memory | None:
    """The memory ledger of one device; for an undisclosed model widened to its smallest and largest reading."""
    work, available = case.workload, case.cluster.device.memory.value * case.usable_share
    if work.architecture is None:
        return None
    spread = case.memory_spread[case.method]
    # The layout leaves room for the pessimistic end if any does, else for the middle, else for the optimistic end.
    limits = [available / factor for factor in (spread.high, spread.mid, spread.low)]
    found = fit(
        work.architecture,
        work.training,
        work.seq_len,
        case.cluster.count,
        limits,
        micro_batch=case.micro_batch,
        global_batch=work.global_batch,
        habits=plain_habits(case.calibration),
    )
    return _required(case, found.ledger, found.layout)


def _required(case: Case, ledger: Ledger, layout: Layout) -> Memory:
    """A ledger with its interval; for an undisclosed model from its smallest to its largest reading."""
    work, available = case.workload, case.cluster.device.memory.value * case.usable_share
    required = case.memory_spread[case.method] * float(ledger.total)
    sizes = [reading.parameters for reading in work.readings if reading.parameters]
    parameters = Interval.exact(0.0)
    if sizes:
        parameters = Interval(min(sizes), sizes[0], max(sizes))
        parts = (layout.shards if layout.zero == ZERO_WEIGHTS else 1) * layout.tp * layout.pp
        smallest = float(state_only(parameters.low, work.training.recipe) / parts) + CONTEXT_BYTES
        required = Interval(min(required.low, smallest), required.mid, required.high)
    return Memory(required, available, ledger, layout, parameters)


def energy_lines(case: Case, seconds: float) -> Ledger | None:
    """Energy in kWh that all devices take in so many seconds of calendar, by consumer.

    Only the hours that the duty cycle counts as work are under load; what an idle device takes is left out.
    """
    terms = case.terms
    if terms.board_w is None:
        return None
    busy = seconds * case.cluster.count * (case.rate.duty if case.rate is not None else 1.0)
    card = energy_kwh(busy, terms.board_w)
    with_host = energy_kwh(busy, terms.board_w, host_factor=terms.host_factor)
    total = energy_kwh(busy, terms.board_w, host_factor=terms.host_factor, pue=terms.pue)
    return Ledger(cards=card, host=with_host - card, building=total - with_host)


def cost_lines(case: Case, seconds: float) -> Ledger:
    """Dollars for so many seconds, as far as prices are known: rent, or electricity and wear of the purchase."""
    terms, busy = case.terms, seconds * case.cluster.count
    lines = Ledger()
    if terms.rent is not None:
        lines = lines.plus({"rent": rent_usd(busy, terms.rent.mid)})
    energy = energy_lines(case, seconds)
    if terms.owned and energy is not None:
        lines = lines.plus({"electricity": energy.total * terms.usd_per_kwh})
    if terms.owned and terms.purchase_usd is not None:
        lines = lines.plus({"wear_of_purchase": depreciation_usd(busy, terms.purchase_usd, terms.lifetime_s)})
    return lines


def total_cost(case: Case, time: Interval) -> Interval | None:
    """Dollars for the whole training; None where a price or a power is missing."""
    terms = case.terms
    if terms.rent is not None:
        return (terms.rent / HOUR) * time * float(case.cluster.count)
    if not terms.owned or terms.purchase_usd is None or terms.board_w is None:
        return None
    return time / time.mid * float(cost_lines(case, time.mid).total)


def _fits(memory: Memory | None) -> Finding:
    if memory is None:
        return Finding(Verdict.UNKNOWN, Text("no published reading of this model has a shape"))
    verdict = within(memory.required, memory.available)
    words: dict[str, Value] = {"need": memory.required, "have": memory.available}
    if memory.layout.devices > 1:
        return Finding(
            verdict,
            Text(
                "{need:bytes} needed on each device, {have:bytes} there ({layout})",
                layout=layout_words(memory.layout),
                **words,
            ),
        )
    return Finding(verdict, Text("{need:bytes} needed, {have:bytes} there", **words))


def _fast_enough(case: Case, time: Interval | None, cost: Interval | None) -> Finding:
    """In time and, where a budget was given, within it: the worse of the two."""
    if time is None:
        return Finding(Verdict.UNKNOWN, Text("no source gives {device} a peak rate", device=case.cluster.device.name))
    in_time = Finding(
        within(time, case.seconds),
        Text("{need:duration} needed, {have:duration} allowed", need=time, have=case.seconds)
        if case.stated_seconds
        else Text("{need:duration} needed, {have:duration} taken as allowed", need=time, have=case.seconds),
    )
    if case.budget_usd is None:
        return in_time
    if cost is None:
        name = case.cluster.device.name
        in_budget = Finding(Verdict.UNKNOWN, Text("no source gives {device} a price or a power", device=name))
    else:
        why = Text("{need:usd} needed, {have:usd} allowed", need=cost, have=case.budget_usd)
        in_budget = Finding(within(cost, case.budget_usd), why)
    worse = in_time if worst(in_time.verdict, in_budget.verdict) is in_time.verdict else in_budget
    if in_time.verdict is in_budget.verdict:
        worse = msgspec.structs.replace(in_time, why=Text("{time}; {money}", time=in_time.why, money=in_budget.why))
    return worse


def _connected_enough(case: Case, found: Linked | None, time: Interval | None, *, asked: bool) -> Finding:
    """Links are enough where devices compute longer than they wait, or where waiting leaves the work in time."""
    if case.cluster.count == 1:
        return Finding(Verdict.YES, Text("one device needs no link"))
    if found is not None:
        in_time = Verdict.NO if time is None else within(time, case.seconds)
        if best(found.connected.verdict, in_time) is found.connected.verdict:
            return found.connected
        why = Text("{why}, and there is time for it", why=found.connected.why)
        return Finding(in_time, why)
    count = case.cluster.count
    if not asked:
        return Finding(
            Verdict.UNKNOWN, Text("the traffic between {count:integer} devices is not looked at", count=count)
        )
    return Finding(
        Verdict.UNKNOWN,
        Text("no layout of {count:integer} devices can be estimated: a shape or a figure is missing", count=count),
    )
