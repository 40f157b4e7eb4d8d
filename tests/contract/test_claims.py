"""Retrieves are claimed by deadline, within the slots of their archive, under a lease and a fence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prefetch import together
from prefetch.lifecycle import Step
from prefetch.model import MoveResult, Outcome, Priority, Retrieve, RetrieveState
from prefetch.store import archives, checks, claims, clock, history, horizon, orders, wants
from prefetch.store.database import Database, is_shared
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
OTHER = "there:2:bbbb"
SECOND = timedelta(seconds=1)


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def lapse(queue: Queue, retrieve: Retrieve) -> None:
    """Let the lease of a claim have run out, by whatever clock leases go."""
    queue.renew(lease=-HOUR)
    assert retrieve.fence == queue.retrieve(retrieve.id).fence


# --- which is next ---------------------------------------------------------------------------------


def test_the_nearest_deadline_moves_first(queue: Queue) -> None:
    """Whatever came first."""
    queue.plan(
        queue.order(),
        wish("late", deadline=NOW + 3 * HOUR),
        wish("early", deadline=NOW + HOUR),
        wish("middle", deadline=NOW + 2 * HOUR),
    )
    claimed = queue.claim_many(limit=2)
    assert ["early", "middle"] == [retrieve.study_instance_uid for retrieve in claimed]


def test_stat_moves_before_any_deadline(queue: Queue) -> None:
    """Urgency of the order comes first."""
    near = wish("near", deadline=NOW + MINUTE)
    stat = wish("stat", deadline=NOW + 9 * HOUR, lane=Priority.STAT)
    queue.plan(queue.order(), near, stat)
    assert ["stat", "near"] == [retrieve.study_instance_uid for retrieve in queue.claim_many()]


def test_an_archive_moves_its_own_studies(queue: Queue) -> None:
    """The first of the archives that hold a study is asked for it."""
    queue.plan(queue.order(), wish("1", archives=("offsite", ARCHIVE)), wish("2"))
    claimed = queue.claim_many(archive="offsite")
    assert ["1"] == [retrieve.study_instance_uid for retrieve in claimed]


def test_what_waits_is_promoted_when_its_time_has_come(queue: Queue) -> None:
    """Not a microsecond before, and once."""
    queue.wanted(wish(start_at=NOW + HOUR))
    before, after, again = (
        queue.do(claims.promote, moment) for moment in (NOW + HOUR - SECOND, NOW + HOUR, NOW + 2 * HOUR)
    )
    assert (0, 1, 0) == (before, after, again)


# --- slots -----------------------------------------------------------------------------------------


def test_no_more_move_than_the_archive_has_slots(queue: Queue) -> None:
    """A slot is free again when its move has ended."""
    queue.plan(queue.order(), *(wish(str(number)) for number in range(5)))
    first = queue.claim_many(slots=2)
    assert (2, []) == (len(first), queue.claim_many(slots=2))
    queue.finish(first[0])
    assert 1 == len(queue.claim_many(slots=2))


def test_slots_are_counted_by_archive(queue: Queue) -> None:
    """A busy archive does not keep another from moving."""
    queue.plan(queue.order(), wish("1"), wish("2", archives=("offsite",)))
    assert (1, 1) == (len(queue.claim_many(slots=1)), len(queue.claim_many(slots=1, archive="offsite")))


def test_two_nodes_together_never_claim_more_than_the_slots(url: str) -> None:
    """Nor the same retrieve twice: the second counts what the first has claimed."""
    with two_nodes(url) as (first, second):
        first.do(archives.know_archives, [ARCHIVE])
        first.plan(first.order(), *(wish(str(number)) for number in range(5)))
        claims_of_both = meanwhile(
            first.database,
            lambda c: [
                retrieve
                for _ in range(2)
                for retrieve in claims.claim_move(
                    c,
                    archive=ARCHIVE,
                    slots=3,
                    owner=OWNER,
                    now=NOW,
                    lease=LEASE,
                    most=lambda _: together.ALONE,
                ).moving
            ],
            lambda: second.claim_many(slots=3, owner=OTHER),
        )
    assert [["0", "1"], ["2"]] == [
        [retrieve.study_instance_uid for retrieve in claimed] for claimed in claims_of_both
    ]


def test_a_claim_tells_whether_more_waits(queue: Queue) -> None:
    """For the next worker to look at once; where no slot was free, for a slot."""
    queue.plan(queue.order(), wish("1"), wish("2"), wish("3", archives=("offsite",)))
    said = [queue.claim_move(slots=2) for _ in range(3)]
    assert [(1, True), (1, False), (0, True)] == [(len(each.moving), each.more) for each in said]
    assert claims.Claim() == queue.claim_move(archive="nobody")


# --- several studies in one move -------------------------------------------------------------------

TOGETHER = together.Most(studies=3, instances=100)


def test_studies_that_go_the_same_way_are_claimed_for_one_move(queue: Queue) -> None:
    """From the same archive to the same destination; one slot is taken by all of them."""
    queue.plan(
        queue.order(),
        wish("1", deadline=NOW + MINUTE),
        wish("0", destination="other-room", deadline=NOW + 2 * MINUTE),
        wish("offsite", archives=("offsite",)),
        wish("urgent", lane=Priority.STAT),
        wish("2", deadline=NOW + HOUR),
        wish("3"),
        wish("4"),
    )
    moves = [queue.claim_move(slots=3, most=TOGETHER).moving for _ in range(4)]
    assert [["urgent"], ["1", "2", "3"], ["0"], []] == [
        [retrieve.study_instance_uid for retrieve in move] for move in moves
    ]


def test_another_patient_moves_by_himself(queue: Queue) -> None:
    """Two people never share a move, nor do the same numbers of two hospitals."""
    mine, theirs, nobodys = (
        replace(wish(str(number)), patient_id=patient, issuer_of_patient_id=issuer)
        for number, (patient, issuer) in enumerate([("1", "A"), ("1", "B"), ("1", None)])
    )
    queue.plan(queue.order(), mine, theirs, nobodys)
    assert [1, 1, 1] == [len(queue.claim_move(most=TOGETHER).moving) for _ in range(3)]


def test_a_move_of_several_studies_ends_for_all_of_them(queue: Queue) -> None:
    """Each counts as its own what it has, where all was sent; and the slot is free again."""
    queue.plan(queue.order(), wish("1", instances=4), wish("2", instances=6))
    moving = queue.claim_move(slots=1, most=TOGETHER).moving
    result = MoveResult(outcome=Outcome.SUCCESS, completed=10, failed=0)
    kept = queue.do(claims.finish_move, moving, result, following(Step.MOVE), now=NOW)
    moved = [queue.retrieve(number) for number in kept]
    assert [(S.MOVED, 4, 0), (S.MOVED, 6, 0)] == [(each.state, each.completed, each.failed) for each in moved]


def test_what_a_move_of_several_has_left_out_is_nobodys_count(queue: Queue) -> None:
    """Which of them it was, the destination says; the claim that was lost meanwhile is left alone."""
    queue.plan(queue.order(), wish("1"), wish("2"))
    moving = queue.claim_move(most=TOGETHER).moving
    late = replace(moving[1], fence=moving[1].fence - 1)
    result = MoveResult(outcome=Outcome.PARTIAL, completed=15, failed=5)
    kept = queue.do(claims.finish_move, [moving[0], late], result, following(Step.MOVE), now=NOW)
    moved = queue.retrieve(moving[0].id)
    assert ([moving[0].id], S.MOVED, None, None) == (kept, moved.state, moved.completed, moved.failed)
    assert S.MOVING is queue.retrieve(late.id).state


def test_what_a_move_names_as_failed_is_moved_next(queue: Queue) -> None:
    """Nothing else; a move that does not come to pass changes nothing, and both are counted together."""
    moved = queue.moving(wish("1", instances=4))
    named = ("1.4", "1.4")  # one archive or another says it twice
    result = MoveResult(outcome=Outcome.PARTIAL, completed=3, failed=1, failed_sop_instance_uids=named)
    queue.do(claims.finish_move, [moved], result, following(Step.RETRY), now=NOW)
    busy = MoveResult(outcome=Outcome.TRANSIENT, completed=0, failed=1)
    moved = claimed_again(queue)
    queue.do(claims.finish_move, [moved], busy, following(Step.RETRY), now=NOW)
    moved = claimed_again(queue)
    assert (("1.4",), 3, 1) == (moved.missing, moved.completed, moved.failed)
    rest = MoveResult(outcome=Outcome.SUCCESS, completed=1, failed=0, of_missing=True)
    queue.do(claims.finish_move, [moved], rest, following(Step.MOVE), now=NOW)
    moved = queue.retrieve(moved.id)
    assert ((), 4, 0) == (moved.missing, moved.completed, moved.failed)


def claimed_again(queue: Queue) -> Retrieve:
    """The retrieve, claimed once more."""
    claimed = queue.claim()
    assert claimed is not None
    return claimed


# --- what keeps an archive from moving -------------------------------------------------------------


def test_a_paused_archive_moves_nothing_until_it_is_resumed(queue: Queue) -> None:
    """By a person, who is named."""
    queue.wanted()
    queue.do(archives.pause_archive, ARCHIVE, by="ada", at=NOW)
    (standing,) = queue.do(archives.list_archives)
    assert ("ada", NOW, None) == (standing.paused_by, standing.paused_at, queue.claim())
    resumed = [queue.do(archives.resume_archive, ARCHIVE) for _ in range(2)]
    assert ([True, False], True) == (resumed, queue.claim() is not None)


def test_an_archive_rests_until_its_time(queue: Queue) -> None:
    """The circuit breaker's pause ends by itself, or when a probe closes it."""
    queue.wanted()
    queue.do(archives.rest_archive, ARCHIVE, until=NOW + MINUTE, because="no association")
    assert (None, True) == (queue.claim(), queue.claim(NOW + MINUTE) is not None)
    queue.wanted(wish("another"))
    queue.do(archives.rest_archive, ARCHIVE, until=NOW + HOUR, because="no association")
    queue.do(archives.rest_archive, ARCHIVE, until=None, because=None)
    assert queue.claim() is not None


def test_an_unknown_destination_parks_the_pair_and_nothing_else(queue: Queue) -> None:
    """All moves of the archive to that destination wait; those to others go on."""
    moving = queue.moving(wish("1", deadline=NOW + MINUTE))
    queue.plan(queue.order(), wish("2"), wish("3", destination="other-room"))
    later = NOW + 10 * MINUTE
    queue.finish(
        moving,
        Step.RETRY,
        at=later,
        outcome=Outcome.UNKNOWN_DESTINATION,
        counts=False,
        park_until=later,
    )
    (parked,) = queue.do(archives.parked_pairs, NOW)
    during = [retrieve.study_instance_uid for retrieve in queue.claim_many()]
    after = {retrieve.study_instance_uid for retrieve in queue.claim_many(later)}
    assert (DESTINATION, ["3"], {"1", "2"}) == (parked.destination, during, after)


def test_a_pair_can_be_unparked_before_its_time(queue: Queue) -> None:
    """A probe found that the archive knows the destination now."""
    queue.wanted()
    queue.do(archives.park_pair, ARCHIVE, DESTINATION, until=NOW + HOUR, because="0xA801")
    assert None is queue.claim()
    unparked = [queue.do(archives.unpark_pair, ARCHIVE, DESTINATION) for _ in range(2)]
    assert ([True, False], True) == (unparked, queue.claim() is not None)


# --- what becomes of a move ------------------------------------------------------------------------


def test_a_claim_is_an_attempt_with_an_owner_and_a_fence(queue: Queue) -> None:
    """The claim says who, when, and how often it was tried."""
    moving = queue.moving()
    assert (S.MOVING, 1, 1, NOW) == (moving.state, moving.attempts, moving.fence, moving.claimed_at)


def test_a_move_that_ended_is_looked_for_after_the_settle_time(queue: Queue) -> None:
    """What the archive counted is kept."""
    moving = queue.moving()
    queue.finish(moving, at=NOW + 5 * SECOND)
    moved = queue.retrieve(moving.id)
    assert (S.MOVED, 10, 0, Outcome.SUCCESS, NOW) == (
        moved.state,
        moved.completed,
        moved.failed,
        moved.last_outcome,
        moved.moved_at,
    )
    assert (0, 1) == (len(queue.claim_checks()), len(queue.claim_checks(NOW + 5 * SECOND)))


def test_a_move_that_failed_waits_for_its_back_off(queue: Queue) -> None:
    """It says why, and is tried again then."""
    moving = queue.moving()
    queue.finish(moving, Step.RETRY, at=NOW + MINUTE, outcome=Outcome.TRANSIENT)
    waiting = queue.retrieve(moving.id)
    again = queue.claim(NOW + MINUTE)
    assert again is not None
    assert (S.WAITING, "said so", None, 2) == (
        waiting.state,
        waiting.problem,
        queue.claim(),
        again.attempts,
    )


def test_what_was_no_attempt_is_not_counted(queue: Queue) -> None:
    """A pair that had to be parked costs a retrieve nothing."""
    moving = queue.moving()
    queue.finish(moving, Step.RETRY, counts=False)
    again = queue.claim()
    assert again is not None
    assert 1 == again.attempts


def test_a_move_that_failed_for_good_is_over(queue: Queue) -> None:
    """And says why."""
    moving = queue.moving()
    queue.finish(moving, Step.FAIL, outcome=Outcome.PERMANENT)
    failed = queue.retrieve(moving.id)
    assert (S.FAILED, "said so", None) == (failed.state, failed.problem, queue.claim(NOW + HOUR))


def test_the_next_archive_begins_with_all_its_attempts(queue: Queue) -> None:
    """It is another archive's chance."""
    moving = queue.moving(wish(archives=(ARCHIVE, "offsite")))
    queue.finish(moving, Step.RETRY, archive="offsite")
    again = queue.claim(archive="offsite")
    assert again is not None
    assert 1 == again.attempts


# --- leases and fences -----------------------------------------------------------------------------


def test_the_result_of_a_claim_that_was_taken_over_is_dropped(queue: Queue) -> None:
    """A node that hung for a minute must not overwrite what happened since."""
    late = queue.moving()
    lapse(queue, late)
    (recovered,) = queue.do(claims.sweep_leases, NOW)
    (look,) = queue.claim_checks()
    queue.check(look, Step.RETRY)
    current = queue.claim(owner=OTHER)
    assert current is not None
    dropped, kept = queue.finish(late, Step.FAIL), queue.finish(current)
    assert (S.MOVED, False, True) == (recovered.state, dropped, kept)


def test_a_result_is_written_once(queue: Queue) -> None:
    """Doing it twice does nothing the second time."""
    moving = queue.moving()
    assert (True, False) == (queue.finish(moving), queue.finish(moving))


def test_what_a_dead_process_moved_is_looked_for_first(queue: Queue) -> None:
    """It may have arrived; only what is not there moves again."""
    moving = queue.moving()
    (recovered,) = queue.do(claims.recover, now=NOW)
    (look,) = queue.claim_checks()
    assert (moving.id, S.MOVED, 1) == (look.id, recovered.state, look.checks)


def test_a_move_that_nobody_works_on_is_taken_back(queue: Queue) -> None:
    """The store was away when the move ended: its lease is not renewed, and it is looked for."""
    moving = queue.moving()
    queue.renew(lease=-HOUR)
    assert 0 == queue.renew()
    assert [moving.id] == [retrieve.id for retrieve in queue.do(claims.sweep_leases, NOW)]


def test_an_order_and_a_look_that_nobody_works_on_are_claimed_again(queue: Queue) -> None:
    """By the same daemon: a lease that ran out is no obstacle, whoever it was."""
    looked_at(queue)
    order = queue.order()
    claimed = queue.claim_order()
    queue.renew(lease=-HOUR)
    queue.renew()
    again = queue.claim_order()
    assert claimed is not None
    assert again is not None
    assert (order.id, order.id, 1) == (claimed.id, again.id, len(queue.claim_checks()))


def test_a_lease_from_before_the_clock_was_set_back_runs_out(queue: Queue) -> None:
    """It ends when a new one would, not by the old time."""
    moving = queue.moving()
    queue.renew(now=NOW + HOUR, lease=10 * HOUR, retrieving=[moving.id])
    queue.renew(lease=-HOUR)
    assert [moving.id] == [retrieve.id for retrieve in queue.do(claims.sweep_leases, NOW)]


def test_a_move_that_broke_off_for_our_reason_is_no_attempt(queue: Queue) -> None:
    """The archive had no chance to show what it makes of it."""
    moving = queue.moving()
    (recovered,) = queue.do(claims.recover, now=NOW)
    assert (1, 0) == (moving.attempts, recovered.attempts)


def test_at_start_all_that_anyone_held_is_free(queue: Queue) -> None:
    """Orders, moves and looks; on SQLite nobody else can be alive."""
    queue.finish(queue.moving())
    queue.claim_checks()
    queue.order()
    claimed = queue.claim_order()
    queue.do(claims.recover, now=NOW)
    assert (claimed, 1) == (queue.claim_order(), len(queue.claim_checks()))


def test_a_node_that_stops_hands_back_its_own_only(queue: Queue) -> None:
    """The others go on."""
    queue.plan(queue.order(), wish("1"), wish("2"))
    mine, others = queue.claim(), queue.claim(owner=OTHER)
    assert mine is not None
    assert others is not None
    (recovered,) = queue.do(claims.recover, now=NOW, owner=OWNER)
    assert (mine.id, S.MOVING) == (recovered.id, queue.retrieve(others.id).state)


def test_only_leases_that_have_run_out_are_swept(queue: Queue) -> None:
    """A node that renews keeps what it moves."""
    queue.plan(queue.order(), wish("1"), wish("2"))
    mine, others = queue.claim(), queue.claim(owner=OTHER)
    assert mine is not None
    assert others is not None
    lapse(queue, mine)
    swept = queue.do(claims.sweep_leases, NOW)
    assert ([mine.id], []) == ([retrieve.id for retrieve in swept], queue.do(claims.sweep_leases, NOW))


def test_a_lease_that_is_renewed_does_not_run_out(queue: Queue) -> None:
    """Orders and retrieves alike."""
    moving = queue.moving()
    lapse(queue, moving)
    queue.order()
    planned = queue.claim_order()
    assert planned is not None
    renewed = queue.renew(planning=[planned.id], retrieving=[moving.id])
    assert (2, []) == (renewed, queue.do(claims.sweep_leases, NOW))


def test_an_order_whose_planner_is_gone_is_planned_by_another(queue: Queue) -> None:
    """Its lease is no obstacle once it has run out."""
    order = queue.order()
    queue.claim_order()
    queue.renew(lease=-HOUR)
    taken_over = queue.claim_order(owner=OTHER)
    assert taken_over is not None
    assert order.id == taken_over.id


def test_leases_go_by_the_servers_clock_where_nodes_share_it(queue: Queue) -> None:
    """A node whose own clock is an hour fast takes nothing over."""
    queue.moving()
    with queue.database.snapshot() as connection:
        shared = is_shared(connection)
    swept = queue.do(claims.sweep_leases, NOW + HOUR)
    assert (0 if shared else 1) == len(swept)


# --- looks -----------------------------------------------------------------------------------------


def looked_at(queue: Queue) -> Retrieve:
    """A moved retrieve that was claimed for a look."""
    queue.finish(queue.moving())
    (look,) = queue.claim_checks()
    return look


def test_a_look_is_claimed_once_until_its_lease_runs_out(queue: Queue) -> None:
    """Two verifiers do not ask for the same prior at the same time."""
    looked_at(queue)
    held = queue.claim_checks(owner=OTHER)
    queue.renew(lease=-HOUR)
    assert ([], 1) == (held, len(queue.claim_checks(owner=OTHER)))


def test_looks_are_claimed_by_destination(queue: Queue) -> None:
    """One query serves all of a patient there."""
    queue.plan(queue.order(), wish("1"), wish("2", destination="other-room"))
    for moved in queue.claim_many():
        queue.finish(moved)
    looks = queue.claim_checks(destination="other-room")
    assert ["2"] == [retrieve.study_instance_uid for retrieve in looks]


def test_a_prior_that_is_complete_is_verified(queue: Queue) -> None:
    """With what arrived, by whose word and when."""
    look = looked_at(queue)
    queue.check(look, now=NOW + MINUTE)
    verified = queue.retrieve(look.id)
    assert (S.VERIFIED, 10, "query", NOW + MINUTE, None) == (
        verified.state,
        verified.arrived_instances,
        verified.verified_by,
        verified.verified_at,
        verified.problem,
    )


def test_a_prior_that_is_not_there_yet_is_looked_for_again(queue: Queue) -> None:
    """Later, and counted."""
    queue.check(looked_at(queue), Step.CHECK_AGAIN, at=NOW + MINUTE)
    early, (again,) = queue.claim_checks(), queue.claim_checks(NOW + MINUTE)
    assert ([], 2) == (early, again.checks)


def test_a_look_that_could_not_be_taken_is_not_counted(queue: Queue) -> None:
    """A destination that is away uses up no patience."""
    queue.check(looked_at(queue), Step.CHECK_AGAIN, counts=False)
    (again,) = queue.claim_checks()
    assert 1 == again.checks


def test_looks_are_counted_anew_after_each_move(queue: Queue) -> None:
    """Each move has its own settle time and patience."""
    queue.check(looked_at(queue), Step.RETRY)
    moved = queue.claim()
    assert moved is not None
    queue.finish(moved)
    (look,) = queue.claim_checks()
    assert 1 == look.checks


def test_what_stays_incomplete_is_partial_with_its_reason(queue: Queue) -> None:
    """The order is not ready by it."""
    look = looked_at(queue)
    ready = queue.check(look, Step.FALL_SHORT)
    partial = queue.retrieve(look.id)
    assert (S.PARTIAL, "said so", []) == (partial.state, partial.problem, ready)


def test_the_result_of_a_look_that_was_taken_over_is_dropped(queue: Queue) -> None:
    """As that of a move is."""
    late = looked_at(queue)
    queue.renew(lease=-HOUR)
    (look,) = queue.claim_checks(owner=OTHER)
    assert (None, []) == (queue.check(late), queue.check(look, Step.CHECK_AGAIN))


def test_what_nobody_wants_any_more_is_not_moved_again(queue: Queue) -> None:
    """The order was cancelled while the prior moved, and it did not arrive."""
    look = looked_at(queue)
    for order_id in queue.do(wants.orders_wanting, [look.id]):
        queue.do(wants.withdraw_wants, order_id, because="cancelled", now=NOW)
    queue.check(look, Step.RETRY)
    assert S.CANCELLED is queue.retrieve(look.id).state


# --- too late --------------------------------------------------------------------------------------


def test_what_nobody_can_use_any_more_expires(queue: Queue) -> None:
    """Waiting, due or in quarantine; what moves or has moved goes on."""
    soon = NOW + HOUR
    moving = queue.moving(wish("1", expire_at=soon))
    waiting = wish("3", start_at=soon, expire_at=soon)
    queue.plan(queue.order(), wish("2", expire_at=soon), waiting, wish("4"))
    assert [] == queue.do(checks.expire, NOW + HOUR - SECOND)
    expired = queue.do(checks.expire, NOW + HOUR)
    assert ({"2", "3"}, S.MOVING) == (
        {retrieve.study_instance_uid for retrieve in expired},
        queue.retrieve(moving.id).state,
    )


def test_each_ending_is_in_the_history(queue: Queue) -> None:
    """With its reason."""
    order = queue.order()
    queue.plan(order, wish())
    moving = queue.claim()
    assert moving is not None
    queue.finish(moving, Step.FAIL)
    told = queue.do(history.story, order.id)[-1]
    assert ("retrieve_failed", "said so", moving.id) == (told.what, told.detail["because"], told.retrieve_id)


# --- when the next work is due ---------------------------------------------------------------------


def test_the_horizon_tells_when_the_next_work_is_due(queue: Queue) -> None:
    """What somebody holds is not waited for."""
    empty = queue.do(horizon.horizon, NOW)
    queue.finish(queue.moving(), at=NOW + MINUTE)
    queue.plan(queue.order(), wish("later", start_at=NOW + HOUR), next_plan_at=NOW + 2 * MINUTE)
    ahead = queue.do(horizon.horizon, NOW)
    queue.claim_checks(NOW + MINUTE)
    queue.claim_order(NOW + 2 * MINUTE)
    held = queue.do(horizon.horizon, NOW)
    nothing = horizon.Horizon(plan_at=None, promote_at=None, check_at=None)
    assert (nothing, NOW + 2 * MINUTE, NOW + HOUR, NOW + MINUTE, (None, None)) == (
        empty,
        ahead.plan_at,
        ahead.promote_at,
        ahead.check_at,
        (held.plan_at, held.check_at),
    )


def test_orders_held_for_planning_are_free_at_once_when_given_back(queue: Queue) -> None:
    """Nothing waits for a lease to run out that its holder gave up."""
    queue.order()
    queue.claim_order()
    queue.do(orders.release_orders, owner=OWNER)
    assert NOW == queue.do(horizon.horizon, NOW).plan_at


# --- the clock was set back ------------------------------------------------------------------------


def test_what_waits_by_the_time_before_is_due_when_the_clock_was_set_back(queue: Queue) -> None:
    """A retry, a look, a plan that was put off and a rest; what an exam's time begins keeps it."""
    later = NOW + 6 * HOUR
    retried, moved = queue.moving(wish("1.1")), queue.moving(wish("1.2"))
    scheduled = queue.wanted(wish("1.3", start_at=later))
    queue.finish(retried, Step.RETRY, at=later)
    queue.finish(moved, at=later)
    order = queue.order(accession_number="A9")
    claimed = next(each for each in queue.claim_orders(100) if each.id == order.id)
    queue.do(orders.postpone_planning, claimed, owner=OWNER, at=later, because="put off", now=NOW)
    queue.do(archives.know_archives, [ARCHIVE])
    queue.do(archives.rest_archive, ARCHIVE, until=later, because="rests")
    queue.do(archives.park_pair, ARCHIVE, DESTINATION, until=later, because="parked")
    assert 5 == queue.do(clock.cut_waits_short, NOW)
    assert ["1.1"] == [each.study_instance_uid for each in queue.claim_many()]
    assert ["1.2"] == [each.study_instance_uid for each in queue.claim_checks()]
    assert order.id in [each.id for each in queue.claim_orders(100)]
    assert later == queue.retrieve(scheduled.id).start_at
