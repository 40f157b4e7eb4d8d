"""The verb `migrate`: the schema of the store to the newest."""

from __future__ import annotations

from typing import Annotated

import typer

from prefetch.cli import terms


def migrate(
    *,
    config: terms.ConfigOption = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="The database; instead of the configuration's."),
    ] = None,
) -> None:
    """Make the tables of a new database, or bring an older one to this version; stop the daemon first."""
    from prefetch.store.database import Database  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    url = store or terms.load_site(config).store
    with terms.could_not_ask():
        before, after = Database.migrate(url)
    if before == after:
        terms.echo(f"the schema is the newest: {after}")
    else:
        terms.echo(f"the schema is now {after}, from {before or 'an empty database'}")
