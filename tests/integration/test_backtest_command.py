"""`prefetch backtest` as an administrator calls it: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from prefetch import config
from prefetch.cli.program import program
from prefetch.proof import backtest
from prefetch.store.database import Database
from tests import choosing, recorded

SITE = """\
time_zone: Europe/Berlin
store: sqlite:///prefetch.db
listeners: {ris: {port: 2575}}
archives: {main: {ae_title: MAIN, host: main.invalid, port: 104}}
workstations: {room: {ae_title: ROOM, verify: counters}}
"""
RULES = "rules: [{name: ct, when: {modality: CT}, priors: [{name: scans, modality: CT, newest: %d}]}]"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site that planned one exam with the newest of two CTs; beside its rules, others that want both."""
    for name, newest in (("rules", 1), ("others", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(RULES % newest)
    file = tmp_path / "prefetch.yaml"
    file.write_text(SITE)
    backtest._loaded.cache_clear()  # noqa: SLF001 (a command loads its rules once)
    Database.migrate(f"sqlite:///{tmp_path / 'prefetch.db'}")
    return file


def plan(file: Path, day: datetime = NOW) -> None:
    """Plan an exam of that day."""
    site = config.load(file)
    order = choosing.order(scheduled_start=day, created_at=day, changed_at=day)
    days = {"1": "2025-01-01", "2": "2024-01-01"}
    whose = {"patient_id": "4711", "birth_date": "19700101"}
    held = [choosing.study(uid, when, instances=None, **whose) for uid, when in days.items()]
    with closing(Database.open(site.store)) as database, database.transaction() as connection:
        recorded.record(connection, site, order, {"main": held}, now=day)


def run(file: Path, *options: str) -> Result:
    """The verb, with other rules."""
    others = file.parent / "others"
    return CliRunner().invoke(program, ["backtest", "--config", str(file), "--rules", str(others), *options])


def test_what_would_be_gained_is_told_to_a_person(site: Path) -> None:
    """Exams, priors, what it costs which archive, and each prior with the rule, its file and its line."""
    plan(site)
    result = run(site)
    others = site.parent / "others"
    expected = f"""\
rules            {others}, against what was decided then
exams            1 replayed, since {{since}}
touched          1
priors           1 gained, 0 lost, 0 otherwise
more             main: 1 study, 500 instances, about 250MB, minutes of archive time: unknown
                 1 of them without a count, taken as 500 instances each
                 main has moved nothing that went well, so nobody knows how quick it is
rule             ct: 1 gained, 0 lost

gained
  A1  CT chest  {{start}}
    2024-01-01  CT  CT chest  main → room
      was left
        ct/scans: modality is CT; only the newest 1 of 2 are wanted  [{site.parent}/rules/a.yaml:1]
      would be taken
        ct/scans: modality is CT; newest, number 2  [{others}/a.yaml:1]
"""
    said = result.stdout.splitlines()
    since = said[1].removeprefix("exams            1 replayed, since ")
    start = said[10].removeprefix("  A1  CT chest  ")
    assert (0, expected.format(since=since, start=start)) == (result.exit_code, result.stdout)
    assert f"configuration: {site}\n" == result.stderr


def test_a_script_gets_one_object(site: Path) -> None:
    """With the same facts, and null for what nobody knows."""
    plan(site)
    page = json.loads(run(site, "--json").stdout)
    assert [
        *("rules", "since", "until", "exams", "priors", "by_rule", "total", "archives", "not_judged"),
        *("not_judged_examples", "not_replayed", "gained", "lost", "otherwise"),
    ] == list(page)
    (archive,), (gained,) = page["archives"], page["gained"]
    assert (1, None, 0.0, None) == (
        archive["more"]["uncounted_studies"],
        archive["more"]["minutes"],
        archive["less"]["minutes"],
        archive["instances_a_second"],
    )
    assert (None, 0.0) == (page["total"]["more"]["minutes"], page["total"]["less"]["minutes"])
    assert ("left", "taken") == (gained["was"]["decision"], gained["would_be"]["decision"])


def test_a_terminal_shows_how_far_it_is(site: Path) -> None:
    """On stderr, so that what a person redirects is the answer alone."""
    plan(site)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "prefetch", "backtest", "--config", str(site)]
    more = ["--rules", str(site.parent / "others")]
    done = subprocess.run([*command, *more], check=True, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (True, False) == ("replaying" in shown, b"replaying" in done.stdout)


def test_a_log_hears_how_far_a_long_run_is(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each tenth; a short run says nothing."""
    plan(site)
    assert "replaying" not in run(site).stderr
    monkeypatch.setattr("prefetch.cli.backtest.LONG", 1)
    assert f"configuration: {site}\nreplaying: 1 of 1 exams\n" == run(site).stderr


def test_another_destination_is_named(site: Path) -> None:
    """A prior that goes elsewhere is gained there and lost here, and each says where it was or would be."""
    site.write_text(SITE.replace("{room:", "{hall: {ae_title: HALL, verify: counters}, room:"))
    for name, to in (("rules", "room"), ("others", "hall")):
        said = RULES % 1
        (site.parent / name / "a.yaml").write_text(said.replace("name: ct,", f"name: ct, to: {to},"))
    plan(site)
    lines = [line.strip() for line in run(site).stdout.splitlines()]
    assert {"was taken for room", "would be taken", "was taken", "would be taken for hall"} <= {*lines}


def test_as_many_examples_are_shown_as_are_asked_for(site: Path) -> None:
    """The count is of all."""
    plan(site)
    page = json.loads(run(site, "--json", "--examples", "0").stdout)
    assert (1, []) == (page["priors"]["gained"], page["gained"])


@pytest.mark.parametrize(
    ("options", "exams"),
    [
        ((), 1),
        (("--since", "5d"), 1),
        (("--since", "2d"), 0),
        (("--since", "2d", "--until", "1d"), 0),
        (("--until", "1d"), 1),
        (("--since", f"{NOW - timedelta(days=4):%Y-%m-%d}"), 1),
        (("--until", f"{NOW - timedelta(days=4):%Y-%m-%d}"), 0),
    ],
)
def test_exams_of_a_time_are_replayed(site: Path, options: tuple[str, ...], exams: int) -> None:
    """So long ago, or from the beginning of a day; where there is none the answer is no."""
    plan(site, NOW - timedelta(days=3))
    result = run(site, "--json", *options)
    assert (0 if exams else 1, exams) == (result.exit_code, json.loads(result.stdout)["exams"]["replayed"])


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_time_that_is_none_is_wrong_use(site: Path, option: str) -> None:
    """Exit status 2, and what would be right."""
    result = run(site, option, "monday")
    assert (2, True) == (
        result.exit_code,
        f"{option}: expected 30d or a day such as 2026-01-31, found “monday”\n" in result.stderr,
    )


def test_rules_that_do_not_fit_the_site_are_wrong_use(site: Path) -> None:
    """Every mistake is told at its place, and nothing is replayed."""
    (site.parent / "others" / "a.yaml").write_text("rules: [{name: a, from: x, priors: [{newest: 0}]}]")
    result = run(site)
    assert (2, "") == (result.exit_code, result.stdout)
    assert f"{site.parent}/others/a.yaml:1:46: rules.0.priors.0.newest: must be at least 1" in result.stderr


def test_a_directory_without_rules_is_wrong_use(site: Path) -> None:
    """It is named."""
    (site.parent / "others" / "a.yaml").unlink()
    result = run(site)
    assert (2, True) == (result.exit_code, f"no *.yaml in {site.parent}/others" in result.stderr)


def test_a_store_that_is_away_cannot_be_asked(site: Path) -> None:
    """Exit status 3."""
    (site.parent / "prefetch.db").unlink()
    assert 3 == run(site).exit_code
