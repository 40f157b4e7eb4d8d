"""Promises of what a sandbox archive holds and how it answers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydicom import Dataset

from prefetch import model
from prefetch.sandbox import studies
from prefetch.sandbox.holdings import Holdings, IdentifierError
from tests.scu import identifier

ADA = model.Patient(patient_id="1", issuer_of_patient_id="NORTHGATE", name="Quist^Ada", birth_date="19500102")
BEN = model.Patient(patient_id="1", issuer_of_patient_id="SOUTHGATE", name="Quist^Ben", birth_date="19901103")


def study(patient: model.Patient, name: str, *series: studies.Series) -> studies.Study:
    """A study with a UID made of its name."""
    return studies.Study(
        patient=patient,
        study_instance_uid=studies.made_up_uid(name),
        study_date=date(2024, 5, 1),
        series=series,
    )


PET_CT = study(
    ADA, "pet", studies.Series(modality="PT", instances=2), studies.Series(modality="CT", instances=3)
)
HAND = study(ADA, "hand", studies.Series(modality="CR", instances=2))
KNEE = study(BEN, "knee", studies.Series(modality="MR", instances=4))


def holdings() -> Holdings:
    """Three studies of two people who share a Patient ID."""
    return Holdings(instance for facts in (PET_CT, HAND, KNEE) for instance in studies.make(facts))


def test_a_study_is_described_by_its_instances() -> None:
    """Modalities in Study and the counts come from the instances that are there."""
    (answer,) = holdings().find(
        identifier(
            "STUDY",
            StudyInstanceUID=PET_CT.study_instance_uid,
            ModalitiesInStudy="",
            NumberOfStudyRelatedSeries="",
            NumberOfStudyRelatedInstances="",
        )
    )
    assert list(answer.ModalitiesInStudy) == ["CT", "PT"]
    assert (answer.NumberOfStudyRelatedSeries, answer.NumberOfStudyRelatedInstances) == (2, 5)


def test_an_answer_has_what_was_asked_for() -> None:
    """Return keys come back, empty where nothing is known; nothing else does."""
    (answer,) = holdings().find(
        identifier("STUDY", StudyInstanceUID=HAND.study_instance_uid, StudyComments="")
    )
    assert {element.keyword for element in answer} == {
        "SpecificCharacterSet",
        "QueryRetrieveLevel",
        "StudyInstanceUID",
        "StudyComments",
    }
    assert answer.StudyComments == ""


def test_an_issuer_tells_two_people_apart() -> None:
    """The same Patient ID under two issuers is two patients."""
    assert len(holdings().find(identifier("STUDY", PatientID="1"))) == 3
    (answer,) = holdings().find(
        identifier("STUDY", PatientID="1", IssuerOfPatientID="SOUTHGATE", PatientName="")
    )
    assert str(answer.PatientName) == "Quist^Ben"
    patients = holdings().find(identifier("PATIENT", PatientID="1", NumberOfPatientRelatedStudies=""))
    assert sorted(int(patient.NumberOfPatientRelatedStudies) for patient in patients) == [1, 2]


def test_levels_go_down_to_the_image() -> None:
    """SERIES and IMAGE answers belong to the study and series that the keys name."""
    series = holdings().find(
        identifier("SERIES", StudyInstanceUID=PET_CT.study_instance_uid, SeriesInstanceUID="", Modality="CT")
    )
    assert [answer.Modality for answer in series] == ["CT"]
    images = holdings().find(
        identifier(
            "IMAGE",
            StudyInstanceUID=PET_CT.study_instance_uid,
            SeriesInstanceUID=series[0].SeriesInstanceUID,
            SOPInstanceUID="",
        )
    )
    assert len(images) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        Dataset(),
        identifier("BODY", PatientID="1"),
        identifier("SERIES", PatientID="1"),
        identifier("IMAGE", StudyInstanceUID="1.2"),
    ],
    ids=["no level", "unknown level", "series of no study", "images of no series"],
)
def test_a_wrong_identifier_is_refused(wrong: Dataset) -> None:
    """Without a level or the unique keys above it there is no answer (no relational queries)."""
    with pytest.raises(IdentifierError):
        holdings().find(wrong)


def test_a_move_names_what_it_wants() -> None:
    """A retrieve selects by unique keys; without one it is refused, never taken as everything."""
    held = holdings()
    both = [PET_CT.study_instance_uid, HAND.study_instance_uid]
    assert len(held.select(identifier("STUDY", StudyInstanceUID=both))) == 7
    assert len(held.select(identifier("PATIENT", PatientID="1"))) == 11
    for level in ("PATIENT", "STUDY", "SERIES", "IMAGE"):
        with pytest.raises(IdentifierError):
            held.select(identifier(level))


def test_counts_follow_what_comes_and_goes() -> None:
    """An instance that comes again is held once; a removed study is gone."""
    held = holdings()
    for instance in studies.make(HAND):
        held.add(instance)
    assert held.counts()[HAND.study_instance_uid] == 2
    held.remove_study(HAND.study_instance_uid)
    assert not held.find(identifier("STUDY", StudyInstanceUID=HAND.study_instance_uid))


def test_files_of_a_directory_are_held_too(tmp_path: Path) -> None:
    """What lies on disk is answered from and keeps its pixels."""
    for number, instance in enumerate(studies.make(KNEE)):
        instance.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    held = Holdings()
    held.add_directory(tmp_path)
    pixels = {
        instance.PixelData
        for instance in held.select(identifier("STUDY", StudyInstanceUID=KNEE.study_instance_uid))
    }
    assert pixels == {instance.PixelData for instance in studies.make(KNEE)}
