"""What is not moved: in observe mode nothing, what is there already, and the exam's own study."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests import peers
from tests.e2e.hospital import RULES, Hospital, holds_exactly
from tests.e2e.witnesses import VERBOSE, moves_asked

pytestmark = pytest.mark.peers


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Orthanc:
    """Can be asked what it holds."""
    return hospital.workstation(peers.Orthanc)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "observe"},
        {"archives": {"main": {"mode": "observe"}}},
        {"rules": RULES.replace("- name: ct", "- name: ct\n    mode: observe")},
    ],
    ids=["the daemon", "an archive", "a rule"],
)
def test_observe_mode_moves_nothing(
    hospital: Hospital, workstation: peers.Orthanc, settings: dict[str, Any]
) -> None:
    """All is decided and shown as it would be, and no archive is asked to move anything."""
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive)
    hospital.open(**settings)
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="observed")
    decided = hospital.decision("A1", prior)
    assert (decided["decision"], decided["destination"]) == ("observed", "read1")
    assert [reason["rule"] for reason in decided["reasons"]] == ["ct"]
    assert "would move" in hospital.run("explain", "A1")
    time.sleep(1)
    assert moves_asked(archive) == []
    assert holds_exactly(workstation)


def test_prior_that_is_there_is_not_moved_again(hospital: Hospital, workstation: peers.Orthanc) -> None:
    """A complete copy at the workstation is enough; the exam is ready without a move."""
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, workstation)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert hospital.decision("A1", prior)["decision"] == "present"
    assert hospital.retrieve("A1", prior)["verified_by"] == "query"
    assert hospital.said("move_finished") == []


@pytest.mark.parametrize("workstation_class", [peers.Orthanc, peers.Storescp])
def test_prior_that_came_for_another_exam_is_not_moved_again(
    hospital: Hospital, workstation_class: type[peers.Server]
) -> None:
    """What was verified there once is there for the next exam, though the archive gives no counts."""
    reading = hospital.workstation(workstation_class, "READ2")
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive)
    hospital.open()
    for order in ("A1", "A2"):
        hospital.book(hospital.exam(order))
        hospital.await_ready(order)
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(reading, prior)


def test_partial_copy_is_completed(hospital: Hospital, workstation: peers.Orthanc) -> None:
    """A workstation that has one of three instances gets the study."""
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, instances=3)
    hospital.study(workstation, instances=3, first=1)
    assert list(workstation.studies().values()) == [1]
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert hospital.decision("A1", prior)["decision"] == "taken"
    assert holds_exactly(workstation, prior)


@pytest.mark.parametrize("known_by", ["study_instance_uid", "accession_number"])
def test_the_exam_itself_is_never_fetched(
    hospital: Hospital, workstation: peers.Orthanc, known_by: str
) -> None:
    """Images of the exam that are in the archive already are not a prior of it."""
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive, study_date="20230105")
    own = hospital.study(archive, study_date="20240105", accession_number="A1")
    hospital.open()
    told = {"study_instance_uid": own.study_instance_uid} if known_by == "study_instance_uid" else {}
    hospital.book(hospital.exam("A1", **told))
    hospital.await_ready("A1")
    decided = hospital.decision("A1", own)
    assert decided["decision"] == "left"
    assert "exam" in decided["reasons"][0]["because"]
    assert holds_exactly(workstation, prior)
