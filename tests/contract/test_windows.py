"""What has a window is moved before it closes, or waits for a plan that finds the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from prefetch import model
from prefetch.lifecycle import Step
from prefetch.model import RetrieveState
from prefetch.store import operator
from prefetch.store.database import Database
from tests.queued import HOUR, NOW, Queue, wish


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def windowed(opens: datetime, closes: datetime | None, study_instance_uid: str = "1.2.3") -> model.Wanted:
    """A study that may be moved in a window."""
    wanted = wish(study_instance_uid, start_at=opens)
    return replace(wanted, choice=replace(wanted.choice, closes_at=closes))


def test_what_is_due_is_not_claimed_when_its_window_has_closed(queue: Queue) -> None:
    """However many were before it; and what has no window goes on."""
    queue.plan(queue.order(), windowed(NOW, NOW + HOUR, "1"), windowed(NOW, None, "2"))
    assert ["2"] == [each.study_instance_uid for each in queue.claim_many(NOW + HOUR)]
    assert ["1"] == [each.study_instance_uid for each in queue.claim_many(NOW + HOUR / 2)]


def test_a_plan_finds_the_next_window(queue: Queue) -> None:
    """What was due waits again until that opens."""
    order = queue.order()
    (number,) = queue.plan(order, windowed(NOW, NOW + HOUR)).created
    queue.plan(order, windowed(NOW + 12 * HOUR, NOW + 20 * HOUR), now=NOW + HOUR)
    retrieve = queue.retrieve(number)
    assert (RetrieveState.WAITING, NOW + 12 * HOUR, NOW + 20 * HOUR) == (
        retrieve.state,
        retrieve.start_at,
        retrieve.closes_at,
    )
    assert queue.claim(NOW + 11 * HOUR) is None
    assert queue.claim(NOW + 12 * HOUR) is not None


def test_a_retry_after_the_window_waits_as_well(queue: Queue) -> None:
    """A move that failed in the last minute is not begun again outside."""
    moving = queue.moving(windowed(NOW, NOW + HOUR))
    queue.finish(moving, Step.RETRY, at=NOW + HOUR, outcome=model.Outcome.TRANSIENT)
    assert queue.claim(NOW + HOUR) is None


def test_another_order_without_a_window_opens_it(queue: Queue) -> None:
    """And when that wants it no more, the window counts again."""
    (number,) = queue.plan(queue.order(), windowed(NOW, NOW + HOUR)).created
    other = queue.order()
    queue.plan(other, windowed(NOW, None))
    assert queue.retrieve(number).closes_at is None
    queue.plan(other)
    assert queue.retrieve(number).closes_at == NOW + HOUR


def test_what_a_person_has_moved_again_waits_for_no_window(queue: Queue) -> None:
    """They know what they do."""
    moving = queue.moving(windowed(NOW, NOW + HOUR))
    queue.finish(moving, Step.FAIL, outcome=model.Outcome.PERMANENT)
    expiry = NOW + 24 * HOUR
    queue.do(operator.retry, moving.id, by="a.radiographer", now=NOW + 2 * HOUR, expire_at=expiry)
    assert queue.claim(NOW + 2 * HOUR) is not None
