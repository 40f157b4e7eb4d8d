"""What worklist items say of an exam."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake.worklist import reading
from prefetch.model import Action, OrderStatus


def item(**said: Any) -> dict[str, Any]:
    """An item; keywords of its step go into the step."""
    usual = {
        "AccessionNumber": "A1",
        "RequestedProcedureID": "RP1",
        "StudyInstanceUID": "1.2.3",
        "PatientID": "4711",
        "ScheduledProcedureStepID": "S1",
        "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": "100000",
        "Modality": "CT",
    }
    facts = {name: value for name, value in (usual | said).items() if value is not None}
    in_step = {name for name in facts if name.startswith("Scheduled") or name == "Modality"}
    step = {name: facts.pop(name) for name in sorted(in_step)}
    return facts | {reading.STEP: [step]}


CODE = [{"CodeValue": "CTCHEST", "CodeMeaning": "Chest CT"}]


@pytest.mark.parametrize(
    ("day", "clock", "start"),
    [
        ("20260302", "100000", "2026-03-02T10:00:00"),
        ("20260302", "1000", "2026-03-02T10:00:00"),
        ("20260302", "10", "2026-03-02T10:00:00"),
        ("20260302", "10:00:30", "2026-03-02T10:00:30"),
        ("20260302", "100000.5", "2026-03-02T10:00:00"),
        ("2026.03.02", "100000", "2026-03-02T10:00:00"),
        ("20260302", None, "2026-03-02"),
        ("20260302", "soon", "2026-03-02"),
        ("20260302", "250000", "2026-03-02"),
        ("20260231", "100000", None),
        ("tomorrow", "100000", None),
        (None, "100000", None),
    ],
)
def test_a_start_is_read_as_people_write_it(day: str | None, clock: str | None, start: str | None) -> None:
    """With dots and colons, short or long; a date without a time is a day, and what is no date is none."""
    said = item(ScheduledProcedureStepStartDate=day, ScheduledProcedureStepStartTime=clock)
    assert start == reading.start_of(said)


@pytest.mark.parametrize(
    ("offset", "start"),
    [
        ("-0500", "2026-03-02T10:00:00-05:00"),
        ("+0100", "2026-03-02T10:00:00+01:00"),
        ("CET", "2026-03-02T10:00:00"),
    ],
)
def test_a_zone_of_its_own_is_believed(offset: str, start: str) -> None:
    """Timezone Offset From UTC, where it is one."""
    assert start == reading.start_of(item(TimezoneOffsetFromUTC=offset))


@pytest.mark.parametrize(
    ("said", "code", "description"),
    [
        ({"RequestedProcedureDescription": "CT", "RequestedProcedureCodeSequence": CODE}, "CTCHEST", "CT"),
        ({"RequestedProcedureCodeSequence": CODE}, "CTCHEST", "Chest CT"),
        ({"ScheduledProcedureStepDescription": "CT chest"}, None, "CT chest"),
        ({"ScheduledProtocolCodeSequence": CODE}, "CTCHEST", "Chest CT"),
        ({"RequestedProcedureCodeSequence": []}, None, None),
        ({}, None, None),
    ],
)
def test_the_procedure_is_looked_for_in_turn(
    said: dict[str, Any], code: str | None, description: str | None
) -> None:
    """What was requested before what the step will do, words before codes."""
    event = reading.read_exam([item(**said)])
    assert (code, description) == (event.procedure_code, event.procedure_description)


@pytest.mark.parametrize(("said", "modality"), [("ct", "CT"), ("XYZ", None), (None, None)])
def test_a_modality_that_is_not_one_is_none(said: str | None, modality: str | None) -> None:
    """A room in its place does not become a rule's condition."""
    assert modality == reading.read_exam([item(Modality=said)]).modality


@pytest.mark.parametrize(
    ("statuses", "action", "status"),
    [
        ([None], Action.NEW, None),
        (["ARRIVED"], Action.NEW, OrderStatus.SCHEDULED),
        (["STARTED"], Action.NEW, OrderStatus.IN_PROGRESS),
        (["CANCELLED"], Action.CANCEL, None),
        (["CANCELLED", "CANCELLED"], Action.CANCEL, None),
        (["CANCELLED", None], Action.NEW, None),
        (["CANCELLED", "SCHEDULED"], Action.NEW, OrderStatus.SCHEDULED),
        (["COMPLETED", "SCHEDULED"], Action.NEW, OrderStatus.IN_PROGRESS),
        (["COMPLETED", "DEPARTED"], Action.NEW, OrderStatus.COMPLETED),
        (["WHATEVER"], Action.NEW, None),
    ],
)
def test_an_exam_is_as_far_as_its_steps(
    statuses: list[str | None], action: Action, status: OrderStatus | None
) -> None:
    """Cancelled or complete when all of them are, in progress when one has begun."""
    steps = [
        item(ScheduledProcedureStepID=f"S{number}", ScheduledProcedureStepStatus=said)
        for number, said in enumerate(statuses)
    ]
    event = reading.read_exam(steps, steps=len(steps))
    assert (action, status) == (event.action, event.status)


def test_the_issuer_of_the_site_stands_in_for_one_that_is_not_said() -> None:
    """And is no patient by itself."""
    said = [
        reading.read_exam([each], issuer="HOSP").issuer_of_patient_id
        for each in (item(), item(IssuerOfPatientID="LAB"), item(PatientID=None))
    ]
    assert ["HOSP", "LAB", None] == said


def test_the_step_s_id_names_an_exam_of_one_step_only() -> None:
    """Of several the exam is none in particular."""
    assert ("S1", None) == (
        reading.read_exam([item()]).scheduled_procedure_step_id,
        reading.read_exam([item()], steps=2).scheduled_procedure_step_id,
    )


def test_a_station_of_several_is_the_first() -> None:
    """Padding and all."""
    event = reading.read_exam([item(ScheduledStationAETitle="CT1  \\CT2", ScheduledStationName=" ")])
    assert ("CT1", None) == (event.station_ae_title, event.station_name)


def test_attributes_are_plain_for_rules() -> None:
    """By keyword, the step's among the others, a code sequence as its first code."""
    said = item(RequestedProcedureCodeSequence=CODE, ReferencedStudySequence=[{"ReferencedSOPClassUID": "1"}])
    flat = reading.read_exam([said]).worklist
    assert ("CT", "CTCHEST", False) == (
        flat["Modality"],
        flat["RequestedProcedureCodeSequence"],
        "ReferencedStudySequence" in flat or reading.STEP in flat,
    )


def test_what_names_an_item_is_enough_of_it() -> None:
    """Numbers where there are any, else patient, step and time."""
    nameless = item(AccessionNumber=None, StudyInstanceUID=None)
    assert [("patient", "4711", "S1", "2026-03-02T10:00:00", "CT")] == [*reading.names_of(nameless)]
    assert "4711|S1|2026-03-02T10:00:00|CT" == reading.key_of(nameless)
    assert ("study", "1.2.3") == reading.exam_of(item(AccessionNumber=None))
    assert reading.exam_of(nameless) in reading.names_of(nameless)


def test_an_item_without_a_step_says_little() -> None:
    """And breaks nothing."""
    event = reading.read_exam([{"AccessionNumber": "A1"}])
    assert ("A1", None, None) == (event.accession_number, event.modality, event.scheduled_start)
    assert date(2026, 3, 2) == reading.day_of(item())


_WORDS = st.one_of(st.none(), st.text(max_size=20))


@given(
    st.dictionaries(
        st.sampled_from([*reading._PLAIN.values(), "TimezoneOffsetFromUTC", "RequestedProcedureDescription"]),  # noqa: SLF001 (all of them)
        st.text(max_size=20),
    ),
    _WORDS,
    _WORDS,
    _WORDS,
)
def test_any_item_is_read(
    said: dict[str, str], day: str | None, clock: str | None, status: str | None
) -> None:
    """Whatever a worklist writes, an event comes of it."""
    made = item(
        **said,
        ScheduledProcedureStepStartDate=day,
        ScheduledProcedureStepStartTime=clock,
        ScheduledProcedureStepStatus=status,
    )
    event = reading.read_exam([made, item(ScheduledProcedureStepID="S2")], steps=2)
    assert event.action in {Action.NEW, Action.CANCEL}
    assert reading.key_of(made)
