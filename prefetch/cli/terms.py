"""What every command shares: `--config`, `--json`, exit statuses, and one way to print.

Exit statuses (design, section 10): 0 fine, 1 the answer is no, 2 wrong use, 3 could not ask.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

DEFAULT_CONFIG = Path("/etc/prefetch/prefetch.yaml")


class Exit(IntEnum):
    """How a command ends."""

    FINE = 0
    NO = 1
    WRONG_USE = 2
    COULD_NOT_ASK = 3


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"The configuration; else $PREFETCH_CONFIG, else {DEFAULT_CONFIG}.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")]


def say(line: str) -> None:
    """Print a line for the person, beside the answer: on stderr."""
    typer.echo(line, err=True)


def stop(exit_status: Exit, line: str = "") -> NoReturn:
    """End the command with a line on stderr."""
    if line:
        say(line)
    raise typer.Exit(int(exit_status))


def config_path(given: Path | None) -> Path:
    """The configuration file that a command uses, named on stderr."""
    path = given or Path(os.environ.get("PREFETCH_CONFIG") or DEFAULT_CONFIG)
    say(f"configuration: {path}")
    return path


def print_rows(rows: Iterable[Mapping[str, Any]], *, as_json: bool, columns: Mapping[str, str]) -> None:
    """Print rows as JSON lines with all their keys, or as a table of the given columns (key → heading)."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    table = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if row.get(key) is None else str(row[key]) for key in columns))
    Console(soft_wrap=False).print(table)
