"""The listener: MLLP connections in, acknowledgements out (design, section 2, step 1).

Knows the wire and the message header. What accepting a message means it is told by `accept`: AA goes out only
when that has returned, so an acknowledged message is a stored one. No archive is ever on this path.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime

import structlog

from prefetch import errors, timing
from prefetch.intake import header, mllp
from prefetch.intake.header import AcknowledgmentCode

log = structlog.get_logger()

_CHUNK = 64 * 1024


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


Accept = Callable[[Received], Awaitable[Accepted]]
Answer = Callable[[mllp.Frame | mllp.Oversized, str], Coroutine[None, None, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sender may ask of us."""

    max_message_bytes: int = 10 * mllp.MEGABYTE
    max_connections: int = 256
    max_unanswered: int = 32
    """Messages of one connection that may wait for their acknowledgement; beyond that it is not read."""
    max_garbage_bytes: int = 64 * 1024
    """Bytes outside frames after which a peer is taken for something other than a sender of HL7."""
    idle_seconds: float = 3600.0
    message_seconds: float = 30.0
    """How long a message may take from its first byte to its last, and an acknowledgement to be taken."""


class Listener:
    """One MLLP port and all its connections."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        accept: Accept,
        limits: Limits | None = None,
        now: timing.Now = timing.now,
    ) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._accept = accept
        self._limits = limits or Limits()
        self._now = now
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._numbers = itertools.count(1)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def start(self) -> int:
        """Open the door; gives the port, which the system chose where 0 was asked for."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_CHUNK)
        port: int = self._server.sockets[0].getsockname()[1]
        log.info("listener_started", source=self._name, host=self._host, port=port)
        return port

    def close_door(self) -> None:
        """Let nobody in and read nothing more; what has come in whole is still stored and answered."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.stop_reading("shutting down")

    async def close(self, *, seconds: float = 5.0) -> None:
        """Close the door, wait for the last answers, then cut what is left."""
        self.close_door()
        try:
            async with asyncio.timeout(seconds):
                await self._all_gone.wait()
        except TimeoutError:
            for connection in self._connections:
                connection.cut()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
            log.info("listener_stopped", source=self._name)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _name_of(writer)
        if len(self._connections) >= self._limits.max_connections:
            log.warning("connection_refused", source=self._name, peer=peer, because="too many connections")
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = _Connection(peer, reader, writer, limits=self._limits, answer=self._answer)
        self._connections.add(connection)
        self._all_gone.clear()
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._all_gone.set()
            log.info(
                "connection_closed",
                source=self._name,
                peer=peer,
                because=connection.because,
                messages=connection.messages,
            )

    # --- one message ----------------------------------------------------------------------------

    async def _answer(self, event: mllp.Frame | mllp.Oversized, peer: str) -> bytes:
        """Have a message stored; gives the acknowledgement, in its frame."""
        began = self._now()
        raw = event.payload if isinstance(event, mllp.Frame) else event.head
        read = header.read_header(raw)
        code, text, stored = await self._store(event, read, peer, began)
        log.info(
            "message_acknowledged",
            source=self._name,
            peer=peer,
            control_id=read.control_id if read else None,
            message_type=read.type_and_trigger if read else None,
            message_id=stored.message_id if stored else None,
            repeat=stored.repeat if stored else None,
            code=code.value,
            because=text,
            bytes=len(raw) if isinstance(event, mllp.Frame) else event.count,
            milliseconds=round((self._now() - began).total_seconds() * 1000, 1),
        )
        control_id = f"{began:%Y%m%d%H%M%S}{next(self._numbers):06d}"
        return mllp.encode(header.acknowledge(read, code, text, now=began, control_id=control_id))

    async def _store(
        self, event: mllp.Frame | mllp.Oversized, read: header.Header | None, peer: str, now: datetime
    ) -> tuple[AcknowledgmentCode, str, Accepted | None]:
        if isinstance(event, mllp.Oversized):
            longest = self._limits.max_message_bytes
            return AcknowledgmentCode.REJECTED, f"message longer than {longest} bytes", None
        if read is None:
            return AcknowledgmentCode.REJECTED, "no MSH segment that can be read", None
        received = Received(source=self._name, peer=peer, raw=event.payload, header=read, received_at=now)
        try:
            return AcknowledgmentCode.ACCEPTED, "", await self._accept(received)
        except errors.StoreError as error:
            return AcknowledgmentCode.ERROR, f"not stored, send again: {error}", None
        except Exception:
            # Our own mistake, but the sender waits for an answer, and the next message may fare better.
            log.exception("message_failed", source=self._name, peer=peer, control_id=read.control_id)
            return AcknowledgmentCode.ERROR, "not stored, send again: internal error", None


class _Connection:
    """One sender's connection: reads on while messages are being stored, answers in order."""

    def __init__(
        self,
        peer: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        limits: Limits,
        answer: Answer,
    ) -> None:
        self.peer = peer
        self.because = "closed by the sender"
        self.messages = 0
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._answer = answer
        self._decoder = mllp.Decoder(max_message_bytes=limits.max_message_bytes)
        self._slots = asyncio.Semaphore(limits.max_unanswered)
        self._answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._lost = False

    async def serve(self) -> None:
        """Read and answer until either side has had enough."""
        self._serving = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                self._reading = group.create_task(self._read(group))
                self._reading.add_done_callback(lambda _: self._answers.put_nowait(None))
                await self._write_answers()
        finally:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def stop_reading(self, because: str) -> None:
        """Take in nothing more; what is under way is answered."""
        if self._reading is not None and not self._reading.done():
            self.because = because
            self._reading.cancel()

    def cut(self) -> None:
        """End it now, whatever is under way; its sender sends again what was not answered."""
        self._drop()
        if self._serving is not None:
            self._serving.cancel()

    def _drop(self) -> None:
        self._lost = True
        self._writer.transport.abort()

    async def _read(self, group: asyncio.TaskGroup) -> None:
        clock = asyncio.get_running_loop().time
        began: float | None = None
        while True:
            patience = self._limits.idle_seconds if began is None else self._limits.message_seconds
            try:
                async with asyncio.timeout_at((began or clock()) + patience):
                    data = await self._reader.read(_CHUNK)
            except TimeoutError:
                self.because = f"{'nothing' if began is None else 'half a message'} for {patience:g} s"
                return
            except ConnectionError as error:
                self.because = f"lost: {error}"
                return
            if not data:
                return
            began = began or clock()
            events = self._decoder.feed(data)
            for event in events:
                await self._begin(event, group)
            if self._decoder.garbage > self._limits.max_garbage_bytes:
                self.because = "does not speak MLLP"
                return
            if not self._decoder.receiving:
                began = None
            elif events:
                began = clock()

    async def _begin(self, event: mllp.Event, group: asyncio.TaskGroup) -> None:
        if isinstance(event, mllp.Garbage):
            log.warning("garbage_skipped", peer=self.peer, bytes=event.count)
            return
        await self._slots.acquire()
        self.messages += 1
        self._answers.put_nowait(group.create_task(self._answer(event, self.peer)))

    async def _write_answers(self) -> None:
        while (answer := await self._answers.get()) is not None:
            await self._write(await answer)
            self._slots.release()

    async def _write(self, answer: bytes) -> None:
        if self._lost:
            return
        self._writer.write(answer)
        try:
            async with asyncio.timeout(self._limits.message_seconds):
                await self._writer.drain()
        except (ConnectionError, TimeoutError) as error:
            self.stop_reading(f"takes no answers: {str(error) or 'timed out'}")
            self._drop()


def _name_of(writer: asyncio.StreamWriter) -> str:
    address = writer.get_extra_info("peername")
    return f"{address[0]}:{address[1]}" if address else "unknown"
