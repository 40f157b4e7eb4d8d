"""Which narrower questions follow where an archive gives no more than so many answers."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import model
from prefetch.dimse import narrowing
from prefetch.dimse.narrowing import Days

TODAY = date(2026, 3, 2)
_DATES = st.dates(date(1895, 1, 1), TODAY + timedelta(days=366))


def study(uid: str, day: date | None) -> model.Study:
    """A study of a day, or of none."""
    return model.Study(study_instance_uid=uid, archive="main", study_date=day)


@pytest.mark.parametrize(
    ("status", "answers", "limit", "cut"),
    [
        (0xA700, 0, None, True),
        (0xB001, 5, None, True),
        (0x0000, 5, 5, True),
        (0x0000, 4, 5, False),
        (0x0000, 6, 5, True),
        (0x0000, 0, None, False),
        (0x0000, 99, None, False),
        (0x0000, 100, None, True),
        (0x0000, 300, None, True),
        (0x0000, 512, None, True),
        (0x0000, 100, 2000, False),
        (0xC000, 100, None, False),
        (None, 100, None, False),
    ],
)
def test_a_limit_is_known_or_suspected(
    status: int | None, answers: int, limit: int | None, cut: bool
) -> None:
    """Where the archive says so, or gave just as many as it may, or a number that limits are set to."""
    assert cut is narrowing.is_cut(status, answers, limit)


@given(_DATES)
def test_every_day_is_in_one_part(day: date) -> None:
    """From the beginnings of radiology to next year."""
    assert 1 == sum(part.holds(day) for part in narrowing.parts(TODAY))


def test_the_latest_part_comes_first() -> None:
    """And each is longer than the one before, so that there are few."""
    parts = narrowing.parts(TODAY)
    lengths = [part.last - part.first for part in parts[1:-1]]
    assert (sorted(lengths), True) == (lengths, len(parts) <= 8)
    assert parts[0].holds(TODAY)


@given(st.builds(lambda one, two: Days(min(one, two), max(one, two)), _DATES, _DATES), _DATES)
def test_halves_are_the_whole(days: Days, day: date) -> None:
    """No day is lost and none is asked for twice; a single day has no halves."""
    halves = days.halves()
    assert (len(halves) == 0) is (days.first == days.last)
    if halves:
        assert days.holds(day) is (sum(half.holds(day) for half in halves) == 1)


def test_both_ends_are_sent() -> None:
    """Some archives refuse an open range."""
    assert "20250102-20260102" == str(Days(date(2025, 1, 2), date(2026, 1, 2)))


def test_an_archive_that_does_not_heed_dates_is_found_out() -> None:
    """By an answer of another day; one without a date says nothing."""
    days = Days(date(2025, 1, 1), date(2025, 12, 31))
    assert narrowing.are_within(days, [study("1", date(2025, 5, 5)), study("2", None)])
    assert not narrowing.are_within(days, [study("3", date(2024, 12, 31))])


def test_an_archive_that_finds_nothing_by_date_is_found_out() -> None:
    """What it told at first, with a date, must come again."""
    first = [study("1", date(2025, 5, 5)), study("2", None)]
    assert narrowing.are_among(first, [study("1", date(2025, 5, 5))])
    assert not narrowing.are_among(first, [study("2", None)])
