"""A plan makes the queue want just that, whatever the queue held before and whoever else wants the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from prefetch import model
from prefetch.lifecycle import Step
from prefetch.model import Decision, Priority, RetrieveState, VerifiedBy
from prefetch.store import checks, history, orders, plans, retrieves, wants
from prefetch.store.database import Connection, Database
from tests.queued import (
    ARCHIVE,
    DESTINATION,
    HOUR,
    LEASE,
    MINUTE,
    NOW,
    OWNER,
    Queue,
    following,
    meanwhile,
    two_nodes,
    wish,
)

S = RetrieveState


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def states(queue: Queue) -> list[RetrieveState]:
    """The states of all retrieves, in the order in which they were made."""
    found = queue.do(retrieves.list_retrieves)
    return [retrieve.state for retrieve in sorted(found, key=lambda retrieve: retrieve.id)]


# --- what a plan makes -----------------------------------------------------------------------------


def test_what_is_to_start_now_is_due_and_the_rest_waits(queue: Queue) -> None:
    """Nothing has to be promoted before it can be claimed."""
    queue.plan(queue.order(), wish("1"), wish("2", start_at=NOW + HOUR))
    assert [S.DUE, S.WAITING] == states(queue)


def test_what_the_destination_holds_is_verified_by_that_query(queue: Queue) -> None:
    """Nothing moves, and an order that wants nothing else is ready at once."""
    order = queue.order()
    saved = queue.plan(order, wish(decision=Decision.PRESENT))
    retrieve = queue.retrieve(saved.created[0])
    assert (S.VERIFIED, VerifiedBy.QUERY, [order.id], NOW) == (
        retrieve.state,
        retrieve.verified_by,
        [each.id for each in saved.ready],
        queue.order_now(order).ready_at,
    )


def test_a_conflict_of_identity_is_in_quarantine_with_its_reason(queue: Queue) -> None:
    """It does not become due by waiting."""
    retrieve = queue.wanted(wish(decision=Decision.QUARANTINED, because="birth dates differ"))
    assert (S.QUARANTINED, "birth dates differ", None) == (
        retrieve.state,
        retrieve.problem,
        queue.claim(NOW + HOUR),
    )


def test_an_order_knows_its_plan(queue: Queue) -> None:
    """When it was planned, when again, from when it fetches and by when all should be there."""
    order = queue.order()
    early = wish("1", start_at=NOW + HOUR, deadline=NOW + 3 * HOUR)
    late = wish("2", start_at=NOW + 2 * HOUR, deadline=NOW + 2 * HOUR)
    queue.plan(order, early, late, next_plan_at=NOW + MINUTE)
    after = queue.order_now(order)
    assert (NOW, 1, NOW + MINUTE, NOW + HOUR, NOW + 2 * HOUR, None) == (
        after.planned_at,
        after.planned_version,
        after.plan_at,
        after.fetch_from,
        after.ready_by,
        after.ready_at,
    )


def test_a_plan_is_kept_word_by_word(queue: Queue) -> None:
    """`explain` tells what was decided and on what ground, later too."""
    order = queue.order()
    study = model.Study(
        study_instance_uid="1.2.3",
        archive=ARCHIVE,
        patient_name="Ørsted^Åse",
        study_date=date(2024, 2, 29),
        modalities=("CT", "SR"),
        instances=0,
    )
    reason = model.Reason(because="newest", rule="chest", place="chest.yaml:3")
    plan = model.Plan(
        order_id=order.id,
        order_version=1,
        made_at=NOW,
        rules=(reason,),
        consulted=(model.Consulted(archive=ARCHIVE, asked_at=NOW, outcome=model.Outcome.SUCCESS, answers=1),),
        candidates=(
            model.Candidate(study=study, decision=Decision.LEFT, reasons=(reason,)),
            model.Candidate(study=study, decision=Decision.TAKEN, destination=DESTINATION),
        ),
        problem="offsite did not answer",
    )
    queue.claim_order()
    queue.do(plans.save_plan, plan, [], owner=OWNER, next_plan_at=None, attempts=3, now=NOW)
    after = queue.order_now(order)
    assert (plan, plan.problem, 3) == (
        queue.do(plans.latest_plan, order.id),
        after.plan_problem,
        after.plan_attempts,
    )


# --- whose plan counts -----------------------------------------------------------------------------


def test_a_plan_of_an_order_that_changed_meanwhile_is_dropped(queue: Queue) -> None:
    """The order is planned again at once, by whoever comes next."""
    queue.order()
    claimed = queue.claim_order()
    assert claimed is not None
    changed = queue.change(claimed)
    old = model.Plan(order_id=claimed.id, order_version=claimed.version, made_at=NOW)
    saved = queue.do(plans.save_plan, old, [wish()], owner=OWNER, next_plan_at=None, now=NOW)
    assert (None, [], changed) == (saved, states(queue), queue.claim_order())


def test_a_plan_of_who_lost_the_claim_is_dropped(queue: Queue) -> None:
    """The other planner keeps its claim."""
    order = queue.order()
    plan = model.Plan(order_id=order.id, order_version=1, made_at=NOW)
    queue.claim_order(owner="other")
    saved = queue.do(plans.save_plan, plan, [wish()], owner=OWNER, next_plan_at=None, now=NOW)
    assert (None, None) == (saved, queue.claim_order())


# --- many orders, one retrieve ---------------------------------------------------------------------


def test_a_second_order_joins_the_live_retrieve(queue: Queue) -> None:
    """One study moves once; its deadline, start and lane are the most urgent of all that want it."""
    first = queue.plan(queue.order(), wish(start_at=NOW + 2 * HOUR, archives=("a", "b")))
    urgent = wish(start_at=NOW + HOUR, deadline=NOW + 2 * HOUR, lane=Priority.STAT, archives=("c", "b"))
    second = queue.plan(queue.order(), urgent)
    retrieve = queue.retrieve(first.created[0])
    assert (first.created, (), NOW + HOUR, NOW + 2 * HOUR, Priority.STAT, ("a", "b", "c")) == (
        second.joined,
        second.created,
        retrieve.start_at,
        retrieve.deadline,
        retrieve.lane,
        retrieve.archives,
    )


def test_a_study_goes_to_each_destination_of_its_own(queue: Queue) -> None:
    """Only the same study to the same destination is the same retrieve."""
    queue.plan(queue.order(), wish(), wish(destination="other-room"))
    assert [S.DUE, S.DUE] == states(queue)


def test_withdrawing_takes_only_ones_own_want(queue: Queue) -> None:
    """What another order wants goes on, as urgent as that order needs it."""
    mine, other = queue.order(), queue.order()
    first = queue.plan(mine, wish("shared", deadline=NOW + HOUR), wish("mine"))
    queue.plan(other, wish("shared", deadline=NOW + 3 * HOUR))
    ended = queue.do(wants.withdraw_wants, mine.id, because="cancelled", now=NOW)
    shared = queue.retrieve(first.created[1])
    assert (["mine"], S.DUE, NOW + 3 * HOUR, None) == (
        [retrieve.study_instance_uid for retrieve in ended],
        shared.state,
        shared.deadline,
        queue.order_now(mine).ready_by,
    )


def test_what_already_moves_is_not_withdrawn(queue: Queue) -> None:
    """It is let end, and not tried again where it fails."""
    order = queue.order()
    queue.plan(order, wish())
    moving = queue.claim()
    assert moving is not None
    queue.do(wants.withdraw_wants, order.id, because="cancelled", now=NOW)
    assert S.MOVING is queue.retrieve(moving.id).state
    queue.finish(moving, Step.RETRY)
    assert S.CANCELLED is queue.retrieve(moving.id).state


def test_two_nodes_that_plan_the_same_study_at_once_make_one_retrieve(url: str) -> None:
    """The unique index has the second node look again, and it finds what the first has made."""
    with two_nodes(url) as (first, second):
        one, other = (saving(first, first.order()) for _ in range(2))
        saved = meanwhile(first.database, one, lambda: asyncio.run(second.database.write(other)))
        assert ([1, 0], [0, 1], [S.DUE]) == (
            [len(each.created) for each in saved if each],
            [len(each.joined) for each in saved if each],
            states(first),
        )


def saving(queue: Queue, order: model.Order) -> Callable[[Connection], plans.Saved | None]:
    """What saves a plan of an order that wants the usual study."""
    queue.do(orders.claim_orders_to_plan, owner=OWNER, now=NOW, lease=LEASE, limit=1)
    plan = model.Plan(order_id=order.id, order_version=1, made_at=NOW)
    return lambda c: plans.save_plan(c, plan, [wish()], owner=OWNER, next_plan_at=None, now=NOW)


# --- planned again ---------------------------------------------------------------------------------


def test_planning_again_changes_nothing_where_nothing_changed(queue: Queue) -> None:
    """The same wishes find their retrieves."""
    order = queue.order()
    first = queue.plan(order, wish("1"), wish("2"))
    second = queue.plan(order, wish("1"), wish("2"))
    assert (first.created, (), ()) == (second.joined, second.created, second.withdrawn)


def test_what_a_later_plan_does_not_want_is_withdrawn(queue: Queue) -> None:
    """A rescheduled or changed order leaves nothing behind."""
    order = queue.order()
    first = queue.plan(order, wish("1"), wish("2"))
    second = queue.plan(order, wish("2"))
    assert (first.created[:1], [S.CANCELLED, S.DUE]) == (second.withdrawn, states(queue))


def test_what_was_withdrawn_can_be_wanted_again(queue: Queue) -> None:
    """It is a new retrieve; the old one stays ended."""
    order = queue.order()
    queue.plan(order, wish())
    queue.plan(order)
    queue.plan(order, wish())
    assert [S.CANCELLED, S.DUE] == states(queue)


def test_an_exam_that_moves_to_a_later_day_takes_its_retrieves_along(queue: Queue) -> None:
    """What was due waits again; the deadline is the new one."""
    order = queue.order()
    saved = queue.plan(order, wish())
    tomorrow = NOW + timedelta(days=1)
    queue.plan(order, wish(start_at=tomorrow, deadline=tomorrow + HOUR))
    retrieve = queue.retrieve(saved.created[0])
    assert (S.WAITING, tomorrow, tomorrow + HOUR) == (
        retrieve.state,
        retrieve.start_at,
        retrieve.deadline,
    )


def test_an_exam_that_moves_nearer_does_too(queue: Queue) -> None:
    """It is due at once where its new start has come."""
    order = queue.order()
    queue.plan(order, wish(start_at=NOW + HOUR))
    queue.plan(order, wish(start_at=NOW))
    assert queue.claim() is not None


def test_planning_again_does_not_cut_a_back_off_short(queue: Queue) -> None:
    """The archive that refused is not asked sooner because a message came."""
    retrieve = queue.moving()
    queue.finish(retrieve, Step.RETRY, at=NOW + HOUR)
    (order_id,) = queue.do(wants.orders_wanting, [retrieve.id])
    order = queue.do(orders.get_order, order_id)
    assert order is not None
    queue.plan(order, wish())
    assert NOW + HOUR == queue.retrieve(retrieve.id).start_at


def test_what_has_failed_is_tried_anew_when_it_is_planned_again(queue: Queue) -> None:
    """A new retrieve with all its attempts; the order wants that one now."""
    order = queue.order()
    queue.plan(order, wish())
    failed = queue.claim()
    assert failed is not None
    queue.finish(failed, Step.FAIL)
    queue.plan(order, wish())
    wanted = queue.do(retrieves.retrieves_of_order, order.id)
    assert [(True, S.FAILED), (False, S.DUE)] == [(want.withdrawn, each.state) for want, each in wanted]


def test_what_we_brought_is_not_written_twice_when_it_is_found_present(queue: Queue) -> None:
    """The plan shortly before the exam finds the prior at the destination, by our own move."""
    order = queue.order()
    saved = queue.plan(order, wish())
    queue.verify(saved.created[0])
    again = queue.plan(order, wish(decision=Decision.PRESENT))
    assert (saved.created, (), [S.VERIFIED]) == (again.joined, again.created, states(queue))


def test_what_was_lost_at_the_destination_is_moved_again(queue: Queue) -> None:
    """Verified once is not present now."""
    order = queue.order()
    saved = queue.plan(order, wish())
    queue.verify(saved.created[0])
    queue.plan(order, wish())
    assert ([S.VERIFIED, S.DUE], None) == (states(queue), queue.order_now(order).ready_at)


@pytest.mark.parametrize("start_at", [NOW, NOW + HOUR])
def test_what_is_found_present_need_not_move_any_more(queue: Queue, start_at: datetime) -> None:
    """Somebody else has sent it: all orders that wait for it are the better for it."""
    waits, finds = queue.order(), queue.order()
    queue.plan(waits, wish(start_at=start_at))
    saved = queue.plan(finds, wish(decision=Decision.PRESENT))
    assert ([S.VERIFIED], {waits.id, finds.id}) == (states(queue), {each.id for each in saved.ready})


def test_one_that_went_on_to_the_next_archive_stays_there(queue: Queue) -> None:
    """Planning again does not send it back to the archive that gave up."""
    order = queue.order()
    queue.plan(order, wish(archives=(ARCHIVE, "offsite")))
    moved = queue.claim()
    assert moved is not None
    queue.finish(moved, Step.RETRY, archive="offsite")
    queue.plan(order, wish(archives=(ARCHIVE, "offsite")))
    assert "offsite" == queue.retrieve(moved.id).archive


def test_one_whose_only_order_finds_it_elsewhere_is_asked_for_there(queue: Queue) -> None:
    """The rules or the archives have changed since the first plan."""
    order = queue.order()
    saved = queue.plan(order, wish(archives=(ARCHIVE,), instances=10))
    queue.plan(order, wish(archives=("offsite",), instances=12))
    retrieve = queue.retrieve(saved.created[0])
    assert ("offsite", ("offsite",), 12) == (
        retrieve.archive,
        retrieve.archives,
        retrieve.expected_instances,
    )


# --- quarantine ------------------------------------------------------------------------------------


def test_a_conflict_that_is_gone_releases_the_study(queue: Queue) -> None:
    """The birth date of the order was corrected by a message."""
    order = queue.order()
    queue.plan(order, wish(decision=Decision.QUARANTINED, because="birth dates differ"))
    queue.plan(order, wish())
    claimed = queue.claim()
    assert claimed is not None
    assert claimed.problem is None


def test_another_orders_conflict_is_for_a_person_to_decide(queue: Queue) -> None:
    """An order that sees no conflict joins, and waits too."""
    queue.plan(queue.order(), wish(decision=Decision.QUARANTINED))
    queue.plan(queue.order(), wish())
    assert [S.QUARANTINED] == states(queue)


def test_a_conflict_that_comes_up_later_stops_what_has_not_moved(queue: Queue) -> None:
    """The study goes into quarantine before anything is sent."""
    order = queue.order()
    queue.plan(order, wish())
    queue.plan(order, wish(decision=Decision.QUARANTINED, because="birth dates differ"))
    assert ([S.CANCELLED, S.QUARANTINED], None) == (states(queue), queue.claim())


# --- ready -----------------------------------------------------------------------------------------


def test_an_order_is_ready_with_its_last_prior_and_not_before(queue: Queue) -> None:
    """And it is told once."""
    order = queue.order()
    first, second = queue.plan(order, wish("1"), wish("2")).created
    not_yet, ready = queue.verify(first), queue.verify(second, NOW + HOUR)
    told = [each.at for each in queue.do(history.story, order.id) if each.what == "order_ready"]
    assert ([], [order.id], NOW + HOUR, [NOW + HOUR]) == (
        not_yet,
        [each.id for each in ready],
        queue.order_now(order).ready_at,
        told,
    )


def test_one_prior_can_make_many_orders_ready(queue: Queue) -> None:
    """All that wanted just that one."""
    both = [queue.order(), queue.order()]
    saved = [queue.plan(order, wish()) for order in both]
    ready = queue.verify(saved[0].created[0])
    assert [order.id for order in both] == [each.id for each in ready]


def test_a_new_wish_makes_an_order_unready_until_it_is_there(queue: Queue) -> None:
    """Yesterday's study, found shortly before the exam."""
    order = queue.order()
    queue.verify(queue.plan(order, wish("1")).created[0])
    saved = queue.plan(order, wish("1", decision=Decision.PRESENT), wish("2"))
    between = queue.order_now(order).ready_at
    queue.verify(saved.created[0], NOW + HOUR)
    assert (None, NOW + HOUR) == (between, queue.order_now(order).ready_at)


def test_what_is_no_longer_wanted_does_not_keep_an_order_from_being_ready(queue: Queue) -> None:
    """The failed prior fell out of the plan."""
    order = queue.order()
    saved = queue.plan(order, wish("1"), wish("2"))
    queue.verify(saved.created[0])
    again = queue.plan(order, wish("1", decision=Decision.PRESENT))
    assert [order.id] == [each.id for each in again.ready]


def test_an_order_that_wants_nothing_is_not_ready(queue: Queue) -> None:
    """Nothing to fetch is a word of its own."""
    order = queue.order()
    queue.plan(order)
    assert None is queue.order_now(order).ready_at


def test_two_nodes_that_verify_the_last_two_priors_at_once_make_the_order_ready(url: str) -> None:
    """Neither sees the other's as missing: the second waits for the first."""
    with two_nodes(url) as (first, second):
        order = first.order()
        first.plan(order, wish("1"), wish("2"))
        for moved in first.claim_many():
            first.finish(moved)
        one, other = first.claim_checks()
        not_yet, ready = meanwhile(first.database, lambda c: verifying(c, one), lambda: second.check(other))
    assert ([], [order.id]) == (not_yet, [each.id for each in ready or ()])


def verifying(c: Connection, looked_at: model.Retrieve) -> list[model.ReadyOrder]:
    """Write that a prior is complete."""
    look = checks.Look(
        retrieve=looked_at,
        then=following(Step.VERIFY),
        arrived_instances=10,
        verified_by=VerifiedBy.QUERY,
    )
    return list(checks.finish_checks(c, [look], now=NOW).ready)


# --- the story -------------------------------------------------------------------------------------


def test_the_story_of_an_order_holds_what_became_of_its_retrieves(queue: Queue) -> None:
    """In the order in which it happened, each event in the transaction that it tells of."""
    order = queue.order()
    queue.verify(queue.plan(order, wish()).created[0])
    queue.plan(queue.order(), wish("another"))
    assert [
        "retrieve_planned",
        "order_planned",
        "retrieve_claimed",
        "retrieve_moved",
        "retrieve_verified",
        "order_ready",
    ] == [each.what for each in queue.do(history.story, order.id)]


# --- series of a study -----------------------------------------------------------------------------

LUNG: dict[str, int | None] = {"1.2.3.1": 4}
REPORT: dict[str, int | None] = {"1.2.3.2": 1}


def parts_of(retrieve: model.Retrieve) -> tuple[dict[str, int | None], int | None]:
    """The series that a retrieve is to bring, none being the whole study, and how many instances."""
    return {uid: count for uid, count, _ in retrieve.series}, retrieve.expected_instances


def test_two_orders_that_want_different_series_share_one_retrieve(queue: Queue) -> None:
    """It brings the series of both; a wish for the whole study wins, and stays."""
    wishes = wish(series=LUNG), wish(series=REPORT), wish(), wish(series=LUNG)
    wanted = [queue.wanted(each) for each in wishes]
    assert 1 == len({retrieve.id for retrieve in wanted})
    assert [(LUNG, 4), (LUNG | REPORT, 5), ({}, 10), ({}, 10)] == list(map(parts_of, wanted))


def test_an_order_alone_may_want_less_than_before(queue: Queue) -> None:
    """What has not begun follows its plan."""
    known = queue.order()
    (number,) = queue.plan(known, wish()).created
    assert (number,) == queue.plan(known, wish(series=LUNG)).joined
    assert (LUNG, 4) == parts_of(queue.retrieve(number))


def test_what_moves_already_is_widened_and_never_narrowed(queue: Queue) -> None:
    """The look at the destination finds out what is missing, and has it moved."""
    moving = queue.moving(wish(series=LUNG))
    widened = queue.wanted(wish(series=LUNG | REPORT))
    again = queue.wanted(wish(series=LUNG))
    assert [(moving.id, (LUNG | REPORT, 5))] * 2 == [(each.id, parts_of(each)) for each in (widened, again)]
