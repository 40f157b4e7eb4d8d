"""A worklist of the sandbox: a RIS that answers Modality Worklist C-FIND (PS3.4 Annex K), and its faults.

with Worklist(ae_title="RIS") as ris:
ris.items["S1"] = item(accession_number="A1", start=datetime(2026, 3, 2, 10))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from pydicom import Dataset
from pynetdicom import AE

from prefetch import model
from prefetch.sandbox import faults, matching, scp, studies
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.operation import Operation

MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
STEP = "ScheduledProcedureStepSequence"


class Worklist(scp.Scp):
    """An Order Filler (IHE RAD TF-1 actors) that answers RAD-5; `items` may be changed at any time."""

    def __init__(
        self,
        *,
        ae_title: str,
        faults: Iterable[str | Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(ae_title=ae_title, faults=faults, host=host, port=port)
        self.items: dict[str, Dataset] = {}
        """By any name."""

    def _offer(self, entity: AE) -> None:
        entity.add_supported_context(scp.VERIFICATION)
        entity.add_supported_context(MODALITY_WORKLIST_FIND)

    def _look_up(self, identifier: Dataset) -> list[Dataset]:
        step_keys = _step(identifier)
        return [
            _answer(identifier, item)
            for item in list(self.items.values())
            if matching.matches(identifier, item) and matching.matches(step_keys, _step(item))
        ]


def item(
    *,
    accession_number: str = "",
    patient: model.Patient,
    start: datetime,
    modality: str = "CT",
    description: str = "CT Chest",
    procedure_code: str = "",
    station_ae_title: str = "CT1",
    study_instance_uid: str = "",
    requested_procedure_id: str = "RP1",
    scheduled_procedure_step_id: str = "S1",
    placer_order_number: str = "",
    filler_order_number: str = "",
    status: str = "",
    priority: str = "",
) -> Dataset:
    """A Scheduled Procedure Step as a RIS has it; without a Study Instance UID one is made of its numbers."""
    step = Dataset()
    step.ScheduledStationAETitle = station_ae_title
    step.ScheduledProcedureStepStartDate = f"{start:%Y%m%d}"
    step.ScheduledProcedureStepStartTime = f"{start:%H%M%S}"
    step.Modality = modality
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProcedureStepDescription = description
    step.ScheduledProcedureStepID = scheduled_procedure_step_id
    if status:
        step.ScheduledProcedureStepStatus = status
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.AccessionNumber = accession_number
    made.PatientName = patient.name or ""
    made.PatientID = patient.patient_id or ""
    made.IssuerOfPatientID = patient.issuer_of_patient_id or ""
    made.PatientBirthDate = patient.birth_date or ""
    made.PatientSex = patient.sex or ""
    made.StudyInstanceUID = study_instance_uid or studies.made_up_uid(
        accession_number, requested_procedure_id, patient.patient_id
    )
    made.RequestedProcedureID = requested_procedure_id
    made.RequestedProcedureDescription = description
    made.RequestedProcedurePriority = priority
    made.PlacerOrderNumberImagingServiceRequest = placer_order_number
    made.FillerOrderNumberImagingServiceRequest = filler_order_number
    if procedure_code:
        code = Dataset()
        code.CodeValue = procedure_code
        code.CodingSchemeDesignator = "99SITE"
        code.CodeMeaning = description
        made.RequestedProcedureCodeSequence = [code]
    setattr(made, STEP, [step])
    return made


def _step(of: Dataset) -> Dataset:
    """The one item of a Scheduled Procedure Step Sequence (PS3.4 K.6.1.2.2)."""
    steps = of.get(STEP)
    return steps[0] if steps else Dataset()


def _answer(identifier: Dataset, entity: Dataset) -> Dataset:
    """What was asked for, and no more."""
    answer = Dataset()
    answer.SpecificCharacterSet = entity.get("SpecificCharacterSet", "")
    for key in identifier:
        if key.keyword in matching.NOT_KEYS:
            continue
        if key.VR == "SQ" and key.value and key.keyword in entity:
            found = [_inner(key.value[0], inner) for inner in entity[key.keyword].value]
            setattr(answer, key.keyword, found)
        elif key.keyword in entity:
            answer[key.tag] = entity[key.tag]
        else:
            setattr(answer, key.keyword, [] if key.VR == "SQ" else None)
    return answer


def _inner(keys: Dataset, entity: Dataset) -> Dataset:
    answer = _answer(keys, entity)
    del answer.SpecificCharacterSet
    return answer


# --- what worklists do wrong -------------------------------------------------------------------------


def _drop_keys(_operation: Operation, identifier: Dataset) -> None:
    for each in (identifier, _step(identifier)):
        for key in list(matching.matching_keys(each)):
            setattr(each, key.keyword, "")


def _drop_optional_keys(_operation: Operation, identifier: Dataset) -> None:
    """Those that Table K.6-1 requires are honoured; Patient ID is one of them."""
    for keyword in ("AccessionNumber", "StudyInstanceUID"):
        setattr(identifier, keyword, "")
    _step(identifier).ScheduledProcedureStepID = ""


def _cut(_operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    return islice(given, MOST)


def _twice(_operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    for answer in given:
        yield answer
        yield answer


def _pad(answer: Dataset) -> None:
    step = _step(answer)
    faults.write_raw(step, "ScheduledStationAETitle", str(step.ScheduledStationAETitle).ljust(20).encode())


MOST = 2
"""Items in the answer of a worklist that limits them."""

FAULTS: dict[str, Fault] = {
    "ignores-all-keys": Fault(
        because="no key is honoured: items of other days, stations and patients come back",
        seen="dcm4chee-arc-light#1442; dcm4che#914",
        hears=_drop_keys,
    ),
    "ignores-optional-keys": Fault(
        because="Accession Number, Study Instance UID and Scheduled Procedure Step ID are no keys",
        hears=_drop_optional_keys,
    ),
    "limits-answers": Fault(
        because="Success after the first items, and no word of the rest",
        seen="dcm4chee-arc-light#1446",
        answers=_cut,
    ),
    "aborts-half-way": Fault(
        because="half of the items, then an A-ABORT",
        seen="dicoogle#710",
        aborts=faults.abort_half_way,
    ),
    "answers-twice": Fault(because="each item comes twice", answers=_twice),
    "pads-ae-titles": Fault(
        because="AE titles padded with blanks beyond 16 characters",
        seen="slicebox#24; logs in pynetdicom#358",
        answers=faults.each(_pad),
    ),
}
"""By name."""
