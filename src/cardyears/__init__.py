"""Can this hardware train that model? Fits, fast enough, connected enough, with every number's source.

    >>> import cardyears
    >>> cardyears.check("gpt-3", on="RTX 4070 Ti", duration="1y").verdict.overall
    'no'

Importing this package is cheap: a function loads what it needs when it is first touched.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as type checkers read it; importing typing would take longer than all the rest

if TYPE_CHECKING:
    from cardyears.api.functions import audit as audit
    from cardyears.api.functions import check as check
    from cardyears.api.functions import devices as devices
    from cardyears.api.functions import estimate as estimate
    from cardyears.api.functions import flops as flops
    from cardyears.api.functions import instead as instead
    from cardyears.api.functions import models as models
    from cardyears.api.functions import need as need
    from cardyears.api.functions import params as params
    from cardyears.api.functions import plan as plan
    from cardyears.api.functions import prices as prices
    from cardyears.api.functions import reconcile as reconcile
    from cardyears.api.functions import runs as runs
    from cardyears.api.functions import sources as sources
    from cardyears.api.functions import validate as validate
    from cardyears.base.errors import CardyearsError as CardyearsError

__version__ = "0.1.0"

__all__ = [
    "CardyearsError",
    "__version__",
    "audit",
    "check",
    "devices",
    "estimate",
    "flops",
    "instead",
    "models",
    "need",
    "params",
    "plan",
    "prices",
    "reconcile",
    "runs",
    "sources",
    "validate",
]
_FUNCTIONS = frozenset(__all__[2:])


class _Package(type(sys)):  # type: ignore[misc]
    """A verb keeps its name where a part of the package has the same (`cardyears.estimate`).

    Python would put the part in the verb's place when it is first imported; ``from cardyears.estimate... import``
    finds the part all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _FUNCTIONS or not isinstance(value, type(sys)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _FUNCTIONS:
        return getattr(import_module("cardyears.api.functions"), name)
    if name == "CardyearsError":
        return import_module("cardyears.base.errors").CardyearsError
    raise AttributeError(f"module 'cardyears' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
