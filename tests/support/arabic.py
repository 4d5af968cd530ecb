"""What tests of Arabic share."""

from __future__ import annotations

import unicodedata

from cardyears.render.locale import compile as compiler

FILES = sorted(compiler.HERE.glob(f"*/LC_MESSAGES/{compiler.DOMAIN}.po"))


def visible(text: str) -> str:
    """Text without marks of writing direction."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")
