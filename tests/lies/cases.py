"""What each lie comes to: how the daemon survives it, and what its operator sees. Written by hand.

To add one: a fault in `prefetch/sandbox/faults.py`, its row here, and `python -m tests.lies` for the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One lie, and what is expected of the daemon."""

    at_workstation: bool = False
    """Whether it is the workstation that lies, not the archive."""
    studies: int = 1
    """Of the patient, in the archive that lies."""
    instances: int = 3
    """Of each of them; one where several that come one by one could be met half-way."""
    move_takes: float = 0.0
    """Seconds that the archive takes over each move; so that several are under way at a time."""
    archive: Mapping[str, Any] = field(default_factory=dict)
    """What prefetch.yaml says of the archive besides."""
    find: str = "success"
    """Outcome of the last query."""
    moves: tuple[str, ...] = ("success",)
    """Outcomes of the moves, one after the other, without those that only repeat the one before."""
    states: tuple[str, ...] = ("verified",)
    """Of the priors from the archive that lies, in the end."""
    readiness: str = "ready"
    """Of the exam."""
    honest: str = "verified"
    """Of the prior that another archive has of the same patient."""
    timers: frozenset[str] = frozenset()
    """Keys of prefetch.yaml that ended or spaced a wait."""
    logs: str = ""
    """A part of a line of the log that tells of it."""
    says: str = ""
    """A part of what `explain` tells the operator; empty: there is no problem left to tell."""
    leaves: str = ""
    """A part of why `explain` says that a study was left out of distrust; empty: none was."""
    trouble: str = ""
    """A part of what `status` tells; empty: nothing is in the way."""


def _timeouts(**short: str) -> dict[str, Any]:
    """Make the archive's timers that the lie is about short; the others are longer than any delay here."""
    return {"timeouts": {"acse": "10m", "idle": "10m", "move_idle": "10m", **short}}


_ASKED_AGAIN = frozenset({"planning.retry"})
_LOOKED_AGAIN = frozenset({"retrieval.check_again"})
_MOVED_AGAIN = frozenset({"retrieval.retry"})
_NOTHING_CAME = "given up after 2 moves: the destination does not have the study"

CASES: dict[str, Case] = {
    # --- an association ---
    "association-unanswered": Case(
        archive={**_timeouts(acse="1s"), "rest": {"after": 2, "first": "10m"}},
        find="transient",
        moves=(),
        states=(),
        readiness="incomplete",
        timers=_ASKED_AGAIN | {"timeouts.acse", "archives.rest"},
        logs='warning: peer_rests because="ARCHIVE did not answer the association request"',
        says="ARCHIVE rests until hh:mm:ss UTC: ARCHIVE did not answer the association request",
        trouble="archive rests until hh:mm:ss and is tried again then",
    ),
    "rejects-above-1": Case(
        studies=4,
        archive={"max_associations": 6, "studies_per_move": 1},
        states=("verified",) * 4,
        move_takes=1.5,
        logs="associations_limited",
    ),
    "rejects-above-2": Case(
        studies=4,
        archive={"max_associations": 6, "studies_per_move": 1},
        states=("verified",) * 4,
        move_takes=1.5,
        logs="associations_limited",
    ),
    # --- a query ---
    "find-hangs": Case(
        archive=_timeouts(idle="1s"),
        find="transient",
        moves=(),
        states=(),
        readiness="incomplete",
        timers=_ASKED_AGAIN | {"timeouts.idle"},
        logs='archive_asked outcome=transient because="no response for 1 s"',
        says="archive: no response for 1 s",
    ),
    "find-never-ends": Case(
        archive=_timeouts(find_total="2s"),
        find="transient",
        readiness="incomplete",
        timers=_ASKED_AGAIN | {"timeouts.find_total"},
        logs='archive_asked outcome=transient because="no end of it within 2 s"',
        says="archive: no end of it within 2 s",
    ),
    "find-fails-first": Case(
        timers=_ASKED_AGAIN, logs='archive_asked outcome=transient because="0xC000 Unable to process"'
    ),
    "find-aborts-half-way": Case(
        studies=4,
        find="transient",
        states=("verified",) * 2,
        readiness="incomplete",
        timers=_ASKED_AGAIN,
        logs='because="the association was aborted or its connection lost"',
        says="archive: the association was aborted or its connection lost",
    ),
    "find-too-broad": Case(
        find="transient",
        moves=(),
        states=(),
        readiness="incomplete",
        timers=_ASKED_AGAIN,
        logs='archive_asked outcome=transient because="0xA700 Refused: Out of resources"',
        says="archive: 0xA700 Refused: Out of resources",
    ),
    "answers-another-patient": Case(
        leaves="archive: another patient's: the patient ID is none that was asked for"
    ),
    "five-thousand-answers": Case(
        find="partial",
        readiness="incomplete",
        logs='archive_asked outcome=partial because="more than 500 answers; only the first 500 were read"',
        says="archive: more than 500 answers; only the first 500 were read",
    ),
    "no-modalities-in-study": Case(),
    "no-instance-count": Case(),
    "no-character-set": Case(),
    "malformed-dates": Case(),
    # --- a move ---
    "move-silent": Case(
        archive=_timeouts(move_idle="1s"),
        moves=("unknown",),
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN | {"timeouts.move_idle"},
        logs='move_finished outcome=unknown next=move because="no response for 1 s"',
        says=_NOTHING_CAME,
    ),
    "move-pending-for-ever": Case(
        archive=_timeouts(move_total="2s"),
        moves=("unknown",),
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN | {"timeouts.move_total"},
        logs='move_finished outcome=unknown next=move because="no end of it within 2 s"',
        says=_NOTHING_CAME,
    ),
    "move-fails-first": Case(
        moves=("transient", "success"),
        timers=_MOVED_AGAIN,
        logs="move_finished outcome=transient status=0xA702 next=retry",
    ),
    "move-aborts-after-first-store": Case(
        moves=("unknown",),
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN,
        logs="retrieve_partial verified_by=query",
        says="given up after 2 moves: 1 of 3 instances are there",
    ),
    "list-refused": Case(
        studies=3,
        moves=("permanent", "success"),
        states=("verified",) * 3,
        timers=_MOVED_AGAIN,
        logs="studies_moved_one_by_one",
    ),
    "list-cut-to-its-first": Case(
        studies=3,
        moves=("partial", "success"),
        states=("verified",) * 3,
        timers=_MOVED_AGAIN,
        logs="studies_moved_one_by_one",
    ),
    "success-nothing-stored": Case(
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN,
        logs="retrieve_partial verified_by=query",
        says=_NOTHING_CAME,
    ),
    "success-nothing-counted": Case(
        moves=("suspect",),
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN,
        logs='next=move because="0x0000 Success; nothing was sent"',
        says=_NOTHING_CAME,
    ),
    "success-all-failed": Case(
        moves=("partial",),
        states=("partial",),
        readiness="incomplete",
        timers=_MOVED_AGAIN,
        logs='next=move because="0x0000 Success; all 3 sub-operations failed"',
        says=_NOTHING_CAME,
    ),
    "warning-all-failed": Case(
        moves=("partial",),
        states=("partial",),
        readiness="incomplete",
        timers=_MOVED_AGAIN,
        logs="status=0xB000 completed=0 failed=3",
        says=_NOTHING_CAME,
    ),
    "success-stores-later": Case(
        instances=1,
        timers=_LOOKED_AGAIN,
        logs='info: retrieve_incomplete verified_by=query because="the destination does not have the study"',
    ),
    "one-instance-missing": Case(
        states=("partial",),
        readiness="incomplete",
        timers=_LOOKED_AGAIN | _MOVED_AGAIN,
        logs="retrieve_partial verified_by=query",
        says="given up after 2 moves: 2 of 3 instances are there",
    ),
    "one-instance-fails-first": Case(
        moves=("partial", "success"),
        timers=_MOVED_AGAIN,
        logs='because="only the 1 that had failed: 0x0000 Success; 1 sent"',
    ),
    "no-counts": Case(moves=("suspect",), logs='because="0x0000 Success; what was sent was not said"'),
    "unknown-destination": Case(
        moves=("unknown destination",),
        states=("waiting",),
        readiness="waiting",
        timers=frozenset({"retrieval.park"}),
        logs='move_finished outcome="unknown destination" status=0xA801 next=retry',
        says="0xA801 Refused: Move Destination unknown",
        trouble="make the workstation's AE title known to the archive",
    ),
    "unknown-destination-as-0xC000": Case(
        moves=("unknown destination",),
        states=("waiting",),
        readiness="waiting",
        timers=frozenset({"retrieval.park"}),
        logs='move_finished outcome="unknown destination" status=0xC000 next=retry',
        says="0xC000 Unable to process; it says the same of an AE Title that nobody has",
        trouble="make the workstation's AE title known to the archive",
    ),
    "store-refused": Case(
        at_workstation=True,
        moves=("transient",),
        states=("failed",),
        readiness="incomplete",
        honest="failed",
        timers=_MOVED_AGAIN,
        logs="move_finished outcome=transient status=0xA702 completed=0 failed=3",
        says="given up after 2 attempts: 0xA702 Refused: Out of resources",
    ),
}
