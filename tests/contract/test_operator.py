"""What a person decides by hand holds, is remembered, and names the person."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from prefetch import errors
from prefetch.lifecycle import Step
from prefetch.model import Decision, Outcome, Patient, Priority, Retrieve, RetrieveState, Verdict
from prefetch.store import checks, history, inbox, operator, patients, tables
from prefetch.store.database import Connection, Database
from prefetch.store.tables import MessageState
from tests.queued import HOUR, NOW, Queue, order, wish

S = RetrieveState
QUARANTINED = wish(decision=Decision.QUARANTINED, because="birth dates differ")
retry = partial(operator.retry, expire_at=NOW + 24 * HOUR)


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def act(queue: Queue, verb: Callable[..., Retrieve], retrieve: Retrieve) -> Retrieve:
    """Do what a person asked for."""
    return queue.do(verb, retrieve.id, by="ada", now=NOW)


def test_a_released_study_moves(queue: Queue) -> None:
    """It is the right patient's, says the person."""
    released = act(queue, operator.release, queue.wanted(QUARANTINED))
    claimed = queue.claim()
    assert claimed is not None
    assert (released.id, None) == (claimed.id, claimed.problem)


def test_a_refused_study_is_no_longer_wanted(queue: Queue) -> None:
    """The order can be ready without it."""
    known = queue.order()
    saved = queue.plan(known, wish("1"), wish("2", decision=Decision.QUARANTINED))
    queue.verify(saved.created[0])
    refused = act(queue, operator.refuse, queue.retrieve(saved.created[1]))
    assert (S.CANCELLED, NOW) == (refused.state, queue.order_now(known).ready_at)


@pytest.mark.parametrize(
    ("verb", "verdict"),
    [(operator.release, Verdict.RELEASED), (operator.refuse, Verdict.REFUSED)],
    ids=["release", "refuse"],
)
def test_a_verdict_is_remembered_for_the_patient(
    queue: Queue, verb: Callable[..., Retrieve], verdict: Verdict
) -> None:
    """Later plans go by it; another patient's do not."""
    act(queue, verb, queue.wanted(QUARANTINED))
    own, other = order().patient, Patient(patient_id="4712", issuer_of_patient_id="HOSPITAL")
    assert ({"1.2.3": verdict}, {}) == (
        queue.do(patients.verdicts_about, own.ids),
        queue.do(patients.verdicts_about, other.ids),
    )


def test_what_has_failed_can_be_retried(queue: Queue) -> None:
    """At once, and with all its attempts."""
    moving = queue.moving()
    queue.finish(moving, Step.FAIL)
    retried = act(queue, retry, moving)
    assert (S.WAITING, 0, NOW) == (retried.state, retried.attempts, retried.start_at)


def test_what_waits_after_a_failure_can_be_retried_now(queue: Queue) -> None:
    """The archive has learnt the destination: the pair waits no longer either, and the history names who."""
    known = queue.order()
    queue.plan(known, wish())
    moving = queue.claim()
    assert moving is not None
    later = NOW + HOUR
    queue.finish(
        moving, Step.RETRY, at=later, outcome=Outcome.UNKNOWN_DESTINATION, counts=False, park_until=later
    )
    act(queue, retry, moving)
    (happened,) = [each for each in queue.do(history.story, known.id) if each.what == "retrieve_hastened"]
    assert ("ada", True) == (happened.detail["by"], queue.claim() is not None)


def test_what_waits_for_its_time_is_not_retried(queue: Queue) -> None:
    """The person is told what brings it now."""
    retrieve = queue.wanted(wish(start_at=NOW + HOUR))
    with pytest.raises(errors.IllegalTransitionError, match="prefetch fetch"):
        act(queue, retry, retrieve)


def test_what_is_tried_anyway_is_not_retried(queue: Queue) -> None:
    """The person is told so."""
    moving = queue.moving()
    with pytest.raises(errors.IllegalTransitionError, match="tried anyway"):
        act(queue, retry, moving)


def test_what_expired_is_retried_for_as_long_as_is_said(queue: Queue) -> None:
    """It does not expire again at once."""
    retrieve = queue.wanted(wish(expire_at=NOW))
    queue.do(checks.expire, NOW)
    act(queue, retry, retrieve)
    assert ([], True) == (queue.do(checks.expire, NOW + HOUR), queue.claim() is not None)


def test_what_has_a_successor_is_not_retried(queue: Queue) -> None:
    """The study would move twice; the person is told which one to look at."""
    known = queue.order()
    queue.plan(known, wish())
    failed = queue.claim()
    assert failed is not None
    queue.finish(failed, Step.FAIL)
    (successor,) = queue.plan(known, wish()).created
    with pytest.raises(errors.IllegalTransitionError, match=f"successor: {successor}"):
        act(queue, retry, failed)


def test_what_no_order_wants_any_more_is_not_retried(queue: Queue) -> None:
    """It would move for nobody."""
    known = queue.order()
    queue.plan(known, wish())
    failed = queue.claim()
    assert failed is not None
    queue.finish(failed, Step.FAIL)
    queue.plan(known)
    with pytest.raises(errors.IllegalTransitionError, match="no order wants it"):
        act(queue, retry, failed)


def test_what_a_person_cancelled_is_not_brought_back_by_planning_again(queue: Queue) -> None:
    """For none of the orders that wanted it; a new order may want it all the same."""
    known = queue.order()
    retrieve = queue.retrieve(queue.plan(known, wish()).created[0])
    act(queue, operator.cancel, retrieve)
    again, other = queue.plan(known, wish()), queue.plan(queue.order(), wish())
    assert ((), (), 1) == (again.created, again.joined, len(other.created))


def test_what_is_cancelled_does_not_keep_an_order_from_being_ready(queue: Queue) -> None:
    """The rest of its priors is there."""
    known = queue.order()
    saved = queue.plan(known, wish("1"), wish("2"))
    queue.verify(saved.created[0])
    (look,) = queue.claim_checks()
    queue.check(look, Step.RETRY)
    act(queue, operator.cancel, look)
    assert NOW == queue.order_now(known).ready_at


@pytest.mark.parametrize("verb", [operator.release, operator.refuse, retry, operator.cancel])
def test_an_unknown_number_is_not_found(queue: Queue, verb: Callable[..., Retrieve]) -> None:
    """And nothing is done."""
    with pytest.raises(errors.NotFoundError, match="no retrieve 99"):
        queue.do(verb, 99, by="ada", now=NOW)


@pytest.mark.parametrize("verb", [operator.release, operator.refuse, operator.cancel])
def test_what_moves_is_not_touched(queue: Queue, verb: Callable[..., Retrieve]) -> None:
    """The person is told its state."""
    moving = queue.moving()
    with pytest.raises(errors.IllegalTransitionError, match="moving"):
        act(queue, verb, moving)


def test_the_history_names_who_decided(queue: Queue) -> None:
    """Each verb is audited."""
    known = queue.order()
    retrieve = queue.retrieve(queue.plan(known, QUARANTINED).created[0])
    act(queue, operator.release, retrieve)
    told: dict[str, Any] = queue.do(history.story, known.id)[-1].detail
    assert "ada" == told["by"]


def test_a_replayed_message_is_read_again_and_says_who_wanted_it(queue: Queue) -> None:
    """Once: what waits or was understood is not replayed, and what never came is told."""
    said: dict[str, Any] = {"source": "ris", "raw": b"MSH|", "control_id": "1", "message_type": "ORM^O01"}
    said |= {"priority": Priority.ROUTINE, "order_number": None, "received_at": NOW}
    number = queue.do(inbox.accept_message, **said).message_id
    queue.do(inbox.finish_message, number, MessageState.DEAD, because="no PID", at=NOW)
    queue.do(operator.replay, number, by="ada", now=NOW)
    assert [number] == [message.id for message in queue.do(inbox.waiting_messages, 9)]
    with pytest.raises(errors.IllegalTransitionError, match="is waiting: it is no dead letter"):
        queue.do(operator.replay, number, by="ada", now=NOW)
    with pytest.raises(errors.NotFoundError):
        queue.do(operator.replay, number + 1, by="ada", now=NOW)
    (row,) = queue.do(_replays)
    assert ("message_replayed", {"by": "ada", "message_id": number, "problem": "no PID"}) == row


def _replays(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
    return [(row.what, row.detail) for row in connection.execute(select(tables.events))]
