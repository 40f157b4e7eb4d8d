"""PURE: a message's segments as they are kept with its order: cut at the delimiters, escapes resolved.

Nothing is interpreted here, so that any place in a message can be asked for, a sender's own segments too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from prefetch import lastmessage
from prefetch.intake.header import Delimiters
from prefetch.intake.hl7 import fields
from prefetch.intake.hl7.groups import Scope
from prefetch.intake.hl7.segments import Segment


def keep(scope: Scope, delimiters: Delimiters) -> lastmessage.Segments:
    """What an event may draw on, its own segments instead of the message's of the same name."""
    own = {segment.name for segment in scope.own}
    drawn = [*scope.own, *(segment for segment in scope.common if segment.name not in own)]
    kept = [segment for segment in drawn if segment.name not in lastmessage.NOT_KEPT]
    return tuple(_segment(segment, delimiters) for segment in kept[: lastmessage.MOST_SEGMENTS])


def _segment(segment: Segment, delimiters: Delimiters) -> lastmessage.Segment:
    values = list(segment.fields[1:])
    if segment.name == "MSH":  # MSH-1 is the separator itself, and MSH-2 is not to be cut
        read = (_field(text, f"MSH_{number}", delimiters) for number, text in enumerate(values[1:], 3))
        return [segment.name, delimiters.field, *values[:1], *read]
    while values and not values[-1]:
        values.pop()
    return [
        segment.name,
        *(_field(text, f"{segment.name}_{number}", delimiters) for number, text in enumerate(values, 1)),
    ]


def _field(text: str, name: str, delimiters: Delimiters) -> Any:
    """A field's repetitions, components and subcomponents; most fields are empty."""
    if not text:
        return ""

    def value(said: str) -> str:
        plain = fields.unescape(said, delimiters).strip()
        return "" if plain == fields.NULL else plain[: lastmessage.MOST_LETTERS]

    def component(text: str, place: int) -> Any:
        return _cut(fields.parts_of(text, name, place, delimiters), lambda part, _: value(part))

    def repetition(text: str, _: int) -> Any:
        return _cut(text.split(delimiters.component), component)

    return _cut(text.split(delimiters.repetition), repetition)


def _cut(parts: Sequence[str], read: Callable[[str, int], Any]) -> Any:
    """The parts of a text, each read with its place; a text by itself where nothing was cut."""
    if len(parts) == 1:
        alone = read(parts[0], 1)
        return alone if isinstance(alone, str) else [alone]
    return [read(part, place) for place, part in enumerate(parts, 1)]
