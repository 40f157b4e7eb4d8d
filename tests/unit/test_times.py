"""When rules fetch: windows, what to do where none opens or the order comes late, and in which lane."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefetch.model import Order, Priority
from prefetch.planning import draft, matching
from prefetch.planning.matching import RuleMatch
from tests.choosing import EXAM, NOW, order, rule_set, site, study
from tests.unit.test_select import choose

# NOW is 08:00 of a Sunday in Berlin, EXAM is 10:00 of the Monday after.
DEADLINE = EXAM - timedelta(minutes=30)
ASKED_FOR = EXAM - timedelta(hours=24)


def match(directory: Path, said: str, *, now: datetime = NOW, **of: Any) -> RuleMatch:
    """What a rule says of an order."""
    rules = rule_set(directory, f"{{name: a, {said}, priors: [{{newest: 1}}]}}")
    usual: dict[str, Any] = {"created_at": now, **of}
    return matching.match_rules(rules, order(**usual), site=site(directory), now=now)[0]


def utc(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_rule_moves_in_its_windows_only(tmp_path: Path) -> None:
    """From the first that opens when the fetch may begin, until that closes."""
    found = match(tmp_path, 'windows: "20:00-06:00"')
    assert (utc("2026-03-01 19:00"), utc("2026-03-02 05:00"), DEADLINE) == (
        found.start_at,
        found.closes_at,
        found.deadline,
    )
    because = "matches: every order; moves in 20:00-06:00: from 2026-03-01 20:00 to 2026-03-02 06:00"
    assert because == found.reason.because


def test_a_window_that_is_open_already_asks_nobody_to_wait(tmp_path: Path) -> None:
    """The fetch begins when the rule says, not when the window opened."""
    found = match(tmp_path, 'windows: "00:00-24:00"')
    assert (ASKED_FOR, True) == (found.start_at, found.closes_at is not None and found.closes_at > EXAM)


NEXT = (utc("2026-03-02 10:00"), utc("2026-03-02 12:00"))


@pytest.mark.parametrize(
    ("said", "times", "acts", "words"),
    [
        ("", (ASKED_FOR, None), True, "fetched anyway"),
        (", if_no_window: fetch anyway", (ASKED_FOR, None), True, "fetched anyway"),
        (", if_no_window: wait", NEXT, True, "waits for it all the same"),
        (", if_no_window: skip", (ASKED_FOR, None), False, "nothing is fetched"),
    ],
)
def test_where_no_window_opens_in_time_the_site_says_what_then(
    tmp_path: Path, said: str, times: tuple[datetime, datetime | None], acts: bool, words: str
) -> None:
    """A prior that misses its exam helps nobody: unless the site says otherwise, the deadline comes first."""
    found = match(tmp_path, f'windows: "mon 11:00-13:00"{said}')
    assert (times, acts, DEADLINE) == ((found.start_at, found.closes_at), found.acts, found.deadline)
    because = f"matches: every order; “mon 11:00-13:00” does not open before the deadline: {words}"
    assert because == found.reason.because


def test_when_its_window_has_closed_the_next_one_counts(tmp_path: Path) -> None:
    """What was not moved by then is planned again: for the next, or as the site says where there is none."""
    windows = 'windows: ["sun 09:00-12:00", "sun 20:00-22:00"]'
    turns = [match(tmp_path, windows, now=NOW + timedelta(hours=hours)) for hours in (1, 4, 14)]
    assert [utc("2026-03-01 09:00"), utc("2026-03-01 19:00"), ASKED_FOR] == [one.start_at for one in turns]
    assert [utc("2026-03-01 11:00"), utc("2026-03-01 21:00"), None] == [one.closes_at for one in turns]


@pytest.mark.parametrize("of", [{"priority": Priority.STAT}, {"patient_class": "E"}, {"fetch_now": True}])
def test_emergencies_wait_for_no_window(tmp_path: Path, of: dict[str, Any]) -> None:
    """Nor does what a person asks for."""
    found = match(tmp_path, 'windows: "20:00-06:00"', **of)
    assert (ASKED_FOR, None) == (found.start_at, found.closes_at)


def test_what_is_fetched_by_hand_has_no_window(tmp_path: Path) -> None:
    """Nor one that was found before somebody asked."""
    found = draft.hasten(match(tmp_path, 'windows: "20:00-06:00"'), NOW)
    assert (NOW, None) == (found.start_at, found.closes_at)


def test_an_order_without_a_time_has_windows_too(tmp_path: Path) -> None:
    """Where one opens before its deadline, an hour from now; else it is fetched anyway."""
    soon = match(tmp_path, 'windows: "08:30-09:30"', scheduled_start=None)
    later = match(tmp_path, 'windows: "20:00-06:00"', scheduled_start=None)
    assert (NOW + timedelta(minutes=30), NOW) == (soon.start_at, later.start_at)


def test_a_study_that_several_rules_want_moves_in_the_first_window(tmp_path: Path) -> None:
    """One without windows moves it at any time."""
    night, noon = (
        f'{{name: {name}, windows: "{hours}", priors: [{{newest: 1}}]}}'
        for name, hours in (("night", "20:00-06:00"), ("noon", "12:00-14:00"))
    )
    (choice,) = choose(tmp_path, [study("1")], night, noon).choices
    assert (utc("2026-03-01 11:00"), utc("2026-03-01 13:00")) == (choice.start_at, choice.closes_at)
    (choice,) = choose(tmp_path, [study("1")], night, "{name: any, priors: [{newest: 1}]}").choices
    assert (ASKED_FOR, None) == (choice.start_at, choice.closes_at)


# --- late ------------------------------------------------------------------------------------------

LATE = {"created_at": DEADLINE}


def at(moment: datetime, **said: Any) -> Order:
    """An order that came at some moment."""
    return order(created_at=moment, **said)


@pytest.mark.parametrize(
    ("said", "acts", "words"),
    [
        ("", True, "the order came after the deadline"),
        (", if_late: fetch now", True, "the order came after the deadline"),
        (", if_late: skip", False, "the order came after the deadline: nothing is fetched"),
        (', if_late: fetch now, windows: "20:00-06:00"', True, "the order came after the deadline"),
    ],
)
def test_an_order_that_comes_late_is_fetched_or_skipped(
    tmp_path: Path, said: str, acts: bool, words: str
) -> None:
    """As the rule says; a window is not waited for when the deadline has passed."""
    found = match(tmp_path, f"ready_by: 30m before exam{said}", now=DEADLINE)
    assert (True, acts, None) == (found.matched, found.acts, found.closes_at)
    assert f"matches: every order; {words}" == found.reason.because


def test_an_order_that_came_in_time_is_never_late(tmp_path: Path) -> None:
    """Though it is planned again after its deadline: what is under way goes on."""
    found = match(tmp_path, "if_late: skip", now=DEADLINE + timedelta(minutes=5), created_at=NOW)
    assert found.acts


def test_a_late_order_is_fetched_by_hand(tmp_path: Path) -> None:
    """Whatever the rule says."""
    assert match(tmp_path, "if_late: skip", now=DEADLINE, fetch_now=True).acts


def test_a_rule_that_skips_has_matched_all_the_same(tmp_path: Path) -> None:
    """It ends the search, and leaves nothing to a fallback."""
    rules = rule_set(
        tmp_path,
        "{name: a, if_late: skip, stop: true, priors: [{newest: 1}]}",
        "{name: b, priors: [{newest: 1}]}",
        "{name: c, fallback: true, priors: [{newest: 1}]}",
    )
    found = matching.match_rules(rules, at(DEADLINE), site=site(tmp_path), now=DEADLINE)
    assert [(True, False), (False, False), (False, False)] == [(one.matched, one.acts) for one in found]


# --- lane ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "of", "lane"),
    [
        ("mode: active", {}, Priority.ROUTINE),
        ("mode: active", {"priority": Priority.HIGH}, Priority.HIGH),
        ("mode: active", {"patient_class": "E"}, Priority.STAT),
        ("priority: stat", {}, Priority.STAT),
        ("priority: routine", {"priority": Priority.STAT}, Priority.ROUTINE),
    ],
)
def test_a_rule_may_say_the_lane(tmp_path: Path, said: str, of: dict[str, Any], lane: Priority) -> None:
    """Else it is that of the order, and of an emergency STAT."""
    assert lane is match(tmp_path, said, **of).lane


def test_the_most_urgent_rule_says_the_lane(tmp_path: Path) -> None:
    """Of those that want the same study."""
    usual = "{name: a, priors: [{newest: 1}]}"
    (choice,) = choose(tmp_path, [study("1")], usual, usual.replace("a,", "b, priority: high,")).choices
    assert Priority.HIGH is choice.lane
