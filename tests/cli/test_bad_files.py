"""What is wrong in files of one's own: catalogues, shapes, hardware; and the folder that the catalogue is kept in."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

import cardyears
from support.asking import process, refused

SRC = Path(cardyears.__file__).parent


# A catalogue file of one's own: what is wrong with it, its text, and what the message has to name.
CARD = """
[accelerators.my-card]
name = "My card"
source = "techpowerup"
checked = 2026-01-01
vendor = "X"
architecture = "Y"
family = "geforce-ada"
form = "PCIe"
released = "2026"
memory_gib = 12
peak_tflop_s = { bf16 = 50 }
"""
CATALOGUES = (
    ("not TOML", "[accelerators", ["mine.toml", "not TOML", "Mend"]),
    ("wrong section", '[gpus.x]\nname = "x"\n', ["mine.toml", "[gpus]", "accelerators, links, models"]),
    ("section is a value", "accelerators = 3\n", ["mine.toml", "[accelerators]"]),
    ("row is a value", "[accelerators]\nmy-card = 3\n", ["mine.toml", "my-card"]),
    ("wrong field", CARD.replace("memory_gib", "memory_gb"), ["mine.toml", "my-card", "memory_gb"]),
    ("wrong type", CARD.replace("= 12", '= "12"'), ["mine.toml", "my-card", "memory_gib"]),
    ("missing source", CARD.replace('source = "techpowerup"\n', ""), ["mine.toml", "my-card", "no source"]),
    ("unknown source", CARD.replace("techpowerup", "hearsay"), ["mine.toml", "my-card", "hearsay", "sources"]),
    ("unknown family", CARD.replace("geforce-ada", "atlantis"), ["mine.toml", "my-card.family", "atlantis"]),
    (
        "price of an unknown device",
        (
            '[[prices]]\ndevice = "nope"\nprovider = "x"\nmarket = "spot"\nusd_per_device_hour = 1.0\n'
            'date = 2026-01-01\nsource = "techpowerup"\n'
        ),
        ["mine.toml", "nope", "accelerators"],
    ),
)


@pytest.mark.parametrize(("wrong", "text", "says"), CATALOGUES, ids=[name for name, _, _ in CATALOGUES])
def test_a_wrong_catalogue_of_ones_own_names_file_and_key(
    tmp_path: Path, wrong: str, text: str, says: list[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    code, sentence = refused("check", "gpt2", "--on", "4090", "--catalogue", str(file))
    assert code == "bad-catalogue"
    for part in says:
        assert part in sentence


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff", "name = 'caf\xe9'".encode("latin-1")])
@pytest.mark.parametrize("option", ["model", "--on", "--catalogue"])
def test_a_binary_file_is_no_catalogue_and_no_shape(tmp_path: Path, content: bytes, option: str) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(content)
    words = {
        "model": ("check", str(file), "--on", "4090"),
        "--on": ("check", "gpt2", "--on", str(file)),
        "--catalogue": ("check", "gpt2", "--on", "4090", "--catalogue", str(file)),
    }
    code, sentence = refused(*words[option])
    assert code in ("bad-input", "unusable-file")
    assert "binary.toml" in sentence


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    for words in (("check", str(folder), "--on", "4090"), ("check", "gpt2", "--on", str(folder))):
        assert refused(*words)[0] == "unusable-file"


@pytest.mark.parametrize("text", ["", CARD + CARD.replace("my-card", "another")], ids=["none", "two"])
def test_a_hardware_file_has_exactly_one_accelerator(tmp_path: Path, text: str) -> None:
    file = tmp_path / "card.toml"
    file.write_text(text)
    _, sentence = refused("check", "gpt2", "--on", str(file))
    assert "exactly one table [accelerators.NAME]" in sentence


SHAPE = 'name = "Mine"\n[shape]\nlayers = 2\nhidden = 128\nheads = 8\nvocab = 1000\nffn = 400\n'
SHAPES = (
    ("heads do not divide", SHAPE.replace("heads = 8", "heads = 7"), ["Mine", "7 heads", "128"]),
    ("key heads do not divide", SHAPE + "kv_heads = 3\n", ["Mine", "3 key heads", "8 heads"]),
    ("more experts chosen than there are", SHAPE + "experts = 4\ntop_k = 8\n", ["8 of 4 experts", "top_k"]),
    ("no layers", SHAPE.replace("layers = 2", "layers = 0"), ["shape.toml", "$.shape.layers", ">= 1"]),
    ("too many layers", SHAPE.replace("layers = 2", "layers = 10001"), ["shape.toml", "$.shape.layers", "<= 10000"]),
    ("no name", SHAPE.replace('name = "Mine"\n', ""), ["shape.toml", "name"]),
    ("an unknown key", SHAPE + "depth = 2\n", ["shape.toml", "depth"]),
    ("a key is missing", SHAPE.replace("vocab = 1000\n", ""), ["shape.toml", "vocab"]),
    ("not TOML", "name = ", ["shape.toml"]),
)


@pytest.mark.parametrize(("wrong", "text", "says"), SHAPES, ids=[name for name, _, _ in SHAPES])
def test_a_wrong_shape_says_what_does_not_fit(tmp_path: Path, wrong: str, text: str, says: list[str]) -> None:
    file = tmp_path / "shape.toml"
    file.write_text(text)
    _, sentence = refused("check", str(file), "--on", "4090")
    for part in says:
        assert part in sentence


@pytest.mark.parametrize(
    "line",
    ["head_dim = -8", "window = 10\nglobal_every = 0", "experts = 4\ntop_k = 2\nexpert_every = 0", "kv_heads = -8"],
)
def test_no_field_of_a_shape_may_be_negative_or_divide_by_zero(tmp_path: Path, line: str) -> None:
    file = tmp_path / "shape.toml"
    file.write_text(f"{SHAPE}{line}\n")
    refused("check", str(file), "--on", "4090")


@pytest.mark.parametrize("line", ["tokens = -5.0", "tokens = nan", "tokens = inf", "sequence_length = 0"])
def test_a_shape_file_has_a_positive_number_of_tokens(tmp_path: Path, line: str) -> None:
    file = tmp_path / "shape.toml"
    file.write_text(f"{line}\n{SHAPE}")
    refused("check", str(file), "--on", "4090")


MODEL = '[models.mine]\nname = "Mine"\nsource = "gpt-3-2020"\nchecked = 2026-01-01\ndeveloper = "X"\nfamily = "x"\n'
NONSENSE = (
    ("negative peak", CARD.replace("bf16 = 50", "bf16 = -50"), ("gpt2", "my card")),
    ("zero peak", CARD.replace("bf16 = 50", "bf16 = 0"), ("gpt2", "my card")),
    ("infinite peak", CARD.replace("bf16 = 50", "bf16 = inf"), ("gpt2", "my card")),
    ("memory that is no number", CARD.replace("= 12", "= nan"), ("gpt2", "my card")),
    ("no power", CARD + "board_w = -1\n", ("gpt2", "my card")),
    ("model without shape or readings", MODEL, ("mine", "4090")),
    (
        "reading without figures",
        f'{MODEL}[[models.mine.readings]]\nlabel = "a"\nsource = "gpt-3-2020"\n',
        ("mine", "4090"),
    ),
    (
        "shares out of order",
        (
            '[shares.geforce-ada]\nname = "x"\nsource = "techpowerup"\nchecked = 2026-01-01\n'
            "low = 0.9\nmid = 0.5\nhigh = 0.1\nruns = 3\n"
        ),
        ("gpt2", "4090"),
    ),
)


@pytest.mark.parametrize(("wrong", "text", "asked"), NONSENSE, ids=[name for name, _, _ in NONSENSE])
def test_a_row_with_impossible_figures_names_file_and_key(
    tmp_path: Path, wrong: str, text: str, asked: tuple[str, str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    code, sentence = refused("check", asked[0], "--on", asked[1], "--catalogue", str(file))
    assert code == "bad-catalogue"
    assert "mine.toml" in sentence


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package whose TOML files are newer than the compiled catalogue, and say something new."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(SRC, folder / "cardyears", ignore=shutil.ignore_patterns("__pycache__"))
    ada = folder / "cardyears/catalogue/data/accelerators/ada.toml"
    ada.write_text(ada.read_text(encoding="utf-8").replace('"RTX 4070 Ti"', '"RTX 4070 Ti renamed"'), encoding="utf-8")
    past = time.time() - 1_000
    os.utime(folder / "cardyears/catalogue/catalogue.msgpack", (past, past))
    os.utime(ada, (past + 500, past + 500))
    return folder


def test_an_unwritable_cache_folder_is_named_with_its_remedy(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "cache")
    for words in (("devices", "rtx-4070-ti"), ("check", "gpt2", "--on", "4090")):
        found = process(*words, PYTHONPATH=str(checkout), CARDYEARS_CACHE_DIR=inside)
        assert (found.returncode, found.stdout) == (2, b"")
        line = found.stderr.decode()
        assert line.startswith("cardyears: ")
        assert line.count("\n") == 1
        assert inside in line
        assert "CARDYEARS_CACHE_DIR" in line


def test_a_writable_cache_folder_is_made_and_used(checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there"
    variables = {"PYTHONPATH": str(checkout), "CARDYEARS_CACHE_DIR": str(cache)}
    first = process("devices", "rtx-4070-ti", "--json", **variables)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["rows"][0]["name"] == "RTX 4070 Ti renamed"
    written = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert len(written) == 1
    second = process("devices", "rtx-4070-ti", "--json", **variables)
    assert second.stdout == first.stdout
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == written
