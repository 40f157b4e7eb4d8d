"""Exams: orders with their last plan and what they want, as `readiness` judges them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from prefetch import errors, model, readiness
from prefetch.store import documents
from prefetch.store import orders as order_rows
from prefetch.store.retrieves import COLUMNS, legible
from prefetch.store.tables import in_state, plans, retrieves, wants


def list_exams(
    c: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    patient_id: str | None = None,
    limit: int = 1000,
) -> list[readiness.Exam]:
    """List exams by their time; one without a time stands where it was heard of."""
    return _exams(c, order_rows.list_orders(c, since=since, until=until, patient_id=patient_id, limit=limit))


def get_exam(c: Connection, order_id: int) -> readiness.Exam:
    """Give one exam; raises `NotFoundError` where there is no such order."""
    order = order_rows.get_order(c, order_id)
    if order is None:
        raise errors.NotFoundError(f"there is no order #{order_id}")
    return _exams(c, [order])[0]


def list_quarantine(c: Connection) -> list[tuple[model.Retrieve, readiness.Exam]]:
    """List the studies in quarantine, each with the first exam that wants it."""
    query = (
        select(func.min(wants.c.order_id).label("order_id"), *COLUMNS)
        .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
        .where(in_state(model.RetrieveState.QUARANTINED), wants.c.withdrawn.is_(False))
        .group_by(retrieves.c.id)
        .order_by(retrieves.c.deadline, retrieves.c.id)
    )
    return [(legible(row), get_exam(c, row["order_id"])) for row in c.execute(query).mappings().all()]


def _exams(c: Connection, orders: Sequence[model.Order]) -> list[readiness.Exam]:
    numbers = [order.id for order in orders]
    plans_by_order, wanted = _latest_plans(c, numbers), _wanted(c, numbers)
    return [
        readiness.Exam(order=order, plan=plans_by_order.get(order.id), retrieves=tuple(wanted[order.id]))
        for order in orders
    ]


def _latest_plans(c: Connection, order_ids: Collection[int]) -> dict[int, model.Plan]:
    """Give the last plan of each order."""
    latest = select(func.max(plans.c.id)).where(plans.c.order_id.in_(order_ids)).group_by(plans.c.order_id)
    query = select(plans.c.order_id, plans.c.document).where(plans.c.id.in_(latest))
    read = {row.order_id: documents.readable(documents.read_plan, row.document) for row in c.execute(query)}
    return {order_id: plan for order_id, plan in read.items() if plan is not None}


def _wanted(c: Connection, order_ids: Collection[int]) -> dict[int, list[model.Retrieve]]:
    """Give what each order wants, by deadline."""
    query = (
        select(wants.c.order_id, *COLUMNS)
        .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
        .where(wants.c.order_id.in_(order_ids), wants.c.withdrawn.is_(False))
        .order_by(retrieves.c.deadline, retrieves.c.id)
    )
    wanted: dict[int, list[model.Retrieve]] = defaultdict(list)
    for row in c.execute(query).mappings():
        wanted[row["order_id"]].append(legible(row))
    return wanted
