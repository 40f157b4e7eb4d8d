"""Studies that an order names by Study Instance UID: which they are, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefetch.fieldpath import FieldPath
from prefetch.model import Decision, FindResult, Order, Outcome, Patient, Study
from prefetch.planning import draft, identity, keys, matching, named
from prefetch.planning.circumstances import Circumstances
from tests.choosing import NOW, exam, order, prior_class, rule_set, site, study

RULE = "{name: second-opinion, priors: [{name: named, named_in: [ZXX-3, worklist.StudyInstanceUID]}]}"
ANNA = Patient(patient_id="4711", birth_date="19700101", sex="F")


def naming(*uids: str, **said: Any) -> Order:
    """An order whose message names studies in ZXX-3."""
    return order(segments=[["ZXX", "1", "", list(uids)]], **{"patient": ANNA, **said})


def own(uid: str, day: str | None = "2025-06-01", **said: Any) -> Study:
    """A study that is surely the patient's."""
    return study(uid, day, **{"patient_id": "4711", "birth_date": "19700101", "sex": "F", **said})


class Plan:
    """What comes of an order that names studies: the answers about its patient, and then those by UID."""

    def __init__(
        self,
        directory: Path,
        of: Order,
        *said: str,
        studies: Sequence[Study] = (),
        by_uid: Sequence[Study] = (),
        outcome: Outcome = Outcome.SUCCESS,
    ) -> None:
        config = site(directory)
        self.matches = matching.match_rules(rule_set(directory, *said or (RULE,)), of, site=config, now=NOW)
        facts = draft.Facts(
            order=of,
            verdicts={},
            policy=identity.Policy.of(config),
            circumstances=Circumstances.of(config, NOW),
        )
        answers = [about_patient(name, studies) for name in ("main", "offsite")]
        self.asked: dict[str, tuple[str, ...]] = {}
        for number, answer in enumerate(answers):
            self.asked[answer.archive] = draft.named_studies(facts, self.matches, answers, answer.archive)
            for uid in self.asked[answer.archive]:
                told = tuple(one for one in by_uid if one.archive == answer.archive)
                result = FindResult(outcome=outcome, studies=told, because="why")
                answers[number] = draft.add_named(answers[number], uid, result, now=NOW)
        self.answers = answers
        self.found = draft.sort_studies(facts, self.matches, answers)

    @property
    def chosen(self) -> list[str]:
        """What is wanted, by UID."""
        return [choice.study.study_instance_uid for choice in self.found.choices]

    def why_left(self, uid: str) -> list[str]:
        """The reasons why a study is left."""
        (candidate,) = [one for one in self.found.left if one.study.study_instance_uid == uid]
        assert candidate.decision is Decision.LEFT
        return [reason.because for reason in candidate.reasons]


def about_patient(archive: str, studies: Sequence[Study]) -> draft.Answer:
    """An archive's answer about the patient."""
    return draft.Answer(
        archive=archive,
        asked_at=NOW,
        studies=tuple(one for one in studies if one.archive == archive),
        outcome=Outcome.SUCCESS,
        asked=(keys.Key(patient_id="4711"),),
    )


@pytest.mark.parametrize(
    "of",
    [
        naming("1.2.1"),
        naming("1.2.9", " 1.2.1 "),
        order(patient=ANNA, worklist={"StudyInstanceUID": "1.2.8\\1.2.1"}),
    ],
)
def test_the_study_that_an_order_names_is_taken(tmp_path: Path, of: Order) -> None:
    """From a place in its message or an attribute of its worklist, among several or alone; and no other."""
    plan = Plan(tmp_path, of, studies=[own("1.2.1"), own("1.2.2", "2025-12-01")])
    assert ["1.2.1"] == plan.chosen
    assert ["not named in ZXX-3 or worklist.StudyInstanceUID"] == plan.why_left("1.2.2")
    assert "named in" in plan.found.choices[0].reason.because


def test_the_exam_itself_may_be_named(tmp_path: Path) -> None:
    """To read elsewhere what has been made already, whatever its date and number; unnamed it is no prior."""
    rule = RULE.replace("ZXX-3", "study_instance_uid")
    itself = own("1.2.1", "2026-12-24", accession_number="A1")
    of = order(study_instance_uid="1.2.1", patient=ANNA)
    assert ["1.2.1"] == Plan(tmp_path, of, rule, studies=[itself]).chosen
    plan = Plan(tmp_path, of, "{name: all, priors: [{within: 5y}]}", studies=[itself])
    assert ["it is the exam itself, by its Study Instance UID"] == plan.why_left("1.2.1")


def test_what_no_answer_holds_is_looked_for_by_uid(tmp_path: Path) -> None:
    """In every archive of the rule; what is found is checked as any other study is."""
    nameless = own("1.2.1", patient_id=None, archive="offsite")
    plan = Plan(tmp_path, naming("1.2.1"), by_uid=[nameless])
    assert {"main": ("1.2.1",), "offsite": ("1.2.1",)} == plan.asked
    assert (["1.2.1"], "offsite") == (plan.chosen, plan.found.choices[0].archives[0])
    asked = plan.answers[1].consulted[-1]
    assert ("1.2.1", 1, Outcome.SUCCESS) == (asked.study_instance_uid, asked.answers, asked.outcome)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"patient_id": "815"}, "main: another patient's: the patient ID is none that was asked for"),
        ({"patient_id": None, "birth_date": "19850505"}, None),
    ],
)
def test_a_name_for_a_study_vouches_for_nobody(
    tmp_path: Path, said: dict[str, Any], because: str | None
) -> None:
    """Another patient's study stays where it is, and a doubtful one waits for a person, though named."""
    plan = Plan(tmp_path, naming("1.2.1"), by_uid=[own("1.2.1", **said)])
    assert [] == plan.chosen
    if because:
        assert [because] == plan.why_left("1.2.1")
    else:
        assert "birth date differs" in plan.found.doubtful[0].reason.because


def test_a_study_that_is_held_is_not_asked_for(tmp_path: Path) -> None:
    """Nor is any where no rule that matches says where orders name studies."""
    assert {"main": (), "offsite": ()} == Plan(tmp_path, naming("1.2.1"), studies=[own("1.2.1")]).asked
    plan = Plan(tmp_path, naming("1.2.1"), "{name: a, priors: [{newest: 1}]}")
    assert {"main": (), "offsite": ()} == plan.asked


def test_a_study_that_nobody_holds_is_told(tmp_path: Path) -> None:
    """With the place that names it, the rule, and who was asked."""
    plan = Plan(tmp_path, naming("1.2.1"), by_uid=[own("1.2.2")])  # an archive that ignores the key
    assert ["1.2.1, named in ZXX-3, is not found in main or offsite"] == plan.why_left("1.2.1")
    assert ["1.2.1"] == [one.study.study_instance_uid for one in plan.found.left]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("see letter", "ZXX-3 says “see letter”, which is no Study Instance UID"),
        ("1", "ZXX-3 says 1, which is no Study Instance UID"),
        ("1.2." + "3" * 90, f"ZXX-3 says 1.2.{'3' * 60}…, which is no Study Instance UID"),
        ("1.2.*", "ZXX-3 says 1.2.*, which is no Study Instance UID"),
    ],
)
def test_what_is_no_uid_is_told_and_never_asked_for(tmp_path: Path, said: str, problem: str) -> None:
    """The rule says so; what else is named is taken."""
    plan = Plan(tmp_path, naming(said, "1.2.1"), studies=[own("1.2.1")])
    assert [f"matches: every order; {problem}"] == [match.reason.because for match in plan.matches]
    assert (["1.2.1"], {"main": (), "offsite": ()}) == (plan.chosen, plan.asked)


def test_of_many_that_are_none_the_first_are_told(tmp_path: Path) -> None:
    """A reason is read by people."""
    plan = Plan(tmp_path, naming(*(f"letter {number}" for number in range(1000))))
    (because,) = [match.reason.because for match in plan.matches]
    assert "“letter 2”, which is no Study Instance UID; 197 more are none" in because
    assert "letter 3" not in because


def test_a_message_that_names_a_thousand_has_the_first_looked_for(tmp_path: Path) -> None:
    """No message sends an archive a thousand queries."""
    plan = Plan(tmp_path, naming(*(f"1.2.{number}" for number in range(1000))))
    assert tuple(f"1.2.{number}" for number in range(named.MOST)) == plan.asked["main"]
    assert "names more than 20 studies; the first are looked for" in plan.matches[0].reason.because


def test_an_order_that_names_nothing_takes_nothing(tmp_path: Path) -> None:
    """What is missing never makes a rule match more."""
    plan = Plan(tmp_path, order(patient=ANNA), studies=[own("1.2.1")])
    assert [] == plan.chosen
    assert ["the order names no study in ZXX-3 or worklist.StudyInstanceUID"] == plan.why_left("1.2.1")


def test_named_studies_are_capped_and_taken_once(tmp_path: Path) -> None:
    """By the rule's own limits, and by the classes before: a class does not count what another took."""
    rule = (
        "{name: a, priors: [{name: last, newest: 1}, {name: named, named_in: ZXX-3}], limits: {studies: 2}}"
    )
    studies = [own("1.2.1"), own("1.2.2", "2020-01-01"), own("1.2.3", "2019-01-01")]
    plan = Plan(tmp_path, naming("1.2.1", "1.2.2", "1.2.3"), rule, studies=studies)
    assert [("1.2.1", "last"), ("1.2.2", "named")] == [
        (choice.study.study_instance_uid, choice.prior_class) for choice in plan.found.choices
    ]
    assert "the rule is full with 2 studies" in plan.why_left("1.2.3")[-1]


def test_an_archive_that_refuses_a_query_by_uid_is_not_whole(tmp_path: Path) -> None:
    """It is asked again, as where it does not answer about the patient."""
    plan = Plan(tmp_path, naming("1.2.1"), studies=[own("1.2.7")], outcome=Outcome.TRANSIENT)
    assert [(False, "why"), (False, "why")] == [(one.whole, one.because) for one in plan.answers]


def test_as_needed_means_what_is_named(tmp_path: Path) -> None:
    """An archive that holds all that is named is enough."""
    rule = "{name: a, from: {use: as needed}, priors: [{named_in: ZXX-3}]}"
    plan = Plan(tmp_path, naming("1.2.1"), rule, studies=[own("1.2.1")])
    assert ("main",) == plan.found.matches[0].archives


def test_the_first_place_that_names_a_study_is_told() -> None:
    """Each study once."""
    asked = prior_class("{named_in: [ZXX-3, ZXX-4]}")
    of = exam(replace(naming(), segments=[["ZXX", "1", "", ["1.2.1"], ["1.2.1", "1.2.2"]]]))
    assert {"1.2.1": "ZXX-3", "1.2.2": "ZXX-4"} == named.uids(asked, of)


def test_a_place_that_names_studies_is_watched(tmp_path: Path) -> None:
    """A change there has the order planned again."""
    assert FieldPath.parse("ZXX-3") in rule_set(tmp_path, RULE).watched
