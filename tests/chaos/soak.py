"""Orders stream in while causes of trouble are drawn at random: `python -m tests.chaos.soak --minutes 20`.

A daemon of its own, a town of patients, and a seed that says what comes: a peer goes mad in any way that the
sandbox knows, the store goes away, its disk is full, the daemon is killed or stopped, its clock is set. At
the end the causes stop, and every acknowledged order is ready or says why; the report says what there was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefetch.sandbox.daemon import Daemon, DaemonEndedError
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.faults import FAULTS, takes
from prefetch.sandbox.operation import Operation, Service
from prefetch.sandbox.quirks import QUIRKS
from prefetch.sandbox.scp import Scp
from tests.chaos.feed import Feed
from tests.chaos.stores import STORES, Store
from tests.chaos.town import Town
from tests.e2e.test_clock import MachineClock

CONNECTIONS = 4
STRANGERS = 20
MOST_AT_ONCE = 4
"""Orders that are offered before each cause, at most."""
BOUND = 300.0
"""Megabytes that the daemon may have at its highest, whatever its peers answer."""
PATIENCE = 900.0
"""Seconds that everything may take that is waited for; only a hang ends by it."""
STALE = 180.0
"""Seconds without any change after which nothing more is waited for."""
LOOK_EVERY = 0.5

SETTINGS: dict[str, Any] = {
    "planning": {"retry": {"first": "1s", "longest": "2s"}, "reuse_answer": "0s"},
    "retrieval": {
        "retry": {"attempts": 8, "first": "1s", "longest": "2s"},
        "check_again": {"attempts": 3, "first": "1s", "longest": "2s"},
        "park": "2s",
        "lease": "10s",
    },
    "drain": "3s",
}
ARCHIVES: dict[str, Any] = {
    "timeouts": {
        "connect": "2s",
        "acse": "3s",
        "idle": "4s",
        "find_total": "8s",
        "move_idle": "5s",
        "move_total": "20s",
    },
    "rest": {"after": 3, "first": "2s", "longest": "5s"},
}

_TEN_MEGABYTES = b"\x08\x00\x30\x10" + (10 << 20).to_bytes(4, "little") + b"x" * (10 << 20)
"""A Study Description, in Implicit VR Little Endian."""
_EMPTY_ITEMS = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 300_000
_SEQUENCE = b"\x08\x00\x32\x10" + len(_EMPTY_ITEMS).to_bytes(4, "little") + _EMPTY_ITEMS


def _answer_at_length(octets: bytes) -> Callable[[Operation, Any, bytes], bytes]:
    def encodes(operation: Operation, _command: Any, identifier: bytes) -> bytes:
        return octets if identifier and operation.service is Service.FIND else identifier

    return encodes


HUGE = {
    "huge-text": Fault(because="every answer has 10 MB of text", encodes=_answer_at_length(_TEN_MEGABYTES)),
    "huge-sequence": Fault(
        because="every answer has a sequence of 300,000 empty items", encodes=_answer_at_length(_SEQUENCE)
    ),
}
MADNESS: dict[str, Fault] = {**QUIRKS, **FAULTS, **HUGE}
"""All the ways in which a peer goes mad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the causes last, in seconds."""

    away: tuple[float, ...] = (0.2, 9.0, 20.0)
    full: float = 8.0
    mad: tuple[float, float] = (4.0, 15.0)
    pause: float = 2.0


BRISK = Pace(away=(0.2, 2.0), full=1.0, mad=(2.0, 3.0), pause=0.2)
"""For a test: how long the causes last matters less than that they come."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a soak came to."""

    seed: int
    store: str
    seconds: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)
    madness: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refusals: int = 0
    readiness: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    """Acknowledged orders that are not known."""
    silent: list[str] = field(default_factory=list)
    """Orders that are not ready and do not say why."""
    orphans: list[str] = field(default_factory=list)
    """Claims that are left when nothing is under way."""
    strange: list[str] = field(default_factory=list)
    """Instances at the workstation that are no prior of anybody who has an order, and wrong patients."""
    ends: list[str] = field(default_factory=list)
    """How the daemon ended when nobody had ended it, or otherwise than it should."""
    tracebacks: list[str] = field(default_factory=list)
    peak: float = 0.0
    """Megabytes of the daemon's own process at its highest."""
    peak_with_children: float = 0.0

    @property
    def violations(self) -> dict[str, object]:
        """The promises that were broken, by name."""
        broken: dict[str, object] = {
            name: getattr(self, name)
            for name in ("lost", "silent", "orphans", "strange", "ends", "tracebacks")
            if getattr(self, name)
        }
        return broken | ({"peak": self.peak} if self.peak > BOUND else {})

    def __str__(self) -> str:
        """Read as a table."""
        rows = {
            "store, seed, minutes": f"{self.store}, {self.seed}, {self.seconds / 60:.1f}",
            "causes": ", ".join(f"{name} {count}" for name, count in self.causes.most_common()),
            "ways of a mad peer": f"{len(self.madness)} of {len(MADNESS)}, {self.madness.total()} times",
            "orders acknowledged": str(self.acknowledged),
            "refused for a while, with a reason": str(self.refusals),
            "what became of them": ", ".join(f"{word} {n}" for word, n in self.readiness.most_common()),
            "lost": str(len(self.lost)),
            "neither ready nor saying why": str(len(self.silent)),
            "orphans": str(len(self.orphans)),
            "studies of another patient": str(len(self.strange)),
            "ends of the daemon by itself": str(len(self.ends)),
            "tracebacks": str(len(self.tracebacks)),
            "memory at its highest": f"{self.peak:.0f} MB, with children {self.peak_with_children:.0f} MB",
        }
        return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


class Soak:
    """One daemon after the other in one town, and what befalls them."""

    def __init__(self, town: Town, store: Store, directory: Path, *, seed: int, pace: Pace) -> None:
        self.report = Report(seed=seed, store=store.name)
        self._town = town
        self._store = store
        self._directory = directory
        self._pace = pace
        self._chance = random.Random(seed)  # noqa: S311 (no secret)
        self._feed = Feed(town.listener_port)
        self._clock = MachineClock(directory)
        self._peaks: dict[int, float] = {}
        self._daemons = 0
        self._ways: list[str] = []
        """In which ways peers go mad next: each comes once before any comes again."""
        self._daemon = self._next_daemon()
        wires = town.book(self._chance)
        self._chance.shuffle(wires)
        self._wires = deque(wires)
        self._causes: dict[str, Callable[[], Awaitable[None]]] = {
            "store away": self._store_away,
            "kill": self._kill,
            "stop": self._stop,
            "clock set": self._set_clock,
            "archive away": self._archive_away,
            "peer mad": self._peer_mad,
            "two peers mad": self._two_peers_mad,
        }
        if store.has_own_disk:
            self._causes["disk full"] = self._disk_full

    def run(self, *, seconds: float = 0.0, rounds: int = 0) -> Report:
        """Draw causes for so long, or so many rounds of all of them, and judge what is left."""
        began = time.monotonic()
        try:
            asyncio.run(self._live(seconds=seconds, rounds=rounds))
            self._judge()
        finally:
            self._daemon.stop()
        self.report.seconds = time.monotonic() - began
        self._read_logs()
        return self.report

    # --- the stream --------------------------------------------------------------------------------

    async def _live(self, *, seconds: float, rounds: int) -> None:
        end = time.monotonic() + seconds
        self._daemon.start()
        await asyncio.to_thread(self._daemon.await_ready)
        watching = asyncio.create_task(self._watch_memory())
        async with self._feed.connected(CONNECTIONS):
            turn = 0
            while time.monotonic() < end or turn < rounds:
                turn += 1
                await self._one_round(end if seconds else float("inf"))
            self._town.archive.behave()
            self._town.workstation.behave()
            self._town.archive.misbehave(takes(find=0.05, move=0.1))
            self._clock.set_by(0)
            async with asyncio.timeout(PATIENCE):
                await self._feed.all_acknowledged()
            await self._settle()
        watching.cancel()

    async def _one_round(self, end: float) -> None:
        """Draw each cause once, in any order, with orders before each of them."""
        for cause in self._chance.sample(sorted(self._causes), len(self._causes)):
            if time.monotonic() > end:
                return
            self._offer()
            await asyncio.sleep(self._chance.uniform(0, self._pace.pause))
            self.report.causes[cause] += 1
            await self._causes[cause]()
            await self._require_alive()

    def _offer(self) -> None:
        for _ in range(min(self._chance.randint(1, MOST_AT_ONCE), len(self._wires))):
            self._feed.offer(self._wires.popleft())

    async def _last(self, seconds: float) -> None:
        """Let a cause last, with orders that come in its midst."""
        await asyncio.sleep(seconds / 2)
        self._offer()
        await asyncio.sleep(seconds / 2)

    # --- the causes --------------------------------------------------------------------------------

    async def _store_away(self) -> None:
        with self._store.away():
            await self._last(self._chance.choice(self._pace.away))

    async def _disk_full(self) -> None:
        with self._store.full():
            await self._last(self._pace.full)

    async def _kill(self) -> None:
        self._daemon.kill()
        await self._start_another()

    async def _stop(self) -> None:
        status = await asyncio.to_thread(self._daemon.stop)
        if status != 0:
            self.report.ends.append(f"{self._daemon.log.name}: told to end, it ended with {status}")
        await self._start_another()

    async def _set_clock(self) -> None:
        self._clock.set_by(self._chance.choice([-3600, -60, 0, 60, 1800]))
        await asyncio.sleep(self._pace.pause)

    async def _archive_away(self) -> None:
        self._town.dcmqrscp.kill()
        await self._last(self._chance.uniform(*self._pace.mad))
        await asyncio.to_thread(self._town.dcmqrscp.start)

    async def _peer_mad(self) -> None:
        await self._go_mad(self._chance.choice([self._town.archive, self._town.workstation]))

    async def _two_peers_mad(self) -> None:
        await self._go_mad(self._town.archive, self._town.workstation)

    async def _go_mad(self, *peers: Scp) -> None:
        for peer in peers:
            self._ways = self._ways or self._chance.sample(sorted(MADNESS), len(MADNESS))
            name = self._ways.pop()
            self.report.madness[name] += 1
            peer.misbehave(MADNESS[name])
        await self._last(self._chance.uniform(*self._pace.mad))
        for peer in peers:
            peer.behave()
            peer.misbehave(takes(find=0.05, move=0.1))

    # --- the daemons -------------------------------------------------------------------------------

    def _next_daemon(self) -> Daemon:
        self._daemons += 1
        log = self._directory / f"daemon-{self._daemons}.log"
        return Daemon(configuration=self._town.configuration, log=log, environment=self._clock.environment)

    async def _start_another(self) -> None:
        self._daemon = self._next_daemon()
        self._daemon.start()
        try:
            await asyncio.to_thread(self._daemon.await_ready)
        except DaemonEndedError as error:
            self.report.ends.append(f"{self._daemon.log.name}: {error}")

    async def _require_alive(self) -> None:
        try:
            self._daemon.require_alive()
        except DaemonEndedError as error:
            self.report.ends.append(f"{self._daemon.log.name}: {error}")
            await self._start_another()

    async def _watch_memory(self) -> None:
        while True:
            with suppress(DaemonEndedError, OSError):
                own = self._daemon.process_id
                self._peaks |= {pid: _peak(pid) for pid in _group(own)}
                self.report.peak = max(self.report.peak, self._peaks.get(own, 0.0))
                together = sum(self._peaks[pid] for pid in _group(own) if pid in self._peaks)
                self.report.peak_with_children = max(self.report.peak_with_children, together)
            await asyncio.sleep(LOOK_EVERY)

    # --- the end -----------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Wait until nothing is under way, or until nothing changes any more."""
        deadline, last, changed = time.monotonic() + PATIENCE, None, time.monotonic()
        while time.monotonic() < deadline:
            left = await asyncio.to_thread(self._under_way)
            if not any(left.values()):
                return
            if left != last:
                last, changed = left, time.monotonic()
            if time.monotonic() - changed > STALE:
                return
            await asyncio.sleep(LOOK_EVERY)
            await self._require_alive()

    def _under_way(self) -> dict[str, int]:
        return {name: self._store.rows(query)[0][0] for name, query in _UNDER_WAY.items()}

    def _judge(self) -> None:
        report, town = self.report, self._town
        acknowledged = {town.called[wire] for wire in self._feed.acknowledged}
        rows = {row["order"]: row for row in self._orders()}
        reasons = self._reasons()
        report.acknowledged = len(self._feed.acknowledged)
        report.refusals = len(self._feed.refusals)
        report.readiness = Counter(rows[name]["readiness"] for name in acknowledged if name in rows)
        report.lost = sorted(acknowledged - rows.keys())
        report.silent = [
            f"{name}: {row['readiness']}"
            for name, row in rows.items()
            if row["readiness"] != "ready" and not row["problem"] and not reasons.get(row["id"])
        ]
        report.orphans = [str(row) for query in _CLAIMS for row in self._store.rows(query)]
        report.strange = sorted(self._strange())

    def _orders(self) -> list[dict[str, Any]]:
        options = ["--json", "--limit", str(2 * self._town.orders), "--config", str(self._town.configuration)]
        command = [sys.executable, "-m", "prefetch", "orders", *options]
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return [json.loads(line) for line in listed.splitlines()]

    def _reasons(self) -> dict[int, str]:
        """Order → why something that it wants did not come."""
        return dict(self._store.rows(_REASONS))

    def _strange(self) -> Iterator[str]:
        expected = {uid: pixels for prior in self._town.priors for uid, pixels in prior.pixels.items()}
        for uid, pixels in self._town.arrived().items():
            if expected.get(uid) != pixels:
                yield f"at the workstation: {uid}"
        patients = {prior.study_instance_uid: prior.patient_id for prior in self._town.priors}
        for study, patient in self._store.rows(_ARRIVED):
            if patients.get(study) != patient:
                yield f"{study} for {patient}"

    def _read_logs(self) -> None:
        for log in sorted(self._directory.glob("daemon-*.log")):
            text = log.read_text(errors="replace")
            lines = [line for line in text.splitlines() if "Traceback (most recent" in line]
            self.report.tracebacks += [f"{log.name}: {line[:60]} … {line[-300:]}" for line in lines]


_UNDER_WAY = {
    "messages": "SELECT count(*) FROM inbox WHERE state = 'waiting'",
    "unplanned": "SELECT count(*) FROM orders WHERE planned_at IS NULL AND plan_at IS NOT NULL",
    "incomplete": "SELECT count(*) FROM orders WHERE plan_problem IS NOT NULL AND plan_at IS NOT NULL",
    "claims of orders": "SELECT count(*) FROM orders WHERE owner IS NOT NULL",
    "retrieves": "SELECT count(*) FROM retrieves WHERE state IN ('waiting', 'due', 'moving', 'moved')",
}
_CLAIMS = (
    "SELECT id, owner, lease_until FROM orders WHERE owner IS NOT NULL",
    "SELECT id, owner, lease_until, state FROM retrieves WHERE owner IS NOT NULL",
)
_REASONS = (
    "SELECT wants.order_id, min(retrieves.problem) FROM wants "
    "JOIN retrieves ON retrieves.id = wants.retrieve_id "
    "WHERE NOT wants.withdrawn AND retrieves.state <> 'verified' GROUP BY wants.order_id"
)
_ARRIVED = "SELECT study_instance_uid, patient_id FROM retrieves WHERE state = 'verified'"


def _group(leader: int) -> list[int]:
    """The processes of a daemon: its session has no others."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(stat.parent.name))
    return found


def _peak(pid: int) -> float:
    """Megabytes at the highest (VmHWM of proc(5)); 0 where the process has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def soak(
    directory: Path, *, store: str, seed: int, orders: int, pace: Pace, seconds: float = 0.0, rounds: int = 0
) -> Report:
    """Run one; it ends after so many seconds, or rounds of all causes, and when all has come to rest."""
    with STORES[store]() as kept:
        settings = {**SETTINGS, "store": kept.url}
        with Town(
            directory, orders=orders, strangers=STRANGERS, settings=settings, archives=ARCHIVES
        ) as town:
            return Soak(town, kept, directory, seed=seed, pace=pace).run(seconds=seconds, rounds=rounds)


def main() -> int:
    """Soak, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--store", choices=sorted(STORES), default="sqlite")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--keep", type=Path, help="a new directory for logs, to look at afterwards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        report = soak(
            directory,
            store=options.store,
            seed=options.seed,
            orders=int(60 * options.minutes),
            pace=Pace(),
            seconds=60 * options.minutes,
        )
    print(report)  # noqa: T201 (a program)
    for name, violation in report.violations.items():
        print(f"\n{name}: {violation}")  # noqa: T201 (a program)
    return bool(report.violations)


if __name__ == "__main__":
    sys.exit(main())
