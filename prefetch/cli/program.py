"""The command `prefetch`: which verbs there are and where they live."""

from __future__ import annotations

import importlib
import sys

import click
import typer

VERBS: dict[str, str] = {
    "check": "prefetch.cli.rules",
    "schema": "prefetch.cli.rules",
    "read": "prefetch.cli.messages",
    "describe": "prefetch.cli.relevance",
    "relevance": "prefetch.cli.relevance",
}
"""Verb → module that defines a function of the same name; imported only when the verb is used."""


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is called: `prefetch check` never loads DICOM."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and make a command of its function."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name])
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(getattr(module, cmd_name.replace("-", "_")))
        return typer.main.get_command(single)


@click.command(cls=Verbs, no_args_is_help=True)
@click.version_option(package_name="prior-study-prefetch")
def program() -> None:
    """Prior studies, verified complete on the reading workstation before the exam starts."""


def main() -> None:
    """Run the command line."""
    sys.exit(program())
