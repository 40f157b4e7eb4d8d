"""Orders are found by any number they ever had, and claimed for planning by one planner at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from prefetch.model import Action, Order, OrderEvent, OrderStatus, Patient, Priority
from prefetch.store import history, orders
from prefetch.store.database import Connection, Database
from tests.queued import HOUR, LEASE, MINUTE, NOW, OWNER, Queue, order

OTHER = "there:2:bbbb"


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def test_an_order_comes_back_as_it_was_saved(queue: Queue) -> None:
    """Every field, with its type and its zone."""
    full = order(
        patient=Patient(
            patient_id="4711", issuer_of_patient_id="H", name="Ørsted^Åse", birth_date="1956", sex="F"
        ),
        status=OrderStatus.ON_HOLD,
        accession_number="A1",
        placer_order_number="P1",
        filler_order_number="F1",
        requested_procedure_id="RP1",
        scheduled_procedure_step_id="SPS1",
        placer_appointment_id="PA1",
        filler_appointment_id="FA1",
        study_instance_uid="1.2.3",
        procedure_code="CTTHX",
        procedure_description="CT Thorax",
        modality="CT",
        scheduled_start=NOW + 5 * HOUR,
        station_ae_title="CT1",
        station_name="Scanner 1",
        location="Ward 3",
        patient_class="I",
        priority=Priority.STAT,
        message_time=NOW - MINUTE,
        plan_attempts=2,
        plan_problem="offsite did not answer",
        fetch_now=True,
        segments=(["OBR", "1", [["P1", "HIS"]]], ["ZXX", ["a", [["b", "c"], "d"]]]),
    )
    saved = queue.do(orders.save_order, full)
    assert (replace(full, id=saved.id), saved) == (saved, queue.order_now(saved))


@pytest.mark.parametrize(
    "key",
    [
        {"accession_number": "N1"},
        {"placer_order_number": "N1"},
        {"filler_order_number": "N1"},
        {"study_instance_uid": "N1"},
        {"placer_appointment_id": "N1"},
        {"filler_appointment_id": "N1"},
    ],
    ids=lambda key: next(iter(key)),
)
def test_an_order_is_found_by_any_of_its_numbers(queue: Queue, key: dict[str, Any]) -> None:
    """An event that shares one number with it means it; a person may say it too."""
    known = queue.order(**key)
    queue.order(accession_number="another", placer_order_number="another")
    event = OrderEvent(action=Action.CANCEL, **key)
    assert ([known], [known]) == (
        queue.do(orders.orders_sharing_keys, event),
        queue.do(orders.find_orders, "N1"),
    )


def test_the_same_number_of_another_kind_is_not_the_same(queue: Queue) -> None:
    """A placer's 100 and a filler's 100 are two orders."""
    queue.order(placer_order_number="100")
    event = OrderEvent(action=Action.CHANGE, filler_order_number="100")
    assert [] == queue.do(orders.orders_sharing_keys, event)


def test_a_number_that_was_replaced_still_finds_its_order(queue: Queue) -> None:
    """A cancel may use the number of the booking."""
    known = queue.order(placer_order_number="OLD")
    changed = queue.change(known, placer_order_number="NEW")
    assert [changed] == queue.do(orders.find_orders, "OLD")


def test_an_event_without_numbers_finds_nothing(queue: Queue) -> None:
    """It must not mean every order."""
    queue.order()
    assert [] == queue.do(orders.orders_sharing_keys, OrderEvent(action=Action.CHANGE, patient_id="4711"))


def test_an_order_is_found_by_our_own_number(queue: Queue) -> None:
    """`#7` is what we call one that has no other name."""
    known = queue.order()
    assert ([known], [], []) == (
        queue.do(orders.find_orders, f"#{known.id}"),
        queue.do(orders.find_orders, "#99"),
        queue.do(orders.find_orders, "#x"),
    )


def test_orders_of_a_patient_are_those_with_id_and_issuer(queue: Queue) -> None:
    """The same ID of another issuer is another person."""
    mine = queue.order()
    queue.order(patient=Patient(patient_id="4711", issuer_of_patient_id="OTHER"))
    queue.order(patient=Patient(patient_id="4711"))
    assert [mine] == queue.do(orders.orders_of_patient, "4711", "HOSPITAL")


def test_orders_are_listed_by_the_time_of_their_exam(queue: Queue) -> None:
    """One that has no time yet stands where it was heard of."""
    late = queue.order(scheduled_start=NOW + 3 * HOUR)
    unscheduled = queue.order()
    early = queue.order(scheduled_start=NOW + HOUR)
    queue.order(scheduled_start=NOW - timedelta(days=3))
    queue.order(scheduled_start=NOW + timedelta(days=3))
    found = queue.do(orders.list_orders, since=NOW - HOUR, until=NOW + timedelta(days=1))
    assert [unscheduled, early, late] == found


def test_many_that_hear_of_a_new_order_at_once_make_one(queue: Queue) -> None:
    """Look and write are one step, over all connections."""

    def hear(_: int) -> int:
        def upsert(c: Connection) -> Order:
            event = OrderEvent(action=Action.NEW, accession_number="A1")
            known = orders.orders_sharing_keys(c, event)
            return known[0] if known else orders.save_order(c, order(accession_number="A1"))

        return queue.do(upsert).id

    with ThreadPoolExecutor(6) as threads:
        assert 1 == len(set(threads.map(hear, range(12))))


def test_planning_begins_with_stat_then_with_what_is_longest_due(queue: Queue) -> None:
    """An emergency does not wait behind the morning's storm."""
    second = queue.order(plan_at=NOW - MINUTE)
    first = queue.order(plan_at=NOW - HOUR, priority=Priority.HIGH)
    stat = queue.order(plan_at=NOW, priority=Priority.STAT)
    queue.order(plan_at=NOW + MINUTE)
    queue.order(plan_at=NOW + MINUTE, priority=Priority.STAT)
    queue.order(plan_at=None)
    claimed = queue.do(orders.claim_orders_to_plan, owner=OWNER, now=NOW, lease=LEASE, limit=10)
    assert ([stat.id, first.id, second.id], False) == ([each.id for each in claimed.orders], claimed.more)


def test_no_more_orders_are_claimed_than_asked_for(queue: Queue) -> None:
    """A STAT order counts too."""
    queue.order(priority=Priority.STAT)
    queue.order()
    claimed = queue.do(orders.claim_orders_to_plan, owner=OWNER, now=NOW, lease=LEASE, limit=1)
    assert ([Priority.STAT], True) == ([each.priority for each in claimed.orders], claimed.more)


def test_an_order_is_claimed_once(queue: Queue) -> None:
    """Two planners never plan the same order at the same time."""
    queue.order()
    assert (True, None) == (queue.claim_order() is not None, queue.claim_order(owner=OTHER))


def test_a_planner_gives_back_its_own_orders_only(queue: Queue) -> None:
    """What it did not come to is as due as before."""
    queue.order()
    mine = queue.claim_order()
    queue.order()
    queue.claim_order(owner=OTHER)
    assert 1 == queue.do(orders.release_orders, owner=OWNER)
    assert mine == queue.claim_order()


def test_a_postponed_order_is_due_later_and_says_why(queue: Queue) -> None:
    """The failure is counted, kept in words, and in the order's history."""
    queue.order()
    claimed = queue.claim_order()
    assert claimed is not None
    later = NOW + MINUTE
    queue.do(orders.postpone_planning, claimed, owner=OWNER, at=later, because="offsite is away", now=NOW)
    again = queue.claim_order(now=later)
    assert again is not None
    (told,) = queue.do(history.story, claimed.id)
    assert (None, 1, "offsite is away", "planning_postponed") == (
        queue.claim_order(),
        again.plan_attempts,
        again.plan_problem,
        told.what,
    )


def test_an_order_that_changed_while_its_planning_failed_keeps_its_own_time(queue: Queue) -> None:
    """The change is planned at once, not after the back-off of what it replaced."""
    queue.order()
    claimed = queue.claim_order()
    assert claimed is not None
    changed = queue.change(claimed)
    queue.do(orders.postpone_planning, claimed, owner=OWNER, at=NOW + HOUR, because="away", now=NOW)
    assert changed == queue.claim_order()


def test_who_lost_the_claim_postpones_nothing(queue: Queue) -> None:
    """A late failure does not touch what another planner holds."""
    queue.order()
    claimed = queue.claim_order()
    assert claimed is not None
    queue.do(orders.release_orders)
    queue.claim_order(owner=OTHER)
    assert not queue.do(
        orders.postpone_planning, claimed, owner=OWNER, at=NOW + HOUR, because="away", now=NOW
    )


def test_the_names_of_a_site_are_those_of_its_newest_orders(queue: Queue) -> None:
    """Stations and procedure codes, each once; without orders nothing is known."""
    assert queue.do(orders.seen_values) is None
    queue.order(station_ae_title="CT1", procedure_code="CTCH")
    queue.order(station_ae_title="CT1", station_name="TOMOGRAPH", procedure_code=None)
    seen = queue.do(orders.seen_values)
    assert seen is not None
    assert (2, NOW.date(), {"CT1"}, {"TOMOGRAPH"}, {"CTCH"}) == (
        seen.orders,
        seen.since,
        seen.values["station_ae_title"],
        seen.values["station_name"],
        seen.values["procedure_code"],
    )
