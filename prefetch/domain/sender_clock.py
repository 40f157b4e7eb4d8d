"""PURE: whether a sender's times are read in the wrong zone, and which zone would fit.

Two signs: the time of its messages (MSH-7) is a whole or half number of hours away from the clock, and most
of its exams begin hours before their order came.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median_low

STEP = timedelta(minutes=30)
"""Zones differ by whole and half hours."""

TOLERANCE = timedelta(minutes=2)
"""How far from such a difference a message's may be: it took a while to come."""

LEAST, MOST = timedelta(minutes=58), timedelta(hours=15)
"""The smallest difference that is told, and the greatest that a zone can explain: what is more is old."""

FEWEST = 5
"""Messages, or exams, by which a sender is judged."""

_APART = timedelta(seconds=20)
"""Times that lie back may be those of messages that waited in a queue; these come all at once."""

_MOST_OF = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How one message's time compares with the clock."""

    received_at: datetime
    ahead: timedelta
    """Its time less ours; negative where it lies back."""
    has_offset: bool
    """Whether it came with its offset from UTC; else it was read in the zone of the sender or the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamTime:
    """When an exam begins, and when we heard of it first."""

    starts_at: datetime
    heard_at: datetime


def find_difference(measures: Sequence[Measure]) -> timedelta | None:
    """Give by how many half hours a sender's times are wrong; None where they are right or too few."""
    if len(measures) < FEWEST:
        return None
    middle = median_low(measure.ahead for measure in measures)
    steps = STEP * round(middle / STEP)
    if not LEAST <= abs(middle) <= MOST:
        return None
    near = [measure for measure in measures if abs(measure.ahead - steps) <= TOLERANCE]
    if len(near) < max(FEWEST, _MOST_OF * len(measures)):
        return None
    times = [measure.received_at for measure in near]
    return None if steps < timedelta() and max(times) - min(times) < _APART else steps


def find_lateness(exams: Sequence[ExamTime]) -> timedelta | None:
    """Give by how many half hours most exams begin before their orders come; None where most do not."""
    late = sorted(exam.heard_at - exam.starts_at for exam in exams)
    hours = [lateness for lateness in late if LEAST <= lateness <= MOST]
    if len(hours) < max(FEWEST, _MOST_OF * len(late)):
        return None
    return STEP * -(-hours[int(_MOST_OF * (len(hours) - 1))] // STEP)


def fitting_zones(used: tzinfo, wrong_by: timedelta, now: datetime) -> tuple[timedelta, tuple[str, ...]]:
    """Give the offset from UTC that would put times right, and zones that have it now, the nearest first.

    `used` is the zone in which the times were read, `wrong_by` by how much they are ahead then.
    """
    offset = (now.astimezone(used).utcoffset() or timedelta()) + wrong_by
    names = [name for name in CITIES if now.astimezone(zoneinfo.ZoneInfo(name)).utcoffset() == offset]
    region = str(used).partition("/")[0]
    near = sorted(names, key=lambda name: (name != "UTC", name.partition("/")[0] != region))
    return offset, tuple(near[:2])


def offset_name(offset: timedelta) -> str:
    """Write an offset as clocks do: `UTC+02:00`."""
    minutes = abs(int(offset.total_seconds())) // 60
    sign = "-" if offset < timedelta() else "+"
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


CITIES = (
    "UTC",
    *("Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Istanbul", "Europe/Samara"),
    *("Atlantic/Reykjavik", "Atlantic/Azores", "Africa/Lagos", "Africa/Johannesburg", "Africa/Nairobi"),
    *("Asia/Dubai", "Asia/Tehran", "Asia/Kabul", "Asia/Karachi", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo"),
    *("Australia/Perth", "Australia/Darwin", "Australia/Brisbane", "Australia/Adelaide", "Australia/Sydney"),
    *("Pacific/Noumea", "Pacific/Auckland", "Pacific/Tongatapu", "Pacific/Honolulu", "Pacific/Pago_Pago"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles"),
    *("America/Anchorage", "America/Halifax", "America/St_Johns", "America/Caracas", "America/Bogota"),
    *("America/Mexico_City", "America/Sao_Paulo", "America/Argentina/Buenos_Aires", "America/Noronha"),
)
"""A city for each offset and region."""
