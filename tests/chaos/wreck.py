"""What a killed daemon leaves in its store: the stages that the kill interrupted, read by plain SQL."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

STAGES = {
    "reader": "SELECT count(*) FROM inbox WHERE state = 'waiting'",
    "planner": "SELECT count(*) FROM orders WHERE owner IS NOT NULL",
    "queue": "SELECT count(*) FROM retrieves WHERE state = 'due'",
    "mover": "SELECT count(*) FROM retrieves WHERE state = 'moving'",
    "settling": "SELECT count(*) FROM retrieves WHERE state = 'moved' AND owner IS NULL",
    "verifier": "SELECT count(*) FROM retrieves WHERE state = 'moved' AND owner IS NOT NULL",
}
"""Stage → how many were in its hands or waited for it: messages, orders, or studies."""

_IN_FLIGHT = "SELECT study_instance_uid, fence FROM retrieves WHERE state = 'moving'"

Flight = tuple[str, int]
"""A study that an archive was asked to move, and the fence of that claim: each claim has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wreck:
    """What a kill left behind."""

    stages: Mapping[str, int]
    in_flight: frozenset[Flight]
    """What archives had been asked to move, and nobody had written down how it ended."""


def look(store: Path) -> Wreck:
    """Look at a copy of a dead daemon's store, so that only the next daemon mends the store itself."""
    copy = store.with_name("wreck.db")
    for suffix in ("", "-wal"):
        beside = store.with_name(f"{store.name}{suffix}")
        copy.with_name(f"{copy.name}{suffix}").unlink(missing_ok=True)
        if beside.exists():
            shutil.copy(beside, copy.with_name(f"{copy.name}{suffix}"))
    with closing(sqlite3.connect(copy)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'retrieves'").fetchone():
            return Wreck(stages=dict.fromkeys(STAGES, 0), in_flight=frozenset())  # killed before it had any
        stages = {stage: connection.execute(count).fetchone()[0] for stage, count in STAGES.items()}
        in_flight = frozenset(connection.execute(_IN_FLIGHT))
    return Wreck(stages=stages, in_flight=in_flight)
