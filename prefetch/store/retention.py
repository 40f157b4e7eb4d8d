"""Retention: history is kept for a time and removed in small batches, so that no writer waits for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, select, tuple_

from prefetch import lifecycle
from prefetch.store.tables import (
    MessageState,
    answers,
    cross_references,
    day_of_order,
    events,
    in_state,
    inbox,
    orders,
    retrieves,
    wants,
    worklist_items,
)


def forget(c: Connection, *, history_before: datetime, messages_before: datetime, limit: int) -> int:
    """Remove up to `limit` rows a table that are older; gives how many it were: 0 when all is done.

    An order goes with its keys, plans and wants; a retrieve when no order that is kept ever wanted it.
    """
    ended = in_state(*lifecycle.ENDED) & (retrieves.c.deadline < history_before)
    never_wanted = ~exists().where(wants.c.retrieve_id == retrieves.c.id)
    old = {
        inbox: (inbox.c.received_at < messages_before) & (inbox.c.state != MessageState.WAITING),
        worklist_items: worklist_items.c.last_seen < messages_before,
        events: events.c.at < history_before,
        answers: answers.c.asked_at < history_before,
        cross_references: cross_references.c.asked_at < history_before,
        orders: (day_of_order < history_before) & (orders.c.changed_at < history_before),
        retrieves: ended & never_wanted,
    }
    return sum(_forget(c, table, condition, limit) for table, condition in old.items())


def _forget(c: Connection, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    key = list(table.primary_key)
    chosen = select(*key).where(condition).limit(limit)
    return c.execute(delete(table).where(tuple_(*key).in_(chosen))).rowcount
