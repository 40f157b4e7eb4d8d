"""The reader pool: every message gets its reading, whatever becomes of the workers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefetch.intake.parsing import ReaderPool


def order(number: int) -> bytes:
    """A small order with this number as its control ID."""
    return (
        f"MSH|^~\\&|RIS|HOSP|PREFETCH||20260302081500||ORM^O01|{number}|P|2.3.1\r"
        f"PID|||P{number}||Example^Ada\rORC|NW|{number}\rOBR|1|{number}||CTTH^CT THORAX\r"
    ).encode()


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    """A pool with one worker that takes three messages for a backlog."""
    pool = ReaderPool(workers=1, threshold=3)
    yield pool
    pool.close()


def control_ids(pool: ReaderPool, *batches: list[bytes]) -> list[list[str]]:
    """The control IDs that each batch gave, read one batch after the other."""

    async def read_all() -> list[list[str]]:
        return [
            [reading.header.control_id if reading.header else "" for reading in await pool.read(batch)]
            for batch in batches
        ]

    return asyncio.run(read_all())


def workers_of(process_id: int) -> list[int]:
    """The spawned processes whose parent this is."""
    found = subprocess.run(
        ["/usr/bin/pgrep", "-P", str(process_id), "-f", "spawn_main"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(line) for line in found.stdout.split()]


def test_few_and_many_come_back_in_order(pool: ReaderPool) -> None:
    """Few messages are read in the thread, many in processes: in order, and none missing."""
    few = [order(n) for n in range(2)]
    many = [order(n) for n in range(30)]
    assert control_ids(pool, few, many) == [[str(n) for n in range(2)], [str(n) for n in range(30)]]


def test_no_process_is_started_before_it_is_needed(pool: ReaderPool) -> None:
    """Processes cost memory: a pool that never saw a backlog has none."""
    control_ids(pool, [order(1)])
    assert workers_of(os.getpid()) == []


def test_junk_has_a_reading_too(pool: ReaderPool) -> None:
    """Whatever bytes come, each message has a reading that says what is wrong with it."""

    async def read() -> list[str | None]:
        return [reading.problem for reading in await pool.read([b"", b"\xff" * 100, order(1), b"MSH|"])]

    problems = asyncio.run(read())
    assert [problem is None for problem in problems] == [False, False, True, False]


def test_killed_worker_loses_nothing(pool: ReaderPool) -> None:
    """A worker that is killed in the middle of a backlog is replaced, and its messages are read again."""
    many = [order(n) for n in range(400)]

    async def read_while_killing() -> list[str]:
        await pool.read(many[:10])  # the worker is up
        reading = asyncio.create_task(pool.read(many))
        await asyncio.sleep(0.05)
        for worker in workers_of(os.getpid()):
            os.kill(worker, signal.SIGKILL)
        return [one.header.control_id if one.header else "" for one in await reading]

    assert asyncio.run(read_while_killing()) == [str(n) for n in range(400)]


def test_workers_end_with_the_daemon() -> None:
    """After a kill -9 of the daemon no worker stays behind."""
    script = (
        "import asyncio, time, sys\n"
        "from prefetch.intake.parsing import ReaderPool\n"
        "if __name__ == '__main__':\n"
        "    pool = ReaderPool(workers=1, threshold=1)\n"
        "    asyncio.run(pool.read([b'MSH|']))\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "ready\n"
        workers = workers_of(daemon.pid)
        daemon.kill()
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
