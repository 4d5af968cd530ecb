"""Names as people write them, looked up among rows made for these tests."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.base.errors import AmbiguousName, CardyearsError, UnknownName
from cardyears.catalogue.find import Match, Named, find, search
from cardyears.catalogue.schema import AcceleratorRow, ModelRow, ReadingRow

CHECKED = dt.date(2026, 1, 1)


def device(
    name: str, *aliases: str, family: tuple[str, ...] = (), vendor: str = "NVIDIA", memory_gib: float = 1.0
) -> AcceleratorRow:
    return AcceleratorRow(
        name=name,
        aliases=aliases,
        stands_for=family,
        source="test",
        note="not an H100",
        checked=CHECKED,
        vendor=vendor,
        architecture="Test",
        family="test",
        form="PCIe",
        released="2023",
        memory_gib=memory_gib,
    )


def model(name: str, *aliases: str, family: tuple[str, ...] = ()) -> ModelRow:
    return ModelRow(
        name=name,
        aliases=aliases,
        stands_for=family,
        source="test",
        checked=CHECKED,
        developer="Meta",
        family="test",
        readings=(ReadingRow(label="test", source="test", flop=1.0),),
    )


DEVICES = {
    "rtx-4070": device("RTX 4070"),
    "rtx-4070-ti": device("RTX 4070 Ti"),
    "rtx-4070-ti-super": device("RTX 4070 Ti SUPER"),
    "rtx-3060-12gb": device("RTX 3060 12GB", family=("RTX 3060",)),
    "rtx-3060-8gb": device("RTX 3060 8GB"),
    "rtx-a6000": device("RTX A6000"),
    "quadro-rtx-6000": device("Quadro RTX 6000"),
    "rtx-6000-ada": device("RTX 6000 Ada"),
    "a100-sxm-80gb": device("A100 SXM 80GB", "A100 SXM4 80GB", family=("A100", "A100 80GB")),
    "a100-pcie-80gb": device("A100 PCIe 80GB"),
    "a100-sxm-40gb": device("A100 SXM 40GB", family=("A100 40GB",)),
    "a100-pcie-40gb": device("A100 PCIe 40GB"),
    "a10": device("A10"),
    "a10g": device("A10G"),
    "v100-sxm-16gb": device("V100 SXM 16GB"),
    "v100-sxm-32gb": device("V100 SXM 32GB"),
    "b200": device("B200"),
    "gb200": device("GB200"),
    "rx-7900-xtx": device("Radeon RX 7900 XTX", vendor="AMD"),
    "mi300x": device("Instinct MI300X", vendor="AMD"),
    "m2-ultra": device("Apple M2 Ultra", vendor="Apple"),
    "rtx-4090": device("RTX 4090", memory_gib=24),
    "rtx-4090-d": device("RTX 4090 D", memory_gib=24),
}
MODELS = {
    "llama-2-70b": model("Llama 2 70B", "meta-llama/Llama-2-70b-hf"),
    "llama-3-8b": model("Llama 3 8B", family=("Llama 3",)),
    "llama-3.1-8b": model("Llama 3.1 8B", "meta-llama/Llama-3.1-8B", family=("Llama 3.1", "Llama")),
    "llama-3.1-70b": model("Llama 3.1 70B"),
    "gpt-2-small": model("GPT-2 124M", "openai-community/gpt2", family=("GPT-2",)),
    "gpt-2-xl": model("GPT-2 1.5B", "GPT-2 XL"),
    "gpt-3-175b": model("GPT-3 175B", family=("GPT-3",)),
    "gpt-3.5": model("GPT-3.5", "ChatGPT"),
    "codellama-34b": model("Code Llama 34B"),
}

SPELLINGS = [
    (DEVICES, "rtx-4070-ti", "rtx-4070-ti"),
    (DEVICES, "RTX 4070 Ti", "rtx-4070-ti"),
    (DEVICES, "rtx4070ti", "rtx-4070-ti"),
    (DEVICES, "RTX_4070_TI", "rtx-4070-ti"),
    (DEVICES, "4070 ti", "rtx-4070-ti"),
    (DEVICES, "4070ti", "rtx-4070-ti"),
    (DEVICES, "NVIDIA GeForce RTX 4070 Ti", "rtx-4070-ti"),
    (DEVICES, "RTX 4070 Ti GPU", "rtx-4070-ti"),
    (DEVICES, "ＲＴＸ 4070 Ti", "rtx-4070-ti"),
    (DEVICES, "RTX ٤٠٧٠ Ti", "rtx-4070-ti"),
    (DEVICES, "4070", "rtx-4070"),
    (DEVICES, "4070 Ti Super", "rtx-4070-ti-super"),
    (DEVICES, "3060 12GB", "rtx-3060-12gb"),
    (DEVICES, "3060 12 GiB", "rtx-3060-12gb"),
    (DEVICES, "3060 12G", "rtx-3060-12gb"),
    (DEVICES, "A6000", "rtx-a6000"),
    (DEVICES, "RTX 6000", "quadro-rtx-6000"),
    (DEVICES, "6000 ada", "rtx-6000-ada"),
    (DEVICES, "a10", "a10"),
    (DEVICES, "A10G", "a10g"),
    (DEVICES, "A100-SXM4-80GB", "a100-sxm-80gb"),
    (DEVICES, "a100 80 pcie", "a100-pcie-80gb"),
    (DEVICES, "b200", "b200"),
    (DEVICES, "7900xtx", "rx-7900-xtx"),
    (DEVICES, "AMD MI300X", "mi300x"),
    (DEVICES, "RTX 4090 24GB", "rtx-4090"),
    (DEVICES, "4090 24 GB", "rtx-4090"),
    (DEVICES, "M2 Ultra", "m2-ultra"),
    (MODELS, "llama 3.1 8b", "llama-3.1-8b"),
    (MODELS, "llama-3.1-8B", "llama-3.1-8b"),
    (MODELS, "Llama3.1 8B", "llama-3.1-8b"),
    (MODELS, "Meta-Llama-3.1-8B", "llama-3.1-8b"),
    (MODELS, "meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
    (MODELS, "meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
    (MODELS, "unsloth/llama-3.1-8b", "llama-3.1-8b"),
    (MODELS, "llama 3 8b", "llama-3-8b"),
    (MODELS, "Llama-2-70b-chat-hf", "llama-2-70b"),
    (MODELS, "openai-community/gpt2", "gpt-2-small"),
    (MODELS, "gpt2-xl", "gpt-2-xl"),
    (MODELS, "gpt 3.5", "gpt-3.5"),
    (MODELS, "chatgpt", "gpt-3.5"),
    (MODELS, "CodeLlama-34b", "codellama-34b"),
]

FAMILIES = [
    (DEVICES, "A100", "a100-sxm-80gb"),
    (DEVICES, "NVIDIA A100", "a100-sxm-80gb"),
    (DEVICES, "a100 80", "a100-sxm-80gb"),
    (DEVICES, "A100-80GB", "a100-sxm-80gb"),
    (DEVICES, "a100 40", "a100-sxm-40gb"),
    (DEVICES, "RTX 3060", "rtx-3060-12gb"),
    (DEVICES, "3060", "rtx-3060-12gb"),
    (MODELS, "llama", "llama-3.1-8b"),
    (MODELS, "llama 3", "llama-3-8b"),
    (MODELS, "gpt-3", "gpt-3-175b"),
    (MODELS, "GPT-2", "gpt-2-small"),
]

AMBIGUOUS = [
    (DEVICES, "V100", '"V100" fits 2 devices: V100 SXM 16GB, V100 SXM 32GB. Name one of them.'),
    (DEVICES, "a100 pcie", '"a100 pcie" fits 2 devices: A100 PCIe 80GB, A100 PCIe 40GB. Name one of them.'),
    (
        DEVICES,
        "nvidia rtx",
        (
            '"nvidia rtx" fits 10 devices: RTX 4070, RTX 4070 Ti, RTX 4070 Ti SUPER, RTX 3060 12GB, RTX 3060 8GB, '
            "RTX A6000, Quadro RTX 6000, RTX 6000 Ada…. Name one of them."
        ),
    ),
]

UNKNOWN = [
    (
        DEVICES,
        "RTX 4071 Ti",
        (
            '"RTX 4071 Ti" is not among the devices. Did you mean RTX 4070 Ti, RTX 4070, RTX 4070 Ti SUPER? '
            "cardyears devices lists all."
        ),
    ),
    (DEVICES, "abacus", '"abacus" is not among the devices. cardyears devices lists all.'),
    (DEVICES, "", '"" is no name of devices. cardyears devices lists all.'),
    (DEVICES, "  ?!\n", '"?!" is no name of devices. cardyears devices lists all.'),
]


@pytest.mark.parametrize(("rows", "written", "key"), SPELLINGS)
def test_any_spelling_of_a_name_finds_its_row(rows: Mapping[str, Named], written: str, key: str) -> None:
    assert find(written, rows, "devices") == Match(key)


@pytest.mark.parametrize(("rows", "written", "key"), FAMILIES)
def test_a_familys_name_takes_its_commonest_variant_and_says_so(
    rows: Mapping[str, Named], written: str, key: str
) -> None:
    match = find(written, rows, "devices")
    assert (match.key, match.assumed_variant) == (key, True)
    assert rows[key].name not in match.near


def test_the_other_variants_of_a_family_are_named() -> None:
    assert find("A100", DEVICES, "devices").near == ("A100 PCIe 80GB", "A100 SXM 40GB", "A100 PCIe 40GB")


@pytest.mark.parametrize(("rows", "written", "sentence"), AMBIGUOUS)
def test_a_name_that_fits_several_rows_lists_them(rows: Mapping[str, Named], written: str, sentence: str) -> None:
    with pytest.raises(AmbiguousName) as caught:
        find(written, rows, "devices")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(("rows", "written", "sentence"), UNKNOWN)
def test_an_unknown_name_is_said_with_the_nearest(rows: Mapping[str, Named], written: str, sentence: str) -> None:
    with pytest.raises(UnknownName) as caught:
        find(written, rows, "devices")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("written", ["llama 31 8b", "llama 3 1 8b", "llama 3.2 8b", "gpt 35", "gpt 3 5", "llama 3.18b"])
def test_a_decimal_number_in_a_name_stays_one_number(written: str) -> None:
    with pytest.raises(UnknownName):
        find(written, MODELS, "models")


def test_what_has_no_listing_command_names_what_is_known() -> None:
    with pytest.raises(UnknownName) as caught:
        find("abacus", {"ndr": model("InfiniBand NDR"), "home": model("home internet")}, "links")
    assert str(caught.value) == '"abacus" is not among the links. Known: InfiniBand NDR, home internet.'


def test_two_rows_with_one_name_are_ambiguous_but_a_key_is_not() -> None:
    rows = {"mine": device("RTX 4090"), "theirs": device("RTX 4090")}
    assert find("mine", rows, "devices") == Match("mine")
    with pytest.raises(AmbiguousName):
        find("RTX 4090", rows, "devices")


def test_an_absurdly_long_name_is_refused_without_a_search() -> None:
    with pytest.raises(UnknownName, match="is no name of devices"):
        find("x" * 10_000, DEVICES, "devices")


SEARCHES = [
    (DEVICES, "", tuple(DEVICES)),
    (DEVICES, "4070", ("rtx-4070", "rtx-4070-ti", "rtx-4070-ti-super")),
    (DEVICES, "407", ("rtx-4070", "rtx-4070-ti", "rtx-4070-ti-super")),
    (DEVICES, "a100 40", ("a100-sxm-40gb", "a100-pcie-40gb")),
    (DEVICES, "amd", ("rx-7900-xtx", "mi300x")),
    (DEVICES, "nvidia ada", ("rtx-6000-ada",)),
    (DEVICES, "h100", ()),
    (MODELS, "meta 70b", ("llama-2-70b", "llama-3.1-70b")),
    (MODELS, "x" * 300, ()),
]


@pytest.mark.parametrize(("rows", "query", "keys"), SEARCHES)
def test_a_search_lists_the_rows_that_have_every_word(
    rows: Mapping[str, Named], query: str, keys: tuple[str, ...]
) -> None:
    assert search(query, rows) == keys


def test_an_exact_name_among_113_rows_is_found_in_under_2_ms() -> None:
    rows = {f"card-{n}": device(f"Card {n} Ti", f"Kard {n}", f"Brett {n}") for n in range(113)}

    def elapsed() -> float:
        start = time.perf_counter()
        find("card 77 ti", rows, "devices")
        return time.perf_counter() - start

    assert min(elapsed() for _ in range(20)) < 2e-3


WORDS = ["rtx", "a100", "80", "gb", "3.1", "8b", "llama", "/", "-", ".", "٣", "nvidia", "gpu", "ti"]


@given(st.one_of(st.text(max_size=210), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)))
def test_no_text_brings_down_the_search(written: str) -> None:
    assert set(search(written, DEVICES)) <= set(DEVICES)
    key, said = "a10", ""
    try:
        key = find(written, DEVICES, "devices").key
    except CardyearsError as error:
        said = str(error)
    assert key in DEVICES
    assert "\n" not in said


@given(st.sampled_from([*DEVICES, *MODELS]), st.sampled_from(["-", " ", "_", "  "]))
def test_separators_and_case_change_nothing(key: str, separator: str) -> None:
    rows: Mapping[str, Named] = DEVICES if key in DEVICES else MODELS
    written = key.replace("-", separator)
    assert find(written, rows, "devices").key == find(written.upper(), rows, "devices").key == key
