"""The two databases: each test of a rule of the queue runs on both, on tables made once by the migration."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from prefetch.store import tables
from prefetch.store.database import Database
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that tests copy."""
    file = tmp_path_factory.mktemp("template") / "prefetch.db"
    Database.migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_database(postgresql: PostgreSQL) -> str:
    """A migrated database, emptied before each test that uses it: making one takes half a second."""
    url = postgresql.create("prefetch")
    Database.migrate(url)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database of either kind."""
    if request.param == "sqlite":
        return (
            f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), tmp_path / 'prefetch.db')}"
        )
    emptied: str = request.getfixturevalue("postgresql_database")
    empty(emptied)
    return emptied


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open database of either kind."""
    opened = Database.open(url)
    yield opened
    opened.close()


def empty(url: str) -> None:
    """Remove every row; on PostgreSQL over a bare connection, as this is done before hundreds of tests."""
    deletions = [table.delete() for table in reversed(tables.metadata.sorted_tables)]
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            connection.execute("; ".join(map(str, deletions)).encode())
        return
    database = Database.open(url)
    with database.transaction() as transaction:
        for deletion in deletions:
            transaction.execute(deletion)
    database.close()
