"""The bridge between coroutines and associations: limits, reuse, interruption, the end."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from structlog.testing import capture_logs

from prefetch import errors, model
from prefetch.dimse import echo, identifier, peer, status, turns, wire
from prefetch.dimse.association import RemoteAE
from prefetch.dimse.move import Acquaintance
from prefetch.model import Outcome
from tests.identifiers import encoded
from tests.scripted import HOST, Conversation, Script, ScriptedScp

T = TypeVar("T")

PATIENT = encoded(StudyInstanceUID="1.2.3", PatientID="P1", PatientName="Quist^Ada")
HOUR = 3600.0
UNHURRIED = peer.Timeouts(
    connect=HOUR, acse=HOUR, idle=HOUR, find_total=HOUR, move_idle=HOUR, move_total=HOUR
)
"""Waits that no test sits out: what ends, ends by something else."""


def use(remote: peer.Peer, work: Callable[[RemoteAE], Awaitable[T]], *, release_after: float = 1.0) -> T:
    """Do some work with a remote AE and close it; no thread and no association of ours is left then."""

    async def main() -> T:
        async with RemoteAE(remote, release_after=release_after) as made:
            return await work(made)

    result = asyncio.run(main())
    assert threads_of_ours() == []
    return result


def threads_of_ours() -> list[threading.Thread]:
    """Threads of the bridge and of associations that we requested."""
    return [thread for thread in threading.enumerate() if _is_ours(thread)]


def _is_ours(thread: threading.Thread) -> bool:
    if isinstance(thread, DULServiceProvider):
        return thread.assoc.is_requestor
    return thread.name.startswith("dimse-") or (isinstance(thread, Association) and thread.is_requestor)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so, in another thread or process."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def find(remote: RemoteAE) -> Awaitable[model.FindResult]:
    """Ask for P1."""
    return remote.find_studies(patient_id="P1")


def move(remote: RemoteAE) -> Awaitable[model.MoveResult]:
    """Have a study moved."""
    return remote.move_studies(study_instance_uids=["1.2.3"], destination_ae_title="READ1")


def answer(conversation: Conversation) -> None:
    """Answer with one study."""
    conversation.respond(0xFF00, PATIENT)
    conversation.respond(0x0000)


def send_two(conversation: Conversation) -> None:
    """End a move with two instances sent."""
    conversation.respond(0x0000, NumberOfCompletedSuboperations=2)


# --- reuse and limits ------------------------------------------------------------------------------


def test_one_association_serves_one_call_after_the_other() -> None:
    """A queue is drained over one association, queries and moves alike."""

    async def work(remote: RemoteAE) -> set[Outcome]:
        return {(await call(remote)).outcome for _ in range(5) for call in (find, move)}

    with ScriptedScp(find=answer, move=send_two) as scp:
        assert use(scp.peer(), work) == {Outcome.SUCCESS}
        assert (scp.requested, scp.released, scp.aborted) == (1, 1, 0)


def test_no_more_associations_than_the_limit() -> None:
    """However much is asked at the same time, the limit of associations holds."""

    def slowly(conversation: Conversation) -> None:
        conversation.wait_until(lambda: False, 0.02)
        answer(conversation)

    async def work(remote: RemoteAE) -> int:
        results = await asyncio.gather(*(find(remote) for _ in range(20)))
        return sum(len(result.studies) for result in results)

    with ScriptedScp(find=slowly) as scp:
        assert use(scp.peer(max_associations=3), work) == 20
        assert scp.most_open == scp.requested == 3


def test_idle_association_is_released() -> None:
    """What nobody uses is released in order, and the next call opens a new one."""

    async def work(remote: RemoteAE) -> None:
        await find(remote)
        assert scp.open == 1
        await eventually(lambda: scp.open == 0)
        assert (scp.released, scp.aborted) == (1, 0)
        await find(remote)

    with ScriptedScp(find=answer) as scp:
        use(scp.peer(), work, release_after=0.1)
        assert scp.requested == 2


_RELEASE_RQ, _HALF_A_PDU = b"\5\0\0\0\0\4\0\0\0\0", b"\6\0\0\0\0\4\0"


@pytest.mark.parametrize(
    "says", [b"", _RELEASE_RQ, _HALF_A_PDU, b"\2\0" * 40, b"HTTP/1.1 400 Bad Request\r\n"]
)
def test_a_peer_that_answers_a_release_with_something_else_keeps_nobody(says: bytes) -> None:
    """Nothing, its own request again and again, half an answer, garbage: each ends with the ACSE time."""
    over = threading.Event()

    def answer_and_go_on(conversation: Conversation) -> None:
        answer(conversation)
        while not conversation.over and not over.is_set():
            over.wait(0.1)
            conversation.send_raw(says)

    async def work(remote: RemoteAE) -> None:
        await find(remote)
        await eventually(lambda: not remote._uses and not remote._idle)  # noqa: SLF001 (what holds a thread)
        await find(remote)
        over.set()

    with ScriptedScp(find=answer_and_go_on) as scp:
        waits = peer.Timeouts(connect=5, acse=1, idle=3600, find_total=3600)
        use(scp.peer(timeouts=waits), work, release_after=0.1)
        assert 2 <= scp.requested


def test_association_in_use_is_not_released() -> None:
    """A call that lasts longer than the idle time keeps its association."""

    def slowly(conversation: Conversation) -> None:
        conversation.wait_until(lambda: False, 0.3)
        answer(conversation)

    async def work(remote: RemoteAE) -> Outcome:
        await find(remote)
        return (await find(remote)).outcome

    with ScriptedScp(find=slowly) as scp:
        assert use(scp.peer(), work, release_after=0.05) is Outcome.SUCCESS


def test_association_that_the_peer_closed_is_not_used_again() -> None:
    """An archive that aborts after each query costs a new association, and no answer."""

    def answer_and_abort(conversation: Conversation) -> None:
        answer(conversation)
        conversation.abort()

    async def work(remote: RemoteAE) -> list[Outcome]:
        outcomes = []
        for _ in range(3):
            outcomes.append((await find(remote)).outcome)
            await eventually(lambda: scp.open == 0)
            await asyncio.sleep(0.05)
        return outcomes

    with ScriptedScp(find=answer_and_abort) as scp:
        assert use(scp.peer(), work) == [Outcome.SUCCESS] * 3
        assert scp.requested == 3


def test_query_is_not_kept_waiting_by_moves() -> None:
    """Moves take one association fewer than there may be."""

    async def work(remote: RemoteAE) -> None:
        moves = [asyncio.ensure_future(move(remote)) for _ in range(6)]
        await eventually(lambda: scp.open == remote.move_slots)
        result = await find(remote)
        assert (result.outcome, scp.most_open) == (Outcome.SUCCESS, 3)
        go_on.set()
        assert {result.outcome for result in await asyncio.gather(*moves)} == {Outcome.SUCCESS}

    def held(conversation: Conversation) -> None:
        conversation.wait_until(go_on.is_set)
        send_two(conversation)

    go_on = threading.Event()
    with ScriptedScp(find=answer, move=held) as scp:
        use(scp.peer(max_associations=3), work)


@pytest.mark.parametrize(("associations", "moves"), [(1, 1), (2, 1), (4, 3)])
def test_move_slots(associations: int, moves: int) -> None:
    """At least one move is possible, and one association is left for queries where there are two."""

    async def work(remote: RemoteAE) -> int:
        return remote.move_slots

    with ScriptedScp() as scp:
        assert use(scp.peer(max_associations=associations), work) == moves


def test_context_variables_are_carried() -> None:
    """What the caller bound for its log lines is bound in the thread."""
    bound = contextvars.ContextVar("bound", default="nothing")
    seen = []

    class Listening(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            seen.append(bound.get())

    async def work(remote: RemoteAE) -> None:
        bound.set("an order")
        await find(remote)

    logger = logging.getLogger("pynetdicom.association")
    handler = Listening()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with ScriptedScp(find=answer) as scp:
            use(scp.peer(), work)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert "an order" in seen


def test_what_we_are_not_authorised_for_is_an_alarm_once() -> None:
    """Until it has answered something else; moves and queries each by themselves."""
    refuse = says(0x0124)

    def query(conversation: Conversation) -> None:
        (answer if conversation.number == 3 else refuse)(conversation)

    async def work(remote: RemoteAE) -> None:
        for _ in range(2):
            await move(remote)
        for _ in range(5):
            await find(remote)

    with ScriptedScp(find=query, move=refuse) as scp, capture_logs() as logs:
        use(scp.peer(), work)
    alarms = [line["because"] for line in logs if line["event"] == "not_authorized"]
    assert alarms == [
        f"SCRIPTED does not let PREFETCH {what} (0x0124)" for what in ("move", "query", "query")
    ]


def says(status: int) -> Script:
    """An archive that always ends so."""
    return lambda conversation: conversation.respond(status)


def test_no_log_names_a_patient(caplog: pytest.LogCaptureFixture) -> None:
    """Identifiers, which pynetdicom would print at INFO, stay out."""
    caplog.set_level(logging.DEBUG)
    with ScriptedScp(find=answer) as scp:
        assert use(scp.peer(), find).studies[0].patient_name == "Quist^Ada"
    assert caplog.text
    assert "Quist" not in caplog.text
    assert "P1" not in caplog.text


# --- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("send_issuer", "sent"), [(True, "HOSP"), (False, "")])
def test_issuer_is_a_key_where_the_archive_knows_it(send_issuer: bool, sent: str) -> None:
    """Some archives match nothing by an issuer that they do not hold."""
    asked = []

    def script(conversation: Conversation) -> None:
        asked.append(conversation.identifier.IssuerOfPatientID or "")
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp:
        use(
            scp.peer(send_issuer=send_issuer),
            lambda remote: remote.find_studies(patient_id="P1", issuer_of_patient_id="HOSP"),
        )
    assert asked == [sent]


@pytest.mark.parametrize("codes", [True, False])
def test_codes_are_asked_for_where_they_cost_little(codes: bool) -> None:
    """An archive that opens files to answer them is not asked."""
    asked = []

    def script(conversation: Conversation) -> None:
        asked.append("ProcedureCodeSequence" in conversation.identifier)
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp:
        use(scp.peer(codes=codes), lambda remote: remote.find_studies(patient_id="P1"))
    assert asked == [codes]


def test_unsafe_key_opens_no_association() -> None:
    """A key that is never sent is refused at once."""
    with ScriptedScp(find=answer) as scp:
        with pytest.raises(errors.UnsafeKeyError):
            use(scp.peer(), lambda remote: remote.find_studies(patient_id="*"))
        assert scp.requested == 0


# --- where there is no association -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rejection", "outcome"),
    [((1, 1, 7), Outcome.PERMANENT), ((2, 3, 2), Outcome.TRANSIENT)],
    ids=["permanent", "transient"],
)
def test_rejected_association(rejection: tuple[int, int, int], outcome: Outcome) -> None:
    """A rejection is an outcome with the standard's words, for every kind of call."""

    async def work(remote: RemoteAE) -> None:
        found, moved, seen = await find(remote), await move(remote), await remote.echo()
        assert (found.outcome, moved.outcome) == (outcome, outcome)
        assert found.because == moved.because == seen.problem
        assert "association rejected" in found.because
        assert not seen.reachable
        assert await remote.count_instances(study_instance_uid="1.2.3") is None
        assert (await remote.knows_destination("READ1")).acquaintance is Acquaintance.CANNOT_TELL

    with ScriptedScp(rejects=lambda _: rejection) as scp:
        use(scp.peer(), work)


def test_rejected_once_is_asked_again() -> None:
    """A rejection leaves nothing behind that would hinder the next call."""

    async def work(remote: RemoteAE) -> list[Outcome]:
        return [(await find(remote)).outcome for _ in range(2)]

    with ScriptedScp(find=answer, rejects=lambda number: (2, 3, 1) if number == 1 else None) as scp:
        assert use(scp.peer(), work) == [Outcome.TRANSIENT, Outcome.SUCCESS]


def test_a_rejection_is_read_however_quickly_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has closed the connection before pynetdicom's thread looks whether there is one, and counts."""
    as_usual = wire.fast_handlers()

    def look_late(event: evt.Event) -> None:
        if event.assoc.is_requestor:
            time.sleep(0.2)

    monkeypatch.setattr(wire, "fast_handlers", lambda: [*as_usual, (evt.EVT_REQUESTED, look_late)])

    async def work(remote: RemoteAE) -> model.FindResult:
        return await find(remote)

    with ScriptedScp(rejects=lambda _: (1, 1, 7)) as scp:
        result = use(scp.peer(), work)
    assert (Outcome.PERMANENT, "association rejected (permanent): called AE Title not recognized") == (
        result.outcome,
        result.because,
    )


# --- a peer that lets us have fewer associations than configured -----------------------------------


def slowly(conversation: Conversation) -> None:
    """Answer a query, and take a moment for it."""
    conversation.wait_until(lambda: False, 0.02)
    answer(conversation)


@contextmanager
def crowded_scp(room: int, *, find: Script = slowly, move: Script = send_two) -> Iterator[ScriptedScp]:
    """A peer that rejects one association more than so many for the time being."""

    def rejects(_: int) -> tuple[int, int, int] | None:
        return (2, 3, 2) if scp.open >= room else None

    with ScriptedScp(find=find, move=move, rejects=rejects) as scp:
        yield scp


def test_fewer_associations_than_configured() -> None:
    """A peer that rejects one more for the time being is asked over those that it lets us have."""

    async def work(remote: RemoteAE) -> list[Outcome]:
        return [result.outcome for result in await asyncio.gather(*(find(remote) for _ in range(20)))]

    with crowded_scp(2, find=slowly) as scp:
        assert use(scp.peer(max_associations=6), work) == [Outcome.SUCCESS] * 20
        assert scp.most_open == 2
        assert scp.requested <= 6


def test_fewer_associations_leave_one_for_queries() -> None:
    """Moves take one fewer than the peer lets us have, as they do of those that are configured."""

    async def work(remote: RemoteAE) -> None:
        queries = [find(remote) for _ in range(6)]
        assert {result.outcome for result in await asyncio.gather(*queries)} == {Outcome.SUCCESS}
        assert remote.move_slots == 1
        moves = [asyncio.ensure_future(move(remote)) for _ in range(4)]
        await eventually(lambda: scp.open == 2)
        assert (await find(remote)).outcome is Outcome.SUCCESS
        go_on.set()
        assert {result.outcome for result in await asyncio.gather(*moves)} == {Outcome.SUCCESS}

    def held(conversation: Conversation) -> None:
        conversation.wait_until(go_on.is_set)
        send_two(conversation)

    go_on = threading.Event()
    with crowded_scp(2, find=slowly, move=held) as scp:
        use(scp.peer(max_associations=6), work)


def test_associations_may_become_more_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a busy hour taught is forgotten after a while."""
    room = 1

    async def work(remote: RemoteAE) -> None:
        nonlocal room
        await asyncio.gather(*(find(remote) for _ in range(4)))
        assert (remote.move_slots, scp.most_open) == (1, 1)
        room = 4
        monkeypatch.setattr(turns, "LEARNT_FOR", 0)
        await asyncio.gather(*(find(remote) for _ in range(4)))
        assert (remote.move_slots, scp.most_open) == (3, 4)

    def answer_all_at_once(conversation: Conversation) -> None:
        conversation.wait_until(lambda: scp.open == room)
        answer(conversation)

    with ScriptedScp(
        find=answer_all_at_once, rejects=lambda _: (2, 3, 2) if scp.open >= room else None
    ) as scp:
        use(scp.peer(max_associations=4), work)


def test_peer_that_others_keep_busy_is_asked_again_later() -> None:
    """Where none of our own associations is open there is nothing to wait for here."""

    async def work(remote: RemoteAE) -> list[Outcome]:
        return [result.outcome for result in await asyncio.gather(*(find(remote) for _ in range(6)))]

    with crowded_scp(0) as scp:
        assert use(scp.peer(max_associations=3), work) == [Outcome.TRANSIENT] * 6


def test_waiting_for_a_turn_ends_with_the_time_for_a_query() -> None:
    """A query does not wait without limit behind a move that takes the only association."""
    hurried = peer.Timeouts(find_total=0.3, move_total=20, move_idle=20)

    async def work(remote: RemoteAE) -> model.FindResult:
        moving = asyncio.ensure_future(move(remote))
        await eventually(lambda: scp.open == 1)
        found = await find(remote)
        go_on.set()
        assert (await moving).outcome is Outcome.SUCCESS
        return found

    def held(conversation: Conversation) -> None:
        conversation.wait_until(go_on.is_set)
        send_two(conversation)

    go_on = threading.Event()
    with crowded_scp(1, move=held) as scp:
        found = use(scp.peer(timeouts=hurried), work)
    assert (Outcome.TRANSIENT, "SCRIPTED takes 1 associations of ours, and none was free in time") == (
        found.outcome,
        found.because,
    )


@pytest.mark.parametrize("interrupts", [True, False], ids=["interrupted", "cancelled"])
def test_whoever_waits_for_a_turn_comes_back_at_once(interrupts: bool) -> None:
    """An interruption and a cancellation end the wait, and the turn goes to the next."""

    async def work(remote: RemoteAE) -> None:
        moving = asyncio.ensure_future(move(remote))
        await eventually(lambda: scp.open == 1)
        waiting = asyncio.ensure_future(find(remote))
        await eventually(lambda: scp.requested == 2)
        await asyncio.sleep(0.05)
        if interrupts:
            remote.interrupt_all()
            assert (await waiting).outcome is Outcome.CANCELLED
            assert (await moving).outcome is Outcome.CANCELLED
        else:
            waiting.cancel()
            await asyncio.wait([waiting])
            go_on.set()
            assert (await moving).outcome is Outcome.SUCCESS
        await eventually(lambda: scp.open < 2)
        go_on.set()
        async with asyncio.timeout(120):
            assert (await remote.echo()).verified or interrupts

    def held(conversation: Conversation) -> None:
        conversation.wait_until(go_on.is_set)
        send_two(conversation)

    go_on = threading.Event()
    with crowded_scp(1, move=held) as scp:
        use(scp.peer(), work)


@pytest.mark.parametrize("interrupts", [True, False], ids=["interrupted", "cancelled"])
def test_a_turn_that_has_just_come_is_passed_on(interrupts: bool) -> None:
    """Whoever is stopped in the very moment of its turn keeps nobody else from it."""

    async def work(remote: RemoteAE) -> None:
        made = turns.Turns(remote.peer)
        assert made.begin_now(turns.Kind.QUERY)
        waiting = asyncio.ensure_future(made.begin(turns.Kind.QUERY, patience=5))
        await asyncio.sleep(0)
        made.end(turns.Kind.QUERY)  # its turn comes …
        if interrupts:
            made.interrupt()
        else:
            waiting.cancel()  # … and before it hears of that:
        await asyncio.wait([waiting])
        assert (made.under_way, made.begin_now(turns.Kind.QUERY)) == (0, True)

    with ScriptedScp() as scp:
        use(scp.peer(max_associations=1), work)


def test_what_is_not_offered_is_permanent() -> None:
    """Without a presentation context for C-MOVE nothing is asked, and the words name what is missing."""

    async def work(remote: RemoteAE) -> model.MoveResult:
        assert (await find(remote)).outcome is Outcome.SUCCESS
        return await move(remote)

    with ScriptedScp(find=answer, offers=(wire.FIND,)) as scp:
        result = use(scp.peer(), work)
        assert scp.requested == 1
    assert result.outcome is Outcome.PERMANENT
    assert "does not offer Study Root Query/Retrieve Information Model - MOVE" in result.because


def test_nothing_offered_is_permanent() -> None:
    """A peer that accepts none of our contexts is no archive."""
    with ScriptedScp(offers=("1.2.840.10008.5.1.4.1.1.2",)) as scp:
        result = use(scp.peer(), find)
    assert result.outcome is Outcome.PERMANENT
    assert "accepts none of" in result.because


def at(port: int, *, host: str = HOST, **waits: float) -> peer.Peer:
    """A peer at a port where no archive is; only the waits that are given end within the hour."""
    return peer.Peer(
        name="away",
        ae_title="AWAY",
        host=host,
        port=port,
        calling_ae_title="PREFETCH",
        timeouts=replace(UNHURRIED, **waits),
    )


@contextmanager
def listening(backlog: int = 5) -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as door:
        door.bind((HOST, 0))
        door.listen(backlog)
        yield door.getsockname()[1]


@contextmanager
def blackhole() -> Iterator[int]:
    """A port whose connections are never established: its queue is full."""
    with listening(0) as port, socket.socket() as filler:
        filler.connect((HOST, port))
        yield port


def test_refused_connection_is_transient() -> None:
    """An archive that is down is asked again later."""
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        port = nobody.getsockname()[1]
        result = use(at(port), find)
    assert (result.outcome, result.because) == (Outcome.TRANSIENT, f"no connection to {HOST}:{port}")


def test_unknown_host_is_transient() -> None:
    """A name that does not resolve may resolve later."""
    result = use(at(104, host="archive.invalid"), find)
    assert result.outcome is Outcome.TRANSIENT
    assert "archive.invalid" in result.because


def test_connection_that_hangs_ends_with_its_time() -> None:
    """A network that swallows packets costs the connect time."""
    with blackhole() as port:
        assert use(at(port, connect=0.5), find).outcome is Outcome.TRANSIENT


def test_silent_peer_ends_with_the_acse_time() -> None:
    """A peer that takes the connection and never answers the request costs the ACSE time."""
    with listening() as port:
        result = use(at(port, acse=0.5), find)
    assert (result.outcome, result.because) == (
        Outcome.TRANSIENT,
        "AWAY did not answer the association request",
    )


# --- interruption ----------------------------------------------------------------------------------


def test_interrupt_wakes_a_thread_that_waits_for_a_response() -> None:
    """This pins what `wire.interrupt` relies on in pynetdicom: an empty entry in the queue of messages."""
    ended: list[int] = []
    with ScriptedScp(move=Conversation.hang) as scp:
        made = wire.associate(scp.peer())
        assert not isinstance(made, status.Verdict)
        made.dimse_timeout = HOUR
        responses = made.send_c_move(identifier.studies_to_move(["1.2.3"]), "READ1", wire.MOVE)
        waiting = threading.Thread(target=lambda: ended.extend(len(response) for response, _ in responses))
        waiting.start()
        time.sleep(0.1)
        wire.interrupt(made)
        waiting.join()
        wire.discard(made)
        assert ended == [0]
        assert threads_of_ours() == []
        asyncio.run(eventually(lambda: scp.aborted == 1))


async def cancel_soon(call: Awaitable[object], when: Callable[[], bool]) -> None:
    """Cancel a call as soon as something is so, and wait until it has ended."""
    task = asyncio.ensure_future(call)
    await eventually(when)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not [thread for thread in threads_of_ours() if "dimse-" not in thread.name])


@pytest.mark.parametrize("call", [find, move], ids=["find", "move"])
def test_cancelled_call_aborts_its_association(call: Callable[[RemoteAE], Awaitable[object]]) -> None:
    """The coroutine ends at once, the archive sees an A-ABORT, and the next call has a new association."""

    async def work(remote: RemoteAE) -> None:
        await cancel_soon(call(remote), begun.is_set)
        await eventually(lambda: scp.aborted == 1)
        assert (await remote.echo()).verified
        assert scp.requested == 2

    def script(conversation: Conversation) -> None:
        begun.set()
        conversation.hang()

    begun = threading.Event()
    with ScriptedScp(find=script, move=script) as scp:
        use(scp.peer(timeouts=UNHURRIED), work)


def test_call_may_be_cancelled_at_any_moment() -> None:
    """Before, while and after an association opens and a request goes out: the slot is free again at once."""

    async def work(remote: RemoteAE) -> None:
        for milliseconds in range(30):
            call = asyncio.ensure_future(move(remote))
            await asyncio.sleep(milliseconds / 2000)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
        assert (await remote.echo()).verified

    with ScriptedScp(move=Conversation.hang) as scp:
        use(scp.peer(timeouts=UNHURRIED, max_associations=1), work)


@pytest.mark.parametrize("place", [blackhole, listening], ids=["connecting", "negotiating"])
def test_cancelled_while_there_is_no_association_yet(
    place: Callable[[], AbstractContextManager[int]],
) -> None:
    """Neither the connect time nor the ACSE time is waited out."""

    async def work(remote: RemoteAE) -> None:
        await cancel_soon(find(remote), lambda: len(threads_of_ours()) > 1)

    with place() as port:
        remote = peer.Peer(
            name="away",
            ae_title="AWAY",
            host=HOST,
            port=port,
            calling_ae_title="PREFETCH",
            timeouts=UNHURRIED,
        )
        use(remote, work)


def test_a_call_cancelled_before_a_thread_begins_it_keeps_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the peer would have one association fewer until the daemon is started again."""

    async def work(remote: RemoteAE) -> model.FindResult:
        with monkeypatch.context() as busy:
            # All threads of the remote AE are about to end what they did last: none takes the call yet.
            busy.setattr(remote._executor, "submit", lambda *_: Future[object]())  # noqa: SLF001 (see above)
            call = asyncio.ensure_future(find(remote))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        return await find(remote)

    with ScriptedScp(find=answer) as scp:
        result = use(scp.peer(max_associations=1), work)
    assert result.outcome is Outcome.SUCCESS


def test_interrupted_calls_end_as_cancelled() -> None:
    """Whatever is under way and whatever waits for its turn comes back to be put back."""

    async def work(remote: RemoteAE) -> list[tuple[Outcome, str]]:
        calls = [asyncio.ensure_future(find(remote)) for _ in range(6)]
        await eventually(lambda: scp.open == 2)
        remote.interrupt_all()
        return [(result.outcome, result.because) for result in await asyncio.gather(*calls)]

    with ScriptedScp(find=Conversation.hang) as scp:
        results = use(scp.peer(timeouts=UNHURRIED), work)
        assert scp.requested == 2
    assert results == [(Outcome.CANCELLED, "interrupted by us")] * 6


def test_interrupted_remote_ae_goes_on() -> None:
    """An archive that was paused may be asked again."""

    async def work(remote: RemoteAE) -> Outcome:
        hanging = asyncio.ensure_future(move(remote))
        await eventually(lambda: scp.open == 1)
        remote.interrupt_all()
        assert (await hanging).outcome is Outcome.CANCELLED
        return (await find(remote)).outcome

    with ScriptedScp(find=answer, move=Conversation.hang) as scp:
        assert use(scp.peer(timeouts=UNHURRIED), work) is Outcome.SUCCESS


# --- the end ---------------------------------------------------------------------------------------


def test_close_lets_a_move_end() -> None:
    """What ends within the drain time ends as it does."""

    def soon(conversation: Conversation) -> None:
        conversation.wait_until(lambda: False, 0.3)
        send_two(conversation)

    async def work(remote: RemoteAE) -> Outcome:
        moving = asyncio.ensure_future(move(remote))
        await eventually(lambda: scp.open == 1)
        await remote.close(drain_seconds=HOUR)
        return (await moving).outcome

    with ScriptedScp(move=soon) as scp:
        assert use(scp.peer(), work) is Outcome.SUCCESS
        assert (scp.released, scp.aborted) == (1, 0)


def test_close_interrupts_what_does_not_end() -> None:
    """After the drain time the rest is interrupted, and nothing is left."""

    async def work(remote: RemoteAE) -> list[Outcome]:
        moving = [asyncio.ensure_future(move(remote)) for _ in range(3)]
        await eventually(lambda: scp.open == 1)
        await remote.close(drain_seconds=0.2)
        assert threads_of_ours() == []
        return [(await each).outcome for each in moving]

    with ScriptedScp(move=Conversation.hang) as scp:
        outcomes = use(scp.peer(timeouts=UNHURRIED), work)
    assert outcomes == [Outcome.CANCELLED] * 3


def test_close_does_not_wait_for_a_peer_that_never_releases() -> None:
    """A peer that does not answer the release is cut off."""

    async def work(remote: RemoteAE) -> None:
        await find(remote)
        await remote.close()

    def answer_and_hang(conversation: Conversation) -> None:
        answer(conversation)
        conversation.hang()  # the association's thread answers no release meanwhile

    with ScriptedScp(find=answer_and_hang) as scp:
        use(scp.peer(timeouts=UNHURRIED), work)


def test_closed_remote_ae_takes_no_calls() -> None:
    """A call that comes too late ends as if it had been interrupted."""

    async def work(remote: RemoteAE) -> Outcome:
        await remote.close()
        return (await find(remote)).outcome

    with ScriptedScp(find=answer) as scp:
        assert use(scp.peer(), work) is Outcome.CANCELLED
        assert scp.requested == 0


# --- echo ------------------------------------------------------------------------------------------


def test_echo_tells_what_is_offered() -> None:
    """Verification and the models that were accepted."""
    with ScriptedScp() as scp:
        seen = use(scp.peer(), RemoteAE.echo)
    expected = echo.EchoResult(
        reachable=True,
        verified=True,
        find=True,
        move=True,
        roots=("Study Root",),
        milliseconds=seen.milliseconds,
    )
    assert seen == expected


@pytest.mark.parametrize(
    ("script", "idle", "problem"),
    [
        (lambda conversation: conversation.respond(0x0122), HOUR, "C-ECHO was answered with 0x0122"),
        (Conversation.hang, 0.3, "no answer to C-ECHO within 0.3 s"),
        (Conversation.abort, HOUR, "the association was aborted or its connection lost"),
    ],
    ids=["refused", "silent", "aborted"],
)
def test_echo_tells_what_is_wrong(script: Script, idle: float, problem: str) -> None:
    """A peer that accepts the association may still not verify."""
    with ScriptedScp(echo=script) as scp:
        seen = use(scp.peer(timeouts=replace(UNHURRIED, idle=idle)), RemoteAE.echo)
    assert (seen.reachable, seen.verified, seen.problem) == (True, False, problem)


def test_echo_over_an_association_that_has_gone() -> None:
    """What was lost before the C-ECHO was sent is told as lost."""
    with ScriptedScp() as scp:
        made = wire.associate(scp.peer())
        assert not isinstance(made, status.Verdict)
        wire.discard(made)
        assert echo.echo(made, of=scp.peer()).problem == "the association was aborted or its connection lost"


def test_echo_of_an_archive_without_verification() -> None:
    """An archive may offer queries and no C-ECHO."""
    with ScriptedScp(offers=(wire.FIND,)) as scp:
        seen = use(scp.peer(), RemoteAE.echo)
    assert (seen.reachable, seen.verified, seen.find, seen.move) == (True, False, True, False)
    assert seen.problem == "C-ECHO is not offered"


def test_a_peer_that_cannot_be_reached_rests_and_is_tried_again() -> None:
    """While it rests nobody waits for a connection; when it is back one call finds out, and all go on."""

    async def run() -> list[str]:
        with ScriptedScp() as scp:
            to = scp.peer(rest=peer.Rest(after=2, first=HOUR, longest=HOUR))
        async with RemoteAE(to) as remote:
            said = [(await remote.find_studies(patient_id="P1")).because for _ in range(3)]
            assert (1, True) == (remote.move_slots, remote.resting is not None)
            with scp:
                remote._breaker._clock = lambda: time.monotonic() + HOUR  # noqa: SLF001 (the rest is over)
                said.append((await remote.find_studies(patient_id="P1")).because)
                said.append((await remote.find_studies(patient_id="P1")).because)
        return said

    first, second, resting, *back = asyncio.run(run())
    assert first == second
    assert resting.startswith("SCRIPTED rests until ")
    assert resting.endswith(f"UTC: {first}")
    assert ["Success", "Success"] == back


def test_settings_of_the_same_peer_change_while_it_lives() -> None:
    """Who waits for one of two associations has it as soon as two are allowed."""
    both_asked = threading.Barrier(2)

    def answer_both(conversation: Conversation) -> None:
        both_asked.wait(60)
        answer(conversation)

    async def work(remote: RemoteAE) -> list[Outcome]:
        asking = [asyncio.ensure_future(find(remote)) for _ in range(2)]
        await eventually(lambda: scp.open == 1)
        remote.use(replace(remote.peer, max_associations=2))
        return [(await each).outcome for each in asking]

    with ScriptedScp(find=answer_both) as scp:
        assert use(scp.peer(max_associations=1, timeouts=UNHURRIED), work) == [Outcome.SUCCESS] * 2


def test_a_peer_that_rests_is_tried_with_other_settings() -> None:
    """What kept it may be mended; the same settings end no rest."""

    async def work(remote: RemoteAE) -> list[bool]:
        rests = []
        await find(remote)
        for settings in (remote.peer, replace(remote.peer, codes=True)):
            remote.use(settings)
            rests.append(remote.resting is not None)
        return rests

    with ScriptedScp() as scp:  # and away
        to = scp.peer(rest=peer.Rest(after=1, first=HOUR, longest=HOUR))
    assert use(to, work) == [True, False]
