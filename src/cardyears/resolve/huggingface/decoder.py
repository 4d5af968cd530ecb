"""How do a config and a family become an architecture? Mixers and channel mixers by layer, equal neighbours merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from cardyears.resolve.huggingface.family import Family, trait
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.architecture import Architecture, Layer, prediction_layer


def merged(layers: Iterable[Layer]) -> tuple[tuple[Layer, int], ...]:
    """Equal neighbours as one layer and a count.

    >>> merged([]) == ()
    True
    """
    return tuple((layer, len(list(run))) for layer, run in groupby(layers))


def decoder(fields: Fields, family: Family) -> Architecture:
    """A decoder of layers that all have the family's norms."""
    return architecture(fields, family, plain_layers(fields, family))


def plain_layers(fields: Fields, family: Family) -> Iterator[Layer]:
    """Each layer with its mixer, its channel mixer and the family's norms."""
    assert family.mixers is not None  # the table of families says how, or has a reader of its own
    assert family.channels is not None
    count = fields.layers()
    norms, scales = _norms(fields, family), family.scales(fields) if family.scales else 0
    kinds: dict[tuple[int, int], Layer] = {}
    for pair in zip(family.mixers(fields, family, count), family.channels(fields, family, count), strict=True):
        key = (id(pair[0]), id(pair[1]))
        if key not in kinds:
            kinds[key] = Layer(*pair, norms, scales=scales)
        yield kinds[key]


def _norms(fields: Fields, family: Family) -> int:
    key, otherwise = family.norms_if or ("", 0)
    return otherwise if key and fields.flag(key) else family.norms


def architecture(fields: Fields, family: Family, layers: Iterable[Layer]) -> Architecture:
    """Layers with the embedding, the head and the norms around them; and prediction layers like the last one."""
    hidden = fields.whole("hidden")
    kinds = merged(layers)
    ahead = fields.whole("prediction_layers", 0, least=0, most=1_000)
    rows = family.position_rows
    return Architecture(
        fields.file,
        hidden,
        fields.whole("vocab"),
        kinds,
        tied=fields.flag("tied"),
        positions=0 if rows is None else fields.whole("positions") + rows,
        norm_vectors=family.norm_vectors,
        layer_norms=family.layer_norms,
        alibi=family.alibi,
        embedding_norm=family.embedding_norm,
        head_bias=trait(fields, family.head_bias),
        final_norm=family.final_norm,
        prediction=((prediction_layer(kinds[-1][0], hidden), ahead),) if ahead else (),
    )
