"""Peers that break the protocol on the wire: each costs one query, no thread and no descriptor.

The next query over a new association is answered. Timers are an hour where something else has to end the
wait: a test that hangs has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

import pytest
from pynetdicom.dimse_messages import C_FIND_RSP, C_MOVE_RSP, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_FIND, C_MOVE, C_STORE

from prefetch.dimse import peer, waiting, wire
from prefetch.dimse.association import RemoteAE
from prefetch.model import FindResult, Outcome
from tests.integration.test_dimse_association import PATIENT, UNHURRIED, answer, eventually, find, use
from tests.scripted import HOST, Conversation, Script, ScriptedScp

RELEASE_RQ = b"\x05\0\0\0\0\x04\0\0\0\0"
RELEASE_RP = b"\x06\0\0\0\0\x04\0\0\0\0"
ABORT = b"\x07\0\0\0\0\x04\0\0\0\0"
ASSOCIATE_RJ = b"\x03\0\0\0\0\x04\0\x01\x01\x01"


def items(message: DIMSEMessage, context_id: int) -> list[bytes]:
    """The PDVs of a message, command and data set each in one."""
    return [
        (len(value) + 1).to_bytes(4, "big") + bytes((context_id,)) + value
        for data in message.encode_msg(context_id, 0)
        for _, value in data.presentation_data_value_list
    ]


def pdu(*pdvs: bytes) -> bytes:
    """A P-DATA-TF PDU."""
    joined = b"".join(pdvs)
    return b"\x04\0" + len(joined).to_bytes(4, "big") + joined


def said(conversation: Conversation, status: int, identifier: bytes = b"") -> list[bytes]:
    """The PDVs of a response to a query."""
    primitive = C_FIND()
    primitive.MessageIDBeingRespondedTo = conversation.message_id
    primitive.AffectedSOPClassUID = wire.FIND
    primitive.Status = status
    if identifier:
        primitive.Identifier = BytesIO(identifier)
    message = C_FIND_RSP()
    message.primitive_to_message(primitive)
    return items(message, conversation.context_id)


def sends(*octets: bytes) -> Script:
    """Send them, and say nothing more."""

    def script(conversation: Conversation) -> None:
        for each in octets:
            conversation.send_raw(each)
        conversation.hang()

    return script


def after_the_command(then: Callable[[Conversation], bytes]) -> Script:
    """Announce an answer, and send something else instead of its identifier."""

    def script(conversation: Conversation) -> None:
        command, _ = said(conversation, 0xFF00, PATIENT)
        conversation.send_raw(pdu(command) + then(conversation))
        conversation.hang()

    return script


def after_an_answer(then: bytes) -> Script:
    """Give one answer, and send something else instead of the next."""

    def script(conversation: Conversation) -> None:
        conversation.send_raw(pdu(*said(conversation, 0xFF00, PATIENT)) + then)
        conversation.hang()

    return script


def store_instead(conversation: Conversation) -> None:
    """Ask us to store something."""
    primitive = C_STORE()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Priority = 2
    primitive.DataSet = BytesIO(PATIENT)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    conversation.send_raw(pdu(*items(message, conversation.context_id)))
    conversation.hang()


def moved_instead(conversation: Conversation) -> None:
    """Say that a move has ended well, which nobody asked for."""
    primitive = C_MOVE()
    primitive.MessageIDBeingRespondedTo = conversation.message_id
    primitive.AffectedSOPClassUID = wire.MOVE
    primitive.Status = 0x0000
    message = C_MOVE_RSP()
    message.primitive_to_message(primitive)
    conversation.send_raw(pdu(*items(message, conversation.context_id)))
    conversation.hang()


BREACHES: dict[str, Script] = {
    "an association is rejected that was accepted": sends(ASSOCIATE_RJ),
    "a release is answered that nobody asked for": sends(RELEASE_RP),
    "a PDU of no type": sends(b"\x09\0\0\0\0\x04\0\0\0\0"),
    "a PDU longer than any": sends(b"\x04\0\xff\xff\xff\xffsome of it"),
    "an empty PDU, and then none": sends(b"\x04\0\0\0\0\0", b"\x08\0\0\0\0\0"),
    "a release in the middle of a query": after_an_answer(RELEASE_RQ),
    "an abort in the middle of a query": after_an_answer(ABORT),
    "an abort between command and identifier": after_the_command(lambda _: ABORT),
    "a release between command and identifier": after_the_command(lambda _: RELEASE_RQ),
    "a command where an identifier was announced": after_the_command(
        lambda conversation: pdu(*said(conversation, 0x0000))
    ),
    "a C-STORE request": store_instead,
    "a response to a move": moved_instead,
}


def ask_twice(first: Script, timeouts: peer.Timeouts = UNHURRIED) -> tuple[FindResult, FindResult, int]:
    """Ask a peer that breaks the protocol once, and once more; gives how many associations that took."""

    def script(conversation: Conversation) -> None:
        (first if conversation.number == 1 else answer)(conversation)

    async def work(remote: RemoteAE) -> tuple[FindResult, FindResult]:
        return await find(remote), await find(remote)

    with ScriptedScp(find=script) as scp:
        one, other = use(scp.peer(timeouts=timeouts), work)
        return one, other, scp.requested


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_protocol_ends_one_query(breach: str) -> None:
    """At once, whatever the timers say; what came until then is not taken for the whole."""
    before = descriptors()
    one, other, associations = ask_twice(BREACHES[breach])
    assert (one.outcome, one.status) == (Outcome.TRANSIENT, None)
    assert (other.outcome, len(other.studies), associations) == (Outcome.SUCCESS, 1, 2)
    assert descriptors() <= before


@pytest.mark.parametrize("together", [True, False], ids=["in one PDU", "in two"])
def test_a_second_last_response_answers_no_other_query(together: bool) -> None:
    """It would say that the next patient has nothing."""

    def script(conversation: Conversation) -> None:
        pdvs = said(conversation, 0x0000)
        conversation.send_raw(pdu(*pdvs, *pdvs) if together else pdu(*pdvs) + pdu(*pdvs))

    one, other, _ = ask_twice(script)
    assert (one.outcome, len(one.studies)) == (Outcome.SUCCESS, 0)
    assert (other.outcome, len(other.studies)) == (Outcome.SUCCESS, 1)


def test_a_response_to_an_earlier_query_answers_no_other() -> None:
    """It comes when the next query has been sent already."""

    def script(conversation: Conversation) -> None:
        if conversation.number == 2:
            late = replace_id(conversation, conversation.message_id - 1)
            conversation.send_raw(late)
            conversation.hang()
        answer(conversation)

    async def work(remote: RemoteAE) -> list[FindResult]:
        return [await find(remote) for _ in range(3)]

    with ScriptedScp(find=script) as scp:
        results = use(scp.peer(timeouts=UNHURRIED), work)
    assert [Outcome.SUCCESS, Outcome.TRANSIENT, Outcome.SUCCESS] == [each.outcome for each in results]


def test_what_is_said_between_queries_costs_none() -> None:
    """The next one has a new association."""

    def script(conversation: Conversation) -> None:
        answer(conversation)
        if conversation.number == 1:
            conversation.wait_until(asked.is_set)
            conversation.send_raw(pdu(*said(conversation, 0x0000)))

    async def work(remote: RemoteAE) -> list[FindResult]:
        first = await find(remote)
        ((_, association),) = remote._idle  # noqa: SLF001 (nobody else is told of it)
        asked.set()
        await eventually(lambda: not waiting.line_of(association).is_quiet)
        return [first, await find(remote)]

    asked = threading.Event()
    with ScriptedScp(find=script) as scp:
        results = use(scp.peer(timeouts=UNHURRIED), work, release_after=3600)
        assert scp.requested == 2
    assert [(Outcome.SUCCESS, 1)] * 2 == [(each.outcome, len(each.studies)) for each in results]


def replace_id(conversation: Conversation, message_id: int) -> bytes:
    """A last response to another message."""
    conversation.message_id = message_id
    return pdu(*said(conversation, 0x0000))


def test_a_peer_that_numbers_nothing_is_understood() -> None:
    """Every response is to message 1, whatever was asked."""

    def script(conversation: Conversation) -> None:
        conversation.message_id = 1
        answer(conversation)

    one, other, associations = ask_twice(script)
    assert [1, 1] == [len(one.studies), len(other.studies)]
    assert associations == 1


def test_thousands_of_tiny_pdvs_are_one_answer() -> None:
    """A byte each, and as many PDUs."""

    def script(conversation: Conversation) -> None:
        for pdv in [*said(conversation, 0xFF00, PATIENT), *said(conversation, 0x0000)]:
            context, control, value = pdv[4:5], pdv[5], pdv[6:]
            for at in range(len(value)):
                last = control if at == len(value) - 1 else control & 0b01
                empty = [b"\0\0\0\x02" + context + bytes((control & 0b01,))] * 20
                conversation.send_raw(
                    pdu(*empty, b"\0\0\0\x03" + context + bytes((last,)) + value[at : at + 1])
                )

    one, other, associations = ask_twice(script)
    assert [(Outcome.SUCCESS, 1)] * 2 == [(each.outcome, len(each.studies)) for each in (one, other)]
    assert associations == 1


def test_interrupted_while_half_a_pdu_is_read() -> None:
    """Neither the rest nor a timer is waited for, at whatever moment it comes."""
    halves = threading.Semaphore(0)

    def script(conversation: Conversation) -> None:
        if conversation.number > 20:
            return answer(conversation)
        conversation.send_raw(b"\x04\0\0\0\x10\0half")
        halves.release()
        return conversation.hang()

    async def work(remote: RemoteAE) -> FindResult:
        for _ in range(20):
            asked = asyncio.ensure_future(find(remote))
            await eventually(lambda: halves.acquire(blocking=False))
            remote.interrupt_all()
            assert (await asked).outcome is Outcome.CANCELLED
        return await find(remote)

    with ScriptedScp(find=script) as scp:
        assert len(use(scp.peer(timeouts=UNHURRIED), work).studies) == 1


@contextmanager
def deaf(behind: int) -> Iterator[int]:
    """A door to a peer that lets the negotiation through, and then reads nothing any more."""
    with socket.create_server((HOST, 0)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        over = threading.Event()

        def serve() -> None:
            client, _ = door.accept()
            with client, socket.create_connection((HOST, behind)) as server:
                server.sendall(client.recv(65_536))
                client.sendall(server.recv(65_536))
                over.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        yield door.getsockname()[1]
        over.set()
        thread.join()


def test_a_peer_that_reads_nothing_keeps_nobody() -> None:
    """What cannot be sent within the time for the rest of a PDU is not sent at all."""
    uids = [f"1.2.{'3' * 50}.{number}" for number in range(100_000)]
    with ScriptedScp() as scp, deaf(scp.port) as port:
        remote = replace(scp.peer(timeouts=replace(UNHURRIED, acse=2)), port=port)
        result = use(remote, lambda made: made.find_studies(study_instance_uids=uids))
    assert (result.outcome, result.because) == (
        Outcome.TRANSIENT,
        "the association was lost before the request was sent",
    )


def test_an_association_answered_byte_by_byte_is_given_up() -> None:
    """The ACSE timeout bounds the answer as a whole, not each byte of it."""
    over = threading.Event()

    def drip(door: socket.socket) -> None:
        client, _ = door.accept()
        with client, contextlib.suppress(OSError):
            client.recv(65_536)
            client.sendall(b"\x02\0\0\1\0\0")  # an A-ASSOCIATE-AC of 65,536 bytes
            while not over.wait(0.05):
                client.sendall(b"\0")

    with socket.create_server((HOST, 0)) as door:
        thread = threading.Thread(target=drip, args=(door,))
        thread.start()
        with ScriptedScp() as scp:
            timeouts = replace(UNHURRIED, acse=0.5)
            remote = replace(scp.peer(timeouts=timeouts), port=door.getsockname()[1])
            result = use(remote, find)
        over.set()
        thread.join()
    assert Outcome.TRANSIENT is result.outcome


@pytest.mark.parametrize(
    ("octets", "because"),
    [
        *(
            (
                b"\x03\0\0\0\0\x04\0" + bytes(codes),
                f"result {codes[0]}, source {codes[1]}, reason {codes[2]}, which DICOM does not know",
            )
            for codes in [(1, 1, 11), (1, 4, 1), (3, 1, 1), (0, 0, 0), (255, 255, 255), (2, 3, 99)]
        ),
        (b"\x07\0\0\0\0\x04\0\0\x02\x63", "did not answer the association request"),
        (b"\x07\0\0\0\0\x04\0\0\x63\x63", "did not answer the association request"),
    ],
)
def test_codes_that_nobody_knows_end_no_thread(octets: bytes, because: str) -> None:
    """A rejection is told with its codes, and an abort is one; no traceback comes of them."""
    failed: list[BaseException | None] = []

    def refuse(door: socket.socket) -> None:
        client, _ = door.accept()
        with client:
            client.recv(65_536)
            client.sendall(octets)
            client.recv(1)

    with socket.create_server((HOST, 0)) as door, pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda args: failed.append(args.exc_value))
        thread = threading.Thread(target=refuse, args=(door,))
        thread.start()
        with ScriptedScp() as scp:
            result = use(replace(scp.peer(timeouts=UNHURRIED), port=door.getsockname()[1]), find)
        thread.join()
    assert (True, []) == (because in result.because, failed)


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, and no paths)
