"""Troubles are one list: each with a name, a page and what to do, and none on a good day."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.domain import feed_silence, sender_clock, trouble
from prefetch.domain.trouble import TroubleKind

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SCOPE = trouble.TroubleScope(
    zone=ZoneInfo("Europe/Berlin"),
    archives=frozenset({"main"}),
    listeners=frozenset({"ris"}),
    rules=3,
    feed_silence=4 * HOUR,
)
DAEMON = trouble.DaemonFact(started_at=NOW - 48 * HOUR, seen_at=NOW, loaded_at=NOW - 48 * HOUR)
PAGE = Path(__file__).parents[2] / trouble.PAGE


def answers(*studies: int, **more: Any) -> list[trouble.AnswerFact]:
    """What the archive answered of one patient after the other, the last first."""
    return [
        trouble.AnswerFact(
            archive="main",
            patient_id=f"P{number}",
            issuer="",
            asked_at=NOW - number * MINUTE,
            studies=count,
            **more,
        )
        for number, count in enumerate(studies)
    ]


def plans(*matches: bool, **more: Any) -> list[trouble.PlanFact]:
    """What came of the exams, the last first."""
    return [
        trouble.PlanFact(order_id=number, made_at=NOW - number * MINUTE, has_match=match, **more)
        for number, match in enumerate(matches, 1)
    ]


def messages(ahead: timedelta) -> trouble.ClockFact:
    """A sender's last messages."""
    return trouble.ClockFact(
        source="ris",
        sender="RIS",
        zone=None,
        measures=tuple(
            sender_clock.Measure(received_at=NOW + number * MINUTE, ahead=ahead, has_offset=False)
            for number in range(20)
        ),
    )


def exams(ahead: timedelta) -> dict[str, list[sender_clock.ExamTime]]:
    """Exams that begin so long after their orders came."""
    return {"ris": [sender_clock.ExamTime(starts_at=NOW + ahead, heard_at=NOW)] * 20}


SILENT = feed_silence.FeedHistory(
    source="ris", known_since=NOW - 5 * HOUR, last_message_at=NOW - 5 * HOUR, busy_minutes={}
)
WITHOUT_BIRTH_DATE = {
    "answered_by": frozenset({"main"}),
    "uncompared": {"main": "no birth date in the order"},
}
GOOD = trouble.TroubleFacts(
    daemons=[DAEMON],
    archives=[trouble.ArchiveFact(name="main")],
    worklists=[trouble.WorklistFact(name="mwl", answered_at=NOW, silent_at=NOW + HOUR, because=None)],
    feeds=[replace(SILENT, last_message_at=NOW)],
    answers=answers(*[0, 3] * 20),
    plans=plans(*[False, True] * 20, answered_by=frozenset({"main"})),
    clocks=[messages(-2 * timedelta(seconds=1))],
    exams=exams(2 * HOUR),
)
BAD: dict[TroubleKind, dict[str, Any]] = {
    TroubleKind.NO_DAEMON: {"daemons": [replace(DAEMON, seen_at=NOW - MINUTE)]},
    TroubleKind.CONFIGURATION_REFUSED: {
        "daemons": [replace(DAEMON, refused_at=NOW, refused_because="rules/a.yaml:1:1: no")]
    },
    TroubleKind.ARCHIVE_PAUSED: {
        "archives": [trouble.ArchiveFact(name="main", paused_at=NOW, paused_by="anna")]
    },
    TroubleKind.ARCHIVE_RESTS: {
        "archives": [
            trouble.ArchiveFact(name="main", resting_until=NOW + MINUTE, resting_because="no answer")
        ]
    },
    TroubleKind.MOVES_PARKED: {
        "parked": [
            trouble.ParkedFact(archive="main", destination="read1", until=NOW + MINUTE, because="0xA801")
        ]
    },
    TroubleKind.ARCHIVE_KNOWS_NOBODY: {"answers": answers(*[0] * 20)},
    TroubleKind.ANSWERS_UNUSABLE: {"answers": answers(*[0] * 5, is_unreadable=True)},
    TroubleKind.IDENTITY_NOT_COMPARED: {"plans": plans(*[True] * 5, **WITHOUT_BIRTH_DATE)},
    TroubleKind.NO_RULE_MATCHES: {"plans": plans(*[False] * 20)},
    TroubleKind.FEED_SILENT: {"feeds": [SILENT]},
    TroubleKind.WORKLIST_SILENT: {
        "worklists": [
            trouble.WorklistFact(
                name="mwl", answered_at=NOW - HOUR, silent_at=NOW - MINUTE, because="refused"
            )
        ]
    },
    TroubleKind.DEAD_LETTERS: {"dead_letters": 2},
    TroubleKind.SENDER_CLOCK: {"clocks": [messages(2 * HOUR)]},
    TroubleKind.EXAMS_IN_THE_PAST: {"exams": exams(-2 * HOUR)},
    TroubleKind.RESTART_NEEDED: {
        "daemons": [replace(DAEMON, waits_for_restart=["listeners changed: restart the daemon"])]
    },
    TroubleKind.REQUESTS_REFUSED: {
        "daemons": [replace(DAEMON, refusals={"main": ["refuses our queries: is PREFETCH registered?"]})]
    },
    TroubleKind.DESTINATION_UNKNOWN: {
        "unknown_destinations": [
            trouble.DestinationFact(
                archive="main",
                destination="read1",
                failures=2,
                since=NOW - HOUR,
                reason="0xA801",
                remedy="register READ1 there",
            )
        ]
    },
    TroubleKind.SET_ASIDE: {"set_aside": {"orders": 1, "retrieves": 0}},
}


def find(scope: trouble.TroubleScope = SCOPE, **facts: Any) -> tuple[trouble.Trouble, ...]:
    """The troubles of a day that is good but for these facts."""
    return trouble.find_trouble(replace(GOOD, **facts), scope, NOW)


def names(*found: trouble.Trouble) -> list[TroubleKind]:
    """How they are called."""
    return [each.name for each in found]


def test_a_good_day_has_none() -> None:
    """Nobody looks at a list that is never empty."""
    assert find() == ()


@pytest.mark.parametrize("kind", TroubleKind)
def test_each_kind_is_found_alone(kind: TroubleKind) -> None:
    """What is wrong is told once, and nothing else with it."""
    assert [kind] == names(*find(**BAD[kind]))


@pytest.mark.parametrize("kind", TroubleKind)
def test_each_kind_has_its_section(kind: TroubleKind) -> None:
    """The page that a trouble names tells its cause and its remedy."""
    (found,) = find(**BAD[kind])
    assert f"{trouble.PAGE}#{kind}" == found.page
    (section,) = re.findall(rf"^## {kind}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "**Cause**" in section
    assert "**Remedy**" in section


@pytest.mark.parametrize("kind", TroubleKind)
def test_a_trouble_goes_on_since_it_was_noticed(kind: TroubleKind) -> None:
    """Whatever was written down first holds, over restarts too."""
    (found,) = find(**BAD[kind])
    noticed = {(kind.value, found.subject): NOW - 100 * HOUR}
    assert NOW - 100 * HOUR == find(**BAD[kind], open=noticed)[0].since


@given(st.integers(0, 60), st.integers(1, 40))
def test_an_archive_that_knew_half_of_all_is_told_after_twenty(run: int, before: int) -> None:
    """Of the patients asked last it knows none; before, it knew every other."""
    found = find(answers=answers(*[0] * run, *[3, 0] * before))
    assert (run >= 20) == (TroubleKind.ARCHIVE_KNOWS_NOBODY in names(*found))


def test_an_archive_that_knows_few_is_left_alone_for_longer() -> None:
    """Of an old archive that knows one patient in twenty, twenty in a row mean nothing."""
    few = [0] * 19 + [1]
    assert find(answers=answers(*[0] * 25, *few * 5)) == ()
    assert find(answers=answers(*[0] * 140, *few * 3)) != ()


def test_a_patient_known_without_issuer_is_known() -> None:
    """An archive that knows the ID alone is asked for it with issuer as well, in vain."""
    both = [
        replace(answer, issuer=issuer, studies=studies)
        for answer in answers(*[0] * 30)
        for issuer, studies in (("HOSP", 0), ("", 2))
    ]
    assert find(answers=both) == ()


def test_bare_answers_are_of_no_use() -> None:
    """No rule can go by studies without date, description and modality."""
    assert [TroubleKind.ANSWERS_UNUSABLE] == names(*find(answers=answers(*[2] * 5, is_bare=True)))
    assert find(answers=[*answers(2), *answers(*[2] * 5, is_bare=True)]) == ()


def test_no_rule_at_all_is_told() -> None:
    """Before any exam comes."""
    (found,) = find(replace(SCOPE, rules=0), plans=[])
    assert "no rule is switched on" in found.sentence


def test_peers_that_are_gone_are_no_trouble() -> None:
    """What the store remembers of an archive or listener that was removed concerns nobody."""
    elsewhere = replace(SCOPE, archives=frozenset({"new"}), listeners=frozenset({"new"}))
    facts = [BAD[kind] for kind in (TroubleKind.ARCHIVE_KNOWS_NOBODY, TroubleKind.FEED_SILENT)]
    assert [(), ()] == [find(elsewhere, **each) for each in facts]


def test_a_sender_that_writes_its_offset_has_a_wrong_clock() -> None:
    """No setting of ours would mend it."""
    clock = messages(-2 * HOUR)
    measures = tuple(replace(measure, has_offset=True) for measure in clock.measures)
    (found,) = find(clocks=[replace(clock, measures=measures)])
    assert "2 hours behind the clock" in found.sentence
    assert "have it set there" in found.remedy


def test_the_zone_that_would_fit_is_told() -> None:
    """Berlin in winter, and a sender two hours ahead."""
    (found,) = find(**BAD[TroubleKind.SENDER_CLOCK])
    assert found.remedy.startswith("UTC+03:00 (Europe/Istanbul")
    assert "2 hours ahead of the clock" in found.sentence
