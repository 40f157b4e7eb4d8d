"""What keeps an archive from being asked to move: a person's pause, the breaker's rest, a parked pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from prefetch.store.dialects import insert_unless_known, upsert
from prefetch.store.prepared import Prepared
from prefetch.store.tables import archives, pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStanding:
    """Whether an archive may be asked to move, and who or what says no."""

    name: str
    paused_at: datetime | None
    paused_by: str | None
    resting_until: datetime | None
    resting_because: str | None

    def may_move(self, now: datetime) -> bool:
        """Whether neither a person nor the breaker keeps it."""
        return self.paused_at is None and (self.resting_until is None or self.resting_until <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedPair:
    """An archive that does not know a Move Destination, or whose Move Destination does not answer."""

    archive: str
    destination: str
    parked_until: datetime
    because: str


_HOLD = Prepared(select(archives).where(archives.c.name == bindparam("name")).with_for_update())


def know_archives(c: Connection, names: Iterable[str]) -> None:
    """Make sure that each archive has its row, which is the lock of its slots."""
    insert_unless_known(c, archives, [{"name": name} for name in names])


def hold_archive(c: Connection, name: str) -> ArchiveStanding:
    """Hold an archive's row until the transaction ends: one node at a time counts and claims its slots."""
    row = _HOLD.row(c, {"name": name})
    if row is None:
        know_archives(c, [name])
        (row,) = _HOLD.rows(c, {"name": name})
    return ArchiveStanding(**row)


def list_archives(c: Connection) -> list[ArchiveStanding]:
    """List the archives by name."""
    return [
        ArchiveStanding(**row) for row in c.execute(select(archives).order_by(archives.c.name)).mappings()
    ]


def pause_archive(c: Connection, name: str, *, by: str, at: datetime) -> None:
    """Have no more moves begun at an archive until a person resumes it."""
    know_archives(c, [name])
    c.execute(update(archives).where(archives.c.name == name).values(paused_at=at, paused_by=by))


def resume_archive(c: Connection, name: str) -> bool:
    """End a person's pause; false where there was none."""
    paused = (archives.c.name == name) & archives.c.paused_at.is_not(None)
    return c.execute(update(archives).where(paused).values(paused_at=None, paused_by=None)).rowcount == 1


def rest_archive(c: Connection, name: str, *, until: datetime | None, because: str | None) -> None:
    """Have no moves begun at an archive until then (the circuit breaker is open); None closes it."""
    know_archives(c, [name])
    c.execute(
        update(archives).where(archives.c.name == name).values(resting_until=until, resting_because=because)
    )


def park_pair(c: Connection, archive: str, destination: str, *, until: datetime, because: str) -> None:
    """Have the moves of an archive to a destination wait: it does not know it, or nobody answers there."""
    row = {"archive": archive, "destination": destination, "parked_until": until, "because": because}
    upsert(c, pairs, [row])


def unpark_pair(c: Connection, archive: str, destination: str) -> bool:
    """Let the moves of a pair go on; false where it was not parked."""
    this = (pairs.c.archive == archive) & (pairs.c.destination == destination)
    return c.execute(delete(pairs).where(this)).rowcount == 1


def unpark_all(c: Connection) -> None:
    """Let the moves of all pairs go on."""
    c.execute(delete(pairs))


def parked_pairs(c: Connection, now: datetime) -> list[ParkedPair]:
    """List the pairs that wait."""
    query = select(pairs).where(pairs.c.parked_until > now).order_by(pairs.c.archive, pairs.c.destination)
    return [ParkedPair(**row) for row in c.execute(query).mappings()]
