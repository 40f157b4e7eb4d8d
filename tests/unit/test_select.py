"""Rules × order × studies → priors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import model
from prefetch.model import Decision, Order, Study
from prefetch.planning import matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.matching import RuleMatch
from prefetch.planning.select import Selection
from prefetch.rules import Mode
from tests.choosing import EXAM, NOW, order, rule_set, site, study


def match(directory: Path, *said: str, of: Order | None = None, more: str = "") -> list[RuleMatch]:
    """What each rule says of an order."""
    rules = rule_set(directory, *said)
    return list(matching.match_rules(rules, of or order(), site=site(directory, more), now=NOW))


def choose(
    directory: Path, studies: list[Study], *said: str, of: Order | None = None, more: str = ""
) -> Selection:
    """What rules choose among studies."""
    matches = match(directory, *said, of=of, more=more)
    by_archive: dict[str, list[Study]] = {}
    for one in studies:
        by_archive.setdefault(one.archive, []).append(one)
    circumstances = Circumstances.of(site(directory, more), NOW)
    return select.select_priors(matches, of or order(), by_archive, circumstances=circumstances)


def chosen(selection: Selection) -> list[str]:
    """The Study Instance UIDs of what is wanted."""
    return [choice.study.study_instance_uid for choice in selection.choices]


def why_left(selection: Selection, uid: str) -> list[str]:
    """The reasons why a study was left."""
    candidates = {one.study.study_instance_uid: one for one in selection.candidates}
    assert Decision.LEFT is candidates[uid].decision
    return [reason.because for reason in candidates[uid].reasons]


# --- which rules act -------------------------------------------------------------------------------


def test_every_rule_says_why_it_matched_or_not(tmp_path: Path) -> None:
    """With its name and its place."""
    found = match(
        tmp_path,
        "{name: ct, when: {modality: CT}, priors: [{newest: 1}]}",
        "{name: mr, when: {modality: MR}, priors: [{newest: 1}]}",
        "{name: all, priors: [{newest: 1}]}",
        "{name: off, enabled: false, priors: [{newest: 1}]}",
        "{name: icu, when: {location: ICU}, priors: [{newest: 1}]}",
    )
    place = f"{tmp_path}/rules/a.yaml"
    assert [
        model.Reason(because="matches: the order's modality is CT", rule="ct", place=f"{place}:2"),
        model.Reason(
            because="does not match: the order's modality is CT, not MR", rule="mr", place=f"{place}:3"
        ),
        model.Reason(because="matches: every order", rule="all", place=f"{place}:4"),
        model.Reason(because="does not match: it is switched off", rule="off", place=f"{place}:5"),
        model.Reason(
            because="does not match: the order's location is not said", rule="icu", place=f"{place}:6"
        ),
    ] == [one.reason for one in found]
    assert [True, False, True, False, False] == [one.matched for one in found]


def test_a_rule_may_end_the_search(tmp_path: Path) -> None:
    """Rules after it have no turn, fallbacks neither; rules before it stay."""
    found = match(
        tmp_path,
        "{name: before, priors: [{newest: 1}]}",
        "{name: end, when: {modality: CT}, stop: true}",
        "{name: after, priors: [{newest: 1}]}",
        "{name: last, fallback: true, priors: [{newest: 1}]}",
    )
    assert [True, True, False, False] == [one.matched for one in found]
    assert "does not match: rule end matches and stops" == found[2].reason.because


def test_a_rule_that_wants_nothing_asks_no_archive(tmp_path: Path) -> None:
    """It costs no query."""
    found = match(tmp_path, "{name: end, stop: true}")[0]
    assert (True, (), ()) == (found.matched, found.archives, found.destinations)


def test_a_rule_that_does_not_match_ends_nothing(tmp_path: Path) -> None:
    """Only a match stops."""
    found = match(
        tmp_path, "{name: mr, when: {modality: MR}, stop: true}", "{name: b, priors: [{newest: 1}]}"
    )
    assert [False, True] == [one.matched for one in found]


def test_a_fallback_is_for_what_nothing_else_matched(tmp_path: Path) -> None:
    """Wherever it stands in the files."""
    fallback = "{name: rest, fallback: true, priors: [{newest: 1}]}"
    ct, mr = (
        f"{{name: {name}, when: {{modality: {name}}}, priors: [{{newest: 1}}]}}" for name in ("CT", "MR")
    )
    beside_match = match(tmp_path, fallback, ct)[-1]
    assert (False, "does not match: it is a fallback, and rule CT matches") == (
        beside_match.matched,
        beside_match.reason.because,
    )
    assert match(tmp_path, fallback, mr)[-1].matched


def test_without_from_every_archive_is_asked(tmp_path: Path) -> None:
    """In the order of the configuration."""
    found = match(
        tmp_path, "{name: a, priors: [{newest: 1}]}", "{name: b, from: offsite, priors: [{newest: 1}]}"
    )
    assert [("main", "offsite"), ("offsite",)] == [one.archives for one in found]


ROOMS = "planning: {to: [room-1, room-2, room-1]}\n"


@pytest.mark.parametrize(
    ("to", "of", "rooms"),
    [
        ("", {}, ("room-1", "room-2")),
        ("to: room-2, ", {}, ("room-2",)),
        ("to: [room-2, room-1, room-2], ", {}, ("room-2", "room-1")),
        (
            "to: {by: station_ae_title, map: {CT1: room-2}, otherwise: room-1}, ",
            {"station_ae_title": "ct1"},
            ("room-2",),
        ),
        (
            "to: {by: station_ae_title, map: {'CT*': room-2}, otherwise: room-1}, ",
            {"station_ae_title": "CT7"},
            ("room-2",),
        ),
        (
            "to: {by: station_ae_title, map: {CT1: room-2}, otherwise: room-1}, ",
            {"station_ae_title": "MR1"},
            ("room-1",),
        ),
        ("to: {by: station_ae_title, map: {'*': room-2}, otherwise: room-1}, ", {}, ("room-1",)),
        ("to: {by: modality, map: {MR: room-1, CT: [room-1, room-2]}}, ", {}, ("room-1", "room-2")),
        ("to: {by: modality, map: {MR: room-1, XR: room-2}}, ", {"modality": "DX"}, ("room-2",)),
        ("to: {by: location, map: {A: room-1, 'A*': room-2}}, ", {"location": "A"}, ("room-1",)),
        ("to: {by: ZXX-2, map: {B: room-2}}, ", {"segments": (["ZXX", "A", ["C", "B"]],)}, ("room-2",)),
        (
            "to: {by: worklist.PatientState, map: {'b*': room-2}}, ",
            {"worklist": {"PatientState": "BAD"}},
            ("room-2",),
        ),
        ("to: {by: region, map: {head: room-1, chest: room-2}}, ", {}, ("room-2",)),
    ],
)
def test_priors_go_where_the_rule_says(
    tmp_path: Path, to: str, of: dict[str, Any], rooms: tuple[str, ...]
) -> None:
    """By name, or looked up by what the order says; else where the configuration says."""
    found = match(tmp_path, f"{{name: a, {to}priors: [{{newest: 1}}]}}", of=order(**of), more=ROOMS)
    assert ((rooms, True),) == tuple((one.destinations, one.matched) for one in found)


@pytest.mark.parametrize(("station", "said"), [("MR1", "MR1"), (None, "that is not said")])
def test_a_look_up_that_finds_nothing_is_no_match(tmp_path: Path, station: str | None, said: str) -> None:
    """And says what it looked for."""
    rule = "{name: a, to: {by: station_ae_title, map: {CT1: room-1}}, priors: [{newest: 1}]}"
    found = match(tmp_path, rule, of=order(station_ae_title=station))[0]
    assert (False, f"does not match: no destination for station_ae_title {said}") == (
        found.matched,
        found.reason.because,
    )


def test_the_only_workstation_needs_no_name(tmp_path: Path) -> None:
    """A small site writes it down once."""
    alone = site(tmp_path)
    alone = alone.model_copy(
        update={
            "workstations": {"room-2": alone.workstations["room-2"]},
            "planning": alone.planning.model_copy(update={"to": None}),
        }
    )
    rules = rule_set(tmp_path, "{name: a, priors: [{newest: 1}]}")
    assert ("room-2",) == matching.match_rules(rules, order(), site=alone, now=NOW)[0].destinations


def test_times_are_counted_back_from_the_exam(tmp_path: Path) -> None:
    """By the rule, else by the configuration."""
    found = match(
        tmp_path,
        "{name: own, fetch_from: 2h before exam, ready_by: 10m before exam, priors: [{newest: 1}]}",
        "{name: usual, priors: [{newest: 1}]}",
        "{name: at-once, fetch_from: when ordered, priors: [{newest: 1}]}",
        more="planning: {to: room-1, fetch_from: 5h before exam, ready_by: 1h before exam}\n",
    )
    assert [
        (EXAM - timedelta(hours=2), EXAM - timedelta(minutes=10)),
        (EXAM - timedelta(hours=5), EXAM - timedelta(hours=1)),
        (NOW, EXAM - timedelta(hours=1)),
    ] == [(one.start_at, one.deadline) for one in found]


def test_a_day_before_the_exam_is_24_hours_before_it(tmp_path: Path) -> None:
    """Also when the clocks change in that night."""
    berlin = site(tmp_path).time_zone
    exam = datetime(2026, 3, 29, 10, 0, tzinfo=berlin)  # summer time began at 2 o'clock
    found = match(tmp_path, "{name: a, priors: [{newest: 1}]}", of=order(scheduled_start=exam))[0]
    assert datetime(2026, 3, 28, 8, 0, tzinfo=UTC) == found.start_at


def test_an_order_without_a_time_is_fetched_at_once(tmp_path: Path) -> None:
    """Its deadline counts from its planning."""
    more = "planning: {to: room-1, deadline_if_unscheduled: 2h}\n"
    found = match(tmp_path, "{name: a, priors: [{newest: 1}]}", of=order(scheduled_start=None), more=more)[0]
    assert (True, False, NOW, NOW + timedelta(hours=2)) == (
        found.matched,
        found.waits,
        found.start_at,
        found.deadline,
    )


def test_an_order_without_a_time_may_wait_for_it(tmp_path: Path) -> None:
    """Nothing is chosen until the message comes that brings it."""
    rule = "{name: a, if_unscheduled: wait, priors: [{newest: 1}]}"
    found = match(tmp_path, rule, of=order(scheduled_start=None))[0]
    assert (True, True, "matches, and waits for a time: every order") == (
        found.matched,
        found.waits,
        found.reason.because,
    )
    assert [] == chosen(choose(tmp_path, [study("1")], rule, of=order(scheduled_start=None)))
    assert not match(tmp_path, rule)[0].waits


@pytest.mark.parametrize(
    ("rule_mode", "site_mode", "observe"),
    [("active", "active", False), ("observe", "active", True), ("active", "observe", True)],
)
def test_a_rule_or_the_whole_site_may_only_observe(
    tmp_path: Path, rule_mode: str, site_mode: str, observe: bool
) -> None:
    """Everything is decided, and nothing is to move."""
    rule = f"{{name: a, mode: {rule_mode}, priors: [{{newest: 1}}]}}"
    selection = choose(tmp_path, [study("1")], rule, more=f"mode: {site_mode}\n")
    assert [(observe, Decision.OBSERVED if observe else Decision.TAKEN)] == [
        (choice.observe, candidate.decision)
        for choice, candidate in zip(selection.choices, selection.candidates, strict=True)
    ]


# --- what is no prior at all -----------------------------------------------------------------------

ALL = "{name: all, priors: [{}]}"


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"uid": "9.9"}, "it is the exam itself, by its Study Instance UID"),
        ({"accession_number": "A1"}, "it is the exam itself, by its accession number"),
        ({"day": "2026-03-03"}, "it is later than the exam"),
        ({"day": "2026-03-02", "study_time": "100000"}, "it is later than the exam"),
        ({"day": "2026-03-02", "study_time": "11"}, "it is later than the exam"),
    ],
)
def test_the_exam_and_what_comes_after_it_are_no_priors(
    tmp_path: Path, said: dict[str, Any], because: str
) -> None:
    """Whatever the rules say; the exam is at ten by the site's clock."""
    selection = choose(tmp_path, [study(**({"uid": "1"} | said))], ALL, of=order(study_instance_uid="9.9"))
    assert ([], [because]) == (chosen(selection), why_left(selection, said.get("uid", "1")))


@pytest.mark.parametrize("preferred", ["main", "offsite"])
def test_archives_may_disagree_on_the_date(tmp_path: Path, preferred: str) -> None:
    """One that says that a study is later than the exam is believed, preferred or not."""
    studies = [study("1", "2020-01-01"), study("1", "2026-03-03", archive="offsite")]
    selection = choose(tmp_path, studies, f"{{name: a, from: {preferred}, priors: [{{}}]}}")
    assert ([], ["it is later than the exam"]) == (chosen(selection), why_left(selection, "1"))


@pytest.mark.parametrize(
    "said",
    [
        {"day": "2026-03-02", "study_time": "095959.5"},
        {"day": "2026-03-02", "study_time": "09:30"},
        {"day": "2026-03-02"},
        {"day": None},
        {"accession_number": None},
    ],
)
def test_what_was_taken_earlier_on_the_day_is_a_prior(tmp_path: Path, said: dict[str, Any]) -> None:
    """Also where its time is not known, or its date."""
    assert ["1"] == chosen(choose(tmp_path, [study("1", **said)], ALL, of=order(accession_number=None)))


def test_without_a_time_a_prior_is_earlier_than_now(tmp_path: Path) -> None:
    """The exam has not begun."""
    studies = [
        study("1", "2026-03-02"),
        study("2", "2026-03-01"),
        study("3", "2026-03-01", study_time="0801"),
    ]
    assert ["2"] == chosen(choose(tmp_path, studies, ALL, of=order(scheduled_start=None)))


def test_the_day_of_the_exam_is_the_sites(tmp_path: Path) -> None:
    """Shortly after midnight in Berlin it is still the day before in UTC."""
    exam = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    selection = choose(
        tmp_path,
        [study("1", "2026-03-02", study_time="0015"), study("2", "2025-03-01"), study("3", "2025-03-02")],
        "{name: year, priors: [{within: 1y}]}",
        of=order(scheduled_start=exam),
    )
    assert ["1", "3"] == chosen(selection)


# --- classes ---------------------------------------------------------------------------------------

YEARS = [study(str(year), f"{year}-06-01") for year in range(2017, 2026)]


@pytest.mark.parametrize(
    ("said", "years"),
    [
        ("{}", ["2025", "2024", "2023", "2022", "2021", "2020", "2019", "2018", "2017"]),
        ("{newest: 2}", ["2025", "2024"]),
        ("{oldest: 2}", ["2018", "2017"]),
        ("{newest: 2, oldest: 1}", ["2025", "2024", "2017"]),
        ("{newest: 2, oldest: 1, within: 5y}", ["2025", "2024", "2021"]),
        ("{newest: 9, oldest: 9, within: 18mo}", ["2025"]),
    ],
)
def test_a_class_takes_the_newest_and_the_oldest(tmp_path: Path, said: str, years: list[str]) -> None:
    """The baseline comes beside the newest, and is counted once where they meet."""
    assert years == chosen(choose(tmp_path, YEARS, f"{{name: a, priors: [{said}]}}"))


def test_a_study_without_a_date_is_never_a_baseline(tmp_path: Path) -> None:
    """It counts as older than all others, and so is taken as one of the newest where there is room."""
    studies = [study("1", None), study("2", "2020-01-01"), study("3", "2021-01-01")]
    chosen_by = {
        said: chosen(choose(tmp_path, studies, f"{{name: a, priors: [{said}]}}"))
        for said in ("{oldest: 1}", "{newest: 2}", "{newest: 3}", "{newest: 3, within: 10y}")
    }
    assert {
        "{oldest: 1}": ["2"],
        "{newest: 2}": ["3", "2"],
        "{newest: 3}": ["3", "2", "1"],
        "{newest: 3, within: 10y}": ["3", "2"],
    } == chosen_by


def test_a_later_class_does_not_count_what_an_earlier_one_took(tmp_path: Path) -> None:
    """So that it brings its own number."""
    rule = "{name: a, priors: [{name: first, newest: 2}, {name: then, newest: 2}]}"
    selection = choose(tmp_path, YEARS, rule)
    assert [("2025", "first"), ("2024", "first"), ("2023", "then"), ("2022", "then")] == [
        (choice.study.study_instance_uid, choice.prior_class) for choice in selection.choices
    ]


def test_every_study_has_its_reasons(tmp_path: Path) -> None:
    """Taken or left, with rule, class and place."""
    studies = [*YEARS[-3:], study("mr", "2024-01-01", modalities=("MR",))]
    selection = choose(tmp_path, studies, "{name: a, priors: [{name: ct, modality: CT, newest: 2}]}")
    place = f"{tmp_path}/rules/a.yaml:2"
    assert [
        ("2025", Decision.TAKEN, "room-1", "modality is CT; newest, number 1"),
        ("2024", Decision.TAKEN, "room-1", "modality is CT; newest, number 2"),
        ("mr", Decision.LEFT, None, "modality is MR, not CT"),
        ("2023", Decision.LEFT, None, "modality is CT; only the newest 2 of 3 are wanted"),
    ] == [
        (one.study.study_instance_uid, one.decision, one.destination, one.reasons[0].because)
        for one in selection.candidates
    ]
    assert {("a", "ct", place)} == {
        (reason.rule, reason.prior_class, reason.place)
        for one in selection.candidates
        for reason in one.reasons
    }


def test_a_study_that_no_rule_may_fetch_says_so(tmp_path: Path) -> None:
    """Its archive is not asked by any rule that matches."""
    selection = choose(tmp_path, [study("1")], "{name: a, from: offsite, priors: [{}]}")
    assert ["no rule that matches asks main"] == why_left(selection, "1")


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "years", "because"),
    [
        ("{studies: 2}", ["2025", "2024"], "all are wanted; but the rule is full with 2 studies"),
        (
            "{instances: 250}",
            ["2025", "2024"],
            "all are wanted; but the rule has no room for 100 instances more: 200 of 250 are taken",
        ),
        ("{studies: 9, instances: 300}", ["2025", "2024", "2023"], ""),
    ],
)
def test_a_rules_limits_cut_what_its_classes_chose(
    tmp_path: Path, limits: str, years: list[str], because: str
) -> None:
    """In the order in which the classes chose."""
    selection = choose(tmp_path, YEARS[-3:], f"{{name: a, limits: {limits}, priors: [{{}}]}}")
    assert years == chosen(selection)
    if because:
        assert [f"any study; {because}"] == why_left(selection, "2023")


def test_a_study_that_is_too_big_does_not_keep_out_smaller_ones(tmp_path: Path) -> None:
    """What fits after it is taken."""
    studies = [study("3", "2025-03-01"), study("2", "2025-02-01", instances=900), study("1", "2025-01-01")]
    rule = "{name: a, limits: {instances: 500}, priors: [{}]}"
    assert ["3", "1"] == chosen(choose(tmp_path, studies, rule))


def test_a_missing_count_is_not_zero(tmp_path: Path) -> None:
    """It counts as the configuration says."""
    studies = [study(str(n), f"2025-0{n}-01", instances=None) for n in (1, 2, 3)]
    rule = "{name: a, limits: {instances: 900}, priors: [{}]}"
    by_assumption = {
        unknown: chosen(choose(tmp_path, studies, rule, more=f"limits: {{unknown_instances: {unknown}}}\n"))
        for unknown in (300, 450, 901)
    }
    assert {300: ["3", "2", "1"], 450: ["3", "2"], 901: []} == by_assumption


def test_an_exam_has_a_cap_over_all_rules(tmp_path: Path) -> None:
    """A study that two rules want counts once; what only one of two destinations would get is not halved."""
    rules = (
        "{name: a, to: [room-1, room-2], priors: [{newest: 2}]}",
        "{name: b, priors: [{newest: 4}]}",
    )
    selection = choose(tmp_path, YEARS[-4:], *rules, more="limits: {studies: 3}\n")
    assert ["2025", "2025", "2024", "2024", "2023"] == chosen(selection)
    assert [
        "any study; only the newest 2 of 4 are wanted",
        "any study; newest, number 4; but the exam is full with 3 studies",
    ] == why_left(selection, "2022")


def test_the_cap_counts_instances_too(tmp_path: Path) -> None:
    """Of the archive that is asked."""
    selection = choose(tmp_path, YEARS[-4:], ALL, more="limits: {instances: 200}\n")
    assert ["2025", "2024"] == chosen(selection)


@pytest.mark.parametrize(("size", "years"), [("120MB", ["2025", "2024"]), ("49MB", [])])
def test_bytes_are_estimated_by_modality(tmp_path: Path, size: str, years: list[str]) -> None:
    """A hundred images of a CT are fifty megabytes; by the rule, and by the exam."""
    by_rule = choose(tmp_path, YEARS[-4:], f"{{name: a, limits: {{bytes: {size}}}, priors: [{{}}]}}")
    by_exam = choose(tmp_path, YEARS[-4:], ALL, more=f"limits: {{bytes: {size}}}\n")
    assert [years, years] == [chosen(by_rule), chosen(by_exam)]
    taken = f"{'100MB' if years else '0B'} of {size} are taken"
    because = f"any study; all are wanted; but the rule has no room for 50MB more, as estimated: {taken}"
    assert [because] == why_left(by_rule, "2023")


def test_a_site_says_what_its_images_take(tmp_path: Path) -> None:
    """The largest kind of a study counts, and one that nobody named counts a megabyte an image."""
    limits = site(tmp_path, "limits: {bytes_per_instance: {XR: 8MB, CT: 200kB}}\n").limits
    of = {
        modalities: limits.estimate(study("1", instances=10, modalities=modalities))
        for modalities in [("CT",), ("CT", "DX"), ("US",), ("MG", "SR"), ()]
    }
    assert {
        ("CT",): 2_000_000,
        ("CT", "DX"): 80_000_000,
        ("US",): 10_000_000,
        ("MG", "SR"): 250_000_000,
        (): 10_000_000,
    } == of


# --- relevance -------------------------------------------------------------------------------------

MIXED = [
    study("head", "2025-09-01", description="CT head"),
    study("film", "2025-08-01", description="Chest PA", modalities=("DX",)),
    study("mr", "2025-07-01", description="MR abdomen", modalities=("MR",)),
    study("chest", "2025-06-01"),
]


def test_a_class_asks_for_relevance_and_its_grade_is_kept(tmp_path: Path) -> None:
    """In what is wanted, and beside every candidate with its words."""
    selection = choose(tmp_path, MIXED, "{name: a, priors: [{relevance: useful}]}")
    assert {"film": 2, "chest": 3} == {one.study.study_instance_uid: one.grade for one in selection.choices}
    graded = {one.study.study_instance_uid: one.relevance for one in selection.candidates}
    assert [model.Graded(grade=3, because="the same description"), 0] == [
        graded["chest"],
        graded["head"] and graded["head"].grade,
    ]
    reasons = {one.study.study_instance_uid: one.reason.because for one in selection.choices}
    assert "useful: chest in both; XR for CT; all are wanted" == reasons["film"]
    assert ["not relevant: head for chest: another region; asked for is useful"] == why_left(
        selection, "head"
    )


def test_a_class_that_asks_for_no_relevance_counts_as_a_must(tmp_path: Path) -> None:
    """The administrator's word stands."""
    selection = choose(tmp_path, MIXED, "{name: a, priors: [{description: '*head*'}]}")
    assert [3] == [choice.grade for choice in selection.choices]


def test_the_cap_of_an_exam_goes_to_the_higher_grades(tmp_path: Path) -> None:
    """Whichever rule wants them, and however new the others are."""
    rules = (
        "{name: a, priors: [{relevance: any, newest: 3}]}",
        "{name: b, priors: [{relevance: must, newest: 1}]}",
    )
    selection = choose(tmp_path, MIXED, *rules, more="limits: {studies: 2}\n")
    assert ["chest", "film"] == chosen(selection)


@pytest.mark.parametrize(
    ("fewer", "uids", "because"),
    [
        (3, ["chest", "film", "head"], ""),
        (2, ["chest", "film"], "only wanted if there are fewer than 2, and there are 2"),
    ],
)
def test_a_class_may_fill_up(tmp_path: Path, fewer: int, uids: list[str], because: str) -> None:
    """Only where the classes before it took too few."""
    fill = f"{{name: fill, if_fewer_than: {fewer}, newest: 1}}"
    rule = f"{{name: a, priors: [{{relevance: useful, newest: 2}}, {fill}]}}"
    selection = choose(tmp_path, MIXED, rule)
    assert uids == sorted(chosen(selection), key=uids.index)
    if because:
        assert f"any study; {because}" == why_left(selection, "head")[-1]


def test_a_rule_is_for_the_feeds_that_it_names(tmp_path: Path) -> None:
    """For orders of another it is not looked at."""
    found = match(
        tmp_path,
        "{name: a, feeds: [emergency], priors: [{newest: 1}]}",
        "{name: b, feeds: [emergency, RIS], priors: [{newest: 1}]}",
    )
    assert [
        (False, "does not match: the order is from ris, not emergency"),
        (True, "matches: every order"),
    ] == [(one.matched, one.reason.because) for one in found]


# --- union -----------------------------------------------------------------------------------------


def test_the_earliest_deadline_wins(tmp_path: Path) -> None:
    """One choice a study and destination, from where the winner says; the others' reasons are kept."""
    selection = choose(
        tmp_path,
        [study("1"), study("1", archive="offsite")],
        "{name: late, fetch_from: 3h before exam, ready_by: 10m before exam, priors: [{newest: 1}]}",
        "{name: early, from: offsite, fetch_from: 2h before exam, ready_by: 90m before exam, priors: [{}]}",
    )
    (choice,) = selection.choices
    assert ("early", ("offsite",), EXAM - timedelta(minutes=90), EXAM - timedelta(hours=3)) == (
        choice.rule,
        choice.archives,
        choice.deadline,
        choice.start_at,
    )
    assert ["early", "late"] == [reason.rule for reason in selection.candidates[0].reasons]


def test_between_equals_the_first_rule_wins(tmp_path: Path) -> None:
    """So that every run is alike."""
    rules = [f"{{name: {name}, priors: [{{newest: 1}}]}}" for name in ("z", "a")]
    assert ["z"] == [choice.rule for choice in choose(tmp_path, [study("1")], *rules).choices]


def test_each_destination_has_its_own_choice(tmp_path: Path) -> None:
    """Rules that send to different places do not compete."""
    selection = choose(
        tmp_path,
        [study("1")],
        "{name: a, to: room-1, ready_by: 10m before exam, priors: [{newest: 1}]}",
        "{name: b, to: [room-1, room-2], ready_by: 20m before exam, priors: [{newest: 1}]}",
    )
    assert {("room-1", "b"), ("room-2", "b")} == {
        (choice.destination, choice.rule) for choice in selection.choices
    }


def test_what_one_rule_moves_is_moved_though_another_observes_it(tmp_path: Path) -> None:
    """And by the times of the one that moves."""
    selection = choose(
        tmp_path,
        [study("1")],
        "{name: watch, mode: observe, ready_by: 2h before exam, priors: [{newest: 1}]}",
        "{name: move, ready_by: 10m before exam, priors: [{newest: 1}]}",
    )
    (choice,) = selection.choices
    assert ("move", False, EXAM - timedelta(minutes=10)) == (choice.rule, choice.observe, choice.deadline)


def test_what_is_moved_fills_the_cap_before_what_is_observed(tmp_path: Path) -> None:
    """A trial never displaces what works."""
    rules = (
        "{name: watch, mode: observe, priors: [{newest: 2}]}",
        "{name: move, priors: [{oldest: 2}]}",
    )
    selection = choose(tmp_path, YEARS[-4:], *rules, more="limits: {studies: 3}\n")
    assert [("2023", False), ("2022", False), ("2025", True)] == [
        (choice.study.study_instance_uid, choice.observe) for choice in selection.choices
    ]


def observed(directory: Path, name: str) -> Circumstances:
    """As the site says, with one archive in observe mode."""
    return replace(Circumstances.of(site(directory), NOW), observed_archives=frozenset({name}))


@pytest.mark.parametrize(
    ("held_by", "archives", "observe"),
    [(["main", "offsite"], ("offsite",), False), (["main"], ("main",), True)],
)
def test_an_archive_in_observe_mode_moves_nothing(
    tmp_path: Path, held_by: list[str], archives: tuple[str, ...], observe: bool
) -> None:
    """Another that holds the study as well is asked instead."""
    selection = select.select_priors(
        match(tmp_path, ALL),
        order(),
        {name: [study("1", archive=name)] for name in held_by},
        circumstances=observed(tmp_path, "main"),
    )
    assert [(archives, observe)] == [(choice.archives, choice.observe) for choice in selection.choices]


def test_archives_in_observe_mode_come_from_the_configuration(tmp_path: Path) -> None:
    """With the zone and the cap."""
    said = site(tmp_path, "limits: {studies: 3}\n")
    watching = said.archives["offsite"].model_copy(update={"mode": Mode.OBSERVE})
    changed = said.model_copy(update={"archives": said.archives | {"offsite": watching}})
    found = Circumstances.of(changed, NOW)
    assert (frozenset({"offsite"}), "Europe/Berlin", 3) == (
        found.observed_archives,
        str(found.zone),
        found.limits.studies,
    )


# --- any studies -----------------------------------------------------------------------------------

any_study = st.builds(
    lambda uid, archive, day, instances, modalities, description: study(
        uid,
        day and day.isoformat(),
        archive=archive,
        instances=instances,
        modalities=modalities,
        description=description,
    ),
    st.sampled_from([f"1.{n}" for n in range(12)]),
    st.sampled_from(["main", "offsite"]),
    st.none() | st.dates(date(2015, 1, 1), date(2027, 1, 1)),
    st.none() | st.integers(0, 2000),
    st.sampled_from([(), ("CT",), ("MR",), ("CT", "SR")]),
    st.sampled_from([None, "CT chest", "MR head", ""]),
)

LIMITED = """{name: a, from: [offsite, main], to: [room-1, room-2], limits: {studies: 4, instances: 3000},
  priors: [{modality: same, newest: 3, oldest: 1, within: 5y}, {description: '*head*', newest: 2}]}"""
PLAIN = "{name: b, ready_by: 2h before exam, priors: [{newest: 2, exclude: {modality: MR}}]}"


def test_any_answers_give_a_plan_that_keeps_its_promises(tmp_path: Path) -> None:
    """Every study is told once for each destination, the cap holds, and nothing comes after the exam."""
    matches = match(tmp_path, LIMITED, PLAIN)
    circumstances = Circumstances.of(site(tmp_path, "limits: {studies: 5}\n"), NOW)

    @given(st.lists(any_study, max_size=25, unique_by=lambda one: (one.archive, one.study_instance_uid)))
    def promises(studies: list[Study]) -> None:
        answers = {name: [one for one in studies if one.archive == name] for name in ("main", "offsite")}
        selection = select.select_priors(matches, order(), answers, circumstances=circumstances)
        wanted = [(choice.study.study_instance_uid, choice.destination) for choice in selection.choices]
        assert len(wanted) == len(set(wanted))
        assert len({uid for uid, _ in wanted}) <= 5
        assert {one.study_instance_uid for one in studies} == {
            one.study.study_instance_uid for one in selection.candidates
        }
        assert all(reason.because for one in selection.candidates for reason in one.reasons)
        dates = {choice.study.study_date for choice in selection.choices} - {None}
        assert all(day <= EXAM.date() for day in dates if day)

    promises()
