"""The clock was set back: what was put off by the time before it is looked at now, and not hours later.

What begins at a time that an exam or a window gave keeps it; only what was to be planned at once, and waits
after a failure or for another look, are cut short.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, exists, or_, update

from prefetch.model import RetrieveState
from prefetch.store.tables import archives, in_state, orders, pairs, retrieves, wants, worklists


def cut_waits_short(c: Connection, now: datetime) -> int:
    """Let be due now what was due at once, or waits after a failure or for another look; gives how many."""
    may_begin = exists().where(
        wants.c.retrieve_id == retrieves.c.id, wants.c.withdrawn.is_(False), wants.c.start_at <= now
    )
    waits = in_state(RetrieveState.WAITING) & (retrieves.c.attempts > 0) & may_begin
    put_off = (
        update(retrieves)
        .where(or_(in_state(RetrieveState.MOVED), waits), retrieves.c.start_at > now)
        .values(start_at=now),
        update(orders)
        .where(
            orders.c.plan_at > now,
            or_(
                orders.c.plan_attempts > 0,
                orders.c.plan_problem.is_not(None),
                orders.c.plan_at <= orders.c.changed_at,  # at once, by the time before
            ),
        )
        .values(plan_at=now),
        update(pairs).where(pairs.c.parked_until > now).values(parked_until=now),
        update(archives).where(archives.c.resting_until > now).values(resting_until=now),
        update(worklists).where(worklists.c.due_at > now).values(due_at=now),
    )
    return sum(c.execute(statement).rowcount for statement in put_off)
