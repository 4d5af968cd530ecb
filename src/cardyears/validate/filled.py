"""What did a measured row leave open, and what was taken for it? A name, a value, and why, in any language."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cardyears.base.text import Text

Assume = Callable[[str, object, Text], None]
"""Notes a value that the row does not say: its name, the value, and why it was taken."""


class Filled(msgspec.Struct, frozen=True, gc=False):
    """One value that the row does not say."""

    name: str
    value: str
    reason: Text

    @property
    def text(self) -> Text:
        """The value with its reason, as a page says it.

        >>> str(Filled("tp", "1", Text("not stated")).text)
        'tp=1: not stated'
        """
        return Text("{value}: {why}", value=f"{self.name}={self.value}", why=self.reason)


class Notes:
    """Collects what had to be filled in, in order."""

    def __init__(self) -> None:
        self.filled: dict[str, Filled] = {}

    def __call__(self, name: str, value: object, reason: Text) -> None:
        """Note a value that the row does not say."""
        self.filled[name] = Filled(name, str(value), reason)
