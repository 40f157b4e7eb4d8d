"""What moves have shown of an archive and a workstation outlives rests and restarts."""

from __future__ import annotations

import pytest

from prefetch.lifecycle import Step
from prefetch.store import archives, destinations
from prefetch.store.database import Database
from tests.queued import ARCHIVE, DESTINATION, HOUR, MINUTE, NOW, Queue, wish

WORDS = {"reason": "0xC000", "remedy": "register READ1"}


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def rows(queue: Queue) -> list[destinations.DestinationRow]:
    """All that is known."""
    return queue.do(lambda c: list(destinations.list_destinations(c)))


def fail(queue: Queue, at: int) -> destinations.DestinationRow:
    """A move fails for its destination, so many minutes from now."""
    return queue.do(destinations.mark_unknown, ARCHIVE, DESTINATION, now=NOW + at * MINUTE, **WORDS)


def test_failures_in_a_row_are_counted(queue: Queue) -> None:
    """With the time of the first and of the last, and what to do."""
    assert [1, 2] == [fail(queue, at).failures for at in (0, 10)]
    (row,) = rows(queue)
    assert (2, NOW, NOW + 10 * MINUTE) == (row.failures, row.failed_since, row.failed_at)
    assert WORDS == {"reason": row.reason, "remedy": row.remedy}


def test_what_is_sent_ends_the_failures(queue: Queue) -> None:
    """And the next one is the first again."""
    fail(queue, 0)
    queue.do(destinations.mark_reached, ARCHIVE, DESTINATION, now=NOW + HOUR)
    (row,) = rows(queue)
    assert (0, NOW + HOUR) == (row.failures, row.reached_at)
    assert 1 == fail(queue, 90).failures


def test_a_prior_verified_since_ends_the_failures_too(queue: Queue) -> None:
    """Another node may have sent it."""
    fail(queue, -HOUR // MINUTE)
    moving = queue.moving(wish("1"))
    queue.finish(moving, Step.MOVE, at=NOW)
    queue.verify(moving.id)
    (row,) = rows(queue)
    assert 0 == row.failures


def test_it_outlives_the_end_of_a_rest(queue: Queue) -> None:
    """A restart lets all pairs move again; what is known of them stays."""
    fail(queue, 0)
    queue.do(archives.unpark_all)
    assert 1 == len(rows(queue))
