"""When windows open and close, by the site's clock, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import hours, openings
from prefetch.openings import Opening

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text: str) -> datetime:
    """A moment by the clock of Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def first(after: str, *windows: str) -> tuple[str, str]:
    """The first opening, by the clock of Berlin."""
    found = openings.first_opening(map(hours.read_window, windows), berlin(after), BERLIN)
    assert found.closes is not None
    opens, closes = (moment.astimezone(BERLIN) for moment in (found.opens, found.closes))
    return f"{opens:%a %H:%M%z}", f"{closes:%a %H:%M%z}"


@pytest.mark.parametrize(
    ("after", "windows", "opening"),
    [
        # 2026-03-02 is a Monday.
        ("2026-03-02 10:00", ["20:00-06:00"], ("Mon 20:00+0100", "Tue 06:00+0100")),
        ("2026-03-02 20:00", ["20:00-06:00"], ("Mon 20:00+0100", "Tue 06:00+0100")),
        ("2026-03-02 05:59", ["20:00-06:00"], ("Sun 20:00+0100", "Mon 06:00+0100")),
        ("2026-03-02 06:00", ["20:00-06:00"], ("Mon 20:00+0100", "Tue 06:00+0100")),
        ("2026-03-02 10:00", ["12:00-13:00", "20:00-24:00"], ("Mon 12:00+0100", "Mon 13:00+0100")),
        ("2026-03-02 13:00", ["12:00-13:00", "20:00-24:00"], ("Mon 20:00+0100", "Tue 00:00+0100")),
        ("2026-03-02 10:00", ["sat-sun 08:00-18:00"], ("Sat 08:00+0100", "Sat 18:00+0100")),
        ("2026-03-07 02:00", ["fri 20:00-06:00"], ("Fri 20:00+0100", "Sat 06:00+0100")),
        ("2026-03-08 02:00", ["fri 20:00-06:00"], ("Fri 20:00+0100", "Sat 06:00+0100")),
        # What overlaps or follows on is one: from Friday evening to Monday morning.
        (
            "2026-03-06 23:00",
            ["mon-fri 20:00-06:00", "sat-sun 00:00-24:00", "mon 00:00-06:00"],
            ("Fri 20:00+0100", "Mon 06:00+0100"),
        ),
        # The clocks go forward in the night to 2026-03-29, from 02:00 to 03:00.
        ("2026-03-28 21:00", ["20:00-06:00"], ("Sat 20:00+0100", "Sun 06:00+0200")),
        ("2026-03-28 21:00", ["20:00-02:30"], ("Sat 20:00+0100", "Sun 01:30+0100")),
        ("2026-03-28 21:00", ["02:30-05:00"], ("Sun 03:30+0200", "Sun 05:00+0200")),
        ("2026-03-28 21:00", ["02:00-03:00"], ("Mon 02:00+0200", "Mon 03:00+0200")),
        # They go back in the night to 2026-10-25, from 03:00 to 02:00.
        ("2026-10-24 21:00", ["20:00-06:00"], ("Sat 20:00+0200", "Sun 06:00+0100")),
        ("2026-10-24 21:00", ["20:00-02:30"], ("Sat 20:00+0200", "Sun 02:30+0200")),
        ("2026-10-24 21:00", ["02:30-05:00"], ("Sun 02:30+0100", "Sun 05:00+0100")),
    ],
)
def test_the_opening_in_which_a_moment_lies_or_the_next(
    after: str, windows: list[str], opening: tuple[str, str]
) -> None:
    """Over midnight, on some days only, several as one, and never outside its hours."""
    assert opening == first(after, *windows)


def test_a_window_that_the_clocks_leave_out_opens_on_the_next_such_day() -> None:
    """A week later, where it is of one day."""
    assert ("Sun 02:00+0200", "Sun 03:00+0200") == first("2026-03-28 21:00", "sun 02:00-03:00")
    found = openings.first_opening([hours.read_window("sun 02:15-02:45")], berlin("2026-03-29 00:30"), BERLIN)
    assert berlin("2026-04-05 02:15") == found.opens


def test_without_windows_nothing_opens() -> None:
    """Who has none does not ask."""
    with pytest.raises(ValueError, match="no window"):
        openings.first_opening([], berlin("2026-03-28 21:00"), BERLIN)


@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),  # noqa: DTZ001 (in UTC)
    st.integers(0, 23),
    st.integers(1, 23),
)
def test_any_moment_of_an_opening_is_in_its_hours(moment: datetime, begin: int, length: int) -> None:
    """Whatever the clocks do in that night."""
    window = hours.read_window(f"{begin:02}:00-{(begin + length) % 24:02}:00")
    found = openings.first_opening([window], moment.replace(tzinfo=UTC), BERLIN)
    assert found.closes is not None
    at = found.opens
    while at < found.closes:
        assert window.hours.covers(at.astimezone(BERLIN).time())
        at += timedelta(minutes=30)


def test_of_several_the_one_that_opens_first_counts() -> None:
    """And of those that open together the one that stays open."""
    two, three, four = (berlin(f"2026-03-02 {hour}:00") for hour in ("12", "13", "14"))
    assert Opening(two, three) == openings.soonest([Opening(three), Opening(two, three)])
    assert Opening(two, four) == openings.soonest([Opening(two, three), Opening(two, four)])
    assert Opening(two) == openings.soonest([Opening(two, three), Opening(two)])
