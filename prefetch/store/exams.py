"""Exams as the operator sees them: an order, its last plan, and the retrieves that it wants now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from prefetch import errors, model, readiness
from prefetch.store import documents
from prefetch.store import orders as order_rows
from prefetch.store.retrieves import COLUMNS, as_retrieve
from prefetch.store.tables import plans, retrieves, wants

_CHUNK = 500
"""Numbers in one statement; SQLite takes 32,766 variables, and a plan's document is not small."""


def get_exam(c: Connection, order_id: int) -> readiness.Exam:
    """Give one exam; raises `NotFoundError`."""
    order = order_rows.get_order(c, order_id)
    if order is None:
        raise errors.NotFoundError(f"there is no order #{order_id}")
    return _exams(c, [order])[0]


def list_exams(
    c: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    patient_id: str | None = None,
    limit: int = 1000,
) -> list[readiness.Exam]:
    """List exams by their time; one without a time stands where it was heard of."""
    found = order_rows.list_orders(c, since=since, until=until, patient_id=patient_id, limit=limit)
    return [exam for at in range(0, len(found), _CHUNK) for exam in _exams(c, found[at : at + _CHUNK])]


def _exams(c: Connection, orders: Sequence[model.Order]) -> list[readiness.Exam]:
    numbers = [order.id for order in orders]
    plan_of, wanted_by = _latest_plans(c, numbers), _wanted(c, numbers)
    return [
        readiness.Exam(order=order, plan=plan_of.get(order.id), retrieves=tuple(wanted_by[order.id]))
        for order in orders
    ]


def _latest_plans(c: Connection, order_ids: Iterable[int]) -> dict[int, model.Plan]:
    newest = select(func.max(plans.c.id)).where(plans.c.order_id.in_(order_ids)).group_by(plans.c.order_id)
    rows = c.execute(select(plans.c.order_id, plans.c.document).where(plans.c.id.in_(newest)))
    return {row.order_id: documents.read_plan(row.document) for row in rows}


def _wanted(c: Connection, order_ids: Iterable[int]) -> dict[int, list[model.Retrieve]]:
    query = (
        select(wants.c.order_id, *COLUMNS)
        .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
        .where(wants.c.order_id.in_(order_ids), wants.c.withdrawn.is_(False))
        .order_by(retrieves.c.deadline, retrieves.c.id)
    )
    found: dict[int, list[model.Retrieve]] = defaultdict(list)
    for row in c.execute(query).mappings():
        found[row["order_id"]].append(as_retrieve(row))
    return found
