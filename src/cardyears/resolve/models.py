"""Which model is meant? A name of the catalogue, a Hugging Face config, a TOML shape, or a size."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import msgspec

from cardyears.base.errors import BadInput, Contradiction, UnknownName, UnreadableValue, shown
from cardyears.base.text import Text
from cardyears.case import Candidate, Reading
from cardyears.catalogue.find import find
from cardyears.catalogue.load import Catalogue
from cardyears.catalogue.schema import Figure, ModelRow, Positive, ShapeRow
from cardyears.question.hardware import generic_memory
from cardyears.question.read import read_count
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.generic import Build, generic_decoder, size_of
from cardyears.resolve.shapes import architecture
from cardyears.work.architecture import Architecture
from cardyears.work.params import total_parameters

_SIZE = re.compile(
    r"[\d.,٫٬٠-٩۰-۹]+\s*(k|m|b|t|million|billion|trillion|ألف|مليون|مليار|تريليون)(?:\s*(parameters?|params?|معامل))?",
    re.IGNORECASE,
)
SMALLEST, LARGEST = 3e5, 1e14
"""Sizes between which a decoder can be thought of at all."""
DEFAULT_SEQ_LEN = 2_048


class Model(msgspec.Struct, frozen=True):
    """A model that was found: its shape, or the readings of an undisclosed one, and what is published of it."""

    key: str
    name: str
    architecture: Architecture | None
    source: str = ""
    tokens: float | None = None
    seq_len: int | None = None
    global_batch_tokens: float | None = None
    open_weights: bool = True
    readings: tuple[Reading, ...] = ()


CUSTOM = "custom"
"""The name of a generic decoder that depth and width describe."""


def model(name: str, catalogue: Catalogue, assumed: Assumed, build: Build = Build()) -> Model:  # noqa: B008 - frozen
    """The model that a name, a path or a size means; `build` fixes parts of a generic one."""
    if _SIZE.fullmatch(name.strip()) or name.strip().casefold() == CUSTOM:
        return _from_size(name, assumed, build)
    if build:
        raise Contradiction(
            Text("{model} has its own depth, width, heads and experts.", model=shown(name)),
            Text("Give them with a size such as 1.3B, or with the name custom."),
        )
    if is_path(name):
        path = Path(name).expanduser()
        return _from_shape(path) if path.suffix == ".toml" else _from_config(path, assumed)
    if generic_memory(name) is not None:
        raise UnknownName(
            Text("{name} is a size of memory, no model.", name=shown(name)), Text("cardyears models lists all.")
        )
    match = find(name, catalogue.models, "models")
    row = catalogue.models[match.key]
    if match.assumed_variant:
        assumed.filled(
            "model",
            row.name,
            kind="assumed",
            source=row.source,
            reason=Text("{said} was taken as its commonest size", said=name),
        )
    return _from_row(match.key, row, catalogue)


def _from_row(key: str, row: ModelRow, catalogue: Catalogue) -> Model:
    readings = tuple(
        Reading(one.label, one.kind, one.source, one.flop, one.parameters, one.note) for one in row.readings
    )
    shape = row.shape
    if shape is None:
        like = next((one.model for one in row.readings if one.model), None)
        shape = catalogue.models[like].shape if like else None
    return Model(
        key,
        row.name,
        None if shape is None else checked(row.name, shape),
        row.source,
        row.tokens,
        row.sequence_length,
        row.global_batch_tokens,
        row.open_weights,
        readings,
    )


def checked(name: str, shape: ShapeRow) -> Architecture:
    """The architecture of a shape whose parts fit together; `Contradiction` says what does not."""
    positive = {field: getattr(shape, field) for field in ("layers", "hidden", "heads", "vocab", "ffn")}
    for field, value in positive.items():
        if value < 1:
            raise UnreadableValue(
                Text("{name}: {field} = {value:integer} is not positive.", name=name, field=field, value=value),
                Text("Mend the shape."),
            )
    if shape.head_dim is None and shape.latent is None and shape.hidden % shape.heads:
        raise Contradiction(
            Text(
                "{name}: {heads:integer} heads do not divide a width of {hidden:integer}.",
                name=name,
                heads=shape.heads,
                hidden=shape.hidden,
            ),
            Text("Mend one of them, or give head_dim."),
        )
    if shape.kv_heads and shape.heads % shape.kv_heads:
        raise Contradiction(
            Text(
                "{name}: {kv:integer} key heads do not divide {heads:integer} heads.",
                name=name,
                kv=shape.kv_heads,
                heads=shape.heads,
            ),
            Text("Mend one of them."),
        )
    if shape.experts and not 1 <= shape.top_k <= shape.experts:
        raise Contradiction(
            Text(
                "{name}: {k:integer} of {n:integer} experts cannot be chosen.",
                name=name,
                k=shape.top_k,
                n=shape.experts,
            ),
            Text("Mend top_k."),
        )
    if shape.experts and not shape.expert_ffn:
        raise Contradiction(
            Text("{name}: {n:integer} experts have no width.", name=name, n=shape.experts),
            Text("Give expert_ffn, the width of one expert."),
        )
    return architecture(name, shape)


def _from_size(name: str, assumed: Assumed, build: Build) -> Model:
    """A generic decoder of a size, or of the depth and width that were named."""
    if name.strip().casefold() == CUSTOM:
        if not (build.depth and build.width):
            raise BadInput(
                Text("A decoder without a size needs a depth and a width."),
                Text("Give --depth and --width, or a size such as 1.3B."),
            )
        size = size_of(build)
    else:
        plain = re.sub(r"\s*(parameters?|params?|معامل)\s*$", "", name, flags=re.IGNORECASE)
        size = read_count(plain, "parameters")
    if not SMALLEST <= size <= LARGEST:
        raise UnreadableValue(
            Text("A decoder of {size:count} parameters cannot be laid out.", size=size),
            Text("Name a size between {low:count} and {high:count}.", low=SMALLEST, high=LARGEST),
        )
    arch = generic_decoder(size, build)
    title = f"a {name.strip()} decoder"
    layer = arch.layers[0][0]
    assumed.filled(
        "model",
        title,
        kind="assumed",
        source="llama-2023",
        reason=Text(
            "a Llama-like shape of that size: {layers:integer} layers, {hidden:integer} wide, {heads:integer} heads, "
            "vocabulary {vocab:integer}, {n:integer} parameters",
            layers=arch.layer_count,
            hidden=arch.hidden,
            heads=layer.mixer.score_heads,
            vocab=arch.vocab,
            n=total_parameters(arch),
        ),
    )
    return Model("generic", title, msgspec.structs.replace(arch, name=title), "llama-2023")


class _ShapeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    shape: ShapeRow
    tokens: Figure | None = None
    sequence_length: Positive | None = None


_PATHS = ("./", "../", "/", "~/", ".\\", "..\\")


def is_path(name: str) -> bool:
    """Whether a file or a folder is meant and no model by its name.

    >>> is_path("my/config.json"), is_path("./my-model"), is_path("Qwen/Qwen3-8B")
    (True, True, False)
    """
    if name.endswith((".toml", ".json")) or name.startswith(_PATHS) or name in (".", "..", "~"):
        return True
    try:
        if "/" in name or "\\" in name:
            return Path(name).exists()
        return (Path(name) / "config.json").is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False


def _from_config(path: Path, assumed: Assumed) -> Model:
    """A model from Hugging Face's config.json, or from the folder that has one."""
    from cardyears.resolve.huggingface.families import found
    from cardyears.resolve.huggingface.read import CONFIG, config_file, quoted, read

    file = config_file(path)
    name = shown((file.resolve().parent.name if file.name == CONFIG else file.stem) or str(path))
    one = found(read(file), quoted(file), name)
    for note in one.notes:
        assumed.filled(note.key, note.value, kind=note.kind, source="", reason=note.reason)
    return Model(str(path), name, one.architecture, seq_len=one.longest)


def _from_shape(path: Path) -> Model:
    """A model from a TOML file with ``name`` and ``[shape]``."""
    from cardyears.resolve.huggingface.read import quoted, text_of

    text = text_of(path)
    try:
        read = msgspec.convert(tomllib.loads(text), _ShapeFile)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise BadInput(
            Text("{path} is not a model's shape: {reason}.", path=quoted(path), reason=shown(str(error))),
            Text("It needs name and [shape] with layers, hidden, heads, ffn and vocab: docs/catalogue.md."),
        ) from error
    return Model(path.stem, read.name, checked(read.name, read.shape), "", read.tokens, read.sequence_length)


GENERIC_SIZES = ("10M", "25M", "50M", "100M", "200M", "350M", "500M", "750M", "1B", "1.5B", "2B", "3B", "5B")
"""Generic decoders among the alternatives, between the catalogue's models."""


@lru_cache(maxsize=8)
def candidates(catalogue: Catalogue) -> tuple[Candidate, ...]:
    """Models that may be offered instead: every shape of the catalogue, and generic sizes for training from scratch."""
    known = [
        Candidate(
            key,
            row.name,
            checked(row.name, row.shape),
            row.sequence_length or DEFAULT_SEQ_LEN,
            row.open_weights,
            row.released,
            row.global_batch_tokens,
        )
        for key, row in catalogue.models.items()
        if row.shape is not None
    ]
    generic = [
        Candidate(size, f"{size} decoder", generic_decoder(read_count(size)), DEFAULT_SEQ_LEN, open_weights=False)
        for size in GENERIC_SIZES
    ]
    return (*known, *generic)
