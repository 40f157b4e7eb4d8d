"""Connections to the two databases: how each is opened so that a commit is durable, and what is refused.

SQLite: WAL, `synchronous=FULL`, every write transaction BEGIN IMMEDIATE, foreign keys on; never on a network
file system, where neither its locks nor its shared memory hold. PostgreSQL: psycopg 3, bounded waiting.
What would be done again anyway is committed without waiting for the disk, by an engine made for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from prefetch import errors
from prefetch.store import documents
from prefetch.store.prepared import call_driver

_READS_ONLY = "prefetch_reads_only"
"""Execution option of a connection that only looks: SQLite then begins without taking the write lock."""

_MAY_BE_UNDONE = "prefetch_may_be_undone"
"""Execution option of a connection whose commits a power failure may undo, until one that it may not."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRESQL_CONNECT = {
    "connect_timeout": 5,
    "tcp_user_timeout": 20_000,
    "application_name": "prefetch",
    "options": "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=120s",
}
_NETWORK_FILE_SYSTEMS = frozenset(
    {
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "ncpfs",
            "afs",
            "9p",
            "virtiofs",
            "ceph",
            "lustre",
            "beegfs",
        ),
        *(
            "glusterfs",
            "ocfs2",
            "gfs2",
            "fuse.sshfs",
            "fuse.glusterfs",
            "fuse.ceph",
            "fuse.s3fs",
            "fuse.rclone",
        ),
    }
)


def read_url(text: str) -> URL:
    """Read `sqlite:///FILE` or `postgresql://…`; raises `StoreRefusedError` for anything else."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise errors.StoreRefusedError(f"{text!r} is not a database URL: {error}") from None
    family = url.get_backend_name()
    if family == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if family != "sqlite":
        raise errors.StoreRefusedError(f"{family} is not supported: the store is sqlite or postgresql")
    if not url.database or url.database == ":memory:":
        raise errors.StoreRefusedError("an in-memory database keeps nothing: write sqlite:///FILE")
    return url.set(drivername="sqlite+pysqlite", database=str(Path(url.database).absolute()))


def sqlite_file(url: URL) -> Path | None:
    """Give the file of a SQLite database; None for PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path(str(url.database))


def place_of(url: URL) -> str:
    """Name the database for a person, without a password."""
    return str(sqlite_file(url) or url.render_as_string(hide_password=True))


def make_engine(url: URL) -> Engine:
    """Make an engine whose commits are durable; nothing is connected yet."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite(url)
    try:
        return create_engine(url, connect_args=_POSTGRESQL_CONNECT, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise errors.StoreRefusedError(
            "PostgreSQL needs psycopg: install prior-study-prefetch[postgres]"
        ) from error


def looking(connections: Engine) -> Engine:
    """Give the same connections for looking only: each transaction sees one state and locks nothing."""
    if connections.dialect.name == "sqlite":  # in WAL mode every reader has a snapshot
        return connections.execution_options(**{_READS_ONLY: True})
    return connections.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def hasty(connections: Engine) -> Engine:
    """Give the same connections for writing what a power failure may undo, the last first, but no kill.

    In WAL mode a commit is then seen by all at once, and is durable with the next one that waits for the disk
    (sqlite.org/wal.html#performance_considerations). On PostgreSQL each waits.
    """
    return connections.execution_options(**{_MAY_BE_UNDONE: True})


def _make_sqlite(url: URL) -> Engine:
    made = create_engine(url, json_deserializer=documents.parse)

    @event.listens_for(made, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing; `begin` below does
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_READS_ONLY):
            call_driver(connection, "BEGIN")
            return
        waits = "NORMAL" if options.get(_MAY_BE_UNDONE) else "FULL"
        call_driver(connection, f"PRAGMA synchronous={waits}")
        # IMMEDIATE: one that read first and then wrote could not wait for another (SQLITE_BUSY_SNAPSHOT).
        call_driver(connection, "BEGIN IMMEDIATE")

    return made


def refuse_network_file_system(file: Path, mounts: str | None = None) -> None:
    """Raise `StoreRefusedError` where a SQLite file lies on a network file system (`/proc/mounts`)."""
    if mounts is None:
        mounts = _read_mounts()
    if (kind := file_system_of(file, mounts)) in _NETWORK_FILE_SYSTEMS:
        raise errors.StoreRefusedError(
            f"database {file} lies on a network file system ({kind}), where SQLite loses data: "
            "use a local disk, or PostgreSQL"
        )


def file_system_of(file: Path, mounts: str) -> str | None:
    """Give the kind of file system that a file lies on; the last mount of the longest path counts."""
    directory = file.resolve().parent
    best: tuple[int, str | None] = (-1, None)
    for line in mounts.splitlines():
        _device, point, kind, *_ = line.split(" ")
        # Blanks and the like are written in octal in that file (proc(5)).
        where = Path(point.encode().decode("unicode_escape"))
        if directory.is_relative_to(where) and len(where.parts) >= best[0]:
            best = (len(where.parts), kind)
    return best[1]


def _read_mounts() -> str:
    """Read `/proc/mounts`; nothing where there is none."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
