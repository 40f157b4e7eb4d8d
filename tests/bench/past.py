"""A store that has seen much: one exam that went all the way, copied as often as is asked for.

Every copy is another patient's, with numbers of its own, and each is a little older than the one before.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Table

from prefetch.store import tables
from prefetch.store.columns import UTCDateTime

APART = 45
"""Seconds between two exams: 200,000 of them lie within the 180 days that history is kept."""

_COPIED = (
    tables.inbox,
    tables.orders,
    tables.order_keys,
    tables.answers,
    tables.plans,
    tables.retrieves,
    tables.wants,
    tables.events,
)
_COUNT = "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ?)"
_THEIR_OWN = frozenset(
    {"accession_number", "filler_order_number", "placer_order_number", "patient_id"}
    | {"study_instance_uid", "control_id"}
)
"""Columns of numbers that no two exams share."""

_OVER = frozenset({"plan_at", "owner", "lease_until"})
"""Columns that say what is still to be done."""


def copy_exams(file: Path, times: int) -> int:
    """Copy all exams of a SQLite store that nobody uses; gives how many orders it holds then."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        with connection:
            for table in _COPIED:
                _copy(connection, table, times)
        connection.execute("ANALYZE")
        count: int = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
    os.sync()  # a past was written long ago: its pages are not what the daemon's first commit waits for
    return count


def _copy(connection: sqlite3.Connection, table: Table, times: int) -> None:
    columns = list(table.columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(_value(column) for column in columns)
    connection.execute(
        f'{_COUNT} INSERT INTO "{table.name}" ({names}) SELECT {values} FROM copy, "{table.name}"',  # noqa: S608 (our own names)
        (times,),
    )


def _value(column: Column[object]) -> str:
    """The value of a column in the n-th copy."""
    name = f'"{column.table.name}"."{column.name}"'
    if column.name in {"id", "order_id", "retrieve_id"}:
        return f"{name} + n * 100000"
    if column.name in _OVER:
        return "NULL"
    if isinstance(column.type, UTCDateTime):
        shifted = f"strftime('%Y-%m-%dT%H:%M:%f000Z', {name}, '-' || (n * {APART}) || ' seconds')"
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE {shifted} END"
    if column.name in _THEIR_OWN or (column.table is tables.order_keys and column.name == "value"):
        return f"{name} || '.' || n"
    return name
