"""PURE: where each value of an event is looked for: places in order, each with the form it must have.

The defaults follow IHE RAD-4 and the places that real senders use instead; a sender's own mapping replaces
the list of a field. Of the first place that holds a value that is believed, that value is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from prefetch import senders
from prefetch.fieldpath import FieldPath
from prefetch.intake.header import Header
from prefetch.intake.hl7 import forms, patient
from prefetch.intake.hl7.segments import Segment
from prefetch.rules import Pattern

Believed = Callable[[Segment, Header], bool]
"""Whether a whole segment is of the kind in which a value is looked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and what is believed there."""

    path: FieldPath
    form: forms.Form
    only: Believed | None = None
    alone: bool = False
    """Whether several different values are a list of something else, and none of them is meant."""


def _fields(*paths: str) -> tuple[FieldPath, ...]:
    return tuple(map(FieldPath.parse, paths))


def _places(form: forms.Form, *paths: str, only: Believed | None = None) -> tuple[Place, ...]:
    return tuple(Place(FieldPath.parse(path), form, only) for path in paths)


def _holds_no_location(obr: Segment, header: Header) -> bool:
    """Whether OBR-18 is a number; some put point of care, room and bed there (PL, HL7 v2.5.1 2.A.53)."""
    _, room, bed, _, *further = (*obr.field(18).split(header.delimiters.component), "", "", "", "")
    # An EI has no more than four components, and the third is a universal ID.
    return not any(further) and (not (room and bed) or "." in bed)


def _names_the_study(obx: Segment, _: Header) -> bool:
    """Whether OBX-3 says Study Instance UID (DCM 110180), and not that of an earlier study."""
    words = " ".join(obx.field(3).casefold().replace("_", " ").replace("^", " ").split())
    said = "110180" in words or "study instance uid" in words or words.startswith("study uid")
    return said and not any(
        other in words for other in ("prior", "previous", "related", "relevant", "compar")
    )


_OF_PATIENT = {
    "birth_date": _places(forms.date, "PID-7"),
    "sex": _places(forms.text, "PID-8"),
    "patient_class": _places(forms.text, "PV1-2"),
    "location": _places(forms.text, "PV1-3", "IPC-8", "AIL-3"),
}

_OF_ORDER = {
    # IHE RAD TF-2 4.4.4.1.2.2 gives the accession number in OBR-18; in OMI it has its own field.
    "accession_number": (
        *_places(forms.number, "IPC-1"),
        *_places(forms.number, "OBR-18", only=_holds_no_location),
    ),
    "placer_order_number": (
        *_places(forms.text, "ORC-2", "OBR-2"),
        *_places(forms.not_a_status(forms.text), "SCH-26"),
        *_places(forms.text, "SCH-1"),
    ),
    "filler_order_number": (
        *_places(forms.text, "ORC-3", "OBR-3"),
        *_places(forms.not_a_status(forms.text), "SCH-27"),
        *_places(forms.text, "SCH-2"),
    ),
    "accession_issuer": (
        *_places(forms.text, "IPC-1.2", "IPC-1.3"),
        *_places(forms.text, "OBR-18.2", only=_holds_no_location),
    ),
    "placer_issuer": _places(forms.text, "ORC-2.2", "ORC-2.3", "OBR-2.2", "OBR-2.3"),
    "filler_issuer": _places(forms.text, "ORC-3.2", "ORC-3.3", "OBR-3.2", "OBR-3.3"),
    "placer_appointment_id": _places(forms.text, "SCH-1"),
    "filler_appointment_id": _places(forms.text, "SCH-2"),
    "requested_procedure_id": _places(forms.text, "IPC-2", "OBR-19"),
    "scheduled_procedure_step_id": _places(forms.text, "IPC-4", "OBR-20"),
    "study_instance_uid": (
        *_places(forms.uid, "IPC-3", "ZDS-1", "ZDS-2"),
        # Several are studies to compare with: see `named_in` of a class of priors.
        Place(FieldPath.parse("OBX-5"), forms.uid, _names_the_study, alone=True),
    ),
    "procedure_code": (
        *_places(forms.code, "OBR-44", "OBR-4", "OBR-4.4", "IPC-6", "AIS-3", "AIS-3.4"),
        *_places(forms.not_a_status(forms.code), "SCH-7", "SCH-8"),
        *_places(forms.reason(forms.code), "SCH-6"),
    ),
    "procedure_description": (
        *_places(forms.description, "OBR-44.2", "OBR-4.2", "OBR-44.5", "OBR-4.5"),
        *_places(forms.prose, "OBR-4.3", "OBR-4.1"),
        *_places(forms.description, "IPC-6.2", "AIS-3.2", "AIS-3.5"),
        *_places(forms.prose, "IPC-6", "AIS-3"),
        *_places(forms.not_a_status(forms.description), "SCH-7.2", "SCH-8.2"),
        *_places(forms.reason(forms.description), "SCH-6.2"),
        *_places(forms.not_a_status(forms.prose), "SCH-7", "SCH-8"),
        *_places(forms.reason(forms.prose), "SCH-6"),
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
    "КТ": "CT",
    "МРТ": "MR",
    "УЗИ": "US",
    "ПЭТ": "PT",
    "ММГ": "MG",
}
"""What senders write for a modality → DICOM's term (HL7 v2.5.1 table 0074, and other languages)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Where one sender puts what. `values` translates what is found, before its form is asked."""

    sender: str | None = None
    """Its name in the configuration; None for the usual sender."""
    places: Table[str, tuple[Place, ...]]
    values: Table[str, Table[str, str]] = field(default_factory=dict)
    id_fields: tuple[FieldPath, ...] = _fields("PID-3", "PID-2", "PID-4")
    """Fields that may hold IDs; early versions and small systems use the external one (HL7 v2.3 3.3.2)."""
    prior_id_fields: tuple[FieldPath, ...] = _fields("MRG-1", "MRG-4")
    id_order: patient.IdOrder = patient.USUAL
    authorities: patient.Authorities = patient.AS_SENT
    character_set: str = ""
    """As MSH-18 would say it: for messages that declare none, or one that their text does not bear out."""
    time_zone: ZoneInfo | None = None
    """Of times without a zone; None where it is the site's."""

    def with_paths(self, paths: Table[str, Sequence[str]]) -> Mapping:
        """This mapping with other places for some fields; the forms stay theirs, `usual` is what it was."""
        changed = {name: tuple(self._replaced(name, said)) for name, said in paths.items()}
        return replace(self, places={**self.places, **changed})

    def _replaced(self, name: str, said: Sequence[str]) -> Iterator[Place]:
        for path in said:
            if path == senders.USUAL:
                yield from self.places[name]
            else:
                yield Place(FieldPath.parse(path), self.places[name][0].form)


PATIENT_FIELDS = tuple(_OF_PATIENT)
ALL_FIELDS = (*_OF_PATIENT, *_OF_ORDER)

DEFAULT = Mapping(places={**_OF_PATIENT, **_OF_ORDER}, values={"modality": ALIASES})


def compile_sender(name: str, said: senders.Sender) -> Mapping:
    """The mapping of one sender, from what prefetch.yaml says of it."""
    places, words = _sources(said.fields)
    ids = said.patient_id
    usual = DEFAULT.with_paths(places)
    return replace(
        usual,
        sender=name,
        values={**usual.values, **{key: {**usual.values.get(key, {}), **own} for key, own in words.items()}},
        id_fields=_fields(*ids.fields),
        prior_id_fields=_fields(*ids.prior),
        authorities=patient.Authorities(unnamed=ids.authority or "", called=_upper(ids.called)),
        id_order=patient.IdOrder(authorities=_folded(ids.authorities), types=_folded(ids.types)),
        character_set=said.character_set or "",
        time_zone=said.time_zone,
    )


def _sources(
    said: senders.Fields,
) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, str]]]:
    """For each field of which anything is said: its places, and what its words mean."""
    places: dict[str, tuple[str, ...]] = {}
    words: dict[str, dict[str, str]] = {}
    for name, where in said:
        if isinstance(where, senders.Source):
            places[name], words[name] = where.places, _upper(where.values)
        elif where is not None:
            places[name] = where
    return places, words


def _upper(words: Table[str, str]) -> dict[str, str]:
    return {said.upper(): meant for said, meant in words.items()}


def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.upper() for word in words)


# --- whose mapping ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A sender that the site knows, and how to tell its messages."""

    application: tuple[Pattern, ...]
    facility: tuple[Pattern, ...]
    listener: tuple[str, ...]
    mapping: Mapping

    def sent(self, header: Header, listener: str) -> bool:
        return (not self.listener or listener in self.listener) and header.comes_from(
            self.application, self.facility
        )


class Senders:
    """The senders of a site, in order; the first that fits a message says how it is read."""

    def __init__(self, said: Table[str, senders.Sender] | None = None) -> None:
        """Compile what prefetch.yaml says."""
        self._known = tuple(
            _Known(
                application=sender.application,
                facility=sender.facility,
                listener=sender.listener,
                mapping=compile_sender(name, sender),
            )
            for name, sender in (said or {}).items()
        )

    def mapping(self, header: Header, listener: str) -> Mapping:
        """How a message with this header, which came in by this listener, is to be read."""
        return next((each.mapping for each in self._known if each.sent(header, listener)), DEFAULT)
