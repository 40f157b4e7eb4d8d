"""Reading messages off the event loop: in one thread for a few, in worker processes when many wait.

Reading a message is a millisecond of pure computing; a backlog of thousands would hold up everything else in
the process, and for less than that no process is worth starting. A worker that dies takes no message with it.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import structlog

from prefetch.intake import header, hl7

log = structlog.get_logger()

CHUNK = 8
"""Messages handed to a worker at a time: enough to pay for the way there, few enough to share out evenly."""


Message = tuple[bytes, str]
"""A raw message, and the listener by which it came in."""


class ReaderPool:
    """Reads raw messages, in order, without holding up the event loop."""

    def __init__(self, *, workers: int = 2, threshold: int = 100) -> None:
        """From `threshold` messages on they go to `workers` processes; with none, all stay in the thread."""
        self._workers = workers
        self._threshold = threshold
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hl7-reader")
        self._processes: ProcessPoolExecutor | None = None
        self.senders = hl7.Senders()
        """How the site's senders write; a reload puts others in their place."""

    async def read(self, raws: Sequence[bytes], listeners: Sequence[str] = ()) -> list[hl7.Reading]:
        """What each message says, in the order given; `listeners` says where each came in."""
        messages = list(zip(raws, listeners or itertools.repeat(""), strict=False))
        if not self._workers or len(raws) < self._threshold:
            return await self._read_in(self._thread, messages)
        chunks = [messages[at : at + CHUNK] for at in range(0, len(messages), CHUNK)]
        read = await asyncio.gather(*map(self._read_chunk, chunks))
        whole = [
            await self._read_one_by_one(chunk) if readings is None else readings
            for chunk, readings in zip(chunks, read, strict=True)
        ]
        return list(itertools.chain.from_iterable(whole))

    def close(self) -> None:
        """End the workers; what is being read is read to its end."""
        self._thread.shutdown()
        if self._processes is not None:
            self._processes.shutdown()
            self._processes = None

    async def _read_in(self, executor: Executor, messages: Sequence[Message]) -> list[hl7.Reading]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, _read_all, list(messages), self.senders)

    async def _read_chunk(self, messages: Sequence[Message]) -> list[hl7.Reading] | None:
        """Read in a worker process; None where the workers died meanwhile."""
        if self._processes is None:
            spawn = multiprocessing.get_context("spawn")
            self._processes = ProcessPoolExecutor(self._workers, spawn, initializer=_begin_worker)
        pool = self._processes
        try:
            return await self._read_in(pool, messages)
        except BrokenProcessPool:
            if self._processes is pool:
                log.warning("reader_workers_died", workers=self._workers)
                self._processes = None
            return None

    async def _read_one_by_one(self, messages: Sequence[Message]) -> list[hl7.Reading]:
        """Read again what dying workers left behind, alone: only a message that kills one again is lost."""
        readings: list[hl7.Reading] = []
        for message in messages:
            readings += await self._read_chunk([message]) or [_killer(message[0])]
        return readings


def _read_all(messages: Sequence[Message], senders: hl7.Senders) -> list[hl7.Reading]:
    return [hl7.read_message(raw, senders=senders, listener=listener) for raw, listener in messages]


def _killer(raw: bytes) -> hl7.Reading:
    return hl7.Reading(
        header=header.read_header(raw),
        acknowledgement=header.AcknowledgmentCode.ACCEPTED,
        problem="two reader processes died over it",
    )


def _begin_worker() -> None:
    """Stop when the daemon stops, however it ends; signals to the group are the daemon's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
