"""Rows that are wrong, and where the compiler says so: file, key, remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cardyears.base.errors import BadCatalogue
from cardyears.catalogue import compile as compiler
from cardyears.catalogue.compile import compile_folder, encode, section_files
from cardyears.catalogue.load import Catalogue


@pytest.fixture(scope="module")
def sections() -> dict[str, Any]:
    return compile_folder()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the catalogue's files, to spoil."""
    return Path(shutil.copytree(compiler.DATA, tmp_path / "data"))


def spoil(data: Path, file: str, old: str, new: str) -> None:
    path = data / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# The catalogue as it is.


def test_every_key_that_a_row_names_exists(sections: dict[str, Any]) -> None:
    named = list(compiler._references(sections))
    assert len(named) > 500
    for section, key, field, wanted, target in named:
        assert wanted in sections[target], f"{section}.{key}.{field}"


@pytest.mark.parametrize("section", compiler.SECTIONS)
def test_every_section_has_rows_that_were_checked_on_a_date(sections: dict[str, Any], section: str) -> None:
    rows = sections[section]
    assert rows
    assert all(isinstance(row, compiler.SECTIONS[section]) for row in rows.values())
    assert section == "sources" or all(row.checked.year >= 2024 for row in rows.values())


def test_every_override_of_a_figure_is_of_a_figure_that_is_there(sections: dict[str, Any]) -> None:
    for section in ("accelerators", "links", "models", "grid"):
        for key, row in sections[section].items():
            for figure in row.figures:
                name, _, dtype = figure.partition(".")
                there = row.peak_tflop_s.get(dtype) if name == "peak" else getattr(row, name)
                assert there is not None, f"{section}.{key}.figures.{figure}"


def test_figures_are_finite_and_more_than_zero(sections: dict[str, Any]) -> None:
    for key, row in sections["accelerators"].items():
        figures = [row.memory_gib, row.bandwidth_gb_s, row.board_w, row.launch_usd, *row.peak_tflop_s.values()]
        assert all(0 < value < 1e7 for value in figures if value is not None), key
    assert all(0 < row.usd_per_device_hour < 1_000 for row in sections["prices"])
    assert all(0 < row.low <= row.mid <= row.high <= 1 for row in sections["shares"].values())


def test_every_model_has_a_shape_or_readings(sections: dict[str, Any]) -> None:
    for key, row in sections["models"].items():
        assert (row.shape is None) == bool(row.readings), key


def test_every_file_under_data_is_compiled() -> None:
    there = {path for path in compiler.DATA.rglob("*") if path.is_file() and path.suffix in (".toml", ".csv")}
    compiled = {path for section in compiler.SECTIONS for path in section_files(compiler.DATA, section)}
    assert {*compiled, *(compiler.DATA / f"{name}.csv" for name in compiler.TABLES)} == there


def test_what_is_written_is_what_is_read(sections: dict[str, Any]) -> None:
    catalogue = Catalogue(msgspec.msgpack.decode(encode(sections, ""), type=dict[str, bytes]))
    for section in (*compiler.SECTIONS, *compiler.TABLES):
        assert getattr(catalogue, section) == sections[section]


def test_compiling_twice_gives_the_same_bytes(sections: dict[str, Any]) -> None:
    assert encode(compile_folder(), "") == encode(sections, "")


def test_a_section_may_be_one_file_or_a_folder(data: Path) -> None:
    assert section_files(data, "links") == [data / "links.toml"]
    assert [path.parent.name for path in section_files(data, "accelerators")][:1] == ["accelerators"]


# The catalogue with one thing wrong.

ADA, KEY = "accelerators/ada.toml", "[rtx-4070-ti]"


def of_the_card(old: str, new: str) -> Callable[[Path], None]:
    """Spoil the table of the RTX 4070 Ti."""

    def change(data: Path) -> None:
        path = data / ADA
        before, table = path.read_text(encoding="utf-8").split(KEY, 1)
        assert old in table
        path.write_text(before + KEY + table.replace(old, new, 1), encoding="utf-8")

    return change


def of_the_file(file: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda data: spoil(data, file, old, new)


def appended(file: str, text: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        with (data / file).open("a", encoding="utf-8") as lines:
            lines.write(text)

    return change


OWN_MODEL = "\n[mine]\nname = 'Mine'\nsource = 'gpt-3-2020'\nchecked = 2026-01-01\ndeveloper = 'X'\nfamily = 'x'\n"
SHAPE = "[mine.shape]\nlayers = 2\nhidden = 128\nheads = 8\nvocab = 1000\nffn = 400\n"

WRONG: tuple[tuple[str, Callable[[Path], None], str], ...] = (
    ("no source", of_the_card("\nsource = ", "\nnote = "), r"accelerators/ada\.toml: rtx-4070-ti .*(source|note)"),
    (
        "a source that is not there",
        of_the_card('source = "', 'source = "no-such-'),
        r"ada\.toml: rtx-4070-ti names 'no-",
    ),
    ("a slip of the pen", of_the_card("memory_gib", "memory_gigs"), r"ada\.toml: rtx-4070-ti .*`memory_gigs`"),
    ("words for a number", of_the_card("memory_gib = 12", 'memory_gib = "12"'), r"ada\.toml: rtx-4070-ti .*memory_gib"),
    ("an unknown dtype", of_the_card("bf16 =", "bf17 ="), r"ada\.toml: rtx-4070-ti .*bf17"),
    ("an unknown family", of_the_card('family = "', 'family = "x'), r"ada\.toml: rtx-4070-ti\.family names 'x"),
    ("an unknown form", of_the_card('form = "', 'form = "x'), r"ada\.toml: rtx-4070-ti .*form"),
    ("not TOML", of_the_file(ADA, KEY, "[rtx-4070-ti"), r"ada\.toml is not TOML .*line \d+"),
    ("a key twice in one file", appended(ADA, f"\n{KEY}\n"), r"ada\.toml is not TOML"),
    (
        "a key in two files",
        appended("accelerators/ampere.toml", f"\n{KEY}\nname = 'x'\n"),
        r"ampere\.toml: rtx-4070-ti",
    ),
    (
        "an unknown market",
        of_the_file("prices.csv", "on_demand", "on_request"),
        r"prices\.csv: line \d+ does not fit .*market",
    ),
    (
        "a price of nothing",
        appended("prices.csv", "no-such-card,x,on_demand,1,2026-01-01,techpowerup,,\n"),
        r"prices\.csv: .*no-such-card",
    ),
    (
        "a run on an unknown device",
        of_the_file("runs.toml", 'device = "', 'device = "x'),
        r"runs\.toml: .*\.device names 'x",
    ),
    (
        "a run of an unknown model",
        of_the_file("runs.toml", 'model = "', 'model = "x'),
        r"runs\.toml: .*\.model names 'x",
    ),
    (
        "a reading that takes an unknown shape",
        of_the_file("models/gpt.toml", 'model = "', 'model = "x'),
        r"models/gpt\.toml: .*readings names 'x",
    ),
    (
        "a shape with a stray key",
        of_the_file("models/gpt.toml", "layers =", "storeys ="),
        r"models/gpt\.toml: .*storeys",
    ),
    ("no memory", of_the_card("memory_gib = 12", "memory_gib = 0"), r"ada\.toml: rtx-4070-ti .*> 0.*memory_gib"),
    ("less than none", of_the_card("memory_gib = 12", "memory_gib = -12"), r"ada\.toml: rtx-4070-ti .*memory_gib"),
    ("no number", of_the_card("memory_gib = 12", "memory_gib = nan"), r"ada\.toml: rtx-4070-ti .*memory_gib"),
    ("infinite", of_the_card("memory_gib = 12", "memory_gib = inf"), r"ada\.toml: rtx-4070-ti .*memory_gib"),
    ("no peak", of_the_card("bf16 = ", "bf16 = -"), r"ada\.toml: rtx-4070-ti .*peak_tflop_s"),
    (
        "more layers than any model has",
        appended("models/gpt.toml", OWN_MODEL + SHAPE.replace("layers = 2", "layers = 10001")),
        r"models/gpt\.toml: mine .*<= 10000.*layers",
    ),
    (
        "a model without a shape or readings",
        appended("models/gpt.toml", OWN_MODEL),
        r"models/gpt\.toml: mine .*needs a shape, or the readings",
    ),
    (
        "a reading of nothing",
        appended("models/gpt.toml", f"{OWN_MODEL}{SHAPE}[[mine.readings]]\nlabel = 'x'\nsource = 'gpt-3-2020'\n"),
        r"models/gpt\.toml: mine .*needs flop or parameters",
    ),
    (
        "shares out of order",
        appended(
            "shares.toml",
            "[mine]\nname = 'Mine'\nsource = 'measured-runs'\nchecked = 2026-01-01\nlow = 0.5\nmid = 0.4\n"
            "high = 0.6\nruns = 1\n",
        ),
        r"shares\.toml: mine .*low <= mid <= high",
    ),
    (
        "a share of more than the whole",
        appended(
            "shares.toml",
            "[mine]\nname = 'Mine'\nsource = 'measured-runs'\nchecked = 2026-01-01\nlow = 0.5\nmid = 0.6\n"
            "high = 1.1\nruns = 1\n",
        ),
        r"shares\.toml: mine .*<= 1.*high",
    ),
    (
        "a price below nothing",
        appended("prices.csv", "h100-sxm-80gb,x,on_demand,-1,2026-01-01,techpowerup,,\n"),
        r"prices\.csv: line \d+ does not fit .*usd_per_device_hour",
    ),
    ("a source without a title", of_the_file("sources/models.toml", "title =", "titel ="), r"sources/models\.toml: "),
)


@pytest.mark.parametrize(("what", "change", "says"), WRONG, ids=[what for what, _, _ in WRONG])
def test_a_wrong_row_names_file_and_key(data: Path, what: str, change: Callable[[Path], None], says: str) -> None:
    change(data)
    with pytest.raises(BadCatalogue, match=says) as bad:
        compile_folder(data)
    assert "\n" not in str(bad.value)
    assert str(bad.value.remedy)


def test_a_row_without_a_source_says_which_key_to_add(data: Path) -> None:
    text = (data / ADA).read_text(encoding="utf-8")
    before, table = text.split(KEY, 1)
    row, *rest = table.split("\n\n", 1)
    kept = "\n".join(line for line in row.splitlines() if not line.startswith("source"))
    (data / ADA).write_text("\n\n".join([before + KEY + kept, *rest]), encoding="utf-8")
    with pytest.raises(BadCatalogue) as bad:
        compile_folder(data)
    assert str(bad.value) == "accelerators/ada.toml: rtx-4070-ti has no source. Add a key from sources.toml."
