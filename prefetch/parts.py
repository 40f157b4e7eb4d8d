"""PURE: which series of a study are wanted, where it is not the whole of it.

No series named is the whole study, and the whole wins over a part: two orders that want one study at one
destination share one retrieve.
"""

from __future__ import annotations

from prefetch.model import Choice, SeriesCounts


def wanted(choice: Choice) -> SeriesCounts:
    """The series that a choice wants, each with the number of instances that its archive says."""
    return tuple((each.series_instance_uid, each.instances) for each in choice.series)


def unite(one: SeriesCounts, other: SeriesCounts) -> SeriesCounts:
    """The series that either wants."""
    if not one or not other:
        return ()
    return tuple((dict(one) | dict(other)).items())


def covers(whole: SeriesCounts, part: SeriesCounts) -> bool:
    """Whether all that one wants is in the other."""
    return not whole or (bool(part) and dict(part).keys() <= dict(whole).keys())


def count(series: SeriesCounts) -> int | None:
    """How many instances they have together; None where any is not known."""
    counts = [instances for _, instances in series]
    return None if None in counts else sum(instances or 0 for instances in counts)
