"""Replanning: open exams are due for planning once more, because what decides has changed or a person asks.

An order names the configuration that it was planned by, or is to be planned by at `plan_at`: so a daemon that
starts with the same files, or is the second to hear of other ones, finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from prefetch import errors, model
from prefetch.model import OrderStatus
from prefetch.orders import wants_nothing
from prefetch.store import history
from prefetch.store.prepared import Prepared
from prefetch.store.tables import day_of_order, in_numbers, orders

AT_ONCE = timedelta(hours=6)
"""Exams that begin within this are planned anew at once, the nearest first."""
PACE = timedelta(seconds=0.5)
"""Each later exam is planned so much after the one before, so that no archive has to answer all at a time."""
SHARE = 500
"""Exams that are written in one transaction, so that no message waits for them to be acknowledged."""

_WANTS_NOTHING = (OrderStatus.CANCELLED, OrderStatus.ON_HOLD)
_OPEN = (
    day_of_order >= bindparam("since"),
    *(orders.c.status != status for status in _WANTS_NOTHING),
    orders.c.planned_at.is_not(None),
    orders.c.patient_id.is_not(None),
)
"""Exams that may still get a prior: one that was never planned is due anyway, and one without a patient ID
waits for the message that brings it."""
_OTHER_CONFIGURATION = orders.c.configuration.is_distinct_from(bindparam("configuration"))
_NOT_ASKED_SINCE = or_(orders.c.answers_since.is_(None), orders.c.answers_since < bindparam("now"))


def _next(condition: ColumnElement[bool]) -> Prepared:
    """Give the query for the nearest open exams that a condition holds for."""
    return Prepared(
        select(orders.c.id, orders.c.plan_at, day_of_order.label("day"))
        .where(*_OPEN, condition)
        .order_by(day_of_order, orders.c.id)
        .limit(SHARE)
    )


def _locked(condition: ColumnElement[bool]) -> Prepared:
    """Give the query that locks orders, always in one sequence, as far as the condition still holds."""
    return Prepared(
        select(orders.c.id).where(in_numbers(orders.c.id), condition).order_by(orders.c.id).with_for_update()
    )


_TO_CONFIGURATION = _next(_OTHER_CONFIGURATION), _locked(_OTHER_CONFIGURATION)
_BY_HAND = _next(_NOT_ASKED_SINCE), _locked(_NOT_ASKED_SINCE)
_THIS = orders.c.id == bindparam("order")
_DUE = {"plan_at": bindparam("at"), "plan_attempts": 0}
_CONFIGURE = Prepared(update(orders).where(_THIS).values(**_DUE, configuration=bindparam("configuration")))
_ASK_ANEW = Prepared(
    update(orders)
    # A plan that is being made by older answers is dropped: it is of an earlier version.
    .where(_THIS)
    .values(**_DUE, answers_since=bindparam("now"), version=orders.c.version + 1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the open exams have been made due for planning, the nearest first."""

    since: datetime
    """When the exams begin that are looked at next."""
    exams: int = 0
    """How many there were so far."""
    is_over: bool = False


def plan_by(c: Connection, configuration: str, progress: Progress, *, now: datetime) -> Progress:
    """Have the nearest open exams that were planned by another configuration planned anew.

    At most `SHARE` of them: called again with the progress that it gives until that is over.
    """
    target = {"configuration": configuration}
    rows, following = _lock_next(c, _TO_CONFIGURATION, target, progress)
    times = _times(rows, progress.exams, now)
    _CONFIGURE.run_all(c, [{"order": number, "at": at, **target} for number, at in times.items()])
    return following


def plan_all_by_hand(
    c: Connection, progress: Progress, *, asked_at: datetime, by: str, now: datetime
) -> Progress:
    """Do as `plan_by` for all open exams, asking the archives anew; `asked_at` is when the person asked."""
    request = {"now": asked_at}
    rows, following = _lock_next(c, _BY_HAND, request, progress)
    times = _times(rows, progress.exams, now)
    _ASK_ANEW.run_all(c, [{"order": number, "at": at, **request} for number, at in times.items()])
    history.record(c, *(_by_hand(number, by, now) for number in times))
    return following


def plan_by_hand(c: Connection, order: model.Order, *, by: str, now: datetime) -> None:
    """Have one order planned at once, asking the archives anew; raises where it wants nothing."""
    if wants_nothing(order):
        raise errors.IllegalTransitionError(
            f"{order.name} is {order.status.value}: nothing is planned for it"
        )
    _ASK_ANEW.run(c, {"order": order.id, "at": now, "now": now})
    history.record(c, _by_hand(order.id, by, now))


def _lock_next(
    c: Connection, queries: tuple[Prepared, Prepared], parameters: Mapping[str, object], progress: Progress
) -> tuple[list[dict[str, Any]], Progress]:
    """Give the nearest exams, locked; without those that another node has just had planned anew."""
    query, lock = queries
    rows = query.rows(c, {"since": progress.since, **parameters})
    if not rows:
        return [], replace(progress, is_over=True)
    locked = set(lock.values(c, {"numbers": [row["id"] for row in rows], **parameters}))
    following = Progress(since=rows[-1]["day"], exams=progress.exams + len(locked))
    return [row for row in rows if row["id"] in locked], following


def _times(rows: list[dict[str, Any]], before: int, now: datetime) -> dict[int, datetime]:
    """Give when each order is planned: never later than it would have been."""
    slots = {row["id"]: _slot(row["day"], before + place, now) for place, row in enumerate(rows)}
    return {row["id"]: min(row["plan_at"] or slots[row["id"]], slots[row["id"]]) for row in rows}


def _slot(day: datetime, place: int, now: datetime) -> datetime:
    """Give when the exam at a place in the row is planned."""
    return now if day <= now + AT_ONCE else now + place * PACE


def _by_hand(order_id: int, by: str, now: datetime) -> model.Happening:
    return model.Happening(at=now, what="replan_asked_by_hand", order_id=order_id, detail={"by": by})
