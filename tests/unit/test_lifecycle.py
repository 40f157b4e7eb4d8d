"""The life of a retrieve, as a table and as decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import errors, lifecycle
from prefetch.lifecycle import Patience, Step
from prefetch.model import Outcome, RetrieveState

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
PATIENCE = Patience(attempts=3, first=timedelta(seconds=10), most=timedelta(seconds=60))


def after_move(
    outcome: Outcome,
    *,
    arrived: bool = False,
    alone: bool = True,
    attempts: int = 1,
    elsewhere: str | None = None,
    in_part: bool = False,
    begun: bool = True,
    silent_until: datetime | None = None,
) -> lifecycle.Next:
    """What follows a C-MOVE, with the usual settings."""
    return lifecycle.after_move(
        outcome,
        arrived=arrived,
        alone=alone,
        attempts=attempts,
        elsewhere=elsewhere,
        now=NOW,
        patience=PATIENCE,
        settle=timedelta(seconds=2),
        park=timedelta(minutes=10),
        because="said so",
        in_part=in_part,
        begun=begun,
        silent_until=silent_until,
    )


def after_check(
    complete: bool | None,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    checks: int = 1,
    attempts: int = 1,
    elsewhere: str | None = None,
    expire_at: datetime = NOW + timedelta(hours=1),
) -> lifecycle.Next:
    """What follows a look at the destination, with the usual settings."""
    return lifecycle.after_check(
        complete=complete,
        because="counted",
        outcome=outcome,
        checks=checks,
        attempts=attempts,
        elsewhere=elsewhere,
        now=NOW,
        expire_at=expire_at,
        patience=PATIENCE,
        recheck=Patience(attempts=3, first=timedelta(seconds=2), most=timedelta(seconds=30)),
    )


def test_every_step_leads_somewhere() -> None:
    """No step is in the vocabulary that no state can take."""
    assert set(Step) == {step for _, step in lifecycle.TRANSITIONS}


def test_every_state_can_be_reached() -> None:
    """Each state follows from one in which a retrieve is born."""
    reached = {RetrieveState.WAITING, RetrieveState.DUE, RetrieveState.VERIFIED, RetrieveState.QUARANTINED}
    for _ in RetrieveState:
        reached |= {after for (before, _), after in lifecycle.TRANSITIONS.items() if before in reached}
    assert set(RetrieveState) == reached


def test_what_is_verified_stays_verified() -> None:
    """Nothing follows the good end."""
    assert not [step for state, step in lifecycle.TRANSITIONS if state is RetrieveState.VERIFIED]


def test_live_and_ended_are_all() -> None:
    """A state is live or ended, never both."""
    assert set(RetrieveState) == lifecycle.LIVE | lifecycle.ENDED
    assert not lifecycle.LIVE & lifecycle.ENDED


@given(st.sampled_from(RetrieveState), st.sampled_from(Step))
def test_a_step_that_may_not_be_taken_says_so(state: RetrieveState, step: Step) -> None:
    """Any pair outside the table is refused by name; any inside it is followed."""
    if (state, step) in lifecycle.TRANSITIONS:
        assert lifecycle.TRANSITIONS[state, step] is lifecycle.advance(state, step)
        assert state in lifecycle.origins(step)
    else:
        with pytest.raises(errors.IllegalTransitionError, match=state.value):
            lifecycle.advance(state, step)
        assert state not in lifecycle.origins(step)


@given(st.lists(st.sampled_from(Step), max_size=30))
def test_any_order_of_events_ends_in_a_known_state(steps: list[Step]) -> None:
    """Whatever happens in whatever order, a retrieve is in a state of the table, and an end holds."""
    state = RetrieveState.WAITING
    for step in steps:
        before = state
        try:
            state = lifecycle.advance(state, step)
        except errors.IllegalTransitionError:
            continue
        if before in {RetrieveState.VERIFIED, RetrieveState.CANCELLED}:
            pytest.fail(f"{before} was left by {step}")
    assert state in RetrieveState


def test_patience_doubles_up_to_its_most() -> None:
    """Back-off doubles from the first delay and stops growing at the longest."""
    delays = [PATIENCE.delay(attempt).total_seconds() for attempt in (1, 2, 3, 4, 5, 1000)]
    assert [10, 20, 40, 60, 60, 60] == delays


@pytest.mark.parametrize(
    "outcome", [Outcome.SUCCESS, Outcome.WARNING, Outcome.PARTIAL, Outcome.SUSPECT, Outcome.UNKNOWN]
)
def test_whatever_may_have_stored_something_is_looked_for_first(outcome: Outcome) -> None:
    """After any end that may have stored an instance the destination is asked, after the settle time."""
    following = after_move(outcome)
    assert (Step.MOVE, NOW + timedelta(seconds=2)) == (following.step, following.at)


def test_a_transient_failure_after_some_stores_is_looked_for_first() -> None:
    """Refused half-way with instances counted: nothing is sent twice unseen."""
    assert Step.MOVE is after_move(Outcome.TRANSIENT, arrived=True).step


def test_a_transient_failure_is_tried_again_after_the_back_off() -> None:
    """The second attempt's failure waits twice as long as the first's."""
    following = after_move(Outcome.TRANSIENT, attempts=2)
    assert (Step.RETRY, NOW + timedelta(seconds=20)) == (following.step, following.at)


def test_transient_failures_are_not_tried_for_ever() -> None:
    """After the last attempt it has failed, and the reason counts the attempts."""
    following = after_move(Outcome.TRANSIENT, attempts=3)
    assert (Step.FAIL, "given up after 3 attempts: said so") == (following.step, following.because)


def test_what_has_come_in_part_is_counted_before_it_is_given_up() -> None:
    """It is partial then, and has not failed; before that it is tried again as ever."""
    assert Step.RETRY is after_move(Outcome.TRANSIENT, attempts=2, in_part=True).step
    following = after_move(Outcome.TRANSIENT, attempts=3, in_part=True)
    assert (Step.MOVE, "given up after 3 attempts: said so") == (following.step, following.because)


def test_several_studies_that_are_refused_are_asked_for_one_by_one() -> None:
    """At once, and nothing is given up: the archive may only not take lists."""
    following = after_move(Outcome.PERMANENT, alone=False, elsewhere="offsite")
    assert (Step.RETRY, NOW, None) == (following.step, following.at, following.archive)


def test_an_unknown_destination_parks_the_pair_and_costs_no_attempt() -> None:
    """0xA801 is the administrator's to mend: the retrieve waits with all others of the pair."""
    following = after_move(Outcome.UNKNOWN_DESTINATION, attempts=3)
    assert (Step.RETRY, following.park_until, False) == (following.step, following.at, following.counts)


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.UNKNOWN_DESTINATION])
def test_destination_that_does_not_answer_is_waited_for(outcome: Outcome) -> None:
    """However often it was tried; no other archive reaches it either, so none is asked instead."""
    until = NOW + timedelta(seconds=30)
    following = after_move(outcome, attempts=9, elsewhere="offsite", silent_until=until)
    assert (Step.RETRY, until, until) == (following.step, following.at, following.park_until)
    assert (False, None) == (following.counts, following.archive)


def test_a_pair_is_parked_although_another_archive_is_asked_at_once() -> None:
    """The study goes on to the next archive; the pair that failed still waits for the administrator."""
    following = after_move(Outcome.UNKNOWN_DESTINATION, attempts=1, elsewhere="offsite")
    alone = after_move(Outcome.UNKNOWN_DESTINATION, attempts=1)
    assert (NOW, alone.park_until) == (following.at, following.park_until)


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [(Outcome.PERMANENT, 1), (Outcome.TRANSIENT, 3), (Outcome.UNKNOWN_DESTINATION, 1)],
)
def test_an_archive_that_is_given_up_is_followed_by_the_next_that_holds_the_study(
    outcome: Outcome, attempts: int
) -> None:
    """The same study in a second archive is asked for there, at once."""
    following = after_move(outcome, attempts=attempts, elsewhere="offsite")
    assert (Step.RETRY, NOW, "offsite") == (following.step, following.at, following.archive)


def test_what_one_archive_cannot_complete_another_may() -> None:
    """After the last move from one archive the next one is asked before the prior is partial."""
    following = after_check(False, checks=3, attempts=3, elsewhere="offsite")
    assert (Step.RETRY, "offsite") == (following.step, following.archive)


def test_a_permanent_failure_is_not_tried_again() -> None:
    """What cannot succeed is failed at once."""
    assert Step.FAIL is after_move(Outcome.PERMANENT).step


def test_a_cancelled_move_is_tried_again() -> None:
    """0xFE00 that we did not ask for is a passing condition."""
    assert Step.RETRY is after_move(Outcome.CANCELLED).step


def test_complete_is_verified() -> None:
    """What is there is verified, whatever the archive had said."""
    assert Step.VERIFY is after_check(True, outcome=Outcome.UNKNOWN).step


def test_incomplete_is_looked_at_again_before_it_is_moved_again() -> None:
    """Early success: the stores may still be on their way."""
    assert Step.CHECK_AGAIN is after_check(False, checks=2).step


def test_still_incomplete_is_moved_again() -> None:
    """After the last look the study is moved again, while attempts are left."""
    assert Step.RETRY is after_check(False, checks=3, attempts=2).step


def test_counted_failures_are_not_waited_for() -> None:
    """Where the archive said itself that instances failed, the next move comes without further looks."""
    assert Step.RETRY is after_check(False, outcome=Outcome.PARTIAL, checks=1).step


def test_success_with_nothing_stored_is_moved_once_more_only() -> None:
    """A success that stored nothing twice will not store anything the third time."""
    assert Step.RETRY is after_check(False, outcome=Outcome.SUSPECT, checks=3, attempts=1).step
    assert Step.FALL_SHORT is after_check(False, outcome=Outcome.SUSPECT, checks=3, attempts=2).step


def test_enough_moves_are_enough() -> None:
    """After the last attempt what is missing stays missing, and the prior is partial."""
    assert Step.FALL_SHORT is after_check(False, checks=3, attempts=3).step


def test_a_destination_that_is_away_is_asked_again_until_the_exam_has_passed() -> None:
    """Not being able to ask costs no move; it ends only with the exam."""
    assert Step.CHECK_AGAIN is after_check(None, checks=1000, attempts=3).step
    assert Step.FALL_SHORT is after_check(None, expire_at=NOW).step


@pytest.mark.parametrize(("elsewhere", "counts"), [(None, False), ("offsite", True)])
def test_an_association_that_was_rejected_is_no_attempt(elsewhere: str | None, counts: bool) -> None:
    """Nothing was asked; but where another archive has the study, it is asked in the end."""
    following = after_move(Outcome.TRANSIENT, arrived=False, begun=False, elsewhere=elsewhere)
    assert (Step.RETRY, counts) == (following.step, following.counts)


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.PERMANENT])
def test_a_move_of_several_studies_is_no_attempt_at_any(outcome: Outcome) -> None:
    """What one of them does to the archive is not the others' fault."""
    following = after_move(outcome, arrived=False, alone=False)
    assert (Step.RETRY, False) == (following.step, following.counts)
