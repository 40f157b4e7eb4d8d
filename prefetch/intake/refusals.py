"""What a listener refused: counted each time, logged so that a flood of it does not flood the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

log = structlog.get_logger()

QUIET_SECONDS = 60.0
"""The same thing from the same address is said again after this, with how often it happened meanwhile."""
MOST_REMEMBERED = 1000
"""Things that are remembered as said; a flood from more addresses than this is told as one."""

_ELSEWHERE = "other addresses"


class Cause(StrEnum):
    """What made a listener refuse something, or keep it waiting; the words are those of `prefetch status`."""

    SIZE = "too long"
    CONNECTIONS = "too many connections"
    NETWORK = "network not allowed"
    SENDER = "sender not allowed"
    TLS = "no TLS handshake"
    SLOW = "too slow"
    IDLE = "idle"
    GARBAGE = "garbage"
    UNREADABLE = "no header"
    NOT_STORED = "not stored"
    RATE = "kept waiting by its rate"
    """Nothing is dropped: it is taken a little later."""


@dataclass(slots=True)
class _Said:
    at: float
    suppressed: int = 0


class Refusals:
    """The refused things of one listener."""

    def __init__(self, source: str, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._said: dict[tuple[str, str, str], _Said] = {}
        self.counts: Counter[Cause] = Counter()
        """How often each cause was met since the start."""

    def tell(self, event: str, cause: Cause, *, address: str, because: str, **detail: object) -> None:
        """Count a refused thing, and say it unless the same was said a moment ago."""
        self.counts[cause] += 1
        said = self._remember(event, address, because)
        if said is None:
            return
        if said.suppressed:
            detail["suppressed"] = said.suppressed
        log.warning(event, source=self._source, address=address, because=because, **detail)
        said.suppressed = 0

    def _remember(self, event: str, address: str, because: str) -> _Said | None:
        """What is to be said now; None where it is to be kept quiet."""
        now = self._clock()
        if len(self._said) >= MOST_REMEMBERED:
            self._forget(now)
        known = len(self._said) < MOST_REMEMBERED or (event, address, because) in self._said
        key = (event, address if known else _ELSEWHERE, because)
        said = self._said.get(key)
        if said is not None and now - said.at < QUIET_SECONDS:
            said.suppressed += 1
            return None
        said = self._said.setdefault(key, _Said(now))
        said.at = now
        return said

    def _forget(self, now: float) -> None:
        self._said = {key: said for key, said in self._said.items() if now - said.at < QUIET_SECONDS}
