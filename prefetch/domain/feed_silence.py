"""PURE: whether a feed has been silent for longer than is usual at this hour of this weekday.

A feed's past is kept hour by hour: in how many minutes of the hour something came. A burst of messages
about one exam counts once that way. A silence is judged by the same hours of the weeks before: where at
least `ENOUGH` minutes with messages would have passed by now in a usual week, the feed is silent. Nights and
Sundays without messages add nothing; a week that was a holiday is left out once there are three to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

WEEKS = 8
"""Weeks that are remembered, and compared with."""

ENOUGH, ENOUGH_AT_FIRST = 8, 12
"""Minutes with messages that a usual week would have had by now; more while only one week is known."""

SHORTEST = timedelta(minutes=10)
"""No shorter silence is told, however busy a feed is."""

_HOUR, _WEEK = timedelta(hours=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHistory:
    """The past of a feed."""

    source: str
    """The listener, by the site's name for it."""
    known_since: datetime
    """When its first message was counted."""
    last_message_at: datetime
    busy_minutes: Mapping[datetime, int]
    """Beginning of an hour in UTC → minutes of it in which something came; hours without any are left out."""


def is_silent(
    history: FeedHistory,
    *,
    now: datetime,
    zone: tzinfo,
    listening_since: datetime | None,
    told_at: datetime | None = None,
    fallback: timedelta | None = None,
) -> bool:
    """Judge whether a feed has been silent for longer than is usual.

    `listening_since` is when a daemon began to listen, None where none does: nobody can hear what is sent to
    none. `told_at` is when this silence was told: it goes on until the feed sends again. `fallback` judges a
    feed of which no week is known.
    """
    if told_at is not None and told_at >= history.last_message_at:
        return True
    if listening_since is None:
        return False
    begin = max(history.last_message_at, listening_since)
    if now - begin < SHORTEST:
        return False
    # What a silence of more than a week is compared with would be itself.
    weeks = _expected(history, begin, min(now, begin + _WEEK), zone)
    if not weeks:
        return fallback is not None and now - begin >= fallback
    usual = sorted(weeks)[len(weeks) // 3]
    return usual >= (ENOUGH_AT_FIRST if len(weeks) == 1 else ENOUGH)


def count_busy_minutes(times: Sequence[datetime], *, after: datetime | None = None) -> dict[datetime, int]:
    """Count in how many minutes of each hour messages came; `after` is when the one before them came."""
    minutes = {_minute_of(time) for time in times} - ({_minute_of(after)} if after else set())
    return dict(Counter(hour_of(minute) for minute in minutes))


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def hour_of(moment: datetime) -> datetime:
    """Give the beginning of the hour in UTC under which a message is counted."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _expected(history: FeedHistory, begin: datetime, end: datetime, zone: tzinfo) -> list[float]:
    """Give for each known week the minutes with messages that it had in the same time."""
    return [
        _busy_minutes(history, _weeks_before(begin, weeks, zone), _weeks_before(end, weeks, zone))
        for weeks in range(1, WEEKS + 1)
        if history.known_since <= _weeks_before(begin, weeks, zone)
    ]


def _weeks_before(moment: datetime, weeks: int, zone: tzinfo) -> datetime:
    """Give the same time of the site's clocks some weeks earlier, whatever summer time did between."""
    return (moment.astimezone(zone) - weeks * _WEEK).astimezone(UTC)


def _busy_minutes(history: FeedHistory, begin: datetime, end: datetime) -> float:
    total, hour = 0.0, hour_of(begin)
    while hour < end:
        share = (min(end, hour + _HOUR) - max(begin, hour)) / _HOUR
        total += share * history.busy_minutes.get(hour, 0)
        hour += _HOUR
    return total
