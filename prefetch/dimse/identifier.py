"""PURE: the identifiers of our queries and moves, and what must never be sent as a matching key.

Only the patient, or what lies above in the hierarchy, is a key; everything else is filtered on our side, so
that no archive's way with optional keys matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag

from prefetch import errors
from prefetch.dimse import answer

STUDY_RETURN_KEYS = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyDescription",
    "InstitutionName",
    "StudyID",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
    "NumberOfStudyRelatedSeries",
    "InstanceAvailability",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
)
"""Sent empty: universal matching (PS3.4 C.2.2.2.3)."""

HELD_RETURN_KEYS = ("StudyInstanceUID", "StudyDate", "NumberOfStudyRelatedInstances")
"""Where only the question is whether studies are there: an answer costs both sides a third."""

STUDY_CODE_KEYS = (
    "ProcedureCodeSequence",
    "AnatomicRegionsInStudyCodeSequence",
    "AnatomicRegionSequence",
    "BodyPartExamined",
)
"""What some archives say of a study besides; the last two are of its images, and of no level by the book."""

PATIENT_RETURN_KEYS = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")

_WILDCARDS = frozenset("*?\\")
_LONGEST = 64
"""Characters of an LO or UI (PS3.5 Table 6.2-1)."""


def studies(
    *,
    patient_id: str | None = None,
    issuer_of_patient_id: str | None = None,
    study_instance_uids: Sequence[str] = (),
    codes: bool = False,
    only_held: bool = False,
    character_set: str = "",
) -> Dataset:
    """A STUDY-level query; raises `UnsafeKeyError` for what must not be sent.

    With `codes` for those too; `only_held`: for no more than which studies there are, and how large.
    """
    if patient_id is None and not study_instance_uids:
        raise errors.UnsafeKeyError("a query needs a patient ID or Study Instance UIDs")
    keys = {
        "PatientID": [] if patient_id is None else [patient_id],
        "IssuerOfPatientID": [] if issuer_of_patient_id is None else [issuer_of_patient_id],
        "StudyInstanceUID": study_instance_uids,
    }
    described = STUDY_RETURN_KEYS + (STUDY_CODE_KEYS if codes else ())
    return _query("STUDY", keys, HELD_RETURN_KEYS if only_held else described, character_set)


def patient(patient_id: str) -> Dataset:
    """A PATIENT-level query, for archives that tell who somebody is nowhere else (PS3.4 C.6.1.1)."""
    return _query("PATIENT", {"PatientID": [patient_id]}, PATIENT_RETURN_KEYS)


def between(query: Dataset, days: object) -> Dataset:
    """The same query for the studies of some days (PS3.4 C.2.2.2.5)."""
    narrower = copied(query)
    put_unchecked(narrower, "StudyDate", str(days))
    return narrower


def copied(query: Dataset) -> Dataset:
    """The same once more, with values that pydicom would warn of."""
    made = Dataset()
    for element in query:
        put_unchecked(made, element.keyword, element.value)
    return made


def refuse_unsafe(
    *, patient_id: str, issuer_of_patient_id: str | None = None, character_set: str = ""
) -> None:
    """Raise `UnsafeKeyError` for a patient ID and issuer that must not be sent as keys."""
    _refuse_unsafe("PatientID", patient_id, character_set)
    if issuer_of_patient_id is not None:
        _refuse_unsafe("IssuerOfPatientID", issuer_of_patient_id, character_set)


def series(study_instance_uid: str) -> Dataset:
    """A SERIES-level query for all the series of a study (PS3.4 C.4.1.2.1: with the unique key above)."""
    return _query(
        "SERIES",
        {"StudyInstanceUID": [study_instance_uid]},
        (
            *("SeriesInstanceUID", "Modality", "SeriesDescription", "BodyPartExamined"),
            *("AnatomicRegionSequence", "NumberOfSeriesRelatedInstances"),
        ),
    )


def instances(study_instance_uid: str, series_instance_uid: str) -> Dataset:
    """An IMAGE-level query for all the instances of a series."""
    keys = {"StudyInstanceUID": [study_instance_uid], "SeriesInstanceUID": [series_instance_uid]}
    return _query("IMAGE", keys, ("SOPInstanceUID",))


def markings(study_instance_uid: str, series_instance_uid: str) -> Dataset:
    """An IMAGE-level query for what the objects of a series mark: Key Objects and Presentation States.

    By no level's book, but archives that read what they hold answer it (Orthanc).
    """
    keys = {"StudyInstanceUID": [study_instance_uid], "SeriesInstanceUID": [series_instance_uid]}
    return _query("IMAGE", keys, ("SOPInstanceUID", *MARKING_KEYS))


MARKING_KEYS = (
    "ConceptNameCodeSequence",
    "CurrentRequestedProcedureEvidenceSequence",
    "ReferencedSeriesSequence",
)
"""The title of a Key Object and the images that it marks (PS3.3 C.17.6.1, C.17.6.2); those of a Presentation
State (PS3.3 C.11.11)."""


def studies_to_move(study_instance_uids: Sequence[str], patient_id: str | None = None) -> Dataset:
    """What a C-MOVE of studies names: their unique keys, and the patient's under Patient Root (C.4.2.2.1)."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    if patient_id is not None:
        set_key(identifier, "PatientID", [patient_id], "")
    set_key(identifier, "StudyInstanceUID", study_instance_uids, "")
    return identifier


def series_to_move(
    study_instance_uid: str, series_instance_uid: str, patient_id: str | None = None
) -> Dataset:
    """What a C-MOVE of one series names: the unique keys of both levels (PS3.4 C.4.2.2.1)."""
    identifier = studies_to_move([study_instance_uid], patient_id)
    identifier.QueryRetrieveLevel = "SERIES"
    set_key(identifier, "SeriesInstanceUID", [series_instance_uid], "")
    return identifier


def instances_to_move(
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uids: Sequence[str],
    patient_id: str | None = None,
) -> Dataset:
    """What a C-MOVE of instances of one series names: the unique keys of all levels (PS3.4 C.4.2.2.1)."""
    identifier = series_to_move(study_instance_uid, series_instance_uid, patient_id)
    identifier.QueryRetrieveLevel = "IMAGE"
    set_key(identifier, "SOPInstanceUID", sop_instance_uids, "")
    return identifier


def _query(
    level: str, keys: Mapping[str, Sequence[str]], return_keys: Sequence[str], character_set: str = ""
) -> Dataset:
    """Make a query of what all of its kind share; whoever changes one puts other elements in their place."""
    query = Dataset(dict(_blank(level, return_keys, character_set)))
    for keyword, values in keys.items():
        if values:
            set_key(query, keyword, values, character_set)
    return query


@lru_cache(maxsize=64)
def _blank(
    level: str, return_keys: Sequence[str], character_set: str
) -> Mapping[BaseTag, DataElement | RawDataElement]:
    """Make the elements of a query that asks for these keys and names nobody."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    # Some archives say what their answers are written in only when they are asked (fo-dicom #1785).
    query.SpecificCharacterSet = character_set.split("\\")
    for keyword in return_keys:
        # A sequence of no items asks for all of it (PS3.4 C.2.2.2.6).
        setattr(query, keyword, [] if keyword.endswith("Sequence") else "")
    return dict(query.items())


def set_key(identifier: Dataset, keyword: str, values: Sequence[str], character_set: str) -> None:
    """Put a matching key in; raises `UnsafeKeyError` for what would match more than it says."""
    for value in values:
        _refuse_unsafe(keyword, value, character_set)
    put_unchecked(identifier, keyword, list(values))


def put_unchecked(identifier: Dataset, keyword: str, value: object) -> None:
    """Put in what is ours, or goes back as the archive gave it, even where pydicom would warn of it."""
    tag = tag_for_keyword(keyword)
    assert tag is not None  # noqa: S101 (our own keywords)
    identifier.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _refuse_unsafe(keyword: str, value: str, character_set: str) -> None:
    """A key that is empty or holds a wildcard matches other people's studies (PS3.4 C.2.2.2)."""
    if not value.strip():
        raise errors.UnsafeKeyError(f"an empty {keyword} is not sent as a key")
    if _WILDCARDS & set(value) or not value.isprintable():
        raise errors.UnsafeKeyError(f"a {keyword} with a wildcard or control character is not sent as a key")
    if len(value) > _LONGEST:
        raise errors.UnsafeKeyError(f"a {keyword} of more than {_LONGEST} characters is not sent as a key")
    if not answer.can_write(value, character_set):
        # It would go out with question marks for what cannot be written: wildcards.
        raise errors.UnsafeKeyError(f"this {keyword} cannot be written in the character set of the query")
