"""The verbs that look, on a database that somebody wrote nonsense into: a sentence each, no traceback."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prefetch.cli.program import program
from prefetch.store import orders, retrieves
from prefetch.store.database import Database
from tests.queued import HOUR, NOW, Queue, wish

SITE = """
time_zone: UTC
store: sqlite:///prefetch.db
listeners: {ris: {port: 0}}
archives: {main-archive: {ae_title: MAIN, host: 127.0.0.1, port: 9}}
workstations: {reading-room: {ae_title: R1, verify: counters}}
"""
RULES = "rules: [{name: all, priors: [{newest: 1}]}]\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with an exam, its plan and what it wants, all of them spoiled."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    file = tmp_path / "prefetch.db"
    Database.migrate(f"sqlite:///{file}")
    database = Database.open(f"sqlite:///{file}")
    queue = Queue(database)
    order = queue.order(accession_number="A1")
    queue.plan(order, wish("1.2.3", deadline=NOW + HOUR))
    queue.order(accession_number="A2")
    database.close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE orders SET sayings = '{' WHERE accession_number = 'A1'")
        connection.execute("UPDATE retrieves SET series = '{', archives = '7'")
        connection.execute("UPDATE plans SET document = '{'")
    return tmp_path / "prefetch.yaml"


def run(site: Path, *verb: str) -> str:
    """Run a verb that is to succeed; gives what it prints."""
    result = CliRunner().invoke(program, [*verb, "--config", str(site)])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.stdout


@pytest.mark.parametrize("verb", [("status",), ("status", "--json"), ("quarantine",)])
def test_what_counts_goes_on(site: Path, verb: tuple[str, ...]) -> None:
    """A row more or less is no reason to say nothing of all others."""
    assert run(site, *verb) is not None


def test_what_lists_says_which_row_it_is(site: Path) -> None:
    """And lists the others."""
    listed = run(site, "orders", "--json", "--days", "100000")
    assert (True, True) == (orders.UNREADABLE in listed, '"A2"' in listed)
    assert retrieves.UNREADABLE in run(site, "retrieves", "--json")
    assert retrieves.UNREADABLE in run(site, "retrieves", "--json", "--order", "A1")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_exam_is_explained_as_far_as_it_can_be_read(site: Path, options: tuple[str, ...]) -> None:
    """With what is wrong."""
    assert "cannot be read" in run(site, "explain", "A1", *options)
