"""A DICOM server of the sandbox: C-ECHO and C-FIND on what it holds, faults by name, a journal."""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Self

from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_MOVE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from prefetch.dimse import wire
from prefetch.dimse.identifier import copied
from prefetch.sandbox.fault import Fault, is_final
from prefetch.sandbox.faults import FAULTS
from prefetch.sandbox.holdings import Holdings, IdentifierError
from prefetch.sandbox.operation import Operation, Service
from prefetch.sandbox.quirks import QUIRKS

_POLL = 0.05
"""Seconds until a server notices that it shall stop."""

# SOP Classes (PS3.6 table A-1); pynetdicom makes its names for them at run time, unseen by a type checker.
VERIFICATION = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"

_REJECT_LOCAL_LIMIT = (0x02, 0x03, 0x02)
"""Rejected transient, DUL service provider (presentation), local limit exceeded (PS3.8 9.3.4)."""

IDENTIFIER_DOES_NOT_MATCH = 0xA900
_WITH_DATA_SET = 0x0001
"""Any Command Data Set Type but 0x0101 (PS3.7 E.1)."""
CANCELLED = 0xFE00
PENDING = 0xFF00


class _Server(ThreadedAssociationServer):
    """Stops within a moment, and leaves the garbage to Python."""

    def service_actions(self) -> None:
        """Do nothing: pynetdicom collects garbage here, which stalls a process full of data sets."""

    def shutdown(self) -> None:
        """Stop accepting and close the socket."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


class _Contexts(list[PresentationContext]):
    """pynetdicom copies them deeply for each association and never changes them: 70 ms for all of Storage."""

    def __deepcopy__(self, _memo: object) -> list[PresentationContext]:
        return list(self)


class Scp:
    """An AE that is asked; subclasses add what else it answers."""

    def __init__(
        self,
        *,
        ae_title: str,
        holdings: Holdings | None = None,
        faults: Iterable[str | Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Port 0 is any free one; `port` tells which once it is started."""
        self.ae_title = ae_title
        self.host = host
        self.port = port
        self.holdings = Holdings() if holdings is None else holdings
        self.journal: list[Operation] = []
        self.rejected = 0
        self.most_open = 0
        """The most associations that were open at once."""
        self.faults: list[Fault] = []
        self._open: set[Association] = set()
        self._running: dict[Association, Operation] = {}
        self._counted: Counter[Service] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._entity = AE(ae_title)
        self._entity.require_called_aet = True
        self._entity.maximum_associations = 1000
        self._offer(self._entity)
        self.misbehave(*faults)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; a stopped server starts again on its port."""
        self._stopping.clear()
        self._server = _Server(
            self._entity,
            (self.host, self.port),
            self.ae_title,
            _Contexts(self._entity.supported_contexts),
            evt_handlers=self._handlers(),
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=partial(self._server.serve_forever, _POLL), daemon=True).start()

    def stop(self) -> None:
        """Abort what is open and stop listening."""
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server = None
        self._entity.shutdown()

    def misbehave(self, *faults: str | Fault) -> None:
        """From now on with these faults as well, by name or made for the occasion."""
        named = {**QUIRKS, **FAULTS}
        made = [named[fault] if isinstance(fault, str) else fault for fault in faults]
        self.faults = [*self.faults, *made]

    def behave(self) -> None:
        """From now on without faults."""
        self.faults = []

    def operations(self, service: Service) -> list[Operation]:
        """What was asked of one service, in order."""
        return [operation for operation in list(self.journal) if operation.service is service]

    # --- for subclasses ----------------------------------------------------------------------------

    def _offer(self, entity: AE) -> None:
        """Say which SOP Classes are supported."""
        entity.add_supported_context(VERIFICATION)
        entity.add_supported_context(STUDY_ROOT_FIND)
        entity.add_supported_context(PATIENT_ROOT_FIND)

    def _handlers(self) -> list[evt.EventHandlerType]:
        """What is done on each event."""
        return [
            *wire.fast_handlers(),
            (evt.EVT_REQUESTED, self._admit),
            (evt.EVT_ESTABLISHED, self._opened),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_DIMSE_SENT, self._edit_response),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_FIND, self._find),
        ]

    def _look_up(self, identifier: Dataset) -> list[Dataset]:
        """The answers to a C-FIND."""
        answers = self.holdings.find(identifier)
        for answer in answers:
            answer.RetrieveAETitle = self.ae_title
        return answers

    def _begin(self, event: evt.Event, service: Service, identifier: Dataset) -> Operation:
        """Note the operation and let the faults have their first word."""
        association = event.assoc
        _take_any_uid(identifier)
        with self._lock:
            self._counted[service] += 1
            operation = Operation(
                service=service,
                number=self._counted[service],
                calling_ae_title=association.remote["ae_title"].strip(),
                at=datetime.now(UTC),
                identifier=identifier,
                abandoned=lambda: self._abandoned(association),
                pend=partial(_pend, event),
            )
            self.journal.append(operation)
            self._running[association] = operation
        for fault in self.faults:
            if operation.refused is None:
                operation.refused = fault.begins(operation)
        return operation

    def _abandoned(self, association: Association) -> bool:
        return self._stopping.is_set() or association.acse.is_aborted() or not association.dul.is_alive()

    # --- associations ------------------------------------------------------------------------------

    def _admit(self, event: evt.Event) -> None:
        association = event.assoc
        with self._lock:
            answers = [fault.admits(len(self._open)) for fault in self.faults]
            self.rejected += False in answers
        if False in answers:
            association.acse.send_reject(*_REJECT_LOCAL_LIMIT)
        while None in answers and not self._abandoned(association):
            self._stopping.wait(_POLL)
        if not all(answers):
            association.kill()

    def _opened(self, event: evt.Event) -> None:
        with self._lock:
            self._open.add(event.assoc)
            self.most_open = max(self.most_open, len(self._open))

    def _closed(self, event: evt.Event) -> None:
        with self._lock:
            self._open.discard(event.assoc)
            self._running.pop(event.assoc, None)

    # --- operations --------------------------------------------------------------------------------

    def _echo(self, event: evt.Event) -> int:
        return self._begin(event, Service.ECHO, Dataset()).refused or 0x0000

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        operation = self._begin(event, Service.FIND, event.identifier)
        if operation.refused is not None:
            yield operation.refused, None
            return
        try:
            answers = self._look_up(self._heard(operation))
        except IdentifierError:
            yield IDENTIFIER_DOES_NOT_MATCH, None
            return
        operation.matched = len(answers)
        given: Iterable[Dataset] = answers
        for fault in self.faults:
            given = fault.answers(operation, given)
        for so_far, answer in enumerate(given):
            if self._aborts(event, operation, so_far):
                return
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, answer

    def _heard(self, operation: Operation) -> Dataset:
        """The identifier as the faults have it."""
        keys = copied(operation.identifier)
        for fault in self.faults:
            fault.hears(operation, keys)
        return keys

    def _aborts(self, event: evt.Event, operation: Operation, so_far: int) -> bool:
        """Abort the association if a fault says so, after so many answers or instances."""
        if not any(fault.aborts(operation, so_far) for fault in self.faults):
            return False
        event.assoc.abort(block=True)  # until it has left: pynetdicom would answer after it
        return True

    def _edit_response(self, event: evt.Event) -> None:
        """Let the faults have the last word on a response, and note how the operation ended."""
        operation = self._running.get(event.assoc)
        command = event.message.command_set
        if operation is None or "Status" not in command:
            return
        final = is_final(command)
        if final and operation.refused is not None:
            command.Status = operation.refused
        for fault in self.faults:
            fault.says(operation, command)
        if final:
            operation.status = int(command.Status)
        self._edit_identifier(event, operation, final=final)
        del command.CommandGroupLength
        command.CommandGroupLength = len(encode(command, is_implicit_vr=True, is_little_endian=True) or b"")

    def _edit_identifier(self, event: evt.Event, operation: Operation, *, final: bool) -> None:
        """Let the faults edit the octets of an identifier, or add one to the final response."""
        message = event.message
        before = message.data_set.getvalue() if message.data_set is not None else b""
        if final and operation.last_words is not None:
            before = _encoded(operation.last_words, event)
        after = before
        for fault in self.faults:
            after = fault.encodes(operation, message.command_set, after)
        if after:
            message.data_set = BytesIO(after)
            message.command_set.CommandDataSetType = _WITH_DATA_SET


def _take_any_uid(identifier: Dataset) -> None:
    """Read UIDs as they are: pydicom warns of a `*` and of whatever else the standard forbids."""
    for tag in tuple(identifier.keys()):
        raw: object = identifier.get_item(tag)
        if isinstance(raw, RawDataElement) and dictionary_VR(tag) == "UI":
            said = (raw.value or b"").decode("ascii", "replace").strip(" \0").split("\\")
            identifier.add(DataElement(tag, "UI", said if len(said) > 1 else said[0], validation_mode=IGNORE))


def _encoded(answer: Dataset, event: evt.Event) -> bytes:
    """An identifier in the transfer syntax of the response's presentation context."""
    contexts = {each.context_id: each for each in event.assoc.accepted_contexts}
    syntax = contexts[event.message.context_id].transfer_syntax[0]
    return encode(answer, syntax.is_implicit_VR, syntax.is_little_endian) or b""


def _pend(event: evt.Event) -> None:
    """Send a Pending response to a C-MOVE, with one sub-operation that remains (PS3.7 9.1.4.1)."""
    response = C_MOVE()
    response.MessageIDBeingRespondedTo = event.request.MessageID
    response.AffectedSOPClassUID = event.request.AffectedSOPClassUID
    response.Status = PENDING
    response.NumberOfRemainingSuboperations = 1
    response.NumberOfCompletedSuboperations = 0
    response.NumberOfFailedSuboperations = 0
    response.NumberOfWarningSuboperations = 0
    event.assoc.dimse.send_msg(response, event.context.context_id)
