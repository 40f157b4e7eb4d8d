"""Messages that cannot be understood are kept with the reason, and read again when the mapping is right."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from prefetch import bell, config, daemon, orders, timing
from prefetch.cli import feed
from prefetch.cli.program import program
from prefetch.intake import hl7, mllp, rush
from prefetch.intake.listener import Listener
from prefetch.intake.parsing import ReaderPool
from prefetch.intake.reader import Reader
from prefetch.store.database import Database

SITE = """\
time_zone: Europe/Berlin
store: sqlite:///site.db
archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}
workstations: {room: {ae_title: READ1, verify: counters}}
"""
MAPPING = "senders: {old: {application: OLDRIS, fields: {filler_order_number: ZRI-1}}}\n"
HEADER = "MSH|^~\\&|OLDRIS|NORTH|PREFETCH||20260302081500||"
NUMBERLESS = (
    f"{HEADER}ORM^O01|M1|P|2.3.1\rPID|1||4711||Example^Zoë\rORC|NW\rOBR|1|||CTTH^CT Thorax\rZRI|F77\r"
)
NO_MERGE = f"{HEADER}ADT^A40|M2|P|2.3.1\rPID|1||4711||Example^Ada\r"
NO_INTEREST = f"{HEADER}ORU^R01|M3|P|2.3.1\rPID|1||4711\r"
HALF = (
    f"{HEADER}ORM^O01|M4|P|2.3.1\rPID|1||4711||Example^Ada\rORC|NW|P1\rOBR|1|P1||CTTH^CT Thorax\r"
    "ORC|NW\rOBR|2|||MRBR^MR brain\r"
)


class Site:
    """A site whose feed is `prefetch submit` and whose reader we turn by hand."""

    def __init__(self, directory: Path) -> None:
        """Write its files and migrate its store."""
        self.file = directory / "prefetch.yaml"
        (directory / "rules").mkdir()
        (directory / "rules" / "a.yaml").write_text("rules: [{name: a, priors: [{newest: 1}]}]\n")
        self.file.write_text(SITE)
        assert 0 == self.run("migrate").exit_code

    def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """The command line."""
        return CliRunner().invoke(program, [*arguments, "--config", str(self.file)], input=stdin)

    def letters(self) -> list[dict[str, Any]]:
        """What `dead-letters list` shows, oldest first."""
        shown = self.run("dead-letters", "list", "--json").stdout
        return [json.loads(line) for line in reversed(shown.splitlines())]

    def feed(self, *messages: str) -> None:
        """Have messages come, and have them read."""
        for message in messages:
            assert 0 == self.run("submit", "-", stdin=message.encode()).exit_code
        self.read()

    def read(self) -> None:
        """Read what waits, as the daemon does."""
        asyncio.run(self._read())

    async def hear(self, *frames: bytes) -> list[bytes]:
        """Send these frames to a listener, as the daemon has it; gives their acknowledgements."""
        site = config.load(self.file)
        store = Database.open(site.store)
        bells = bell.Bells(archives=site.archives, destinations=site.workstations)
        door = daemon.Door(store=store, bells=bells, feeds=rush.Rush())
        at = Listener("ris", "127.0.0.1", 0, accept=door.accept, keep_unreadable=door.keep_unreadable)
        reader, writer = await asyncio.open_connection("127.0.0.1", await at.start())
        try:
            writer.writelines(map(mllp.encode, frames))
            return [await reader.readuntil(mllp.END + mllp.TERMINATOR) for _ in frames]
        finally:
            writer.close()
            await at.close()
            store.close()

    async def _read(self) -> None:
        site = config.load(self.file)
        store = Database.open(site.store)
        pool = ReaderPool(workers=0)
        pool.senders = hl7.Senders(site.senders)
        clock = orders.Clock(zone=ZoneInfo("Europe/Berlin"))
        bells = bell.Bells(archives=site.archives, destinations=site.workstations)
        try:
            await Reader(store=store, pool=pool, clock=clock, now=timing.now, bells=bells).read_waiting()
        finally:
            pool.close()
            store.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without any mapping."""
    return Site(tmp_path)


def test_what_is_not_understood_is_listed_with_the_reason(site: Site) -> None:
    """An order without any number, a merge of nobody; what is of no interest is counted, not listed."""
    site.feed(NUMBERLESS, NO_MERGE, NO_INTEREST)
    assert [
        ("M1", "no order, accession or appointment number: no order to keep"),
        ("M2", "merges nothing: no prior patient ID (MRG-1)"),
    ] == [(letter["control_id"], letter["problem"]) for letter in site.letters()]
    messages = json.loads(site.run("status", "--json").stdout)["messages"]
    assert (1, 2) == (messages["ignored"], messages["dead"])


def test_what_is_understood_of_a_message_is_applied(site: Site) -> None:
    """Of two orders the one that has a number is kept; the message is a dead letter for the other."""
    site.feed(HALF)
    (order,) = site.run("orders", "--json").stdout.splitlines()
    assert "P1" == json.loads(order)["placer_order_number"]
    assert ["M4"] == [letter["control_id"] for letter in site.letters()]


def test_a_letter_shows_its_text_and_what_would_be_read_today(site: Site) -> None:
    """Its segments as text, the reason, and the reading by the mapping of today; --raw gives its bytes."""
    site.feed(NUMBERLESS)
    site.file.write_text(SITE + MAPPING)
    shown = site.run("dead-letters", "show", "1").stdout
    assert "no order, accession or appointment number" in shown
    assert "  PID|1||4711||Example^Zoë\n" in shown
    assert "ZRI-1.1" in shown.partition("message 1 today")[2]
    assert NUMBERLESS.encode() == site.run("dead-letters", "show", "1", "--raw").stdout_bytes
    in_json = json.loads(site.run("dead-letters", "show", "1", "--json").stdout)
    assert ("F77", "dead") == (in_json["today"]["events"][0]["filler_order_number"], in_json["state"])


def test_a_replay_after_the_mapping_was_corrected_brings_the_order(site: Site) -> None:
    """It goes through the inbox again, and what it says is applied; who did it is in the history."""
    site.feed(NUMBERLESS, NO_MERGE)
    site.file.write_text(SITE + MAPPING)
    replayed = site.run("dead-letters", "replay", "1", "--by", "ada")
    assert (0, "1 is read once more\n") == (replayed.exit_code, replayed.stdout)
    site.read()
    (order,) = site.run("orders", "--json").stdout.splitlines()
    assert "F77" == json.loads(order)["filler_order_number"]
    assert ["M2"] == [letter["control_id"] for letter in site.letters()]


def test_all_letters_are_replayed_in_the_order_in_which_they_came(site: Site) -> None:
    """What still cannot be understood is a dead letter again."""
    site.feed(NUMBERLESS, NO_MERGE)
    assert "1 is read once more\n2 is read once more\n" == site.run("dead-letters", "replay", "--all").stdout
    assert [] == site.letters()
    site.read()
    assert 2 == len(site.letters())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("show", "9"), 1, "there is no message 9"),
        (("replay", "9"), 1, "there is no message 9"),
        (("replay", "2"), 1, "message 2 is ignored: it is no dead letter"),
        (("replay",), 2, "name the messages to replay, or say --all"),
        (("replay", "1", "--all"), 2, "name the messages to replay, or say --all"),
    ],
)
def test_what_cannot_be_done_is_said(
    site: Site, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    """Exit status 1 where the answer is no, 2 where the command is wrong."""
    site.feed(NUMBERLESS, NO_INTEREST)
    result = site.run("dead-letters", *arguments)
    assert exit_code == result.exit_code
    assert said in result.stderr


def test_a_store_that_is_away_is_told(site: Site) -> None:
    """Exit status 3: it could not be asked."""
    site.file.write_text(SITE.replace("site.db", "elsewhere.db"))
    assert 3 == site.run("dead-letters", "list").exit_code


def test_letters_of_one_listener_are_listed_alone(site: Site) -> None:
    """By the name of the listener; `submit` is ours."""
    site.feed(NUMBERLESS)
    assert [1, 0] == [
        len(site.run("dead-letters", "list", "--json", "--from", name).stdout.splitlines())
        for name in (feed.SOURCE, "ris")
    ]


def test_what_has_no_header_is_refused_and_kept_to_be_seen(site: Site) -> None:
    """It gets AR, the message after it AA; of the same thing again one is enough."""
    answers = asyncio.run(site.hear(b"hello", b"hello", NUMBERLESS.encode()))
    assert [b"AR", b"AR", b"AA"] == [answer.partition(b"MSA|")[2][:2] for answer in answers]
    (letter,) = site.letters()
    assert ("ris", 5, "no MSH segment at the beginning: not an HL7 v2 message") == (
        letter["source"],
        letter["bytes"],
        letter["problem"],
    )
    assert "hello" in site.run("dead-letters", "show", str(letter["message"])).stdout


def test_a_message_in_16_bits_is_refused_with_what_is_to_be_done(site: Site) -> None:
    """In the 16 bits of its sender; the next message is heard."""
    wide = NUMBERLESS.encode("utf-16-le")
    first, last = asyncio.run(site.hear(wide, NUMBERLESS.encode()))
    assert "MSA|AR|" in first[1:].decode("utf-16-le", "ignore")
    assert b"MSA|AA|" in last
    assert any("have the sender write UTF-8" in letter["problem"] for letter in site.letters())


def test_the_time_zone_of_a_sender_places_its_times(site: Site) -> None:
    """Half past nine of a sender in Lisbon is half past ten in Berlin."""
    site.file.write_text(f"{SITE}senders: {{old: {{application: OLDRIS, time_zone: Europe/Lisbon}}}}\n")
    site.feed(NUMBERLESS.replace("ORC|NW", "ORC|NW|P1|||||^^^202603020930"))
    (order,) = site.run("orders", "--json", "--days", "99999").stdout.splitlines()
    assert "2026-03-02T09:30:00+00:00" == json.loads(order)["scheduled_start"]
