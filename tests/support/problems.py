"""Random architectures, recipes, layouts and lengths."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from cardyears.layout.layout import Layout
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.mixers import Attention, LatentAttention, Mixer
from cardyears.work.state import RECIPES, Training

few = settings(max_examples=40, deadline=None, derandomize=True)

# Random problems

whole = st.integers
flags = st.booleans()
windows = st.none() | whole(16, 8_192)


@st.composite
def attentions(draw: st.DrawFn, *, biases: bool = True) -> Attention:
    """Multi-head, grouped-query or multi-query attention."""
    kv_heads = draw(whole(1, 8))
    return Attention(
        kv_heads * draw(whole(1, 8)),
        kv_heads,
        draw(st.sampled_from((16, 64, 80, 128))),
        qkv_bias=biases and draw(flags),
        output_bias=biases and draw(flags),
        qk_norm=draw(st.sampled_from(("none", "head", "hidden"))),
        window=draw(windows),
        sinks=biases and draw(flags),
    )


latents = st.builds(
    LatentAttention,
    heads=whole(1, 32),
    kv_rank=whole(16, 512),
    rope_dim=whole(16, 64),
    nope_dim=whole(16, 128),
    value_dim=whole(16, 128),
    q_rank=st.none() | whole(16, 1_536),
    window=windows,
)


@st.composite
def channels(draw: st.DrawFn, *, biases: bool = True) -> Channel:
    """An MLP, or routed and shared experts."""
    gated, bias = draw(flags), biases and draw(flags)
    if draw(flags):
        return Mlp(draw(whole(16, 8_192)), gated, bias)
    count = draw(whole(1, 64))
    shared = draw(whole(0, 2_048))
    return Experts(
        count,
        draw(whole(1, count)),
        draw(whole(16, 2_048)),
        gated,
        shared_width=shared,
        shared_gate=shared > 0 and draw(flags),
        router_bias=biases and draw(flags),
        bias=bias,
    )


@st.composite
def layers(draw: st.DrawFn, *, biases: bool = True) -> tuple[tuple[Layer, int], ...]:
    """One to three kinds of layer, each so many times."""
    mixers: st.SearchStrategy[Mixer] = attentions(biases=biases) | latents
    kinds = st.builds(Layer, mixers, channels(biases=biases), whole(1, 4))
    return tuple(draw(st.lists(st.tuples(kinds, whole(1, 12)), min_size=1, max_size=3)))


@st.composite
def architectures(draw: st.DrawFn, *, biases: bool = True) -> Architecture:
    """A decoder, dense or with experts."""
    return Architecture(
        "random",
        64 * draw(whole(1, 64)),
        draw(whole(256, 200_000)),
        draw(layers(biases=biases)),
        tied=draw(flags),
        positions=draw(st.sampled_from((0, 1_024))),
        norm_vectors=draw(whole(0, 2)),
        embedding_norm=draw(flags),
        head_bias=biases and draw(flags),
    )


trainings = st.builds(
    Training,
    st.sampled_from(("pretrain", "full", "lora", "qlora")),
    st.sampled_from(list(RECIPES.values())),
    whole(1, 256),
)
layouts = st.builds(
    Layout,
    dp=whole(1, 64),
    zero=st.sampled_from((0, 1, 2, 3)),
    recompute=st.sampled_from(("none", "selective", "full")),
    kernel=st.sampled_from(("flash", "eager")),
    chunked_loss=flags,
    micro_batch=whole(1, 16),
)
lengths = whole(1, 32_768)
length_lists = st.lists(lengths.map(float), min_size=2, max_size=4)
batch_lists = st.lists(whole(1, 64).map(float), min_size=2, max_size=4)
amounts = st.floats(1e-3, 1e26)
amount_lists = st.lists(amounts, min_size=2, max_size=4)
