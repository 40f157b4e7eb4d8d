"""Nodes: the daemons that share the work, and when each was last heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, delete, select, update

from prefetch.store import archive_issuers
from prefetch.store.dialects import insert_unless_known
from prefetch.store.tables import nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A running daemon, by the name under which it holds leases."""

    owner: str
    started_at: datetime
    seen_at: datetime
    loaded_at: datetime | None
    """When the configuration that is in force was loaded."""
    refused_at: datetime | None
    """When a newer one was refused; None where the last one was loaded."""
    refused_because: str | None
    at_start: Mapping[str, str]
    """The keys that it was started with and no reload changes, each with a fingerprint."""
    waits_for_restart: Mapping[str, str]
    """Those of them that the files it has loaded say otherwise, each with a sentence."""
    exams_planned_anew: int | None
    """How many exams the configuration in force had planned anew; None where the store was away."""
    turned_away: Mapping[str, Mapping[str, int]]
    """What its listeners refused or kept waiting since it started: listener → cause → how often."""
    learnt: Mapping[str, Sequence[str]]
    """What its peers let it know of their manners since it started: peer → in words."""
    refusals: Mapping[str, Sequence[str]]
    """What its peers refuse it every time: peer → sentences that say what to do."""


TurnedAway = Mapping[str, Mapping[str, int]]


def see_node(
    c: Connection,
    owner: str,
    now: datetime,
    *,
    turned_away: TurnedAway = MappingProxyType({}),
    learnt: Mapping[str, Sequence[str]] = MappingProxyType({}),
    refusals: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write that a daemon is alive, what its listeners turned away, and what it has learnt of its peers."""
    nothing: dict[str, dict[str, object]] = {
        key: {} for key in ("turned_away", "learnt", "refusals", "at_start", "waits_for_restart")
    }
    known = {"owner": owner, "started_at": now, "seen_at": now, **nothing}
    insert_unless_known(c, nodes, [known])
    seen = {
        "seen_at": now,
        "turned_away": {name: dict(counts) for name, counts in turned_away.items()},
        "learnt": {name: list(words) for name, words in learnt.items()},
        "refusals": {name: list(words) for name, words in refusals.items()},
    }
    c.execute(update(nodes).where(nodes.c.owner == owner).values(seen))


def learnt(c: Connection) -> dict[str, list[str]]:
    """What the daemons have learnt of their peers, each thing once: peer → in words."""
    known: dict[str, list[str]] = {archive: [words] for archive, words in archive_issuers.in_words(c).items()}
    for node in list_nodes(c):
        for name, words in node.learnt.items():
            known[name] = list(dict.fromkeys([*known.get(name, []), *words]))
    return known


def load_configuration(
    c: Connection,
    owner: str,
    *,
    at_start: Mapping[str, str],
    waits_for_restart: Mapping[str, str] = MappingProxyType({}),
    now: datetime,
) -> None:
    """Write that a daemon goes by the files as they are, but for what waits for its restart."""
    loaded: dict[str, object] = {"loaded_at": now, "refused_at": None, "refused_because": None}
    loaded |= {"at_start": dict(at_start), "waits_for_restart": dict(waits_for_restart)}
    c.execute(update(nodes).where(nodes.c.owner == owner).values(loaded))


def note_planned_anew(c: Connection, owner: str, *, exams: int) -> None:
    """Write how many exams what a daemon goes by had planned anew."""
    c.execute(update(nodes).where(nodes.c.owner == owner).values(exams_planned_anew=exams))


def refuse_configuration(c: Connection, owner: str, *, because: str, now: datetime) -> None:
    """Write that a daemon goes by older files, because the newer ones are wrong."""
    c.execute(update(nodes).where(nodes.c.owner == owner).values(refused_at=now, refused_because=because))


def forget_all(c: Connection) -> None:
    """Forget every daemon: at start on SQLite, where no other can be alive."""
    c.execute(delete(nodes))


def forget_node(c: Connection, owner: str) -> None:
    """Write that a daemon has ended."""
    c.execute(delete(nodes).where(nodes.c.owner == owner))


def list_nodes(c: Connection) -> list[Node]:
    """List the daemons, the last heard of first."""
    return [Node(**row) for row in c.execute(select(nodes).order_by(nodes.c.seen_at.desc())).mappings()]
