"""Which layers have experts, and which ones? Dense MLPs and mixtures of experts by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cardyears.base.errors import Contradiction
from cardyears.base.text import Text
from cardyears.resolve.huggingface.family import Family, Routing, trait
from cardyears.resolve.huggingface.fields import Fields
from cardyears.work.channels import Channel, Experts, Mlp

DENSE, SPARSE = "dense", "sparse"
KINDS = (DENSE, SPARSE, "moe", "hash_moe")


def dense(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """The same MLP in every layer."""
    return [mlp(fields, family)] * layers


def mlp(fields: Fields, family: Family, width_name: str = "ffn") -> Mlp:
    """The dense MLP; four times the hidden width where the file leaves it to that old rule."""
    width = fields.optional(width_name) or 4 * fields.whole("hidden")
    return Mlp(width, family.gated, trait(fields, family.mlp_bias))


def routed(fields: Fields, family: Family, layers: int) -> list[Channel]:
    """Experts where the family has them, the dense MLP elsewhere."""
    routing = family.routing
    assert routing is not None  # the table of families pairs the two
    places = sparse_layers(fields, routing, layers)
    kinds: dict[bool, Channel] = {}
    for sparse in sorted(set(places)):
        kinds[sparse] = experts(fields, family, routing) if sparse else mlp(fields, family, routing.dense_width)
    return [kinds[sparse] for sparse in places]


def experts(fields: Fields, family: Family, routing: Routing) -> Experts:
    """The router, its experts and the shared ones."""
    count, top_k = fields.whole("experts"), fields.whole("top_k")
    chosen(fields, top_k, count)
    width = fields.whole(routing.width)
    return Experts(
        count,
        top_k,
        width,
        family.gated,
        shared_width=_shared_width(fields, routing, width),
        shared_gate=routing.shared_gate,
        router_bias=routing.router_bias,
        bias=trait(fields, routing.bias),
        correction=routing.correction,
        shared_bias=trait(fields, family.mlp_bias),
    )


def _shared_width(fields: Fields, routing: Routing, width: int) -> int:
    if routing.shared == "shared_experts":
        return width * fields.whole("shared_experts", 0, least=0, most=1_000)
    return fields.whole(routing.shared, 0, least=0) if routing.shared else 0


def chosen(fields: Fields, top_k: int, count: int) -> None:
    """A token cannot take more experts than there are."""
    if top_k > count:
        raise Contradiction(
            Text(
                "{file}: {k_key} = {k:integer} of {n_key} = {n:integer} experts cannot be chosen.",
                file=fields.file,
                k_key=fields.key("top_k"),
                k=top_k,
                n_key=fields.key("experts"),
                n=count,
            ),
            Text("Mend one of them."),
        )


def sparse_layers(fields: Fields, routing: Routing, layers: int) -> list[bool]:
    """Whether each layer has experts: as the config lists them, or by the family's rule."""
    stated = fields.words("mlp_layer_types", KINDS, layers)
    if stated is not None:
        return [kind != DENSE for kind in stated]
    return PLACES[routing.place](fields, layers)


def _all(fields: Fields, layers: int) -> list[bool]:  # noqa: ARG001 - other rules read the config
    return [True] * layers


def _leading(fields: Fields, layers: int) -> list[bool]:
    """Dense layers lead; behind them every `moe_layer_freq`-th has experts, or those that its list marks."""
    if isinstance(fields.value("moe_layer_freq"), list):
        return [bool(mark) for mark in fields.wholes("moe_layer_freq", layers) or ()]
    first, every = fields.whole("dense_layers", 0, least=0), fields.whole("moe_layer_freq", 1)
    return [i >= first and i % every == 0 for i in range(layers)]


def _step(fields: Fields, layers: int) -> list[bool]:
    """Every `decoder_sparse_step`-th layer, but none that `mlp_only_layers` names."""
    without, every = set(fields.wholes("mlp_only_layers") or ()), fields.whole("decoder_sparse_step", 1)
    return [i not in without and (i + 1) % every == 0 for i in range(layers)]


def _interleaved(fields: Fields, layers: int) -> list[bool]:
    """Every `interleave_moe_layer_step`-th layer, or those that `moe_layers` names."""
    stated = fields.wholes("moe_layers")
    if stated is not None:
        named = set(stated)
        return [i in named for i in range(layers)]
    every = fields.whole("interleave_moe_layer_step", 1)
    return [(i + 1) % every == 0 for i in range(layers)]


def _span(fields: Fields, layers: int) -> list[bool]:
    """From a first to a last layer (-1: the last of all), at an interval. Source: ERNIE 4.5."""
    first, every = fields.whole("moe_layer_start_index", 1, least=0), fields.whole("moe_layer_interval", 1)
    last = fields.whole("moe_layer_end_index", -1, least=-1)
    last = layers - 1 if last == -1 else last
    return [first <= i <= last and (i + 1) % every == 0 for i in range(layers)]


def _named(fields: Fields, layers: int) -> list[bool]:
    """The layers that `moe_layers_enum` names ("3,4,5"), or all from the fourth on. Source: Step 3.5."""
    named = fields.value("moe_layers_enum")
    if named is None:
        first = fields.whole("dense_layers", 3, least=0)
        return [i >= first for i in range(layers)]
    words = named.split(",") if isinstance(named, str) else named if isinstance(named, list) else [named]
    numbers = {int(word) for word in map(str, words) if word.strip().isdecimal()}
    return [i in numbers for i in range(layers)]


PLACES: Mapping[str, Callable[[Fields, int], list[bool]]] = {
    "all": _all,
    "leading": _leading,
    "step": _step,
    "interleaved": _interleaved,
    "span": _span,
    "named": _named,
}
"""Where a family's experts are when the config has no list; `Routing.place` names one."""
