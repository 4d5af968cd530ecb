"""An answer as a fragment of HTML, for notebooks: the text of the terminal in its columns."""

from __future__ import annotations

from html import escape
from typing import Any

from cardyears.base.text import Voice
from cardyears.render.locale.voice import RIGHT_TO_LEFT
from cardyears.render.text.writers import write


def fragment(subject: Any, voice: Voice) -> str:
    """The first line as a heading, the rest in columns."""
    head, _, rest = write(subject, voice, width=100).partition("\n")
    direction = "rtl" if voice.language in RIGHT_TO_LEFT else "ltr"
    return (
        f'<section class="cardyears" dir="{direction}" lang="{voice.language}"><strong>{escape(head)}</strong>'
        f'<pre style="line-height:1.3">{escape(rest)}</pre></section>'
    )
