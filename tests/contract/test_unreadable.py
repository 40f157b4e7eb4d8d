"""A row that somebody wrote nonsense into: it is set aside and told, and the others go on."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from prefetch.model import RetrieveState
from prefetch.store import exams, orders, retrieves
from prefetch.store.database import Connection, Database, is_shared
from tests.queued import HOUR, NOW, Queue, wish

NONSENSE = ["null", '"text"', '[["1.2", {}]]', "{"]
"""Documents that are no list of ours, or no documents at all."""


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def spoil(queue: Queue, table: str, column: str, number: int, document: str) -> None:
    """Write into a row what we would not; PostgreSQL takes documents only."""

    def write(c: Connection) -> None:
        if is_shared(c):
            try:
                json.loads(document)
            except ValueError:
                pytest.skip("PostgreSQL keeps no such document")
        written = text(f"UPDATE {table} SET {column} = :document WHERE id = :number")  # noqa: S608 (a test's own)
        c.execute(written, {"document": document, "number": number})

    queue.do(write)


@pytest.mark.parametrize("document", NONSENSE)
@pytest.mark.parametrize("column", ["series", "archives", "missing"])
def test_a_retrieve_that_cannot_be_read_moves_nothing(queue: Queue, column: str, document: str) -> None:
    """Though it is the most urgent: the other one is claimed, and this one says what to do."""
    spoiled = queue.wanted(wish("1.1", deadline=NOW + HOUR))
    queue.plan(queue.order(accession_number="A2"), wish("1.2"))
    spoil(queue, "retrieves", column, spoiled.id, document)
    claimed = [queue.claim_many(limit=3) for _ in range(2)]
    assert ["1.2"] == [each.study_instance_uid for each in (*claimed[0], *claimed[1])]
    looked_at = queue.retrieve(spoiled.id)
    assert (RetrieveState.FAILED, retrieves.UNREADABLE) == (looked_at.state, looked_at.problem)


@pytest.mark.parametrize("document", NONSENSE)
def test_a_moved_retrieve_that_cannot_be_read_is_not_looked_for(queue: Queue, document: str) -> None:
    """The other one is."""
    first, second = queue.moving(wish("1.1")), queue.moving(wish("1.2"))
    for retrieve in (first, second):
        queue.finish(retrieve)
    spoil(queue, "retrieves", "series", first.id, document)
    assert ["1.2"] == [each.study_instance_uid for each in queue.claim_checks()]
    assert retrieves.UNREADABLE == queue.retrieve(first.id).problem


@pytest.mark.parametrize("document", NONSENSE)
def test_an_exam_is_planned_again_without_the_row_that_cannot_be_read(queue: Queue, document: str) -> None:
    """A new retrieve stands in its place."""
    order = queue.order()
    queue.plan(order, wish("1.1", start_at=NOW + HOUR))
    (spoiled,) = queue.do(retrieves.list_retrieves)
    spoil(queue, "retrieves", "archives", spoiled.id, document)
    queue.change(queue.order_now(order))
    queue.plan(queue.order_now(order), wish("1.1"))
    assert ["1.1"] == [each.study_instance_uid for each in queue.claim_many(limit=3)]


@pytest.mark.parametrize("document", NONSENSE)
@pytest.mark.parametrize("column", ["sayings", "other_patient_ids"])
def test_an_order_that_cannot_be_read_is_not_planned(queue: Queue, column: str, document: str) -> None:
    """The other one is; this one is listed, with what to do."""
    spoiled, other = queue.order(), queue.order(accession_number="A2")
    spoil(queue, "orders", column, spoiled.id, document)
    assert [other.id] == [each.id for each in queue.claim_orders(5)]
    listed = {each.order.id: each for each in queue.do(exams.list_exams)}
    assert f"set aside: {orders.UNREADABLE}" == listed[spoiled.id].order.plan_problem
    assert 1 == queue.do(orders.count_set_aside)


@pytest.mark.parametrize("document", NONSENSE)
def test_a_plan_that_cannot_be_read_is_none(queue: Queue, document: str) -> None:
    """Its exam is listed with what it wants."""
    order = queue.order()
    queue.plan(order, wish("1.1"))
    (number,) = queue.do(lambda c: c.execute(text("SELECT max(id) FROM plans")).one())
    spoil(queue, "plans", "document", number, document)
    (exam,) = queue.do(exams.list_exams)
    assert (None, 1) == (exam.plan, len(exam.retrieves))
