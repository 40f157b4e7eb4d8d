"""What is in the way is read from the store, and told once when it begins and once when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prefetch import model
from prefetch.domain import feed_silence, sender_clock, trouble
from prefetch.domain.trouble import TroubleKind
from prefetch.intake import hl7, message_times
from prefetch.model import Outcome, Priority
from prefetch.store import answers, archives, feeds, inbox, nodes, plans, trouble_facts, troubles
from prefetch.store.database import Database
from tests.queued import ARCHIVE, HOUR, MINUTE, NOW, OWNER, Queue

ZONE = ZoneInfo("Europe/Berlin")
SCOPE = trouble.TroubleScope(zone=ZONE, rules=1)
WEEK, DAY = timedelta(weeks=1), timedelta(days=1)


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


@pytest.fixture
def running(queue: Queue) -> Queue:
    """A queue with a daemon that has listened for long."""
    queue.do(nodes.see_node, OWNER, NOW - 10 * WEEK)
    queue.do(archives.know_archives, [ARCHIVE])
    return queue


def found(queue: Queue, now: datetime = NOW, scope: trouble.TroubleScope = SCOPE) -> list[trouble.Trouble]:
    """What is in the way while the daemon runs."""
    queue.do(nodes.see_node, OWNER, now)
    return list(trouble.find_trouble(queue.do(trouble_facts.read_facts, scope, now), scope, now))


def names(queue: Queue, now: datetime = NOW) -> list[TroubleKind]:
    """How that is called."""
    return [each.name for each in found(queue, now)]


def answer(queue: Queue, patient_id: str, result: model.FindResult, at: datetime = NOW) -> None:
    """Have the archive answer about a patient."""
    queue.do(
        answers.save_answer, ARCHIVE, patient_id, "HOSP", result, asked_at=at, address="MAIN", asked_as=""
    )


def receive(queue: Queue, at: datetime, message_time: str = "", source: str = "ris") -> None:
    """Have a message come."""
    raw = f"MSH|^~\\&|RIS|HOSP|||{message_time}||ORM^O01|{at.isoformat()}|P|2.3.1\r".encode()
    queue.do(
        inbox.accept_message,
        source=source,
        raw=raw,
        control_id=at.isoformat(),
        message_type="ORM^O01",
        priority=Priority.ROUTINE,
        order_number=None,
        received_at=at,
    )


def count(queue: Queue, source: str = "ris", zone: ZoneInfo = ZONE) -> bool:
    """Count what came, as the daemon does."""
    uncounted = queue.do(feeds.uncounted_messages, source, 10_000)
    measures = message_times.measure_all(uncounted.messages, source, senders=hl7.Senders(), zone=zone)
    return queue.do(feeds.count_messages, uncounted, list(measures))


def study(**said: Any) -> model.Study:
    """A study that says nothing but this."""
    return model.Study(study_instance_uid="1.2.3", archive=ARCHIVE, **said)


NOBODY = model.FindResult(outcome=Outcome.SUCCESS)


def test_an_empty_store_has_no_trouble_but_the_daemon(queue: Queue) -> None:
    """A new installation that has not been started."""
    facts = queue.do(trouble_facts.read_facts, SCOPE, NOW)
    assert [TroubleKind.NO_DAEMON] == [each.name for each in trouble.find_trouble(facts, SCOPE, NOW)]


def test_an_archive_that_knows_nobody(running: Queue) -> None:
    """Twenty patients are enough, and one that it knows ends it."""
    for number in range(20):
        assert names(running) == []
        answer(running, f"P{number}", NOBODY, NOW + number * MINUTE)
    (nobody,) = found(running, NOW + HOUR)
    assert (TroubleKind.ARCHIVE_KNOWS_NOBODY, ARCHIVE, NOW) == (nobody.name, nobody.subject, nobody.since)
    answer(running, "P20", model.FindResult(outcome=Outcome.SUCCESS, studies=(study(),)), NOW + HOUR)
    assert names(running, NOW + HOUR) == []


def test_an_archive_that_fails_knows_or_knows_not(running: Queue) -> None:
    """A query that was refused says nothing of its patient."""
    for number in range(30):
        refused = model.FindResult(outcome=Outcome.TRANSIENT, because="out of resources")
        answer(running, f"P{number}", refused)
    assert names(running) == []


@pytest.mark.parametrize(
    "result",
    [
        model.FindResult(outcome=Outcome.WARNING, because="answers that cannot be decoded"),
        model.FindResult(outcome=Outcome.SUCCESS, studies=(study(patient_id="P1", birth_date="19700101"),)),
    ],
    ids=["unreadable", "bare"],
)
def test_answers_that_are_of_no_use(running: Queue, result: model.FindResult) -> None:
    """Five in a row are told; one that says something ends it."""
    for number in range(5):
        assert names(running) == []
        answer(running, f"P{number}", result)
    assert [TroubleKind.ANSWERS_UNUSABLE] == names(running)
    good = model.FindResult(outcome=Outcome.SUCCESS, studies=(study(description="CT Chest"),))
    answer(running, "P6", good)
    assert names(running) == []


def plan(queue: Queue, number: int, **said: Any) -> None:
    """Plan an order of its own."""
    known = queue.order(accession_number=f"A{number}")
    claimed = queue.claim_order()
    assert claimed is not None
    made = model.Plan(order_id=known.id, order_version=claimed.version, made_at=NOW, **said)
    queue.do(plans.save_plan, made, [], owner=OWNER, next_plan_at=None, now=NOW)


def test_rules_that_match_nothing(running: Queue) -> None:
    """Twenty exams are enough, and one that a rule matches ends it."""
    for number in range(20):
        assert names(running) == []
        plan(running, number, rules=(model.Reason(because="does not match: modality", rule="ct"),))
    assert [TroubleKind.NO_RULE_MATCHES] == names(running)
    plan(running, 20, rules=(model.Reason(because="matches: every order", rule="all"),))
    assert names(running) == []


def test_identities_that_cannot_be_compared(running: Queue) -> None:
    """Five exams with studies and no birth date are told, for the archive of the studies."""
    consulted = model.Consulted(
        archive=ARCHIVE, asked_at=NOW, outcome=Outcome.SUCCESS, answers=2, patient_id="P1"
    )
    for number in range(5):
        assert names(running) == []
        plan(running, number, consulted=(consulted,), uncompared={ARCHIVE: "no birth date in the order"})
    (trouble_found,) = found(running)
    assert (TroubleKind.IDENTITY_NOT_COMPARED, ARCHIVE) == (trouble_found.name, trouble_found.subject)
    assert "no birth date in the order" in trouble_found.sentence


def test_a_feed_that_falls_silent(running: Queue) -> None:
    """A week of a message every two minutes is learned from the inbox; half an hour of silence is told."""
    for number in range(11 * 30):
        receive(running, NOW - 2 * DAY - WEEK + number * 2 * MINUTE)
    for number in range(6 * 30):
        receive(running, NOW - 2 * DAY + number * 2 * MINUTE)
    assert count(running)
    last = NOW - 2 * DAY + 6 * HOUR - 2 * MINUTE
    assert names(running, last + 20 * MINUTE) == []
    (silent,) = found(running, last + 30 * MINUTE)
    assert (TroubleKind.FEED_SILENT, "ris", last) == (silent.name, silent.subject, silent.since)
    receive(running, last + 31 * MINUTE)
    assert count(running)
    assert names(running, last + 32 * MINUTE) == []


def test_what_was_learned_outlives_the_messages(running: Queue) -> None:
    """Messages are kept for a month, hours for eight weeks; and no message is counted twice."""
    receive(running, NOW)
    receive(running, NOW + MINUTE)
    assert count(running)
    assert not count(running)
    (known,) = running.do(feeds.list_feeds)
    assert {feed_silence.hour_of(NOW): 2} == known.busy_minutes
    receive(running, NOW + 9 * WEEK)
    assert count(running)
    (known,) = running.do(feeds.list_feeds)
    assert {feed_silence.hour_of(NOW + 9 * WEEK): 1} == known.busy_minutes
    assert (NOW, NOW + 9 * WEEK) == (known.known_since, known.last_message_at)


def test_of_two_daemons_one_counts(running: Queue) -> None:
    """Both have read the same messages."""
    receive(running, NOW)
    uncounted = running.do(feeds.uncounted_messages, "ris", 100)
    assert [True, False] == [running.do(feeds.count_messages, uncounted, []) for _ in range(2)]
    assert running.do(feeds.list_feeds)[0].busy_minutes == {feed_silence.hour_of(NOW): 1}


def test_a_sender_in_another_zone(running: Queue) -> None:
    """A RIS in Berlin that writes UTC is told with the zone that fits, until it is read in that zone."""
    for number in range(5):
        at = NOW + number * MINUTE
        receive(running, at, f"{at:%Y%m%d%H%M%S}")
    count(running)
    (told,) = found(running)
    assert (TroubleKind.SENDER_CLOCK, "ris (RIS at HOSP)") == (told.name, told.subject)
    assert told.remedy.startswith("UTC+00:00 (UTC")
    receive(running, NOW + HOUR, f"{NOW + HOUR:%Y%m%d%H%M%S}")
    count(running, zone=ZoneInfo("UTC"))
    assert names(running) == []
    (clock,) = running.do(feeds.list_clocks)
    assert [sender_clock.Measure(received_at=NOW + HOUR, ahead=timedelta(), has_offset=False)] == [
        *clock.measures
    ]


def test_a_message_with_its_offset_is_right_everywhere(running: Queue) -> None:
    """Nobody has to guess its zone."""
    for number in range(5):
        at = NOW + number * MINUTE
        receive(running, at, f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y%m%d%H%M%S%z}")
    count(running)
    assert names(running) == []


def test_exams_in_the_past(running: Queue) -> None:
    """Exams that had begun two hours before their orders came are in another zone."""
    for number in range(5):
        running.order(accession_number=f"A{number}", scheduled_start=NOW - 2 * HOUR)
    (told,) = found(running)
    assert (TroubleKind.EXAMS_IN_THE_PAST, "ris") == (told.name, told.subject)


def test_exams_that_were_over_when_they_came(running: Queue) -> None:
    """A report of a study that was made in the morning is no sign of a wrong zone."""
    for number in range(5):
        done: dict[str, Any] = {"scheduled_start": NOW - 2 * HOUR, "status": model.OrderStatus.COMPLETED}
        running.order(accession_number=f"A{number}", **done)
    assert names(running) == []


# --- told once -------------------------------------------------------------------------------------


PAUSED = trouble.Trouble(
    name=TroubleKind.ARCHIVE_PAUSED, subject=ARCHIVE, sentence="paused", remedy="resume", since=NOW - HOUR
)


def note(queue: Queue, *there: trouble.Trouble, now: datetime = NOW) -> tuple[list[str], list[str]]:
    """Note what is there; gives what has begun and what has ended."""
    changes = queue.do(troubles.note_troubles, there, now=now)
    return [each.name for each in changes.began], [each.name for each in changes.ended]


def test_a_trouble_is_told_once_when_it_begins_and_once_when_it_ends(queue: Queue) -> None:
    """However often, and by however many daemons, it is noted."""
    assert (["archive_paused"], []) == note(queue, PAUSED)
    assert ([], []) == note(queue, PAUSED, now=NOW + MINUTE)
    assert queue.do(troubles.open_since) == {("archive_paused", ARCHIVE): NOW - HOUR}
    assert ([], ["archive_paused"]) == note(queue, now=NOW + 2 * MINUTE)
    assert ([], []) == note(queue, now=NOW + 3 * MINUTE)


def test_since_holds_over_a_restart_and_not_for_ever(queue: Queue) -> None:
    """What was noticed by a daemon that has stopped for a day begins anew."""
    note(queue, PAUSED)
    assert ([], []) == note(queue, PAUSED, now=NOW + 30 * MINUTE)
    assert (["archive_paused"], []) == note(queue, PAUSED, now=NOW + DAY)
