"""Promises of the sandbox's attribute matching (PS3.4 C.2.2.2)."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from prefetch.sandbox import matching


def dataset(**attributes: object) -> Dataset:
    """A data set of these attributes."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


STUDY = dataset(
    PatientID="4711",
    PatientName="Brandt^Liesel",
    StudyDate="20240229",
    StudyTime="1015",
    StudyDescription="CT Thorax",
    StudyInstanceUID="1.2.3",
    ModalitiesInStudy=["CT", "SR"],
    NumberOfStudyRelatedInstances=12,
)


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientID", "", True),
        ("PatientID", "4711", True),
        ("PatientID", " 4711 ", True),
        ("PatientID", "471", False),
        ("PatientID", "471?", True),
        ("PatientID", "4*1", True),
        ("StudyDescription", "CT*", True),
        ("StudyDescription", "ct*", False),
        ("StudyDescription", "CT.Thorax", False),
        ("PatientName", "brandt^liesel", True),
        ("PatientName", "BRANDT*", True),
        ("PatientName", "Brand", False),
        ("StudyInstanceUID", ["1.2.9", "1.2.3"], True),
        ("StudyInstanceUID", ["1.2.9", "1.2"], False),
        ("StudyDate", "20240229", True),
        ("StudyDate", "20240101-20241231", True),
        ("StudyDate", "20240301-", False),
        ("StudyDate", "-20240229", True),
        ("StudyTime", "1000-1015", True),
        ("StudyTime", "-1014", False),
        ("ModalitiesInStudy", "SR", True),
        ("ModalitiesInStudy", "MR", False),
        ("ModalitiesInStudy", ["CT", "MR"], False),
        ("NumberOfStudyRelatedInstances", "12", True),
        ("AccessionNumber", "A1", False),
        ("AccessionNumber", "", True),
    ],
)
def test_a_key_matches_as_the_standard_says(keyword: str, value: object, expected: bool) -> None:
    """Single value, wildcard, list of UIDs, range and universal matching, each by its VR."""
    assert matching.matches(dataset(**{keyword: value}), STUDY) is expected


def test_all_keys_must_match() -> None:
    """Two keys narrow an answer; what only says how to answer narrows nothing."""
    assert matching.matches(dataset(PatientID="4711", QueryRetrieveLevel="STUDY"), STUDY)
    assert not matching.matches(dataset(PatientID="4711", StudyDate="20230101"), STUDY)
