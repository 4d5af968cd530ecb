"""How many parameters has a model, and how many FLOP does its training take?"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cardyears.base.errors import MissingFigure
from cardyears.base.ledger import Ledger
from cardyears.base.text import N_, Text
from cardyears.case import Assumption
from cardyears.catalogue.load import Catalogue
from cardyears.question.question import Question
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.generic import Build
from cardyears.resolve.models import Model, model
from cardyears.resolve.resolve import sequence_length, token_count
from cardyears.work.architecture import Architecture
from cardyears.work.flops import conventions, forward_flop, model_flop, recomputed_flop, uncounted_flop
from cardyears.work.params import (
    active_parameters,
    embedding_parameters,
    matmul_parameters,
    parameters,
    prediction_parameters,
    total_parameters,
)

CONVENTION = "palm"
"""The convention that every FLOP figure of the product is in unless it says otherwise."""

CONVENTIONS: Mapping[str, tuple[str, str]] = {
    "6n": (N_("6·N, headline parameters"), "kaplan-2020"),
    "kaplan": (N_("6·N without embeddings"), "kaplan-2020"),
    "kaplan-attention": (N_("the same, with 2·L·T·d forward"), "kaplan-2020"),
    "palm": (N_("6·matmul parameters + 12·L·q·T"), "palm-2022"),
    "megatron": (N_("the same, causal half of attention"), "megatron-core"),
    "chinchilla": (N_("Chinchilla, appendix F"), "chinchilla-2022"),
    "llm-foundry-hfu": (N_("hardware FLOP: 8·N + 16·L·q·T"), "llm-foundry"),
    "narayanan-hfu": (N_("hardware FLOP: blocks recomputed, head not"), "narayanan-2021"),
}
"""What each convention counts, and who uses it."""


class ParameterCount(msgspec.Struct, frozen=True):
    """Parameters of one model by part."""

    model: str
    key: str
    parts: Ledger
    total: float
    active: float
    matmul: float
    embedding: float
    published: float | None
    source: str
    prediction: float = 0.0
    """Multi-token-prediction layers, which no total counts."""
    assumptions: tuple[Assumption, ...] = ()


class FlopCount(msgspec.Struct, frozen=True):
    """FLOP of one training run by part and by convention."""

    model: str
    key: str
    tokens: float
    seq_len: int
    forward: Ledger
    """Per token, forward, by part."""
    per_token: float
    total: float
    passes: Ledger
    """Per trained token: forward, backward, and what full recomputation would add."""
    uncounted: Ledger
    """Per token, forward: norms and multi-token-prediction layers, which are in no total."""
    conventions: Mapping[str, float]
    """Per trained token."""
    matmul: float
    total_parameters: float
    assumptions: tuple[Assumption, ...]


def count_parameters(question: Question, catalogue: Catalogue) -> ParameterCount:
    """Parameters by part, exact; `MissingFigure` for an undisclosed model."""
    assumed = Assumed({})
    found = model(question.model, catalogue, assumed, Build(**question.build))
    arch = _shape(found)
    row = catalogue.models.get(found.key)
    return ParameterCount(
        found.name,
        found.key,
        parameters(arch),
        total_parameters(arch),
        active_parameters(arch),
        matmul_parameters(arch),
        embedding_parameters(arch),
        None if row is None else row.parameters,
        found.source,
        prediction_parameters(arch),
        assumed.used,
    )


def count_flop(question: Question, catalogue: Catalogue) -> FlopCount:
    """FLOP per token and in all, by part and restated in every convention."""
    assumed = Assumed(question.assume)
    found = model(question.model, catalogue, assumed, Build(**question.build))
    arch = _shape(found)
    seq, tokens = sequence_length(question, found, assumed), token_count(question, found, assumed)
    per_token = float(model_flop(arch, seq))
    forward = forward_flop(arch, seq)
    passes = Ledger(
        forward=forward.total, backward=per_token - forward.total, recompute=recomputed_flop(arch, seq) - per_token
    )
    return FlopCount(
        found.name,
        found.key,
        tokens,
        seq,
        forward,
        per_token,
        per_token * tokens,
        passes,
        uncounted_flop(arch, seq),
        {name: float(value) for name, value in conventions(arch, seq).items()},
        matmul_parameters(arch),
        total_parameters(arch),
        assumed.used,
    )


def _shape(found: Model) -> Architecture:
    if found.readings or found.architecture is None:
        raise MissingFigure(
            Text("{model} is undisclosed: nobody has published its shape.", model=found.name),
            Text(
                "Ask for a model with a known shape, such as gpt-3, or see: cardyears check {key} --on DEVICE.",
                key=found.key,
            ),
        )
    return found.architecture
