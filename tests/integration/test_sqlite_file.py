"""The SQLite file in trouble: each is told in words, and mends itself where no hand is needed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from prefetch import errors
from prefetch.store import engine, nodes, schema
from prefetch.store.database import Connection, Database
from tests.queued import NOW

NOBODY = 65534


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that tests copy."""
    file = tmp_path_factory.mktemp("template") / "prefetch.db"
    Database.migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def file(template: Path, tmp_path: Path) -> Path:
    """A migrated, empty file."""
    return Path(shutil.copy(template, tmp_path / "prefetch.db"))


def url_of(file: Path) -> str:
    """The URL of a file; a lock is waited for no longer than a test can."""
    return f"sqlite:///{file}?timeout=0.05"


@contextmanager
def opened(file: Path, *, exclusive: bool = False, create: bool = False) -> Iterator[Database]:
    """An open database."""
    database = Database.open(url_of(file), exclusive=exclusive, create=create)
    try:
        yield database
    finally:
        database.close()


def add(c: Connection, name: str) -> None:
    """Write one row."""
    nodes.see_node(c, name, NOW)


def write(database: Database, *names: str) -> list[BaseException | None]:
    """Write rows at the same time; gives the errors."""

    async def write_all() -> list[BaseException | None]:
        writing = (database.write(add, name) for name in names)
        return await asyncio.gather(*writing, return_exceptions=True)

    return asyncio.run(write_all())


# --- opening ---------------------------------------------------------------------------------------


def test_a_new_file_gets_its_tables_by_migration(tmp_path: Path) -> None:
    """Where the caller asks for it: the daemon, at its first start."""
    with opened(tmp_path / "new.db", create=True) as database, database.snapshot() as connection:
        assert schema.REVISION == schema.revision_of(connection)


def test_a_file_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    """`prefetch orders` with a mistyped path says so and leaves nothing behind."""
    with pytest.raises(errors.StoreRefusedError, match="does not exist"):
        Database.open(url_of(tmp_path / "mistyped.db"))
    assert [] == list(tmp_path.iterdir())


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """SQLite itself would only say that it is unable to open a file."""
    with pytest.raises(errors.StoreRefusedError, match="no directory"):
        Database.open(url_of(tmp_path / "missing" / "new.db"), create=True)


def test_two_daemons_cannot_share_a_file(file: Path) -> None:
    """The second is told who has it; the command line looks on meanwhile."""
    with opened(file, exclusive=True):
        with pytest.raises(errors.StoreRefusedError, match=f"in use by process {os.getpid()}"):
            Database.open(url_of(file), exclusive=True)
        with opened(file) as database:
            assert [None] == write(database, "a verb of the operator")


def test_the_lock_ends_with_its_process(file: Path) -> None:
    """After a kill -9 the daemon starts again without a hand."""
    program = "import sys, time; from prefetch.store.database import Database\n"
    program += "Database.open(sys.argv[1], exclusive=True); print('open', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", program, url_of(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(errors.StoreRefusedError, match="in use"):
            Database.open(url_of(file), exclusive=True)
        process.kill()
    with opened(file, exclusive=True) as database:
        assert [None] == write(database, "again")


@pytest.mark.parametrize(
    ("revision", "words"), [("9999", "newer than this version"), ("0000", "`prefetch migrate`")]
)
def test_another_schema_is_refused(file: Path, revision: str, words: str) -> None:
    """A newer one is never touched; an older one is migrated by a person who has made a copy."""
    with opened(file) as database, database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    with pytest.raises(errors.StoreRefusedError, match=words):
        Database.open(url_of(file), exclusive=True, create=True)
    if revision == "9999":
        with pytest.raises(errors.StoreRefusedError, match=words):
            Database.migrate(url_of(file))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    file = tmp_path / "letter.txt"
    file.write_text("not a database, but somebody's letter\n" * 100)
    with pytest.raises(errors.StoreRefusedError, match="not a SQLite database"):
        Database.open(url_of(file), create=True)
    assert file.read_text().startswith("not a database")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/db", "mysql is not supported"),
        ("sqlite://", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("/var/lib/prefetch.db", "not a database URL"),
    ],
)
def test_what_is_no_store_is_refused(url: str, words: str) -> None:
    """Before anything is connected."""
    with pytest.raises(errors.StoreRefusedError, match=words):
        Database.open(url)


# --- in use ----------------------------------------------------------------------------------------


def test_a_full_disk_fails_all_that_share_the_commit_and_nothing_after(file: Path) -> None:
    """The sender gets AE; once there is room the next message is stored, without a restart."""
    with opened(file) as database:
        asyncio.run(database.write(limit, 1))
        failed = write(database, *(f"{number}" * 200 for number in range(500)))
        asyncio.run(database.write(limit, 1_000_000))
        told = [error for error in failed if error is not None]
        assert {errors.StoreUnavailableError} == {type(error) for error in told}
        assert all("the disk is full" in str(error) for error in told)
        assert [None] == write(database, "later")


def limit(c: Connection, pages: int) -> None:
    """Let the file have no more pages than it has, or than that."""
    c.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def test_a_file_that_another_holds_locked_is_unavailable_until_it_is_let_go(file: Path) -> None:
    """A backup that locks the file makes the sender wait, and no more."""
    with opened(file) as database:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        (failed,) = write(database, "meanwhile")
        other.execute("ROLLBACK")
        other.close()
        assert isinstance(failed, errors.StoreUnavailableError)
        assert "holds it locked" in str(failed)
        assert [None] == write(database, "later")


def test_a_file_that_may_not_be_written_is_told_at_once() -> None:
    """With a hint at owner and permissions."""
    with tempfile.TemporaryDirectory(prefix="prefetch-") as directory:
        file = Path(directory) / "prefetch.db"
        Database.migrate(f"sqlite:///{file}")
        file.chmod(0o444)
        Path(directory).chmod(0o555)
        with as_nobody(), pytest.raises(errors.StoreUnavailableError, match="owner and permissions"):
            Database.open(url_of(file))
        with as_nobody(), pytest.raises(errors.StoreUnavailableError, match="Permission denied"):
            Database.open(url_of(file.with_name("new.db")), exclusive=True, create=True)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write what nobody else may; so be somebody else for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_corrupted_file_is_refused_in_words(file: Path) -> None:
    """Nothing is read out of it as if it were whole."""
    with opened(file) as database:
        write(database, *(f"node {number}" for number in range(2000)))
    with file.open("r+b") as damaged:
        damaged.seek(8192)
        damaged.write(b"\xa5" * (file.stat().st_size - 8192))
    with (
        pytest.raises(errors.StoreRefusedError, match="corrupted"),
        opened(file) as database,
        database.snapshot() as connection,
    ):
        nodes.list_nodes(connection)


# --- where it lies ---------------------------------------------------------------------------------

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
filer:/pacs /srv/pacs nfs4 rw,vers=4.2 0 0
//filer/share /mnt/with\\040blank cifs rw 0 0
/dev/sdb1 /srv/pacs/local xfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/prefetch/prefetch.db", "ext4"),
        ("/srv/pacs/prefetch.db", "nfs4"),
        ("/srv/pacs/local/prefetch.db", "xfs"),
        ("/srv/pacslike/prefetch.db", "ext4"),
        ("/mnt/with blank/deep/prefetch.db", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(file: str, kind: str) -> None:
    """A local disk mounted below a share is local."""
    assert kind == engine.file_system_of(Path(file), MOUNTS)


@pytest.mark.parametrize("file", ["/srv/pacs/prefetch.db", "/mnt/with blank/prefetch.db"])
def test_a_network_file_system_is_refused(file: str) -> None:
    """SQLite loses data there; the administrator is told what to do instead."""
    with pytest.raises(errors.StoreRefusedError, match="use a local disk, or PostgreSQL"):
        engine.refuse_network_file_system(Path(file), MOUNTS)


def test_a_local_disk_is_not_refused() -> None:
    """Nor is a file system that the kernel does not tell of."""
    engine.refuse_network_file_system(Path("/srv/pacs/local/prefetch.db"), MOUNTS)
    engine.refuse_network_file_system(Path("/srv/pacs/prefetch.db"), "")
