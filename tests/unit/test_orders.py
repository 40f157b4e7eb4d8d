"""What events make of orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import orders
from prefetch.fieldpath import FieldPath
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
        order = orders.apply(order, following, source="ris", clock=CLOCK, now=NOW + timedelta(minutes=number))
    return order


def test_a_first_message_makes_an_order_that_is_due_for_planning() -> None:
    """What is new is planned at once."""
    order = order_of(event(modality="CT", procedure_description="CT Thorax"))
    assert ("CT", "4711", 1, NOW) == (order.modality, order.patient.patient_id, order.version, order.plan_at)


def test_a_first_message_may_be_a_change() -> None:
    """A booking whose first message is a status change is an order all the same."""
    assert OrderStatus.SCHEDULED is order_of(event(Action.CHANGE)).status


@pytest.mark.parametrize("action", [Action.MERGE, Action.IGNORE])
def test_what_speaks_of_no_order_makes_none(action: Action) -> None:
    """Only a new order, a change or a cancel creates one."""
    assert orders.create(event(action), source="ris", clock=CLOCK, now=NOW) is None


def test_a_message_without_any_number_makes_nothing() -> None:
    """An order that no later message could name is not held."""
    nameless = OrderEvent(action=Action.NEW, patient_id="4711")
    assert orders.create(nameless, source="adt", clock=CLOCK, now=NOW) is None


def test_a_number_for_an_order_that_never_came_makes_nothing() -> None:
    """ORC-1 NA names an order that is known; it is none by itself."""
    assert orders.create(event(Action.CHANGE, creates=False), source="ris", clock=CLOCK, now=NOW) is None


def test_a_message_that_changes_nothing_causes_no_planning() -> None:
    """Thousands a day say what is known already: kept is only that it was said again."""
    order = replace(order_of(event(modality="CT")), plan_at=None)
    again = orders.apply(order, event(modality="CT"), source="ris", clock=CLOCK, now=NOW + timedelta(hours=1))
    assert replace(order, sayings=again.sayings) == again
    assert [NOW + timedelta(hours=1)] == [saying.at for saying in again.sayings]


def test_the_same_message_once_more_gives_back_the_very_order() -> None:
    """Sent twice, nothing is written."""
    order = order_of(event(modality="CT"))
    assert orders.apply(order, event(modality="CT"), source="ris", clock=CLOCK, now=NOW) is order


def test_an_older_message_does_not_overwrite_a_newer_fact() -> None:
    """What comes late is weighed by when it was said, field by field."""
    order = order_of(event(scheduled_start="2026-03-02T10:00"))
    late = event(Action.CHANGE, scheduled_start="2026-03-02T08:00", station_ae_title="CT2")
    after = orders.apply(order, late, source="ris", at=NOW - timedelta(minutes=5), clock=CLOCK, now=NOW)
    assert (order.scheduled_start, "CT2") == (after.scheduled_start, after.station_ae_title)


def test_a_late_order_does_not_revive_what_was_cancelled_meanwhile() -> None:
    """The cancel was said later, though it was heard first."""
    cancelled = order_of(event(Action.CANCEL))
    late = orders.apply(cancelled, event(modality="CT"), at=NOW - timedelta(minutes=5), clock=CLOCK, now=NOW)
    assert (OrderStatus.CANCELLED, "CT", None) == (late.status, late.modality, late.plan_at)


def test_a_late_cancel_does_not_undo_what_was_ordered_anew() -> None:
    """An order that was placed again after its cancel stands."""
    late = orders.apply(
        order_of(event()), event(Action.CANCEL), at=NOW - timedelta(minutes=5), clock=CLOCK, now=NOW
    )
    assert OrderStatus.SCHEDULED is late.status


def test_the_fresher_source_wins_field_by_field() -> None:
    """Two sources tell of one exam: of each field the last word holds, and both words are kept."""
    order = order_of(event(scheduled_start="2026-03-02T10:00", station_ae_title="CT1"))
    moved = event(Action.CHANGE, scheduled_start="2026-03-02T11:00")
    after = orders.apply(order, moved, source="mwl", at=NOW + timedelta(minutes=1), clock=CLOCK, now=NOW)
    assert (datetime(2026, 3, 2, 10, tzinfo=UTC), "CT1") == (after.scheduled_start, after.station_ae_title)
    assert {"ris": "2026-03-02T10:00", "mwl": "2026-03-02T11:00"} == {
        saying.source: saying.said.get("scheduled_start") for saying in after.sayings
    }


@pytest.mark.parametrize(
    ("status", "planned"),
    [
        (OrderStatus.IN_PROGRESS, False),
        (OrderStatus.COMPLETED, False),
        (OrderStatus.SCHEDULED, False),
        (OrderStatus.ON_HOLD, False),
    ],
)
def test_progress_alone_causes_no_query(status: OrderStatus, planned: bool) -> None:
    """That an exam has begun or ended bears on no prior."""
    order = replace(order_of(event()), plan_at=None)
    after = orders.apply(order, event(Action.CHANGE, status=status), clock=CLOCK, now=NOW)
    assert (status, planned) == (after.status, after.plan_at is not None)


def test_an_exam_that_goes_on_after_a_cancel_is_planned_again() -> None:
    """Its wants were withdrawn."""
    begun = order_of(event(), event(Action.CANCEL), event(Action.CHANGE, status=OrderStatus.IN_PROGRESS))
    assert begun.plan_at is not None


@pytest.mark.parametrize(
    ("sent", "counts_as"),
    [
        ("2026-03-02T07:30", datetime(2026, 3, 2, 6, 31, tzinfo=UTC)),
        ("2026-03-02T07:30:15", datetime(2026, 3, 2, 6, 30, 16, tzinfo=UTC)),
        ("2026-03-02T07:30:15-05:00", NOW),
        ("2026-03-02T01:30-05:00", datetime(2026, 3, 2, 6, 31, tzinfo=UTC)),
        ("2026-03-02T07:30+00:00", NOW),
        ("2026-03-02T08:00", NOW),
        ("2026-03-02", NOW),
        (None, NOW),
        ("2026-03-09T07:30", NOW),
    ],
)
def test_a_message_was_said_when_it_says_so_but_never_after_it_was_heard(
    sent: str | None, counts_as: datetime
) -> None:
    """Of the second or minute that was sent the end counts; a clock ahead, a date or nothing: as heard."""
    assert counts_as == orders.said_at(sent, heard_at=NOW, clock=CLOCK)


@pytest.mark.parametrize("hour", [0, 1], ids=["summer time", "winter time"])
def test_of_the_hour_that_comes_twice_the_nearer_one_is_meant(hour: int) -> None:
    """When summer time ends, messages of the second hour are not older than those of the first."""
    heard_at = datetime(2026, 10, 25, hour, 35, tzinfo=UTC)
    said = orders.said_at("2026-10-25T02:30", heard_at=heard_at, clock=CLOCK)
    assert heard_at - timedelta(minutes=4) == said


def test_several_steps_of_one_procedure_are_one_exam_at_the_earliest() -> None:
    """Else each message that names them all would move the exam back and forth."""
    first = event(scheduled_procedure_step_id="S1", scheduled_start="2026-03-02T10:00")
    second = event(scheduled_procedure_step_id="S2", scheduled_start="2026-03-02T08:00")
    other = event(placer_order_number="P2", scheduled_procedure_step_id="S3")
    assert [second, other] == orders.first_steps([first, second, other])


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
    assert orders.is_emergency(order_of(event(patient_class="Emergency")))
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
        assert after.version - order.version in {0, 1}
        assert not (orders.wants_nothing(after) and after.plan_at is not None)
        again = orders.apply(after, following, clock=CLOCK, now=NOW + timedelta(hours=1))
        assert replace(after, sayings=again.sayings) == again
        order = after


_LATE = st.lists(st.tuples(_EVENTS, st.sampled_from(["ris", "mwl"])), min_size=1, max_size=6).flatmap(
    lambda told: st.tuples(st.just(told), st.permutations(range(len(told))))
)


@given(_LATE)
def test_any_order_of_arrival_ends_in_the_same_exam(
    story: tuple[list[tuple[OrderEvent, str]], list[int]],
) -> None:
    """However late a message comes, and from whom, the exam is as if all had come when they were said."""
    told, arrival = story
    assert _exam_of(told, range(len(told))) == _exam_of(told, arrival)


def _exam_of(told: list[tuple[OrderEvent, str]], arrival: Iterable[int]) -> dict[str, Any]:
    """The exam that messages leave that were said a minute apart and come in this sequence."""
    order: Order | None = None
    for number in arrival:
        following, source = told[number]
        said: dict[str, Any] = {"source": source, "at": NOW + timedelta(minutes=number), "clock": CLOCK}
        if order is None:
            order = orders.create(following, **said, now=NOW)
        else:
            order = orders.apply(order, following, **said, now=NOW)
    assert order is not None
    heard = ("version", "created_at", "changed_at", "message_time", "sayings", "source", "plan_at")
    return {name: value for name, value in asdict(order).items() if name not in heard}


def fields(**said: str) -> OrderEvent:
    """An event whose message has these fields in a segment of its own."""
    return event(segments=(["ZXX", *said.values()],))


def test_other_fields_of_a_message_are_kept_and_change_nothing() -> None:
    """A time of transaction differs in every message."""
    order = replace(order_of(fields(sent="8:00")), plan_at=None)
    after = orders.apply(order, fields(sent="8:05"), source="ris", clock=CLOCK, now=NOW)
    assert ((["ZXX", "8:05"],), order.version, None) == (after.segments, after.version, after.plan_at)


def test_a_field_that_rules_ask_for_makes_a_change() -> None:
    """The order is planned again, and only for that field."""
    order = replace(order_of(fields(sent="8:00", ward="A")), plan_at=None)
    watched = [FieldPath.parse("ZXX-2")]
    same, other = (
        orders.apply(
            order, fields(sent="8:05", ward=ward), source="ris", clock=CLOCK, now=NOW, watched=watched
        )
        for ward in ("A", "B")
    )
    assert [(1, None), (2, NOW)] == [(one.version, one.plan_at) for one in (same, other)]


def test_a_message_that_comes_late_does_not_replace_the_fields_of_a_newer_one() -> None:
    """As with all that is said of an order."""
    order = order_of(fields(ward="B"))
    late = orders.apply(
        order, fields(ward="A"), source="ris", at=NOW - timedelta(hours=1), clock=CLOCK, now=NOW
    )
    assert (["ZXX", "B"],) == late.segments


def test_what_speaks_of_the_patient_alone_leaves_the_fields() -> None:
    """An ADT message is not the order's."""
    order = order_of(fields(ward="A"), event(patient_name="Muster^Anna"))
    assert (["ZXX", "A"],) == order.segments


def test_an_order_that_took_in_another_is_as_fresh_as_the_fresher() -> None:
    """What is older than either counts as late from then on."""
    ours, theirs = order_of(event(message_time="2026-03-02T08:00")), order_of(event())
    later = replace(theirs, message_time=NOW + timedelta(hours=5))
    for one, other in ((ours, later), (later, ours)):
        assert later.message_time == orders.absorb(one, other, clock=CLOCK, now=NOW).message_time


def test_an_accession_number_of_two_procedures_names_the_one_that_is_meant() -> None:
    """A message without an order number is about the order with its procedure code."""
    numbers: dict[str, Any] = {"placer_order_number": None, "study_instance_uid": None}
    known = [replace(order_of(event(procedure_code=code, **numbers)), id=at) for at, code in enumerate("AB")]
    meant = [orders.match(event(procedure_code=code, **numbers), known) for code in ("B", "A", "C")]
    assert [known[1], known[0], known[0]] == meant
