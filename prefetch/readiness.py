"""PURE: whether an exam has its priors, and the one figure that the product promises.

On-time share (design, section 1): of the exams with at least one chosen prior, known before their fetch was
to begin, and not cancelled, those with every chosen prior verified by query or commitment by `ready_by`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prefetch import model
from prefetch.model import Decision, OrderStatus, Readiness, RetrieveState, VerifiedBy

_GIVEN_UP = frozenset(
    {RetrieveState.PARTIAL, RetrieveState.FAILED, RetrieveState.CANCELLED, RetrieveState.EXPIRED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """One order with its last plan and the retrieves that it wants now."""

    order: model.Order
    plan: model.Plan | None
    retrieves: tuple[model.Retrieve, ...]


class Standing(StrEnum):
    """Where an exam stands to the on-time share."""

    ON_TIME = "on time"
    MISSED = "missed"
    OPEN = "open"
    """Its deadline is still ahead."""
    LATE_ORDER = "booked late"
    QUARANTINED = "quarantined"
    BY_COUNTERS = "verified by counters alone"
    NOTHING = "nothing to fetch"
    OUTSIDE = "cancelled or on hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The on-time share and what is shown beside it, never inside it."""

    counts: Counter[Standing]

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None while no exam has counted yet."""
        counted = self.counts[Standing.ON_TIME] + self.counts[Standing.MISSED]
        return self.counts[Standing.ON_TIME] / counted if counted else None


def judge(exam: Exam, now: datetime) -> Readiness:
    """The one word for an exam."""
    order, plan = exam.order, exam.plan
    if order.status in {OrderStatus.CANCELLED, OrderStatus.ON_HOLD}:
        return Readiness.CANCELLED if order.status is OrderStatus.CANCELLED else Readiness.ON_HOLD
    if plan is None:
        return Readiness.UNPLANNED
    if not order.patient.patient_id:
        return Readiness.NAMELESS
    if not exam.retrieves:
        return _without_wants(plan)
    return _with_wants(exam, now)


def _without_wants(plan: model.Plan) -> Readiness:
    if plan.problem:
        return Readiness.INCOMPLETE
    if plan.waits_for_a_time:
        return Readiness.UNSCHEDULED
    if any(candidate.decision is Decision.OBSERVED for candidate in plan.candidates):
        return Readiness.OBSERVED
    return Readiness.NOTHING


def _with_wants(exam: Exam, now: datetime) -> Readiness:
    states = {retrieve.state for retrieve in exam.retrieves}
    if states == {RetrieveState.VERIFIED}:
        # An archive that did not answer may hold more: nobody reads “ready” and finds priors missing.
        return Readiness.INCOMPLETE if exam.plan and exam.plan.problem else Readiness.READY
    if states & _GIVEN_UP:
        return Readiness.INCOMPLETE
    if states <= {RetrieveState.VERIFIED, RetrieveState.QUARANTINED}:
        return Readiness.QUARANTINED
    late = exam.order.ready_by is not None and now > exam.order.ready_by
    return Readiness.LATE if late else Readiness.WAITING


def stand(exam: Exam, now: datetime) -> Standing:
    """How an exam counts towards the on-time share."""
    readiness = judge(exam, now)
    if readiness in {Readiness.CANCELLED, Readiness.ON_HOLD}:
        return Standing.OUTSIDE
    ready_by = exam.order.ready_by
    if not exam.retrieves or ready_by is None:
        return Standing.NOTHING
    if any(retrieve.state is RetrieveState.QUARANTINED for retrieve in exam.retrieves):
        return Standing.QUARANTINED
    if exam.order.fetch_from is None or exam.order.created_at > exam.order.fetch_from:
        return Standing.LATE_ORDER
    return _measured(exam.retrieves, ready_by, now)


def _measured(retrieves: Sequence[model.Retrieve], ready_by: datetime, now: datetime) -> Standing:
    if any(retrieve.state is not RetrieveState.VERIFIED for retrieve in retrieves):
        return Standing.MISSED if now > ready_by else Standing.OPEN
    if any(retrieve.verified_by is VerifiedBy.COUNTERS for retrieve in retrieves):
        return Standing.BY_COUNTERS
    on_time = all(retrieve.verified_at and retrieve.verified_at <= ready_by for retrieve in retrieves)
    return Standing.ON_TIME if on_time else Standing.MISSED


def share(exams: Iterable[Exam], now: datetime) -> Share:
    """The figure over a set of exams."""
    return Share(counts=Counter(stand(exam, now) for exam in exams))
