"""Parameters and FLOP as text."""

from __future__ import annotations

from cardyears.base.text import N_, Text
from cardyears.render.labels import LINES
from cardyears.render.page import Page, Titles
from cardyears.render.report.explain import assumption_rows
from cardyears.verbs.count import CONVENTION, CONVENTIONS, FlopCount, ParameterCount

UNCOUNTED = {"norms": N_("norms (in no total)"), "prediction": N_("multi-token-prediction layers (in no total)")}
PASSES = {
    "forward": N_("forward, per token"),
    "backward": N_("backward, per token"),
    "recompute": N_("full recomputation would add"),
}


def params(count: ParameterCount, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """Parameters by part and in total."""
    page.line(
        Text("{model}: {n:integer} parameters ({short:count})", model=count.model, n=count.total, short=count.total),
        "bold",
    )
    rows = [
        (N_("active (one token touches)"), count.active),
        (N_("matmul (pass through a matrix product)"), count.matmul),
        (N_("embedding (looked up, no FLOP)"), count.embedding),
    ]
    if count.prediction:
        rows.append((N_("multi-token-prediction layers (apart, in no total)"), count.prediction))
    page.rows(([page.say(name), page.say(Text("{n:integer}", n=value))] for name, value in rows), right=(1,))
    page.heading(N_("By part"))
    page.rows(
        (
            [
                page.say(LINES[name]),
                page.say(Text("{n:integer}", n=value)),
                page.say(Text("{p:percent}", p=value / count.total)),
                page.bar(float(value) / count.total, 30),
            ]
            for name, value in count.parts.items()
        ),
        right=(1, 2),
    )
    if count.published is not None:
        same = (
            N_("equal to the published count")
            if count.published == count.total
            else N_("the published count is {n:integer}")
        )
        page.heading(Text(same, n=count.published))
    if count.assumptions:
        page.heading(N_("Assumptions"))
        page.rows(([one.key, str(one.value), page.say(one.reason)] for one in count.assumptions), wrap=2)
    if explained:
        page.heading(N_("Equations"))
        page.rows(
            [
                [
                    "matmul",
                    page.say(
                        N_("projections, MLP, router, chosen experts, head (tied or not); no embedding, norm or bias")
                    ),
                ],
                ["active", page.say(N_("total - experts that a token is not routed to"))],
            ],
            wrap=1,
        )
    page.sources([count.source] if count.source else [], titles)


def flops(count: FlopCount, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """FLOP per token by part, in all, and restated in every convention."""
    page.line(
        Text(
            "{model} on {tokens:count} tokens of length {seq:integer}: {flop:flop}",
            model=count.model,
            tokens=count.tokens,
            seq=count.seq_len,
            flop=count.total,
        ),
        "bold",
    )
    page.line(
        Text(
            "{per:flop} for each trained token: forward once, backward twice ({name:word})",
            per=count.per_token,
            name=CONVENTIONS[CONVENTION][0],
        ),
        indent=2,
    )
    page.rows([page.say(PASSES[name]), page.say(Text("{x:flop}", x=value))] for name, value in count.passes.items())
    page.heading(N_("Forward, by part (FLOP per token)"))
    page.ledger({name: float(value) for name, value in count.forward.items()}, LINES, "number")
    page.rows(
        (
            [page.say(UNCOUNTED[name]), page.say(Text("{x:number}", x=value))]
            for name, value in count.uncounted.items()
            if value
        ),
        right=(1,),
    )
    page.heading(N_("The same run as others count it"))
    ours = count.conventions[CONVENTION]
    page.rows(
        (
            [
                page.say(CONVENTIONS[name][0]),
                page.say(Text("{x:flop}", x=value * count.tokens)),
                page.say(Text("{x:flop}", x=value)),
                f"{page.voice.number(value / ours, 2)}",
                CONVENTIONS[name][1],
            ]
            for name, value in count.conventions.items()
        ),
        right=(1, 2, 3),
    )
    page.line(N_("whole run; per token; ratio to the first named convention; who counts so"), indent=2)
    if explained:
        _why_six(page, count)
        assumption_rows(page, count.assumptions)
    page.sources([CONVENTIONS[CONVENTION][1], *(one.source for one in count.assumptions)], titles)


def _why_six(page: Page, count: FlopCount) -> None:
    """Where 6 and 8 come from, with this model's numbers."""
    page.heading(N_("Why 6·N·D, and where 8 comes from"))
    lines = [
        Text(
            "forward: each weight multiplies and adds once: 2 · {n:count} = {f:flop} per token",
            n=count.matmul,
            f=2 * count.matmul,
        ),
        Text(
            "backward: the gradient of the input and of the weight, each as dear as forward: 4 · {n:count} = {f:flop}",
            n=count.matmul,
            f=4 * count.matmul,
        ),
        Text(
            "together 6; the attention core comes on top, with the sequence length: {f:flop}",
            f=count.per_token - 6 * count.matmul,
        ),
        Text("full recomputation runs the forward pass once more: 2 + 2 + 4 = 8, which are hardware FLOP"),
        Text(
            "N is what passes through a matrix product: {m:count} of {t:count} parameters; embeddings are looked up",
            m=count.matmul,
            t=count.total_parameters,
        ),
    ]
    page.rows((["·", page.say(line)] for line in lines), wrap=1)
