"""PURE: lengths of time as an administrator writes them: `15m`, `5y`, `30m before exam`.

A duration is exact (seconds to weeks). An age goes by the calendar: five years before 1 March is 1 March.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import PlainValidator

from prefetch import yamlfile

LONGEST = timedelta(days=3660)
"""No duration is longer: whatever is counted from it stays a date."""

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = r"(?:[0-9]{1,9}[wdhms])+"
_AGE = r"([0-9]{1,4})(y|mo|w|d)"
_BEFORE_EXAM = rf"({_DURATION})\s+before\s+exam"
_DATE = r"\d{4}-\d\d-\d\d"
_AGE_BEFORE_EXAM = r"([0-9]{1,4}(?:y|mo|w|d))\s+before\s+exam"
WHEN_ORDERED = "when ordered"


def read_duration(said: object) -> timedelta:
    """Read `90s`, `15m`, `24h`, `2d`, `1w`, or several together, as in `1h30m`."""
    if isinstance(said, timedelta):
        return said
    text = yamlfile.one_line(said)
    if not re.fullmatch(_DURATION, text):
        raise ValueError(f"expected a duration such as 90s, 15m, 24h or 2d, found “{text}”")
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"(\d+)(\w)", text))
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"“{text}” is longer than {say_duration(LONGEST)}")
    return timedelta(seconds=seconds)


def say_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that it fills: `15m`, `90m`, `24h`, `2d`."""
    seconds = int(duration.total_seconds())
    for unit, least in (("d", 2), ("h", 1), ("m", 1)):
        count, rest = divmod(seconds, _SECONDS[unit])
        if not rest and count >= least:
            return f"{count}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """A length of time by the calendar."""

    months: int = 0
    days: int = 0
    text: str

    def before(self, day: date) -> date:
        """The day that lies this long before another; 29 February gives 28 where there is none."""
        return _before(day, self.months, self.days)

    @property
    def days_about(self) -> float:
        """Its length in days, to compare it with another's."""
        return self.months * 30.44 + self.days

    def __str__(self) -> str:
        """As it was written."""
        return self.text


@lru_cache(1000)
def _before(day: date, months: int, days: int) -> date:
    """Reckoned once for all studies that are compared with an exam."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < date.min.year:
        return date.min
    last = calendar.monthrange(year, month + 1)[1]
    then = date(year, month + 1, min(day.day, last)).toordinal() - days
    return date.fromordinal(max(then, 1))


def read_age(said: object) -> Age:
    """Read `5y`, `18mo`, `2w` or `30d`."""
    text = yamlfile.one_line(said)
    found = re.fullmatch(_AGE, text)
    if not found:
        hint = "; a month is mo" if re.fullmatch(r"\d+m", text) else ""
        raise ValueError(f"expected an age such as 5y, 18mo, 2w or 30d, found “{text}”{hint}")
    count, unit = int(found[1]), found[2]
    return Age(
        months={"y": 12 * count, "mo": count}.get(unit, 0),
        days={"w": 7 * count, "d": count}.get(unit, 0),
        text=text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfStudy:
    """A day: a date, or so long before the exam."""

    on: date | None = None
    age: Age | None = None

    def seen_from(self, day: date) -> date:
        """Which day it is for an exam on the given one."""
        return self.on or (self.age.before(day) if self.age else day)

    def __str__(self) -> str:
        """As an administrator writes it."""
        return f"{self.age} before exam" if self.age else str(self.on)


def read_day(said: object) -> DayOfStudy:
    """Read `2012-01-01`, or `6mo before exam`."""
    text = yamlfile.one_line(said)
    if found := re.fullmatch(_AGE_BEFORE_EXAM, text):
        return DayOfStudy(age=read_age(found[1]))
    try:
        return DayOfStudy(on=date.fromisoformat(text if re.fullmatch(_DATE, text) else ""))
    except ValueError as error:
        raise ValueError(f"expected “2012-01-01” or “6mo before exam”, found “{text}”") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment of an order's life: so long before the exam, or as soon as it is ordered (None)."""

    before_exam: timedelta | None = None

    def __str__(self) -> str:
        """As an administrator writes it."""
        return WHEN_ORDERED if self.before_exam is None else f"{say_duration(self.before_exam)} before exam"


def read_deadline(said: object) -> Moment:
    """Read `30m before exam`."""
    text = yamlfile.one_line(said)
    found = re.fullmatch(_BEFORE_EXAM, text)
    if not found:
        raise ValueError(f"expected a time such as “30m before exam”, found “{text}”")
    return Moment(before_exam=read_duration(found[1]))


def read_beginning(said: object) -> Moment:
    """Read `24h before exam`, or `when ordered`."""
    text = yamlfile.one_line(said)
    if text == WHEN_ORDERED:
        return Moment()
    try:
        return read_deadline(text)
    except ValueError as error:
        raise ValueError(f"expected “24h before exam” or “when ordered”, found “{text}”") from error


Duration = Annotated[timedelta, PlainValidator(read_duration), yamlfile.text_like(_DURATION)]
CalendarAge = Annotated[Age, PlainValidator(read_age), yamlfile.text_like(_AGE)]
Day = Annotated[DayOfStudy, PlainValidator(read_day), yamlfile.text_like(rf"({_DATE}|{_AGE_BEFORE_EXAM})")]
Deadline = Annotated[Moment, PlainValidator(read_deadline), yamlfile.text_like(_BEFORE_EXAM)]
Beginning = Annotated[
    Moment, PlainValidator(read_beginning), yamlfile.text_like(rf"({WHEN_ORDERED}|{_BEFORE_EXAM})")
]
