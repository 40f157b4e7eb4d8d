"""PURE: who said what of an exam, and whose word holds: of each field the freshest, whoever said it.

Messages come late, twice and out of order, and several sources tell of one exam. Each source's last word on
each field is kept with its time, so that what is heard late is weighed as if it had come when it was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from prefetch.model import Saying

Sayings = tuple[Saying, ...]


def hear(sayings: Sayings, saying: Saying) -> tuple[Sayings, frozenset[str]]:
    """The sayings with one more, and the fields in which it is the freshest word.

    Of two words of the same time, the one that was heard last is the fresher.
    """
    fresh = frozenset(name for name in saying.said if not _said_later(sayings, saying, name))
    kept = [_without(each, _outdated(each, saying)) for each in sayings]
    own = [each for each in sayings if each.source == saying.source]
    stale = frozenset(name for name in saying.said if _said_later(own, saying, name))
    return tuple(each for each in (*kept, _without(saying, stale)) if each.said), fresh


def time_in_order(sayings: Sayings, *, source: str, at: datetime, heard_at: datetime | None) -> datetime:
    """Give when a source said something, never before what it said earlier by the order of arrival.

    A connection delivers in order; a time that runs backwards on it (twelve hours for 24, a clock that was
    set) is not believed.
    """
    if heard_at is None:
        return at
    heard_before = (
        saying.at
        for saying in sayings
        if saying.source == source and saying.heard_at is not None and saying.heard_at < heard_at
    )
    return max([at, *heard_before])


def merge(first: Sayings, second: Sayings) -> Sayings:
    """The sayings of two orders that turned out to be one exam."""
    merged = first
    for saying in second:
        merged, _ = hear(merged, saying)
    return merged


def forget(sayings: Sayings, name: str) -> Sayings:
    """The sayings as if nobody had spoken of a field."""
    kept = (_without(saying, frozenset({name}) & saying.said.keys()) for saying in sayings)
    return tuple(saying for saying in kept if saying.said)


def latest(sayings: Sayings, name: str) -> Saying | None:
    """Whose word holds on a field; None where nobody has spoken of it."""
    spoken = [saying for saying in sayings if name in saying.said]
    # max() gives the first of equals, and the last that was heard is the fresher.
    return max(reversed(spoken), key=lambda saying: saying.at, default=None)


def is_fresher(one: Saying | None, other: Saying, *, among: Sayings) -> bool:
    """Whether one saying is the fresher of two."""
    return one is not None and (one.at, among.index(one)) > (other.at, among.index(other))


def holding(sayings: Sayings) -> Mapping[str, Saying]:
    """Of each field that was spoken of, whose word holds."""
    names = sorted({name for saying in sayings for name in saying.said})
    return {name: said for name in names if (said := latest(sayings, name)) is not None}


def _said_later(sayings: Iterable[Saying], saying: Saying, name: str) -> bool:
    return any(name in each.said and each.at > saying.at for each in sayings)


def _outdated(earlier: Saying, saying: Saying) -> frozenset[str]:
    """What a source has said before and says anew."""
    same = earlier.source == saying.source and earlier.at <= saying.at
    return frozenset(earlier.said) & frozenset(saying.said) if same else frozenset()


def _without(saying: Saying, names: frozenset[str]) -> Saying:
    if not names:
        return saying
    return replace(saying, said={name: value for name, value in saying.said.items() if name not in names})
