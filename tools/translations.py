"""Is every sentence translated? Collects all sentences and merges them into the catalogue of each language.

    python tools/translations.py            new sentences come in untranslated, vanished ones go, the rest stays
    python tools/translations.py --check    says what is missing, obsolete, fuzzy or has other placeholders; exit 1

Sentences are read from the syntax tree, as tokens inside f-strings differ between Pythons. A sentence that is only one
value and its unit ("{x:flop}") is left out.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import normalize, read_po

from cardyears.base.text import _TIMES
from cardyears.catalogue.load import load
from cardyears.render.locale.compile import DOMAIN
from cardyears.render.locale.compile import HERE as LOCALES
from cardyears.verbs.listing import SECTIONS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "cardyears"
REMEDY = f"Run: python tools/translations.py, then mend {LOCALES.relative_to(ROOT)}/*/LC_MESSAGES/{DOMAIN}.po."

KEYWORDS: Mapping[str, tuple[int, ...]] = {
    "Text": (1,),
    "N_": (1,),
    "translate": (1,),
    # What is read or looked for stands as ``{what:word}`` in the errors of these; recipes have a label.
    "find": (3,),
    "Recipe": (2,),
    **dict.fromkeys(("read_count", "read_duration", "read_share", "read_usd", "read_whole"), (2,)),
}
"""Functions that take a sentence, and as which argument."""

UNITS = ("FLOP", "kWh")
PLURAL_FORMS = {
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);"
}
"""As gettext and CLDR order them: zero, one, two, few, many, other. Babel's own line for Arabic has the last two
exchanged, so the header of the file has to say it."""


class Sentence(NamedTuple):
    """A sentence to translate, and the plural where it is a word that is counted."""

    msgid: str
    plural: str | None
    file: str

    @property
    def key(self) -> str | tuple[str, str]:
        """As Babel identifies it."""
        return self.msgid if self.plural is None else (self.msgid, self.plural)


def calls(file: Any, names: Any, *_: object, **__: object) -> Iterator[tuple[int, Any, Any, Any]]:
    """Calls of these functions with their literal strings: a method of extraction for Babel."""
    for node in _in_order(ast.parse(file.read())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in names and node.args:
                yield node.lineno, name, tuple(_literal(argument) for argument in node.args), []


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes as they are written; their line numbers inside f-strings differ between Pythons."""
    for child in ast.iter_child_nodes(node):
        yield child
        yield from _in_order(child)


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else None


def sentences() -> list[Sentence]:
    """All sentences, each once, in the order of files and lines."""
    plurals = {one: many for *_, one, many in _TIMES}
    found: dict[str, Sentence] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for _, message, _, _ in extract(calls, io.BytesIO(path.read_bytes()), KEYWORDS):
            text = str(message)
            counted = text in plurals.values() and name.endswith("base/text.py")
            if not counted and not only_a_value(text):
                found.setdefault(text, Sentence(text, plurals.get(text), name))
    for text in _words_of_the_catalogue():
        found.setdefault(text, Sentence(text, None, "src/cardyears/catalogue/data"))
    return list(found.values())


def _words_of_the_catalogue() -> Iterator[str]:
    """Names of its sections, readings of undisclosed models, and names that hold English words."""
    known = load()
    yield from (*SECTIONS, "prices")
    yield from (reading.label for row in known.models.values() for reading in row.readings)
    named = [row for row in known.runs.values() if row.landmark or row.kind == "estimate"]
    for row in (*named, *known.shares.values(), *known.engines.values(), *known.links.values()):
        if re.search(r"\b[a-z]{2,}\b", row.name):
            yield row.name


def only_a_value(msgid: str) -> bool:
    """Whether nothing is left to translate or to put in order beside one value and its unit."""
    words = [word for text, *_ in string.Formatter().parse(msgid) for word in text.split()]
    return len(placeholders(msgid)) <= 1 and all(word in UNITS for word in words)


def placeholders(text: str) -> set[str]:
    """The ``name:format`` of every value in a sentence."""
    return {f"{name}:{spec}" for _, name, spec, _ in string.Formatter().parse(text) if name is not None}


def catalogues() -> list[Path]:
    """The catalogue of every language; a new folder LANGUAGE/LC_MESSAGES starts one."""
    return [folder / f"{DOMAIN}.po" for folder in sorted(LOCALES.glob("*/LC_MESSAGES"))]


def read(path: Path) -> Catalog:
    """A catalogue as it stands; an empty one where there is none yet."""
    if not path.exists():
        return Catalog(path.parent.parent.name, DOMAIN)
    return read_po(io.BytesIO(path.read_bytes()), path.parent.parent.name, DOMAIN)


def faults(path: Path, wanted: Iterable[Sentence]) -> Iterator[str]:
    """What is wrong with one catalogue, a line each."""
    known, where = read(path), path.parent.parent.name
    keys = {sentence.key for sentence in wanted}
    for sentence in wanted:
        message = known.get(sentence.msgid)
        if message is None or message.id != sentence.key or not all(_forms(message) or ("",)):
            yield f"{where}: missing: {sentence.msgid!r}"
        elif message.fuzzy:
            yield f"{where}: fuzzy: {sentence.msgid!r}"
        elif any(_differs(sentence, form) for form in _forms(message)):
            yield f"{where}: other placeholders: {sentence.msgid!r}"
    there = [message.id for message in (*known, *known.obsolete.values()) if message.id]
    yield from (f"{where}: obsolete: {msgid!r}" for msgid in there if msgid not in keys)


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _differs(sentence: Sentence, form: str) -> bool:
    """Whether a translation has other values; a form for one or two may leave its number out."""
    try:
        have, want = placeholders(form), placeholders(sentence.msgid)
    except ValueError:  # a brace that does not close
        return True
    return not have <= want if sentence.plural else have != want


def merged(path: Path, wanted: Iterable[Sentence]) -> str:
    """The text of a catalogue with every sentence and the translations that it has; without lines and dates."""
    known, language = read(path), path.parent.parent.name
    head = {"Language": language, "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"}
    head |= {"Content-Transfer-Encoding": "8bit", "Plural-Forms": PLURAL_FORMS.get(language, known.plural_forms)}
    parts = ['msgid ""\nmsgstr ""\n' + "".join(f'"{name}: {value}\\n"\n' for name, value in head.items())]
    for sentence in wanted:
        message = known.get(sentence.msgid)
        kept = message is not None and message.id == sentence.key and not message.fuzzy
        forms = _forms(message) if message and kept else ("",) * (known.num_plurals if sentence.plural else 1)
        lines = [f"#: {sentence.file}", f"msgid {normalize(sentence.msgid, width=0)}"]
        if sentence.plural is not None:
            lines.append(f"msgid_plural {normalize(sentence.plural, width=0)}")
        numbers = [""] if sentence.plural is None else [f"[{number}]" for number in range(len(forms))]
        lines += [f"msgstr{number} {normalize(form, width=0)}" for number, form in zip(numbers, forms, strict=True)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Check, or merge."""
    wanted = sentences()
    if "--check" in arguments:
        found = [line for path in catalogues() for line in faults(path, wanted)]
        print("\n".join([*found, REMEDY] if found else [f"{len(wanted)} sentences, all translated."]))
        return int(bool(found))
    for path in catalogues():
        print(*faults(path, wanted), f"{path.relative_to(ROOT)}: {len(wanted)} sentences.", sep="\n")
        path.write_text(merged(path, wanted), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
