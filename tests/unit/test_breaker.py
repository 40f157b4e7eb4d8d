"""A peer that fails again and again is left alone for a while, and then tried by one call."""

from __future__ import annotations

from typing import Any

import pytest

from prefetch import model
from prefetch.dimse import breaker, echo, peer, status
from prefetch.model import Outcome

ANSWERED = model.FindResult(outcome=Outcome.SUCCESS, status=0x0000)
REFUSED = model.FindResult(outcome=Outcome.PERMANENT, status=0x0124)
LOST = model.MoveResult(outcome=Outcome.UNKNOWN)
SILENT = model.MoveResult(outcome=Outcome.UNKNOWN, because="no response for 30 s", unwell=True)
UNREACHED = status.Verdict(outcome=Outcome.TRANSIENT, because="no connection to h:104", unwell=True)


class Site:
    """A breaker, a clock that the test moves, and what was told of rests."""

    def __init__(self, **more: Any) -> None:
        self.now = 0.0
        self.told: list[str] = []
        rest = peer.Rest(after=3, first=30.0, longest=100.0)
        of = peer.Peer(
            name="main", ae_title="MAIN", host="h", port=104, calling_ae_title="US", **{"rest": rest, **more}
        )
        self.breaker = breaker.Breaker(
            of,
            rests=lambda _, failures: self.told.append(f"rests after {failures}"),
            answers=lambda: self.told.append("answers"),
            clock=lambda: self.now,
        )

    def call(self, result: object) -> bool:
        """Whether the peer was asked."""
        if self.breaker.begin() is not None:
            return False
        with self.breaker.watching() as tell:
            tell(result)
        return True


def test_it_rests_after_so_many_failures_in_a_row() -> None:
    """Silence and a connection that cannot be made alike; an answer between them begins anew."""
    site = Site()
    for result in (UNREACHED, SILENT, ANSWERED, SILENT, UNREACHED):
        assert site.call(result)
    assert site.breaker.resting is None
    assert site.call(UNREACHED)
    assert not site.call(ANSWERED)
    assert ["rests after 3"] == site.told
    refused = site.breaker.begin()
    assert refused is not None
    assert refused.because.startswith("MAIN rests until ")
    assert refused.because.endswith(": no connection to h:104")


@pytest.mark.parametrize("result", [LOST, None, ()])
def test_what_says_nothing_of_the_peer_neither_counts_nor_heals(result: object) -> None:
    """A connection that was lost half-way may have been the fault of what was asked."""
    site = Site()
    for each in (UNREACHED, UNREACHED, result, UNREACHED):
        assert site.call(each)
    assert site.breaker.resting is not None


def test_a_refusal_is_an_answer() -> None:
    """The peer is well; it does not like the question."""
    site = Site()
    for each in (UNREACHED, UNREACHED, REFUSED, UNREACHED):
        assert site.call(each)
    assert site.breaker.resting is None


def test_an_echo_that_is_answered_ends_doubt_and_rest() -> None:
    """So a workstation is probed before more is sent to it."""
    site = Site()
    for failures in (1, 3):
        for _ in range(failures):
            assert site.call(UNREACHED)
        assert site.breaker.is_in_doubt
        site.now += 30.0
        assert site.call(echo.EchoResult(reachable=True))
        assert not site.breaker.is_in_doubt
    assert ["rests after 3", "answers"] == site.told


def test_one_call_tries_when_the_rest_is_over() -> None:
    """The others wait for what comes of it; if it fails the next rest is twice as long, up to the longest."""
    site = Site()
    for _ in range(3):
        site.call(UNREACHED)
    for seconds in (30.0, 60.0, 100.0, 100.0):
        site.now += seconds - 1
        assert site.breaker.begin() is not None
        site.now += 1
        assert site.breaker.begin() is None
        assert site.breaker.begin() is not None
        assert site.breaker.is_open
        with site.breaker.watching() as tell:
            tell(UNREACHED)
    site.now += 100.0
    assert site.call(ANSWERED)
    assert not site.breaker.is_open
    assert "answers" == site.told[-1]


def test_a_trial_that_was_cancelled_is_none() -> None:
    """The next call tries."""
    site = Site()
    for _ in range(3):
        site.call(UNREACHED)
    site.now += 30.0
    assert site.breaker.begin() is None
    with site.breaker.watching():
        pass
    assert site.call(ANSWERED)


def test_a_peer_without_a_rest_is_always_asked() -> None:
    """A worklist that has its interval."""
    site = Site(rest=None)
    assert all(site.call(UNREACHED) for _ in range(10))
