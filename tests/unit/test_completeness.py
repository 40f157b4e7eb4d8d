"""Whether a study is complete at its destination, and on whose word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from prefetch.model import Outcome, Part, Retrieve, RetrieveState, Study, VerifiedBy
from prefetch.retrieval import completeness

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def retrieve(**telling: Any) -> Retrieve:
    """A moved study of which the archive holds four instances."""
    usual: dict[str, Any] = {
        "id": 1,
        "state": RetrieveState.MOVED,
        "study_instance_uid": "1.2.3",
        "archive": "main",
        "archives": ("main",),
        "destination": "room-1",
        "patient_id": "4711",
        "start_at": NOW,
        "deadline": NOW,
        "expire_at": NOW,
        "created_at": NOW,
        "expected_instances": 4,
        "last_outcome": Outcome.SUCCESS,
    }
    return Retrieve(**(usual | telling))


def held(instances: int | None) -> Study:
    """The destination's answer."""
    return Study(study_instance_uid="1.2.3", archive="room-1", instances=instances)


@pytest.mark.parametrize(("instances", "complete"), [(4, True), (5, True), (3, False), (0, False)])
def test_the_destination_s_count_decides(instances: int, complete: bool) -> None:
    """Complete means at least as many as the archive holds."""
    verdict = completeness.by_query(retrieve(), answered=held(instances))
    assert (complete, instances, VerifiedBy.QUERY) == (verdict.complete, verdict.arrived, verdict.verified_by)


def test_a_study_that_is_not_there_is_not_complete() -> None:
    """No answer is a clear no, with nothing arrived."""
    verdict = completeness.by_query(retrieve(), answered=None)
    assert (False, 0) == (verdict.complete, verdict.arrived)


def test_a_missing_count_is_not_zero() -> None:
    """A destination that gives no count says neither yes nor no, until the instances are counted."""
    assert completeness.by_query(retrieve(), answered=held(None)).complete is None
    assert completeness.by_query(retrieve(), answered=held(None), counted=4).complete is True
    assert completeness.by_query(retrieve(), answered=held(None), counted=3).complete is False


def test_where_the_archive_gave_no_count_what_it_sent_must_be_there() -> None:
    """The sub-operations that it counted stand in for its count."""
    sent = retrieve(expected_instances=None, completed=3, warning=1)
    assert completeness.by_query(sent, answered=held(3)).complete is False
    assert completeness.by_query(sent, answered=held(4)).complete is True


def test_what_the_archive_failed_to_send_is_missing() -> None:
    """One instance sent and two that failed are three: the one that is there is not all."""
    failed = retrieve(expected_instances=None, completed=1, failed=2, last_outcome=Outcome.PARTIAL)
    assert completeness.by_query(failed, answered=held(1)).complete is False
    assert completeness.by_query(failed, answered=held(3)).complete is True


def test_where_the_archive_said_nothing_at_all_nothing_is_complete() -> None:
    """Neither counts nor sub-operations: some instances are there, and it is moved again for its counts."""
    silent = retrieve(expected_instances=None)
    verdict = completeness.by_query(silent, answered=held(4))
    assert (False, 4) == (verdict.complete, verdict.arrived)


@pytest.mark.parametrize(
    ("counts", "complete"),
    [
        ({"completed": 4}, True),
        ({"completed": 3, "warning": 1}, True),
        ({"completed": 3}, False),
        ({"completed": 4, "failed": 1}, False),
        ({}, False),
        ({"completed": 4, "last_outcome": Outcome.UNKNOWN}, False),
        ({"completed": 2, "expected_instances": None}, True),
        ({"completed": 0, "expected_instances": None}, False),
    ],
)
def test_counters_stand_in_where_the_destination_cannot_be_asked(
    counts: dict[str, Any], complete: bool
) -> None:
    """All that the archive holds was counted as sent, and nothing as failed; the prior says so."""
    verdict = completeness.by_counters(retrieve(**counts))
    assert (complete, VerifiedBy.COUNTERS) == (verdict.complete, verdict.verified_by)


@pytest.mark.parametrize(
    ("held", "complete", "because", "arrived"),
    [
        ({"a": 2, "b": 3, "c": 9}, True, "2 of 2 series are there, 5 instances", 5),
        ({"a": 2, "b": 2}, False, "1 of 2 series are there, 4 instances", 4),
        ({"b": 7}, False, "1 of 2 series are there, 7 instances", 7),
        ({"a": 2, "b": None}, False, "1 of 2 series are there, 2 instances", 2),
        (None, None, "the destination has the study but does not say which series", None),
    ],
)
def test_of_a_part_each_series_must_be_there(
    held: dict[str, int | None] | None, complete: bool | None, because: str, arrived: int | None
) -> None:
    """One that has too many does not make up for another."""
    found = completeness.by_parts((Part("a", 2), Part("b", 3)), held)
    assert (complete, because, arrived) == (found.complete, found.because, found.arrived)


def test_a_series_whose_number_the_archive_does_not_say_is_never_complete() -> None:
    """Unknown is not zero."""
    assert completeness.by_parts((Part("a", None),), {"a": 7}).complete is False


def test_instances_are_told_as_such() -> None:
    """Of a series of which some are wanted those were counted, and no others."""
    wanted = (Part("a", 2, ("a.1", "a.2")), Part("b", 3))
    found = completeness.by_parts(wanted, {"a": 1, "b": 3})
    assert (False, "4 of the 5 instances that are wanted are there") == (found.complete, found.because)
