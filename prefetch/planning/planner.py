"""The planner stage: orders → retrieves (design, section 2, step 4).

Asks each archive once per patient, keeps the answer, and asks the destinations what they hold; what follows
from that is decided in `draft`, purely. A query that fails postpones the planning: nothing waits here for a
peer's recovery, and what the archive answered last time stands in for it until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from weakref import WeakValueDictionary

import structlog

from prefetch import bell, config, errors, health, model
from prefetch.config import Verify
from prefetch.dimse import association, identifier
from prefetch.model import Decision, Outcome
from prefetch.planning import draft, identity, select
from prefetch.store import answers, database, patients, plans, retrieves
from prefetch.store import orders as order_rows
from prefetch.timing import Now

log = structlog.get_logger()

STAGE = "planner"

WORKERS = 8
"""Orders planned at the same time; how many ask one archive at once is that archive's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one planning came to, ready to be stored."""

    plan: model.Plan
    wanted: tuple[model.Wanted, ...] = ()
    next_plan_at: datetime | None = None
    attempts: int = 0
    """Plans in a row that were not whole, this one counted."""


class Planner:
    """Plans the orders that are due."""

    def __init__(
        self,
        *,
        site: config.Config,
        store: database.Database,
        archives: Mapping[str, association.RemoteAE],
        workstations: Mapping[str, association.RemoteAE],
        owner: str,
        now: Now,
        bells: bell.Bells,
        pulse: health.Pulse,
    ) -> None:
        self.site = site
        self._store = store
        self._archives = archives
        self._workstations = workstations
        self._owner = owner
        self._now = now
        self._bells = bells
        self._pulse = pulse
        self._turns: WeakValueDictionary[tuple[str | None, str | None], asyncio.Lock] = WeakValueDictionary()

    async def plan_next(self) -> int:
        """Claim the order that is due first and plan it; gives how many were: 0 or 1."""
        claimed = await self._store.write(
            order_rows.claim_orders_to_plan,
            owner=self._owner,
            now=self._now(),
            lease=self.site.retrieval.lease,
            limit=1,
        )
        if claimed:
            self._bells.planner.ring()
        for order in claimed:
            # The second order of a patient finds the answers that the first one had kept.
            async with self._turn(order.patient):
                await self._plan_or_postpone(order)
        return len(claimed)

    async def _plan_or_postpone(self, order: model.Order) -> None:
        try:
            await self.plan(order)
        except errors.StoreError:
            raise
        except Exception as error:  # one order that we cannot plan must not stop the others
            again = self._now() + self.site.planning.patience.delay(order.plan_attempts + 1)
            because = f"planning failed, our fault: {error!r}"
            log.exception("planning_failed", order=order.name, order_id=order.id, next_plan_at=again)
            await self._store.write(
                order_rows.postpone_planning,
                order,
                owner=self._owner,
                at=again,
                because=because,
                now=self._now(),
            )

    def _turn(self, patient: model.Patient) -> asyncio.Lock:
        return self._turns.setdefault((patient.patient_id, patient.issuer_of_patient_id), asyncio.Lock())

    async def plan(self, order: model.Order) -> None:
        """Plan one claimed order and store the plan."""
        result = await self._think(order)
        saved = await self._store.write(
            plans.save_plan,
            result.plan,
            result.wanted,
            owner=self._owner,
            next_plan_at=result.next_plan_at,
            attempts=result.attempts,
            now=self._now(),
        )
        if saved is None:
            log.info("plan_dropped", order=order.name, because="the order changed while it was planned")
            return
        log.info("order_planned", **_summary(order, result))
        self._bells.ring_movers()

    async def _think(self, order: model.Order) -> Result:
        now = self._now()
        matches = select.match_rules(self.site.rule_set, order, site=self.site, now=now)
        if order.fetch_now:
            matches = tuple(draft.hasten(match, now) for match in matches)
        acting = [match for match in matches if match.matched and not match.waits]
        blank = model.Plan(
            order_id=order.id,
            order_version=order.version,
            made_at=now,
            rules=tuple(match.reason for match in matches),
            problem=_unusable_patient_id(order),
            waits_for_a_time=any(match.waits for match in matches),
        )
        if blank.problem or not acting:
            return Result(plan=blank)
        asked = await self._ask_archives(order, _archives_of(acting))
        found = draft.sort_studies(
            order,
            matches,
            asked,
            verdicts=await self._store.read(patients.verdicts_about, order.patient),
            policy=identity.Policy.of(self.site),
            circumstances=select.Circumstances.of(self.site, now),
        )
        present = await self._present(found.choices)
        missing = "; ".join(f"{answer.archive}: {answer.because}" for answer in asked if not answer.whole)
        # An answer that is too long will be so again; who does not answer may do so later.
        silent = any(not answer.whole and answer.outcome is not Outcome.PARTIAL for answer in asked)
        attempts = order.plan_attempts + 1 if silent else 0
        return Result(
            plan=replace(
                blank,
                consulted=tuple(_consulted(answer) for answer in asked),
                candidates=draft.candidates(found, present=present),
                problem=missing or None,
            ),
            wanted=draft.want(order, found, present=present, expire_after=self.site.retrieval.expire_after),
            next_plan_at=self._next_plan_at(order, acting, attempts=attempts, now=now),
            attempts=attempts,
        )

    def _next_plan_at(
        self, order: model.Order, acting: Sequence[select.RuleMatch], *, attempts: int, now: datetime
    ) -> datetime | None:
        """Soon, where an archive did not answer; else shortly before a fetch begins, and before its deadline.

        So yesterday's study is not missed, not even where the fetch began when the order came.
        """
        if attempts:
            expire = (order.scheduled_start or order.created_at) + self.site.retrieval.expire_after
            again = now + self.site.planning.patience.delay(attempts)
            return again if again < max(expire, now + self.site.retrieval.expire_after) else None
        if order.scheduled_start is None:
            return None
        looks = {moment for match in acting for moment in (match.start_at, match.deadline)}
        ahead = [look for moment in looks if (look := moment - self.site.planning.replan_before) > now]
        return min(ahead, default=None)

    async def _ask_archives(self, order: model.Order, names: Iterable[str]) -> list[draft.Answer]:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._ask(order.patient, name)) for name in names]
        return [task.result() for task in asking]

    async def _ask(self, patient: model.Patient, archive: str) -> draft.Answer:
        """One archive's answer: a fresh one that is kept, else asked anew, else the last one it ever gave."""
        assert patient.patient_id  # noqa: S101 (checked by _unusable_patient_id)
        # The archive may call the order's assigning authority otherwise; unmapped it is asked as it came.
        patient_id, issuer = patient.patient_id, _namespace(patient.issuer_of_patient_id)
        issuer = self.site.archives[archive].issuers.get(issuer or "", issuer)
        now = self._now()
        kept = await self._store.read(answers.latest_answer, archive, patient_id, issuer)
        if kept is not None and kept.asked_at >= now - self.site.planning.reuse_answer:
            return _answer(archive, kept.asked_at, kept.result.studies, kept.result)
        with self._pulse.waiting_for_peer(STAGE):
            result = await self._archives[archive].find_studies(
                patient_id=patient_id, issuer_of_patient_id=issuer
            )
        await self._store.write(answers.save_answer, archive, patient_id, issuer, result, asked_at=now)
        log.info(
            "archive_asked",
            archive=archive,
            patient_id=patient_id,
            outcome=result.outcome.value,
            answers=len(result.studies),
            milliseconds=round(result.milliseconds, 1),
            because=result.because,
        )
        if result.outcome is not Outcome.SUCCESS and kept is not None:
            return _answer(archive, kept.asked_at, kept.result.studies, result)
        return _answer(archive, now, result.studies, result)

    async def _present(self, choices: Sequence[model.Choice]) -> set[tuple[str, str]]:
        """What the destinations hold complete already: (study instance UID, destination)."""
        present = set()
        by_destination: dict[str, list[model.Choice]] = {}
        for choice in choices:
            by_destination.setdefault(choice.destination, []).append(choice)
        for destination, wanted in by_destination.items():
            if self.site.workstations[destination].verify is Verify.COUNTERS:
                uids = [choice.study.study_instance_uid for choice in wanted]
                present |= {
                    (uid, destination)
                    for uid in await self._store.read(retrieves.verified_at, destination, uids)
                }
                continue
            held = await self._held(destination, wanted)
            present |= {
                (choice.study.study_instance_uid, destination)
                for choice in wanted
                if await self._holds_all(choice, held.get(choice.study.study_instance_uid))
            }
        return present

    async def _holds_all(self, choice: model.Choice, held: model.Study | None) -> bool:
        """Whether a destination's copy is complete; whoever gives no count is asked for each instance."""
        if held is None:
            return False
        at_archive = await self._counted(choice.study, self._archives[choice.study.archive])
        return draft.holds_all(at_archive, await self._counted(held, self._workstations[choice.destination]))

    async def _counted(self, study: model.Study, remote: association.RemoteAE) -> model.Study:
        if study.instances is not None:
            return study
        with self._pulse.waiting_for_peer(STAGE):
            counted = await remote.count_instances(study_instance_uid=study.study_instance_uid)
        return replace(study, instances=counted)

    async def _held(self, destination: str, wanted: Sequence[model.Choice]) -> dict[str, model.Study]:
        """One C-FIND a patient at the destination; one that cannot be asked holds nothing that we know of."""
        held: dict[str, model.Study] = {}
        by_patient: dict[str, list[str]] = {}
        for choice in wanted:
            by_patient.setdefault(choice.study.patient_id or "", []).append(choice.study.study_instance_uid)
        for patient_id, uids in by_patient.items():
            with self._pulse.waiting_for_peer(STAGE):
                result = await self._workstations[destination].find_held(
                    patient_id=patient_id, study_instance_uids=uids
                )
            held |= {study.study_instance_uid: study for study in result.studies}
        return held


def _namespace(issuer: str | None) -> str | None:
    """The Issuer of Patient ID is the first part of an assigning authority (HL7 v2.5.1 2.A.33)."""
    return issuer.split("&")[0].strip() or None if issuer else None


def _archives_of(acting: Sequence[select.RuleMatch]) -> list[str]:
    return list(dict.fromkeys(name for match in acting for name in match.archives))


def _unusable_patient_id(order: model.Order) -> str | None:
    patient = order.patient
    if not patient.patient_id:
        return "the order names no patient ID; it waits for the message that brings it"
    try:
        identifier.studies(patient_id=patient.patient_id, issuer_of_patient_id=patient.issuer_of_patient_id)
    except errors.UnsafeKeyError as error:
        return f"{error}; the order waits for the message that corrects it"
    return None


def _answer(
    archive: str, asked_at: datetime, studies: tuple[model.Study, ...], result: model.FindResult
) -> draft.Answer:
    return draft.Answer(
        archive=archive, asked_at=asked_at, studies=studies, outcome=result.outcome, because=result.because
    )


def _consulted(answer: draft.Answer) -> model.Consulted:
    return model.Consulted(
        archive=answer.archive,
        asked_at=answer.asked_at,
        outcome=answer.outcome,
        answers=len(answer.studies),
        because=answer.because,
    )


def _summary(order: model.Order, result: Result) -> dict[str, object]:
    decisions = [candidate.decision for candidate in result.plan.candidates]
    return {
        "order": order.name,
        "order_id": order.id,
        "version": order.version,
        "candidates": len(decisions),
        "priors": sum(decision is not Decision.LEFT for decision in decisions),
        "quarantined": decisions.count(Decision.QUARANTINED),
        "problem": result.plan.problem,
        "next_plan_at": result.next_plan_at,
    }
