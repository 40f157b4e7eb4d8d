"""What one message or worklist answer does to the orders in the store, in the transaction that marks it read.

The decisions are `orders`', purely; here they meet the rows. However often a message's process dies, the
message is applied once: its mark and its effects are one commit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypedDict

from prefetch import model, orders, patients
from prefetch.fieldpath import FieldPath
from prefetch.intake import hl7
from prefetch.model import Action
from prefetch.store import history, inbox, wants
from prefetch.store import orders as order_rows
from prefetch.store import patients as patient_rows
from prefetch.store.database import Connection
from prefetch.store.tables import MessageState


class _Said(TypedDict):
    """Who says an event, when, and what is needed to place it: the arguments of `orders.apply`."""

    source: str
    at: datetime
    heard_at: datetime
    clock: orders.Clock
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a message, and the orders that it changed."""

    state: MessageState
    because: str | None
    changed: tuple[model.Order, ...]


def apply_reading(
    connection: Connection,
    message: inbox.InboxMessage,
    reading: hl7.Reading,
    *,
    clock: orders.Clock,
    now: datetime,
    watched: Sequence[FieldPath] = (),
) -> Applied | None:
    """Apply one message and mark it read; None where somebody else has done so."""
    state = _fate(reading)
    # First the mark: of two that read the same message only one goes on.
    if not inbox.finish_message(connection, message.id, state, because=reading.problem, at=now):
        return None
    if reading.time_zone is not None:
        clock = replace(clock, zone=reading.time_zone)
    origin = Origin(
        source=message.source,
        heard_at=message.received_at,
        detail={
            "control_id": message.control_id,
            "message_type": message.message_type,
            "message_id": message.id,
        },
    )
    upserts = Upserts(connection=connection, origin=origin, clock=clock, now=now, watched=watched)
    changed = itertools.chain.from_iterable(map(upserts.apply, orders.first_steps(reading.events)))
    return Applied(state=state, because=reading.problem, changed=tuple(changed))


def apply_readings(
    connection: Connection,
    read: Iterable[tuple[inbox.InboxMessage, hl7.Reading]],
    *,
    clock: orders.Clock,
    now: datetime,
    watched: Sequence[FieldPath] = (),
) -> list[Applied | None]:
    """Apply messages one after the other; one that fails undoes them all."""
    return [apply_reading(connection, *each, clock=clock, now=now, watched=watched) for each in read]


def _fate(reading: hl7.Reading) -> MessageState:
    """What is not wholly understood is a dead letter, though what is understood of it is applied."""
    if reading.problem is not None:
        return MessageState.DEAD
    asked = any(event.action is not Action.IGNORE for event in reading.events)
    return MessageState.READ if asked else MessageState.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where events come from: what `explain` says of them."""

    source: str
    """The site's name of the listener or worklist."""
    heard_at: datetime
    detail: Mapping[str, object]
    """What names the message or the poll in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserts:
    """The events of one message or one worklist answer, applied one by one."""

    connection: Connection
    origin: Origin
    clock: orders.Clock
    now: datetime
    watched: Sequence[FieldPath] = ()
    """Places in messages that rules ask for."""

    def apply(self, event: model.OrderEvent, news: model.OrderEvent | None = None) -> Iterable[model.Order]:
        """Upsert what one event speaks of; gives the orders that it changed.

        `news` is the part of it that counts as said now: a worklist repeats the rest since long ago.
        """
        if event.action is Action.IGNORE:
            return self._plan_again(event) if event.moves_patient_data else ()
        if event.action is not Action.MERGE:
            event = self._as_it_lives_on(event)
            news = None if news is None else self._as_it_lives_on(news)
        if not event.identifies_an_order:
            return self._to_patient(event)
        candidates = order_rows.orders_sharing_keys(self.connection, event)
        order = orders.match(event, candidates)
        if order is None:
            return self._create(event, candidates)
        for twin in orders.twins(event, order, candidates):
            order = self._join(order, twin)
        if orders.speaks_of_all(event, order):
            booked = [each for each in candidates if orders.speaks_of_all(event, each)]
            return [kept for each in booked for kept in self._change(each, orders.of_all(event), None)]
        if event.service_ends and order.booked_service:
            event, news = replace(event, action=Action.CANCEL, booked_service=order.booked_service), None
        return self._change(order, event, news)

    def _create(self, event: model.OrderEvent, candidates: Sequence[model.Order]) -> Iterable[model.Order]:
        """Make the order of a first message; it and the orders that share a number with it say so."""
        if rebooked := orders.is_of_an_earlier_appointment(event, candidates):
            self._note(rebooked, "cancel_of_an_earlier_appointment")
            return ()
        said = self._said(event)
        created = orders.create(event, **said)
        if created is None:
            return ()
        since = orders.said_of_all_since(event, candidates, source=said["source"], at=said["at"])
        for each in since:
            created = orders.hear_of_all(created, each, clock=self.clock, now=self.now)
        kept = self._keep(created, "order_created")
        for other in candidates:
            self._note(other, "number_shared", {"with": kept.name, "with_id": kept.id})
            self._note(kept, "number_shared", {"with": other.name, "with_id": other.id})
        return (kept,)

    def _change(
        self, order: model.Order, event: model.OrderEvent, news: model.OrderEvent | None
    ) -> Iterable[model.Order]:
        after = orders.apply(order, news or event, watched=self.watched, **self._said(event))
        return self._changed(order, after, "order_changed")

    def _join(self, order: model.Order, twin: model.Order) -> model.Order:
        """Make one of two orders that turned out to be the same exam."""
        because = f"it is the same exam as {order.name}"
        wants.withdraw_wants(self.connection, twin.id, because=because, now=self.now)
        joined = orders.absorb(order, twin, clock=self.clock, now=self.now)
        order_rows.absorb_order(self.connection, order, twin)
        return self._keep(joined, "orders_joined")

    def _said(self, event: model.OrderEvent) -> _Said:
        """Who says an event, and when he said it."""
        heard_at = self.origin.heard_at
        at = orders.said_at(event.message_time, heard_at=heard_at, clock=self.clock)
        return {
            "source": self.origin.source,
            "at": at,
            "heard_at": heard_at,
            "clock": self.clock,
            "now": self.now,
        }

    def _changed(self, before: model.Order, after: model.Order, what: str) -> Iterable[model.Order]:
        """Keep what changed; where an event only repeats what is known, that it was said again."""
        if after.version != before.version:
            return (self._keep(after, what),)
        if after is not before:
            order_rows.save_sayings(self.connection, after)
        return ()

    def _to_patient(self, event: model.OrderEvent) -> Iterable[model.Order]:
        """A merge or a change of a patient's data, carried to all of that patient's orders (IHE RAD-12)."""
        if event.patient_id is None:
            return ()
        if event.action is Action.MERGE:
            return self._merge(event)
        known = self._orders_of(patients.said_by(event))
        after = ((order, self._demographics(order, event)) for order in known)
        return [kept for order, changed in after for kept in self._changed(order, changed, "order_changed")]

    def _merge(self, event: model.OrderEvent) -> Iterable[model.Order]:
        """Remember a merge, for orders that are still to come, and re-key those that are there."""
        prior, surviving = patients.prior_of(event), next(iter(patients.said_by(event)), None)
        if prior is None or surviving is None or prior == surviving:
            return ()
        patient_rows.record_merge(self.connection, prior=prior, surviving=surviving, at=self.now)
        event, said = self._as_it_lives_on(event), self._said(event)
        merged = partial(orders.rekey, source=said["source"], at=said["at"], now=self.now)
        after = ((order, merged(order, event)) for order in self._orders_of([prior]))
        return [kept for order, changed in after for kept in self._changed(order, changed, "patient_merged")]

    def _as_it_lives_on(self, event: model.OrderEvent) -> model.OrderEvent:
        """An event that still names an ID which was merged into another, under the other."""
        if event.patient_id is None:
            return event
        chosen, *others = patients.said_by(event)
        survivor = patient_rows.surviving_id(self.connection, chosen)
        if survivor == chosen:
            return event
        return replace(
            event,
            patient_id=survivor.patient_id,
            issuer_of_patient_id=survivor.issuer_of_patient_id,
            other_patient_ids=tuple(others),
        )

    def _plan_again(self, event: model.OrderEvent) -> Iterable[model.Order]:
        """Look again whose images they are, for the live orders of the patients that a message names."""
        named = [*patients.said_by(event), *filter(None, [patients.prior_of(event)])]
        live = [order for order in self._orders_of(named) if not orders.wants_nothing(order)]
        return [self._keep(orders.plan_again(order, now=self.now), "order_planned_again") for order in live]

    def _orders_of(self, ids: Iterable[model.PatientId]) -> list[model.Order]:
        """The orders of a patient by any of these IDs, each once; a family's numbers find none."""
        found = (
            order_rows.orders_of_patient(self.connection, one.patient_id, one.issuer_of_patient_id)
            for one in ids
            if not one.foreign
        )
        return list({order.id: order for order in itertools.chain.from_iterable(found)}.values())

    def _demographics(self, order: model.Order, event: model.OrderEvent) -> model.Order:
        """Only what an ADT message says of the person; its visit and its time are not the order's."""
        of_the_person = model.OrderEvent(
            action=Action.CHANGE,
            patient_id=event.patient_id,
            issuer_of_patient_id=event.issuer_of_patient_id,
            other_patient_ids=event.other_patient_ids,
            patient_name=event.patient_name,
            birth_date=event.birth_date,
            sex=event.sex,
            cleared=event.cleared & {"patient_name", "birth_date", "sex"},
        )
        return orders.apply(order, of_the_person, **self._said(event))

    def _note(self, order: model.Order, what: str, detail: Mapping[str, object] | None = None) -> None:
        """Record what a message meant for an order that it left as it is, so that `explain` can tell."""
        told: dict[str, object] = {"source": self.origin.source, **(detail or {}), **self.origin.detail}
        happening = model.Happening(at=self.now, what=what, order_id=order.id, detail=told)
        history.record(self.connection, happening)

    def _keep(self, order: model.Order, what: str) -> model.Order:
        kept = order_rows.save_order(self.connection, order)
        detail: dict[str, object] = {
            "version": kept.version,
            "status": kept.status.value,
            "source": self.origin.source,
            **self.origin.detail,
        }
        happening = model.Happening(at=self.now, what=what, order_id=kept.id, detail=detail)
        history.record(self.connection, happening)
        if orders.wants_nothing(kept):
            because = f"the order is {kept.status.value}"
            wants.withdraw_wants(self.connection, kept.id, because=because, now=self.now)
        return kept
