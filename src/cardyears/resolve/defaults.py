"""What is taken where nobody said anything? The named assumptions, each with its source and reason.

``--assume KEY=VALUE`` replaces any of them. A default without a reason has no place here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import msgspec

from cardyears.base.errors import Contradiction, UnknownName, UnreadableValue, listed
from cardyears.base.sourced import Kind
from cardyears.base.text import N_, Text
from cardyears.base.units import YEAR
from cardyears.case import Assumption
from cardyears.question.read import (
    read_bandwidth,
    read_bytes,
    read_count,
    read_duration,
    read_share,
    read_usd,
    read_whole,
)
from cardyears.work.params import Targets
from cardyears.work.state import BASES, RECIPES


class Default(msgspec.Struct, frozen=True):
    """One assumption: its usual value, how a person may write another, and why this one is usual."""

    key: str
    value: Any
    unit: str
    kind: Kind
    source: str
    reason: str
    read: Callable[[str], Any]
    format: str = "number"


def _factor(text: str) -> float:
    value = read_count(text, "factor")
    if value < 1:
        raise UnreadableValue(
            Text("A factor of {value} is below 1.", value=text), Text("Write 1.1 for ten per cent more.")
        )
    return value


def _targets(text: str) -> str:
    return _one_of(text, get_args(Targets), Text("No matrices for adapters are called {name}.", name=repr(text)))


def _base(text: str) -> str:
    return _one_of(text, BASES, Text("No quantised base is called {name}.", name=repr(text)))


def _one_of(text: str, names: Iterable[str], rule: Text) -> str:
    """One of some words."""
    if text not in names:
        raise UnknownName(rule, Text("Take one of {names}.", names=listed(names)))
    return text


def _memory(text: str) -> float:
    """An amount of memory."""
    return read_bytes(text, "memory")


def _recipe(text: str) -> str:
    if text not in RECIPES:
        raise UnknownName(
            Text("No optimiser recipe is called {name}.", name=repr(text)),
            Text("Take one of {names}.", names=listed(RECIPES)),
        )
    return text


def _name(text: str) -> str:
    return text


def _usable(key: str, value: float, reason: str) -> Default:
    """A share of a device's memory that one training process may take."""
    return Default(key, value, "", "assumed", "", reason, read_share, "percent")


DEFAULTS: Mapping[str, Default] = {
    default.key: default
    for default in (
        Default(
            "time_limit",
            YEAR,
            "s",
            "assumed",
            "",
            N_("no time was given; a year is the longest that most people wait"),
            read_duration,
            "duration",
        ),
        Default(
            "duty",
            1.0,
            "",
            "assumed",
            "",
            N_("the device works on nothing else and never rests"),
            read_share,
            "percent",
        ),
        Default(
            "tokens_per_parameter",
            20.0,
            "tokens",
            "published",
            "chinchilla-2022",
            N_("the compute-optimal ratio; smaller models are often trained on far more"),
            read_count,
        ),
        Default(
            "tokens",
            0.0,
            "tokens",
            "derived",
            "chinchilla-2022",
            N_("no token count is published or given: tokens_per_parameter times the parameters"),
            read_count,
            "count",
        ),
        Default(
            "finetune_tokens",
            20e6,
            "tokens",
            "assumed",
            "alpaca-2023",
            N_("52,002 instructions as in Alpaca, three times over, at about 130 tokens each"),
            read_count,
            "count",
        ),
        Default(
            "finetune_seq_len",
            2_048,
            "tokens",
            "assumed",
            "",
            N_("instructions are short; longer sequences need more memory for activations"),
            read_whole,
            "integer",
        ),
        Default(
            "seq_len",
            2_048,
            "tokens",
            "assumed",
            "gpt-3-2020",
            N_("no sequence length is published or given; GPT-3's"),
            read_whole,
            "integer",
        ),
        Default(
            "recipe",
            "adamw",
            "",
            "published",
            "zero-2020",
            N_("bf16 mixed precision with AdamW holds 16 bytes for each trained parameter"),
            _recipe,
        ),
        Default(
            "rank",
            16,
            "",
            "assumed",
            "lora-2021",
            N_("adapters on every linear layer are usually of rank 8 to 64"),
            read_whole,
            "integer",
        ),
        Default(
            "targets",
            "all-linear",
            "",
            "published",
            "qlora-2023",
            N_(
                "adapters on every matrix of the layers train as well as all weights do; attention or mlp: some of them"
            ),
            _targets,
        ),
        Default(
            "base",
            "nf4",
            "",
            "published",
            "qlora-2023",
            N_("a quantised base is kept in 4-bit NormalFloat; int8 is the other choice"),
            _base,
        ),
        _usable(
            "usable_memory",
            1.0,
            N_("no screen or other program holds memory of the card; the framework's own share is in the ledger"),
        ),
        _usable(
            "usable_ecc_memory",
            0.9375,
            N_("error correction, on by default on such cards, takes a sixteenth of their memory"),
        ),
        _usable(
            "usable_unified_memory",
            0.75,
            N_("macOS lets the GPU take about three quarters of the memory that it shares with the processor"),
        ),
        Default(
            "host_link",
            0.0,
            "B/s",
            "assumed",
            "",
            N_("what copies between device and host memory reach: about four fifths of the wire"),
            read_bandwidth,
            "bandwidth",
        ),
        Default(
            "host_memory",
            0.0,
            "B/s",
            "assumed",
            "",
            N_("streaming from the memory of the node's processors: two channels on a desk, many in a server"),
            read_bandwidth,
            "bandwidth",
        ),
        Default(
            "host_room",
            0.0,
            "B",
            "assumed",
            "",
            N_("1 TB in a server and 64 GB in a desktop computer, of which four fifths are free for state"),
            _memory,
            "bytes",
        ),
        Default("disk", 0.0, "B/s", "assumed", "", N_("one NVMe disk in each node"), read_bandwidth, "bandwidth"),
        Default(
            "expert_load",
            1.1,
            "",
            "measured",
            "measured-runs",
            N_("experts without forced balance run 8 to 20 % slower than with it"),
            _factor,
        ),
        Default(
            "document_tokens",
            0.0,
            "tokens",
            "assumed",
            "",
            N_("tokens attend to their whole sequence: no packed documents with masks between them"),
            read_count,
            "count",
        ),
        Default(
            "useful_tokens",
            1.0,
            "",
            "assumed",
            "",
            N_("sequences are packed full: none of their tokens is padding"),
            read_share,
            "percent",
        ),
        Default(
            "host_factor",
            1.25,
            "",
            "measured",
            "mlperf-power",
            N_("eight-GPU servers drew 1.2 to 1.3 times the boards' rated power while training"),
            _factor,
        ),
        Default(
            "host_w",
            100.0,
            "W",
            "assumed",
            "",
            N_("processor, memory, fans and losses of a desktop computer under load"),
            read_count,
            "power",
        ),
        Default(
            "pue",
            1.1,
            "",
            "published",
            "patterson-2021",
            N_("cooling and losses of a large, efficient data centre; the average one has 1.56"),
            _factor,
        ),
        Default("country", "world", "", "assumed", "", N_("no country was given: the world's average"), _name),
        Default(
            "lifetime",
            4 * YEAR,
            "s",
            "assumed",
            "",
            N_("a card's price is written off in a straight line over four years"),
            read_duration,
            "duration",
        ),
        Default(
            "rent",
            0.0,
            "USD/h",
            "published",
            "",
            N_("median of on-demand prices of the newest twelve months"),
            read_usd,
            "usd",
        ),
        Default(
            "mfu",
            0.0,
            "",
            "measured",
            "measured-runs",
            N_("share of the training peak that runs on this family of devices attain"),
            read_share,
            "percent",
        ),
        Default("link", "", "", "assumed", "", N_("what usually joins nodes of such devices"), _name),
        Default("inside_link", "", "", "assumed", "", N_("what usually joins such devices in one box"), _name),
    )
}


class Assumed:
    """Hands out assumptions, replaced ones first, and remembers which were used."""

    def __init__(self, replaced: Mapping[str, str]) -> None:
        unknown = [key for key in replaced if key not in DEFAULTS]
        if unknown:
            raise UnknownName(
                Text("No assumption is called {key}.", key=repr(unknown[0])),
                Text("Take one of {names}.", names=listed(DEFAULTS)),
            )
        self._replaced = replaced
        self._used: dict[str, Assumption] = {}
        self.touched: set[str] = set()

    def stated(self, key: str) -> bool:
        """Whether the person replaced this assumption."""
        return key in self._replaced

    def take(self, key: str) -> Any:
        """The value of an assumption; it is listed in the answer from here on."""
        default = DEFAULTS[key]
        self.touched.add(key)
        if key in self._replaced:
            value = default.read(self._replaced[key])
            self._note(default, value, "assumed", "", Text("as you said"))
            return value
        self._note(default, default.value, default.kind, default.source, Text(default.reason))
        return default.value

    def refuse_idle(self, *others: Assumed) -> None:
        """Refuse what was stated and plays no part, so that nobody believes that it was heeded."""
        idle = [key for key in self._replaced if not any(key in one.touched for one in (self, *others))]
        if idle:
            raise Contradiction(
                Text("The assumption {key} plays no part in this question.", key=idle[0]),
                Text("Leave it out: --explain lists those that do."),
            )

    def peek(self, key: str) -> Any:
        """The value without listing it: for parts of the answer that may not be shown."""
        default = DEFAULTS[key]
        self.touched.add(key)
        return default.read(self._replaced[key]) if key in self._replaced else default.value

    def filled(
        self, key: str, value: float | str, *, kind: Kind, source: str, reason: Text, unit: str = "", written: str = ""
    ) -> None:
        """Note a value that the catalogue filled in for this case; `written` names how a sentence writes it."""
        usual = DEFAULTS.get(key) or Default(key, value, unit, kind, source, "", _name, written or "number")
        self._note(usual, value, kind, source, reason)

    def _note(self, default: Default, value: Any, kind: Kind, source: str, reason: Text) -> None:
        self._used[default.key] = Assumption(default.key, value, default.unit, kind, source, reason, default.format)

    @property
    def used(self) -> tuple[Assumption, ...]:
        """All assumptions that the case rests on, in the order they were taken."""
        return tuple(self._used.values())
