"""From what archives and destinations answered to what the queue is to want."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefetch import config
from prefetch.model import (
    Decision,
    Order,
    OrderStatus,
    Outcome,
    Patient,
    Priority,
    Study,
    Verdict,
    Wanted,
)
from prefetch.planning import draft, identity, keys, matching
from prefetch.planning.circumstances import Circumstances

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
EXAM = NOW + timedelta(hours=3)
KEEP = timedelta(hours=12)

SITE = """
time_zone: UTC
archives:
  main: {ae_title: MAIN, host: 127.0.0.1, port: 1}
  offsite: {ae_title: OFF, host: 127.0.0.1, port: 2}
workstations:
  room-1: {ae_title: R1, verify: counters}
"""
RULES = """
version: 1
rules:
  - name: newest-two
    fetch_from: 24h before exam
    ready_by: 30m before exam
    priors:
      - name: any
        newest: 2
"""


@pytest.fixture
def site(tmp_path: Path) -> config.Config:
    """Two archives, a room, and a rule that takes the newest two studies."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    return config.load(tmp_path / "prefetch.yaml")


def order(**telling: Any) -> Order:
    """An order of a woman born in 1970."""
    usual: dict[str, Any] = {
        "id": 7,
        "version": 1,
        "status": OrderStatus.SCHEDULED,
        "patient": Patient(patient_id="4711", birth_date="19700101", sex="F"),
        "source": "ris",
        "modality": "CT",
        "scheduled_start": EXAM,
        "created_at": NOW,
        "changed_at": NOW,
    }
    return Order(**(usual | telling))


def study(uid: str, year: int, **telling: Any) -> Study:
    """A study of that woman, with four instances."""
    usual: dict[str, Any] = {
        "archive": "main",
        "patient_id": "4711",
        "birth_date": "19700101",
        "sex": "F",
        "study_date": date(year, 6, 1),
        "modalities": ("CT",),
        "instances": 4,
    }
    return Study(study_instance_uid=uid, **(usual | telling))


def answer(*studies: Study, archive: str = "main") -> draft.Answer:
    """A whole answer."""
    return draft.Answer(
        archive=archive,
        asked_at=NOW,
        studies=studies,
        outcome=Outcome.SUCCESS,
        asked=(keys.Key(patient_id="4711"),),
    )


def sort(
    site: config.Config,
    *answers: draft.Answer,
    verdicts: dict[str, Verdict] | None = None,
    of: Order | None = None,
) -> draft.Sorted:
    """Sort the studies of these answers by the site's rule."""
    asking = of or order()
    matches = matching.match_rules(site.rule_set, asking, site=site, now=NOW)
    return draft.sort_studies(facts(site, verdicts, of=asking), matches, answers)


def facts(
    site: config.Config, verdicts: dict[str, Verdict] | None = None, *, of: Order | None = None
) -> draft.Facts:
    """What is known besides."""
    return draft.Facts(
        order=of or order(),
        verdicts=verdicts or {},
        policy=identity.Policy.of(site),
        circumstances=Circumstances.of(site, NOW),
    )


def uids(choices: Any) -> list[str]:
    """Whose studies these are, by UID."""
    return sorted(each.study.study_instance_uid for each in choices)


OTHER = {"birth_date": "19850505"}


def test_sure_studies_are_chosen(site: config.Config) -> None:
    """Without doubt there is nothing but the rules."""
    found = sort(site, answer(study("1", 2025), study("2", 2024), study("3", 2023)))
    assert (["1", "2"], [], ["3"]) == (uids(found.choices), uids(found.doubtful), uids(found.left))


def test_a_doubtful_study_never_takes_the_place_of_a_sure_one(site: config.Config) -> None:
    """The newest conflicts: a person decides on it; meanwhile the two newest sure ones are fetched."""
    found = sort(site, answer(study("1", 2025, **OTHER), study("2", 2024), study("3", 2023)))
    assert (["2", "3"], ["1"]) == (uids(found.choices), uids(found.doubtful))
    assert "birth date" in found.doubtful[0].reason.because


def test_a_doubtful_study_that_no_rule_wants_asks_nobody(site: config.Config) -> None:
    """Quarantine holds what would be moved, not everything odd in the archive."""
    found = sort(site, answer(study("1", 2025), study("2", 2024), study("3", 2023, **OTHER)))
    assert (["1", "2"], [], ["3"]) == (uids(found.choices), uids(found.doubtful), uids(found.left))


def test_a_conflict_in_any_archive_is_a_conflict(site: config.Config) -> None:
    """A copy that says another birth date puts every copy of the study in doubt."""
    found = sort(site, answer(study("1", 2025)), answer(study("1", 2025, **OTHER), archive="offsite"))
    assert ([], ["1"]) == (uids(found.choices), uids(found.doubtful))


def test_what_one_archive_does_not_say_another_may(site: config.Config) -> None:
    """A copy with a birth date vouches for the one without; a study that nowhere has one awaits a person."""
    mute = {"birth_date": None}
    found = sort(
        site,
        answer(study("1", 2025, **mute), study("2", 2024, **mute)),
        answer(study("1", 2025), archive="offsite"),
    )
    assert (["1"], ["2"]) == (uids(found.choices), uids(found.doubtful))


def test_studies_of_two_people_await_a_person_where_the_order_cannot_tell_them(site: config.Config) -> None:
    """It says no birth date, and they say two: any of them may be another patient's."""
    unsaid = replace(order(), patient=replace(order().patient, birth_date=None))
    found = sort(site, answer(study("1", 2025), study("2", 2024, **OTHER)), of=unsaid)
    assert ([], ["1", "2"]) == (uids(found.choices), uids(found.doubtful))
    assert "several" in found.doubtful[0].reason.because


def test_a_released_study_is_chosen_like_any_other(site: config.Config) -> None:
    """What a person released is the patient's own, from then on."""
    found = sort(site, answer(study("1", 2025, **OTHER)), verdicts={"1": Verdict.RELEASED})
    assert (["1"], []) == (uids(found.choices), uids(found.doubtful))


def test_a_refused_study_is_left_with_its_reason(site: config.Config) -> None:
    """What a person refused is never chosen again, and `explain` says why."""
    found = sort(
        site,
        answer(study("1", 2025, **OTHER), study("2", 2024)),
        verdicts={"1": Verdict.REFUSED, "9": Verdict.REFUSED},
    )
    assert (["2"], [], ["1"]) == (uids(found.choices), uids(found.doubtful), uids(found.left))
    assert "refused by hand" in found.left[0].reasons[0].because


def test_a_refused_study_does_not_come_back_beside_another_doubt(site: config.Config) -> None:
    """Refused stays refused, whatever else is in doubt."""
    found = sort(
        site,
        answer(study("1", 2025, **OTHER), study("2", 2024, **OTHER)),
        verdicts={"1": Verdict.REFUSED},
    )
    assert ([], ["2"], ["1"]) == (uids(found.choices), uids(found.doubtful), uids(found.left))


@pytest.mark.parametrize(
    ("outcome", "whole", "silence"),
    [
        (Outcome.SUCCESS, True, False),
        (Outcome.WARNING, True, False),
        (Outcome.PARTIAL, False, False),
        (Outcome.TRANSIENT, False, True),
    ],
)
def test_an_answer_is_whole_or_it_is_not(outcome: Outcome, whole: bool, silence: bool) -> None:
    """One study that could not be read does not make an answer less; a cut or missing one is not whole."""
    given = replace(answer(), outcome=outcome)
    assert (whole, silence) == (given.whole, given.is_silence)


@pytest.mark.parametrize(
    ("held", "complete"),
    [
        (study("1", 2025), True),
        (study("1", 2025, instances=3), False),
        (study("1", 2025, instances=None), False),
    ],
)
def test_what_the_destination_holds_counts_only_when_it_is_all(held: Study, complete: bool) -> None:
    """A partial copy, or one without a count, is moved again."""
    assert complete is draft.holds_all(study("1", 2025), held)


def test_a_missing_count_or_copy_is_no_proof() -> None:
    """Without the archive's count, or without a copy, nothing is complete."""
    assert not draft.holds_all(study("1", 2025, instances=None), study("1", 2025))
    assert not draft.holds_all(study("1", 2025), None)


def want(found: draft.Sorted, *present: tuple[str, str], **of: Any) -> dict[str, Wanted]:
    """What an order wants of the queue, by Study Instance UID."""
    wanted = draft.want(order(**of), found, present=set(present), expire_after=KEEP)
    return {each.choice.study.study_instance_uid: each for each in wanted}


def test_each_choice_is_wanted_by_what_was_decided(site: config.Config) -> None:
    """Taken, present at the destination, or in quarantine."""
    found = sort(site, answer(study("1", 2025, **OTHER), study("2", 2024), study("3", 2023)))
    wanted = want(found, ("2", "room-1"))
    decisions = {uid: each.decision for uid, each in wanted.items()}
    assert {"1": Decision.QUARANTINED, "2": Decision.PRESENT, "3": Decision.TAKEN} == decisions


def test_what_is_wanted_expires_after_the_exam(site: config.Config) -> None:
    """A prior that comes when the exam has long been read helps nobody."""
    found = sort(site, answer(study("1", 2025)))
    assert EXAM + KEEP == want(found)["1"].expire_at
    unscheduled = want(found, scheduled_start=None)["1"]
    assert unscheduled.choice.deadline + KEEP == unscheduled.expire_at


def test_what_is_wanted_goes_in_the_lane_of_its_rules(site: config.Config) -> None:
    """As they were matched with the order."""
    found = sort(site, answer(study("1", 2025)))
    assert Priority.ROUTINE is want(found)["1"].lane
    (choice,) = found.choices
    assert Priority.STAT is want(replace(found, choices=(replace(choice, lane=Priority.STAT),)))["1"].lane


def test_a_study_without_a_patient_id_is_asked_for_by_the_order_s(site: config.Config) -> None:
    """An archive that does not repeat the ID was asked by it all the same."""
    found = sort(site, answer(study("1", 2025, patient_id=None)))
    assert want(found)["1"].patient_id == "4711"


def test_observed_choices_are_shown_and_not_wanted(site: config.Config) -> None:
    """Observe mode does all but move."""
    found = sort(site, answer(study("1", 2025), study("2", 2024, **OTHER)))
    watched = replace(
        found,
        choices=tuple(replace(choice, observe=True) for choice in found.choices),
        doubtful=tuple(replace(choice, observe=True) for choice in found.doubtful),
    )
    assert {} == want(watched)
    decisions = [each.decision for each in draft.candidates(watched, present=set())]
    assert [Decision.OBSERVED, Decision.QUARANTINED] == decisions


def test_every_study_is_a_candidate_with_a_reason(site: config.Config) -> None:
    """`explain` knows every study of the patient, and why."""
    found = sort(
        site, answer(study("1", 2025, **OTHER), study("2", 2024), study("3", 2023), study("4", 2022))
    )
    listed = draft.candidates(found, present=set())
    assert ["1", "2", "3", "4"] == uids(listed)
    assert all(each.reasons for each in listed)


def test_a_fetch_by_hand_waits_for_nothing(site: config.Config) -> None:
    """Neither for a window nor for a time."""
    (match,) = matching.match_rules(site.rule_set, order(), site=site, now=NOW - timedelta(days=3))
    hastened = draft.hasten(replace(match, waits=True), NOW - timedelta(days=3))
    assert (False, NOW - timedelta(days=3)) == (hastened.waits, hastened.start_at)
