"""Lengths of time as an administrator writes them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import spans


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("1h30m", timedelta(minutes=90)),
        (" 0s ", timedelta()),
    ],
)
def test_a_duration_has_a_unit(text: str, duration: timedelta) -> None:
    """Seconds to weeks, one or several together."""
    assert duration == spans.read_duration(text)


@pytest.mark.parametrize("text", ["15", "15 min", "m", "-5m", "1.5h", "5y", "", "15m later", "9999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match=f"expected a duration such as 90s, 15m, 24h or 2d, found “{text}”"):
        spans.read_duration(text)


@pytest.mark.parametrize("text", ["3661d", "999999999w", "999999999w" * 9])
def test_a_duration_beyond_reason_is_refused(text: str) -> None:
    """So that a time counted from it is always one."""
    with pytest.raises(ValueError, match="is longer than 3660d"):
        spans.read_duration(text)


def test_a_duration_is_no_list() -> None:
    """Nor a mapping: both are told for what they are."""
    with pytest.raises(ValueError, match="expected a text, found a list"):
        spans.read_duration([])
    with pytest.raises(ValueError, match="expected a text, found keys and values"):
        spans.read_duration({})


@pytest.mark.parametrize("text", ["90s", "15m", "90m", "1h", "24h", "2d", "180d", "0s", "25h"])
def test_a_duration_is_said_in_the_largest_unit_that_it_fills(text: str) -> None:
    """As an administrator would write it."""
    assert text == spans.say_duration(spans.read_duration(text))


@given(st.integers(min_value=0, max_value=10**8))
def test_any_duration_reads_back(seconds: int) -> None:
    """What is said is what was read, to the second."""
    duration = timedelta(seconds=seconds)
    assert duration == spans.read_duration(spans.say_duration(duration))


@pytest.mark.parametrize(
    ("text", "day", "before"),
    [
        ("5y", date(2026, 3, 1), date(2021, 3, 1)),
        ("1y", date(2028, 2, 29), date(2027, 2, 28)),
        ("4y", date(2028, 2, 29), date(2024, 2, 29)),
        ("18mo", date(2026, 1, 31), date(2024, 7, 31)),
        ("1mo", date(2026, 3, 31), date(2026, 2, 28)),
        ("2w", date(2026, 1, 5), date(2025, 12, 22)),
        ("30d", date(2026, 3, 1), date(2026, 1, 30)),
        ("9999y", date(2026, 3, 1), date.min),
        ("9999w", date(100, 3, 1), date.min),
    ],
)
def test_an_age_goes_by_the_calendar(text: str, day: date, before: date) -> None:
    """Five years before 1 March is 1 March, whatever leap days lie between."""
    assert before == spans.read_age(text).before(day)


@given(
    st.dates(min_value=date(1900, 1, 1)),
    st.sampled_from(["y", "mo", "w", "d"]),
    st.integers(0, 200),
    st.integers(0, 50),
)
def test_any_older_age_begins_earlier(day: date, unit: str, count: int, more: int) -> None:
    """A longer age never begins later."""
    younger, older = spans.read_age(f"{count}{unit}"), spans.read_age(f"{count + more}{unit}")
    assert older.before(day) <= younger.before(day) <= day


def test_a_month_is_not_a_minute() -> None:
    """The commonest slip has its own hint."""
    with pytest.raises(ValueError, match="found “5m”; a month is mo"):
        spans.read_age("5m")


def test_an_age_has_one_unit() -> None:
    """Years and months together are written in months."""
    with pytest.raises(ValueError, match=r"expected an age such as 5y, 18mo, 2w or 30d, found “1y6mo”$"):
        spans.read_age("1y6mo")


def test_an_age_says_what_was_written() -> None:
    """Eighteen months are not turned into a year and a half."""
    assert "18mo" == str(spans.read_age("18mo"))


@pytest.mark.parametrize("text", ["30m before exam", "24h before exam", "1h30m  before  exam"])
def test_a_deadline_is_before_the_exam(text: str) -> None:
    """Blanks do not matter."""
    assert spans.read_duration(text.partition(" ")[0]) == spans.read_deadline(text).before_exam


@pytest.mark.parametrize("text", ["30m", "before exam", "30m after exam", "when ordered"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    """A deadline needs an exam to stand before."""
    with pytest.raises(ValueError, match=f"expected a time such as “30m before exam”, found “{text}”"):
        spans.read_deadline(text)


def test_a_fetch_may_begin_when_ordered() -> None:
    """Then there is nothing to wait for."""
    assert (None, "when ordered") == (
        spans.read_beginning("when ordered").before_exam,
        str(spans.read_beginning("when ordered")),
    )


def test_a_fetch_may_begin_so_long_before_the_exam() -> None:
    """And says so again as it was written."""
    assert "24h before exam" == str(spans.read_beginning("24h before exam"))


def test_what_is_no_beginning_is_refused() -> None:
    """With both that would be."""
    with pytest.raises(ValueError, match="expected “24h before exam” or “when ordered”, found “now”"):
        spans.read_beginning("now")
