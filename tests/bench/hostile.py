"""What a listener's memory does while peers do their worst: `python -m tests.bench.hostile`.

A daemon of its own on loopback; so many megabytes of each kind of malice, many connections at a time; and an
honest sender that goes on all the while. Bounded in bytes and in time. The figures are of the daemon's own
process: its memory before, at its highest, and afterwards (VmHWM and VmRSS of proc(5)).
"""

from __future__ import annotations

import itertools
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from prefetch.sandbox import daemon as daemons

MEGABYTE = 1 << 20
CHUNK = 64 * 1024
LONGEST = 60.0
"""Seconds after which every attacker gives up, whatever it has sent."""

SITE = """\
time_zone: UTC
store: sqlite:///prefetch.db
logging: {format: json}
listeners:
  ris: {port: 0, max_connections: 200, max_connections_per_address: 100}
archives: {main: {ae_title: MAIN, host: 127.0.0.1, port: 9}}
workstations: {room-1: {ae_title: R1, verify: counters}}
"""
RULE = "rules: [{name: all, priors: [{newest: 1}]}]\n"


def message(control_id: str, *, size: int = 0, kind: str = "ADT^A03") -> bytes:
    """A message of no interest, at least so large, in its frame."""
    head = f"MSH|^~\\&|RIS|HOSP|||20260302||{kind}|{control_id}|P|2.5\rNTE|1||".encode()
    return b"\x0b" + head + b"x" * size + b"\r\x1c\r"


# --- the kinds of malice -----------------------------------------------------------------------------


def noise() -> Iterator[bytes]:
    """Bytes that are no frame."""
    return itertools.repeat(b"GET / HTTP/1.0 " * (CHUNK // 15))


def endless() -> Iterator[bytes]:
    """A message that never ends."""
    return itertools.chain([b"\x0bMSH|^~\\&|"], itertools.repeat(b"x" * CHUNK))


def halves() -> Iterator[bytes]:
    """Most of a message of the longest that is allowed; then nothing more."""
    return itertools.chain([b"\x0bMSH|^~\\&|"], itertools.repeat(b"x" * CHUNK, 4_800_000 // CHUNK))


def headless() -> Iterator[bytes]:
    """Thousands of frames without a header, each to be answered."""
    return itertools.repeat(b"\x0bx\x1c\r" * (CHUNK // 4))


def empty() -> Iterator[bytes]:
    """Empty frames without end."""
    return itertools.repeat(b"\x0b\x1c\r" * (CHUNK // 3))


def small() -> Iterator[bytes]:
    """Messages, one upon the other, whose answers nobody reads."""
    return (b"".join(message(f"S{number}.{each}") for each in range(50)) for number in itertools.count())


def huge() -> Iterator[bytes]:
    """A few of the largest messages that are allowed, at once."""
    return (message(f"H{id(object())}.{number}", size=4_900_000) for number in range(2))


MALICE: tuple[tuple[Callable[[], Iterator[bytes]], int], ...] = (
    (noise, 8),
    (endless, 6),
    (halves, 30),
    (headless, 4),
    (empty, 4),
    (small, 6),
    (huge, 6),
)
"""Each kind, and how many at a time."""


# --- the attack --------------------------------------------------------------------------------------


@dataclass
class Attack:
    """So many bytes of malice, shared by all who take part; nobody reads what is answered."""

    port: int
    budget: int
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Attack until all is sent, or time is up."""
        attackers = [
            threading.Thread(target=self._attack, args=(kind,), daemon=True)
            for kind, count in MALICE
            for _ in range(count)
        ]
        for attacker in attackers:
            attacker.start()
        end = time.monotonic() + LONGEST
        while self.sent < self.budget and time.monotonic() < end:
            time.sleep(0.05)
        self._over.set()
        for attacker in attackers:
            attacker.join()

    def _attack(self, kind: Callable[[], Iterator[bytes]]) -> None:
        while not self._over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as peer:
                    for piece in kind():
                        self._send(peer, piece)
                    self._over.wait(LONGEST)
            except OSError:
                self._over.wait(0.05)

    def _send(self, peer: socket.socket, piece: bytes) -> None:
        """Send a piece, as slowly as it is taken; raises when the attack is over."""
        view = memoryview(piece)
        while view:
            if self._over.is_set():
                raise ConnectionAbortedError
            try:
                count = peer.send(view)
            except TimeoutError:  # it is not read just now
                continue
            view = view[count:]
            with self._lock:
                self.sent += count


@dataclass
class Honest:
    """A sender among the others: how many of its messages were accepted, and how long the slowest took."""

    port: int
    accepted: int = 0
    slowest: float = 0.0
    trouble: str = ""
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _talk(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST) as peer:
            for number in itertools.count():
                if self._over.is_set():
                    return
                began = time.monotonic()
                peer.sendall(message(f"HONEST{number}"))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    piece = peer.recv(CHUNK)
                    if not piece:
                        self.trouble = "closed"
                        return
                    answer += piece
                if f"MSA|AA|HONEST{number}".encode() not in answer:
                    self.trouble = answer.decode(errors="replace")
                    return
                self.accepted += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                self._over.wait(0.02)


def memory(process_id: int, which: str) -> int:
    """VmRSS or VmHWM of a process, in bytes."""
    text = Path(f"/proc/{process_id}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{which}:")]
    return int(line.split()[1]) * 1024


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen."""

    sent: int
    before: int
    highest: int
    after: int
    honest: Honest
    seconds: float


def attack(daemon: daemons.Daemon, megabytes: int) -> Outcome:
    """Do all of it to a running daemon."""
    port, process_id = daemon.listener_ports["ris"], daemon.process_id
    before, began = memory(process_id, "VmRSS"), time.monotonic()
    malice = Attack(port, megabytes * MEGABYTE)
    with Honest(port) as honest:
        malice.run()
    return Outcome(
        sent=malice.sent,
        before=before,
        highest=memory(process_id, "VmHWM"),
        after=memory(process_id, "VmRSS"),
        honest=honest,
        seconds=time.monotonic() - began,
    )


def site(directory: Path) -> Path:
    """The files of a daemon to be attacked."""
    (directory / "rules").mkdir()
    (directory / "rules" / "all.yaml").write_text(RULE)
    (directory / "prefetch.yaml").write_text(SITE)
    return directory / "prefetch.yaml"


def main(megabytes: int) -> None:
    """Attack, and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        log = directory / "log"
        with daemons.Daemon(configuration=site(directory), log=log) as daemon:
            seen = attack(daemon, megabytes)
        lines = log.read_bytes().count(b"\n")
    rows = {
        "malice taken in": f"{seen.sent / MEGABYTE:,.0f} MB in {seen.seconds:.1f} s",
        "memory before": f"{seen.before / MEGABYTE:.0f} MB",
        "memory at its highest": f"{seen.highest / MEGABYTE:.0f} MB",
        "memory afterwards": f"{seen.after / MEGABYTE:.0f} MB",
        "honest messages": f"{seen.honest.accepted} accepted, the slowest in {seen.honest.slowest:.2f} s",
        "trouble": seen.honest.trouble or "none",
        "lines in the log": f"{lines:,}",
    }
    for what, figure in rows.items():
        print(f"{what:<24} {figure}")  # noqa: T201 (a bench prints its figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
