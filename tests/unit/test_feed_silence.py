"""A feed is told when its silence is unusual for the hour and the weekday, and never else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from prefetch.domain import feed_silence

ZONE = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
TUESDAY = datetime(2026, 3, 10, 10, 0, tzinfo=ZONE)
"""At ten in the morning."""

WEEKS = st.integers(1, 8)


def is_at_work(moment: datetime) -> bool:
    """Working hours of all days but Sunday."""
    local = moment.astimezone(ZONE)
    return local.weekday() != 6 and 7 <= local.hour < 18


def working_days(begin: datetime, end: datetime, *, every: timedelta = MINUTE) -> list[datetime]:
    """When messages come that come so often, at work."""
    count = int((end - begin) / every)
    return [time for time in (begin + number * every for number in range(count)) if is_at_work(time)]


def history(times: Iterable[datetime]) -> feed_silence.FeedHistory:
    """The past of a feed whose messages came then."""
    ordered = sorted(times)
    return feed_silence.FeedHistory(
        source="ris",
        known_since=ordered[0],
        last_message_at=ordered[-1],
        busy_minutes=feed_silence.count_busy_minutes(ordered),
    )


def is_silent(past: feed_silence.FeedHistory, now: datetime, **more: Any) -> bool:
    """Judge a feed to which somebody has always listened."""
    facts: dict[str, Any] = {"zone": ZONE, "listening_since": past.known_since} | more
    return feed_silence.is_silent(past, now=now, **facts)


@given(WEEKS)
def test_a_busy_feed_is_told_after_a_quarter_of_an_hour(weeks: int) -> None:
    """It sends 60 an hour on Tuesdays at ten."""
    past = history(working_days(TUESDAY - weeks * WEEK - DAY, TUESDAY))
    assert not is_silent(past, TUESDAY + 8 * MINUTE)
    assert is_silent(past, TUESDAY + 15 * MINUTE)


@given(WEEKS, st.integers(0, 7 * 24 * 60))
def test_nights_and_sundays_are_as_usual(weeks: int, minutes: int) -> None:
    """A feed that sends at work only is never told while it does as every week."""
    now = TUESDAY + minutes * MINUTE
    past = history(working_days(TUESDAY - weeks * WEEK - DAY, now))
    assert not is_silent(past, now)


@given(
    st.lists(st.integers(0, 7 * 24 * 60 - 1), min_size=1, max_size=200),
    st.integers(0, 7 * 24 * 60 - 1),
)
def test_the_first_week_tells_nothing(minutes: list[int], later: int) -> None:
    """Whatever came, nobody knows what is usual."""
    times = [TUESDAY + minute * MINUTE for minute in minutes]
    now = min(times) + later * MINUTE
    heard = [time for time in times if time <= now]
    assert not is_silent(history(heard), now)


def test_a_fallback_tells_in_the_first_week() -> None:
    """Where the site has configured one."""
    past = history([TUESDAY])
    assert not is_silent(past, TUESDAY + 3 * HOUR, fallback=4 * HOUR)
    assert is_silent(past, TUESDAY + 4 * HOUR, fallback=4 * HOUR)


@given(WEEKS, st.integers(15, 60 * 24 * 60))
def test_a_holiday_is_told_once(weeks: int, minutes: int) -> None:
    """It lasts until the next message, however long that takes."""
    past = history(working_days(TUESDAY - weeks * WEEK - DAY, TUESDAY))
    assert is_silent(past, TUESDAY + minutes * MINUTE)


def test_a_message_ends_it() -> None:
    """What was told before is over when the feed sends again."""
    times = working_days(TUESDAY - 2 * WEEK, TUESDAY)
    told = {"told_at": times[-1]}
    assert is_silent(history(times), TUESDAY + HOUR, **told)
    assert not is_silent(history([*times, TUESDAY + HOUR]), TUESDAY + HOUR + MINUTE, **told)


def test_a_holiday_does_not_make_the_next_week_deaf() -> None:
    """One week of several without messages is no usual one."""
    times = working_days(TUESDAY - 4 * WEEK - DAY, TUESDAY)
    holiday = (TUESDAY - WEEK).date()
    past = history(time for time in times if time.astimezone(ZONE).date() != holiday)
    assert is_silent(past, TUESDAY + 15 * MINUTE)


def test_nobody_hears_while_no_daemon_listens() -> None:
    """A silence begins when somebody listens, and goes on over a restart once it was told."""
    past = history(working_days(TUESDAY - 2 * WEEK, TUESDAY))
    now = TUESDAY + 2 * HOUR
    assert not is_silent(past, now, listening_since=None)
    assert not is_silent(past, now, listening_since=now - 5 * MINUTE)
    told = {"told_at": past.last_message_at}
    assert is_silent(past, now, listening_since=now - 5 * MINUTE, **told)


def test_summer_time_moves_with_the_clocks() -> None:
    """The hour is that of the site's clocks: at six of the new time nobody works."""
    begin = datetime(2026, 3, 9, 7, tzinfo=ZONE)
    last = datetime(2026, 3, 28, 17, 59, tzinfo=ZONE)
    past = history(working_days(begin, last + MINUTE))
    monday = datetime(2026, 3, 30, tzinfo=ZONE)  # clocks went forward on Sunday
    assert not is_silent(past, monday + 7 * HOUR)
    assert is_silent(past, monday + 7 * HOUR + 15 * MINUTE)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60), st.data())
def test_counting_in_batches_counts_the_same(seconds: list[int], data: st.DataObject) -> None:
    """Wherever the batches are cut, a minute counts once."""
    times = sorted(TUESDAY + timedelta(seconds=second) for second in seconds)
    cut = data.draw(st.integers(1, len(times)))
    first = feed_silence.count_busy_minutes(times[:cut])
    second = feed_silence.count_busy_minutes(times[cut:], after=times[cut - 1])
    together = {hour: first.get(hour, 0) + second.get(hour, 0) for hour in first | second}
    assert feed_silence.count_busy_minutes(times) == together
