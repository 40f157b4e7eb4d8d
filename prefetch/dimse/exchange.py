"""One request and its responses on an association, under two timers; the last response as plain values.

Runs in the thread that holds the association, to the end: responses that nobody read would be taken for
answers to the next request.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dsutils import decode, encode

from prefetch.dimse import answer, mending, status, waiting
from prefetch.dimse.message import Command, Request, Response

LONGEST_ANSWER = 2**18
"""Bytes of one answer that is decoded: a hundred times what an honest one has."""
LONGEST_LIST = 2**20
"""Bytes of one that lists instances: what a C-MOVE has failed at, or what a Key Object refers to."""
MOST_BYTES = 2**26
"""Bytes of all answers to one question together, beyond which the peer is not listened to any more."""
MOST_ITEMS = 2**17
"""Items in all answers that are decoded, likewise: each costs as much as some hundred bytes."""
MOST_ELEMENTS = 2**20
"""Elements at the top of them, likewise: a hundred of each of ten thousand studies."""
_LEAST_ITEM = 64
"""Bytes of an honest item at the least: an answer that is full of smaller ones is not decoded."""
_ITEM = b"\xfe\xff\x00\xe0"
"""The tag of an item (PS3.5 7.5), as all that we take is in Little Endian."""

LOST = "the association was aborted or its connection lost"


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
    refused: bool = False
    """Whether the peer ended the association before it had answered anything."""


class Exchange:
    """Asks once and hands on the Pending responses; `last` is known when they are all read."""

    def __init__(
        self, association: Association, *, idle: float, total: float, longest: int = LONGEST_ANSWER
    ) -> None:
        """`idle` bounds the wait for each response, `total` all of them; both in seconds.

        `longest` bounds each answer, in bytes; one that is longer counts as one that cannot be decoded.
        """
        self._association = association
        self._contexts = {each.context_id: each for each in association.accepted_contexts}
        self._idle = idle
        self._total = total
        self._longest = longest
        self._bytes = self._items = self._elements = 0
        self._began = time.monotonic()
        self._deadline = self._began + total
        self.last = Last()
        self._has_answered = False
        self.keys_unsupported = False
        """Whether an answer said that some of the keys are not supported (0xFF01)."""
        self.too_much = ""
        """What all answers together were more of than we take, in words; the association has ended then."""

    @property
    def milliseconds(self) -> float:
        """How long it has taken so far."""
        return (time.monotonic() - self._began) * 1000

    def ask(
        self, command: Command, sop_class: UID, query: Dataset, *, move_destination: str = ""
    ) -> Iterator[Dataset | None]:
        """Send, and yield the identifier of each Pending response; `None` is one that cannot be decoded."""
        with contextlib.ExitStack() as holding:
            try:
                line = waiting.line_of(self._association)
                holding.enter_context(line.held())
                self._send(line, command, sop_class, query, move_destination)
            except (RuntimeError, OSError):  # the association has gone since it was last used
                self._association.abort(block=False)
                self.last = Last(lost="the association was lost before the request was sent", sent=False)
                return
            yield from self._responses(line)

    def _send(
        self, line: waiting.Line, command: Command, sop_class: UID, query: Dataset, move_destination: str
    ) -> None:
        context = next(each for each in self._contexts.values() if each.abstract_syntax == sop_class)
        syntax = context.transfer_syntax[0]
        identifier = encode(query, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        if context.context_id is None or identifier is None:
            raise ValueError("a query that cannot be encoded")
        request = Request(
            command=command,
            sop_class_uid=sop_class,
            identifier=identifier,
            move_destination=move_destination,
        )
        line.send(request, context.context_id)

    def _responses(self, line: waiting.Line) -> Iterator[Dataset | None]:
        while (received := self._receive(line)) is not None:
            for response in mending.mend(received):
                if response.status not in status.PENDING:
                    self.last = _read_last(response, self._decoded(response) if response.identifier else None)
                    if self.last.status in status.OUT_OF_STEP or line.says_more:
                        self._association.abort(block=False)
                    return
                self._has_answered = True
                self.keys_unsupported |= response.status == status.KEYS_UNSUPPORTED
                if too_much := self._count(response.identifier):
                    self.too_much = too_much
                    self._association.abort(block=False)
                    return
                decoded = self._decoded(response, longest=self._longest)
                self._elements += 0 if decoded is None else len(decoded)
                yield decoded

    def _count(self, identifier: bytes) -> str:
        """Count what came in with one more answer; says what is too much by it."""
        self._bytes += len(identifier)
        if _is_decoded(identifier, self._longest):
            self._items += identifier.count(_ITEM)
        if self._bytes > MOST_BYTES:
            return f"{MOST_BYTES >> 20} MiB of answers"
        if self._items > MOST_ITEMS:
            return f"{MOST_ITEMS} items in answers"
        return f"{MOST_ELEMENTS} elements in answers" if self._elements > MOST_ELEMENTS else ""

    def _receive(self, line: waiting.Line) -> Response | None:
        """The next response, or `None` when there will be no more."""
        began = time.monotonic()
        wait = min(self._idle, self._deadline - began)
        # From here on an interruption reaches the wait; one that came before is seen here.
        if wait > 0 and self._association.is_established:
            response = line.receive(wait)
            if response is not None:
                return response
        self._association.abort(block=False)
        waited = time.monotonic() - began
        silent = waited >= wait
        self.last = Last(
            lost=self._why_lost(waited=waited, wait=wait),
            silent=silent,
            refused=not silent and not self._has_answered,
        )
        return None

    def _decoded(self, response: Response, *, longest: int = LONGEST_LIST) -> Dataset | None:
        """The identifier of a response; `None` where there is none, it is too long or cannot be decoded."""
        context = self._contexts.get(response.context_id)
        if context is None or not response.identifier or not _is_decoded(response.identifier, longest):
            return None
        syntax = context.transfer_syntax[0]
        identifier = BytesIO(response.identifier)
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


def _is_decoded(identifier: bytes, longest: int) -> bool:
    """Whether an identifier is short enough, and not full of items, to be worth the processor's time."""
    return len(identifier) <= longest and identifier.count(_ITEM) <= longest // _LEAST_ITEM


def _read_last(response: Response, identifier: Dataset | None) -> Last:
    tags = (
        "[" + ", ".join(response.offending) + "]"
        if len(response.offending) > 1
        else "".join(response.offending)
    )
    said = [response.comment, f"offending element {tags}" if tags else ""]
    return Last(
        status=response.status,
        comment="; ".join(each for each in said if each) or None,
        completed=response.completed,
        failed=response.failed,
        warning=response.warning,
        failed_sop_instance_uids=(
            answer.values(identifier, "FailedSOPInstanceUIDList", longest=LONGEST_LIST)
            if identifier is not None
            else ()
        ),
    )
