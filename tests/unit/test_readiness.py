"""The one word for an exam, and the one figure for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefetch import readiness
from prefetch.model import (
    Candidate,
    Decision,
    Order,
    OrderStatus,
    Patient,
    Plan,
    Readiness,
    Retrieve,
    RetrieveState,
    Study,
    VerifiedBy,
)
from prefetch.readiness import Exam, Standing

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
READY_BY = NOW + timedelta(hours=1)


def order(**telling: Any) -> Order:
    """An order known a day ahead."""
    usual: dict[str, Any] = {
        "id": 1,
        "version": 1,
        "status": OrderStatus.SCHEDULED,
        "patient": Patient(patient_id="4711"),
        "source": "ris",
        "created_at": NOW - timedelta(days=2),
        "changed_at": NOW,
        "fetch_from": NOW - timedelta(days=1),
        "ready_by": READY_BY,
    }
    return Order(**(usual | telling))


def retrieve(state: RetrieveState = RetrieveState.VERIFIED, **telling: Any) -> Retrieve:
    """One wanted prior, verified by query before the deadline."""
    usual: dict[str, Any] = {
        "id": 1,
        "study_instance_uid": "1.2.3",
        "archive": "main",
        "archives": ("main",),
        "destination": "room-1",
        "patient_id": "4711",
        "start_at": NOW,
        "deadline": READY_BY,
        "expire_at": READY_BY,
        "created_at": NOW,
        "verified_at": NOW,
        "verified_by": VerifiedBy.QUERY,
    }
    return Retrieve(state=state, **(usual | telling))


def exam(*states: RetrieveState, plan: Plan | None = None, **of_order: Any) -> Exam:
    """An exam whose priors are in these states."""
    made = plan or Plan(order_id=1, order_version=1, made_at=NOW)
    return Exam(order=order(**of_order), plan=made, retrieves=tuple(map(retrieve, states)))


def plan(**telling: Any) -> Plan:
    """A plan that wants nothing."""
    return Plan(order_id=1, order_version=1, made_at=NOW, **telling)


S = RetrieveState
OBSERVED = Candidate(study=Study(study_instance_uid="1", archive="main"), decision=Decision.OBSERVED)


@pytest.mark.parametrize(
    ("subject", "word"),
    [
        (exam(S.VERIFIED, S.VERIFIED), Readiness.READY),
        (exam(S.VERIFIED, plan=plan(problem="main: away")), Readiness.INCOMPLETE),
        (exam(S.VERIFIED, S.MOVING), Readiness.WAITING),
        (exam(S.VERIFIED, S.QUARANTINED), Readiness.QUARANTINED),
        (exam(S.MOVING, S.QUARANTINED), Readiness.WAITING),
        (exam(S.VERIFIED, S.PARTIAL), Readiness.INCOMPLETE),
        (exam(S.FAILED), Readiness.INCOMPLETE),
        (exam(S.MOVED, ready_by=NOW - timedelta(minutes=1)), Readiness.LATE),
        (exam(), Readiness.NOTHING),
        (exam(plan=plan(problem="main: away")), Readiness.INCOMPLETE),
        (exam(plan=plan(waits_for_a_time=True)), Readiness.UNSCHEDULED),
        (exam(plan=plan(candidates=(OBSERVED,))), Readiness.OBSERVED),
        (exam(S.VERIFIED, status=OrderStatus.CANCELLED), Readiness.CANCELLED),
        (exam(status=OrderStatus.ON_HOLD), Readiness.ON_HOLD),
    ],
)
def test_an_exam_has_one_word(subject: Exam, word: Readiness) -> None:
    """The operator reads one word, whatever its priors are doing."""
    assert word is readiness.judge(subject, NOW)


def test_before_the_first_plan_an_exam_is_unplanned() -> None:
    """Nothing is claimed of an order that nobody has looked at."""
    assert Readiness.UNPLANNED is readiness.judge(Exam(order=order(), plan=None, retrieves=()), NOW)


def by_counters() -> Exam:
    """An exam whose only prior was verified by the archive's own counts."""
    counted = retrieve(verified_by=VerifiedBy.COUNTERS)
    return Exam(order=order(), plan=plan(), retrieves=(counted,))


def verified_late() -> Exam:
    """An exam whose only prior came after its deadline."""
    late = retrieve(verified_at=READY_BY + timedelta(seconds=1))
    return Exam(order=order(), plan=plan(), retrieves=(late,))


@pytest.mark.parametrize(
    ("subject", "standing"),
    [
        (exam(S.VERIFIED), Standing.ON_TIME),
        (exam(S.VERIFIED, plan=plan(problem="main: away")), Standing.ON_TIME),
        (verified_late(), Standing.MISSED),
        (exam(S.VERIFIED, S.MOVING), Standing.OPEN),
        (exam(S.MOVING, ready_by=NOW - timedelta(minutes=1)), Standing.MISSED),
        (exam(S.FAILED, ready_by=NOW - timedelta(minutes=1)), Standing.MISSED),
        (exam(S.VERIFIED, created_at=NOW), Standing.LATE_ORDER),
        (exam(S.VERIFIED, S.QUARANTINED), Standing.QUARANTINED),
        (by_counters(), Standing.BY_COUNTERS),
        (exam(), Standing.NOTHING),
        (exam(S.VERIFIED, status=OrderStatus.CANCELLED), Standing.OUTSIDE),
    ],
)
def test_an_exam_stands_in_one_place(subject: Exam, standing: Standing) -> None:
    """What is booked late, quarantined or known by counters alone is beside the figure, never inside."""
    assert standing is readiness.stand(subject, NOW)


def test_the_share_counts_only_what_counts() -> None:
    """One on time, one missed, and anything beside them: a half."""
    share = readiness.share([exam(S.VERIFIED), verified_late(), by_counters(), exam()], NOW)
    assert share.share == pytest.approx(0.5)


def test_there_is_no_share_of_nothing() -> None:
    """Before any exam has counted there is no figure, not a perfect one."""
    assert readiness.share([exam()], NOW).share is None
