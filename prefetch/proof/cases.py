"""What a rule test may say: an order, the patient's studies, and what is expected of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Self

from pydantic import Discriminator, Field, PlainValidator, Tag, field_validator, model_validator

from prefetch import errors, spans, yamlfile
from prefetch.fieldpath import FieldPath
from prefetch.rules import Count, Modality, Mode, Pattern, Text, Urgency, Version
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel

NOW = datetime.fromisoformat("2026-01-14T08:00")
"""A Wednesday, by the site's clock: when a test is planned that does not say otherwise."""

EXAM_AT = time(10)
"""When an exam is, on the day after it is planned, of which a test does not say."""


def _read_moment(said: object) -> datetime:
    text = yamlfile.one_line(said)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"“{text}” is not a time; write one such as 2026-01-15 10:00") from error


def _read_date(said: object) -> date:
    text = yamlfile.one_line(said)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"“{text}” is not a date; write one such as 2024-05-31, or `age: 2y`") from error


def _read_place(said: object) -> str:
    return str(FieldPath.parse(yamlfile.one_line(said)))


Moment = Annotated[
    datetime, PlainValidator(_read_moment), yamlfile.text_like(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*")
]
Date = Annotated[date, PlainValidator(_read_date), yamlfile.text_like(r"\d{4}-\d\d-\d\d")]
Because = Annotated[
    Pattern, PlainValidator(lambda said: Pattern(yamlfile.one_line(said))), yamlfile.text_like(".+")
]
Place = Annotated[str, PlainValidator(_read_place), yamlfile.text_like(r"[A-Z][A-Z0-9]{2}-\d+(\.\d+){0,2}")]


class GivenOrder(Model):
    """The order of a test; what is left out is what a message did not say."""

    feed: Text = Field(default="ris", examples=["ris"])
    """The listener or worklist that it came from."""
    scheduled_start: Moment | None = Field(default=None, examples=['"2026-01-15 10:00"'])
    """When the exam is, by the site's clock. Left out: tomorrow at ten, seen from `now`."""
    unscheduled: bool = Field(default=False, examples=["true"])
    """`true`: nobody has said when the exam is."""
    modality: Text | None = Field(default=None, examples=["CT"])
    """Modality, as in a message."""
    procedure_code: Text | None = Field(default=None, examples=["CTCH"])
    """Procedure code."""
    procedure_description: Text | None = Field(default=None, examples=["CT chest with contrast"])
    """Procedure description."""
    station_ae_title: Text | None = Field(default=None, examples=["CT1"])
    """AE Title of the station."""
    station_name: Text | None = Field(default=None, examples=["TOMOGRAPH-2"])
    """Name of the station."""
    location: Text | None = Field(default=None, examples=["ICU"])
    """Where the patient is."""
    patient_class: Text | None = Field(default=None, examples=["O"])
    """Patient class."""
    priority: Text | None = Field(default=None, examples=["stat"])
    """Priority, as a code or a word of a message."""
    birth_date: Date | None = Field(default=None, examples=["1960-01-15"])
    """The patient's birth date."""
    sex: Text | None = Field(default=None, examples=["F"])
    """The patient's sex."""
    accession_number: Text | None = Field(default=None, examples=["A1"])
    """Accession Number; a study that has the same is the exam itself."""
    study_instance_uid: Text | None = Field(default=None, examples=["1.2.3"])
    """Study Instance UID of the exam itself."""
    hl7: dict[Place, Text] = Field(default={}, examples=["{OBR-31: follow-up}"])
    """What its message says at other places, for rules that ask for them."""
    worklist: dict[Text, Text] = Field(default={}, examples=["{RequestingService: ONCOLOGY}"])
    """Its attributes in a worklist, by keyword."""

    @model_validator(mode="after")
    def _has_one_time_or_none(self) -> Self:
        if self.unscheduled and self.scheduled_start:
            raise ValueError("is unscheduled and has a scheduled_start; write one of them")
        return self


class GivenSeries(Model):
    """A series of an earlier study."""

    name: Text = Field(examples=["axial"])
    """What the test calls it."""
    modality: Modality | None = Field(default=None, examples=["CT"])
    """Modality of the series."""
    description: Text | None = Field(default=None, examples=["AXIAL 2.0 B31F"])
    """Series Description."""
    body_part: Text | None = Field(default=None, examples=["CHEST"])
    """Body Part Examined."""
    instances: Count | None = Field(default=10, examples=["120"])
    """Number of Series Related Instances."""
    marks: dict[Text, Count] | None = Field(default=None, examples=["{axial: 3}"])
    """Of a series of KO or PR: its one object marks so many images of each of these series. Left out: the
    archive does not say which."""


class GivenStudy(PlacedModel):
    """An earlier study of the patient."""

    name: Text = Field(examples=["last CT"])
    """What the test calls it."""
    archive: Text | None = Field(default=None, examples=["offsite"])
    """The archive that holds it. Left out: the first in prefetch.yaml."""
    age: spans.CalendarAge | None = Field(default=None, examples=["2y"])
    """How old it is on the day of the exam."""
    date: Date | None = Field(default=None, examples=["2024-05-31"])
    """Its date, instead of its age. With neither it has none."""
    modality: Annotated[tuple[Modality, ...], OneOrMany()] = Field(default=(), examples=["[CT, PT]"])
    """Modalities in Study."""
    description: Text | None = Field(default=None, examples=["CT CHEST W/O"])
    """Study Description."""
    procedure_code: Annotated[tuple[Text, ...], OneOrMany()] = Field(default=(), examples=["CTCH"])
    """Its procedure codes."""
    anatomic_region: Annotated[tuple[Text, ...], OneOrMany()] = Field(default=(), examples=['"51185008"'])
    """Codes of its anatomic regions (DICOM PS3.16 CID 4)."""
    body_part: Text | None = Field(default=None, examples=["CHEST"])
    """Body Part Examined."""
    institution: Text | None = Field(default=None, examples=["Northgate Hospital"])
    """Institution Name."""
    instances: Count | None = Field(default=100, examples=["350"])
    """Number of Study Related Instances."""
    accession_number: Text | None = Field(default=None, examples=["A0"])
    """Accession Number."""
    fetched: spans.Duration | None = Field(default=None, examples=["3h"])
    """How long before `now` it was fetched for this exam, and verified, wherever it goes."""
    study_instance_uid: Text | None = Field(default=None, examples=["1.2.3"])
    """Study Instance UID. Left out: one of its own."""
    series: tuple[GivenSeries, ...] | None = Field(
        default=None, examples=["[{name: axial, modality: CT, description: AXIAL 2.0}, {name: scout}]"]
    )
    """Its series, for rules that choose among them. Left out: the archive does not say them."""

    @field_validator("series", mode="after")
    @classmethod
    def _series_differ(cls, series: tuple[GivenSeries, ...] | None) -> tuple[GivenSeries, ...] | None:
        if len({one.name for one in series or ()}) < len(series or ()):
            raise ValueError("two series have the same name")
        return series

    @model_validator(mode="after")
    def _has_one_date_or_none(self) -> Self:
        if self.age and self.date:
            raise ValueError("has an age and a date; write one of them")
        return self


class ExpectedPrior(Model):
    """A study that rules take, and what else must be true of it."""

    study: Text = Field(examples=["last CT"])
    """Its name in `studies`."""
    to: Annotated[tuple[Text, ...], OneOrMany()] = Field(default=(), examples=["[reading-room-1]"])
    """The workstations that it goes to: these and no others."""
    rule: Text | None = Field(default=None, examples=["chest-ct"])
    """The rule that takes it."""
    prior_class: Text | None = Field(default=None, alias="class", examples=["baseline"])
    """The class of that rule."""
    series: Annotated[tuple[Text, ...], OneOrMany()] = Field(default=(), examples=["[axial, lung]"])
    """The series of it that are moved, by their names: these and no others. Left out: any, or all."""
    instances: Count | None = Field(default=None, examples=["4"])
    """How many instances of it are moved."""
    archive: Text | None = Field(default=None, alias="from", examples=["offsite"])
    """The archive that is asked to move it."""
    fetch_from: Moment | None = Field(default=None, examples=['"2026-01-14 20:00"'])
    """When its fetch may begin, by the site's clock."""
    ready_by: Moment | None = Field(default=None, examples=['"2026-01-15 09:30"'])
    """Its deadline, by the site's clock."""
    priority: Urgency | None = Field(default=None, examples=["stat"])
    """The lane in which it goes."""
    mode: Mode | None = Field(default=None, examples=["observe"])
    """`observe`: it is shown and not moved; `active`: it is moved."""
    because: Because | None = Field(default=None, examples=['"*newest, number 1*"'])
    """Its reason, as `prefetch explain` says it; `*` and `?` are wildcards."""


class ExpectedLeft(Model):
    """A study that no rule takes, and why."""

    study: Text = Field(examples=["old CT"])
    """Its name in `studies`."""
    because: Because | None = Field(default=None, examples=['"*more than 5y before the exam*"'])
    """One of its reasons; `*` and `?` are wildcards."""


def _form(said: object) -> str:
    return "<keys>" if isinstance(said, dict | Model) else "<name>"


Prior = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[ExpectedPrior, Tag("<keys>")], Discriminator(_form)
]
Left = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[ExpectedLeft, Tag("<keys>")], Discriminator(_form)
]


class ExpectedRule(Model):
    """A rule that matches, and what it says of that."""

    rule: Text = Field(examples=["chest-ct"])
    """Its name."""
    because: Because | None = Field(default=None, examples=['"*goes by mirror*"'])
    """What it says, as `prefetch explain` does: why it matches, when it moves, by which archives it goes; `*`
    and `?` are wildcards."""


Match = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[ExpectedRule, Tag("<keys>")], Discriminator(_form)
]


class Expectation(Model):
    """What rules are expected to make of an order and its patient's studies."""

    rules: Annotated[tuple[Match, ...], OneOrMany()] | None = Field(
        default=None, examples=["[chest-ct]", '[{rule: at-night, because: "*moves in 20:00-06:00*"}]']
    )
    """The rules that match: these and no others. Left out: any."""
    priors: tuple[Prior, ...] = Field(
        default=(), examples=['["last CT", {study: baseline, class: baseline, to: reading-room-1}]']
    )
    """The studies that are taken: these and no others."""
    left: tuple[Left, ...] = Field(default=(), examples=['[{study: old CT, because: "*more than 5y*"}]'])
    """Studies that are left, where the reason matters. The others are left too, unless they are `priors`."""

    @property
    def matching(self) -> tuple[ExpectedRule, ...] | None:
        """The rules that match, each with its keys; None where nothing is expected of them."""
        if self.rules is None:
            return None
        return tuple(ExpectedRule(rule=one) if isinstance(one, str) else one for one in self.rules)

    @property
    def taken(self) -> tuple[ExpectedPrior, ...]:
        """The priors, each with its keys."""
        return tuple(ExpectedPrior(study=one) if isinstance(one, str) else one for one in self.priors)

    @property
    def left_alone(self) -> tuple[ExpectedLeft, ...]:
        """The studies that are left, each with its keys."""
        return tuple(ExpectedLeft(study=one) if isinstance(one, str) else one for one in self.left)


class Case(PlacedModel):
    """One rule test."""

    name: Text = Field(examples=["a chest CT brings the last scans and the first"])
    """What it promises."""
    now: Moment = Field(default=NOW, examples=['"2026-01-14 08:00"'])
    """When the order is planned, by the site's clock."""
    order: GivenOrder = Field(examples=["{modality: CT, procedure_description: CT chest}"])
    """The order."""
    studies: tuple[GivenStudy, ...] = Field(
        default=(), examples=["[{name: last CT, age: 1y, modality: CT, description: CT chest}]"]
    )
    """All earlier studies of the patient."""
    silent: Annotated[tuple[Text, ...], OneOrMany()] = Field(default=(), examples=["[main-archive]"])
    """Archives that do not answer."""
    expect: Expectation = Field(examples=["{priors: [last CT]}"])
    """What is expected."""

    @field_validator("studies", mode="after")
    @classmethod
    def _names_differ(cls, studies: tuple[GivenStudy, ...]) -> tuple[GivenStudy, ...]:
        if len({one.name for one in studies}) < len(studies):
            raise ValueError("two studies have the same name")
        return studies

    @model_validator(mode="after")
    def _names_its_studies(self) -> Self:
        known = [one.name for one in self.studies]
        taken = [one.study for one in self.expect.taken]
        left = [one.study for one in self.expect.left_alone]
        for name in (*taken, *left):
            if name not in known:
                raise ValueError(f"no study is called {name}; {yamlfile.did_you_mean(name, known)}")
        if both := set(taken) & set(left):
            raise ValueError(f"{both.pop()} cannot be both taken and left")
        return self

    @model_validator(mode="after")
    def _names_their_series(self) -> Self:
        of = {one.name: [series.name for series in one.series or ()] for one in self.studies}
        for prior in self.expect.taken:
            for name in prior.series:
                if name not in of[prior.study]:
                    words = yamlfile.did_you_mean(name, of[prior.study])
                    raise ValueError(f"no series of {prior.study} is called {name}; {words}")
        return self

    @model_validator(mode="after")
    def _marks_their_series(self) -> Self:
        for study in self.studies:
            known = [one.name for one in study.series or ()]
            for name in (name for one in study.series or () for name in one.marks or ()):
                if name not in known:
                    words = yamlfile.did_you_mean(name, known)
                    raise ValueError(f"no series of {study.name} is called {name}; {words}")
        return self


class CaseFile(Model):
    """A file of rule tests."""

    version: Version = Field(default="1", examples=["1"])
    """Version of this format."""
    tests: Annotated[tuple[Case, ...], NotEmpty()] = Field(
        examples=["[{name: nothing for a bone density, order: {modality: BMD}, expect: {priors: []}}]"]
    )
    """The tests, in order."""


@dataclass(frozen=True, slots=True)
class Cases:
    """The tests of a directory."""

    files: tuple[Path, ...]
    cases: tuple[Case, ...]


def read(directory: Path) -> Cases:
    """Read the tests of a directory; raises `ConfigurationError` with the mistakes of all its files."""
    files = yamlfile.files(directory)
    cases: list[Case] = []
    problems: list[errors.Problem] = []
    for file in files:
        loaded, document = yamlfile.try_load(file, CaseFile)
        problems += document.problems
        cases += loaded.tests if loaded else ()
    if problems:
        raise errors.ConfigurationError(problems)
    return Cases(tuple(files), tuple(cases))
