"""`status` tells of peers that refuse the daemons, and of Move Destinations that archives do not know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefetch.store.database import Connection
    from prefetch.store.destinations import DestinationRow

_TOLD_FOR = timedelta(days=7)
"""How long an unknown destination is told of where nothing is moved there any more."""


def refused_requests(connection: Connection, *, heard_since: datetime) -> Mapping[str, list[str]]:
    """Tell of each peer that refuses what it is asked every time: peer → sentences."""
    from prefetch.store import nodes  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    refused = nodes.refusals(connection, heard_since=heard_since)
    return {name: [f"{name} {sentence}" for sentence in sentences] for name, sentences in refused.items()}


def unknown_destinations(connection: Connection, now: datetime) -> Mapping[tuple[str, str], str]:
    """Tell of each archive that does not know a workstation: (archive, workstation) → the sentence."""
    from prefetch.store import destinations  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    return {
        (row.archive, row.destination): _unknown(row)
        for row in destinations.list_destinations(connection)
        if row.failed_at is not None
        and row.failures >= destinations.CERTAIN
        and row.failed_at > now - _TOLD_FOR
    }


def _unknown(row: DestinationRow) -> str:
    return (
        f"{row.archive} does not know {row.destination}: {row.failures} moves in a row failed since "
        f"{row.failed_since:%Y-%m-%d %H:%M} UTC ({row.reason}); {row.remedy}; moves are tried again by "
        f"themselves, `prefetch echo {row.archive}` shows whether one has gone"
    )
