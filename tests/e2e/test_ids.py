"""A patient has several IDs, and each archive its own way with them: what is the patient's is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefetch.model import PatientId
from prefetch.sandbox.messages import Change
from prefetch.sandbox.pix import PatientIndex
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, Hospital, holds_exactly

pytestmark = pytest.mark.peers

SENT = replace(ANNA, patient_id="004711")
"""As orders write the patient's ID."""
CLINIC = PatientId(patient_id="C-9", issuer_of_patient_id="CLINIC")


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Orthanc:
    """Where the radiologist reads."""
    return hospital.workstation(peers.Orthanc)


def asked(hospital: Hospital, order: str) -> set[tuple[str, str | None]]:
    """Which archive was asked for which ID."""
    return {(query["archive"], query["patient_id"]) for query in hospital.explain(order)["queries"]}


def test_one_archive_strips_zeros_and_another_pads(hospital: Hospital, workstation: peers.Orthanc) -> None:
    """Each is asked in its own form, and what both answer is one patient's."""
    strips = hospital.archive(peers.Orthanc, "STRIPS")
    pads = hospital.archive(peers.Dcmqrscp, "PADS")
    short = hospital.study(strips, patient=replace(SENT, patient_id="4711"))
    long = hospital.study(pads, patient=replace(SENT, patient_id="00004711"), study_date="20230105")
    hospital.open(
        archives={
            "strips": {"patient_ids": {"strip_zeros": True}},
            "pads": {"patient_ids": {"strip_zeros": True, "pad_to": 8}},
        }
    )
    hospital.book(hospital.exam("A1", patient=SENT))
    hospital.await_order("A1", readiness="ready", verified=2)
    assert holds_exactly(workstation, short, long)
    assert asked(hospital, "A1") == {("strips", "4711"), ("pads", "00004711")}


def test_the_same_number_of_two_hospitals_is_two_people(
    hospital: Hospital, workstation: peers.Orthanc
) -> None:
    """Each archive is asked for the IDs of the authorities that it knows, under its names for them."""
    main = hospital.archive(peers.Orthanc, "MAIN")
    clinic = hospital.archive(peers.Dcmqrscp, "CLINIC")
    own = hospital.study(main, patient=replace(ANNA, issuer_of_patient_id="GENERAL"))
    hospital.study(main, patient=replace(BRUNO, patient_id="P1", issuer_of_patient_id="ELSEWHERE"))
    at_clinic = hospital.study(
        clinic,
        patient=replace(ANNA, patient_id="C-9", issuer_of_patient_id="CLINIC"),
        study_date="20230105",
    )
    hospital.study(clinic, patient=replace(BRUNO, patient_id="P1", issuer_of_patient_id="CLINIC"))
    hospital.open(
        archives={
            "main": {"issuers": {"HOSP": "GENERAL"}, "send_issuer": False},
            "clinic": {"issuers": {"CLINIC": "CLINIC"}},
        }
    )
    hospital.book(hospital.exam("A1", patient=replace(ANNA, other_ids=(CLINIC,))))
    hospital.await_order("A1", readiness="ready", verified=2)
    assert holds_exactly(workstation, own, at_clinic)
    assert {("main", "P1"), ("clinic", "C-9")} <= asked(hospital, "A1")
    assert ("clinic", "P1") not in asked(hospital, "A1")
    assert hospital.rows("quarantine") == []


@pytest.fixture(params=[peers.Orthanc, peers.Dcmqrscp])
def archive(hospital: Hospital, workstation: peers.Orthanc, request: pytest.FixtureRequest) -> peers.Server:
    """Of either kind; it knows nothing of merges."""
    make: type[peers.Server] = request.param
    return hospital.archive(make, knows=[workstation])


def test_a_merge_finds_what_is_still_under_the_old_id(
    hospital: Hospital, archive: peers.Server, workstation: peers.Orthanc
) -> None:
    """For orders that were there before it and for those that come after it, under whichever ID."""
    under_old = hospital.study(archive, patient=replace(ANNA, patient_id="OLD"))
    under_new = hospital.study(archive, patient=ANNA, study_date="20230105")
    hospital.open()
    exam = hospital.exam("A1", patient=replace(ANNA, patient_id="OLD"))
    hospital.book(exam)
    hospital.await_order("A1", readiness="ready", verified=1)
    hospital.tell("A40", ANNA, PatientId(patient_id="OLD", issuer_of_patient_id="HOSP"))
    hospital.await_order("A1", patient_id="P1", readiness="ready", verified=2)
    assert holds_exactly(workstation, under_old, under_new)
    for accession, patient_id in (("A2", "OLD"), ("A3", "P1")):
        hospital.book(hospital.exam(accession, patient=replace(ANNA, patient_id=patient_id)))
        hospital.await_order(accession, patient_id="P1", readiness="ready", verified=2)
    known = hospital.explain("A3")["patient_ids"]
    assert [("P1", "the order"), ("OLD", "merged into P1 (HOSP)")] == [
        (each["patient_id"], each["because"]) for each in known
    ]
    hospital.book(exam, Change.CHANGED)
    hospital.book(hospital.exam("A4"))
    hospital.await_ready("A4")
    # Meanwhile the change, which names the old ID still, was read: it changed nothing.
    assert hospital.history("A1", "order_changed") == []


def test_an_order_without_a_patient_id_waits_for_the_message_that_brings_it(
    hospital: Hospital, workstation: peers.Orthanc
) -> None:
    """Nobody is asked until then, and the exam says what it waits for."""
    own = hospital.study(hospital.archive(peers.Orthanc), patient=ANNA)
    hospital.open()
    exam = hospital.exam("A1", patient=replace(ANNA, patient_id=None, issuer_of_patient_id=None))
    hospital.book(exam)
    hospital.await_order("A1", readiness="waits for a patient ID")
    assert hospital.said("archive_asked") == []
    hospital.book(replace(exam, patient=ANNA), Change.CHANGED)
    hospital.await_ready("A1")
    assert holds_exactly(workstation, own)


def test_a_temporary_id_is_looked_at_again_when_the_patient_is_known(
    hospital: Hospital, workstation: peers.Orthanc
) -> None:
    """A08 names the real ID beside the one that the emergency room gave."""
    own = hospital.study(hospital.archive(peers.Dcmqrscp), patient=ANNA)
    hospital.open()
    unknown = replace(ANNA, patient_id="TRAUMA7", name="Unknown^Woman", birth_date="19000101", sex="U")
    hospital.book(hospital.exam("A1", patient=unknown, patient_class="E"))
    hospital.await_order("A1", readiness="nothing to fetch")
    temporary = PatientId(patient_id="TRAUMA7", issuer_of_patient_id="HOSP")
    hospital.tell("A08", replace(ANNA, other_ids=(temporary,)))
    hospital.await_order("A1", patient_id="P1", readiness="ready")
    assert holds_exactly(workstation, own)


def test_a_pix_manager_knows_the_other_ids_and_is_never_waited_for_long(
    hospital: Hospital, workstation: peers.Orthanc
) -> None:
    """Silent, it costs its timeout, and the plan says so; when it speaks again the rest is found."""
    main = hospital.archive(peers.Orthanc, "MAIN")
    clinic = hospital.archive(peers.Dcmqrscp, "CLINIC")
    own = hospital.study(main)
    at_clinic = hospital.study(
        clinic, patient=replace(ANNA, patient_id="C-9", issuer_of_patient_id="CLINIC"), study_date="20230105"
    )
    with PatientIndex(people=[[ANNA.ids[0], CLINIC]]) as manager:
        manager.misbehave("silence")
        domains = {"HOSP": "HOSP&1.2.3&ISO", "CLINIC": "CLINIC&1.2.4&ISO"}
        pix = {"host": peers.HOST, "port": manager.port, "domains": domains, "timeout": "1s", "rest": "1s"}
        hospital.open(
            identity={"pix": pix},
            archives={"main": {"issuers": {"HOSP": "HOSP"}}, "clinic": {"issuers": {"CLINIC": "CLINIC"}}},
        )
        hospital.book(hospital.exam("A1"))
        hospital.await_order("A1", verified=1)
        assert "PIX manager: no answer within 1 s" in hospital.explain("A1")["problem"]
        manager.behave()
        hospital.await_order("A1", verified=2, problem=None)
    assert holds_exactly(workstation, own, at_clinic)
    known = hospital.explain("A1")["patient_ids"]
    assert [("P1", "the order"), ("C-9", "the PIX manager")] == [
        (each["patient_id"], each["because"]) for each in known
    ]
