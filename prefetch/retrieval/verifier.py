"""The verifier stage: moved → verified (design, section 2, step 6).

After a settle time the destination is asked, once per patient for all that is due; where it cannot be asked
the archive's own counts must do, and the prior says so (`verified_by: counters`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from prefetch import bell, config, lifecycle, model
from prefetch.config import Verify
from prefetch.dimse import association
from prefetch.model import Outcome
from prefetch.retrieval import completeness
from prefetch.store import database, retrieves
from prefetch.timing import Now

log = structlog.get_logger()

BATCH = 500
"""Retrieves looked at in one go; all of one patient at one destination cost a single query."""


class Verifier:
    """Looks at the destinations whether what was moved has arrived."""

    def __init__(
        self,
        *,
        site: config.Config,
        workstations: Mapping[str, association.RemoteAE],
        archives: Mapping[str, association.RemoteAE],
        store: database.Database,
        now: Now,
        bells: bell.Bells,
    ) -> None:
        self._site = site
        self._workstations = workstations
        self._archives = archives
        self._store = store
        self._now = now
        self._bells = bells

    async def check_due(self) -> int:
        """Look at everything whose settle time is over; gives how many retrieves."""
        due = await self._store.read(retrieves.due_checks, now=self._now(), limit=BATCH)
        by_patient: dict[tuple[str, str, str | None], list[model.Retrieve]] = defaultdict(list)
        for retrieve in due:
            by_patient[retrieve.destination, retrieve.patient_id, retrieve.issuer_of_patient_id].append(retrieve)
        async with asyncio.TaskGroup() as group:
            for together in by_patient.values():
                group.create_task(self._check(together))
        return len(due)

    async def _check(self, together: Sequence[model.Retrieve]) -> None:
        """Check all that is due of one patient at one destination."""
        first = together[0]
        if self._site.workstations[first.destination].verify is Verify.COUNTERS:
            for retrieve in together:
                await self._finish(retrieve, completeness.by_counters(retrieve))
            return
        answer = await self._workstations[first.destination].find_studies(
            patient_id=first.patient_id, issuer_of_patient_id=None
        )
        held = {study.study_instance_uid: study for study in answer.studies}
        for retrieve in together:
            if answer.outcome is Outcome.SUCCESS:
                found = held.get(retrieve.study_instance_uid)
                await self._finish(retrieve, await self._compare(retrieve, found))
            else:
                await self._finish(retrieve, _not_asked(answer))

    async def _compare(self, retrieve: model.Retrieve, found: model.Study | None) -> completeness.Completeness:
        """The verdict on one study, counting instances one by one where no count came."""
        counted = None
        if found is not None and found.instances is None:
            counted = await self._workstations[retrieve.destination].count_instances(retrieve.study_instance_uid)
        return completeness.by_query(retrieve, answered=found, counted=counted)

    async def _finish(self, retrieve: model.Retrieve, verdict: completeness.Completeness) -> None:
        now = self._now()
        retrieval = self._site.retrieval
        following = lifecycle.after_check(
            complete=verdict.complete,
            because=verdict.because,
            outcome=retrieve.last_outcome,
            checks=retrieve.checks + 1,
            attempts=retrieve.attempts,
            now=now,
            expire_at=retrieve.expire_at,
            patience=retrieval.patience,
            recheck=retrieval.recheck,
        )
        ready = await self._store.write(
            retrieves.finish_check,
            retrieve,
            following,
            arrived_instances=verdict.arrived,
            verified_by=verdict.verified_by,
            now=now,
        )
        log.log(
            _LEVELS.get(following.step, _INFO),
            _EVENTS[following.step],
            retrieve_id=retrieve.id,
            study_instance_uid=retrieve.study_instance_uid,
            destination=retrieve.destination,
            verified_by=verdict.verified_by.value,
            because=following.because,
            next_at=following.at,
        )
        for order in ready:
            log.info("order_ready", order=order.name, order_id=order.id, ready_by=order.ready_by)
        if following.step is lifecycle.Step.RETRY:
            self._bells.ring_movers()


def _not_asked(answer: model.FindResult) -> completeness.Completeness:
    because = f"the destination could not be asked: {answer.because}"
    return completeness.Completeness(
        complete=None, because=because, verified_by=model.VerifiedBy.QUERY, arrived=None
    )


_INFO, _WARNING = 20, 30
_EVENTS: Mapping[lifecycle.Step, str] = {
    lifecycle.Step.VERIFY: "retrieve_verified",
    lifecycle.Step.CHECK_AGAIN: "retrieve_incomplete",
    lifecycle.Step.RETRY: "retrieve_incomplete",
    lifecycle.Step.FALL_SHORT: "retrieve_partial",
}
_LEVELS: Mapping[lifecycle.Step, int] = {lifecycle.Step.RETRY: _WARNING, lifecycle.Step.FALL_SHORT: _WARNING}
