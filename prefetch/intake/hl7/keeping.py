"""PURE: a message's segments as they are kept with its order: cut at the delimiters, escapes resolved.

Nothing is interpreted here, so that any place in a message can be asked for, a sender's own segments too.
"""

from __future__ import annotations

from collections.abc import Callable
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
    said = list(segment.fields[1:])
    if segment.name == "MSH":  # MSH-1 is the separator itself, and MSH-2 is not to be cut
        return [segment.name, delimiters.field, *said[:1], *(_field(one, delimiters) for one in said[1:])]
    while said and not said[-1]:
        said.pop()
    return [segment.name, *(_field(one, delimiters) for one in said)]


def _field(text: str, delimiters: Delimiters) -> Any:
    """A field's repetitions, components and subcomponents; most fields are empty."""
    if not text:
        return ""

    def value(said: str) -> str:
        plain = fields.unescape(said, delimiters).strip()
        return "" if plain == fields.NULL else plain[: lastmessage.MOST_LETTERS]

    def component(said: str) -> Any:
        return _cut(said, delimiters.subcomponent, value)

    def repetition(said: str) -> Any:
        return _cut(said, delimiters.component, component)

    return _cut(text, delimiters.repetition, repetition)


def _cut(text: str, separator: str, read: Callable[[str], Any]) -> Any:
    """The parts of a text, each read; a text by itself where nothing was cut."""
    if separator not in text:
        alone = read(text)
        return alone if isinstance(alone, str) else [alone]
    return [read(part) for part in text.split(separator)]
