"""What a rule may ask of earlier studies: its classes of `priors`, and their limits."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from prefetch import sizes, spans
from prefetch.rules.values import (
    Count,
    Facet,
    Marker,
    Modality,
    ModalityOfPrior,
    NamingValue,
    Patterns,
    RegionOfPrior,
    Relevance,
    SideOfPrior,
)
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel


class StudyCondition(PlacedModel):
    """What must hold of a study. All keys must; what the archive does not say never does."""

    modality: Annotated[tuple[ModalityOfPrior, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[same, PT]"]
    )
    """Any of the study's modalities. `same` is the order's own; CR, DX, RG and PX are one kind."""
    region: Annotated[tuple[RegionOfPrior, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[same, neck]"]
    )
    """Any of the study's regions, as `prefetch describe` reads them. `same` is any of the order's own."""
    side: Annotated[tuple[SideOfPrior, ...], NotEmpty(), OneOrMany()] = Field(default=(), examples=["same"])
    """Side of the body: `left`, `right`, `both`, or `same` as the order's. Both sides show either."""
    facet: Annotated[tuple[Facet, ...], NotEmpty(), OneOrMany()] = Field(default=(), examples=["guidance"])
    """What else is read of the study: contrast, screening, guidance, obstetric, dental, vessels, …"""
    description: Patterns = Field(default=(), examples=['["*chest*", "*thorax*"]'])
    """Study Description; the whole of it, `*` and `?` being wildcards. Case does not matter."""
    procedure_code: Patterns = Field(default=(), examples=['[same, "CTCH*"]'])
    """Any of the study's procedure codes; the whole of it, `*` and `?` being wildcards. `same` is the order's
    own. Not every archive says them."""
    institution: Patterns = Field(default=(), examples=['["*university*"]'])
    """Institution Name; the whole of it, `*` and `?` being wildcards. Not every archive says it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set and type(self) is StudyCondition:
            raise ValueError("an empty block would leave out every study; remove it")
        return self


class SeriesCondition(PlacedModel):
    """What must hold of a series. All keys must; what the archive does not say never does."""

    modality: Annotated[tuple[Modality, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[CT, SR]"]
    )
    """Modality of the series."""
    description: Patterns = Field(default=(), examples=['["*axial*", "*lung*"]'])
    """Series Description; the whole of it, `*` and `?` being wildcards."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("an empty block says nothing of a series; remove it")
        return self


class SeriesFilter(SeriesCondition):
    """Which series of a study are wanted; moved and verified one by one where they are not all."""

    key_images: Annotated[tuple[Marker, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["[KO, PR]", "KO"]
    )
    """Only the images that somebody marked, of the series that the other keys want, and what marks them: Key
    Object Selections (`KO`), Presentation States (`PR`). A study without any is not taken. Where the archive
    does not say which images are marked, all of these series are."""

    localizers: bool = Field(default=True, examples=["false"])
    """`false` leaves out localizers, scouts, topograms and the like of CT, MR, NM and PT, by their
    descriptions."""
    exclude: Annotated[tuple[SeriesCondition, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=['{description: "*dose*"}']
    )
    """Series to leave out: a block, or a list of blocks of which any may hold."""


class PriorClass(StudyCondition):
    """One class of earlier studies that a rule wants, with limits of its own."""

    name: str = Field(default="", examples=["baseline"])
    """What `prefetch explain` calls it; left out, `class 1`, `class 2`, …"""
    named_in: Annotated[tuple[NamingValue, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=["ZXX-3", "[ZDS-1, worklist.StudyInstanceUID]"]
    )
    """Only studies whose Study Instance UID the order names there: in a place of its message, an attribute of
    a worklist, or as the exam's own (`study_instance_uid`). They need not be earlier than the exam."""
    relevance: Relevance | None = Field(default=None, examples=["must"])
    """How well a study must compare with the order, as `prefetch relevance` grades it: `must`, at least
    `useful`, at least `marginal`, or `any`. Left out: it is not asked for, and what the class takes counts as
    much as a `must`."""
    within: spans.CalendarAge | None = Field(default=None, examples=["5y"])
    """Not older than this: by the calendar, back from the day of the exam in the site's time zone. A study
    without a date is not taken then."""
    not_before: spans.Day | None = Field(default=None, examples=["2012-01-01", "10y before exam"])
    """Not of an earlier day than this: a date, or an age as in `within`."""
    not_after: spans.Day | None = Field(default=None, examples=["6mo before exam", "2019-12-31"])
    """Not of a later day than this."""
    newest: Count | None = Field(default=None, examples=["3"])
    """At most this many, the newest first. Left out together with `oldest`: all."""
    oldest: Count | None = Field(default=None, examples=["1"])
    """And so many of the oldest, as a baseline."""
    if_fewer_than: Count | None = Field(default=None, examples=["2"])
    """Fills up: this class has its turn only where the classes before it took fewer studies than this."""
    series: SeriesFilter | None = Field(default=None, examples=["{localizers: false}"])
    """Only some series of each study. Left out: the whole study."""
    exclude: Annotated[tuple[StudyCondition, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=['[{modality: US}, {description: "*biopsy*"}]']
    )
    """Studies to leave out: a block, or a list of blocks of which any may hold."""

    @property
    def is_unlimited(self) -> bool:
        """Whether it takes however many there are."""
        return self.newest is None and self.oldest is None

    @property
    def most(self) -> int:
        """How many it takes at most, where it is limited."""
        return (self.newest or 0) + (self.oldest or 0)


class Limits(Model):
    """What a rule may contribute to one exam, all its classes together."""

    studies: Count | None = Field(default=None, examples=["6"])
    """At most this many studies."""
    instances: Count | None = Field(default=None, examples=["8000"])
    """At most this many instances. A study whose archive does not say how many it has counts as
    `limits.unknown_instances` of prefetch.yaml."""
    bytes: sizes.Size | None = Field(default=None, examples=["2GB"])
    """At most this much data, estimated: instances by `limits.bytes_per_instance` of prefetch.yaml."""
