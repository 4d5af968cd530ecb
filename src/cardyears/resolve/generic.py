"""From a size alone, or from depth and width, to a sensible modern decoder."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from cardyears.base.errors import Contradiction
from cardyears.base.text import Text
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Experts, Mlp
from cardyears.work.mixers import Attention
from cardyears.work.params import total_parameters

GENERIC_VOCAB = 32_000
"""Llama's tokenizer: the commonest vocabulary of open decoders up to 2023."""
SMALL_VOCAB = 4_096
"""For models below 30 million parameters, which a larger embedding would eat up (TinyStories trains such ones)."""
MANY_EXPERTS = 64
"""From so many experts on a token takes eight of them, as in Qwen3 and DeepSeek-V3; below, two, as in Mixtral."""


class Build(msgspec.Struct, frozen=True):
    """What a person fixes of a generic decoder; the rest follows from its size and the usual proportions."""

    depth: int | None = None
    width: int | None = None
    heads: int | None = None
    experts: int | None = None

    def __bool__(self) -> bool:
        return any((self.depth, self.width, self.heads, self.experts))


def generic_decoder(parameters: float, build: Build = Build()) -> Architecture:  # noqa: B008 - it is frozen
    """A Llama-like decoder of about so many parameters, with what `build` fixes.

    Rotary embedding, RMSNorm, gated MLP of 8/3 the width, 32,000 tokens of vocabulary; the head is tied below a
    billion parameters, keys and values are grouped by four above three billion. Width over depth grows from about
    64 at 100 million to 128 at 7 billion, as in GPT-2, Pythia and Llama. Of all widths the shape nearest to the wanted
    size and to that proportion is taken. With experts the size is what one token passes through: the MLP is cut into
    the chosen experts.

    >>> arch = generic_decoder(6.74e9)
    >>> arch.hidden, arch.layer_count, round(total_parameters(arch) / 1e9, 1)
    (4096, 37, 6.8)
    >>> generic_decoder(6.74e9, Build(depth=32)).hidden
    4608
    """
    shapes = (_llama_like(parameters, width, build) for width in _widths(parameters, build))
    best = min((arch for arch in shapes if arch is not None), key=lambda arch: _unfitness(arch, parameters, build))
    return best if build.experts is None else _with_experts(best, build.experts)


def size_of(build: Build) -> float:
    """Parameters of the decoder that depth and width alone describe: 12·L·d² and its embedding."""
    depth, width = build.depth or 1, build.width or 1
    blocks = 12.0 * depth * width * width
    return blocks + (GENERIC_VOCAB if blocks > 3e7 else SMALL_VOCAB) * width


def _widths(parameters: float, build: Build) -> Iterator[int]:
    """Widths that may be meant: the one that was named, or all around the likely one in steps of heads."""
    if build.width is not None:
        yield build.width
        return
    head_dim, step = _head_dim(parameters), 1 if parameters < 1e8 else 2 if parameters < 1e9 else 4
    if build.depth is None:
        likely = (parameters * _usual_aspect(parameters) / 12) ** (1 / 3)  # N = 12·L·d² and d/L = aspect
    else:
        likely = math.sqrt(parameters / (12 * build.depth))
    step *= math.lcm(head_dim, build.heads) if build.heads else head_dim
    first, last = int(likely * 0.6 / step) * step, int(likely * 1.5) + step
    yield from range(max(step, first), last + 1, step)


def _head_dim(parameters: float) -> int:
    return 64 if parameters < 1e9 else 128


def _unfitness(arch: Architecture, parameters: float, build: Build) -> float:
    """How far a shape is from the wanted size, and, an eighth as important, from the usual proportion."""
    miss = 8 * abs(total_parameters(arch) / parameters - 1)
    if build.depth is not None:
        return miss
    return miss + abs(arch.hidden / arch.layer_count / _usual_aspect(parameters) - 1)


def _usual_aspect(parameters: float) -> float:
    """Width over depth of published decoders of a size: GPT-2 small 64, Llama 7B 128, Llama 3.1 405B 130."""
    return 128 * min(1.6, math.pow(parameters / 7e9, 0.16))


def _llama_like(parameters: float, hidden: int, build: Build) -> Architecture | None:
    """The shape of this width whose depth comes nearest to the wanted size; None if one layer is already too much."""
    heads = build.heads or _dividing(hidden, max(1, hidden // _head_dim(parameters)))
    if hidden % heads:
        raise Contradiction(
            Text("{heads:integer} heads do not divide a width of {width:integer}.", heads=heads, width=hidden),
            Text("Name another width or number of heads."),
        )
    step = 256 if hidden >= 1_024 else 64
    ffn = max(step, round(hidden * 8 / 3 / step) * step)
    grouped = parameters > 3e9 and heads % 4 == 0
    layer = Layer(Attention(heads, heads // 4 if grouped else heads, hidden // heads), Mlp(ffn, gated=True))
    vocab = GENERIC_VOCAB if parameters >= 3e7 else SMALL_VOCAB

    def shape(layers: int) -> Architecture:
        return Architecture("generic", hidden, vocab, ((layer, layers),), tied=parameters < 1e9)

    if build.depth is not None:
        return shape(build.depth)
    one, two = total_parameters(shape(1)), total_parameters(shape(2))
    layers = round((parameters - one) / (two - one)) + 1
    return shape(layers) if layers >= 1 else shape(1) if build.width or hidden <= _head_dim(parameters) else None


def _dividing(hidden: int, likely: int) -> int:
    """The number of heads next below the likely one that divides the width."""
    return next(heads for heads in range(likely, 0, -1) if hidden % heads == 0)


def _with_experts(arch: Architecture, count: int) -> Architecture:
    """The same decoder whose every MLP is cut into the experts that a token takes, of so many."""
    layer, times = arch.layers[0]
    assert isinstance(layer.channel, Mlp)
    chosen = min(count, 8 if count >= MANY_EXPERTS else 2)
    experts = Experts(count, chosen, max(1, layer.channel.width // chosen), gated=True)
    return msgspec.structs.replace(arch, layers=((msgspec.structs.replace(layer, channel=experts), times),))
