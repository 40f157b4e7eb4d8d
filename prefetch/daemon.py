"""The composition: what a daemon is made of, built in one straight function; nothing is started here."""

from __future__ import annotations

import os
import socket
import ssl
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from prefetch import bell, certificates, config, dialling, errors, health, orders, reloading, timing
from prefetch.dimse import association, breaker
from prefetch.intake import (
    acknowledging,
    admission,
    header,
    hl7,
    limits,
    listener,
    parsing,
    pix,
    reader,
    rush,
)
from prefetch.intake.worklist import poller
from prefetch.planning import inquiries, planner, referrals, whose
from prefetch.retrieval import mover, verifier
from prefetch.store import database, inbox

log = structlog.get_logger()

_NEVER = object()
"""Stands for what was not noted yet."""


@dataclass(slots=True, kw_only=True)
class Daemon:
    """Everything that one running daemon is made of."""

    site: config.Config
    """What is in force; `use` puts another in its place."""
    store: database.Database
    owner: str
    bells: bell.Bells
    archives: dict[str, association.RemoteAE]
    workstations: dict[str, association.RemoteAE]
    worklists: dict[str, association.RemoteAE]
    pool: parsing.ReaderPool
    listeners: dict[str, listener.Listener]
    reader: reader.Reader
    pollers: dict[str, poller.Poller]
    planner: planner.Planner
    movers: dict[str, mover.Mover]
    verifiers: dict[str, verifier.Verifier]
    pulse: health.Pulse
    rests_noted: dict[str, breaker.Resting | None] = field(default_factory=dict)
    """The rests of archives that the store knows of, so that `prefetch status` tells them."""
    at_start: dict[str, str] = field(default_factory=dict)
    """The keys that no reload changes, each with the fingerprint of what is in force."""
    waits_for_restart: list[str] = field(default_factory=list)
    """Those of them that the files loaded last say otherwise."""
    move_workers: Counter[str] = field(default_factory=Counter)
    """How many workers each archive's moves have."""
    waits_for_another_time: bool = False
    """Whether the clock was set back, and waits by the time before are not cut short yet."""
    owes_planning_anew: bool = False
    """Whether the store was away when the exams that are known were to be planned by what is in force."""
    store_trouble: str | None = None
    """What is wrong with the database's file, as it was last told."""

    def __post_init__(self) -> None:
        self.at_start = reloading.at_start(self.site)

    def rests_to_note(self) -> dict[str, breaker.Resting | None]:
        """The rests that have begun or ended since; at first all, for an earlier daemon's are over."""
        rests = {name: remote.resting for name, remote in self.archives.items()}
        return {name: rest for name, rest in rests.items() if self.rests_noted.get(name, _NEVER) is not rest}

    @property
    def turned_away(self) -> dict[str, dict[str, int]]:
        """What the listeners refused or kept waiting since the start: listener → cause → how often."""
        counted = {name: door.refused for name, door in self.listeners.items()}
        return {
            name: {cause.value: count for cause, count in counts.items()}
            for name, counts in counted.items()
            if counts
        }

    @property
    def learnt(self) -> dict[str, list[str]]:
        """What peers have let us know of their manners since the start: peer → in words."""
        known = {
            name: remote.learnt
            for remotes in (self.archives, self.workstations, self.worklists)
            for name, remote in remotes.items()
        }
        for name, mover_of_archive in self.movers.items():
            known[name] += mover_of_archive.learnt
        return {name: words for name, words in known.items() if words}

    @property
    def refusals(self) -> dict[str, list[str]]:
        """What peers refuse us every time: peer → sentences that say what to do."""
        remotes = {**self.archives, **self.workstations, **self.worklists}
        return {name: remote.refusals for name, remote in remotes.items() if remote.refusals}

    @property
    def retrieving(self) -> list[int]:
        """The retrieves that are moved or looked for at this moment."""
        stages: list[mover.Mover | verifier.Verifier] = [*self.movers.values(), *self.verifiers.values()]
        return [number for each in stages for number in each.in_flight.numbers]

    def use(self, site: config.Config) -> None:
        """Go by another configuration with the same peers, whose certificates are read again.

        Raises before anything changes.
        """
        shown = {name: _tls(said) for name, said in site.listeners.items()}
        called = [
            *((self.archives, name, dialling.archive(site, name)) for name in site.archives),
            *((self.workstations, name, dialling.workstation(site, name)) for name in site.workstations),
            *((self.worklists, name, dialling.worklist(site, name)) for name in site.worklists),
        ]
        refer = _refer(site, self.store, self.pulse)
        for name, context in shown.items():
            self.listeners[name].tls = context
        for remotes, name, peer in called:
            if peer is not None and name in remotes:
                remotes[name].use(peer)
            elif peer is not None:  # a workstation that can be asked from now on
                remotes[name] = association.RemoteAE(peer)
        self.site = site
        self.planner.use(site)
        self.reader.watched = site.watched
        self.planner.refer = refer
        self.pool.senders = hl7.Senders(site.senders)
        self.reader.clock = _clock(site)
        for worklist in self.pollers.values():
            worklist.clock = _clock(site)
        for mover_of_archive in self.movers.values():
            mover_of_archive.site = site
        for name, verifier_of_destination in self.verifiers.items():
            verifier_of_destination.site = site
            is_asked = site.workstations[name].verify is not config.Verify.COUNTERS
            verifier_of_destination.remote = self.workstations.get(name) if is_asked else None


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
    worklists = {name: association.RemoteAE(dialling.worklist(site, name)) for name in site.worklists}
    pool = parsing.ReaderPool()
    pool.senders = hl7.Senders(site.senders)
    pulse = health.Pulse(health.watchdog_seconds() or health.PATIENCE)
    asking = inquiries.Inquiries(
        store=store, archives=archives, workstations=workstations, now=timing.now, pulse=pulse
    )
    feeds = rush.Rush()
    door = Door(store=store, bells=bells, feeds=feeds)
    return Daemon(
        pulse=pulse,
        site=site,
        store=store,
        owner=owner,
        bells=bells,
        archives=archives,
        workstations=workstations,
        worklists=worklists,
        pool=pool,
        listeners={name: _listener(name, said, door) for name, said in site.listeners.items()},
        reader=reader.Reader(
            store=store,
            pool=pool,
            clock=_clock(site),
            now=timing.now,
            bells=bells,
            watched=site.watched,
            feeds=feeds,
        ),
        pollers={
            name: poller.Poller(
                site=site,
                worklist=name,
                ask=remote.find_worklist,
                store=store,
                clock=_clock(site),
                now=timing.now,
                bells=bells,
            )
            for name, remote in worklists.items()
        },
        planner=planner.Planner(
            site=site,
            store=store,
            asking=asking,
            owner=owner,
            now=timing.now,
            bells=bells,
            refer=_refer(site, store, pulse),
        ),
        movers={
            name: mover.Mover(
                site=site,
                archive=name,
                remote=remote,
                workstations=workstations,
                store=store,
                owner=owner,
                now=timing.now,
                bells=bells,
                pulse=pulse,
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
                pulse=pulse,
            )
            for name in site.workstations
        },
    )


_REST = timedelta(minutes=1)
"""How long nothing unreadable is kept of a listener after something was that lay there already."""


def _clock(site: config.Config) -> orders.Clock:
    return orders.Clock(zone=site.time_zone, start_of_day=site.planning.start_of_day)


class Door:
    """Where a listener hands over a message: in the store when this returns, and only then acknowledged."""

    def __init__(self, *, store: database.Database, bells: bell.Bells, feeds: rush.Rush) -> None:
        self._store = store
        self._bells = bells
        self._feeds = feeds
        self._kept_enough: dict[str, datetime] = {}
        """Listeners of which no more is kept for the moment, and until when."""

    async def keep_unreadable(self, source: str, raw: bytes, because: str) -> None:
        """Keep what is refused for want of a header, so that somebody can see it; never a flood of it."""
        now = timing.now()
        if now < self._kept_enough.get(source, now):
            return
        try:
            kept = await self._store.write(
                inbox.keep_unreadable, source=source, raw=raw, because=because, at=now
            )
        except errors.StoreError as error:
            log.warning("unreadable_not_kept", source=source, because=str(error))
            return
        if not kept:
            self._kept_enough[source] = now + _REST

    async def accept(self, received: listener.Received) -> listener.Accepted:
        """Keep one message durably."""
        seen = header.glance(received.raw)
        accepted = await self._store.write_first(
            inbox.accept_message,
            source=received.source,
            raw=received.raw,
            control_id=received.header.control_id,
            message_type=received.header.type_and_trigger,
            priority=seen.priority,
            order_number=seen.order_number,
            received_at=received.received_at,
        )
        self._feeds.tell()
        self._bells.reader.ring()
        return listener.Accepted(message_id=accepted.message_id, repeat=accepted.repeat)


def _listener(name: str, said: config.Listener, door: Door) -> listener.Listener:
    return listener.Listener(
        name,
        said.host,
        said.port,
        accept=door.accept,
        keep_unreadable=door.keep_unreadable,
        limits=_limits(said),
        admission=admission.Admission(
            networks=said.allow.networks,
            senders=tuple(
                admission.Sender(application=one.application, facility=one.facility)
                for one in said.allow.senders
            ),
        ),
        mode=acknowledging.Mode(said.acknowledgement.value),
        tls=_tls(said),
    )


def _limits(said: config.Listener) -> limits.Limits:
    return limits.Limits(
        max_message_bytes=said.max_message_bytes,
        max_connections=said.max_connections,
        max_connections_per_address=said.max_connections_per_address,
        messages_per_second=said.messages_per_second,
        messages_per_second_per_connection=said.messages_per_second_per_connection,
        idle_seconds=said.idle_timeout.total_seconds(),
        message_seconds=said.message_timeout.total_seconds(),
    )


def _tls(said: config.Listener) -> ssl.SSLContext | None:
    return certificates.make_context(said.tls.files) if said.tls else None


def _refer(site: config.Config, store: database.Database, pulse: health.Pulse) -> whose.Refer | None:
    """Who tells a patient's other IDs; None where the site has no PIX manager."""
    manager = site.identity.pix
    if manager is None:
        return None
    ask = partial(pix.ask, manager, tls=manager.tls.make_context() if manager.tls else None, now=timing.now)
    return referrals.Referrals(manager=manager, ask=ask, store=store, now=timing.now, pulse=pulse).refer
