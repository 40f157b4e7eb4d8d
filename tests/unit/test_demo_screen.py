"""Promises of what `prefetch demo` shows, and of when it takes the morning as settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from prefetch import model, readiness
from prefetch.cli import demo, demo_screen
from prefetch.model import Decision, OrderStatus, RetrieveState
from prefetch.sandbox import judge

NOW = datetime(2026, 2, 27, 7, 30, tzinfo=UTC)
ORDER = model.Order(
    id=1,
    version=1,
    status=OrderStatus.SCHEDULED,
    patient=model.Patient(patient_id="4711"),
    source="ris",
    accession_number="N1",
    modality="CT",
    procedure_description="CT chest",
    scheduled_start=NOW + timedelta(hours=2),
    created_at=NOW,
    changed_at=NOW,
    planned_version=1,
)
RETRIEVE = model.Retrieve(
    id=1,
    state=RetrieveState.VERIFIED,
    study_instance_uid="1.2",
    archive="main-archive",
    archives=("main-archive",),
    destination="reading-room-1",
    patient_id="4711",
    start_at=NOW,
    deadline=NOW + timedelta(hours=1),
    expire_at=NOW + timedelta(hours=12),
    created_at=NOW,
    moved_at=NOW,
    verified_at=NOW + timedelta(minutes=1),
)
STUDY = model.Study(
    study_instance_uid="1.2",
    archive="main-archive",
    study_date=date(2025, 3, 1),
    description="CT chest low dose",
    modalities=("CT",),
)
REASON = model.Reason(because="modality is CT; newest, number 1", rule="chest", prior_class="last CT")
PLAN = model.Plan(
    order_id=1,
    order_version=1,
    made_at=NOW,
    candidates=(model.Candidate(study=STUDY, decision=Decision.TAKEN, reasons=(REASON,)),),
)


def exam(state: RetrieveState = RetrieveState.VERIFIED, **order: object) -> readiness.Exam:
    """An exam with one prior in a state; keywords change its order."""
    verified = RETRIEVE.verified_at if state is RetrieveState.VERIFIED else None
    retrieve = replace(RETRIEVE, state=state, verified_at=verified)
    return readiness.Exam(order=replace(ORDER, **order), plan=PLAN, retrieves=(retrieve,))  # type: ignore[arg-type]


def text(shown: RenderableType) -> str:
    """What stands on a wide screen."""
    console = Console(file=StringIO(), width=160)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


# --- settled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "settled"),
    [
        (RetrieveState.VERIFIED, True),
        (RetrieveState.QUARANTINED, True),
        (RetrieveState.FAILED, True),
        (RetrieveState.DUE, False),
        (RetrieveState.MOVING, False),
        (RetrieveState.MOVED, False),
        (RetrieveState.WAITING, False),
    ],
)
def test_an_exam_is_settled_when_nothing_is_under_way(state: RetrieveState, settled: bool) -> None:
    """What moves, waits for its look, or is about to be tried again is not settled."""
    assert demo.is_settled(exam(state), NOW) is settled


def test_what_begins_much_later_is_not_waited_for() -> None:
    """An exam of another day is settled once it is planned."""
    waiting = replace(
        RETRIEVE, state=RetrieveState.WAITING, start_at=NOW + timedelta(days=1), verified_at=None
    )
    assert demo.is_settled(readiness.Exam(order=ORDER, plan=PLAN, retrieves=(waiting,)), NOW)


def test_a_change_that_is_not_planned_yet_is_waited_for() -> None:
    """An order of a newer version than its plan is not settled; a cancelled one is."""
    assert not demo.is_settled(exam(version=2), NOW)
    assert not demo.is_settled(readiness.Exam(order=ORDER, plan=None, retrieves=()), NOW)
    assert demo.is_settled(exam(version=2, status=OrderStatus.CANCELLED), NOW)


def test_a_plan_that_is_to_be_made_again_soon_is_waited_for() -> None:
    """Where an archive could not be asked the next planning is waited for, not the one of another day."""
    unasked = replace(PLAN, problem="offsite could not be asked")
    for plan_at, settled in ((NOW + timedelta(seconds=15), False), (NOW + timedelta(hours=9), True)):
        order = replace(ORDER, plan_at=plan_at)
        assert (
            demo.is_settled(readiness.Exam(order=order, plan=unasked, retrieves=(RETRIEVE,)), NOW) is settled
        )


# --- the screen ------------------------------------------------------------------------------------


def test_the_funnel_counts_each_prior_once() -> None:
    """Two exams that want the same retrieve make one prior, and what waits for another day is none yet."""
    other = replace(ORDER, id=2, accession_number="N2")
    exams = [exam(), readiness.Exam(order=other, plan=PLAN, retrieves=(RETRIEVE,))]
    glance = demo_screen.Glance(now=NOW, exams=exams, sent=2, read=1)
    assert glance.funnel() == [
        ("messages read", 1, 2),
        ("exams planned", 2, 2),
        ("priors moved", 1, 1),
        ("priors verified", 1, 1),
    ]
    assert "N2 CT ready 1/1" in text(demo_screen.picture(glance))


def test_the_last_screen_tells_what_came_why_and_how_early() -> None:
    """Each prior stands under its exam with its rule, when it was verified, and how long before the start."""
    _, _, title, prior, *_ = text(demo_screen.exams_table([exam()], now=NOW, width=160)).splitlines()
    why = "chest/last CT: newest, number 1, from main-archive"
    assert " ".join(title.split()) == "N1 Fri 09:30 CT chest ready"
    assert " ".join(prior.split()) == f"2025-03-01 CT CT chest low dose {why} 07:31:00 1 h 59 min"


def test_a_narrow_screen_loses_no_reason() -> None:
    """Where it does not fit beside the prior the reason stands below it."""
    *_, prior, why = text(demo_screen.exams_table([exam()], now=NOW, width=80)).splitlines()
    assert " ".join(prior.split()) == "2025-03-01 CT CT chest low dose 07:31:00 1 h 59 min"
    assert why.strip() == "chest/last CT: newest, number 1, from main-archive"


def test_a_prior_that_did_not_come_says_its_state() -> None:
    """A quarantined study has no time, but a word."""
    assert "quarantined" in text(
        demo_screen.exams_table([exam(RetrieveState.QUARANTINED)], now=NOW, width=80)
    )


def test_lines_are_printed_when_something_is_new() -> None:
    """Without a terminal there is a line a second at most, and none that says the same."""
    console = Console(file=StringIO(), width=160)
    lines = demo_screen.Lines(console)
    with console.capture() as captured:
        for seconds, read in ((0, 1), (0.5, 2), (1, 2), (3, 2)):
            now = NOW + timedelta(seconds=seconds)
            lines(demo_screen.Glance(now=now, exams=[], sent=2, read=read))
    assert [line.split(",")[0] for line in captured.get().splitlines()] == [
        "07:30:00  messages read 1/2",
        "07:30:01  messages read 2/2",
    ]


# --- the verdict -----------------------------------------------------------------------------------


def test_a_good_verdict_is_one_line() -> None:
    """All there and nothing else."""
    arrival = judge.Arrival(study="ada/ct1", instances=2, expected=2)
    found = judge.Verdict(findings=(judge.Finding(accession="N1", arrivals=(arrival,)),))
    assert text(demo_screen.verdict(found)).strip() == (
        "On the workstations: 1 of 1 priors that a radiologist wants, complete; "
        "nothing that must not be there."
    )


def test_a_bad_verdict_names_each_study() -> None:
    """What is short, what must not be there, and whose it is."""
    arrival = judge.Arrival(study="ada/ct1", instances=1, expected=2)
    finding = judge.Finding(accession="N1", arrivals=(arrival,), forbidden=("foot",))
    said = text(demo_screen.verdict(judge.Verdict(findings=(finding,), strangers=("ben/us1",))))
    assert "0 of 1 priors" in said
    assert "2 that must not be there" in said
    assert "N1: ada/ct1 has 1 of 2 instances" in said
    assert "N1: foot must not be there" in said
    assert "ben/us1 is of a patient who has no exam" in said
