"""Checks: what was moved is looked for at its destination, and only then verified; what is late expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store.dialects import is_shared, lease_clock
from prefetch.store.retrieves import (
    BY_NUMBER,
    COLUMNS,
    FENCED,
    NEXT_FENCE,
    as_retrieve,
    claims_of,
    take_step,
)
from prefetch.store.tables import in_state, retrieves
from prefetch.store.wants import hold_orders, judge_readiness, orders_wanting, withdraw_unwanted

_OURS = (*FENCED, in_state(RetrieveState.MOVED))
_NO_CHECK = retrieves.c.checks - 1

_RIPE = (
    select(retrieves.c.id)
    .where(
        in_state(RetrieveState.MOVED),
        retrieves.c.start_at <= bindparam("now"),
        or_(retrieves.c.lease_until.is_(None), retrieves.c.lease_until < bindparam("clock")),
    )
    .order_by(retrieves.c.lane, retrieves.c.deadline, retrieves.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_RIPE_THERE = _RIPE.where(retrieves.c.destination == bindparam("destination"))

_LEASE = (
    update(retrieves)
    .where(BY_NUMBER)
    .values(
        owner=bindparam("owner"),
        lease_until=bindparam("lease_until"),
        fence=NEXT_FENCE,
        checks=retrieves.c.checks + 1,
    )
    .returning(*COLUMNS)
)


def claim_checks(
    c: Connection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    destination: str | None = None,
) -> list[model.Retrieve]:
    """Lease moved retrieves that are due for a look at their destination, the most urgent first.

    The look is counted with the claim: `checks` of what is given here is the number of this look, from 1.
    """
    clock = lease_clock(c, now)
    chosen = _choose(c, destination, clock, now, limit)
    if not chosen:
        return []
    begun = {"owner": owner, "lease_until": clock + lease}
    claimed = [as_retrieve(row) for row in c.execute(_LEASE, {"numbers": chosen, **begun}).mappings()]
    return sorted(claimed, key=lambda retrieve: chosen.index(retrieve.id))


def finish_check(
    c: Connection,
    retrieve: model.Retrieve,
    then: lifecycle.Next,
    *,
    arrived_instances: int | None,
    verified_by: model.VerifiedBy | None = None,
    now: datetime,
) -> list[model.Order] | None:
    """Write what a look at the destination found; gives the orders that are ready by it.

    None where the claim is no longer ours, and the result is dropped.
    """
    # Orders before retrieves, as the planner does, so that the two do not wait for each other.
    wanting = orders_wanting(c, [retrieve.id])
    hold_orders(c, wanting)
    values: dict[str, Any] = {"start_at": then.at, "problem": then.because}
    if arrived_instances is not None:
        values["arrived_instances"] = arrived_instances
    if then.step is Step.VERIFY:
        values |= {"problem": None, "verified_by": verified_by, "verified_at": now}
    if not then.counts:
        values["checks"] = _NO_CHECK
    if then.archive is not None:
        values |= {"archive": then.archive, "attempts": 0}
    detail: dict[str, object] = {"because": then.because, "arrived": arrived_instances}
    checked = take_step(
        c, then.step, *_OURS, at=now, parameters=claims_of([retrieve]), values=values, detail=detail
    )
    if not checked:
        return None
    withdraw_unwanted(c, checked, now=now)
    if then.step is not Step.VERIFY:
        return []
    # An order may have come to want it since the first look, where nodes share the work.
    return judge_readiness(c, orders_wanting(c, [retrieve.id]) if is_shared(c) else wanting, now=now)


def expire(c: Connection, now: datetime) -> list[model.Retrieve]:
    """End the retrieves that nobody can use any more."""
    return take_step(c, Step.EXPIRE, retrieves.c.expire_at <= now, at=now)


def _choose(c: Connection, destination: str | None, clock: datetime, now: datetime, limit: int) -> list[int]:
    """Give the most urgent of the moved retrieves that are due for a look and that nobody looks for."""
    asked = {"destination": destination, "clock": clock, "now": now, "most": limit}
    return list(c.execute(_RIPE_THERE if destination else _RIPE, asked).scalars())
