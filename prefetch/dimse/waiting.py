"""Has pynetdicom's threads wait for what comes, instead of looking a thousand times a second.

An association has two threads. One reads the connection and sends what it is given; the other looks for
requests and releases of the peer. Left alone they cost 5 % of a core and up to a millisecond an exchange.
Here the first sleeps until there is something to read or to send, and the second takes its time. Whoever
waits for responses does the first one's work meanwhile: each would else be handed from thread to thread.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.fsm import TRANSITION_TABLE
from pynetdicom.transport import AssociationSocket

from prefetch.dimse import message
from prefetch.dimse.transport import WholePDUs

LOOKS_EVERY = 0.05
"""Seconds at most until a thread sees what nothing wakes it for: its end, a timer, a release by the peer."""

_CLOSES = "Sta13"
"""PS3.8 9.2: waiting for the connection to close; pynetdicom closes it when there is nothing more to read."""
_IS_ESTABLISHED = "Sta6"
"""PS3.8 9.2: the only state in which responses come."""

_OURS = frozenset({"Evt9", "Evt11", "Evt14", "Evt15"})
"""PS3.8 Table 9-5: our data, release, answer to a release, abort; taken from the queue of what is sent."""

_LINE = "prefetch_line"
"""Attribute of an association that has one."""

_FIRST_MESSAGE_ID, _LAST_MESSAGE_ID = 2, 0xFFFF
"""Of our requests. A peer that answers everything as if it were number 1 is understood all the same."""

_BEGINS_WITHIN = 1.0
"""Seconds for pynetdicom's thread to come round, where it looks every millisecond."""


def read_when_there_is_something(event: evt.Event) -> None:
    """Handler of `EVT_ESTABLISHED`: the connection's thread sleeps while it has nothing to do."""
    transport = event.assoc.dul.socket
    if transport is None or transport.socket is None:  # gone again already
        return
    try:
        line = Line(event.assoc, transport)
    except (OSError, ValueError):  # closed between the two lines
        return
    setattr(event.assoc, _LINE, line)
    event.assoc.bind(evt.EVT_CONN_CLOSE, lambda _: line.close())


def take_time(event: evt.Event) -> None:
    """Handler of `EVT_ESTABLISHED`: the thread that looks for requests of the peer does so now and then.

    For associations that we requested: nothing comes to them but a release, an abort or the end.
    """
    if event.assoc.is_requestor:
        checkpoint = _Unhurried()
        checkpoint.set()
        event.assoc._reactor_checkpoint = checkpoint


def line_of(association: Association) -> Line:
    """The line of an association that is or was established; raises `RuntimeError` where it never was."""
    line = getattr(association, _LINE, None)
    if not isinstance(line, Line):
        raise RuntimeError("the association was never established")  # noqa: TRY004 (no mistake in a type)
    return line


def is_quiet(association: Association) -> bool:
    """Whether an association has a line on which nothing was said that nobody asked for."""
    line = getattr(association, _LINE, None)
    return isinstance(line, Line) and line.is_quiet


class Line:
    """The connection of an association, and who works it: its own thread, or one that waits for responses."""

    # What pynetdicom's thread does in each round is private to it; this file is the one that reaches in.
    # ruff: noqa: SLF001

    def __init__(self, association: Association, transport: AssociationSocket) -> None:
        provider = association.dul
        self._provider = provider
        self._association = association
        self._messages = association.dimse.msg_queue
        """What pynetdicom has read, which is nothing that anybody waits for, and interruptions."""
        self._reader = message.Reader()
        self._arrived: deque[message.Response] = deque()
        self._asked: message.Request | None = None
        """The last request."""
        self._connection = cast("socket.socket", transport.socket)
        self._whole = WholePDUs(transport)
        self._wake = _Wake(self._connection)
        # Both may wait at the same moment, which one object does not allow.
        self._poll, self._holders_poll = self._wake.poll(), self._wake.poll()
        self._turn = threading.Lock()
        """Held by whoever works the line."""
        self._is_in_a_round = False
        """Whether that is its own thread."""
        self._holder: int | None = None
        """The other thread that does, if any."""
        self._came_round = threading.Event()
        self._put = provider.to_provider_queue.put
        self._take_what_is_to_be_sent = provider._process_recv_primitive
        self._read_what_has_come = provider._is_transport_event
        provider.to_provider_queue.put = self._put_and_wake  # type: ignore[method-assign]
        provider._process_recv_primitive = self._begin_round  # type: ignore[method-assign]
        self._do_action = provider.state_machine.do_action
        provider.state_machine.do_action = self._do_what_fits  # type: ignore[method-assign]
        self._came_round.wait(_BEGINS_WITHIN)

    # --- in the association's own thread -----------------------------------------------------------

    def _begin_round(self) -> bool:
        """What its thread does first in each round: now it waits for something to do, and for its turn."""
        if self._is_in_a_round:
            self._is_in_a_round = False
            self._turn.release()
        if not self._came_round.is_set():
            # From here on it reads in its turn only.
            self._provider.socket = cast("AssociationSocket", self._whole)
            self._came_round.set()
        called = self._may_wait() and self._wake.wait(LOOKS_EVERY, self._poll)
        self._turn.acquire()
        self._is_in_a_round = True
        if called:
            # Not before its turn: the call may be for whoever had it meanwhile, and would sleep on.
            self._wake.answer()
        return self._take_what_is_to_be_sent()

    # --- in whichever thread works it ---------------------------------------------------------------

    def _do_what_fits(self, event: str) -> None:
        """Do what an event asks for where the state knows of it; else the thread would end with an error.

        So it is where our wish to end the association and the peer's cross, or the connection has ended
        meanwhile: what we wanted has no sense any more.
        """
        if (event, self._provider.state_machine.current_state) in TRANSITION_TABLE:
            self._do_action(event)
        elif event in _OURS:
            with contextlib.suppress(queue.Empty):
                self._provider.to_provider_queue.get_nowait()

    # --- in a thread that waits for responses ------------------------------------------------------

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Work the line in this thread for the time being; raises `RuntimeError` where its own has ended."""
        # Until its own thread has come round that one reads without waiting for its turn.
        while not (self._came_round.wait(LOOKS_EVERY) and self._turn.acquire(timeout=LOOKS_EVERY)):
            if not self._provider.is_alive():
                raise RuntimeError("the association has ended")
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            self._turn.release()

    def send(self, request: message.Request, context_id: int) -> None:
        """Send a request while the line is held; raises `RuntimeError` or `OSError` where it has gone."""
        if not self._association.is_established or self.says_more:
            raise RuntimeError("the association has ended, or its peer says what nobody asked for")
        longest = self._association.acceptor.maximum_length or 0
        last = self._asked.message_id if self._asked is not None else _LAST_MESSAGE_ID
        number = last + 1 if last < _LAST_MESSAGE_ID else _FIRST_MESSAGE_ID
        self._asked = replace(request, message_id=number)
        self._connection.sendall(message.write(self._asked, context_id, longest))

    @property
    def says_more(self) -> bool:
        """Whether the peer has said what nobody asked for; while the line is held and nothing is asked."""
        return not self.is_quiet or self._whole.ready

    def receive(self, seconds: float) -> message.Response | None:
        """The next response, while the line is held.

        `None` where none came in time, at an interruption, at the end, and after what is no response to it.
        """
        until = time.monotonic() + seconds
        while not self._arrived:
            left = until - time.monotonic()
            if left <= 0 or not self._messages.empty() or not self._go_round(left):
                return None
        response = self._arrived.popleft()
        return response if self._is_to_what_was_asked(response) else None

    def _is_to_what_was_asked(self, response: message.Response) -> bool:
        """Whether it is not one more response to an earlier request, or to one of another kind."""
        asked, number = self._asked, response.responds_to
        if asked is None or response.command != asked.command.response:
            return False
        return number is None or number < _FIRST_MESSAGE_ID or number == asked.message_id

    def _go_round(self, seconds: float) -> bool:
        """Do what the line's own thread does in a round; false where no response can come any more."""
        provider = self._provider
        try:
            if self._may_wait() and self._wake.wait(seconds, self._holders_poll):
                self._wake.answer()
            if not self._take_what_is_to_be_sent():
                self._read()
            with contextlib.suppress(queue.Empty):
                provider.state_machine.do_action(provider.event_queue.get_nowait())
        except Exception:  # noqa: BLE001 (whatever a peer has sent; its own thread finds the connection closed)
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            return False
        # The end is seen through.
        return provider.state_machine.current_state in {_IS_ESTABLISHED, _CLOSES}

    def _read(self) -> None:
        """Read what has come: responses here, and pynetdicom all else."""
        if self._provider.state_machine.current_state != _IS_ESTABLISHED:
            self._read_what_has_come()
        elif self._whole.ready:
            if self._whole.pdu_type == message.P_DATA_TF:
                self._arrived.extend(self._reader.read(self._whole.take()))
            else:
                self._read_what_has_come()

    # --- in any thread -----------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was read that nobody asked for."""
        return not self._arrived and self._messages.empty()

    def call(self) -> None:
        """Have whoever works the line look."""
        self._wake.call()

    def close(self) -> None:
        """Wake whoever waits for the last time."""
        self._wake.close()

    def _put_and_wake(self, *args: Any, **kwargs: Any) -> None:
        self._put(*args, **kwargs)
        if threading.get_ident() != self._holder:
            self._wake.call()

    def _may_wait(self) -> bool:
        """Whether there is nothing to send, to read or to close."""
        provider = self._provider
        if self._whole.socket is None or provider.state_machine.current_state == _CLOSES:
            return False
        if self._whole.holds_one or self._whole.hides_something:
            return False
        return provider.to_provider_queue.empty() and provider.event_queue.empty()


class _Wake:
    """Waits for a connection, and is woken by other threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        # Where the connection was closed before anybody could say so, they end with the association.
        self._end = weakref.finalize(self, _close, self._ours, self._theirs)

    def poll(self) -> select.poll:
        """Make what one thread waits with."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._ours, select.POLLIN)
        return poll

    def wait(self, seconds: float, poll: select.poll) -> bool:
        """Wait so long at most for something to read, for the connection to break, or for a call: true."""
        called = self._ours.fileno()
        if self._connection.fileno() < 0 or called < 0:
            return False
        return any(ready == called for ready, _ in poll.poll(seconds * 1000))

    def answer(self) -> None:
        """Take the calls that there are; whoever does has to look."""
        with contextlib.suppress(OSError):  # closed, or another has
            self._ours.recv(4096)

    def call(self) -> None:
        """Have the thread look."""
        with self._lock, contextlib.suppress(OSError):  # closed; or full, and then it looks anyway
            self._theirs.send(b"!")

    def close(self) -> None:
        """Call for the last time."""
        with self._lock:
            self._end()


def _close(*pair: socket.socket) -> None:
    for each in pair:
        each.close()


class _Unhurried(threading.Event):
    """A checkpoint that a thread passes when it is set anew, and else only now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._set_anew = threading.Event()

    def set(self) -> None:
        """Let the thread pass, at once."""
        super().set()
        self._set_anew.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for that."""
        self._set_anew.wait(LOOKS_EVERY)
        self._set_anew.clear()
        return super().wait(timeout)
