"""PURE: the difference between the machine's clock, which can be set, and one that cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST = timedelta(seconds=2)
"""A difference that is told: less is NTP slewing, or a process that did not run between two readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Both clocks, read at the same moment."""

    wall: datetime
    monotonic: float
    """Seconds, from an origin of its own."""


def step_between(before: Reading, after: Reading) -> timedelta | None:
    """Give by how much the clock was set between two readings, backwards negative; `None` if it was not."""
    went = timedelta(seconds=after.monotonic - before.monotonic)
    step = (after.wall - before.wall) - went
    return step if abs(step) >= SHORTEST else None
