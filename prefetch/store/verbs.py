"""What a person decides by hand: release, refuse, retry, cancel. Each names who, and is in the history.

Each gives the retrieve as it is then; None where no retrieve has that number or its state does not allow it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import Verdict
from prefetch.store import history
from prefetch.store import orders as order_rows
from prefetch.store.patients import give_verdict
from prefetch.store.retrieves import find_live, get_retrieve, take_step
from prefetch.store.tables import in_state, retrieves
from prefetch.store.wants import judge_readiness, leave, orders_wanting

TRIED_FOR = timedelta(days=1)
"""How long what is retried by hand may take, whatever had expired."""


def release(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve | None:
    """Let a study out of quarantine: it is the right patient's, also when its orders are planned again."""
    released = _step(c, retrieve_id, Step.RELEASE, by=by, now=now, problem=None)
    if released:
        _decide(c, released, Verdict.RELEASED, by=by, now=now)
    return released


def refuse(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve | None:
    """Keep another patient's study out, also when its orders are planned again."""
    refused = _step(c, retrieve_id, Step.REFUSE, by=by, now=now)
    if refused:
        _decide(c, refused, Verdict.REFUSED, by=by, now=now)
        _leave_all(c, retrieve_id, because=f"refused by {by}: another patient's", now=now)
    return refused


def retry(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve | None:
    """Move again what is partial, failed or expired, with all its attempts; or at once what waits."""
    known = get_retrieve(c, retrieve_id)
    if known is None:
        return None
    anew = {"start_at": now, "attempts": 0, "expire_at": max(known.expire_at, now + TRIED_FOR)}
    if known.state is model.RetrieveState.WAITING:
        return _hasten(c, known, anew, by=by, now=now)
    if known.state not in lifecycle.ENDED or find_live(c, known.study_instance_uid, known.destination):
        return None
    retried = _step(c, retrieve_id, Step.RETRY, by=by, now=now, checks=0, **anew)
    judge_readiness(c, orders_wanting(c, [retrieve_id]), now=now)
    return retried


def cancel(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve | None:
    """Take a retrieve out of the queue for all orders that want it; their later plans leave it out."""
    cancelled = _step(c, retrieve_id, Step.WITHDRAW, by=by, now=now)
    if cancelled:
        _leave_all(c, retrieve_id, because=f"cancelled by {by}", now=now, refused_by=by)
    return cancelled


def _step(
    c: Connection, retrieve_id: int, step: Step, *, by: str, now: datetime, **values: object
) -> model.Retrieve | None:
    """Take a step with one retrieve, where its state allows it."""
    detail = {"by": by, "because": "by hand"}
    taken = take_step(c, step, retrieves.c.id == retrieve_id, at=now, values=values, detail=detail)
    return taken[0] if taken else None


def _hasten(
    c: Connection, known: model.Retrieve, anew: dict[str, object], *, by: str, now: datetime
) -> model.Retrieve | None:
    """Have a retrieve that waits for its time, or after a failure, begin at once."""
    waiting = (retrieves.c.id == known.id) & in_state(model.RetrieveState.WAITING)
    if c.execute(update(retrieves).where(waiting).values(anew)).rowcount == 0:
        return None
    detail: dict[str, object] = {"by": by, "because": "by hand"}
    history.record(c, model.Happening(at=now, what="retrieve_hastened", retrieve_id=known.id, detail=detail))
    return get_retrieve(c, known.id)


def _decide(c: Connection, retrieve: model.Retrieve, verdict: Verdict, *, by: str, now: datetime) -> None:
    """Remember the verdict for each patient whose orders want the study."""
    for order in order_rows.get_orders(c, orders_wanting(c, [retrieve.id])):
        give_verdict(
            c,
            study_instance_uid=retrieve.study_instance_uid,
            patient=order.patient,
            verdict=verdict,
            by=by,
            at=now,
        )


def _leave_all(
    c: Connection, retrieve_id: int, *, because: str, now: datetime, refused_by: str | None = None
) -> None:
    """Withdraw every order's want of a retrieve, and judge the orders anew."""
    order_ids = orders_wanting(c, [retrieve_id])
    for order_id in order_ids:
        leave(c, order_id, [retrieve_id], because=because, refused_by=refused_by, now=now)
    judge_readiness(c, order_ids, now=now)
