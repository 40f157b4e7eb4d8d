"""Worklists: when each was asked, what it answered last, and its items as they were last seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from prefetch import model
from prefetch.store.dialects import insert_if_new, insert_unless_known, is_shared
from prefetch.store.tables import worklist_items, worklists

REMEMBERED = timedelta(days=2)
"""How long before the last whole answer an item may have been seen last, to be compared with the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a worklist answered last."""

    name: str
    asked_at: datetime
    answered_at: datetime | None
    """When it answered wholly for the last time."""
    silent_at: datetime
    """When it counts as silent unless it answers wholly before."""
    outcome: model.Outcome
    because: str | None
    items: int
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An item as it was last seen."""

    id: int
    document: Mapping[str, Any]
    absences: int
    gone_at: datetime | None


def claim_poll(c: Connection, name: str, *, now: datetime, next_at: datetime) -> bool:
    """Take the turn to ask a worklist; false where another node has asked it, or asks it, for this time."""
    insert_unless_known(c, worklists, [{"name": name}])
    due = or_(worklists.c.due_at.is_(None), worklists.c.due_at <= now)
    claimed = update(worklists).where(worklists.c.name == name, due).values(due_at=next_at)
    return c.execute(claimed).rowcount == 1


def know_worklists(c: Connection, names: Collection[str]) -> None:
    """Forget how worklists answered that are no longer asked."""
    c.execute(delete(worklists).where(worklists.c.name.not_in(names)))


def release_polls(c: Connection) -> None:
    """Let every worklist be asked at once: at start on SQLite, where no other node can be asking."""
    c.execute(update(worklists).values(due_at=None))


def known_items(c: Connection, name: str) -> list[Row]:
    """Give what a worklist answered lately."""
    answered_at = c.execute(select(worklists.c.answered_at).where(worklists.c.name == name)).scalar()
    query = select(*(worklist_items.c[each] for each in Row.__dataclass_fields__))
    query = query.where(worklist_items.c.worklist == name).order_by(worklist_items.c.id)
    if answered_at is not None:
        query = query.where(worklist_items.c.last_seen >= answered_at - REMEMBERED)
    return [Row(**row) for row in c.execute(query).mappings()]


def keep_item(
    c: Connection, name: str, key: str, document: Mapping[str, Any], *, known: int | None, now: datetime
) -> None:
    """Write an item as it is now; `known` is its row where it has one."""
    values = {"document": dict(document), "last_seen": now, "absences": 0, "gone_at": None}
    if known is not None:
        c.execute(update(worklist_items).where(worklist_items.c.id == known).values(**values))
        return
    new = {"worklist": name, "item_key": key, "first_seen": now, **values}
    if insert_if_new(worklist_items, shared=is_shared(c)).run(c, new) == 0:
        same = and_(worklist_items.c.worklist == name, worklist_items.c.item_key == key)
        c.execute(update(worklist_items).where(same).values(**values))


def see_items(c: Connection, numbers: Sequence[int], *, now: datetime) -> None:
    """Write that items were answered."""
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        seen = update(worklist_items).where(worklist_items.c.id.in_(some))
        c.execute(seen.values(last_seen=now, absences=0))


def miss_items(c: Connection, absences: Mapping[int, int]) -> None:
    """Write how often items were absent."""
    if absences:
        counted = update(worklist_items).where(worklist_items.c.id == bindparam("number"))
        rows = [{"number": number, "counted": count} for number, count in absences.items()]
        c.execute(counted.values(absences=bindparam("counted")), rows)


def lose_item(c: Connection, number: int, *, now: datetime) -> None:
    """Write that an item has gone."""
    c.execute(update(worklist_items).where(worklist_items.c.id == number).values(gone_at=now))


def record_poll(
    c: Connection,
    name: str,
    answer: model.WorklistAnswer,
    *,
    doubt: str | None,
    silent_at: datetime,
    now: datetime,
) -> None:
    """Write how a worklist answered; `doubt` is why that is no word on what is not in it.

    `silent_at` is when it counts as silent unless it answers wholly before.
    """
    values: dict[str, Any] = {
        "asked_at": now,
        "outcome": answer.outcome,
        "because": doubt,
        "items": len(answer.items),
        "milliseconds": answer.milliseconds,
        "silent_at": func.coalesce(worklists.c.silent_at, silent_at),
    }
    if doubt is None:
        values |= {"answered_at": now, "silent_at": silent_at}
    c.execute(update(worklists).where(worklists.c.name == name).values(**values))


def list_worklists(c: Connection) -> list[Asked]:
    """List the worklists that were ever asked, by name."""
    columns = [worklists.c[each] for each in Asked.__dataclass_fields__]
    query = select(*columns).where(worklists.c.asked_at.is_not(None)).order_by(worklists.c.name)
    return [Asked(**row) for row in c.execute(query).mappings()]


_AT_ONCE = 500
"""Numbers in one statement; a database takes only so many parameters."""
