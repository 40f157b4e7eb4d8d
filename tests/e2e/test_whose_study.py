"""Nothing moves on a name: a study that may be another patient's waits for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefetch.sandbox.messages import Change
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, Hospital, deadline, holds_exactly, soon
from tests.studies import WrittenStudy

pytestmark = pytest.mark.peers

NAMESAKE = replace(ANNA, birth_date="19500505")
"""Has the same ID and name, and was born twenty years before."""


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Orthanc:
    """Where the radiologist reads."""
    return hospital.workstation(peers.Orthanc)


@pytest.fixture(params=[peers.Orthanc, peers.Dcmqrscp])
def archive(hospital: Hospital, workstation: peers.Orthanc, request: pytest.FixtureRequest) -> peers.Server:
    """Of either kind."""
    make: type[peers.Server] = request.param
    return hospital.archive(make, knows=[workstation])


@pytest.fixture
def own(hospital: Hospital, archive: peers.Server) -> WrittenStudy:
    """The patient's own study."""
    return hospital.study(archive, study_date="20240105")


@pytest.fixture
def doubtful(hospital: Hospital, archive: peers.Server) -> WrittenStudy:
    """One with another birth date."""
    return hospital.study(archive, study_date="20230105", patient=NAMESAKE)


@pytest.fixture
def in_quarantine(hospital: Hospital, own: WrittenStudy, doubtful: WrittenStudy) -> str:
    """The number of the doubtful study's retrieve, once the exam has all else."""
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="quarantined", verified=1)
    (row,) = hospital.rows("quarantine")
    assert row["study_instance_uid"] == doubtful.study_instance_uid
    assert "birth date differs" in row["problem"]
    assert own.study_instance_uid != doubtful.study_instance_uid
    return str(row["retrieve"])


def test_conflict_of_birth_date_is_not_moved(
    in_quarantine: str, workstation: peers.Orthanc, own: WrittenStudy
) -> None:
    """What is surely the patient's arrives; what conflicts stays where it is, shown with the reason."""
    assert in_quarantine
    assert holds_exactly(workstation, own)


def test_released_study_moves(
    hospital: Hospital,
    in_quarantine: str,
    workstation: peers.Orthanc,
    own: WrittenStudy,
    doubtful: WrittenStudy,
) -> None:
    """Once a person says that it is the patient's, it comes, and the exam is ready."""
    hospital.run("release", in_quarantine, "--by", "a.radiographer")
    hospital.await_ready("A1")
    assert holds_exactly(workstation, own, doubtful)
    assert hospital.rows("quarantine") == []


def test_refused_study_never_moves(
    hospital: Hospital,
    in_quarantine: str,
    workstation: peers.Orthanc,
    own: WrittenStudy,
    doubtful: WrittenStudy,
) -> None:
    """Once a person says that it is another's, no later plan brings it, and the exam is ready without it."""
    hospital.run("refuse", in_quarantine, "--by", "a.radiographer")
    hospital.await_ready("A1")
    start = soon(hours=3)
    hospital.book(hospital.exam("A1", scheduled_start=start), Change.CHANGED)
    hospital.await_order("A1", ready_by=deadline(start))
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    for order in ("A1", "A2"):
        decided = hospital.decision(order, doubtful)
        assert decided["decision"] == "left"
        assert [reason["because"] for reason in decided["reasons"]] == ["refused by hand: another patient's"]
    assert holds_exactly(workstation, own)


def test_corrected_order_lifts_the_quarantine(
    hospital: Hospital, in_quarantine: str, workstation: peers.Orthanc, doubtful: WrittenStudy
) -> None:
    """The birth date was wrong in the order: once it is put right, what agrees with it moves."""
    assert in_quarantine
    hospital.book(hospital.exam("A1", patient=NAMESAKE), Change.CHANGED)
    hospital.await_retrieve("A1", doubtful, "verified")
    assert doubtful.study_instance_uid in workstation.studies()


def test_same_id_of_another_issuer_is_another_patient(
    hospital: Hospital, archive: peers.Server, workstation: peers.Orthanc, own: WrittenStudy
) -> None:
    """Two hospitals gave out the same number: the other's patient is not even a candidate."""
    other = replace(BRUNO, patient_id=ANNA.patient_id, issuer_of_patient_id="ELSEWHERE")
    hospital.study(archive, patient=other)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert len(hospital.explain("A1")["candidates"]) == 1
    assert holds_exactly(workstation, own)
