"""The circuit breaker of one peer: after some failures in a row it rests, each time longer, then it is tried.

A failure is what speaks of the peer and not of what was asked: no association, no answer in time, out of
resources. While it rests nobody waits for it; when the rest is over one call tries, and only if that is
answered do others follow. Lives on the event loop and knows no association.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefetch import model
from prefetch.dimse import echo, peer, status
from prefetch.model import Outcome


@dataclass(frozen=True, slots=True)
class Resting:
    """Until when a peer is left alone, and why."""

    until: datetime
    because: str


class Breaker:
    """Says whether a peer may be asked, and hears what came of it."""

    def __init__(
        self,
        remote: peer.Peer,
        *,
        rests: Callable[[Resting, int], None] = lambda _resting, _failures: None,
        answers: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rests` is told of each rest and how many failures there were, `answers` of the end of them."""
        self._peer = remote
        self._rest = remote.rest
        self._rests, self._answers, self._clock = rests, answers, clock
        self._failures = 0
        self._over_at = 0.0
        self._on_trial = False
        self._resting: Resting | None = None

    def use(self, remote: peer.Peer) -> None:
        """Go by other settings; what failed with the old ones is not counted any more."""
        self._peer, self._rest = remote, remote.rest
        self._failures, self._resting = 0, None

    @property
    def resting(self) -> Resting | None:
        """The rest that is not over, or whose trial is not: None where the peer may be asked."""
        return self._resting if self._resting and (self._on_trial or self._clock() < self._over_at) else None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it failed when it was last asked."""
        return self._failures > 0

    @property
    def is_open(self) -> bool:
        """Whether the last thing that is known of it is a failure too many."""
        return self._resting is not None

    def begin(self) -> status.Verdict | None:
        """Let a call begin: None, or why it does not."""
        if (resting := self.resting) is not None:
            because = f"{self._peer.ae_title} rests until {resting.until:%H:%M:%S} UTC: {resting.because}"
            return status.Verdict(outcome=Outcome.TRANSIENT, because=because, unwell=True)
        self._on_trial = self._resting is not None
        return None

    @contextmanager
    def watching(self) -> Iterator[Callable[[object], None]]:
        """While a call lasts; gives whom to tell its result. One that is told of none was cancelled."""
        try:
            yield self._hear
        finally:
            self._on_trial = False

    def _hear(self, result: object) -> None:
        """Count a failure, or an answer; what is neither says nothing of the peer."""
        if isinstance(result, echo.EchoResult):
            self._recover()
        elif not isinstance(result, (status.Verdict, model.FindResult, model.MoveResult)):
            return
        elif result.unwell:
            self._fail(result.because)
        elif not isinstance(result, status.Verdict) and result.status is not None:
            self._recover()

    def _fail(self, because: str) -> None:
        self._failures += 1
        if self._rest is None or self._failures < self._rest.after:
            return
        again = self._failures - self._rest.after
        seconds = min(self._rest.longest, self._rest.first * (1 << min(again, 20)))
        self._over_at = self._clock() + seconds
        self._resting = Resting(datetime.now(UTC) + timedelta(seconds=seconds), because)
        self._rests(self._resting, self._failures)

    def _recover(self) -> None:
        self._failures = 0
        if self._resting is not None:
            self._resting = None
            self._answers()
