"""The few statements that SQLite and PostgreSQL say differently, or that only one of them needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

_APPLYING_LOCK = 7_733_339
"""Any number that nobody else uses as an advisory lock in this database."""


def insert_into(c: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an INSERT that can say ON CONFLICT, which both databases know in the same words."""
    return sqlite.insert(table) if c.dialect.name == "sqlite" else postgresql.insert(table)


def upsert(c: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Write a row by its key, new or not."""
    statement = insert_into(c, table).values(**key, **values)
    c.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def lease_clock(c: Connection, now: datetime) -> datetime:
    """Give the clock that leases go by: the server's on PostgreSQL, ours where there is one process.

    Not PostgreSQL's `now()`: it stands still while a row lock is waited for (its manual, 9.9.5).
    """
    if c.dialect.name == "sqlite":
        return now
    clock: datetime = c.execute(select(func.clock_timestamp())).scalar_one()
    return clock


def one_at_a_time(c: Connection) -> None:
    """Let one transaction only, over all nodes, look for an order and then write it.

    Two nodes that hear of a new order at the same time would else make two; no row exists yet to be locked.
    """
    if c.dialect.name == "postgresql":
        c.execute(select(func.pg_advisory_xact_lock(_APPLYING_LOCK)))
