"""An SCP that says, response by response, what a test's script says: for faults that no real peer shows.

def move(conversation: Conversation) -> None:
conversation.respond(0xFF00, NumberOfCompletedSuboperations=1)
conversation.abort()

with ScriptedScp(move=move) as scp:
...
"""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, Self

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_MOVE
from pynetdicom.transport import ThreadedAssociationServer

from prefetch.dimse import peer, wire

AE_TITLE = "SCRIPTED"
LONG = 300.0
"""Seconds that no test sits out."""
HOST = "127.0.0.1"


class Conversation:
    """One request, and the means to answer it."""

    def __init__(self, association: Association, request: Any, context_id: int, number: int) -> None:
        self.number = number
        """The how-manieth of its service, from 1."""
        self.message_id: int = request.MessageID
        self.destination: str | None = getattr(request, "MoveDestination", None)
        self._association = association
        self._request = request
        self.context_id = context_id
        self.sop_class = request.AffectedSOPClassUID

    @property
    def identifier(self) -> Dataset:
        """What was asked."""
        return read_dataset(BytesIO(self._request.Identifier.getvalue()), True, True)

    def respond(self, status: int, identifier: bytes = b"", /, **parameters: Any) -> None:
        """Send one response; `parameters` are its command elements, as the counts of sub-operations."""
        response = type(self._request)()
        response.MessageIDBeingRespondedTo = self.message_id
        response.AffectedSOPClassUID = self._request.AffectedSOPClassUID
        response.Status = status
        for keyword, value in parameters.items():
            setattr(response, keyword, value)
        if identifier:
            response.Identifier = BytesIO(identifier)
        self._association.dimse.send_msg(response, self.context_id)

    def send_raw(self, octets: bytes) -> None:
        """Put bytes on the connection that are no PDU, or a part of one."""
        transport = self._association.dul.socket
        assert transport is not None
        transport.send(octets)

    def abort(self) -> None:
        """End the association with an A-ABORT."""
        self._association.abort(block=False)

    @property
    def over(self) -> bool:
        """Whether the peer has ended the association."""
        return self._association.acse.is_aborted() or not self._association.dul.is_alive()

    def wait_until(self, condition: Callable[[], bool], seconds: float = LONG) -> None:
        """Say nothing until something is so, or the association is over."""
        deadline = time.monotonic() + seconds
        while not condition() and not self.over and time.monotonic() < deadline:
            time.sleep(0.005)

    def hang(self) -> None:
        """Say nothing any more."""
        self.wait_until(lambda: False)


Script = Callable[[Conversation], None]


def succeed(conversation: Conversation) -> None:
    """Answer Success and nothing else."""
    conversation.respond(0x0000)


class _Server(ThreadedAssociationServer):
    """Stops within a moment; pynetdicom's own collects all garbage of the process now and then."""

    def service_actions(self) -> None:
        """Nothing beside serving."""

    def shutdown(self) -> None:
        """Stop accepting and close the socket."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


class ScriptedScp:
    """Listens on a free port; each service has its script."""

    def __init__(
        self,
        *,
        find: Script = succeed,
        move: Script = succeed,
        echo: Script = succeed,
        offers: tuple[str, ...] = (wire.ECHO, wire.FIND, wire.MOVE),
        rejects: Callable[[int], tuple[int, int, int] | None] = lambda _: None,
    ) -> None:
        """`rejects` gives result, source and reason for the so-manieth association request, or None."""
        self._scripts: dict[type, Script] = {C_FIND: find, C_MOVE: move, C_ECHO: echo}
        self._rejects = rejects
        self._entity = AE(AE_TITLE)
        self._entity.maximum_associations = 100
        for abstract_syntax in offers:
            self._entity.add_supported_context(abstract_syntax, ImplicitVRLittleEndian)
        self._server: _Server | None = None
        self._failure: AssertionError | None = None
        self._lock = threading.RLock()  # `rejects` may look at `open`
        self._counted: dict[type, int] = {}
        self._open: set[Association] = set()
        self.port = 0
        self.requested = 0
        """Association requests that came."""
        self.most_open = 0
        """The most associations that were open at the same time."""
        self.released = 0
        self.aborted = 0

    def __enter__(self) -> Self:
        self._server = _Server(
            self._entity,
            (HOST, self.port),
            AE_TITLE,
            self._entity.supported_contexts,
            evt_handlers=[*wire.fast_handlers(), *self._handlers()],
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._entity.shutdown()
        if self._failure is not None:
            raise self._failure

    @property
    def open(self) -> int:
        """How many associations are open."""
        with self._lock:
            return len(self._open)

    def peer(self, **more: Any) -> peer.Peer:
        """How the product is told of it; patient: a test that waits a time out says which, and no other."""
        timeouts = peer.Timeouts(
            connect=LONG, acse=LONG, idle=LONG, find_total=LONG, move_idle=LONG, move_total=LONG
        )
        facts: dict[str, Any] = {"timeouts": timeouts, "max_associations": 2, **more}
        return peer.Peer(
            name="scripted",
            ae_title=AE_TITLE,
            host=HOST,
            port=self.port,
            calling_ae_title="PREFETCH",
            **facts,
        )

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_REQUESTED, self._on_request),
            (evt.EVT_ESTABLISHED, self._on_established),
            (evt.EVT_RELEASED, self._on_released),
            (evt.EVT_ABORTED, self._on_aborted),
            (evt.EVT_CONN_CLOSE, self._on_close),
        ]

    def _on_request(self, event: evt.Event) -> None:
        with self._lock:
            self.requested += 1
            rejection = self._rejects(self.requested)
            if not rejection:
                self._open.add(event.assoc)
                self.most_open = max(self.most_open, len(self._open))
        if rejection:
            event.assoc.acse.send_reject(*rejection)
            event.assoc.kill()

    def _on_established(self, event: evt.Event) -> None:
        # pynetdicom's own service classes answer only as the standard wants, and there is no other door.
        event.assoc.__dict__["_serve_request"] = partial(self._serve, event.assoc)

    def _on_released(self, _event: evt.Event) -> None:
        with self._lock:
            self.released += 1

    def _on_aborted(self, _event: evt.Event) -> None:
        with self._lock:
            self.aborted += 1

    def _on_close(self, event: evt.Event) -> None:
        with self._lock:
            self._open.discard(event.assoc)

    def _serve(self, association: Association, request: Any, context_id: int) -> None:
        with self._lock:
            number = self._counted[type(request)] = self._counted.get(type(request), 0) + 1
        try:
            self._scripts[type(request)](Conversation(association, request, context_id, number))
        except AssertionError as failure:
            self._failure = failure
            association.abort(block=False)
