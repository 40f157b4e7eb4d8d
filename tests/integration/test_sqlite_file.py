"""The SQLite file in trouble: each is told in words, and mends itself where no hand is needed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from prefetch import errors
from prefetch.store import engine, integrity, made_stores, nodes, schema
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


# --- ours, or we say so ----------------------------------------------------------------------------


def put_aside(file: Path) -> Path:
    """Move the file away."""
    return file.rename(file.with_suffix(".aside"))


@pytest.mark.parametrize("name", ["link", "symlink", "without the lock beside it"])
def test_a_second_daemon_is_refused_by_whatever_name(file: Path, name: str) -> None:
    """The lock is on the file, not on a name."""
    other = file.with_name("other.db")
    with opened(file, exclusive=True):
        if name == "link":
            other.hardlink_to(file)
        elif name == "symlink":
            other.symlink_to(file)
        else:
            file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
            other = file
        with pytest.raises(errors.StoreRefusedError, match=f"in use by process {os.getpid()}"):
            Database.open(url_of(other), exclusive=True)


def test_nothing_is_committed_into_a_file_that_was_deleted(file: Path) -> None:
    """Nor into one that was cut short; put back under its name it is used again."""
    with opened(file, exclusive=True) as database:
        assert [None] == write(database, "before")
        aside = put_aside(file)
        (deleted,) = write(database, "deleted")
        aside.rename(file)
        assert [None] == write(database, "after")
        with database.snapshot() as connection:
            names = {node.owner for node in nodes.list_nodes(connection)}
        with file.open("r+b") as cut:
            cut.truncate(4096)
        (short,) = write(database, "short")
    assert {"before", "after"} == names
    assert isinstance(deleted, errors.StoreUnavailableError)
    assert "it was deleted while the daemon ran" in str(deleted)
    assert "it was cut short while the daemon ran" in str(short)


def test_nothing_is_committed_into_a_file_that_was_replaced(file: Path) -> None:
    """Another database in its place knows nothing of what this one acknowledged."""
    with opened(file, exclusive=True) as database:
        assert [None] == write(database, "before")
        aside = put_aside(file)
        shutil.copy(aside, file)
        (replaced,) = write(database, "replaced")
    assert "another file has taken its place while the daemon ran" in str(replaced)


def test_a_wal_that_was_deleted_is_noticed(file: Path) -> None:
    """SQLite itself would write on into what nobody reads again; a restart saves what is in it."""
    with opened(file, exclusive=True) as database:
        assert [None] == write(database, "before")
        assert database.guard is not None
        database.guard.look_beside()
        assert database.guard.trouble() is None
        file.with_name(f"{file.name}-wal").unlink()
        database.guard.look_beside()
        (lost,) = write(database, "lost")
    assert "its -wal or -shm file was deleted while the daemon ran" in str(lost)
    with opened(file) as database, database.snapshot() as connection:
        assert ["before"] == [node.owner for node in nodes.list_nodes(connection)]


def test_damage_is_found_table_by_table(file: Path) -> None:
    """While the daemon runs, before anything reads the damaged page."""
    with opened(file) as database:
        write(database, *(f"node {number}" for number in range(2000)))
    with opened(file) as database, database.snapshot() as connection:
        root = connection.execute(
            text("SELECT rootpage FROM sqlite_master WHERE name = 'nodes'")
        ).scalar_one()
        assert {None} == {integrity.check_table(connection, name) for name in integrity.tables_in_order()}
    with file.open("r+b") as damaged:
        damaged.seek((root - 1) * 4096 + 8)
        damaged.write(b"\xa5" * 64)
    with opened(file) as database:
        with database.snapshot() as connection:
            assert integrity.check_table(connection, "orders") is None
        assert found(database, "nodes")


def found(database: Database, table: str) -> str | None:
    """The damage of a table, as a finding or as SQLite's refusal to read it."""
    try:
        with database.snapshot() as connection:
            return integrity.check_table(connection, table)
    except errors.StoreError as error:
        return str(error)


@pytest.mark.parametrize(("directory", "mode"), [(0o2770, 0o660), (0o750, 0o600)])
def test_the_mode_of_the_files_is_the_directorys_and_not_the_umasks(
    tmp_path: Path, directory: int, mode: int
) -> None:
    """Where the group may write into the directory it may write the files, also those that SQLite makes."""
    home = tmp_path / "state"
    home.mkdir()
    home.chmod(directory)
    before = os.umask(0o027)
    try:
        with opened(home / "prefetch.db", exclusive=True, create=True) as database:
            write(database, "row")
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in home.iterdir()}
    finally:
        os.umask(before)
    assert {"prefetch.db": mode, "prefetch.db-wal": mode, "prefetch.db-shm": mode} == modes


DAEMON, GROUP, MEMBER, MEMBERS_OWN = 64001, 64002, 64003, 64004


def as_user(user: int, group: int, work: Callable[[], object]) -> None:
    """Do something in a process of another user, who is in the group of the daemon; fails where it fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([GROUP])
            os.setgid(group)
            os.setuid(user)
            os.umask(0o007 if user == DAEMON else 0o022)
            work()
            status = 0
        except BaseException:  # noqa: BLE001 (the parent is told by the status)
            traceback.print_exc()
        os._exit(status)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is several people")
def test_members_of_the_group_use_the_store_of_the_daemon() -> None:
    """Also while the daemon is stopped; they leave nothing behind that keeps it from starting."""
    with tempfile.TemporaryDirectory(prefix="prefetch-") as directory:
        Path(directory).chmod(0o755)
        home = Path(directory) / "state"
        home.mkdir()
        os.chown(home, DAEMON, GROUP)
        home.chmod(0o2770)
        file = home / "prefetch.db"
        Database.migrate(url_of(file))
        os.chown(file, DAEMON, GROUP)
        file.chmod(0o640)  # as an earlier version made it

        def daemon() -> None:
            with opened(file, exclusive=True) as database:
                assert [None] == write(database, "daemon")

        def member() -> None:
            with opened(file) as database:
                assert [None] == write(database, "member")
                with database.snapshot() as connection:
                    assert nodes.list_nodes(connection)

        def member_who_is_killed() -> None:
            database = Database.open(url_of(file))
            write(database, "killed")
            os._exit(0)

        for user, group, work in (
            (DAEMON, GROUP, daemon),
            (MEMBER, MEMBERS_OWN, member),
            (DAEMON, GROUP, daemon),
            (MEMBER, MEMBERS_OWN, member_who_is_killed),
            (DAEMON, GROUP, daemon),
        ):
            as_user(user, group, work)


def test_a_database_that_was_made_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there lies on a disk that is not mounted; an empty one would know no exam."""
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    url = f"sqlite:///{tmp_path / 'prefetch.db'}"
    record = made_stores.Record(tmp_path / "prefetch.yaml")
    record.require(url)
    Database.migrate(url)
    record.note(url)
    record.require(url)
    (tmp_path / "prefetch.db").unlink()
    with pytest.raises(errors.StoreRefusedError, match="is not there: mount its disk or put it back"):
        made_stores.Record(tmp_path / "prefetch.yaml").require(url)
