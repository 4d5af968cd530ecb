"""Layouts as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardyears.base.errors import BadInput, CardyearsError, Contradiction, UnknownName, UnreadableValue
from cardyears.layout.layout import Layout
from cardyears.question.layout import KEYS, LayoutText, read_layout

WRITTEN = [
    (
        "tp=8,pp=16,cp=1,dp=128,micro_batch=1,global_batch=2048,recompute=none,zero=1",
        LayoutText(tp=8, pp=16, cp=1, dp=128, micro_batch=1, global_batch=2048, recompute="none", zero=1),
    ),
    ("TP = 8; PP: 16", LayoutText(tp=8, pp=16)),
    ("tp=8 pp=16 micro-batch=2", LayoutText(tp=8, pp=16, micro_batch=2)),
    ("tp8 pp16 dp128", LayoutText(tp=8, pp=16, dp=128)),
    ("tp 8, pp 16", LayoutText(tp=8, pp=16)),
    ("--tp=8 --gbs=512", LayoutText(tp=8, global_batch=512)),
    ("tensor parallel=4، micro batch=٢", LayoutText(tp=4, micro_batch=2)),
    ("gbs=2,048,mbs=2,ga=8", LayoutText(global_batch=2048, micro_batch=2, accumulation=8)),
    ("gbs=2_048", LayoutText(global_batch=2048)),
    ("gbs=2k", LayoutText(global_batch=2000)),
    ("v=4,schedule=interleaved", LayoutText(virtual_stages=4, schedule="interleaved")),
    ("vpp=4,vp=4", LayoutText(virtual_stages=4)),
    ("schedule=zero_bubble", LayoutText(schedule="zero-bubble")),
    ("fsdp=1", LayoutText(zero=3)),
    ("fsdp", LayoutText(zero=3)),
    ("fsdp=no", LayoutText(zero=0)),
    ("zero=0", LayoutText(zero=0)),
    ("hsdp=16,zero=3", LayoutText(shard_group=16, zero=3)),
    ("recompute=full/2", LayoutText(recompute="full", recompute_every=2)),
    ("recompute=full / 4", LayoutText(recompute="full", recompute_every=4)),
    ("gradient_checkpointing=true", LayoutText(recompute="full")),
    (
        "attention=eager,compile=yes,overlap=off,sp=0",
        LayoutText(kernel="eager", compiled=True, overlap=False, sp=False),
    ),
    ("compile,chunked_loss,dropout=n", LayoutText(compiled=True, chunked_loss=True, dropout=False)),
    ("offload=optimizer + weights,offload_to=nvme", LayoutText(offload="optimizer+weights", offload_to="nvme")),
    ("offload=no", LayoutText(offload="none")),
    ("context_kind=all_gather,balanced=no", LayoutText(context_kind="all-gather", balanced=False)),
    ("precision=FP8,ep=8,etp=2", LayoutText(precision="fp8", ep=8, etp=2)),
    ("tp=8,,pp=2,", LayoutText(tp=8, pp=2)),
]

REFUSED = [
    (
        "microbatch=1",
        UnknownName,
        "A layout has no 'microbatch'. Did you mean micro_batch? The keys are " + ", ".join(KEYS) + ".",
    ),
    ("xyzzy=1", UnknownName, "A layout has no 'xyzzy'. The keys are " + ", ".join(KEYS) + "."),
    ("tp=8,tensor=4", Contradiction, 'The layout says tp twice: "tp=8" and "tensor=4". Keep one of them.'),
    ("fsdp=1,zero=1", Contradiction, 'The layout says zero twice: "fsdp=1" and "zero=1". Keep one of them.'),
    ("fsdp=8", UnreadableValue, "fsdp cannot be '8'. Take one of yes, no."),
    ("zero=4", UnreadableValue, "zero cannot be '4'. Take one of 0, 1, 2, 3."),
    ("tp=0", UnreadableValue, 'tp: "0" is not more than zero. Write a whole number as in 8 or 16,384.'),
    ("tp=1.5", UnreadableValue, 'tp: "1.5" is not a whole number. Write 1.'),
    (
        "tp=8,16",
        UnreadableValue,
        (
            'tp: the comma in "8,16" does not group thousands. '
            "Write 1.5 for one and a half, and 1,500 or 1500 for fifteen hundred."
        ),
    ),
    ("kernel=some", UnreadableValue, "kernel cannot be 'some'. Take one of flash, eager."),
    (
        "fast",
        UnreadableValue,
        '"fast" says nothing about a layout. Write KEY=VALUE as in tp=8,pp=4,micro_batch=1,global_batch=512.',
    ),
    (" , ", UnreadableValue, "The layout says nothing. Write it as in tp=8,pp=4,micro_batch=1,global_batch=512."),
]


@pytest.mark.parametrize(("text", "layout"), WRITTEN)
def test_a_layout_reads_as_it_is_meant(text: str, layout: LayoutText) -> None:
    assert read_layout(text) == layout


@pytest.mark.parametrize(("text", "kind", "sentence"), REFUSED)
def test_what_does_not_read_is_said_with_its_remedy(text: str, kind: type[BadInput], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        read_layout(text)
    assert str(caught.value) == sentence


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(UnreadableValue):
        read_layout("tp=8," * 1_000)


def test_every_field_of_a_layout_can_be_written() -> None:
    assert set(Layout.__struct_fields__) | {"global_batch"} == set(LayoutText.__struct_fields__)
    assert {"compiled" if key == "compile" else key for key in KEYS} == set(LayoutText.__struct_fields__)


PIECES = st.sampled_from(
    [*KEYS, "fsdp", "=", ":", ",", ";", " ", "8", "0", "-1", "full/", "yes", "1e400", "٣", "x", "/", "nan"]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join)))
def test_any_text_reads_or_is_refused_in_a_sentence(text: str) -> None:
    sentence = ""
    try:
        read_layout(text)
    except CardyearsError as error:
        sentence = str(error)
    assert not sentence or sentence.endswith(".")


def test_the_kind_of_context_parallelism_may_stand_in_its_degrees_place() -> None:
    assert read_layout("cp=4,context=ulysses") == read_layout("cp=4,context_kind=ulysses")
