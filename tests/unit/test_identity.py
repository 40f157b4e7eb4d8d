"""Whose studies an archive answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.config import BirthDateSaidBy, Config, NameConflict
from prefetch.model import Patient, Study
from prefetch.planning import identity, keys
from prefetch.planning.identity import Kind, Policy, Verdict

ASKED: dict[str, Any] = {
    "patient_id": "4711",
    "issuer_of_patient_id": "HOSP",
    "birth_date": "19650301",
    "sex": "F",
}
POLICY = Policy()
LENIENT = Policy(name_conflict=NameConflict.NOTE, birth_date_said_by=BirthDateSaidBy.NOBODY)


def patient(**said: Any) -> Patient:
    """The order's patient."""
    return Patient(**(ASKED | {"name": "Meier^Anna"} | said))


def study(**said: Any) -> Study:
    """A study of the same patient, as an archive answers it."""
    usual = ASKED | {"patient_name": "Meier^Anna"}
    return Study(study_instance_uid="1.2.3", archive="main", **(usual | said))


def check(
    ours: Patient, theirs: Study, policy: Policy = POLICY, asked: Sequence[keys.Key] | None = None
) -> Verdict:
    """Compare an answer of an archive that was asked for the patient's own ID."""
    of = keys.own(ours.ids) if asked is None else asked
    return identity.check_identity(ours, theirs, asked=of, policy=policy)


def kind(ours: Patient, theirs: Study, policy: Policy = POLICY) -> Kind:
    """What the comparison says."""
    return check(ours, theirs, policy).kind


def test_the_same_patient_matches() -> None:
    """All five agree."""
    verdict = check(patient(), study())
    assert (Kind.MATCH, "patient ID, issuer, birth date, sex and name agree") == (
        verdict.kind,
        verdict.because,
    )


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"issuer_of_patient_id": "CLINIC"}, "issuer of patient ID differs from the order's"),
        ({"birth_date": "19650302"}, "birth date differs from the order's"),
        ({"sex": "M"}, "sex differs from the order's"),
        ({"sex": "M", "birth_date": "19640301"}, "birth date and sex differ from the order's"),
    ],
)
def test_a_difference_is_another_patient(said: dict[str, Any], because: str) -> None:
    """Until a person says otherwise; the reason never holds a value, for it reaches the logs."""
    verdict = check(patient(), study(**said))
    assert (Kind.CONFLICT, because) == (verdict.kind, verdict.because)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"patient_id": None}, "patient ID and issuer of patient ID cannot be compared; nothing differs"),
        ({"issuer_of_patient_id": " "}, "issuer of patient ID cannot be compared; nothing differs"),
        ({"birth_date": None}, "birth date cannot be compared; nothing differs"),
        ({"sex": ""}, "sex cannot be compared; nothing differs"),
        ({"sex": "O", "birth_date": ""}, "birth date and sex cannot be compared; nothing differs"),
        ({"patient_name": None}, "name cannot be compared; nothing differs"),
    ],
)
def test_unknown_is_not_a_conflict(said: dict[str, Any], because: str) -> None:
    """What an archive does not say speaks against nobody, where the site wants nothing said."""
    verdict = check(patient(), study(**said), LENIENT)
    assert (Kind.UNKNOWN, because) == (verdict.kind, verdict.because)


@pytest.mark.parametrize(
    ("sex", "same"),
    [
        *(("Female", True), ("w", True), ("女", True), ("ж", True), ("Féminin", True)),
        *(("male", False), ("男", False), ("\N{CYRILLIC CAPITAL LETTER EM}", False), ("Masculino", False)),
    ],
)
def test_a_sex_in_words_is_one(sex: str, same: bool) -> None:
    """As senders write it who know no table."""
    assert (Kind.MATCH if same else Kind.CONFLICT) is kind(patient(sex=sex), study())


@pytest.mark.parametrize("sex", ["U", "O", "A", "N", "u", "X", "ambiguous", ""])
def test_a_sex_that_is_neither_is_unknown(sex: str) -> None:
    """HL7 table 0001 beside M and F."""
    assert Kind.UNKNOWN is kind(patient(sex=sex), study())


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("19650301", "1965-03-01", Kind.MATCH),
        ("19650301", " 19650301 ", Kind.MATCH),
        ("19650301123000", "19650301", Kind.MATCH),
        ("1965", "19650301", Kind.UNKNOWN),
        ("196503", "19650301", Kind.UNKNOWN),
        ("1966", "19650301", Kind.CONFLICT),
        ("196504", "19650301", Kind.CONFLICT),
        ("19650301", "19000101", Kind.UNKNOWN),
        ("1900-01-01", "19650301", Kind.UNKNOWN),
        ("19650000", "19650301", Kind.UNKNOWN),
        ("19650300", "19650301", Kind.UNKNOWN),
        ("00010101", "19650301", Kind.UNKNOWN),
        ("unknown", "19650301", Kind.UNKNOWN),
        ("99991231", "19650301", Kind.UNKNOWN),
    ],
)
def test_a_birth_date_is_compared_as_far_as_it_is_known(ours: str, theirs: str, expected: Kind) -> None:
    """A year alone that agrees vouches for nobody; a year that differs is another patient."""
    assert expected is kind(patient(birth_date=ours), study(birth_date=theirs), LENIENT)


def test_the_site_lists_its_placeholders() -> None:
    """A date that its systems invent means that none is known."""
    policy = replace(LENIENT, placeholder_birth_dates=frozenset({"18000101"}))
    said = [kind(patient(), study(birth_date=date), policy) for date in ("18000101", "19000101")]
    assert [Kind.UNKNOWN, Kind.CONFLICT] == said


@pytest.mark.parametrize(
    ("ours", "theirs"), [("Meier^Anna", "Meier^Berta"), ("Meier^Anna", "Huber^Anna"), ("王^小东", "李^小东")]
)
def test_another_name_is_noted(ours: str, theirs: str) -> None:
    """Where birth date and sex agree it decides nothing, if the site says so."""
    verdict = check(patient(name=ours), study(patient_name=theirs), LENIENT)
    assert (Kind.MATCH, "the name differs, but birth date and sex agree") == (verdict.kind, verdict.because)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"birth_date": None}, "the name differs, and birth date cannot be compared"),
        ({"sex": "U"}, "the name differs, and sex cannot be compared"),
        ({"sex": "U", "birth_date": "1965"}, "the name differs, and birth date and sex cannot be compared"),
    ],
)
def test_another_name_counts_where_nothing_vouches(said: dict[str, Any], because: str) -> None:
    """A birth date or sex that is unknown too leaves only the name."""
    verdict = check(patient(), study(patient_name="Huber^Eva", **said))
    assert (Kind.CONFLICT, because) == (verdict.kind, verdict.because)


def test_an_unknown_issuer_does_not_make_a_name_count() -> None:
    """Birth date and sex vouch for the patient."""
    answered = study(patient_name="Huber^Anna", issuer_of_patient_id=None)
    assert Kind.MATCH is kind(patient(), answered)


def test_a_site_may_quarantine_every_other_name() -> None:
    """Where its names are trustworthy."""
    verdict = check(patient(), study(patient_name="Huber^Eva"), Policy(name_conflict=NameConflict.QUARANTINE))
    assert (Kind.CONFLICT, "the name differs from the order's") == (verdict.kind, verdict.because)


def test_a_site_may_want_every_name_to_agree() -> None:
    """Where one that cannot be compared is no witness."""
    policy = Policy(name_conflict=NameConflict.MUST_AGREE)
    said = [
        kind(patient(), study(patient_name=name), policy) for name in ("Huber^Anna", "マイヤー^アンナ", None)
    ]
    assert [Kind.CONFLICT] * 3 == said
    assert Kind.MATCH is kind(patient(), study(), policy)


def test_a_twin_whose_given_name_nobody_parts_is_not_taken_for_the_other() -> None:
    """A name in one piece that differs tells nothing of its given part."""
    said = [
        kind(patient(), study(patient_name=name)) for name in ("Meier, Berta", "Berta Meier", "Huber,Anna")
    ]
    assert [Kind.CONFLICT, Kind.CONFLICT, Kind.MATCH] == said


def test_a_twin_is_not_taken_for_the_other() -> None:
    """Who shares all but the given name; who married has another family name."""
    twin, married = (check(patient(), study(patient_name=name)) for name in ("Meier^Berta", "Huber^Anna"))
    assert (Kind.CONFLICT, "the given names differ from the order's: it may be a twin's") == (
        twin.kind,
        twin.because,
    )
    assert Kind.MATCH is married.kind


@pytest.mark.parametrize(
    ("said_by", "ours", "theirs", "expected"),
    [
        ("nobody", "19650301", None, Kind.UNKNOWN),
        ("study", "19650301", None, Kind.CONFLICT),
        ("study", "19650301", "19000101", Kind.CONFLICT),
        ("study", "19650301", "1965", Kind.UNKNOWN),
        ("study", None, "19650301", Kind.UNKNOWN),
        ("study", None, None, Kind.CONFLICT),
        ("both", "19650301", "1965", Kind.CONFLICT),
        ("both", None, "19650301", Kind.CONFLICT),
        ("both", "19650301", "19650301", Kind.MATCH),
    ],
)
def test_a_birth_date_must_be_said(
    said_by: str, ours: str | None, theirs: str | None, expected: Kind
) -> None:
    """A namesake's study under the patient's number shows by nothing else; the site says who must say it."""
    policy = Policy(birth_date_said_by=BirthDateSaidBy(said_by))
    assert expected is kind(patient(birth_date=ours), study(birth_date=theirs), policy)


def test_who_left_the_birth_date_unsaid_is_named() -> None:
    """So that the administrator knows where to mend it."""
    each = Policy(birth_date_said_by=BirthDateSaidBy.STUDY)
    both = Policy(birth_date_said_by=BirthDateSaidBy.BOTH)
    assert [
        "the study says no birth date: it may be another's, filed under this number",
        "the study says no whole birth date",
        "the order says no whole birth date",
    ] == [
        check(patient(), study(birth_date=""), each).because,
        check(patient(), study(birth_date="1965"), both).because,
        check(patient(birth_date=None), study(), both).because,
    ]


@pytest.mark.parametrize(
    ("said", "odd"),
    [
        (["19650301", None, "1965", "19000101"], ["1", "3"]),
        ([None, None], []),
        (["19650301", "19650302"], []),
        ([], []),
    ],
)
def test_a_study_without_birth_date_stands_out_among_others(said: list[str | None], odd: list[str]) -> None:
    """Where an archive writes none at all, nothing follows from it; nor where the site does not ask."""
    found = [
        replace(study(birth_date=date), study_instance_uid=str(number)) for number, date in enumerate(said)
    ]
    assert odd == list(identity.check_record(found, POLICY))
    assert {} == identity.check_record(found, LENIENT)


@pytest.mark.parametrize(
    ("ours", "theirs", "are_one"),
    [
        (None, ["19650301", "19650301"], True),
        (None, ["19650301", "19000101", None], True),
        (None, ["19650301", "1965"], True),
        (None, ["19650301", "19650302"], False),
        ("1965", ["19650301", "19650302"], False),
        ("19650301", ["19650301", "19650302"], True),
        (None, [], True),
    ],
)
def test_an_order_without_birth_date_has_those_of_its_studies(
    ours: str | None, theirs: list[str | None], are_one: bool
) -> None:
    """Which of two birth dates is the patient's, nothing says; an order that has its own compares each."""
    found = [study(birth_date=date) for date in theirs]
    assert are_one is (identity.check_together(patient(birth_date=ours), found, POLICY) is None)
    assert identity.check_together(patient(birth_date=ours), found, LENIENT) is None


def test_an_id_that_nobody_asked_for_is_another_patient() -> None:
    """Whatever else agrees: the archive ignores the key, and no person is asked to decide."""
    verdict = check(patient(), study(patient_id="4712"))
    assert (Kind.OTHER, "another patient's: the patient ID is none that was asked for") == (
        verdict.kind,
        verdict.because,
    )


def test_an_issuer_that_the_site_has_named_leaves_no_doubt() -> None:
    """One that is only as the order had it may be written otherwise in the archive: a person decides."""
    mapped = [keys.Key(patient_id="4711", issuer_of_patient_id="GENERAL", is_mapped=True)]
    said = [
        check(patient(), study(issuer_of_patient_id=issuer), asked=mapped).kind
        for issuer in ("general", "HOSP", None)
    ]
    assert [Kind.MATCH, Kind.OTHER, Kind.UNKNOWN] == said
    assert Kind.CONFLICT is kind(patient(), study(issuer_of_patient_id="GENERAL"))


def test_any_id_that_was_asked_for_will_do() -> None:
    """An archive asked under several of a patient's IDs answers under any of them."""
    asked = [
        keys.Key(patient_id="4711", issuer_of_patient_id="HOSP"),
        keys.Key(patient_id="C-9", issuer_of_patient_id="CLINIC"),
    ]
    said = [
        check(patient(), study(patient_id=one, issuer_of_patient_id=issuer), asked=asked).kind
        for one, issuer in (("C-9", "CLINIC"), ("4711", "HOSP"), ("C-9", "HOSP"), ("C-8", "CLINIC"))
    ]
    assert [Kind.MATCH, Kind.MATCH, Kind.CONFLICT, Kind.OTHER] == said


@pytest.mark.parametrize("said", [{"birth_date": None}, {"sex": "O"}])
def test_an_answer_without_an_id_needs_both_witnesses(said: dict[str, Any]) -> None:
    """Nothing but the name would say whose study it is."""
    assert Kind.CONFLICT is kind(patient(), study(patient_id=None, **said))
    assert Kind.CONFLICT is kind(patient(), study(patient_id=None, patient_name="Meier^Berta"))


def test_an_issuer_is_its_namespace() -> None:
    """What an HD says behind the first & is the same authority's other ID; case does not matter."""
    asked = patient(issuer_of_patient_id="hosp&1.2.3&ISO")
    assert Kind.MATCH is kind(asked, study())


def test_the_policy_comes_from_the_configuration() -> None:
    """Placeholders and names."""
    site = Config.model_validate(
        {
            "time_zone": "UTC",
            "archives": {"main": {"ae_title": "A", "host": "h", "port": "104"}},
            "workstations": {"room": {"ae_title": "R", "verify": "counters"}},
            "identity": {
                "name_conflict": "quarantine",
                "birth_date_said_by": "both",
                "placeholder_birth_dates": ["1800-01-01"],
            },
        }
    )
    assert Policy.of(site) == Policy(
        placeholder_birth_dates=frozenset({"18000101"}),
        name_conflict=NameConflict.QUARANTINE,
        birth_date_said_by=BirthDateSaidBy.BOTH,
    )


anything = st.none() | st.text(max_size=12) | st.sampled_from(["19650301", "1965", "M", "F", "A^B", "A^B=王"])


@given(st.tuples(anything, anything, anything, anything, anything))
def test_any_answer_has_a_verdict(said: tuple[str | None, ...]) -> None:
    """And a patient compared with its own values never conflicts."""
    patient_id, issuer, name, birth_date, sex = (said[0] or "").strip() or "4711", *said[1:]
    ours = Patient(
        patient_id=patient_id, issuer_of_patient_id=issuer, name=name, birth_date=birth_date, sex=sex
    )
    theirs = Study(
        study_instance_uid="1",
        archive="main",
        patient_id=patient_id,
        issuer_of_patient_id=(issuer or "").split("&")[0],
        patient_name=name,
        birth_date=birth_date,
        sex=sex,
    )
    assert Kind.CONFLICT is not kind(ours, theirs, LENIENT)
    assert check(patient(), theirs).because
