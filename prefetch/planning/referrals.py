"""Further IDs of a patient by cross-reference: kept for a while, and never more than a help.

A PIX manager that fails is left alone for a while, its last answer stands in, and the plan says so: planning
goes on with what is known, and asks again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog

from prefetch import errors, health, model
from prefetch.pix import PixManager
from prefetch.planning import inquiries
from prefetch.store import database
from prefetch.store import patients as patient_rows
from prefetch.timing import Now

log = structlog.get_logger()

Ask = Callable[[model.PatientId], Awaitable[Sequence[model.PatientId]]]
"""Asks the manager; raises `CrossReferenceError` where it does not answer as it should."""

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_BY_PIX = "the PIX manager"


class Referrals:
    """What a PIX manager says of patients, from what is kept or anew."""

    def __init__(
        self, *, manager: PixManager, ask: Ask, store: database.Database, now: Now, pulse: health.Pulse
    ) -> None:
        self._manager = manager
        self._ask = ask
        self._store = store
        self._now = now
        self._pulse = pulse
        self._resting_until = _BEFORE_ALL
        self._resting_because = ""

    async def refer(self, ids: Sequence[model.PatientId]) -> model.Referred:
        """The other IDs of a patient; where the manager fails those that it named last, with the problem."""
        one = next(filter(self._manager.knows, ids), None)
        if one is None:
            return model.Referred()
        now = self._now()
        kept = await self._store.read(patient_rows.cross_references_of, one)
        if kept is not None and kept.asked_at > now - self._manager.keep:
            return model.Referred(ids=kept.ids, because=_BY_PIX)
        try:
            found = tuple(await self._asked(one, now))
        except errors.CrossReferenceError as error:
            return _instead(kept, str(error))
        await self._store.write(patient_rows.keep_cross_references, one, found, at=now)
        return model.Referred(ids=found, because=_BY_PIX)

    async def _asked(self, one: model.PatientId, now: datetime) -> Sequence[model.PatientId]:
        if now < self._resting_until:
            raise errors.CrossReferenceError(self._resting_because)
        try:
            with self._pulse.waiting_for_peer(inquiries.STAGE):
                found = await self._ask(one)
        except errors.CrossReferenceError as error:
            self._rest(error)
            raise
        log.info("cross_reference_asked", patient_id=one.patient_id, answers=len(found))
        return found

    def _rest(self, error: errors.CrossReferenceError) -> None:
        self._resting_until = self._now() + self._manager.rest
        self._resting_because = f"{error} (left alone until {self._resting_until:%H:%M:%S} UTC)"
        log.warning("cross_reference_failed", because=str(error), resting_until=self._resting_until)


def _instead(kept: patient_rows.Referred | None, because: str) -> model.Referred:
    """What stands in for an answer that did not come."""
    problem = f"PIX manager: {because}"
    if kept is None:
        return model.Referred(problem=f"{problem}; planned with the IDs that are known")
    asked = f"{kept.asked_at:%Y-%m-%d %H:%M} UTC"
    return model.Referred(
        ids=kept.ids,
        because=f"{_BY_PIX}, as of {asked}",
        problem=f"{problem}; planned with its answer of {asked}",
    )
