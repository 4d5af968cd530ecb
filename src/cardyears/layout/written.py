"""How is a layout written in one line, so that it can be pasted into `--layout`?"""

from __future__ import annotations

from cardyears.layout.layout import Layout

_ALWAYS = ("dp", "micro_batch")
_DEGREES = ("tp", "cp", "pp", "virtual_stages", "dp", "ep", "etp", "zero", "shard_group", "micro_batch")
_WORDS = {"compiled": "compile"}
_SAYS = {True: "yes", False: "no"}


def written(layout: Layout, usual: Layout | None = None) -> str:
    """A layout as --layout takes it; what is as the engine usually has it is left out.

    >>> written(Layout(tp=8, pp=16, dp=128, zero=1, accumulation=16, recompute="full"))
    'tp=8,pp=16,dp=128,zero=1,micro_batch=1,global_batch=2048,recompute=full'
    """
    plain = usual or Layout()
    said = {key: getattr(layout, key) for key in _DEGREES}
    degrees = {
        key: int(value) for key, value in said.items() if value is not None and (value != _least(key) or key in _ALWAYS)
    }
    degrees["global_batch"] = round(float(layout.global_batch))
    words = {
        _WORDS.get(key, key): getattr(layout, key)
        for key in layout.__struct_fields__
        if key not in (*_DEGREES, "accumulation") and getattr(layout, key) != getattr(plain, key)
    }
    shown = {key: _SAYS[value] if isinstance(value, bool) else value for key, value in words.items()}
    return ",".join(f"{key}={value}" for key, value in {**degrees, **shown}.items())


def brief(layout: Layout, usual: Layout | None = None) -> str:
    """The same for a table of layouts of one batch: words that a line may be broken between.

    >>> brief(Layout(tp=8, dp=4, accumulation=2))
    'tp=8 dp=4 micro_batch=1'
    """
    parts = written(layout, usual).split(",")
    return " ".join(part for part in parts if not part.startswith("global_batch="))


def _least(key: str) -> int:
    return 0 if key == "zero" else 1
