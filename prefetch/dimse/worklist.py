"""Asking for a worklist: Modality Worklist C-FIND (PS3.4 Annex K), keys and items.

Matching keys carry values; every return key of Table K.6-1 is sent empty, and so is asked for. What comes
back is plain text by keyword: what it means for an exam is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pynetdicom.association import Association

from prefetch import model
from prefetch.dimse import answer, find, identifier, peer, wire

STEP: Final = "ScheduledProcedureStepSequence"
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
_REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
_ISSUER = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")

STEP_KEYS: Mapping[str, Sequence[str]] = {
    "ScheduledStationAETitle": (),
    "ScheduledProcedureStepStartDate": (),
    "ScheduledProcedureStepStartTime": (),
    "Modality": (),
    "ScheduledPerformingPhysicianName": (),
    "ScheduledProcedureStepDescription": (),
    "ScheduledStationName": (),
    "ScheduledProcedureStepLocation": (),
    "ScheduledProtocolCodeSequence": _CODE,
    "PreMedication": (),
    "ScheduledProcedureStepID": (),
    "RequestedContrastAgent": (),
    "ScheduledProcedureStepStatus": (),
}
"""Of the Scheduled Procedure Step; the names in a sequence where the attribute is one."""

KEYS: Mapping[str, Sequence[str]] = {
    # Requested Procedure
    "RequestedProcedureID": (),
    "RequestedProcedureDescription": (),
    "RequestedProcedureCodeSequence": _CODE,
    "StudyInstanceUID": (),
    "StudyDate": (),
    "StudyTime": (),
    "ReferencedStudySequence": _REFERENCE,
    "RequestedProcedurePriority": (),
    "PatientTransportArrangements": (),
    "ReasonForTheRequestedProcedure": (),
    "ReasonForRequestedProcedureCodeSequence": _CODE,
    "RequestedProcedureComments": (),
    "RequestedProcedureLocation": (),
    "ConfidentialityCode": (),
    "ReportingPriority": (),
    "NamesOfIntendedRecipientsOfResults": (),
    # Imaging Service Request
    "AccessionNumber": (),
    "IssuerOfAccessionNumberSequence": _ISSUER,
    "RequestingPhysician": (),
    "ReferringPhysicianName": (),
    "PlacerOrderNumberImagingServiceRequest": (),
    "FillerOrderNumberImagingServiceRequest": (),
    "RequestingService": (),
    "ImagingServiceRequestComments": (),
    # Visit
    "AdmissionID": (),
    "InstitutionName": (),
    "CurrentPatientLocation": (),
    "ReferencedPatientSequence": _REFERENCE,
    # Patient
    "PatientName": (),
    "PatientID": (),
    "IssuerOfPatientID": (),
    "PatientBirthDate": (),
    "PatientSex": (),
    "PatientWeight": (),
    "PatientSize": (),
    "ConfidentialityConstraintOnPatientDataDescription": (),
    "PatientState": (),
    "PregnancyStatus": (),
    "MedicalAlerts": (),
    "Allergies": (),
    "SpecialNeeds": (),
    "EthnicGroup": (),
}
"""All else of Table K.6-1 that a site may want to decide by."""

_LONGEST_VALUE = 1024
"""Characters of a value that are kept; what is longer is prose that decides nothing."""
_BINARY = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "OB", "OW", "UN", "AT"})
"""Of the keys only Pregnancy Status is one of these, and no prior depends on it."""


def query(keys: model.WorklistKeys, *, character_set: str = "") -> Dataset:
    """The identifier of a query; raises `UnsafeKeyError` for what must not be sent as a key."""
    asked = Dataset()
    # Some answer in another character set unless they are told which one is understood.
    asked.SpecificCharacterSet = character_set.split("\\")
    _return(asked, KEYS)
    step = Dataset()
    _return(step, STEP_KEYS)
    _match(step, "ScheduledStationAETitle", keys.station_ae_title, character_set)
    _match(step, "Modality", keys.modality, character_set)
    _match(step, "ScheduledProcedureStepID", keys.scheduled_procedure_step_id, character_set)
    _match(asked, "AccessionNumber", keys.accession_number, character_set)
    _match(asked, "StudyInstanceUID", keys.study_instance_uid, character_set)
    _match(asked, "PatientID", keys.patient_id, character_set)
    if keys.first_day is not None and keys.last_day is not None:
        days = f"{keys.first_day:%Y%m%d}-{keys.last_day:%Y%m%d}"  # PS3.4 C.2.2.2.5, both ends closed
        _match(step, "ScheduledProcedureStepStartDate", days, character_set)
    setattr(asked, STEP, [step])
    return asked


def find_items(association: Association, asked: Dataset, *, of: peer.Peer) -> model.WorklistAnswer:
    """Ask, and read all the items."""
    read = partial(read_item, character_set=of.character_set)
    answers = find.ask(association, asked, wire.WORKLIST, of=of, read=read, limit=of.answer_limit)
    return model.WorklistAnswer(
        outcome=answers.verdict.outcome,
        items=tuple(answers.read),
        status=answers.status,
        because=answers.verdict.because,
        refused=answers.verdict.refused,
        milliseconds=answers.milliseconds,
    )


def read_item(response: Dataset, *, character_set: str = "") -> Mapping[str, Any] | None:
    """What an answer says, by keyword, without what is empty; None where it schedules no procedure step."""
    item = _read(response, answer.encodings_of(response, character_set))
    return item if item.get(STEP) else None


def _return(into: Dataset, keys: Mapping[str, Sequence[str]]) -> None:
    """Ask for attributes: empty is universal matching (PS3.4 C.2.2.2.3), in a sequence by one item."""
    for keyword, inner in keys.items():
        if inner:
            item = Dataset()
            _return(item, dict.fromkeys(inner, ()))
            setattr(into, keyword, [item])
        else:
            setattr(into, keyword, None)


def _match(into: Dataset, keyword: str, value: str | None, character_set: str) -> None:
    if value is not None:
        identifier.set_key(into, keyword, [value], character_set)


def _read(dataset: Dataset, encodings: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118 (values() would convert each element, and some cannot be)
        keyword = keyword_for_tag(tag)
        if keyword and (value := _value(dataset, keyword, encodings)):
            found[keyword] = value
    found.pop("SpecificCharacterSet", None)
    return found


def _value(dataset: Dataset, keyword: str, encodings: Sequence[str]) -> str | list[dict[str, Any]] | None:
    representation = dictionary_VR(keyword)
    if representation == "SQ":
        return [read for item in answer.items(dataset, keyword) if (read := _read(item, encodings))]
    if representation in _BINARY:
        return None
    return (answer.text(dataset, keyword, encodings) or "")[:_LONGEST_VALUE] or None
