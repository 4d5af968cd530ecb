"""Do `check`, `estimate` and the comparison with measured runs speak of the same thing?"""

from __future__ import annotations

from typing import Any

import pytest

import cardyears
from cardyears.answer.links import workable_batch
from cardyears.base.errors import CardyearsError
from cardyears.catalogue.load import load
from cardyears.question.question import read_question
from cardyears.verbs.estimate import estimate_layout


def test_check_takes_as_long_as_the_layout_that_it_found() -> None:
    found = cardyears.check("gpt-3", on="1024x A100", duration="60d")
    layout = found.memory.layout if found.memory else {}
    keys = ("tp", "pp", "virtual_stages", "dp", "zero", "micro_batch", "accumulation", "recompute", "schedule")
    said = ",".join(f"{key}={layout[key]}" for key in keys)
    other = cardyears.estimate("gpt-3", on="1024x A100", layout=said, engine="megatron-core")
    assert found.time_s is not None
    days = 300e9 / (other.tokens_per_s_per_device.mid * 1_024)
    assert found.time_s.mid == pytest.approx(days, rel=0.02)


def test_llama_3_on_its_own_machine_takes_about_as_long_as_it_did() -> None:
    # 15.6T tokens in 54 days of the published snapshot and more: llama3-2024, section 3.3.4.
    found = cardyears.check("llama-3.1-405b", on="16384x H100 over 400Gb/s per gpu", duration="120d", tokens="15.6T")
    assert found.verdict.overall in ("yes", "probably")
    assert found.time_s is not None
    assert 54 < found.time_s.mid / 86_400 < 110


def test_a_published_batch_becomes_the_power_of_two_that_it_meant() -> None:
    assert workable_batch(1_953, 16_384) == 2_048


def test_waiting_for_links_is_no_hindrance_where_there_is_time() -> None:
    found = cardyears.check("llama-3-8b", on="8x RTX 4090", method="full")
    assert found.verdict.connected_enough == "yes"
    assert "costs too much" not in found.verdict.sentence


def test_an_engine_and_a_device_that_nobody_measured_make_the_estimate_assumed() -> None:
    assumed = cardyears.estimate("gpt2", on="RTX 4060", engine="torchtune", layout="micro_batch=4").assumed_share
    measured = cardyears.estimate("gpt2", on="A100", engine="plain-torch", layout="micro_batch=4").assumed_share
    assert assumed == pytest.approx(1.0)
    assert measured == 0


@pytest.mark.parametrize(
    ("model", "on", "said"),
    [
        ("llama-2-70b", "2x RTX 3090", {"method": "qlora"}),
        ("llama-3-8b", "12GB GPU", {"method": "qlora"}),
        ("llama-3-8b", "RTX 4070 Ti", {"method": "qlora"}),
    ],
)
def test_no_device_does_more_than_its_peak(model: str, on: str, said: dict[str, str]) -> None:
    found = cardyears.estimate(model, on=on, **said)
    assert found.hfu.high <= 1.0
    assert found.mfu.high <= 1.0


def test_targets_base_and_optimiser_of_adapters_are_heard() -> None:
    def held(**assume: str) -> dict[str, float]:
        return cardyears.estimate(
            "llama-3-8b", on="RTX 4090", method="qlora", layout="recompute=full", assume=assume
        ).memory_ledger

    usual = held()
    assert held(targets="attention")["optimizer"] < usual["optimizer"]
    assert held(base="int8")["weights"] > 1.5 * usual["weights"]
    assert held(recipe="paged-adamw-8bit-bf16")["optimizer"] < 0.5 * usual["optimizer"]


def test_a_quantised_base_is_not_multiplied_in_8_bit() -> None:
    with pytest.raises(CardyearsError, match="QLoRA unpacks"):
        cardyears.estimate("llama-3-8b", on="H100", method="qlora", precision="fp8")


def test_an_engine_without_an_axis_is_remarked_upon() -> None:
    found = estimate_layout(read_question("gpt2", on="4x A100", layout="tp=4", engine="llm.q"), load())
    assert any("has no tp" in str(remark) for remark in found.remarks)


def test_packed_documents_take_less_attention_and_padding_fewer_useful_tokens() -> None:
    def asked(**assume: str) -> Any:
        layout = "micro_batch=1,recompute=full"
        return cardyears.estimate("llama-3-8b", on="H100", method="lora", seq_len=8_192, layout=layout, assume=assume)

    usual, packed, padded = asked(), asked(document_tokens="512"), asked(useful_tokens="50%")
    assert packed.time_ledger["attention_core"] < 0.1 * usual.time_ledger["attention_core"]
    assert padded.tokens_per_s_per_device.mid == pytest.approx(usual.tokens_per_s_per_device.mid / 2)
