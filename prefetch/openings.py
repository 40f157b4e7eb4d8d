"""PURE: when something may be moved: openings of windows by the site's clock.

Windows are looked at when an order is planned; nothing about time is fixed when a file is loaded. On a day on
which the clocks change a window is never open outside the hours that it names, whichever way they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from prefetch.hours import Window

_DAYS = 16
"""Yesterday, whose window may be open still, and two weeks: one of them is without a change of the clocks."""


@dataclass(frozen=True, slots=True)
class Opening:
    """From when until when something may be moved."""

    opens: datetime
    closes: datetime | None = None
    """None: it stays open."""


def first_opening(windows: Iterable[Window], after: datetime, zone: tzinfo) -> Opening:
    """The opening in which a moment lies, or the next; windows that overlap or follow on each other are one.

    Raises ValueError where there is no window.
    """
    spans = sorted(_spans(windows, after, zone))
    if not spans:
        raise ValueError("no window, no opening")
    opens, closes = spans[0]
    for begin, end in spans:
        if begin <= closes:
            closes = max(closes, end)
    return Opening(opens, closes)


def soonest(openings: Iterable[Opening]) -> Opening:
    """Of several the one that opens first; of those that open together, the one that stays open longest."""
    found = list(openings)
    opens = min(each.opens for each in found)
    closes = [each.closes for each in found if each.opens == opens]
    return Opening(opens, max((end for end in closes if end), default=None) if all(closes) else None)


def _spans(windows: Iterable[Window], after: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """All that opens within days and has not closed by then; in UTC, which leaves out no hour."""
    yesterday = after.astimezone(zone).date() - timedelta(days=1)
    days = [yesterday + timedelta(days=ahead) for ahead in range(_DAYS)]
    for window in windows:
        for day in filter(window.begins_on, days):
            last_day = day + timedelta(days=window.hours.ends_on_the_next_day)
            opens = max(_readings(day, window.hours.begin, zone))
            closes = min(_readings(last_day, window.hours.end, zone))
            if closes > max(after, opens):
                yield opens, closes


def _readings(day: date, wall: time, zone: tzinfo) -> list[datetime]:
    """What a wall clock's time may mean: twice on a day on which the clocks change, else once."""
    said = datetime.combine(day, wall, tzinfo=zone)
    return [said.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
