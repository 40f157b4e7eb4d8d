"""A rule: for which orders, which earlier studies, from where, to where, and by when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from prefetch import hours, spans
from prefetch.rules.priors import Limits, PriorClass
from prefetch.rules.values import (
    DecisiveValue,
    IfLate,
    IfNoWindow,
    IfUnscheduled,
    Mode,
    OrderValue,
    Text,
    Texts,
    Urgency,
    Use,
    Version,
)
from prefetch.rules.when import Condition
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel


class Lookup(PlacedModel):
    """A destination that depends on the order."""

    by: DecisiveValue = Field(examples=["station_ae_title", "PV1-3.4", "worklist.ScheduledStationName"])
    """What of the order decides: one of its values, a place in its message, or a worklist's attribute."""
    cases: Annotated[dict[Text, Texts], NotEmpty()] = Field(
        alias="map", examples=['{CT1: reading-room-1, "MR*": [reading-room-1, reading-room-2]}']
    )
    """Value (`*` and `?` are wildcards) → a workstation or a list of them. The first that fits decides. Of
    modalities XR stands for CR, DX, RG and PX, as everywhere."""
    otherwise: Texts = Field(default=(), examples=["reading-room-2"])
    """Workstations for any other value, and where the order says none. Left out: nothing is fetched then."""


def _form_of_destinations(said: object) -> str:
    return "<lookup>" if isinstance(said, dict | Lookup) else "<names>"


Destinations = Annotated[
    Annotated[Texts, Tag("<names>")] | Annotated[Lookup, Tag("<lookup>")],
    Discriminator(_form_of_destinations),
]


class Origin(PlacedModel):
    """Archives, and how they are used where not all are wanted."""

    archives: Texts = Field(default=(), examples=["[main-archive, tape]"])
    """By their names in prefetch.yaml, in order of preference. Left out: all, in the order there."""
    use: Use = Field(default=Use.ALL, examples=["first that answers", "as needed"])
    """`all`: every one is asked, and a study that several hold comes from the first that has it complete.
    `first that answers`: the next is asked only where the one before does not answer, as of a mirror, and
    moves what that one could not.
    `as needed`: the next is asked only where the classes find less than they ask for in those before it."""


def _form_of_origin(said: object) -> str:
    return "<origin>" if isinstance(said, dict | Origin) else "<names>"


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
    feeds: Texts = Field(default=(), examples=["[ris]"])
    """Only for orders of these feeds: names of listeners or worklists in prefetch.yaml. Left out: of all."""
    when: Condition | None = Field(default=None, examples=["{modality: CT}"])
    """Which orders it is for. Left out: all."""
    fallback: bool = Field(default=False, examples=["true"])
    """`true`: looked at after all others, and only for orders that none of them matched."""
    stop: bool = Field(default=False, examples=["true"])
    """`true`: where it matches, no rule after it is looked at. Files are taken by the alphabet, and rules as
    they stand in them."""
    origin: Annotated[
        Annotated[Texts, Tag("<names>")] | Annotated[Origin, Tag("<origin>")], Discriminator(_form_of_origin)
    ] = Field(
        default=(),
        alias="from",
        examples=["[main-archive, offsite]", "{archives: [main-archive, mirror], use: first that answers}"],
    )
    """Archives by their names in prefetch.yaml, in order of preference; or a block that says how to use them.
    Left out: all, in the order there."""
    destinations: Destinations | None = Field(default=None, alias="to", examples=["[reading-room-2]"])
    """Workstations by their names in prefetch.yaml: one, a list, or a look-up. Left out: `planning.to`."""
    fetch_from: spans.Beginning | None = Field(default=None, examples=["24h before exam"])
    """Not earlier than this, or `when ordered`. Left out: `planning.fetch_from`."""
    ready_by: spans.Deadline | None = Field(default=None, examples=["30m before exam"])
    """The deadline. Left out: `planning.ready_by`."""
    if_unscheduled: IfUnscheduled = Field(default=IfUnscheduled.FETCH_NOW, examples=["wait"])
    """For an order without a time: `fetch now`, or `wait` for the message that brings one."""
    if_late: IfLate = Field(default=IfLate.FETCH_NOW, examples=["skip"])
    """For an order that comes after its own deadline: `fetch now`, or `skip` it: the rule fetches nothing."""
    windows: Annotated[tuple[hours.WindowHours, ...], NotEmpty(), OneOrMany()] = Field(
        default=(), examples=['"20:00-06:00"', '["mon-fri 20:00-06:00", "sat-sun 00:00-24:00"]']
    )
    """The only hours in which it moves anything, by the site's clock; hours may go over midnight, and may be
    of some days only. They do not hold for emergencies and what is fetched by hand. Left out: at any time."""
    if_no_window: IfNoWindow = Field(default=IfNoWindow.FETCH_ANYWAY, examples=["wait"])
    """Where none of the `windows` opens before the deadline: `fetch anyway`, as if there were none; `wait`
    for the next one, though the deadline is missed; or `skip`: the rule fetches nothing."""
    cool_down: spans.Duration | None = Field(default=None, examples=["12h"])
    """How long what was fetched for an exam and verified is not fetched again for it, though the workstation
    has passed it on or removed it. Left out: it is fetched whenever it is missing there."""
    priority: Urgency | None = Field(default=None, examples=["stat"])
    """The lane of what it fetches: `stat` goes before all others, then `high`, `medium`, `routine`. Left out:
    that of the order, and of an emergency `stat`."""
    priors: tuple[PriorClass, ...] = Field(default=(), examples=["[{modality: CT, newest: 3, within: 5y}]"])
    """Classes of earlier studies, in order: a later class does not count what an earlier one took. Only a
    rule with `stop: true` may have none; nothing is fetched for its orders."""
    limits: Limits = Field(default=Limits(), examples=["{studies: 6, instances: 8000}"])
    """Of this rule's own contribution. The cap per exam stands in prefetch.yaml."""

    @property
    def archives(self) -> tuple[str, ...]:
        """The archives that it names; none where it takes all."""
        return self.origin.archives if isinstance(self.origin, Origin) else self.origin

    @property
    def use(self) -> Use:
        """How its archives are used."""
        return self.origin.use if isinstance(self.origin, Origin) else Use.ALL

    @property
    def asks_for(self) -> Iterator[OrderValue]:
        """The values of an order that it asks for and that may stand in its messages."""
        if self.when:
            yield from self.when.asks_for
        if isinstance(self.destinations, Lookup):
            yield self.destinations.by
        for one in self.priors:
            yield from one.named_in

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
