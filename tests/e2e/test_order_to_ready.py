"""One order, all the way: in over MLLP, its priors on the workstation, the exam reported ready."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from prefetch.sandbox import messages
from tests import peers
from tests.e2e import packaged
from tests.e2e.hospital import ANNA, ANYTHING, Build, Hospital, holds_exactly, pixels, soon
from tests.e2e.witnesses import VERBOSE, stores_received

pytestmark = pytest.mark.peers

ODDITIES = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
"""pydicom warns of values in these files that the standard does not allow."""

NOT_SENT = {"PANCREAS_0001", "id11111"}
"""Patients whose files Orthanc takes, and then does not find (an ID of VR UN) or does not send (a bad VR)."""


@pytest.mark.parametrize("build", [messages.orm, messages.omi, messages.siu])
@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
@pytest.mark.parametrize("workstation_class", [peers.Orthanc, peers.Storescp])
def test_priors_are_there_before_the_exam(
    hospital: Hospital,
    archive_class: type[peers.Server],
    workstation_class: type[peers.Server],
    build: Build,
) -> None:
    """An order brings its priors whole, pixel for pixel, and nothing else; then the exam is ready."""
    workstation = hospital.workstation(workstation_class)
    archive = hospital.archive(archive_class)
    priors = [hospital.study(archive, study_date=day) for day in ("20230105", "20240105")]
    hospital.study(archive, description="MR Head")
    hospital.open()
    order = hospital.book(hospital.exam("A1"), build=build)
    ready = hospital.await_ready(order)
    assert (ready["priors"], ready["verified"], ready["problem"]) == (2, 2, None)
    assert holds_exactly(workstation, *priors)
    word = "counters" if workstation_class is peers.Storescp else "query"
    for prior in priors:
        row = hospital.retrieve(order, prior)
        assert (row["state"], row["verified_by"], row["arrived_instances"]) == ("verified", word, 2)


def test_acknowledgement_waits_for_no_archive(hospital: Hospital) -> None:
    """AA comes while archive and workstation hang: nothing but our own store is on its path."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive)
    hospital.open()
    workstation.freeze()
    archive.freeze()
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="unplanned")
    assert hospital.said("archive_asked") == []
    workstation.thaw()
    archive.thaw()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_two_archives_send_a_study_once(hospital: Hospital) -> None:
    """What both hold comes from the preferred one, unless that has less of it; what one holds, from there."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Orthanc, "MAIN")
    offsite = hospital.archive(peers.Orthanc, "OFFSITE")
    both = hospital.study(main, offsite, study_date="20240105")
    old = hospital.study(offsite, study_date="20200105")
    whole = hospital.study(offsite, study_date="20220105", instances=3)
    hospital.study(main, study_date="20220105", instances=3, first=1)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    origins = [hospital.retrieve("A1", study)["archive"] for study in (both, old, whole)]
    assert origins == ["main", "offsite", "offsite"]
    assert holds_exactly(workstation, both, old, whole)
    assert len(hospital.said("move_finished")) == 3


def test_priors_go_where_the_exam_is_read(hospital: Hospital) -> None:
    """The station of the exam decides which workstation gets its priors."""
    first, second = (hospital.workstation(peers.Orthanc, name) for name in ("READ1", "READ2"))
    archive = hospital.archive(peers.Orthanc)
    ct, mr = hospital.study(archive), hospital.study(archive, description="MR Head")
    rooms = {"by": "station_ae_title", "map": {"CT*": "read1"}, "otherwise": "read2"}
    hospital.open(planning={"to": rooms})
    hospital.book(hospital.exam("A1", station_ae_title="CT2"))
    hospital.book(hospital.exam("A2", description="MR Head", station_ae_title="MR1"))
    hospital.await_ready("A1")
    hospital.await_ready("A2")
    assert holds_exactly(first, ct)
    assert holds_exactly(second, mr)


def test_nearest_deadline_moves_first(hospital: Hospital) -> None:
    """Of what waits for the one slot STAT goes first, then the next exam; no query waits for a move."""
    workstation = hospital.workstation(peers.Storescp, options=VERBOSE)
    # A frozen workstation holds the first move, and the archive waits for it as long as that takes.
    archive = hospital.archive(peers.Orthanc, settings={"DicomScuTimeout": 0})
    exams: dict[str, dict[str, Any]] = {
        "first": {},
        "late": {"scheduled_start": soon(hours=9)},
        "early": {"scheduled_start": soon(hours=3)},
        "stat": {"scheduled_start": soon(hours=12), "priority": "S"},
    }
    patients = {order: replace(ANNA, patient_id=f"P-{order}") for order in exams}
    priors = {
        order: hospital.study(archive, patient=patient, instances=1) for order, patient in patients.items()
    }
    hospital.open(archives={"main": {"max_associations": 2}})
    workstation.freeze()
    for order, told in exams.items():
        hospital.book(hospital.exam(order, patient=patients[order], **told))
        hospital.await_retrieve(order, priors[order], "moving" if order == "first" else "due")
    workstation.thaw()
    for order in exams:
        hospital.await_ready(order)
    in_order = [uid for order in ("first", "stat", "early", "late") for uid in priors[order].pixels]
    assert list(stores_received(workstation)) == in_order


@ODDITIES
@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
def test_patient_whom_nobody_here_made_up(hospital: Hospital, archive_class: type[peers.Server]) -> None:
    """Studies of several modalities, without birth date or issuer: an MR exam brings what is called brain."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    archive.load(packaged.files("dicomdirtests/*/*/*"))
    brain = [
        image
        for image in archive.instances().values()
        if image.get("StudyDescription", "").startswith("Brain")
    ]
    hospital.open(rules=ANYTHING.replace("earlier study", "brain, description: 'brain*'"))
    hospital.book(hospital.exam("A1", description="MR Head", patient=packaged.patient_of(brain[0])))
    assert hospital.await_ready("A1")["priors"] == 2
    assert len(brain) == 15
    assert pixels(workstation.instances().values()) == pixels(brain)


@ODDITIES
def test_all_that_packages_ship(hospital: Hospital) -> None:
    """Whatever Orthanc takes of them, of many makers and years, arrives as it is, patient by patient."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    for path in packaged.files("*"):
        with contextlib.suppress(RuntimeError):  # cut short on purpose, or no DICOM at all
            archive.load([path])
    held = archive.instances().values()
    shipped = [image for image in held if image.get("PatientID") and image.PatientID not in NOT_SENT]
    patients = {patient.patient_id: patient for patient in map(packaged.patient_of, shipped)}
    hospital.open(rules=ANYTHING)
    orders = [
        hospital.book(hospital.exam(f"A{number}", patient=patient))
        for number, patient in enumerate(patients.values())
    ]
    for order in orders:
        hospital.await_ready(order)
    assert pixels(workstation.instances().values()) == pixels(shipped)
