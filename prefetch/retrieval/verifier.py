"""The verifier stage: moved → verified (design, section 2, step 6).

After a settle time the destination is asked, once per patient for all that is due; where it cannot be asked
the archive's own counts must do, and the prior says so (`verified_by: counters`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from prefetch import bell, config, health, lifecycle, model
from prefetch.dimse import association
from prefetch.model import Outcome
from prefetch.retrieval import completeness
from prefetch.runtime import in_flight, set_aside
from prefetch.runtime.tasks import run_together
from prefetch.store import checks, database
from prefetch.timing import Now

log = structlog.get_logger()

BATCH = 500
"""Retrieves looked at in one go; all of one patient at one destination cost a single query."""


class Verifier:
    """Looks at one destination whether what was moved there has arrived."""

    def __init__(
        self,
        *,
        site: config.Config,
        destination: str,
        remote: association.RemoteAE | None,
        store: database.Database,
        owner: str,
        now: Now,
        bells: bell.Bells,
        pulse: health.Pulse,
    ) -> None:
        self.site = site
        self._destination = destination
        self.stage = f"verifier {destination}"
        self.remote = remote
        """None where the destination cannot be asked: then what the archive counted is trusted."""
        self._store = store
        self._owner = owner
        self._now = now
        self._bells = bells
        self._pulse = pulse
        self.in_flight = in_flight.InFlight()
        """Retrieves that are looked for at this moment."""
        self._failures = set_aside.Failures()

    async def check_due(self) -> int:
        """Look at everything whose settle time is over; gives how many retrieves."""
        due = await self._store.write_soon(
            checks.claim_checks,
            destination=self._destination,
            owner=self._owner,
            now=self._now(),
            lease=self.site.retrieval.lease,
            limit=BATCH,
        )
        if len(due) == BATCH:
            self._bells.verifiers[self._destination].ring()
        by_patient: dict[str, list[model.Retrieve]] = defaultdict(list)
        for retrieve in due:
            by_patient["" if self.remote is None else retrieve.patient_id].append(retrieve)
        with self.in_flight.working_on([retrieve.id for retrieve in due]):
            await run_together(self._check_or_set_aside(together) for together in by_patient.values())
        return len(due)

    async def _check_or_set_aside(self, together: Sequence[model.Retrieve]) -> None:
        """Check what is due of one patient; where we fail, each by itself, and set aside in the end."""
        try:
            await self._check(together)
        except set_aside.NOT_OURS:
            raise
        except Exception as error:
            if len(together) > 1:
                for retrieve in together:
                    await self._check_or_set_aside([retrieve])
                return
            log.exception("check_failed", retrieve_id=together[0].id, destination=self._destination)
            await self._after_our_failure(together[0], error)
        else:
            for retrieve in together:
                self._failures.forget(retrieve.id)

    async def _after_our_failure(self, retrieve: model.Retrieve, error: Exception) -> None:
        now = self._now()
        again = lifecycle.Next(
            step=lifecycle.Step.CHECK_AGAIN,
            at=now + self.site.retrieval.recheck.delay(retrieve.checks),
            because=f"the look failed, our fault: {type(error).__name__}",
            counts=False,
        )
        if self._failures.count(retrieve.id):
            because = set_aside.reason(error, "`prefetch retry` tries it once more")
            log.error("retrieve_set_aside", retrieve_id=retrieve.id, because=because)
            again = lifecycle.Next(step=lifecycle.Step.FALL_SHORT, at=now, because=because)
        await self._write([checks.Look(retrieve=retrieve, then=again, arrived_instances=None)], now)

    async def _check(self, together: Sequence[model.Retrieve]) -> None:
        """Check all that is due of one patient by one query; by counters where nobody can be asked."""
        remote, patient_id = self.remote, together[0].patient_id
        if remote is None:
            await self._finish_all((retrieve, completeness.by_counters(retrieve)) for retrieve in together)
            return
        with self._pulse.waiting_for_peer(self.stage):
            answer = await remote.find_held(
                patient_id=patient_id,
                study_instance_uids=[retrieve.study_instance_uid for retrieve in together],
            )
        if answer.outcome is not Outcome.SUCCESS:
            await self._finish_all((retrieve, _not_asked(answer)) for retrieve in together)
            return
        held = {study.study_instance_uid: study for study in answer.studies}
        verdicts = []
        for retrieve in together:
            found = held.get(retrieve.study_instance_uid)
            with self._pulse.waiting_for_peer(self.stage):
                verdicts.append((retrieve, await _judge(remote, retrieve, found)))
        await self._finish_all(verdicts)

    async def _finish_all(self, verdicts: Iterable[tuple[model.Retrieve, completeness.Completeness]]) -> None:
        """Write what was found, and what follows."""
        now = self._now()
        looks = [self._look(retrieve, verdict, now) for retrieve, verdict in verdicts]
        await self._write(looks, now)

    async def _write(self, looks: Sequence[checks.Look], now: datetime) -> None:
        written = await self._store.write_soon(checks.finish_checks, looks, now=now)
        for look in looks:
            self._tell(look, now, kept=look.retrieve.id in written.kept)
        for order in written.ready:
            log.info("order_ready", order=order.name, order_id=order.id, ready_by=order.ready_by)

    def _look(
        self, retrieve: model.Retrieve, verdict: completeness.Completeness, now: datetime
    ) -> checks.Look:
        retrieval = self.site.retrieval
        following = lifecycle.after_check(
            complete=verdict.complete,
            because=verdict.because,
            outcome=retrieve.last_outcome,
            checks=retrieve.checks,
            attempts=retrieve.attempts,
            elsewhere=retrieve.elsewhere,
            now=now,
            expire_at=retrieve.expire_at,
            patience=retrieval.patience,
            recheck=retrieval.recheck,
        )
        return checks.Look(
            retrieve=retrieve,
            then=following,
            arrived_instances=verdict.arrived,
            verified_by=verdict.verified_by,
        )

    def _tell(self, look: checks.Look, now: datetime, *, kept: bool) -> None:
        """Say what came of a look, and ring for what follows."""
        retrieve, following = look.retrieve, look.then
        if not kept:
            log.info("check_dropped", retrieve_id=retrieve.id, because="somebody else has looked")
            return
        log.log(
            _LEVELS.get(following.step, _INFO),
            _EVENTS[following.step],
            retrieve_id=retrieve.id,
            study_instance_uid=retrieve.study_instance_uid,
            destination=retrieve.destination,
            verified_by=look.verified_by,
            because=following.because,
            next_at=following.at,
        )
        if following.step is lifecycle.Step.CHECK_AGAIN:
            self._bells.verifiers[self._destination].ring_in((following.at - now).total_seconds())
        if following.step is lifecycle.Step.RETRY:
            self._bells.movers[following.archive or retrieve.archive].ring()


async def _judge(
    remote: association.RemoteAE, retrieve: model.Retrieve, found: model.Study | None
) -> completeness.Completeness:
    """Whether the study is complete there, or what is wanted of it."""
    if found is None or not retrieve.series:
        counted = await _counted(remote, found)
        return completeness.by_query(retrieve, answered=found, counted=counted)
    counts = await remote.count_parts(
        study_instance_uid=retrieve.study_instance_uid,
        parts=retrieve.series,
        patient_id=retrieve.patient_id,
    )
    return completeness.by_parts(retrieve.series, counts)


async def _counted(remote: association.RemoteAE, found: model.Study | None) -> int | None:
    """The instances counted one by one, where the destination has the study but gives no count."""
    if found is None or found.instances is not None:
        return None
    return await remote.count_instances(
        study_instance_uid=found.study_instance_uid, patient_id=found.patient_id
    )


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
