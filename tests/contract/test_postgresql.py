"""What only PostgreSQL does: nodes in each other's way, and a server that goes away and comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import func, select

from prefetch import errors
from prefetch.store import nodes
from prefetch.store.database import Connection, Database
from prefetch.store.tables import nodes as table
from tests.postgresql import PostgreSQL
from tests.queued import NOW, Queue, two_nodes

pytestmark = pytest.mark.peers


@pytest.fixture
def url(postgresql_database: str) -> str:
    """PostgreSQL, and nothing else."""
    return postgresql_database


def test_two_that_wait_for_each_other_both_come_through(url: str) -> None:
    """The one that PostgreSQL gives up is done again."""
    meet = threading.Barrier(2)
    tries: list[str] = []

    def touch(first: str, second: str) -> Callable[[Connection], None]:
        def in_this_order(c: Connection) -> None:
            tries.append(first)
            nodes.see_node(c, first, NOW)
            if tries.count(first) == 1:
                meet.wait(120)
            nodes.see_node(c, second, NOW)

        return in_this_order

    async def both(one: Database, other: Database) -> None:
        await asyncio.gather(one.write(touch("a", "b")), other.write(touch("b", "a")))

    with two_nodes(url) as (one, other):
        for name in ("a", "b"):
            one.do(nodes.see_node, name, NOW)
        asyncio.run(both(one.database, other.database))
    assert 3 == len(tries)


def test_a_server_that_comes_back_is_used_again(postgresql: PostgreSQL, url: str) -> None:
    """While it is away each call says so; nothing has to be started again."""
    database = Database.open(url)
    asyncio.run(database.write(nodes.see_node, "before", NOW))
    asyncio.run(database.read(nodes.list_nodes))
    postgresql.stop()
    with pytest.raises(errors.StoreUnavailableError):
        asyncio.run(database.write(nodes.see_node, "meanwhile", NOW))
    with pytest.raises(errors.StoreUnavailableError):
        asyncio.run(database.read(nodes.list_nodes))
    postgresql.start()
    asyncio.run(database.write(nodes.see_node, "after", NOW))
    seen = {node.owner for node in asyncio.run(database.read(nodes.list_nodes))}
    assert {"before", "after"} <= seen
    database.close()


def test_a_connection_that_is_lost_in_a_transaction_is_told_to_all(url: str) -> None:
    """Nobody believes in a commit that did not come about."""

    def lose(c: Connection) -> None:
        nodes.see_node(c, "lost", NOW)
        backend = c.execute(select(func.pg_backend_pid())).scalar_one()
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (backend,))

    database = Database.open(url)
    with pytest.raises(errors.StoreUnavailableError):
        asyncio.run(database.write(lose))
    asyncio.run(database.write(nodes.see_node, "kept", NOW))
    with database.snapshot() as connection:
        found = set(connection.execute(select(table.c.owner)).scalars())
    assert ("lost" in found, "kept" in found) == (False, True)
    database.close()


def test_a_database_without_tables_is_refused_until_it_is_migrated(postgresql: PostgreSQL) -> None:
    """By name and with the verb that makes them; two that migrate at once take turns."""
    url = postgresql.create("fresh")
    with pytest.raises(errors.StoreRefusedError, match="`prefetch migrate`"):
        Database.open(url)

    async def migrate() -> list[tuple[str | None, str]]:
        return await asyncio.gather(*(asyncio.to_thread(Database.migrate, url) for _ in range(3)))

    asyncio.run(migrate())
    database = Database.open(url)
    assert [] == Queue(database).do(nodes.list_nodes)
    database.close()


def test_a_password_is_never_told(postgresql: PostgreSQL) -> None:
    """Not in an error, and so not in a log."""
    url = f"postgresql://ada:geheim@/missing?host={postgresql.directory}"
    with pytest.raises(errors.StoreUnavailableError) as told:
        Database.open(url)
    assert "geheim" not in str(told.value)
