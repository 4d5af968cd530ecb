"""Shell completion: the script to source, and names from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem, get_completion_class

from cardyears.catalogue.load import load
from cardyears.catalogue.schema import Row


@click.command(epilog='Put it into your shell\'s start-up file:  eval "$(cardyears completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from cardyears.cli.main import cardyears

    kind = get_completion_class(shell)
    assert kind is not None  # the three shells that click knows
    click.echo(kind(cardyears, {}, "cardyears", "_CARDYEARS_COMPLETE").source())


def complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models whose key or name begins so."""
    return _completions(load().models, incomplete)


def complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Devices whose key or name begins so."""
    return _completions(load().accelerators, incomplete)


def _completions(rows: Mapping[str, Row], incomplete: str) -> list[CompletionItem]:
    begun = incomplete.casefold()
    keys = [CompletionItem(key, help=row.name) for key, row in rows.items() if key.startswith(begun)]
    return keys or [CompletionItem(row.name) for row in rows.values() if row.name.casefold().startswith(begun)]
