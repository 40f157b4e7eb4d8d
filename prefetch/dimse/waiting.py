"""Has pynetdicom's threads wait for what comes, instead of looking a thousand times a second.

An association has two threads. One reads the connection and sends what it is given; the other looks for
requests and releases of the peer. Left alone they cost 5 % of a core and up to a millisecond an exchange.
Here the first sleeps until there is something to read or to send, and the second takes its time.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import weakref
from typing import Any

from pynetdicom import evt
from pynetdicom.dul import DULServiceProvider

LOOKS_EVERY = 0.05
"""Seconds at most until a thread sees what nothing wakes it for: its end, a timer, a release by the peer."""

_CLOSES = "Sta13"
"""PS3.8 9.2: waiting for the connection to close; pynetdicom closes it when there is nothing more to read."""


def read_when_there_is_something(event: evt.Event) -> None:
    """Handler of `EVT_ESTABLISHED`: the connection's thread sleeps while it has nothing to do."""
    provider = event.assoc.dul
    if provider.socket is None or provider.socket.socket is None:  # gone again already
        return
    wake = _Wake(provider.socket.socket)
    put, is_transport_event = provider.to_provider_queue.put, provider._is_transport_event  # noqa: SLF001 (see above)

    def put_and_wake(*args: Any, **kwargs: Any) -> None:
        put(*args, **kwargs)
        wake.call()

    def wait_and_look() -> bool:
        if not _may_wait(provider):
            return is_transport_event()
        wake.wait()
        if is_transport_event():
            return True
        provider._process_recv_primitive()  # noqa: SLF001 (else it would sleep before it sees what woke it)
        return False

    provider.to_provider_queue.put = put_and_wake  # type: ignore[method-assign]  # of this one association
    provider._is_transport_event = wait_and_look  # type: ignore[method-assign]  # noqa: SLF001 (the same)
    event.assoc.bind(evt.EVT_CONN_CLOSE, lambda _: wake.close())


def take_time(event: evt.Event) -> None:
    """Handler of `EVT_ESTABLISHED`: the thread that looks for requests of the peer does so now and then.

    For associations that we requested: nothing comes to them but a release, an abort or the end.
    """
    if event.assoc.is_requestor:
        checkpoint = _Unhurried()
        checkpoint.set()
        event.assoc._reactor_checkpoint = checkpoint  # noqa: SLF001 (there is no other way in)


def _may_wait(provider: DULServiceProvider) -> bool:
    """Whether the thread has nothing to send, to read or to close."""
    transport = provider.socket
    if transport is None or transport.socket is None or provider.state_machine.current_state == _CLOSES:
        return False
    if isinstance(transport.socket, ssl.SSLSocket) and transport.socket.pending():
        return False  # read from the connection already, and not by us
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
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._poll.register(self._ours, select.POLLIN)

    def wait(self) -> None:
        """Wait until the connection has something to read, or breaks, or somebody calls."""
        if self._connection.fileno() < 0 or self._ours.fileno() < 0:
            return
        called = self._ours.fileno()
        if any(ready == called for ready, _ in self._poll.poll(LOOKS_EVERY * 1000)):
            with contextlib.suppress(OSError):
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
