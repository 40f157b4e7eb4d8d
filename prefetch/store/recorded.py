"""What was recorded of exams, to be replayed: orders as they were planned, and what archives had answered.

Only looks. Documents are read as text straight into nouns: a replay reads millions of studies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, func, select

from prefetch import model
from prefetch.store import documents
from prefetch.store.orders import COLUMNS, as_order
from prefetch.store.retrieves import COLUMNS as RETRIEVES
from prefetch.store.retrieves import legible
from prefetch.store.tables import answers, day_of_order, in_numbers, orders, plans, retrieves, verdicts, wants

Target = tuple[str, str]
"""Study Instance UID and destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An exam as it was planned last, and what was decided then."""

    order: model.Order
    """As it stood when it was planned."""
    plan: model.Plan
    there: frozenset[Target]
    """Wanted studies that the destination held without our doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an archive said of a patient, and from when to when it said just that."""

    first_asked_at: datetime
    asked_at: datetime
    result: model.FindResult


Key = tuple[str, str, str]
"""Archive, patient ID and issuer, as the archive was asked."""


# --- exams -----------------------------------------------------------------------------------------


def order_numbers(c: Connection, *, since: datetime, until: datetime | None) -> list[int]:
    """Give the numbers of the orders whose exam is in a time; one without a time stands where it came."""
    query = select(orders.c.id).where(day_of_order >= since).order_by(orders.c.id)
    return list(c.execute(query if until is None else query.where(day_of_order < until)).scalars())


_ORDERS = select(*COLUMNS, orders.c.planned_segments).where(in_numbers(orders.c.id)).order_by(orders.c.id)
_LATEST = select(func.max(plans.c.id)).where(in_numbers(plans.c.order_id)).group_by(plans.c.order_id)
_PLANS = select(plans.c.order_id, cast(plans.c.document, Text).label("document")).where(
    plans.c.id.in_(_LATEST)
)
_NEVER_MOVED = (
    select(wants.c.order_id, retrieves.c.study_instance_uid, retrieves.c.destination)
    .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
    .where(
        in_numbers(wants.c.order_id),
        retrieves.c.state == model.RetrieveState.VERIFIED,
        retrieves.c.claimed_at.is_(None),
    )
)


def read_records(c: Connection, numbers: Sequence[int]) -> tuple[list[Record], list[model.Order]]:
    """Give the records of orders, and the orders that were never planned."""
    these = {"numbers": list(numbers)}
    known = [_as_planned(row) for row in c.execute(_ORDERS, these).mappings()]
    made = {row.order_id: documents.parse_plan(row.document) for row in c.execute(_PLANS, these)}
    there: dict[int, set[Target]] = defaultdict(set)
    for row in c.execute(_NEVER_MOVED, these):
        there[row.order_id].add((row.study_instance_uid, row.destination))
    records = [
        Record(order=order, plan=made[order.id], there=frozenset(there[order.id]))
        for order in known
        if order.id in made
    ]
    return records, [order for order in known if order.id not in made]


_FETCHED = (
    select(wants.c.order_id, *RETRIEVES)
    .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
    .where(in_numbers(wants.c.order_id), retrieves.c.state == model.RetrieveState.VERIFIED)
)


def read_fetched(c: Connection, numbers: Sequence[int]) -> dict[int, list[model.Retrieve]]:
    """Give what was ever fetched for orders and verified, by the number of the order."""
    fetched: dict[int, list[model.Retrieve]] = defaultdict(list)
    for row in c.execute(_FETCHED, {"numbers": list(numbers)}).mappings():
        fetched[row["order_id"]].append(legible(row))
    return fetched


def _as_planned(row: Mapping[Any, Any]) -> model.Order:
    """An order with its messages as they were when it was planned; whatever else changes plans it anew."""
    order = as_order(row)
    then = row["planned_segments"]
    return order if then is None else replace(order, segments=tuple(then))


# --- answers ---------------------------------------------------------------------------------------


class Answers:
    """What archives said of some patients, at any time."""

    def __init__(self, said: Mapping[Key, Sequence[Answer]]) -> None:
        self._said = said

    def given_at(self, key: Key, asked_at: datetime) -> Answer | None:
        """What the archive said when it was asked at that moment."""
        spans = (one for one in self._said.get(key, ()) if one.first_asked_at <= asked_at <= one.asked_at)
        return next(spans, None)

    def good_at(self, key: Key, moment: datetime, *, since: datetime) -> Answer | None:
        """A whole answer of that moment, which another order had: not older than `since`."""
        for one in self._said.get(key, ()):
            is_whole = one.result.outcome is model.Outcome.SUCCESS
            if is_whole and one.first_asked_at <= moment and one.asked_at >= since:
                return one
        return None


_ANSWERS = (
    select(
        answers.c.archive,
        answers.c.patient_id,
        answers.c.issuer,
        answers.c.first_asked_at,
        answers.c.asked_at,
        answers.c.outcome,
        answers.c.because,
        cast(answers.c.studies, Text).label("studies"),
    )
    .where(answers.c.archive == bindparam("name"), answers.c.patient_id.in_(bindparam("ids", expanding=True)))
    .order_by(answers.c.asked_at.desc(), answers.c.id.desc())
)


def read_answers(c: Connection, archives: Collection[str], patient_ids: Collection[str]) -> Answers:
    """Give all that archives ever said of patients, by the IDs under which they were asked."""
    said: dict[Key, list[Answer]] = defaultdict(list)
    for name in archives:
        for row in c.execute(_ANSWERS, {"name": name, "ids": sorted(patient_ids)}):
            said[row.archive, row.patient_id, row.issuer].append(
                Answer(
                    first_asked_at=row.first_asked_at,
                    asked_at=row.asked_at,
                    result=model.FindResult(
                        outcome=row.outcome,
                        because=row.because,
                        studies=documents.parse_studies(row.studies),
                    ),
                )
            )
    return Answers(said)


# --- what people decided ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person decided of a study in quarantine, and when."""

    study_instance_uid: str
    verdict: model.Verdict
    at: datetime


def read_verdicts(c: Connection, patient_ids: Collection[str]) -> dict[tuple[str, str], list[Decided]]:
    """Give what was decided of patients' studies, by patient ID and issuer, oldest first."""
    decided: dict[tuple[str, str], list[Decided]] = defaultdict(list)
    query = (
        select(verdicts).where(verdicts.c.patient_id.in_(sorted(patient_ids))).order_by(verdicts.c.decided_at)
    )
    for row in c.execute(query):
        decided[row.patient_id, row.issuer].append(
            Decided(study_instance_uid=row.study_instance_uid, verdict=row.verdict, at=row.decided_at)
        )
    return decided


# --- how quick archives are ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many instances an archive sent while a move was under way, and of which moves that was measured."""

    instances: int
    seconds: float
    moves: int
    first_at: datetime
    last_at: datetime

    @property
    def instances_a_second(self) -> float:
        """Of one association."""
        return self.instances / self.seconds


_RECENT = 20_000
"""Retrieves that are looked at, of each archive: some days of a large hospital."""

_SAID_NOTHING = (retrieves.c.last_outcome == model.Outcome.SUSPECT) & (
    retrieves.c.state == model.RetrieveState.VERIFIED
)
"""A success without counts, of an archive that never gives any: what arrived tells that it went well."""

_WENT_WELL = (
    select(
        retrieves.c.leader,
        retrieves.c.claimed_at,
        retrieves.c.moved_at,
        func.coalesce(
            retrieves.c.completed, retrieves.c.expected_instances, retrieves.c.arrived_instances
        ).label("instances"),
    )
    .where(
        retrieves.c.archive == bindparam("archive"),
        retrieves.c.last_outcome.in_([model.Outcome.SUCCESS, model.Outcome.WARNING]) | _SAID_NOTHING,
        retrieves.c.claimed_at.is_not(None),
        retrieves.c.moved_at.is_not(None),
    )
    .order_by(retrieves.c.id.desc())
    .limit(_RECENT)
    .subquery()
)

_MOVES = select(
    _WENT_WELL.c.claimed_at, _WENT_WELL.c.moved_at, func.sum(_WENT_WELL.c.instances).label("instances")
).group_by(_WENT_WELL.c.leader, _WENT_WELL.c.claimed_at, _WENT_WELL.c.moved_at)
"""Each move once, however many studies it carried."""


def measure_rates(c: Connection, archives: Iterable[str]) -> dict[str, Rate]:
    """Give each archive's rate in its newest moves that went well, from claim to its last word."""
    rates = {}
    for name in archives:
        rows = c.execute(_MOVES, {"archive": name}).all()
        if measured := [row for row in rows if row.instances and row.moved_at > row.claimed_at]:
            rates[name] = _rate(measured)
    return rates


def _rate(rows: Sequence[Any]) -> Rate:
    return Rate(
        instances=sum(int(row.instances) for row in rows),
        seconds=sum((row.moved_at - row.claimed_at).total_seconds() for row in rows),
        moves=len(rows),
        first_at=min(row.claimed_at for row in rows),
        last_at=max(row.moved_at for row in rows),
    )
