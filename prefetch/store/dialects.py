"""The few statements that SQLite and PostgreSQL say differently, or that only one of them needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from prefetch.store.prepared import Prepared

_APPLYING_LOCK = 7_733_339
"""Any number that nobody else uses as an advisory lock in this database."""


def is_shared(c: Connection) -> bool:
    """Whether other nodes may be at work on the same database: on PostgreSQL."""
    return c.dialect.name == "postgresql"


def insert_unless_known(c: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that are not there already; all have the same columns."""
    insert_if_new(table, shared=is_shared(c)).run_all(c, rows)


@lru_cache(maxsize=16)
def insert_if_new(table: Table, *, shared: bool) -> Prepared:
    """Give the INSERT that does nothing where a unique row is there already."""
    return Prepared(_insert_into(table, shared=shared).on_conflict_do_nothing())


def upsert(c: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by their primary key, new or not; all have the same columns."""
    if not rows:
        return
    _upsert(table, tuple(rows[0]), shared=is_shared(c)).run_all(c, rows)


@lru_cache(maxsize=64)
def _upsert(table: Table, columns: tuple[str, ...], *, shared: bool) -> Prepared:
    """Make the statement of an upsert, once for each set of columns."""
    statement = _insert_into(table, shared=shared)
    key = [column.name for column in table.primary_key]
    written = {name: statement.excluded[name] for name in columns if name not in key}
    return Prepared(statement.on_conflict_do_update(index_elements=key, set_=written))


def _insert_into(table: Table, *, shared: bool) -> sqlite.Insert | postgresql.Insert:
    """Begin an INSERT that can say ON CONFLICT, which both databases know in the same words."""
    return postgresql.insert(table) if shared else sqlite.insert(table)


def lease_clock(c: Connection, now: datetime) -> datetime:
    """Give the clock that leases go by: the server's on PostgreSQL, ours where there is one process.

    Not PostgreSQL's `now()`: it stands still while a row lock is waited for (its manual, 9.9.5).
    """
    if not is_shared(c):
        return now
    clock: datetime = c.execute(select(func.clock_timestamp())).scalar_one()
    return clock


def one_at_a_time(c: Connection) -> None:
    """Let one transaction only, over all nodes, look for an order and then write it.

    Two nodes that hear of a new order at the same time would else make two; no row exists yet to be locked.
    """
    if is_shared(c):
        c.execute(select(func.pg_advisory_xact_lock(_APPLYING_LOCK)))
