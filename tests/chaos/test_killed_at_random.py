"""SIGKILL at random instants while orders stream in: nothing acknowledged is lost, nothing is sent twice.

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
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from prefetch.sandbox.daemon import Daemon
from tests.chaos import wreck
from tests.chaos.feed import Feed, offer_at
from tests.chaos.town import Town

# One run for all of these tests, on one worker.
pytestmark = [pytest.mark.peers, pytest.mark.timeout(600), pytest.mark.xdist_group("killed at random")]

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
KILLS = int(os.environ.get("CHAOS_KILLS", "40"))
ORDERS = int(os.environ.get("CHAOS_ORDERS", "500"))

CONNECTIONS = 8
LONGEST_LIFE = 1.2
"""Seconds from ready to the kill, at most."""
LONGEST_START = 0.8
"""Seconds from the start to the kill, of those that are killed before they are ready."""
START_EVERY, BURST_EVERY = 10, 5
"""So often a daemon is killed while it starts, and so often its share of the messages comes all at once."""
BURST = 0.02
"""Seconds before the kill in which such messages come."""
SEEN_WITHIN = 0.02
"""Seconds until the connections have seen that the daemon is gone."""
PATIENCE = 240.0
"""Seconds that the last daemon has for all that is left."""

LISTENER, START = "listener", "start"
MUST_BE_HIT = (LISTENER, "reader", "planner", "mover", "settling", "verifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill: when it came, and what it interrupted."""

    number: int
    seconds: float
    """From ready, or from the start for one that was not ready yet."""
    interrupted: dict[str, int]
    """Stage → connections, messages, orders or studies."""
    in_flight: frozenset[wreck.Flight]

    def __str__(self) -> str:
        """Read as one line of the story."""
        hit = ", ".join(f"{stage} {count}" for stage, count in self.interrupted.items() if count)
        return f"kill {self.number:3} after {self.seconds:.3f} s: {hit or 'nothing was under way'}"


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

    def live(self) -> None:
        """Have one daemon after the other killed, and let the last one do all that is left."""
        began = time.monotonic()
        last = self._daemon(KILLS + 1)
        try:
            asyncio.run(self._kill_all_but(last))
            deadline = time.monotonic() + PATIENCE
            while any(row["readiness"] != "ready" for row in self.orders()) and time.monotonic() < deadline:
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
        async with self.feed.connected(CONNECTIONS):
            for number in range(1, KILLS + 1):
                await self._live_and_die(number, wires[number - 1 :: KILLS])
            last.start()
            async with asyncio.timeout(PATIENCE):
                await self.feed.all_acknowledged()

    async def _live_and_die(self, number: int, share: Sequence[str]) -> None:
        starts = number % START_EVERY == 0
        seconds = self._chance.uniform(0, LONGEST_START if starts else LONGEST_LIFE)
        first = max(0, seconds - BURST) if number % BURST_EVERY == 1 else 0
        offers = [(self._chance.uniform(first, seconds), wire) for wire in share]
        daemon = self._daemon(number)
        daemon.start()
        if not starts:
            await asyncio.to_thread(daemon.await_ready)
        await asyncio.gather(offer_at(self.feed, offers), asyncio.sleep(seconds))
        unanswered = self.feed.unanswered
        daemon.kill()
        left = wreck.look(self.town.store)
        await asyncio.sleep(SEEN_WITHIN)
        stages = {LISTENER: self.feed.unanswered - unanswered, **left.stages}
        was_ready = any(line["event"] == "daemon_ready" for line in daemon.said())
        interrupted = stages if was_ready else {START: 1}  # the rest is what the last kill left
        kill = Kill(number=number, seconds=seconds, interrupted=interrupted, in_flight=left.in_flight)
        self.kills.append(kill)

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
    assert {stage: hits[stage] for stage in MUST_BE_HIT if hits[stage] < 2} == {}


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
