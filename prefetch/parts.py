"""PURE: which series of a study are wanted, or which of their instances, where it is not the whole of it.

No part named is the whole study, and the whole wins over a part, of a study and of a series: two orders that
want one study at one destination share one retrieve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prefetch.model import Choice, Part, Parts, Series


def wanted(choice: Choice) -> Parts:
    """What a choice wants of its study, each part with the number of instances that its archive says."""
    return of(choice.series)


def of(series: Iterable[Series]) -> Parts:
    """What is wanted of each of these series."""
    return tuple(Part(each.series_instance_uid, each.instances, each.only) for each in series)


def unite(one: Parts, other: Parts) -> Parts:
    """What either wants."""
    if not one or not other:
        return ()
    return once((*one, *other))


def once(said: Iterable[Part]) -> Parts:
    """Each series once, with all that is wanted of it."""
    united: dict[str, Part] = {}
    for part in said:
        known = united.get(part.series_instance_uid, part)
        united[part.series_instance_uid] = _either(known, part)
    return tuple(united.values())


def _either(one: Part, other: Part) -> Part:
    if not one.only or not other.only:
        return other if one.only else one
    both = tuple(dict.fromkeys((*one.only, *other.only)))
    return one._replace(instances=len(both), only=both)


def covers(whole: Parts, part: Parts) -> bool:
    """Whether all that one wants is in the other."""
    if not whole:
        return True
    there = _by_series(whole)
    return bool(part) and all(_is_in(there.get(each.series_instance_uid), each) for each in part)


def _is_in(whole: Part | None, part: Part) -> bool:
    if whole is None or not whole.only:
        return whole is not None
    return bool(part.only) and {*part.only} <= {*whole.only}


def _by_series(said: Parts) -> dict[str, Part]:
    return {part.series_instance_uid: part for part in said}


def is_there(part: Part, counts: Mapping[str, int | None]) -> bool:
    """Whether all of a part is there, by how many of what is wanted of each series are."""
    return part.instances is not None and (counts.get(part.series_instance_uid) or 0) >= part.instances


def count(said: Parts) -> int | None:
    """How many instances they have together; None where any is not known."""
    counts = [part.instances for part in said]
    return None if None in counts else sum(instances or 0 for instances in counts)
