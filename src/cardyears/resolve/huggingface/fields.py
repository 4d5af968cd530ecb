"""How is a value of a config read? By the names that families give it, checked, with its published default.

A config is written by people and programs: a number may be a string, a layer count negative, a list too short. Each
of these is one clear sentence here and never a surprise in a reader. This file knows no family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from cardyears.base.errors import Contradiction, MissingFigure, UnreadableValue, listed, shown
from cardyears.base.text import Text

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Default: TypeAlias = "int | bool | str | tuple[str, ...] | None"

LARGEST = 1_000_000_000
"""No width, count or vocabulary of a decoder comes near it."""
MOST_LAYERS = 10_000

NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model", "n_embed"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"),
    "kv_heads": (
        "num_key_value_heads",
        "num_kv_heads",
        "n_head_kv",
        "kv_n_heads",
        "num_attention_groups",
        "multi_query_group_num",
    ),
    "head_dim": ("head_dim", "kv_channels"),
    "ffn": ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim"),
    "vocab": ("vocab_size", "padded_vocab_size"),
    "positions": ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"),
    "experts": ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts"),
    "top_k": (
        "num_experts_per_tok",
        "moe_topk",
        "top_k_experts",
        "moe_k",
        "moe_top_k",
        "experts_per_token",
        "num_experts_per_token",
    ),
    "expert_ffn": ("moe_intermediate_size", "expert_ffn_hidden_size"),
    "shared_experts": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
    "dense_layers": ("first_k_dense_replace", "num_dense_layers"),
    "prediction_layers": ("num_nextn_predict_layers", "num_mtp_modules", "num_mtp_layers", "mtp_num_hidden_layers"),
    "window_pattern": ("sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers"),
    "index_heads": ("index_n_heads", "sparse_num_index_heads"),
    "index_dim": ("index_head_dim", "sparse_index_dim"),
    "index_block": ("index_block_size", "sparse_block_size"),
    "index_blocks": ("index_topk_blocks", "sparse_topk_blocks"),
    "tied": ("tie_word_embeddings",),
    "kinds": ("layers_block_type", "layer_types", "block_types", "_block_types"),
    "state_heads": ("mamba_n_heads", "n_mamba_heads", "mamba_num_heads", "num_heads"),
    "state_head_dim": ("mamba_d_head", "mamba_headdim", "mamba_head_dim"),
    "state": ("mamba_d_state", "ssm_state_size", "state_size"),
    "state_groups": ("mamba_n_groups", "mamba_ngroups", "n_groups"),
    "state_bias": ("mamba_proj_bias", "use_bias", "add_bias_linear"),
    "state_expand": ("mamba_expand", "expand"),
    "state_chunk": ("mamba_chunk_size", "chunk_size"),
    "step_rank": ("mamba_dt_rank", "time_step_rank"),
    "conv_kernel": ("mamba_d_conv", "conv_kernel", "linear_conv_kernel_dim", "conv_L_cache", "conv1d_width"),
    "conv_bias": ("mamba_conv_bias", "use_conv_bias", "conv_bias"),
}
"""What families call the same thing. A name that is not here is the key itself."""


class Fields:
    """The values of one config; remembers which of them the file left to the published default."""

    __slots__ = ("defaults", "file", "filled", "raw")

    def __init__(self, raw: Mapping[str, Json], file: str, defaults: Mapping[str, Default] | None = None) -> None:
        self.raw, self.file, self.defaults = raw, file, defaults or {}
        self.filled: dict[str, int] = {}

    def key(self, name: str) -> str:
        """The key under which the file has a value; the usual one if it has none."""
        keys = NAMES.get(name, (name,))
        return next((key for key in keys if self.raw.get(key) is not None), keys[0])

    def stated(self, name: str) -> bool:
        """Whether the file has the key at all, null or not."""
        return any(key in self.raw for key in NAMES.get(name, (name,)))

    def value(self, name: str) -> Json:
        """The value as it stands in the file; None if it is missing or null."""
        raw = self.raw
        if name not in NAMES:
            return raw.get(name)
        for key in NAMES[name]:
            found = raw.get(key)
            if found is not None:
                return found
        return None

    def whole(self, name: str, default: int | None = None, *, least: int = 1, most: int = LARGEST) -> int:
        """A whole number: the file's, or the family's published default, or this one."""
        found = self.value(name)
        if found is not None:
            return self._whole(name, found, least, most)
        usual = self.defaults.get(name, default)
        if usual is None:
            raise MissingFigure(
                Text("{file} has no {key}.", file=self.file, key=self.key(name)),
                Text("Add it, or describe the model in a TOML file with name and [shape]: docs/catalogue.md."),
            )
        if name in self.defaults:
            self.filled[self.key(name)] = int(usual)  # type: ignore[arg-type]
        return int(usual)  # type: ignore[arg-type]

    def optional(self, name: str, *, least: int = 1, most: int = LARGEST) -> int | None:
        """A whole number that may be missing: null in the file is None, and so is a default of None."""
        found = self.value(name)
        if found is not None:
            return self._whole(name, found, least, most)
        if self.stated(name) or self.defaults.get(name) is None:
            return None
        return self.whole(name, least=least, most=most)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        found = self.value(name)
        if found is None:
            return bool(self.defaults.get(name, default))
        if isinstance(found, bool):
            return found
        raise self.wrong(name, found, Text("neither true nor false"), Text("Write true or false."))

    def fraction(self, name: str, default: float) -> float:
        """A positive number, whole or not."""
        found = self.value(name)
        if found is None:
            return default
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 < found <= LARGEST:
            return float(found)
        raise self.wrong(name, found, Text("not a positive number"), Text("Write a number above 0."))

    def words(self, name: str, known: Sequence[str], length: int) -> tuple[str, ...] | None:
        """One word for each layer, each of them known; None if the file has no such list."""
        found = self.listed(name, length)
        for word in found or ():
            if word not in known:
                raise self.wrong(
                    name, word, Text("not a kind of layer"), Text("Write one of {known}.", known=listed(known))
                )
        return None if found is None else tuple(map(str, found))

    def wholes(self, name: str, length: int | None = None) -> tuple[int, ...] | None:
        """A list of whole numbers from 0; None if the file has no such list."""
        found = self.listed(name, length)
        return None if found is None else tuple(self._whole(name, one, 0, LARGEST) for one in found)

    def listed(self, name: str, length: int | None) -> list[Json] | None:
        """A list, one entry for each layer if a length is given; entries for prediction layers behind are left out."""
        found = self.value(name)
        if found is None:
            return None
        if not isinstance(found, list):
            raise self.wrong(name, found, Text("not a list"), Text("Write one entry for each layer."))
        if length is None:
            return found
        behind = len(found) - length
        if behind and behind != self.whole("prediction_layers", 0, least=0):
            raise Contradiction(
                Text(
                    "{file}: {key} has {n:integer} entries for {layers:integer} layers.",
                    file=self.file,
                    key=self.key(name),
                    n=len(found),
                    layers=length,
                ),
                Text("Mend the list or {key}.", key=self.key("layers")),
            )
        return found[:length]

    def section(self, key: str) -> Fields:
        """The nested object under a key; an empty one if the file has none."""
        found = self.raw.get(key)
        if found is None:
            return Fields({}, self.file)
        if isinstance(found, dict):
            return Fields(found, self.file)
        raise self.wrong(key, found, Text("not an object"), Text("Write its keys in braces."))

    def layers(self) -> int:
        """Decoder layers."""
        return self.whole("layers", most=MOST_LAYERS)

    def head_dim(self) -> int:
        """Width of one head: as the file says, or hidden width over heads, which must divide it."""
        stated = self.optional("head_dim")
        if stated is not None:
            return stated
        hidden, heads = self.whole("hidden"), self.whole("heads")
        self.divides("heads", heads, "hidden", hidden)
        return hidden // heads

    def divides(self, part: str, parts: int, whole: str, value: int) -> None:
        """One number divides another; `Contradiction` says which does not."""
        if value % parts:
            raise Contradiction(
                Text(
                    "{file}: {part} = {parts:integer} does not divide {whole} = {value:integer}.",
                    file=self.file,
                    part=self.key(part),
                    parts=parts,
                    whole=self.key(whole),
                    value=value,
                ),
                Text("Mend one of them."),
            )

    def wrong(self, name: str, value: Json, what: Text, remedy: Text) -> UnreadableValue:
        """The error for a value that does not read: file, key, value, what it is not, and the remedy."""
        written = repr(value) if isinstance(value, str) else str(value)
        return UnreadableValue(
            Text(
                "{file}: {key} = {value} is {what}.",
                file=self.file,
                key=self.key(name),
                value=shown(written),
                what=what,
            ),
            remedy,
        )

    def _whole(self, name: str, found: Json, least: int, most: int) -> int:
        if type(found) is int and least <= found <= most:
            return found
        if isinstance(found, str | bool | list | dict):
            what = Text("not a number")
        elif not isinstance(found, int):
            what = Text("not a whole number")
        else:
            what = Text("too small") if found < least else Text("too large")
        raise self.wrong(
            name,
            found,
            what,
            Text("Write a whole number from {least:integer} to {most:integer}.", least=least, most=most),
        )
