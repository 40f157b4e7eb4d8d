"""Which of a patient's IDs an archive is asked for, and which answers carry it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.model import PatientId
from prefetch.peers import Archive, PatientIdForm
from prefetch.planning import keys


def archive(**said: Any) -> Archive:
    """An archive of which this is said."""
    return Archive.model_validate({"ae_title": "A", "host": "h", "port": "104"} | said)


def one(patient_id: str, issuer: str | None = "HOSP", **said: Any) -> PatientId:
    """An ID of the hospital's."""
    return PatientId(patient_id=patient_id, issuer_of_patient_id=issuer, **said)


def asked(of: Archive, *ids: PatientId) -> list[tuple[str, str | None]]:
    """What an archive is asked for."""
    return [(key.patient_id, key.issuer_of_patient_id) for key in keys.keys_for(ids, of).asked]


def test_an_archive_of_which_nothing_is_said_is_asked_for_every_id_as_it_came() -> None:
    """Each once; the issuer is the namespace of its authority."""
    ids = [one("1"), one("2", "CLINIC&1.2.3&ISO"), one("1"), one("3", None)]
    assert [("1", "HOSP"), ("2", "CLINIC"), ("3", None)] == asked(archive(), *ids)


def test_an_archive_is_asked_for_the_ids_of_the_authorities_that_it_knows() -> None:
    """Under its own names for them; an ID that names no authority may be any of them."""
    knows = archive(issuers={"HOSP": "GENERAL", "CLINIC": "CLINIC"})
    ids = [one("1", "hosp"), one("2", "CLINIC"), one("3", "ELSEWHERE"), one("4", None), one("5", "GENERAL")]
    assert [("1", "GENERAL"), ("2", "CLINIC"), ("4", None), ("5", "GENERAL")] == asked(knows, *ids)
    assert keys.keys_for(ids, knows).left_out == (
        "3 (ELSEWHERE): of an authority that the archive does not know",
    )


def test_a_number_that_archives_do_not_file_under_is_asked_only_where_its_authority_is_known() -> None:
    """In some countries the patient ID is the number of the state."""
    state = one("010170-1234", "CPR", foreign=True)
    assert ([], [("010170-1234", "CPR")]) == (
        asked(archive(), state),
        asked(archive(issuers={"CPR": "CPR"}), state),
    )


@pytest.mark.parametrize("patient_id", ["12*", "A?", "1\\2", " ", "x" * 65, "a\nb", "王"])
def test_a_key_that_could_mean_others_is_never_asked(patient_id: str) -> None:
    """Wildcards, lists, blanks, control characters, what is too long or cannot be written (PS3.4 C.2.2.2)."""
    found = keys.keys_for([one(patient_id), one("1")], archive())
    assert (["1"], 1) == ([key.patient_id for key in found.asked], len(found.left_out))


FORMS = [
    ({}, "0012", "0012"),
    ({"strip_prefix": "H-"}, "H-12", "12"),
    ({"strip_prefix": "H-"}, "12", "12"),
    ({"strip_zeros": True}, "0012", "12"),
    ({"strip_zeros": True}, "000", "0"),
    ({"pad_to": 6}, "12", "000012"),
    ({"pad_to": 6}, "1234567", "1234567"),
    ({"pad_to": 6}, "T12", "T12"),
    ({"add_prefix": "GH"}, "12", "GH12"),
    ({"case": "upper"}, "ab1", "AB1"),
    ({"case": "lower"}, "AB1", "ab1"),
    (
        {"strip_prefix": "H-", "strip_zeros": True, "pad_to": 4, "add_prefix": "g", "case": "upper"},
        "H-007",
        "G0007",
    ),
]


@pytest.mark.parametrize(("said", "ours", "theirs"), FORMS)
def test_an_archive_has_its_own_form_of_ids(said: dict[str, Any], ours: str, theirs: str) -> None:
    """It is asked in it, and understood in it."""
    (key,) = keys.keys_for([one(ours)], archive(patient_ids=said)).asked
    assert (theirs, True) == (key.patient_id, key.is_carried_by(theirs))


@pytest.mark.parametrize(
    ("said", "ours", "answered", "same"),
    [
        ({}, "0012", "12", False),
        ({}, "ab", "AB", False),
        ({"strip_zeros": True}, "12", "0012", True),
        ({"strip_zeros": True}, "12", "120", False),
        ({"pad_to": 6}, "12", "12", True),
        ({"pad_to": 6}, "T012", "T12", False),
        ({"add_prefix": "GH"}, "12", "12", False),
        ({"add_prefix": "GH"}, "12", "GHGH12", False),
        ({"case": "upper"}, "ab", "Ab", True),
        ({}, "12", " 12 ", True),
    ],
)
def test_an_answer_carries_the_id_as_far_as_the_form_tells_ids_apart(
    said: dict[str, Any], ours: str, answered: str, same: bool
) -> None:
    """No rule that the site did not write makes two IDs one."""
    (key,) = keys.keys_for([one(ours)], archive(patient_ids=said)).asked
    assert same is key.is_carried_by(answered)


def test_the_form_may_be_one_authority_s() -> None:
    """An archive of two hospitals tells them apart by a prefix."""
    both = archive(patient_ids={"pad_to": 4}, patient_ids_of={"clinic": {"add_prefix": "C-"}})
    assert [("0007", "HOSP"), ("C-7", "CLINIC")] == asked(both, one("7"), one("7", "CLINIC"))


_FORMS = st.builds(
    PatientIdForm,
    strip_prefix=st.sampled_from([None, "H", "0"]),
    strip_zeros=st.booleans(),
    pad_to=st.none() | st.integers(1, 12),
    add_prefix=st.sampled_from([None, "G-", "00"]),
    case=st.sampled_from([None, "upper", "lower"]),
)
_IDS = st.text("0123AaHhG-", min_size=1, max_size=8)


@given(_FORMS, _IDS)
def test_any_id_is_understood_as_it_was_asked(form: PatientIdForm, patient_id: str) -> None:
    """Whatever the rules, an archive that answers what it was asked for is believed."""
    key = keys.Key(patient_id=keys.write(patient_id, form), form=form)
    assert key.is_carried_by(key.patient_id)


@given(_FORMS, _IDS, _IDS)
def test_any_two_ids_that_an_archive_writes_differently_stay_two(
    form: PatientIdForm, first: str, second: str
) -> None:
    """Comparing forgets no more than the form does: zeros in front, and case."""
    ours, theirs = keys.write(first, form), keys.write(second, form)
    if keys.Key(patient_id=ours, form=form).is_carried_by(theirs):
        prefix = form.add_prefix or ""
        bare = [text.casefold().removeprefix(prefix.casefold()).lstrip("0") for text in (ours, theirs)]
        assert bare[0] == bare[1]
