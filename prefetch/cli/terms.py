"""What every command shares: `--config`, `--json`, the store, exit statuses, and one way to print.

Exit statuses (design, section 10): 0 fine, 1 the answer is no, 2 wrong use, 3 could not ask.
"""

from __future__ import annotations

import getpass
import json
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from prefetch import errors
from prefetch.values.visible_text import make_json_visible, make_visible

if TYPE_CHECKING:
    from prefetch.config import Config, Footing
    from prefetch.model import Order
    from prefetch.store.database import Connection

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
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides, for the history; else who is logged in."),
]


class SafeConsole(Console):
    """A console that obeys nothing in what it shows: no markup, no escape sequence, no mark of direction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text visible before it is laid out; lines stay lines."""
        return super().render_str(make_visible(text, keep="\n"), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Make visible what was laid out as text of its own; styles are no part of it."""
        for segment in super().render(renderable, options):
            plain = (
                segment if segment.control else segment._replace(text=make_visible(segment.text, keep="\n"))
            )
            yield plain


def echo(text: str = "", *, err: bool = False) -> None:
    """Print text for a person; lines and columns stay, and nothing else in it acts."""
    typer.echo(make_visible(text, keep="\n\t"), err=err)


def say(line: str) -> None:
    """Print a line for the person, beside the answer: on stderr."""
    echo(line, err=True)


def stop(exit_status: Exit, line: str = "") -> NoReturn:
    """End the command with a line on stderr."""
    if line:
        say(line)
    raise typer.Exit(int(exit_status))


def place_of(given: Path | None) -> Path:
    """The configuration file that a command uses."""
    return given or Path(os.environ.get("PREFETCH_CONFIG") or DEFAULT_CONFIG)


def config_path(given: Path | None) -> Path:
    """The configuration file that a command uses, named on stderr."""
    path = place_of(given)
    say(f"configuration: {path}")
    return path


def load_site(given: Path | None, *, rules_directory: Path | None = None) -> Config:
    """The whole configuration with its rules, or others; every mistake is printed, and ends the command."""
    from prefetch import config  # noqa: PLC0415 (pydantic's models cost start-up time)

    try:
        return config.load(config_path(given), rules_directory=rules_directory)
    except errors.ConfigurationError as error:
        stop(Exit.WRONG_USE, f"{error}\n{len(error.problems)} mistakes; nothing was started")


def load_footing(given: Path | None) -> Footing:
    """What is enough to look into the store; other mistakes in the files are counted, and do not matter."""
    from prefetch import config  # noqa: PLC0415 (pydantic's models cost start-up time)

    try:
        footing, problems = config.load_footing(config_path(given))
    except errors.ConfigurationError as error:
        stop(Exit.WRONG_USE, f"{error}\n{len(error.problems)} mistakes; nothing was asked")
    if problems:
        say(f"{len(problems)} mistakes in the files, see `prefetch check`; daemons go by the last good ones")
    return footing


@contextmanager
def looking(site: Footing) -> Iterator[Connection]:
    """A connection that only looks."""
    from prefetch.store import database  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    with (
        could_not_ask(),
        _opened(database.Database.open(site.store)) as store,
        store.snapshot() as connection,
    ):
        yield connection


@contextmanager
def writing(site: Footing) -> Iterator[Connection]:
    """One short write transaction; the daemon notices within a second."""
    from prefetch.store import database  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    with (
        could_not_ask(),
        _opened(database.Database.open(site.store)) as store,
        store.transaction() as connection,
    ):
        yield connection


def the_order(connection: Connection, name: str) -> Order:
    """The one order that a person means; ends the command where it is none, or more than one."""
    from prefetch.store import orders  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    found = orders.find_orders(connection, name)
    if not found:
        stop(Exit.NO, f"no order is known as {name!r}: by accession, placer or filler number, or # and ours")
    if len(found) > 1:
        which = ", ".join(f"#{order.id} ({order.procedure_description})" for order in found)
        stop(Exit.NO, f"{len(found)} orders are known as {name!r}; name one of them: {which}")
    return found[0]


@contextmanager
def could_not_ask() -> Iterator[None]:
    """End the command with status 3 where the store does not answer."""
    try:
        yield
    except errors.StoreError as error:
        stop(Exit.COULD_NOT_ASK, str(error))


@contextmanager
def _opened(store: Any) -> Iterator[Any]:
    try:
        yield store
    finally:
        store.close()


def who(given: str | None) -> str:
    """The person who decides: named, or behind sudo, or logged in."""
    return given or os.environ.get("SUDO_USER") or getpass.getuser()


def local(moment: datetime | None, zone: ZoneInfo) -> str:
    """A time as the site's clocks show it."""
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def print_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each row as a JSON line."""
    for row in rows:
        print_json(row)


def print_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print the given columns (key → heading) for a person; as wide as it needs to be where nobody looks."""
    console = SafeConsole()
    table = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        cells = ("" if row.get(key) is None else str(row[key]) for key in columns)
        table.add_row(*(make_visible(cell) for cell in cells))
    if not table.row_count:
        say("none")
        return
    if not console.is_terminal:
        console = SafeConsole(width=max(console.width, console.measure(table).maximum))
    console.print(table)


def print_json(row: Mapping[str, Any]) -> None:
    """Print one JSON line; times in ISO 8601."""
    typer.echo(make_json_visible(json.dumps(row, ensure_ascii=False, default=_plain)))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A thing with more to say of it than a row of a table holds."""

    head: str
    lines: tuple[tuple[str, str], ...] = ()
    """A word and what it says, each on a line below the head."""


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print blocks for a person, wrapped to the terminal; each line whole where nobody looks."""
    console = SafeConsole()
    width = console.width if console.is_terminal else None
    for block in blocks:
        echo("\n".join(write_block(block, width)))


def write_block(block: Block, width: int | None) -> Iterator[str]:
    """Write the lines of a block, within so many columns where there is a limit."""
    limit = None if width is None else max(width, _NARROWEST)
    yield from fold(block.head, "", "    ", width=limit, breaks_words=True)
    words = max((len(word) for word, _ in block.lines), default=0)
    for word, text in block.lines:
        first = f"  {word:<{words}}  "
        following = " " * min(len(first), _DEEPEST_INDENT)
        yield from fold(text, first, following, width=limit, breaks_words=True)


_DEEPEST_INDENT = 24
_NARROWEST = 40
"""Columns in which a block can be read."""


def fold(
    text: str, first: str = "", following: str = "", *, width: int | None, breaks_words: bool = False
) -> list[str]:
    """Fold text into lines of so many columns, each behind its indent; one line where there is no limit."""
    if width is None:
        return [first + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=breaks_words,
        break_on_hyphens=False,
    )
