"""Is a layout legal, and if not, why not and what would be? For one layout in words, for many at once as booleans.

Both doors run the same rules (`rules`, `options`), so that what a search takes for legal is what a person is told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from cardyears.base.broadcast import where
from cardyears.base.errors import BadInput, Contradiction, listed
from cardyears.base.text import Text
from cardyears.layout.layout import Layout
from cardyears.layout.mend import advice, candidates
from cardyears.layout.options import BATCH, SEQUENCE, STATE
from cardyears.layout.partial import PartialLayout, filled
from cardyears.layout.rules import DEGREES, LARGEST, MACHINE, SCHEDULE, SHAPE, whole
from cardyears.layout.site import Site

if TYPE_CHECKING:
    from cardyears.layout.rules import Truth

RULES = (*SHAPE, *SCHEDULE, *MACHINE, *SEQUENCE, *STATE, *BATCH)
"""In the order in which they are told: the first broken one is the error."""


def complete(said: PartialLayout, site: Site, defaults: Layout | None = None) -> Layout:
    """The layout that was said, with everything else filled in; `BadInput` says why there is none.

    `defaults` has what the engine does when nothing is said: precision, kernel, ZeRO stage and so on.

    >>> from cardyears.layout.site import site as at
    >>> from cardyears.work.architecture import LLAMA3_8B
    >>> cluster = at(LLAMA3_8B, devices=64, per_node=8, seq_len=8_192, global_batch=512)
    >>> layout = complete(PartialLayout(tp=2, pp=4), cluster)
    >>> layout.dp, layout.micro_batch, layout.accumulation
    (8, 1, 64)
    >>> complete(PartialLayout(tp=6), cluster)
    Traceback (most recent call last):
    cardyears.base.errors.Contradiction: tp = 6 does not divide 32 heads. Try tp = 1, 2, 4, 8, 16 or 32.
    """
    usual = defaults or Layout()
    layout, ground = _laid(said, site, usual)
    broken = _first_broken(layout, ground)
    if broken is not None:
        raise _error(broken, said, site, usual)
    return layout


def refusal(layout: Layout, site: Site) -> BadInput | None:
    """Why one complete layout is not legal, or None.

    >>> from cardyears.layout.site import Shape
    >>> print(refusal(Layout(pp=4), Site(shape=Shape(2), devices=4, per_node=4, seq_len=2_048)))
    pp = 4 is more than the model's 2 layers: the last stage would be empty. Try pp = 1 or 2.
    """
    fields = {key: getattr(layout, key) for key in layout.__struct_fields__}
    try:
        complete(PartialLayout(**fields), site)
    except BadInput as error:
        return error
    return None


def legal(layout: Layout, site: Site) -> Truth:
    """Whether each of many layouts is legal, element by element; words are the same for all of them.

    >>> import numpy as np
    >>> from cardyears.layout.site import Shape
    >>> ground = Site(shape=Shape(32, heads=(32,)), devices=8, per_node=8, seq_len=2_048)
    >>> legal(Layout(tp=np.array([1.0, 2.0, 6.0]), dp=np.array([8.0, 4.0, 1.0])), ground)
    array([ True,  True, False])
    """
    sound: Truth = True
    clean: dict[str, Any] = {}
    for key in DEGREES:
        value = getattr(layout, key)
        if value is not None:
            fits = whole(value)
            sound = sound & fits
            clean[key] = where(fits, value, 1)
    checked = msgspec.structs.replace(layout, **clean)  # so that no rule divides by zero
    for rule in RULES:
        if not rule.implied:
            sound = sound & rule.holds(checked, site)
    return sound


def _laid(said: PartialLayout, site: Site, defaults: Layout) -> tuple[Layout, Site]:
    """The layout with everything filled in, and the site with the batch that was said."""
    batch = said.global_batch if said.global_batch is not None else site.global_batch
    for key in (*DEGREES, "global_batch"):
        value = batch if key == "global_batch" else getattr(said, key)
        if value is not None and not whole(value):
            raise _not_whole(key, value)
    ground = msgspec.structs.replace(site, global_batch=batch)
    return filled(said, ground, defaults), ground


def _not_whole(key: str, value: float) -> BadInput:
    near = int(min(max(1.0, value), LARGEST)) if math.isfinite(value) else 1
    return Contradiction(
        Text("{key} = {value} is not a whole number from 1 to {most:count}.", key=key, value=str(value), most=LARGEST),
        advice(key, [near], value),
    )


def _first_broken(layout: Layout, site: Site) -> int | None:
    """The place in `RULES` of the first that does not hold."""
    return next((place for place, rule in enumerate(RULES) if not rule.holds(layout, site)), None)


def _error(place: int, said: PartialLayout, site: Site, defaults: Layout) -> BadInput:
    """The sentence for the rule in this place and the remedy: what makes all well, or else gets past this rule."""
    rule = RULES[place]
    layout, ground = _laid(said, site, defaults)
    past: list[tuple[str, list[Any]]] = []
    for key in rule.mends:
        reached = [(value, _reach(key, value, said, site, defaults)) for value in candidates(key, layout, ground)]
        well = [value for value, at in reached if at == len(RULES)]
        if well:
            return Contradiction(rule.broken(layout, ground), advice(key, well, _current(key, layout, ground)))
        past.append((key, [value for value, at in reached if at > place]))
    remedies = [advice(key, values, _current(key, layout, ground)) for key, values in past if values]
    if not remedies:
        other = rule.otherwise or (
            lambda *_: Text("No single one of {keys} mends it: change several.", keys=listed(rule.mends))
        )
        remedies = [other(layout, ground)]
    return Contradiction(rule.broken(layout, ground), remedies[0])


def _current(key: str, layout: Layout, site: Site) -> Any:
    return site.global_batch if key == "global_batch" else getattr(layout, key)


def _reach(key: str, value: Any, said: PartialLayout, site: Site, defaults: Layout) -> int:
    """How many rules hold, in order, with another value of one key."""
    layout, ground = _laid(msgspec.structs.replace(said, **{key: value}), site, defaults)
    broken = _first_broken(layout, ground)
    return len(RULES) if broken is None else broken
