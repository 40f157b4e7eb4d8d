"""Claims: retrieves become due, are claimed for a move under lease and fence, and come back with a result.

Small studies of one patient that go to the same destination are claimed together, for a single C-MOVE.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, or_, select, update

from prefetch import lifecycle, model, together
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store import archives as archive_rows
from prefetch.store.dialects import lease_clock
from prefetch.store.orders import RELEASED, release_orders
from prefetch.store.prepared import Prepared
from prefetch.store.retrieves import (
    BY_NUMBER,
    COLUMNS,
    FENCED,
    NEXT_FENCE,
    claimable,
    claims_of,
    take_step,
)
from prefetch.store.tables import in_state, orders, pairs, retrieves
from prefetch.store.wants import withdraw_unwanted

_ENOUGH_AT_ONCE = 1_000

_COUNTS = ("completed", "failed", "warning")
_ALL_OF_IT = retrieves.c.expected_instances
_NOTHING_SAID: dict[str, Any] = {**dict.fromkeys(_COUNTS), "missing": [], "last_outcome": None}
"""What is known of a move that broke off; the counts of an earlier one say nothing of it."""

_OURS = (*FENCED, in_state(RetrieveState.MOVING))
_ONE_MORE_ATTEMPT = retrieves.c.attempts + 1
_NO_ATTEMPT = retrieves.c.attempts - 1

_COUNT_MOVES = Prepared(
    select(func.count(retrieves.c.leader.distinct())).where(
        in_state(RetrieveState.MOVING), retrieves.c.archive == bindparam("archive")
    )
)
_PARKED = exists().where(
    pairs.c.archive == retrieves.c.archive,
    pairs.c.destination == retrieves.c.destination,
    pairs.c.parked_until > bindparam("now"),
)
_OPEN = or_(retrieves.c.closes_at.is_(None), retrieves.c.closes_at > bindparam("now"))
"""Its window has not closed: then it waits for the plan that finds the next one."""
_MAY_MOVE = in_state(RetrieveState.DUE), retrieves.c.archive == bindparam("archive"), _OPEN, ~_PARKED
_ANY = Prepared(select(retrieves.c.id).where(*_MAY_MOVE).limit(1))
_MOST_URGENT = Prepared(
    select(*COLUMNS)
    .where(*_MAY_MOVE)
    .order_by(retrieves.c.lane, retrieves.c.deadline, retrieves.c.id)
    .limit(1)
    .with_for_update(skip_locked=True, of=retrieves)
)
_SAME_WAY = Prepared(
    select(*COLUMNS)
    .where(
        in_state(RetrieveState.DUE),
        *(retrieves.c[name] == bindparam(name) for name in ("patient_id", "archive", "destination", "lane")),
        retrieves.c.issuer_of_patient_id.is_not_distinct_from(bindparam("issuer_of_patient_id")),
        retrieves.c.claimed_at.is_(None),
        _OPEN,
        retrieves.c.id != bindparam("leader"),
    )
    .order_by(retrieves.c.deadline, retrieves.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_RIPE = Prepared(
    select(retrieves.c.id)
    .where(in_state(RetrieveState.WAITING), retrieves.c.start_at <= bindparam("now"))
    .order_by(retrieves.c.start_at)
    .limit(_ENOUGH_AT_ONCE)
    .with_for_update(skip_locked=True)
)


def promote(c: Connection, now: datetime) -> int:
    """Make due the retrieves whose time has come, some at a time; gives how many."""
    numbers = _RIPE.values(c, {"now": now})
    return (
        len(take_step(c, Step.PROMOTE, BY_NUMBER, at=now, parameters={"numbers": numbers})) if numbers else 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What was claimed for one C-MOVE."""

    moving: Sequence[model.Retrieve] = ()
    more: bool = False
    """Whether more waits: for another worker, or where nothing was claimed for a slot to come free."""


def claim_move(
    c: Connection,
    *,
    archive: str,
    slots: int,
    owner: str,
    now: datetime,
    lease: timedelta,
    most: Callable[[model.Retrieve], together.Most],
) -> Claim:
    """Claim the most urgent retrieve that an archive has a free slot for, and what may go with it.

    `most` says how much that may be. The archive's row is held in a statement of its own before slots are
    counted, over all nodes: in one statement with the count, READ COMMITTED would show two nodes the same
    free slot.
    """
    if not archive_rows.hold_archive(c, archive).may_move(now):
        return Claim()
    (moving,) = _COUNT_MOVES.values(c, {"archive": archive})
    if moving >= slots:
        return Claim(more=True)
    due = {"archive": archive, "now": now}
    row = _MOST_URGENT.row(c, due)
    if row is None:
        return Claim()
    readable = claimable(c, [row], now=now)
    if not readable:
        return Claim(more=True)
    (leader,) = readable
    chosen = together.choose(leader, partial(_same_way, c, now), most(leader))
    begun = {
        "owner": owner,
        "lease_until": lease_clock(c, now) + lease,
        "fence": NEXT_FENCE,
        "leader": leader.id,
        "attempts": _ONE_MORE_ATTEMPT,
        "claimed_at": now,
    }
    numbers = [retrieve.id for retrieve in chosen]
    detail: dict[str, object] = {"owner": owner}
    if len(chosen) > 1:
        detail["together"] = len(chosen)
    claimed = take_step(
        c, Step.CLAIM, BY_NUMBER, at=now, parameters={"numbers": numbers}, values=begun, detail=detail
    )
    in_turn = sorted(claimed, key=lambda retrieve: numbers.index(retrieve.id))
    return Claim(moving=in_turn, more=bool(_ANY.values(c, due)))


def _same_way(c: Connection, now: datetime, leader: model.Retrieve, most: int) -> Iterable[model.Retrieve]:
    """Give what is due of the same patient, from the same archive to the same place, and not tried yet."""
    asked = {
        "patient_id": leader.patient_id,
        "issuer_of_patient_id": leader.issuer_of_patient_id,
        "archive": leader.archive,
        "destination": leader.destination,
        "lane": leader.lane,
        "now": now,
        "leader": leader.id,
        "most": most,
    }
    return claimable(c, _SAME_WAY.rows(c, asked), now=now)


def finish_move(
    c: Connection,
    moved: Sequence[model.Retrieve],
    result: model.MoveResult,
    then: lifecycle.Next,
    *,
    now: datetime,
) -> list[int]:
    """Write what became of a move, and of all its studies alike; gives those whose claim is still ours.

    The result is dropped for the others.
    """
    values: dict[str, Any] = {
        "start_at": then.at,
        "checks": 0,
        **_counts(moved, result),
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
    kept = take_step(c, then.step, *_OURS, at=now, parameters=claims_of(moved), values=values, detail=detail)
    if kept and then.park_until:
        pair = moved[0].archive, moved[0].destination
        archive_rows.park_pair(c, *pair, until=then.park_until, because=then.because)
    withdraw_unwanted(c, kept, now=now)
    return [retrieve.id for retrieve in kept]


def _counts(moved: Sequence[model.Retrieve], result: model.MoveResult) -> dict[str, Any]:
    """Give the counts of each study and what is missing of it, as its move said, or that of several."""
    if len(moved) > 1:
        whole = together.is_whole(moved, result)
        counts = {"completed": _ALL_OF_IT, "failed": 0, "warning": 0} if whole else dict.fromkeys(_COUNTS)
        return {**counts, "missing": []}
    (retrieve,) = moved
    if retrieve.missing and not result.completed and not result.warning:
        return {}  # nothing came of it: what the one before left out is still to be moved
    return {**_with_the_move_before(retrieve, result), "missing": list(together.left_out(result))}


def _with_the_move_before(retrieve: model.Retrieve, result: model.MoveResult) -> dict[str, Any]:
    """Give the counts of a move; where it was of what an earlier one left out, of both together."""
    counts = {"completed": result.completed, "failed": result.failed, "warning": result.warning}
    if result.of_missing:
        counts["completed"] = (retrieve.completed or 0) + (result.completed or 0)
        counts["warning"] = (retrieve.warning or 0) + (result.warning or 0)
    return counts


# --- leases ----------------------------------------------------------------------------------------


def renew_leases(
    c: Connection,
    owner: str,
    *,
    planning: Collection[int],
    retrieving: Collection[int],
    now: datetime,
    lease: timedelta,
) -> int:
    """Keep the orders and retrieves that an owner works on at this moment; gives how many rows that is.

    What it claimed and does not work on is let go: that lease runs out. Nor is any lease of its own longer
    than a new one, so that one given before the clock was set back runs out in time.
    """
    until = lease_clock(c, now) + lease
    renewed = 0
    for table, numbers in ((orders, planning), (retrieves, retrieving)):
        ours = table.c.owner == owner
        renewed += c.execute(
            update(table)
            .where(ours, table.c.id.in_(bindparam("numbers", expanding=True)))
            .values(lease_until=until),
            {"numbers": list(numbers)},
        ).rowcount
        c.execute(update(table).where(ours, table.c.lease_until > until).values(lease_until=until))
    return renewed


def sweep_leases(c: Connection, now: datetime) -> list[model.Retrieve]:
    """Take over the moves whose owner is gone: the destination is looked at before anything moves again.

    Orders and checks need no sweep: a lease that has run out is no obstacle to the next claim. Our own are
    swept like everybody's: what we claimed and no longer work on is not renewed.
    """
    return _recover(c, _LEASE_IS_OVER, now=now, parameters={"clock": lease_clock(c, now)})


def recover(c: Connection, *, now: datetime, owner: str | None = None) -> list[model.Retrieve]:
    """Take over all that an owner held, or that anyone did: at start on SQLite, where nobody else is alive.

    Moves that broke off are looked for at their destination before anything moves again, and are given.
    """
    release_orders(c, owner=owner)
    held, whose = (_HELD, {}) if owner is None else (_HELD_BY, {"holder": owner})
    recovered = _recover(c, held, now=now, parameters=whose)
    c.execute(update(retrieves).where(held).values(**RELEASED), whose)
    return recovered


def recover_failed(c: Connection, moved: Sequence[model.Retrieve], *, now: datetime) -> list[model.Retrieve]:
    """Have moves at which we failed looked for at the destination before anything moves again."""
    return _recover(c, and_(*_OURS), now=now, parameters=claims_of(moved))


_HELD = retrieves.c.owner.is_not(None)
_HELD_BY = retrieves.c.owner == bindparam("holder")
_LEASE_IS_OVER = retrieves.c.lease_until < bindparam("clock")


def _recover(
    c: Connection, which: ColumnElement[bool], *, now: datetime, parameters: Mapping[str, Any]
) -> list[model.Retrieve]:
    """Have moves that broke off looked for at the destination now; their late results are dropped."""
    values = {
        "start_at": now,
        "moved_at": now,
        "checks": 0,
        "attempts": _NO_ATTEMPT,  # the archive had no chance to show what it makes of this one
        "fence": NEXT_FENCE,
        **_NOTHING_SAID,
    }
    return take_step(c, Step.RECOVER, which, at=now, parameters=parameters, values=values)
