"""What a person decides by hand: release, refuse, retry, cancel, replay. Each names who, in the history.

Each raises `NotFoundError` or `IllegalTransitionError` in words where it cannot be done.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from prefetch import errors, lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState, Verdict
from prefetch.store import archives, history, inbox
from prefetch.store import orders as order_rows
from prefetch.store.patients import give_verdict
from prefetch.store.retrieves import BY_NUMBER, find_live, get_retrieve, take_step
from prefetch.store.wants import judge_readiness, leave, orders_wanting


def release(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve:
    """Let a study out of quarantine: it is the right patient's, also when its orders are planned again."""
    released = _step(c, _require(c, retrieve_id, Step.RELEASE), Step.RELEASE, by=by, now=now, problem=None)
    _decide(c, released, Verdict.RELEASED, by=by, now=now)
    return released


def refuse(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve:
    """Keep another patient's study out, also when its orders are planned again."""
    refused = _step(c, _require(c, retrieve_id, Step.REFUSE), Step.REFUSE, by=by, now=now)
    _decide(c, refused, Verdict.REFUSED, by=by, now=now)
    _leave_all(c, retrieve_id, because=f"refused by {by}: another patient's", now=now)
    return refused


def retry(c: Connection, retrieve_id: int, *, by: str, now: datetime, expire_at: datetime) -> model.Retrieve:
    """Move once more what is partial, failed or expired; its attempts count from the start.

    What waits after a failure moves now; where its archive did not know the destination, it is asked again.
    """
    if (waiting := get_retrieve(c, retrieve_id)) and waiting.state is RetrieveState.WAITING:
        return _hasten(c, waiting, by=by, now=now)
    known = _require(c, retrieve_id, Step.RETRY)
    if known.state not in lifecycle.ENDED:
        raise errors.IllegalTransitionError(f"retrieve {retrieve_id} is {known.state}: it is tried anyway")
    if successor := find_live(c, known.study_instance_uid, known.destination):
        raise errors.IllegalTransitionError(
            f"retrieve {retrieve_id} has a successor: {successor.id}, which is {successor.state}"
        )
    if not orders_wanting(c, [retrieve_id]):
        raise errors.IllegalTransitionError(f"retrieve {retrieve_id}: no order wants it any more")
    anew = {"start_at": now, "closes_at": None, "attempts": 0, "checks": 0, "expire_at": expire_at}
    return _step(c, known, Step.RETRY, by=by, now=now, **anew)


def _hasten(c: Connection, known: model.Retrieve, *, by: str, now: datetime) -> model.Retrieve:
    """End the wait of a retrieve that has failed; one that was not tried yet waits for its time."""
    if known.problem is None:
        raise errors.IllegalTransitionError(
            f"retrieve {known.id} waits for its time: `prefetch fetch` brings what an order wants now"
        )
    archives.unpark_pair(c, known.archive, known.destination)
    detail: dict[str, object] = {"by": by, "because": "by hand"}
    happening = model.Happening(at=now, what="retrieve_hastened", retrieve_id=known.id, detail=detail)
    history.record(c, happening)
    return _step(c, known, Step.PROMOTE, by=by, now=now, start_at=now)


def cancel(c: Connection, retrieve_id: int, *, by: str, now: datetime) -> model.Retrieve:
    """Take a retrieve out of the queue for all orders that want it; their later plans leave it out."""
    cancelled = _step(c, _require(c, retrieve_id, Step.WITHDRAW), Step.WITHDRAW, by=by, now=now)
    _leave_all(c, retrieve_id, because=f"cancelled by {by}", now=now, refused_by=by)
    return cancelled


def replay(c: Connection, message_id: int, *, by: str, now: datetime) -> None:
    """Have a dead letter read once more, as if it had just come."""
    letter = inbox.get_message(c, message_id)
    if letter is None:
        raise errors.NotFoundError(f"there is no message {message_id}")
    if not inbox.replay(c, message_id):
        raise errors.IllegalTransitionError(
            f"message {message_id} is {letter.state.value}: it is no dead letter"
        )
    detail: dict[str, object] = {"by": by, "message_id": message_id, "problem": letter.because}
    history.record(c, model.Happening(at=now, what="message_replayed", detail=detail))


def _require(c: Connection, retrieve_id: int, step: Step) -> model.Retrieve:
    """Give a retrieve with which a step is possible, or raise in words."""
    known = get_retrieve(c, retrieve_id)
    if known is None:
        raise errors.NotFoundError(f"there is no retrieve {retrieve_id}")
    lifecycle.advance(known.state, step)
    return known


def _step(
    c: Connection, known: model.Retrieve, step: Step, *, by: str, now: datetime, **values: object
) -> model.Retrieve:
    """Take the step, unless the daemon was quicker."""
    detail = {"by": by, "because": "by hand"}
    numbers = {"numbers": [known.id]}
    taken = take_step(c, step, BY_NUMBER, at=now, parameters=numbers, values=values, detail=detail)
    if not taken:
        raise errors.IllegalTransitionError(f"retrieve {known.id} has just changed; look again")
    return taken[0]


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
