"""The connection of an association, read as it comes and handed on whole PDUs at a time (PS3.8 9.3.1).

pynetdicom itself waits for the rest of a PDU that has begun, whatever its timers say: a peer that stops
half-way, or sends a byte now and then, would keep the thread that reads.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

from pynetdicom.transport import AssociationSocket

LONGEST = 2**20
"""Bytes of a PDU beyond which nobody waits for the rest: sixty times of what we let peers send."""

_HEADER = 6
"""PDU type, a reserved byte, and the length of the rest in four."""
_AT_ONCE = 65_536


class WholePDUs:
    """Stands for pynetdicom's `AssociationSocket`; used by one thread at a time."""

    def __init__(self, transport: AssociationSocket) -> None:
        self._transport = transport
        self._read = bytearray()
        self._ended = False
        self._poll = select.poll()  # select cannot watch descriptors above 1023
        if transport.socket is not None:
            self._poll.register(transport.socket, select.POLLIN)

    def __getattr__(self, name: str) -> Any:
        """All that is not about reading."""
        return getattr(self._transport, name)

    @property
    def holds_one(self) -> bool:
        """Whether a whole PDU has been read already, or the end."""
        if self._ended or len(self._read) < _HEADER:
            return self._ended
        length = int.from_bytes(self._read[2:_HEADER], "big")
        return length > LONGEST or len(self._read) >= _HEADER + length

    @property
    def pdu_type(self) -> int | None:
        """Of the whole PDU that has been read; `None` where there is none."""
        return self._read[0] if self._read and self.holds_one and not self._ended else None

    def take(self) -> bytes:
        """Give the whole PDU that has been read, with its header."""
        return bytes(self.recv(_HEADER + int.from_bytes(self._read[2:_HEADER], "big")))

    @property
    def hides_something(self) -> bool:
        """Whether there is something to read that the connection does not show: TLS has read it already."""
        connection = self._transport.socket
        return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0

    @property
    def ready(self) -> bool:
        """Whether there is a whole PDU, or the end; reads what has come, and waits for nothing."""
        if not self.holds_one:
            self._fill()
        return self.holds_one

    def recv(self, count: int) -> bytearray:
        """Give so many bytes of what was read; fewer where there are no more."""
        taken = self._read[:count]
        del self._read[:count]
        return taken

    def _fill(self) -> None:
        connection = self._transport.socket
        if connection is None:
            return
        if connection.fileno() < 0:  # closed by whoever cut it
            self._ended = True
            return
        if not self.hides_something and not self._poll.poll(0):
            return
        try:
            came = _recv_at_once(connection)
        except ssl.SSLWantReadError:  # half a record, or one of TLS itself
            return
        except OSError:
            came = b""
        self._read += came
        self._ended = not came


def _recv_at_once(connection: socket.socket) -> bytes:
    """Read what is there; TLS would wait for the rest of its record, though there was something to read."""
    if not isinstance(connection, ssl.SSLSocket):
        return connection.recv(_AT_ONCE)
    patience = connection.gettimeout()
    connection.settimeout(0)
    try:
        return connection.recv(_AT_ONCE)
    finally:
        connection.settimeout(patience)
