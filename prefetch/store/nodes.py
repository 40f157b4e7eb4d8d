"""Nodes: the daemons that share the work, and when each was last heard of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from prefetch.store.dialects import insert_unless_known
from prefetch.store.tables import nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A running daemon, by the name under which it holds leases."""

    owner: str
    started_at: datetime
    seen_at: datetime


def see_node(c: Connection, owner: str, now: datetime) -> None:
    """Write that a daemon is alive."""
    c.execute(insert_unless_known(c, nodes), {"owner": owner, "started_at": now, "seen_at": now})
    c.execute(update(nodes).where(nodes.c.owner == owner).values(seen_at=now))


def forget_node(c: Connection, owner: str) -> None:
    """Write that a daemon has ended."""
    c.execute(delete(nodes).where(nodes.c.owner == owner))


def list_nodes(c: Connection) -> list[Node]:
    """List the daemons, the last heard of first."""
    return [Node(**row) for row in c.execute(select(nodes).order_by(nodes.c.seen_at.desc())).mappings()]
