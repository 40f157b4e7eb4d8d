"""A RIS that names an assigning authority; archives whose studies name none, another or all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefetch import model
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, Hospital, holds_exactly

pytestmark = pytest.mark.peers

ARCHIVES = [peers.Orthanc, peers.Dcmqrscp]
NOBODYS_ISSUER = replace(ANNA, issuer_of_patient_id=None)


def queries(hospital: Hospital) -> int:
    """How often the archive was asked about a patient."""
    return len(hospital.said("archive_asked"))


@pytest.mark.parametrize("make", ARCHIVES)
def test_studies_that_name_no_issuer_are_found(hospital: Hospital, make: type[peers.Server]) -> None:
    """By two queries for the first exam, by one from then on, and after a restart."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(make)
    people = [replace(NOBODYS_ISSUER, patient_id=f"N{number}") for number in range(3)]
    held = [hospital.study(archive, patient=person) for person in people]
    hospital.open()
    asked = []
    for number, person in enumerate(people):
        if number == 2:
            assert hospital.close() == 0
            hospital.open()
        before = queries(hospital)
        exam = hospital.exam(f"A{number}", patient=replace(person, issuer_of_patient_id="HOSP"))
        hospital.book(exam)
        hospital.await_order(exam.accession_number, readiness="ready", verified=1)
        asked.append(queries(hospital) - before)
    assert holds_exactly(workstation, *held)
    assert [2, 1, 1] == asked
    (learned,) = [row["learnt"] for row in hospital.rows("echo", "main")]
    assert "studies name no issuer: asked by the patient ID alone" in learned
    questions = [
        (row["patient_id"], row["issuer_of_patient_id"]) for row in hospital.explain("A0")["queries"]
    ]
    assert [("N0", "HOSP"), ("N0", None)] == sorted(questions, key=lambda each: each[1] is None)


@pytest.mark.parametrize("make", ARCHIVES)
def test_the_same_number_at_another_authority_is_another_person(
    hospital: Hospital, make: type[peers.Server]
) -> None:
    """Their study is left with the reason; what names no issuer is told by birth date, sex and name."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(make)
    own = hospital.study(archive, patient=NOBODYS_ISSUER)
    twin = replace(ANNA, issuer_of_patient_id="CLINIC")
    other = hospital.study(archive, patient=twin, description="CT Abdomen")
    somebody = replace(BRUNO, patient_id=ANNA.patient_id, issuer_of_patient_id=None)
    third = hospital.study(archive, patient=somebody, description="CT Neck")
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", verified=1)
    assert holds_exactly(workstation, own)
    left = hospital.decision("A1", other)
    reasons = [reason["because"] for reason in left["reasons"]]
    assert ("left", True) == (left["decision"], "issuer of patient ID is another" in str(reasons))
    assert "quarantined" == hospital.decision("A1", third)["decision"]


def test_an_order_without_birth_date_moves_nothing_unseen(hospital: Hospital) -> None:
    """By the ID alone and with nothing to compare, a person decides."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    bare = model.Patient(patient_id="N1")
    study = hospital.study(archive, patient=bare)
    hospital.open()
    hospital.book(hospital.exam("A1", patient=replace(bare, issuer_of_patient_id="HOSP")))
    hospital.await_order("A1", readiness="quarantined")
    assert "quarantined" == hospital.decision("A1", study)["decision"]
    assert holds_exactly(workstation)
