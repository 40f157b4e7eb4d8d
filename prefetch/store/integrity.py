"""Checks the tables of a SQLite database for damage, one at a time, so that nobody waits for it long."""

from __future__ import annotations

from sqlalchemy import Connection, text

from prefetch.store import tables


def tables_in_order() -> tuple[str, ...]:
    """Give the names of all tables, as they are checked one after the other."""
    return tuple(sorted(tables.metadata.tables))


def check_table(c: Connection, name: str) -> str | None:
    """Give the first damage that is found in a table and its indexes; `None` where there is none.

    sqlite.org/pragma.html#pragma_quick_check; damage that keeps the pages from being read raises instead.
    """
    (finding,) = c.execute(text(f"PRAGMA quick_check('{name}')")).scalars().fetchmany(1)
    return None if finding == "ok" else str(finding)
