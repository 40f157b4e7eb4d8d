"""A daemon among hostile peers: its memory is bounded, its log is not flooded, and the honest are served."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prefetch.cli.program import program
from prefetch.intake import mllp
from prefetch.sandbox import daemon as daemons
from prefetch.sandbox import ris
from tests.bench import hostile

MOST_MEMORY = 250 * hostile.MEGABYTE
"""More than it had: large messages on their way and at the store's door, and little for each connection."""

REFUSED = {"connection_refused", "connection_dropped", "message_refused", "garbage_skipped"}
"""What is said of what was refused."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[daemons.Daemon]:
    """A daemon with one listener, as it comes."""
    with daemons.Daemon(configuration=hostile.site(tmp_path), log=tmp_path / "log") as running:
        yield running


def test_memory_stays_bounded_whatever_comes(daemon: daemons.Daemon) -> None:
    """Several times its bound is thrown at it, of every kind; an honest sender is answered all the while."""
    seen = hostile.attack(daemon, 800)
    assert seen.sent > 3 * MOST_MEMORY
    assert seen.highest - seen.before < MOST_MEMORY
    assert ("", True) == (seen.honest.trouble, seen.honest.accepted > 0)
    await_turned_away(daemon, {"garbage", "no header"})
    assert sum(line["event"] in REFUSED for line in daemon.said()) < 50


def await_turned_away(daemon: daemons.Daemon, causes: set[str]) -> None:
    """Wait until `prefetch status` counts these; the daemon writes them down with its heartbeat."""
    command = ["status", "--config", str(daemon.configuration)]
    deadline = time.monotonic() + 300
    while True:
        said = CliRunner().invoke(program, [*command, "--json"])
        counts = json.loads(said.stdout)["turned_away"].get("ris", {})
        if causes <= counts.keys() or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert causes <= counts.keys()
    shown = CliRunner().invoke(program, command).stdout
    assert re.search(r"^turned away +ris: \d+ .*since the start", shown, re.MULTILINE)


def test_a_message_whose_sender_died_before_its_answer_is_sent_again(daemon: daemons.Daemon) -> None:
    """It is acknowledged again, and stored once."""
    message = hostile.message("AGAIN", kind="ORM^O01")
    with socket.create_connection(("127.0.0.1", daemon.listener_ports["ris"]), timeout=300) as dying:
        dying.sendall(message)
        dying.shutdown(socket.SHUT_WR)
        dying.recv(1)  # it is stored and answered; the sender is gone before it has read so far

    async def again() -> ris.Acknowledgement:
        async with ris.Ris(host="127.0.0.1", port=daemon.listener_ports["ris"]) as sender:
            return await sender.send(message.removeprefix(mllp.START).removesuffix(b"\x1c\r").decode())

    answer = asyncio.run(again())
    assert ("AA", "AGAIN") == (answer.code, answer.control_id)
    with closing(sqlite3.connect(daemon.configuration.parent / "prefetch.db")) as store:
        assert [(1,)] == store.execute("SELECT count(*) FROM inbox WHERE control_id = 'AGAIN'").fetchall()
    acknowledged = [line["repeat"] for line in daemon.said() if line["event"] == "message_acknowledged"]
    assert [False, True] == acknowledged
