"""What was fetched for an exam a short while ago rests, and what keeps it from resting."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefetch.model import Choice, Order, Part, Retrieve, RetrieveState, Series
from prefetch.planning.cooling import cooling
from tests.choosing import NOW, order, study
from tests.unit.test_select import choose

HOUR = timedelta(hours=1)
CAME = NOW - 24 * HOUR
TARGET = ("1", "room-1")


def exam(**said: Any) -> Order:
    """An order that came yesterday."""
    return order(created_at=CAME, **said)


def choice(directory: Path, said: str = "cool_down: 12h", *more: str, instances: int | None = 100) -> Choice:
    """A study that a rule wants."""
    rules = [f"{{name: a, {said}, priors: [{{newest: 1}}]}}", *more]
    (found,) = choose(directory, [study("1", instances=instances)], *rules).choices
    return found


def fetched(at: datetime = NOW - 3 * HOUR, **said: Any) -> Retrieve:
    """What was moved for it, and verified."""
    usual: dict[str, Any] = {
        "id": 1,
        "state": RetrieveState.VERIFIED,
        "study_instance_uid": "1",
        "archive": "main",
        "archives": ("main",),
        "destination": "room-1",
        "patient_id": "4711",
        "start_at": at,
        "deadline": at,
        "expire_at": at,
        "expected_instances": 100,
        "created_at": at,
        "moved_at": at,
        "verified_at": at,
    }
    return Retrieve(**(usual | said))


def test_what_was_fetched_rests_for_a_while(tmp_path: Path) -> None:
    """And says since when, and how long."""
    wanted = choice(tmp_path)
    assert {TARGET: "fetched 3h ago, and the cool-down is 12h"} == cooling(
        exam(), [wanted], [fetched()], now=NOW
    )
    assert {} == cooling(exam(), [wanted], [fetched()], now=NOW + 9 * HOUR)
    just = cooling(exam(), [wanted], [fetched(NOW)], now=NOW)
    assert {TARGET: "fetched 1m ago, and the cool-down is 12h"} == just


@pytest.mark.parametrize(
    "state",
    [RetrieveState.MOVED, RetrieveState.PARTIAL, RetrieveState.FAILED, RetrieveState.CANCELLED],
)
def test_suppression_is_recorded_only_after_success(tmp_path: Path, state: RetrieveState) -> None:
    """What failed, or is not verified yet, keeps nothing from being fetched."""
    assert {} == cooling(exam(), [choice(tmp_path)], [fetched(state=state)], now=NOW)


@pytest.mark.parametrize("moved_at", [CAME - HOUR, None])
def test_two_orders_of_one_patient_are_two_exams(tmp_path: Path, moved_at: datetime | None) -> None:
    """What was fetched before this order came, or only found at the workstation, is not its own fetch."""
    assert {} == cooling(exam(), [choice(tmp_path)], [fetched(moved_at=moved_at)], now=NOW)


@pytest.mark.parametrize(
    "before",
    [
        {"destination": "room-2"},
        {"study_instance_uid": "2"},
        {"expected_instances": 99},
        {"series": (Part("1.1", 5),)},
    ],
)
def test_what_is_more_than_was_fetched_is_fetched(tmp_path: Path, before: dict[str, Any]) -> None:
    """Another workstation, another study, images that have come since, or the whole instead of a part."""
    assert {} == cooling(exam(), [choice(tmp_path)], [fetched(**before)], now=NOW)


def test_a_part_of_what_was_fetched_rests_too(tmp_path: Path) -> None:
    """Of the series, only those that were not moved then, or have grown, are more."""
    one = Series(series_instance_uid="1.1", instances=5)
    part = replace(choice(tmp_path), series=(one,))
    assert TARGET in cooling(exam(), [part], [fetched()], now=NOW)
    grown = fetched(series=(Part("1.1", 4),), expected_instances=4)
    assert {} == cooling(exam(), [part], [grown], now=NOW)


def test_an_archive_that_gives_no_count_has_no_more(tmp_path: Path) -> None:
    """A missing count is not more than what was fetched."""
    assert TARGET in cooling(exam(), [choice(tmp_path, instances=None)], [fetched()], now=NOW)


def test_what_is_fetched_by_hand_rests_never(tmp_path: Path) -> None:
    """A person knows that it is gone."""
    assert {} == cooling(exam(fetch_now=True), [choice(tmp_path)], [fetched()], now=NOW)


@pytest.mark.parametrize(
    ("other", "cool_down"),
    [
        ("{name: b, priors: [{newest: 1}]}", None),
        ("{name: b, cool_down: 2h, priors: [{newest: 1}]}", 2 * HOUR),
        ("{name: b, mode: observe, priors: [{newest: 1}]}", 12 * HOUR),
    ],
)
def test_of_several_rules_the_shortest_cool_down_counts(
    tmp_path: Path, other: str, cool_down: timedelta | None
) -> None:
    """One that has none wants the study there whenever it is missing."""
    assert cool_down == choice(tmp_path, "cool_down: 12h", other).cool_down
