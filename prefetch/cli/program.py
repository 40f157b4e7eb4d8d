"""The command `prefetch`: which verbs there are and where they live."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core

VERBS: dict[str, str] = {
    "init": "prefetch.cli.init",
    "run": "prefetch.cli.daemon",
    "demo": "prefetch.cli.demo",
    "check": "prefetch.cli.rules",
    "test": "prefetch.cli.ruletests",
    "backtest": "prefetch.cli.backtest",
    "schema": "prefetch.cli.rules",
    "echo": "prefetch.cli.echo",
    "read": "prefetch.cli.messages",
    "submit": "prefetch.cli.feed",
    "dead-letters": "prefetch.cli.letters",
    "orders": "prefetch.cli.exams",
    "retrieves": "prefetch.cli.retrieves",
    "status": "prefetch.cli.status",
    "explain": "prefetch.cli.story",
    "quarantine": "prefetch.cli.retrieves",
    "release": "prefetch.cli.retrieves",
    "refuse": "prefetch.cli.retrieves",
    "retry": "prefetch.cli.retrieves",
    "cancel": "prefetch.cli.retrieves",
    "pause": "prefetch.cli.archives",
    "resume": "prefetch.cli.archives",
    "fetch": "prefetch.cli.byhand",
    "replan": "prefetch.cli.replan",
    "migrate": "prefetch.cli.database",
    "describe": "prefetch.cli.relevance",
    "relevance": "prefetch.cli.relevance",
}
"""Verb → module that defines a function of the same name; imported only when the verb is used."""


def command(verb: str) -> Any:
    """Import a verb's module and make a command of its function, or of its group of functions."""
    module = importlib.import_module(VERBS[verb])
    said = getattr(module, verb.replace("-", "_"))
    if isinstance(said, typer.Typer):
        return typer.main.get_command(said)
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(verb)(said)
    return typer.main.get_command(single)


class Verbs(typer.core.TyperGroup):
    """A group that imports a verb's module when the verb is called: `prefetch check` never loads DICOM."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's signature)
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (typer's signature)
        """The verb's command, its module imported now."""
        return command(cmd_name) if cmd_name in VERBS else None

    def invoke(self, ctx: Any) -> Any:
        """Call the verb; a number that no date, count or row can be is wrong use."""
        try:
            return super().invoke(ctx)
        except OverflowError as error:
            raise typer.BadParameter(f"a number is too large: {error}") from error


program = typer.Typer(cls=Verbs, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prefetch {version('prior-study-prefetch')}")
        raise typer.Exit


@program.callback(no_args_is_help=True)
def prefetch(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Prior studies, verified complete on the reading workstation before the exam starts."""


def main() -> None:
    """Run the command line."""
    program()
