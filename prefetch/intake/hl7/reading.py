"""PURE: a raw message to what it says: the reader of the walk (design, section 2, step 2).

Decode, cut, group, then look up what the mapping asks for and nothing else. Whatever comes, a Reading comes
back: what cannot be understood has its reason in `problem`, and the feed goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from zoneinfo import ZoneInfo

from prefetch import errors
from prefetch.intake import charset, control
from prefetch.intake import header as headers
from prefetch.intake.header import AcknowledgmentCode, Header
from prefetch.intake.hl7 import forms, groups, keeping, lookup, patient, segments
from prefetch.intake.hl7 import mapping as mappings
from prefetch.intake.hl7.groups import Scope
from prefetch.intake.hl7.segments import Segment
from prefetch.model import Action, OrderEvent, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one message, or one batch in a frame, says."""

    header: Header | None
    acknowledgement: AcknowledgmentCode
    events: tuple[OrderEvent, ...] = ()
    origins: tuple[dict[str, str], ...] = ()
    """For each event: which place each of its values came from, as `OBR-4.2`."""
    sender: str | None = None
    """Whose mapping it was read by; None for the usual one."""
    time_zone: ZoneInfo | None = None
    """Of its times without a zone; None where that is the site's."""
    problem: str | None = None
    """Why it was not understood, or not wholly; None where all is well or it is of no interest."""

    @property
    def message_type(self) -> str:
        """`ORM^O01`; "" without a header."""
        return self.header.type_and_trigger if self.header else ""


@dataclass(frozen=True, slots=True)
class _Said:
    """One event, where its values came from, and what is wrong with it."""

    event: OrderEvent
    origins: dict[str, str]
    problem: str | None = None


_USUAL = mappings.Senders()


def read_message(raw: bytes, *, senders: mappings.Senders = _USUAL, listener: str = "") -> Reading:
    """Read one message, or a batch, that came in by this listener, as its sender writes; never raises."""
    header = headers.read_header(raw)
    if header is None:
        return Reading(
            header=None,
            acknowledgement=AcknowledgmentCode.REJECTED,
            problem=headers.why_unreadable(raw),
        )
    said: list[_Said] = []
    problem = None
    mapping = senders.mapping(header, listener)
    try:
        for each, message in _messages(raw, header, mapping):
            said += _read(each, message, mapping if each is header else senders.mapping(each, listener))
    except errors.UnreadableMessageError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 (one poison message must not stop the feed; it becomes a dead letter)
        problem = f"our reader failed on it: {type(error).__name__}: {error}"
    return Reading(
        header=header,
        acknowledgement=AcknowledgmentCode.ACCEPTED,
        events=tuple(one.event for one in said),
        origins=tuple(one.origins for one in said),
        sender=mapping.sender,
        time_zone=mapping.time_zone,
        problem=problem or next((one.problem for one in said if one.problem), None),
    )


def lines(raw: bytes, *, senders: mappings.Senders = _USUAL, listener: str = "") -> list[str]:
    """The segments of a message as text, one a line, as they are cut; for people."""
    header = headers.read_header(raw)
    if header is None:
        return charset.decode(raw).text.splitlines()
    text = _decode(raw, header, senders.mapping(header, listener))
    cut = segments.cut(text, header.delimiters)
    return [header.delimiters.field.join(segment.fields).replace("\n", " ⏎ ") for segment in cut]


_NOT_SHOWN = frozenset({"worklist", "segments"})
"""Fields of an event that only repeat what it was read from."""


def to_json(event: OrderEvent) -> dict[str, Any]:
    """An event as `prefetch read --json` prints it: the keys of the model, in its order."""
    values = {
        field.name: getattr(event, field.name) for field in fields(event) if field.name not in _NOT_SHOWN
    }
    others = [asdict(one) for one in event.other_patient_ids]
    return values | {"cleared": sorted(event.cleared), "other_patient_ids": others}


def _messages(
    raw: bytes, header: Header, mapping: mappings.Mapping
) -> Iterator[tuple[Header, Sequence[Segment]]]:
    """The messages of interest in a frame: nearly always one, or none, which then is not even decoded."""
    if not headers.is_of_interest(header) and raw.count(b"MSH") == 1:
        return
    text = _decode(raw, header, mapping)
    found = list(segments.messages(segments.cut(text, header.delimiters)))
    if not found:
        raise errors.UnreadableMessageError("its text, decoded, has no MSH segment left")
    for number, message in enumerate(found):
        line = header.delimiters.field.join(message[0].fields)
        each = header if number == 0 else headers.read_header(line.encode())
        if each is not None and headers.is_of_interest(each):
            yield each, message


def _decode(raw: bytes, header: Header, mapping: mappings.Mapping) -> str:
    return headers.decode(raw, header, usual=mapping.character_set).text


def _read(header: Header, message: Sequence[Segment], mapping: mappings.Mapping) -> Iterator[_Said]:
    reader = _Reader(header, message, lookup.Lookup(header, mapping))
    if header.message_type in control.ORDERS:
        return reader.orders()
    return reader.appointment() if header.message_type == "SIU" else reader.patients()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one message of interest."""

    header: Header
    message: Sequence[Segment]
    search: lookup.Lookup

    def orders(self) -> Iterator[_Said]:
        """ORM, OMI, OMG: an event an order; results sent along with an order (PR) are none."""
        scopes = groups.order_scopes(self.message)
        if not scopes:
            raise errors.UnreadableMessageError("neither ORC nor OBR: no order in it")
        ordered: list[_Said] = []
        for scope in scopes:
            order_control, order_status = (self.search.text(scope, "ORC", number) for number in (1, 5))
            effect = control.order_effect(order_control, order_status)
            if effect.action is not Action.IGNORE or len(scopes) == 1:
                by_status = control.status_decides(order_control, order_status)
                place = "ORC-5" if by_status else "ORC-1" if order_control else ""
                ordered.append(self._of_order(effect, scope, place))
        yield from _tell_procedures_apart(ordered) if len(ordered) > 1 else ordered

    def appointment(self) -> Iterator[_Said]:
        """SIU: an event a booked service."""
        scopes = groups.service_scopes(self.message)
        said = (self.search.text(scopes[0], "SCH", number) for number in (25, 26))  # 26: shifted by one
        status = next(filter(control.is_status, said), "")
        effect = control.appointment_effect(self.header.trigger, status)
        ends = self._services_that_end(scopes)
        booked = [self._of_order(effect, scope, "MSH-9.2") for scope in scopes]
        booked = [
            replace(said, event=replace(said.event, service_ends=end))
            for said, end in zip(booked, ends, strict=True)
        ]
        yield from _tell_apart(booked) if len(booked) > 1 else booked

    def _services_that_end(self, scopes: Sequence[Scope]) -> list[bool]:
        """Which services AIS-2 deletes (table 0206); where it deletes none, what the trigger says of all."""
        codes = [self.search.text(scope, "AIS", 2).upper() for scope in scopes]
        if "D" in codes:
            return [code == "D" for code in codes]
        return [self.header.trigger in control.SERVICE_ENDS and code != "X" for code in codes]

    def patients(self) -> Iterator[_Said]:
        """ADT: one event, or one for each merge."""
        scopes = groups.patient_scopes(self.message)
        if not scopes:
            raise errors.UnreadableMessageError("no PID: it names no patient")
        effect = control.PATIENT.get(self._trigger(), control.Effect(action=Action.IGNORE))
        if effect.action is not Action.MERGE:
            values = self._values(scopes[0], mappings.PATIENT_FIELDS)
            if effect.moves:
                prior, place = self.search.prior_ids(scopes[0])
                values.take_id("prior_", next(iter(prior), None), place)
            yield self._made(effect, values, "MSH-9.2")
            return
        for scope in scopes:
            yield from self._merges(effect, scope)

    def _merges(self, effect: control.Effect, scope: Scope) -> Iterator[_Said]:
        surviving, place = self.search.ids(scope)
        prior, prior_place = self.search.prior_ids(scope)
        pairs: list[tuple[patient.PatientId | None, patient.PatientId | None]]
        pairs = [*patient.read_merges(surviving, prior)]
        problem = None
        if not pairs:
            pairs = [(next(iter(surviving), None), next(iter(prior), None))]
            problem = _why_no_merge(surviving, prior)
        for survivor, old in pairs:
            values = self.search.values(scope, mappings.PATIENT_FIELDS)
            values.take_id("", survivor, place)
            values.take_id("prior_", old, prior_place)
            yield self._made(effect, values, "MSH-9.2", problem)

    def _of_order(self, effect: control.Effect, scope: Scope, place: str) -> _Said:
        made = self._made(effect, self._values(scope, mappings.ALL_FIELDS), place)
        segments = keeping.keep(scope, self.header.delimiters)
        said = replace(made, event=_named(replace(made.event, segments=segments)))
        if said.event.identifies_an_order or effect.action is Action.IGNORE:
            return said
        return _Said(said.event, said.origins, "no order, accession or appointment number: no order to keep")

    def _values(self, scope: Scope, names: Sequence[str]) -> lookup.Values:
        values = self.search.values(scope, names)
        ids, place = self.search.ids(scope)
        values.take_id("", next(iter(ids), None), place)
        values.other_patient_ids = patient.others(ids)
        return values

    def _made(
        self, effect: control.Effect, values: lookup.Values, place: str, problem: str | None = None
    ) -> _Said:
        """The event that these values make; `place` is where it is read what they are to do."""
        sent = forms.time(self.header.message_time, self.header)
        status = effect.status
        # Some senders book with SC and "in process": an exam of tomorrow is not in progress.
        if (
            status is OrderStatus.IN_PROGRESS
            and values.said.get("scheduled_start", "")[:16] > (sent or "9")[:16]
        ):
            status = OrderStatus.SCHEDULED
        said: dict[str, Any] = dict(values.said)
        event = OrderEvent(
            action=effect.action,
            status=status,
            creates=effect.creates,
            moves_patient_data=effect.moves,
            message_time=sent,
            cleared=frozenset(values.cleared),
            other_patient_ids=values.other_patient_ids,
            **said,
        )
        origins = {"action": place, **values.origins, "message_time": "MSH-7"}
        return _Said(event, origins, problem)

    def _trigger(self) -> str:
        """MSH-9.2, or EVN-1 where that is empty: MSH-9 may be the type alone."""
        event = next((segment for segment in self.message if segment.name == "EVN"), None)
        return self.header.trigger or (event.field(1).strip().upper() if event else "")


def _named(event: OrderEvent) -> OrderEvent:
    """An event that no number names, by patient, service and day: what a booking without numbers has."""
    service = _procedure(event)
    if event.identifies_an_order or not (event.patient_id and service and event.scheduled_start):
        return event
    day = event.scheduled_start[: forms.DAY]
    return replace(event, filler_appointment_id=f"{event.patient_id} {service} {day}")


def _tell_apart(booked: Sequence[_Said]) -> Iterator[_Said]:
    """Services of one booking that no order number names, each with what names it in every such message."""
    known: Counter[str] = Counter()
    for said in booked:
        event = said.event
        if _is_ordered(event):
            yield said
            continue
        service = _procedure(event) or "service"
        known[service] += 1
        name = service if known[service] == 1 else f"{service} ({known[service]})"
        yield replace(said, event=replace(event, booked_service=name))


def _tell_procedures_apart(ordered: Sequence[_Said]) -> Iterator[_Said]:
    """Procedures of one order that share all its numbers, each with what names it in every such message.

    Steps of a procedure, which have numbers of their own, are one exam.
    """
    procedures: dict[tuple[str | None, ...], set[str | None]] = {}
    for said in ordered:
        procedures.setdefault(_numbers(said.event), set()).add(_procedure(said.event))
    for said in ordered:
        several = len(procedures[_numbers(said.event)]) > 1
        is_step = said.event.scheduled_procedure_step_id is not None
        service = _procedure(said.event) if several and not is_step else None
        yield replace(said, event=replace(said.event, booked_service=service))


def _numbers(event: OrderEvent) -> tuple[str | None, ...]:
    return (
        *(event.placer_order_number, event.filler_order_number, event.study_instance_uid),
        *(event.accession_number, event.requested_procedure_id),
    )


def _procedure(event: OrderEvent) -> str | None:
    return event.procedure_code or event.procedure_description


def _is_ordered(event: OrderEvent) -> bool:
    """Whether an order number names it, and not only the booking's own."""
    return (
        event.placer_order_number != event.placer_appointment_id
        or event.filler_order_number != event.filler_appointment_id
    )


def _why_no_merge(surviving: Sequence[patient.PatientId], prior: Sequence[patient.PatientId]) -> str:
    if not prior:
        return "merges nothing: no prior patient ID (MRG-1)"
    return "merges a patient ID into itself" if surviving else "merges into nobody: no patient ID (PID-3)"
