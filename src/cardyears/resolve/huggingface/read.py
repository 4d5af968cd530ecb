"""Is this file a model's config? From a path to a checked object, or one clear sentence.

Refused at once: what is too large, not text, not JSON, not an object, nested too deep, or says a thing twice. This
file knows no family.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from cardyears.base.errors import LONGEST_SHOWN, BadInput, UnusableFile, shown
from cardyears.base.text import Text
from cardyears.resolve.huggingface.fields import Json

CONFIG, ADAPTER = "config.json", "adapter_config.json"
LARGEST_FILE = 2_000_000
"""Bytes. The largest published config, with settings for every layer, has about a tenth of it."""


def read(path: Path) -> dict[str, Json]:
    """The object in a config file, or in the folder's ``config.json``.

    >>> read(Path("nowhere/config.json"))
    Traceback (most recent call last):
    ...
    cardyears.base.errors.UnusableFile: nowhere/config.json does not exist. Check the path.
    """
    file = config_file(path)
    return parsed(text_of(file), quoted(file))


def quoted(path: Path) -> str:
    """A file as a sentence names it: as it was written, a long path by its last two parts."""
    written = str(path)
    return written if len(written) <= LONGEST_SHOWN else f"…/{shown('/'.join(path.parts[-2:]))}"


def config_file(path: Path) -> Path:
    """The file itself, or the config in a folder."""
    try:
        if path.is_dir():
            return _in_folder(path)
        if not path.exists():
            raise UnusableFile(Text("{path} does not exist.", path=quoted(path)), Text("Check the path."))
        if not path.is_file():
            raise UnusableFile(Text("{path} is not a file.", path=quoted(path)), Text("Name a {name}.", name=CONFIG))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return path


def _in_folder(folder: Path) -> Path:
    if (folder / CONFIG).is_file():
        return folder / CONFIG
    if (folder / ADAPTER).is_file():
        return folder / ADAPTER
    raise UnusableFile(
        Text("{path} has no {name}.", path=quoted(folder), name=CONFIG),
        Text("Name the folder of a model in Hugging Face's format, or the file itself."),
    )


def text_of(file: Path) -> str:
    """What stands in a file, if it is text and no larger than a model's description can be."""
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise UnusableFile(
                Text(
                    "{path} has {size:bytes}; a model's description has less than {most:bytes}.",
                    path=quoted(file),
                    size=size,
                    most=LARGEST_FILE,
                ),
                Text("Name the {name} of the model.", name=CONFIG),
            )
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFile(
            Text("{path} is not text.", path=quoted(file)), Text("Name the {name} of the model.", name=CONFIG)
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _unreadable(path: Path, error: OSError | ValueError) -> UnusableFile:
    reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return UnusableFile(
        Text("{path} cannot be read ({reason}).", path=quoted(path), reason=reason), Text("Check the path.")
    )


def parsed(text: str, file: str) -> dict[str, Json]:
    """The object that a text says in JSON; no key twice, no value that is not a number.

    >>> parsed('{"hidden_size": 8, "hidden_size": 16}', "config.json")
    Traceback (most recent call last):
    ...
    cardyears.base.errors.BadInput: config.json says hidden_size twice. Keep one of the two.
    """

    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise BadInput(Text("{file} says {key} twice.", file=file, key=shown(twice)), Text("Keep one of the two."))
        for key, value in pairs:
            if isinstance(value, float) and math.isnan(value):
                raise BadInput(
                    Text("{file}: {key} is not a number (NaN).", file=file, key=shown(key)),
                    Text("Write the number, or leave the key out."),
                )
        return found

    try:
        found: Json = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise BadInput(
            Text(
                "{file} is not JSON ({reason}, line {line:integer}, column {column:integer}).",
                file=file,
                reason=error.msg,
                line=error.lineno,
                column=error.colno,
            ),
            Text("If it was cut off, download it again."),
        ) from error
    except RecursionError as error:
        raise BadInput(
            Text("{file} is nested too deep for a config.", file=file),
            Text("Name the {name} of the model.", name=CONFIG),
        ) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise BadInput(
            Text("{file} has a number that no config needs.", file=file), Text("Mend the number.")
        ) from error
    if not isinstance(found, dict):
        raise BadInput(
            Text("{file} is not an object of keys and values.", file=file),
            Text("Name the {name} of the model.", name=CONFIG),
        )
    return found
