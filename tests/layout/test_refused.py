"""What is said of a layout: what is not legal is refused with its remedy, and the rest follows."""

from __future__ import annotations

from typing import Any

import pytest

from cardyears.base.errors import BadInput
from cardyears.layout.layout import Layout
from cardyears.layout.legal import complete
from cardyears.layout.partial import PartialLayout
from cardyears.layout.remarks import remarks
from cardyears.layout.site import Site, shape
from cardyears.question.layout import read_layout
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Experts
from cardyears.work.linear_attention import GatedDeltaNet
from cardyears.work.mixers import Attention, Parallel
from support.sites import BIG, MOE, SMALL, at

REFUSED: list[tuple[Site, str, str]] = [
    # The axes and the cluster.
    (
        BIG,
        "tp=8,pp=16,cp=1,dp=100",
        "tp x pp x cp x dp = 8 x 16 x 1 x 100 = 12,800, but the cluster has 16,384 devices. Take dp = 128.",
    ),
    (
        at("8b", 24),
        "tp=8,pp=2",
        "tp x pp x cp = 8 x 2 x 1 = 16 does not divide the cluster's 24 devices. Try tp = 1, 2 or 4.",
    ),
    (at("8b", 7), "tp=2,pp=2", "tp x pp x cp = 2 x 2 x 1 = 4 does not divide the cluster's 7 devices. Name 8 devices."),
    (SMALL, "tp=32", "tp = 32 is more than the 16 devices of the cluster. Try tp = 1, 2, 4, 8 or 16."),
    (SMALL, "dp=32", "dp = 32 is more than the 16 devices of the cluster. Take dp = 16."),
    # The model.
    (SMALL, "tp=6", "tp = 6 does not divide 32 heads. Try tp = 1, 2, 4, 8 or 16."),
    (at("gpt-3", 96), "tp=5,dp=3", "tp = 5 does not divide 96 heads. Take tp = 32."),
    (MOE, "ep=6", "ep = 6 does not divide 128 experts. Try ep = 1, 2, 4, 8, 16, 32 or 64."),
    (SMALL, "ep=8", "ep = 8 deals out experts, and the model has none. Take ep = 1."),
    (SMALL, "etp=2", "etp = 2 deals out experts, and the model has none. Take etp = 1."),
    (MOE, "etp=5", "etp = 5 does not divide an expert 1,536 wide. Try etp = 1, 2, 4, 8, 16, 32 or 64."),
    (
        at("moe", 24),
        "ep=16",
        "ep x etp = 16 x 1 = 16 does not divide the 24 ranks of tp x cp x dp. Try ep = 1, 2, 4 or 8.",
    ),
    (
        at("8b", 64),
        "pp=64",
        ("pp = 64 is more than the model's 32 layers: the last stage would be empty. Try pp = 1, 2, 4, 8, 16 or 32."),
    ),
    (
        BIG,
        "tp=8,pp=16,virtual_stages=9",
        (
            "pp x virtual_stages = 16 x 9 = 144 chunks, more than embedding, 126 layers and head can fill. "
            "Try virtual_stages = 1, 2, 3, 4, 5, 6, 7 or 8."
        ),
    ),
    (
        at("8b", 8, method="qlora"),
        "tp=2",
        "tp = 2 cannot split the 4-bit weights of QLoRA: bitsandbytes has no tensor parallelism. Take tp = 1.",
    ),
    # The schedule.
    (SMALL, "virtual_stages=2", "virtual_stages = 2 needs a pipeline, and pp = 1. Try pp = 2, 4, 8 or 16."),
    (SMALL, "schedule=zero-bubble", "schedule = zero-bubble needs a pipeline, and pp = 1. Try pp = 2, 4, 8 or 16."),
    (
        SMALL,
        "pp=2,schedule=1f1b,v=4",
        "schedule = 1f1b gives each stage one chunk of layers, and virtual_stages = 4. Take schedule = interleaved.",
    ),
    (
        SMALL,
        "pp=16,schedule=interleaved,v=1",
        ("schedule = interleaved deals out several chunks of layers, and virtual_stages = 1. Take virtual_stages = 2."),
    ),
    (
        at("8b", 12),
        "pp=3,schedule=dualpipe",
        "schedule = dualpipe feeds a pipeline from both ends, and pp = 3 is odd. Try pp = 2, 4, 6 or 12.",
    ),
    (
        SMALL,
        "pp=4,schedule=dualpipe,accumulation=6",
        (
            "schedule = dualpipe takes an even number of micro-batches, 2 x pp = 8 or more, and accumulation = 6. "
            "Take accumulation = 8."
        ),
    ),
    (
        SMALL,
        "pp=4,v=2,accumulation=6",
        (
            "schedule = interleaved takes micro-batches in groups of pp = 4, which does not divide accumulation = 6. "
            "Try accumulation = 4 or 8."
        ),
    ),
    # The sequence.
    (at("8b", 6), "cp=3", "cp = 3 does not divide a sequence of 8,192 tokens. Try cp = 1 or 2."),
    (
        at("8b", 16, seq_len=1_004),
        "cp=4",
        ("Balanced, cp = 4 cuts a sequence into 2 x 4 = 8 pieces, which do not divide 1,004 tokens. Try cp = 1 or 2."),
    ),
    (
        at("8b", 16, seq_len=1_004),
        "tp=8",
        (
            "Sequence parallelism cuts a sequence into tp x cp = 8 x 1 = 8 pieces, which do not divide "
            "1,004 tokens. Take sp = no."
        ),
    ),
    (
        at("8b", 64),
        "tp=8,cp=8,context_kind=ulysses",
        (
            "context_kind = ulysses deals out heads, and tp x cp = 8 x 8 = 64 does not divide 32 heads. "
            "Try cp = 1, 2 or 4."
        ),
    ),
    (
        SMALL,
        "cp=2,kernel=eager",
        (
            "context_kind = ring joins pieces of attention by their log-sums, which kernel = eager does not give, "
            "and cp = 2. Take kernel = flash."
        ),
    ),
    # Sharding, recomputation, offload.
    (
        at("8b", 16, engine="deepspeed"),
        "pp=2,zero=3",
        (
            "deepspeed refuses zero = 3 with pp = 2: a pipeline would exchange gradients, and gather sharded "
            "weights, for every micro-batch. torchtitan runs it at that price. Try zero = 0 or 1."
        ),
    ),
    (
        SMALL,
        "shard_group=8,zero=0",
        (
            "shard_group = 8 says over how many ranks state is sharded, and zero = 0 shards nothing. "
            "Try zero = 1, 2 or 3."
        ),
    ),
    (
        SMALL,
        "hsdp=6",
        (
            "shard_group = 6 does not divide the dp x cp = 16 x 1 = 16 ranks that hold the same weights. "
            "Try shard_group = 1, 2, 4, 8 or 16."
        ),
    ),
    (
        SMALL,
        "recompute=selective,recompute_every=2",
        (
            "recompute_every = 2 chooses layers to compute again as a whole, and recompute = selective. "
            "Take recompute = full."
        ),
    ),
    (
        SMALL,
        "recompute=full/33",
        ("recompute_every = 33 is more than the model's 32 layers. Try recompute_every = 1 or 2."),
    ),
    (
        SMALL,
        "offload=optimizer+weights,zero=1",
        (
            "offload = optimizer+weights sends trained weights away shard by shard, as zero = 3 has them, and "
            "zero = 1. Take zero = 3."
        ),
    ),
    (
        SMALL,
        "offload_to=nvme,offload=none",
        "offload_to = nvme says where to, and offload = none. Take offload = optimizer.",
    ),
    (
        SMALL,
        "offload_to=nvme,offload=optimizer,zero=2",
        "offload_to = nvme goes with zero = 3 only, and zero = 2. Take zero = 3.",
    ),
    # The batch.
    (
        BIG,
        "tp=8,pp=16,micro_batch=3,global_batch=2048",
        ("micro_batch x dp = 3 x 128 = 384 does not divide global_batch = 2,048. Try micro_batch = 1, 2, 4, 8 or 16."),
    ),
    (
        BIG,
        "tp=8,pp=16,global_batch=2000",
        ("micro_batch x dp = 1 x 128 = 128 does not divide global_batch = 2,000. Try global_batch = 1,920 or 2,048."),
    ),
    (
        BIG,
        "tp=8,pp=16,micro_batch=1,accumulation=8,global_batch=2048",
        "micro_batch x accumulation x dp = 1 x 8 x 128 = 1,024, but global_batch = 2,048. Take accumulation = 16.",
    ),
    (
        SMALL,
        "micro_batch=10000000000",
        "micro_batch = 10000000000 is not a whole number from 1 to 1 billion. Take micro_batch = 1,000,000,000.",
    ),
]


@pytest.mark.parametrize(("ground", "text", "sentence"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_what_is_not_legal_is_said_with_its_remedy(ground: Site, text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        complete(read_layout(text), ground)
    assert str(caught.value) == sentence


# What follows from what is said.

FILLED: list[tuple[Site, str, dict[str, Any]]] = [
    (BIG, "tp=8,pp=16,global_batch=2048", {"dp": 128, "micro_batch": 1, "accumulation": 16, "schedule": "1f1b"}),
    (BIG, "tp=8,pp=16,v=8,global_batch=2048", {"schedule": "interleaved"}),
    (BIG, "tp=8,pp=16,global_batch=2048,accumulation=4", {"micro_batch": 4}),
    (SMALL, "zero=3", {"dp": 16, "accumulation": 1, "precision": "bf16"}),
    (SMALL, "pp=4", {"dp": 4, "accumulation": 4}),
    (SMALL, "pp=4,schedule=dualpipe", {"accumulation": 8}),
    (SMALL, "pp=4,schedule=interleaved", {"virtual_stages": 2}),
    (SMALL, "hsdp=8", {"zero": 3}),
    (SMALL, "offload=optimizer+weights", {"zero": 3}),
    (at("8b", 1, method="qlora"), "offload=optimizer+weights", {"zero": 0}),
    (SMALL, "recompute_every=2", {"recompute": "full"}),
    (at("8b", 16, engine="torchtitan"), "pp=2,zero=3", {"dp": 8}),
    (at("8b", 2, method="qlora"), "zero=3", {"dp": 2}),
    (at("8b", 16), "tp=16", {"dp": 1}),
]
"""The last: key and value heads are copied where tp exceeds them."""


@pytest.mark.parametrize(("ground", "text", "found"), FILLED, ids=[text for _, text, _ in FILLED])
def test_what_is_not_said_follows_from_what_is(ground: Site, text: str, found: dict[str, Any]) -> None:
    layout = complete(read_layout(text), ground)
    assert {key: getattr(layout, key) for key in found} == found


def test_what_the_engine_does_by_itself_is_left_to_it() -> None:
    usual = Layout(zero=3, precision="fp16", kernel="eager")
    layout = complete(PartialLayout(kernel="flash"), SMALL, usual)
    assert (layout.zero, layout.precision, layout.kernel) == (3, "fp16", "flash")


def test_the_shape_has_the_counts_of_every_kind_of_layer() -> None:
    both = Parallel((Attention(24, 8, 64), GatedDeltaNet(16, 32, 128, 128)))
    arch = Architecture("hybrid", 2_048, 32_000, ((Layer(both, Experts(64, 4, 512, gated=True, shared_width=768)), 2),))
    found = shape(arch)
    assert (found.heads, found.kv_heads) == ((24, 16, 32), (8,))
    assert (found.widths, found.experts, found.expert_widths) == ((768,), (64,), (512,))


def test_remarks_say_what_engines_do_with_a_legal_layout() -> None:
    layout = complete(read_layout("tp=16,pp=4,zero=3"), at("8b", 128))
    assert [str(line) for line in remarks(layout, at("8b", 128))] == [
        "tp = 16 reaches over the node of 8 devices: its traffic takes the slower links.",
        "tp = 16 is more than 8 key and value heads: each is held 2 times.",
        (
            "zero = 3 with a pipeline gathers weights and exchanges gradients for every micro-batch: torchtitan runs "
            "it so, DeepSpeed refuses it."
        ),
    ]
    assert remarks(Layout(), SMALL) == ()
