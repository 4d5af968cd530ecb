"""The question turned round: what would it take, and what could be trained instead?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from cardyears.answer.alternatives import Alternative, alternatives
from cardyears.answer.judgement import Judgement, judge
from cardyears.answer.verdict import Verdict
from cardyears.base.errors import BadInput
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Assumption, Case, Method
from cardyears.catalogue.load import Catalogue
from cardyears.estimate.fit import SEVERAL
from cardyears.estimate.memory import memory
from cardyears.layout.layout import Layout
from cardyears.machine.calibration import plain_habits
from cardyears.question.hardware import MOST_DEVICES, HardwareText
from cardyears.question.question import Question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.generic import Build
from cardyears.resolve.models import model
from cardyears.resolve.resolve import resolve, sequence_length
from cardyears.resolve.spreads import memory_spread
from cardyears.work.state import RECIPES, Training

OPTIONS_SHOWN = 12
ANY_MODEL = "gpt-2"
"""`instead` needs a case to vary; its model plays no part in the outcome."""


WAYS: tuple[tuple[Method, str], ...] = (
    ("full", "adamw"),
    ("full", "adamw-8bit"),
    ("lora", "adamw"),
    ("qlora", "adamw"),
)
"""Ways to train whose memory is put side by side."""


class Option(msgspec.Struct, frozen=True):
    """One kind of device, and how many of them it takes."""

    case: Case
    judgement: Judgement

    @property
    def devices(self) -> int:
        """How many."""
        return self.case.cluster.count


class LeastMemory(msgspec.Struct, frozen=True):
    """The least memory of one device that a way to train the model takes."""

    method: Method
    recipe: str
    need: Interval


class Need(msgspec.Struct, frozen=True):
    """What it would take to train a model: options, the cheapest first."""

    question: Question
    options: tuple[Option, ...]
    memory: tuple[LeastMemory, ...]
    tried: int
    assumptions: tuple[Assumption, ...]


def need(question: Question, catalogue: Catalogue) -> Need:
    """For every device on sale, the fewest of them that do it in time, as plain replicas or sharded (ZeRO).

    Sorted by cost; where nothing is known of the cost, by devices. The links between several devices are not judged
    yet, and an option says so.
    """
    found = [
        option for option in (_fewest(question, key, catalogue) for key in _on_sale(catalogue)) if option is not None
    ]
    in_budget = [
        option
        for option in found
        if question.budget_usd is None
        or (option.judgement.cost is not None and option.judgement.cost.mid <= question.budget_usd)
    ]
    in_budget.sort(
        key=lambda option: (option.judgement.cost.mid if option.judgement.cost else math.inf, option.devices)
    )
    assumptions = in_budget[0].case.assumptions if in_budget else ()
    memory = tuple(least_memory(question, catalogue))
    return Need(question, tuple(in_budget), memory, len(list(_on_sale(catalogue))), assumptions)


def least_memory(question: Question, catalogue: Catalogue) -> Iterator[LeastMemory]:
    """Everything recomputed and the loss in chunks, by method; nothing for a model without a shape of its own."""
    found = model(question.model, catalogue, Assumed(question.assume), Build(**question.build))
    if found.architecture is None or found.readings:
        return
    assumed = Assumed(question.assume)
    lean = Layout(recompute="full", chunked_loss=True, micro_batch=question.micro_batch or 1, accumulation=SEVERAL)
    for method, recipe in WAYS:
        asked = msgspec.structs.replace(question, method=method)
        seq_len = sequence_length(asked, found, assumed)
        training, habits = Training(method, RECIPES[recipe]), plain_habits(catalogue.calibration)
        total = float(memory(found.architecture, training, lean, seq_len, habits=habits).total)
        yield LeastMemory(method, recipe, memory_spread(catalogue, method) * total)


def _on_sale(catalogue: Catalogue) -> Iterator[str]:
    return (key for key, row in catalogue.accelerators.items() if row.available and row.peak_tflop_s)


def _fewest(question: Question, key: str, catalogue: Catalogue) -> Option | None:
    """The smallest number of one device, by doubling and halving, that fits and is in time."""

    def attempt(count: int) -> Option:
        case = resolve(msgspec.structs.replace(question, hardware=HardwareText(device=key, count=count)), catalogue)
        return Option(case, judge(case))

    first = attempt(1)
    if _passes(first):
        return first
    if first.judgement.time is None or first.judgement.memory is None:
        return None
    by_time = math.ceil(first.judgement.time.mid / first.case.seconds)
    by_memory = math.ceil(first.judgement.memory.required.mid / first.judgement.memory.available)
    low, high = 1, max(2, by_time, by_memory)
    while high <= MOST_DEVICES and not _passes(last := attempt(high)):
        low, high = high, high * 2
    if high > MOST_DEVICES:
        return None
    while high - low > max(1, low // 50):  # within two per cent: nobody orders 10,007 cards
        middle = (low + high) // 2
        tried = attempt(middle)
        low, high, last = (low, middle, tried) if _passes(tried) else (middle, high, last)
    return last


def _passes(option: Option) -> bool:
    good = (Verdict.YES, Verdict.PROBABLY)
    verdicts = option.judgement.verdicts
    return verdicts.fits.verdict in good and verdicts.fast_enough.verdict in good


class Instead(msgspec.Struct, frozen=True):
    """What one machine could train or fine-tune."""

    case: Case
    pretrain: tuple[Alternative, ...]
    finetune: tuple[Alternative, ...]


def instead(question: Question, catalogue: Catalogue) -> Instead:
    """The largest models that the machine trains from scratch, and fine-tunes, in the time."""
    if question.hardware is None:
        raise BadInput(Text("No hardware was named."), Text('Name it, such as --on "RTX 4070 Ti".'))
    case = resolve(msgspec.structs.replace(question, model=ANY_MODEL), catalogue)
    # What was assumed of the model that stands in for all is no assumption of theirs.
    kept = tuple(one for one in case.assumptions if one.key not in ("model", "seq_len", "tokens"))
    case = msgspec.structs.replace(case, assumptions=kept)
    found = alternatives(case)
    return Instead(
        case,
        tuple(one for one in found if one.method == "pretrain"),
        tuple(one for one in found if one.method != "pretrain"),
    )
