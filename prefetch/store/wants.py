"""Wants: which orders wish for which retrieve, and what follows for the retrieve and for the orders.

A retrieve is as urgent as the most urgent of its wants; one that nobody wants is withdrawn unless it moves;
an order whose wants are all verified is ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Row, bindparam, case, exists, func, select, update

from prefetch import model, openings
from prefetch.lifecycle import LIVE, Step, origins
from prefetch.model import RetrieveState
from prefetch.store import history
from prefetch.store.dialects import is_shared
from prefetch.store.prepared import Prepared
from prefetch.store.retrieves import BY_NUMBER, COLUMNS, legible, take_step
from prefetch.store.tables import in_numbers, in_state, orders, retrieves, wants

_STANDS = wants.c.withdrawn.is_(False)


# --- withdrawing -----------------------------------------------------------------------------------


def withdraw_wants(c: Connection, order_id: int, *, because: str, now: datetime) -> list[model.Retrieve]:
    """Withdraw all that an order wants; what no other order wants either ends, and is given."""
    hold_orders(c, [order_id])
    ended = leave(c, order_id, wanted_by(c, order_id), because=because, now=now)
    judge_readiness(c, [order_id], now=now)
    return ended


def leave(
    c: Connection,
    order_id: int,
    retrieve_ids: Collection[int],
    *,
    because: str,
    now: datetime,
    refused_by: str | None = None,
) -> list[model.Retrieve]:
    """Withdraw an order's want of some retrieves; gives those that nobody wants any more and that end so."""
    if not retrieve_ids:
        return []
    c.execute(
        update(wants)
        .where(wants.c.order_id == order_id, wants.c.retrieve_id.in_(retrieve_ids), _STANDS)
        .values(withdrawn=True, withdrawn_because=because, refused_by=refused_by)
    )
    return retime(c, retrieve_ids, now=now)


def withdraw_unwanted(
    c: Connection, left: Iterable[model.Retrieve], *, now: datetime
) -> list[model.Retrieve]:
    """End those of the retrieves that no order wants, unless they are on their way."""
    may_end = [retrieve.id for retrieve in left if retrieve.state in origins(Step.WITHDRAW)]
    if not may_end:
        return []
    nobody = {"because": "no order wants it any more"}
    these = {"numbers": may_end}
    return take_step(c, Step.WITHDRAW, BY_NUMBER, _UNWANTED, at=now, parameters=these, detail=nobody)


_UNWANTED = ~exists().where(wants.c.retrieve_id == retrieves.c.id, _STANDS)


# --- urgency ---------------------------------------------------------------------------------------


def retime(c: Connection, retrieve_ids: Collection[int], *, now: datetime) -> list[model.Retrieve]:
    """Make live retrieves as urgent as the wants that they have left; those with none end, and are given."""
    if not retrieve_ids:
        return []
    live = retrieves.c.id.in_(retrieve_ids) & in_state(*LIVE)
    rows = c.execute(select(*COLUMNS).where(live).order_by(retrieves.c.id).with_for_update()).mappings()
    found = [legible(row) for row in rows]
    urgency = _urgency(c, retrieve_ids)
    for retrieve in found:
        if retrieve.id in urgency:
            _retime(c, retrieve, urgency[retrieve.id], now)
    return withdraw_unwanted(c, (retrieve for retrieve in found if retrieve.id not in urgency), now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Urgency:
    """The most urgent lane and deadline among the wants that stand, the last expiry, the soonest opening."""

    lane: model.Priority
    deadline: datetime
    expire_at: datetime
    opening: openings.Opening

    @classmethod
    def of(cls, rows: Sequence[Row[Any]]) -> Self:
        return cls(
            lane=min(row.lane for row in rows),
            deadline=min(row.deadline for row in rows),
            expire_at=max(row.expire_at for row in rows),
            opening=openings.soonest(openings.Opening(row.start_at, row.closes_at) for row in rows),
        )


_WANTED = select(
    *(wants.c[name] for name in ("retrieve_id", "lane", "start_at", "closes_at", "deadline", "expire_at"))
).where(in_numbers(wants.c.retrieve_id), _STANDS)


def _urgency(c: Connection, retrieve_ids: Collection[int]) -> dict[int, _Urgency]:
    """Give how urgent each retrieve is that any order wants."""
    together: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in c.execute(_WANTED, {"numbers": retrieve_ids}):
        together[row.retrieve_id].append(row)
    return {number: _Urgency.of(rows) for number, rows in together.items()}


def _retime(c: Connection, retrieve: model.Retrieve, urgency: _Urgency, now: datetime) -> None:
    """Write the urgency; `start_at` only where it is still the time of the wish, not of a retry or a look."""
    this, start_at = retrieves.c.id == retrieve.id, urgency.opening.opens
    values = {
        "lane": urgency.lane,
        "deadline": urgency.deadline,
        "expire_at": urgency.expire_at,
        "closes_at": urgency.opening.closes,
    }
    c.execute(update(retrieves).where(this).values(values))
    if retrieve.state is RetrieveState.DUE and start_at > now:
        put_off = {"because": "wanted later"}
        numbers = {"numbers": [retrieve.id]}
        start = {"start_at": start_at}
        take_step(c, Step.RETRY, BY_NUMBER, at=now, parameters=numbers, values=start, detail=put_off)
    elif retrieve.state in {RetrieveState.WAITING, RetrieveState.QUARANTINED}:
        back_off = retrieve.start_at if retrieve.attempts else start_at
        c.execute(update(retrieves).where(this).values(start_at=max(start_at, back_off)))


# --- readiness -------------------------------------------------------------------------------------


_WANTING = Prepared(select(wants.c.order_id).where(in_numbers(wants.c.retrieve_id), _STANDS).distinct())
_WANTED_BY = Prepared(select(wants.c.retrieve_id).where(wants.c.order_id == bindparam("order"), _STANDS))
_TIMES = ("fetch_from", "ready_by", "ready_at")
_TIMED = Prepared(
    update(orders).where(orders.c.id == bindparam("order")).values({name: bindparam(name) for name in _TIMES})
)
_HOLD = select(orders.c.id).where(in_numbers(orders.c.id)).order_by(orders.c.id).with_for_update()
_STANDING = Prepared(
    select(
        orders.c.id,
        orders.c.fetch_from,
        orders.c.ready_by,
        orders.c.ready_at,
        orders.c.plan_problem,
        *(orders.c[name] for name in model.NAMING),
        func.count(wants.c.order_id).label("wanted"),
        func.sum(case((in_state(RetrieveState.VERIFIED), 1), else_=0)).label("verified"),
        func.min(wants.c.start_at).label("first_start"),
        func.min(wants.c.deadline).label("first_deadline"),
    )
    .outerjoin(wants, (wants.c.order_id == orders.c.id) & _STANDS)
    .outerjoin(retrieves, retrieves.c.id == wants.c.retrieve_id)
    .where(in_numbers(orders.c.id))
    .group_by(orders.c.id)
    .order_by(orders.c.id)
)


def orders_wanting(c: Connection, retrieve_ids: Collection[int]) -> list[int]:
    """Give the orders that want any of the retrieves."""
    return sorted(_WANTING.values(c, {"numbers": retrieve_ids}))


def hold_orders(c: Connection, order_ids: Collection[int]) -> None:
    """Hold orders until the transaction ends, always in the same sequence: no two wait for each other.

    Two nodes that verify the last two priors of an exam at once would else each see the other's as missing.
    """
    if is_shared(c):
        c.execute(_HOLD, {"numbers": order_ids})


def judge_readiness(c: Connection, order_ids: Collection[int], *, now: datetime) -> list[model.ReadyOrder]:
    """Write of each order whether, and by when, all it wants is verified; gives those just ready.

    An order whose plan is not whole may want more, and is not ready yet.
    """
    hold_orders(c, order_ids)
    just_ready: list[model.ReadyOrder] = []
    for row in _STANDING.rows(c, {"numbers": order_ids}):
        ready = row["wanted"] > 0 and row["verified"] == row["wanted"] and row["plan_problem"] is None
        ready_at = (row["ready_at"] or now) if ready else None
        after = (row["first_start"], row["first_deadline"], ready_at)
        if after != tuple(row[name] for name in _TIMES):
            _TIMED.run(c, {"order": row["id"], **dict(zip(_TIMES, after, strict=True))})
        if ready and row["ready_at"] is None:
            name = model.name_of(row["id"], (row[one] for one in model.NAMING))
            just_ready.append(model.ReadyOrder(id=row["id"], name=name, ready_by=row["first_deadline"]))
    events = (model.Happening(at=now, what="order_ready", order_id=order.id) for order in just_ready)
    history.record(c, *events)
    return just_ready


def wanted_by(c: Connection, order_id: int) -> list[int]:
    """Give the retrieves that an order wants."""
    return sorted(_WANTED_BY.values(c, {"order": order_id}))
