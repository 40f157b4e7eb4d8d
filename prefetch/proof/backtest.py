"""Replays recorded exams through other rules, in as many processes as it is worth, and only looks.

Each part of the exams is read in a short transaction of its own: a replay takes its time, and no daemon waits
for it meanwhile.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from prefetch import config, model, orders
from prefetch.planning import keys, whose
from prefetch.proof import difference, replay
from prefetch.settings import Config
from prefetch.store import recorded
from prefetch.store.database import Connection, Database

TOGETHER = 200
"""Exams that are read in one transaction and replayed by one process."""

FEW = 2000
"""So many exams are done before other processes have begun."""

Progress = Callable[[int, int], None]
"""Hears how many exams of how many are done."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules in a directory at the site of a configuration: what a process needs to load both."""

    configuration: Path
    rules: Path

    def load(self) -> Config:
        """The site with these rules; raises `ConfigurationError` with every mistake."""
        return config.load(self.configuration, rules_directory=self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a replay."""

    tally: difference.Tally
    rates: dict[str, recorded.Rate]
    """How quick each archive was of late, where anything is known of it."""


def run(
    trial: Trial,
    *,
    store: str,
    since: datetime,
    until: datetime | None,
    progress: Progress,
    processes: int | None = None,
) -> Result:
    """Replay the exams of a time."""
    archives = _loaded(trial).archives
    with closing(Database.open(store)) as database, database.snapshot() as connection:
        numbers = recorded.order_numbers(connection, since=since, until=until)
        rates = recorded.measure_rates(connection, archives)
    parts = [numbers[first : first + TOGETHER] for first in range(0, len(numbers), TOGETHER)]
    tally, done = difference.Tally(), 0
    progress(0, len(numbers))
    for part, counted in zip(parts, _replay_all(trial, store, parts, processes), strict=True):
        tally.unite(counted)
        done += len(part)
        progress(done, len(numbers))
    return Result(tally=tally, rates=rates)


def _replay_all(
    trial: Trial, store: str, parts: Sequence[Sequence[int]], processes: int | None
) -> Iterator[difference.Tally]:
    """What comes of each part, in turn."""
    many = processes or os.cpu_count() or 1
    if many == 1 or len(parts) * TOGETHER <= FEW:
        yield from (replay_part(trial, store, part) for part in parts)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(many, spawn, initializer=_begin_worker) as pool:
        yield from pool.map(replay_part, [trial] * len(parts), [store] * len(parts), parts)


def _begin_worker() -> None:
    """Look seldom for garbage: what a replay leaves is hardly ever a circle, and there is much of it."""
    gc.set_threshold(_SELDOM, 50, 50)


_SELDOM = 100_000
"""Objects more than before (gc.set_threshold); 700 unless said otherwise."""


@cache
def _loaded(trial: Trial) -> Config:
    """The site, loaded once a process."""
    return trial.load()


@cache
def _opened(store: str) -> Database:
    """The store, opened once a process, and let go of when that ends."""
    return Database.open(store)


def replay_part(trial: Trial, store: str, numbers: Sequence[int]) -> difference.Tally:
    """Replay some exams."""
    site = _loaded(trial)
    tally = difference.Tally()
    with _opened(store).snapshot() as connection:
        records, unplanned = recorded.read_records(connection, numbers)
        tally.not_replayed.update("never planned" for _ in unplanned)
        tally.not_replayed.update(filter(None, map(_why_not, records)))
        live = [record for record in records if not _why_not(record)]
        ids = {record.order.id: _ids(connection, record) for record in live}
        replaying = _prepare(connection, site, ids)
    for record in live:
        found = replaying.plan(record, ids[record.order.id])
        if found.missing:
            tally.skip(record.order, found.missing)
        else:
            tally.add(record, difference.compare(record, found.candidates))
    return tally


def _why_not(record: recorded.Record) -> str | None:
    """Why an exam is not replayed; None where it is."""
    order = record.order
    if orders.wants_nothing(order):
        return order.status.value
    is_waiting = order.plan_at is not None and order.plan_at <= order.changed_at
    # What was planned is not what the order says now, and nobody knows what it said then.
    return "changed and not planned again yet" if is_waiting else None


def _ids(connection: Connection, record: recorded.Record) -> tuple[model.PatientId, ...]:
    """The IDs that the plan went by; of one that asked nobody, those that the order and merges tell."""
    if known := record.plan.patient_ids:
        return tuple(one.id for one in known)
    own = record.order.patient.ids
    merged = (one.id for one in whose.merged(connection, own))
    return tuple(dict.fromkeys((*own, *merged)))


def _prepare(
    connection: Connection, site: Config, ids: Mapping[int, Iterable[model.PatientId]]
) -> replay.Replay:
    """Read all that exams may need; `ids` are their patients', by the number of the order."""
    own = {one.patient_id for each in ids.values() for one in each}
    asked = {
        key.patient_id
        for each in ids.values()
        for archive in site.archives.values()
        for key in keys.keys_for(each, archive).asked
    }
    some_rest = any(rule.cool_down is not None for rule in site.rule_set.rules)
    return replay.Replay(
        site=site,
        fetched=recorded.read_fetched(connection, list(ids)) if some_rest else {},
        answers=recorded.read_answers(connection, site.archives, asked),
        verdicts=recorded.read_verdicts(connection, own),
    )
