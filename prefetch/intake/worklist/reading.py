"""PURE: what the items of a worklist say of an exam (PS3.4 Annex K), as the same event that a message gives.

An exam is one Requested Procedure; its Scheduled Procedure Steps are items of their own, and the earliest
says when and where the exam is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from prefetch import modalities
from prefetch.model import Action, OrderEvent, OrderStatus

Item = Mapping[str, Any]
"""Attributes by keyword: a text, or for a sequence a list of the same."""
Name = tuple[str, ...]

STEP = "ScheduledProcedureStepSequence"
_LONGEST_PART = 60

_STATUS = {
    # Defined Terms of (0040,0020), PS3.3 C.4.10; the last four are what worklists write as well.
    "SCHEDULED": OrderStatus.SCHEDULED,
    "ARRIVED": OrderStatus.SCHEDULED,
    "READY": OrderStatus.SCHEDULED,
    "STARTED": OrderStatus.IN_PROGRESS,
    "DEPARTED": OrderStatus.COMPLETED,
    "IN PROGRESS": OrderStatus.IN_PROGRESS,
    "COMPLETED": OrderStatus.COMPLETED,
    "CANCELLED": OrderStatus.CANCELLED,
    "CANCELED": OrderStatus.CANCELLED,
    "DISCONTINUED": OrderStatus.CANCELLED,
}

_PLAIN = {
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "placer_order_number": "PlacerOrderNumberImagingServiceRequest",
    "filler_order_number": "FillerOrderNumberImagingServiceRequest",
    "requested_procedure_id": "RequestedProcedureID",
    "study_instance_uid": "StudyInstanceUID",
    "priority": "RequestedProcedurePriority",
    "location": "CurrentPatientLocation",
}
"""Field of the event → attribute that is taken as it is."""


def read_exam(items: Sequence[Item], *, issuer: str | None = None, steps: int = 1) -> OrderEvent:
    """What all items of one exam say together.

    `issuer` is whose IDs these are where no item says so; `steps` is how many the exam ever had: where it had
    several, the ID of one would not name it.
    """
    item = _lead(items)
    step = step_of(item)
    said: dict[str, Any] = {field: _text(item, keyword) for field, keyword in _PLAIN.items()}
    said["issuer_of_patient_id"] = said["patient_id"] and (said["issuer_of_patient_id"] or issuer)
    status = _status(items)
    cancelled = status is OrderStatus.CANCELLED
    return OrderEvent(
        action=Action.CANCEL if cancelled else Action.NEW,
        status=None if cancelled else status,
        **said,
        scheduled_procedure_step_id=_text(step, "ScheduledProcedureStepID") if steps == 1 else None,
        procedure_code=_code(item, "RequestedProcedureCodeSequence")
        or _code(step, "ScheduledProtocolCodeSequence"),
        procedure_description=_description(item, step),
        modality=_modality(step),
        scheduled_start=start_of(item),
        station_ae_title=next(_values(step, "ScheduledStationAETitle"), None),
        station_name=next(_values(step, "ScheduledStationName"), None),
        worklist=flatten(item),
    )


def names_of(item: Item) -> frozenset[Name]:
    """What names an item: two that share a name are the same, whatever else has changed in them."""
    step = step_of(item)
    step_id = _text(step, "ScheduledProcedureStepID") or ""
    accession, study = _text(item, "AccessionNumber"), _text(item, "StudyInstanceUID")
    names: list[Name] = []
    if accession:
        names.append(("accession", accession, _text(item, "RequestedProcedureID") or "", step_id))
    if study:
        names.append(("study", study, step_id))
    if not names:
        start, modality = start_of(item) or "", _text(step, "Modality") or ""
        names.append(("patient", _text(item, "PatientID") or "", step_id, start, modality))
    return frozenset(names)


def key_of(item: Item) -> str:
    """The name under which an item is kept."""
    return "|".join(part[:_LONGEST_PART] for part in min(names_of(item))[1:])


def exam_of(item: Item) -> Name:
    """What names the exam of an item: its Requested Procedure."""
    accession, study = _text(item, "AccessionNumber"), _text(item, "StudyInstanceUID")
    procedure = _text(item, "RequestedProcedureID")
    if accession and procedure:
        return ("procedure", accession, procedure)
    return ("study", study) if study else min(names_of(item))


def step_of(item: Item) -> Item:
    """Its Scheduled Procedure Step: exactly one (PS3.4 K.6.1.2.2)."""
    steps: list[Item] = item.get(STEP) or [{}]
    return steps[0]


def start_of(item: Item) -> str | None:
    """When its step is to begin, `YYYY-MM-DD[THH:MM[:SS]][±hh:mm]`; None where it does not say so."""
    step = step_of(item)
    day = day_of(item)
    if day is None:
        return None
    clock = re.fullmatch(
        r"([01]\d|2[0-3]):?([0-5]\d)?:?([0-5]\d)?(\.\d*)?",
        _text(step, "ScheduledProcedureStepStartTime") or "",
    )
    if clock is None:
        return day.isoformat()
    hour, minute, second, _ = clock.groups()
    return f"{day.isoformat()}T{hour}:{minute or '00'}:{second or '00'}{_offset(item)}"


def day_of(item: Item) -> date | None:
    """The day of its step."""
    said = (_text(step_of(item), "ScheduledProcedureStepStartDate") or "").replace(".", "")
    try:
        return date.fromisoformat(said) if len(said) == len("20260131") else None
    except ValueError:
        return None


def stations_of(item: Item) -> frozenset[str]:
    """The AE titles of its stations, without padding."""
    return frozenset(_values(step_of(item), "ScheduledStationAETitle"))


def modality_of(item: Item) -> str:
    """Its modality as it was sent."""
    return (_text(step_of(item), "Modality") or "").upper()


def flatten(item: Item) -> dict[str, str]:
    """An item as attributes by keyword; a code sequence as its first code, the step as part of the whole."""
    flat: dict[str, str] = {}
    for keyword, value in (*item.items(), *step_of(item).items()):
        if keyword == STEP:
            continue
        if isinstance(value, str):
            flat[keyword] = value
        elif code := _code({keyword: value}, keyword):
            flat[keyword] = code
    return flat


# --- the small print ---------------------------------------------------------------------------------


def _lead(items: Sequence[Item]) -> Item:
    """The item whose step begins first, of those that are not cancelled if there are any."""
    standing = [item for item in items if _status_of(item) is not OrderStatus.CANCELLED]
    return min(standing or items, key=lambda item: (start_of(item) or "~", key_of(item)))


def _status(items: Sequence[Item]) -> OrderStatus | None:
    """An exam is cancelled or complete when all its steps are, and in progress when one has begun."""
    told = [status for item in items if (status := _status_of(item)) is not None]
    standing = set(told) - {OrderStatus.CANCELLED}
    if len(told) == len(items) and len(set(told)) == 1:
        return told[0]
    if standing <= {OrderStatus.SCHEDULED}:
        return OrderStatus.SCHEDULED if standing else None
    return OrderStatus.IN_PROGRESS


def _status_of(item: Item) -> OrderStatus | None:
    return _STATUS.get((_text(step_of(item), "ScheduledProcedureStepStatus") or "").upper())


def _description(item: Item, step: Item) -> str | None:
    return (
        _text(item, "RequestedProcedureDescription")
        or _code(item, "RequestedProcedureCodeSequence", "CodeMeaning")
        or _text(step, "ScheduledProcedureStepDescription")
        or _code(step, "ScheduledProtocolCodeSequence", "CodeMeaning")
    )


def _modality(step: Item) -> str | None:
    """A modality that is not one is no modality."""
    said = (_text(step, "Modality") or "").upper()
    return said if said in modalities.KNOWN else None


def _code(item: Item, sequence: str, keyword: str = "CodeValue") -> str | None:
    codes = item.get(sequence)
    return _text(codes[0], keyword) if isinstance(codes, list) and codes else None


def _offset(item: Item) -> str:
    said = _text(item, "TimezoneOffsetFromUTC") or ""
    return f"{said[:3]}:{said[3:]}" if re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", said) else ""


def _values(item: Item, keyword: str) -> Iterator[str]:
    return (part.strip() for part in (_text(item, keyword) or "").split("\\") if part.strip())


def _text(item: Item, keyword: str) -> str | None:
    value = item.get(keyword)
    return value.strip() or None if isinstance(value, str) else None
