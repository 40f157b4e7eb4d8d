"""Times in a wrong zone are told, with the zone that fits; what is late or old is not taken for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from prefetch.domain import sender_clock

NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HALF_HOUR, MINUTE, SECOND = timedelta(minutes=30), timedelta(minutes=1), timedelta(seconds=1)

HALF_HOURS = st.integers(-30, 30).filter(lambda steps: abs(steps) >= 2)
DELAYS = st.lists(st.integers(0, 90), min_size=5, max_size=20)
"""Seconds that messages were on their way."""


def measures(ahead: timedelta, delays: list[int], *, apart: timedelta = MINUTE) -> list[sender_clock.Measure]:
    """Messages of a sender whose times are so wrong."""
    return [
        sender_clock.Measure(
            received_at=NOW + number * apart, ahead=ahead - timedelta(seconds=delay), has_offset=False
        )
        for number, delay in enumerate(delays)
    ]


@given(HALF_HOURS, DELAYS)
def test_half_hours_are_told(steps: int, delays: list[int]) -> None:
    """Whichever zone it is, and however long messages were on their way."""
    assert steps * HALF_HOUR == sender_clock.find_difference(measures(steps * HALF_HOUR, delays))


@given(st.lists(st.integers(0, 57 * 60), min_size=1, max_size=20))
def test_a_right_clock_is_never_told(delays: list[int]) -> None:
    """Nor are messages that were on their way for most of an hour."""
    assert sender_clock.find_difference(measures(timedelta(), delays)) is None


@given(st.lists(st.integers(3600, 14 * 3600), min_size=5, max_size=20))
def test_a_backlog_is_not_told(ages: list[int]) -> None:
    """What waited in a queue while we were away comes all at once."""
    assert sender_clock.find_difference(measures(timedelta(), ages, apart=SECOND)) is None


@given(HALF_HOURS, st.lists(st.integers(0, 90), max_size=4))
def test_a_few_messages_say_nothing(steps: int, delays: list[int]) -> None:
    """A sender is judged by five at least."""
    assert sender_clock.find_difference(measures(steps * HALF_HOUR, delays)) is None


@given(st.integers(16, 24 * 365), DELAYS)
def test_old_messages_are_not_told(hours: int, delays: list[int]) -> None:
    """No zone explains more than fifteen hours: a replay is old."""
    assert sender_clock.find_difference(measures(-hours * timedelta(hours=1), delays)) is None


@given(st.sampled_from(sender_clock.CITIES), st.sampled_from(sender_clock.CITIES))
def test_the_zone_that_fits_is_named(used: str, true: str) -> None:
    """Times written in one zone and read in another are put right by what is suggested."""
    written = NOW.astimezone(ZoneInfo(true)).replace(tzinfo=None)
    wrong_by = written.replace(tzinfo=ZoneInfo(used)).astimezone(UTC) - NOW
    assume(wrong_by)
    offset, names = sender_clock.fitting_zones(ZoneInfo(used), wrong_by, NOW)
    assert NOW.astimezone(ZoneInfo(true)).utcoffset() == offset
    assert {NOW} == {written.replace(tzinfo=ZoneInfo(name)).astimezone(UTC) for name in names}


def test_the_nearest_zone_is_named_first() -> None:
    """A hospital in Berlin whose RIS writes UTC, or the time of Athens."""
    assert sender_clock.fitting_zones(BERLIN, -2 * HALF_HOUR, NOW)[1][0] == "UTC"
    assert sender_clock.fitting_zones(BERLIN, 2 * HALF_HOUR, NOW)[1][0] == "Europe/Athens"
    assert sender_clock.offset_name(-7 * HALF_HOUR) == "UTC-03:30"


def exams(hours: list[float]) -> list[sender_clock.ExamTime]:
    """Exams that begin so many hours after their order came."""
    return [sender_clock.ExamTime(starts_at=NOW + timedelta(hours=number), heard_at=NOW) for number in hours]


@given(st.lists(st.floats(-0.9, 200), max_size=20))
def test_exams_to_come_are_as_they_should_be(hours: list[float]) -> None:
    """Nor is one told that has begun while its order was written."""
    assert sender_clock.find_lateness(exams(hours)) is None


@given(st.lists(st.floats(-6, -1), min_size=5, max_size=20))
def test_exams_in_the_past_are_told(hours: list[float]) -> None:
    """By as much as would put most of them right."""
    lateness = sender_clock.find_lateness(exams(hours))
    assert lateness is not None
    right = [number for number in hours if timedelta(hours=number) + lateness >= timedelta()]
    assert len(right) >= 0.6 * len(hours)
    assert lateness <= timedelta(hours=6)


def test_some_exams_in_the_past_are_no_trouble() -> None:
    """An emergency is ordered when it is over; most are not."""
    assert sender_clock.find_lateness(exams([-3, -2, -5, -4, -2, 1, 2, 3, 24, 48])) is None
