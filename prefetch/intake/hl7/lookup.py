"""PURE: the values of one event, looked up in its segments place by place as the mapping has them.

Fields are read when a place is asked for and not before, and once only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prefetch import model
from prefetch.fieldpath import FieldPath
from prefetch.intake.header import Header
from prefetch.intake.hl7 import fields, patient, times
from prefetch.intake.hl7.groups import Scope
from prefetch.intake.hl7.mapping import Mapping, Place
from prefetch.intake.hl7.segments import Segment


@dataclass(slots=True)
class Values:
    """Values found so far, where they came from, and what was sent as the explicit null."""

    said: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    other_patient_ids: tuple[model.PatientId, ...] = ()

    def take(self, name: str, value: str | None, origin: str) -> None:
        """Keep a value, if there is one, with its origin."""
        if value:
            self.said[name] = value
            self.origins[name] = origin
            self.cleared.discard(name)

    def take_id(self, prefix: str, one: patient.PatientId | None, origin: str) -> None:
        """Keep a patient ID with its issuer; `prefix` is `prior_` for the one that a merge ends."""
        if one is not None:
            self.take(f"{prefix}patient_id", one.id, origin)
            self.take(f"{prefix}issuer_of_patient_id", one.issuer, f"{origin}.4")


class Lookup:
    """Looks values up in one message."""

    def __init__(self, header: Header, mapping: Mapping) -> None:
        self._header = header
        self._mapping = mapping
        self._read: dict[tuple[Segment, int], tuple[fields.Repetition, ...]] = {}

    def values(self, scope: Scope, names: Iterable[str]) -> Values:
        """What the mapping finds for these fields of an event, and the patient's name."""
        values = Values()
        for name in names:
            self._look_up(name, scope, values)
        names_sent = self._repetitions(scope, "PID", 5)
        values.take("patient_name", patient.read_name(names_sent), "PID-5")
        if any(repetition.is_null for repetition in names_sent):
            values.cleared.add("patient_name")
        return values

    def ids(self, scope: Scope) -> tuple[list[patient.PatientId], str]:
        """The patient's IDs, the one to take first, and which field they stand in."""
        return self._ids(scope, self._mapping.id_fields)

    def prior_ids(self, scope: Scope) -> tuple[list[patient.PatientId], str]:
        """The IDs that a merge ends, the one to take first, and which field they stand in."""
        return self._ids(scope, self._mapping.prior_id_fields)

    def _ids(self, scope: Scope, paths: Iterable[FieldPath]) -> tuple[list[patient.PatientId], str]:
        """The IDs in the first of these fields that holds any."""
        for path in paths:
            sent = self._repetitions(scope, path.segment, path.field)
            if ids := patient.read_ids(sent, self._mapping.id_order, self._mapping.authorities):
                return ids, f"{path.segment}-{path.field}"
        return [], ""

    def text(self, scope: Scope, name: str, number: int) -> str:
        """The first component of a field; "" where there is none."""
        return next((one.component(1) for one in self._repetitions(scope, name, number)), "")

    def _look_up(self, name: str, scope: Scope, values: Values) -> None:
        """The first value that is believed; the explicit null counts only where no place has one."""
        found = self._believed(name, scope, values)
        first = next(found, None)
        if first is None:
            return
        if name == "scheduled_start":
            first = times.weigh([first, *found], self._header)
        values.take(name, *first)

    def _believed(self, name: str, scope: Scope, values: Values) -> Iterator[tuple[str, str]]:
        """The values that are believed, in the order of their places, each with its origin."""
        translate = self._mapping.values.get(name, {})
        for place in self._mapping.places[name]:
            sent_here = list(self._sent(scope, place))
            for sent in sent_here if not place.alone or len(set(sent_here)) == 1 else ():
                if sent == fields.NULL:
                    values.cleared.add(name)
                elif value := place.form(translate.get(sent.strip().upper(), sent), self._header):
                    yield value, str(place.path)

    def _sent(self, scope: Scope, place: Place) -> Iterator[str]:
        path = place.path
        for segment in scope.all(path.segment):
            if place.only is not None and not place.only(segment, self._header):
                continue
            for repetition in self._field(segment, path.field):
                if repetition.is_null:
                    yield fields.NULL
                else:
                    yield repetition.component(path.component, path.subcomponent)

    def _repetitions(self, scope: Scope, name: str, number: int) -> list[fields.Repetition]:
        """A field's repetitions, in all segments of this name that the event may draw on."""
        return [one for segment in scope.all(name) for one in self._field(segment, number)]

    def _field(self, segment: Segment, number: int) -> tuple[fields.Repetition, ...]:
        text = segment.field(number)
        if not text:
            return ()
        key = (segment, number)
        if key not in self._read:
            name = f"{segment.name}_{number}"
            self._read[key] = fields.read_field(text, name, self._header.delimiters)
        return self._read[key]
