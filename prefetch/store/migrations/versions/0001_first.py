"""The first schema: whatever `store.tables` says. Once a version is released it stands written out."""

from __future__ import annotations

from alembic import op

from prefetch.store import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    tables.metadata.create_all(op.get_bind())
