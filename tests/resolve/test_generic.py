"""A decoder of which only the size is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardyears import check, params
from cardyears.base.errors import UnreadableValue
from cardyears.resolve.generic import generic_decoder
from cardyears.resolve.models import LARGEST, SMALLEST
from cardyears.work.architecture import Architecture
from cardyears.work.channels import Mlp
from cardyears.work.mixers import Attention
from cardyears.work.params import total_parameters

many = settings(max_examples=150, deadline=None, derandomize=True)
sizes = st.floats(6, 12).map(lambda power: 10.0**power)
"""From a million to a trillion parameters, as likely at every scale."""


def parts(arch: Architecture) -> tuple[Attention, Mlp]:
    """The mixers of the one kind of layer that a generic decoder has."""
    (layer, _), *others = arch.layers
    assert not others
    assert isinstance(layer.mixer, Attention)
    assert isinstance(layer.channel, Mlp)
    return layer.mixer, layer.channel


@many
@given(sizes)
def test_a_decoder_is_within_20_percent_of_the_size_that_was_asked(size: float) -> None:
    assert total_parameters(generic_decoder(size)) == pytest.approx(size, rel=0.20)


@many
@given(sizes)
def test_its_heads_make_up_its_width(size: float) -> None:
    arch = generic_decoder(size)
    attention, _ = parts(arch)
    assert attention.heads * attention.head_dim == arch.hidden


@many
@given(sizes)
def test_its_heads_are_64_or_128_wide(size: float) -> None:
    assert parts(generic_decoder(size))[0].head_dim in (64, 128)


@many
@given(sizes)
def test_its_key_heads_divide_its_heads(size: float) -> None:
    attention, _ = parts(generic_decoder(size))
    assert attention.heads % attention.kv_heads == 0


@many
@given(sizes)
def test_its_mlp_is_gated_and_about_8_thirds_as_wide_as_the_model(size: float) -> None:
    arch = generic_decoder(size)
    _, mlp = parts(arch)
    assert mlp.gated
    assert mlp.width / arch.hidden == pytest.approx(8 / 3, rel=0.15)


@many
@given(sizes)
def test_it_is_neither_deeper_nor_wider_than_decoders_are(size: float) -> None:
    arch = generic_decoder(size)
    assert 4 < arch.hidden / arch.layer_count < 300


@many
@given(sizes, st.floats(1.5, 10))
def test_a_larger_size_gives_a_larger_decoder(size: float, factor: float) -> None:
    assert total_parameters(generic_decoder(size)) < total_parameters(generic_decoder(size * factor))


@pytest.mark.parametrize(("size", "tied"), [(124e6, True), (7e9, False)])
def test_small_decoders_share_their_embedding_with_the_head(size: float, *, tied: bool) -> None:
    assert generic_decoder(size).tied is tied


@pytest.mark.parametrize(("size", "group"), [(1e9, 1), (70e9, 4)])
def test_large_decoders_group_their_queries(size: float, group: int) -> None:
    attention, _ = parts(generic_decoder(size))
    assert attention.heads // attention.kv_heads == group


def test_a_tiny_decoder_is_not_eaten_up_by_its_vocabulary() -> None:
    arch = generic_decoder(1e6)
    assert arch.vocab * arch.hidden < 0.5 * total_parameters(arch)


@pytest.mark.parametrize("text", ["13b", "13000M", "13 billion", "13B parameters", "13,000M", "١٣ مليار"])
def test_a_size_is_a_model(text: str) -> None:
    assert params(text).total == params("13B").total


def test_an_answer_says_which_shape_it_took() -> None:
    found = {one.key: one.reason for one in check("1.3B", on="RTX 4070 Ti").assumptions}["model"]
    assert found.startswith("a Llama-like shape of that size: ")


@pytest.mark.parametrize("size", [SMALLEST / 10, LARGEST * 10])
def test_a_size_beyond_any_decoder_is_refused_with_the_sizes_that_are_not(size: float) -> None:
    with pytest.raises(UnreadableValue, match="Name a size between"):
        params(f"{size / 1e6:.6f}M")
