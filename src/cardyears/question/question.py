"""What did the person say? Typed and checked; None where nothing was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec

from cardyears.base.errors import BadInput, Contradiction, UnreadableValue, listed
from cardyears.base.text import Text
from cardyears.case import Method, Precision
from cardyears.question.hardware import HardwareText, read_hardware
from cardyears.question.layout import LayoutText, read_layout
from cardyears.question.read import read_count, read_duration, read_share, read_usd, read_whole

METHOD_NAMES = {
    **dict.fromkeys(("continued", "continued-pretraining", "cpt", "from-scratch"), "pretrain"),
    **dict.fromkeys(("sft", "full_ft", "full-ft", "finetune", "fine-tune"), "full"),
}
"""What people call the methods besides: continued pretraining is pretraining from other weights."""
METHODS: tuple[str, ...] = get_args(Method)
PRECISIONS: tuple[str, ...] = get_args(Precision)
PEAKS = ("fp32", "tf32", "fp16", "fp16-fp16acc", "bf16", "fp8", "fp4", "fp64")
"""Types that training computes in; integers are for inference."""

MAX_SEQ_LEN = 100_000_000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question, as said."""

    model: str
    hardware: HardwareText | None = None
    duration_s: float | None = None
    tokens: float | None = None
    seq_len: int | None = None
    budget_usd: float | None = None
    peak: str | None = None
    utilization: float | None = None
    duty: float | None = None
    method: Method = "pretrain"
    micro_batch: int | None = None
    layout: LayoutText | None = None
    engine: str | None = None
    precision: Precision | None = None
    build: Mapping[str, int] = {}
    """Depth, width, heads and experts of a generic decoder, as far as said."""
    assume: Mapping[str, str] = {}


def read_question(
    model: str,
    *,
    on: str | None = None,
    duration: str | float | None = None,
    tokens: str | float | None = None,
    seq_len: str | int | None = None,
    budget: str | float | None = None,
    peak: str | None = None,
    utilization: str | float | None = None,
    duty: str | float | None = None,
    method: str = "pretrain",
    micro_batch: str | int | None = None,
    layout: str | None = None,
    engine: str | None = None,
    precision: str | None = None,
    build: Mapping[str, str | int | None] | None = None,
    assume: Mapping[str, str] | None = None,
) -> Question:
    """A question from what was typed, clicked or passed; `BadInput` names the first thing that does not read.

    A plain number is taken in SI (seconds, tokens, dollars, shares of 1).

    >>> read_question("gpt-3.5", on="RTX 4070 Ti", duration="1y", utilization="90%").utilization
    0.9
    """
    if not model or not str(model).strip():
        raise BadInput(Text("No model was named."), Text("Name one: cardyears models lists them."))
    return Question(
        model=str(model).strip(),
        hardware=None if on is None else read_hardware(on),
        duration_s=None if duration is None else read_duration(duration),
        tokens=None if tokens is None else read_count(tokens, "tokens"),
        seq_len=None if seq_len is None else _bounded(read_whole(seq_len, "sequence length")),
        budget_usd=None if budget is None else read_usd(budget),
        peak=None if peak is None else _one_of(peak.lower(), PEAKS, "--peak"),
        utilization=None if utilization is None else read_share(utilization, "utilization"),
        duty=None if duty is None else read_share(duty, "duty cycle"),
        method=_one_of(METHOD_NAMES.get(method.lower(), method.lower()), METHODS, "--method"),  # type: ignore[arg-type]
        micro_batch=None if micro_batch is None else read_whole(micro_batch, "micro-batch"),
        layout=None if layout is None else read_layout(layout),
        engine=None if engine is None else engine.strip(),
        precision=None if precision is None else _one_of(precision.lower(), PRECISIONS, "--precision"),  # type: ignore[arg-type]
        build=_build(build or {}),
        assume=dict(assume or {}),
    )


LARGEST_BUILD = {"depth": 10_000, "width": 1_000_000, "heads": 10_000, "experts": 100_000}


def _build(said: Mapping[str, str | int | None]) -> dict[str, int]:
    """Whole positive numbers within what can be laid out."""
    found = {name: read_whole(value, name) for name, value in said.items() if value is not None}
    for name, value in found.items():
        if value > LARGEST_BUILD[name]:
            raise UnreadableValue(
                Text("{name:word} = {value:integer} is beyond any model.", name=name, value=value),
                Text("Name at most {most:integer}.", most=LARGEST_BUILD[name]),
            )
    return found


def read_assumptions(pairs: tuple[str, ...]) -> dict[str, str]:
    """``KEY=VALUE`` pairs as a mapping; a key that comes twice with two values is a contradiction.

    >>> read_assumptions(("pue=1.2",))
    {'pue': '1.2'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UnreadableValue(
                Text("{pair} is not an assumption.", pair=repr(pair)), Text("Write KEY=VALUE, such as pue=1.2.")
            )
        if found.get(key.strip(), value.strip()) != value.strip():
            raise Contradiction(
                Text("{key} is assumed twice: {one} and {two}.", key=key, one=found[key.strip()], two=value),
                Text("Keep one of them."),
            )
        found[key.strip()] = value.strip()
    return found


def _one_of(value: str, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise UnreadableValue(
            Text("{name} cannot be {value}.", name=name, value=repr(value)),
            Text("Take one of {allowed}.", allowed=listed(allowed)),
        )
    return value


def _bounded(seq_len: int) -> int:
    if seq_len > MAX_SEQ_LEN:
        raise UnreadableValue(
            Text("A sequence of {n:count} tokens is beyond any model.", n=float(seq_len)),
            Text("Give the length of one sequence, such as 4096."),
        )
    return seq_len
