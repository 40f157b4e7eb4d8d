"""Real moves show which archive knows which Move Destination: rows outlive rests and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, exists, select

from prefetch.model import RetrieveState
from prefetch.store.dialects import upsert
from prefetch.store.tables import destinations, in_state, retrieves

CERTAIN = 2
"""Moves in a row that failed for an unknown Move Destination, from which on a person is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRow:
    """Moves of one archive to one workstation have shown this of it."""

    archive: str
    destination: str
    reached_at: datetime | None
    """When the archive was first seen to send there; None where it never was."""
    failures: int
    """Moves in a row that it refused for not knowing the destination."""
    failed_since: datetime | None
    failed_at: datetime | None
    reason: str | None
    remedy: str | None


def mark_reached(c: Connection, archive: str, destination: str, *, now: datetime) -> None:
    """Write that an archive sends to a destination: it knows it."""
    upsert(c, destinations, [_nothing_failed(archive, destination, reached_at=now)])


def mark_unknown(
    c: Connection, archive: str, destination: str, *, reason: str, remedy: str, now: datetime
) -> DestinationRow:
    """Write that a move failed because the archive does not know the destination; gives what is known now."""
    row = _row(c, archive, destination)
    in_a_row = row is not None and row.failures > 0 and not _has_arrived_since(c, row)
    values = _nothing_failed(archive, destination, reached_at=row.reached_at if row else None) | {
        "failures": row.failures + 1 if row is not None and in_a_row else 1,
        "failed_since": row.failed_since if row is not None and in_a_row else now,
        "failed_at": now,
        "reason": reason,
        "remedy": remedy,
    }
    upsert(c, destinations, [values])
    return DestinationRow(**values)


def list_destinations(c: Connection) -> Iterator[DestinationRow]:
    """List what is known of each pair; failures that an arrival has made past are none."""
    query = select(destinations).order_by(destinations.c.archive, destinations.c.destination)
    for values in c.execute(query).mappings().all():
        row = DestinationRow(**values)
        if row.failures and _has_arrived_since(c, row):
            row = DestinationRow(**_nothing_failed(row.archive, row.destination, reached_at=row.failed_at))
        yield row


TOLD_FOR = timedelta(days=7)
"""How long an unknown destination is told of where nothing is moved there any more."""


def unknown_destinations(c: Connection, now: datetime) -> list[DestinationRow]:
    """List the workstations that archives surely do not know, by their last moves."""
    return [
        row
        for row in list_destinations(c)
        if row.failed_at is not None and row.failures >= CERTAIN and row.failed_at > now - TOLD_FOR
    ]


def _row(c: Connection, archive: str, destination: str) -> DestinationRow | None:
    pair = and_(destinations.c.archive == archive, destinations.c.destination == destination)
    values = c.execute(select(destinations).where(pair)).mappings().first()
    return None if values is None else DestinationRow(**values)


def _has_arrived_since(c: Connection, row: DestinationRow) -> bool:
    """Tell whether anything moved after the last failure was verified, on whichever node."""
    pair = retrieves.c.archive == row.archive, retrieves.c.destination == row.destination
    later = retrieves.c.moved_at > row.failed_at
    return bool(c.execute(select(exists().where(*pair, in_state(RetrieveState.VERIFIED), later))).scalar())


def _nothing_failed(archive: str, destination: str, *, reached_at: datetime | None) -> dict[str, Any]:
    return {
        "archive": archive,
        "destination": destination,
        "reached_at": reached_at,
        "failures": 0,
        "failed_since": None,
        "failed_at": None,
        "reason": None,
        "remedy": None,
    }
