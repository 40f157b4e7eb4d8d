"""PURE: C-FIND and C-MOVE messages as bytes: command sets (PS3.7 6.3, 9.3) in P-DATA-TF PDUs (PS3.8 9.3.5).

pynetdicom makes a data set of every command and an object of every PDU: for an answer of a few hundred bytes
that is two thirds of what reading it costs. What is between associations stays with pynetdicom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from prefetch import errors

P_DATA_TF = 0x04
"""PDU type (PS3.8 Table 9-22)."""

_PDU_HEADER = 6
_PDV_HEADER = 6
"""Length of the item in four bytes, presentation context ID, message control header."""
_COMMAND, _LAST = 0b01, 0b10
"""Bits of a message control header (PS3.8 E.2)."""

_NO_DATA_SET: Final = 0x0101
_A_DATA_SET: Final = 0x0001
_LOW: Final = 0x0002
"""Priority: nobody waits for a prior as for what is being read."""

LONGEST_IDENTIFIER = 2**22
"""Bytes of one identifier beyond which a peer is not listened to any more."""
_LONGEST_COMMAND = 2**16


class Command(IntEnum):
    """Command Field (0000,0100) of what is asked (PS3.7 E.1)."""

    FIND = 0x0020
    MOVE = 0x0021

    @property
    def response(self) -> int:
        """The Command Field of its responses."""
        return self | 0x8000


class _Element(IntEnum):
    """Elements of group 0000 (PS3.7 E.1)."""

    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS_UID = 0x0002
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    COMPLETED = 0x1021
    FAILED = 0x1022
    WARNING = 0x1023


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A C-FIND or C-MOVE request; the identifier is encoded for its presentation context."""

    command: Command
    sop_class_uid: str
    identifier: bytes
    move_destination: str = ""
    message_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A C-FIND or C-MOVE response; counts and status are `None` where not sent."""

    context_id: int
    command: int
    responds_to: int | None = None
    """Message ID of the request."""
    status: int | None = None
    identifier: bytes = b""
    comment: str = ""
    offending: tuple[str, ...] = ()
    """Tags, as `(0008,0052)`."""
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


# --- writing ---------------------------------------------------------------------------------------


def write(request: Request, context_id: int, longest_pdu: int) -> bytes:
    """The PDUs of a request, none longer than the peer takes (PS3.8 D.1; 0: it takes any)."""
    parts = [(_COMMAND, _command_set(request)), (0, request.identifier)]
    return b"".join(pdu for kind, part in parts for pdu in _pdus(part, kind, context_id, longest_pdu))


def _pdus(part: bytes, kind: int, context_id: int, longest_pdu: int) -> Iterator[bytes]:
    most = max(longest_pdu - _PDV_HEADER, 1) if longest_pdu else max(len(part), 1)
    for first in range(0, max(len(part), 1), most):
        fragment = part[first : first + most]
        control = kind | (_LAST if first + most >= len(part) else 0)
        item = (len(fragment) + 2).to_bytes(4, "big") + bytes((context_id, control)) + fragment
        yield bytes((P_DATA_TF, 0)) + len(item).to_bytes(4, "big") + item


def _command_set(request: Request) -> bytes:
    elements = {
        _Element.AFFECTED_SOP_CLASS_UID: _even(request.sop_class_uid.encode(), b"\0"),
        _Element.COMMAND_FIELD: _short(request.command),
        _Element.MESSAGE_ID: _short(request.message_id),
        _Element.MOVE_DESTINATION: _even(request.move_destination.encode(), b" "),
        _Element.PRIORITY: _short(_LOW),
        _Element.COMMAND_DATA_SET_TYPE: _short(_A_DATA_SET),
    }
    written = b"".join(_element(number, value) for number, value in elements.items() if value)
    return _element(_Element.GROUP_LENGTH, len(written).to_bytes(4, "little")) + written


def _element(number: int, value: bytes) -> bytes:
    """An element of group 0000; the command set is always Implicit VR Little Endian (PS3.7 6.3.1)."""
    return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def _short(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


# --- reading ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Reader:
    """Puts responses together from PDUs, however they are cut."""

    _command: bytearray = field(default_factory=bytearray)
    _identifier: bytearray = field(default_factory=bytearray)
    _waiting: Response | None = None
    """A response whose identifier has not come whole yet."""

    def read(self, pdu: bytes) -> Iterator[Response]:
        """The responses that a P-DATA-TF PDU completes; raises `PeerError` for what is none."""
        at = _PDU_HEADER
        while at < len(pdu):
            end = at + 4 + int.from_bytes(pdu[at : at + 4], "big")
            if end > len(pdu) or end - at < _PDV_HEADER:
                raise errors.PeerError("a PDV that ends beyond its PDU")
            context_id, control = pdu[at + 4], pdu[at + 5]
            complete = self._take(context_id, control, pdu[at + _PDV_HEADER : end])
            if complete is not None:
                yield complete
            at = end

    def _take(self, context_id: int, control: int, fragment: bytes) -> Response | None:
        if not control & _COMMAND:
            return self._take_identifier(control, fragment)
        if self._waiting is not None:
            raise errors.PeerError("a command where a data set was announced")
        self._command += fragment
        if len(self._command) > _LONGEST_COMMAND:
            raise errors.PeerError("a command set without an end")
        if not control & _LAST:
            return None
        elements = dict(_elements(bytes(self._command)))
        self._command.clear()
        response = _response(context_id, elements)
        if _number(elements, _Element.COMMAND_DATA_SET_TYPE) == _NO_DATA_SET:
            return response
        self._waiting = response
        return None

    def _take_identifier(self, control: int, fragment: bytes) -> Response | None:
        response = self._waiting
        if response is None:
            raise errors.PeerError("a data set without a command")
        self._identifier += fragment
        if len(self._identifier) > LONGEST_IDENTIFIER:
            raise errors.PeerError(f"an identifier of more than {LONGEST_IDENTIFIER} bytes")
        if not control & _LAST:
            return None
        identifier, self._waiting = bytes(self._identifier), None
        self._identifier.clear()
        return replace(response, identifier=identifier)


def _elements(command_set: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of group 0000, by their numbers."""
    at = 0
    while at < len(command_set):
        start = at + 8
        length = int.from_bytes(command_set[at + 4 : start], "little")
        if command_set[at : at + 2] != b"\0\0" or start + length > len(command_set):
            raise errors.PeerError("a command set that is none")
        yield int.from_bytes(command_set[at + 2 : at + 4], "little"), command_set[start : start + length]
        at = start + length


def _response(context_id: int, elements: Mapping[int, bytes]) -> Response:
    command = _number(elements, _Element.COMMAND_FIELD)
    if command is None or command not in _RESPONSES:
        raise errors.PeerError("no response to a C-FIND or C-MOVE")
    offending = elements.get(_Element.OFFENDING_ELEMENT, b"")
    return Response(
        context_id=context_id,
        command=command,
        responds_to=_number(elements, _Element.MESSAGE_ID_BEING_RESPONDED_TO),
        status=_number(elements, _Element.STATUS),
        comment=elements.get(_Element.ERROR_COMMENT, b"").decode("latin-1").strip(" \0"),
        offending=tuple(_tag(offending[at : at + 4]) for at in range(0, len(offending), 4)),
        completed=_number(elements, _Element.COMPLETED),
        failed=_number(elements, _Element.FAILED),
        warning=_number(elements, _Element.WARNING),
    )


_RESPONSES = frozenset(command.response for command in Command)


def _number(elements: Mapping[int, bytes], element: int) -> int | None:
    """The first value of an US; `None` where there is none."""
    value = elements.get(element)
    return int.from_bytes(value[:2], "little") if value else None


def _tag(value: bytes) -> str:
    group, element = (int.from_bytes(value[at : at + 2], "little") for at in (0, 2))
    return f"({group:04X},{element:04X})"
