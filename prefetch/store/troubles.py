"""Troubles that are open, since when: each is told once when it begins and once when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, select, update

from prefetch.domain.trouble import Trouble
from prefetch.store.dialects import insert_if_new, is_shared
from prefetch.store.tables import troubles

REMEMBERED = timedelta(hours=1)
"""A trouble that nobody has looked for so long, for no daemon ran, begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrouble:
    """A trouble that was there when a daemon looked last."""

    name: str
    subject: str
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What this daemon is to tell: each trouble by one daemon only."""

    began: tuple[Trouble, ...]
    ended: tuple[OpenTrouble, ...]


def open_since(c: Connection) -> dict[tuple[str, str], datetime]:
    """Give since when each open trouble is: (name, subject) → time."""
    return {(row.name, row.subject): row.since for row in _open(c)}


def note_troubles(c: Connection, found: Sequence[Trouble], *, now: datetime) -> Changes:
    """Remember what was found and forget what is over; gives what no other daemon has told."""
    before = {(row.name, row.subject): row for row in _open(c)}
    there = {(trouble.name.value, trouble.subject): trouble for trouble in found}
    ended = [row for key, row in before.items() if key not in there and _forget(c, row)]
    began = [trouble for key, trouble in there.items() if _remember(c, trouble, before.get(key), now)]
    return Changes(began=tuple(began), ended=tuple(ended))


def _open(c: Connection) -> list[OpenTrouble]:
    query = select(troubles).order_by(troubles.c.name, troubles.c.subject)
    return [OpenTrouble(**row) for row in c.execute(query).mappings()]


def _remember(c: Connection, trouble: Trouble, before: OpenTrouble | None, now: datetime) -> bool:
    """Write that a trouble is there; tells whether it begins."""
    key = {"name": trouble.name.value, "subject": trouble.subject}
    times = {"since": trouble.since or now, "seen_at": now}
    if before is None:
        return insert_if_new(troubles, shared=is_shared(c)).run(c, {**key, **times}) == 1
    is_old = before.seen_at < now - REMEMBERED
    values: Mapping[str, datetime] = times if is_old else {"seen_at": now}
    seen = and_(
        troubles.c.name == trouble.name.value,
        troubles.c.subject == trouble.subject,
        troubles.c.seen_at == before.seen_at,
    )
    return c.execute(update(troubles).where(seen).values(**values)).rowcount == 1 and is_old


def _forget(c: Connection, row: OpenTrouble) -> bool:
    """Write that a trouble is over; false where another daemon has."""
    over = and_(troubles.c.name == row.name, troubles.c.subject == row.subject)
    return c.execute(delete(troubles).where(over)).rowcount == 1
