"""Times of the day and days of the week as an administrator writes them."""

from __future__ import annotations

from datetime import time

import pytest

from prefetch import hours
from prefetch.hours import Weekday


@pytest.mark.parametrize(
    ("said", "inside", "outside"),
    [
        ("07:00-17:00", ["07:00", "16:59"], ["06:59", "17:00", "00:00"]),
        ("22:00 - 06:00", ["22:00", "00:00", "05:59"], ["06:00", "21:59"]),
        ("18:00-24:00", ["18:00", "23:59"], ["00:00", "17:59"]),
        ("18:00-00:00", ["23:59"], ["00:00"]),
        ("00:00-24:00", ["00:00", "23:59"], []),
    ],
)
def test_hours_cover_a_span_of_the_day(said: str, inside: list[str], outside: list[str]) -> None:
    """Its end is no more in it, and it may go over midnight."""
    span = hours.read_hours(said)
    assert all(span.covers(time.fromisoformat(moment)) for moment in inside)
    assert not any(span.covers(time.fromisoformat(moment)) for moment in outside)


@pytest.mark.parametrize(
    ("said", "written"), [("22:00 - 06:00", "22:00-06:00"), ("18:00-00:00", "18:00-24:00")]
)
def test_hours_are_written_as_they_are_read(said: str, written: str) -> None:
    """For reasons and the manual."""
    assert written == str(hours.read_hours(said))


@pytest.mark.parametrize("said", ["7-17", "25:00-26:00", "07:00", "07:00-07:00", ""])
def test_what_are_no_hours_is_refused(said: str) -> None:
    """With an example."""
    with pytest.raises(ValueError, match=r"07:00-17:00|00:00-24:00"):
        hours.read_hours(said)
    with pytest.raises(ValueError, match="found a list"):
        hours.read_hours([said])


@pytest.mark.parametrize(
    ("said", "days"),
    [("mon-fri", "01234"), ("Sat", "5"), ("sat - mon", "056"), ("sun-sun", "6")],
)
def test_days_of_the_week(said: str, days: str) -> None:
    """One, several, or over the weekend."""
    covered = [str(day.value) for day in Weekday if hours.read_days(said).covers(day)]
    assert days == "".join(covered)


def test_what_are_no_days_is_refused() -> None:
    """With what was meant."""
    with pytest.raises(ValueError, match="did you mean fri"):
        hours.read_days("friday")
    assert "mon-fri" == str(hours.read_days("mon-fri"))
    assert "sat" == str(hours.read_days("sat"))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("20:00 - 06:00", "20:00-06:00"),
        ("Sat - Sun  00:00-24:00", "sat-sun 00:00-24:00"),
        ("mon 8:00-9:00", None),
    ],
)
def test_windows_are_hours_of_some_days(said: str, written: str | None) -> None:
    """Or of all of them."""
    if written:
        assert written == str(hours.read_window(said))
    else:
        with pytest.raises(ValueError, match="expected hours such as “07:00-17:00”, found “8:00-9:00”"):
            hours.read_window(said)


@pytest.mark.parametrize("said", ["nights", "sat", "20:00", "fri,sat 10:00-11:00", "moon 10:00-11:00"])
def test_what_is_no_window_is_refused(said: str) -> None:
    """With an example, or what was meant."""
    with pytest.raises(ValueError, match=r"20:00-06:00|did you mean mon|such as mon"):
        hours.read_window(said)
