"""The MLLP listener on real sockets: what a sender is told, and when."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from structlog.testing import capture_logs

from prefetch import errors
from prefetch.intake import mllp
from prefetch.intake.acknowledging import Mode
from prefetch.intake.admission import Admission
from prefetch.intake.admission import Sender as Allowed
from prefetch.intake.limits import Limits
from prefetch.intake.listener import Accepted, Listener, Received
from prefetch.intake.refusals import Cause
from prefetch.rules import Pattern
from tests import clocks

PATIENCE = 120.0
"""Seconds that anything may take on a busy machine."""
_RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""Close with a reset instead of a farewell."""


def order(control_id: str, *, text: str = "CT THORAX") -> bytes:
    """An order message with this control ID."""
    return (
        f"MSH|^~\\&|RIS|HOSP|PREFETCH|NIGHT|20260302081500||ORM^O01|{control_id}|P|2.3.1\r"
        f"PID|||4711^^^HOSP||Example^Ada\rORC|NW|{control_id}\rOBR|1|{control_id}||CTTH^{text}\r"
    ).encode()


@dataclass
class Store:
    """What stands behind the door: keeps messages, and can be told to hesitate or fail."""

    kept: list[Received] = field(default_factory=list)
    failure: Exception | None = None
    gate: asyncio.Event | None = None
    waiting: int = 0

    async def accept(self, received: Received) -> Accepted:
        """Keep the message once the gate, if there is one, opens."""
        self.waiting += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.kept.append(received)
        return Accepted(message_id=len(self.kept))

    @property
    def control_ids(self) -> list[str]:
        """The control IDs of what was kept, in order."""
        return [received.header.control_id for received in self.kept]


@dataclass
class Sender:
    """A client of the door, reading acknowledgements one by one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    decoder: mllp.Decoder = field(default_factory=mllp.Decoder)
    answers: list[bytes] = field(default_factory=list)

    async def send(self, *messages: bytes) -> None:
        """Send messages, each in its frame, without waiting for answers."""
        await self.send_bytes(b"".join(map(mllp.encode, messages)))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def raw_answer(self) -> bytes:
        """The next acknowledgement as it came."""
        while not self.answers:
            data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
            assert data, "closed without an answer"
            self.answers += [
                event.payload for event in self.decoder.feed(data) if isinstance(event, mllp.Frame)
            ]
        return self.answers.pop(0)

    async def answer(self) -> tuple[str, str]:
        """The next acknowledgement: its code, and the control ID it answers."""
        msa = next(line for line in (await self.raw_answer()).split(b"\r") if line.startswith(b"MSA"))
        _, code, control_id = msa.decode().split("|")[:3]
        return code, control_id

    async def ask(self, message: bytes) -> tuple[str, str]:
        """Send one message and wait for its acknowledgement."""
        await self.send(message)
        return await self.answer()

    async def closed(self) -> bool:
        """Whether the listener closes the connection within a moment."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE) == b""
        except ConnectionError:
            return True


@dataclass
class Door:
    """A listener on a free port with the store behind it."""

    listener: Listener
    store: Store
    port: int
    senders: list[Sender] = field(default_factory=list)

    async def sender(self, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Sender:
        """One more connection, from this address of the machine."""
        opened = asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0), ssl=tls)
        sender = Sender(*await opened)
        self.senders.append(sender)
        return sender


@asynccontextmanager
async def door(
    store: Store | None = None,
    *,
    admission: Admission | None = None,
    mode: Mode = Mode.ORIGINAL,
    tls: ssl.SSLContext | None = None,
    **limits: Any,
) -> AsyncIterator[Door]:
    """A listener that is up, and closed at the end."""
    store = store or Store()
    limits = {"noise_seconds": 0.01, "refused_seconds": 0.0} | limits
    listener = Listener(
        "ris",
        "127.0.0.1",
        0,
        accept=store.accept,
        limits=Limits(**limits),
        admission=admission,
        mode=mode,
        tls=tls,
    )
    port = await listener.start()
    at = Door(listener, store, port)
    try:
        yield at
    finally:
        await listener.close(seconds=1.0)
        for sender in at.senders:
            sender.writer.close()
            with suppress(ConnectionError):
                await sender.writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until this holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (the condition is the listener's, seen from outside)
            await asyncio.sleep(0.005)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's own coroutine; its clock may be moved on."""
    clocks.run_adjustable(test)


def test_stored_message_is_accepted() -> None:
    """A message gets AA with its control ID, and the store had it with its header and its peer."""

    async def test() -> None:
        async with door() as at:
            sender = await at.sender()
            assert await sender.ask(order("M1")) == ("AA", "M1")
            (kept,) = at.store.kept
            assert (kept.source, kept.raw, kept.header.sending_application) == ("ris", order("M1"), "RIS")
            assert kept.peer.startswith("127.0.0.1:")

    run(test())


def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    """While the store hesitates the sender hears nothing; the acknowledgement follows the commit."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate)) as at:
            sender = await at.sender()
            await sender.send(order("M1"))
            await until(lambda: at.store.waiting == 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sender.reader.read(1), 0.05)
            gate.set()
            assert await sender.answer() == ("AA", "M1")

    run(test())


@pytest.mark.parametrize(
    "failure", [errors.StoreUnavailableError("disk full"), ZeroDivisionError("a mistake of our own")]
)
def test_message_that_cannot_be_stored_gets_ae(failure: Exception) -> None:
    """The sender is told AE, keeps its connection, and may send again when the store is back."""

    async def test() -> None:
        async with door(Store(failure=failure)) as at:
            sender = await at.sender()
            assert await sender.ask(order("M1")) == ("AE", "M1")
            at.store.failure = None
            assert await sender.ask(order("M1")) == ("AA", "M1")

    run(test())


@pytest.mark.parametrize("payload", [b"hello", b"PID|1||4711\r", b"\xff\xfe\x00", b"MSH"])
def test_message_without_a_header_gets_ar(payload: bytes) -> None:
    """What has no readable MSH is rejected, not stored, and the feed goes on."""

    async def test() -> None:
        async with door() as at:
            sender = await at.sender()
            assert await sender.ask(payload) == ("AR", "")
            assert await sender.ask(order("M2")) == ("AA", "M2")
            assert at.store.control_ids == ["M2"]

    run(test())


def test_answers_come_in_order_while_many_are_stored_at_once() -> None:
    """A sender that does not wait has its messages stored together and answered in the order sent."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate)) as at:
            sender = await at.sender()
            names = [f"M{number}" for number in range(20)]
            await sender.send(*map(order, names))
            await until(lambda: at.store.waiting == len(names))
            gate.set()
            assert [await sender.answer() for _ in names] == [("AA", name) for name in names]
            assert at.store.control_ids == names

    run(test())


def test_sender_that_never_waits_is_read_only_so_far() -> None:
    """Beyond the bound of unanswered messages nothing more is taken in until answers are out."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate), max_unanswered=4) as at:
            sender = await at.sender()
            await sender.send(*(order(f"M{number}") for number in range(50)))
            await until(lambda: at.store.waiting == 4)
            await asyncio.sleep(0.05)
            assert at.store.waiting == 4
            gate.set()
            assert [await sender.answer() for _ in range(50)] == [("AA", f"M{n}") for n in range(50)]

    run(test())


def test_many_senders_at_once() -> None:
    """Every one of many persistent connections gets its own answers."""

    async def test() -> None:
        async with door() as at:
            senders = [await at.sender() for _ in range(40)]

            async def talk(sender: Sender, number: int) -> Sequence[tuple[str, str]]:
                return [await sender.ask(order(f"{number}.{turn}")) for turn in range(5)]

            talks = await asyncio.gather(*map(talk, senders, itertools.count()))
            assert talks == [[("AA", f"{n}.{turn}") for turn in range(5)] for n in range(40)]

    run(test())


def test_message_in_small_pieces() -> None:
    """A message that comes byte by byte is a message."""

    async def test() -> None:
        async with door() as at:
            sender = await at.sender()
            for byte in mllp.encode(order("M1")):
                await sender.send_bytes(bytes([byte]))
            assert await sender.answer() == ("AA", "M1")

    run(test())


def test_doubled_framing_and_noise_are_survived() -> None:
    """Framing as some engines write it, and noise between frames, cost no message."""

    async def test() -> None:
        async with door() as at:
            sender = await at.sender()
            await sender.send_bytes(b"\x0b\x0b" + order("M1") + b"\x1c\x0d\x1c\x0dnoise")
            await sender.send_bytes(b"\x0b" + order("M2") + b"\x1c")
            assert [await sender.answer(), await sender.answer()] == [("AA", "M1"), ("AA", "M2")]

    run(test())


def test_oversized_message_is_rejected_by_name_and_the_next_one_taken() -> None:
    """A message over the limit gets AR with its own control ID; the connection lives on."""

    async def test() -> None:
        async with door(max_message_bytes=1000) as at:
            sender = await at.sender()
            assert await sender.ask(order("BIG", text="x" * 5000)) == ("AR", "BIG")
            assert await sender.ask(order("M2")) == ("AA", "M2")
            assert at.listener.refused == {Cause.SIZE: 1}

    run(test())


def test_idle_connection_is_closed() -> None:
    """A connection on which nothing happens for the idle time is given up."""

    async def test() -> None:
        async with door(idle_seconds=0.05) as at:
            sender = await at.sender()
            assert await sender.closed()
            assert at.listener.refused == {Cause.IDLE: 1}

    run(test())


def test_half_a_message_does_not_hold_a_connection_for_ever() -> None:
    """A sender that stops in mid-message, or dribbles, is cut off after the message time."""

    async def test() -> None:
        async with door(message_seconds=0.2) as at:
            sender = await at.sender()
            with pytest.raises(ConnectionError):  # noqa: PT012 (which write notices depends on the peer's reset)
                for byte in itertools.chain(b"\x0b", itertools.repeat(ord("x"))):
                    await sender.send_bytes(bytes([byte]))
                    await asyncio.sleep(0.01)
            await until(lambda: at.listener.connections == 0)
            assert at.listener.refused == {Cause.SLOW: 1}

    run(test())


def test_too_many_connections_are_refused() -> None:
    """Beyond the limit a connection is closed at once, and those within it do not notice."""

    async def test() -> None:
        async with door(max_connections=2) as at:
            first, second = await at.sender(), await at.sender()
            assert await first.ask(order("M1")) == ("AA", "M1")
            assert await (await at.sender()).closed()
            assert await second.ask(order("M2")) == ("AA", "M2")

    run(test())


def test_peer_that_does_not_speak_mllp_is_dropped() -> None:
    """A web browser or a port scanner that sends on and on without a frame is cut off."""

    async def test() -> None:
        async with door(max_garbage_bytes=1000) as at:
            sender = await at.sender()
            await sender.send_bytes(b"GET / HTTP/1.0\r\n" * 100)
            assert await sender.closed()
            assert set(at.listener.refused) == {Cause.GARBAGE}

    run(test())


def test_sender_that_vanishes_after_sending_has_its_message_kept() -> None:
    """A connection that is reset before the answer loses the answer, not the message."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate)) as at:
            sender = await at.sender()
            await sender.send(order("M1"))
            await until(lambda: at.store.waiting == 1)
            raw = sender.writer.get_extra_info("socket")
            raw.setsockopt(*_RESET)
            sender.writer.transport.abort()
            gate.set()
            await until(lambda: at.store.control_ids == ["M1"])
            await until(lambda: at.listener.connections == 0)

    run(test())


def test_sender_that_vanishes_with_answers_outstanding_harms_nobody() -> None:
    """All that it sent is kept, its connection goes, and the next sender is served."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate)) as at:
            sender = await at.sender()
            names = [f"M{number}" for number in range(5)]
            await sender.send(*map(order, names))
            await until(lambda: at.store.waiting == len(names))
            sender.writer.get_extra_info("socket").setsockopt(*_RESET)
            sender.writer.transport.abort()
            await asyncio.sleep(0.02)  # the reset arrives before the answers go out
            gate.set()
            await until(lambda: at.store.control_ids == names)
            await until(lambda: at.listener.connections == 0)
            assert await (await at.sender()).ask(order("NEXT")) == ("AA", "NEXT")

    run(test())


def test_message_begun_behind_another_has_its_own_time() -> None:
    """The time for a message counts from its own beginning, not from that of the one before."""

    async def test() -> None:
        async with door(message_seconds=300) as at:
            sender = await at.sender()
            first, second = mllp.encode(order("M1")), mllp.encode(order("M2"))
            for piece in (first[:9], first[9:] + second[:9], second[9:]):
                await sender.send_bytes(piece)
                await asyncio.sleep(0.05)
                clocks.adjustable().move_on(160)
            assert [await sender.answer(), await sender.answer()] == [("AA", "M1"), ("AA", "M2")]

    run(test())


def test_closing_the_door_answers_what_has_come_in() -> None:
    """At shutdown a message that is being stored is still answered; nobody new is let in."""

    async def test() -> None:
        gate = asyncio.Event()
        async with door(Store(gate=gate)) as at:
            sender = await at.sender()
            await sender.send(order("M1"))
            await until(lambda: at.store.waiting == 1)
            at.listener.close_door()
            with pytest.raises(ConnectionError):
                await at.sender()
            gate.set()
            assert await sender.answer() == ("AA", "M1")
            assert await sender.closed()

    run(test())


def test_shutdown_does_not_wait_for_ever() -> None:
    """A store that never answers holds the shutdown up only for the drain time."""

    async def test() -> None:
        async with door(Store(gate=asyncio.Event())) as at:
            sender = await at.sender()
            await sender.send(order("M1"))
            await until(lambda: at.store.waiting == 1)
            async with asyncio.timeout(PATIENCE):
                await at.listener.close(seconds=0.05)

    run(test())


def test_connections_of_one_address_are_limited() -> None:
    """One sender cannot take the places of the others."""

    async def test() -> None:
        async with door(max_connections_per_address=2) as at:
            first, second = await at.sender(), await at.sender()
            assert await (await at.sender()).closed()
            elsewhere = await at.sender(address="127.0.0.2")
            assert [await each.ask(order("M1")) for each in (first, second, elsewhere)] == [("AA", "M1")] * 3
            assert at.listener.refused == {Cause.CONNECTIONS: 1}

    run(test())


def test_connection_from_another_network_is_refused() -> None:
    """It is closed before a byte of it is read, counted, and told in the log."""

    async def test() -> None:
        admission = Admission(networks=(ip_network("127.0.0.2/32"),))
        with capture_logs() as lines:
            async with door(admission=admission) as at:
                assert await (await at.sender()).closed()
                assert await (await at.sender(address="127.0.0.2")).ask(order("M1")) == ("AA", "M1")
                assert at.listener.refused == {Cause.NETWORK: 1}
        (refused,) = [line for line in lines if line["event"] == "connection_refused"]
        assert ("ris", "127.0.0.1", "its network is not allowed") == (
            refused["source"],
            refused["address"],
            refused["because"],
        )

    run(test())


def test_message_of_another_sender_is_refused_in_words() -> None:
    """It gets AR and the reason, is not stored, and the connection stays for those that may."""

    async def test() -> None:
        async with door(admission=Admission(senders=(Allowed(application=(Pattern("RIS"),)),))) as at:
            sender = await at.sender()
            await sender.send(order("M1").replace(b"|RIS|", b"|LAB|"))
            answer = await sender.raw_answer()
            assert b"MSA|AR|M1|this sending application and facility (MSH-3, MSH-4) may not send" in answer
            assert await sender.ask(order("M2")) == ("AA", "M2")
            assert at.store.control_ids == ["M2"]
            assert at.listener.refused == {Cause.SENDER: 1}

    run(test())


def test_enhanced_mode_answers_as_the_message_asks() -> None:
    """CA where MSH-15 says so, nothing where it says never; the feed goes on in order."""

    async def test() -> None:
        async with door(mode=Mode.ENHANCED) as at:
            sender = await at.sender()
            asking = [order(name).replace(b"|P|2.3.1", b"|P|2.3.1|||" + said) for name, said in ASKED]
            await sender.send(*asking)
            assert [await sender.answer() for _ in range(3)] == [("CA", "M1"), ("AA", "M3"), ("AA", "M4")]
            assert at.store.control_ids == ["M1", "M2", "M3", "M4"]

    run(test())


ASKED = (("M1", b"AL|NE"), ("M2", b"NE|NE"), ("M3", b"NE|AL"), ("M4", b""))
"""Control ID, and MSH-15 and MSH-16 with it."""


@pytest.mark.parametrize("limit", ["messages_per_second", "messages_per_second_per_connection"])
def test_fast_sender_is_read_slowly_and_loses_nothing(limit: str) -> None:
    """Beyond the rate messages wait on the wire: each is answered in its turn, and none sooner."""

    async def test() -> None:
        limits: dict[str, Any] = {limit: 20}
        async with door(**limits) as at:
            sender = await at.sender()
            clock = clocks.adjustable()
            names = [f"M{number}" for number in range(30)]
            with clock.stopped():
                await sender.send(*map(order, names))
                # A second's worth may come at once; the other ten take a twentieth of a second each.
                assert [await sender.answer() for _ in range(20)] == [("AA", name) for name in names[:20]]
                for number, name in enumerate(names[20:], 21):
                    assert len(at.store.kept) < number
                    clock.move_on(1.001 / 20)
                    assert await sender.answer() == ("AA", name)
            assert set(at.listener.refused) == {Cause.RATE}

    run(test())


def test_one_connection_s_rate_is_not_another_s() -> None:
    """While one waits for its turn the next is served."""

    async def test() -> None:
        async with door(messages_per_second_per_connection=1) as at:
            fast, other = await at.sender(), await at.sender()
            with clocks.adjustable().stopped():
                await fast.send(*(order(f"M{number}") for number in range(5)))
                assert await other.ask(order("OTHER")) == ("AA", "OTHER")
                assert set(at.store.control_ids) <= {"M0", "OTHER"}

    run(test())


def test_full_room_stops_the_reading_of_all_and_loses_nothing() -> None:
    """While the store hesitates only so many bytes are taken in, of all connections together."""

    async def test() -> None:
        gate = asyncio.Event()
        size = len(order("M0.0"))
        async with door(Store(gate=gate), max_waiting_bytes=5 * size, max_message_bytes=size) as at:
            senders = [await at.sender() for _ in range(3)]
            names = [[f"M{each}.{number}" for number in range(4)] for each in range(3)]
            for sender, own in zip(senders, names, strict=True):
                await sender.send(*map(order, own))
            await until(lambda: at.store.waiting == 5)
            await asyncio.sleep(0.05)
            assert at.store.waiting == 5
            gate.set()
            for sender, own in zip(senders, names, strict=True):
                assert [await sender.answer() for _ in own] == [("AA", name) for name in own]

    run(test())


def test_large_messages_take_turns_and_small_ones_go_by() -> None:
    """Half of a large message holds up other large ones for its time at most, and small ones not at all."""

    async def test() -> None:
        async with door(large_bytes=1000, max_large=1, message_seconds=300) as at:
            stuck, large, small = [await at.sender() for _ in range(3)]
            await stuck.send_bytes(mllp.encode(order("STUCK", text="x" * 5000))[:4000])
            await until(lambda: at.listener.large_under_way == 1)
            await large.send_bytes(mllp.encode(order("LARGE", text="x" * 200_000)))
            assert await small.ask(order("SMALL")) == ("AA", "SMALL")
            clocks.adjustable().move_on(301)
            assert await large.answer() == ("AA", "LARGE")
            assert await stuck.closed()
            await until(lambda: at.listener.large_under_way == 0)

    run(test())


def test_sender_that_reads_no_answers_is_dropped() -> None:
    """It holds neither memory nor a place: when its answers are not taken for the time, it is cut off."""

    async def test() -> None:
        async with door(message_seconds=1.0) as at:
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.connect(("127.0.0.1", at.port))
                deaf.setblocking(False)
                await until(lambda: at.listener.connections == 1)
                flood = mllp.encode(order("M")) * 100
                while at.listener.connections:
                    with suppress(BlockingIOError, ConnectionError):
                        deaf.send(flood)
                    await asyncio.sleep(0.001)
            await until(lambda: at.listener.connections == 0)
            assert at.listener.refused[Cause.SLOW] == 1
            assert await (await at.sender()).ask(order("NEXT")) == ("AA", "NEXT")

    run(test())


def test_garbage_between_frames_for_ever_is_no_feed() -> None:
    """Empty frames between the noise do not make it HL7; a message does."""

    async def test() -> None:
        async with door(max_garbage_bytes=1000) as at:
            noisy, hostile = await at.sender(), await at.sender()
            for number in range(5):
                await noisy.send_bytes(b"x" * 600 + mllp.encode(order(f"M{number}")) + b"y" * 300)
                assert await noisy.answer() == ("AA", f"M{number}")
            with suppress(ConnectionError):
                for _ in range(5):
                    await hostile.send_bytes(b"x" * 600 + b"\x0b\x1c\x0d")
            assert await hostile.closed()

    run(test())


def test_flood_of_refused_messages_is_answered_and_told_once() -> None:
    """Each gets its AR; the log has one line, and the count is kept."""

    async def test() -> None:
        with capture_logs() as lines:
            async with door() as at:
                sender = await at.sender()
                await sender.send(*[b"no header"] * 200)
                assert [await sender.answer() for _ in range(200)] == [("AR", "")] * 200
                assert at.listener.refused == {Cause.UNREADABLE: 200}
        assert len([line for line in lines if line["event"] == "message_refused"]) == 1

    run(test())
