"""One request and its responses on an association, under two timers; the last response as plain values.

Runs in the thread that holds the association, to the end: responses that nobody read would be taken for
answers to the next request. They are read as pynetdicom has received them: its own way makes a data set of
each status, and hands on what it cannot decode while it holds a lock that the timer of the next response
wants as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

from pydicom import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_MOVE
from pynetdicom.dsutils import decode

from prefetch.dimse import answer, status

LOST = "the association was aborted or its connection lost"

Response: TypeAlias = C_FIND | C_MOVE


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

    def ask(self, send: Callable[[], object]) -> Iterator[Dataset | None]:
        """Send, and yield the identifier of each Pending response; `None` is one that cannot be decoded.

        What `send` gives, pynetdicom's own reading of the responses, is not begun.
        """
        try:
            send()
        except RuntimeError:  # pynetdicom: the association has gone since it was last used
            self.last = Last(lost="the association was lost before the request was sent", sent=False)
            return
        try:
            yield from self._responses()
        finally:
            self._association._reactor_checkpoint.set()  # noqa: SLF001 (sending has held its own thread up)

    def _responses(self) -> Iterator[Dataset | None]:
        while (received := self._receive()) is not None:
            context_id, response = received
            if response.Status not in status.PENDING:
                self.last = _read_last(response, self._decoded(context_id, response.Identifier))
                if self.last.status in status.OUT_OF_STEP:
                    self._association.abort(block=False)
                return
            self.keys_unsupported |= response.Status == status.KEYS_UNSUPPORTED
            yield self._decoded(context_id, response.Identifier)

    def _receive(self) -> tuple[int, Response] | None:
        """The next response and its presentation context, or `None` when there will be no more."""
        began = time.monotonic()
        wait = min(self._idle, self._deadline - began)
        # From here on an interruption reaches the wait; one that came before is seen here.
        if wait > 0 and self._association.is_established:
            self._association.dimse_timeout = wait
            context_id, response = self._association.dimse.get_msg(block=True)
            if isinstance(response, Response) and context_id is not None and response.is_valid_response:
                return context_id, response
        self._association.abort(block=False)
        waited = time.monotonic() - began
        self.last = Last(lost=self._why_lost(waited=waited, wait=wait), silent=waited >= wait)
        return None

    def _decoded(self, context_id: int, identifier: BytesIO | None) -> Dataset | None:
        """The identifier of a response; `None` where there is none or it cannot be decoded."""
        contexts = self._association.accepted_contexts
        context = next((each for each in contexts if each.context_id == context_id), None)
        if identifier is None or context is None:
            return None
        syntax = context.transfer_syntax[0]
        try:
            return decode(identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        except Exception:  # noqa: BLE001 (pydicom raises all sorts, for what a peer has sent)
            return None

    def _why_lost(self, *, waited: float, wait: float) -> str:
        if waited < wait:
            return LOST
        if wait == self._idle:
            return f"no response for {self._idle:g} s"
        return f"no end of it within {self._total:g} s"


def _read_last(response: Response, identifier: Dataset | None) -> Last:
    # pynetdicom's annotations know of neither in a response.
    offending: object = getattr(response, "OffendingElement", None)
    said: list[object] = [getattr(response, "ErrorComment", None)]
    said += [f"offending element {offending}"] if offending else []
    comment = "; ".join(str(each) for each in said if each)
    moved = response if isinstance(response, C_MOVE) else C_MOVE()
    return Last(
        status=response.Status,
        comment=comment or None,
        completed=moved.NumberOfCompletedSuboperations,
        failed=moved.NumberOfFailedSuboperations,
        warning=moved.NumberOfWarningSuboperations,
        failed_sop_instance_uids=(
            answer.values(identifier, "FailedSOPInstanceUIDList") if identifier is not None else ()
        ),
    )
