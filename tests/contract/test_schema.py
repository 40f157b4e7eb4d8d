"""The migrations make what `tables` says, and the invariants hold in the database itself."""

from __future__ import annotations

import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from prefetch import errors, lifecycle
from prefetch.model import RetrieveState
from prefetch.store import schema, tables
from prefetch.store.database import Database
from tests.queued import Queue, wish


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    """Column by column and index by index; the differences are listed where there are any."""
    with database.snapshot() as connection, warnings.catch_warnings():
        # SQLite cannot tell alembic of an index on an expression.
        warnings.filterwarnings("ignore", message=".*expression-based index.*")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert [] == compare_metadata(context, tables.metadata)


def test_the_code_knows_the_newest_revision() -> None:
    """A migration that is added is required."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert schema.REVISION == ScriptDirectory.from_config(config).get_current_head()


def test_one_retrieve_of_a_study_to_a_destination_is_live(database: Database) -> None:
    """The database refuses a second one, whatever we believe."""
    queue = Queue(database)
    queue.wanted(wish(destination="elsewhere"))
    queue.wanted(wish(destination="here"))
    with pytest.raises(errors.StoreError), database.transaction() as connection:
        connection.execute(update(tables.retrieves).values(destination="here"))


def test_any_number_of_ended_ones_may_stand_beside_it(database: Database) -> None:
    """History is not in the way."""
    queue = Queue(database)
    order = queue.order()
    for _ in range(3):
        queue.plan(order, wish())
        queue.plan(order)
    queue.plan(order, wish())
    with database.snapshot() as connection:
        states = list(connection.execute(select(tables.retrieves.c.state)).scalars())
    assert (1, 3) == (
        sum(state in lifecycle.LIVE for state in states),
        states.count(RetrieveState.CANCELLED),
    )


@pytest.mark.parametrize(
    "wrong",
    [{"state": "lost"}, {"state": "moving"}, {"state": "verified"}, {"verified_by": "hearsay"}],
    ids=["no such state", "moving without an owner", "verified by nobody", "no such witness"],
)
def test_what_cannot_be_is_refused(database: Database, wrong: dict[str, str]) -> None:
    """Even to who writes past our own code."""
    Queue(database).wanted()
    assignments = ", ".join(f"{name} = '{value}'" for name, value in wrong.items())
    with pytest.raises(errors.StoreError) as told, database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE retrieves SET {assignments}")  # noqa: S608 (our own words)
    assert isinstance(told.value.__cause__, IntegrityError)
