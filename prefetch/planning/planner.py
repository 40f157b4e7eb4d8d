"""The planner stage: orders → retrieves (design, section 2, step 4).

Asks each archive once per patient, keeps the answer, and asks the destinations what they hold; what follows
from that is decided in `draft`, purely. A query that fails postpones the planning: nothing waits here for a
peer's recovery, and what the archive answered last time stands in for it until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from weakref import WeakValueDictionary

import structlog

from prefetch import bell, config, errors, model
from prefetch.dimse import identifier
from prefetch.model import Decision
from prefetch.planning import draft, identity, inquiries, matching, select, series, uncompared, whose
from prefetch.planning.circumstances import Circumstances
from prefetch.runtime import in_flight, set_aside
from prefetch.store import database, patients, plans, retrieves
from prefetch.store import orders as order_rows
from prefetch.timing import Now

log = structlog.get_logger()

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
        asking: inquiries.Inquiries,
        owner: str,
        now: Now,
        bells: bell.Bells,
        refer: whose.Refer | None = None,
    ) -> None:
        self.use(site)
        self._store = store
        self._inquiries = asking
        self._owner = owner
        self._now = now
        self._bells = bells
        self.refer = refer
        self.in_flight = in_flight.InFlight()
        """Orders that are planned at this moment."""
        self._failures = set_aside.Failures()
        self._turns: WeakValueDictionary[tuple[str | None, str | None], asyncio.Lock] = WeakValueDictionary()

    def use(self, site: config.Config) -> None:
        """Decide by this configuration from now on."""
        self.site = site
        self._configuration = site.fingerprint()

    async def plan_next(self) -> int:
        """Claim the order that is due first and plan it; gives how many were: 0 or 1."""
        claim = await self._store.write_soon(
            order_rows.claim_orders_to_plan,
            owner=self._owner,
            now=self._now(),
            lease=self.site.retrieval.lease,
            limit=1,
        )
        if claim.more:
            self._bells.planner.ring()
        with self.in_flight.working_on([order.id for order in claim.orders]):
            for order in claim.orders:
                # The second order of a patient finds the answers that the first one had kept.
                async with self._turn(order.patient):
                    await self._plan_or_postpone(order)
        return len(claim.orders)

    async def _plan_or_postpone(self, order: model.Order) -> None:
        """Plan an order; one that we fail at is tried again later, and set aside at the third failure."""
        try:
            await self.plan(order)
        except set_aside.NOT_OURS:
            raise
        except Exception as error:
            log.exception("planning_failed", order=order.name, order_id=order.id)
            await self._postpone(order, error)
        else:
            self._failures.forget(order.id)

    async def _postpone(self, order: model.Order, error: Exception) -> None:
        now = self._now()
        at: datetime | None = now + self.site.planning.patience.delay(order.plan_attempts + 1)
        because = f"planning failed, our fault: {error!r}"
        if self._failures.count(order.id):
            at, because = None, set_aside.reason(error, "`prefetch replan` plans it once more")
            log.error("order_set_aside", order=order.name, order_id=order.id, because=because)
        await self._store.write_soon(
            order_rows.postpone_planning, order, owner=self._owner, at=at, because=because, now=now
        )

    def _turn(self, patient: model.Patient) -> asyncio.Lock:
        return self._turns.setdefault((patient.patient_id, patient.issuer_of_patient_id), asyncio.Lock())

    async def plan(self, order: model.Order) -> None:
        """Plan one claimed order and store the plan; where a reload comes in between it is planned again."""
        site, result = self.site, await self._think(order)
        while self.site is not site:
            site, result = self.site, await self._think(order)
        saved = await self._store.write_soon(
            plans.save_plan,
            result.plan,
            result.wanted,
            owner=self._owner,
            next_plan_at=result.next_plan_at,
            attempts=result.attempts,
            configuration=self._configuration,
            now=self._now(),
        )
        if saved is None:
            log.info("plan_dropped", order=order.name, because="the order changed while it was planned")
            return
        log.info("order_planned", **_summary(order, result))
        self._bells.ring_movers()

    async def _think(self, order: model.Order) -> Result:
        now = self._now()
        matches = matching.match_rules(self.site.rule_set, order, site=self.site, now=now)
        if order.fetch_now:
            matches = tuple(draft.hasten(match, now) for match in matches)
        acting = [match for match in matches if match.acts]
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
        whose_images = await whose.gather_ids(order.patient, store=self._store, refer=self.refer)
        facts = draft.Facts(
            order=order,
            verdicts=await self._store.read(patients.verdicts_about, whose_images.ids),
            policy=identity.Policy.of(self.site),
            circumstances=Circumstances.of(self.site, now),
            fetched=await self._fetched(order, acting),
        )
        asked: list[draft.Answer] = []
        while names := draft.still_to_ask(facts, matches, asked):
            asked += await self._ask(facts, matches, whose_images.ids, names, before=asked)
        found = draft.sort_studies(facts, matches, asked)
        present = await self._inquiries.present(found.to_look_for, site=self.site)
        needed = [answer for answer in asked if answer.archive in found.archives]
        missing = [f"{answer.archive}: {answer.because}" for answer in needed if not answer.whole]
        missing += [whose_images.problem] if whose_images.problem else []
        silent = whose_images.problem or any(answer.is_silence for answer in needed)
        attempts = order.plan_attempts + 1 if silent else 0
        wanted = draft.want(order, found, present=present, expire_after=self.site.retrieval.expire_after)
        return Result(
            plan=replace(
                blank,
                rules=tuple(match.reason for match in found.matches),
                patient_ids=whose_images.known,
                consulted=tuple(each for answer in asked for each in answer.consulted),
                candidates=draft.candidates(found, present=present),
                problem="; ".join(missing) or None,
                uncompared=uncompared.find_uncompared(order.patient, needed, facts.policy),
            ),
            wanted=wanted,
            # By the clock of now: an archive that hung is left alone for the whole wait all the same.
            next_plan_at=self._next_plan_at(
                order, acting, closing=_closing(wanted), attempts=attempts, now=self._now()
            ),
            attempts=attempts,
        )

    async def _fetched(
        self, order: model.Order, acting: Sequence[matching.RuleMatch]
    ) -> list[model.Retrieve]:
        """What the order wanted before, where a rule would let that rest."""
        if all(match.rule.cool_down is None for match in acting):
            return []
        wanted = await self._store.read(retrieves.retrieves_of_order, order.id)
        return [retrieve for _, retrieve in wanted]

    async def _ask(
        self,
        facts: draft.Facts,
        matches: Sequence[matching.RuleMatch],
        ids: Sequence[model.PatientId],
        names: Sequence[str],
        *,
        before: Sequence[draft.Answer],
    ) -> list[draft.Answer]:
        """What these archives hold of the patient, with the series of whatever cannot be told without."""
        asked = await self._inquiries.ask_archives(
            ids, names, site=self.site, since=facts.order.answers_since
        )
        asked = [
            await self._inquiries.look_for(answer, uids)
            if (uids := draft.named_studies(facts, matches, (*before, *asked), answer.archive))
            else answer
            for answer in asked
        ]
        by_archive = {answer.archive: answer.studies for answer in asked}
        lacking = select.to_look_into(matches, facts.order, by_archive, circumstances=facts.circumstances)
        if not lacking:
            return asked
        return await self._inquiries.look_into(asked, lacking, markings=series.any_key_images(matches))

    def _next_plan_at(
        self,
        order: model.Order,
        acting: Sequence[matching.RuleMatch],
        *,
        closing: Sequence[datetime],
        attempts: int,
        now: datetime,
    ) -> datetime | None:
        """Soon, where an archive did not answer; else shortly before a fetch begins, and before its deadline.

        So yesterday's study is not missed, not even where the fetch began when the order came. When a window
        closes, what has not been moved by then looks for the next one.
        """
        if attempts:
            useless_after = (order.scheduled_start or order.changed_at) + self.site.retrieval.expire_after
            again = now + self.site.planning.patience.delay(attempts)
            return again if again < useless_after else None
        looks = set(closing)
        if order.scheduled_start is not None:
            before = self.site.planning.replan_before
            looks |= {moment - before for match in acting for moment in (match.start_at, match.deadline)}
        return min((look for look in looks if look > now), default=None)


def _closing(wanted: Sequence[model.Wanted]) -> list[datetime]:
    """When the windows close in which something is to be moved."""
    to_move = (wish for wish in wanted if wish.decision not in {Decision.PRESENT, Decision.COOLING})
    return [wish.choice.closes_at for wish in to_move if wish.choice.closes_at is not None]


def _unusable_patient_id(order: model.Order) -> str | None:
    patient = order.patient
    if not patient.patient_id:
        return "the order names no patient ID; it waits for the message that brings it"
    try:
        identifier.refuse_unsafe(
            patient_id=patient.patient_id, issuer_of_patient_id=patient.issuer_of_patient_id
        )
    except errors.UnsafeKeyError as error:
        return f"{error}; the order waits for the message that corrects it"
    return None


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
