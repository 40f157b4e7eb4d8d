"""Merges are remembered, followed both ways, and never make a loop; what a PIX manager said is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefetch.model import Patient, PatientId
from prefetch.store import orders, patients, retention
from prefetch.store.database import Database
from tests.queued import NOW, Queue


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def one(patient_id: str, issuer: str | None = "HOSP") -> PatientId:
    """An ID of the hospital's."""
    return PatientId(patient_id=patient_id, issuer_of_patient_id=issuer)


def merge(queue: Queue, *pairs: str) -> None:
    """`A>B`: A was merged into B, one after the other."""
    for number, pair in enumerate(pairs):
        prior, surviving = map(one, pair.split(">"))
        at = NOW + timedelta(minutes=number)
        queue.do(patients.record_merge, prior=prior, surviving=surviving, at=at)


def survivor(queue: Queue, patient_id: str) -> str:
    """The ID under which an ID lives on."""
    return queue.do(patients.surviving_id, one(patient_id)).patient_id


def merged(queue: Queue, patient_id: str) -> set[str]:
    """The IDs that became this one."""
    return {each.patient_id for each in queue.do(patients.merged_ids, one(patient_id))}


def test_a_merge_is_followed_both_ways(queue: Queue) -> None:
    """To the survivor, and to all that became it, by way of others too; in whatever order they were heard."""
    merge(queue, "B>C", "A>B", "X>B")
    assert ["C", "C", "C", "C"] == [survivor(queue, each) for each in "ABXC"]
    assert [{"A", "B", "X"}, {"A", "X"}, set()] == [merged(queue, each) for each in "CBA"]


def test_an_id_is_its_authority_s(queue: Queue) -> None:
    """Another hospital's A was not merged, nor one without an authority."""
    merge(queue, "A>B")
    for issuer in ("CLINIC", None):
        assert one("A", issuer) == queue.do(patients.surviving_id, one("A", issuer))
    assert () == queue.do(patients.merged_ids, one("B", None))


def test_a_merge_across_authorities_or_without_one(queue: Queue) -> None:
    """A47 may change both."""
    queue.do(patients.record_merge, prior=one("A", None), surviving=one("B", "CLINIC"), at=NOW)
    assert one("B", "CLINIC") == queue.do(patients.surviving_id, one("A", None))
    assert (one("A", None),) == queue.do(patients.merged_ids, one("B", "CLINIC"))


@pytest.mark.parametrize("pairs", [("A>B", "B>A"), ("A>B", "B>C", "C>A"), ("B>C", "A>B", "C>A")])
def test_merges_in_a_circle_end_with_the_last_word(queue: Queue, pairs: tuple[str, ...]) -> None:
    """What was last said to live is the survivor, and all others lead to it."""
    merge(queue, *pairs)
    everybody = {name for pair in pairs for name in pair.split(">")}
    assert {"A"} == {survivor(queue, each) for each in everybody}
    assert everybody - {"A"} == merged(queue, "A")


def test_a_later_merge_of_the_same_id_counts(queue: Queue) -> None:
    """A correction: A was not B but C."""
    merge(queue, "A>B", "A>C")
    assert ("C", set(), {"A"}) == (survivor(queue, "A"), merged(queue, "B"), merged(queue, "C"))


def test_more_merges_than_anybody_makes_are_bounded(queue: Queue) -> None:
    """A feed that merges for ever costs a plan no more than twenty IDs."""
    merge(queue, *(f"{number}>{number + 1}" for number in range(40)), *(f"m{n}>40" for n in range(40)))
    assert len(merged(queue, "40")) == 20
    assert survivor(queue, "30") == "40"


def test_an_order_is_found_by_any_id_of_its_patient(queue: Queue) -> None:
    """But not by a number that a family may share, nor by one that it had before."""
    others = (one("C1", "CLINIC"), PatientId(patient_id="9", issuer_of_patient_id="INS", foreign=True))
    known = queue.order(patient=Patient(patient_id="A", issuer_of_patient_id="HOSP", other_ids=others))

    def found(patient_id: str, issuer: str | None) -> list[int]:
        return [order.id for order in queue.do(orders.orders_of_patient, patient_id, issuer)]

    assert [[known.id], [known.id], [], []] == [
        found("A", "HOSP"),
        found("C1", "CLINIC"),
        found("9", "INS"),
        found("C1", None),
    ]
    assert others == queue.order_now(known).patient.other_ids
    queue.change(known, patient=Patient(patient_id="A", issuer_of_patient_id="HOSP"))
    assert [] == found("C1", "CLINIC")


def test_cross_references_are_kept_and_forgotten(queue: Queue) -> None:
    """The last answer of each ID, with its time."""
    assert queue.do(patients.cross_references_of, one("A")) is None
    for at, ids in ((NOW, (one("B"),)), (NOW + timedelta(hours=1), (one("C1", "CLINIC"), one("B")))):
        queue.do(patients.keep_cross_references, one("A"), ids, at=at)
    assert queue.do(patients.cross_references_of, one("A")) == patients.Referred(
        asked_at=NOW + timedelta(hours=1), ids=(one("C1", "CLINIC"), one("B"))
    )
    later = NOW + timedelta(hours=2)
    assert queue.do(retention.forget, history_before=later, messages_before=NOW, limit=100) == 1
    assert queue.do(patients.cross_references_of, one("A")) is None


def test_cross_references_are_forgotten_some_at_a_time(queue: Queue) -> None:
    """So that no writer waits for it."""
    for number in range(5):
        queue.do(patients.keep_cross_references, one(f"A{number}"), (), at=NOW)
    later = NOW + timedelta(hours=2)
    counts = [
        queue.do(retention.forget, history_before=later, messages_before=NOW, limit=2) for _ in range(4)
    ]
    assert [2, 2, 1, 0] == counts
