"""Keeps which issuers the studies of each archive have named, so that a restart asks it no second time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from prefetch.domain.issuers import IssuersHeld
from prefetch.store import dialects, documents
from prefetch.store.tables import archive_issuers


def find(c: Connection, archive: str, address: str) -> IssuersHeld:
    """Give what was learned of an archive at this address; of one at another address nothing is known."""
    query = select(archive_issuers).where(
        archive_issuers.c.archive == archive, archive_issuers.c.address == address
    )
    row = c.execute(query).mappings().first()
    return IssuersHeld() if row is None else _read(row)


def _read(row: Mapping[Any, Any]) -> IssuersHeld:
    return IssuersHeld(
        names=documents.readable(frozenset, row["names"]) or frozenset(),
        some_unnamed=row["some_unnamed"],
        refuses_key=row["refuses_key"],
        empty_repeats=row["empty_repeats"],
    )


def save(c: Connection, archive: str, address: str, held: IssuersHeld, *, now: datetime) -> None:
    """Keep what was learned of an archive, in the place of what was known."""
    row = {
        "archive": archive,
        "address": address,
        "names": sorted(held.names),
        "some_unnamed": held.some_unnamed,
        "refuses_key": held.refuses_key,
        "empty_repeats": held.empty_repeats,
        "changed_at": now,
    }
    dialects.upsert(c, archive_issuers, [row])


def in_words(c: Connection) -> dict[str, str]:
    """Give what was learned in words for an administrator, by archive."""
    words = {row["archive"]: _read(row).words for row in c.execute(select(archive_issuers)).mappings()}
    return {archive: sentence for archive, sentence in words.items() if sentence}


def forget(c: Connection, archive: str) -> None:
    """Forget what was learned of an archive, so that it is found out anew."""
    c.execute(delete(archive_issuers).where(archive_issuers.c.archive == archive))
