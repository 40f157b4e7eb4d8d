"""SIGKILL at random acts of each stage while orders stream in: nothing acknowledged is lost or sent twice.

The seed says which stage each kill interrupts and in which phase of its work; no clock has a say (`aim`).

CHAOS_SEED=7 CHAOS_KILLS=200 CHAOS_ORDERS=2500 pytest -s tests/chaos/test_killed_at_random.py
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from prefetch.sandbox.daemon import Daemon
from tests.chaos import aim, wreck
from tests.chaos.aim import Aim
from tests.chaos.feed import Feed
from tests.chaos.town import Town

# One run for all of these tests, on one worker.
pytestmark = [pytest.mark.peers, pytest.mark.timeout(3600), pytest.mark.xdist_group("killed at random")]

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
KILLS = int(os.environ.get("CHAOS_KILLS", "40"))
ORDERS = int(os.environ.get("CHAOS_ORDERS", "500"))

CONNECTIONS = 8
MOST_AT_ONCE = 6
"""Messages that come together, at most; the next come when these are acknowledged."""
BURST_EVERY = 5
"""So often a daemon's share of the messages comes all at once."""
IN_RESERVE = 5
"""Shares of the messages that are left for daemons that have done all before the aim was met."""
LOOK_EVERY = 0.002
"""Seconds between two looks at a daemon that is to be killed."""
SEEN_WITHIN = 0.02
"""Seconds in which the connections read what had come, and see that the daemon is gone."""
PATIENCE = 900.0
"""Seconds that one daemon has at most, and the last one for all that is left: only a hang ends by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill: when it came, and what it interrupted."""

    number: int
    aim: Aim
    seconds: float
    """From the start."""
    interrupted: dict[str, int]
    """Stage → connections, messages, orders or studies."""
    in_flight: frozenset[wreck.Flight]

    def __str__(self) -> str:
        """Read as one line of the story."""
        hit = ", ".join(f"{stage} {count}" for stage, count in self.interrupted.items() if count)
        meant = f"{self.aim.stage}, look {self.aim.looks}"
        return f"kill {self.number:3} ({meant}) after {self.seconds:.3f} s: {hit or 'nothing was under way'}"


class Run:
    """The daemons of a run, one after the other, and the feed that they all answer to."""

    def __init__(self, town: Town, directory: Path) -> None:
        self.town = town
        self.feed = Feed(town.listener_port)
        self.kills: list[Kill] = []
        self.seconds = 0.0
        """How long it took, all in all."""
        self._directory = directory
        self._chance = random.Random(SEED)  # noqa: S311 (no secret)
        self._aims = tuple(aim.take_aim(KILLS, self._chance))
        self._wires: deque[str] = deque()
        """The messages that no daemon has had yet."""

    def live(self) -> None:
        """Have one daemon after the other killed, and let the last one do all that is left."""
        began = time.monotonic()
        last = self._daemon(KILLS + 1)
        try:
            asyncio.run(self._kill_all_but(last))
            deadline = time.monotonic() + PATIENCE
            while not self._is_done() and time.monotonic() < deadline:
                time.sleep(0.5)
        finally:
            last.stop()
        self.seconds = time.monotonic() - began

    def orders(self) -> list[dict[str, Any]]:
        """What `prefetch orders` lists."""
        options = ["--json", "--limit", str(2 * ORDERS), "--config", str(self.town.configuration)]
        command = [sys.executable, "-m", "prefetch", "orders", *options]
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return [json.loads(line) for line in listed.splitlines()]

    def story(self) -> str:
        """The kills, one a line, and what they came to."""
        total = ", ".join(f"{stage} {count}" for stage, count in self.hits().most_common())
        again = sum(count - 1 for count in self.town.moves().values())
        head = f"CHAOS_SEED={SEED}: {ORDERS} orders, {KILLS} kills, {self.seconds:.0f} s"
        last = f"stages interrupted: {total}; studies in flight moved again: {again}"
        return "\n".join([head, *map(str, self.kills), last])

    def hits(self) -> Counter[str]:
        """How many kills interrupted each stage."""
        return Counter(stage for kill in self.kills for stage, count in kill.interrupted.items() if count)

    def allowed(self) -> Counter[str]:
        """How often each study may be sent: once, and once more for each time that it was in flight."""
        flights: set[wreck.Flight] = set().union(*(kill.in_flight for kill in self.kills))
        once = Counter(prior.study_instance_uid for prior in self.town.priors)
        return once + Counter(study for study, _ in flights)

    # --- one daemon --------------------------------------------------------------------------------

    async def _kill_all_but(self, last: Daemon) -> None:
        """Give each daemon its share of the orders and kill it; the last one takes what is left of them."""
        wires = self.town.book(self._chance)
        self._chance.shuffle(wires)
        self._wires.extend(wires)
        async with self.feed.connected(CONNECTIONS):
            for number, meant in enumerate(self._aims, 1):
                await self._live_and_die(number, meant)
            last.start()
            for wire in self._wires:
                self.feed.offer(wire)
            async with asyncio.timeout(PATIENCE):
                await self.feed.all_acknowledged()

    async def _live_and_die(self, number: int, meant: Aim) -> None:
        began = time.monotonic()
        daemon = self._daemon(number)
        daemon.start()
        streaming = asyncio.create_task(self._offer(ORDERS // (KILLS + IN_RESERVE), number))
        if meant.stage == aim.START:
            await self._await_milestone(daemon, meant)
        else:
            await asyncio.to_thread(daemon.await_ready)
            await self._await_act(daemon, meant)
        unanswered = self.feed.unanswered
        daemon.kill()
        left = wreck.look(self.town.store)
        streaming.cancel()
        await asyncio.sleep(SEEN_WITHIN)
        stages = {aim.LISTENER: self.feed.unanswered - unanswered, **left.stages}
        was_ready = any(line["event"] == "daemon_ready" for line in daemon.said())
        kill = Kill(
            number=number,
            aim=meant,
            seconds=time.monotonic() - began,
            interrupted=stages if was_ready else {aim.START: 1},  # the rest is what the last kill left
            in_flight=left.in_flight,
        )
        self.kills.append(kill)

    async def _offer(self, count: int, number: int) -> None:
        """Offer a daemon's share in groups, each when the one before is acknowledged, or all at once."""
        while count > 0:
            size = count if number % BURST_EVERY == 1 else self._chance.randint(1, MOST_AT_ONCE)
            for _ in range(min(size, count, len(self._wires))):
                self.feed.offer(self._wires.popleft())
            count -= size
            await self.feed.all_acknowledged()

    async def _await_milestone(self, daemon: Daemon, meant: Aim) -> None:
        store, log = self.town.store, daemon.log
        looks = meant.looks
        async with asyncio.timeout(PATIENCE):
            while looks:
                await asyncio.sleep(LOOK_EVERY)
                looks -= aim.has_come_to(meant.milestone, process_id=daemon.process_id, store=store, log=log)

    async def _await_act(self, daemon: Daemon, meant: Aim) -> None:
        """Leave a daemon frozen at the act that is aimed at; one that has nothing to do gets more to do."""
        looks = meant.looks
        async with asyncio.timeout(PATIENCE):
            with closing(aim.reader_of(self.town.store)) as store:
                while True:
                    await asyncio.sleep(LOOK_EVERY)
                    if not self._is_at(meant.stage, store):
                        if not self._has_more_to_do(store):
                            return  # all orders are done: it is killed idle, and the story says so
                        continue
                    looks -= 1
                    if looks > 0:
                        continue
                    aim.freeze(daemon.process_id)
                    if await self._is_frozen_at(meant.stage):
                        return
                    aim.thaw(daemon.process_id)

    def _is_at(self, stage: str, store: sqlite3.Connection) -> bool:
        return self.feed.under_way > 0 if stage == aim.LISTENER else aim.under_way(store, stage)

    async def _is_frozen_at(self, stage: str) -> bool:
        if stage != aim.LISTENER:
            return wreck.look(self.town.store).stages[stage] > 0
        await asyncio.sleep(SEEN_WITHIN)  # an answer that went out before is read
        return self.feed.under_way > 0

    def _has_more_to_do(self, store: sqlite3.Connection) -> bool:
        """Offer one more message to a daemon that has done all; false where none is left."""
        if self.feed.is_through and aim.is_idle(store):
            if not self._wires:
                return False
            self.feed.offer(self._wires.popleft())
        return True

    def _is_done(self) -> bool:
        with closing(aim.reader_of(self.town.store)) as store:
            return aim.is_idle(store) and all(row["readiness"] == "ready" for row in self.orders())

    def _daemon(self, number: int) -> Daemon:
        return Daemon(configuration=self.town.configuration, log=self._directory / f"daemon-{number}.log")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All orders and all kills; what is promised is looked at afterwards."""
    directory = tmp_path_factory.mktemp("chaos")
    with Town(directory, orders=ORDERS) as town:
        done = Run(town, directory)
        try:
            done.live()
        finally:
            print(done.story())  # noqa: T201 (pytest shows it with a failure, and with -s)
        yield done


def test_each_stage_was_interrupted(run: Run, record_property: Callable[[str, object], None]) -> None:
    """At least twice, or the other promises would say little."""
    record_property("story", run.story())
    hits = run.hits()
    assert {stage: hits[stage] for stage in aim.STAGES if hits[stage] < 2} == {}


def test_what_was_acknowledged_is_ready(run: Run) -> None:
    """Each order that the RIS sent until it was acknowledged is there, once, and has its priors."""
    assert len(run.feed.acknowledged) == ORDERS
    assert sorted(row["order"] for row in run.orders()) == run.town.names
    assert {row["readiness"] for row in run.orders()} == {"ready"}


def test_what_was_sent_again_is_one_message(run: Run) -> None:
    """A message whose acknowledgement was lost by a kill is known when it comes again."""
    with closing(sqlite3.connect(run.town.store)) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM inbox").fetchone()
    assert stored == ORDERS


def test_all_priors_are_whole(run: Run) -> None:
    """The workstation holds every instance of every prior, pixel for pixel, and nothing else."""
    expected = {uid: pixels for prior in run.town.priors for uid, pixels in prior.pixels.items()}
    assert run.town.arrived() == expected


def test_only_what_was_in_flight_is_sent_again(run: Run) -> None:
    """So say the archives' own logs of what they were asked, and the workstation's of what it was sent."""
    allowed = run.allowed()
    moved = run.town.moves()
    assert {uid: times for uid, times in moved.items() if times > allowed[uid]} == {}
    stored = run.town.stores()
    assert {uid: times for uid, times in stored.items() if times > allowed[run.town.study_of(uid)]} == {}


def test_what_was_in_flight_is_looked_for_first(run: Run) -> None:
    """No archive is asked for a study again before the workstation was asked what has arrived."""
    assert run.town.moved_without_a_look() == []
