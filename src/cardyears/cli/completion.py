"""Shell completion: the script to source, and names from the catalogue."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from cardyears.catalogue.load import load


@click.command(epilog='Put it into your shell\'s start-up file:  eval "$(cardyears completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from cardyears.cli.main import cardyears

    kind = get_completion_class(shell)
    assert kind is not None  # the three shells that click knows
    click.echo(kind(cardyears, {}, "cardyears", "_CARDYEARS_COMPLETE").source())


def complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of models that begin so."""
    return [
        CompletionItem(key, help=row.name) for key, row in load().models.items() if key.startswith(incomplete.lower())
    ]


def complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of devices that begin so."""
    return [
        CompletionItem(key, help=row.name)
        for key, row in load().accelerators.items()
        if key.startswith(incomplete.lower())
    ]
