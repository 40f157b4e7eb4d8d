"""The composition root: what a daemon is made of, how it starts, and how it ends.

One straight function builds everything; one TaskGroup runs it. On SIGTERM the door is closed, what is under
way may end, what is left after the drain time is interrupted, and its rows are put back to be looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from prefetch import bell, config, dialling, errors, model, orders, stage, timing
from prefetch.dimse import association
from prefetch.intake import header, listener, parsing, reader
from prefetch.planning import planner
from prefetch.retrieval import mover, verifier
from prefetch.store import archives as archive_rows
from prefetch.store import checks, claims, database, history, inbox, retention
from prefetch.store import orders as order_rows

log = structlog.get_logger()

POLL = 0.05
"""Seconds between two looks whether what moves has ended, while the daemon drains."""

RENEW = timedelta(seconds=5)
"""How often leases are renewed, and those of dead nodes swept."""

FORGET = timedelta(minutes=10)
"""How often history that is past its time is removed."""

FORGET_AT_ONCE = 200
"""Rows of each table removed in one transaction."""

TICK = timedelta(seconds=1)
"""How soon the daemon notices what the command line wrote, and what came due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """Everything that one running daemon is made of."""

    site: config.Config
    store: database.Database
    owner: str
    bells: bell.Bells
    archives: dict[str, association.RemoteAE]
    workstations: dict[str, association.RemoteAE]
    pool: parsing.ReaderPool
    listeners: dict[str, listener.Listener]
    reader: reader.Reader
    planner: planner.Planner
    movers: dict[str, mover.Mover]
    verifiers: dict[str, verifier.Verifier]


def build(site: config.Config, store: database.Database) -> Daemon:
    """Make every part and connect them; starts nothing."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    bells = bell.Bells(archives=site.archives, destinations=site.workstations)
    archives = {name: association.RemoteAE(dialling.archive(site, name)) for name in site.archives}
    workstations = {
        name: association.RemoteAE(peer)
        for name in site.workstations
        if (peer := dialling.workstation(site, name)) is not None
    }
    clock = orders.Clock(zone=site.time_zone, start_of_day=site.planning.start_of_day)
    pool = parsing.ReaderPool()
    door = Door(store=store, bells=bells)
    return Daemon(
        site=site,
        store=store,
        owner=owner,
        bells=bells,
        archives=archives,
        workstations=workstations,
        pool=pool,
        listeners={name: _listener(name, said, door) for name, said in site.listeners.items()},
        reader=reader.Reader(store=store, pool=pool, clock=clock, now=timing.now, bells=bells),
        planner=planner.Planner(
            site=site,
            store=store,
            archives=archives,
            workstations=workstations,
            owner=owner,
            now=timing.now,
            bells=bells,
        ),
        movers={
            name: mover.Mover(
                site=site,
                archive=name,
                remote=remote,
                store=store,
                owner=owner,
                now=timing.now,
                bells=bells,
            )
            for name, remote in archives.items()
        },
        verifiers={
            name: verifier.Verifier(
                site=site,
                destination=name,
                remote=workstations.get(name),
                store=store,
                owner=owner,
                now=timing.now,
                bells=bells,
            )
            for name in site.workstations
        },
    )


class Door:
    """Where a listener hands over a message: in the store when this returns, and only then acknowledged."""

    def __init__(self, *, store: database.Database, bells: bell.Bells) -> None:
        self._store = store
        self._bells = bells

    async def accept(self, received: listener.Received) -> listener.Accepted:
        """Keep one message durably."""
        accepted = await self._store.write(
            inbox.accept_message,
            source=received.source,
            raw=received.raw,
            control_id=received.header.control_id,
            message_type=received.header.message_type,
            priority=header.peek_priority(received.raw),
            order_number=header.peek_order_number(received.raw),
            received_at=received.received_at,
        )
        self._bells.reader.ring()
        return listener.Accepted(message_id=accepted.message_id, repeat=accepted.repeat)


def _listener(name: str, said: config.Listener, door: Door) -> listener.Listener:
    limits = listener.Limits(
        max_message_bytes=said.max_message_bytes,
        max_connections=said.max_connections,
        idle_seconds=said.idle_timeout.total_seconds(),
        message_seconds=said.message_timeout.total_seconds(),
    )
    return listener.Listener(name, said.host, said.port, accept=door.accept, limits=limits)


def start_stages(daemon: Daemon, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """Start every stage's workers; they run until cancelled."""
    bells = daemon.bells
    work = [stage.work("reader", daemon.reader.read_waiting, bells.reader)]
    work += [stage.work("planner", daemon.planner.plan_next, bells.planner) for _ in range(planner.WORKERS)]
    work += [
        stage.work(f"mover {name}", worker.move_next, bells.movers[name])
        for name, worker in daemon.movers.items()
        for _ in range(daemon.archives[name].move_slots)
    ]
    work += [
        stage.work(f"verifier {name}", worker.check_due, bells.verifiers[name])
        for name, worker in daemon.verifiers.items()
    ]
    return [group.create_task(worker) for worker in work]


async def run(site: config.Config, *, ready: Callable[[Daemon], None] = lambda _daemon: None) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends at once."""
    store = database.Database.open(site.store, exclusive=True, create=True)
    try:
        daemon = build(site, store)
        await _serve(daemon, ready)
    finally:
        store.close()


async def _serve(daemon: Daemon, ready: Callable[[Daemon], None]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    await daemon.store.write(_take_over, daemon=daemon, now=timing.now())
    async with _signals(stop, hurry), asyncio.TaskGroup() as group:
        workers = start_stages(daemon, group)
        clock = start_clock(daemon)
        try:
            ports = {name: await each.start() for name, each in daemon.listeners.items()}
            log.info("daemon_ready", listeners=ports, **_portrait(daemon))
            ready(daemon)
            await stop.wait()
        finally:
            clock.shutdown(wait=False)
            await _drain(daemon, workers, hurry)
    log.info("daemon_stopped")


def _portrait(daemon: Daemon) -> dict[str, object]:
    return {
        "archives": sorted(daemon.archives),
        "workstations": sorted(daemon.site.workstations),
        "rules": len(daemon.site.rule_set.rules),
        "mode": daemon.site.mode.value,
    }


async def _drain(daemon: Daemon, workers: list[asyncio.Task[None]], hurry: asyncio.Event) -> None:
    """Close the door, let what moves end, interrupt the rest, and put its rows back."""
    for each in daemon.listeners.values():
        each.close_door()
    for worker in daemon.movers.values():
        worker.stop_claiming()
    deadline = asyncio.get_running_loop().time() + daemon.site.drain.total_seconds()
    while any(worker.under_way for worker in daemon.movers.values()) and not hurry.is_set():
        if asyncio.get_running_loop().time() > deadline:
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), POLL)
    interrupted = sum(worker.under_way for worker in daemon.movers.values())
    for task in workers:
        task.cancel()
    await asyncio.wait(workers)
    await daemon.store.write(_hand_back, daemon=daemon, now=timing.now())
    for remote in (*daemon.archives.values(), *daemon.workstations.values()):
        await remote.close()
    for each in daemon.listeners.values():
        await each.close()
    daemon.pool.close()
    log.info("daemon_drained", interrupted=interrupted)


def _take_over(connection: database.Connection, *, daemon: Daemon, now: datetime) -> None:
    """What a process that died left claimed is free again: on SQLite this is the only process."""
    archive_rows.know_archives(connection, daemon.site.archives)
    if connection.dialect.name == "sqlite":
        claims.recover(connection, now=now)
        order_rows.release_orders(connection)
    claims.sweep_leases(connection, now)
    detail: dict[str, object] = {"owner": daemon.owner}
    history.record(connection, model.Happening(at=now, what="daemon_started", detail=detail))


def _hand_back(connection: database.Connection, *, daemon: Daemon, now: datetime) -> None:
    """What this process leaves unfinished is free for the next one, and looked at before it moves again."""
    claims.recover(connection, now=now, owner=daemon.owner)
    order_rows.release_orders(connection, owner=daemon.owner)
    detail: dict[str, object] = {"owner": daemon.owner}
    history.record(connection, model.Happening(at=now, what="daemon_stopped", detail=detail))


def start_clock(daemon: Daemon) -> AsyncIOScheduler:
    """Start the recurring chores; each at most once at a time, and missed ones made up for once."""
    clock = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone=UTC
    )
    clock.add_job(_tick, "interval", seconds=TICK.total_seconds(), args=[daemon])
    clock.add_job(_renew, "interval", seconds=RENEW.total_seconds(), args=[daemon])
    clock.add_job(_forget, "interval", seconds=FORGET.total_seconds(), args=[daemon])
    clock.start()
    return clock


async def _tick(daemon: Daemon) -> None:
    """Promote what came due, expire what came too late, and wake whoever has work."""
    try:
        expired = await daemon.store.write(_turn, now=timing.now())
    except errors.StoreUnavailableError as error:
        log.error("tick_missed", because=str(error))  # noqa: TRY400 (the sentence says it whole)
        return
    for retrieve in expired:
        log.warning(
            "retrieve_expired",
            retrieve_id=retrieve.id,
            study_instance_uid=retrieve.study_instance_uid,
            destination=retrieve.destination,
            problem=retrieve.problem,
        )
    daemon.bells.ring_all()


def _turn(connection: database.Connection, *, now: datetime) -> list[model.Retrieve]:
    claims.promote(connection, now)
    return checks.expire(connection, now)


async def _renew(daemon: Daemon) -> None:
    """Keep our leases, and take over the moves of whoever let theirs run out."""
    with contextlib.suppress(errors.StoreUnavailableError):  # the tick says so already
        await daemon.store.write(_keep_leases, daemon=daemon, now=timing.now())


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


def _keep_leases(connection: database.Connection, *, daemon: Daemon, now: datetime) -> None:
    claims.renew_leases(connection, daemon.owner, now=now, lease=daemon.site.retrieval.lease)
    claims.sweep_leases(connection, now)


@contextlib.asynccontextmanager
async def _signals(stop: asyncio.Event, hurry: asyncio.Event) -> AsyncIterator[None]:
    """The first SIGTERM or SIGINT asks to stop, the second not to wait."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
