"""PURE: what an event makes of the orders we hold: which one it speaks of, and how it leaves that one.

An order is joined by any number that both sides know, unless a stronger number says that it is another
(one accession number may cover two procedures). Every change is an upsert: a first message may well be
a status change (field guide, 3.4). An event that changes nothing gives back the very same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, tzinfo
from typing import Any

from prefetch.model import Action, Order, OrderEvent, OrderStatus, Patient, Priority

KEYS = (
    "filler_order_number",
    "placer_order_number",
    "study_instance_uid",
    "accession_number",
    "filler_appointment_id",
    "placer_appointment_id",
)
"""The numbers that name an order, strongest witness first."""

# One of these differing on both sides says "another order", whatever weaker number agrees: a booking with
# several resource groups shares its appointment ID, two procedures may share an accession number.
_DECISIVE = (
    "filler_order_number",
    "placer_order_number",
    "scheduled_procedure_step_id",
    "study_instance_uid",
)

_PATIENT_FIELDS = {
    "patient_id": "patient_id",
    "issuer_of_patient_id": "issuer_of_patient_id",
    "patient_name": "name",
    "birth_date": "birth_date",
    "sex": "sex",
}
"""Event field → field of `model.Patient`."""

_ORDER_FIELDS = (
    *KEYS,
    "requested_procedure_id",
    "scheduled_procedure_step_id",
    "procedure_code",
    "procedure_description",
    "modality",
    "station_ae_title",
    "station_name",
    "location",
    "patient_class",
)
"""Fields of the same name and form in event and order."""

# dcm4chee orm/inbound.rst note 1 for the letters of table 0485/0027; the words as senders write them.
_PRIORITIES = {
    "S": Priority.STAT,
    "STAT": Priority.STAT,
    "E": Priority.STAT,
    "EMERGENCY": Priority.STAT,
    "A": Priority.HIGH,
    "ASAP": Priority.HIGH,
    "P": Priority.HIGH,
    "C": Priority.HIGH,
    "U": Priority.HIGH,
    "URGENT": Priority.HIGH,
    "HIGH": Priority.HIGH,
    "T": Priority.MEDIUM,
    "MEDIUM": Priority.MEDIUM,
}

_NO_MORE_WANTED = frozenset({OrderStatus.CANCELLED, OrderStatus.ON_HOLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is needed to place a time that a message sent."""

    zone: tzinfo
    start_of_day: time = time(8)


def read_priority(text: str | None) -> Priority:
    """The priority that a code or word means; routine where it means none that we know."""
    return _PRIORITIES.get((text or "").strip().upper(), Priority.ROUTINE)


def read_time(text: str | None, clock: Clock) -> datetime | None:
    """An aware time from `YYYY-MM-DD[THH:MM[:SS]][±hh:mm]`; in the site's zone where none was sent."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= len("2026-01-31"):
        moment = datetime.combine(moment.date(), clock.start_of_day)
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.zone)


def match(event: OrderEvent, candidates: Sequence[Order]) -> Order | None:
    """The order that an event speaks of, out of those that share a number with it."""
    for key in KEYS:
        value = getattr(event, key)
        if value is None:
            continue
        for order in candidates:
            if getattr(order, key) == value and not _contradicts(event, order, than=key):
                return order
    return None


def _contradicts(event: OrderEvent, order: Order, *, than: str) -> bool:
    stronger = _DECISIVE[: _DECISIVE.index(than)] if than in _DECISIVE else _DECISIVE
    if any(_differ(getattr(event, key), getattr(order, key)) for key in stronger):
        return True
    # Two hospitals may use the same accession number. An order number, though, stays the order's own when
    # it is given to the right patient at last; it is planned again under that patient's ID.
    weak = than not in _DECISIVE or _is_appointment(event, than)
    return weak and _differ(event.patient_id, order.patient.patient_id)


def _is_appointment(event: OrderEvent, key: str) -> bool:
    """Whether what stands for an order number is a booking's own: SCH-1/2 count from one in every system."""
    appointment = {
        "placer_order_number": event.placer_appointment_id,
        "filler_order_number": event.filler_appointment_id,
    }
    return key in appointment and getattr(event, key) == appointment[key]


def _differ(said: str | None, known: str | None) -> bool:
    return bool(said and known and said != known)


def create(event: OrderEvent, *, source: str, clock: Clock, now: datetime) -> Order | None:
    """The order that a first message makes; None where it makes none.

    A cancel of what was never known, a message about a patient only, or one without any number by which
    a later message could find the order again creates nothing.
    """
    if event.action not in {Action.NEW, Action.CHANGE} or not event.identifies_an_order:
        return None
    blank = Order(
        id=0,
        version=0,
        status=OrderStatus.SCHEDULED,
        patient=Patient(),
        source=source,
        created_at=now,
        changed_at=now,
    )
    return apply(blank, event, clock=clock, now=now)


def apply(order: Order, event: OrderEvent, *, clock: Clock, now: datetime) -> Order:
    """The order as the event leaves it: the very same object where nothing changes.

    A changed order has a higher version; where the change bears on its priors it is due for planning.
    """
    changes: dict[str, Any] = _said(event, _ORDER_FIELDS)
    changes["patient"] = _patient(order.patient, event)
    changes["status"] = _status(order.status, event)
    if event.priority is not None or "priority" in event.cleared:
        changes["priority"] = read_priority(event.priority)
    if (start := read_time(event.scheduled_start, clock)) is not None:
        changes["scheduled_start"] = start
    elif "scheduled_start" in event.cleared:
        changes["scheduled_start"] = None
    changed = replace(order, **changes)
    if changed == order and order.version:
        return order
    return replace(
        changed,
        version=order.version + 1,
        changed_at=now,
        message_time=read_time(event.message_time, clock) or order.message_time,
        plan_at=None if changed.status in _NO_MORE_WANTED else now,
        plan_attempts=0,
    )


def rekey(order: Order, event: OrderEvent, *, now: datetime) -> Order:
    """The order after its patient's ID was merged into, or changed to, another (ADT A40, A47)."""
    patient = replace(_patient(order.patient, event), patient_id=event.patient_id)
    if patient == order.patient:
        return order
    due = None if order.status in _NO_MORE_WANTED else now
    return replace(
        order, patient=patient, version=order.version + 1, changed_at=now, plan_at=due, plan_attempts=0
    )


def wants_nothing(order: Order) -> bool:
    """Whether the order's wants are to be withdrawn: it is cancelled, or on hold."""
    return order.status in _NO_MORE_WANTED


def is_emergency(order: Order) -> bool:
    """Whether the order goes in the STAT lane: by its priority, or by patient class E (HL7 table 0004)."""
    return order.priority is Priority.STAT or (order.patient_class or "").upper() == "E"


def _said(event: OrderEvent, names: Sequence[str]) -> dict[str, Any]:
    said = {name: None for name in names if name in event.cleared}
    said |= {name: value for name in names if (value := getattr(event, name)) is not None}
    return said


def _patient(patient: Patient, event: OrderEvent) -> Patient:
    said = _said(event, tuple(_PATIENT_FIELDS))
    return replace(patient, **{_PATIENT_FIELDS[name]: value for name, value in said.items()})


def _status(status: OrderStatus, event: OrderEvent) -> OrderStatus:
    if event.action is Action.CANCEL:
        return OrderStatus.CANCELLED
    if event.status is not None:
        return event.status
    if event.action is Action.NEW and status in _NO_MORE_WANTED:
        return OrderStatus.SCHEDULED
    return status
