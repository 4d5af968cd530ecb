"""Parameters as makers publish them, and activations as Korthikanti et al. derive them, term by term."""

from __future__ import annotations

import msgspec
import pytest

from cardyears import params
from cardyears.catalogue.load import load
from cardyears.work.activations import activations
from cardyears.work.architecture import GPT3_175B, Architecture, Layer
from cardyears.work.channels import Mlp
from cardyears.work.mixers import Attention

PUBLISHED = [(key, row.parameters) for key, row in load().models.items() if row.parameters is not None]


def test_most_models_have_a_published_count() -> None:
    assert len(PUBLISHED) > len(load().models) / 2


@pytest.mark.parametrize(("key", "published"), PUBLISHED, ids=[key for key, _ in PUBLISHED])
def test_the_count_of_a_model_is_the_published_one_exactly(key: str, published: int) -> None:
    assert params(key).total == published


@pytest.mark.parametrize("key", [key for key, row in load().models.items() if row.shape is not None])
def test_the_parts_of_a_model_add_up_to_its_count(key: str) -> None:
    found = params(key)
    assert sum(found.parts.values()) == found.total


# Korthikanti 2022, section 4.1: bytes that one layer keeps, in units of s·b·h (sequence, micro-batch, width).
# (term, factor, dropout mask?). GPT-3 as trained today has no dropout, so its three masks are not kept: two of
# s·b·h, and one of a·s²·b that only attention without a flash kernel has.

LAYER_TERMS = [
    ("input of q, k and v", 2, False),
    ("q and k, for QKᵀ", 4, False),
    ("v, for the average", 2, False),
    ("input of the output projection", 2, False),
    ("mask of the dropout behind attention", 1, True),
    ("input of the first MLP matrix", 2, False),
    ("input of GELU", 8, False),
    ("input of the second MLP matrix", 8, False),
    ("mask of the dropout behind the MLP", 1, True),
    ("inputs of the two layer norms", 4, False),
]
S, B = 2_048, 4
SBH = S * B * GPT3_175B.hidden
FLASH = 4 * S * B * 96
"""The flash kernel's fp32 log-sum of each head and position, which Korthikanti's formula does not know."""


def kept(arch: Architecture) -> float:
    """Bytes that one layer keeps without recomputation."""
    return float(activations(arch, S * B, S, recompute="none").total) / arch.layer_count


def changed(*, mixer: Attention | None = None, channel: Mlp | None = None, norms: int = 2) -> Architecture:
    """GPT-3 with a part of each layer exchanged."""
    layer, times = GPT3_175B.layers[0]
    return msgspec.structs.replace(
        GPT3_175B, layers=((Layer(mixer or layer.mixer, channel or layer.channel, norms), times),)
    )


def of_terms(*words: str) -> float:
    """The sum of the terms whose names have one of these words, without masks, in bytes."""
    return SBH * sum(factor for name, factor, mask in LAYER_TERMS if not mask and any(word in name for word in words))


def test_the_terms_of_the_paper_add_up_to_its_34_sbh() -> None:
    assert sum(factor for _, factor, _ in LAYER_TERMS) == 34


def test_a_layer_of_gpt_3_keeps_34_sbh_without_the_two_dropout_masks() -> None:
    masks = sum(factor for _, factor, mask in LAYER_TERMS if mask)
    assert kept(GPT3_175B) - FLASH == (34 - masks) * SBH


def test_attention_keeps_q_k_v_and_its_output() -> None:
    without = changed(mixer=Attention(0, 0, 128))
    assert kept(GPT3_175B) - kept(without) - FLASH == of_terms("q and k", "v, for", "output projection")


def test_the_mlp_keeps_what_enters_gelu_and_what_leaves_it() -> None:
    without = changed(channel=Mlp(0, gated=False))
    assert kept(GPT3_175B) - kept(without) == of_terms("GELU", "second MLP")


def test_each_norm_keeps_its_input_and_the_input_of_the_product_behind_it() -> None:
    without = changed(norms=0)
    assert kept(GPT3_175B) - kept(without) == of_terms("layer norms", "input of q", "first MLP")


def test_eager_attention_keeps_5_as2b_more() -> None:
    fused, eager = (
        activations(GPT3_175B, S * B, S, recompute="none", kernel=kernel, dropout=True).total / 96
        for kernel in ("flash", "eager")
    )
    assert eager - (fused - FLASH) == 5 * 96 * S**2 * B


def test_full_recomputation_keeps_2_sbh() -> None:
    assert activations(GPT3_175B, S * B, S, recompute="full")["activations"] / 96 == 2 * SBH
