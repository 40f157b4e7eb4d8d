"""PURE: what an event makes of the orders we hold: which one it speaks of, and how it leaves that one.

An order is joined by any number that both sides know, unless a stronger number says that it is another
(one accession number may cover two procedures). Every change is an upsert: a first message may well be
a status change (field guide, 3.4). Field by field the freshest word holds (`provenance`), so the order in
which events come does not matter; an event that changes nothing leaves the version as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

from prefetch import lastmessage, patients, provenance
from prefetch.fieldpath import FieldPath
from prefetch.model import Action, Order, OrderEvent, OrderStatus, Patient, Priority, Saying

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

_DECISIVE_OR_ACCESSION = KEYS[: KEYS.index("accession_number") + 1]
"""Numbers by which one order can be told to be another."""

_PATIENT_FIELDS = {
    "patient_name": "name",
    "birth_date": "birth_date",
    "sex": "sex",
}
"""Event field → field of `model.Patient`; the IDs are joined by `patients`."""

_ORDER_FIELDS = (
    *KEYS,
    "accession_issuer",
    "placer_issuer",
    "filler_issuer",
    "booked_service",
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

_OF_PATIENT = ("patient_id", "issuer_of_patient_id", *_PATIENT_FIELDS)
_SAID = (*_OF_PATIENT, *_ORDER_FIELDS, "priority", "scheduled_start")
"""Fields of an event that are weighed by who said them last."""

_OF_PROGRESS = ("status", "version", "changed_at", "message_time", "sayings", "segments")
"""What differs in an order of which only its progress was told: that bears on no prior."""

_DAY = len("2026-01-31")

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
    """An aware time from `YYYY-MM-DD[THH:MM[:SS]][±hh:mm]`; in the site's zone where none was sent.

    `None` too for a year in which nobody has an exam: senders write 0001 or 9999 for "no time".
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    if len(text) <= _DAY:
        moment = datetime.combine(moment.date(), clock.start_of_day)
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.zone)


_YEARS = range(1900, 2200)


def said_at(message_time: str | None, *, heard_at: datetime, clock: Clock) -> datetime:
    """When a message was made (MSH-7): when it was heard where it does not say so, and never after that.

    A date alone puts no message before another. Of an hour that the clock shows twice it is the nearer one,
    and of the second or minute that was sent the end: else a message would be older than what came before it.
    """
    said = read_time(message_time, clock)
    if said is None or len(message_time or "") <= _DAY:
        return heard_at
    both = (said.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    nearest = min(both, key=lambda at: abs(at - heard_at))
    return min(nearest + _grain(message_time or ""), heard_at)


def _grain(text: str) -> timedelta:
    """How exact a time is that was sent."""
    clock = text[_DAY + 1 :].partition("+")[0].partition("-")[0]
    return timedelta(seconds=1) if len(clock) > len("08:30") else timedelta(minutes=1)


def match(event: OrderEvent, candidates: Sequence[Order]) -> Order | None:
    """The order that an event speaks of, out of those that share a number with it."""
    for key in KEYS:
        value = getattr(event, key)
        if value is None:
            continue
        found = [
            order
            for order in candidates
            if _have_in_common(event, order, key) and not _contradicts(event, order, than=key)
        ]
        if found:
            # One number may cover several procedures.
            return next((order for order in found if _is_same_procedure(event, order)), found[0])
    return None


_ISSUERS = {
    "accession_number": "accession_issuer",
    "placer_order_number": "placer_issuer",
    "filler_order_number": "filler_issuer",
}
"""Number → within whose numbers it counts: 1001 of the ward and 1001 of a practice are two."""


def _have_in_common(one: OrderEvent | Order, other: Order, key: str) -> bool:
    """Whether both have the same number, of the same issuer where both name one."""
    if getattr(one, key) != getattr(other, key):
        return False
    issuer = _ISSUERS.get(key)
    return issuer is None or not _differ(getattr(one, issuer), getattr(other, issuer))


def is_of_an_earlier_appointment(event: OrderEvent, candidates: Iterable[Order]) -> Order | None:
    """The order whose appointment a cancel does not end, for it has another by now."""
    if event.action is not Action.CANCEL:
        return None
    for order in candidates:
        ordered = any(
            getattr(event, key) and not _is_appointment(event, key) and _have_in_common(event, order, key)
            for key in _APPOINTMENTS
        )
        if ordered and _is_rebooked(event, order):
            return order
    return None


def _is_rebooked(event: OrderEvent, order: Order) -> bool:
    """Whether an event names an appointment, and the order has another."""
    return any(_differ(getattr(event, key), getattr(order, key)) for key in _APPOINTMENTS.values())


def speaks_of_all(event: OrderEvent, order: Order) -> bool:
    """Whether an event is about all that shares a number with the order: a cancel, a new time.

    The cancel of a booking may repeat a service, and is of all; that of an order is of what it names, and of
    all exams that the filler made of it where it names nothing but the placer's number.
    """
    names_one = event.procedure_code or event.procedure_description
    ends_a_booking = event.action is Action.CANCEL and any(
        getattr(event, key) for key in _APPOINTMENTS.values()
    )
    is_of_all = event.booked_service is None and (ends_a_booking or not names_one)
    is_one_of_several = order.booked_service is not None or _ends_an_order(event)
    return is_of_all and is_one_of_several and _is_of_booking(event, order)


def _ends_an_order(event: OrderEvent) -> bool:
    named = [key for key in (*_DECISIVE_OR_ACCESSION, *_APPOINTMENTS.values()) if getattr(event, key)]
    return event.action is Action.CANCEL and named == ["placer_order_number"]


def of_all(event: OrderEvent) -> OrderEvent:
    """What an event says of each exam of a booking: whatever tells one from the others is not of all."""
    return replace(event, **dict.fromkeys(_OF_ONE_SERVICE))  # type: ignore[arg-type] # texts, by name


def said_of_all_since(
    event: OrderEvent, candidates: Iterable[Order], *, source: str, at: datetime
) -> list[Saying]:
    """What its source said of a booking after one of its services (`at`), heard late: a cancel, a new time.

    It is kept with the services that had been heard of, and names none of them.
    """
    booked = [each for each in candidates if event.booked_service and _is_of_booking(event, each)]
    told = (provenance.latest(each.sayings, name) for each in booked for name in _OF_ALL)
    return [
        replace(saying, said={name: value})
        for saying in told
        if saying is not None and saying.source == source and saying.at > at
        for name, value in saying.said.items()
        if _is_said_of_all(name, value, saying)
    ]


_OF_ALL = ("status", "scheduled_start")


def _is_said_of_all(name: str, value: str | None, saying: Saying) -> bool:
    if name == "status":
        return value == OrderStatus.CANCELLED.value and "booked_service" not in saying.said
    names_one = saying.said.keys() & {"booked_service", "procedure_code", "procedure_description"}
    return name == "scheduled_start" and not names_one


_OF_ONE_SERVICE = ("procedure_code", "procedure_description", "modality", "station_ae_title", "station_name")


def _is_of_booking(event: OrderEvent, order: Order) -> bool:
    """Whether they share the number of a booking, or of an order that holds several procedures."""
    booked = any(
        (value := getattr(event, key)) and value == getattr(order, key) for key in _APPOINTMENTS.values()
    )
    placed = (
        event.placer_order_number is not None
        and event.placer_order_number == order.placer_order_number
        and not _differ(event.filler_order_number, order.filler_order_number)
    )
    return (booked or placed) and not patients.are_others(patients.said_by(event), order.patient.ids)


def _is_same_procedure(event: OrderEvent, order: Order) -> bool:
    return event.procedure_code is not None and event.procedure_code == order.procedure_code


def _is_other_service(event: OrderEvent, order: Order) -> bool:
    """Whether an event and an order are two services of a booking that share its numbers."""
    if event.booked_service and order.booked_service:
        return event.booked_service != order.booked_service
    several = event.booked_service or (order.booked_service and event.action is not Action.CANCEL)
    return bool(several) and _differ(event.procedure_code, order.procedure_code)


def twins(event: OrderEvent, order: Order, candidates: Sequence[Order]) -> list[Order]:
    """Other orders that an event shows to be the same exam: it names them too, and nothing speaks against it.

    So a RIS order that only its placer number named, and the worklist item that only its accession number
    did, become one when a message brings both.
    """
    return [
        other
        for other in candidates
        if other.id != order.id
        and any(_is_named(event, other, key) for key in _DECISIVE_OR_ACCESSION)
        and not _are_two(order, other)
    ]


def _is_named(event: OrderEvent, order: Order, key: str) -> bool:
    value = getattr(event, key)
    agree = bool(value) and _have_in_common(event, order, key) and not _is_appointment(event, key)
    return agree and not _contradicts(event, order, than=key)


def _are_two(one: Order, other: Order) -> bool:
    told_apart = (*_DECISIVE_OR_ACCESSION, "modality")
    own = (key for key in told_apart if not (_is_appointment(one, key) or _is_appointment(other, key)))
    if any(_differ(getattr(one, key), getattr(other, key)) for key in (*own, "booked_service")):
        return True
    return patients.are_others(one.patient.ids, other.patient.ids)


def first_steps(events: Iterable[OrderEvent]) -> list[OrderEvent]:
    """The events of one message, one for each exam: of several steps of a procedure the earliest.

    Else the steps would take turns as the exam's time with every message that names them all.
    """
    exams: list[OrderEvent] = []
    for event in events:
        same = next((n for n, known in enumerate(exams) if _is_step_of_the_same(event, known)), None)
        if same is None:
            exams.append(event)
        else:
            # min() gives the first of equals.
            exams[same] = min(exams[same], event, key=lambda each: each.scheduled_start or "~")
    return exams


def _is_step_of_the_same(event: OrderEvent, other: OrderEvent) -> bool:
    names = ("filler_order_number", "placer_order_number", "study_instance_uid")
    numbers = [(getattr(event, name), getattr(other, name)) for name in names]
    several = _differ(event.scheduled_procedure_step_id, other.scheduled_procedure_step_id)
    agree = any(ours and ours == theirs for ours, theirs in numbers)
    numbers += [(getattr(event, name), getattr(other, name)) for name in _OF_EXAM]
    return several and agree and event.action is other.action and not any(_differ(*pair) for pair in numbers)


def _contradicts(event: OrderEvent, order: Order, *, than: str) -> bool:
    stronger = _DECISIVE[: _DECISIVE.index(than)] if than in _DECISIVE else _DECISIVE
    if any(
        _differ(getattr(event, key), getattr(order, key)) for key in stronger if _decides(key, event, order)
    ):
        return True
    if than == "placer_order_number" and _are_two_exams_of_a_request(event, order):
        return True
    if event.action is Action.CANCEL and _is_rebooked(event, order) and not _is_appointment(event, than):
        return True
    if event.action is Action.NEW and _is_of_somebody_else(event, order):
        return True
    # Two hospitals may use the same accession number. An order number, though, stays the order's own when
    # it is given to the right patient at last; it is planned again under that patient's ID.
    weak = than not in _DECISIVE or _is_appointment(event, than)
    if event.booked_service and _is_other_service(event, order):
        return True
    others = _is_other_service(event, order) or patients.are_others(
        patients.said_by(event), order.patient.ids
    )
    return weak and others


_OF_EXAM = ("accession_number", "study_instance_uid", "requested_procedure_id")


def _are_two_exams_of_a_request(event: OrderEvent, order: Order) -> bool:
    """Whether one placer order number covers two exams: their own numbers differ.

    Where neither has any in common with the other, two new orders of another code and another modality do.
    """
    if event.filler_order_number and event.filler_order_number == order.filler_order_number:
        return False
    pairs = [(getattr(event, key), getattr(order, key)) for key in _OF_EXAM]
    told = [pair for pair in pairs if all(pair)]
    if told:
        return any(ours != theirs for ours, theirs in told)
    is_new = event.action is Action.NEW and event.booked_service is None and order.booked_service is None
    return (
        is_new
        and _differ(event.procedure_code, order.procedure_code)
        and _differ(event.modality, order.modality)
    )


def _is_of_somebody_else(event: OrderEvent, order: Order) -> bool:
    """Whether an order is for a person who has nothing in common with this one's but a number."""
    return (
        patients.are_others(patients.said_by(event), order.patient.ids)
        and _differ(event.birth_date, order.patient.birth_date)
        and _differ(_letters(event.patient_name), _letters(order.patient.name))
    )


def _letters(name: str | None) -> str:
    return "".join(char for char in (name or "").casefold() if char.isalpha())


def _decides(key: str, event: OrderEvent, order: Order) -> bool:
    """Steps of one Requested Procedure are one exam, and a number that is a booking's own decides nothing."""
    if key == "scheduled_procedure_step_id":
        procedure = event.requested_procedure_id
        return not procedure or procedure != order.requested_procedure_id
    return not (_is_appointment(event, key) or _is_appointment(order, key))


_APPOINTMENTS = {
    "placer_order_number": "placer_appointment_id",
    "filler_order_number": "filler_appointment_id",
}
"""Order number → the booking's own number that stands for it where a booking names no order."""


def _is_appointment(named: OrderEvent | Order, key: str) -> bool:
    """Whether what stands for an order number is a booking's own: SCH-1/2 count from one in every system."""
    own = getattr(named, _APPOINTMENTS[key]) if key in _APPOINTMENTS else None
    return own is not None and getattr(named, key) == own


def _prefer_own_numbers(order: Order, other: Order | OrderEvent) -> Order:
    """The order without those borrowed numbers for which the other side has an order number."""
    sayings = order.sayings
    for key in _APPOINTMENTS:
        if _is_appointment(order, key) and getattr(other, key) and not _is_appointment(other, key):
            sayings = provenance.forget(sayings, key)
    return order if sayings is order.sayings else replace(order, sayings=sayings)


def _without_borrowed(event: OrderEvent, order: Order) -> OrderEvent:
    """The event without those borrowed numbers for which the order has one of its own."""
    borrowed: dict[str, Any] = {
        key: None
        for key in _APPOINTMENTS
        if _is_appointment(event, key) and getattr(order, key) and not _is_appointment(order, key)
    }
    return replace(event, **borrowed) if borrowed else event


def _differ(said: str | None, known: str | None) -> bool:
    return bool(said and known and said != known)


def create(
    event: OrderEvent,
    *,
    source: str,
    at: datetime | None = None,
    heard_at: datetime | None = None,
    clock: Clock,
    now: datetime,
) -> Order | None:
    """The order that a first message makes; None where it makes none.

    A cancel may come before the order that it cancels: it is kept, so that what comes late stays cancelled.
    A message about a patient only, or one without any number by which a later message could find the order
    again, creates nothing.
    """
    if event.action not in {Action.NEW, Action.CHANGE, Action.CANCEL} or not event.identifies_an_order:
        return None
    if not event.creates:
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
    return apply(blank, event, source=source, at=at, heard_at=heard_at, clock=clock, now=now)


def apply(
    order: Order,
    event: OrderEvent,
    *,
    source: str = "",
    at: datetime | None = None,
    heard_at: datetime | None = None,
    clock: Clock,
    now: datetime,
    watched: Iterable[FieldPath] = (),
) -> Order:
    """The order as the event leaves it; who said it, and when (`at`; left out: now), is kept with it.

    What a source says later by its arrival (`heard_at`) is later, whatever time it writes.

    A changed order has a higher version; where the change bears on its priors it is due for planning. Where
    nothing changes the version stays, and where there is nothing new to keep it is the very same object. Of
    a message's other fields only those that rules ask for (`watched`) make a change.
    """
    event = _without_borrowed(_believed(event, order, clock), order)
    known = _prefer_own_numbers(order, event)
    at = provenance.time_in_order(known.sayings, source=source, at=at or now, heard_at=heard_at)
    saying = Saying(source=source, at=at, said=_words(event), heard_at=heard_at)
    sayings, fresh = provenance.hear(known.sayings, saying)
    segments = _segments(order, event, at)
    watched_differ = _differ_at(order.segments, segments, watched)
    changed = replace(
        order,
        sayings=sayings,
        segments=segments,
        patient=_patient(order.patient, event, fresh),
        status=_status(order.status, sayings, fresh),
        worklist=event.worklist or order.worklist,
        **_said(event, _ORDER_FIELDS, fresh),
        **_converted(event, fresh, clock),
    )
    same = replace(changed, sayings=order.sayings, segments=order.segments) == order
    if order.version and same and not watched_differ:
        return order if changed == order else changed
    changed = replace(
        changed,
        version=order.version + 1,
        changed_at=now,
        message_time=max(at, order.message_time or at),
    )
    return _due(order, changed, now, more=watched_differ)


def hear_of_all(order: Order, saying: Saying, *, clock: Clock, now: datetime) -> Order:
    """The order after what was said of its whole booking."""
    sayings, fresh = provenance.hear(order.sayings, saying)
    start = read_time(saying.said.get("scheduled_start"), clock)
    return _due(
        order,
        replace(
            order,
            sayings=sayings,
            status=_status(order.status, sayings, fresh),
            scheduled_start=start if "scheduled_start" in fresh else order.scheduled_start,
        ),
        now,
    )


def absorb(order: Order, other: Order, *, clock: Clock, now: datetime) -> Order:
    """The order after another turned out to be the same exam: of each field the freshest word of either."""
    sayings = provenance.merge(
        _prefer_own_numbers(order, other).sayings, _prefer_own_numbers(other, order).sayings
    )
    held = {name: saying.said[name] for name, saying in provenance.holding(sayings).items()}
    said = {name: value for name, value in held.items() if name in _SAID}
    deleted = frozenset(name for name, value in said.items() if value is None)
    event = OrderEvent(action=Action.CHANGE, cleared=deleted, **said)  # type: ignore[arg-type] # texts, by name
    newer = (other.message_time or other.created_at) > (order.message_time or order.created_at)
    changed = replace(
        order,
        sayings=sayings,
        segments=lastmessage.merge(order.segments, other.segments, newer=newer),
        patient=_patient(order.patient, event, frozenset(said)),
        status=_status(order.status, sayings, frozenset(held)),
        worklist=order.worklist or other.worklist,
        fetch_now=order.fetch_now or other.fetch_now,
        answers_since=max(filter(None, (order.answers_since, other.answers_since)), default=None),
        created_at=min(order.created_at, other.created_at),
        version=max(order.version, other.version) + 1,
        changed_at=now,
        message_time=max(filter(None, (order.message_time, other.message_time)), default=None),
        **_said(event, _ORDER_FIELDS),
        **_converted(event, frozenset(said), clock),
    )
    return _due(order, changed, now)


def rekey(
    order: Order, event: OrderEvent, *, source: str = "", at: datetime | None = None, now: datetime
) -> Order:
    """The order after its patient's ID was merged into, or changed to, another (ADT A40, A47).

    A merge that comes late holds all the same: the ID that it ends is nobody's any more.
    """
    said = {name: value for name, value in _words(event).items() if name in _OF_PATIENT}
    known = provenance.latest(order.sayings, "patient_id")
    at = max(at or now, known.at) if known else at or now
    sayings, fresh = provenance.hear(order.sayings, Saying(source=source, at=at, said=said))
    patient = _patient(patients.merge(order.patient, event), event, fresh)
    if patient == order.patient:
        return order
    changed = replace(order, patient=patient, sayings=sayings, version=order.version + 1, changed_at=now)
    return _due(order, changed, now)


def plan_again(order: Order, *, now: datetime) -> Order:
    """The same order, due for planning although nothing of it changed."""
    return replace(order, plan_at=now, plan_attempts=0)


def wants_nothing(order: Order) -> bool:
    """Whether the order's wants are to be withdrawn: it is cancelled, or on hold."""
    return order.status in _NO_MORE_WANTED


def is_emergency(order: Order) -> bool:
    """Whether the order goes in the STAT lane: by its priority, or by patient class E (HL7 table 0004)."""
    return order.priority is Priority.STAT or is_emergency_class(order.patient_class)


def is_emergency_class(patient_class: str | None) -> bool:
    """Whether PV1-2 says emergency, in the letter of HL7 table 0004 or in the word."""
    return (patient_class or "").strip().upper() in {"E", "EMERGENCY"}


def lane(order: Order) -> Priority:
    """The lane of the mover in which an order goes."""
    return Priority.STAT if is_emergency(order) else order.priority


def _words(event: OrderEvent) -> dict[str, str | None]:
    """All that an event says, in its own words; None is the explicit null."""
    return _said(event, _SAID) | _life(event)


def _life(event: OrderEvent) -> dict[str, str | None]:
    """What an event says of the exam's own life: a status, or that it is ordered."""
    if event.action is Action.CANCEL:
        return {"status": OrderStatus.CANCELLED.value}
    if event.status is not None:
        return {"status": event.status.value}
    return {"ordered": "yes"} if event.action is Action.NEW else {}


def _said(event: OrderEvent, names: Sequence[str], fresh: Container[str] | None = None) -> dict[str, Any]:
    """What an event says in these fields; with `fresh` only where its word holds."""
    said: dict[str, Any] = {name: None for name in names if name in event.cleared}
    said |= {name: value for name in names if (value := getattr(event, name)) is not None}
    return {name: value for name, value in said.items() if fresh is None or name in fresh}


def _believed(event: OrderEvent, order: Order, clock: Clock) -> OrderEvent:
    """The event without a time that is none, or no more than the day of a time that is known exactly."""
    start = event.scheduled_start
    if start is None:
        return event
    known = provenance.latest(order.sayings, "scheduled_start")
    exact = known.said["scheduled_start"] if known else None
    repeats_the_day = len(start) <= _DAY < len(exact or "") and (exact or "").startswith(start)
    is_time = read_time(start, clock) is not None
    return event if is_time and not repeats_the_day else replace(event, scheduled_start=None)


def _converted(event: OrderEvent, fresh: Container[str], clock: Clock) -> dict[str, Any]:
    """What an event says in the fields that the order holds in another form."""
    said = _said(event, ("priority", "scheduled_start"), fresh)
    convert: dict[str, Callable[[str | None], Any]] = {
        "priority": read_priority,
        "scheduled_start": lambda text: read_time(text, clock),
    }
    return {name: convert[name](value) for name, value in said.items()}


def _patient(patient: Patient, event: OrderEvent, fresh: Container[str]) -> Patient:
    identified = patients.identify(patient, event) if "patient_id" in fresh else patient
    said = _said(event, tuple(_PATIENT_FIELDS), fresh)
    return replace(identified, **{_PATIENT_FIELDS[name]: value for name, value in said.items()})


def _status(status: OrderStatus, sayings: provenance.Sayings, fresh: frozenset[str]) -> OrderStatus:
    """The status that was told last; an order that is sent anew after a cancel is not cancelled any more."""
    if not fresh & {"status", "ordered"}:
        return status
    told, ordered = (provenance.latest(sayings, name) for name in ("status", "ordered"))
    last = status if told is None else OrderStatus(str(told.said["status"]))
    anew = told is None or provenance.is_fresher(ordered, told, among=sayings)
    return OrderStatus.SCHEDULED if anew and last in _NO_MORE_WANTED else last


def _segments(order: Order, event: OrderEvent, at: datetime) -> lastmessage.Segments:
    """What is kept of the messages after this one, which may come late."""
    if not event.segments:
        return order.segments
    newer = order.message_time is None or at >= order.message_time
    return lastmessage.merge(order.segments, event.segments, newer=newer)


def _differ_at(before: lastmessage.Segments, after: lastmessage.Segments, paths: Iterable[FieldPath]) -> bool:
    return any(lastmessage.values(before, path) != lastmessage.values(after, path) for path in paths)


def _due(before: Order, after: Order, now: datetime, *, more: bool = False) -> Order:
    """The changed order, due for planning unless nothing is wanted, or only its progress was told.

    `more`: a place in its messages changed that rules ask for.
    """
    if after.status in _NO_MORE_WANTED:
        return replace(after, plan_at=None, plan_attempts=0)
    progress = {name: getattr(after, name) for name in _OF_PROGRESS}
    only_progress = before.version and replace(before, **progress) == after and not more
    if only_progress and before.status not in _NO_MORE_WANTED:
        return after
    return replace(after, plan_at=now, plan_attempts=0)
