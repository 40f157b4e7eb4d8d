"""A want that rests joins what was fetched for it, and never speaks for a fetch that is still under way."""

from __future__ import annotations

import pytest

from prefetch.model import Decision, RetrieveState
from prefetch.store.database import Database
from tests.queued import HOUR, NOW, Queue, wish


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def test_a_want_that_rests_is_met_by_what_was_fetched(queue: Queue) -> None:
    """The order is ready, and nothing new is queued."""
    order = queue.order()
    (number,) = queue.plan(order, wish()).created
    queue.verify(number)
    saved = queue.plan(order, wish(decision=Decision.COOLING), now=NOW + HOUR)
    assert ((), (number,)) == (saved.created, saved.joined)
    assert queue.order_now(order).ready_at is not None


def test_a_want_that_rests_does_not_speak_for_anothers_fetch(queue: Queue) -> None:
    """Another exam has it fetched anew, and waits until that is verified."""
    order, other = queue.order(), queue.order()
    (number,) = queue.plan(order, wish()).created
    queue.verify(number)
    (anew,) = queue.plan(other, wish(), now=NOW + HOUR).created
    queue.plan(order, wish(decision=Decision.COOLING), now=NOW + HOUR)
    assert RetrieveState.DUE is queue.retrieve(anew).state


def test_a_want_that_rests_and_finds_nothing_is_fetched(queue: Queue) -> None:
    """History has lost what was fetched."""
    (number,) = queue.plan(queue.order(), wish(decision=Decision.COOLING)).created
    assert RetrieveState.DUE is queue.retrieve(number).state
