"""The daemon as its operator meets it: started, reloaded, stopped, by signals and files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from prefetch import health
from prefetch.store.database import Database

SITE = """\
time_zone: UTC
store: sqlite:///prefetch.db
drain: 2s
listeners:
  ris: {port: 0}
archives:
  main: {ae_title: MAIN, host: 127.0.0.1, port: 9}
workstations:
  room-1: {ae_title: R1, verify: counters}
"""
RULES = """\
version: 1
rules:
  - name: first
    priors:
      - name: any
        newest: 2
"""


WATCHDOG = 4
"""Seconds after which the service manager would restart it: many ticks, as a busy machine is no stall."""


@dataclass
class Running:
    """A daemon that runs, and the directory of its files."""

    directory: Path
    heard: socket.socket
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch()
        self.wait_for("daemon_ready")

    def launch(self) -> None:
        """Start it, as a service manager with a watchdog does."""
        told = {"NOTIFY_SOCKET": str(self.directory / "notify"), "WATCHDOG_USEC": f"{WATCHDOG}000000"}
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(self._command("run"), stderr=log, env=os.environ | told)

    def stop(self) -> int:
        """End it in order; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)

    def _command(self, *verb: str) -> list[str]:
        return [sys.executable, "-m", "prefetch", *verb, "--config", str(self.directory / "prefetch.yaml")]

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        text = (self.directory / "log").read_text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in whole if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """What its log says of an event so far."""
        return [line for line in self.lines() if line["event"] == event]

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait for a line of the log."""
        return wait_until(lambda: self.said(event))[-1]

    def told(self) -> bytes:
        """What it told the service manager next."""
        return self.heard.recv(1000)

    def feeds_the_watchdog(self, times: int) -> None:
        """Wait until the watchdog has been fed so often from now on."""
        self.heard.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.told():
                pass
        self.heard.settimeout(300)
        while times:
            times -= self.told() == b"WATCHDOG=1"

    def workers(self) -> list[int]:
        """The process IDs of its reader's workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def do(self, *verb: str) -> str:
        """What a verb prints."""
        done = subprocess.run(self._command(*verb), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *verb: str) -> dict[str, Any]:
        """One JSON answer of a verb."""
        answer: dict[str, Any] = json.loads(self.do(*verb))
        return answer


def wait_until(look: Callable[[], list[dict[str, Any]]], seconds: float = 300.0) -> list[dict[str, Any]]:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail(f"nothing seen within {seconds} s")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A daemon with one archive that nobody answers for, under a service manager with a watchdog."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(300)
        daemon = Running(tmp_path, heard)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.process.kill()
            daemon.process.wait()


def test_it_says_when_it_is_ready_and_feeds_the_watchdog(running: Running) -> None:
    """The service manager hears READY once everything listens, then the watchdog, then STOPPING."""
    assert running.told() == b"READY=1\nSTATUS=rules in force: 1, mode: active"
    assert running.told() == b"WATCHDOG=1"
    assert running.stop() == 0
    while (last := running.told()) == b"WATCHDOG=1":
        pass
    assert last == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=32000000"


BOOKING = """\
MSH|^~\\&|RIS|HOSP|PREFETCH|HOSP|20260301120000||ORM^O01|C{0}|P|2.3.1
PID|1||P{0}^^^HOSP||Muster^Anna||19700101|F
ORC|NW|P{0}|F{0}
OBR|1|P{0}|F{0}|CT1^CT Chest|||||||||||||||||||||CT
"""


def test_a_stage_that_stands_still_is_noticed(running: Running) -> None:
    """The reader's workers hang: the reader is named, the watchdog starves, and nothing is lost by it."""
    backlog = running.directory / "backlog.hl7"
    backlog.write_text("".join(BOOKING.format(number) for number in range(MANY)))
    running.do("submit", str(backlog))
    wait_until(lambda: running.said("stage_stalled") if freeze(running.workers()) else [])
    assert running.said("stage_stalled")[0]["stages"] == ["reader"]
    for worker in running.workers():
        os.kill(worker, signal.SIGCONT)
    running.feeds_the_watchdog(1)
    wait_until(lambda: running.said("message_read")[MANY - 1 :])


MANY = 300
"""Messages of a backlog that the reader gives to worker processes."""


def freeze(processes: list[int]) -> bool:
    """Let processes hang; false where there are none."""
    for process_id in processes:
        os.kill(process_id, signal.SIGSTOP)
    return bool(processes)


def test_a_slow_archive_is_no_stall(running: Running) -> None:
    """While an archive takes its time the watchdog is fed; the archive's own timers end that wait."""
    with socket.socket() as archive:
        archive.bind(("127.0.0.1", 0))
        archive.listen()
        archive.settimeout(300)
        running.stop()
        said_of_it = f"port: {archive.getsockname()[1]}, timeouts: {{acse: 1h}}"
        (running.directory / "prefetch.yaml").write_text(SITE.replace("port: 9", said_of_it))
        running.start()
        running.do("fetch", "--patient", "P1")
        with archive.accept()[0]:
            running.feeds_the_watchdog(2 * health.FEEDS)
        assert [] == running.said("stage_stalled")


def test_a_good_reload_is_in_force_at_once(running: Running) -> None:
    """SIGHUP loads a second rule; `status` says when."""
    extra = RULES.replace("first", "second")
    (running.directory / "rules" / "more.yaml").write_text(extra)
    running.process.send_signal(signal.SIGHUP)
    assert running.wait_for("configuration_loaded")["rules"] == 2
    (daemon,) = running.ask("status", "--json")["daemons"]
    assert (daemon["last_reload_successful"], daemon["configuration_refused_at"]) == (True, None)


def test_a_reload_that_is_asked_for_while_it_starts_is_done_then(running: Running) -> None:
    """The signal waits until the daemon listens to it, and does not end it."""
    running.stop()
    running.launch()
    log = running.directory / "log"
    wait_until(lambda: [{"line": line} for line in log.read_text().splitlines() if "configuration: " in line])
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("configuration_loaded")
    events = [line["event"] for line in running.lines()]
    assert events.index("daemon_ready") < events.index("configuration_loaded")
    assert running.stop() == 0


def test_a_bad_file_leaves_the_last_good_rules_in_force(running: Running) -> None:
    """The log names the place, `status` says so, the daemon goes on, and a mended file is loaded."""
    rules = running.directory / "rules" / "all.yaml"
    rules.write_text(RULES.replace("newest", "newset"))
    running.process.send_signal(signal.SIGHUP)
    refused = running.wait_for("configuration_refused")
    assert f"{rules}:6:9: rules.0.priors.0.newset" in refused["problems"][0]
    assert running.process.poll() is None
    rules.write_text(RULES)
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("configuration_loaded")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rules/all.yaml", "rules: ["),
        ("prefetch.yaml", SITE.replace("port: 9", "port: none")),
    ],
)
def test_status_shows_a_refused_configuration(running: Running, file: str, text: str) -> None:
    """The flag is there for whoever looks while the file is wrong, until a good one is loaded."""
    (running.directory / file).write_text(text)
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("configuration_refused")
    answer = running.ask("status", "--json")
    assert answer["daemons"][0]["last_reload_successful"] is False
    assert any("was refused" in trouble for trouble in answer["trouble"])
    (running.directory / "rules" / "all.yaml").write_text(RULES)
    (running.directory / "prefetch.yaml").write_text(SITE)
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("configuration_loaded")
    answer = running.ask("status", "--json")
    assert answer["daemons"][0]["last_reload_successful"] is True
    assert answer["trouble"] == []


def test_what_a_reload_cannot_change_is_said_and_all_else_is_taken(running: Running) -> None:
    """An archive at another address needs a restart; the rules beside it are in force."""
    (running.directory / "rules" / "more.yaml").write_text(RULES.replace("first", "second"))
    site = SITE.replace("port: 9", "port: 10")
    (running.directory / "prefetch.yaml").write_text(site)
    running.process.send_signal(signal.SIGHUP)
    assert running.wait_for("configuration_loaded")["rules"] == 2
    assert "its address changed" in running.wait_for("configuration_waits_for_restart")["because"][0]


def test_two_daemons_cannot_share_a_database(running: Running) -> None:
    """The second says who has it and ends with status 3."""
    command = [sys.executable, "-m", "prefetch", "run", "--config", str(running.directory / "prefetch.yaml")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 3
    assert f"in use by process {running.process.pid}" in done.stderr.decode()


def corrupt(file: Path) -> None:
    """Overwrite all but the first page, as a failing disk does."""
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xa5" * (file.stat().st_size - 4096))


def make_newer(file: Path) -> None:
    """Give it the schema of a version to come."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def make_other(file: Path) -> None:
    """Put something else in its place."""
    file.write_text("not a database, but somebody's letter\n" * 100)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (corrupt, "is corrupted; stop the daemon and restore a copy"),
        (make_newer, "newer than this version"),
        (make_other, "not a SQLite database"),
    ],
)
def test_a_database_that_must_not_be_used_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    """The daemon ends with status 3 and one sentence, and has listened to nobody."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    Database.migrate(f"sqlite:///{tmp_path / 'prefetch.db'}")
    damage(tmp_path / "prefetch.db")
    command = [sys.executable, "-m", "prefetch", "run", "--config", str(tmp_path / "prefetch.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 3
    assert words in done.stderr.splitlines()[-1]
    assert "daemon_ready" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_on_a_network_file_system_is_refused(tmp_path: Path) -> None:
    """As the kernel tells it (`/proc/mounts`, here a file in its place): status 3, and what to do instead."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULES)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    (tmp_path / "mounts").write_text(f"filer:/pacs {tmp_path} nfs4 rw,vers=4.2 0 0\n")
    running = f"exec {sys.executable} -m prefetch run --config {tmp_path / 'prefetch.yaml'}"
    script = f"mount --bind {tmp_path / 'mounts'} /proc/$$/mounts && {running}"
    command = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "mount: " in done.stderr or "unshare: " in done.stderr:
        pytest.skip("may not make a mount namespace")
    assert done.returncode == 3
    assert "lies on a network file system (nfs4)" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "prefetch.db").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The operator learns which port, and the command ends with status 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "all.yaml").write_text(RULES)
        (tmp_path / "prefetch.yaml").write_text(SITE.replace("port: 0", f"port: {port}"))
        command = [sys.executable, "-m", "prefetch", "run", "--config", str(tmp_path / "prefetch.yaml")]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 3
    assert str(port) in done.stderr.decode().splitlines()[-1]
