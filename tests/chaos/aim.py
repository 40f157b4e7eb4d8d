"""The moment of a kill: a stage at its own act, seen in the store, however fast or slow the machine is.

Looks at the living daemon's store count how often the stage was seen at work; at the seeded one of them the
daemon is frozen (SIGSTOP), and killed only when its frozen store says that the stage is at work indeed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import wreck

LISTENER, START = "listener", "start"
STAGES = (LISTENER, "reader", "planner", "mover", "settling", "verifier")
"""Each of them is aimed at equally often."""
START_EVERY = 10
"""So often a daemon is killed while it starts."""
MOST_LOOKS = {LISTENER: 3, "reader": 3, "planner": 25, START: 10}
"""What lasts a moment is seen a few times only."""
MANY_LOOKS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a kill is to interrupt."""

    stage: str
    looks: int
    """The look that is to find the stage at work: each falls into another phase of the act."""
    milestone: int = 0
    """For a start: which of its milestones is passed first."""


def take_aim(kills: int, chance: random.Random) -> Iterator[Aim]:
    """Choose the aims of so many kills: all stages in turn, in any order, and a start now and then."""
    turn: list[str] = []
    for number in range(1, kills + 1):
        turn = turn or chance.sample(STAGES, len(STAGES))
        stage = START if number % START_EVERY == 0 else turn.pop()
        looks = chance.randint(1, MOST_LOOKS.get(stage, MANY_LOOKS))
        yield Aim(stage=stage, looks=looks, milestone=chance.randrange(len(_MILESTONES)))


# --- looks at a living daemon ----------------------------------------------------------------------


def under_way(store: sqlite3.Connection, stage: str) -> bool:
    """Whether the store says that a stage is at work; no while the store cannot be read."""
    with contextlib.suppress(sqlite3.OperationalError):
        return bool(store.execute(wreck.STAGES[stage]).fetchone()[0])
    return False


def is_idle(store: sqlite3.Connection) -> bool:
    """Whether no stage has anything to do, nor will have soon."""
    return not any(under_way(store, stage) for stage in wreck.STAGES)


def reader_of(store: Path) -> sqlite3.Connection:
    """A connection that reads the store beside the daemon, and mends nothing in it."""
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)


def has_come_to(milestone: int, *, process_id: int, store: Path, log: Path) -> bool:
    """Whether a daemon that starts has passed a milestone."""
    return _MILESTONES[milestone](process_id, store, log)


def _runs(_process_id: int, _store: Path, _log: Path) -> bool:
    return True


def _has_opened_its_store(process_id: int, store: Path, _log: Path) -> bool:
    opened: set[str] = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        with contextlib.suppress(OSError):
            opened.add(str(descriptor.readlink()))
    return str(store) in opened


def _has_told_something(_process_id: int, _store: Path, log: Path) -> bool:
    return log.stat().st_size > 0


_MILESTONES = (_runs, _has_opened_its_store, _has_told_something)

# --- a frozen daemon -------------------------------------------------------------------------------


def freeze(process_id: int) -> None:
    """Stop a process where it is; it has stopped when this returns."""
    os.kill(process_id, signal.SIGSTOP)
    os.waitid(os.P_PID, process_id, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def thaw(process_id: int) -> None:
    """Let a frozen process go on."""
    os.kill(process_id, signal.SIGCONT)
