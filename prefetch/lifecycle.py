"""PURE: the states of a Retrieve, what may follow what, and when something is tried again.

Knows no clock and no database; `store` writes what stands here, and nobody else assigns a state.

    waiting ──► due ──► moving ──► moved ──► verified
       ▲         ▲         │         │
       └─────────┴─ retry ─┴─────────┴──► partial · failed        quarantined ──release──► waiting
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from prefetch import errors
from prefetch.model import Outcome, RetrieveState


class Step(StrEnum):
    """What can happen to a Retrieve."""

    PROMOTE = "promote"
    CLAIM = "claim"
    MOVE = "move"
    """The archive ended the C-MOVE, or was lost on the way: look at the destination."""
    RETRY = "retry"
    RECOVER = "recover"
    """Interrupted by us, or its process died in mid-move: look at the destination before moving again."""
    VERIFY = "verify"
    CHECK_AGAIN = "check again"
    FALL_SHORT = "fall short"
    """Tried enough; something is still missing."""
    FAIL = "fail"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    RELEASE = "release"
    REFUSE = "refuse"


S = RetrieveState
TRANSITIONS: dict[tuple[RetrieveState, Step], RetrieveState] = {
    (S.WAITING, Step.PROMOTE): S.DUE,
    (S.WAITING, Step.VERIFY): S.VERIFIED,  # planned again, and found complete at the destination
    (S.WAITING, Step.WITHDRAW): S.CANCELLED,
    (S.WAITING, Step.EXPIRE): S.EXPIRED,
    (S.DUE, Step.CLAIM): S.MOVING,
    (S.DUE, Step.VERIFY): S.VERIFIED,
    (S.DUE, Step.RETRY): S.WAITING,
    (S.DUE, Step.WITHDRAW): S.CANCELLED,
    (S.DUE, Step.EXPIRE): S.EXPIRED,
    (S.MOVING, Step.MOVE): S.MOVED,
    (S.MOVING, Step.RETRY): S.WAITING,
    (S.MOVING, Step.RECOVER): S.MOVED,
    (S.MOVING, Step.FAIL): S.FAILED,
    (S.MOVED, Step.VERIFY): S.VERIFIED,
    (S.MOVED, Step.CHECK_AGAIN): S.MOVED,
    (S.MOVED, Step.RETRY): S.WAITING,
    (S.MOVED, Step.FALL_SHORT): S.PARTIAL,
    (S.MOVED, Step.FAIL): S.FAILED,
    (S.QUARANTINED, Step.RELEASE): S.WAITING,
    (S.QUARANTINED, Step.REFUSE): S.CANCELLED,
    (S.QUARANTINED, Step.WITHDRAW): S.CANCELLED,
    (S.QUARANTINED, Step.EXPIRE): S.EXPIRED,
    (S.PARTIAL, Step.RETRY): S.WAITING,  # by hand
    (S.FAILED, Step.RETRY): S.WAITING,  # by hand
    (S.EXPIRED, Step.RETRY): S.WAITING,  # by hand
}

LIVE = frozenset({S.WAITING, S.DUE, S.MOVING, S.MOVED, S.QUARANTINED})
"""At most one Retrieve of a (study, destination) is in one of these."""

ENDED = frozenset(RetrieveState) - LIVE


def advance(state: RetrieveState, step: Step) -> RetrieveState:
    """The state that follows; raises `IllegalTransitionError` where none may."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise errors.IllegalTransitionError(f"a retrieve that is {state} cannot {step}") from None


def origins(step: Step) -> frozenset[RetrieveState]:
    """The states from which a step may be taken."""
    return frozenset(state for state, possible in TRANSITIONS if possible is step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how soon something is tried again."""

    attempts: int = 5
    first: timedelta = timedelta(seconds=15)
    most: timedelta = timedelta(minutes=10)

    def delay(self, attempt: int) -> timedelta:
        """The wait after the given attempt (from 1): doubled each time, up to the most."""
        return min(self.most, self.first * (1 << min(max(attempt, 1) - 1, 20)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What to do with a Retrieve: a step, when to look at it again, and why."""

    step: Step
    at: datetime
    because: str
    counts: bool = True
    """Whether this was an attempt."""
    park_until: datetime | None = None
    """Until when every move of this archive to this destination waits; None where none has to."""
    archive: str | None = None
    """The archive to ask from now on, where another is to be; its attempts count from the start."""


_SEE_WHAT_ARRIVED = frozenset(
    {Outcome.SUCCESS, Outcome.WARNING, Outcome.PARTIAL, Outcome.SUSPECT, Outcome.UNKNOWN}
)


_FINAL = frozenset({Outcome.PERMANENT, Outcome.NOT_FOUND})


def after_move(
    outcome: Outcome,
    *,
    arrived: bool,
    alone: bool = True,
    attempts: int,
    elsewhere: str | None,
    now: datetime,
    patience: Patience,
    settle: timedelta,
    park: timedelta,
    because: str,
    in_part: bool = False,
    unwell: bool = False,
    begun: bool = True,
    tries: int | None = None,
    silent_until: datetime | None = None,
) -> Next:
    """What follows a C-MOVE.

    `arrived`: whether the archive counted any completed sub-operation. Whatever may have stored something is
    looked for at the destination before anything is sent twice: never assume that nothing arrived.
    `alone`: whether it named this study only; where it named several, a refusal may mean just that, and is no
    attempt at any of them. `begun`: whether it was asked at all; an association that was rejected is no
    attempt either, unless another archive has the study and would else never be asked.
    `elsewhere`: the next archive that holds the study; it is asked where this one is given up. `in_part`: an
    earlier move has brought some of it; what is there is counted before it is given up. `unwell`: the archive
    was not reached, which says nothing of the study; where no other has it, it waits for this one. `tries`:
    how many attempts its status is worth, where that is fewer than we have patience for. `silent_until`: the
    destination does not answer and is left alone until then, whoever has the study.
    """
    if outcome in _SEE_WHAT_ARRIVED or arrived:
        return Next(step=Step.MOVE, at=now + settle, because=because)
    if outcome is Outcome.UNKNOWN_DESTINATION or silent_until is not None:
        until = silent_until or now + park
        # Another archive may know the destination; none reaches one that is silent.
        archive = elsewhere if silent_until is None else None
        return Next(
            step=Step.RETRY,
            at=now if archive else until,
            because=because,
            counts=False,
            park_until=until,
            archive=archive,
        )
    stays = (unwell or not begun) and elsewhere is None
    may_try_again = outcome not in _FINAL and attempts < min(patience.attempts, tries or patience.attempts)
    if stays or may_try_again:
        counts = alone and not stays
        return Next(step=Step.RETRY, at=now + patience.delay(attempts), because=because, counts=counts)
    if not alone:
        return Next(step=Step.RETRY, at=now, because=f"{because}; moved by itself next", counts=False)
    given_up = because if outcome in _FINAL else f"given up after {attempts} attempts: {because}"
    if elsewhere is not None:
        return Next(step=Step.RETRY, at=now, because=f"{given_up}; asking {elsewhere}", archive=elsewhere)
    return Next(
        step=Step.MOVE if in_part else Step.FAIL, at=now + settle if in_part else now, because=given_up
    )


def after_check(
    *,
    complete: bool | None,
    because: str,
    outcome: Outcome | None,
    checks: int,
    attempts: int,
    elsewhere: str | None,
    now: datetime,
    expire_at: datetime,
    patience: Patience,
    recheck: Patience,
) -> Next:
    """What follows a look at the destination.

    `complete` is None where nobody could say this time; `outcome` is the last C-MOVE's. An archive that
    itself counted failures is not waited for, and an exam that has passed is not waited for either.
    """
    if complete:
        return Next(step=Step.VERIFY, at=now, because=because)
    if now >= expire_at:
        return Next(step=Step.FALL_SHORT, at=now, because=f"the exam has passed: {because}")
    if complete is None or (outcome is not Outcome.PARTIAL and checks < recheck.attempts):
        return Next(step=Step.CHECK_AGAIN, at=now + recheck.delay(checks), because=because)
    # Success with nothing stored gets one more move and no more (field guide, section 2).
    allowed = min(2, patience.attempts) if outcome is Outcome.SUSPECT else patience.attempts
    if attempts < allowed:
        return Next(step=Step.RETRY, at=now + patience.delay(attempts), because=because)
    if elsewhere is not None:
        return Next(step=Step.RETRY, at=now, because=f"{because}; asking {elsewhere}", archive=elsewhere)
    return Next(step=Step.FALL_SHORT, at=now, because=f"given up after {attempts} moves: {because}")
