"""What a rule may say, and loading the rules of a directory (design, section 7).

Rules are data: conditions on the order (`when`), and classes of studies that it wants (`priors`). What they
mean for an order is decided in `planning.select`; what they may say is all here. One grammar everywhere: all
keys of a block must hold, and a list means any of its values.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from prefetch import errors, modalities, spans, yamlfile, yamltree
from prefetch.model import Priority
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel

# --- values ----------------------------------------------------------------------------------------


class Mode(StrEnum):
    """Whether anything is moved."""

    ACTIVE = "active"
    OBSERVE = "observe"
    """All is decided and shown, and nothing is moved."""


class IfUnscheduled(StrEnum):
    """What to do for an order that says no time."""

    FETCH_NOW = "fetch now"
    WAIT = "wait"
    """For the message that brings a time."""


def fold(text: str) -> str:
    """A text as it is compared: without regard to case, to blanks in a row, or to how accents are coded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text compared with a whole value: `*` stands for any text and `?` for one character, case aside."""

    text: str

    @property
    def is_literal(self) -> bool:
        """Whether it is one exact value."""
        return not {"*", "?"} & set(self.text)

    def matches(self, value: str) -> bool:
        """Whether the whole value is like this."""
        return _compiled(self.text).fullmatch(fold(value)) is not None

    def __str__(self) -> str:
        """As it was written."""
        return self.text


@cache
def _compiled(text: str) -> re.Pattern[str]:
    # fnmatch's expressions never backtrack from one * into the one before; its [sets] are not for us.
    return re.compile(fnmatch.translate(fold(text).replace("[", "[[]")))


def _read_text(said: object) -> str:
    if not isinstance(said, str):
        raise ValueError(f"expected a text, found {yamlfile.shape(said)}")  # noqa: TRY004 (pydantic reports ValueErrors)
    if not said.strip():
        raise ValueError("must not be empty")
    return said.strip()


def _read_pattern(said: object) -> Pattern:
    return Pattern(_read_text(said))


def _read_modality(said: object, *, also: tuple[str, ...] = ()) -> str:
    text = _read_text(said)
    if text in also:
        return text
    if text.upper() not in modalities.KNOWN:
        near = yamlfile.nearest(text.upper(), (*also, *modalities.KNOWN))
        guess = f"did you mean {near}?" if near else "see DICOM PS3.3 C.7.3.1.1.1"
        raise ValueError(f"“{text}” is not a modality; {guess}")
    return text.upper()


SAME = "same"
"""As a modality of priors: the order's own kind."""


def _read_modality_of_prior(said: object) -> str:
    return _read_modality(said, also=(SAME,))


def _read_priority(said: object) -> Priority:
    text = _read_text(said)
    if text.upper() not in Priority.__members__:
        words = [priority.name.lower() for priority in Priority]
        raise ValueError(f"“{text}” is not possible; {yamlfile.did_you_mean(text, words)}")
    return Priority[text.upper()]


Text = Annotated[str, PlainValidator(_read_text), WithJsonSchema({"type": "string"})]
TextPattern = Annotated[Pattern, PlainValidator(_read_pattern), WithJsonSchema({"type": "string"})]
Modality = Annotated[
    str, PlainValidator(_read_modality), WithJsonSchema({"type": "string", "enum": list(modalities.KNOWN)})
]
ModalityOfPrior = Annotated[
    str,
    PlainValidator(_read_modality_of_prior),
    WithJsonSchema({"type": "string", "enum": [SAME, *modalities.KNOWN]}),
]
Urgency = Annotated[
    Priority,
    PlainValidator(_read_priority),
    WithJsonSchema({"type": "string", "enum": [priority.name.lower() for priority in Priority]}),
]
Version = Annotated[Literal["1"], WithJsonSchema({"const": 1})]
Count = Annotated[int, Field(ge=1)]
Texts = Annotated[tuple[Text, ...], NotEmpty(), OneOrMany()]
Patterns = Annotated[tuple[TextPattern, ...], NotEmpty(), OneOrMany()]


# --- when ------------------------------------------------------------------------------------------


class Condition(PlacedModel):
    """What must hold of an order. All keys must; what the order does not say never does, nor its `not`."""

    modality: Annotated[tuple[Modality, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[CT, MR]"]
    )
    """Modality of the exam: a DICOM term, or XR for CR, DX, RG and PX, or DXA for BMD."""
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


# --- priors ----------------------------------------------------------------------------------------


class StudyCondition(PlacedModel):
    """What must hold of a study. All keys must; what the archive does not say never does."""

    modality: Annotated[tuple[ModalityOfPrior, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[same, PT]"]
    )
    """Any of the study's modalities. `same` is the order's own; CR, DX, RG and PX are one kind."""
    description: Patterns = Field(default=(), examples=['["*chest*", "*thorax*"]'])
    """Study Description; the whole of it, `*` and `?` being wildcards. Case does not matter."""


class PriorClass(StudyCondition):
    """One class of earlier studies that a rule wants, with limits of its own."""

    name: str = Field(default="", examples=["baseline"])
    """What `prefetch explain` calls it; left out, `class 1`, `class 2`, …"""
    within: spans.CalendarAge | None = Field(default=None, examples=["5y"])
    """Not older than this: by the calendar, back from the day of the exam in the site's time zone. A study
    without a date is not taken then."""
    newest: Count | None = Field(default=None, examples=["3"])
    """At most this many, the newest first. Left out together with `oldest`: all."""
    oldest: Count | None = Field(default=None, examples=["1"])
    """And so many of the oldest, as a baseline."""
    exclude: Annotated[tuple[StudyCondition, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=['[{modality: US}, {description: "*biopsy*"}]']
    )
    """Studies to leave out: a block, or a list of blocks of which any may hold."""

    @property
    def is_unlimited(self) -> bool:
        """Whether it takes however many there are."""
        return self.newest is None and self.oldest is None


class Limits(Model):
    """What a rule may contribute to one exam, all its classes together."""

    studies: Count | None = Field(default=None, examples=["6"])
    """At most this many studies."""
    instances: Count | None = Field(default=None, examples=["8000"])
    """At most this many instances. A study whose archive does not say how many it has counts as
    `limits.unknown_instances` of prefetch.yaml."""


# --- rules -----------------------------------------------------------------------------------------


class Lookup(PlacedModel):
    """A destination that depends on the order."""

    by: Literal["station_ae_title", "station_name", "location", "modality", "patient_class"] = Field(
        examples=["station_ae_title"]
    )
    """What of the order decides."""
    cases: Annotated[dict[Text, Texts], NotEmpty()] = Field(
        alias="map", examples=['{CT1: reading-room-1, "MR*": [reading-room-1, reading-room-2]}']
    )
    """Value (`*` and `?` are wildcards) → a workstation or a list of them. The first that fits decides."""
    otherwise: Texts = Field(default=(), examples=["reading-room-2"])
    """Workstations for any other value, and where the order says none. Left out: nothing is fetched then."""


def _form_of_destinations(said: object) -> str:
    return "<lookup>" if isinstance(said, dict | Lookup) else "<names>"


Destinations = Annotated[
    Annotated[Texts, Tag("<names>")] | Annotated[Lookup, Tag("<lookup>")],
    Discriminator(_form_of_destinations),
]


class Rule(PlacedModel):
    """For which orders which earlier studies go where, and by when."""

    name: Text = Field(examples=["chest-ct"])
    """What to call it; no other rule has this name."""
    why: str = Field(default="", examples=["Nodule follow-up compares with the last cross-sectional studies"])
    """Why it is so, for those who come after you."""
    enabled: bool = Field(default=True, examples=["false"])
    """`false` switches it off."""
    mode: Mode = Field(default=Mode.ACTIVE, examples=["observe"])
    """`observe` decides and shows everything, and moves nothing."""
    when: Condition | None = Field(default=None, examples=["{modality: CT}"])
    """Which orders it is for. Left out: all."""
    fallback: bool = Field(default=False, examples=["true"])
    """`true`: looked at after all others, and only for orders that none of them matched."""
    stop: bool = Field(default=False, examples=["true"])
    """`true`: where it matches, no rule after it is looked at. Files are taken by the alphabet, and rules as
    they stand in them."""
    archives: Texts = Field(default=(), alias="from", examples=["[main-archive, offsite]"])
    """Archives by their names in prefetch.yaml, in order of preference. Left out: all, in the order there."""
    destinations: Destinations | None = Field(default=None, alias="to", examples=["[reading-room-2]"])
    """Workstations by their names in prefetch.yaml: one, a list, or a look-up. Left out: `planning.to`."""
    fetch_from: spans.Beginning | None = Field(default=None, examples=["24h before exam"])
    """Not earlier than this, or `when ordered`. Left out: `planning.fetch_from`."""
    ready_by: spans.Deadline | None = Field(default=None, examples=["30m before exam"])
    """The deadline. Left out: `planning.ready_by`."""
    if_unscheduled: IfUnscheduled = Field(default=IfUnscheduled.FETCH_NOW, examples=["wait"])
    """For an order without a time: `fetch now`, or `wait` for the message that brings one."""
    priors: tuple[PriorClass, ...] = Field(default=(), examples=["[{modality: CT, newest: 3, within: 5y}]"])
    """Classes of earlier studies, in order: a later class does not count what an earlier one took. Only a
    rule with `stop: true` may have none; nothing is fetched for its orders."""
    limits: Limits = Field(default=Limits(), examples=["{studies: 6, instances: 8000}"])
    """Of this rule's own contribution. The cap per exam stands in prefetch.yaml."""

    @field_validator("priors", mode="after")
    @classmethod
    def _name_classes(cls, classes: tuple[PriorClass, ...]) -> tuple[PriorClass, ...]:
        named = tuple(
            one if one.name else one.model_copy(update={"name": f"class {number}"})
            for number, one in enumerate(classes, 1)
        )
        if len({one.name for one in named}) < len(named):
            raise ValueError("two classes have the same name")
        return named

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if not self.priors and not self.stop:
            raise ValueError("priors is required; only a rule with stop: true may do without")
        return self


class RuleFile(Model):
    """A file of rules."""

    version: Version = Field(default="1", examples=["1"])
    """Version of this format."""
    rules: Annotated[tuple[Rule, ...], NotEmpty()] = Field(
        examples=["[{name: ct, when: {modality: CT}, priors: [{newest: 2}]}]"]
    )
    """The rules, in order."""


# --- loading ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a site: files by the alphabet, rules as they stand in them."""

    rules: tuple[Rule, ...] = ()

    @property
    def in_turn(self) -> tuple[Rule, ...]:
        """The rules as they are looked at: fallbacks come last."""
        return tuple(sorted(self.rules, key=lambda rule: rule.fallback))


@dataclass(frozen=True, slots=True)
class Source:
    """A rule together with its place in its file, to say something about it."""

    rule: Rule
    document: yamltree.Document
    where: yamltree.Where

    def problem(self, *where: str | int, message: str, severity: str = "error") -> errors.Problem:
        """Something to say about a value of this rule."""
        return self.document.problem((*self.where, *where), message, severity=severity)


def load(directory: Path) -> RuleSet:
    """Load the rules of a directory; raises `ConfigurationError` with the mistakes of all its files."""
    _, sources, problems = read(directory)
    if problems:
        raise errors.ConfigurationError(problems)
    return RuleSet(tuple(source.rule for source in sources))


def read(directory: Path) -> tuple[list[Path], list[Source], list[errors.Problem]]:
    """Read a directory: its files by the alphabet, the rules in those that can be read, and all mistakes."""
    files = sorted(file for file in directory.glob("[!.]*") if file.suffix in {".yaml", ".yml"})
    sources: list[Source] = []
    problems: list[errors.Problem] = []
    for file in files:
        loaded, document = yamlfile.try_load(file, RuleFile)
        problems += document.problems
        for position, rule in enumerate(loaded.rules if loaded else ()):
            sources.append(Source(rule, document, ("rules", position)))
    return files, sources, [*problems, *_same_names(sources)]


def _same_names(sources: Iterable[Source]) -> Iterable[errors.Problem]:
    first: dict[str, str] = {}
    for source in sources:
        name = source.rule.name
        if name in first:
            yield source.problem("name", message=f"another rule has the name {name}: {first[name]}")
        first.setdefault(name, source.rule.place)
