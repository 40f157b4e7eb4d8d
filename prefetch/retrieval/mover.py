"""The mover stage: due retrieves → C-MOVE (design, section 2, step 5).

As many workers an archive as it has slots; each claims the nearest deadline, has the study moved and with it
what is small and goes the same way, and writes what the archive said. What that means is decided by
`together` and `lifecycle.after_move`; nothing is retried here. A workstation that an archive could not send
to is asked by C-ECHO whether it is there, and one that was not is asked before more is sent to it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from prefetch import bell, config, health, lifecycle, model, together
from prefetch.dimse import association, status
from prefetch.model import Outcome
from prefetch.retrieval import destinations as move_destinations
from prefetch.runtime import in_flight, set_aside
from prefetch.store import claims, database, destinations, retrieves
from prefetch.timing import Now

log = structlog.get_logger()

_OTHERS = 2
"""Other studies that failed in a row without a reason, after which the destination is suspected."""
ONE_BY_ONE_FOR = timedelta(hours=1)
"""How long no studies are moved together after an archive did not send what a list named."""


class Mover:
    """Moves what is due from one archive."""

    def __init__(
        self,
        *,
        site: config.Config,
        archive: str,
        remote: association.RemoteAE,
        workstations: Mapping[str, association.RemoteAE],
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
        self._workstations = workstations
        """Those that can be asked."""
        self._store = store
        self._owner = owner
        self._now = now
        self._bells = bells
        self._pulse = pulse
        self._closing = False
        self._one_by_one_until = datetime.min.replace(tzinfo=UTC)
        self._held_back = False
        """Whether something waited for a slot when we last looked."""
        self._reached: set[str] = set()
        """Destinations at which something has arrived from this archive."""
        self._written_as_reached: set[str] = set()
        """Those of which the store says so."""
        self._failed_alone: dict[str, set[str]] = defaultdict(set)
        """Destination → the studies, moved alone, that failed in a row without a reason."""
        self._refused_lists: dict[str, str] = {}
        """Destination → why a list of studies of which nothing was sent failed there, until one study alone
        shows whether it was the list."""
        self.in_flight = in_flight.InFlight()
        """Retrieves whose move has begun and is not written down yet."""
        self._failures = set_aside.Failures()

    @property
    def learnt(self) -> list[str]:
        """What the archive has let us know of how it moves, in words for the administrator."""
        if self._now() >= self._one_by_one_until:
            return []
        until = f"{self._one_by_one_until:%Y-%m-%d %H:%M} UTC"
        return [f"studies are moved one by one until {until}: a list of them was not moved as asked"]

    def stop_claiming(self) -> None:
        """Let what is moving end, and begin nothing new."""
        self._closing = True

    async def move_next(self) -> int:
        """Move what is due, the nearest deadline first, until nothing is left; gives how many were moved."""
        moved = 0
        claimed = await self._claim()
        while claimed:
            moved += len(claimed)
            with self.in_flight.working_on([retrieve.id for retrieve in claimed]):
                claimed = await self._move_or_set_aside(claimed)
        return moved

    @property
    def _only_observes(self) -> bool:
        """Whether nothing is to move: what was queued before that was said waits until it is planned anew."""
        return config.Mode.OBSERVE in {self.site.mode, self.site.archives[self._archive].mode}

    async def _claim(self) -> Sequence[model.Retrieve]:
        if self._closing or self._only_observes or self._remote.resting is not None:
            return ()
        claim = await self._store.write_first(
            claims.claim_move,
            archive=self._archive,
            slots=self._remote.move_slots,
            owner=self._owner,
            now=self._now(),
            lease=self.site.retrieval.lease,
            most=self._most,
        )
        self._held_back = claim.more and not claim.moving
        if claim.more and claim.moving:
            self._bells.movers[self._archive].ring()
        return claim.moving

    async def _claim_again(self) -> Sequence[model.Retrieve]:
        """Claim what has come meanwhile, or waits for the slot that is free now."""
        return await self._claim() if self._bells.movers[self._archive].take() or self._held_back else ()

    def _most(self, leader: model.Retrieve) -> together.Most:
        """How much may go with a retrieve: nothing where the destination cannot say what has arrived."""
        destination = self.site.workstations[leader.destination]
        is_alone = self._now() < self._one_by_one_until or leader.destination in self._refused_lists
        if is_alone or destination.verify is config.Verify.COUNTERS:
            return together.ALONE
        studies = self.site.archives[self._archive].studies_per_move
        return together.Most(studies=studies, instances=together.INSTANCES)

    async def _move_or_set_aside(self, moving: Sequence[model.Retrieve]) -> Sequence[model.Retrieve]:
        """Make one claimed move; where we fail at it, its studies are looked for, in the end set aside."""
        try:
            following = await self.move(moving)
        except set_aside.NOT_OURS:
            raise
        except Exception as error:
            log.exception("move_failed", archive=self._archive, retrieves=[one.id for one in moving])
            await self._after_our_failure(moving, error)
            return ()
        for retrieve in moving:
            self._failures.forget(retrieve.id)
        return following

    async def _after_our_failure(self, moving: Sequence[model.Retrieve], error: Exception) -> None:
        now = self._now()
        hopeless = [retrieve for retrieve in moving if self._failures.count(retrieve.id)]
        await self._store.write(
            claims.recover_failed, [retrieve for retrieve in moving if retrieve not in hopeless], now=now
        )
        because = set_aside.reason(error, "`prefetch retry` tries it once more")
        result = model.MoveResult(outcome=Outcome.PERMANENT, because=because)
        for retrieve in hopeless:
            log.error("retrieve_set_aside", retrieve_id=retrieve.id, archive=self._archive, because=because)
            await self._write(
                [retrieve], result, lifecycle.Next(step=lifecycle.Step.FAIL, at=now, because=because), now
            )

    async def move(self, moving: Sequence[model.Retrieve]) -> Sequence[model.Retrieve]:
        """Make one claimed move, and claim the next; interrupted, its rows go back into the queue."""
        destination = self.site.workstations[moving[0].destination]
        with self._pulse.waiting_for_peer(self.stage):
            result = await self._send(moving, destination)
        self._learn_of_destination(moving, result)
        result = self._learn_of_lists(moving, result)
        # Written together they share a commit, and go before what no peer waits for: no slot stays free.
        _, following = await asyncio.gather(self._finish(moving, result, destination), self._claim_again())
        return following

    async def _send(
        self, moving: Sequence[model.Retrieve], destination: config.Workstation
    ) -> model.MoveResult:
        """Have it moved, unless the destination failed to answer before and still does."""
        at = self._workstations.get(moving[0].destination)
        if at is not None and at.in_doubt and (silence := await _silence(at)) is not None:
            return model.MoveResult(outcome=Outcome.TRANSIENT, because=silence, destination_silent=True)
        result = await self._remote.move_studies(
            study_instance_uids=[retrieve.study_instance_uid for retrieve in moving],
            parts=moving[0].series,
            missing=moving[0].missing,
            destination_ae_title=destination.ae_title,
            patient_id=moving[0].patient_id,
            is_repeated=moving[0].attempts > 1,
            is_suspect=partial(self._is_suspect, moving[0]),
        )
        nothing_sent = not result.completed and not result.warning
        if at is None or not nothing_sent or result.status not in status.PERHAPS_THE_DESTINATION:
            return result
        silence = await _silence(at)
        words = silence or f"{at.peer.ae_title} answers C-ECHO"
        return replace(result, because=f"{result.because}; {words}", destination_silent=silence is not None)

    async def _is_suspect(self, retrieve: model.Retrieve) -> bool:
        """Whether it may be the destination that this archive does not know; asked where a move says no more.

        Where something has arrived before it is, when other studies too failed in a row: an archive forgets.
        """
        others = self._failed_alone[retrieve.destination] - {retrieve.study_instance_uid}
        return len(others) >= _OTHERS or await self._is_first(retrieve.destination)

    async def _is_first(self, destination: str) -> bool:
        """Whether nothing has ever arrived there from this archive."""
        if destination not in self._reached and await self._store.read(
            retrieves.has_arrived, self._archive, destination
        ):
            self._reached.add(destination)
        return destination not in self._reached

    def _learn_of_destination(self, moving: Sequence[model.Retrieve], result: model.MoveResult) -> None:
        """Learn whether something has arrived, or how many studies in a row failed without a reason."""
        destination = moving[0].destination
        if result.completed:
            self._reached.add(destination)
            self._failed_alone.pop(destination, None)
        elif len(moving) == 1 and result.status in status.UNABLE:
            failed = self._failed_alone[destination]
            if len(failed) <= _OTHERS:  # more are not needed to suspect it
                failed.add(moving[0].study_instance_uid)

    def _learn_of_lists(self, moving: Sequence[model.Retrieve], result: model.MoveResult) -> model.MoveResult:
        """Learn whether the archive moves lists; gives the result as it is to be read.

        A list of which nothing was sent may have failed for its destination: the next study that is moved
        there alone tells.
        """
        destination = moving[0].destination
        if len(moving) == 1:
            reason = self._refused_lists.pop(destination, None)
            if reason is not None and (result.completed or result.warning):
                self._go_one_by_one(reason, completed=None)
            return result
        if result.destination_silent or together.is_understood(moving, result):
            return result
        result = together.read(moving, result)
        if result.completed or result.warning:
            self._go_one_by_one(result.because, completed=result.completed)
        else:
            self._refused_lists[destination] = result.because
        return result

    def _go_one_by_one(self, reason: str, *, completed: int | None) -> None:
        """The archive has not done with a list what it should; what is not sent yet is asked for again."""
        self._one_by_one_until = self._now() + ONE_BY_ONE_FOR
        log.warning(
            "studies_moved_one_by_one",
            archive=self._archive,
            completed=completed,
            because=f"a list of studies was not moved as asked: {reason}",
            until=self._one_by_one_until,
        )

    async def _finish(
        self, moved: Sequence[model.Retrieve], result: model.MoveResult, destination: config.Workstation
    ) -> None:
        now = self._now()
        by_step: dict[lifecycle.Next, list[model.Retrieve]] = defaultdict(list)
        for retrieve in moved:
            by_step[self._what_follows(retrieve, result, destination, len(moved), now)].append(retrieve)
        await asyncio.gather(
            *(self._write(some, result, following, now) for following, some in by_step.items()),
            self._keep_in_mind(moved[0].destination, result, now),
        )

    def _what_follows(
        self,
        retrieve: model.Retrieve,
        result: model.MoveResult,
        destination: config.Workstation,
        studies: int,
        now: datetime,
    ) -> lifecycle.Next:
        retrieval = self.site.retrieval
        return lifecycle.after_move(
            result.outcome,
            arrived=bool(result.completed or result.warning),
            alone=studies == 1,
            attempts=retrieve.attempts,
            elsewhere=retrieve.elsewhere,
            now=now,
            patience=retrieval.patience,
            settle=destination.settle,
            park=retrieval.park,
            because=result.because,
            in_part=bool(retrieve.missing),
            unwell=result.unwell,
            begun=result.begun,
            tries=result.tries,
            silent_until=self._silent_until(retrieve, now) if result.destination_silent else None,
        )

    def _silent_until(self, retrieve: model.Retrieve, now: datetime) -> datetime:
        """Until when a destination that does not answer is left alone."""
        soon = now + self.site.retrieval.patience.first
        resting = self._workstations[retrieve.destination].resting
        return soon if resting is None else max(soon, resting.until)

    async def _write(
        self,
        moved: Sequence[model.Retrieve],
        result: model.MoveResult,
        following: lifecycle.Next,
        now: datetime,
    ) -> None:
        kept = await self._store.write_first(claims.finish_move, moved, result, following, now=now)
        for retrieve in moved:
            log.log(
                _LEVELS.get(following.step, _INFO),
                "move_finished" if retrieve.id in kept else "move_result_dropped",
                retrieve_id=retrieve.id,
                study_instance_uid=retrieve.study_instance_uid,
                archive=retrieve.archive,
                destination=retrieve.destination,
                attempt=retrieve.attempts,
                outcome=result.outcome.value,
                status=None if result.status is None else f"0x{result.status:04X}",
                together=len(moved),
                completed=result.completed,
                failed=result.failed,
                warning=result.warning,
                milliseconds=round(result.milliseconds, 1),
                because=result.because,
                next=following.step.value,
                next_at=following.at,
            )
        self._bells.verifiers[moved[0].destination].ring_in((following.at - self._now()).total_seconds())
        if following.archive is not None:
            self._bells.movers[following.archive].ring()

    async def _keep_in_mind(self, destination: str, result: model.MoveResult, now: datetime) -> None:
        """Write what a move has shown: whether the archive knows the destination."""
        pair = self._archive, destination
        if result.completed and destination not in self._written_as_reached:
            await self._store.write_soon(destinations.mark_reached, *pair, now=now)
            self._written_as_reached.add(destination)
        if result.outcome is not Outcome.UNKNOWN_DESTINATION or result.destination_silent:
            return
        self._written_as_reached.discard(destination)
        archive, workstation = self.site.archives[self._archive], self.site.workstations[destination]
        remedy = move_destinations.registration(archive, workstation)
        row = await self._store.write_soon(
            destinations.mark_unknown, *pair, reason=result.because, remedy=remedy, now=now
        )
        if row.failures >= destinations.CERTAIN:
            log.warning(
                "destination_unknown",
                archive=self._archive,
                destination=destination,
                failures=row.failures,
                because=result.because,
                remedy=remedy,
            )


async def _silence(at: association.RemoteAE) -> str | None:
    """Why a workstation does not answer; None where it does."""
    answer = await at.echo()
    return None if answer.reachable else f"{at.peer.ae_title} does not answer C-ECHO: {answer.problem}"


_INFO, _WARNING = 20, 30
_LEVELS: Mapping[lifecycle.Step, int] = {
    lifecycle.Step.RETRY: _WARNING,
    lifecycle.Step.FAIL: _WARNING,
}
