"""PURE: where each value of an event is looked for: places in order, each with the form it must have.

The defaults follow IHE RAD-4 and the places that real senders use instead; a sender's own mapping replaces
the list of a field. Of the first place that holds a value that is believed, that value is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from typing import Self

from prefetch.intake.hl7 import forms


@dataclass(frozen=True, slots=True)
class Path:
    """A place in a message, written `OBR-4.2`: segment, field, component, subcomponent (from 1)."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `OBR-4`, `OBR-4.2`, `PID-5.1.1`; raises ValueError for anything else."""
        found = re.fullmatch(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,3})(?:\.(\d{1,3}))?)?", text)
        if found is None or "0" in found.groups():
            raise ValueError(f"{text} is no place in a message: write it like OBR-4.2")
        return cls(found[1], *(int(number) for number in found.groups()[1:] if number))

    def __str__(self) -> str:
        """Write it as it is read."""
        deeper = f".{self.subcomponent}" if self.subcomponent > 1 else ""
        return f"{self.segment}-{self.field}.{self.component}{deeper}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and what is believed there."""

    path: Path
    form: forms.Form


def _places(form: forms.Form, *paths: str) -> tuple[Place, ...]:
    return tuple(Place(Path.parse(path), form) for path in paths)


_OF_PATIENT = {
    "birth_date": _places(forms.date, "PID-7"),
    "sex": _places(forms.text, "PID-8"),
    "patient_class": _places(forms.text, "PV1-2"),
    "location": _places(forms.text, "PV1-3", "IPC-8", "AIL-3"),
}

_OF_ORDER = {
    # IHE RAD TF-2 4.4.4.1.2.2 gives the accession number in OBR-18; in OMI it has its own field.
    "accession_number": _places(forms.number, "IPC-1", "OBR-18"),
    "placer_order_number": _places(forms.text, "ORC-2", "OBR-2", "SCH-26", "SCH-1"),
    "filler_order_number": _places(forms.text, "ORC-3", "OBR-3", "SCH-27", "SCH-2"),
    "placer_appointment_id": _places(forms.text, "SCH-1"),
    "filler_appointment_id": _places(forms.text, "SCH-2"),
    "requested_procedure_id": _places(forms.text, "IPC-2", "OBR-19"),
    "scheduled_procedure_step_id": _places(forms.text, "IPC-4", "OBR-20"),
    "study_instance_uid": _places(forms.uid, "IPC-3", "ZDS-1"),
    "procedure_code": _places(
        forms.code, "OBR-44", "OBR-4", "OBR-4.4", "AIS-3", "AIS-3.4", "SCH-7", "SCH-8", "SCH-6"
    ),
    "procedure_description": (
        *_places(forms.description, "OBR-44.2", "OBR-4.2", "OBR-44.5", "OBR-4.5"),
        *_places(forms.prose, "OBR-4.3", "OBR-4.1"),
        *_places(forms.description, "AIS-3.2", "AIS-3.5"),
        *_places(forms.prose, "AIS-3.1"),
        *_places(forms.description, "SCH-7.2", "SCH-8.2", "SCH-6.2"),
        *_places(forms.prose, "SCH-7", "SCH-8", "SCH-6"),
    ),
    "modality": _places(forms.modality, "IPC-5", "OBR-24", "OBR-21", "OBR-21.5", "OBR-19"),
    "scheduled_start": (
        *_places(forms.time, "TQ1-7", "ORC-7.4", "OBR-27.4", "OBR-36"),
        *_places(forms.time_to_come, "OBR-6", "OBR-7"),
        *_places(forms.time, "AIS-4", "SCH-11.4", "AIG-8", "AIL-6", "AIP-6"),
        # Shifted by one, as some senders have it.
        *_places(forms.time, "SCH-12.4", "TQ1-8"),
    ),
    # In an ORM nothing names the station; dcm4chee's RIS interface, and who follows it, put it in ORC-18.
    "station_ae_title": (*_places(forms.ae_title, "IPC-9"), *_places(forms.station, "ORC-18")),
    "station_name": _places(forms.text, "IPC-7", "AIG-3.2", "AIG-3"),
    "priority": _places(forms.priority, "TQ1-9", "ORC-7.6", "OBR-27.6", "OBR-5", "SCH-11.6"),
}

ALIASES = {
    **dict.fromkeys(("NMR", "MRI", "MRT", "RM", "IRM", "KST"), "MR"),
    **dict.fromkeys(("CAT", "KT", "TC", "TDM"), "CT"),
    **dict.fromkeys(("USG", "RUS", "VUS", "OUS", "CUS", "SONO", "ECHO"), "US"),
    **dict.fromkeys(("NMS", "NUC", "SPECT"), "NM"),
    **dict.fromkeys(("PET", "PETCT", "PET/CT", "PET-CT"), "PT"),
    **dict.fromkeys(("MAMMO", "MAM", "MMG"), "MG"),
    **dict.fromkeys(("DXA", "DEXA"), "BMD"),
    **dict.fromkeys(("ANGIO", "DSA"), "XA"),
    **dict.fromkeys(("FLUORO", "FL"), "RF"),
    **dict.fromkeys(("RX", "RTG", "XRAY", "X-RAY"), "XR"),
}
"""What senders write for a modality → DICOM's term (HL7 v2.5.1 table 0074, and other languages)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Where one sender puts what. `values` translates what is found, before its form is asked."""

    places: Table[str, tuple[Place, ...]]
    values: Table[str, Table[str, str]] = field(default_factory=dict)

    def with_paths(self, paths: Table[str, tuple[str, ...]]) -> Mapping:
        """This mapping with other places for some fields; the forms stay theirs."""
        changed = {
            name: tuple(Place(Path.parse(path), self.places[name][0].form) for path in said)
            for name, said in paths.items()
        }
        return replace(self, places={**self.places, **changed})


PATIENT_FIELDS = tuple(_OF_PATIENT)
ALL_FIELDS = (*_OF_PATIENT, *_OF_ORDER)

DEFAULT = Mapping(places={**_OF_PATIENT, **_OF_ORDER}, values={"modality": ALIASES})
