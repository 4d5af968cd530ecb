"""From a question and the catalogue to a complete problem, with a reason for each value that was filled in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from cardyears.base.errors import BadInput, Contradiction, MissingFigure, UnknownName
from cardyears.base.interval import Interval
from cardyears.base.units import DAY, GIB, YEAR
from cardyears.case import Assumption, Case
from cardyears.catalogue.load import Catalogue, load
from cardyears.question.hardware import read_hardware
from cardyears.question.question import read_question
from cardyears.resolve.defaults import DEFAULTS, Assumed
from cardyears.resolve.devices import cluster
from cardyears.resolve.resolve import resolve

CARD = "RTX 4070 Ti"


def case(model: str = "gpt-3", on: str = CARD, catalogue: Catalogue | None = None, **said: Any) -> Case:
    return resolve(read_question(model, on=on, **said), catalogue or load())


def assumed(model: str = "gpt-3", on: str = CARD, **said: Any) -> dict[str, Assumption]:
    return {one.key: one for one in case(model, on, **said).assumptions}


def test_the_same_question_is_the_same_case() -> None:
    assert case("llama-3-8b", "8x H100", duration="90d") == case("llama-3-8b", "8x H100", duration="90d")


# Assumptions

STATED = [
    ("time_limit", "30d", 30 * DAY),
    ("duty", "50%", 0.5),
    ("mfu", "40%", 0.4),
    ("recipe", "adamw-8bit", "adamw-8bit"),
    ("usable_memory", "90%", 0.9),
    ("host_w", "150", 150.0),
    ("country", "de", "de"),
    ("lifetime", "3y", 3 * YEAR),
    ("rent", "0.30", 0.3),
]


@pytest.mark.parametrize(("key", "text", "value"), STATED)
def test_a_stated_assumption_is_listed_as_you_said(key: str, text: str, value: object) -> None:
    found = assumed(assume={key: text})[key]
    assert (found.value, str(found.reason)) == (value, "as you said")


@pytest.mark.parametrize("key", [key for key, _, _ in STATED if key not in ("mfu", "rent")])
def test_an_assumption_that_nobody_stated_has_a_reason_of_its_own(key: str) -> None:
    assert str(assumed()[key].reason) == DEFAULTS[key].reason


@pytest.mark.parametrize("default", DEFAULTS.values(), ids=list(DEFAULTS))
def test_every_default_has_a_reason(default: Any) -> None:
    assert default.reason


def test_a_time_that_was_given_is_no_assumption() -> None:
    assert "time_limit" not in assumed(duration="1y")


def test_an_assumption_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownName, match=r"No assumption is called 'colour'\. Take one of time_limit, duty,"):
        case(assume={"colour": "red"})


def test_a_recipe_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownName, match="Take one of adamw,"):
        case(assume={"recipe": "magic"})


def test_a_family_name_says_which_variant_it_was_taken_as() -> None:
    found = assumed(on="H100")["device"]
    assert found.value == "H100 SXM 80GB"
    assert "commonest variant" in str(found.reason)


def test_an_exact_name_says_nothing() -> None:
    assert "device" not in assumed()


# Tokens and lengths: as said, as published, or by rule


def test_tokens_that_were_said_are_taken() -> None:
    assert case(tokens="1T").workload.tokens == 1e12


def test_published_tokens_are_taken_where_none_were_said() -> None:
    found = case()
    assert found.workload.tokens == load().models["gpt-3-175b"].tokens
    assert str(assumed()["tokens"].reason) == "what GPT-3 175B was trained on"


def test_twenty_tokens_for_each_parameter_are_taken_where_none_are_published() -> None:
    work = case("1B").workload
    assert work.architecture is not None
    assert work.tokens == pytest.approx(20e9, rel=0.2)
    assert assumed("1B")["tokens_per_parameter"].source == "chinchilla-2022"


def test_a_published_length_is_taken_where_none_was_said() -> None:
    assert case("llama-3-8b").workload.seq_len == load().models["llama-3-8b"].sequence_length


def test_fine_tuning_takes_the_length_and_tokens_of_instructions() -> None:
    work = case("llama-3-8b", method="qlora").workload
    assert (work.seq_len, work.tokens) == (DEFAULTS["finetune_seq_len"].value, DEFAULTS["finetune_tokens"].value)


def test_a_known_global_batch_limits_the_micro_batch() -> None:
    assert case("gpt-2").workload.global_batch == 512


def test_tokens_of_an_undisclosed_model_contradict_its_readings() -> None:
    with pytest.raises(Contradiction, match=r"GPT-3\.5 is undisclosed"):
        case("gpt-3.5", tokens="1T")


def test_a_model_whose_weights_are_not_public_cannot_be_fine_tuned() -> None:
    with pytest.raises(Contradiction, match=r"cannot be fine-tuned\. Name an open model"):
        case("gpt-3", method="qlora")


def test_a_question_without_hardware_asks_for_it() -> None:
    with pytest.raises(BadInput, match="No hardware was named"):
        resolve(read_question("gpt-3"), load())


# What training computes in

WITHOUT_BF16 = [key for key, row in load().accelerators.items() if row.architecture in ("Volta", "Turing")]


def test_v100_t4_and_rtx_20_cards_are_among_those_without_bf16() -> None:
    assert {"v100-sxm-32gb", "t4", "rtx-2080-ti"} <= set(WITHOUT_BF16)


@pytest.mark.parametrize("key", WITHOUT_BF16)
def test_a_volta_or_turing_card_trains_in_fp16(key: str) -> None:
    rate = case(on=key).rate
    assert rate is not None
    assert rate.dtype == "fp16"


@pytest.mark.parametrize("key", ["a100-sxm-80gb", "rtx-3090", "rtx-4070-ti", "h100-sxm-80gb", "mi300x", "tpu-v4"])
def test_a_card_with_bf16_trains_in_it(key: str) -> None:
    rate = case(on=key).rate
    assert rate is not None
    assert rate.dtype == "bf16"


def test_a_stated_peak_is_taken_instead() -> None:
    rate = case(peak="fp32").rate
    assert rate is not None
    assert rate.peak.mid == load().accelerators["rtx-4070-ti"].peak_tflop_s["fp32"] * 1e12


def test_a_missing_peak_is_named_with_those_that_are_published() -> None:
    with pytest.raises(MissingFigure) as caught:
        case(peak="fp4")
    assert str(caught.value.rule).startswith("RTX 4070 Ti has no published fp4 peak (published: fp32, ")


def test_a_missing_peak_is_named_with_its_remedy() -> None:
    with pytest.raises(MissingFigure) as caught:
        case(peak="fp4")
    assert str(caught.value.remedy) == (
        "Name another dtype with --peak, or bring a row of your own with --catalogue FILE."
    )


def test_no_share_can_be_taken_of_a_peak_that_nobody_published() -> None:
    with pytest.raises(MissingFigure, match="No source gives GB10 a peak rate"):
        case(on="GB10", utilization="90%")


def test_a_device_without_any_peak_has_no_rate() -> None:
    assert case(on="GB10").rate is None


def test_a_stated_share_is_exact() -> None:
    rate = case(utilization="90%").rate
    assert rate is not None
    assert (rate.share, rate.stated) == (Interval.exact(0.9), True)


def test_a_share_that_nobody_stated_is_as_measured_on_such_cards() -> None:
    rate, row = case().rate, load().shares["geforce-ada"]
    assert rate is not None
    assert (rate.share, rate.stated) == (Interval(row.low, row.mid, row.high), False)


# Cards of which only the memory is said


def test_a_generic_card_has_the_memory_that_was_said() -> None:
    assert case(on="12GB GPU").cluster.device.memory.value == 12 * GIB


def test_a_generic_card_is_as_fast_as_the_slowest_to_the_fastest_of_its_kind() -> None:
    rate = case(on="12GB GPU").rate
    assert rate is not None
    assert rate.peak.low < rate.peak.mid < rate.peak.high


def test_a_named_card_is_as_fast_as_it_is() -> None:
    rate = case().rate
    assert rate is not None
    assert rate.peak.low == rate.peak.high


# Rent: median, 10th and 90th percentile of on-demand prices in the newest twelve months

OWN_DEVICE = """
[accelerators.test-card]
name = "Test card"
source = "techpowerup"
checked = 2026-01-01
vendor = "NVIDIA"
architecture = "Test"
family = "h100"
form = "PCIe"
released = "2026"
memory_gib = 80
peak_tflop_s = { bf16 = 100 }
board_w = 300
"""
NEWEST = dt.date(2026, 6, 30)


def price(usd: float, date: dt.date = NEWEST, market: str = "on_demand") -> str:
    return (
        f'[[prices]]\ndevice = "test-card"\nprovider = "Test"\nmarket = "{market}"\nusd_per_device_hour = {usd}\n'
        f'date = {date.isoformat()}\nsource = "epoch-hardware"\n'
    )


def rent(folder: Path, *prices: str) -> Interval | None:
    own = folder / "own.toml"
    own.write_text("\n".join((OWN_DEVICE, *prices)), encoding="utf-8")
    return case("gpt-2", "test-card", load().with_file(own)).terms.rent


def test_rent_is_the_median_from_the_10th_to_the_90th_percentile(tmp_path: Path) -> None:
    assert rent(tmp_path, *(price(float(usd)) for usd in range(1, 12))) == Interval(2.0, 6.0, 10.0)


def test_the_order_of_prices_does_not_matter(tmp_path: Path) -> None:
    assert rent(tmp_path, *(price(float(usd)) for usd in range(11, 0, -1))) == Interval(2.0, 6.0, 10.0)


def test_a_single_price_is_exact(tmp_path: Path) -> None:
    assert rent(tmp_path, price(3.0)) == Interval.exact(3.0)


def test_prices_older_than_a_year_before_the_newest_do_not_count(tmp_path: Path) -> None:
    assert rent(tmp_path, price(3.0), price(9.0, NEWEST - dt.timedelta(days=365))) == Interval.exact(3.0)


def test_prices_within_a_year_before_the_newest_count(tmp_path: Path) -> None:
    prices = (price(3.0), price(4.0), price(9.0, NEWEST - dt.timedelta(days=364)))
    assert rent(tmp_path, *prices) == Interval(3.2, 4.0, 8.0)


@pytest.mark.parametrize("market", ["spot", "reserved_1y", "reserved_3y"])
def test_prices_of_other_markets_do_not_count(tmp_path: Path, market: str) -> None:
    assert rent(tmp_path, price(3.0), price(1.0, market=market)) == Interval.exact(3.0)


def test_without_a_price_there_is_no_rent(tmp_path: Path) -> None:
    assert rent(tmp_path) is None


def test_a_stated_rent_is_exact() -> None:
    assert case(on="H100", assume={"rent": "2.50"}).terms.rent == Interval.exact(2.5)


def test_a_card_that_people_own_is_not_rented() -> None:
    assert case().terms.rent is None


# Power


def test_a_desktop_shares_its_100_watts_among_its_cards() -> None:
    one, four = (case(on=on).terms.host_factor for on in (CARD, f"4x {CARD}"))
    assert (one, four) == pytest.approx((1 + 100 / 285, 1 + 100 / (4 * 285)))


def test_a_home_has_no_overhead_for_a_building() -> None:
    assert case().terms.pue == 1.0


def test_a_data_centre_has_an_overhead_for_host_and_building() -> None:
    terms = case(on="H100").terms
    assert (terms.host_factor, terms.pue) == (DEFAULTS["host_factor"].value, DEFAULTS["pue"].value)


def test_a_country_has_its_own_price_of_electricity() -> None:
    assert case(assume={"country": "DE"}).terms.usd_per_kwh == load().grid["de"].usd_per_kwh


def test_a_country_without_a_price_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(MissingFigure, match=r"No electricity price is known for atlantis\. Take one of "):
        case(assume={"country": "atlantis"})


def test_a_machine_that_shares_its_memory_gives_three_quarters_of_it() -> None:
    assert case(on="m2-ultra").usable_share == 0.75


# Nodes: (machine, devices in a node, nodes)

NODES = [
    ("8x H100", 8, 1),
    ("16x H100", 8, 2),
    ("16384x H100", 8, 2_048),
    ("12x H100", 8, 2),
    ("4x H100", 4, 1),
    ("16x A100", 8, 2),
    ("64x MI300X", 8, 8),
    ("72x GB200", 72, 1),
    ("144x GB200", 72, 2),
    ("4x GB200", 4, 1),
    ("72x GB300", 72, 1),
    ("RTX 4090", 1, 1),
    ("8x RTX 4090", 8, 1),
    ("9x RTX 4090", 1, 9),
    ("100000x RTX 4070 Ti over 100Mb/s home internet", 1, 100_000),
    ("2x RTX 4090 over 1Gb/s", 1, 2),
    ("4x RTX 4090 in nodes of 2", 2, 2),
    ("16 nodes of 8x A100-80GB over 200Gb/s", 8, 16),
    ("16x H100 in nodes of 4", 4, 4),
]


def machine(text: str) -> Any:
    return cluster(read_hardware(text), load(), Assumed({}))


@pytest.mark.parametrize(("text", "per_node", "nodes"), NODES)
def test_a_machine_has_so_many_devices_in_so_many_nodes(text: str, per_node: int, nodes: int) -> None:
    found = machine(text)
    assert (found.per_node, found.nodes) == (per_node, nodes)


def test_a_link_is_shared_by_the_devices_of_a_node() -> None:
    assert machine("16x H100 over 400Gb/s").between.bandwidth.value == 400e9 / 8 / 8


def test_a_link_for_each_device_is_not_shared() -> None:
    assert machine("16x H100 over 400Gb/s per gpu").between.bandwidth.value == 400e9 / 8


def test_a_link_that_does_not_exist_asks_for_its_bandwidth() -> None:
    with pytest.raises(UnknownName, match="Name its bandwidth, such as 400Gb/s per gpu"):
        machine("16x H100 over string")


@pytest.mark.parametrize(
    ("on", "said", "share"),
    [("A10G", {}, 15 / 16), ("A100-80GB", {}, 1.0), ("A10G", {"assume": {"usable_memory": "90%"}}, 0.9)],
)
def test_error_correction_takes_a_sixteenth_unless_the_usable_memory_is_said(
    on: str, said: dict[str, Any], share: float
) -> None:
    assert case("gpt2", on, **said).usable_share == share
