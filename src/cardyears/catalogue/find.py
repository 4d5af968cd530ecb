"""Which row of the catalogue is meant by this name?

People write "4070ti", "A100 80", "llama 3.1 8b", "meta-llama/Llama-3.1-8B". A name is cut into runs of letters and
numbers, so spacing and hyphens do not matter, while "3.1" stays one number that is neither "31" nor "3".
Tried in this order: the name as it stands, a family's commonest variant, the name without filler such as "RTX" or
"GPU", and last every row that has all the words. It guesses nothing: the nearest names go into the error's remedy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from cardyears.base.errors import AmbiguousName, UnknownName, listed, shown
from cardyears.base.text import Text

LONGEST = 200
SHORTEST = 2
"""Letters and digits of the shortest query that may be a part of a name: "5" means nothing, "T4" does."""
REMEMBERED = 64
"""Names whose rows are not looked for again: `need` asks for the same model some thousand times."""
LISTED = frozenset({"models", "devices", "runs", "prices", "sources"})
"""What has a command of its own that lists it."""

_VENDORS = frozenset(
    {
        "nvidia",
        "geforce",
        "tesla",
        "quadro",
        "amd",
        "radeon",
        "instinct",
        "intel",
        "google",
        "apple",
        "meta",
        "openai",
        "microsoft",
    }
)
_FILLER = frozenset(
    {"rtx", "gtx", "rx", "gpu", "gpus", "card", "cards", "graphics", "instruct", "chat", "base", "hf", "it"}
)
"""Words that rarely tell two rows apart: ignored when the name as it stands is nowhere."""
_UNSEARCHED = frozenset({"note", "where", "source"})


class Named(Protocol):
    """What a row must have to be found; `stands_for` and `memory_gib` are looked at where a row has them."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def aliases(self) -> Sequence[str]:
        """Other names."""


class Match(msgspec.Struct, frozen=True):
    """The row that was meant."""

    key: str
    assumed_variant: bool = False
    """A family was named, and this is its commonest variant: the answer says so."""
    near: tuple[str, ...] = ()
    """Names of the other variants that might have been meant."""


def find(query: str, rows: Mapping[str, Named], what: str) -> Match:
    """The row that a name means. `what` is the plural in messages: devices, models, links.

    Raises `AmbiguousName` with the candidates, or `UnknownName` with the nearest names.
    """
    return Match(query) if query in rows else _match(query, _Rows(rows), what)


class _Rows:
    """Rows as the key of a cache: equal only to themselves, and kept as long as the cache holds them."""

    def __init__(self, rows: Mapping[str, Named]) -> None:
        self.rows = rows

    def __hash__(self) -> int:
        return id(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and self.rows is other.rows


@lru_cache(maxsize=REMEMBERED)
def _match(query: str, among: _Rows, what: str) -> Match:
    rows = among.rows
    words = _words(query) if len(query) <= LONGEST else []
    if not words:
        raise UnknownName(
            rule=Text('"{query}" is no name of {what:word}.', query=shown(query), what=what),
            remedy=_listing(rows, what),
        )
    found = _Found(words, rows)
    if found.named == found.family and not _as_written(query, found.named, rows):
        found.named.clear()  # "GPT-2" is a family, though "openai-community/gpt2" is one model
    for keys, assumed in ((found.named, False), (found.family, True), (found.loose, False)):
        if len(keys) == 1:
            near = [row.name for key, row in found.hits.items() if key not in keys] if assumed else []
            return Match(keys[0], assumed, tuple(near))
        if keys:
            raise _ambiguous(query, [rows[key].name for key in keys], what)
    return _only(query, words, found, rows, what)


def _only(query: str, words: list[str], found: _Found, rows: Mapping[str, Named], what: str) -> Match:
    """The one row with all the words, or the one among them that its family's name stands for."""
    hits, spaced = found.hits, _spaced(words)
    standard = [key for key, row in hits.items() if any(_has(spaced, _words(name)) for name in _families(row))]
    if len(hits) == 1 or len(standard) == 1:
        chosen = standard[0] if len(standard) == 1 else next(iter(hits))
        near = tuple(row.name for key, row in hits.items() if key != chosen)
        return Match(chosen, bool(near), near)
    if hits:
        raise _ambiguous(query, [row.name for row in hits.values()], what)
    raise _unknown(query, words, rows, what)


class _Found:
    """The rows that a query's words lead to, by how well they fit."""

    def __init__(self, words: list[str], rows: Mapping[str, Named]) -> None:
        self.named: list[str] = []
        self.family: list[str] = []
        self.loose: list[str] = []
        self.hits: dict[str, Named] = {}
        bare = _without_filler(words)
        form, bare_form = _form(words), _form(bare)
        signs = [part if part[0].isdigit() else part[:2] for part in _parts(bare)]
        for key, row in rows.items():
            names = [_words(name) for name in _names(key, row) if _may_fit(name, signs)]
            families = [_words(name) for name in _families(row) if _may_fit(name, signs)]
            if any(_form(name) == form for name in names):
                self.named.append(key)
            if any(_form(_without_filler(name)) == bare_form for name in families):
                self.family.append(key)
            if any(_form(_without_filler(name)) == bare_form for name in names):
                self.loose.append(key)
            if any(_has(_spaced(name), bare) and _numbers_whole(name, bare) for name in names):
                self.hits[key] = row


def search(query: str, rows: Mapping[str, object]) -> tuple[str, ...]:
    """Keys of the rows that have every word of the query in any of their texts; all rows for an empty query.

    The beginning of a word is enough, so that a list can narrow while someone types.
    """
    words = [" ".join(_parts([word])) for word in _cut(query)] if len(query) <= LONGEST else [query]
    return tuple(key for key, row in rows.items() if all(f" {word}" in _all_text(key, row) for word in words))


def _all_text(key: str, row: object) -> str:
    fields: tuple[str, ...] = getattr(row, "__struct_fields__", ("name", "aliases", "stands_for"))
    values = [getattr(row, field, "") for field in fields if field not in _UNSEARCHED]
    texts = [text for value in values for text in (value if isinstance(value, tuple) else (value,))]
    return _spaced(_cut(" ".join([key, *(text for text in texts if isinstance(text, str))])))


def _cut(text: str) -> list[str]:
    """Lower-case words, at spaces and marks: "llama-3.1-8B" is llama, 3.1, 8b and "A100 80GB" is a100, 80."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    text = re.sub(r"(?<![^\W_])(\d+)\s?(?:gib|gb|g)(?![^\W_])", r"\1", text.casefold())
    return re.findall(r"(?:[^\W_]|(?<=\d)\.(?=\d))+", text)


def _words(name: str) -> list[str]:
    """The words of a name without its maker: "meta-llama/Llama-3.1-8B" and "NVIDIA A100" lose theirs."""
    owned = re.fullmatch(r"[\w.-]+/([\w.-]+)", name.strip())
    words = _cut(owned[1] if owned else name)
    return [word for word in words if word not in _VENDORS] or words


def _parts(words: Sequence[str]) -> Iterator[str]:
    """Runs of letters and numbers: "a100" is a, 100."""
    for word in words:
        yield from re.findall(r"\d+(?:\.\d+)*|[^\W\d_]+|\w", word)


def _spaced(words: Sequence[str]) -> str:
    """All parts with a space around each."""
    return f" {' '.join(_parts(words))} "


def _form(words: Sequence[str]) -> str:
    """The form in which two spellings of one name are equal; a space stays between two numbers alone."""
    return re.sub(r"(?<!\d) | (?!\d)", "", _spaced(words))


def _without_filler(words: list[str]) -> list[str]:
    return [word for word in words if word not in _FILLER] or words


def _has(spaced: str, words: Sequence[str]) -> bool:
    """Whether each word stands in the text with its parts together: "a100 80" is in "A100 SXM 80GB"."""
    return all(_spaced([word]) in spaced for word in words)


def _numbers_whole(name: Sequence[str], words: Sequence[str]) -> bool:
    """Whether each word that is a number alone is a word of the name or ends one: "6" is in no "6B" and no "3.6"."""
    if len("".join(words)) < SHORTEST:
        return False
    numbers = [re.escape(word) for word in words if word.replace(".", "").isdigit()]
    return all(any(re.search(rf"(?<![\d.]){number}$", word) for word in name) for number in numbers)


def _may_fit(name: str, signs: Sequence[str]) -> bool:
    """Quickly rules out a name that lacks a number of the query or the two letters that a word of it begins with."""
    folded = name.casefold()
    return not name.isascii() or all(sign in folded for sign in signs)


def _names(key: str, row: Named) -> tuple[str, ...]:
    """Every name of a row; a device's memory may follow its name, as in "RTX 4090 24GB"."""
    memory_gib = getattr(row, "memory_gib", None)
    with_memory = (f"{row.name} {memory_gib:g}GB",) if memory_gib else ()
    return (key, row.name, *row.aliases, *with_memory)


def _families(row: Named) -> tuple[str, ...]:
    return tuple(getattr(row, "stands_for", ()))


def _as_written(query: str, keys: Sequence[str], rows: Mapping[str, Named]) -> bool:
    """Whether one of the rows has the query itself, in any case, as a name."""
    names = (name for key in keys for name in (rows[key].name, *rows[key].aliases))
    return query.casefold() in (name.casefold() for name in names)


def _ambiguous(query: str, names: Sequence[str], what: str) -> AmbiguousName:
    candidates = listed(names[:8]) + ("…" if len(names) > 8 else "")
    return AmbiguousName(
        rule=Text(
            '"{query}" fits {number:integer} {what:word}: {names}.',
            query=shown(query),
            number=len(names),
            what=what,
            names=candidates,
        ),
        remedy=Text("Name one of them."),
    )


def _unknown(query: str, words: list[str], rows: Mapping[str, Named], what: str) -> UnknownName:
    nearest = _nearest(words, rows)
    rule = Text('"{query}" is not among the {what:word}.', query=shown(query), what=what)
    listing = _listing(rows, what)
    if not nearest:
        return UnknownName(rule=rule, remedy=listing)
    return UnknownName(
        rule=rule, remedy=Text("Did you mean {names}? {listing}", names=listed(nearest), listing=listing)
    )


def _nearest(words: list[str], rows: Mapping[str, Named]) -> list[str]:
    """Up to three names that look most like the query."""
    import difflib  # only a name that is nowhere pays for it

    names = {_form(_words(name)): row.name for key, row in rows.items() for name in (key, row.name, *row.aliases)}
    close = difflib.get_close_matches(_form(words), names, n=9, cutoff=0.6)
    return list(dict.fromkeys(names[form] for form in close))[:3]


def _listing(rows: Mapping[str, Named], what: str) -> Text:
    if what in LISTED:
        return Text("cardyears {command} lists all.", command=what)
    names = [row.name for row in rows.values()]
    return Text("Known: {names}.", names=listed(names[:12]) + ("…" if len(names) > 12 else ""))
