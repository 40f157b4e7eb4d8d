"""The listener: MLLP connections in, acknowledgements out (design, section 2, step 1).

Knows who may come in and what the message header says. What accepting a message means it is told by `accept`:
AA goes out only when that has returned, so an acknowledged message is a stored one. No archive is ever on
this path.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from prefetch import errors, timing
from prefetch.intake import acknowledging, charset, header, mllp
from prefetch.intake.admission import Admission
from prefetch.intake.connection import CHUNK, Answer, Connection, Peer, Shared
from prefetch.intake.header import AcknowledgmentCode
from prefetch.intake.limits import Limits
from prefetch.intake.rate import Rate
from prefetch.intake.refusals import Cause, Refusals
from prefetch.intake.room import Room

log = structlog.get_logger()

_BACKLOG = 100
_SEND_BUFFER = 64 * 1024
_PAUSE = 0.1
"""Seconds before the next try when the system has no more sockets to give."""
_FAREWELL_SECONDS = 2.0
"""How long a TLS peer may take to say goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that stands at the door: whole, its header read, not yet stored."""

    source: str
    """The listener's name."""
    peer: str
    raw: bytes
    header: header.Header
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that is stored; `repeat` where it had been before."""

    message_id: int
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What is said of a message."""

    code: AcknowledgmentCode
    because: str = ""
    cause: Cause = Cause.NOT_STORED
    """Where it was refused."""
    stored: Accepted | None = None


Accept = Callable[[Received], Awaitable[Accepted]]
KeepUnreadable = Callable[[str, bytes, str], Awaitable[None]]
"""Of a listener's name, what came there without a header, and why it is refused."""


async def _keep_nothing(_source: str, _raw: bytes, _because: str) -> None:
    """Refuse it and forget it."""


class Listener:
    """One MLLP port and all its connections."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        accept: Accept,
        keep_unreadable: KeepUnreadable = _keep_nothing,
        limits: Limits | None = None,
        admission: Admission | None = None,
        mode: acknowledging.Mode = acknowledging.Mode.ORIGINAL,
        tls: ssl.SSLContext | None = None,
        now: timing.Now = timing.now,
    ) -> None:
        self.tls = tls
        """What the next connection is met with; changed when certificates are loaded anew."""
        self._name = name
        self._host = host
        self._port = port
        self._accept = accept
        self._keep_unreadable = keep_unreadable
        self._limits = limits or Limits()
        self._admission = admission or Admission()
        self._mode = mode
        self._now = now
        self._doors: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted: set[asyncio.Task[None]] = set()
        """Those of the tasks that have their connection: the others are in a TLS handshake."""
        self._connections: set[Connection] = set()
        self._open: Counter[str] = Counter()
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._numbers = itertools.count(1)
        self._shared = Shared(
            limits=self._limits,
            ask=self._answer,
            room=Room(max(self._limits.max_waiting_bytes, self._limits.max_message_bytes)),
            large=asyncio.Semaphore(self._limits.max_large),
            rate=Rate(self._limits.messages_per_second),
            refusals=Refusals(name, lambda: now().timestamp()),
        )

    @property
    def connections(self) -> int:
        """How many are open, those in their TLS handshake among them."""
        return self._open.total()

    @property
    def large_under_way(self) -> int:
        """Large messages that are being received."""
        return sum(connection.has_place for connection in self._connections)

    @property
    def refused(self) -> Counter[Cause]:
        """How often something was refused or kept waiting since the start, by its cause."""
        return self._shared.refusals.counts

    async def start(self) -> int:
        """Open the door; gives the port, which the system chose where 0 was asked for."""
        loop = asyncio.get_running_loop()
        kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
        found = await loop.getaddrinfo(self._host, self._port, type=kind, flags=flags)
        for family, *_, address in dict.fromkeys(found):
            self._doors.append(_listen(family, address))
        for door in self._doors:
            loop.add_reader(door, self._let_in, door)
        port: int = self._doors[0].getsockname()[1]
        log.info("listener_started", source=self._name, host=self._host, port=port, tls=bool(self.tls))
        return port

    def close_door(self) -> None:
        """Let nobody in and read nothing more; what has come in whole is still stored and answered."""
        loop = asyncio.get_running_loop()
        while self._doors:
            door = self._doors.pop()
            loop.remove_reader(door)
            door.close()
        for task in self._tasks - self._greeted:
            task.cancel()
        for connection in self._connections:
            connection.stop_reading("shutting down")

    async def close(self, *, seconds: float = 5.0) -> None:
        """Close the door, wait for the last answers, then cut what is left."""
        self.close_door()
        try:
            async with asyncio.timeout(seconds):
                await self._nobody.wait()
        except TimeoutError:
            for connection in self._connections:
                connection.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)
        log.info(
            "listener_stopped",
            source=self._name,
            refused={cause.value: count for cause, count in self.refused.items()},
        )

    # --- one connection -----------------------------------------------------------------------------

    def _let_in(self, door: socket.socket) -> None:
        """Take what knocks; a connection that is refused is closed before it costs anything."""
        for _ in range(_BACKLOG):
            try:
                accepted, (address, port, *_) = door.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no file descriptor is left, as a rule
                self._rest(door, error)
                return
            peer = Peer(address, port)
            if refused := self._why_not(address):
                cause, because = refused
                self._shared.refusals.tell(
                    "connection_refused", cause, address=address, because=because, peer=str(peer)
                )
                accepted.close()
            else:
                self._begin(accepted, peer)

    def _rest(self, door: socket.socket, error: OSError) -> None:
        """Close the eyes for a moment: the knocking that cannot be answered would keep the loop busy."""
        because = f"no socket: {error.strerror}"
        self._shared.refusals.tell("connection_refused", Cause.CONNECTIONS, address="", because=because)
        loop = asyncio.get_running_loop()
        loop.remove_reader(door)
        loop.call_later(_PAUSE, lambda: door in self._doors and loop.add_reader(door, self._let_in, door))

    def _why_not(self, address: str) -> tuple[Cause, str] | None:
        if not self._admission.lets_in(address):
            return Cause.NETWORK, "its network is not allowed"
        if self._open.total() >= self._limits.max_connections:
            return Cause.CONNECTIONS, "too many connections"
        if self._open[address] >= self._limits.max_connections_per_address:
            return Cause.CONNECTIONS, "too many connections from this address"
        return None

    def _begin(self, accepted: socket.socket, peer: Peer) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._open[peer.address] += 1
        self._nobody.clear()
        task = asyncio.get_running_loop().create_task(self._serve(accepted, peer))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._end(task, accepted, peer))

    def _end(self, task: asyncio.Task[None], accepted: socket.socket, peer: Peer) -> None:
        accepted.close()
        self._tasks.discard(task)
        self._greeted.discard(task)
        self._open[peer.address] -= 1
        if not self._open[peer.address]:
            del self._open[peer.address]
        if not self._open:
            self._nobody.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("connection_failed", source=self._name, peer=str(peer), exc_info=error)

    async def _serve(self, accepted: socket.socket, peer: Peer) -> None:
        try:
            reader, writer = await _open_streams(accepted, self.tls, self._limits.handshake_seconds)
        except (OSError, TimeoutError) as error:
            because = f"no TLS handshake: {_words(error)}"
            self._shared.refusals.tell(
                "connection_refused", Cause.TLS, address=peer.address, because=because, peer=str(peer)
            )
            return
        connection = Connection(peer=peer, reader=reader, writer=writer, shared=self._shared)
        self._connections.add(connection)
        if task := asyncio.current_task():
            self._greeted.add(task)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            say = log.info if connection.messages else log.debug
            say(
                "connection_closed",
                source=self._name,
                peer=str(peer),
                because=connection.because,
                messages=connection.messages,
            )

    # --- one message --------------------------------------------------------------------------------

    async def _answer(self, event: mllp.Frame | mllp.Oversized, peer: str) -> Answer:
        """Have a message stored; gives the acknowledgement."""
        began = self._now()
        raw = event.payload if isinstance(event, mllp.Frame) else event.head
        read = header.read_header(raw)
        verdict = await self._judge(event, read, peer, began)
        code = acknowledging.answer(self._mode, read, verdict.code)
        stored = verdict.stored
        facts: dict[str, object] = {
            "peer": peer,
            "control_id": read.control_id if read else None,
            "message_type": read.type_and_trigger if read else None,
            "code": code.value if code else None,
            "bytes": len(raw) if isinstance(event, mllp.Frame) else event.count,
            "milliseconds": round((self._now() - began).total_seconds() * 1000, 1),
        }
        if stored is None:
            address = peer.rpartition(":")[0]
            self._shared.refusals.tell(
                "message_refused", verdict.cause, address=address, because=verdict.because, **facts
            )
        else:
            log.info(
                "message_acknowledged",
                source=self._name,
                message_id=stored.message_id,
                repeat=stored.repeat,
                **facts,
            )
        if code is None:
            return Answer(b"", stored is None)
        control_id = f"{began:%Y%m%d%H%M%S}{next(self._numbers):06d}"
        said = header.acknowledge(read, code, verdict.because, now=began, control_id=control_id)
        return Answer(mllp.encode(said), stored is None)

    async def _judge(
        self, event: mllp.Frame | mllp.Oversized, read: header.Header | None, peer: str, now: datetime
    ) -> _Verdict:
        if isinstance(event, mllp.Oversized):
            return _rejected(Cause.SIZE, f"message longer than {self._limits.max_message_bytes} bytes")
        if read is None or charset.wide(event.payload):
            because = header.why_unreadable(event.payload)
            await self._keep_unreadable(self._name, event.payload, because)
            return _rejected(Cause.UNREADABLE, because)
        if not self._admission.hears(read):
            because = "this sending application and facility (MSH-3, MSH-4) may not send here"
            return _rejected(Cause.SENDER, because)
        received = Received(source=self._name, peer=peer, raw=event.payload, header=read, received_at=now)
        try:
            return _Verdict(code=AcknowledgmentCode.ACCEPTED, stored=await self._accept(received))
        except errors.StoreError as error:
            return _Verdict(code=AcknowledgmentCode.ERROR, because=f"not stored, send again: {error}")
        except Exception:
            # Our own mistake, but the sender waits for an answer, and the next message may fare better.
            log.exception("message_failed", source=self._name, peer=peer, control_id=read.control_id)
            return _Verdict(code=AcknowledgmentCode.ERROR, because="not stored, send again: internal error")


def _rejected(cause: Cause, because: str) -> _Verdict:
    return _Verdict(code=AcknowledgmentCode.REJECTED, because=because, cause=cause)


# --- sockets -----------------------------------------------------------------------------------------


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    door = socket.create_server(
        (str(address[0]), int(str(address[1]))), family=family, backlog=_BACKLOG, reuse_port=False
    )
    # Inherited by each connection. Acknowledgements are small: so a peer that reads none is soon noticed.
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    door.setblocking(False)
    return door


async def _open_streams(
    accepted: socket.socket, tls: ssl.SSLContext | None, handshake_seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams on an accepted socket, after the TLS handshake where there is one to be made."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK)
    protocol = asyncio.StreamReaderProtocol(reader)
    patience = {"ssl_handshake_timeout": handshake_seconds, "ssl_shutdown_timeout": _FAREWELL_SECONDS}
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, accepted, ssl=tls, **(patience if tls else {})
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _words(error: Exception) -> str:
    """What went wrong, without the peer's own numbers: so that the same reason reads the same each time."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).replace("_", " ").lower()
    return str(error) or "timed out"
