"""Orders: found by any of their keys, written, and claimed for planning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from prefetch import model, strangers
from prefetch.runtime.set_aside import SET_ASIDE
from prefetch.store import documents, history
from prefetch.store.dialects import insert_unless_known, lease_clock, one_at_a_time
from prefetch.store.prepared import Prepared
from prefetch.store.tables import (
    KeyKind,
    day_of_order,
    events,
    in_numbers,
    order_keys,
    order_patient_ids,
    orders,
)

log = structlog.stdlib.get_logger(__name__)

_PATIENT_COLUMNS = {
    "patient_id": "patient_id",
    "issuer_of_patient_id": "issuer_of_patient_id",
    "name": "patient_name",
    "birth_date": "birth_date",
    "sex": "sex",
}
"""Field of `model.Patient` → column."""
_OWN_FIELDS = [field.name for field in fields(model.Order) if field.name != "patient"]
COLUMNS = [orders.c[name] for name in (*_OWN_FIELDS, *_PATIENT_COLUMNS.values(), "other_patient_ids")]
_WRITTEN_BY_THE_PLANNER = frozenset({"planned_at", "planned_version", "fetch_from", "ready_by", "ready_at"})

RELEASED: dict[str, Any] = {"owner": None, "lease_until": None}
"""What a row that nobody works on has in its lease."""

_STAT: ColumnElement[int] = literal_column(str(int(model.Priority.STAT)))
"""In the statement itself: SQLite takes a partial index only then."""

_KEY_FIELDS = {
    KeyKind.ACCESSION: "accession_number",
    KeyKind.PLACER: "placer_order_number",
    KeyKind.FILLER: "filler_order_number",
    KeyKind.STUDY: "study_instance_uid",
    KeyKind.PLACER_APPOINTMENT: "placer_appointment_id",
    KeyKind.FILLER_APPOINTMENT: "filler_appointment_id",
}
"""Kind of key → the field of that name in both `model.Order` and `model.OrderEvent`."""


def as_order(row: Mapping[Any, Any]) -> model.Order:
    """Make the noun of a row."""
    patient = model.Patient(
        **{name: row[column] for name, column in _PATIENT_COLUMNS.items()},
        other_ids=documents.read_patient_ids(row["other_patient_ids"]),
    )
    own = {name: row[name] for name in _OWN_FIELDS}
    own |= {
        "sayings": documents.read_sayings(row["sayings"]),
        "segments": tuple(documents.read_list(row["segments"])),
    }
    return model.Order(patient=patient, **own)


def legible(row: Mapping[Any, Any]) -> model.Order:
    """Make the noun of a row to look at, or for a message that mends it; it says where it cannot be read."""
    try:
        return as_order(row)
    except documents.UNREADABLE:
        nothing: dict[str, Any] = {"other_patient_ids": [], "sayings": [], "worklist": {}, "segments": []}
        return as_order({**row, **nothing, "plan_problem": row["plan_problem"] or UNREADABLE})


UNREADABLE = "its row in the database cannot be read; the next message about the exam mends it"


# --- finding ---------------------------------------------------------------------------------------


def orders_sharing_keys(c: Connection, event: model.OrderEvent) -> list[model.Order]:
    """Give the orders that share any number with an event, oldest first; read and save in one transaction."""
    if not (named := _keys(event)):
        return []
    one_at_a_time(c)
    asked = {kind.name: value for kind, value in named.items()}
    return [legible(row) for row in _sharing(tuple(named)).rows(c, asked)]


@lru_cache(maxsize=64)
def _sharing(kinds: tuple[KeyKind, ...]) -> Prepared:
    """Give the query for the orders that have any key of these kinds, each given under its kind."""
    named = (and_(order_keys.c.kind == kind, order_keys.c.value == bindparam(kind.name)) for kind in kinds)
    keys = select(order_keys.c.order_id).where(or_(*named))
    return Prepared(_select().where(orders.c.id.in_(keys)).order_by(orders.c.id).with_for_update())


def orders_of_patient(c: Connection, patient_id: str, issuer: str | None) -> list[model.Order]:
    """Give the orders of a patient by any ID, oldest first; read and save in one transaction."""
    one_at_a_time(c)
    chosen = select(orders.c.id).where(
        orders.c.patient_id == patient_id, orders.c.issuer_of_patient_id.is_not_distinct_from(issuer)
    )
    further = select(order_patient_ids.c.order_id).where(
        order_patient_ids.c.patient_id == patient_id, order_patient_ids.c.issuer == (issuer or "")
    )
    query = _select().where(orders.c.id.in_(chosen.union(further)))
    return _orders(c, query.order_by(orders.c.id).with_for_update())


def get_order(c: Connection, order_id: int) -> model.Order | None:
    """Give one order."""
    found = _orders(c, _select().where(orders.c.id == order_id))
    return found[0] if found else None


def get_orders(c: Connection, order_ids: Iterable[int]) -> list[model.Order]:
    """Give orders by their numbers, in that order."""
    return _orders(c, _select().where(orders.c.id.in_(list(order_ids))).order_by(orders.c.id))


def find_orders(c: Connection, name: str) -> list[model.Order]:
    """Find orders by what a person calls them: any of their keys, or `#` and our own number."""
    if name.startswith("#") and name[1:].isdecimal():
        found = get_order(c, int(name[1:]))
        return [found] if found else []
    keys = select(order_keys.c.order_id).where(order_keys.c.value == name)
    return _orders(c, _select().where(orders.c.id.in_(keys)).order_by(orders.c.id))


def list_orders(
    c: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    patient_id: str | None = None,
    limit: int = 1000,
) -> list[model.Order]:
    """List orders by the time of their exam; one without a time stands where it was heard of."""
    query = _select()
    if since:
        query = query.where(day_of_order >= since)
    if until:
        query = query.where(day_of_order < until)
    if patient_id:
        query = query.where(orders.c.patient_id == patient_id)
    return _orders(c, query.order_by(day_of_order, orders.c.id).limit(limit))


def count_set_aside(c: Connection) -> int:
    """Count the orders whose planning failed for a reason of ours, and that wait for a person."""
    ours = orders.c.plan_problem.like(f"{SET_ASIDE}%"), orders.c.plan_at.is_(None)
    return c.execute(select(func.count()).select_from(orders).where(*ours)).scalar_one()


_NEWEST = 20_000
"""Orders that are looked at for the names that a site uses: some weeks of a large hospital."""


def seen_values(c: Connection) -> strangers.Seen | None:
    """Give the names of stations and codes in the newest orders; None where there are no orders."""
    newest = orders.c.id > select(func.coalesce(func.max(orders.c.id), 0) - _NEWEST).scalar_subquery()
    number, since = c.execute(select(func.count(), func.min(orders.c.created_at)).where(newest)).one()
    if not number:
        return None
    values = {
        name: frozenset(filter(None, c.execute(select(orders.c[name]).where(newest).distinct()).scalars()))
        for name in strangers.VALUES
    }
    return strangers.Seen(orders=number, since=since.date(), values=values)


# --- writing ---------------------------------------------------------------------------------------


_ADD = Prepared(insert(orders).returning(*COLUMNS))
_KEEP_SEGMENTS = case(
    (orders.c.planned_segments.is_(None) & orders.c.planned_at.is_not(None), orders.c.segments),
    else_=orders.c.planned_segments,
)
"""The messages as they were when the order was planned, before later ones are written in their place."""
_REWRITE = Prepared(
    update(orders)
    .where(orders.c.id == bindparam("number"))
    .values(planned_segments=_KEEP_SEGMENTS)
    .returning(*COLUMNS)
)


def save_order(c: Connection, order: model.Order) -> model.Order:
    """Write an order and its keys; one with the number 0 is new and comes back with its own.

    Keys only grow: a later message may still use a number that was replaced.
    What the planner and the queue write (`planned_at`, `ready_at`, …) is left alone.
    """
    values = _values(order)
    (row,) = _REWRITE.rows(c, {"number": order.id, **values}) if order.id else _ADD.rows(c, values)
    saved = as_order(row)
    _write_keys(c, saved)
    if order.id or order.patient.other_ids:
        _write_patient_ids(c, saved)
    return saved


def save_sayings(c: Connection, order: model.Order) -> None:
    """Write who said what, and in which message, of an order that is otherwise as it was."""
    said = {"sayings": documents.write_sayings(order.sayings), "segments": list(order.segments)}
    kept = {"planned_segments": _KEEP_SEGMENTS}
    c.execute(update(orders).where(orders.c.id == order.id).values(**said, **kept))


def absorb_order(c: Connection, survivor: model.Order, absorbed: model.Order) -> None:
    """Give an order's numbers and history to the one that is the same exam, and remove it."""
    numbers = select(order_keys.c.kind, order_keys.c.value).where(order_keys.c.order_id == absorbed.id)
    rows = [{"order_id": survivor.id, **row} for row in c.execute(numbers).mappings()]
    insert_unless_known(c, order_keys, rows)
    c.execute(update(events).where(events.c.order_id == absorbed.id).values(order_id=survivor.id))
    c.execute(delete(orders).where(orders.c.id == absorbed.id))


# --- claiming for planning -------------------------------------------------------------------------


_UNCLAIMED = (
    select(orders.c.id)
    .where(
        orders.c.plan_at.is_not(None),
        orders.c.plan_at <= bindparam("now"),
        or_(orders.c.lease_until.is_(None), orders.c.lease_until < bindparam("clock")),
    )
    .order_by(orders.c.plan_at, orders.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
"""The longest due, passing over what others hold."""
_DUE_AT_ONCE = Prepared(_UNCLAIMED.where(orders.c.priority == _STAT))
_DUE = Prepared(_UNCLAIMED.where(orders.c.priority != _STAT))
_LEASE = Prepared(
    update(orders)
    .where(in_numbers(orders.c.id))
    .values(owner=bindparam("by"), lease_until=bindparam("until"))
    .returning(*COLUMNS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Orders that were claimed for planning."""

    orders: Sequence[model.Order] = ()
    more: bool = False
    """Whether others are due as well."""


def claim_orders_to_plan(c: Connection, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Claim:
    """Lease orders that are due for planning: STAT first, then the longest due."""
    clock = lease_clock(c, now)
    due: list[int] = []
    for query in (_DUE_AT_ONCE, _DUE):
        if len(due) <= limit:
            asked = {"now": now, "clock": clock, "most": limit + 1 - len(due)}
            due += query.values(c, asked)
    if not due:
        return Claim()
    chosen = due[:limit]
    leased = _LEASE.rows(c, {"numbers": chosen, "by": owner, "until": clock + lease})
    found = {row["id"]: _readable(c, row, now) for row in leased}
    claimed = [order for order_id in chosen if (order := found[order_id]) is not None]
    return Claim(orders=claimed, more=len(due) > limit)


def _readable(c: Connection, row: Mapping[Any, Any], now: datetime) -> model.Order | None:
    """Give the order of a row; one that cannot be read is set aside, so that the others go on."""
    try:
        return as_order(row)
    except documents.UNREADABLE:
        because = f"{SET_ASIDE}: {UNREADABLE}"
        idle = {"plan_at": None, "plan_problem": because, **RELEASED}
        c.execute(update(orders).where(orders.c.id == row["id"]).values(**idle))
        happening = model.Happening(
            at=now, what="order_set_aside", order_id=row["id"], detail={"because": because}
        )
        history.record(c, happening)
        log.error("order_set_aside", order_id=row["id"], because=because)  # noqa: TRY400 (the sentence says it)
        return None


def postpone_planning(
    c: Connection, order: model.Order, *, owner: str, at: datetime | None, because: str, now: datetime
) -> bool:
    """Have an order whose planning failed planned again later; false where the claim is no longer ours.

    Without a time it is set aside: only a change of the order, or a person, has it planned again. An order
    that changed meanwhile keeps the time that the change asked for.
    """
    ours = [orders.c.id == order.id, orders.c.owner == owner]
    postponed = c.execute(
        update(orders)
        .where(*ours, orders.c.version == order.version)
        .values(plan_at=at, plan_attempts=orders.c.plan_attempts + 1, plan_problem=because, **RELEASED)
    )
    if postponed.rowcount == 0:
        return c.execute(update(orders).where(*ours).values(**RELEASED)).rowcount == 1
    happening = model.Happening(
        at=now,
        what="planning_postponed" if at else "order_set_aside",
        order_id=order.id,
        detail={"because": because, "until": at.isoformat() if at else None},
    )
    history.record(c, happening)
    return True


def release_orders(c: Connection, *, owner: str | None = None) -> int:
    """Give back the orders that a planner holds, or that anyone does; they are as due as before."""
    held = orders.c.owner.is_not(None) if owner is None else orders.c.owner == owner
    return c.execute(update(orders).where(held).values(**RELEASED)).rowcount


# --- the small print -------------------------------------------------------------------------------


def _select() -> Select[Any]:
    return select(*COLUMNS)


def _orders(c: Connection, statement: Executable) -> list[model.Order]:
    return [legible(row) for row in c.execute(statement).mappings()]


def _values(order: model.Order) -> dict[str, Any]:
    """Give an order's row but for its number and what others write."""
    own = {
        name: getattr(order, name)
        for name in _OWN_FIELDS
        if name != "id" and name not in _WRITTEN_BY_THE_PLANNER
    }
    own |= {"sayings": documents.write_sayings(order.sayings), "worklist": dict(order.worklist)}
    own["segments"] = list(order.segments)
    patient = {column: getattr(order.patient, name) for name, column in _PATIENT_COLUMNS.items()}
    others = documents.write_patient_ids(order.patient.other_ids)
    return own | patient | {"other_patient_ids": others}


def _keys(named: model.OrderEvent | model.Order) -> dict[KeyKind, str]:
    """Give the keys of an order or event, by kind."""
    values = {kind: getattr(named, field) for kind, field in _KEY_FIELDS.items()}
    return {kind: value for kind, value in values.items() if value}


def _write_keys(c: Connection, order: model.Order) -> None:
    rows = [{"kind": kind, "value": value, "order_id": order.id} for kind, value in _keys(order).items()]
    insert_unless_known(c, order_keys, rows)


def _write_patient_ids(c: Connection, order: model.Order) -> None:
    """Write by which further IDs a message about the patient finds the order; a family's numbers do not."""
    c.execute(delete(order_patient_ids).where(order_patient_ids.c.order_id == order.id))
    rows = [
        {"patient_id": one.patient_id, "issuer": one.issuer_of_patient_id or "", "order_id": order.id}
        for one in order.patient.other_ids
        if not one.foreign
    ]
    insert_unless_known(c, order_patient_ids, rows)
