"""What a database says when it cannot, in words for the administrator and as our own errors.

Knows SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's SQLSTATEs (its manual, appendix A).
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from prefetch import errors

_SQLITE = {
    "SQLITE_FULL": "the disk is full; free some space, nothing that was acknowledged is lost",
    "SQLITE_BUSY": "another process holds it locked",
    "SQLITE_LOCKED": "another connection holds it locked",
    "SQLITE_READONLY": "it may not be written; check owner and permissions of the file and of its directory",
    "SQLITE_PERM": "it may not be opened; check owner and permissions",
    "SQLITE_IOERR": "the disk reports an error; look into the system's log",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the directory exists and may be written",
}
_SQLITE_BROKEN = {
    "SQLITE_CORRUPT": "it is corrupted; stop the daemon and restore a copy, or try sqlite3's .recover",
    "SQLITE_NOTADB": "the file is not a SQLite database",
}
_POSTGRESQL = {
    "08": "the connection was lost",
    "25006": "the server takes no writes: it is a standby, or set to read-only",
    "28": "the server refuses this user; check the URL and pg_hba.conf",
    "3D": "there is no database of this name; create it first",
    "40": "another transaction was in the way",
    "53": "the server is out of disk, memory or connections",
    "55P03": "another transaction holds a lock for too long",
    "57014": "the statement took too long and was ended",
    "57P": "the server is shutting down or starting",
    "58": "the server reports an error of its system",
}
_AGAIN = frozenset({"40001", "40P01", "23505"})
"""Serialization failure, deadlock, and a row that another node was quicker to make."""


def translate(error: DBAPIError, place: str) -> errors.StoreError:
    """Say what happened as one of our errors; `place` is the file or URL without its password."""
    if words := _look_up(_SQLITE_BROKEN, sqlite_code(error)):
        return errors.StoreRefusedError(f"database {place}: {words}")
    words = _look_up(_SQLITE, sqlite_code(error)) or _look_up(_POSTGRESQL, sql_state(error))
    if words is None and isinstance(error.orig, _connection_errors()):
        words = "it cannot be reached"
    said = " ".join(str(error.orig).split())
    if words:
        return errors.StoreUnavailableError(f"database {place}: {words} ({said})")
    return errors.StoreError(f"database {place}: {said}")


def wants_another_try(error: BaseException | None) -> bool:
    """Whether the same work, done again, may succeed: another node was in the way at this moment."""
    return isinstance(error, DBAPIError) and sql_state(error) in _AGAIN


def sqlite_code(error: DBAPIError) -> str:
    """Give SQLite's result code by name, else nothing."""
    return getattr(error.orig, "sqlite_errorname", None) or ""


def sql_state(error: DBAPIError) -> str:
    """Give PostgreSQL's SQLSTATE, else nothing."""
    return getattr(error.orig, "sqlstate", None) or ""


def _look_up(table: dict[str, str], code: str) -> str | None:
    """Find the words for a code by its longest known beginning: `SQLITE_BUSY_SNAPSHOT` is a `SQLITE_BUSY`."""
    known = [beginning for beginning in table if code.startswith(beginning)]
    return table[max(known, key=len)] if known else None


def _connection_errors() -> tuple[type[BaseException], ...]:
    """Give what psycopg raises without a SQLSTATE when there is no server; nothing without psycopg."""
    try:
        import psycopg  # noqa: PLC0415 (an extra: SQLite needs none of it)
    except ImportError:
        return ()
    return (psycopg.OperationalError, psycopg.InterfaceError)
