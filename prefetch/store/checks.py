"""Checks: what was moved is looked for at its destination, and only then verified; what is late expires."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store.dialects import is_shared, lease_clock
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
from prefetch.store.tables import in_state, retrieves
from prefetch.store.wants import hold_orders, judge_readiness, orders_wanting, withdraw_unwanted

_OURS = (*FENCED, in_state(RetrieveState.MOVED))
_NO_CHECK = retrieves.c.checks - 1

_QUERY = (
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
_RIPE = Prepared(_QUERY)
_RIPE_THERE = Prepared(_QUERY.where(retrieves.c.destination == bindparam("destination")))

_LEASE = Prepared(
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
    claimed = claimable(c, _LEASE.rows(c, {"numbers": chosen, **begun}), now=now)
    return sorted(claimed, key=lambda retrieve: chosen.index(retrieve.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at the destination found of one retrieve, and what follows."""

    retrieve: model.Retrieve
    then: lifecycle.Next
    arrived_instances: int | None
    verified_by: model.VerifiedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of some looks."""

    kept: frozenset[int]
    """Retrieves whose claim was still ours; the results of the others are dropped."""
    ready: tuple[model.ReadyOrder, ...]
    """Orders that are ready by it."""


def finish_checks(c: Connection, looks: Sequence[Look], *, now: datetime) -> Written:
    """Write what looks at the destination found, those of a patient together."""
    # Orders before retrieves, as the planner does, so that the two do not wait for each other.
    wanting = orders_wanting(c, [look.retrieve.id for look in looks])
    hold_orders(c, wanting)
    alike: dict[tuple[Any, ...], list[Look]] = defaultdict(list)
    for look in looks:
        alike[look.then, look.arrived_instances, look.verified_by].append(look)
    kept: list[model.Retrieve] = []
    for looked_at in alike.values():
        kept += _finish(c, looked_at, now=now)
    withdraw_unwanted(c, kept, now=now)
    verified = [retrieve.id for retrieve in kept if retrieve.state is RetrieveState.VERIFIED]
    if verified and is_shared(c):
        # An order may have come to want it since the first look, where nodes share the work.
        wanting = orders_wanting(c, verified)
    ready = judge_readiness(c, wanting, now=now) if verified else []
    return Written(kept=frozenset(retrieve.id for retrieve in kept), ready=tuple(ready))


def _finish(c: Connection, alike: Sequence[Look], *, now: datetime) -> list[model.Retrieve]:
    """Write what looks with the same result found; gives the retrieves whose claim was still ours."""
    then, arrived = alike[0].then, alike[0].arrived_instances
    values: dict[str, Any] = {"start_at": then.at, "problem": then.because}
    if arrived is not None:
        values["arrived_instances"] = arrived
    if then.step is Step.VERIFY:
        values |= {"problem": None, "verified_by": alike[0].verified_by, "verified_at": now}
    if not then.counts:
        values["checks"] = _NO_CHECK
    if then.archive is not None:
        values |= {"archive": then.archive, "attempts": 0}
    detail: dict[str, object] = {"because": then.because, "arrived": arrived}
    ours = claims_of(look.retrieve for look in alike)
    return take_step(c, then.step, *_OURS, at=now, parameters=ours, values=values, detail=detail)


def expire(c: Connection, now: datetime) -> list[model.Retrieve]:
    """End the retrieves that nobody can use any more."""
    return take_step(c, Step.EXPIRE, _EXPIRED, at=now, parameters={"now": now})


_EXPIRED = retrieves.c.expire_at <= bindparam("now")


def _choose(c: Connection, destination: str | None, clock: datetime, now: datetime, limit: int) -> list[int]:
    """Give the most urgent of the moved retrieves that are due for a look and that nobody looks for."""
    asked = {"clock": clock, "now": now, "most": limit}
    if destination is None:
        return _RIPE.values(c, asked)
    return _RIPE_THERE.values(c, {**asked, "destination": destination})
