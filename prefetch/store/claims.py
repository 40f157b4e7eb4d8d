"""Claims: retrieves become due, are claimed for a move under lease and fence, and come back with a result."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, or_, select, update

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store import archives as archive_rows
from prefetch.store.dialects import lease_clock
from prefetch.store.orders import RELEASED, release_orders
from prefetch.store.retrieves import BY_NUMBER, FENCED, NEXT_FENCE, claim_of, take_step
from prefetch.store.tables import in_state, orders, pairs, retrieves
from prefetch.store.wants import withdraw_unwanted

_ENOUGH_AT_ONCE = 1_000

_NOTHING_SAID: dict[str, Any] = {"completed": None, "failed": None, "warning": None, "last_outcome": None}
"""What is known of a move that broke off; the counts of an earlier one say nothing of it."""

_OURS = (*FENCED, in_state(RetrieveState.MOVING))
_ONE_MORE_ATTEMPT = retrieves.c.attempts + 1
_NO_ATTEMPT = retrieves.c.attempts - 1

_COUNT_MOVING = (
    select(func.count())
    .select_from(retrieves)
    .where(in_state(RetrieveState.MOVING), retrieves.c.archive == bindparam("archive"))
)
_PARKED = exists().where(
    pairs.c.archive == retrieves.c.archive,
    pairs.c.destination == retrieves.c.destination,
    pairs.c.parked_until > bindparam("now"),
)
_OPEN = or_(retrieves.c.closes_at.is_(None), retrieves.c.closes_at > bindparam("now"))
"""Its window has not closed: then it waits for the plan that finds the next one."""
_MOST_URGENT = (
    select(retrieves.c.id)
    .where(
        in_state(RetrieveState.DUE),
        retrieves.c.archive == bindparam("archive"),
        _OPEN,
        ~_PARKED,
    )
    .order_by(retrieves.c.lane, retrieves.c.deadline, retrieves.c.id)
    .limit(bindparam("free"))
    .with_for_update(skip_locked=True, of=retrieves)
)
_RIPE = (
    select(retrieves.c.id)
    .where(in_state(RetrieveState.WAITING), retrieves.c.start_at <= bindparam("now"))
    .order_by(retrieves.c.start_at)
    .limit(_ENOUGH_AT_ONCE)
    .with_for_update(skip_locked=True)
)


def promote(c: Connection, now: datetime) -> int:
    """Make due the retrieves whose time has come, some at a time; gives how many."""
    numbers = list(c.execute(_RIPE, {"now": now}).scalars())
    return (
        len(take_step(c, Step.PROMOTE, BY_NUMBER, at=now, parameters={"numbers": numbers})) if numbers else 0
    )


def claim_retrieves(
    c: Connection, *, archive: str, slots: int, owner: str, now: datetime, lease: timedelta, limit: int
) -> list[model.Retrieve]:
    """Claim the most urgent retrieves that an archive has free slots for, over all nodes.

    The archive's row is held in a statement of its own before slots are counted: in one statement with the
    count, READ COMMITTED would show two nodes the same free slots.
    """
    if not archive_rows.hold_archive(c, archive).may_move(now):
        return []
    free = min(limit, slots - c.execute(_COUNT_MOVING, {"archive": archive}).scalar_one())
    chosen = list(c.execute(_MOST_URGENT, {"archive": archive, "free": max(free, 0), "now": now}).scalars())
    if not chosen:
        return []
    begun = {
        "owner": owner,
        "lease_until": lease_clock(c, now) + lease,
        "fence": NEXT_FENCE,
        "attempts": _ONE_MORE_ATTEMPT,
        "claimed_at": now,
    }
    claimed = take_step(
        c,
        Step.CLAIM,
        BY_NUMBER,
        at=now,
        parameters={"numbers": chosen},
        values=begun,
        detail={"owner": owner},
    )
    return sorted(claimed, key=lambda retrieve: chosen.index(retrieve.id))


def finish_move(
    c: Connection, retrieve: model.Retrieve, result: model.MoveResult, then: lifecycle.Next, *, now: datetime
) -> bool:
    """Write what became of a move; false where the claim is no longer ours, and the result is dropped."""
    values: dict[str, Any] = {
        "start_at": then.at,
        "checks": 0,
        "completed": result.completed,
        "failed": result.failed,
        "warning": result.warning,
        "last_outcome": result.outcome,
        "problem": None if result.outcome is model.Outcome.SUCCESS else then.because,
    }
    if then.step is Step.MOVE:
        values["moved_at"] = now
    if not then.counts:
        values["attempts"] = _NO_ATTEMPT
    if then.archive is not None:
        values |= {"archive": then.archive, "attempts": 0}
    detail: dict[str, object] = {
        "outcome": result.outcome,
        "because": then.because,
        "completed": result.completed,
        "failed": result.failed,
        "milliseconds": round(result.milliseconds, 1),
    }
    moved = take_step(
        c, then.step, *_OURS, at=now, parameters=claim_of(retrieve), values=values, detail=detail
    )
    if not moved:
        return False
    if then.park_until:
        pair = retrieve.archive, retrieve.destination
        archive_rows.park_pair(c, *pair, until=then.park_until, because=then.because)
    withdraw_unwanted(c, moved, now=now)
    return True


# --- leases ----------------------------------------------------------------------------------------


def renew_leases(c: Connection, owner: str, *, now: datetime, lease: timedelta) -> int:
    """Keep all that an owner works on, orders and retrieves; gives how many rows that is."""
    until = lease_clock(c, now) + lease
    return sum(
        c.execute(update(table).where(table.c.owner == owner).values(lease_until=until)).rowcount
        for table in (orders, retrieves)
    )


def sweep_leases(c: Connection, now: datetime) -> list[model.Retrieve]:
    """Take over the moves whose owner is gone: the destination is looked at before anything moves again.

    Orders and checks need no sweep: a lease that has run out is no obstacle to the next claim.
    """
    return _recover(c, retrieves.c.lease_until < lease_clock(c, now), now=now)


def recover(c: Connection, *, now: datetime, owner: str | None = None) -> list[model.Retrieve]:
    """Take over all that an owner held, or that anyone did: at start on SQLite, where nobody else is alive.

    Moves that broke off are looked for at their destination before anything moves again, and are given.
    """
    release_orders(c, owner=owner)
    recovered = _recover(c, _held_by(owner), now=now)
    c.execute(update(retrieves).where(_held_by(owner)).values(**RELEASED))
    return recovered


def recover_lost(
    c: Connection, owner: str, *, under_way: Collection[int], claimed_before: datetime, now: datetime
) -> list[model.Retrieve]:
    """Take back moves that an owner claimed a while ago and does not work on: no result was ever written."""
    lost = (retrieves.c.owner == owner) & (retrieves.c.claimed_at < claimed_before)
    return _recover(c, lost & retrieves.c.id.not_in(list(under_way)), now=now)


def _held_by(owner: str | None) -> ColumnElement[bool]:
    return retrieves.c.owner.is_not(None) if owner is None else retrieves.c.owner == owner


def _recover(c: Connection, which: ColumnElement[bool], *, now: datetime) -> list[model.Retrieve]:
    """Have moves that broke off looked for at the destination now; their late results are dropped."""
    values = {"start_at": now, "checks": 0, "fence": NEXT_FENCE, "moved_at": now, **_NOTHING_SAID}
    return take_step(c, Step.RECOVER, which, at=now, values=values)
