"""Pieces that random configs are drawn from: sizes, heads, windows, experts and patterns of layers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Config = dict[str, Any]
Draw = Callable[[Random], Config]


def coin(r: Random) -> bool:
    """Heads or tails."""
    return r.random() < 0.5


def base(r: Random, layers: tuple[int, int] = (2, 5)) -> Config:
    """Sizes that every family has, with heads that divide the width."""
    head_dim, kv_heads = r.choice((32, 64)), r.choice((1, 2, 4))
    heads = kv_heads * r.choice((2, 3, 4))
    return {
        "num_hidden_layers": r.randint(*layers),
        "hidden_size": heads * head_dim,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": r.randrange(256, 1025, 32),
        "vocab_size": r.randrange(512, 4096),
        "tie_word_embeddings": coin(r),
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
    }


def own_head_dim(r: Random) -> Config:
    """Heads whose widths together are not the hidden width."""
    return {"head_dim": r.choice((32, 48, 64, 96))}


def sliding(r: Random) -> Config:
    """A window between the length at which FLOP are counted and that at which masks are looked at."""
    return {"sliding_window": r.choice((32, 48, 64, 100))}


def routed(r: Random, count: str = "num_local_experts") -> Config:
    """Experts, under the name that the family has for their number, and how many a token takes."""
    return {count: r.choice((4, 6, 8)), "num_experts_per_tok": r.randint(1, 3)}


def switches(r: Random, *keys: str) -> Config:
    """Each key true or false."""
    return {key: coin(r) for key in keys}


def without(fields: Config, *keys: str) -> Config:
    """The fields but these."""
    return {key: value for key, value in fields.items() if key not in keys}


def pattern(r: Random, layers: int, *kinds: str) -> list[str]:
    """One of the kinds for each layer, each kind at least once where there are layers enough."""
    drawn = [r.choice(kinds) for _ in range(layers)]
    drawn[: len(kinds)] = r.sample(kinds, len(kinds))[:layers]
    return drawn


def plain(*flags: str, free: bool = True, window: bool = False) -> Draw:
    """A family of the keys that most share."""

    def draw(r: Random) -> Config:
        free_heads = own_head_dim(r) if free and coin(r) else {}
        windowed = sliding(r) if window else {}
        return {**base(r), **free_heads, **switches(r, *flags), **windowed}

    return draw


def layered(*flags: str, free: bool = True) -> Draw:
    """Windows in the layers that a list names, or where the family has them by default."""

    def draw(r: Random) -> Config:
        fields = {**base(r, (4, 8)), **(own_head_dim(r) if free else {}), **sliding(r), **switches(r, *flags)}
        kinds = pattern(r, fields["num_hidden_layers"], "sliding_attention", "full_attention")
        return {**fields, "layer_types": kinds} if coin(r) else fields

    return draw
