"""A peer may not let us ask at all: counting that, and telling an administrator what to do about it.

An archive that does not know our AE title rejects the association (dcmqrscp: as "called AE Title not
recognized"), refuses with 0x0124, or accepts the association and aborts it at the first request (Orthanc).
An abort or a rejection may be chance: the second in a row is none. Lives on the event loop and knows no
association.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from prefetch import model
from prefetch.dimse import peer, status
from prefetch.dimse.turns import Kind


def _drop(_logger: object, _method: str, _event: EventDict) -> EventDict:
    raise structlog.DropEvent


SILENT: FilteringBoundLogger = structlog.wrap_logger(None, processors=[_drop])
"""A logger that says nothing: for verbs, which tell a person what they find by themselves."""
ResultT = TypeVar("ResultT")
Outcomes = status.Verdict | model.FindResult | model.MoveResult | model.WorklistAnswer
"""What tells of a request; other results tell nothing of our rights."""

SERVICES = {Kind.QUERY: "queries", Kind.MOVE: "moves"}
"""Kind → what of ours is refused, in words."""
_RIGHTS = {Kind.QUERY: "query", Kind.MOVE: "move"}
_SERVICE_NAMES = {Kind.QUERY: "C-FIND", Kind.MOVE: "C-MOVE"}
_NO_CHANCE = 2
"""Refusals in a row that are no chance any more."""


def question(remote: peer.Peer, kind: Kind, reason: str) -> str:
    """The sentence that tells of a refusal and asks the question which most often mends it."""
    return (
        f"refuses our {SERVICES[kind]}: is {remote.calling_ae_title} registered there? "
        f"({remote.ae_title}: {reason})"
    )


def remedy(remote: peer.Peer, kind: Kind) -> str:
    """Say what an administrator does about a refusal."""
    allowed = "Modality Worklist" if remote.is_worklist else _SERVICE_NAMES[kind]
    return (
        f"register the AE title {remote.calling_ae_title} at {remote.ae_title} ({remote.host}:{remote.port}) "
        f"with {allowed} allowed, and see that {remote.ae_title} is its AE title; "
        f"`prefetch echo {remote.name}` tries it now"
    )


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    count: int


class Permissions:
    """Counts the refusals of one peer by kind; the first one of no chance is told in the log."""

    def __init__(self, remote: peer.Peer, *, log: FilteringBoundLogger) -> None:
        self._peer = remote
        self._log = log
        self._refusals: dict[Kind, _Refusal] = {}
        self._not_authorized: set[Kind] = set()
        """Of which it has said 0x0124 since it last answered."""

    @property
    def learned(self) -> list[str]:
        """What it has said that we may not, in words for the administrator."""
        return sorted(f"we are not authorised to {_RIGHTS[kind]} (0x0124)" for kind in self._not_authorized)

    @property
    def refusals(self) -> list[str]:
        """What it refuses every time, and what to do about it: a sentence a kind."""
        return [
            f"{question(self._peer, kind, refusal.reason)}; {remedy(self._peer, kind)}"
            for kind, refusal in sorted(self._refusals.items(), key=lambda item: item[0].value)
            if self._is_certain(kind, refusal)
        ]

    def hear(self, kind: Kind, result: ResultT) -> ResultT:
        """Learn from what came of a call; gives it back, marked where it counts for the peer's rest.

        A workstation that does not let us query still receives: it does not rest for that.
        """
        if isinstance(result, Outcomes):
            self._hear_of_rights(kind, result)
            if _is_refusal(result):
                self._count(kind, result.because)
            elif _status_of(result) is not None:
                self._forget(kind)
        if not isinstance(result, model.FindResult) or not result.refused or self._peer.is_destination:
            return result
        return replace(result, unwell=result.unwell or self._refusals[kind].count >= _NO_CHANCE)

    def _is_certain(self, kind: Kind, refusal: _Refusal) -> bool:
        return refusal.count >= _NO_CHANCE or kind in self._not_authorized

    def _count(self, kind: Kind, reason: str) -> None:
        before = self._refusals.get(kind)
        same = before is not None and before.reason == reason
        count = before.count + 1 if before is not None and same else 1
        self._refusals[kind] = _Refusal(reason, count)
        if count == _NO_CHANCE:
            self._log.warning(
                "requests_refused",
                peer=self._peer.name,
                service=_SERVICE_NAMES[kind],
                because=question(self._peer, kind, reason),
                remedy=remedy(self._peer, kind),
            )

    def _forget(self, kind: Kind) -> None:
        refusal = self._refusals.pop(kind, None)
        if refusal is not None and refusal.count >= _NO_CHANCE:
            self._log.info("requests_accepted_again", peer=self._peer.name, service=_SERVICE_NAMES[kind])

    def _hear_of_rights(self, kind: Kind, result: Outcomes) -> None:
        """Raise the alarm once where we are not authorised: nothing but its configuration helps."""
        answered = _status_of(result)
        if answered is None:
            return
        if answered != status.NOT_AUTHORIZED:
            self._not_authorized.discard(kind)
        elif kind not in self._not_authorized:
            self._not_authorized.add(kind)
            whom, us = self._peer.ae_title, self._peer.calling_ae_title
            because = f"{whom} does not let {us} {_RIGHTS[kind]} (0x0124)"
            self._log.error("not_authorized", peer=self._peer.name, because=because)


def _is_refusal(result: Outcomes) -> bool:
    return result.refused or _status_of(result) == status.NOT_AUTHORIZED


def _status_of(result: Outcomes) -> int | None:
    return None if isinstance(result, status.Verdict) else result.status
