"""PURE: what classes of priors take of each other, and which can take nothing, by what they say alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prefetch import modalities
from prefetch.rules.coverage import no_longer, patterns_cover
from prefetch.rules.priors import PriorClass, SeriesCondition, StudyCondition
from prefetch.rules.values import SAME, Pattern
from prefetch.spans import DayOfStudy


def asks_no_more(wide: StudyCondition, narrow: StudyCondition) -> bool:
    """Whether every study that fits the narrower block fits the wider."""
    return all(
        not (asked := getattr(wide, key)) or (bool(said := getattr(narrow, key)) and covers(asked, said))
        for key, covers in COVERS.items()
    )


def takes_no_less(wide: PriorClass, narrow: PriorClass) -> bool:
    """Whether a class takes every study that another takes, each by itself in the same rule's place."""
    numbers = wide.is_unlimited or (_is_same_but_numbers(wide, narrow) and _has_the_numbers(wide, narrow))
    return numbers and wide.if_fewer_than is None and _fits_no_less(wide, narrow)


def takes_nothing(one: PriorClass) -> str | None:
    """Why no study is ever taken by a class, in words; None where one may be."""
    if any(asks_no_more(left_out, one) for left_out in one.exclude):
        return "what it asks for is what it excludes"
    if one.series and any(_series_ask_no_more(each, one.series) for each in one.series.exclude):
        return "the series that it asks for are those that it excludes"
    limits = [(word, day) for word, day in _earliest(one) if _is_later(day, one.not_after)]
    return f"no study is {limits[0][0]} and not after {one.not_after}" if limits else None


def _series_ask_no_more(wide: SeriesCondition, narrow: SeriesCondition) -> bool:
    modality = not wide.modality or (bool(narrow.modality) and {*narrow.modality} <= {*wide.modality})
    described = bool(narrow.description) and patterns_cover(wide.description, narrow.description)
    return modality and (not wide.description or described)


def _modalities_cover(wide: Iterable[str], narrow: Iterable[str]) -> bool:
    """Of modality terms; `same` stands for itself."""
    return _terms(narrow) <= _terms(wide)


def _terms(names: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(modalities.members, names))


def _values_cover(wide: Iterable[str], narrow: Iterable[str]) -> bool:
    return {*narrow} <= {*wide}


def _codes_cover(wide: Iterable[Pattern], narrow: Iterable[Pattern]) -> bool:
    """Of procedure codes; `same` is no text but whatever the order's is."""
    same = Pattern(SAME)
    others = [one for one in narrow if one != same]
    asks_same = any(one == same for one in narrow)
    return (not asks_same or same in wide or Pattern("*") in wide) and patterns_cover(wide, others)


COVERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "modality": _modalities_cover,
    "region": _values_cover,
    "side": _values_cover,
    "facet": _values_cover,
    "description": patterns_cover,
    "procedure_code": _codes_cover,
    "institution": patterns_cover,
}
"""Key of a block about a study → whether its values take all that others take."""


# --- classes ---------------------------------------------------------------------------------------


def _fits_no_less(wide: PriorClass, narrow: PriorClass) -> bool:
    """Whether every study that a class asks for is one that the wider asks for, numbers aside."""
    relevance = wide.relevance is None or (
        narrow.relevance is not None and wide.relevance.least <= narrow.relevance.least
    )
    within = wide.within is None or (narrow.within is not None and no_longer(narrow.within, wide.within))
    days = all(getattr(wide, key) in {None, getattr(narrow, key)} for key in ("not_before", "not_after"))
    excluded = all(any(asks_no_more(mine, theirs) for mine in narrow.exclude) for theirs in wide.exclude)
    series = wide.series in {None, narrow.series}
    # What an order names need not be earlier than the exam: no other class takes all of that.
    named = wide.named_in == narrow.named_in
    return asks_no_more(wide, narrow) and relevance and within and days and excluded and series and named


def _is_same_but_numbers(one: PriorClass, other: PriorClass) -> bool:
    return _fits_no_less(one, other) and _fits_no_less(other, one)


def _has_the_numbers(wide: PriorClass, narrow: PriorClass) -> bool:
    if narrow.is_unlimited:
        return False
    pairs = ((wide.newest, narrow.newest), (wide.oldest, narrow.oldest))
    return all((mine or 0) >= (theirs or 0) for mine, theirs in pairs)


def never_has_a_turn(classes: Iterable[PriorClass]) -> Iterable[tuple[int, str]]:
    """Classes to which an earlier one leaves nothing: position, and the name of the earlier."""
    before: list[PriorClass] = []
    for position, one in enumerate(classes):
        greedy = (each for each in before if _leaves_nothing(each, one))
        if first := next(greedy, None):
            yield position, first.name
        before.append(one)


def _leaves_nothing(wide: PriorClass, narrow: PriorClass) -> bool:
    """Whether a class takes every study that a later one asks for, wherever that has its turn."""
    if wide.is_unlimited:
        return takes_no_less(wide, narrow)
    # Where it took fewer than its number, it took all there were.
    is_short = narrow.if_fewer_than is not None and narrow.if_fewer_than <= (wide.newest or 0)
    return is_short and wide.if_fewer_than is None and _fits_no_less(wide, narrow)


# --- days ------------------------------------------------------------------------------------------


def _earliest(one: PriorClass) -> Iterable[tuple[str, DayOfStudy]]:
    """The earliest day that a class takes, in words and as a day."""
    if one.within:
        yield f"within {one.within}", DayOfStudy(age=one.within)
    if one.not_before:
        yield f"not before {one.not_before}", one.not_before


def _is_later(one: DayOfStudy, other: DayOfStudy | None) -> bool:
    """Whether a day is later than another on whatever day the exam is."""
    if other is None:
        return False
    if one.on and other.on:
        return one.on > other.on
    if one.age and other.age:
        return no_longer(one.age, other.age) and not no_longer(other.age, one.age)
    return False
