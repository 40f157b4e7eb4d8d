"""Values of an order that are read from places in its message, or from a worklist's attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prefetch.fieldpath import FieldPath
from prefetch.rules.values import OrderValue


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a value stands: the first group of places that says anything, else the first such attribute."""

    places: tuple[tuple[FieldPath, ...], ...]
    keywords: tuple[str, ...]


def _places(*groups: str) -> tuple[tuple[FieldPath, ...], ...]:
    return tuple(tuple(map(FieldPath.parse, group.split())) for group in groups)


SOURCES = {
    # dcm4chee orm/inbound.rst: ORC-17 is the Requesting Service (0032,1033).
    "referring_unit": Sources(_places("ORC-17.1 ORC-17.2", "ORC-21.1", "PV1-10.1"), ("RequestingService",)),
    # IHE RAD TF-2 4.4.4.1.2.2: PV1-8 is the Referring Physician (0008,0090), OBR-16 the requesting one.
    "referring_physician": Sources(
        _places("PV1-8.1 PV1-8.2", "OBR-16.1 OBR-16.2", "ORC-12.1 ORC-12.2"),
        ("ReferringPhysicianName", "RequestingPhysician"),
    ),
}
"""Name of a value → its sources."""


def watched(values: Iterable[OrderValue]) -> Iterator[FieldPath]:
    """The places in messages that these values are read from."""
    for value in values:
        if value.path is not None:
            yield value.path
        elif value.text in SOURCES:
            for group in SOURCES[value.text].places:
                yield from group
