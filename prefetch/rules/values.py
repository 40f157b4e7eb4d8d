"""Values of a rule: each read from its text in the file, with what would be right where it is wrong."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache, partial
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from prefetch import lastmessage, modalities, yamlfile
from prefetch.fieldpath import FieldPath
from prefetch.model import Priority
from prefetch.relevance import Worth, anatomy, senses
from prefetch.relevance.anatomy import Laterality
from prefetch.yamlfile import NotEmpty, OneOrMany


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


class IfLate(StrEnum):
    """What to do for an order that comes after its own deadline."""

    FETCH_NOW = "fetch now"
    SKIP = "skip"


class IfNoWindow(StrEnum):
    """What to do where no window opens before the deadline."""

    FETCH_ANYWAY = "fetch anyway"
    WAIT = "wait"
    """For the next one, though the deadline is missed."""
    SKIP = "skip"


class Marker(StrEnum):
    """Modality of what marks images of its study."""

    KO = "KO"
    PR = "PR"


class Use(StrEnum):
    """How the archives of a rule are used."""

    ALL = "all"
    FIRST_THAT_ANSWERS = "first that answers"
    AS_NEEDED = "as needed"


@lru_cache(10_000)
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
"""As a modality, region or side of priors: the order's own."""


class Side(StrEnum):
    """A side of the body."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"

    @property
    def laterality(self) -> Laterality:
        """The same in the letters of descriptions."""
        return Laterality(self[0].upper())


class Relevance(StrEnum):
    """How well a study must compare with the order at least."""

    MUST = "must"
    USEFUL = "useful"
    MARGINAL = "marginal"
    ANY = "any"
    """All of them: only to have them graded."""

    @property
    def least(self) -> Worth:
        """The lowest grade that will do."""
        return _LEAST[self.value]


_LEAST = {one.value: Worth.NONE if one is Relevance.ANY else Worth[one.name] for one in Relevance}


@dataclass(frozen=True, slots=True)
class OrderValue:
    """Something that an order may say: of ours by name, a place in its message, or a worklist's attribute."""

    text: str
    path: FieldPath | None = None
    keyword: str | None = None

    def __str__(self) -> str:
        """As it was written."""
        return self.text


def read_path(said: object) -> FieldPath:
    """Read a place in a message, of those that are kept with an order."""
    path = FieldPath.parse(_read_text(said))
    if path.segment in lastmessage.NOT_KEPT:
        raise ValueError(f"{path.segment} is not kept: it tells of relatives, payers or accidents")
    return path


def read_keyword(said: object) -> str:
    """Read the keyword of a DICOM attribute."""
    from pydicom.datadict import keyword_dict  # noqa: PLC0415 (a tenth of a second, for who asks a worklist)

    text = _read_text(said)
    if text not in keyword_dict:
        near = yamlfile.nearest(text, keyword_dict)
        guess = f"did you mean {near}?" if near else "write one such as ScheduledStationName"
        raise ValueError(f"“{text}” is no keyword of DICOM PS3.6; {guess}")
    return text


_OF_WORKLIST = "worklist."


def _read_order_value(said: object, possible: tuple[str, ...]) -> OrderValue:
    text = _read_text(said)
    if text.startswith(_OF_WORKLIST):
        return OrderValue(text, keyword=read_keyword(text.removeprefix(_OF_WORKLIST)))
    if re.match(r"[A-Z][A-Z0-9]{2}-\d", text):
        return OrderValue(text, path=read_path(text))
    if text.lower() not in possible:
        words = yamlfile.did_you_mean(text, possible)
        raise ValueError(f"“{text}” is not possible; {words}, or a place such as PV1-3.4 or worklist.KEYWORD")
    return OrderValue(text.lower())


def _read_number(said: object) -> Decimal:
    text = _read_text(said)
    if not re.fullmatch(NUMBER, text):
        raise ValueError(f"expected a number, found “{text}”")
    return Decimal(text)


NUMBER = r"[+-]?\d{1,20}(\.\d{1,20})?"
"""A number, in rules and in what is compared with them."""


def _read_modality_of_prior(said: object) -> str:
    return _read_modality(said, also=(SAME,))


def _one_of(words: Iterable[str]) -> PlainValidator:
    """Reads one of some words, whatever its case."""
    possible = list(words)

    def read(said: object) -> str:
        text = _read_text(said)
        if text.lower() not in possible:
            raise ValueError(f"“{text}” is not possible; {yamlfile.did_you_mean(text, possible)}")
        return text.lower()

    return PlainValidator(read)


def _enum(words: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(words)})


def _read_priority(said: object) -> Priority:
    text = _read_text(said)
    if text.upper() not in Priority.__members__:
        raise ValueError(f"“{text}” is not possible; {yamlfile.did_you_mean(text, _PRIORITIES)}")
    return Priority[text.upper()]


def _read_sex(said: object) -> str:
    text = _read_text(said).upper()
    if text not in SEXES:
        raise ValueError(f"“{text}” is not possible; write F, M or O (DICOM PS3.3 C.2.3)")
    return text


SEXES = ("F", "M", "O")
"""What Patient's Sex says when it says something."""
OTHER_FEEDS = ("submit", "by hand")
"""Where an order may come from beside listeners and worklists."""
ORDER_VALUES = (
    *("modality", "region", "side", "procedure_code", "procedure_description", "station_ae_title"),
    *("station_name", "location", "patient_class", "age", "sex", "feed", "scheduled_start"),
    *("accession_number", "placer_order_number", "filler_order_number", "study_instance_uid"),
    *("referring_unit", "referring_physician"),
)
"""What an order may say."""
DECISIVE_VALUES = (
    *("station_ae_title", "station_name", "location", "modality", "patient_class", "region", "side"),
    *("procedure_code", "sex", "feed", "referring_unit", "referring_physician"),
)
"""What of an order may decide where its priors go."""
NAMING_VALUES = ("study_instance_uid",)
"""What of an order may name studies by their UIDs."""
_PRIORITIES = [priority.name.lower() for priority in Priority]
_REGIONS = [region.value for region in anatomy.Region]
_SIDES = [side.value for side in Side]
_FACETS = ("contrast", "native", *senses.FACETS, "vessels")

_PATH = r"[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}(\.[1-9]\d{0,2}){0,2}"
_PLACE = {"type": "string", "pattern": rf"^({_PATH}|worklist\.[A-Z][A-Za-z0-9]+)$"}

Text = Annotated[str, PlainValidator(_read_text), WithJsonSchema({"type": "string"})]
TextPattern = Annotated[Pattern, PlainValidator(_read_pattern), WithJsonSchema({"type": "string"})]
Modality = Annotated[str, PlainValidator(_read_modality), _enum(modalities.KNOWN)]
ModalityOfPrior = Annotated[str, PlainValidator(_read_modality_of_prior), _enum((SAME, *modalities.KNOWN))]
Region = Annotated[str, _one_of(_REGIONS), _enum(_REGIONS)]
RegionOfPrior = Annotated[str, _one_of((SAME, *_REGIONS)), _enum((SAME, *_REGIONS))]
SideOfBody = Annotated[str, _one_of(_SIDES), _enum(_SIDES)]
SideOfPrior = Annotated[str, _one_of((SAME, *_SIDES)), _enum((SAME, *_SIDES))]
Facet = Annotated[str, _one_of(_FACETS), _enum(_FACETS)]
Sex = Annotated[str, PlainValidator(_read_sex), _enum(SEXES)]
AnyOrderValue = Annotated[
    OrderValue,
    PlainValidator(partial(_read_order_value, possible=ORDER_VALUES)),
    WithJsonSchema({"anyOf": [{"enum": list(ORDER_VALUES)}, _PLACE]}),
]
DecisiveValue = Annotated[
    OrderValue,
    PlainValidator(partial(_read_order_value, possible=DECISIVE_VALUES)),
    WithJsonSchema({"anyOf": [{"enum": list(DECISIVE_VALUES)}, _PLACE]}),
]
NamingValue = Annotated[
    OrderValue,
    PlainValidator(partial(_read_order_value, possible=NAMING_VALUES)),
    WithJsonSchema({"anyOf": [{"enum": list(NAMING_VALUES)}, _PLACE]}),
]
Place = Annotated[FieldPath, PlainValidator(read_path), yamlfile.text_like(_PATH)]
Keyword = Annotated[str, PlainValidator(read_keyword), yamlfile.text_like("[A-Z][A-Za-z0-9]+")]
Number = Annotated[Decimal, PlainValidator(_read_number), WithJsonSchema({"type": ["number", "string"]})]
Urgency = Annotated[Priority, PlainValidator(_read_priority), _enum(_PRIORITIES)]
Version = Annotated[Literal["1"], WithJsonSchema({"const": 1})]
Count = Annotated[int, Field(ge=1)]
Texts = Annotated[tuple[Text, ...], NotEmpty(), OneOrMany()]
Patterns = Annotated[tuple[TextPattern, ...], NotEmpty(), OneOrMany()]
