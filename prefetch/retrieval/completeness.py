"""PURE: whether a study is complete at its destination, and on whose word.

A missing count is not zero: it is unknown, and unknown is never complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefetch import model, parts
from prefetch.model import Outcome, VerifiedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The verdict: complete or not, or None where nobody could say; with the counts that it stands on."""

    complete: bool | None
    because: str
    verified_by: VerifiedBy
    arrived: int | None = None


def expected_instances(retrieve: model.Retrieve) -> int | None:
    """How many instances should be there: the archive's count, else that of its sub-operations."""
    if retrieve.expected_instances is not None:
        return retrieve.expected_instances
    return (_sent(retrieve) or 0) + (retrieve.failed or 0) or None


def by_query(
    retrieve: model.Retrieve, *, answered: model.Study | None, counted: int | None = None
) -> Completeness:
    """Compare with the destination's answer to a C-FIND; None: it does not hold the study.

    `counted` is the number of instances found at IMAGE level, asked where no count came at STUDY level.
    """
    if answered is None:
        return _asked(False, "the destination does not have the study", arrived=0)
    arrived = counted if counted is not None else answered.instances
    expected = expected_instances(retrieve)
    if arrived is None:
        return _asked(None, "the destination has the study but does not say how many instances")
    if expected is None:
        # A move that was lost gave no counts. The next one does, and what is there is not sent in vain.
        because = f"{arrived} instances are there, but the archive does not say how many it holds"
        return _asked(False, because, arrived=arrived)
    complete = arrived >= expected
    return _asked(complete, f"{arrived} of {expected} instances are there", arrived=arrived)


def by_parts(wanted: model.Parts, counts: Mapping[str, int | None] | None) -> Completeness:
    """Compare part by part, where only some of a study is wanted; None: they could not be asked for.

    `counts` is how many of what is wanted of each series are there, by Series Instance UID.
    """
    if counts is None:
        return _asked(None, "the destination has the study but does not say which series")
    here = [part for part in wanted if parts.is_there(part, counts)]
    arrived = sum(counts.get(part.series_instance_uid) or 0 for part in wanted)
    of = sum(part.instances or 0 for part in wanted)
    if any(part.only for part in wanted):
        because = f"{arrived} of the {of} instances that are wanted are there"
    else:
        because = f"{len(here)} of {len(wanted)} series are there, {arrived} instances"
    return _asked(len(here) == len(wanted), because, arrived=arrived)


def by_counters(retrieve: model.Retrieve) -> Completeness:
    """Judge by what the archive counted, where the destination cannot be asked (PS3.7 9.1.4.1)."""
    sent, expected = _sent(retrieve), expected_instances(retrieve)
    good = retrieve.last_outcome in {Outcome.SUCCESS, Outcome.WARNING} and not retrieve.failed
    complete = good and bool(sent) and (expected is None or (sent or 0) >= expected)
    of = "" if expected is None else f" of {expected}"
    return Completeness(
        complete=complete,
        because=f"the archive counted {sent or 0}{of} instances sent, {retrieve.failed or 0} failed",
        verified_by=VerifiedBy.COUNTERS,
        arrived=sent,
    )


def _asked(complete: bool | None, because: str, *, arrived: int | None = None) -> Completeness:
    return Completeness(complete=complete, because=because, verified_by=VerifiedBy.QUERY, arrived=arrived)


def _sent(retrieve: model.Retrieve) -> int | None:
    if retrieve.completed is None and retrieve.warning is None:
        return None
    return (retrieve.completed or 0) + (retrieve.warning or 0)
