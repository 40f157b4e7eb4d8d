"""Reading messages off the event loop: in one thread for a few, in worker processes when many wait.

Reading a message is a millisecond of pure computing; a backlog of thousands would hold up everything else in
the process, and for less than that no process is worth starting. A worker that dies takes no message with it;
a message that takes too much time or memory is given up, and costs the others a moment.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import structlog

from prefetch.intake import header, hl7

log = structlog.get_logger()

CHUNK = 8
"""Messages handed to a worker at a time: enough to pay for the way there, few enough to share out evenly."""


ORDINARY_BYTES = 8 * 1024
ORDINARY_PARTS = 200
"""A message of up to so many bytes, and segments and repetitions together, is soon read whatever it holds.
Any other is read where it can be given up: in a few kilobytes there is room for a thousand orders."""

LIMIT_SECONDS = 2.0
"""So much computing one message may take, while others wait; a thousand orders take a quarter of it."""

MOST_EVENTS = 1000
"""More orders than these in one message would hold up the store, which applies them in one go."""

MOST_BYTES = 1 << 29
"""The memory of a worker: what wants more fails alone (setrlimit(2), RLIMIT_DATA)."""

Message = tuple[bytes, str]
"""A raw message, and the listener by which it came in."""

Read = Callable[[Sequence[Message], hl7.Senders], list[hl7.Reading]]


class ReaderPool:
    """Reads raw messages, in order, without holding up the event loop."""

    def __init__(
        self, *, workers: int = 2, threshold: int = 100, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """From `threshold` messages on they go to `workers` processes; with none, all stay in the thread."""
        self._workers = workers
        self._threshold = threshold
        self._limit_seconds = limit_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hl7-reader")
        self._processes: ProcessPoolExecutor | None = None
        self.senders = hl7.Senders()
        """How the site's senders write; a reload puts others in their place."""

    async def read(self, raws: Sequence[bytes], listeners: Sequence[str] = ()) -> list[hl7.Reading]:
        """What each message says, in the order given; `listeners` says where each came in."""
        messages = list(zip(raws, listeners or itertools.repeat(""), strict=False))
        here, chunks = self.share_out(messages)
        read = await asyncio.gather(
            self._read_in(self._thread, _read_all, [messages[number] for number in here]),
            *(self._read_chunk([messages[number] for number in chunk]) for chunk in chunks),
        )
        readings: dict[int, hl7.Reading] = {}
        for numbers, found in zip([here, *chunks], read, strict=True):
            again = [messages[number] for number in numbers]
            whole = await self._read_one_by_one(again) if found is None else found
            readings |= zip(numbers, whole, strict=True)
        return [readings[number] for number in range(len(messages))]

    def share_out(self, messages: Sequence[Message]) -> tuple[list[int], list[list[int]]]:
        """Which messages are read in the thread, and which in processes, together or alone."""
        numbers = range(len(messages))
        if not self._workers:
            return list(numbers), []
        ordinary: list[int] = []
        alone: list[list[int]] = []
        for number in numbers:
            if is_ordinary(messages[number][0]):
                ordinary.append(number)
            else:
                alone.append([number])
        if len(ordinary) < self._threshold:
            return ordinary, alone
        return [], [ordinary[at : at + CHUNK] for at in range(0, len(ordinary), CHUNK)] + alone

    def close(self) -> None:
        """End the workers; what is being read is read to its end."""
        self._thread.shutdown()
        if self._processes is not None:
            self._processes.shutdown()
            self._processes = None

    async def _read_in(
        self, executor: Executor, read: Read, messages: Sequence[Message]
    ) -> list[hl7.Reading] | None:
        return await asyncio.get_running_loop().run_in_executor(executor, read, messages, self.senders)

    async def _read_chunk(self, messages: Sequence[Message]) -> list[hl7.Reading] | None:
        """Read in a worker process; None where the workers died meanwhile."""
        if self._processes is None:
            spawn = multiprocessing.get_context("spawn")
            self._processes = ProcessPoolExecutor(self._workers, spawn, initializer=_begin_worker)
        pool = self._processes
        try:
            return await self._read_in(pool, partial(_read_within, self._limit_seconds), messages)
        except BrokenProcessPool:
            if self._processes is pool:
                log.warning("reader_workers_died", workers=self._workers)
                self._processes = None
            return None

    async def _read_one_by_one(self, messages: Sequence[Message]) -> list[hl7.Reading]:
        """Read again what dying workers left behind, alone: only a message that kills one again is lost."""
        readings: list[hl7.Reading] = []
        for message in messages:
            readings += await self._read_chunk([message]) or [
                _given_up(message[0], "two reader processes died over it")
            ]
        return readings


def is_ordinary(raw: bytes) -> bool:
    """Whether reading it is soon done: it is small and simple, or of no interest and passed over."""
    if len(raw) <= ORDINARY_BYTES and _count_parts(raw) <= ORDINARY_PARTS:
        return True
    read = header.read_header(raw)
    return read is None or not (header.is_of_interest(read) or raw.count(b"MSH") > 1)


def _count_parts(raw: bytes) -> int:
    """About how many segments and repetitions it has; MSH-2 says how repetitions are told."""
    repetition = raw[raw.find(b"MSH") + 5 :][:1] or b"~"
    return sum(map(raw.count, (b"\r", b"\n", repetition)))


def _read_all(messages: Sequence[Message], senders: hl7.Senders) -> list[hl7.Reading]:
    return [_read_one(message, senders) for message in messages]


def _read_one(message: Message, senders: hl7.Senders) -> hl7.Reading:
    raw, listener = message
    reading = hl7.read_message(raw, senders=senders, listener=listener)
    if len(reading.events) > MOST_EVENTS:
        return _given_up(raw, f"it holds {len(reading.events)} orders, more than {MOST_EVENTS}: split it")
    return reading


def _given_up(raw: bytes, because: str) -> hl7.Reading:
    return hl7.Reading(
        header=header.read_header(raw),
        acknowledgement=header.AcknowledgmentCode.ACCEPTED,
        problem=because,
    )


# --- in a worker -------------------------------------------------------------------------------------


class _TookTooLongError(BaseException):
    """A message was computed on for too long; no Exception, so that nothing on the way swallows it."""


def _read_within(
    limit_seconds: float, messages: Sequence[Message], senders: hl7.Senders
) -> list[hl7.Reading]:
    """Read in a worker, giving up each message that takes too long.

    It is the time of computing that counts, not that of the clock: a busy machine gives nothing up. What does
    not let Python hear the first signal ends with its process at the second, whose default is to end it.
    """
    readings = []
    for message in messages:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, 2 * limit_seconds)
            signal.setitimer(signal.ITIMER_PROF, limit_seconds)
            try:
                readings.append(_read_one(message, senders))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except _TookTooLongError:
            because = f"reading it took more than {limit_seconds:g} s of computing"
            readings.append(_given_up(message[0], because))
        except MemoryError:
            because = f"reading it took more than {MOST_BYTES >> 20} MB of memory"
            readings.append(_given_up(message[0], because))
    return readings


def _begin_worker() -> None:
    """Stop when the daemon stops, however it ends; signals to the group are the daemon's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, _give_up)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    threading.Thread(target=_follow_parent, daemon=True).start()


def _give_up(_number: int, _frame: object) -> None:
    raise _TookTooLongError


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
