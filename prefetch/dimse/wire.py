"""One association on the wire: opened on a fast connection, interrupted, ended for good.

pynetdicom sends a C-FIND-RQ as two PDUs; Nagle's algorithm on one side and the delayed acknowledgement
on the other then make every exchange wait 40 ms (105 ms a query, 21 ms without).
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context

from prefetch.dimse import handshake, peer, reactor, status, waiting
from prefetch.model import Outcome

# SOP Classes (PS3.6 Table A-1); pynetdicom makes its names for them at run time, unseen by a type checker.
ECHO: Final = UID("1.2.840.10008.1.1")
FIND: Final = UID("1.2.840.10008.5.1.4.1.2.2.1")
"""Study Root Query/Retrieve Information Model – FIND."""
MOVE: Final = UID("1.2.840.10008.5.1.4.1.2.2.2")
"""Study Root Query/Retrieve Information Model – MOVE."""
PATIENT_ROOT_FIND: Final = UID("1.2.840.10008.5.1.4.1.2.1.1")
PATIENT_ROOT_MOVE: Final = UID("1.2.840.10008.5.1.4.1.2.1.2")
WORKLIST: Final = UID("1.2.840.10008.5.1.4.31")
"""Modality Worklist Information Model – FIND."""

_ACCEPTED = 0
"""Result of an A-ASSOCIATE response (PS3.8 7.1.1.7)."""

Codes = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
_NO_REASON: Codes = (1, 1, 1)
_ABORTS = frozenset({(0, 0), *((2, reason) for reason in (0, 1, 2, 4, 5, 6))})
"""Source and reason of an A-ABORT that PS3.8 9.3.8 knows."""

_ACSE_GRACE = 0.5
"""Seconds by which an answer that comes byte by byte may outlast the ACSE timeout; ours goes last."""

ENDS_WITHIN = 0.5
"""Seconds that an abort has for leaving before its connection is cut."""

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux only; elsewhere acknowledgements stay delayed."""


def fast_handlers() -> list[evt.EventHandlerType]:
    """Event handlers for `AE.associate` or `AE.start_server`: none waits or spins, and none stays behind."""
    handlers: list[evt.EventHandlerType] = [
        (evt.EVT_CONN_OPEN, _send_at_once),
        (evt.EVT_CONN_OPEN, _close_at_last),
        (evt.EVT_ESTABLISHED, waiting.read_when_there_is_something),
        (evt.EVT_ESTABLISHED, waiting.take_time),
    ]
    if _QUICKACK is not None:
        # The kernel leaves quick-acknowledge mode by itself (tcp(7)): asked for again after every use.
        handlers += [(evt.EVT_DATA_SENT, _acknowledge_at_once), (evt.EVT_DATA_RECV, _acknowledge_at_once)]
    return handlers


def associate(
    to: peer.Peer, *, held_by: Callable[[Association], None] = lambda _: None
) -> Association | status.Verdict:
    """Open an association, or say why there is none.

    `held_by` is told of the association while it is being negotiated, so that another thread may cut it.
    """
    _say_nothing_of_patients()
    entity = AE(ae_title=to.calling_ae_title)
    entity.requested_contexts = _contexts(to)
    entity.connection_timeout = to.timeouts.connect
    entity.acse_timeout = to.timeouts.acse
    entity.network_timeout = None  # whoever holds the association releases it
    begun: list[socket.socket] = []
    opened: list[socket.socket] = []

    def begin(event: evt.Event) -> None:
        # The first that is sent is the A-ASSOCIATE, before anything is connected: from here on it can be cut.
        if not begun:
            begun.extend(_connection(event.assoc))
            held_by(event.assoc)

    def open_up(event: evt.Event) -> None:
        opened.extend(_connection(event.assoc))
        for connection in opened:
            # pynetdicom waits for the rest of a PDU without limit: a peer that stops half-way would keep us.
            connection.settimeout(to.timeouts.acse)
        # And one that sends it byte by byte, each in time.
        patience.start()

    handlers: list[evt.EventHandlerType] = [
        *fast_handlers(),
        (evt.EVT_ACSE_SENT, begin),
        (evt.EVT_CONN_OPEN, open_up),
        (evt.EVT_ESTABLISHED, reactor.leave_responses),
        (evt.EVT_CONN_CLOSE, lambda event: _wake(event.assoc)),
        (evt.EVT_PDU_RECV, lambda event: codes.extend(_known_codes(event.pdu))),
    ]
    codes: list[Codes] = []
    shaking = handshake.Handshake(to.tls) if to.tls else None
    # pynetdicom asks no more of a context than to wrap a socket.
    tls = (cast("ssl.SSLContext", shaking), to.tls.name) if to.tls else None
    patience = _Patience(to.timeouts.acse + _ACSE_GRACE, opened)
    with patience:
        try:
            association = entity.associate(
                to.host, to.port, ae_title=to.ae_title, evt_handlers=handlers, tls_args=tls
            )
        except OSError as error:  # the name does not resolve, or there is no socket left
            return status.Verdict(
                outcome=Outcome.TRANSIENT, because=f"no connection to {to.host}: {error}", unwell=True
            )
    if association.is_established:
        return association
    failure = shaking.failure if shaking else None
    verdict = (
        handshake.judge(failure, to) if failure else _why_not(association, to, codes, connected=bool(opened))
    )
    discard(association)
    for connection in begun:
        connection.close()
    return verdict


class _Patience:
    """Shuts connections down some seconds after its start, unless what it waits for has come before."""

    def __init__(self, seconds: float, connections: list[socket.socket]) -> None:
        self._connections = connections
        self._timer = threading.Timer(seconds, self._give_up)
        self._timer.daemon = True
        self.start = self._timer.start

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()

    def _give_up(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)


def accepts(association: Association, abstract_syntax: UID) -> bool:
    """Whether a presentation context for this was accepted."""
    return abstract_syntax in offered(association)


def offered(association: Association) -> frozenset[UID]:
    """The SOP Classes for which a presentation context was accepted."""
    return frozenset(
        context.abstract_syntax
        for context in association.accepted_contexts
        if context.abstract_syntax is not None
    )


def interrupt(association: Association) -> None:
    """Wake the thread that waits for a response, from another thread; it is that one which then aborts.

    `abort` from here would leave it waiting until its DIMSE timeout, and the process with it: that sets the
    association's own thread going, which takes the empty entry of `_wake` for itself. What is not yet sent is
    refused by pynetdicom as soon as the association does not count as established.
    """
    association.is_established = False
    _wake(association)


def cut(association: Association) -> None:
    """Shut the connection down from another thread, whatever its association waits for."""
    for connection in _connection(association):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # not yet connected, and now it never will be
            connection.close()


def release(association: Association) -> None:
    """Release an association in order and see its threads end."""
    association.release()
    discard(association)


def discard(association: Association) -> None:
    """Abort an association unless it has ended, and see its threads end."""
    connections = _connection(association)
    association.abort(block=False)
    deadline = time.monotonic() + ENDS_WITHIN
    while association.dul.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    cut(association)
    association.kill()
    for thread in (association.dul, association):
        if thread.is_alive():
            thread.join()
    for connection in connections:  # a thread that did not end in time has left it open
        connection.close()


def _services(of: peer.Peer) -> Mapping[UID, str]:
    """What we ask a peer for, and what it is called."""
    if of.is_worklist:
        return {ECHO: "Verification", WORKLIST: "Modality Worklist"}
    return {
        ECHO: "Verification",
        FIND: "Study Root C-FIND",
        MOVE: "Study Root C-MOVE",
        PATIENT_ROOT_FIND: "Patient Root C-FIND",
        PATIENT_ROOT_MOVE: "Patient Root C-MOVE",
    }


def _contexts(to: peer.Peer) -> list[PresentationContext]:
    """What we ask with; deflated and big endian are left out, as some peers choose badly among four."""
    return [build_context(each, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]) for each in _services(to)]


def _say_nothing_of_patients() -> None:
    """Keep pynetdicom from logging identifiers, and from converting each for the sake of the log."""
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"


def _known_codes(pdu: object) -> tuple[Codes, ...]:
    """Put codes that PS3.8 knows in the place of others, which pynetdicom's thread would die of.

    Gives the result, source and reason of a rejection as they came; nothing for all else.
    """
    if isinstance(pdu, A_ASSOCIATE_RJ):
        came = (pdu.result or 0, pdu.source or 0, pdu.reason_diagnostic or 0)
        if not status.is_known_rejection(*came):
            pdu.result, pdu.source, pdu.reason_diagnostic = _NO_REASON
        return (came,)
    if isinstance(pdu, A_ABORT_RQ) and (pdu.source, pdu.reason_diagnostic) not in _ABORTS:
        pdu.source = pdu.reason_diagnostic = 0
    return ()


def _why_not(
    association: Association, to: peer.Peer, codes: Sequence[Codes], *, connected: bool
) -> status.Verdict:
    if codes:
        return status.classify_rejection(*codes[0])
    answer = association.acceptor.primitive or _unread_answer(association)
    if answer is not None and answer.result != _ACCEPTED:
        return status.classify_rejection(answer.result, answer.result_source, answer.diagnostic)
    if answer is not None:
        *others, last = _services(to).values()
        because = f"{to.ae_title} accepts none of {', '.join(others)} and {last}"
        return status.Verdict(outcome=Outcome.PERMANENT, because=because, unwell=True)
    if connected:
        because = f"{to.ae_title} did not answer the association request"
        because += f" {handshake.NO_ANSWER}" if to.tls else ""
    else:
        because = f"no connection to {to.host}:{to.port}"
    return status.Verdict(outcome=Outcome.TRANSIENT, because=because, unwell=True)


def _unread_answer(association: Association) -> A_ASSOCIATE | None:
    """The answer to our request that nobody has read.

    Where a rejection was quick pynetdicom finds the connection closed, by that rejection, before it looks for
    an answer, and takes it for one that was never made.
    """
    with contextlib.suppress(queue.Empty):
        while True:
            left = association.dul.to_user_queue.get_nowait()
            if isinstance(left, A_ASSOCIATE):
                return left
    return None


def _wake(association: Association) -> None:
    """End the wait for a response: what pynetdicom does itself for a peer's abort, but not after garbage."""
    association.dimse.msg_queue.put((None, None))
    with contextlib.suppress(RuntimeError):  # it was never established
        waiting.line_of(association).call()


def _send_at_once(event: evt.Event) -> None:
    _set_option(event, socket.TCP_NODELAY)


def _close_at_last(event: evt.Event) -> None:
    """Close the socket when the association is over; pynetdicom forgets that where the peer was faster."""
    for connection in _connection(event.assoc):
        event.assoc.bind(evt.EVT_CONN_CLOSE, lambda _, connection=connection: connection.close())


def _acknowledge_at_once(event: evt.Event) -> None:
    if _QUICKACK is not None:
        _set_option(event, _QUICKACK)


def _set_option(event: evt.Event, option: int) -> None:
    for connection in _connection(event.assoc):
        with contextlib.suppress(OSError):  # the peer may close between the event and this line
            connection.setsockopt(socket.IPPROTO_TCP, option, 1)


def _connection(association: Association) -> tuple[socket.socket, ...]:
    """The association's socket, while it has one."""
    transport = association.dul.socket
    connection = transport.socket if transport is not None else None
    return () if connection is None else (connection,)
