"""The translations, and the tool that keeps them whole."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from babel.messages.extract import extract

from support.arabic import FILES

TOOL = Path(__file__).parents[2] / "tools" / "translations.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/translations.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("translations", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wanted(tool: ModuleType) -> Any:
    """Every sentence of the code."""
    return tool.sentences()


def test_every_sentence_is_translated_with_the_same_values(tool: ModuleType, wanted: Any) -> None:
    assert tool.catalogues() == FILES
    assert [fault for path in FILES for fault in tool.faults(path, wanted)] == []


def test_the_check_passes(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0
    assert "all translated" in capsys.readouterr().out


def test_merging_once_more_changes_nothing(tool: ModuleType, wanted: Any) -> None:
    for path in FILES:
        assert tool.merged(path, wanted) == path.read_text(encoding="utf-8")


def test_what_is_missing_obsolete_fuzzy_or_has_other_values_is_named(tool: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ar" / "LC_MESSAGES" / "cardyears.po"
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "Gone."\nmsgstr "ذهب."\n\n'
        '#, fuzzy\nmsgid "Guessed."\nmsgstr "تخمين."\n\n'
        'msgid "Time {x:duration}."\nmsgstr "زمن {x:count}."\n\n'
        'msgid "Broken {x}."\nmsgstr "مكسور {x."\n\n'
        'msgid "Good {x}."\nmsgstr "جيّد {x}."\n',
        encoding="utf-8",
    )
    msgids = ("New.", "Guessed.", "Time {x:duration}.", "Broken {x}.", "Good {x}.")
    assert list(tool.faults(path, [tool.Sentence(msgid, None, "x.py") for msgid in msgids])) == [
        "ar: missing: 'New.'",
        "ar: fuzzy: 'Guessed.'",
        "ar: other placeholders: 'Time {x:duration}.'",
        "ar: other placeholders: 'Broken {x}.'",
        "ar: obsolete: 'Gone.'",
    ]


def test_merging_keeps_translations_and_drops_what_is_gone(tool: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ar" / "LC_MESSAGES" / "cardyears.po"
    path.parent.mkdir(parents=True)
    words = [tool.Sentence("Yes.", None, "x.py"), tool.Sentence("day", "days", "x.py")]
    path.write_text(tool.merged(path, words).replace('"Yes."\nmsgstr ""', '"Yes."\nmsgstr "نعم."'), encoding="utf-8")
    text = tool.merged(path, [*words[1:], words[0], tool.Sentence("New.", None, "x.py")])
    assert 'msgid "Yes."\nmsgstr "نعم."' in text
    assert 'msgid "New."\nmsgstr ""' in text
    assert text.count("msgstr[") == 6
    assert "Yes." not in tool.merged(path, words[1:])


def test_sentences_inside_f_strings_are_found_on_every_python(tool: ModuleType) -> None:
    source = b"x = f\"{say(Text('Hidden {n}.', n=1))} and {Text('More.')}\"; y = N_('a ' 'word'); z = Text(other)\n"
    found = [text for _, text, _, _ in extract(tool.calls, io.BytesIO(source), tool.KEYWORDS)]
    assert found == ["Hidden {n}.", "More.", "a word"]


@pytest.mark.parametrize(
    ("msgid", "left_out"),
    [
        ("{x:flop}", True),
        ("FLOP", True),
        ("{n} kWh", True),
        ("{n} %", False),
        ("{a}, {b}", False),
        ("{x} tokens", False),
    ],
)
def test_only_values_with_their_units_need_no_translation(tool: ModuleType, msgid: str, *, left_out: bool) -> None:
    assert tool.only_a_value(msgid) is left_out
