"""Which archives are asked, and by whose answers a rule goes: all, the first that answers, or as needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from prefetch.model import Outcome, Study
from prefetch.planning import draft, identity, keys, matching
from prefetch.planning.circumstances import Circumstances
from tests.choosing import NOW, order, rule_set, site, study


def own(uid: str, year: int, archive: str) -> Study:
    """A study that is surely the patient's."""
    return study(uid, f"{year}-06-01", archive=archive, patient_id="4711", birth_date="19700101")


MAIN = [own("1", 2025, "main"), own("2", 2024, "main")]
OFFSITE = [own("3", 2023, "offsite"), own("4", 2022, "offsite")]

Asked = tuple[str, ...]


def plan(
    directory: Path,
    *said: str,
    studies: Sequence[Study] = (*MAIN, *OFFSITE),
    silent: Collection[str] = (),
    unknown_to: str = "",
    observed: str = "",
) -> tuple[list[Asked], draft.Sorted]:
    """What is asked one after the other, and what comes of it; an archive that is silent gives its last."""
    of = site(directory)
    matches = matching.match_rules(rule_set(directory, *said), order(), site=of, now=NOW)
    facts = draft.Facts(
        order=order(),
        verdicts={},
        policy=identity.Policy.of(of),
        circumstances=replace(Circumstances.of(of, NOW), observed_archives=frozenset({observed})),
    )
    turns: list[Asked] = []
    answers: list[draft.Answer] = []
    while names := draft.still_to_ask(facts, matches, answers):
        turns.append(names)
        answers += [answer(name, studies, silent=name in silent, known=name != unknown_to) for name in names]
    return turns, draft.sort_studies(facts, matches, answers)


def answer(name: str, studies: Sequence[Study], *, silent: bool, known: bool) -> draft.Answer:
    """What an archive says of the patient."""
    return draft.Answer(
        archive=name,
        asked_at=NOW,
        studies=tuple(one for one in studies if known and one.archive == name),
        outcome=Outcome.TRANSIENT if silent else Outcome.SUCCESS,
        asked=(keys.Key(patient_id="4711"),) if known else (),
    )


def chosen(found: draft.Sorted) -> str:
    """The Study Instance UIDs of what is wanted, in one word."""
    return "".join(choice.study.study_instance_uid for choice in found.choices)


def reasons(found: draft.Sorted) -> list[str]:
    """What is said of each rule."""
    return [match.reason.because for match in found.matches]


ALL = "{name: a, priors: [{newest: 3}]}"
MIRROR = "{name: a, from: {use: first that answers}, priors: [{newest: 3}]}"


def test_all_archives_are_asked_at_once(tmp_path: Path) -> None:
    """Unless a rule says otherwise, and their studies are chosen among together."""
    turns, found = plan(tmp_path, ALL)
    assert ([("main", "offsite")], "123") == (turns, chosen(found))
    assert ["matches: every order"] == reasons(found)


def test_the_first_that_answers_is_enough(tmp_path: Path) -> None:
    """Its mirror is not asked."""
    turns, found = plan(tmp_path, MIRROR)
    assert ([("main",)], "12") == (turns, chosen(found))
    assert ["matches: every order; goes by main, the first that answers"] == reasons(found)


def test_a_mirror_stands_in_for_an_archive_that_is_silent(tmp_path: Path) -> None:
    """Wholly: what the silent one said last is not mixed in, and nothing is missing."""
    turns, found = plan(tmp_path, MIRROR, silent=["main"])
    assert ([("main",), ("offsite",)], "34") == (turns, chosen(found))
    assert ["matches: every order; goes by offsite, the first that answers; main does not answer"] == reasons(
        found
    )
    assert frozenset({"offsite"}) == found.archives


def test_a_mirror_moves_what_the_first_cannot(tmp_path: Path) -> None:
    """Not asked, it comes after the one that answered; one that was silent does not."""
    _, found = plan(tmp_path, MIRROR)
    assert {("main", "offsite")} == {choice.archives for choice in found.choices}
    _, found = plan(tmp_path, MIRROR, silent=["main"])
    assert {("offsite",)} == {choice.archives for choice in found.choices}


@pytest.mark.parametrize(
    ("observed", "archives", "observes"),
    [("main", ("main",), True), ("offsite", ("main",), False)],
)
def test_a_mirror_does_not_move_what_is_observed(
    tmp_path: Path, observed: str, archives: Asked, observes: bool
) -> None:
    """Nor does it move anything while it is observed itself."""
    _, found = plan(tmp_path, MIRROR, observed=observed)
    assert {(archives, observes)} == {(choice.archives, choice.observe) for choice in found.choices}


def test_where_none_answers_their_last_answers_do(tmp_path: Path) -> None:
    """Old knowledge is better than none, and both are said to be missing."""
    _, found = plan(tmp_path, MIRROR, silent=["main", "offsite"])
    assert ("123", frozenset({"main", "offsite"})) == (chosen(found), found.archives)
    assert "none of its archives answers" in reasons(found)[0]


def test_who_knows_none_of_the_patients_ids_has_not_answered(tmp_path: Path) -> None:
    """The next is asked, for the first was asked nothing."""
    _, found = plan(tmp_path, MIRROR, unknown_to="main")
    assert ("34", frozenset({"offsite"})) == (chosen(found), found.archives)


@pytest.mark.parametrize(
    ("classes", "turns", "uids"),
    [
        ("[{newest: 1}]", [("main",)], "1"),
        ("[{newest: 1}, {oldest: 1}]", [("main",)], "12"),
        ("[{newest: 2}, {if_fewer_than: 9, newest: 5}]", [("main",)], "12"),
        ("[{newest: 3}]", [("main",), ("offsite",)], "123"),
        ("[{newest: 1, oldest: 2}]", [("main",), ("offsite",)], "134"),
        ("[{modality: MR, newest: 1}]", [("main",), ("offsite",)], ""),
        ("[{within: 5y}]", [("main",), ("offsite",)], "1234"),
        ("[{within: 5y}], limits: {studies: 2}", [("main",)], "12"),
    ],
)
def test_the_next_archive_is_asked_only_as_needed(
    tmp_path: Path, classes: str, turns: list[Asked], uids: str
) -> None:
    """Where every class has as many as it asks for, a tape stays where it is; a fill-up calls for none."""
    asked, found = plan(tmp_path, f"{{name: a, from: {{use: as needed}}, priors: {classes}}}")
    assert (turns, uids) == (asked, chosen(found))
    told = "matches: every order; has all that it asks for from main; offsite not needed"
    assert [told if len(turns) == 1 else "matches: every order"] == reasons(found)


@pytest.mark.parametrize("patient_id", [None, "815"])
def test_a_doubtful_study_is_not_enough(tmp_path: Path, patient_id: str | None) -> None:
    """It may be another patient's: the next archive may hold one that is surely this one's."""
    doubtful = replace(MAIN[0], patient_id=patient_id)
    rule = "{name: a, from: {use: as needed}, priors: [{newest: 1}]}"
    turns, found = plan(tmp_path, rule, studies=[doubtful, *OFFSITE])
    assert ([("main",), ("offsite",)], "3") == (turns, chosen(found))


def test_each_rule_uses_archives_in_its_own_way(tmp_path: Path) -> None:
    """One that has both asked does not widen what another goes by."""
    turns, found = plan(tmp_path, MIRROR, "{name: b, from: offsite, priors: [{oldest: 1}]}")
    assert ([("main", "offsite")], "124") == (turns, chosen(found))
    assert [("main",), ("offsite",)] == [match.archives for match in found.matches]


def test_a_rule_that_does_not_match_asks_nobody(tmp_path: Path) -> None:
    """Whatever it says of archives."""
    turns, _ = plan(
        tmp_path, "{name: a, when: {modality: MR}, from: {use: as needed}, priors: [{newest: 1}]}"
    )
    assert [] == turns
