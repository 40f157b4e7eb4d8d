"""How a sender of HL7 writes, where it differs from most, as prefetch.yaml says it.

Knows the words of the file; what they mean for a message is compiled in `intake.hl7.mapping`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from prefetch import character_sets
from prefetch.fieldpath import FieldPath
from prefetch.rules import Modality, Patterns, Text, Texts
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel
from prefetch.zones import Zone

USUAL = "usual"
"""In a list of places: the places where most senders put it."""


def _read_place(said: object) -> str:
    text = str(said).strip()
    return USUAL if text == USUAL else str(FieldPath.parse(text))


def _read_field(said: object) -> str:
    path = FieldPath.parse(str(said))
    return f"{path.segment}-{path.field}"


def _place(example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": "^([A-Z][A-Z0-9]{2}-[0-9.]+|usual)$", "examples": [example]}
    )


CharacterSet = Annotated[str, PlainValidator(character_sets.read), WithJsonSchema({"type": "string"})]
Place = Annotated[str, PlainValidator(_read_place), _place("OBR-4.2")]
Places = Annotated[tuple[Place, ...], NotEmpty(), OneOrMany()]
WholeField = Annotated[str, PlainValidator(_read_field), _place("PID-3")]
WholeFields = Annotated[tuple[WholeField, ...], NotEmpty(), OneOrMany()]


class Source(Model):
    """Where one value stands, and what its words mean."""

    places: Places = Field(default=(USUAL,), alias="from", examples=["[OBR-3, usual]"])
    """Places in order; the first that holds a value of the right form gives it."""
    values: dict[Text, Text] = Field(default={}, examples=["{NMR: MR}"])
    """What the sender writes (upper and lower case are the same) → what it means."""


class ModalitySource(Source):
    """The same for the modality, whose words mean DICOM's terms."""

    values: dict[Text, Modality] = Field(default={}, examples=["{NMR: MR, B999: CR}"])
    """What the sender writes (upper and lower case are the same) → the modality that it means."""


def _form(said: object) -> str:
    return "<source>" if isinstance(said, dict | Source) else "<places>"


Where = Annotated[
    Annotated[Places, Tag("<places>")] | Annotated[Source, Tag("<source>")], Discriminator(_form)
]
WhereModality = Annotated[
    Annotated[Places, Tag("<places>")] | Annotated[ModalitySource, Tag("<source>")], Discriminator(_form)
]


class Fields(Model):
    """Where the sender puts what: a place such as `OBR-4.2`, a list of places in order, or `from`, `values`.

    `usual` in a list is where most senders put it. Z-segments are places like any other.
    """

    accession_number: Where | None = Field(default=None, examples=["[OBR-3, usual]"])
    """Accession Number."""
    placer_order_number: Where | None = Field(default=None, examples=["OBR-2"])
    """Placer Order Number."""
    filler_order_number: Where | None = Field(default=None, examples=["OBR-20"])
    """Filler Order Number."""
    placer_appointment_id: Where | None = Field(default=None, examples=["SCH-26"])
    """Placer Appointment ID."""
    filler_appointment_id: Where | None = Field(default=None, examples=["SCH-27"])
    """Filler Appointment ID."""
    requested_procedure_id: Where | None = Field(default=None, examples=["OBR-20"])
    """Requested Procedure ID."""
    scheduled_procedure_step_id: Where | None = Field(default=None, examples=["ZRI-4"])
    """Scheduled Procedure Step ID."""
    study_instance_uid: Where | None = Field(default=None, examples=["[ZUI-1, usual]"])
    """Study Instance UID of the new exam."""
    procedure_code: Where | None = Field(default=None, examples=["OBR-4.4"])
    """Procedure code."""
    procedure_description: Where | None = Field(default=None, examples=["[OBR-4.5, NTE-3]"])
    """Procedure in words."""
    modality: WhereModality | None = Field(
        default=None, examples=["{from: [OBR-24, ZRI-2], values: {NMR: MR, B999: CR}}"]
    )
    """Modality. What is none is passed over; the usual aliases are understood beside your own."""
    scheduled_start: Where | None = Field(default=None, examples=["[ZRI-3, usual]"])
    """When the exam begins."""
    station_ae_title: Where | None = Field(default=None, examples=["OBR-21"])
    """AE Title of the modality."""
    station_name: Where | None = Field(default=None, examples=["OBR-34"])
    """Name of the modality or its room."""
    location: Where | None = Field(default=None, examples=["PV1-3.4"])
    """Where the patient is."""
    patient_class: Where | None = Field(default=None, examples=["{values: {AMB: O, STAT: I, NOT: E}}"])
    """Patient class."""
    priority: Where | None = Field(default=None, examples=["{values: {CITO: S}}"])
    """Priority: S, A, R and their like."""
    birth_date: Where | None = Field(default=None, examples=["ZPI-2"])
    """Birth date."""
    sex: Where | None = Field(default=None, examples=["{values: {K: F}}"])
    """Sex."""


class PatientIdentifiers(Model):
    """Which of the patient's IDs is taken for his own, and whose they are, in PID and in MRG alike."""

    fields: WholeFields = Field(
        default=("PID-3", "PID-2", "PID-4"), alias="from", examples=["[PID-2, PID-3]"]
    )
    """Fields in order; the first that holds any ID is taken."""
    prior: WholeFields = Field(default=("MRG-1", "MRG-4"), examples=["[MRG-4, MRG-1]"])
    """The same for the ID that a merge ends."""
    authorities: Texts = Field(default=(), examples=["[NORTHGATE, 1.2.276.0.76.3.1.64]"])
    """Assigning authorities (PID-3.4, by name or universal ID), the preferred first; others come after. The
    further IDs are kept, and asked for where an archive knows their authority."""
    authority: Text | None = Field(default=None, examples=["HOSP"])
    """Assigning authority of the IDs for which its messages name none."""
    called: dict[Text, Text] = Field(default={}, examples=["{1.2.276.0.76.3.1.64: HOSP, KH_NORD: HOSP}"])
    """Assigning authority as it writes it, by name or universal ID → as it is called in this file."""
    types: Texts = Field(default=(), examples=["[MR, PI]"])
    """Identifier types (PID-3.5), the preferred first; left out: those of a hospital before those of
    insurers, states and visits."""


class Sender(PlacedModel):
    """How one sender writes.

    Its messages are those with this `application`, `facility` and `listener`: all that are given must hold.
    """

    application: Patterns = Field(default=(), examples=['[OLDRIS, "OLDRIS-*"]'])
    """Sending application (MSH-3); `*` and `?` are wildcards."""
    facility: Patterns = Field(default=(), examples=["NORTHGATE"])
    """Sending facility (MSH-4); `*` and `?` are wildcards."""
    listener: Texts = Field(default=(), examples=["ris"])
    """Listeners, by their names here, at which the message came in; `submit` for `prefetch submit`."""
    character_set: CharacterSet | None = Field(default=None, examples=["CP1250"])
    """Character set of messages that declare none in MSH-18, or one that their text does not bear out."""
    time_zone: Zone | None = Field(default=None, examples=["Europe/Lisbon"])
    """Time zone of times that it sends without one, where it is not the site's."""
    patient_id: PatientIdentifiers = Field(
        default=PatientIdentifiers(), examples=["{authorities: [NORTHGATE]}"]
    )
    """Which of the patient's IDs is taken."""
    fields: Fields = Field(default=Fields(), examples=["{accession_number: [OBR-3, usual]}"])
    """Where it puts what."""
