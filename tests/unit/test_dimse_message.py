"""Messages as bytes: what we write pynetdicom reads, and what it writes we read, however it is cut."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_FIND_RSP, C_MOVE_RQ, C_MOVE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_FIND, C_MOVE
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from prefetch import errors
from prefetch.dimse import mending, message
from prefetch.dimse.message import Command, Reader, Request, Response

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"


def pdus(made: DIMSEMessage, context_id: int = 3, longest: int = 16_382) -> list[bytes]:
    """A message as pynetdicom sends it."""
    sent = []
    for primitive in made.encode_msg(context_id, longest):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        sent.append(pdu.encode())
    return sent


def find_response(status: int, identifier: bytes = b"") -> C_FIND_RSP:
    """A C-FIND-RSP of pynetdicom's."""
    primitive = C_FIND()
    primitive.MessageIDBeingRespondedTo = 1
    primitive.AffectedSOPClassUID = FIND
    primitive.Status = status
    primitive.Identifier = BytesIO(identifier) if identifier else None
    made = C_FIND_RSP()
    made.primitive_to_message(primitive)
    return made


def read(parts: list[bytes]) -> list[Response]:
    """What a reader makes of PDUs."""
    reader = Reader()
    return [response for part in parts for response in reader.read(part)]


@pytest.mark.parametrize("longest", [0, 16_382, 64, 13])
def test_a_request_is_what_pynetdicom_reads(longest: int) -> None:
    """In PDUs as long as the peer takes, or as one each where it takes any."""
    request = Request(
        command=Command.MOVE, sop_class_uid=MOVE, identifier=b"12345678" * 20, move_destination="READ1"
    )
    whole, made = message.write(request, 5, longest), C_MOVE_RQ()
    complete = False
    while whole:
        length = 6 + int.from_bytes(whole[2:6], "big")
        assert not longest or length - 6 <= longest
        pdu, primitive = P_DATA_TF(), P_DATA()
        pdu.decode(whole[:length])
        primitive = pdu.to_primitive()
        complete, whole = made.decode_msg(primitive), whole[length:]
    assert complete
    said = made.message_to_primitive()
    assert isinstance(said, C_MOVE)
    assert said.MoveDestination is not None
    assert ("READ1", 1, 2, MOVE) == (
        said.MoveDestination.strip(),
        said.MessageID,
        said.Priority,
        said.AffectedSOPClassUID,
    )
    assert said.Identifier is not None
    assert request.identifier == said.Identifier.getvalue()
    assert 5 == made.context_id


@given(st.binary(min_size=2, max_size=300), st.sampled_from([16_382, 100, 7]))
def test_an_answer_comes_back_however_it_is_cut(identifier: bytes, longest: int) -> None:
    """Fragments of any length, the command's and the identifier's."""
    answers = pdus(find_response(0xFF00, identifier), longest=longest)
    end = pdus(find_response(0x0000), longest=longest)
    pending, final = read(answers + end)
    assert (0xFF00, identifier, 3) == (pending.status, pending.identifier, pending.context_id)
    assert (0x0000, b"") == (final.status, final.identifier)


def test_several_values_of_one_pdu() -> None:
    """Command and identifier in one PDU, as the standard allows (PS3.8 9.3.5.1)."""
    first, second = pdus(find_response(0xFF00, b"answer"))
    items = first[6:] + second[6:]
    (answer,) = read([b"\x04\x00" + len(items).to_bytes(4, "big") + items])
    assert b"answer" == answer.identifier


def test_counts_comment_and_offending_elements() -> None:
    """What is not sent is not known, and not 0."""
    primitive = C_MOVE()
    primitive.MessageIDBeingRespondedTo = 1
    primitive.Status = 0xB000
    primitive.NumberOfCompletedSuboperations = 4
    primitive.NumberOfFailedSuboperations = 0
    made = C_MOVE_RSP()
    made.primitive_to_message(primitive)
    made.command_set.ErrorComment = "disk full"
    made.command_set.OffendingElement = [0x00100020, 0x0020000D]
    (said,) = read(pdus(made))
    assert (4, 0, None) == (said.completed, said.failed, said.warning)
    assert ("disk full", ("(0010,0020)", "(0020,000D)")) == (said.comment, said.offending)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_end_in_an_answer_or_an_error(octets: bytes) -> None:
    """No other exception leaves the reader."""
    reader = Reader()
    responses: list[Response] = []
    with contextlib.suppress(errors.PeerError):
        responses += reader.read(b"\x04\x00" + len(octets).to_bytes(4, "big") + octets)
    assert all(response.command == Command.FIND.response for response in responses)


@pytest.mark.parametrize(
    ("items", "because"),
    [
        (b"\x00\x00\x00\x09\x01\x03short", "a PDV that ends beyond its PDU"),
        (b"\x00\x00\x00\x01\x01", "a PDV that ends beyond its PDU"),
        (b"\x00\x00\x00\x03\x01\x02x", "a data set without a command"),
        (b"\x00\x00\x00\x0b\x01\x03\x08\x00\x01\x00\x04\x00\x00\x00x", "a command set that is none"),
        (b"\x00\x00\x00\x02\x01\x03", "no response to a C-FIND or C-MOVE"),
    ],
)
def test_what_is_no_response_is_said(items: bytes, because: str) -> None:
    """The association ends with it; the reason is for the log."""
    with pytest.raises(errors.PeerError, match=because):
        list(Reader().read(b"\x04\x00" + len(items).to_bytes(4, "big") + items))


def test_no_identifier_is_longer_than_anybody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that never ends one fills no memory."""
    monkeypatch.setattr(message, "LONGEST_IDENTIFIER", 1_000)
    command, *rest = pdus(find_response(0xFF00, b"x" * 3_000), longest=500)
    with pytest.raises(errors.PeerError, match="more than 1000 bytes"):
        read([command, *rest])


def test_a_status_that_stands_in_the_data_set_is_found() -> None:
    """It says whether there is more; without one an identifier is an answer, and none is the end."""
    usual = Response(context_id=1, command=Command.FIND.response, identifier=b"answer")
    said = b"\x00\x00\x00\x09\x02\x00\x00\x00\x00\xa7"
    assert [0xFF00] == [each.status for each in mending.mend(usual)]
    assert [0xA700] == [each.status for each in mending.mend(replace(usual, identifier=said))]
    assert [0x0000] == [each.status for each in mending.mend(replace(usual, identifier=b""))]


def test_an_identifier_in_the_final_success_is_an_answer() -> None:
    """And the end comes after it."""
    final = Response(context_id=1, command=Command.FIND.response, status=0, identifier=b"answer")
    assert [(0xFF00, b"answer"), (0x0000, b"")] == [
        (each.status, each.identifier) for each in mending.mend(final)
    ]
    moved = replace(final, command=Command.MOVE.response)
    assert (moved,) == mending.mend(moved)
