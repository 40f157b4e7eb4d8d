"""The life of a daemon: it starts, it is ready, it reloads, it drains, it ends.

One TaskGroup runs it. On SIGTERM the door is closed, what is under way may end, what is left after the drain
time is interrupted, and its rows are put back to be looked at. On SIGHUP the files are read and checked as a
whole before anything is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from prefetch import chores, config, crosscheck, daemon, errors, health, model, reloading, stage, timing
from prefetch.daemon import Daemon
from prefetch.intake import header
from prefetch.intake.hl7 import fields
from prefetch.planning import inquiries, planner
from prefetch.store import archives as archive_rows
from prefetch.store import claims, database, history, made_stores, nodes, worklists
from prefetch.store import orders as order_rows

log = structlog.get_logger()

POLL = 0.05
"""Seconds between two looks whether what moves has ended, while the daemon drains."""

IN_ORDER = 30.0
"""Seconds that the end may take besides the drain time: releasing associations, the last commit."""

REFUSED = "what was reloaded since was refused, see `prefetch check`"


@dataclass(frozen=True, slots=True)
class Signals:
    """What the operator asked for by signals."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)

    def heard_stop(self) -> None:
        """The first SIGTERM or SIGINT asks to stop, the second not to wait."""
        (self.hurry if self.stop.is_set() else self.stop).set()


async def run(site: config.Config, path: Path) -> None:
    """Serve until SIGTERM or SIGINT; `path` is the file that SIGHUP has read again."""
    was_made = made_stores.Record(path)
    was_made.require(site.store)
    store = await _wait_for_store(site.store)
    if store.is_new:
        log.warning("store_made", database=store.place, next="if there was one before, stop and restore it")
    was_made.note(site.store)
    try:
        await _serve(daemon.build(site, store), path)
    finally:
        store.close()
    log.info("daemon_stopped")


STORE_PAUSE = 1.0
"""Seconds between two looks whether the store is there, at start."""
TOLD_EVERY = 30
"""So many looks in vain share a line in the log."""


async def _wait_for_store(url: str) -> database.Database:
    """Open the store; while it is away nothing listens, and senders keep what they have.

    Raises `StoreRefusedError` at once where waiting does not help.
    """
    for looks in itertools.count():
        try:
            return database.Database.open(url, exclusive=True, create=True)
        except errors.StoreUnavailableError as error:
            if looks % TOLD_EVERY == 0:
                log.error("store_awaited", because=str(error), retry_seconds=STORE_PAUSE)  # noqa: TRY400
            health.notify_waiting(f"waits for the store: {error}", seconds=10 * STORE_PAUSE)
        await asyncio.sleep(STORE_PAUSE)
    raise AssertionError  # the count has no end


async def _serve(running: Daemon, path: Path) -> None:
    await running.store.write(_take_over, running=running, now=timing.now())
    async with _heard() as signals, asyncio.TaskGroup() as group:
        exams = await plan_anew(running)
        workers = start_stages(running, group)
        clock = chores.start_clock(running)
        try:
            ports = {name: await each.start() for name, each in running.listeners.items()}
            log.info("daemon_ready", listeners=ports, exams_planned_anew=exams, **_portrait(running.site))
            health.notify_ready(_status(running))
            more = partial(_start_more_movers, running, group, workers)
            workers.append(group.create_task(_reload_on_request(running, path, signals, more)))
            await _settle(running.site)
            await signals.stop.wait()
        finally:
            health.notify_stopping(running.site.drain.total_seconds() + IN_ORDER)
            clock.shutdown(wait=False)
            await _drain(running, workers, signals.hurry)


def start_stages(running: Daemon, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """Start every stage's workers; they run until cancelled."""
    bells, pulse = running.bells, running.pulse
    work = [stage.work("reader", running.reader.read_waiting, bells.reader, pulse)]
    work += [
        stage.work(inquiries.STAGE, running.planner.plan_next, bells.planner, pulse)
        for _ in range(planner.WORKERS)
    ]
    work += _more_movers(running)
    work += [
        stage.work(each.stage, each.check_due, bells.verifiers[name], pulse)
        for name, each in running.verifiers.items()
    ]
    return [group.create_task(worker) for worker in work]


def _more_movers(running: Daemon) -> list[Coroutine[None, None, None]]:
    """Make the workers that the moves of each archive lack."""
    lacking = Counter({name: remote.most_moves for name, remote in running.archives.items()})
    lacking -= running.move_workers
    running.move_workers += lacking
    return [
        stage.work(mover.stage, mover.move_next, running.bells.movers[name], running.pulse)
        for name, mover in running.movers.items()
        for _ in range(lacking[name])
    ]


def _start_more_movers(running: Daemon, group: asyncio.TaskGroup, workers: list[asyncio.Task[None]]) -> None:
    """Start what a reload has given archives to do besides; those that they do not need any more rest."""
    workers += [group.create_task(worker) for worker in _more_movers(running)]


async def _settle(site: config.Config) -> None:
    """Load what the rules in force need, and have the garbage collector pass over it while they are.

    Vocabulary, configuration and libraries are 150,000 objects: each full collection would stop everything
    for some 75 ms to find that they are still there (docs.python.org/3/library/gc.html#gc.freeze).
    """
    await asyncio.to_thread(_warm_up, site)
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _warm_up(site: config.Config) -> None:
    """Load what is loaded when it is first asked for: else the first order waits, and all else with it."""
    nothing = site.comparison.describe("")
    site.comparison.grade(nothing, nothing, age_days=None)
    fields.read_field("1^2", "PID_3", header.Delimiters())


def _status(running: Daemon) -> str:
    site = running.site
    words = f"rules in force: {len(site.rule_set.rules)}, mode: {site.mode.value}"
    waits = ", ".join(running.waits_for_restart)
    return f"{words}; waits for a restart: {waits}" if waits else words


def _portrait(site: config.Config) -> dict[str, object]:
    return {
        "archives": sorted(site.archives),
        "workstations": sorted(site.workstations),
        "rules": len(site.rule_set.rules),
        "mode": site.mode.value,
    }


# --- reload ----------------------------------------------------------------------------------------


async def _reload_on_request(
    running: Daemon, path: Path, signals: Signals, start_more: Callable[[], None]
) -> None:
    while True:
        await signals.reload.wait()
        signals.reload.clear()
        health.notify_reloading()
        loaded = await reload(running, path)
        if loaded:
            start_more()
            await _settle(running.site)
        health.notify_ready(_status(running) if loaded else f"{_status(running)}; {REFUSED}")


async def reload(running: Daemon, path: Path) -> bool:
    """Put the files in force if all of them are right; else leave everything as it is and say why.

    What only a start can change stays as it is, and is named; all else of the files is in force beside it.
    """
    report = await asyncio.to_thread(config.examine, path)
    problems = [str(problem) for problem in report.problems if problem.severity == "error"]
    if report.config is None:
        return await _refuse(running, problems)
    waits = reloading.waits_for_restart(running.at_start, reloading.at_start(report.config))
    site = reloading.in_force(running.site, report.config)
    if waits and (misfits := _misfits(report, site)):
        return await _refuse(running, [*misfits, *waits.values()])
    try:
        running.use(site)
    except errors.CertificateError as error:  # they were right a moment ago
        return await _refuse(running, [str(error)])
    running.waits_for_restart = list(waits)
    exams = await plan_anew(running)
    log.info("configuration_loaded", exams_planned_anew=exams, **_portrait(site))
    if waits:
        log.warning("configuration_waits_for_restart", keys=list(waits), because=list(waits.values()))
    with _without_store():
        await running.store.write(
            nodes.load_configuration,
            running.owner,
            at_start=running.at_start,
            waits_for_restart=waits,
            now=timing.now(),
        )
    return True


async def _refuse(running: Daemon, problems: list[str]) -> bool:
    """Say why what is in force stays in force."""
    log.error(
        "configuration_refused",
        problems=problems,
        next="what was in force stays in force; mend the files, see `prefetch check`, reload again",
    )
    with _without_store():
        because = "\n".join(problems)
        await running.store.write(
            nodes.refuse_configuration, running.owner, because=because, now=timing.now()
        )
    return False


def _misfits(report: config.Report, site: config.Config) -> list[str]:
    """What is wrong where the rules meet what a reload can put in force, such as an archive that is new."""
    if report.site is None:
        return []
    problems = crosscheck.find_problems(replace(report.site, config=site))
    return [str(problem) for problem in problems if problem.severity == "error"]


async def plan_anew(running: Daemon) -> int | None:
    """Have the exams that were planned by another configuration planned anew; gives how many.

    None where the store is away: it is tried again until it has been done (`chores`).
    """
    try:
        return await chores.plan_anew(running)
    except errors.StoreUnavailableError as error:
        running.owes_planning_anew = True
        log.error("reload_not_recorded", because=str(error))  # noqa: TRY400 (the sentence says it whole)
        return None


@contextlib.contextmanager
def _without_store() -> Iterator[None]:
    """A store that is away does not keep us from reloading; `status` says so too late."""
    try:
        yield
    except errors.StoreUnavailableError as error:
        log.error("reload_not_recorded", because=str(error))  # noqa: TRY400 (the sentence says it whole)


# --- start and end ---------------------------------------------------------------------------------


def _take_over(connection: database.Connection, *, running: Daemon, now: datetime) -> None:
    """What a process that died left claimed is free again: on SQLite this is the only process."""
    archive_rows.know_archives(connection, running.site.archives)
    worklists.know_worklists(connection, running.site.worklists)
    if connection.dialect.name == "sqlite":
        nodes.forget_all(connection)
        claims.recover(connection, now=now)
        order_rows.release_orders(connection)
        worklists.release_polls(connection)
        archive_rows.unpark_all(connection)  # what is down or unknown says so again
    nodes.see_node(connection, running.owner, now)
    nodes.load_configuration(connection, running.owner, at_start=running.at_start, now=now)
    claims.sweep_leases(connection, now)
    detail: dict[str, object] = {"owner": running.owner}
    history.record(connection, model.Happening(at=now, what="daemon_started", detail=detail))


async def _drain(running: Daemon, workers: list[asyncio.Task[None]], hurry: asyncio.Event) -> None:
    """Close the door, let what moves end, interrupt the rest, and put its rows back."""
    for each in running.listeners.values():
        each.close_door()
    for worker in running.movers.values():
        worker.stop_claiming()
    log.info("daemon_draining", under_way=_under_way(running), seconds=running.site.drain.total_seconds())
    await _moves_ended(running, hurry)
    interrupted = _under_way(running)
    for task in workers:
        task.cancel()
    await asyncio.wait(workers)
    try:
        await running.store.write(_hand_back, running=running, now=timing.now())
    finally:
        for remote in (
            *running.archives.values(),
            *running.workstations.values(),
            *running.worklists.values(),
        ):
            await remote.close()
        for each in running.listeners.values():
            await each.close()
        running.pool.close()
    log.info("daemon_drained", interrupted=interrupted)


async def _moves_ended(running: Daemon, hurry: asyncio.Event) -> None:
    """Wait for the moves under way, for the drain time at most, or until we are to hurry."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(running.site.drain.total_seconds()):
            while _under_way(running) and not hurry.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(hurry.wait(), POLL)


def _under_way(running: Daemon) -> int:
    return sum(len(worker.in_flight) for worker in running.movers.values())


def _hand_back(connection: database.Connection, *, running: Daemon, now: datetime) -> None:
    """What this process leaves unfinished is free for the next one, and looked at before it moves again."""
    claims.recover(connection, now=now, owner=running.owner)
    order_rows.release_orders(connection, owner=running.owner)
    nodes.forget_node(connection, running.owner)
    detail: dict[str, object] = {"owner": running.owner}
    history.record(connection, model.Happening(at=now, what="daemon_stopped", detail=detail))


@contextlib.asynccontextmanager
async def _heard() -> AsyncIterator[Signals]:
    """Listen to SIGTERM, SIGINT and SIGHUP."""
    signals, loop = Signals(), asyncio.get_running_loop()
    handlers = {
        signal.SIGTERM: signals.heard_stop,
        signal.SIGINT: signals.heard_stop,
        signal.SIGHUP: signals.reload.set,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # `prefetch run` has it wait while it starts
    try:
        yield signals
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
