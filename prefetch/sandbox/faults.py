"""What archives do wrong in the field, by name: each fault edits what a faithful archive would do.

To add one: write a `Fault` with the hook that shows it, give it a name in `FAULTS`, and a test that sees
it on the wire. The hooks stand in the order in which an operation meets them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from pydicom import Dataset

from prefetch.sandbox.operation import Operation, Service


def is_final(command: Dataset) -> bool:
    """Whether a response ends its operation: any status but Pending (PS3.7 C.1.2)."""
    return command.Status not in {0xFF00, 0xFF01}


def _admit_all(_open_associations: int) -> bool:
    return True


def _leave(_operation: Operation, _data: Dataset) -> None:
    return


def _begin(_operation: Operation) -> int | None:
    return None


def _keep(_operation: Operation, data: list[Dataset]) -> list[Dataset]:
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One departure from the standard; `because` says what was seen, and where."""

    because: str
    admits: Callable[[int], bool] = _admit_all
    """May another association be opened beside so many that are open? Else it is rejected, transient."""
    begins: Callable[[Operation], int | None] = _begin
    """Before anything is looked up: hang or wait; a status ends the operation with it."""
    hears: Callable[[Operation, Dataset], None] = _leave
    """Edits the C-FIND identifier before it is matched."""
    answers: Callable[[Operation, list[Dataset]], list[Dataset]] = _keep
    """The C-FIND answers that are given."""
    sends: Callable[[Operation, list[Dataset]], list[Dataset]] = _keep
    """The instances that C-MOVE really sends."""
    says: Callable[[Operation, Dataset], None] = _leave
    """Edits the Command Set of each response (PS3.7 9.3) before it goes out."""


# --- pieces ----------------------------------------------------------------------------------------


def _on(service: Service, begins: Callable[[Operation], int | None]) -> Callable[[Operation], int | None]:
    return lambda operation: begins(operation) if operation.service is service else None


def _hang(operation: Operation) -> None:
    operation.hang()


def _refuse(status: int, *, times: float = inf) -> Callable[[Operation], int | None]:
    return lambda operation: status if operation.number <= times else None


def _drop_patient_keys(_operation: Operation, identifier: Dataset) -> None:
    for keyword in ("PatientID", "IssuerOfPatientID"):
        if keyword in identifier:
            setattr(identifier, keyword, "")


def _without(*keywords: str) -> Callable[[Operation, list[Dataset]], list[Dataset]]:
    def answers(_operation: Operation, given: list[Dataset]) -> list[Dataset]:
        for answer in given:
            for keyword in keywords:
                if keyword in answer:
                    del answer[keyword]
        return given

    return answers


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


def _send_nothing(_operation: Operation, _instances: list[Dataset]) -> list[Dataset]:
    return []


def _send_all_but_one(_operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    return instances[:-1]


def _claim(*, completed: bool) -> Callable[[Operation, Dataset], None]:
    """Success, with every instance that matched counted as completed, or every one as failed."""

    def says(operation: Operation, command: Dataset) -> None:
        if operation.service is Service.MOVE and is_final(command):
            command.Status = 0x0000
            command.NumberOfCompletedSuboperations = operation.matched if completed else 0
            command.NumberOfFailedSuboperations = 0 if completed else operation.matched
            command.NumberOfWarningSuboperations = 0

    return says


def rejects_above(limit: int) -> Fault:
    """An archive that rejects an association beyond so many."""
    return Fault(
        because="A-ASSOCIATE-RJ, transient, local limit exceeded, as a limit of the licence",
        admits=lambda open_associations: open_associations < limit,
    )


# --- the registry ----------------------------------------------------------------------------------

FAULTS: dict[str, Fault] = {
    "find-hangs": Fault(
        because="a C-FIND is never answered; the association stays open until somebody ends it",
        begins=_on(Service.FIND, _hang),
    ),
    "find-fails-first": Fault(
        because="the first C-FIND ends with Unable to Process (0xC000), the next one works",
        begins=_on(Service.FIND, _refuse(0xC000, times=1)),
    ),
    "answers-another-patient": Fault(
        because="the Patient ID is not honoured as a key: studies of other patients come back as well",
        hears=_drop_patient_keys,
    ),
    "no-modalities-in-study": Fault(
        because="Modalities in Study is not returned", answers=_without("ModalitiesInStudy")
    ),
    "no-instance-count": Fault(
        because="Number of Study Related Instances is not returned; it does not mean none",
        answers=_without("NumberOfStudyRelatedInstances"),
    ),
    "no-counts": Fault(because="C-MOVE responses carry no counts of sub-operations", says=_drop_counts),
    "move-silent": Fault(
        because="a C-MOVE gets no response and stores nothing", begins=_on(Service.MOVE, _hang)
    ),
    "move-fails-first": Fault(
        because="the first C-MOVE ends with Unable to perform sub-operations (0xA702), the next one works",
        begins=_on(Service.MOVE, _refuse(0xA702, times=1)),
    ),
    "success-nothing-stored": Fault(
        because="Success with every sub-operation completed, and nothing was sent: the counts are a promise",
        sends=_send_nothing,
        says=_claim(completed=True),
    ),
    "success-all-failed": Fault(
        because="Success although every sub-operation failed",
        sends=_send_nothing,
        says=_claim(completed=False),
    ),
    "one-instance-missing": Fault(
        because="Success with all counted as completed, but the last instance never arrives",
        sends=_send_all_but_one,
        says=_claim(completed=True),
    ),
    "unknown-destination": Fault(
        because="Move Destination unknown (0xA801): nobody told the archive of the workstation",
        begins=_on(Service.MOVE, _refuse(0xA801)),
    ),
    "store-refused": Fault(
        because="a workstation without room: every C-STORE ends with Out of Resources (0xA700)",
        begins=_on(Service.STORE, _refuse(0xA700)),
    ),
    "rejects-above-1": rejects_above(1),
    "rejects-above-2": rejects_above(2),
}
