"""The catalogue as it ships: what is in it, what is decoded when, what lies on top, where a fresh one is kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from cardyears.base.errors import BadCatalogue, UnusableFile
from cardyears.catalogue import compile as compiler
from cardyears.catalogue import load as loading
from cardyears.catalogue.find import find
from cardyears.catalogue.load import STATE, Catalogue, fingerprint, load

SECTIONS = (*compiler.SECTIONS, loading.PRICES)

MINE = """
[sources.mine]
title = "My own measurements"
where = "the shelf"

[accelerators.my-card]
name = "My card"
source = "mine"
checked = 2026-01-01
vendor = "X"
architecture = "Y"
family = "geforce-ada"
form = "PCIe"
released = "2026"
memory_gib = 12
peak_tflop_s = { bf16 = 50 }
"""


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    return load()._packed


# What is in it.


def test_the_catalogue_has_113_accelerators() -> None:
    assert len(load().accelerators) == 113


def test_the_catalogue_has_at_least_30_models_with_a_shape() -> None:
    assert len([row for row in load().models.values() if row.shape is not None]) >= 30


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_is_empty(section: str) -> None:
    assert getattr(load(), section)


# As people write it, what it means, and whether the answer has to say that a variant was chosen.
NAMES = (
    ("4070ti", "rtx-4070-ti", False),
    ("RTX 4070 Ti", "rtx-4070-ti", False),
    ("a100 80", "a100-sxm-80gb", True),
    ("A100", "a100-sxm-80gb", True),
    ("h100 sxm", "h100-sxm-80gb", False),
    ("H100", "h100-sxm-80gb", True),
    ("4090", "rtx-4090", False),
    ("2080 ti", "rtx-2080-ti", False),
    ("3060", "rtx-3060-12gb", True),
    ("m2 ultra", "m2-ultra", False),
    ("RTX PRO 6000", "rtx-pro-6000", True),
)


@pytest.mark.parametrize(("query", "key", "assumed"), NAMES, ids=[query for query, _, _ in NAMES])
def test_people_find_their_card(query: str, key: str, assumed: bool) -> None:  # noqa: FBT001
    match = find(query, load().accelerators, "devices")
    assert match.key.startswith(key)
    assert match.assumed_variant is assumed


@pytest.mark.parametrize("key", load().accelerators)
def test_every_accelerator_is_found_by_its_key_its_name_and_its_aliases(key: str) -> None:
    rows = load().accelerators
    assert {find(name, rows, "devices").key for name in (key, rows[key].name, *rows[key].aliases)} == {key}


def test_every_model_is_found_by_its_key_its_name_and_its_aliases() -> None:
    rows = load().models
    for key, row in rows.items():
        assert {find(name, rows, "models").key for name in (key, row.name, *row.aliases)} == {key}


# When it is decoded.


@pytest.mark.parametrize("section", SECTIONS)
def test_only_the_section_that_is_asked_for_is_decoded(packed: dict[str, bytes], section: str) -> None:
    broken = {name: content if name == section else b"\xc1 is never used" for name, content in packed.items()}
    catalogue = Catalogue(broken)
    assert getattr(catalogue, section)
    for other in SECTIONS:
        if other != section:
            with pytest.raises(msgspec.DecodeError):
                getattr(catalogue, other)


def test_a_section_is_decoded_once(packed: dict[str, bytes]) -> None:
    catalogue = Catalogue(packed)
    assert catalogue.models is catalogue.models


def test_the_catalogue_is_loaded_once() -> None:
    assert load() is load()


def test_the_compiled_file_is_what_the_files_compile_to(packed: dict[str, bytes]) -> None:
    fresh: dict[str, bytes] = msgspec.msgpack.decode(compiler.encode(compiler.compile_folder(), packed[STATE].decode()))
    assert fresh == packed


# One's own rows on top.


def own(tmp_path: Path, text: str, name: str = "mine.toml") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_own_rows_lie_on_top_and_the_rest_shows_through(tmp_path: Path) -> None:
    mine = load().with_file(own(tmp_path, MINE))
    assert mine.accelerators["my-card"].memory_gib == 12
    assert mine.accelerators["rtx-4070-ti"] == load().accelerators["rtx-4070-ti"]
    assert mine.sources["mine"].title == "My own measurements"
    assert mine.models == load().models


def test_the_catalogue_beneath_is_left_as_it_was(tmp_path: Path) -> None:
    load().with_file(own(tmp_path, MINE))
    assert "my-card" not in load().accelerators
    assert "mine" not in load().sources


def test_an_own_row_replaces_one_of_the_same_key(tmp_path: Path) -> None:
    text = MINE.replace("[accelerators.my-card]", "[accelerators.rtx-4070-ti]")
    mine = load().with_file(own(tmp_path, text))
    assert mine.accelerators["rtx-4070-ti"].name == "My card"
    assert len(mine.accelerators) == len(load().accelerators)


def test_two_files_lie_on_top_of_each_other(tmp_path: Path) -> None:
    second = MINE.split("[accelerators", 1)[1].replace("my-card", "my-other-card").replace("My card", "My other card")
    mine = load().with_file(own(tmp_path, MINE)).with_file(own(tmp_path, f"[accelerators{second}", "more.toml"))
    assert {"my-card", "my-other-card"} <= set(mine.accelerators)


def test_the_rows_of_the_file_that_was_laid_on_top_last_are_named(tmp_path: Path) -> None:
    price = '[[prices]]\ndevice = "b"\nprovider = "x"\nmarket = "spot"\nusd_per_device_hour = 1\n'
    price += 'date = 2026-01-01\nsource = "mine"\n'
    second = MINE.split("[accelerators", 1)[1].replace("my-card", "b")
    first = load().with_file(own(tmp_path, MINE))
    both = first.with_file(own(tmp_path, f"[accelerators{second}\n{price}", "more.toml"))
    assert load().on_top == {}
    assert first.on_top == {"sources": ("mine",), "accelerators": ("my-card",)}
    assert both.on_top == {"accelerators": ("b",)}


def test_own_prices_come_behind_the_known_ones(tmp_path: Path) -> None:
    price = (
        '[[prices]]\ndevice = "my-card"\nprovider = "a friend"\nmarket = "on_demand"\nusd_per_device_hour = 0.1\n'
        'date = 2026-01-01\nsource = "mine"\n'
    )
    mine = load().with_file(own(tmp_path, f"{MINE}\n{price}"))
    assert mine.prices[:-1] == load().prices
    assert mine.prices[-1].provider == "a friend"


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load().with_file(own(tmp_path, "")).accelerators == load().accelerators


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('source = "mine"\n', "", r"mine\.toml: my-card has no source"),
        ('source = "mine"', 'source = "hearsay"', r"mine\.toml: my-card names 'hearsay', which sources"),
        ("memory_gib", "memory_gb", r"mine\.toml: my-card .*memory_gb"),
        ("geforce-ada", "atlantis", r"mine\.toml: my-card\.family names 'atlantis'"),
        ("released", 'link = "string"\nreleased', r"mine\.toml: my-card\.link names 'string'"),
        ("[accelerators.", "[gpus.", r"mine\.toml: \[gpus\] is no section"),
    ],
)
def test_a_wrong_own_row_names_file_and_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(BadCatalogue, match=says):
        load().with_file(own(tmp_path, MINE.replace(old, new)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match=r"nowhere\.toml"):
        load().with_file(tmp_path / "nowhere.toml")


# Where a fresh one is kept.


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A source checkout of its own, compiled as it stands, and how often its catalogue has been compiled again."""
    here, cache = tmp_path / "checkout", tmp_path / "cache"
    _copy(here)
    monkeypatch.setattr(loading, "_HERE", here)
    monkeypatch.setenv(loading.CACHE_VARIABLE, str(cache))
    made: list[Path] = []
    whole = compiler.compile_folder

    def counted(data: Path) -> Any:
        made.append(data)
        return whole(data)

    monkeypatch.setattr(compiler, "compile_folder", counted)
    return SimpleNamespace(here=here, ada=here / "data/accelerators/ada.toml", cache=cache, made=made)


LONG_AGO = 1_700_000_000


def _copy(here: Path) -> None:
    shutil.copytree(compiler.DATA, here / "data")
    for path in here.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    state = {STATE: fingerprint(here / "data").encode()}
    (here / "catalogue.msgpack").write_bytes(msgspec.msgpack.encode({**load()._packed, **state}))
    os.utime(here / "catalogue.msgpack", (LONG_AGO, LONG_AGO))


def rename(file: Path, name: str, *, seconds_later: int) -> None:
    """Give the RTX 4070 Ti another name, in a file that is so much newer than it was."""
    file.write_text(file.read_text(encoding="utf-8").replace('"RTX 4070 Ti"', f'"{name}"'), encoding="utf-8")
    os.utime(file, (LONG_AGO + seconds_later,) * 2)


def name_now() -> str:
    return load.__wrapped__().accelerators["rtx-4070-ti"].name


def test_a_compiled_file_of_the_files_as_they_are_is_read(checkout: SimpleNamespace) -> None:
    assert name_now() == "RTX 4070 Ti"
    assert checkout.made == []
    assert not checkout.cache.exists()


@pytest.mark.parametrize("seconds_later", [10, -10], ids=["newer", "older"])
def test_a_changed_file_is_compiled_into_the_cache_once(checkout: SimpleNamespace, seconds_later: int) -> None:
    rename(checkout.ada, "Renamed", seconds_later=seconds_later)
    assert [name_now(), name_now()] == ["Renamed", "Renamed"]
    assert len(checkout.made) == 1
    state = fingerprint(checkout.here / "data")
    assert [file.name for file in checkout.cache.iterdir()] == [f"catalogue-{state}.msgpack"]
    assert (checkout.here / "catalogue.msgpack").stat().st_mtime == LONG_AGO


def test_a_file_that_changes_again_is_compiled_again(checkout: SimpleNamespace) -> None:
    rename(checkout.ada, "Renamed", seconds_later=10)
    assert name_now() == "Renamed"
    checkout.ada.write_text(
        checkout.ada.read_text(encoding="utf-8").replace('"Renamed"', '"Renewed"'), encoding="utf-8"
    )
    os.utime(checkout.ada, (LONG_AGO + 20,) * 2)
    assert name_now() == "Renewed"
    assert len(checkout.made) == 2


def test_a_file_that_is_as_it_was_again_needs_no_compiling(checkout: SimpleNamespace) -> None:
    before = checkout.ada.read_bytes()
    rename(checkout.ada, "Renamed", seconds_later=10)
    assert name_now() == "Renamed"
    checkout.ada.write_bytes(before)
    os.utime(checkout.ada, (LONG_AGO, LONG_AGO))
    assert name_now() == "RTX 4070 Ti"
    assert len(checkout.made) == 1


def test_without_a_compiled_file_the_catalogue_is_compiled(checkout: SimpleNamespace) -> None:
    (checkout.here / "catalogue.msgpack").unlink()
    assert name_now() == "RTX 4070 Ti"
    assert len(checkout.made) == 1


def test_without_sources_the_compiled_file_is_read_whatever_its_age(checkout: SimpleNamespace) -> None:
    shutil.rmtree(checkout.here / "data")
    assert name_now() == "RTX 4070 Ti"
    assert checkout.made == []


def test_a_cache_folder_that_cannot_be_written_is_named(
    checkout: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename(checkout.ada, "Renamed", seconds_later=10)
    monkeypatch.setenv(loading.CACHE_VARIABLE, str(checkout.ada / "cache"))
    with pytest.raises(UnusableFile, match=loading.CACHE_VARIABLE):
        load.__wrapped__()


def test_nothing_half_written_is_left_behind(checkout: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    rename(checkout.ada, "Renamed", seconds_later=10)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnusableFile, match="No space left on device"):
        load.__wrapped__()
    assert list(checkout.cache.iterdir()) == []


def test_two_checkouts_do_not_read_each_others_catalogue(
    checkout: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    _copy(other)
    rename(other / "data/accelerators/ada.toml", "The other's", seconds_later=20)
    rename(checkout.ada, "Ours", seconds_later=10)
    assert name_now() == "Ours"
    monkeypatch.setattr(loading, "_HERE", other)
    assert name_now() == "The other's"


def test_a_file_that_is_gone_is_noticed(checkout: SimpleNamespace) -> None:
    (checkout.here / "data/accelerators/rubin.toml").unlink()
    assert len(load.__wrapped__().accelerators) < 113


def test_a_file_that_is_added_is_noticed(checkout: SimpleNamespace) -> None:
    card = MINE.split("[accelerators", 1)[1].replace('"mine"', '"techpowerup"')
    added = checkout.here / "data/accelerators/mine.toml"
    added.write_text(f"[{card.removeprefix('.')}", encoding="utf-8")
    os.utime(added, (LONG_AGO - 10,) * 2)
    assert load.__wrapped__().accelerators["my-card"].name == "My card"


@pytest.mark.parametrize("content", [b"", b"\xc1", msgspec.msgpack.encode({"models": b""})], ids=repr)
def test_a_compiled_file_that_is_none_is_not_read(checkout: SimpleNamespace, content: bytes) -> None:
    """Cut off, not msgpack, or of a version that did not say what it was made from."""
    (checkout.here / "catalogue.msgpack").write_bytes(content)
    assert name_now() == "RTX 4070 Ti"
    assert len(checkout.made) == 1


# The fingerprint.


def test_a_fingerprint_is_of_names_sizes_and_times_of_catalogue_files(tmp_path: Path) -> None:
    data = Path(shutil.copytree(compiler.DATA, tmp_path / "data"))
    found = [fingerprint(data)]
    (data / "notes.md").write_text("no part of it", encoding="utf-8")
    assert fingerprint(data) == found[0]
    file = data / "models/gpt.toml"
    file.write_text(f"{file.read_text(encoding='utf-8')}\n", encoding="utf-8")
    found.append(fingerprint(data))
    os.utime(file, (LONG_AGO, LONG_AGO))
    found.append(fingerprint(data))
    file.rename(file.with_name("gpt-too.toml"))
    found.append(fingerprint(data))
    file.with_name("gpt-too.toml").unlink()
    found.append(fingerprint(data))
    assert len(set(found)) == 5


def test_there_is_no_fingerprint_without_sources(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "data") == ""
    (tmp_path / "data").mkdir()
    assert fingerprint(tmp_path / "data") == ""


def test_a_cached_file_that_is_cut_off_is_made_again(checkout: SimpleNamespace) -> None:
    rename(checkout.ada, "Renamed", seconds_later=10)
    name_now()
    for file in checkout.cache.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert [name_now(), name_now()] == ["Renamed", "Renamed"]
    assert len(checkout.made) == 2
