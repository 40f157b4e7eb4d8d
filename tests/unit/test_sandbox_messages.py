"""Promises of the messages that the sandbox's RIS writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from prefetch import model
from prefetch.sandbox import messages

NOW = datetime(2026, 3, 2, 7, 30, tzinfo=timezone(timedelta(hours=1)))
BOOKING = messages.Booking(
    patient=model.Patient(
        patient_id="4711",
        issuer_of_patient_id="NORTHGATE",
        name="Brandt & Söhne^Lisa^^Dr.=山田^花子",
        birth_date="19610403",
        sex="F",
    ),
    accession_number="A100",
    procedure_code="CTCHEST",
    procedure_description="CT chest | low dose",
    modality="CT",
    station_ae_title="CT1",
    scheduled_start=NOW + timedelta(hours=1),
    priority="S",
    study_instance_uid="2.25.1",
    location="ED",
)

Writer = Callable[..., str]


def fields(message: str) -> dict[str, list[str]]:
    """Each segment's fields, so that field 18 stands at 18."""
    segments = [line.split("|") for line in message.rstrip("\r").split("\r")]
    return {names[0]: [names[0], "|", *names[1:]] if names[0] == "MSH" else names for names in segments}


@pytest.mark.parametrize("write", [messages.omi, messages.siu])
@pytest.mark.parametrize("change", messages.Change)
def test_a_message_is_valid(write: Writer, change: messages.Change) -> None:
    """A parser that was written by others finds nothing wrong (hl7apy knows no choice, so not with ORM)."""
    message = write(BOOKING, change, control_id="17", now=NOW)
    assert parse_message(message, validation_level=VALIDATION_LEVEL.TOLERANT).validate()


def test_an_orm_says_what_ihe_maps() -> None:
    """Order numbers, time, accession number, modality and the new study's UID stand where IHE wants them."""
    said = fields(messages.orm(BOOKING, messages.Change.NEW, control_id="17", now=NOW))
    assert (said["MSH"][10], said["MSH"][18]) == ("17", "UNICODE UTF-8")
    assert said["PID"][3] == "4711^^^NORTHGATE^PI"
    assert (said["ORC"][1], said["ORC"][2], said["ORC"][3]) == ("NW", "PA100", "FA100")
    assert said["ORC"][7] == "^^^20260302083000+0100^^S"
    assert (said["OBR"][18], said["OBR"][24]) == ("A100", "CT")
    assert said["ZDS"][1] == "2.25.1^RIS^Application^DICOM"


def test_an_omi_says_it_in_ipc() -> None:
    """The imaging procedure control segment carries accession, UID, modality and station."""
    said = fields(messages.omi(BOOKING, messages.Change.CHANGED, control_id="17", now=NOW))
    assert said["ORC"][1] == "XO"
    assert (said["TQ1"][7], said["TQ1"][9]) == ("20260302083000+0100", "S")
    assert [said["IPC"][number] for number in (1, 3, 5, 9)] == ["A100", "2.25.1", "CT", "CT1"]


def test_a_siu_names_the_order() -> None:
    """A rescheduled or cancelled appointment says which order it is about."""
    said = fields(messages.siu(BOOKING, messages.Change.CANCELLED, control_id="17", now=NOW))
    assert said["MSH"][9] == "SIU^S15^SIU_S12"
    assert (said["SCH"][25], said["SCH"][26], said["SCH"][27]) == ("Cancelled", "PA100", "FA100")


def test_what_separates_is_escaped() -> None:
    """A description or name with a separator stays one field, and only the alphabetic name is sent."""
    said = fields(messages.orm(BOOKING, messages.Change.NEW, control_id="17", now=NOW))
    assert said["OBR"][4] == "CTCHEST^CT chest \\F\\ low dose^L"
    assert said["PID"][5] == "Brandt \\T\\ Söhne^Lisa^^Dr."
