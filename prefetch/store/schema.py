"""The schema's revision: what the code needs, what a database has, and how it gets there (alembic)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text

from prefetch import errors

REVISION = "0001"
"""The newest revision that this code knows; revisions are numbered, so that older and newer can be told."""

_MIGRATION_LOCK = 7_733_338
"""Any number that nobody else uses as an advisory lock in this database."""

MIGRATIONS = Path(__file__).parent / "migrations"


def revision_of(connection: Connection) -> str | None:
    """Give the revision that a database has; None where it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def require(revision: str | None, place: str) -> None:
    """Raise `StoreRefusedError` unless the database has just the revision that the code needs."""
    if revision == REVISION:
        return
    if revision is None:
        raise errors.StoreRefusedError(f"database {place} has no tables yet: `prefetch migrate` makes them")
    if revision > REVISION:
        raise errors.StoreRefusedError(
            f"database {place} has schema {revision}, newer than this version of prefetch knows "
            f"({REVISION}): install the version that wrote it"
        )
    raise errors.StoreRefusedError(
        f"database {place} has schema {revision}, this version of prefetch needs {REVISION}: "
        "stop the daemon, make a copy of the database, then `prefetch migrate`"
    )


def upgrade(engine: Engine) -> None:
    """Bring a database to the newest revision in one transaction; nodes that do so at once take turns."""
    from alembic import command  # noqa: PLC0415 (only a migration needs it, and start-up counts)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
