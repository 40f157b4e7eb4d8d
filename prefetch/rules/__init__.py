"""What a rule may say, and loading the rules of a directory (design, section 7).

Rules are data: conditions on the order (`when`), and classes of studies that it wants (`priors`). What they
mean for an order is decided in `planning.select`; what they may say is all here. One grammar everywhere: all
keys of a block must hold, and a list means any of its values.
"""

from prefetch.rules.loading import RuleSet, Source, load, read
from prefetch.rules.places import SOURCES, Sources
from prefetch.rules.priors import Limits, PriorClass, SeriesCondition, SeriesFilter, StudyCondition
from prefetch.rules.rule import Destinations, Lookup, Origin, Rule, RuleFile
from prefetch.rules.values import (
    NUMBER,
    OTHER_FEEDS,
    SAME,
    SEXES,
    Count,
    IfLate,
    IfNoWindow,
    IfUnscheduled,
    Modality,
    Mode,
    OrderValue,
    Pattern,
    Patterns,
    Relevance,
    Side,
    Text,
    Texts,
    Urgency,
    Use,
    Version,
    fold,
)
from prefetch.rules.when import AgeRange, Condition, ValueTest

__all__ = [
    "NUMBER",
    "OTHER_FEEDS",
    "SAME",
    "SEXES",
    "SOURCES",
    "AgeRange",
    "Condition",
    "Count",
    "Destinations",
    "IfLate",
    "IfNoWindow",
    "IfUnscheduled",
    "Limits",
    "Lookup",
    "Modality",
    "Mode",
    "OrderValue",
    "Origin",
    "Pattern",
    "Patterns",
    "PriorClass",
    "Relevance",
    "Rule",
    "RuleFile",
    "RuleSet",
    "SeriesCondition",
    "SeriesFilter",
    "Side",
    "Source",
    "Sources",
    "StudyCondition",
    "Text",
    "Texts",
    "Urgency",
    "Use",
    "ValueTest",
    "Version",
    "fold",
    "load",
    "read",
]
