"""One request and its responses on an association, under two timers; the last response as plain values.

Runs in the thread that holds the association, to the end: responses that nobody read would be taken for
answers to the next request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom.association import Association

from prefetch.dimse import answer, status

LOST = "the association was aborted or its connection lost"

Responses = Iterator[tuple[Dataset, Dataset | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What the last response said, or how it came that there was none. Counts are `None` where not sent."""

    status: int | None = None
    comment: str | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    failed_sop_instance_uids: tuple[str, ...] = ()
    lost: str = ""
    """In words, where `status` is None."""
    silent: bool = False
    """Whether we gave up waiting."""
    sent: bool = True
    """Whether the request went out at all."""


class Exchange:
    """Asks once and hands on the Pending responses; `last` is known when they are all read."""

    def __init__(self, association: Association, *, idle: float, total: float) -> None:
        """`idle` bounds the wait for each response, `total` all of them; both in seconds."""
        self._association = association
        self._idle = idle
        self._total = total
        self._began = time.monotonic()
        self._deadline = self._began + total
        self.last = Last()
        self.keys_unsupported = False
        """Whether an answer said that some of the keys are not supported (0xFF01)."""

    @property
    def milliseconds(self) -> float:
        """How long it has taken so far."""
        return (time.monotonic() - self._began) * 1000

    def ask(self, send: Callable[[], Responses]) -> Iterator[Dataset | None]:
        """Send, and yield the identifier of each Pending response; `None` is one that cannot be decoded."""
        try:
            responses = send()
        except RuntimeError:  # pynetdicom: the association has gone since it was last used
            self.last = Last(lost="the association was lost before the request was sent", sent=False)
            return
        while (received := self._receive(responses)) is not None:
            response, identifier = received
            if response.Status not in status.PENDING:
                self.last = _read_last(response, identifier)
                if self.last.status in status.OUT_OF_STEP:
                    self._association.abort(block=False)
                return
            self.keys_unsupported |= response.Status == status.KEYS_UNSUPPORTED
            yield identifier

    def _receive(self, responses: Responses) -> tuple[Dataset, Dataset | None] | None:
        """The next response, or `None` when there will be no more."""
        began = time.monotonic()
        wait = min(self._idle, self._deadline - began)
        # From here on an interruption reaches the wait; one that came before is seen here.
        if wait > 0 and self._association.is_established:
            self._association.dimse_timeout = wait
            response, identifier = next(responses)
            if "Status" in response:
                return response, identifier
        self._association.abort(block=False)
        waited = time.monotonic() - began
        self.last = Last(lost=self._why_lost(waited=waited, wait=wait), silent=waited >= wait)
        return None

    def _why_lost(self, *, waited: float, wait: float) -> str:
        if waited < wait:
            return LOST
        if wait == self._idle:
            return f"no response for {self._idle:g} s"
        return f"no end of it within {self._total:g} s"


def _read_last(response: Dataset, identifier: Dataset | None) -> Last:
    offending = response.get("OffendingElement")
    said = [response.get("ErrorComment"), f"offending element {offending}" if offending else None]
    comment = "; ".join(str(each) for each in said if each)
    return Last(
        status=int(response.Status),
        comment=comment or None,
        completed=response.get("NumberOfCompletedSuboperations"),
        failed=response.get("NumberOfFailedSuboperations"),
        warning=response.get("NumberOfWarningSuboperations"),
        failed_sop_instance_uids=(
            answer.values(identifier, "FailedSOPInstanceUIDList") if identifier is not None else ()
        ),
    )
