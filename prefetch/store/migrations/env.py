"""What alembic runs: migrations on the connection and in the transaction that `store.schema` gives."""

from alembic import context
from sqlalchemy import Connection

from prefetch.store import tables

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=tables.metadata,
    transactional_ddl=True,  # SQLite's too: our engine begins its transactions itself
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
