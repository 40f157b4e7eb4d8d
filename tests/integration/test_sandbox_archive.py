"""Promises of the sandbox's archive and workstation, seen on the wire."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE

from prefetch import model
from prefetch.sandbox import scp, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.operation import Service
from prefetch.sandbox.workstation import Workstation
from tests import peers, scu

PATIENT = model.Patient(
    patient_id="4711", issuer_of_patient_id="NORTHGATE", name="Брандт^Лиза", birth_date="19610403", sex="F"
)


def study(name: str, modality: str = "CT", instances: int = 3) -> studies.Study:
    """A study of PATIENT with a UID made of its name."""
    return studies.Study(
        patient=PATIENT,
        study_instance_uid=studies.made_up_uid(name),
        study_date=date(2024, 5, 1),
        description=f"{modality} {name}",
        series=[studies.Series(modality=modality, instances=instances)],
    )


CHEST, KNEE = study("chest"), study("knee", "MR")


@pytest.fixture
def workstation() -> Iterator[Workstation]:
    """A workstation that listens."""
    with Workstation(ae_title="READING1") as made:
        yield made


@pytest.fixture
def archive(workstation: Workstation) -> Iterator[Archive]:
    """An archive of two studies that knows the workstation."""
    holdings = Holdings(instance for facts in (CHEST, KNEE) for instance in studies.make(facts))
    knows = {workstation.ae_title: (workstation.host, workstation.port)}
    with Archive(ae_title="MAIN", holdings=holdings, knows=knows) as made:
        yield made


def pixels(instances: list[Dataset]) -> dict[str, bytes]:
    """The pixel data of instances, by SOP Instance UID."""
    return {str(instance.SOPInstanceUID): instance.PixelData for instance in instances}


def test_an_archive_answers_at_every_level_from_both_roots(archive: Archive) -> None:
    """PATIENT from Patient Root, STUDY from either, SERIES and IMAGE below a study."""
    (patient,) = scu.find(archive, "PATIENT", root=scp.PATIENT_ROOT_FIND, PatientID="4711", PatientName="")
    assert str(patient.PatientName) == "Брандт^Лиза"
    for root in (scp.STUDY_ROOT_FIND, scp.PATIENT_ROOT_FIND):
        assert len(scu.find(archive, "STUDY", root=root, PatientID="4711", StudyInstanceUID="")) == 2
    (series,) = scu.find(archive, "SERIES", StudyInstanceUID=KNEE.study_instance_uid, SeriesInstanceUID="")
    images = scu.find(
        archive,
        "IMAGE",
        StudyInstanceUID=KNEE.study_instance_uid,
        SeriesInstanceUID=series.SeriesInstanceUID,
        SOPInstanceUID="",
    )
    assert len(images) == 3


def test_an_answer_names_the_archive_to_retrieve_from(archive: Archive) -> None:
    """Retrieve AE Title (PS3.4 C.4.1.1.3.2) is the archive's own."""
    answers = scu.find(archive, "STUDY", PatientID="4711", StudyInstanceUID="")
    assert {answer.RetrieveAETitle for answer in answers} == {"MAIN"}


def test_a_series_of_no_study_is_refused(archive: Archive) -> None:
    """Without the unique key above it an identifier gets 0xA900."""
    ((final, _),) = scu.ask(archive, "SERIES", PatientID="4711")
    assert final.Status == 0xA900


def test_a_move_brings_every_instance_as_it_was(archive: Archive, workstation: Workstation) -> None:
    """A study arrives complete, pixel for pixel, counted on the way."""
    *pending, (final, _) = scu.move(archive, "READING1", CHEST.study_instance_uid)
    assert [status.NumberOfRemainingSuboperations for status, _ in pending] == [2, 1, 0]
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0x0000, 3)
    assert pixels(workstation.holdings.instances()) == pixels(list(studies.make(CHEST)))


def test_a_workstation_answers_on_what_it_holds(archive: Archive, workstation: Workstation) -> None:
    """What was stored is found there with its count, and nothing else is."""
    scu.move(archive, "READING1", CHEST.study_instance_uid)
    (answer,) = scu.find(workstation, "STUDY", PatientID="4711", NumberOfStudyRelatedInstances="")
    assert answer.NumberOfStudyRelatedInstances == 3


def test_a_workstation_may_keep_files(archive: Archive, tmp_path: Path) -> None:
    """With a directory each instance is a DICOM file, and still counted and found."""
    with Workstation(ae_title="READING2", directory=tmp_path) as workstation:
        archive.knows["READING2"] = (workstation.host, workstation.port)
        scu.move(archive, "READING2", KNEE.study_instance_uid)
        assert workstation.holdings.counts() == {KNEE.study_instance_uid: 3}
        assert pixels(workstation.holdings.instances()) == pixels(list(studies.make(KNEE)))
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unknown_destination_is_said(archive: Archive) -> None:
    """A Move Destination that the archive was not told of gets 0xA801."""
    ((final, _),) = scu.move(archive, "ELSEWHERE", CHEST.study_instance_uid)
    assert final.Status == 0xA801


def test_a_study_that_is_not_there_is_success_with_nothing(archive: Archive) -> None:
    """A C-MOVE that matches nothing ends with Success and no sub-operation."""
    ((final, _),) = scu.move(archive, "READING1", "1.2.3")
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0x0000, 0)


def test_an_association_under_another_name_is_rejected(archive: Archive) -> None:
    """A called AE title that is not the archive's is not accepted."""
    association = scu.entity().associate(archive.host, archive.port, ae_title="OTHER")
    assert association.is_rejected


def test_the_journal_tells_what_was_asked_and_sent(archive: Archive, workstation: Workstation) -> None:
    """A judge sees who asked what, what was sent where, and how each operation ended."""
    scu.find(archive, "STUDY", PatientID="4711", StudyInstanceUID="")
    scu.move(archive, "READING1", CHEST.study_instance_uid)
    (asked,) = archive.operations(Service.FIND)
    (moved,) = archive.operations(Service.MOVE)
    assert (asked.calling_ae_title, asked.identifier.PatientID, asked.matched) == ("ASKER", "4711", 2)
    assert (moved.move_destination, len(moved.sent), moved.status) == ("READING1", 3, 0x0000)
    assert len(workstation.operations(Service.STORE)) == 3
    assert (archive.most_open, archive.rejected) == (1, 0)


def test_nothing_is_left_after_a_stop() -> None:
    """A stopped server frees its threads and its port, and starts again on it."""
    before = set(threading.enumerate())
    archive = Archive(ae_title="MAIN")
    archive.start()
    port = archive.port
    with scu.associated(archive):
        archive.stop()
    for thread in set(threading.enumerate()) - before:  # one that was told to end may be at its last step
        thread.join(timeout=120)
        assert not thread.is_alive(), thread.name
    archive.start()
    assert archive.port == port
    assert scu.find(archive, "STUDY", PatientID="1") == []
    archive.stop()


@pytest.mark.peers
def test_dcmtk_understands_it(archive: Archive, workstation: Workstation) -> None:
    """The findscu and movescu of dcmtk and movescu work against it."""
    findscu = [
        peers.installed("/usr/bin/findscu"),
        "-S",
        "-v",
        "-aec",
        "MAIN",
        archive.host,
        str(archive.port),
    ]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=4711", "-k", "StudyInstanceUID"]
    found = subprocess.run([*findscu, *keys], capture_output=True, text=True, check=True)
    assert (found.stdout + found.stderr).count(CHEST.study_instance_uid) == 1
    movescu = [peers.installed("/usr/bin/movescu"), "-S", "-aec", "MAIN", "-aem", "READING1"]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={CHEST.study_instance_uid}"]
    subprocess.run([*movescu, *keys, archive.host, str(archive.port)], capture_output=True, check=True)
    assert workstation.holdings.counts() == {CHEST.study_instance_uid: 3}


@pytest.mark.peers
def test_dcmtk_stores_into_the_workstation(workstation: Workstation, tmp_path: Path) -> None:
    """The storescu of dcmtk finds a Storage SCP for every kind of instance."""
    paths = [tmp_path / f"{number}.dcm" for number in range(3)]
    for path, modality in zip(paths, ("MG", "NM", "PT"), strict=True):
        (instance,) = studies.make(study(modality, modality, 1))
        instance.save_as(path, enforce_file_format=True)
    storescu = [
        peers.installed("/usr/bin/storescu"),
        "-aec",
        "READING1",
        workstation.host,
        str(workstation.port),
    ]
    subprocess.run([*storescu, *map(str, paths)], capture_output=True, check=True)
    assert len(workstation.holdings.instances()) == 3


def test_an_echo_is_answered(archive: Archive, workstation: Workstation) -> None:
    """Both ends answer C-ECHO."""
    entity = AE("ASKER")
    entity.add_requested_context(scp.VERIFICATION)
    for peer in (archive, workstation):
        association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title)
        assert association.send_c_echo().Status == 0x0000
        association.release()
