"""The verb `dead-letters`: messages that could not be understood, or only in part; to read and to replay."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch import errors, timing
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Config
    from prefetch.store.inbox import InboxMessage

dead_letters = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
"""What can be done with them: `list`, `show`, `replay`."""

_COLUMNS = {
    "message": "message",
    "received": "received",
    "source": "from",
    "message_type": "type",
    "control_id": "control ID",
    "problem": "why",
}

Number = Annotated[int, typer.Argument(metavar="MESSAGE", help="Its number, as the list shows it.")]
Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="MESSAGE...", help="Numbers, as the list shows them.")
]


@dead_letters.callback()
def _about() -> None:
    """Read and replay messages that could not be understood; they were acknowledged, and are kept."""


@dead_letters.command("list")
def list_letters(
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
    source: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Only what came in by this listener.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = 1000,
) -> None:
    """List the messages that could not be understood, newest first, each with the reason."""
    from prefetch.store import inbox  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site = terms.load_site(config)
    with terms.looking(site) as connection:
        letters = inbox.dead_letters(connection, limit, source=source)
    if json:
        terms.print_lines(map(_row, letters))
    else:
        terms.print_table((_line(letter, site) for letter in letters), _COLUMNS)


@dead_letters.command("show")
def show_letter(
    number: Number,
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
    raw: Annotated[bool, typer.Option("--raw", help="Nothing but the message, byte for byte.")] = False,
) -> None:
    """Show one message, why it was not understood, and what would be read in it today."""
    from prefetch.cli import messages  # noqa: PLC0415 (imported only by who reads HL7)
    from prefetch.intake import hl7  # noqa: PLC0415 (imported only by who reads HL7)

    site = terms.load_site(config)
    letter = _the_letter(site, number)
    if raw:
        sys.stdout.buffer.write(letter.raw)
        return
    senders = hl7.Senders(site.senders)
    text = hl7.lines(letter.raw, senders=senders, listener=letter.source)
    reading = hl7.read_message(letter.raw, senders=senders, listener=letter.source)
    if json:
        today = messages.row(reading, mapping=True)
        terms.print_json(_row(letter) | {"text": text, "today": today})
        return
    for key, value in _line(letter, site).items():
        terms.echo(f"{_COLUMNS[key]:<12} {value}")
    terms.echo("".join(f"\n  {line}" for line in text) + "\n")
    messages.show(reading, f"message {number} today", mapping=True)


@dead_letters.command("replay")
def replay_letters(
    numbers: Numbers = None,
    *,
    config: terms.ConfigOption = None,
    by: terms.ByOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter, oldest first.")] = False,
) -> None:
    """Have messages read once more: after a mapping was corrected and the daemon has loaded it."""
    from prefetch.store import inbox, operator  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    if every is bool(numbers):
        terms.stop(terms.Exit.WRONG_USE, "name the messages to replay, or say --all")
    site = terms.load_site(config)
    refused = 0
    with terms.writing(site) as connection:
        for number in sorted(numbers or inbox.dead_numbers(connection)):
            try:
                operator.replay(connection, number, by=terms.who(by), now=timing.now())
            except (errors.NotFoundError, errors.IllegalTransitionError) as error:
                refused += 1
                terms.say(str(error))
            else:
                terms.echo(f"{number} is read once more")
    if refused:
        terms.stop(terms.Exit.NO)


def _the_letter(site: Config, number: int) -> InboxMessage:
    from prefetch.store import inbox  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    with terms.looking(site) as connection:
        letter = inbox.get_message(connection, number)
    if letter is None:
        terms.stop(terms.Exit.NO, f"there is no message {number}")
    return letter


def _row(letter: InboxMessage) -> dict[str, Any]:
    """A message as --json prints it; the keys are a contract."""
    return {
        "message": letter.id,
        "state": letter.state.value,
        "received_at": letter.received_at,
        "source": letter.source,
        "message_type": letter.message_type,
        "control_id": letter.control_id,
        "bytes": len(letter.raw),
        "finished_at": letter.finished_at,
        "problem": letter.because,
    }


def _line(letter: InboxMessage, site: Config) -> dict[str, Any]:
    row = _row(letter) | {"received": terms.local(letter.received_at, site.time_zone)}
    return {key: row[key] for key in _COLUMNS}
