"""What events make of orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import orders
from prefetch.model import Action, Order, OrderEvent, OrderStatus, Priority

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
CLOCK = orders.Clock(zone=ZoneInfo("Europe/Berlin"))


def event(action: Action = Action.NEW, **said: Any) -> OrderEvent:
    """An event of one order of one patient."""
    usual: dict[str, Any] = {"placer_order_number": "P1", "accession_number": "A1", "patient_id": "4711"}
    return OrderEvent(action=action, **(usual | said))


def order_of(*events: OrderEvent) -> Order:
    """The order that these events leave."""
    order = orders.create(events[0], source="ris", clock=CLOCK, now=NOW)
    assert order is not None
    for number, following in enumerate(events[1:], start=1):
        order = orders.apply(order, following, clock=CLOCK, now=NOW + timedelta(minutes=number))
    return order


def test_a_first_message_makes_an_order_that_is_due_for_planning() -> None:
    """What is new is planned at once."""
    order = order_of(event(modality="CT", procedure_description="CT Thorax"))
    assert ("CT", "4711", 1, NOW) == (order.modality, order.patient.patient_id, order.version, order.plan_at)


def test_a_first_message_may_be_a_change() -> None:
    """A booking whose first message is a status change is an order all the same."""
    assert OrderStatus.SCHEDULED is order_of(event(Action.CHANGE)).status


@pytest.mark.parametrize("action", [Action.CANCEL, Action.MERGE, Action.IGNORE])
def test_a_cancel_of_the_unknown_makes_nothing(action: Action) -> None:
    """Only a new order or a change creates one."""
    assert orders.create(event(action), source="ris", clock=CLOCK, now=NOW) is None


def test_a_message_without_any_number_makes_nothing() -> None:
    """An order that no later message could name is not held."""
    nameless = OrderEvent(action=Action.NEW, patient_id="4711")
    assert orders.create(nameless, source="adt", clock=CLOCK, now=NOW) is None


def test_a_message_that_changes_nothing_gives_back_the_very_order() -> None:
    """Thousands a day say what is known already: no version, no planning."""
    order = replace(order_of(event(modality="CT")), plan_at=None)
    assert orders.apply(order, event(Action.CHANGE, modality="CT"), clock=CLOCK, now=NOW) is order


def test_what_is_not_said_is_left_alone_and_an_explicit_null_deletes() -> None:
    """An empty field says nothing, `""` deletes (HL7 v2.5.1 2.5.3)."""
    order = order_of(
        event(modality="CT", station_ae_title="CT1", scheduled_start="2026-03-02T10:00", priority="S"),
        event(Action.CHANGE, cleared=frozenset({"station_ae_title", "scheduled_start", "priority"})),
    )
    assert ("CT", None, None) == (order.modality, order.station_ae_title, order.scheduled_start)
    assert Priority.ROUTINE is order.priority


def test_a_cancel_stops_planning_and_a_new_order_of_the_same_number_resumes_it() -> None:
    """Cancelled wants nothing; un-cancelled is planned again."""
    cancelled = order_of(event(), event(Action.CANCEL))
    assert (OrderStatus.CANCELLED, None, True) == (
        cancelled.status,
        cancelled.plan_at,
        orders.wants_nothing(cancelled),
    )
    again = order_of(event(), event(Action.CANCEL), event(Action.NEW))
    assert OrderStatus.SCHEDULED is again.status
    assert again.plan_at is not None


def test_a_repeated_new_message_does_not_set_an_exam_back() -> None:
    """An exam in progress stays so when its order is sent again."""
    begun = order_of(event(), event(Action.CHANGE, status=OrderStatus.IN_PROGRESS), event(Action.NEW))
    assert OrderStatus.IN_PROGRESS is begun.status


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2026-03-02T10:30", datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
        ("2026-07-02T10:30:15", datetime(2026, 7, 2, 8, 30, 15, tzinfo=UTC)),
        ("2026-03-02T10:30-05:00", datetime(2026, 3, 2, 15, 30, tzinfo=UTC)),
        ("2026-03-02", datetime(2026, 3, 2, 6, 15, tzinfo=UTC)),
        ("tomorrow", None),
        (None, None),
    ],
)
def test_times_are_read_in_the_site_s_zone_unless_they_bring_their_own(
    sent: str | None, meant: datetime | None
) -> None:
    """A date alone is the start of the working day; nonsense is no time."""
    clock = replace(CLOCK, start_of_day=time(7, 15))
    assert meant == orders.read_time(sent, clock)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("S", Priority.STAT),
        ("stat", Priority.STAT),
        ("A", Priority.HIGH),
        ("T", Priority.MEDIUM),
        ("R", Priority.ROUTINE),
        ("whenever", Priority.ROUTINE),
        (None, Priority.ROUTINE),
    ],
)
def test_priorities_are_read_by_their_table(sent: str | None, meant: Priority) -> None:
    """Codes and words have one meaning; what is unknown is routine."""
    assert meant is orders.read_priority(sent)


def test_emergency_is_a_matter_of_priority_or_class() -> None:
    """STAT orders and emergency patients share a lane (HL7 table 0004)."""
    assert orders.is_emergency(order_of(event(priority="S")))
    assert orders.is_emergency(order_of(event(patient_class="E")))
    assert not orders.is_emergency(order_of(event(patient_class="O")))


def test_an_order_is_found_by_its_strongest_number() -> None:
    """The filler number decides before the placer's, which decides before the accession number."""
    first = replace(order_of(event(filler_order_number="F1")), id=1)
    second = replace(order_of(event(filler_order_number="F2", placer_order_number="P2")), id=2)
    assert second is orders.match(event(filler_order_number="F2", placer_order_number="P1"), [first, second])


def test_two_procedures_may_share_an_accession_number() -> None:
    """Another placer number under the same accession number is another order."""
    assert orders.match(event(placer_order_number="P2"), [order_of(event())]) is None


def test_two_hospitals_may_use_the_same_accession_number() -> None:
    """The accession number alone does not join orders of two patients."""
    theirs = order_of(event(placer_order_number=None))
    assert orders.match(event(placer_order_number=None, patient_id="9999"), [theirs]) is None


def test_an_order_number_follows_the_patient_to_whom_the_order_is_corrected() -> None:
    """The same placer number for another patient is the same order, and is planned again."""
    order = order_of(event())
    corrected = event(Action.CHANGE, patient_id="9999")
    assert orders.match(corrected, [order]) is order
    assert orders.apply(order, corrected, clock=CLOCK, now=NOW).patient.patient_id == "9999"


def test_an_appointment_s_number_does_not_move_an_order_to_another_patient() -> None:
    """A booking without order numbers is known by its appointment's, which other systems use as well."""
    booking = event(Action.CHANGE, placer_appointment_id="P1", accession_number=None, patient_id="9999")
    assert orders.match(booking, [order_of(event())]) is None


def test_a_cancel_without_a_patient_finds_its_order() -> None:
    """Real cancels come with an order number and nothing else (field guide, 3.4)."""
    order = order_of(event())
    assert orders.match(OrderEvent(action=Action.CANCEL, placer_order_number="P1"), [order]) is order


def test_a_booking_joins_its_order_by_appointment() -> None:
    """An SIU that names only its appointment finds the order that named it too."""
    order = order_of(event(filler_appointment_id="T1"))
    booking = OrderEvent(action=Action.CHANGE, filler_appointment_id="T1", scheduled_start="2026-03-02T10:00")
    assert orders.match(booking, [order]) is order


def test_no_shared_number_is_no_match() -> None:
    """Candidates that share nothing are left alone."""
    assert orders.match(event(placer_order_number="X", accession_number="Y"), [order_of(event())]) is None


def test_a_merge_carries_the_order_to_the_surviving_id() -> None:
    """The order is re-keyed and planned again; the same merge twice does nothing."""
    merge = OrderEvent(action=Action.MERGE, patient_id="1", prior_patient_id="4711", birth_date="19700101")
    merged = orders.rekey(order_of(event()), merge, now=NOW)
    assert ("1", 2, NOW) == (merged.patient.patient_id, merged.version, merged.plan_at)
    assert orders.rekey(merged, merge, now=NOW) is merged


def test_a_merge_does_not_wake_a_cancelled_order() -> None:
    """Re-keyed, but nothing is planned for it."""
    merge = OrderEvent(action=Action.MERGE, patient_id="1", prior_patient_id="4711")
    assert orders.rekey(order_of(event(), event(Action.CANCEL)), merge, now=NOW).plan_at is None


_EVENTS = st.builds(
    event,
    st.sampled_from([Action.NEW, Action.CHANGE, Action.CANCEL]),
    status=st.sampled_from([None, *OrderStatus]),
    modality=st.sampled_from([None, "CT", "MR"]),
    scheduled_start=st.sampled_from([None, "2026-03-02T10:00", "2026-03-03T08:00", "nonsense"]),
    station_ae_title=st.sampled_from([None, "CT1", "CT2"]),
    cleared=st.sets(st.sampled_from(["modality", "scheduled_start"])).map(frozenset),
)


@given(st.lists(_EVENTS, max_size=8))
def test_any_order_of_events_keeps_the_promises(events: list[OrderEvent]) -> None:
    """Versions only grow, what wants nothing is not planned, and saying it twice changes nothing."""
    order = order_of(event())
    for following in events:
        after = orders.apply(order, following, clock=CLOCK, now=NOW)
        assert after is order or after.version == order.version + 1
        assert not (orders.wants_nothing(after) and after.plan_at is not None)
        assert orders.apply(after, following, clock=CLOCK, now=NOW + timedelta(hours=1)) is after
        order = after
