"""What a rule may ask of an order: its `when`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from prefetch import hours, spans
from prefetch.rules.values import Modality, OrderValue, Patterns, Region, Sex, SideOfBody, Texts, Urgency
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
    exists: Annotated[tuple[OrderValue, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[location, station_ae_title]"]
    )
    """What the order must say, whatever it is. Under `not`: what it must not say; nothing else than this asks
    for what is missing."""
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
