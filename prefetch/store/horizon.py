"""The horizon: when the next work of each kind is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from prefetch.model import RetrieveState
from prefetch.store.tables import in_state, orders, retrieves


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """When each kind of work is next due, but for what somebody holds; None where there is none to come."""

    plan_at: datetime | None
    promote_at: datetime | None
    check_at: datetime | None


def horizon(c: Connection, now: datetime) -> Horizon:
    """Look when the next work is due, so that a stage sleeps just until then."""
    free_order = or_(orders.c.lease_until.is_(None), orders.c.lease_until < now)
    free_check = or_(retrieves.c.lease_until.is_(None), retrieves.c.lease_until < now)
    return Horizon(
        plan_at=_first(c, orders.c.plan_at, orders.c.plan_at.is_not(None), free_order),
        promote_at=_first(c, retrieves.c.start_at, in_state(RetrieveState.WAITING)),
        check_at=_first(c, retrieves.c.start_at, in_state(RetrieveState.MOVED), free_check),
    )


def _first(c: Connection, time: ColumnElement[datetime], *conditions: ColumnElement[bool]) -> datetime | None:
    return c.execute(select(time).where(*conditions).order_by(time).limit(1)).scalar_one_or_none()
