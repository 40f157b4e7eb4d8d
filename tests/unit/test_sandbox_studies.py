"""Promises of the sandbox's synthetic studies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from io import BytesIO

import pydicom
import pytest
from pydicom import Dataset

from prefetch import model
from prefetch.sandbox import iods, studies

PATIENT = model.Patient(
    patient_id="4711",
    issuer_of_patient_id="NORTHGATE",
    name="Müller^Jörg",
    birth_date="19610403",
    sex="M",
)


def study(*series: studies.Series) -> studies.Study:
    """A study of PATIENT."""
    return studies.Study(
        patient=PATIENT,
        study_instance_uid=studies.made_up_uid("a study"),
        study_date=date(2024, 2, 29),
        description="Thorax",
        accession_number="A1",
        series=series,
    )


def elements(instance: Dataset) -> Iterator[tuple[str, object]]:
    """What it says, in a form that compares."""
    return ((element.keyword, element.value) for element in instance)


@pytest.mark.parametrize("modality", iods.IODS)
def test_every_modality_survives_a_dicom_file(modality: str) -> None:
    """An instance of each modality is written in the DICOM file format and read back the same."""
    (made,) = studies.make(study(studies.Series(modality=modality, instances=1)))
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    read = pydicom.dcmread(BytesIO(file.getvalue()))
    assert dict(elements(made)) == dict(elements(read))
    assert (str(read.PatientName), read.Modality) == ("Müller^Jörg", modality)
    assert len(read.PixelData) == read.Rows * read.Columns * read.BitsAllocated // 8


def test_the_same_facts_give_the_same_bytes() -> None:
    """A study made twice has the same UIDs and pixels, so that a judge may compare."""
    facts = study(studies.Series(modality="CT", instances=2))
    assert list(map(dict, map(elements, studies.make(facts)))) == list(
        map(dict, map(elements, studies.make(facts)))
    )


def test_fewer_instances_are_the_first_ones() -> None:
    """An archive that holds less of a study holds instances that the other one has too."""
    whole = studies.make(
        study(studies.Series(modality="PT", instances=2), studies.Series(modality="CT", instances=3))
    )
    part = studies.make(
        study(studies.Series(modality="PT", instances=1), studies.Series(modality="CT", instances=2))
    )
    uids = {str(instance.SOPInstanceUID) for instance in whole}
    assert len(uids) == 5
    assert {str(instance.SOPInstanceUID) for instance in part} < uids


def test_no_two_instances_look_alike() -> None:
    """Each instance has its own pixels."""
    made = list(studies.make(study(studies.Series(modality="MR", instances=4))))
    assert len({instance.PixelData for instance in made}) == 4
