"""What our queries hold, and what they never hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import errors
from prefetch.dimse import identifier
from prefetch.errors import UnsafeKeyError


def test_patient_is_the_only_key() -> None:
    """A query for a patient has Patient ID and issuer as matching keys; every other attribute is empty."""
    query = identifier.studies(patient_id="P1", issuer_of_patient_id="HOSP")
    filled = {element.keyword: element.value for element in query if element.value}
    assert filled == {"QueryRetrieveLevel": "STUDY", "PatientID": "P1", "IssuerOfPatientID": "HOSP"}


def test_everything_is_asked_back() -> None:
    """All return keys are there, empty, and so is the character set."""
    query = identifier.studies(patient_id="P1")
    wanted = {"SpecificCharacterSet", "QueryRetrieveLevel", *identifier.STUDY_RETURN_KEYS}
    assert {element.keyword for element in query} == wanted
    assert not query.SpecificCharacterSet


def test_codes_are_asked_for_where_they_are_wanted() -> None:
    """Sequences without items: all of each."""
    query = identifier.studies(patient_id="P1", codes=True)
    assert set(identifier.STUDY_CODE_KEYS) <= {element.keyword for element in query if not element.value}


def test_character_set_is_sent() -> None:
    """The configured character set stands in the query, several terms as several values."""
    assert (
        identifier.studies(patient_id="P1", character_set="ISO_IR 192").SpecificCharacterSet == "ISO_IR 192"
    )
    several = identifier.studies(patient_id="P1", character_set="\\ISO 2022 IR 87").SpecificCharacterSet
    assert list(several) == ["", "ISO 2022 IR 87"]


def test_studies_may_be_asked_for_by_uid() -> None:
    """A list of UIDs is a key of its own (PS3.4 C.2.2.2.2), with or without a patient."""
    query = identifier.studies(study_instance_uids=["1.2.3", "1.2.4"])
    assert list(query.StudyInstanceUID) == ["1.2.3", "1.2.4"]
    assert not query.PatientID


@pytest.mark.parametrize("value", ["", " ", "*", "12*", "1?", "A\\B", "1\n2", "x" * 65])
@pytest.mark.parametrize("key", ["patient_id", "issuer_of_patient_id"])
def test_unsafe_keys_are_refused(key: str, value: str) -> None:
    """What would match other people is never sent."""
    keys: dict[str, Any] = {"patient_id": "P1", key: value}
    with pytest.raises(UnsafeKeyError):
        identifier.studies(**keys)


@pytest.mark.parametrize("uid", ["", "1.2.*", "1.2.3\\1.2.4"])
def test_unsafe_uids_are_refused(uid: str) -> None:
    """Neither a query nor a move names more studies than one UID does."""
    with pytest.raises(UnsafeKeyError):
        identifier.studies(study_instance_uids=[uid])
    with pytest.raises(UnsafeKeyError):
        identifier.studies_to_move([uid])


def test_query_for_everybody_is_refused() -> None:
    """There is no query without a patient and without UIDs."""
    with pytest.raises(UnsafeKeyError):
        identifier.studies()


def test_key_that_cannot_be_written_is_refused() -> None:
    """A letter outside the character set would go out as a question mark: a wildcard."""
    with pytest.raises(UnsafeKeyError):
        identifier.studies(patient_id="Ä1")
    assert identifier.studies(patient_id="Ä1", character_set="ISO_IR 100").PatientID == "Ä1"


@given(value=st.text(max_size=70))
def test_any_key_is_refused_or_sent_as_it_is(value: str) -> None:
    """A patient ID is never altered on its way."""
    try:
        query = identifier.studies(patient_id=value, character_set="ISO_IR 192")
    except errors.PeerError:
        return
    assert query.PatientID == value
    assert not set(value) & set("*?\\")


def test_odd_uid_goes_back_as_it_came() -> None:
    """A UID that is none by PS3.5 9.1 is still the archive's name for the study."""
    assert identifier.studies_to_move(["1.2.LOCALIZER.03"]).StudyInstanceUID == "1.2.LOCALIZER.03"


def test_move_names_the_study_only() -> None:
    """A C-MOVE identifier holds the level and its unique key (PS3.4 C.4.2.1.4)."""
    assert {element.keyword for element in identifier.studies_to_move(["1.2.3"])} == {
        "QueryRetrieveLevel",
        "StudyInstanceUID",
    }


def test_each_level_names_those_above() -> None:
    """Below STUDY the query is hierarchical: the unique keys above are given (PS3.4 C.4.1.2.1)."""
    assert identifier.series("1.2.3").StudyInstanceUID == "1.2.3"
    query = identifier.instances("1.2.3", "1.2.3.4")
    assert (query.QueryRetrieveLevel, query.StudyInstanceUID, query.SeriesInstanceUID) == (
        "IMAGE",
        "1.2.3",
        "1.2.3.4",
    )
