"""What is new, changed or absent in an answer."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake.worklist import difference, reading
from prefetch.intake.worklist.difference import Fate, Interest, Known
from prefetch.model import Action, Outcome, WorklistAnswer
from tests.unit.test_worklist_reading import item

MARCH = Interest(first_day=date(2026, 3, 1), last_day=date(2026, 3, 31))


def known(*items: dict[str, Any], **said: Any) -> list[Known]:
    """Items as they were last answered."""
    return [Known(id=number, item=each, **said) for number, each in enumerate(items, start=1)]


def compare(before: list[Known], *items: dict[str, Any], whole: bool = True) -> difference.Difference:
    """Compare an answer of these items."""
    return difference.compare(before, items, interest=MARCH, whole=whole)


def test_only_what_changed_is_news() -> None:
    """The rest was said before; its numbers name the exam all the same."""
    moved = item(ScheduledProcedureStepStartTime="120000")
    (exam,) = compare(known(item()), moved).exams
    assert ("A1", "2026-03-02T12:00:00") == (exam.event.accession_number, exam.news.scheduled_start)
    assert (Action.CHANGE, None, None) == (exam.news.action, exam.news.accession_number, exam.news.modality)
    assert not exam.is_new


def test_what_is_no_longer_said_was_not_deleted() -> None:
    """A worklist that leaves an attribute out has nothing to say of it."""
    (exam,) = compare(known(item(PatientSex="F")), item()).exams
    assert (None, frozenset()) == (exam.news.sex, exam.news.cleared)


def test_an_id_is_news_with_its_issuer() -> None:
    """The one means nothing without the other."""
    before = known(item(IssuerOfPatientID="HOSP"))
    (exam,) = compare(before, item(PatientID="4712", IssuerOfPatientID="HOSP")).exams
    assert ("4712", "HOSP") == (exam.news.patient_id, exam.news.issuer_of_patient_id)


def test_an_item_that_is_there_again_is_new() -> None:
    """All that it says is said again."""
    (exam,) = compare(known(item(), gone=True), item()).exams
    assert (True, Action.NEW, "CT") == (exam.is_new, exam.news.action, exam.news.modality)


def test_an_item_that_is_not_cancelled_any_more_is_ordered_anew() -> None:
    """And one that is now is cancelled."""
    cancelled = item(ScheduledProcedureStepStatus="CANCELLED")
    (exam,) = compare(known(cancelled), item()).exams
    assert Action.NEW is exam.news.action
    (exam,) = compare(known(item()), cancelled).exams
    assert Action.CANCEL is exam.news.action


@pytest.mark.parametrize(
    ("whole", "day", "absences"),
    [(True, "20260302", [1]), (False, "20260302", []), (True, "20260220", []), (True, "20260402", [])],
)
def test_absent_is_what_a_whole_answer_should_have_held(whole: bool, day: str, absences: list[int]) -> None:
    """Not what lies outside of the window, and nothing where the answer is not whole."""
    found = compare(known(item(ScheduledProcedureStepStartDate=day)), whole=whole)
    assert absences == [one.absences for one in found.absent]


def test_what_has_gone_is_not_absent() -> None:
    """It is counted no more."""
    assert () == compare(known(item(), gone=True)).absent


def test_items_that_nobody_asked_for_are_left_out_unless_they_are_known() -> None:
    """One that is known was moved there."""
    far = item(ScheduledProcedureStepStartDate="20260502")
    assert ((), 1) == (compare([], far).exams, compare([], far).outside)
    (exam,) = compare(known(item()), far).exams
    assert "2026-05-02T10:00:00" == exam.news.scheduled_start


@pytest.mark.parametrize(
    ("interest", "is_ours"),
    [
        ({}, True),
        ({"stations": frozenset({"CT1"})}, True),
        ({"stations": frozenset({"CT9"})}, False),
        ({"modalities": frozenset({"CT"})}, True),
        ({"modalities": frozenset({"XR", "MR"})}, False),
    ],
)
def test_what_is_of_interest_is_decided_here_too(interest: dict[str, Any], is_ours: bool) -> None:
    """By day, station and modality; without a day an item is always of interest."""
    wanted = Interest(first_day=MARCH.first_day, last_day=MARCH.last_day, **interest)
    assert is_ours is wanted.holds(item(ScheduledStationAETitle="CT1\\CT2"))
    assert is_ours is wanted.holds(item(ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate=None))


def test_an_item_that_names_no_order_is_counted() -> None:
    """Nothing could ever find it again."""
    found = compare([], item(AccessionNumber=None, StudyInstanceUID=None))
    assert ((), 1) == (found.exams, found.unnamed)


def test_the_order_of_duplicates_does_not_matter() -> None:
    """The same one of them counts each time."""
    one, other = item(), item(ScheduledProcedureStepStartTime="080000")
    first, second = compare([], one, other), compare([], other, one)
    assert (first.exams, first.duplicates) == (second.exams, 1)


def test_a_step_that_is_missing_stands_as_it_was() -> None:
    """An exam does not move because one of its steps was left out of an answer."""
    first = item(ScheduledProcedureStepStartTime="080000")
    second = item(ScheduledProcedureStepID="S2")
    assert () == compare(known(first, second), second).exams


def test_when_one_step_has_gone_the_next_says_when_the_exam_is() -> None:
    """And the last one cancels it."""
    first = item(ScheduledProcedureStepStartTime="080000")
    steps = known(first, item(ScheduledProcedureStepID="S2"))
    event, news = difference.without(steps, steps[0])
    assert ("A1", "2026-03-02T10:00:00") == (event.accession_number, news.scheduled_start)
    left = [Known(id=1, item=first, gone=True), steps[1]]
    event, news = difference.without(left, steps[1])
    assert (Action.CANCEL, "A1", Action.CANCEL) == (event.action, event.accession_number, news.action)


def test_a_step_after_one_that_has_gone_does_not_name_the_exam_by_its_id() -> None:
    """The order may know the former one's."""
    gone = known(item(), gone=True)
    (exam,) = compare(gone, item(ScheduledProcedureStepID="S2")).exams
    assert exam.event.scheduled_procedure_step_id is None


@pytest.mark.parametrize(
    ("outcome", "items", "fate"),
    [
        (Outcome.SUCCESS, [], Fate.GONE),
        (Outcome.SUCCESS, [item()], Fate.STILL_THERE),
        (Outcome.TRANSIENT, [item()], Fate.STILL_THERE),
        (Outcome.TRANSIENT, [], Fate.UNSURE),
        (Outcome.SUCCESS, [item(AccessionNumber="A9", StudyInstanceUID="9")], Fate.UNSURE),
        (Outcome.SUCCESS, [item(ScheduledProcedureStepID="S9")], Fate.GONE),
    ],
)
def test_an_ask_by_number_is_believed_where_the_number_was_heeded(
    outcome: Outcome, items: list[dict[str, Any]], fate: Fate
) -> None:
    """Other numbers in the answer show that it was not."""
    answer = WorklistAnswer(outcome=outcome, items=tuple(items))
    asked_for = {"AccessionNumber": "A1"}.items()
    (one,) = known(item())
    assert fate is difference.judge(one, answer, asked_for=lambda each: asked_for <= each.items())


def test_an_empty_answer_is_doubted_where_much_was_known() -> None:
    """A few items may all have gone; many have not."""
    few, many = (
        known(*(item(AccessionNumber=f"A{n}", StudyInstanceUID=f"1.{n}") for n in range(count)))
        for count in (difference.SUSPICIOUS, difference.SUSPICIOUS + 1)
    )
    empty = WorklistAnswer(outcome=Outcome.SUCCESS)
    assert difference.is_doubtful(few, empty, MARCH) is None
    assert "no item at all where 11 were known" == difference.is_doubtful(many, empty, MARCH)
    refused = WorklistAnswer(outcome=Outcome.TRANSIENT, because="refused")
    assert "refused" == difference.is_doubtful(few, refused, MARCH)


_ITEMS = st.lists(
    st.builds(
        item,
        AccessionNumber=st.sampled_from(["A1", "A2", None]),
        StudyInstanceUID=st.sampled_from(["1", "2", None]),
        RequestedProcedureID=st.sampled_from(["RP1", None]),
        ScheduledProcedureStepID=st.sampled_from(["S1", "S2"]),
        ScheduledProcedureStepStartTime=st.sampled_from(["080000", "100000"]),
        ScheduledProcedureStepStatus=st.sampled_from([None, "STARTED", "CANCELLED"]),
    ),
    max_size=5,
)


@given(_ITEMS, st.randoms())
def test_any_answer_that_repeats_itself_has_no_news(items: list[dict[str, Any]], random: Any) -> None:
    """In whatever order its items come."""
    kept: list[Known] = []
    for exam in compare([], *items).exams:
        for _, each in exam.written:
            kept.append(Known(id=len(kept) + 1, item=each))
    shuffled = [*items]
    random.shuffle(shuffled)
    again = compare(kept, *shuffled)
    assert () == again.exams
    assert () == again.absent
    assert all(reading.names_of(one.item) for one in again.seen)
