"""What to train instead? Models that this machine trains or fine-tunes in this time, found by the same ledgers.

Each alternative is a Case of its own that `judge` answers with yes or probably.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from cardyears.answer.judgement import Judgement, attained, judge, useful_devices
from cardyears.answer.verdict import Verdict
from cardyears.base.interval import Interval
from cardyears.base.text import Text
from cardyears.case import Candidate, Case, Method, Workload
from cardyears.estimate import campaign
from cardyears.laws.batch import FINETUNE_SEQUENCES, best_batch
from cardyears.work.flops import finetune_flop, model_flop
from cardyears.work.params import total_parameters
from cardyears.work.state import RECIPES, Recipe, Training

PER_METHOD = 2
"""Alternatives listed for each method: the largest that surely works, and a larger one that probably does."""

STRIDE = 2.0
"""Where links stand in the way of a model, the next one tried is smaller by this: each takes a search of its own."""
SAME_SIZE = 1.1
"""Models whose parameters differ less than this are taken as equally large."""


class Alternative(msgspec.Struct, frozen=True):
    """A model, what to do with it, and what it takes here."""

    key: str
    model: str
    method: Method
    tokens: float
    time: Interval
    peak_memory: Interval
    parameters: float
    verdict: Verdict
    why: Text
    recipe: str
    seq_len: int


def alternatives(case: Case) -> list[Alternative]:
    """From scratch first, then full fine-tuning, LoRA and QLoRA; for each the largest models that pass."""
    found: list[Alternative] = []
    for method, recipe in (
        ("pretrain", "adamw"),
        ("pretrain", "adamw-8bit"),
        ("full", "adamw"),
        ("full", "adamw-8bit"),
        ("lora", "adamw"),
        ("qlora", "adamw"),
    ):
        candidates = [one for one in _by_size(case.candidates) if method == "pretrain" or one.open_weights]
        found += largest(case, candidates, method, RECIPES[recipe])  # type: ignore[arg-type]
    return found


def largest(case: Case, candidates: Iterable[Candidate], method: Method, recipe: Recipe) -> list[Alternative]:
    """The largest candidate that probably works, and the largest that surely does if it is another."""
    kept: list[Alternative] = []
    beyond = math.inf
    training = Training(method, recipe, case.workload.training.rank)
    for candidate in candidates:
        if total_parameters(candidate.architecture) > beyond:
            continue
        if _cannot_fit(case, candidate, training, surely=bool(kept)):
            continue
        tried = instead_case(case, candidate, method, recipe)
        if _too_slow(tried):
            continue
        judged = judge(tried)
        verdict = _passing(judged)
        if verdict is None or judged.time is None or judged.memory is None:
            continue
        if kept and verdict is Verdict.PROBABLY:
            continue
        if tried.cluster.count > 1:
            judged = judge(tried, links=True)
            verdict = _passing(judged)
            if verdict is None or (kept and verdict is Verdict.PROBABLY):
                beyond = total_parameters(candidate.architecture) / STRIDE
                continue
        kept.append(_alternative(tried, candidate, judged, judged.verdicts.overall))
        if verdict is Verdict.YES or len(kept) == PER_METHOD:
            break
    return kept


def _cannot_fit(case: Case, candidate: Candidate, training: Training, *, surely: bool) -> bool:
    """Whether the state alone, spread over all devices, is more than they (surely) have: a bound before the ledger."""
    spread = case.memory_spread[training.method]
    held = float(training.state(candidate.architecture).total) / case.cluster.count
    needed = held * (spread.high if surely else spread.mid)
    return needed > case.cluster.device.memory.value * case.usable_share


def _too_slow(case: Case) -> bool:
    """Whether the middle of the estimate is beyond the time allowed: a bound before the ledger."""
    rate = attained(case)
    return rate is None or campaign.training_time(case.workload.flop.mid, rate.mid, useful_devices(case)) > case.seconds


def _passing(judged: Judgement) -> Verdict | None:
    """Yes or probably; links that nobody looked at yet stand in nobody's way."""
    found = judged.verdicts
    verdicts = [found.fits.verdict, found.fast_enough.verdict]
    if judged.linked is not None:
        verdicts.append(found.connected_enough.verdict)
    if any(verdict not in (Verdict.YES, Verdict.PROBABLY) for verdict in verdicts):
        return None
    return Verdict.PROBABLY if Verdict.PROBABLY in verdicts else Verdict.YES


def _by_size(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The largest first; of models within about a tenth of each other the newest first."""
    newest = sorted(candidates, key=lambda one: one.released, reverse=True)
    return sorted(newest, key=lambda one: -round(math.log(total_parameters(one.architecture), SAME_SIZE)))


def instead_case(case: Case, candidate: Candidate, method: Method, recipe: Recipe) -> Case:
    """The same machine and time with another model and method, as `check` would ask it."""
    scratch = method == "pretrain"
    tokens = case.tokens_per_parameter * total_parameters(candidate.architecture) if scratch else case.finetune_tokens
    seq_len = candidate.seq_len if scratch else case.finetune_seq_len
    work = workload(candidate, Training(method, recipe, case.workload.training.rank), tokens, seq_len)
    rate = case.rate
    if rate is not None:
        # A peak or share that was stated for one question is no reason to promise more than such devices attain.
        usual = {
            "dtype": rate.training_dtype,
            "peak": rate.training_peak,
            "share": rate.measured_share,
            "stated": False,
        }
        rate = msgspec.structs.replace(rate, **usual)
    return msgspec.structs.replace(case, method=method, workload=work, rate=rate, candidates=(), claims=())


def workload(candidate: Candidate, training: Training, tokens: float, seq_len: int) -> Workload:
    """What training a known shape on so many tokens amounts to."""
    arch = candidate.architecture
    per_token = (
        finetune_flop(arch, seq_len, training.active_adapter_parameters(arch))
        if training.adapters
        else model_flop(arch, seq_len)
    )
    flop = Interval.exact(float(per_token) * tokens)
    batch = FINETUNE_SEQUENCES
    if training.method == "pretrain":
        batch = max(1, _sequences(candidate.global_batch_tokens or float(best_batch(tokens)), seq_len, candidate))
    return Workload(candidate.key, candidate.name, training, tokens, seq_len, flop, arch, global_batch=batch)


def _sequences(batch_tokens: float, seq_len: int, candidate: Candidate) -> int:
    """Sequences of so many tokens; published batches are cut, computed ones rounded, as for the model that is asked."""
    return int(batch_tokens // seq_len) if candidate.global_batch_tokens else round(batch_tokens / seq_len)


def _alternative(case: Case, candidate: Candidate, judged: Judgement, verdict: Verdict) -> Alternative:
    assert judged.time is not None
    assert judged.memory is not None
    training = case.workload.training
    if training.method == "pretrain":
        why = Text("from scratch, {ratio:number} tokens for each parameter", ratio=case.tokens_per_parameter)
    elif training.adapters:
        why = Text("adapters of rank {rank:integer} on the published weights", rank=training.rank)
    else:
        why = Text("all weights, {recipe}", recipe=training.recipe.label)
    return Alternative(
        key=candidate.key,
        model=candidate.name,
        method=case.method,
        tokens=case.workload.tokens,
        time=judged.time,
        peak_memory=judged.memory.required,
        parameters=total_parameters(candidate.architecture),
        verdict=verdict,
        why=why,
        recipe=training.recipe.key,
        seq_len=case.workload.seq_len,
    )
