"""The recurring chores of a daemon, and the clock that calls them (ADR 7: only the clock)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from prefetch import errors, health, model, timing
from prefetch.daemon import Daemon
from prefetch.dimse import breaker
from prefetch.domain import trouble
from prefetch.intake import message_times
from prefetch.store import (
    archives,
    checks,
    claims,
    database,
    feeds,
    nodes,
    retention,
    trouble_facts,
    troubles,
)

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
    for poller in daemon.pollers.values():
        every = poller.settings.interval.total_seconds()
        clock.add_job(poller.poll, "interval", seconds=every, next_run_time=timing.now())
    if (seconds := health.watchdog_seconds()) is not None:
        clock.add_job(_feed_watchdog, "interval", seconds=seconds / health.FEEDS, args=[daemon])
    clock.start()
    return clock


async def _tick(daemon: Daemon) -> None:
    """Promote what came due, expire what came too late, and wake whoever has work."""
    rests = daemon.rests_to_note()
    try:
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
    nodes.see_node(connection, daemon.owner, now, turned_away=daemon.turned_away, learnt=daemon.learnt)
    lease = daemon.site.retrieval.lease
    under_way = [number for worker in daemon.movers.values() for number in worker.under_way]
    claims.renew_leases(connection, daemon.owner, now=now, lease=lease)
    # What a store that was away kept us from writing down is ours, and nobody works on it any more.
    claims.recover_lost(connection, daemon.owner, under_way=under_way, claimed_before=now - lease, now=now)
    claims.sweep_leases(connection, now)


def _feed_watchdog(daemon: Daemon) -> None:
    """Tell systemd that we are well, unless a stage has stopped beating: then it restarts us."""
    stalled = daemon.pulse.stalled()
    if stalled:
        log.critical("stage_stalled", stages=stalled, next="the service manager restarts the daemon")
    else:
        health.notify("WATCHDOG=1")
