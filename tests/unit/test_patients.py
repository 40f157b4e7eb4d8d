"""The IDs of a patient, as messages name them one after the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import patients
from prefetch.model import Action, OrderEvent, Patient, PatientId


def ids(*said: str) -> tuple[PatientId, ...]:
    """`H1` is 1 of hospital H, `-1` one without an authority, `x1` an insurer's."""
    return tuple(
        PatientId(
            patient_id=text[1:],
            issuer_of_patient_id=None if text[0] == "-" else text[0],
            foreign=text[0] == "x",
        )
        for text in said
    )


def event(*said: str, **more: Any) -> OrderEvent:
    """A message that names these IDs."""
    chosen, *others = ids(*said)
    return OrderEvent(
        action=Action.CHANGE,
        patient_id=chosen.patient_id,
        issuer_of_patient_id=chosen.issuer_of_patient_id,
        other_patient_ids=tuple(others),
        **more,
    )


def patient(*said: str) -> Patient:
    """A patient with these IDs."""
    return patients.identify(Patient(), event(*said)) if said else Patient()


@pytest.mark.parametrize(
    ("known", "said", "then"),
    [
        ("", "H1 C2", "H1 C2"),
        ("H1", "H1", "H1"),
        ("H1 C2", "H1", "H1 C2"),
        ("H1", "H1 C2", "H1 C2"),
        ("H1 C2", "C2", "H1 C2"),
        ("-1", "H1", "H1"),
        ("H1", "-1", "H1"),
        ("H1 C2", "H3", "H3"),
        ("H1 C2", "H3 C2", "H3 C2"),
        ("H1 x9", "H3 x9", "H3 x9"),
        ("T5", "H1 T5", "H1 T5"),
        ("H5", "H1 H5", "H1 H5"),
        ("H1 C2 D4", "H3 C2", "H3 C2 D4"),
    ],
)
def test_what_is_known_of_a_patient_s_ids_grows_until_it_is_another_patient(
    known: str, said: str, then: str
) -> None:
    """A feed that names its own ID only takes none away; one that shares none speaks of another patient."""
    after = patients.identify(patient(*known.split()), event(*said.split()))
    assert ids(*then.split()) == after.ids


def test_a_message_without_an_id_leaves_them_alone() -> None:
    """It was matched by its order number."""
    known = patient("H1", "C2")
    assert known is patients.identify(known, OrderEvent(action=Action.CHANGE, accession_number="A1"))


@pytest.mark.parametrize(
    ("known", "survivor", "prior", "then"),
    [
        ("H1", "H9", "H1", "H9"),
        ("H1 C2", "C9", "C2", "H1 C9"),
        ("H1 C2", "C2", "H1", "C2"),
        ("H1", "H9", "C1", "H1"),
        ("-1", "-9", "-1", "-9"),
    ],
)
def test_a_merge_puts_the_survivor_in_the_place_of_the_id_that_ends(
    known: str, survivor: str, prior: str, then: str
) -> None:
    """And touches no other."""
    (old,) = ids(prior)
    merge = event(
        survivor, prior_patient_id=old.patient_id, prior_issuer_of_patient_id=old.issuer_of_patient_id
    )
    assert ids(*then.split()) == patients.merge(patient(*known.split()), merge).ids


def test_a_merge_is_within_one_authority_unless_it_says_otherwise() -> None:
    """MRG-1 is often bare where PID-3 is not."""
    merge = event("H9", prior_patient_id="1")
    assert ids("H1") == (patients.prior_of(merge),)
    assert patients.prior_of(event("H9")) is None
    assert patients.merge(patient("H1"), event("H9")).ids == ids("H1")


_IDS = st.sampled_from(["H1", "H2", "C1", "C2", "-1", "-2", "x1"])
_EVENTS = st.lists(_IDS, min_size=1, max_size=3).map(lambda said: event(*said))


@given(st.lists(_EVENTS, max_size=6))
def test_any_messages_leave_each_id_once_and_saying_it_again_changes_nothing(
    events: list[OrderEvent],
) -> None:
    """The last message's first ID is always among them."""
    known = Patient()
    for said in events:
        known = patients.identify(known, said)
        assert patients.unite(known.ids) == known.ids
        assert any(patients.same(one, patients.said_by(said)[0]) for one in known.ids)
        assert known == patients.identify(known, said)
