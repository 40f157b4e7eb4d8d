"""One study in several archives."""

from __future__ import annotations

from datetime import date

import pytest

from prefetch.planning.holdings import hold
from tests.choosing import study


@pytest.mark.parametrize(
    ("main", "offsite", "first"),
    [
        (100, 100, "main"),
        (100, 60, "main"),
        (60, 100, "offsite"),
        (None, 100, "main"),
        (100, None, "main"),
        (None, None, "main"),
    ],
)
def test_preference_decides_unless_instances_are_missing(
    main: int | None, offsite: int | None, first: str
) -> None:
    """An archive that holds less than another comes after it; one that does not say how much does not."""
    answers = {
        "offsite": [study("1", archive="offsite", instances=offsite)],
        "main": [study("1", instances=main)],
    }
    held = hold(answers, ["main", "offsite"])
    assert [(first, {"main": main, "offsite": offsite}[first])] == [
        (one.archives[0], one.study.instances) for one in held
    ]


def test_what_one_archive_leaves_out_another_tells() -> None:
    """Description, modalities and date; never a count, which is its own."""
    poor = study("1", None, description=None, modalities=(), instances=None, accession_number="A7")
    rich = study("1", "2024-05-06", archive="offsite", study_time="0830", series=4)
    held = hold({"main": [poor], "offsite": [rich]}, ["main", "offsite"])[0].study
    assert ("main", "CT chest", ("CT",), date(2024, 5, 6), "0830", "A7", None, None) == (
        held.archive,
        held.description,
        held.modalities,
        held.study_date,
        held.study_time,
        held.accession_number,
        held.instances,
        held.series,
    )


def test_the_newest_comes_first() -> None:
    """By date and time; without a date last; between equals the UID decides, so that every run is alike."""
    answers = [
        study("3", "2025-01-01", study_time="0900"),
        study("5", None),
        study("4", "2025-01-01", study_time="10:00:00"),
        study("1", "2026-01-01"),
        study("2", "2026-01-01"),
    ]
    for given in (answers, answers[::-1]):
        assert ["2", "1", "4", "3", "5"] == [one.uid for one in hold({"main": given}, ["main"])]


def test_an_archive_that_is_not_asked_holds_nothing() -> None:
    """Whatever it answered to another rule."""
    assert hold({"main": [study("1")]}, ["offsite"]) == []
