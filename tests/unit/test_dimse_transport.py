"""A connection is read as it comes, and whole PDUs are handed on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from pynetdicom.transport import AssociationSocket

from prefetch.dimse.transport import LONGEST, WholePDUs

PDU = b"\x04\x00\x00\x00\x00\x03abc"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, WholePDUs]]:
    """A peer's end of a connection, and ours."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, WholePDUs(cast("AssociationSocket", SimpleNamespace(socket=ours)))


def looked_at(ours: WholePDUs) -> tuple[bool, int | None]:
    """Whether there is a PDU, and of which type."""
    return ours.ready, ours.pdu_type


def test_half_a_pdu_is_none(ends: tuple[socket.socket, WholePDUs]) -> None:
    """Nobody waits for the rest; when it has come, the PDU is there, and what follows it stays."""
    theirs, ours = ends
    for part in (b"", PDU[:4], PDU[4:-1]):
        theirs.send(part)
        assert (False, None) == looked_at(ours)
    theirs.send(PDU[-1:] + PDU[:2])
    assert (True, 0x04) == looked_at(ours)
    assert PDU == ours.take()
    assert (False, None) == looked_at(ours)
    theirs.send(PDU[2:])
    assert (True, 0x04) == looked_at(ours)
    assert PDU == bytes(ours.recv(6) + ours.recv(3))


def test_the_end_is_something_to_read(ends: tuple[socket.socket, WholePDUs]) -> None:
    """Pynetdicom then reads nothing, and closes."""
    theirs, ours = ends
    theirs.send(PDU[:4])
    theirs.close()
    ready = [ours.ready for _ in range(2)]
    assert ([False, True], None, PDU[:4]) == (ready, ours.pdu_type, bytes(ours.recv(6)))


def test_a_connection_that_was_cut_is_at_its_end(ends: tuple[socket.socket, WholePDUs]) -> None:
    """Closed by another thread it can be neither read nor watched: nobody goes round for nothing."""
    _, ours = ends
    ours.socket.close()
    assert ours.ready


def test_what_claims_to_be_endless_is_not_waited_for(ends: tuple[socket.socket, WholePDUs]) -> None:
    """It is handed on as it is: shorter than it says, which ends the association."""
    theirs, ours = ends
    theirs.send(b"\x04\x00" + (LONGEST + 1).to_bytes(4, "big") + b"x")
    assert ours.ready
    assert (6, 1) == (len(ours.recv(6)), len(ours.recv(LONGEST + 1)))
