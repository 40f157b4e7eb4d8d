"""What archives do wrong in the field, by name: each fault edits what a faithful archive would do.

To add one: write a `Fault` with the hook that shows it, give it a name in `FAULTS`, and a test that sees
it on the wire; then a row in tests/lies/cases.py, which shows how the daemon survives it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import chain, count, islice
from math import inf

from pydicom import Dataset
from pydicom.dataelem import DataElement

from prefetch.sandbox import studies
from prefetch.sandbox.fault import Fault, is_final
from prefetch.sandbox.operation import Operation, Service

Begins = Callable[[Operation], int | None]
Answers = Callable[[Operation, Iterable[Dataset]], Iterable[Dataset]]
Says = Callable[[Operation, Dataset], None]

MANY = 5_000
"""Answers of an archive that takes no care how many there are."""
PENDING_EVERY = 0.25
"""Seconds between the Pending responses of what never ends."""
LATE = 3.0
"""Seconds after its Success until an archive really sends."""


# --- before anything is looked up ------------------------------------------------------------------


def _on(service: Service, begins: Begins) -> Begins:
    return lambda operation: begins(operation) if operation.service is service else None


def _hang(operation: Operation) -> None:
    operation.hang()


def _refuse(status: int, *, times: float = inf) -> Begins:
    return lambda operation: status if operation.number <= times else None


def _pend_for_ever(operation: Operation) -> None:
    while not operation.abandoned():
        operation.pend()
        operation.hang(PENDING_EVERY)


# --- what a query hears and answers ----------------------------------------------------------------


def _drop_patient_keys(_operation: Operation, identifier: Dataset) -> None:
    for keyword in ("PatientID", "IssuerOfPatientID"):
        if keyword in identifier:
            setattr(identifier, keyword, "")


def each(edit: Callable[[Dataset], None]) -> Answers:
    """Edits every answer."""

    def answers(_operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
        for answer in given:
            edit(answer)
            yield answer

    return answers


def _without(*keywords: str) -> Answers:
    def drop(answer: Dataset) -> None:
        for keyword in keywords:
            if keyword in answer:
                del answer[keyword]

    return each(drop)


def write_raw(answer: Dataset, keyword: str, value: bytes) -> None:
    """Put bytes into an answer as they are: pydicom would not write what the standard forbids.

    As Other Byte, which nothing is converted from; in Implicit VR nobody sees the difference.
    """
    answer[keyword] = DataElement(keyword, "OB", value + b" " * (len(value) % 2))


def _in_latin_1_unsaid(answer: Dataset) -> None:
    for keyword in ("PatientName", "StudyDescription"):
        if keyword in answer:
            write_raw(answer, keyword, str(answer[keyword].value).encode("latin-1", "replace"))
    answer.pop("SpecificCharacterSet", None)


def _malform_dates(answer: Dataset) -> None:
    """As a person writes them: day first, with dots, and a birth date with dashes."""
    for keyword, form in (("StudyDate", "%d.%m.%Y"), ("PatientBirthDate", "%Y-%m-%d")):
        if said := str(answer.get(keyword) or ""):
            day = date(int(said[:4]), int(said[4:6]), int(said[6:8]))
            write_raw(answer, keyword, day.strftime(form).encode())


def _pad_with_others(_operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    return islice(_with_others(given), MANY)


def _trickle(operation: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    for answer in _with_others(given):
        yield answer
        operation.hang(PENDING_EVERY)


def _with_others(given: Iterable[Dataset]) -> Iterator[Dataset]:
    """The true answers, and then without end studies that look like the first."""
    answers = list(given)
    others = (_like(answers[0], number) for number in count(1)) if answers else ()
    return chain(answers, others)


def _like(answer: Dataset, number: int) -> Dataset:
    made = copy.deepcopy(answer)
    made.StudyInstanceUID = studies.made_up_uid(answer.StudyInstanceUID, "another", number)
    made.StudyDate = f"19{90 + number % 10}{1 + number % 12:02}{1 + number % 28:02}"
    return made


def abort_half_way(operation: Operation, so_far: int) -> bool:
    """Whether half of the answers to a query have gone out."""
    return operation.service is Service.FIND and so_far == (operation.matched + 1) // 2


# --- what a move sends and says --------------------------------------------------------------------


def _send_nothing(_operation: Operation, _instances: list[Dataset]) -> list[Dataset]:
    return []


def _send_all_but_one(_operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    return instances[:-1]


def _send_one_in_vain(operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    """At first the last instance goes out under a SOP Class that nobody takes."""
    if operation.number > 1:
        return instances
    odd = copy.deepcopy(instances[-1])
    odd.SOPClassUID = studies.made_up_uid("a SOP Class that nobody takes")
    return [*instances[:-1], odd]


def _refuse_list(operation: Operation) -> int | None:
    return 0xA900 if len(_asked_for(operation)) > 1 else None


def _send_the_first(operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    first = _asked_for(operation)[0]
    return [instance for instance in instances if instance.StudyInstanceUID == first]


def _asked_for(operation: Operation) -> list[str]:
    uids = operation.identifier.StudyInstanceUID
    return [uids] if isinstance(uids, str) else list(uids)


def _abort_after_one(operation: Operation, so_far: int) -> bool:
    return operation.service is Service.MOVE and so_far == 1


_COUNTS = (
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)


def _drop_counts(operation: Operation, command: Dataset) -> None:
    if operation.service is Service.MOVE:
        for keyword in _COUNTS:
            if keyword in command:
                del command[keyword]


def _claim(*, status: int = 0x0000, completed: bool = False, failed: bool = False) -> Says:
    """End with a status, and with every instance counted as completed, as failed, or not at all."""

    def says(operation: Operation, command: Dataset) -> None:
        if operation.service is Service.MOVE and is_final(command):
            command.Status = status
            command.NumberOfCompletedSuboperations = operation.matched if completed else 0
            command.NumberOfFailedSuboperations = operation.matched if failed else 0
            command.NumberOfWarningSuboperations = 0

    return says


def rejects_above(limit: int) -> Fault:
    """An archive that rejects an association beyond so many."""
    return Fault(
        because=f"A-ASSOCIATE-RJ, transient, local limit exceeded, beyond {limit} open associations",
        seen="pynetdicom#732, #629; dcm4che#373",
        admits=lambda open_associations: open_associations < limit,
    )


def takes(**seconds: float) -> Fault:
    """A peer that takes so many seconds over each operation of a service, named as in `Service`: no lie."""
    slow = {Service[name.upper()]: wait for name, wait in seconds.items()}

    def wait(operation: Operation) -> None:
        operation.hang(slow.get(operation.service, 0.0))

    return Fault(because="no fault: as slow as they are", begins=wait)


# --- the registry ----------------------------------------------------------------------------------

FAULTS: dict[str, Fault] = {
    "association-unanswered": Fault(
        because="the connection opens, and an association request is never answered",
        admits=lambda _: None,
    ),
    "find-hangs": Fault(
        because="a C-FIND is never answered; the association stays open until somebody ends it",
        seen="fo-dicom#1467",
        begins=_on(Service.FIND, _hang),
    ),
    "find-never-ends": Fault(
        because="one answer after the other to a C-FIND, without an end",
        answers=_trickle,
    ),
    "find-fails-first": Fault(
        because="the first C-FIND ends with Unable to Process (0xC000), the next one works",
        begins=_on(Service.FIND, _refuse(0xC000, times=1)),
    ),
    "find-aborts-half-way": Fault(
        because="half of the answers to a C-FIND, then an A-ABORT",
        seen="dicoogle#710",
        aborts=abort_half_way,
    ),
    "find-too-broad": Fault(
        because="a C-FIND with more answers than the archive likes is refused (0xA700)",
        seen="dcm4chee-arc-light#1446",
        begins=_on(Service.FIND, _refuse(0xA700)),
    ),
    "answers-another-patient": Fault(
        because="the Patient ID is not honoured as a key: studies of other patients come back as well",
        seen="ClearCanvas#127, ruby-dicom#13 (other keys)",
        hears=_drop_patient_keys,
    ),
    "five-thousand-answers": Fault(
        because="5,000 studies of one patient in answer to one C-FIND",
        seen="pynetdicom#522; Weasis#392",
        answers=_pad_with_others,
    ),
    "no-modalities-in-study": Fault(
        because="Modalities in Study is not returned",
        seen="pydicom#1542; dcmqrscp",
        answers=_without("ModalitiesInStudy"),
    ),
    "no-instance-count": Fault(
        because="Number of Study Related Instances is not returned; it does not mean none",
        seen="dicom-rs#479; dcmqrscp",
        answers=_without("NumberOfStudyRelatedInstances"),
    ),
    "no-character-set": Fault(
        because="names and descriptions in Latin-1, and no Specific Character Set that says so",
        seen="fo-dicom#659; Weasis#627",
        answers=each(_in_latin_1_unsaid),
    ),
    "malformed-dates": Fault(
        because="dates that are none: 24.04.1997, 1970-01-01",
        seen="pydicom's test files; dicoogle#378",
        answers=each(_malform_dates),
    ),
    "no-counts": Fault(
        because="C-MOVE responses carry no counts of sub-operations",
        seen="dcm4chee-arc-light#3052; pynetdicom#787",
        says=_drop_counts,
    ),
    "move-silent": Fault(
        because="a C-MOVE gets no response and stores nothing",
        seen="pynetdicom#382, #792",
        begins=_on(Service.MOVE, _hang),
    ),
    "move-pending-for-ever": Fault(
        because="a C-MOVE is Pending again and again, stores nothing and never ends",
        seen="dcm4che#199",
        begins=_on(Service.MOVE, _pend_for_ever),
    ),
    "move-fails-first": Fault(
        because="the first C-MOVE ends with Unable to perform sub-operations (0xA702), the next one works",
        seen="pynetdicom#764",
        begins=_on(Service.MOVE, _refuse(0xA702, times=1)),
    ),
    "move-aborts-after-first-store": Fault(
        because="one instance of several, then an A-ABORT; what becomes of the rest is not defined",
        seen="pynetdicom#833",
        aborts=_abort_after_one,
    ),
    "list-refused": Fault(
        because="a C-MOVE that names several studies does not match the SOP Class (0xA900)",
        begins=_on(Service.MOVE, _refuse_list),
    ),
    "list-cut-to-its-first": Fault(
        because="of several studies that a C-MOVE names the first is sent, and Success said",
        sends=_send_the_first,
    ),
    "success-nothing-stored": Fault(
        because="Success with every sub-operation completed, and nothing was sent: the counts are a promise",
        seen="tape archives",
        sends=_send_nothing,
        says=_claim(completed=True),
    ),
    "success-nothing-counted": Fault(
        because="Success with no sub-operation at all: the archive has lost what it answered to the query",
        seen="dcm4chee-arc-light#2535; pynetdicom#831",
        sends=_send_nothing,
        says=_claim(),
    ),
    "success-all-failed": Fault(
        because="Success although every sub-operation failed",
        seen="pynetdicom#552, #577",
        sends=_send_nothing,
        says=_claim(failed=True),
    ),
    "warning-all-failed": Fault(
        because="a Warning (0xB000) although every sub-operation failed",
        seen="dcm4chee-arc-light#1158; pynetdicom#926",
        sends=_send_nothing,
        says=_claim(status=0xB000, failed=True),
    ),
    "success-stores-later": Fault(
        because="Success with every sub-operation completed, and the instances come seconds later",
        seen="Orthanc without SynchronousCMove",
        sends=_send_nothing,
        says=_claim(completed=True),
        late=LATE,
    ),
    "one-instance-missing": Fault(
        because="Success with all counted as completed, but the last instance never arrives",
        sends=_send_all_but_one,
        says=_claim(completed=True),
    ),
    "one-instance-fails-first": Fault(
        because="the first C-MOVE ends with a Warning (0xB000) and names one instance that failed",
        seen="a SOP Class that the workstation does not take",
        sends=_send_one_in_vain,
    ),
    "unknown-destination": Fault(
        because="Move Destination unknown (0xA801): nobody told the archive of the workstation",
        seen="pynetdicom#436, #358; dcmqrscp",
        begins=_on(Service.MOVE, _refuse(0xA801)),
    ),
    "unknown-destination-as-0xC000": Fault(
        because="Move Destination unknown, said as Unable to Process (0xC000)",
        seen="Orthanc",
        begins=_on(Service.MOVE, _refuse(0xC000)),
    ),
    "store-refused": Fault(
        because="a workstation without room: every C-STORE ends with Out of Resources (0xA700)",
        begins=_on(Service.STORE, _refuse(0xA700)),
    ),
    "rejects-above-1": rejects_above(1),
    "rejects-above-2": rejects_above(2),
}
