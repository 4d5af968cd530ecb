"""Arabic: every sentence, word, digit and plural; and the tool that keeps the translations whole."""

from __future__ import annotations

import gettext
import importlib.util
import io
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from babel.messages.extract import extract

from cardyears.base.errors import UnknownName
from cardyears.base.text import _TIMES, Text
from cardyears.base.units import DAY, HOUR, YEAR
from cardyears.catalogue.load import load
from cardyears.cli.main import COMMANDS, run
from cardyears.question.hardware import read_hardware
from cardyears.question.layout import KEYS
from cardyears.question.read import read_count, read_duration, read_share, read_usd
from cardyears.render.locale import compile as compiler
from cardyears.render.locale.voice import languages, voice
from cardyears.resolve.defaults import DEFAULTS
from cardyears.work.state import RECIPES

TOOL = Path(__file__).parents[2] / "tools" / "translations.py"
FILES = sorted(compiler.HERE.glob(f"*/LC_MESSAGES/{compiler.DOMAIN}.po"))


@pytest.fixture(autouse=True)
def _same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARDYEARS_LANG", "CARDYEARS_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_it_stands() -> None:
    """The .mo files are not in the repository: a translation that has just been mended is tested, not the last one."""
    if any(not (mo := po.with_suffix(".mo")).exists() or mo.stat().st_mtime < po.stat().st_mtime for po in FILES):
        compiler.main()
        voice.cache_clear()
        vars(gettext)["_translations"].clear()


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/translations.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("translations", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def visible(text: str) -> str:
    """Text without marks of writing direction."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def said(sentence: str, language: str = "ar", **values: Any) -> str:
    return visible(voice(language).say(Text(sentence, **values)))


# No English is left.

FOUNDING = 'check gpt-3.5 --on "RTX 4070 Ti" --for 1y --utilization 90%'
ANSWERS = (
    FOUNDING,
    f"{FOUNDING} --explain",
    'check llama-3.1-8b --on "8x H100" --for 90d --budget 50k --explain',
    'check llama-2-7b --method qlora --on "RTX 3090"',
    "check gpt2 --on H100 --for 1y",
    "need gpt2 --within 30d --explain",
    "need gpt-3 --within 1h --budget 1",
    'instead --on "RTX 4070 Ti" --for 1y --explain',
    'audit "7B on 2T tokens: 84 quintillion FLOP, 104 A100-days, $7,500" --explain',
    "audit --params 8B --tokens 15T --device H100 --devices 16384 --device-hours 1.3M --wall-hours 20",
    "audit --params 8B --tokens 15T",
    "audit --params 8B --tokens 15T --device H100 --device-hours 1.3M --usd 3.9M --explain",
    "reconcile llama-7b 153GB 59GB 1GB --explain",
    "params gpt2 --explain",
    "params mixtral-8x7b",
    "flops gpt-3 --explain",
    'devices "rtx 4070 ti"',
    "models gpt-3",
    'estimate llama-3-8b --method qlora --on "RTX 4070 Ti" --explain',
    'estimate llama-3-8b --method full --on "4x RTX 4090"',
    'estimate gpt-3 --on "1024x A100-80GB" --layout "tp=8,pp=32,micro_batch=1,global_batch=128" --explain',
)
REFUSALS = (
    "check nosuchmodel --on H100",
    "check gpt2 --on RTX",
    'check gpt2 --on "RTX 9999"',
    'check gpt2 --on "10x H100 in nodes of 4"',
    'check gpt2 --on "8x H100 over"',
    "check gpt2 --on mine",
    "check gpt2 --on H100 --for 5",
    "check gpt2 --on H100 --for 5m",
    "check gpt2 --on H100 --for soon",
    "check gpt2 --on H100 --utilization 90",
    "check gpt2 --on H100 --duty 120%",
    'check gpt2 --on H100 --budget "5 EUR"',
    "check gpt2 --on H100 --tokens 1,5B",
    "check gpt2 --on H100 --seq-len 1.5",
    "check gpt2 --on H100 --micro-batch -1",
    "check gpt2 --on H100 --assume nokey=1",
    "check gpt2 --on H100 --assume pue=0.5",
    "check gpt2 --on H100 --assume pue",
    'check gpt2 --on "RTX 4070 Ti" --peak fp64',
    "check gpt2 --on H100 --peak fp99",
    "check gpt-3 --on H100 --method lora",
    "check 5 --on H100",
    "check 1k --on H100",
    "check shape.json --on H100",
    "params gpt-3.5",
    "audit hello",
    "audit --device H100",
    "audit --params 8B --device H100 --device-hours many",
    "devices nosuchdevice",
    "models nosuchmodel",
    "models ???",
    "reconcile gpt-3.5 100GB",
    "reconcile llama-7b 59",
    "check gpt2 --on H100 --catalogue mine.toml",
    "prices nosuchdevice",
    "estimate gpt2 --on 8xH100 --layout tp=5",
    "estimate gpt2 --on 8xH100 --layout tp=16",
    "estimate gpt2 --on 8xH100 --layout pp=16",
    "estimate gpt2 --on 8xH100 --layout virtual_stages=2",
    "estimate gpt2 --on 8xH100 --layout ep=2",
    "estimate gpt2 --on 8xH100 --layout micro_batch=3,global_batch=64",
    "estimate gpt2 --on 8xH100 --layout zero=9",
    "estimate gpt2 --on 8xA100 --precision fp8",
    "estimate gpt2 --on 8xH100 --engine nosuchengine",
)

TERMS = """
    adapters eager logits tokens hardware over FLOP TFLOP PFLOP EFLOP GFLOP MFLOP FlashAttention ZeRO Adam AdamW SGD
    LoRA QLoRA macOS TOML cardyears file name shape layers hidden heads vocab head docs device mine soon many hello
    nosuchmodel nosuchdevice nosuchengine layout optimizer engine
    nokey json VALUE peak active hours wall true false fp16acc accumulate matmul adapter
"""
"""Terms that stand in brackets beside the Arabic one, units, and words that these questions themselves bring."""
NAMES = {word.casefold() for word in re.findall(r"[A-Za-z]{4,}", TERMS)}


def names_of_the_catalogue() -> Iterator[str]:
    """Names and keys of things, which are the same in every language."""
    known = load()
    named = (known.models, known.accelerators, known.runs, known.links, known.shares, known.grid, known.sources)
    for section in (*named, known.engines):
        for key, row in section.items():
            yield from (key, getattr(row, "name", ""), getattr(row, "developer", ""))
    yield from (
        *DEFAULTS,
        *RECIPES,
        *COMMANDS,
        *KEYS,
        "catalogue",
        "method",
        "assume",
        "params",
        "pretrain",
        "lora",
        "qlora",
    )


def english_words(text: str) -> list[str]:
    """Words of four and more Latin letters that are no name, key, unit or term."""
    known = NAMES | {word.casefold() for name in names_of_the_catalogue() for word in re.findall(r"[A-Za-z]{4,}", name)}
    return [word for word in re.findall(r"[A-Za-z]{4,}", text) if word.casefold() not in known]


def invoke(capsys: pytest.CaptureFixture[str], line: str) -> tuple[object, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(shlex.split(line))
    return (left.value.code, *capsys.readouterr())


@pytest.mark.parametrize("line", ANSWERS)
def test_an_answer_in_arabic_has_no_english_words(capsys: pytest.CaptureFixture[str], line: str) -> None:
    code, out, err = invoke(capsys, f"{line} --lang ar")
    assert (code, err) == (0, "")
    assert english_words(out) == []
    assert len(re.findall(r"[\u0600-\u06ff]{2,}", out)) >= 7


@pytest.mark.parametrize("line", REFUSALS)
def test_a_refusal_in_arabic_has_no_english_words(capsys: pytest.CaptureFixture[str], line: str) -> None:
    code, out, err = invoke(capsys, f"{line} --lang ar")
    assert (code, out) == (2, "")
    assert err.startswith("cardyears: ")
    assert err.count("\n") == 1
    assert english_words(err) == []
    assert len(re.findall(r"[\u0600-\u06ff]{2,}", err)) >= 4


def test_the_founding_answer_begins_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = invoke(capsys, f"{FOUNDING} --lang ar")
    shown = " ".join(visible(out).split())
    assert re.match(r"لا[:.] .*GPT-3\.5 إلى ذاكرة قدرها 2\.94 TB والمتاح 12\.9 GB", shown)
    assert "138 (138 إلى 1,130) سنة" in shown
    assert "0.362%" in shown


def test_arabic_answers_have_the_numbers_of_the_english_ones(capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(language: str) -> set[str]:
        return set(re.findall(r"\d[\d,.]*\d|\d", visible(invoke(capsys, f"{FOUNDING} --lang {language}")[1])))

    assert numbers("ar") == numbers("en")


def test_a_language_may_stand_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDYEARS_LANG", "ar")
    assert "المعاملات" in invoke(capsys, "params gpt2")[1]
    assert "ليس" in invoke(capsys, "params nosuchmodel")[2]


# Languages.


def test_english_and_arabic_are_there() -> None:
    assert languages() == ["en", "ar"]


@pytest.mark.parametrize("language", ["tlh", "xx_YY", "arabic", ""])
def test_an_unknown_language_is_refused_and_the_known_ones_are_named(language: str) -> None:
    with pytest.raises(UnknownName, match=r"en, ar") as error:
        voice(language)
    assert repr(language) in str(error.value)


@pytest.mark.parametrize("language", ["ar", "AR", "ar-AE", "ar_EG", "ar_XX"])
def test_every_region_of_a_language_has_its_sentences(language: str) -> None:
    assert voice(language).say("yes") == "نعم"


def test_a_sentence_that_is_not_translated_stays_english() -> None:
    assert voice("ar").say("not in any catalogue") == "not in any catalogue"


# Digits.


@pytest.mark.parametrize(
    ("language", "digits"), [("ar", "1,234.5"), ("ar_AE", "1,234.5"), ("ar_EG", "١٬٢٣٤٫٥"), ("ar-EG", "١٬٢٣٤٫٥")]
)
def test_the_region_decides_the_digits(language: str, digits: str) -> None:
    assert voice(language).number(1234.5, 1) == digits


@pytest.mark.parametrize("language", ["ar", "ar_EG"])
@pytest.mark.parametrize(
    ("read", "spec", "value"),
    [
        (read_count, "count", 124_000_000.0),
        (read_count, "count", 300e9),
        (read_count, "count", 15e12),
        (read_count, "count", 1234.0),
        (read_count, "number", 3.14e23),
        (read_count, "number", 0.00123),
        (read_count, "integer", 46_702_792_704.0),
        (read_duration, "duration", 138 * YEAR),
        (read_duration, "duration", 3.5 * YEAR),
        (read_duration, "duration", YEAR),
        (read_duration, "duration", 18.7 * DAY),
        (read_duration, "duration", 5 * DAY),
        (read_duration, "duration", 12 * DAY),
        (read_duration, "duration", 2.76 * HOUR),
        (read_duration, "duration", 7.0),
        (read_share, "percent", 0.9),
        (read_share, "percent", 0.00725),
        (read_usd, "usd", 513.0),
        (read_usd, "usd", 2.5),
        (read_usd, "usd", 98_295.0),
        (read_usd, "usd", 4_600_000.0),
    ],
)
def test_what_arabic_output_says_reads_back(
    language: str, read: Callable[[str], float], spec: str, value: float
) -> None:
    assert read(voice(language).say(Text("{x:" + spec + "}", x=value))) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("language", ["ar", "ar_EG"])
def test_flop_of_an_arabic_answer_read_back(language: str) -> None:
    assert read_count(voice(language).say(Text("{x:flop}", x=3.14e23)), "FLOP") == pytest.approx(3.14e23)


@pytest.mark.parametrize(
    "written", ["64x H100 في عقد من 8 عبر 400Gb/s لكل بطاقة", "16 عقدة من 8x H100", "8x H100", "RTX 4070 Ti"]
)
def test_examples_of_machines_in_arabic_remedies_read(written: str) -> None:
    assert any(written in po.read_text(encoding="utf-8") for po in FILES)
    assert read_hardware(written).device in ("H100", "RTX 4070 Ti")


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (read_duration, "18 شهرًا", 1.5 * YEAR),
        (read_count, "300 مليار", 3e11),
        (read_usd, "5M USD", 5e6),
        (read_usd, "4.6 مليون دولار", 4.6e6),
    ],
)
def test_examples_of_values_in_arabic_remedies_read(read: Callable[[str], float], written: str, value: float) -> None:
    assert any(written in po.read_text(encoding="utf-8") for po in FILES)
    assert read(written) == pytest.approx(value)


# Plurals.


def counted(unit: str, count: float) -> str:
    """The form of a unit of time that goes with a number, without the number."""
    one, many = next((one, many) for *_, one, many in _TIMES if unit in one)
    return visible(voice("ar").plural(one, many, count)).replace("{n}", "").strip()


@pytest.mark.parametrize(
    ("count", "days", "years"),
    [
        (0, "يوم", "سنة"),
        (1, "يوم( واحد)?", "سنة( واحدة)?"),
        (2, "يوم(ين)?", "سنة|سنتين"),
        (3, "أيام", "سنوات"),
        (10, "أيام", "سنوات"),
        (11, "يومًا", "سنة"),
        (99, "يومًا", "سنة"),
        (100, "يوم", "سنة"),
        (103, "أيام", "سنوات"),
        (138, "يومًا", "سنة"),
        (1.5, "يوم", "سنة"),
        (18.7, "يوم", "سنة"),
    ],
)
def test_a_counted_word_takes_its_plural_form(count: float, days: str, years: str) -> None:
    """A fraction goes like a hundred; behind the digits of one and two stands the noun alone, never the dual."""
    assert re.fullmatch(days, counted("day", count))
    assert re.fullmatch(years, counted("year", count))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ثانية"),
        (7.0, "7 ثوانٍ"),
        (30.0, "30 ثانية"),
        (5 * 60.0, "5 دقائق"),
        (3 * HOUR, "3 ساعات"),
        (2.76 * HOUR, "2.76 ساعة"),
        (3 * DAY, "3 أيام"),
        (3.5 * DAY, "3.5 يوم"),
        (11 * DAY, "11 يومًا"),
        (3 * YEAR, "3 سنوات"),
        (138 * YEAR, "138 سنة"),
    ],
)
def test_a_duration_says_the_right_form(seconds: float, words: str) -> None:
    assert said("{x:duration}", x=seconds) == words


# The catalogues and the tool that keeps them.


def test_every_sentence_is_translated_with_the_same_values(tool: ModuleType) -> None:
    wanted = tool.sentences()
    assert tool.catalogues() == FILES
    assert [fault for path in FILES for fault in tool.faults(path, wanted)] == []


def test_the_check_passes(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0
    assert "all translated" in capsys.readouterr().out


def test_merging_once_more_changes_nothing(tool: ModuleType) -> None:
    wanted = tool.sentences()
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
