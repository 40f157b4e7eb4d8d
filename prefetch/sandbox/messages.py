"""PURE: the HL7 v2 messages that a RIS sends about a booking, as IHE RAD TF-2 has them.

ORM^O01 (4.4, Procedure Scheduled), OMI^O23 (the same in 2.5.1) and SIU (4.48, Appointment Notification).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prefetch import model

ENCODING = "^~\\&"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One exam of one patient, as the RIS knows it."""

    patient: model.Patient
    accession_number: str
    procedure_code: str
    procedure_description: str
    modality: str
    station_ae_title: str
    scheduled_start: datetime | None
    """Aware; None for an exam without a time."""
    patient_class: str = "O"
    priority: str = "R"
    """TQ1-9 and ORC-7.6: R routine, A as soon as possible, S at once (HL7 v2.5.1 table 0485)."""
    study_instance_uid: str = ""
    location: str = ""

    @property
    def placer_order_number(self) -> str:
        """ORC-2, as the ward's system numbers it."""
        return f"P{self.accession_number}"

    @property
    def filler_order_number(self) -> str:
        """ORC-3, as the RIS numbers it."""
        return f"F{self.accession_number}"


class Change(StrEnum):
    """What happens to a booking."""

    NEW = "new"
    CHANGED = "changed"
    CANCELLED = "cancelled"


ORDER_CONTROL = {Change.NEW: "NW", Change.CHANGED: "XO", Change.CANCELLED: "CA"}
"""ORC-1 (HL7 v2.5.1 table 0119)."""
ORDER_STATUS = {Change.NEW: "SC", Change.CHANGED: "SC", Change.CANCELLED: "CA"}
"""ORC-5 (table 0038)."""
APPOINTMENT_EVENT = {Change.NEW: "S12", Change.CHANGED: "S13", Change.CANCELLED: "S15"}
APPOINTMENT_STATUS = {Change.NEW: "Booked", Change.CHANGED: "Booked", Change.CANCELLED: "Cancelled"}
"""SCH-25 (table 0278)."""
BOOKING_DESK = "1^Desk^Booking"
"""SCH-16 and SCH-20: who to call, who entered it."""


def orm(booking: Booking, change: Change, *, control_id: str, now: datetime) -> str:
    """ORM^O01 of HL7 v2.3.1: time in ORC-7.4, accession in OBR-18, modality in OBR-24, the UID in ZDS-1.

    It has no place for the station.
    """
    timing = f"^^^{_time(booking.scheduled_start)}^^{booking.priority}"
    order = {2: booking.placer_order_number, 3: booking.filler_order_number}
    service = f"{_text(booking.procedure_code)}^{_text(booking.procedure_description)}^L"
    segments = [
        _header("ORM^O01", "2.3.1", control_id, now),
        *_patient(booking),
        _segment(
            "ORC",
            order
            | {
                1: ORDER_CONTROL[change],
                5: ORDER_STATUS[change],
                7: timing,
                9: _time(now),
            },
        ),
        _segment(
            "OBR",
            order
            | {
                1: "1",
                4: service,
                18: booking.accession_number,
                19: f"RP{booking.accession_number}",
                20: f"SPS{booking.accession_number}",
                24: booking.modality,
                27: timing,
                36: _time(booking.scheduled_start),
                44: service,
            },
        ),
    ]
    if booking.study_instance_uid:
        segments.append(_segment("ZDS", {1: f"{booking.study_instance_uid}^RIS^Application^DICOM"}))
    return _message(segments)


def omi(booking: Booking, change: Change, *, control_id: str, now: datetime) -> str:
    """OMI^O23 of HL7 v2.5.1: time in TQ1-7, everything of the imaging step in IPC."""
    order = {2: booking.placer_order_number, 3: booking.filler_order_number}
    service = f"{_text(booking.procedure_code)}^{_text(booking.procedure_description)}^L"
    return _message(
        [
            _header("OMI^O23^OMI_O23", "2.5.1", control_id, now),
            *_patient(booking),
            _segment("ORC", order | {1: ORDER_CONTROL[change], 5: ORDER_STATUS[change], 9: _time(now)}),
            _segment("TQ1", {1: "1", 7: _time(booking.scheduled_start), 9: booking.priority}),
            _segment("OBR", order | {1: "1", 4: service}),
            _segment(
                "IPC",
                {
                    1: booking.accession_number,
                    2: f"RP{booking.accession_number}",
                    3: booking.study_instance_uid,
                    4: f"SPS{booking.accession_number}",
                    5: booking.modality,
                    6: service,
                    9: booking.station_ae_title,
                },
            ),
        ]
    )


def siu(booking: Booking, change: Change, *, control_id: str, now: datetime) -> str:
    """SIU^S12, S13 or S15 of HL7 v2.5.1: the order numbers in SCH-26/27, the time in AIS-4; no modality."""
    event = APPOINTMENT_EVENT[change]
    start = _time(booking.scheduled_start)
    return _message(
        [
            _header(f"SIU^{event}^SIU_S12", "2.5.1", control_id, now),
            _segment(
                "SCH",
                {
                    1: f"A{booking.accession_number}",
                    2: f"A{booking.accession_number}",
                    6: event,
                    11: f"^^^{start}",
                    16: BOOKING_DESK,
                    20: BOOKING_DESK,
                    25: APPOINTMENT_STATUS[change],
                    26: booking.placer_order_number,
                    27: booking.filler_order_number,
                },
            ),
            *_patient(booking),
            _segment("RGS", {1: "1"}),
            _segment(
                "AIS",
                {
                    1: "1",
                    3: f"{_text(booking.procedure_code)}^{_text(booking.procedure_description)}^L",
                    4: start,
                },
            ),
        ]
    )


def adt(
    trigger: str,
    patient: model.Patient,
    prior: Sequence[model.PatientId] = (),
    *,
    control_id: str,
    now: datetime,
) -> str:
    """ADT of HL7 v2.5.1: what became of a patient's data, and by a merge (A40, A47) of the `prior` IDs."""
    segments = [
        _header(f"ADT^{trigger}", "2.5.1", control_id, now),
        _segment("EVN", {1: trigger, 2: _time(now)}),
        _person(patient),
    ]
    return _message([*segments, *([_segment("MRG", {1: _ids(prior)})] if prior else [])])


# --- pieces ----------------------------------------------------------------------------------------


def _header(message_type: str, version: str, control_id: str, now: datetime) -> str:
    fields = {
        3: "RIS",
        4: "NORTHGATE",
        5: "PREFETCH",
        6: "NORTHGATE",
        7: _time(now),
        9: message_type,
        10: control_id,
        11: "P",
        12: version,
        18: "UNICODE UTF-8",
    }
    # MSH-1 is the separator itself, so that MSH-2 stands where another segment has its first field.
    return _segment("MSH", {1: ENCODING} | {number - 1: value for number, value in fields.items()})


def _patient(booking: Booking) -> list[str]:
    return [
        _person(booking.patient),
        _segment("PV1", {1: "1", 2: booking.patient_class, 3: _text(booking.location)}),
    ]


def _person(patient: model.Patient) -> str:
    person = {
        1: "1",
        3: _ids(patient.ids),
        5: _name(patient.name),
        7: patient.birth_date or "",
        8: patient.sex or "",
    }
    return _segment("PID", person)


def _ids(ids: Iterable[model.PatientId]) -> str:
    """PID-3 or MRG-1: every ID with its assigning authority, first the patient's own."""
    return "~".join(f"{_text(one.patient_id)}^^^{_text(one.issuer_of_patient_id)}^PI" for one in ids)


def _name(name: str | None) -> str:
    """XPN of a DICOM name's first group: the same five components, family name first."""
    return "^".join(map(_text, (name or "").split("=", 1)[0].split("^")))


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y%m%d%H%M%S%z")


def _text(value: str | None) -> str:
    """Escape what separates (HL7 v2.5.1 2.7)."""
    escapes = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    return "".join(escapes.get(character, character) for character in value or "")


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def _message(segments: list[str]) -> str:
    return "".join(f"{segment}\r" for segment in segments)
