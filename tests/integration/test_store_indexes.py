"""History costs nothing: whatever the daemon does all day is found by an index, on SQLite as it plans it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Pool, event, select

from prefetch.model import (
    Action,
    Decision,
    FindResult,
    OrderEvent,
    Outcome,
    PatientId,
    Priority,
    RetrieveState,
)
from prefetch.store import (
    answers,
    checks,
    claims,
    exams,
    history,
    horizon,
    inbox,
    orders,
    patients,
    replanning,
    retention,
    retrieves,
    tables,
    wants,
)
from prefetch.store.database import Database
from prefetch.store.prepared import Prepared
from prefetch.store.tables import MessageState
from tests.queued import HOUR, LEASE, NOW, OWNER, Queue, wish

_EVENT = OrderEvent(action=Action.CHANGE, accession_number="A1", placer_order_number="P1")
_MESSAGE: dict[str, Any] = {
    "source": "ris",
    "raw": b"MSH|",
    "control_id": "1",
    "message_type": "ORM^O01",
    "order_number": "P1",
    "received_at": NOW,
}
_ID = PatientId(patient_id="4711")
DEEDS: dict[str, Callable[..., object]] = {
    "accept": partial(inbox.accept_message, priority=Priority.STAT, **_MESSAGE),
    "read": partial(inbox.waiting_messages, limit=10),
    "finish": partial(inbox.finish_message, message_id=1, state=MessageState.READ, at=NOW),
    "dead letters": partial(inbox.dead_letters, limit=10),
    "count messages": partial(inbox.count_messages, since=NOW),
    "match an event": partial(orders.orders_sharing_keys, event=_EVENT),
    "orders of a patient": partial(orders.orders_of_patient, patient_id="4711", issuer="HOSPITAL"),
    "find": partial(orders.find_orders, name="A1"),
    "list orders": partial(orders.list_orders, since=NOW, until=NOW + HOUR),
    "list exams": partial(exams.list_exams, since=NOW, until=NOW + HOUR),
    "claim orders": partial(orders.claim_orders_to_plan, owner=OWNER, now=NOW, lease=LEASE, limit=4),
    "plan by another configuration": partial(
        replanning.plan_by, configuration="new", progress=replanning.Progress(since=NOW - HOUR), now=NOW
    ),
    "plan all by hand": partial(
        replanning.plan_all_by_hand,
        progress=replanning.Progress(since=NOW - HOUR),
        asked_at=NOW,
        by="me",
        now=NOW,
    ),
    "promote": partial(claims.promote, now=NOW),
    "expire": partial(checks.expire, now=NOW),
    "renew": partial(claims.renew_leases, owner=OWNER, planning=[1], retrieving=[1], now=NOW, lease=LEASE),
    "sweep": partial(claims.sweep_leases, now=NOW),
    "recover": partial(claims.recover, now=NOW),
    "hand back": partial(claims.recover, now=NOW, owner=OWNER),
    "claim checks": partial(checks.claim_checks, owner=OWNER, now=NOW, lease=LEASE, limit=100),
    "horizon": partial(horizon.horizon, now=NOW),
    "story": partial(history.story, order_id=1),
    "quarantine": partial(retrieves.list_retrieves, states=[RetrieveState.QUARANTINED]),
    "list retrieves": partial(retrieves.list_retrieves, since=NOW, until=NOW + HOUR),
    "count retrieves": partial(retrieves.count_retrieves, since=NOW),
    "retrieves of an order": partial(retrieves.retrieves_of_order, order_id=1),
    "verified": partial(retrieves.verified_at, destination="here", study_instance_uids=["1.2.3"]),
    "arrived": partial(retrieves.has_arrived, archive="a", destination="here"),
    "withdraw": partial(wants.withdraw_wants, order_id=1, because="cancelled", now=NOW),
    "verdicts": partial(patients.verdicts_about, ids=[_ID]),
    "surviving ID": partial(patients.surviving_id, one=_ID),
    "merged IDs": partial(patients.merged_ids, one=_ID),
    "merge": partial(patients.record_merge, prior=_ID, surviving=PatientId(patient_id="4712"), at=NOW),
    "cross-references": partial(patients.cross_references_of, one=_ID),
    "keep an answer": partial(
        answers.save_answer,
        archive="a",
        patient_id="4711",
        issuer=None,
        result=FindResult(outcome=Outcome.SUCCESS),
        address="PACS@localhost:104",
        asked_as="",
        asked_at=NOW,
    ),
    "latest answer": partial(
        answers.latest_answer, archive="a", patient_id="4711", issuer=None, address="PACS@localhost:104"
    ),
    "forget": partial(retention.forget, history_before=NOW - HOUR, messages_before=NOW - HOUR, limit=100),
}


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """A queue on SQLite with an order that has been through it."""
    database = Database.open(f"sqlite:///{tmp_path / 'prefetch.db'}", create=True)
    walked = Queue(database)
    walk(walked)
    yield walked
    database.close()


def walk(queue: Queue) -> None:
    """Plan, move and verify, and plan again."""
    order = queue.order(accession_number="A1")
    queue.verify(queue.plan(order, wish("1"), wish("2", start_at=NOW + HOUR)).created[0])
    queue.plan(order, wish("1", decision=Decision.PRESENT), wish("2"))


_TABLES = {table.name for table in tables.metadata.sorted_tables} - {
    "archives",
    "pairs",
    "destinations",
    "nodes",
}
"""Those that grow with the days."""
_OF_INTEREST = {
    str(index.name)
    for table in tables.metadata.sorted_tables
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
"""Partial indexes: to read one through is to read what is of interest now."""


@pytest.fixture
def read_through() -> Iterator[set[str]]:
    """What statements read through row by row, as SQLite explains its plans (sqlite.org/eqp.html)."""
    found: set[str] = set()
    statements: list[str] = []

    def listen(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(statements.append)

    def explain(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(None)
        while statements:
            statement = statements.pop()
            if statement.split(" ")[0] not in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
                continue
            for *_rest, plan in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
                what, table, *index = plan.split(" ")
                if (
                    what == "SCAN"
                    and table in _TABLES
                    and index[-1:] not in [[name] for name in _OF_INTEREST]
                ):
                    found.add(plan)

    event.listen(Pool, "checkout", listen)
    event.listen(Pool, "reset", explain)
    yield found
    event.remove(Pool, "checkout", listen)
    event.remove(Pool, "reset", explain)


@pytest.mark.parametrize("deed", DEEDS)
def test_no_deed_of_the_day_reads_through_a_table(queue: Queue, read_through: set[str], deed: str) -> None:
    """A year of history does not make it slower."""
    queue.do(DEEDS[deed])
    assert set() == read_through


def test_neither_does_the_whole_walk_of_an_order(queue: Queue, read_through: set[str]) -> None:
    """Planned, claimed, moved, looked for, verified and planned again."""
    walk(queue)
    assert set() == read_through


def test_what_reads_through_a_table_is_seen(queue: Queue, read_through: set[str]) -> None:
    """The test above would see it, whoever executes the statement."""
    with queue.database.snapshot() as connection:
        Prepared(select(tables.events.c.id).where(tables.events.c.what == "x")).rows(connection)
    with queue.database.snapshot() as connection:
        connection.execute(select(tables.orders.c.id).where(tables.orders.c.location == "x"))
    assert {"SCAN events", "SCAN orders"} == read_through
