"""How each verb ends: 0 fine, 1 the answer is no, 2 wrong use, 3 could not ask; and which file it used."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from prefetch.cli import terms
from prefetch.cli.program import program
from prefetch.store import orders
from prefetch.store.database import Database
from tests import peers, queued

SITE = """\
time_zone: UTC
store: sqlite:///prefetch.db
archives: {{main: {{ae_title: MAIN, host: 127.0.0.1, port: {port}}}}}
workstations: {{room-1: {{ae_title: R1, verify: counters}}}}
"""
LISTS = ("orders", "retrieves", "quarantine", "status")
ON_A_RETRIEVE = ("release", "refuse", "retry", "cancel")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose archive is away, with an empty store; gives its prefetch.yaml."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text("rules: [{name: all, priors: [{newest: 1}]}]")
    file = tmp_path / "prefetch.yaml"
    file.write_text(SITE.format(port=peers.free_port()))
    Database.migrate(f"sqlite:///{tmp_path / 'prefetch.db'}")
    return file


def end_of(site: Path, *verb: str) -> int:
    """The exit status of a verb, which has named the file on stderr."""
    result = CliRunner().invoke(program, [*verb, "--config", str(site)])
    assert f"configuration: {site}\n" in result.stderr
    return result.exit_code


@pytest.mark.parametrize(
    "verb", [("check",), ("migrate",), *((name,) for name in LISTS), *((name, "--json") for name in LISTS)]
)
def test_fine(site: Path, verb: tuple[str, ...]) -> None:
    """0: an empty list is an answer too."""
    assert terms.Exit.FINE == end_of(site, *verb)


def test_check_tells_stations_that_no_order_names(site: Path) -> None:
    """What the store has seen is known; without orders, or without a store, nothing is said of them."""
    rule = "{name: all, when: {station_ae_title: CT9}, priors: [{newest: 1}]}"
    (site.parent / "rules" / "all.yaml").write_text(f"rules: [{rule}]")

    def said() -> bool:
        return "no station AE title is like CT9 in the last 1 orders" in check().stdout

    def check() -> Result:
        result = CliRunner().invoke(program, ["check", "--config", str(site)])
        assert terms.Exit.FINE == result.exit_code
        return result

    assert not said()
    database = Database.open(f"sqlite:///{site.parent / 'prefetch.db'}")
    with database.transaction() as connection:
        orders.save_order(connection, queued.order(station_ae_title="CT1"))
    database.close()
    assert said()
    (site.parent / "prefetch.db").unlink()
    assert not said()


@pytest.mark.parametrize(
    "verb",
    [
        ("explain", "A1"),
        ("explain", "A1", "--json"),
        ("fetch", "--accession", "A1"),
        *((name, "1") for name in ON_A_RETRIEVE),
    ],
)
def test_no(site: Path, verb: tuple[str, ...]) -> None:
    """1: what was asked for is not known."""
    assert terms.Exit.NO == end_of(site, *verb)


@pytest.mark.parametrize(
    "verb", [("pause", "nowhere"), ("echo", "nobody"), ("submit", "missing.hl7")], ids=lambda verb: verb[0]
)
def test_wrong_use(site: Path, verb: tuple[str, ...]) -> None:
    """2: a name or a file that is not there."""
    assert terms.Exit.WRONG_USE == end_of(site, *verb)


@pytest.mark.parametrize("verb", [(name,) for name in LISTS], ids=lambda verb: verb[0])
def test_files_that_cannot_even_say_where_the_store_is(site: Path, verb: tuple[str, ...]) -> None:
    """2: and every mistake is listed."""
    site.write_text("store: nowhere\n")
    assert terms.Exit.WRONG_USE == end_of(site, *verb)


@pytest.mark.parametrize("verb", [*LISTS, *ON_A_RETRIEVE])
def test_what_only_needs_the_store_works_while_the_rules_are_wrong(site: Path, verb: str) -> None:
    """Who edits a rule does not keep the operator from the queue."""
    (site.parent / "rules" / "all.yaml").write_text("rules: [")
    if verb in LISTS:
        assert terms.Exit.FINE == end_of(site, verb)
    else:
        assert terms.Exit.NO == end_of(site, verb, "1")


@pytest.mark.parametrize(
    "verb",
    [
        *((name,) for name in LISTS),
        *((name, "1") for name in ON_A_RETRIEVE),
        ("explain", "A1"),
        ("fetch", "--accession", "A1"),
    ],
    ids=lambda verb: verb[0],
)
def test_store_away(site: Path, verb: tuple[str, ...]) -> None:
    """3: there is no database."""
    (site.parent / "prefetch.db").unlink()
    assert terms.Exit.COULD_NOT_ASK == end_of(site, *verb)


def test_peer_away(site: Path) -> None:
    """3: nobody listens where the archive should."""
    assert terms.Exit.COULD_NOT_ASK == end_of(site, "echo")


@pytest.mark.parametrize(
    "verb",
    [
        ("orders", "--days", "99999999999"),
        ("orders", "--ahead", "9" * 40),
        ("explain", f"#{'9' * 40}"),
        ("retry", "9" * 40),
        ("dead-letters", "show", "9" * 40),
    ],
)
def test_a_number_that_nothing_can_be_is_wrong_use(site: Path, verb: tuple[str, ...]) -> None:
    """2, with a sentence and without a traceback."""
    result = CliRunner().invoke(program, [*verb, "--config", str(site)])
    assert (terms.Exit.WRONG_USE, True) == (result.exit_code, "a number is too large" in result.stderr)
