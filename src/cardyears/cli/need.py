"""`cardyears need`: what would it take to train a model?"""

from __future__ import annotations

from typing import Any

import click

from cardyears.cli.completion import complete_model
from cardyears.cli.options import calibration, common, examples, present


@click.command(
    epilog=examples("need gpt2-medium --method full --micro-batch 2", "need llama-3.1-8b --within 90d --tokens 160B")
)
@click.argument("model", shell_complete=complete_model)
@click.option("--within", metavar="TIME", help="The time allowed, such as 90d.")
@click.option("--budget", metavar="USD", help="The money allowed, such as $5M.")
@click.option("--tokens", metavar="COUNT", help="Tokens seen, such as 300B.")
@click.option("--seq-len", metavar="TOKENS", help="Length of one sequence.")
@click.option("--method", default="pretrain", show_default=True, help="pretrain, full, lora or qlora.")
@click.option("--micro-batch", metavar="N", help="Sequences per device and step.")
@calibration
@common
def need(
    model: str,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
    **said: Any,
) -> int:
    """What would it take to train MODEL: for each device the fewest that do it, the cheapest first."""
    from cardyears.api.functions import need as ask
    from cardyears.question.question import read_assumptions

    result = ask(model, assume=read_assumptions(assume), catalogue=catalogue, **said)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return 0
