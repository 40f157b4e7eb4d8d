"""What a fault is: the places where an SCP of the sandbox asks whether to do as the standard says.

The hooks stand in the order in which an operation meets them; what is left out is faithful.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydicom import Dataset

from prefetch.sandbox.operation import Operation


def _admit_all(_open_associations: int) -> bool | None:
    return True


def _begin(_operation: Operation) -> int | None:
    return None


def _leave(_operation: Operation, _data: Dataset) -> None:
    return


def _give(_operation: Operation, answers: Iterable[Dataset]) -> Iterable[Dataset]:
    return answers


def _encode(_operation: Operation, _command: Dataset, identifier: bytes) -> bytes:
    return identifier


def _send(_operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    return instances


def _go_on(_operation: Operation, _so_far: int) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One departure from the standard; `because` says what was seen, `seen` where."""

    because: str
    seen: str = ""
    """Who met it: an issue tracker's thread, or the peer that does it."""
    admits: Callable[[int], bool | None] = _admit_all
    """May another association be opened beside so many that are open? Else it is rejected, transient; `None`
    leaves the request without an answer."""
    begins: Callable[[Operation], int | None] = _begin
    """Before anything is looked up: hang or wait; a status ends the operation with it."""
    hears: Callable[[Operation, Dataset], None] = _leave
    """Edits the identifier of a C-FIND or C-MOVE before it is matched."""
    answers: Callable[[Operation, Iterable[Dataset]], Iterable[Dataset]] = _give
    """The C-FIND answers that are given, made as they go out."""
    sends: Callable[[Operation, list[Dataset]], list[Dataset]] = _send
    """The instances that C-MOVE really sends before its final response."""
    aborts: Callable[[Operation, int], bool] = _go_on
    """Is the association aborted now that so many answers or instances have gone out?"""
    says: Callable[[Operation, Dataset], None] = _leave
    """Edits the Command Set of each response (PS3.7 9.3) before it goes out."""
    encodes: Callable[[Operation, Dataset, bytes], bytes] = _encode
    """Edits the octets of a response's identifier, after `says`; the Command Set is given as well."""
    late: float = 0.0
    """Seconds after the final response until the instances that a C-MOVE named are sent after all."""


def is_final(command: Dataset) -> bool:
    """Whether a response ends its operation: any status but Pending (PS3.7 C.1.2)."""
    return is_final_status(command.Status)


def is_final_status(status: int) -> bool:
    """Whether a status ends its operation."""
    return status not in {0xFF00, 0xFF01}
