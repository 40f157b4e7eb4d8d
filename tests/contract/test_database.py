"""Group commit: durable before it returns, together where it meets, and nobody pays for another's failure."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path

import pytest
from sqlalchemy import text

from prefetch import errors
from prefetch.store import nodes, writer
from prefetch.store.database import Connection, Database
from tests.queued import NOW

DEADLINE = 120.0


def add(c: Connection, name: str) -> str:
    """Write one row."""
    nodes.see_node(c, name, NOW)
    return name


def add_and_fail(c: Connection, name: str) -> None:
    """Write one row, and raise."""
    add(c, name)
    raise errors.IllegalTransitionError(name)


def break_a_rule(c: Connection) -> None:
    """Write what a constraint forbids."""
    c.execute(text("INSERT INTO nodes (owner, started_at, seen_at) VALUES (NULL, NULL, NULL)"))


def names(database: Database) -> set[str]:
    """What is committed."""
    with database.snapshot() as connection:
        return {node.owner for node in nodes.list_nodes(connection)}


class Held:
    """Keeps the writer thread busy, so that what is written meanwhile meets in one commit."""

    def __init__(self) -> None:
        self._holding, self._go_on = threading.Event(), threading.Event()

    async def has_begun(self) -> None:
        """Wait until the writer thread is held."""
        assert await asyncio.to_thread(self._holding.wait, DEADLINE)

    def hold(self, _: Connection) -> None:
        """Wait until told to go on."""
        self._holding.set()
        assert self._go_on.wait(DEADLINE)

    def let_go(self) -> None:
        """Go on."""
        self._go_on.set()


async def together(
    database: Database, *writes: Callable[[], Awaitable[object]]
) -> list[object | BaseException]:
    """Have all these writes share a commit; gives what they came to."""
    held = Held()
    holding = asyncio.ensure_future(database.write(held.hold))
    await held.has_begun()
    writing = [asyncio.ensure_future(write()) for write in writes]
    await asyncio.sleep(0.05)
    held.let_go()
    await holding
    return await asyncio.gather(*writing, return_exceptions=True)


def test_what_was_written_is_there_for_others(database: Database, url: str) -> None:
    """When `write` returns, another process sees it."""
    assert "a" == asyncio.run(database.write(add, "a"))
    other = Database.open(url)
    assert {"a"} == names(other)
    other.close()


def test_what_meets_shares_a_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many writers pay for fewer fsyncs than they are."""
    monkeypatch.setattr(writer, "FILLED_FOR", 60.0)
    writes = [lambda name=str(number): database.write(add, name) for number in range(30)]
    asyncio.run(together(database, *writes))
    assert len(names(database)) == 30
    assert database.commits < 20


def test_what_a_peer_waits_for_goes_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before what the stages write for each other, in a commit that has room for all."""
    monkeypatch.setattr(writer, "FILLED_FOR", 60.0)
    done: list[str] = []

    def note(_: Connection, name: str) -> None:
        done.append(name)

    writes = [
        *(lambda name=f"stage {number}": database.write(note, name) for number in range(5)),
        *(lambda name=f"peer {number}": database.write_first(note, name) for number in range(5)),
    ]
    asyncio.run(together(database, *writes))
    assert [*(f"peer {number}" for number in range(5)), *(f"stage {number}" for number in range(5))] == done


def test_a_commit_in_which_no_peer_waits_ends_when_one_comes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the stages write for each other goes on after it."""
    monkeypatch.setattr(writer, "FILLED_FOR", 60.0)
    done: list[str] = []

    def note(_: Connection, name: str) -> None:
        done.append(name)

    async def come_in_between() -> None:
        first, then = Held(), Held()
        writing = [asyncio.ensure_future(database.write(held.hold)) for held in (first, then)]
        writing += [asyncio.ensure_future(database.write(note, f"stage {number}")) for number in range(3)]
        await first.has_begun()
        first.let_go()
        await then.has_begun()
        writing.append(asyncio.ensure_future(database.write_first(note, "peer")))
        await asyncio.sleep(0.05)
        then.let_go()
        await asyncio.gather(*writing)

    asyncio.run(come_in_between())
    assert ["peer", "stage 0", "stage 1", "stage 2"] == done


def test_only_what_must_be_durable_waits_for_the_disk(database: Database, url: str) -> None:
    """What would be done again does not, unless it shares a commit with what must not be lost."""
    if not url.startswith("sqlite"):
        pytest.skip("on PostgreSQL every commit waits")
    full, normal = 2, 1  # sqlite.org/pragma.html#pragma_synchronous

    def look(c: Connection) -> object:
        return c.exec_driver_sql("PRAGMA synchronous").scalar()

    async def alone() -> list[object]:
        return [await database.write(look), await database.write_soon(look), await database.write_first(look)]

    assert [full, normal, full] == asyncio.run(alone())
    shared = asyncio.run(together(database, lambda: database.write_soon(look), lambda: database.write(look)))
    assert [full, full] == shared
    with database.transaction() as connection:
        assert full == look(connection)


def test_what_was_written_soon_is_seen_at_once(database: Database, url: str) -> None:
    """By every other process, however the writer ends."""
    assert "a" == asyncio.run(database.write_soon(add, "a"))
    other = Database.open(url)
    assert {"a"} == names(other)
    other.close()


def test_one_that_fails_harms_no_other(database: Database) -> None:
    """Its own writes are undone, its error is its own, and the rest is committed."""
    first, failed, broken, last = asyncio.run(
        together(
            database,
            lambda: database.write(add, "first"),
            lambda: database.write(add_and_fail, "failed"),
            lambda: database.write(break_a_rule),
            lambda: database.write(add, "last"),
        )
    )
    assert ("first", errors.IllegalTransitionError, errors.StoreError, "last", {"first", "last"}) == (
        first,
        type(failed),
        type(broken),
        last,
        names(database),
    )


def test_one_that_fails_alone_leaves_nothing(database: Database) -> None:
    """A transaction of its own is undone as a whole."""
    with pytest.raises(errors.IllegalTransitionError):
        asyncio.run(database.write(add_and_fail, "failed"))
    assert set() == names(database)


def test_a_write_is_done_even_if_its_asker_is_cancelled(database: Database) -> None:
    """The result of an act must not be lost because the daemon stops."""

    async def cancel() -> None:
        held = Held()
        holding = asyncio.ensure_future(database.write(held.hold))
        await held.has_begun()
        writing = asyncio.ensure_future(database.write(add, "cancelled"))
        await asyncio.sleep(0)
        writing.cancel()
        held.let_go()
        await holding
        await database.write(add, "after")

    asyncio.run(cancel())
    assert {"cancelled", "after"} == names(database)


def test_closing_finishes_what_is_queued(database: Database) -> None:
    """And takes nothing more."""

    async def close() -> list[str]:
        writing = [asyncio.ensure_future(database.write(add, str(number))) for number in range(5)]
        await asyncio.sleep(0)
        database.close()
        return await asyncio.gather(*writing)

    assert 5 == len(asyncio.run(close()))
    with pytest.raises(errors.StoreUnavailableError, match="closed"):
        asyncio.run(database.write(add, "late"))


def test_the_askers_context_goes_along(database: Database) -> None:
    """What a log line is bound to is bound on the other thread too."""
    order: ContextVar[str] = ContextVar("order", default="none")

    async def both() -> tuple[str, str]:
        order.set("A1")
        return await database.write(lambda _: order.get()), await database.read(lambda _: order.get())

    assert ("A1", "A1") == asyncio.run(both())


def test_readers_see_what_is_committed_and_wait_for_nobody(database: Database) -> None:
    """A long write does not keep the board or the command line waiting."""
    asyncio.run(database.write(add, "before"))
    with database.transaction() as connection:
        add(connection, "not yet")
        assert {"before"} == names(database)


def test_a_reader_sees_one_state(database: Database) -> None:
    """What is committed while it looks does not come up half-way."""
    asyncio.run(database.write(add, "before"))
    with database.snapshot() as connection:
        first = nodes.list_nodes(connection)
        asyncio.run(database.write(add, "meanwhile"))
        assert first == nodes.list_nodes(connection)


def test_a_transaction_that_raises_is_undone(database: Database) -> None:
    """For the command line too."""
    with pytest.raises(errors.IllegalTransitionError), database.transaction() as connection:
        add_and_fail(connection, "failed")
    assert set() == names(database)


def test_what_the_database_forbids_is_our_error(database: Database) -> None:
    """Nobody outside the store sees SQLAlchemy's."""
    with pytest.raises(errors.StoreError, match="nodes"), database.transaction() as connection:
        break_a_rule(connection)


_WRITER = """
import asyncio, itertools, sys
from datetime import UTC, datetime
from prefetch.store import nodes, writer
from prefetch.store.database import Database

async def write(database, number):
    for count in itertools.count():
        name = f"{number}-{count}"
        await database.write(nodes.see_node, name, datetime.now(UTC))
        print(name, flush=True)

async def main():
    database = Database.open(sys.argv[1], exclusive=True)
    await asyncio.gather(*(write(database, number) for number in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [50, 333])
def test_kill_9_loses_nothing_that_was_acknowledged(url: str, after: int) -> None:
    """However it falls into a transaction; and the next process goes on without a hand."""
    command = [sys.executable, "-c", _WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    database = Database.open(url, exclusive=True)
    complete = {name for name in acknowledged[:-1] if name}
    assert set() == complete - names(database)
    assert "again" == asyncio.run(database.write(add, "again"))
    database.close()


def test_where_a_database_is_away_it_says_so_in_words(tmp_path: Path) -> None:
    """And the same call may succeed later."""
    with pytest.raises(errors.StoreUnavailableError, match="cannot be reached"):
        Database.open(f"postgresql://nobody@/nothing?host={tmp_path}")
