"""Checks: what was moved is looked for at its destination, and only then verified; what is late expires."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store.retrieves import COLUMNS, as_retrieve, take_step
from prefetch.store.tables import in_state, retrieves
from prefetch.store.wants import judge_readiness, lock_orders, orders_wanting, withdraw_unwanted


def due_checks(
    c: Connection, *, destination: str | None = None, now: datetime, limit: int
) -> list[model.Retrieve]:
    """Give moved retrieves that are due for a look at their destination, the most urgent first.

    Nothing is claimed: two that look do no harm, and only the first result is written.
    """
    query = select(*COLUMNS).where(in_state(RetrieveState.MOVED), retrieves.c.start_at <= now)
    if destination:
        query = query.where(retrieves.c.destination == destination)
    urgent = query.order_by(retrieves.c.lane, retrieves.c.deadline, retrieves.c.id).limit(limit)
    return [as_retrieve(row) for row in c.execute(urgent).mappings()]


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

    None where the retrieve has gone on since it was given for the look: the result is dropped.
    """
    # Orders before retrieves, as the planner does, so that the two do not wait for each other.
    lock_orders(c, orders_wanting(c, [retrieve.id]))
    values: dict[str, Any] = {"start_at": then.at, "problem": then.because}
    if arrived_instances is not None:
        values["arrived_instances"] = arrived_instances
    if then.step is Step.VERIFY:
        values |= {"problem": None, "verified_by": verified_by, "verified_at": now}
    if then.counts:
        values["checks"] = retrieves.c.checks + 1
    detail: dict[str, object] = {"because": then.because, "arrived": arrived_instances}
    if not take_step(c, then.step, *_unchanged(retrieve), at=now, values=values, detail=detail):
        return None
    withdraw_unwanted(c, [retrieve.id], now=now)
    if then.step is not Step.VERIFY:
        return []
    return judge_readiness(c, orders_wanting(c, [retrieve.id]), now=now)


def expire(c: Connection, now: datetime) -> list[model.Retrieve]:
    """End the retrieves that nobody can use any more."""
    return take_step(c, Step.EXPIRE, retrieves.c.expire_at <= now, at=now)


def _unchanged(retrieve: model.Retrieve) -> tuple[ColumnElement[bool], ...]:
    """Say that neither a move nor another look has come between."""
    same = retrieves.c.id == retrieve.id, retrieves.c.fence == retrieve.fence
    return *same, retrieves.c.checks == retrieve.checks, in_state(RetrieveState.MOVED)
