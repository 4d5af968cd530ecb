"""The table in which people bring their own measured runs: its columns, and what each cell may hold.

This is the public format of ``cardyears validate FILE``: any subset of the columns that names a model, a machine and a
measured value. Columns that are not here are left alone, so that a table may have remarks of its own.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cardyears.base.errors import BadInput, CardyearsError, UnreadableValue, UnusableFile, listed, shown
from cardyears.base.text import Text

LARGEST = 1e18
_WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "pretrain": "pretrain",
        "full_ft": "full",
        "full": "full",
        "sft": "full",
        "lora": "lora",
        "qlora": "qlora",
    },
    "sharding": {
        "none": "none",
        "ddp": "none",
        "zero1": "zero1",
        "zero2": "zero2",
        "zero3": "zero3",
        "fsdp": "zero3",
        "hsdp": "hsdp",
    },
    "recompute": {"none": "none", "selective": "selective", "full": "full"},
    "attention": {"mha": "mha", "gqa": "gqa", "mqa": "mqa", "mla": "mla"},
    "quality": {"good": "good", "weak": "weak"},
    "outcome": {"ran": "ran", "oom": "oom", "limit": "limit"},
}
"""What a column of words may hold, and our word for it."""

_Cell = Callable[[str], Any]


class _Unreadable(ValueError):
    """What is wrong with a cell, said without its place."""


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise _Unreadable from None
    if not (math.isfinite(value) and 0 < value <= LARGEST):
        raise _Unreadable
    return value


def _count(cell: str) -> int:
    value = _number(cell)
    if value != int(value):
        raise _Unreadable
    return int(value)


def _count_or_none(cell: str) -> int:
    return 0 if cell in ("0", "0.0") else _count(cell)


def _fact(cell: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    word = cell.casefold()
    word = word.removesuffix(".0")
    if word not in known:
        raise _Unreadable
    return known[word]


def _word(column: str) -> _Cell:
    known = _WORDS[column]

    def read(cell: str) -> str:
        if cell.casefold() not in known:
            raise _Unreadable
        return known[cell.casefold()]

    return read


def _scaled(scale: float) -> _Cell:
    return lambda cell: _number(cell) * scale


COLUMNS: Mapping[str, tuple[str, _Cell]] = {
    "id": ("id", _text),
    "source": ("source", _text),
    "source_ref": ("where", _text),
    "date": ("date", _text),
    "kind": ("method", _word("kind")),
    "model": ("model", _text),
    "params_b": ("parameters", _scaled(1e9)),
    "params_active_b": ("active_parameters", _scaled(1e9)),
    "n_layers": ("layers", _count),
    "hidden": ("hidden", _count),
    "n_heads": ("heads", _count),
    "n_kv_heads": ("kv_heads", _count),
    "head_dim": ("head_dim", _count),
    "ffn_hidden": ("ffn", _count),
    "ffn_gated": ("gated", _fact),
    "vocab": ("vocab", _count),
    "tied_embeddings": ("tied", _fact),
    "n_experts": ("experts", _count_or_none),
    "top_k": ("top_k", _count_or_none),
    "moe_ffn_hidden": ("expert_ffn", _count_or_none),
    "n_shared_experts": ("shared_experts", _count_or_none),
    "n_dense_layers": ("dense_layers", _count_or_none),
    "attention": ("attention", _word("attention")),
    "seq_len": ("seq_len", _count),
    "gpu": ("device", _text),
    "n_gpus": ("devices", _count),
    "gpus_per_node": ("per_node", _count),
    "inter_node_net": ("network", _text),
    "precision": ("precision", str.casefold),
    "tp": ("tp", _count),
    "sp": ("sp", _fact),
    "pp": ("pp", _count),
    "vpp": ("virtual_stages", _count),
    "cp": ("cp", _count),
    "ep": ("ep", _count),
    "etp": ("etp", _count),
    "dp": ("dp", _count),
    "sharding": ("sharding", _word("sharding")),
    "micro_batch": ("micro_batch", _number),
    "global_batch_seqs": ("global_batch", _number),
    "grad_accum": ("accumulation", _count),
    "recompute": ("recompute", _word("recompute")),
    "optimizer": ("optimizer", _text),
    "offload": ("offload", _text),
    "compile": ("compiled", _fact),
    "lora_rank": ("rank", _count),
    "step_time_s": ("step_s", _number),
    "tokens_per_s_per_gpu": ("tokens_s", _number),
    "tflops_per_gpu": ("tflop_s", _number),
    "flops_convention": ("flop_convention", _text),
    "mfu": ("mfu", _number),
    "hfu": ("hfu", _number),
    "peak_mem_gib": ("peak_gib", _number),
    "notes": ("notes", _text),
    "engine": ("engine", _text),
    "quality": ("quality", _word("quality")),
    "outcome": ("outcome", _word("outcome")),
}
"""Public column: our field, and what reads a cell."""

MEASURES = ("step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu", "mfu", "hfu", "peak_mem_gib", "outcome")
"""A table must have one of these."""
_MODEL = ("model", "n_layers")
_MACHINE = ("gpu",)
_MAY_BE: Mapping[_Cell, Text] = {
    _number: Text("Write a positive number, or leave the cell empty."),
    _count: Text("Write a positive whole number, or leave the cell empty."),
    _count_or_none: Text("Write a whole number, or leave the cell empty."),
    _fact: Text("Write 1 or 0, or leave the cell empty."),
}


def table(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's number in the file and its cells by our field names; empty cells are left out.

    Raises `UnusableFile`, `BadInput` or `UnreadableValue` with row, column and remedy.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from _rows(csv.reader(lines, strict=True), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(
            Text("{path} cannot be read as a table.", path=shown(path.name)),
            Text("Name a CSV file in UTF-8 whose first line has the names of its columns."),
        ) from error
    except csv.Error as error:
        raise BadInput(
            Text("{path} is not a CSV table ({reason}).", path=shown(path.name), reason=shown(str(error))),
            Text("Save it as CSV with commas, one run a row."),
        ) from error


def _rows(lines: Any, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    header = [column.strip() for column in next(lines, [])]
    _check(header, name)
    known = [(index, column, *COLUMNS[column]) for index, column in enumerate(header) if column in COLUMNS]
    for cells in lines:
        number = lines.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise BadInput(
                Text(
                    "{path}, row {row:integer}: {n:integer} cells under {m:integer} columns.",
                    path=shown(name),
                    row=number,
                    n=len(cells),
                    m=len(header),
                ),
                Text("Put a cell with a comma in it into quotation marks."),
            )
        row = {}
        for index, column, field, read in known:
            cell = cells[index].strip() if index < len(cells) else ""
            if cell:
                row[field] = _cell(cell, read, column, number, name)
        yield number, row


def _cell(cell: str, read: _Cell, column: str, number: int, name: str) -> Any:
    try:
        return read(cell)
    except _Unreadable:
        raise unreadable(name, number, column, cell) from None


def unreadable(name: str, number: int, column: str, cell: str) -> CardyearsError:
    """The error of one cell, with its place and what it may hold."""
    read = COLUMNS[column][1]
    if column in _WORDS:
        remedy = Text("Write one of {names}, or leave the cell empty.", names=listed(_WORDS[column]))
    else:
        remedy = _MAY_BE.get(read, _MAY_BE[_number])
    return UnreadableValue(
        Text(
            '{path}, row {row:integer}: {column} cannot be "{cell}".',
            path=shown(name),
            row=number,
            column=column,
            cell=shown(cell),
        ),
        remedy,
    )


def _check(header: list[str], name: str) -> None:
    """Raises unless the columns can name a model, a machine and a measured value, each once."""
    twice = next((column for column in header if column in COLUMNS and header.count(column) > 1), None)
    if twice is not None:
        raise BadInput(
            Text("{path} has two columns {column}.", path=shown(name), column=twice), Text("Remove or rename one.")
        )
    for wanted in (_MODEL, _MACHINE, MEASURES):
        if not any(column in wanted for column in header):
            raise BadInput(
                Text(
                    "{path} has no column {names}; it has {columns}.",
                    path=shown(name),
                    names=" or ".join(wanted),
                    columns=shown(listed(header)) or "none",
                ),
                Text("The first line must name a model (model), a machine (gpu) and a measured value (step_time_s)."),
            )
