"""Do the options of a layout go together: context, kernel, sharding, recomputation, offload, batch?

Rules as in `rules`, which come first: here the axes are known to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardyears.base.text import Text
from cardyears.layout.layout import ZERO_GRADIENTS, ZERO_OPTIMIZER, ZERO_WEIGHTS, Layout
from cardyears.layout.rules import Rule, common, floor_of, undivided, whole
from cardyears.layout.site import Site

if TYPE_CHECKING:
    from cardyears.layout.rules import Truth

NO_ZERO_WITH_PIPELINE = ("deepspeed", "megatron-deepspeed", "megatron-deepspeed-2023")
"""Engines that refuse ZeRO 2 and 3 with a pipeline: their pipeline would exchange gradients, and gather weights, for
every micro-batch. Source: deepspeed (runtime/pipe/engine.py: "ZeRO-2 and ZeRO-3 are incompatible with pipeline
parallelism"). torchtitan runs them so at that price."""
DUALPIPE_BATCHES = 2
"""Micro-batches for each rank that DualPipe needs at least: half of them enter at each end. Source: DeepSeek's
DualPipe repository, `DualPipe.step`: even ranks, an even number of chunks, at least twice the ranks."""

# The sequence, cut into pieces.


def _pieces(layout: Layout) -> int:
    """Pieces of a sequence on each context rank: one from the front and one from the back, where it is balanced."""
    return 2 if layout.balanced and layout.context_kind != "ulysses" else 1


def _context_broken(layout: Layout, site: Site) -> Text:
    cp, tokens = layout.cp, site.seq_len
    if site.seq_len % cp:
        return Text("cp = {cp:integer} does not divide a sequence of {tokens:integer} tokens.", cp=cp, tokens=tokens)
    return Text(
        "Balanced, cp = {cp:integer} cuts a sequence into 2 x {cp:integer} = {pieces:integer} pieces, which do not "
        "divide {tokens:integer} tokens.",
        cp=cp,
        pieces=2 * cp,
        tokens=tokens,
    )


SEQUENCE = (
    Rule(
        lambda layout, site: (layout.cp == 1) | (site.seq_len % (layout.cp * _pieces(layout)) == 0),
        _context_broken,
        ("cp", "balanced"),
    ),
    Rule(
        lambda layout, site: not layout.sp or (layout.tp == 1) | (site.seq_len % (layout.tp * layout.cp) == 0),
        lambda layout, site: Text(
            "Sequence parallelism cuts a sequence into tp x cp = {tp:integer} x {cp:integer} = {pieces:integer} "
            "pieces, which do not divide {tokens:integer} tokens.",
            tp=layout.tp,
            cp=layout.cp,
            pieces=layout.tp * layout.cp,
            tokens=site.seq_len,
        ),
        ("sp",),
    ),
    Rule(
        lambda layout, site: (
            layout.context_kind != "ulysses"
            or (layout.cp == 1) | (common(site.shape.heads) % (layout.tp * layout.cp) == 0)
        ),
        lambda layout, site: Text(
            "context_kind = ulysses deals out heads, and tp x cp = {tp:integer} x {cp:integer} = {all:integer} does "
            "not divide {heads:integer} heads.",
            tp=layout.tp,
            cp=layout.cp,
            all=layout.tp * layout.cp,
            heads=undivided(site.shape.heads, layout.tp * layout.cp),
        ),
        ("cp", "context_kind"),
    ),
    Rule(
        lambda layout, _: layout.kernel != "eager" or layout.context_kind != "ring" or layout.cp == 1,
        lambda layout, _: Text(
            "context_kind = ring joins pieces of attention by their log-sums, which kernel = eager does not give, "
            "and cp = {cp:integer}.",
            cp=layout.cp,
        ),
        ("kernel", "context_kind"),
    ),
)
"""Sources: llama3-2024, section 3.3.2 (2 x cp pieces); DeepSpeed-Ulysses (arXiv 2309.14509); Ring Attention
(arXiv 2310.01889)."""

# What is sharded, computed again, or kept elsewhere.


def _trained_weights_stay(layout: Layout, site: Site) -> Truth:
    return layout.offload != "optimizer+weights" or site.adapters or layout.zero == ZERO_WEIGHTS


STATE = (
    Rule(
        lambda layout, _: (layout.zero >= 0) & (layout.zero <= ZERO_WEIGHTS) & (layout.zero == floor_of(layout.zero)),
        lambda layout, _: Text("zero = {zero} is no stage of ZeRO.", zero=str(layout.zero)),
        ("zero",),
    ),
    Rule(
        lambda layout, site: (
            site.engine not in NO_ZERO_WITH_PIPELINE or (layout.zero < ZERO_GRADIENTS) | (layout.pp == 1)
        ),
        lambda layout, site: Text(
            "{engine} refuses zero = {zero:integer} with pp = {pp:integer}: a pipeline would exchange gradients, and "
            "gather sharded weights, for every micro-batch. torchtitan runs it at that price.",
            engine=site.engine,
            zero=layout.zero,
            pp=layout.pp,
        ),
        ("zero", "pp"),
    ),
    Rule(
        lambda layout, _: layout.shard_group is None or layout.zero >= ZERO_OPTIMIZER,
        lambda layout, _: Text(
            "shard_group = {group:integer} says over how many ranks state is sharded, and zero = 0 shards nothing.",
            group=layout.shard_group or 1,
        ),
        ("zero",),
    ),
    Rule(
        lambda layout, _: layout.shard_group is None or layout.replicas % layout.shard_group == 0,
        lambda layout, _: Text(
            "shard_group = {group:integer} does not divide the dp x cp = {dp:integer} x {cp:integer} = {all:integer} "
            "ranks that hold the same weights.",
            group=layout.shard_group or 1,
            dp=layout.dp,
            cp=layout.cp,
            all=layout.replicas,
        ),
        ("shard_group",),
    ),
    Rule(
        lambda layout, _: layout.recompute == "full" or layout.recompute_every == 1,
        lambda layout, _: Text(
            "recompute_every = {every:integer} chooses layers to compute again as a whole, and recompute = {kind}.",
            every=layout.recompute_every,
            kind=layout.recompute,
        ),
        ("recompute", "recompute_every"),
    ),
    Rule(
        lambda layout, site: layout.recompute_every <= site.shape.layers,
        lambda layout, site: Text(
            "recompute_every = {every:integer} is more than the model's {layers:integer} layers.",
            every=layout.recompute_every,
            layers=site.shape.layers,
        ),
        ("recompute_every",),
    ),
    Rule(
        _trained_weights_stay,
        lambda layout, _: Text(
            "offload = optimizer+weights sends trained weights away shard by shard, as zero = 3 has them, and "
            "zero = {zero:integer}.",
            zero=layout.zero,
        ),
        ("zero", "offload"),
    ),
    Rule(
        lambda layout, _: layout.offload_to != "nvme" or layout.offload != "none",
        lambda *_: Text("offload_to = nvme says where to, and offload = none."),
        ("offload", "offload_to"),
    ),
    Rule(
        lambda layout, _: layout.offload_to != "nvme" or layout.zero == ZERO_WEIGHTS,
        lambda layout, _: Text(
            "offload_to = nvme goes with zero = 3 only, and zero = {zero:integer}.", zero=layout.zero
        ),
        ("zero", "offload_to"),
    ),
)
"""Sources: deepspeed (its configuration: NVMe and weights are offloaded with stage 3 only); zero-2020."""

# The batch.


def _batch(layout: Layout, site: Site) -> Truth:
    fits = whole(layout.accumulation)
    return fits if site.global_batch is None else fits & (layout.global_batch == site.global_batch)


def _batch_broken(layout: Layout, site: Site) -> Text:
    each = layout.micro_batch * layout.dp
    named = {"micro_batch": layout.micro_batch, "dp": layout.dp, "batch": site.global_batch or layout.global_batch}
    if not whole(layout.accumulation):
        return Text(
            "micro_batch x dp = {micro_batch:integer} x {dp:integer} = {each:integer} does not divide "
            "global_batch = {batch:integer}.",
            each=each,
            **named,
        )
    return Text(
        "micro_batch x accumulation x dp = {micro_batch:integer} x {accumulation:integer} x {dp:integer} = "
        "{all:integer}, but global_batch = {batch:integer}.",
        accumulation=layout.accumulation,
        all=layout.global_batch,
        **named,
    )


BATCH = (
    Rule(_batch, _batch_broken, ("accumulation", "micro_batch", "global_batch")),
    Rule(
        lambda layout, _: layout.schedule != "interleaved" or layout.accumulation % layout.pp == 0,
        lambda layout, _: Text(
            "schedule = interleaved takes micro-batches in groups of pp = {pp:integer}, which does not divide "
            "accumulation = {accumulation:integer}.",
            pp=layout.pp,
            accumulation=layout.accumulation,
        ),
        ("micro_batch", "global_batch", "accumulation", "schedule"),
    ),
    Rule(
        lambda layout, _: (
            layout.schedule != "dualpipe"
            or (layout.accumulation % 2 == 0) & (layout.accumulation >= DUALPIPE_BATCHES * layout.pp)
        ),
        lambda layout, _: Text(
            "schedule = dualpipe takes an even number of micro-batches, 2 x pp = {least:integer} or more, and "
            "accumulation = {accumulation:integer}.",
            least=DUALPIPE_BATCHES * layout.pp,
            accumulation=layout.accumulation,
        ),
        ("micro_batch", "global_batch", "accumulation", "schedule"),
    ),
)
"""Source: megatron-core (its interleaved schedule); DeepSeek's DualPipe repository."""
