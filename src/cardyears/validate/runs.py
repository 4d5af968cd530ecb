"""Measured training runs, as they ship with the product or as a person brings them.

A row is what its source says and no more: an absent value is None. `validate.read` fills in what the sums need.
"""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from cardyears.base.errors import BadInput, shown
from cardyears.base.text import Text
from cardyears.catalogue.schema import SourceRow
from cardyears.question.networks import is_unheard
from cardyears.validate.engines import cell_flags, engine_of
from cardyears.validate.notes import remark
from cardyears.validate.table import LINE, table

DATA = Path(__file__).with_name("data")
SHIPPED = DATA / "runs.csv"
SOURCES = DATA / "sources.toml"


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One measured training configuration."""

    id: str
    source: str = ""
    """Key of sources.toml, or what the person wrote."""
    where: str = ""
    """Page, table, file or line inside the source."""
    date: str = ""
    table: str = ""
    """Which of the source's kinds of run it is, in the words of the table that it came from."""
    quality: str = "good"
    """good, or weak: not tuned for speed, approximate, read off a chart, or from a thread."""
    outcome: str = "ran"
    """ran, oom, or limit: the largest that fits."""

    method: str = "pretrain"
    """pretrain, full, lora or qlora."""
    rank: int | None = None
    model: str = ""
    """The model's name as the source has it."""
    model_key: str | None = None
    """The catalogue's model of that name, whose shape may differ from the row's own; "" where it has none such, None
    before anybody looked."""
    parameters: float | None = None
    active_parameters: float | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    ffn: int | None = None
    gated: bool | None = None
    vocab: int | None = None
    tied: bool | None = None
    experts: int | None = None
    top_k: int | None = None
    expert_ffn: int | None = None
    shared_experts: int | None = None
    dense_layers: int | None = None
    attention: str | None = None
    """mha, gqa, mqa or mla."""
    seq_len: int | None = None
    sample_tokens: float | None = None
    """Mean tokens of a sample where samples are neither packed nor padded."""

    device: str = ""
    """Key of the catalogue, or the name as written where the catalogue has none such."""
    devices: int | None = None
    per_node: int | None = None
    network: str = ""
    """What joins the nodes, in words (`question.networks`)."""
    limit_gib: float | None = None
    """Memory of the device, where it is named by its memory only."""

    engine: str = ""
    """Key of `validate.engines.ENGINES`."""
    engine_assumed: str = ""
    """Why this engine, where the row does not name it: a sentence of `validate.engines`."""
    engine_named: str = ""
    """What a person's row has in the engine's place."""
    precision: str = ""
    tp: int | None = None
    sp: bool | None = None
    pp: int | None = None
    virtual_stages: int | None = None
    cp: int | None = None
    ep: int | None = None
    etp: int | None = None
    dp: int | None = None
    sharding: str | None = None
    """none, zero1, zero2, zero3 or hsdp."""
    shard_group: int | None = None
    """Ranks that one sharded copy spans, where it is not all."""
    micro_batch: float | None = None
    global_batch: float | None = None
    """Sequences in one optimiser step."""
    accumulation: int | None = None
    recompute: str | None = None
    optimizer: str = ""
    offload: str = ""
    compiled: bool | None = None
    unheard: tuple[str, ...] = ()
    """Cells of a person's table with words that their columns do not know, as "column=word"."""
    unread: tuple[str, ...] = ()
    """Cells of a person's table that do not read, as "column=cell"."""
    refused: str = ""
    """Why the row cannot be used at all: such a cell, or more cells than columns."""
    line: int | None = None
    """Its number in a person's table."""
    flags: tuple[str, ...] = ()
    """Facts that no column holds: keys of `validate.notes.FLAGS`."""

    step_s: float | None = None
    tokens_s: float | None = None
    """Tokens per second for each device, as the source counts devices."""
    tflop_s: float | None = None
    """TFLOP/s for each device, by the convention that `flop_convention` names: never a score."""
    flop_convention: str = ""
    mfu: float | None = None
    hfu: float | None = None
    peak_gib: float | None = None
    reserved_gib: float | None = None

    @property
    def has_speed(self) -> bool:
        """Whether a time or a rate of tokens was measured."""
        return self.step_s is not None or self.tokens_s is not None

    @property
    def has_memory(self) -> bool:
        """Whether a peak was measured, or that it did not fit."""
        return self.peak_gib is not None or self.outcome == "oom"


class Unusable(Exception):
    """Why a measured row is no problem for the sums: a sentence that the rows skipped are counted by.

    `name` is what it is about, a model or a device, where there is such.
    """

    def __init__(self, reason: str | Text, name: str = "") -> None:
        super().__init__(str(reason))
        self.reason, self.name = reason, name


FIELDS = tuple(Measured.__struct_fields__)
FLAGS_FIELD = "flags"


def load_runs(path: str | Path | None = None) -> list[Measured]:
    """The runs that ship with the product, or those of a CSV file in the public format.

    Raises an error with row, column and remedy where the file cannot be used.

    >>> len(load_runs())
    3651
    """
    return _shipped() if path is None else brought(path)


def _shipped() -> list[Measured]:
    with SHIPPED.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows)
        cells = (dict(zip(header, row, strict=True)) for row in rows if row)
        filled = [{name: cell for name, cell in row.items() if cell} for row in cells]
    for row in filled:
        row.setdefault("model_key", "")
        if FLAGS_FIELD in row:
            row[FLAGS_FIELD] = row[FLAGS_FIELD].split()  # type: ignore[assignment]
    return msgspec.convert(filled, list[Measured], strict=False)


def sources() -> dict[str, SourceRow]:
    """The bibliography of the shipped runs."""
    with SOURCES.open("rb") as file:
        return msgspec.convert(tomllib.load(file), dict[str, SourceRow])


def brought(path: str | Path) -> list[Measured]:
    """The runs of a table in the public format; what its remarks hold is taken from them."""
    name = Path(path).name
    found = [_measured(cells, name) for cells in table(path)]
    if not found:
        raise BadInput(
            Text("{path} has no rows.", path=shown(name)), Text("Put one measured run into each row below the names.")
        )
    return found


def _measured(cells: dict[str, Any], name: str) -> Measured:
    """One row of a person's table."""
    notes = remark(cells.pop("notes", ""))
    named = cells.get("engine", "")
    flags = tuple(dict.fromkeys((*notes.flags, *cell_flags(named))))
    engine, reason = engine_of(
        named,
        source=cells.get("source", ""),
        date=cells.get("date", ""),
        method=cells.get("method", "pretrain"),
        device=cells.get("device", ""),
        flags=flags,
        sharded=cells.get("sharding") in ("zero3", "hsdp") and not {"tp", "pp"} & cells.keys(),
    )
    if is_unheard(cells.get("network", "")):
        cells["unheard"] = (*cells.get("unheard", ()), f"inter_node_net={shown(cells['network'])}")
    own = {
        "id": f"{Path(name).stem}-{cells[LINE]}",
        **cells,
        "engine": engine,
        "engine_named": named,
        "engine_assumed": reason,
    }
    return Measured(
        **own,
        flags=flags,
        sample_tokens=notes.sample_tokens,
        reserved_gib=notes.reserved_gib,
        limit_gib=notes.limit_gib,
        shard_group=notes.shard_group,
    )
