"""What a rule may ask of an order: its `when`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from prefetch import hours, spans
from prefetch.rules import places
from prefetch.rules.values import (
    AnyOrderValue,
    Facet,
    Keyword,
    Modality,
    Number,
    OrderValue,
    Patterns,
    Place,
    Region,
    Sex,
    SideOfBody,
    Texts,
    Urgency,
)
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel


class AgeRange(Model):
    """An age of the patient on the day of the exam."""

    at_least: spans.CalendarAge | None = Field(default=None, examples=["18y"])
    """This old, or older."""
    under: spans.CalendarAge | None = Field(default=None, examples=["65y"])
    """Younger than this."""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says no age; write at_least, under, or both")
        if self.at_least and self.under and self.under.days_about <= self.at_least.days_about:
            raise ValueError(f"nobody is at least {self.at_least} and under {self.under}")
        return self


class ValueTest(Model):
    """What must hold of one value of a message or worklist; all keys must."""

    like: Patterns = Field(default=(), examples=['["A*", B]'])
    """Any of these; the whole of it, `*` and `?` being wildcards."""
    at_least: Number | None = Field(default=None, examples=["120"])
    """A number that is this, or more."""
    at_most: Number | None = Field(default=None, examples=["20.5"])
    """A number that is this, or less."""
    exists: bool | None = Field(default=None, examples=["true"])
    """`true`: it is said, whatever it is; `false`: it is not said."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("asks nothing; write a value, or like, at_least, at_most or exists")
        return self


def _form_of_test(said: object) -> str:
    return "<test>" if isinstance(said, dict | ValueTest) else "<values>"


Asked = Annotated[
    Annotated[Patterns, Tag("<values>")] | Annotated[ValueTest, Tag("<test>")], Discriminator(_form_of_test)
]


class Condition(PlacedModel):
    """What must hold of an order. All keys must; what the order does not say never does, nor its `not`."""

    modality: Annotated[tuple[Modality, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[CT, MR]"]
    )
    """Modality of the exam: a DICOM term, or XR for CR, DX, RG and PX, or DXA for BMD. Where the order does
    not say it, as its description does."""
    region: Annotated[tuple[Region, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[chest, abdomen]"]
    )
    """Region of the body, as `prefetch describe` reads it from description, code and modality."""
    side: Annotated[tuple[SideOfBody, ...], NotEmpty(), OneOrMany()] = Field(default=(), examples=["left"])
    """Side of the body, read in the same way: `left`, `right` or `both`."""
    facet: Annotated[tuple[Facet, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["screening", "[obstetric, dental]"]
    )
    """What else is read of it: contrast, screening, guidance, obstetric, dental, vessels, … A description
    that says none of them is of none; where there is no description, nobody knows."""
    procedure_code: Patterns = Field(default=(), examples=['["00123", "CT*"]'])
    """Procedure code; the whole of it, `*` and `?` being wildcards."""
    procedure_description: Patterns = Field(default=(), examples=['["*chest*", "*thorax*"]'])
    """Procedure description; the whole of it, `*` and `?` being wildcards. Case does not matter."""
    station_ae_title: Patterns = Field(default=(), examples=['[CT1, "MR*"]'])
    """AE Title of the station where the exam is scheduled; `*` and `?` are wildcards."""
    station_name: Patterns = Field(default=(), examples=["TOMOGRAPH-2"])
    """Name of that station; `*` and `?` are wildcards."""
    location: Patterns = Field(default=(), examples=['"ICU*"'])
    """Where the patient is (HL7 PV1-3); `*` and `?` are wildcards."""
    referring_unit: Patterns = Field(default=(), examples=['"*oncology*"'])
    """Who ordered: HL7 ORC-17 (code or name), else ORC-21, else PV1-10; in a worklist Requesting Service."""
    referring_physician: Patterns = Field(default=(), examples=["[D0815, MILLER]"])
    """Who referred: HL7 PV1-8, else OBR-16, else ORC-12 (ID or family name); in a worklist Referring
    Physician's Name, else Requesting Physician."""
    patient_class: Texts = Field(default=(), examples=["[O, I]"])
    """Patient class (HL7 PV1-2): E emergency, I inpatient, O outpatient, and what else the feed sends."""
    priority: Annotated[tuple[Urgency, ...], NotEmpty(), OneOrMany()] = Field(default=(), examples=["stat"])
    """Priority of the order: `stat`, `high`, `medium`, `routine`."""
    age: AgeRange | None = Field(default=None, examples=["{at_least: 18y, under: 65y}"])
    """Age of the patient on the day of the exam. A birth date of which only the year is known will do where
    it decides."""
    sex: Annotated[tuple[Sex, ...], NotEmpty(), OneOrMany()] = Field(default=(), examples=["F"])
    """Sex of the patient: F, M or O. Whatever else a feed sends counts as not said."""
    feed: Texts = Field(default=(), examples=["[ris]"])
    """Where the order came from: a listener's or worklist's name in prefetch.yaml, `submit` or `by hand`."""
    time_of_day: Annotated[tuple[hours.DayHours, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=['"07:00-17:00"', '["22:00-06:00"]']
    )
    """When the exam begins, by the site's clock; hours may go over midnight."""
    weekday: Annotated[tuple[hours.WeekDays, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["mon-fri", "[sat, sun]"]
    )
    """Day of the week on which the exam is, by the site's calendar."""
    exists: Annotated[tuple[AnyOrderValue, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[location, PV1-3.4, worklist.PatientState]"]
    )
    """What the order must say, whatever it is: one of its values, a place in its message, or a worklist's
    attribute. Under `not`: what it must not say. Nothing else than this asks for what is missing."""
    hl7: Annotated[dict[Place, Asked], NotEmpty()] = Field(
        default={}, examples=["{OBR-24: [CT, MR], PV1-3.4: WEST, ZXX-7: {exists: true}}"]
    )
    """Any place in the order's last message → a value or a list of them, `*` and `?` being wildcards, or a
    block of tests. Where a place is said several times, one of them will do."""
    worklist: Annotated[dict[Keyword, Asked], NotEmpty()] = Field(
        default={}, examples=['{RequestedProcedurePriority: STAT, PatientWeight: {at_least: "120"}}']
    )
    """Any attribute of the order's worklist item, by its DICOM keyword → the same."""
    every: Annotated[tuple[Condition, ...], NotEmpty()] = Field(
        default=(), alias="all", examples=["[{modality: CT}, {priority: stat}]"]
    )
    """Blocks that must all hold."""
    some: Annotated[tuple[Condition, ...], NotEmpty()] = Field(
        default=(), alias="any", examples=['[{modality: CT}, {procedure_code: "PET*"}]']
    )
    """Blocks of which at least one must hold."""
    none: Condition | None = Field(default=None, alias="not", examples=["{patient_class: E}"])
    """A block that must not hold. Where the order does not say what it asks for, the rule does not match."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("an empty block would match every order; leave it out")
        return self

    @property
    def asks_for(self) -> Iterator[OrderValue]:
        """The values of an order that it asks for and that may stand in its messages."""
        yield from (OrderValue(str(path), path=path) for path in self.hl7)
        yield from self.exists
        yield from (OrderValue(name) for name in places.SOURCES if getattr(self, name))
        for inner in (*self.every, *self.some, *((self.none,) if self.none else ())):
            yield from inner.asks_for
