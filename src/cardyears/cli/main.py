"""One door for every command: finds it, runs it, and turns every error into one line and an exit code.

A command's file is imported when the command is named, so that help and listings start fast.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from cardyears.base.errors import CardyearsError
from cardyears.base.text import Text
from cardyears.cli.output import put, put_error

COMMANDS = {
    "check": ("check", "Does this hardware train that model in this time?"),
    "estimate": ("estimate", "What does one layout give: step time, speed and memory, line by line?"),
    "plan": ("plan", "Which is the best layout of all legal ones, and what comes next?"),
    "instead": ("instead", "What could this hardware train or fine-tune instead?"),
    "need": ("need", "What would it take to train a model?"),
    "params": ("params", "How many parameters has a model, part by part?"),
    "flops": ("flops", "How many FLOP does its training take, in every convention?"),
    "audit": ("audit", "Is a published claim plausible?"),
    "reconcile": ("reconcile", "Two memory figures disagree: under which assumptions is each right?"),
    "validate": ("validate", "Predicted against measured: how far are the estimates off, and how to make them yours?"),
    "models": ("listings", "Models of the catalogue."),
    "devices": ("listings", "Accelerators of the catalogue."),
    "runs": ("listings", "Published training runs."),
    "prices": ("listings", "Dated prices per device-hour."),
    "sources": ("listings", "The bibliography."),
    "completion": ("completion", "Print the completion script of a shell."),
}
"""Each command with its file and its line in the help."""

DEBUG_VARIABLE = "CARDYEARS_DEBUG"


class Commands(click.Group):
    """Commands that are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cardyears.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with its line, none of them imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The named command; for a slip of the pen the nearest name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f"Did you mean {near[0]}?" if near else "cardyears --help lists all."
            raise click.UsageError(f"There is no command {name!r}. {meant}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Begin with:  cardyears check gpt-3.5 --on "RTX 4070 Ti" --for 1y',
)
@click.version_option(package_name="cardyears", message="%(prog)s %(version)s")
def cardyears() -> None:
    """Can this hardware train that model? It fits, is fast enough and connected enough, or it is not.

    Every number says where it comes from (--explain, --sources). Everything works offline.
    """


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run a command line and leave with its exit code: 0 answer, 2 bad input, 1 a fault of ours."""
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    try:
        code = cardyears.main(words, prog_name="cardyears", standalone_mode=False)
    except CardyearsError as error:
        said = _language(words)
        put_error(error.code, error.rule, error.remedy, as_json=as_json, language=said, details=error.details)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        put(f"{error.ctx.get_help()}\n" if error.ctx else "")
        sys.exit(2)
    except click.ClickException as error:
        put_error(
            "bad-input",
            Text("{message}", message=_one_line(error)),
            Text("{command} --help shows how.", command=_command(words)),
            as_json=as_json,
            language="en",
        )
        sys.exit(2)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        put_error(
            "fault",
            Text("This is a fault of cardyears: {kind}: {what}.", kind=type(error).__name__, what=str(error)[:200]),
            Text("Set {variable}=1 to see where, and report it.", variable=DEBUG_VARIABLE),
            as_json=as_json,
            language="en",
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _command(words: list[str]) -> str:
    return f"cardyears {words[0]}" if words and words[0] in COMMANDS else "cardyears"


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _language(words: list[str]) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == "--lang":
            return following
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
    return os.environ.get("CARDYEARS_LANG", "en")
