"""Recorded exams replayed through other rules, on both databases: what is told, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefetch import config, model, together
from prefetch.lifecycle import Step
from prefetch.proof import backtest, difference
from prefetch.store import claims, orders, patients, tables
from prefetch.store.database import Database
from tests import queued, recorded

PLANNED = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
EXAM = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SINCE = PLANNED - timedelta(days=1)
ANNA = model.Patient(
    patient_id="4711", issuer_of_patient_id="HOSP", name="Muster^Anna", birth_date="19700101", sex="F"
)
SITE = """
time_zone: Europe/Berlin
store: {store}
listeners: {{ris: {{port: 2575}}}}
archives:
  main: {{ae_title: MAIN, host: main.invalid, port: 104}}
  offsite: {{ae_title: VAULT, host: vault.invalid, port: 104}}
workstations:
  room-1: {{ae_title: READ1, verify: counters}}
  room-2: {{ae_title: READ2, verify: counters}}
planning: {{to: room-1}}
"""
TWO_CTS = "{name: ct, from: main, when: {modality: CT}, priors: [{name: scans, modality: CT, newest: 2}]}"
"""The rule by which exams were planned: the last two CTs, from the main archive."""


class Site:
    """A site whose daemon has planned exams; other rules are tried on them."""

    def __init__(self, directory: Path, database: Database, url: str) -> None:
        self.directory = directory
        self.database = database
        self.url = url
        (directory / "prefetch.yaml").write_text(SITE.format(store=url))
        self.rules(TWO_CTS, "rules")
        self.config = config.load(directory / "prefetch.yaml")

    def rules(self, said: str, name: str) -> Path:
        """Write rules, a line each, into a directory of that name."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        (directory / "a.yaml").write_text("rules:\n" + "".join(f"- {one}\n" for one in said.splitlines()))
        return directory

    def plan(self, held: recorded.Held, *, now: datetime = PLANNED, **said: Any) -> model.Plan:
        """Record an exam, a CT of the chest unless said otherwise."""
        usual: dict[str, Any] = {
            "patient": ANNA,
            "modality": "CT",
            "procedure_description": "CT chest",
            "accession_number": "A1",
            "scheduled_start": EXAM,
            "created_at": now,
            "changed_at": now,
        }
        with self.database.transaction() as connection:
            return recorded.record(connection, self.config, queued.order(**(usual | said)), held, now=now)

    def plan_again(self, held: recorded.Held, *, now: datetime, **more: Any) -> None:
        """Plan the exam A1 anew; `more` as in `recorded.plan`."""
        with self.database.transaction() as connection:
            (known,) = orders.find_orders(connection, "A1")
            orders.save_order(connection, replace(known, plan_at=now))
            (claimed,) = orders.claim_orders_to_plan(
                connection, owner=recorded.OWNER, now=now, lease=recorded.LEASE, limit=1
            ).orders
            recorded.plan(connection, self.config, claimed, held, now=now, **more)

    def replay(self, *said: str, **options: Any) -> backtest.Result:
        """Try rules."""
        trial = backtest.Trial(self.directory / "prefetch.yaml", self.rules("\n".join(said), "others"))
        usual: dict[str, Any] = {"since": SINCE, "until": None, "progress": lambda _done, _of: None}
        backtest._loaded.cache_clear()  # noqa: SLF001 (a command loads its rules once, a test each time)
        return backtest.run(trial, store=self.url, processes=1, **(usual | options))


@pytest.fixture
def site(tmp_path: Path, database: Database, url: str) -> Site:
    """Nobody was planned yet."""
    return Site(tmp_path, database, url)


def study(uid: str, day: str, archive: str = "main", **said: Any) -> model.Study:
    """A CT of Anna's chest with a hundred instances."""
    usual: dict[str, Any] = {
        "patient_id": "4711",
        "birth_date": "19700101",
        "sex": "F",
        "study_date": date.fromisoformat(day),
        "description": "CT chest",
        "modalities": ("CT",),
        "instances": 100,
    }
    return model.Study(study_instance_uid=uid, archive=archive, **(usual | said))


THREE = {"main": [study("1", "2025-01-01"), study("2", "2024-01-01"), study("3", "2020-01-01")]}


def named(changes: Sequence[difference.Change]) -> list[tuple[str, str]]:
    """Study and destination of each change."""
    return [change.target for change in changes]


# --- what changes ----------------------------------------------------------------------------------


def test_the_rules_by_which_it_was_planned_change_nothing(site: Site) -> None:
    """So whatever is told of other rules comes from them."""
    site.plan(THREE)
    tally = site.replay(TWO_CTS).tally
    assert (1, 0, [], [], []) == (tally.replayed, tally.touched, tally.gained, tally.lost, tally.otherwise)


def test_priors_that_are_gained_and_lost_are_named_with_their_rules(site: Site) -> None:
    """What took them, or why they were left, on both sides, with file and line."""
    site.plan(THREE)
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 1, oldest: 1")).tally
    (gained,), (lost,) = tally.gained, tally.lost
    assert (1, ("3", "room-1"), ("2", "room-1")) == (tally.touched, gained.target, lost.target)
    assert gained.after.reasons[0].because.endswith("oldest, number 1")
    assert gained.before.reasons[0].because.endswith("only the newest 2 of 3 are wanted")
    assert lost.before.reasons[0].because.endswith("newest, number 2")
    assert lost.after.reasons[0].because.endswith("only the newest 1 and the oldest 1 of 3 are wanted")
    places = [each.reasons[0].place for each in (gained.after, gained.before)]
    assert [str(site.directory / name / "a.yaml:2") for name in ("others", "rules")] == places


def test_another_destination_is_a_prior_lost_and_one_gained(site: Site) -> None:
    """It comes, and not to where it is read now."""
    site.plan({"main": [study("1", "2025-01-01")]})
    tally = site.replay(TWO_CTS.replace("from: main", "to: room-2, from: main")).tally
    assert ([("1", "room-2")], [("1", "room-1")]) == (named(tally.gained), named(tally.lost))


def test_the_same_prior_from_another_archive_is_told_apart(site: Site) -> None:
    """And so is another part of it."""
    rule = "{name: ct, when: {modality: CT}, priors: [{newest: 2}]}"
    site.rules(rule, "rules")
    site.config = config.load(site.directory / "prefetch.yaml")
    site.plan({"main": [study("1", "2025-01-01")], "offsite": [study("1", "2025-01-01", "offsite")]})
    result = site.replay(rule.replace("when", "from: [offsite, main], when"))
    assert (1, [("1", "room-1")]) == (result.tally.touched, named(result.tally.otherwise))
    traffic = difference.traffic(result.tally, site.config.limits)
    assert (100, 0, 0, 100) == (
        traffic["offsite"].more.instances,
        traffic["offsite"].less.instances,
        traffic["main"].more.instances,
        traffic["main"].less.instances,
    )
    both = traffic["main"] + traffic["offsite"]
    assert (1, 1) == (both.more.studies, both.less.studies)


def test_a_study_that_two_exams_want_moves_once(site: Site) -> None:
    """What one exam gains, and another had already, is no more traffic."""
    site.plan({"main": [study("1", "2025-01-01")]})
    site.plan({"main": [study("1", "2025-01-01")]}, modality="MR", accession_number="A2")
    site.plan({"main": [study("1", "2025-01-01")]}, modality="MR", accession_number="A3")
    tally = site.replay(TWO_CTS.replace("modality: CT}, p", "modality: [CT, MR]}, p")).tally
    assert (2, {}) == (len(tally.gained), difference.traffic(tally, site.config.limits))


RESTING = TWO_CTS.replace("from: main", "cool_down: 12h, from: main")
FETCHED = EXAM - timedelta(minutes=50)
AGAIN = EXAM - timedelta(minutes=30)


@pytest.mark.parametrize(
    ("by", "other", "more", "less"),
    [(TWO_CTS, RESTING, 0, 1), (RESTING, TWO_CTS, 1, 0), (RESTING, RESTING, None, None)],
)
def test_what_would_rest_moves_less(
    site: Site, by: str, other: str, more: int | None, less: int | None
) -> None:
    """It was fetched for the exam twenty minutes before; the workstation does not hold it any more."""
    fetched_before(site, by)
    tally = site.replay(other).tally
    traffic = difference.traffic(tally, site.config.limits).get("main")
    assert (more, less) == ((traffic.more.studies, traffic.less.studies) if traffic else (None, None))
    decisions = {(one.before.decision, one.after.decision) for one in tally.otherwise}
    resting = {by: model.Decision.TAKEN, RESTING: model.Decision.COOLING}
    after = model.Decision.COOLING if other == RESTING else model.Decision.TAKEN
    assert decisions == ({(resting[by], after)} if by != other else set())
    assert ([], []) == (tally.gained, tally.lost)


def test_what_was_fetched_only_later_does_not_rest(site: Site) -> None:
    """When the exam was planned nobody had fetched it."""
    site.plan({"main": [study("1", "2025-01-01")]})
    fetch(site)
    assert 0 == site.replay(RESTING).tally.touched


def fetch(site: Site) -> None:
    """Move and verify what is wanted, on the morning of the exam."""
    moved(site, 60)
    queue = queued.Queue(site.database)
    (looked_at,) = queue.claim_checks(FETCHED)
    assert queue.check(looked_at, now=FETCHED) is not None


def fetched_before(site: Site, by: str) -> None:
    """Plan an exam by a rule, fetch what it wants, and plan it again twenty minutes later."""
    site.rules(by, "rules")
    site.config = config.load(site.directory / "prefetch.yaml")
    held = {"main": [study("1", "2025-01-01")]}
    site.plan(held)
    fetch(site)
    site.plan_again(held, now=AGAIN)


# --- as it stood then ------------------------------------------------------------------------------


def test_an_exam_is_replayed_at_the_moment_at_which_it_was_planned(site: Site) -> None:
    """A study that is within five years of the exam stays so, whenever it is replayed."""
    then = datetime(2016, 3, 1, 7, 0, tzinfo=UTC)
    old = {"main": [study("1", "2012-01-01"), study("2", "2010-01-01")]}
    site.plan(old, now=then, scheduled_start=None)
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 2, within: 5y"), since=then).tally
    assert [("2", "room-1")] == named(tally.lost)


def test_what_a_later_message_says_does_not_count(site: Site) -> None:
    """Its progress is told without planning it again; the plan knew the first message only."""
    first = (["PV1", "1", "I", [["WEST"]]],)
    site.plan(THREE, segments=first)
    with site.database.transaction() as connection:
        (known,) = orders.find_orders(connection, "A1")
        later = replace(
            known, version=2, status=model.OrderStatus.COMPLETED, segments=(["PV1", "1", "I", [["EAST"]]],)
        )
        orders.save_order(connection, later)
        orders.save_sayings(connection, replace(later, segments=(["PV1", "1", "I", [["SOUTH"]]],)))
    in_the_west = TWO_CTS.replace("modality: CT}", "modality: CT, hl7: {PV1-3: WEST}}")
    assert 0 == site.replay(in_the_west).tally.touched
    assert 1 == site.replay(in_the_west.replace("WEST", "SOUTH")).tally.touched


def test_the_last_plan_counts_with_what_the_archive_said_to_it(site: Site) -> None:
    """Not what it said to an earlier plan, nor to a later one of another exam."""
    plan = site.plan({"main": [study("1", "2025-01-01")]})
    again = PLANNED + timedelta(hours=20)
    later = again + timedelta(hours=20)
    site.plan_again(THREE, now=again)
    site.plan({"main": [study("9", "2026-03-02")]}, now=later, accession_number="A2", scheduled_start=None)
    assert 1 == len(plan.candidates)
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 3")).tally
    assert [("3", "room-1")] == named(tally.gained)


def test_what_people_had_decided_by_then_counts(site: Site) -> None:
    """A study of another sex was in quarantine; that it was released later is none of the rules' doing."""
    doubtful = study("1", "2025-01-01", sex="M")
    site.plan({"main": [doubtful, study("2", "2024-01-01")]})
    with site.database.transaction() as connection:
        for uid, at in (("1", PLANNED + timedelta(hours=1)), ("2", PLANNED - timedelta(hours=1))):
            patients.give_verdict(
                connection,
                study_instance_uid=uid,
                patient=ANNA,
                verdict=model.Verdict.REFUSED,
                by="me",
                at=at,
            )
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 9")).tally
    assert ([], [("2", "room-1")]) == (named(tally.gained), named(tally.lost))


# --- what cannot be told ---------------------------------------------------------------------------


def test_an_archive_that_was_never_asked_leaves_the_exam_unjudged(site: Site) -> None:
    """Not even what the other archive would give is told: nobody knows what would come before it."""
    site.plan(THREE)
    tally = site.replay(TWO_CTS.replace("from: main, ", "")).tally
    assert (0, ["A1"], {"offsite was not asked for this patient": 1}) == (
        tally.replayed,
        tally.unjudged,
        dict(tally.not_judged),
    )


def test_an_exam_for_which_no_archive_was_asked_is_unjudged_where_a_rule_would_ask(site: Site) -> None:
    """And judged where no rule would."""
    site.plan(THREE, modality="MR")
    assert 1 == site.replay(TWO_CTS).tally.replayed
    assert ["A1"] == site.replay(TWO_CTS.replace("modality: CT}", "modality: MR}")).tally.unjudged


def test_what_another_exam_of_the_patient_was_told_will_do(site: Site) -> None:
    """The answer would have been used again, had it been asked for then; an older one would not."""
    site.plan(THREE)
    soon = PLANNED + timedelta(minutes=1)
    site.plan(THREE, now=soon, modality="MR", accession_number="A2")
    late = PLANNED + timedelta(days=2)
    site.plan(THREE, now=late, modality="MR", accession_number="A3", scheduled_start=late)
    tally = site.replay(TWO_CTS.replace("modality: CT}", "modality: MR}")).tally
    assert ([("1", "room-1"), ("2", "room-1")], ["A3"]) == (named(tally.gained), tally.unjudged)


@pytest.mark.parametrize("outcome", [model.Outcome.PARTIAL, model.Outcome.TRANSIENT])
def test_an_answer_that_was_not_whole_leaves_the_exam_unjudged(site: Site, outcome: model.Outcome) -> None:
    """There may be more than was told."""
    with site.database.transaction() as connection:
        order = queued.order(modality="CT", patient=ANNA, scheduled_start=EXAM)
        recorded.record(connection, site.config, order, THREE, now=PLANNED, outcome=outcome)
    assert {"main did not answer wholly": 1} == dict(site.replay(TWO_CTS).tally.not_judged)


def test_an_id_that_was_never_asked_for_leaves_the_exam_unjudged(site: Site) -> None:
    """A merge that nobody knew then is not known to the replay; the plan names the IDs that it went by."""
    site.plan(THREE)
    pid = model.PatientId(patient_id="OLD", issuer_of_patient_id="HOSP")
    with site.database.transaction() as connection:
        surviving = model.PatientId(patient_id="4711", issuer_of_patient_id="HOSP")
        patients.record_merge(connection, prior=pid, surviving=surviving, at=PLANNED + timedelta(hours=1))
    assert 1 == site.replay(TWO_CTS).tally.replayed
    site.plan({}, modality="MR", accession_number="A2")
    tally = site.replay(TWO_CTS, TWO_CTS.replace("CT}", "MR}").replace("ct", "mr")).tally
    assert ["A2"] == tally.unjudged


def test_series_that_were_never_asked_for_leave_the_exam_unjudged(site: Site) -> None:
    """The study may hold some that the rule wants, and may not."""
    site.plan({"main": [study("1", "2025-01-01")]})
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 2, series: {localizers: false}")).tally
    assert {"main was not asked for the series of a study": 1} == dict(tally.not_judged)


def test_exams_that_were_never_planned_or_are_off_are_counted_apart(site: Site) -> None:
    """There is nothing to compare."""
    with site.database.transaction() as connection:
        orders.save_order(connection, queued.order(accession_number="A2", created_at=PLANNED, plan_at=None))
    site.plan(THREE)
    with site.database.transaction() as connection:
        (known,) = orders.find_orders(connection, "A1")
        orders.save_order(connection, replace(known, version=2, status=model.OrderStatus.CANCELLED))
    tally = site.replay(TWO_CTS).tally
    assert (0, {"never planned": 1, "cancelled": 1}) == (tally.replayed, dict(tally.not_replayed))


def test_an_exam_that_has_changed_since_is_not_compared_with_its_old_plan(site: Site) -> None:
    """It is about to be planned again."""
    site.plan(THREE)
    later = PLANNED + timedelta(hours=1)
    with site.database.transaction() as connection:
        (known,) = orders.find_orders(connection, "A1")
        orders.save_order(
            connection, replace(known, version=2, modality="MR", changed_at=later, plan_at=later)
        )
    tally = site.replay(TWO_CTS).tally
    assert (0, {"changed and not planned again yet": 1}) == (tally.replayed, dict(tally.not_replayed))


def test_only_exams_of_the_time_are_replayed(site: Site) -> None:
    """By the day of the exam."""
    site.plan(THREE)
    site.plan(THREE, accession_number="A2", scheduled_start=EXAM + timedelta(days=1))
    assert 2 == site.replay(TWO_CTS).tally.replayed
    assert 1 == site.replay(TWO_CTS, until=EXAM + timedelta(hours=1)).tally.replayed
    assert 1 == site.replay(TWO_CTS, since=EXAM + timedelta(hours=1)).tally.replayed


# --- traffic and time ------------------------------------------------------------------------------


def moved(site: Site, seconds: int, **said: Any) -> None:
    """Move the first retrieve that is due, in so many seconds; all its instances unless said otherwise."""
    with site.database.transaction() as connection:
        now = EXAM - timedelta(hours=1)
        claims.promote(connection, now)
        claim = claims.claim_move(
            connection,
            archive="main",
            slots=1,
            owner="x",
            now=now,
            lease=recorded.LEASE,
            most=lambda _: together.ALONE,
        )
        usual: dict[str, Any] = {"outcome": model.Outcome.SUCCESS, "completed": 100}
        result = model.MoveResult(**(usual | said))
        step = queued.following(Step.MOVE)
        claims.finish_move(connection, claim.moving, result, step, now=now + timedelta(seconds=seconds))


def rates(site: Site) -> dict[str, float]:
    """The instances a second of each archive of which they are known."""
    return {name: rate.instances_a_second for name, rate in site.replay(TWO_CTS).rates.items()}


def test_minutes_of_archive_time_go_by_what_the_archive_did_of_late(site: Site) -> None:
    """A hundred instances in fifty seconds; of an archive that moved nothing nobody knows."""
    site.plan({"main": [study("1", "2025-01-01"), study("2", "2024-01-01")]})
    assert {} == site.replay(TWO_CTS).rates
    moved(site, 50)
    result = site.replay(TWO_CTS.replace("newest: 2", "newest: 1"))
    rate = result.rates["main"]
    assert (2.0, 1, 100) == (rate.instances_a_second, rate.moves, rate.instances)
    less = difference.traffic(result.tally, site.config.limits)["main"].less
    assert (1, 100, 100 / 2 / 60, None) == (
        less.studies,
        less.instances,
        less.minutes(rate),
        less.minutes(None),
    )


def test_a_move_long_ago_tells_as_well_how_quick_an_archive_is(site: Site) -> None:
    """Whatever others have moved since: what is asked seldom is asked about most."""
    site.plan({"main": [study("1", "2025-01-01"), study("2", "2024-01-01")]})
    moved(site, 50)
    with site.database.transaction() as connection:
        rows = tables.retrieves
        connection.execute(tables.wants.delete())
        connection.execute(
            rows.update().where(rows.c.moved_at.is_(None)).values(id=rows.c.id + 100_000, archive="offsite")
        )
    assert {"main": 2.0} == {
        name: rate.instances_a_second for name, rate in site.replay(TWO_CTS).rates.items()
    }


@pytest.mark.parametrize(
    ("outcome", "state", "known"),
    [
        (model.Outcome.WARNING, model.RetrieveState.MOVED, True),
        (model.Outcome.SUSPECT, model.RetrieveState.MOVED, False),
        (model.Outcome.SUSPECT, model.RetrieveState.VERIFIED, True),
        (model.Outcome.PARTIAL, model.RetrieveState.VERIFIED, False),
    ],
)
def test_an_archive_that_gives_no_counts_is_measured_by_what_arrived(
    site: Site, outcome: model.Outcome, state: model.RetrieveState, known: bool
) -> None:
    """Where all of it did."""
    site.plan({"main": [study("1", "2025-01-01")]})
    moved(site, 50, outcome=outcome, completed=None)
    with site.database.transaction() as connection:
        arrived = {"state": state, "verified_by": model.VerifiedBy.QUERY, "arrived_instances": 100}
        connection.execute(tables.retrieves.update().values(expected_instances=None, **arrived))
    assert ({"main": 2.0} if known else {}) == rates(site)


def test_what_was_at_the_workstation_anyway_saves_nothing(site: Site) -> None:
    """It is lost as a prior, and cost no archive anything."""
    site.plan({"main": [study("1", "2025-01-01"), study("2", "2024-01-01")]})
    two = {"main": [study("1", "2025-01-01"), study("2", "2024-01-01")]}
    site.plan_again(two, now=PLANNED, present={("2", "room-1")})
    tally = site.replay(TWO_CTS.replace("newest: 2", "newest: 1")).tally
    assert ([("2", "room-1")], {}) == (named(tally.lost), difference.traffic(tally, site.config.limits))


def test_a_study_without_a_count_is_taken_as_the_site_says(site: Site) -> None:
    """And it is told how many there are of these."""
    site.plan({"main": [study("1", "2025-01-01", instances=None)]})
    tally = site.replay(TWO_CTS.replace("CT, newest", "MR, newest")).tally
    less = difference.traffic(tally, site.config.limits)["main"].less
    assert (site.config.limits.unknown_instances, 1) == (less.instances, less.uncounted)


# --- how it is done --------------------------------------------------------------------------------


def test_many_exams_are_replayed_by_several_processes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same outcome, and progress told to the end."""
    for number in range(6):
        site.plan(THREE, accession_number=f"A{number}", patient=replace(ANNA, patient_id=f"P{number}"))
    monkeypatch.setattr(backtest, "TOGETHER", 2)
    monkeypatch.setattr(backtest, "FEW", 2)
    told: list[tuple[int, int]] = []
    other = TWO_CTS.replace("newest: 2", "newest: 3")
    result = site.replay(other, progress=lambda *of: told.append(of))
    trial = backtest.Trial(site.directory / "prefetch.yaml", site.directory / "others")
    again = backtest.run(
        trial, store=site.url, since=SINCE, until=None, progress=lambda *of: told.append(of), processes=2
    )
    assert result.tally == again.tally
    assert 2 * [(0, 6), (2, 6), (4, 6), (6, 6)] == told


def test_nothing_is_written(site: Site) -> None:
    """Neither rows nor their times; a daemon may be writing meanwhile."""
    site.plan(THREE)
    before = rows(site.database)
    with site.database.transaction():
        site.replay(TWO_CTS.replace("newest: 2", "newest: 3"))
    assert before == rows(site.database)


def rows(database: Database) -> list[Any]:
    """Every row of every table."""
    with database.snapshot() as connection:
        return [
            tuple(row)
            for table in tables.metadata.sorted_tables
            for row in connection.execute(table.select())
        ]
