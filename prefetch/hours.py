"""PURE: times of the day and days of the week as an administrator writes them: `22:00-06:00`, `mon-fri`.

They are of the site's clock. A span that ends before it begins goes over midnight, and its small hours belong
to the day on which it began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from enum import IntEnum
from typing import Annotated

from pydantic import PlainValidator

from prefetch import yamlfile

_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d|24:00"
_SPAN = rf"({_TIME})\s*-\s*({_TIME})"


class Weekday(IntEnum):
    """A day of the week, as Python counts them."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6

    @classmethod
    def of(cls, day: date) -> Weekday:
        """The one that a day is."""
        return cls(day.weekday())

    def __str__(self) -> str:
        """As an administrator writes it."""
        return self.name.lower()


_NAMES = "|".join(day.name.lower() for day in Weekday)
_DAYS = rf"({_NAMES})(?:\s*-\s*({_NAMES}))?"
_WINDOW = r"(?:([A-Za-z]\S*(?:\s*-\s*[A-Za-z]\S*)?)\s+)?(\d\S*\s*-\s*\d\S*)"


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of the day; its end is no more in it."""

    begin: time
    end: time
    """Midnight is the end of the day."""

    @property
    def goes_over_midnight(self) -> bool:
        """Whether it ends on the next day."""
        return self.end <= self.begin and self.end != time.min

    @property
    def ends_on_the_next_day(self) -> bool:
        """Whether its end is of the day after; midnight is the beginning of that day."""
        return self.goes_over_midnight or self.end == time.min

    def covers(self, moment: time) -> bool:
        """Whether a time of the day lies in it."""
        if self.goes_over_midnight:
            return moment >= self.begin or moment < self.end
        return self.begin <= moment and (self.end == time.min or moment < self.end)

    def __str__(self) -> str:
        """As an administrator writes it."""
        return f"{self.begin:%H:%M}-{'24:00' if self.end == time.min else f'{self.end:%H:%M}'}"


def read_hours(said: object) -> Hours:
    """Read `07:00-17:00`, or `22:00-06:00` over midnight."""
    text = yamlfile.one_line(said)
    found = re.fullmatch(_SPAN, text)
    if not found:
        raise ValueError(f"expected hours such as “07:00-17:00”, found “{text}”")
    begin, end = ("00:00" if part == "24:00" else part for part in found.groups())
    if begin == end and begin != "00:00":
        raise ValueError(f"“{text}” begins when it ends; the whole day is 00:00-24:00")
    return Hours(time.fromisoformat(begin), time.fromisoformat(end))


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the week, one after the other."""

    first: Weekday
    last: Weekday

    def covers(self, day: Weekday) -> bool:
        """Whether a day is among them; `fri-mon` goes over the weekend."""
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last

    def __str__(self) -> str:
        """As an administrator writes it."""
        return f"{self.first}" if self.first is self.last else f"{self.first}-{self.last}"


def read_days(said: object) -> Days:
    """Read `sat`, or `mon-fri`."""
    text = yamlfile.one_line(said).lower()
    found = re.fullmatch(_DAYS, text)
    if not found:
        near = yamlfile.nearest(text, [day.name.lower() for day in Weekday])
        guess = f"; did you mean {near}?" if near else ""
        raise ValueError(f"expected a day such as mon, or days such as mon-fri, found “{text}”{guess}")
    first, last = found[1], found[2] or found[1]
    return Days(Weekday[first.upper()], Weekday[last.upper()])


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week, or of all; the small hours belong to the day on which it began."""

    hours: Hours
    days: Days | None = None

    def begins_on(self, day: date) -> bool:
        """Whether it begins on a day."""
        return self.days is None or self.days.covers(Weekday.of(day))

    def __str__(self) -> str:
        """As an administrator writes it."""
        return f"{self.days} {self.hours}" if self.days else str(self.hours)


def read_window(said: object) -> Window:
    """Read `20:00-06:00`, or `sat-sun 00:00-24:00`."""
    text = yamlfile.one_line(said)
    found = re.fullmatch(_WINDOW, text)
    if not found:
        raise ValueError(f"expected hours such as “20:00-06:00” or “sat-sun 00:00-24:00”, found “{text}”")
    days, span = found.groups()
    return Window(read_hours(span), read_days(days) if days else None)


DayHours = Annotated[Hours, PlainValidator(read_hours), yamlfile.text_like(_SPAN)]
WeekDays = Annotated[Days, PlainValidator(read_days), yamlfile.text_like(_DAYS)]
WindowHours = Annotated[Window, PlainValidator(read_window), yamlfile.text_like(rf"({_DAYS}\s+)?{_SPAN}")]
