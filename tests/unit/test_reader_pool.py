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

from prefetch.intake import hl7, parsing
from prefetch.intake.header import Header
from prefetch.intake.hl7.mapping import Mapping
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
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


FIELDS = b"MSH|^~\\&|RIS|HOSP|||20260302||ORM^O01|%s|P|2.3\rPID|||47\rORC|NW|P1\rOBR|1|P1||A^B\r"


def large(control_id: bytes, filling: bytes = b"NTE|1||some words\r") -> bytes:
    """An order that is too large to be read beside others."""
    return FIELDS % control_id + filling * (2 * parsing.ORDINARY_BYTES // len(filling))


def problems(pool: ReaderPool, *messages: bytes) -> dict[str, str | None]:
    """What is wrong with each message, by its control ID."""

    async def read() -> dict[str, str | None]:
        readings = await pool.read(messages)
        return {each.header.control_id: each.problem for each in readings if each.header}

    return asyncio.run(read())


def test_a_large_message_is_read_in_a_process_among_small_ones(pool: ReaderPool) -> None:
    """It is read as well as any other, and the order is kept."""
    assert control_ids(pool, [order(1), large(b"2"), order(3)]) == [["1", "2", "3"]]
    assert len(workers_of(os.getpid())) == 1


CROWDED = (
    order(2) + b"ORC|NW|9\r" * 300,
    order(2) + b"OBR||9\n" * 300,
    order(2).replace(b"||P2|", b"||" + b"1^~" * 300 + b"|"),
    order(2).replace(b"^~", b"^*").replace(b"||P2|", b"||" + b"1^*" * 300 + b"|"),
)


def test_a_small_message_with_much_in_it_is_read_where_it_can_be_given_up(pool: ReaderPool) -> None:
    """A thousand orders, or IDs, have room in a few kilobytes: it is not size alone that costs."""
    assert max(map(len, CROWDED)) < parsing.ORDINARY_BYTES
    assert control_ids(pool, [order(1)]) == [["1"]]
    for crowded in CROWDED:
        assert pool.share_out([(crowded, "")]) == ([], [[0]])
    assert control_ids(pool, [order(1), CROWDED[0], order(3)]) == [["1", "2", "3"]]
    assert len(workers_of(os.getpid())) == 1


def test_a_small_message_that_takes_too_long_is_given_up_too() -> None:
    """Whatever its size, it costs the others a moment and becomes a dead letter."""
    pool = ReaderPool(workers=1, threshold=100, limit_seconds=0.05)
    poison = order(2) + b"PV1|\r" * 800 + b"ORC|\r" * 700
    try:
        found = problems(pool, order(1), poison, order(3))
    finally:
        pool.close()
    assert len(poison) < parsing.ORDINARY_BYTES
    assert {"1": None, "2": "reading it took more than 0.05 s of computing", "3": None} == found


def test_a_large_message_of_no_interest_needs_no_process(pool: ReaderPool) -> None:
    """A report with a document in it is passed over where it is."""
    assert control_ids(pool, [large(b"1").replace(b"ORM^O01", b"ORU^R01")]) == [["1"]]
    assert workers_of(os.getpid()) == []


def test_a_message_that_takes_too_long_is_given_up_and_the_others_are_read() -> None:
    """It becomes a dead letter with the reason; its worker lives, and so does the feed."""
    pool = ReaderPool(workers=1, threshold=3, limit_seconds=0.05)
    filling = b"ORC|NW|P\rOBR|1|P||A^B^C\r"
    try:
        poison = large(b"poison", filling * 100)
        found = problems(pool, order(1), poison, order(2), *map(order, range(3, 9)))
    finally:
        pool.close()
    assert {"poison": "reading it took more than 0.05 s of computing"} == {
        name: problem for name, problem in found.items() if problem
    }
    assert {"poison", *map(str, range(1, 9))} == found.keys()


def test_a_message_that_cannot_be_interrupted_costs_its_worker_and_nothing_else() -> None:
    """Two processes die over it; the messages beside it are read by the third."""
    pool = ReaderPool(workers=1, threshold=1, limit_seconds=0.2)
    pool.senders = Stubborn()
    try:
        found = problems(pool, order(13), order(2))
    finally:
        pool.close()
    assert {"13": "two reader processes died over it", "2": None} == found


class Stubborn(hl7.Senders):
    """Senders of whom one has everything computed on and on, deaf to what Python is told."""

    def mapping(self, header: Header, listener: str) -> Mapping:
        """As anybody's; for one message for ever."""
        if header.control_id == "13":
            signal.signal(signal.SIGPROF, signal.SIG_IGN)
            while True:
                pass
        return super().mapping(header, listener)


def test_a_message_with_too_many_orders_is_a_dead_letter(pool: ReaderPool) -> None:
    """It would hold up the store; the reason says what to do."""
    many = parsing.MOST_EVENTS + 1
    batch = FIELDS % b"1" + b"".join(b"ORC|NW|Q%d\rOBR|1|Q%d||A^B\r" % (n, n) for n in range(many))
    (because,) = problems(pool, batch).values()
    assert because == f"it holds {many + 1} orders, more than {many - 1}: split it"


def test_a_message_that_wants_all_memory_fails_alone() -> None:
    """The worker's memory is bounded; the message is a dead letter, and the next one is read."""
    pool = ReaderPool(workers=1, threshold=1)
    pool.senders = Greedy()
    try:
        found = problems(pool, order(13), order(2))
    finally:
        pool.close()
    assert {"13": "reading it took more than 512 MB of memory", "2": None} == found


class Greedy(hl7.Senders):
    """Senders of whom one makes the reader want more memory than there is."""

    def mapping(self, header: Header, listener: str) -> Mapping:
        """As anybody's; for one message with all the memory."""
        if header.control_id == "13":
            bytearray(2 * parsing.MOST_BYTES)
        return super().mapping(header, listener)
