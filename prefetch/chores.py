"""The recurring chores of a daemon, and the clock that calls them (ADR 7: only the clock)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from prefetch import errors, health, model, timing
from prefetch.daemon import Daemon
from prefetch.dimse import breaker
from prefetch.domain import trouble
from prefetch.intake import message_times
from prefetch.runtime import clock_steps
from prefetch.store import (
    archives,
    checks,
    claims,
    database,
    feeds,
    integrity,
    nodes,
    replanning,
    retention,
    trouble_facts,
    troubles,
)
from prefetch.store import clock as store_clock

log = structlog.get_logger()

TICK = timedelta(seconds=1)
"""How soon the daemon notices what the command line wrote, and what came due."""

RENEW = timedelta(seconds=5)
"""How often leases are renewed, and those of dead nodes swept."""

LOOK = timedelta(seconds=20)
"""How often feeds are counted, and troubles are looked for."""

COUNT_AT_ONCE = 5_000
"""Messages of a feed that are counted in one transaction."""

FORGET = timedelta(minutes=10)
"""How often history that is past its time is removed."""

WATCH_STORE = timedelta(seconds=10)
"""How often the files of a SQLite database are looked for; the first of them before each commit as well."""

CHECK_ALL = timedelta(hours=1)
"""In what time each table of a SQLite database is checked once for damage, one after the other."""

FORGET_AT_ONCE = 200
"""Rows of each table removed in one transaction."""


def start_clock(daemon: Daemon) -> AsyncIOScheduler:
    """Start the chores; each runs at most once at a time, and missed ones are made up for once."""
    clock = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone=UTC
    )
    clock.add_job(_tick, "interval", seconds=TICK.total_seconds(), args=[daemon])
    clock.add_job(_renew, "interval", seconds=RENEW.total_seconds(), args=[daemon])
    clock.add_job(look_for_trouble, "interval", seconds=LOOK.total_seconds(), args=[daemon])
    clock.add_job(_forget, "interval", seconds=FORGET.total_seconds(), args=[daemon])
    if daemon.store.guard is not None:
        clock.add_job(_watch_store, "interval", seconds=WATCH_STORE.total_seconds(), args=[daemon])
        names = itertools.cycle(integrity.tables_in_order())
        every = CHECK_ALL.total_seconds() / len(integrity.tables_in_order())
        clock.add_job(_check_next_table, "interval", seconds=every, args=[daemon, names])
    for poller in daemon.pollers.values():
        every = poller.settings.interval.total_seconds()
        clock.add_job(poller.poll, "interval", seconds=every, next_run_time=timing.now())
    if (seconds := health.watchdog_seconds()) is not None:
        clock.add_job(_feed_watchdog, "interval", seconds=seconds / health.FEEDS, args=[daemon])
    clock.start()
    _watch_the_clock(daemon, clock, _read_clocks())
    return clock


WATCH = 1.0
"""Seconds between two looks whether the machine's clock was set."""


def _read_clocks() -> clock_steps.Reading:
    return clock_steps.Reading(wall=timing.now(), monotonic=time.monotonic())


def _watch_the_clock(daemon: Daemon, clock: AsyncIOScheduler, before: clock_steps.Reading) -> None:
    """Look whether the machine's clock was set, and again in a second by a clock that nobody sets.

    APScheduler goes by the wall clock: set back by an hour, no chore would run for an hour. All of them run
    now, and from now on in their intervals; what is due by the new time is found by them.
    """
    if not clock.running:
        return
    after = _read_clocks()
    if (step := clock_steps.step_between(before, after)) is not None:
        log.warning(
            "clock_stepped",
            seconds=round(step.total_seconds(), 1),
            next="deadlines are looked at anew; see to the time service (chronyd, systemd-timesyncd)",
        )
        daemon.waits_for_another_time |= step < timedelta()
        for job in clock.get_jobs():
            job.modify(next_run_time=after.wall)
        clock.wakeup()
        daemon.bells.ring_all()
    asyncio.get_running_loop().call_later(WATCH, _watch_the_clock, daemon, clock, after)


async def _tick(daemon: Daemon) -> None:
    """Promote what came due, expire what came too late, and wake whoever has work."""
    rests = daemon.rests_to_note()
    try:
        if daemon.waits_for_another_time:
            await daemon.store.write_soon(store_clock.cut_waits_short, timing.now())
            daemon.waits_for_another_time = False
        expired = await daemon.store.write_soon(_turn, now=timing.now(), rests=rests)
    except errors.StoreUnavailableError as error:
        log.error("tick_missed", because=str(error))  # noqa: TRY400 (the sentence says it whole)
        return
    daemon.rests_noted |= rests
    for retrieve in expired:
        log.warning(
            "retrieve_expired",
            retrieve_id=retrieve.id,
            study_instance_uid=retrieve.study_instance_uid,
            destination=retrieve.destination,
            problem=retrieve.problem,
        )
    daemon.bells.ring_all()


def _turn(
    connection: database.Connection, *, now: datetime, rests: Mapping[str, breaker.Resting | None]
) -> list[model.Retrieve]:
    for archive, resting in rests.items():
        until, because = (resting.until, resting.because) if resting else (None, None)
        archives.rest_archive(connection, archive, until=until, because=because)
    claims.promote(connection, now)
    return checks.expire(connection, now)


async def _renew(daemon: Daemon) -> None:
    """Keep our leases, and take over the moves of whoever let theirs run out."""
    with contextlib.suppress(errors.StoreUnavailableError):  # the tick says so already
        await daemon.store.write_soon(_keep_leases, daemon=daemon, now=timing.now())
        if daemon.owes_planning_anew:
            log.info("exams_planned_anew", exams=await plan_anew(daemon))


async def plan_anew(daemon: Daemon) -> int:
    """Have the exams that were planned by another configuration planned anew; gives how many."""
    configuration, now = daemon.site.fingerprint(), timing.now()
    progress = replanning.Progress(since=now - daemon.site.retrieval.expire_after)
    while not progress.is_over:
        progress = await daemon.store.write_soon(replanning.plan_by, configuration, progress, now=now)
    await daemon.store.write_soon(nodes.note_planned_anew, daemon.owner, exams=progress.exams)
    daemon.owes_planning_anew = False
    daemon.bells.planner.ring()
    return progress.exams


async def _forget(daemon: Daemon) -> None:
    """Remove what is past its time, a small batch at a time, so that no order waits for it."""
    keep, now = daemon.site.retention, timing.now()
    with contextlib.suppress(errors.StoreUnavailableError):  # the tick says so already
        while await daemon.store.write(
            retention.forget,
            history_before=now - keep.history,
            messages_before=now - keep.messages,
            limit=FORGET_AT_ONCE,
        ):
            pass


def _watch_store(daemon: Daemon) -> None:
    """Tell once that the database's file is not there any more, and once that it is again."""
    guard = daemon.store.guard
    if guard is None:
        return
    guard.look_beside()
    trouble, before = guard.trouble(), daemon.store_trouble
    daemon.store_trouble = trouble
    if trouble and trouble != before:
        log.error("store_file_lost", database=daemon.store.place, because=trouble, next="senders get AE")
        health.notify(f"STATUS=the database cannot be used: {trouble}")
    if before and not trouble:
        log.info("store_file_found", database=daemon.store.place)


async def _check_next_table(daemon: Daemon, names: Iterator[str]) -> None:
    """Check one table of a SQLite database for damage, beside all else."""
    guard = daemon.store.guard
    try:
        damage = await daemon.store.read(integrity.check_table, next(names))
    except errors.StoreUnavailableError:  # the tick says so already
        return
    except errors.StoreError as error:
        damage = str(error)
    if damage and guard is not None:
        guard.report(
            f"it is damaged ({damage}); stop the daemon and restore a copy, or try sqlite3's .recover"
        )
        _watch_store(daemon)


async def look_for_trouble(daemon: Daemon) -> None:
    """Count what the feeds sent, then tell each trouble that has begun or ended since the last look."""
    with contextlib.suppress(errors.StoreUnavailableError):  # the tick says so already
        for source in daemon.listeners:
            await _count_feed(daemon, source)
        now, scope = timing.now(), daemon.site.trouble_scope
        facts = await daemon.store.read(trouble_facts.read_facts, scope, now)
        found = trouble.find_trouble(facts, scope, now)
        # Who runs this is alive, whenever its heartbeat is written.
        there = [each for each in found if each.name is not trouble.TroubleKind.NO_DAEMON]
        if there or facts.open:
            _tell(await daemon.store.write_soon(troubles.note_troubles, there, now=now))


async def _count_feed(daemon: Daemon, source: str) -> None:
    """Count the messages of a feed that came since the last look."""
    while True:
        uncounted = await daemon.store.read(feeds.uncounted_messages, source, COUNT_AT_ONCE)
        zone, senders = daemon.site.time_zone, daemon.pool.senders
        measures = list(message_times.measure_all(uncounted.messages, source, senders=senders, zone=zone))
        if not uncounted.messages:
            return
        counted = await daemon.store.write_soon(feeds.count_messages, uncounted, measures)
        if not counted or len(uncounted.messages) < COUNT_AT_ONCE:
            return


def _tell(changes: troubles.Changes) -> None:
    """Log what began, with what to do, and what ended."""
    for began in changes.began:
        log.warning(
            "trouble_began",
            trouble=began.name.value,
            subject=began.subject,
            severity=began.severity.value,
            because=began.sentence,
            what_to_do=began.remedy,
            page=began.page,
        )
    for ended in changes.ended:
        since = ended.since.isoformat()
        log.info("trouble_ended", trouble=ended.name, subject=ended.subject, since=since)


def _keep_leases(connection: database.Connection, *, daemon: Daemon, now: datetime) -> None:
    nodes.see_node(
        connection,
        daemon.owner,
        now,
        turned_away=daemon.turned_away,
        learnt=daemon.learnt,
        refusals=daemon.refusals,
    )
    lease = daemon.site.retrieval.lease
    claims.renew_leases(
        connection,
        daemon.owner,
        planning=daemon.planner.in_flight.numbers,
        retrieving=daemon.retrieving,
        now=now,
        lease=lease,
    )
    claims.sweep_leases(connection, now)


def _feed_watchdog(daemon: Daemon) -> None:
    """Tell systemd that we are well, unless a stage has stopped beating: then it restarts us."""
    stalled = daemon.pulse.stalled()
    if stalled:
        log.critical("stage_stalled", stages=stalled, next="the service manager restarts the daemon")
    else:
        health.notify("WATCHDOG=1")
