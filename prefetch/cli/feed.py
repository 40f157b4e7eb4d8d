"""The verb `submit`: HL7 files through the inbox, as a feed would send them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefetch import crosscheck, timing
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.store.database import Connection

SOURCE = crosscheck.SUBMIT


def submit(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Framed or not, one message or many; - is stdin.")
    ],
    *,
    config: terms.ConfigOption = None,
) -> None:
    """Put HL7 messages in the inbox: for bookings made before the daemon was there, or for a trial."""
    from prefetch.intake import batch  # noqa: PLC0415 (imported only by who reads HL7)

    site = terms.load_footing(config)
    messages = [(file, raw) for file in files for raw in batch.split(_bytes_of(file))]
    refused = 0
    with terms.writing(site) as connection:
        for file, raw in messages:
            because = _accept(connection, raw)
            refused += because is not None
            if because is not None:
                terms.say(f"{file}: {because}")
    terms.echo(f"{len(messages) - refused} of {len(messages)} messages are in the inbox")
    if refused or not messages:
        terms.stop(terms.Exit.NO)


def _bytes_of(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        terms.stop(terms.Exit.WRONG_USE, f"{file}: {error.strerror}")


def _accept(connection: Connection, raw: bytes) -> str | None:
    """Store one message as the listener would; gives why not."""
    from prefetch.intake import header  # noqa: PLC0415 (imported only by who reads HL7)
    from prefetch.store import inbox  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    read = header.read_header(raw)
    if read is None:
        return "no MSH segment can be read here; AR is what a sender would be told"
    seen = header.glance(raw)
    accepted = inbox.accept_message(
        connection,
        source=SOURCE,
        raw=raw,
        control_id=read.control_id,
        message_type=read.type_and_trigger,
        priority=seen.priority,
        order_number=seen.order_number,
        received_at=timing.now(),
    )
    return f"message {read.control_id} is there already, not stored twice" if accepted.repeat else None
