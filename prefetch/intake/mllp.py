"""PURE: bytes in, frames out: the Minimal Lower Layer Protocol (HL7 v2.5.1 appendix C, 4.3).

    0B  message  1C 0D

Knows no socket and no HL7 beyond the three letters that begin a message. Lives on whatever a peer sends:
doubled framing, a missing 0D, noise around frames, frames that never end. Memory stays bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

START = b"\x0b"
END = b"\x1c"
TERMINATOR = b"\x0d"

MEGABYTE = 1 << 20
HEAD_BYTES = 4096
"""Kept of a message that is too long, so that its MSH can still be read and answered."""

_RESTART = START + b"MSH"
_BLANK = b"\x0b\x1c\r\n\t \x00"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, without its framing."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Garbage:
    """How many bytes, blanks not counted, belonged to no frame or to one that was never finished."""

    count: int


@dataclass(frozen=True, slots=True)
class Oversized:
    """A message longer than allowed: its beginning, and how long it was."""

    head: bytes
    count: int


Event = Frame | Garbage | Oversized


def encode(payload: bytes) -> bytes:
    """The payload in its frame."""
    return START + payload + END + TERMINATOR


class _State(Enum):
    OUTSIDE = auto()
    INSIDE = auto()
    SKIPPING = auto()
    """Inside a message that is too long already."""


class Decoder:
    """Cuts a stream of bytes into frames; whatever the chunks, the events are the same."""

    def __init__(self, *, max_message_bytes: int = MEGABYTE) -> None:
        self._max = max_message_bytes
        self._state = _State.OUTSIDE
        self._buffer = bytearray()
        self._head = self._tail = b""
        self._skipped = 0
        self._garbage = 0
        self._empty = 0
        self._events: list[Event] = []

    @property
    def receiving(self) -> bool:
        """Whether a message has begun and not yet ended."""
        return self._state is not _State.OUTSIDE

    @property
    def garbage(self) -> int:
        """Bytes outside frames, blanks not counted, since the last report."""
        return self._garbage

    @property
    def empty(self) -> int:
        """Frames without content since the last message; some senders stay connected by them."""
        return self._empty

    @property
    def held(self) -> int:
        """Bytes kept of the message that is on its way."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived; gives what it completes."""
        step = {
            _State.OUTSIDE: self._outside,
            _State.INSIDE: self._inside,
            _State.SKIPPING: self._skipping,
        }
        position = 0
        while position < len(data):
            position = step[self._state](data, position)
        events, self._events = self._events, []
        return events

    def _outside(self, data: bytes, position: int) -> int:
        start = data.find(START, position)
        stop = len(data) if start < 0 else start
        self._garbage += len(data[position:stop].translate(None, _BLANK))
        if start < 0:
            return stop
        self._report_garbage()
        self._state = _State.INSIDE
        return start + 1

    def _inside(self, data: bytes, position: int) -> int:
        # Never more than one byte past the limit is taken in at once: so that chunks make no difference.
        room = position + self._max + 1 - len(self._buffer)
        end = data.find(END, position, room)
        if end >= 0:
            self._buffer += data[position:end]
            self._finish()
            return end + 1
        self._buffer += data[position:room]
        if len(self._buffer) > self._max and not self._drop_unfinished():
            self._skip()
        return min(room, len(data))

    def _finish(self) -> None:
        self._drop_unfinished()
        payload = bytes(self._buffer).lstrip(START)
        self._empty = 0 if payload else self._empty + 1
        if payload:
            self._events.append(Frame(payload))
        self._leave()

    def _drop_unfinished(self) -> bool:
        """Drop a message that another one began in the middle of; its sender was cut off and starts anew."""
        again = self._buffer.rfind(_RESTART)
        if again < 0:
            return False
        self._garbage += len(self._buffer[:again].translate(None, _BLANK))
        self._report_garbage()
        del self._buffer[: again + 1]
        return True

    def _skip(self) -> None:
        self._state = _State.SKIPPING
        self._skipped = len(self._buffer)
        self._head = bytes(self._buffer[:HEAD_BYTES])
        self._tail = bytes(self._buffer[1 - len(_RESTART) :])
        self._buffer.clear()

    def _skipping(self, data: bytes, position: int) -> int:
        # A restart may lie across two chunks, so the last bytes that were seen are looked at again.
        window = self._tail + data[position:]
        seen = len(self._tail)
        end = window.find(END)
        again = window.find(_RESTART, 0, end if end >= 0 else len(window))
        if end < 0 and again < 0:
            self._skipped += len(window) - seen
            self._tail = window[1 - len(_RESTART) :]
            return len(data)
        stop = again if again >= 0 else end
        self._events.append(Oversized(self._head.lstrip(START), self._skipped + stop - seen))
        self._leave()
        if again < 0:
            return position + end - seen + 1
        self._state = _State.INSIDE
        self._buffer += _RESTART[1:]
        return position + again - seen + len(_RESTART)

    def _report_garbage(self) -> None:
        if self._garbage:
            self._events.append(Garbage(self._garbage))
            self._garbage = 0

    def _leave(self) -> None:
        self._state = _State.OUTSIDE
        self._buffer.clear()
