"""PURE: what the last messages of an order said, field by field, as it is kept with the order.

A segment is its name and its fields as numbered in the standard. A field is a text, or a list of repetitions;
a repetition is a text, or a list of components; a component is a text, or a list of subcomponents. So rules
may ask for any place in a message long after the message itself is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prefetch.fieldpath import FieldPath

Segment = Sequence[Any]
Segments = Sequence[Segment]

NOT_KEPT = frozenset({"NK1", "GT1", "IN1", "IN2", "IN3", "ACC", "UB1", "UB2"})
"""Relatives, payers and accidents: persons and matters that choose no priors."""

MOST_SEGMENTS = 100
MOST_LETTERS = 500
"""Of one value; what rules compare is shorter, and a document in OBX-5 is not."""


def merge(known: Segments, said: Segments, *, newer: bool) -> Segments:
    """What is known after one more message: segments of a name are those of the newest that had any."""
    first, second = (said, known) if newer else (known, said)
    names = {segment[0] for segment in first}
    return (*first, *(segment for segment in second if segment[0] not in names))[:MOST_SEGMENTS]


def values(segments: Segments, path: FieldPath) -> tuple[str, ...]:
    """All that is said at a place: of every segment of that name, every repetition."""
    found: list[str] = []
    for segment in segments:
        if segment[0] == path.segment and path.field < len(segment):
            found += _in_field(segment[path.field], path)
    return tuple(value for value in dict.fromkeys(found) if value)


def _in_field(said: Any, path: FieldPath) -> Iterable[str]:
    for repetition in _listed(said):
        component = _part(repetition, path.component)
        yield _part(component, path.subcomponent)


def _part(said: Any, number: int) -> Any:
    parts = _listed(said)
    return parts[number - 1] if number <= len(parts) else ""


def _listed(said: Any) -> Sequence[Any]:
    return [said] if isinstance(said, str) else said
