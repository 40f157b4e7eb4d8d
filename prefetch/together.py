"""PURE: which studies share a C-MOVE, and what its result says of them.

PS3.4 C.4.2.2.1 lets a C-MOVE at STUDY level name several Study Instance UIDs. Each move costs an archive an
association to the workstation, and where studies are small that is most of what they cost; a large study
goes alone, so that nothing urgent waits behind it. What was tried in vain goes alone too: then a study that
an archive cannot send keeps no other from arriving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from prefetch import model
from prefetch.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """How much one C-MOVE may name."""

    studies: int
    instances: int


ALONE = Most(studies=1, instances=0)

INSTANCES = 300
"""So many together are still sent in seconds."""


def choose(
    leader: model.Retrieve,
    same_way: Callable[[model.Retrieve, int], Iterable[model.Retrieve]],
    most: Most,
) -> list[model.Retrieve]:
    """The studies of one move: the most urgent, and of those that go the same way what fits.

    `same_way` gives so many at most, of the same patient, from the same archive to the same destination.
    """
    chosen = [leader]
    if most.studies > 1 and leader.claimed_at is None and _is_countable(leader):
        room = most.instances - (leader.expected_instances or 0)
        for retrieve in same_way(leader, most.studies - 1):
            size = retrieve.expected_instances or 0
            if _is_countable(retrieve) and size <= room:
                chosen.append(retrieve)
                room -= size
    return chosen


def _is_countable(retrieve: model.Retrieve) -> bool:
    """Whether it is a whole study of a known size: only then can be told what has arrived of it."""
    return not retrieve.series and retrieve.expected_instances is not None


def is_whole(moved: Sequence[model.Retrieve], result: model.MoveResult) -> bool:
    """Whether the archive has counted all that it was asked for as sent, without a remark."""
    return result.completed == _expected(moved) and not result.failed and not result.warning


def is_understood(moved: Sequence[model.Retrieve], result: model.MoveResult) -> bool:
    """Whether the archive has dealt with all that a list named: one that takes only the first has not."""
    if result.outcome is Outcome.PERMANENT or (result.status or 0) >> 12 == _UNABLE_TO_PROCESS:
        return False
    if result.outcome not in _DEALT_WITH:
        return True  # it was busy, or lost on the way: that says nothing of lists
    counts = (result.completed, result.failed, result.warning)
    return sum(count or 0 for count in counts) >= _expected(moved)


def read(moved: Sequence[model.Retrieve], result: model.MoveResult) -> model.MoveResult:
    """What an archive said of several studies: a Success that has left some out is none.

    What is missing is then moved again at the first look, and nobody waits for it to arrive after all.
    """
    if result.outcome not in _DONE or is_understood(moved, result):
        return result
    because = f"{result.because}; {len(moved)} studies of {_expected(moved)} instances were asked for"
    return replace(result, outcome=Outcome.PARTIAL, because=because)


def left_out(result: model.MoveResult) -> tuple[str, ...]:
    """The instances that one study's move named as failed, if they are all that is missing; else none.

    Then no others need be sent again. Where nothing at all was sent, everything is.
    """
    sent = result.completed or result.warning or result.of_missing
    named = tuple(dict.fromkeys(result.failed_sop_instance_uids))
    return named if sent and len(named) == result.failed else ()


_DONE = frozenset({Outcome.SUCCESS, Outcome.WARNING})
_UNABLE_TO_PROCESS = 0xC
"""Cxxx (PS3.4 C.4.2.1.5): what an archive may say that cannot make anything of a list."""
_DEALT_WITH = _DONE | {Outcome.PARTIAL, Outcome.SUSPECT}


def _expected(moved: Iterable[model.Retrieve]) -> int:
    return sum(retrieve.expected_instances or 0 for retrieve in moved)
