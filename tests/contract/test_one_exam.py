"""HL7 and worklist tell of one exam: however their words are mixed, and however late they come, it is one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from prefetch import config, orders
from prefetch.dimse import worklist as worklist_query
from prefetch.intake import upserts
from prefetch.intake.worklist import applying, difference
from prefetch.model import Action, OrderEvent, OrderStatus
from prefetch.store import history, tables
from prefetch.store import orders as order_rows
from prefetch.store.database import Connection, Database
from tests import worklists
from tests.e2e.hospital import ANNA
from tests.queued import NOW, Queue, wish

CLOCK = orders.Clock(zone=ZoneInfo("Europe/Berlin"))
HEARD = NOW + timedelta(hours=2)
SETTINGS = config.Worklist(ae_title="RIS", host="h", port=104)
INTEREST = difference.Interest(first_day=NOW.date(), last_day=NOW.date() + timedelta(days=9))


def minute(number: int) -> str:
    """When a message was made: so many minutes after the beginning."""
    return (NOW + timedelta(minutes=number)).isoformat()


def message(number: int, action: Action = Action.CHANGE, **said: Any) -> OrderEvent:
    """A message of that minute, of one patient."""
    return OrderEvent(action=action, message_time=minute(number), patient_id="P1", **said)


STORY = [
    message(0, Action.NEW, placer_order_number="P1", modality="CT", scheduled_start="2026-03-03T10:00"),
    message(10, placer_order_number="P1", filler_order_number="F1", accession_number="A1", location="W1"),
    message(
        20,
        placer_order_number="P1",
        filler_order_number="FA",
        placer_appointment_id="PA",
        filler_appointment_id="FA",
        scheduled_start="2026-03-03T12:00",
    ),
    message(30, Action.CANCEL, filler_order_number="F1"),
    message(35, Action.NEW, placer_order_number="P1", filler_order_number="F1"),
    message(50, filler_order_number="F1", status=OrderStatus.IN_PROGRESS),
]
"""What the RIS sends; the placer, the filler and the appointment each use their own number."""

ANSWERS: list[tuple[int, dict[str, Any]]] = [
    (5, {"start": datetime(2026, 3, 3, 10, 0)}),  # noqa: DTZ001 (a worklist has no zones)
    (15, {"start": datetime(2026, 3, 3, 11, 0)}),  # noqa: DTZ001
    (25, {"start": datetime(2026, 3, 3, 12, 0), "station_ae_title": "CT2"}),  # noqa: DTZ001
    (45, {"start": datetime(2026, 3, 3, 13, 0), "station_ae_title": "CT3"}),  # noqa: DTZ001
]
"""What the worklist answers, and when: it knows the accession number and no order number."""


def tell(c: Connection, event: OrderEvent, *, source: str = "ris", now: datetime = HEARD) -> None:
    """Apply one message."""
    origin = upserts.Origin(source=source, heard_at=now, detail={})
    list(upserts.Upserts(connection=c, origin=origin, clock=CLOCK, now=now).apply(event))


def answer(c: Connection, number: int, **facts: Any) -> None:
    """Apply one worklist answer of that minute that holds the one item."""
    made = worklists.item("A1", study_instance_uid="1.2.3", **facts)
    item = worklist_query.read_item(worklists.on_the_wire(made))
    assert item is not None
    known = applying.known_items(c, "mwl")
    found = difference.compare(known, [item], interest=INTEREST, whole=True)
    at = NOW + timedelta(minutes=number)
    applying.apply_exams(c, found.exams, by=applying.Voice(name="mwl", settings=SETTINGS, clock=CLOCK, at=at))


def exam(database: Database) -> list[tuple[Any, ...]]:
    """All that we hold, without what depends on when it was heard."""
    with database.snapshot() as c:
        return [
            (
                order.status,
                order.scheduled_start,
                order.station_ae_title,
                order.modality,
                order.location,
                [getattr(order, key) for key in orders.KEYS],
            )
            for order in order_rows.list_orders(c)
        ]


_ARRIVALS = st.permutations(range(len(STORY))).flatmap(
    lambda messages: st.lists(st.integers(0, len(STORY)), min_size=len(ANSWERS), max_size=len(ANSWERS)).map(
        lambda places: (messages, sorted(places))
    )
)
"""The messages in any order, and after how many of them each answer comes."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrival=_ARRIVALS)
def test_any_interleaving_ends_in_the_same_exam(
    database: Database, arrival: tuple[list[int], list[int]]
) -> None:
    """Messages late and out of order, between the worklist's answers: one exam, of the freshest words."""
    messages, places = arrival
    with database.transaction() as c:
        _empty(c)
        for heard in range(len(messages) + 1):
            for (number, facts), place in zip(ANSWERS, places, strict=True):
                if place == heard:
                    answer(c, number, **facts)
            if heard < len(messages):
                tell(c, STORY[messages[heard]])
    start = datetime(2026, 3, 3, 12, 0, tzinfo=ZoneInfo("UTC"))
    numbers = ["F1", "P1", "1.2.3", "A1", "FA", "PA"]
    assert [(OrderStatus.IN_PROGRESS, start, "CT3", "CT", "W1", numbers)] == exam(database)


def _empty(c: Connection) -> None:
    for table in (tables.worklist_items, tables.events, tables.orders):
        c.execute(table.delete())


def test_two_orders_that_a_message_shows_to_be_one_become_one(database: Database) -> None:
    """With the numbers and the history of both; what the other wanted is withdrawn, and planned again."""
    queue = Queue(database)
    first = queue.order(patient=ANNA, placer_order_number="P1", modality="CT")
    second = queue.order(patient=ANNA, accession_number="A1", station_ae_title="CT1")
    queue.plan(second, wish("1.2.3"))
    queue.do(tell, message(1, placer_order_number="P1", accession_number="A1"))
    with database.snapshot() as c:
        (order,) = order_rows.list_orders(c)
        assert [order.id] == [found.id for found in order_rows.find_orders(c, "A1")]
        what = [each.what for each in history.story(c, order.id)]
        states = list(c.execute(select(tables.retrieves.c.state)).scalars())
    assert (first.id, "A1", "P1") == (order.id, order.accession_number, order.placer_order_number)
    assert {"order_planned", "orders_joined"} <= {*what}
    assert ["cancelled"] == [str(each) for each in states]


def test_two_procedures_of_one_accession_number_stay_two(database: Database) -> None:
    """A message that names the accession number they share makes them one no more than it did before."""
    queue = Queue(database)
    for placer in ("P1", "P2"):
        queue.order(patient=ANNA, accession_number="A1", placer_order_number=placer)
    queue.do(tell, message(1, accession_number="A1", location="W1"))
    assert 2 == len(exam(database))


def test_orders_that_share_an_appointment_stay_two(database: Database) -> None:
    """One booking may hold several exams."""
    queue = Queue(database)
    for accession in ("A1", "A2"):
        queue.order(patient=ANNA, accession_number=accession, filler_appointment_id="FA")
    queue.do(tell, message(1, accession_number="A1", filler_appointment_id="FA"))
    assert 2 == len(exam(database))


def test_a_message_that_changes_nothing_causes_no_query(database: Database) -> None:
    """It leaves the plan as it is, and only that it was said again is kept."""
    queue = Queue(database)
    queue.do(tell, STORY[0])
    claimed = queue.claim_order(now=HEARD)
    assert claimed is not None
    before = queue.order_now(claimed)
    queue.do(tell, message(60, Action.NEW, placer_order_number="P1", modality="CT"))
    after = queue.order_now(claimed)
    assert (before.version, before.plan_at) == (after.version, after.plan_at)
    assert NOW + timedelta(minutes=60, seconds=1) in {saying.at for saying in after.sayings}
