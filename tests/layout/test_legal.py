"""Which layouts are legal, in words for one and as booleans for many: the two doors say the same."""

from __future__ import annotations

import math
import re
from typing import Any, get_args

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cardyears.base.errors import BadInput
from cardyears.layout.layout import ContextKind, Layout, Offload, OffloadTo, Schedule
from cardyears.layout.legal import complete, legal, refusal
from cardyears.layout.partial import PartialLayout
from cardyears.layout.rules import DEGREES
from cardyears.layout.site import Site
from cardyears.question.layout import read_layout
from cardyears.work.activations import AttentionKernel
from support.sites import MODELS, SMALL, at

# Both doors say the same, and what is said by hand.

DEVICES = (1, 6, 8, 16, 24)
SITES = st.builds(
    at,
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(DEVICES),
    seq_len=st.sampled_from([1_000, 4_096]),
    method=st.sampled_from(["pretrain", "lora", "qlora"]),
    engine=st.sampled_from(["", "deepspeed"]),
    global_batch=st.sampled_from([None, 48, 64]),
)
WORDS = st.fixed_dictionaries(
    {
        "sp": st.booleans(),
        "balanced": st.booleans(),
        "schedule": st.sampled_from(get_args(Schedule)),
        "context_kind": st.sampled_from(get_args(ContextKind)),
        "kernel": st.sampled_from(get_args(AttentionKernel)),
        "recompute": st.sampled_from(["none", "selective", "full"]),
        "offload": st.sampled_from(get_args(Offload)),
        "offload_to": st.sampled_from(get_args(OffloadTo)),
    }
)
PLAIN = {"sp": True, "balanced": True, "schedule": "1f1b", "context_kind": "ring", "kernel": "flash"}
MANY = 128


def degrees(seed: int, devices: int, *, sharded: bool = False) -> dict[str, Any]:
    """Columns of so many random degrees, most of them sensible."""
    random = np.random.default_rng(seed)
    bold = random.random((2, MANY)) < np.array([[0.5], [0.3]])

    def pick(usual: tuple[float, ...], *others: float) -> Any:
        return np.where(bold.all(axis=0), random.choice(np.array([*usual, *others]), MANY), random.choice(usual, MANY))

    columns = {
        "tp": pick((1, 1, 2, 4), 3, 16),
        "pp": pick((1, 1, 2, 4), 3, 0),
        "cp": pick((1, 1, 1, 2), 3, 8),
        "virtual_stages": pick((1, 1, 2), 40),
        "ep": pick((1, 1, 1, 2), 3, 4),
        "etp": pick((1, 1, 1), 2),
        "micro_batch": pick((1, 1, 2), 1.5),
        "accumulation": pick((4, 8, 8, 16), 2, 6, 0.5),
        "recompute_every": pick((1, 1, 1), 2, 200),
        "zero": pick((0, 1, 3), 2, 4),
    }
    if sharded:
        columns["shard_group"] = pick((1, 2), 3, 4)
    room = columns["tp"] * np.maximum(columns["pp"], 1) * columns["cp"]
    columns["dp"] = pick((1,), 0) * devices / room
    return columns


def divides(degree: Any, counts: tuple[int, ...]) -> bool:
    return all(count % degree == 0 for count in counts)


def by_hand(layout: Layout, ground: Site) -> bool:
    """The rules once more, said another way."""
    numbers = [value for key in DEGREES if (value := getattr(layout, key)) is not None]
    if any(value < 1 or value != math.floor(value) for value in numbers) or layout.zero not in (0, 1, 2, 3):
        return False
    tp, pp, dp, cp, chunks = (int(getattr(layout, key)) for key in ("tp", "pp", "dp", "cp", "virtual_stages"))
    counts, steps, zero = ground.shape, int(layout.accumulation), int(layout.zero)
    model = (
        divides(tp, counts.heads + counts.widths)
        and all(max(tp, heads) % min(tp, heads) == 0 for heads in counts.kv_heads)
        and (divides(layout.ep, counts.experts) if counts.experts else layout.ep == layout.etp == 1)
        and divides(layout.etp, counts.expert_widths)
        and pp <= counts.layers
        and (chunks == 1 or pp * chunks <= counts.layers + 2)
        and not (ground.method == "qlora" and tp > 1)
    )
    schedule = {
        "1f1b": chunks == 1,
        "interleaved": pp > 1 and chunks > 1 and steps % pp == 0,
        "zero-bubble": pp > 1 and chunks == 1,
        "dualpipe": pp > 1 and chunks == 1 and pp % 2 == 0 and steps % 2 == 0 and steps >= 2 * pp,
    }[layout.schedule]
    machine = tp * pp * dp * cp == ground.devices and dp * cp * tp % int(layout.ep * layout.etp) == 0
    cuts = cp if layout.context_kind == "ulysses" or not layout.balanced else 2 * cp
    sequence = (
        (cp == 1 or divides(cuts, (ground.seq_len,)))
        and not (layout.sp and tp > 1 and ground.seq_len % (tp * cp))
        and not (layout.context_kind == "ulysses" and cp > 1 and not divides(tp * cp, counts.heads))
        and not (layout.context_kind == "ring" and cp > 1 and layout.kernel == "eager")
    )
    state = (
        not (ground.engine == "deepspeed" and pp > 1 and zero >= 2)
        and (layout.shard_group is None or (zero > 0 and dp * cp % int(layout.shard_group) == 0))
        and (layout.recompute_every == 1 or layout.recompute == "full")
        and layout.recompute_every <= counts.layers
        and not (layout.offload == "optimizer+weights" and zero != 3 and ground.method == "pretrain")
        and not (layout.offload_to == "nvme" and (zero != 3 or layout.offload == "none"))
    )
    batch = ground.global_batch in (None, layout.micro_batch * steps * dp)
    return bool(model and schedule and machine and sequence and state and batch)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SITES, st.one_of(st.just(PLAIN), WORDS), st.integers(0, 10**6))
def test_words_and_booleans_agree_with_each_other_and_with_the_rules_by_hand(
    ground: Site, words: dict[str, Any], seed: int
) -> None:
    columns = degrees(seed, ground.devices, sharded=seed % 2 == 1)
    found = np.broadcast_to(legal(Layout(**words, **columns), ground), (MANY,))
    for index in range(MANY):
        one = Layout(**words, **{key: float(column[index]) for key, column in columns.items()})
        assert bool(found[index]) == by_hand(one, ground) == (refusal(one, ground) is None), one


def test_random_layouts_are_neither_all_legal_nor_all_illegal() -> None:
    """So that the test above cannot pass by saying no to everything."""
    found = legal(Layout(**degrees(0, 16)), at("8b", 16))
    assert 5 < np.count_nonzero(found) < MANY - 5


def test_integers_scalars_and_nonsense_are_judged_without_a_warning() -> None:
    assert legal(Layout(dp=16), SMALL) is True
    assert not legal(Layout(dp=math.nan), SMALL)
    assert legal(Layout(dp=np.array([16, 8])), SMALL).tolist() == [True, False]
    assert not np.any(legal(Layout(dp=np.array([0.0, -1.0, np.inf, np.nan, 1e300])), SMALL))


# What is said of a layout helps.

SOME = st.one_of(st.none(), st.sampled_from([1, 2, 3, 4, 6, 8, 16, 32, 200]))
SAID = st.builds(
    PartialLayout,
    **dict.fromkeys(["tp", "pp", "dp", "cp", "virtual_stages", "ep", "etp"], SOME),
    **dict.fromkeys(["shard_group", "micro_batch", "global_batch", "accumulation", "recompute_every"], SOME),
    zero=st.one_of(st.none(), st.integers(0, 3)),
    sp=st.one_of(st.none(), st.booleans()),
    schedule=st.one_of(st.none(), st.sampled_from(get_args(Schedule))),
    context_kind=st.one_of(st.none(), st.sampled_from(get_args(ContextKind))),
    kernel=st.one_of(st.none(), st.sampled_from(get_args(AttentionKernel))),
    offload=st.one_of(st.none(), st.sampled_from(get_args(Offload))),
    offload_to=st.one_of(st.none(), st.sampled_from(get_args(OffloadTo))),
)


def outcome(said: PartialLayout, ground: Site) -> Layout | BadInput:
    try:
        return complete(said, ground)
    except BadInput as error:
        return error


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SAID, SITES)
def test_a_completed_layout_is_legal_and_every_remedy_mends_its_rule(said: PartialLayout, ground: Site) -> None:
    found = outcome(said, ground)
    if isinstance(found, Layout):
        batch = said.global_batch or ground.global_batch
        assert legal(found, msgspec.structs.replace(ground, global_batch=batch)) is True
        assert by_hand(found, msgspec.structs.replace(ground, global_batch=batch))
        return
    for mended, place in followed(found, said, ground):
        again = outcome(mended, place)
        assert isinstance(again, Layout) or _rule(again) != _rule(found), (str(found), str(again))


def _rule(error: BadInput) -> tuple[str, object]:
    return error.rule.msgid, error.rule.values.get("key")


def followed(error: BadInput, said: PartialLayout, ground: Site) -> list[tuple[PartialLayout, Site]]:
    """What was said with each remedy that the error names."""
    remedy = str(error.remedy)
    if named := re.fullmatch(r"Name ([\d,]+) devices\.", remedy):
        return [(said, msgspec.structs.replace(ground, devices=int(named[1].replace(",", ""))))]
    if remedy == "Take ep = 1 and etp = 1.":
        return [(msgspec.structs.replace(said, ep=1, etp=1), ground)]
    match = re.fullmatch(r"(?:Take|Try) (\w+) = (.+)\.", remedy)
    assert match, remedy
    values = re.split(r", | or ", match[2])
    return [(msgspec.structs.replace(said, **_read(match[1], value)), ground) for value in values]


def _read(key: str, value: str) -> dict[str, Any]:
    read = read_layout(f"{key}={value}")
    return {key: getattr(read, key)}
