"""PURE: a rate: how long the next one must wait so that there are not more than so many a second."""

from __future__ import annotations

BURST_SECONDS = 1.0
"""So many seconds' worth may come at once after a pause."""


class Rate:
    """The generic cell rate algorithm (ITU-T I.371): nothing is dropped, each one is told when it may go."""

    def __init__(self, per_second: float | None) -> None:
        """None is no limit."""
        self._interval = 1 / per_second if per_second else 0.0
        self._due = float("-inf")

    def reserve(self, now: float) -> float:
        """Take the next turn; gives the seconds until it comes."""
        self._due = max(self._due, now - BURST_SECONDS) + self._interval
        return max(0.0, self._due - now)
