"""One sender's connection: reads on while messages are being stored, answers in order.

Whatever the peer does, what a connection holds is bounded: a chunk, a message that is on its way, and the
messages that wait to be stored, for which it takes room first. What it cannot take it does not read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from prefetch.intake import mllp
from prefetch.intake.limits import KILOBYTE, Limits
from prefetch.intake.rate import Rate
from prefetch.intake.refusals import Cause, Refusals
from prefetch.intake.room import Room

CHUNK = 16 * KILOBYTE
"""Taken in at a time: what little messages there may be in it must not keep the others waiting for long."""

_EMPTY_FRAME = 16
"""An empty frame is as much work as so many bytes of noise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to a message."""

    acknowledgement: bytes
    """In its frame; nothing where none is wanted."""
    refused: bool


Ask = Callable[[mllp.Frame | mllp.Oversized, str], Coroutine[None, None, Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the connections of a listener have in common."""

    limits: Limits
    ask: Ask
    """Has a message stored."""
    room: Room
    large: asyncio.Semaphore
    rate: Rate
    refusals: Refusals


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from."""

    address: str
    port: int

    def __str__(self) -> str:
        """Read as `address:port`."""
        return f"{self.address}:{self.port}"


@dataclass(slots=True)
class _Progress:
    """When the message that is on its way began; None between messages."""

    began: float | None = None

    def until(self, limits: Limits, now: float) -> float:
        """When patience ends."""
        return now + limits.idle_seconds if self.began is None else self.began + limits.message_seconds

    def words(self, limits: Limits) -> str:
        """What was waited for in vain."""
        if self.began is None:
            return f"nothing for {limits.idle_seconds:g} s"
        return f"half a message for {limits.message_seconds:g} s"


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """Serves one sender until either side has had enough."""

    peer: Peer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    shared: Shared
    because: str = "closed by the sender"
    messages: int = 0
    _decoder: mllp.Decoder = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)
    _rate: Rate = field(init=False)
    _answers: asyncio.Queue[asyncio.Task[Answer] | None] = field(default_factory=asyncio.Queue)
    _reading: asyncio.Task[None] | None = None
    _serving: asyncio.Task[None] | None = None
    _garbage: int = 0
    """Bytes outside frames since the last message."""
    _resume_at: float = 0.0
    """When the next message is taken: who was refused is not listened to for a moment."""
    has_place: bool = False
    """Whether it has one of the places for large messages."""
    _lost: bool = False

    def __post_init__(self) -> None:
        limits = self.shared.limits
        self._decoder = mllp.Decoder(max_message_bytes=limits.max_message_bytes)
        self._slots = asyncio.Semaphore(limits.max_unanswered)
        self._rate = Rate(limits.messages_per_second_per_connection)
        # An answer counts as taken when the system has it: else a peer that never reads costs us a buffer,
        # and closing would wait for it for ever.
        self.writer.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Read and answer."""
        self._serving = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                self._reading = group.create_task(self._read(group))
                self._reading.add_done_callback(lambda _: self._answers.put_nowait(None))
                await self._write_answers()
        finally:
            self._leave_place()
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()

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
        self.writer.transport.abort()

    # --- reading ------------------------------------------------------------------------------------

    async def _read(self, group: asyncio.TaskGroup) -> None:
        clock = asyncio.get_running_loop().time
        progress = _Progress()
        while data := await self._next_chunk(progress):
            progress.began = progress.began or clock()
            events = self._decoder.feed(data)
            for event in events:
                await self._begin(event, group)
            if self._noise > self.shared.limits.max_garbage_bytes:
                self.because = "does not speak MLLP"
                self._refuse("connection_dropped", Cause.GARBAGE, self.because)
                await asyncio.sleep(self.shared.limits.noise_seconds)
                return
            if not self._decoder.receiving:
                progress.began = None
            elif events:
                progress.began = clock()
            progress.began = await self._find_place(progress.began)

    @property
    def _noise(self) -> int:
        """What has come since the last message and was no part of one."""
        return self._garbage + self._decoder.garbage + self._decoder.empty * _EMPTY_FRAME

    async def _next_chunk(self, progress: _Progress) -> bytes:
        """What comes next; nothing at the end, `because` saying which."""
        limits = self.shared.limits
        try:
            async with asyncio.timeout_at(progress.until(limits, asyncio.get_running_loop().time())):
                return await self.reader.read(CHUNK)
        except TimeoutError:
            self.because = progress.words(limits)
            cause = Cause.IDLE if progress.began is None else Cause.SLOW
            self._refuse("connection_dropped", cause, self.because)
        except OSError as error:  # a reset, or a TLS record that is none
            self.because = f"lost: {error}"
        return b""

    async def _begin(self, event: mllp.Event, group: asyncio.TaskGroup) -> None:
        """Have a message stored, as soon as rate, slots and room allow: until then nothing more is read."""
        if isinstance(event, mllp.Garbage):
            self._garbage += event.count
            self._refuse("garbage_skipped", Cause.GARBAGE, "bytes outside frames", bytes=event.count)
            return
        self._garbage = 0
        shared, now = self.shared, asyncio.get_running_loop().time()
        turn = max(shared.rate.reserve(now), self._rate.reserve(now))
        if turn > 0:
            self._refuse("message_delayed", Cause.RATE, "faster than messages_per_second allows")
        delay = max(turn, self._resume_at - now)
        if delay > 0:
            await asyncio.sleep(delay)
        await self._slots.acquire()
        taken = await shared.room.take(_size(event))
        self.messages += 1
        task = group.create_task(shared.ask(event, str(self.peer)))
        # Not in the task itself: one that is cancelled before its first step never comes to its end.
        task.add_done_callback(lambda _: shared.room.give(taken))
        self._answers.put_nowait(task)

    async def _find_place(self, began: float | None) -> float | None:
        """A message that grows large waits for a place among the large; that is not its sender's time."""
        if self._decoder.held <= self.shared.limits.large_bytes:
            self._leave_place()
        elif not self.has_place:
            clock = asyncio.get_running_loop().time
            asked = clock()
            await self.shared.large.acquire()
            self.has_place = True
            return began + clock() - asked if began is not None else None
        return began

    def _leave_place(self) -> None:
        if self.has_place:
            self.has_place = False
            self.shared.large.release()

    # --- answering ----------------------------------------------------------------------------------

    async def _write_answers(self) -> None:
        while (answer := await self._answers.get()) is not None:
            answered = await answer
            if answered.refused:
                self._resume_at = asyncio.get_running_loop().time() + self.shared.limits.refused_seconds
            await self._write(answered.acknowledgement)
            self._slots.release()

    async def _write(self, answer: bytes) -> None:
        if self._lost or not answer:
            return
        self.writer.write(answer)
        try:
            async with asyncio.timeout(self.shared.limits.message_seconds):
                await self.writer.drain()
        except (OSError, TimeoutError) as error:
            self.stop_reading(f"takes no answers: {str(error) or 'timed out'}")
            self._refuse("connection_dropped", Cause.SLOW, "takes no answers")
            self._drop()

    def _refuse(self, event: str, cause: Cause, because: str, **detail: object) -> None:
        self.shared.refusals.tell(
            event, cause, address=self.peer.address, because=because, peer=str(self.peer), **detail
        )


def _size(event: mllp.Frame | mllp.Oversized) -> int:
    return len(event.payload if isinstance(event, mllp.Frame) else event.head)
