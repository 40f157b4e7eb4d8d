"""The fail-safe sentences of the rule language, each a test of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import rules
from prefetch.config import Config
from prefetch.dimse import identifier
from prefetch.model import Patient, RetrieveState, Study
from prefetch.planning import candidates, conditions, cooling, matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.exam import compare
from prefetch.rules import Condition
from tests.choosing import NOW, exam, order, rule_set, site, study
from tests.unit.test_conditions import order_saying, trees, values
from tests.unit.test_cooling import choice, fetched
from tests.unit.test_select import any_study, match

SAID = ("location", "procedure", "born", "sex", "start", "segments", "worklist")


@given(trees, values, st.sampled_from(SAID))
def test_a_value_that_is_missing_in_the_order_never_makes_a_rule_match_more(
    asked: Condition, said: dict[str, Any], name: str
) -> None:
    """Whatever a rule asks: where it matches without a value, it matches with the value that comes."""
    missing = {name, "worklist"} if name == "segments" else {name}
    less = {each: value for each, value in said.items() if each not in missing}
    if conditions.order_matches(asked, exam(order_saying(less))).holds:
        assert conditions.order_matches(asked, exam(order_saying(said))).holds


CLASSES = """{name: a, priors: [{modality: MR, region: head, newest: 2, within: 5y},
  {description: "*chest*", exclude: {modality: MR}, oldest: 3}, {not_before: 2020-01-01, newest: 1}]}"""


def test_queries_may_be_wider_than_the_rule_and_selection_never_is(tmp_path: Path) -> None:
    """An archive is asked by patient alone; of whatever it answers only what a class asks for is taken."""
    query = identifier.studies(patient_id="4711")
    keys = {element.keyword for element in query if element.VR != "SQ" and str(element.value)}
    assert {"PatientID", "QueryRetrieveLevel"} == keys
    matches = match(tmp_path, CLASSES)
    classes = {one.name: one for one in matches[0].rule.priors}
    circumstances = Circumstances.of(site(tmp_path), NOW)

    @given(st.lists(any_study, max_size=25, unique_by=lambda one: (one.archive, one.study_instance_uid)))
    def promise(studies: list[Study]) -> None:
        answers = {name: [one for one in studies if one.archive == name] for name in ("main", "offsite")}
        selection = select.select_priors(matches, order(), answers, circumstances=circumstances)
        for one in selection.choices:
            asked = classes[one.prior_class]
            (found,) = candidates.Beside(exam(), [compare(exam(), one.study)]).of(asked)
            assert found.holds

    promise()


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        ("location: ICU", "the order's location is not said"),
        ("not: {location: ICU}", "the order's location is not said"),
        ("hl7: {ZXX-7: {at_least: 5}}", "ZXX-7.1 of the message is not said"),
        ("age: {under: 18y}", "the patient's age is not known"),
        ("any: [{side: left}, {modality: MR}]", "the order's side is not said"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_does_not_match_and_says_so(
    tmp_path: Path, asked: str, because: str
) -> None:
    """So does its opposite."""
    (found,) = match(tmp_path, f"{{name: a, when: {{{asked}}}, priors: [{{newest: 1}}]}}")
    assert (False, f"does not match: {because}") == (found.matched, found.reason.because)


@pytest.mark.parametrize("state", sorted(set(RetrieveState) - {RetrieveState.VERIFIED}))
def test_suppression_is_recorded_only_after_success(tmp_path: Path, state: RetrieveState) -> None:
    """Only what was verified keeps a study from being fetched again."""
    before = [fetched(state=state, moved_at=NOW, verified_at=None)]
    assert {} == cooling.cooling(order(), [choice(tmp_path)], before, now=NOW)


def test_two_orders_of_one_patient_are_two_exams(tmp_path: Path) -> None:
    """What was fetched for the one keeps nothing from being fetched for the other."""
    before, wanted = [fetched(NOW)], [choice(tmp_path)]
    assert cooling.cooling(order(created_at=NOW), wanted, before, now=NOW)
    other = order(id=2, created_at=NOW + timedelta(minutes=1))
    assert {} == cooling.cooling(other, wanted, before, now=NOW + timedelta(minutes=2))


TIMED = """{name: a, when: {age: {at_least: 50y}, weekday: mon-fri}, windows: "20:00-06:00",
  priors: [{within: 5y, not_after: 6mo before exam}]}"""


def test_nothing_about_time_is_fixed_when_the_file_is_loaded(tmp_path: Path) -> None:
    """The very same rules decide on each exam by its own day, and by the moment at which it is planned."""
    loaded, config = rule_set(tmp_path, TIMED), site(tmp_path)
    born = Patient(patient_id="4711", birth_date="19760401")
    years = [datetime(year, 5, 4, 8, 0, tzinfo=UTC) for year in (2026, 2032)]  # a Monday and a Tuesday
    found = [decide(loaded, config, start, born) for start in years]
    assert [
        ("2026-05-03 18:00", ["2024"]),
        ("2032-05-03 18:00", ["2030"]),
    ] == found


def decide(loaded: rules.RuleSet, config: Config, start: datetime, patient: Patient) -> tuple[str, list[str]]:
    """When an exam's fetch begins, and the years of what is taken."""
    now = start - timedelta(days=2)
    of = order(scheduled_start=start, created_at=now, patient=patient)
    matches = matching.match_rules(loaded, of, site=config, now=now)
    held = [study(str(year), f"{year}-01-15") for year in range(2015, 2035, 3)]
    selection = select.select_priors(matches, of, {"main": held}, circumstances=Circumstances.of(config, now))
    return f"{matches[0].start_at:%Y-%m-%d %H:%M}", [
        one.study.study_instance_uid for one in selection.choices
    ]
