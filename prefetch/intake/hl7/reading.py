"""PURE: a raw message to what it says: the reader of the walk (design, section 2, step 2).

Decode, cut, group, then look up what the mapping asks for and nothing else. Whatever comes, a Reading comes
back: what cannot be understood has its reason in `problem`, and the feed goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefetch import errors, model
from prefetch.intake import charset, control
from prefetch.intake import header as headers
from prefetch.intake.header import AcknowledgmentCode, Header
from prefetch.intake.hl7 import fields, forms, groups, mapping, patient, segments
from prefetch.intake.hl7.groups import Scope
from prefetch.model import Action, OrderEvent, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one message, or one batch in a frame, says."""

    header: Header | None
    acknowledgement: AcknowledgmentCode
    events: tuple[OrderEvent, ...] = ()
    origins: tuple[dict[str, str], ...] = ()
    """For each event: which place each of its values came from, as `OBR-4.2`."""
    problem: str | None = None
    """Why it was not understood, or not wholly; None where all is well or it is of no interest."""

    @property
    def message_type(self) -> str:
        """`ORM^O01`; "" without a header."""
        return self.header.type_and_trigger if self.header else ""


@dataclass(slots=True)
class _Values:
    """Values found so far, with where they came from."""

    said: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)

    def take(self, name: str, value: str | None, origin: str) -> None:
        if value:
            self.said[name] = value
            self.origins[name] = origin


def read_message(raw: bytes, *, mapping: mapping.Mapping = mapping.DEFAULT) -> Reading:
    """Read one message, or a batch; never raises."""
    header = headers.read_header(raw)
    if header is None:
        return Reading(
            header=None,
            acknowledgement=AcknowledgmentCode.REJECTED,
            problem="no MSH segment at the beginning: not an HL7 v2 message",
        )
    found: list[tuple[OrderEvent, _Values]] = []
    problem = None
    try:
        for each_header, message in _messages(raw, header):
            if headers.is_of_interest(each_header):
                found += _Reader(each_header, message, mapping).read()
    except errors.UnreadableMessageError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 (one poison message must not stop the feed; it becomes a dead letter)
        problem = f"our reader failed on it: {type(error).__name__}: {error}"
    return Reading(
        header=header,
        acknowledgement=AcknowledgmentCode.ACCEPTED,
        events=tuple(event for event, _ in found),
        origins=tuple(values.origins for _, values in found),
        problem=problem,
    )


def _messages(raw: bytes, header: Header) -> Iterator[tuple[Header, Sequence[segments.Segment]]]:
    """The messages of a frame, nearly always one."""
    if not headers.is_of_interest(header) and raw.count(b"MSH") == 1:
        return
    decoded = charset.decode(raw, declared=header.charset, country=header.country, language=header.language)
    cut = segments.cut(decoded.text, header.delimiters)
    for number, message in enumerate(segments.messages(cut)):
        if number == 0:
            yield header, message
        elif other := headers.read_header(header.delimiters.field.join(message[0].fields).encode()):
            yield other, message


class _Reader:
    """Reads one message of interest."""

    def __init__(self, header: Header, message: Sequence[segments.Segment], mapping: mapping.Mapping) -> None:
        self._header = header
        self._message = message
        self._mapping = mapping
        self._cache: dict[tuple[segments.Segment, int], tuple[fields.Repetition, ...]] = {}

    def read(self) -> Iterator[tuple[OrderEvent, _Values]]:
        if self._header.message_type in control.ORDERS:
            return self._orders()
        if self._header.message_type == "SIU":
            return self._appointment()
        return self._patients()

    def _orders(self) -> Iterator[tuple[OrderEvent, _Values]]:
        scopes = groups.order_scopes(self._message)
        if not scopes:
            raise errors.UnreadableMessageError("neither ORC nor OBR: no order in it")
        for scope in scopes:
            effect = control.order_effect(self._text(scope, "ORC", 1), self._text(scope, "ORC", 5))
            if effect.action is not Action.IGNORE or len(scopes) == 1:
                yield self._event(effect, scope, mapping.ALL_FIELDS)

    def _appointment(self) -> Iterator[tuple[OrderEvent, _Values]]:
        scopes = groups.service_scopes(self._message)
        effect = control.appointment_effect(self._header.trigger, self._text(scopes[0], "SCH", 25))
        for scope in scopes:
            yield self._event(effect, scope, mapping.ALL_FIELDS)

    def _patients(self) -> Iterator[tuple[OrderEvent, _Values]]:
        scopes = groups.patient_scopes(self._message)
        if not scopes:
            raise errors.UnreadableMessageError("no PID: it names no patient")
        effect = control.PATIENT.get(self._trigger(), control.Effect(action=Action.IGNORE))
        if effect.action is not Action.MERGE:
            yield self._event(effect, scopes[0], mapping.PATIENT_FIELDS)
            return
        merges = [merge for scope in scopes for merge in self._merges(effect, scope)]
        if not merges:
            raise errors.UnreadableMessageError("no prior patient ID (MRG-1), or no surviving one (PID-3)")
        yield from merges

    def _merges(self, effect: control.Effect, scope: Scope) -> Iterator[tuple[OrderEvent, _Values]]:
        surviving, place = self._ids(scope, "PID", (3, 2, 4))
        for segment in scope.all("MRG"):
            prior, prior_place = self._ids(Scope((segment,), ()), "MRG", (1, 4))
            for survivor, old in patient.read_merges(surviving, prior):
                values = self._values(scope, mapping.PATIENT_FIELDS)
                _take_id(values, "", survivor, place)
                _take_id(values, "prior_", old, prior_place)
                yield self._made(effect, values), values

    def _trigger(self) -> str:
        """MSH-9.2, or EVN-1 where that is empty (field guide: MSH-9 may be the type alone)."""
        event = Scope(tuple(self._message), ()).first("EVN")
        return self._header.trigger or (event.field(1).strip().upper() if event else "")

    # --- values ---------------------------------------------------------------------------------

    def _event(
        self, effect: control.Effect, scope: Scope, names: Iterable[str]
    ) -> tuple[OrderEvent, _Values]:
        values = self._values(scope, names)
        ids, place = self._ids(scope, "PID", (3, 2, 4))
        if ids:
            _take_id(values, "", ids[0], place)
        return self._made(effect, values), values

    def _made(self, effect: control.Effect, values: _Values) -> OrderEvent:
        sent = forms.time(self._header.message_time, self._header)
        status = effect.status
        start = values.said.get("scheduled_start")
        # Some senders book with SC and "in process": an exam of tomorrow is not in progress.
        if status is OrderStatus.IN_PROGRESS and start and sent and start[:16] > sent[:16]:
            status = OrderStatus.SCHEDULED
        return OrderEvent(
            action=effect.action,
            status=status,
            message_time=sent,
            cleared=frozenset(values.cleared),
            **values.said,
        )

    def _values(self, scope: Scope, names: Iterable[str]) -> _Values:
        values = _Values()
        for name in names:
            self._look_up(name, scope, values)
        for segment in scope.all("PID"):
            values.take("patient_name", patient.read_name(self._repetitions(segment, 5)), "PID-5")
        return values

    def _look_up(self, name: str, scope: Scope, values: _Values) -> None:
        """The first value that is believed; the explicit null only where no place has one."""
        translate = self._mapping.values.get(name, {})
        for place in self._mapping.places[name]:
            for sent in self._sent(scope, place.path):
                if sent == fields.NULL:
                    values.cleared.add(name)
                    continue
                value = place.form(translate.get(sent.strip().upper(), sent), self._header)
                if value is not None:
                    values.take(name, value, str(place.path))
                    values.cleared.discard(name)
                    return

    def _sent(self, scope: Scope, path: mapping.Path) -> Iterator[str]:
        for segment in scope.all(path.segment):
            for repetition in self._repetitions(segment, path.field):
                yield (
                    fields.NULL
                    if repetition.is_null
                    else repetition.component(path.component, path.subcomponent)
                )

    def _ids(self, scope: Scope, name: str, numbers: Iterable[int]) -> tuple[list[patient.PatientId], str]:
        """The IDs of the first of these fields that holds any, and which field that is."""
        for number in numbers:
            for segment in scope.all(name):
                if ids := patient.read_ids(self._repetitions(segment, number)):
                    return ids, f"{name}-{number}"
        return [], ""

    def _text(self, scope: Scope, name: str, number: int) -> str:
        segment = scope.first(name)
        repetitions = self._repetitions(segment, number) if segment else ()
        return repetitions[0].component(1) if repetitions else ""

    def _repetitions(self, segment: segments.Segment, number: int) -> tuple[fields.Repetition, ...]:
        text = segment.field(number)
        if not text:
            return ()
        key = (segment, number)
        if key not in self._cache:
            name = f"{segment.name}_{number}"
            self._cache[key] = fields.read_field(text, name, self._header.delimiters)
        return self._cache[key]


def _take_id(values: _Values, prefix: str, one: patient.PatientId, origin: str) -> None:
    values.take(f"{prefix}patient_id", one.id, origin)
    values.take(f"{prefix}issuer_of_patient_id", one.issuer, f"{origin}.4")


def to_json(event: OrderEvent) -> dict[str, Any]:
    """An event as `prefetch read --json` prints it: the keys of the model, in its order."""
    return {name: _plain(getattr(event, name)) for name in model.OrderEvent.__dataclass_fields__}


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value
