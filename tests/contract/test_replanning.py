"""Open exams are planned anew where other files decide or a person asks: once each, the nearest first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from prefetch import errors, model
from prefetch.model import OrderStatus, Patient
from prefetch.store import answers, history, nodes, orders, plans, replanning
from prefetch.store.database import Connection, Database
from tests.queued import HOUR, NOW, OWNER, Queue

BEFORE = NOW - 12 * HOUR
LATER = NOW + HOUR


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def planned(
    queue: Queue, configuration: str = "old", *, plan_at: datetime | None = None, **facts: Any
) -> model.Order:
    """An order that was planned by a configuration, and is planned again at a time, if at any."""
    known = queue.order(**{"scheduled_start": NOW + 2 * HOUR, **facts})
    queue.do(claim_all)
    plan = model.Plan(order_id=known.id, order_version=known.version, made_at=NOW)
    saved = queue.do(
        plans.save_plan, plan, [], owner=OWNER, next_plan_at=plan_at, configuration=configuration, now=NOW
    )
    assert saved is not None
    return known


def claim_all(c: Connection) -> None:
    """Claim whatever is due for planning."""
    orders.claim_orders_to_plan(c, owner=OWNER, now=NOW, lease=HOUR, limit=100)


def plan_by(queue: Queue, configuration: str = "new", *, now: datetime = LATER, before: int = 0) -> int:
    """Have what other files planned planned anew, an hour later; gives how many exams that were."""
    progress = replanning.Progress(since=BEFORE, exams=before)
    while not progress.is_over:
        progress = queue.do(replanning.plan_by, configuration, progress, now=now)
    return progress.exams - before


def plan_all(queue: Queue) -> int:
    """Have a person ask for all open exams; gives how many there were."""
    progress = replanning.Progress(since=BEFORE)
    while not progress.is_over:
        progress = queue.do(replanning.plan_all_by_hand, progress, asked_at=LATER, by="ada", now=LATER)
    return progress.exams


def due(queue: Queue, known: model.Order) -> datetime | None:
    """When an order is planned next."""
    return queue.order_now(known).plan_at


def test_what_other_files_planned_is_planned_anew_once(queue: Queue) -> None:
    """Also where nothing was to be planned any more; a second reload, and the same files, touch nothing."""
    known = planned(queue)
    assert (1, LATER) == (plan_by(queue), due(queue, known))
    assert [0, 0] == [plan_by(queue), plan_by(queue, now=LATER + HOUR)]
    same = planned(queue, "new", accession_number="A2")
    assert (0, None) == (plan_by(queue), due(queue, same))


def test_of_two_nodes_that_reload_at_once_each_exam_is_touched_by_one(queue: Queue) -> None:
    """What one node holds the other does not count."""
    for number in range(20):
        planned(queue, accession_number=f"A{number}")
    with ThreadPoolExecutor(2) as nodes_at_work:
        counts = list(nodes_at_work.map(lambda _: plan_by(queue), range(2)))
    assert 20 == sum(counts)


def test_what_a_node_with_older_files_plans_meanwhile_is_found(queue: Queue) -> None:
    """The files of each plan count, not those of the store: so the last node to reload finds the rest."""
    planned(queue)
    plan_by(queue)
    planned(queue, "old", accession_number="A2")
    assert 1 == plan_by(queue)


@pytest.mark.parametrize(
    "facts",
    [
        {"status": OrderStatus.CANCELLED},
        {"status": OrderStatus.ON_HOLD},
        {"patient": Patient(name="Nobody^Yet")},
        {"scheduled_start": BEFORE - HOUR},
        {"scheduled_start": None, "created_at": BEFORE - HOUR},
    ],
    ids=["cancelled", "on hold", "without a patient ID", "over", "heard of long ago and never booked"],
)
def test_what_no_plan_can_help_is_left_alone(queue: Queue, facts: dict[str, Any]) -> None:
    """Neither a reload nor --all touches it."""
    planned(queue, **facts)
    assert [0, 0] == [plan_by(queue), plan_all(queue)]


def test_the_near_come_at_once_and_the_others_one_by_one(queue: Queue) -> None:
    """The nearest first, half a second apart; nobody is planned later than without it."""
    starts = {"in 3 days": 72, "in 2 days": 48, "in 2 hours": 2, "in 4 days": 96}
    soon = LATER + timedelta(seconds=0.1)
    exams = {
        name: planned(
            queue,
            accession_number=name,
            scheduled_start=NOW + hours * HOUR,
            plan_at=soon if name == "in 4 days" else None,
        )
        for name, hours in starts.items()
    }
    assert 4 == plan_by(queue)
    pace = replanning.PACE
    expected = {
        "in 2 hours": LATER,
        "in 2 days": LATER + pace,
        "in 3 days": LATER + 2 * pace,
        "in 4 days": soon,
    }
    assert expected == {name: due(queue, exams[name]) for name in expected}


def test_the_pace_holds_over_several_transactions(queue: Queue) -> None:
    """Each goes on in the row where the one before stopped."""
    exams = [
        planned(queue, accession_number=f"A{day}", scheduled_start=NOW + day * 24 * HOUR) for day in (1, 2, 3)
    ]
    assert 3 == plan_by(queue, before=500)
    times = [due(queue, known) for known in exams]
    assert [LATER + place * replanning.PACE for place in (500, 501, 502)] == times


def test_a_person_has_one_exam_planned_at_once(queue: Queue) -> None:
    """What is being planned by older answers is dropped, and it stands in the history who asked."""
    known = planned(queue)
    queue.do(replanning.plan_by_hand, known, by="ada", now=LATER)
    after = queue.order_now(known)
    assert (LATER, LATER, known.version + 1) == (after.plan_at, after.answers_since, after.version)
    assert ("replan_asked_by_hand", {"by": "ada"}) == _last(queue, known)


def test_nothing_is_planned_for_a_cancelled_exam(queue: Queue) -> None:
    """The person is told so."""
    known = planned(queue, status=OrderStatus.CANCELLED)
    with pytest.raises(errors.IllegalTransitionError, match="is cancelled"):
        queue.do(replanning.plan_by_hand, known, by="ada", now=LATER)


def test_a_person_has_all_planned(queue: Queue) -> None:
    """Whatever files planned them; asked in several transactions each is taken once."""
    known = planned(queue, "new")
    assert [1, 0] == [plan_all(queue), plan_all(queue)]
    assert ("replan_asked_by_hand", {"by": "ada"}) == _last(queue, known)


def _last(queue: Queue, known: model.Order) -> tuple[str, dict[str, object]]:
    last = queue.do(history.story, known.id)[-1]
    return last.what, dict(last.detail)


def test_an_answer_belongs_to_an_address_and_to_how_it_was_asked(queue: Queue) -> None:
    """At another address there is none; with the same words, asked otherwise, it is another answer."""
    found = model.FindResult(outcome=model.Outcome.SUCCESS)
    about = {"archive": "main", "patient_id": "4711", "issuer": "HOSPITAL"}
    for asked_as, at in (("with issuer", NOW), ("without", LATER)):
        of = {"address": "PACS@here:104", "asked_as": asked_as}
        queue.do(answers.save_answer, **about, result=found, **of, asked_at=at)
    here = queue.do(answers.latest_answer, **about, address="PACS@here:104")
    assert here is not None
    assert ("without", LATER) == (here.asked_as, here.asked_at)
    assert queue.do(answers.latest_answer, **about, address="PACS@there:104") is None


def test_a_node_tells_what_it_was_started_with_and_what_waits(queue: Queue) -> None:
    """For `check --reload` and `status`; a later reload without such a change clears it."""
    queue.do(nodes.see_node, OWNER, NOW)
    started, waits = {"listeners.ris": "1"}, {"listeners.ris": "listeners.ris changed"}
    queue.do(nodes.load_configuration, OWNER, at_start=started, waits_for_restart=waits, now=NOW)
    queue.do(nodes.note_planned_anew, OWNER, exams=7)
    (node,) = queue.do(nodes.list_nodes)
    assert (started, waits, 7) == (node.at_start, node.waits_for_restart, node.exams_planned_anew)
    queue.do(nodes.load_configuration, OWNER, at_start=started, now=LATER)
    (node,) = queue.do(nodes.list_nodes)
    assert {} == node.waits_for_restart
