"""The mover stage: due retrieves → C-MOVE (design, section 2, step 5).

As many workers an archive as it has slots; each claims the nearest deadline, has the study moved, and writes
what the archive said. What that means is decided by `lifecycle.after_move`; nothing is retried here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from prefetch import bell, config, health, lifecycle, model
from prefetch.dimse import association
from prefetch.store import claims, database, retrieves
from prefetch.timing import Now

log = structlog.get_logger()


class Mover:
    """Moves what is due from one archive."""

    def __init__(
        self,
        *,
        site: config.Config,
        archive: str,
        remote: association.RemoteAE,
        store: database.Database,
        owner: str,
        now: Now,
        bells: bell.Bells,
        pulse: health.Pulse,
    ) -> None:
        self.site = site
        self._archive = archive
        self.stage = f"mover {archive}"
        self._remote = remote
        self._store = store
        self._owner = owner
        self._now = now
        self._bells = bells
        self._pulse = pulse
        self._closing = False
        self._reached: set[str] = set()
        """Destinations at which something has arrived from this archive."""
        self.under_way: set[int] = set()
        """Retrieves whose move has begun and is not written down yet."""

    def stop_claiming(self) -> None:
        """Let what is moving end, and begin nothing new."""
        self._closing = True

    async def move_next(self) -> int:
        """Move what is due, the nearest deadline first, until nothing is left; gives how many were moved."""
        moved = 0
        claimed = await self._claim()
        while claimed is not None:
            self._bells.movers[self._archive].ring()
            moving = claimed.id
            self.under_way.add(moving)
            try:
                claimed = await self.move(claimed)
            finally:
                self.under_way.discard(moving)
            moved += 1
        return moved

    async def _claim(self) -> model.Retrieve | None:
        if self._closing or self._remote.resting is not None:
            return None
        claimed = await self._store.write_first(
            claims.claim_retrieves,
            archive=self._archive,
            slots=self._remote.move_slots,
            owner=self._owner,
            now=self._now(),
            lease=self.site.retrieval.lease,
            limit=1,
        )
        return claimed[0] if claimed else None

    async def move(self, retrieve: model.Retrieve) -> model.Retrieve | None:
        """Move one claimed study, and claim the next; interrupted, the row goes back into the queue."""
        destination = self.site.workstations[retrieve.destination]
        with self._pulse.waiting_for_peer(self.stage):
            result = await self._remote.move_study(
                study_instance_uid=retrieve.study_instance_uid,
                series_instance_uids=[uid for uid, _ in retrieve.series],
                destination_ae_title=destination.ae_title,
                patient_id=retrieve.patient_id,
                is_repeated=retrieve.attempts > 1,
                is_first=not await self._has_reached(retrieve.destination),
            )
        if result.completed:
            self._reached.add(retrieve.destination)
        # Written together they share a commit, and go before what no peer waits for: no slot stays free.
        _, following = await asyncio.gather(self._finish(retrieve, result, destination), self._claim())
        return following

    async def _has_reached(self, destination: str) -> bool:
        """Whether anything has ever arrived there from this archive."""
        if destination not in self._reached and await self._store.read(
            retrieves.has_arrived, self._archive, destination
        ):
            self._reached.add(destination)
        return destination in self._reached

    async def _finish(
        self, retrieve: model.Retrieve, result: model.MoveResult, destination: config.Workstation
    ) -> None:
        now = self._now()
        retrieval = self.site.retrieval
        following = lifecycle.after_move(
            result.outcome,
            arrived=bool(result.completed or result.warning),
            attempts=retrieve.attempts,
            elsewhere=retrieve.elsewhere,
            now=now,
            patience=retrieval.patience,
            settle=destination.settle,
            park=retrieval.park,
            because=result.because,
            unwell=result.unwell,
            tries=result.tries,
        )
        kept = await self._store.write_first(claims.finish_move, retrieve, result, following, now=now)
        log.log(
            _LEVELS.get(following.step, _INFO),
            "move_finished" if kept else "move_result_dropped",
            retrieve_id=retrieve.id,
            study_instance_uid=retrieve.study_instance_uid,
            archive=retrieve.archive,
            destination=retrieve.destination,
            attempt=retrieve.attempts,
            outcome=result.outcome.value,
            status=None if result.status is None else f"0x{result.status:04X}",
            completed=result.completed,
            failed=result.failed,
            warning=result.warning,
            milliseconds=round(result.milliseconds, 1),
            because=result.because,
            next=following.step.value,
            next_at=following.at,
        )
        self._bells.verifiers[retrieve.destination].ring_in((following.at - self._now()).total_seconds())
        if following.archive is not None:
            self._bells.movers[following.archive].ring()


_INFO, _WARNING = 20, 30
_LEVELS: Mapping[lifecycle.Step, int] = {
    lifecycle.Step.RETRY: _WARNING,
    lifecycle.Step.FAIL: _WARNING,
}
