"""Retrieves: rows and nouns, looking at them, and the one place where their state changes.

Every change is a step of `lifecycle`, taken only from the states that allow it, with its event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, tuple_, update

from prefetch import lifecycle, model
from prefetch.lifecycle import Step
from prefetch.runtime.set_aside import SET_ASIDE
from prefetch.store import documents, history
from prefetch.store.prepared import Prepared
from prefetch.store.tables import in_numbers, in_state, retrieves, wants

log = structlog.stdlib.get_logger(__name__)

_FIELDS = [field.name for field in fields(model.Retrieve)]
COLUMNS = [retrieves.c[name] for name in _FIELDS]

_NO_LEASE: dict[str, Any] = {"owner": None, "lease_until": None}

EVENTS = {
    Step.CLAIM: "retrieve_claimed",
    Step.MOVE: "retrieve_moved",
    Step.RETRY: "retrieve_postponed",
    Step.RECOVER: "retrieve_recovered",
    Step.VERIFY: "retrieve_verified",
    Step.CHECK_AGAIN: "retrieve_not_yet_complete",
    Step.FALL_SHORT: "retrieve_incomplete",
    Step.FAIL: "retrieve_failed",
    Step.WITHDRAW: "retrieve_withdrawn",
    Step.EXPIRE: "retrieve_expired",
    Step.RELEASE: "retrieve_released",
    Step.REFUSE: "retrieve_refused",
}
"""Step → event. PROMOTE has none: the clock made it, and `start_at` tells when."""


def as_retrieve(row: Mapping[Any, Any]) -> model.Retrieve:
    """Make the noun of a row."""
    values = {name: row[name] for name in _FIELDS}
    lists = {
        "archives": documents.read_texts(row["archives"]),
        "series": tuple(
            model.Part(uid, n, documents.read_texts(only))
            for uid, n, only in documents.read_list(row["series"])
        ),
        "missing": documents.read_texts(row["missing"]),
    }
    return model.Retrieve(**values | lists)


def legible(row: Mapping[Any, Any]) -> model.Retrieve:
    """Make the noun of a row to look at; where its lists cannot be read they are empty, and it says so."""
    try:
        return as_retrieve(row)
    except documents.UNREADABLE:
        values = {name: row[name] for name in _FIELDS}
        problem = row["problem"] or UNREADABLE
        return model.Retrieve(**values | {"archives": (), "series": (), "missing": (), "problem": problem})


UNREADABLE = f"{SET_ASIDE}: its row in the database cannot be read; `prefetch replan ORDER` makes another"


def claimable(c: Connection, rows: Iterable[Mapping[Any, Any]], *, now: datetime) -> list[model.Retrieve]:
    """Give the retrieves of rows; those that cannot be read are set aside, so that the others go on."""
    found: list[model.Retrieve] = []
    for row in rows:
        try:
            found.append(as_retrieve(row))
        except documents.UNREADABLE:
            _set_aside(c, row["id"], now)
    return found


def _set_aside(c: Connection, number: int, now: datetime) -> None:
    """End a retrieve whose row cannot be read, by the steps that lead there from where it is."""
    numbers, because = {"numbers": [number]}, {"because": UNREADABLE}
    claimed = {"owner": SET_ASIDE, "lease_until": now}
    # The last one is where it was in quarantine.
    for step, values in {Step.PROMOTE: {}, Step.CLAIM: claimed, Step.FAIL: {}, Step.WITHDRAW: {}}.items():
        written = {"problem": UNREADABLE, **values}
        take_step(c, step, BY_NUMBER, at=now, parameters=numbers, values=written, detail=because)
    log.error("retrieve_set_aside", retrieve_id=number, because=UNREADABLE)


# --- the one place where a state changes -----------------------------------------------------------


BY_NUMBER = in_numbers(retrieves.c.id)
"""Condition of a step: the retrieves that the parameter `numbers` names."""

FENCED = (
    BY_NUMBER,
    tuple_(retrieves.c.id, retrieves.c.fence).in_(bindparam("claims", expanding=True)),
)
"""Conditions of a step: the retrieves of a claim, while it is still the one that we were given.

The numbers by themselves are what SQLite finds the rows by.
"""

NEXT_FENCE = retrieves.c.fence + 1


def claims_of(claimed: Iterable[model.Retrieve]) -> dict[str, list[Any]]:
    """Give the parameters of `FENCED`."""
    claims = [(retrieve.id, retrieve.fence) for retrieve in claimed]
    return {"numbers": [number for number, _ in claims], "claims": claims}


def take_step(
    c: Connection,
    step: Step,
    *conditions: ColumnElement[bool],
    at: datetime,
    parameters: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    detail: Mapping[str, object] | None = None,
) -> list[model.Retrieve]:
    """Take a step with the retrieves that the conditions name and whose state allows it; gives them after it.

    A step ends whatever lease there was; `values` gives a new one where a step begins it. The conditions stay
    as they are and take `parameters`: a statement of theirs is made once.
    """
    written = {**_NO_LEASE, **(values or {})}
    computed = {name: value for name, value in written.items() if isinstance(value, ColumnElement)}
    plain = {f"{_WRITE}{name}": value for name, value in written.items() if name not in computed}
    statement = _step(step, conditions, tuple(plain), tuple(computed.items()))
    taken = [legible(row) for row in statement.rows(c, {**plain, **(parameters or {})})]
    if what := EVENTS.get(step):
        history.record(
            c,
            *(
                model.Happening(at=at, what=what, retrieve_id=retrieve.id, detail=dict(detail or {}))
                for retrieve in taken
            ),
        )
    return taken


_WRITE = "write_"
"""Begins the name of a parameter that is a new value."""


@lru_cache(maxsize=256)
def _step(
    step: Step,
    conditions: tuple[ColumnElement[bool], ...],
    plain: tuple[str, ...],
    computed: tuple[tuple[str, ColumnElement[Any]], ...],
) -> Prepared:
    """Make the statement of a step: from the states that allow it to the one that it leads to."""
    (state,) = {lifecycle.advance(origin, step) for origin in lifecycle.origins(step)}
    written: dict[str, Any] = {name.removeprefix(_WRITE): bindparam(name) for name in plain}
    return Prepared(
        update(retrieves)
        .where(in_state(*lifecycle.origins(step)), *conditions)
        .values({"state": state, **written, **dict(computed)})
        .returning(*COLUMNS)
    )


# --- looking ---------------------------------------------------------------------------------------


def get_retrieve(c: Connection, retrieve_id: int) -> model.Retrieve | None:
    """Give one retrieve."""
    found = get_retrieves(c, [retrieve_id])
    return found[0] if found else None


def get_retrieves(c: Connection, retrieve_ids: Iterable[int]) -> list[model.Retrieve]:
    """Give retrieves by their numbers, in that order."""
    return _retrieves(c, _select().where(retrieves.c.id.in_(list(retrieve_ids))).order_by(retrieves.c.id))


def find_live(c: Connection, study_instance_uid: str, destination: str) -> model.Retrieve | None:
    """Give the one live retrieve of a study to a destination."""
    same = (retrieves.c.study_instance_uid == study_instance_uid) & (retrieves.c.destination == destination)
    row = c.execute(_select().where(same, in_state(*lifecycle.LIVE))).mappings().one_or_none()
    return legible(row) if row else None


def list_retrieves(
    c: Connection,
    *,
    states: Iterable[model.RetrieveState] = (),
    archive: str | None = None,
    destination: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 1000,
) -> list[model.Retrieve]:
    """List retrieves by deadline."""
    query = _select()
    if chosen := tuple(states):
        query = query.where(in_state(*chosen))
    if archive:
        query = query.where(retrieves.c.archive == archive)
    if destination:
        query = query.where(retrieves.c.destination == destination)
    if since:
        query = query.where(retrieves.c.deadline >= since)
    if until:
        query = query.where(retrieves.c.deadline < until)
    return _retrieves(c, query.order_by(retrieves.c.deadline, retrieves.c.id).limit(limit))


def retrieves_of_order(c: Connection, order_id: int) -> list[tuple[model.Want, model.Retrieve]]:
    """Give all that an order wants or wanted, by deadline."""
    query = (
        select(wants, *(column.label(f"of_{column.name}") for column in COLUMNS))
        .join(retrieves, retrieves.c.id == wants.c.retrieve_id)
        .where(wants.c.order_id == order_id)
        .order_by(retrieves.c.deadline, retrieves.c.id)
    )
    found = []
    for row in c.execute(query).mappings():
        retrieve = legible({name: row[f"of_{name}"] for name in _FIELDS})
        found.append((_as_want(row), retrieve))
    return found


def verified_at(
    c: Connection, destination: str, study_instance_uids: Collection[str]
) -> list[model.Retrieve]:
    """Give what was ever verified of the studies at a destination: for one that cannot be asked."""
    same = retrieves.c.study_instance_uid.in_(study_instance_uids), retrieves.c.destination == destination
    return _retrieves(c, _select().where(*same, in_state(model.RetrieveState.VERIFIED)))


def has_arrived(c: Connection, archive: str, destination: str) -> bool:
    """Tell whether anything from an archive was ever verified at a destination."""
    pair = retrieves.c.archive == archive, retrieves.c.destination == destination
    query = select(retrieves.c.id).where(*pair, in_state(model.RetrieveState.VERIFIED)).limit(1)
    return c.execute(query).first() is not None


def count_set_aside(c: Connection, since: datetime) -> int:
    """Count what failed for a reason of ours, by a deadline since then."""
    ours = retrieves.c.problem.like(f"{SET_ASIDE}%"), retrieves.c.deadline >= since
    failed = in_state(model.RetrieveState.FAILED, model.RetrieveState.PARTIAL)
    return c.execute(select(func.count()).select_from(retrieves).where(failed, *ours)).scalar_one()


def count_retrieves(c: Connection, since: datetime) -> dict[model.RetrieveState, int]:
    """Count retrieves by state: the live ones all, the ended ones by a deadline since then."""
    ended = in_state(*lifecycle.ENDED) & (retrieves.c.deadline >= since)
    by_state = select(retrieves.c.state, func.count()).where(ended).group_by(retrieves.c.state)
    counts: dict[model.RetrieveState, int] = dict(c.execute(by_state).all())
    for state in lifecycle.LIVE:  # one by one: each has its partial index
        counts[state] = c.execute(
            select(func.count()).select_from(retrieves).where(in_state(state))
        ).scalar_one()
    return counts


def _select() -> Select[Any]:
    return select(*COLUMNS)


def _retrieves(c: Connection, query: Select[Any]) -> list[model.Retrieve]:
    return [legible(row) for row in c.execute(query).mappings()]


def _as_want(row: Mapping[Any, Any]) -> model.Want:
    return model.Want(**{field.name: row[field.name] for field in fields(model.Want)})
