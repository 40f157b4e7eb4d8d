"""Plans: what one planning decided, turned into retrieves and wants in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from prefetch import lifecycle, model, parts
from prefetch.lifecycle import Step
from prefetch.model import Decision, RetrieveState, VerifiedBy
from prefetch.store import documents, history
from prefetch.store.dialects import upsert
from prefetch.store.orders import RELEASED
from prefetch.store.prepared import Prepared
from prefetch.store.retrieves import BY_NUMBER, COLUMNS, claimable, take_step
from prefetch.store.tables import in_state, orders, plans, retrieves, wants
from prefetch.store.wants import judge_readiness, leave, orders_wanting, retime, wanted_by

Target = tuple[str, str]
"""Study Instance UID and destination: at most one live retrieve has both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a plan changed in the queue, by retrieve."""

    created: tuple[int, ...]
    joined: tuple[int, ...]
    """Were there already, for this order or another."""
    withdrawn: tuple[int, ...]
    """Are no longer wanted by the order; ended only where no other order wants them."""
    ready: tuple[model.ReadyOrder, ...]
    """Orders that became ready by it."""


_FIRST_STATE = {
    Decision.TAKEN: RetrieveState.WAITING,
    Decision.PRESENT: RetrieveState.VERIFIED,
    Decision.QUARANTINED: RetrieveState.QUARANTINED,
    Decision.COOLING: RetrieveState.WAITING,  # where history has lost what was fetched
}
"""Decision → state of a retrieve that is new; the other decisions want none."""

_BROUGHT = frozenset({Decision.PRESENT, Decision.COOLING})

_NOT_BEGUN = frozenset({RetrieveState.WAITING, RetrieveState.DUE})

_PLANNED_WITH = (
    "planned_at",
    "planned_version",
    "plan_at",
    "plan_attempts",
    "plan_problem",
    "configuration",
)
_HOLD = Prepared(
    select(orders.c.owner, orders.c.version, orders.c.planned_at)
    .where(orders.c.id == bindparam("order"))
    .with_for_update()
)
_KEEP = Prepared(insert(plans))
_PLANNED = Prepared(
    update(orders)
    .where(orders.c.id == bindparam("order"))
    .values({**{name: bindparam(name) for name in _PLANNED_WITH}, "planned_segments": None, **RELEASED})
)
_OF_STUDIES = (
    select(*COLUMNS)
    .where(retrieves.c.study_instance_uid.in_(bindparam("studies", expanding=True)))
    .order_by(retrieves.c.id)
    .with_for_update()
)
_LIVE_OF = Prepared(_OF_STUDIES.where(in_state(*lifecycle.LIVE)))
_VERIFIED_OF = Prepared(_OF_STUDIES.where(in_state(RetrieveState.VERIFIED)))
_REFUSED_BY_HAND = Prepared(
    select(retrieves.c.study_instance_uid, retrieves.c.destination)
    .join(wants, wants.c.retrieve_id == retrieves.c.id)
    .where(wants.c.order_id == bindparam("order"), wants.c.refused_by.is_not(None))
)
_CREATE = insert(retrieves).returning(retrieves.c.id, retrieves.c.study_instance_uid, retrieves.c.destination)


def save_plan(
    c: Connection,
    plan: model.Plan,
    wanted: Sequence[model.Wanted],
    *,
    owner: str,
    next_plan_at: datetime | None,
    attempts: int = 0,
    configuration: str | None = None,
    now: datetime,
) -> Saved | None:
    """Write a plan and make the queue want just that; `attempts`: plans in a row that were not whole.

    `configuration` is the fingerprint of what it was decided by.

    None where the order changed meanwhile or the claim on it is lost: the result is dropped, and the order is
    planned again by whoever claims it next.
    """
    row = _HOLD.row(c, {"order": plan.order_id})
    if row is None or row["owner"] != owner:
        return None
    if row["version"] != plan.order_version:
        c.execute(update(orders).where(orders.c.id == plan.order_id).values(**RELEASED))
        return None
    document = documents.write_plan(plan)
    _KEEP.run(c, {"order_id": plan.order_id, "made_at": plan.made_at, "document": document})
    again = {"plan_at": next_plan_at, "plan_attempts": attempts, "configuration": configuration}
    _finish_planning(c, plan, again, now)
    is_first = row["planned_at"] is None
    before = [] if is_first else wanted_by(c, plan.order_id)
    refused = set() if is_first else _refused_by_hand(c, plan.order_id)
    created, joined = _queue_all(
        c, plan.order_id, [wish for wish in wanted if _target(wish) not in refused], now
    )
    left = [number for number in before if number not in {*created, *joined}]
    leave(c, plan.order_id, left, because="no longer in the plan", now=now)
    retime(c, joined, now=now)
    touched = {plan.order_id, *(orders_wanting(c, joined) if joined else ())}
    ready = judge_readiness(c, sorted(touched), now=now)
    history.record(c, _tell(plan, created, joined, left, now))
    return Saved(created=tuple(created), joined=tuple(joined), withdrawn=tuple(left), ready=tuple(ready))


def latest_plan(c: Connection, order_id: int) -> model.Plan | None:
    """Give the last plan of an order."""
    query = select(plans.c.document).where(plans.c.order_id == order_id).order_by(plans.c.id.desc()).limit(1)
    document = c.execute(query).scalar_one_or_none()
    return None if document is None else documents.readable(documents.read_plan, document)


# --- the order's row -------------------------------------------------------------------------------


def _finish_planning(c: Connection, plan: model.Plan, again: Mapping[str, object], now: datetime) -> None:
    """Write of the order that it is planned, and when and why it is to be planned again."""
    planned = {
        "planned_at": now,
        "planned_version": plan.order_version,
        "plan_problem": plan.problem,
        **again,
    }
    _PLANNED.run(c, {"order": plan.order_id, **planned})


# --- the queue -------------------------------------------------------------------------------------


def _queue_all(
    c: Connection, order_id: int, wanted: Sequence[model.Wanted], now: datetime
) -> tuple[list[int], list[int]]:
    """Queue all that an order wants; gives the retrieves that were made and those that were there."""
    wishes = {_target(wish): wish for wish in wanted}
    known = _find_all(c, wishes, now)
    joined: dict[int, model.Wanted] = {}
    new: list[model.Wanted] = []
    for target in sorted(wishes):  # in one sequence for all, so that no two plans wait for each other
        wish = wishes[target]
        if retrieve := _join(c, known.get(target), wish, order_id, now):
            joined[retrieve.id] = wish
        else:
            new.append(wish)
    made = _create(c, new, now)
    upsert(c, wants, [_want(order_id, number, wish) for number, wish in (made | joined).items()])
    history.record(c, *(_planned(number, wish, now) for number, wish in made.items()))
    return list(made), list(joined)


def _find_all(
    c: Connection, wishes: Mapping[Target, model.Wanted], now: datetime
) -> dict[Target, model.Retrieve]:
    """Hold the live retrieves of what is wanted; where it was brought and none is live, what brought it."""
    live = _find(c, wishes, _LIVE_OF, now)
    brought = {target for target, wish in wishes.items() if wish.decision in _BROUGHT and target not in live}
    return live | _find(c, brought, _VERIFIED_OF, now)


def _find(
    c: Connection, targets: Collection[Target], query: Prepared, now: datetime
) -> dict[Target, model.Retrieve]:
    """Hold the newest retrieve of each study and destination that a query finds by its `studies`."""
    if not targets:
        return {}
    rows = query.rows(c, {"studies": sorted({study for study, _ in targets})})
    found = {(each.study_instance_uid, each.destination): each for each in claimable(c, rows, now=now)}
    return {target: each for target, each in found.items() if target in targets}


def _join(
    c: Connection, known: model.Retrieve | None, wish: model.Wanted, order_id: int, now: datetime
) -> model.Retrieve | None:
    """Bring a retrieve that was there up to what this plan knows of it; None where a new one is needed."""
    if known is None:
        return None
    this, numbers = retrieves.c.id == known.id, {"numbers": [known.id]}
    alone = orders_wanting(c, [known.id]) in ([], [order_id])
    if wish.decision is Decision.PRESENT and known.state in lifecycle.origins(Step.VERIFY):
        verified = {"verified_by": VerifiedBy.QUERY, "verified_at": now}
        because: dict[str, object] = {"because": wish.choice.reason.because}
        take_step(c, Step.VERIFY, BY_NUMBER, at=now, parameters=numbers, values=verified, detail=because)
    elif wish.decision is Decision.QUARANTINED and alone and known.state in _NOT_BEGUN:
        # What was taken for this order alone is now found to conflict: it must not move.
        take_step(c, Step.WITHDRAW, BY_NUMBER, at=now, parameters=numbers, detail={"because": wish.because})
        return None
    elif known.state in {*_NOT_BEGUN, RetrieveState.QUARANTINED}:
        c.execute(update(retrieves).where(this).values(_merge(known, wish, alone=alone)))
    elif known.state in lifecycle.LIVE and not parts.covers(known.series, parts.wanted(wish.choice)):
        # It moves already: the look at the destination finds it incomplete, and has the rest moved.
        c.execute(update(retrieves).where(this).values(_expected(known, wish, alone=False)))
    if wish.decision is Decision.TAKEN and alone and known.state is RetrieveState.QUARANTINED:
        # The conflict was this order's own and is gone; another order's conflict waits for a person.
        gone = {"because": "no conflict now"}
        no_problem = {"problem": None}
        take_step(c, Step.RELEASE, BY_NUMBER, at=now, parameters=numbers, values=no_problem, detail=gone)
    return known


def _merge(known: model.Retrieve, wish: model.Wanted, *, alone: bool) -> dict[str, object]:
    """Give the archives that a retrieve may come from: as its only order says, or of all its orders.

    One that has given up on the first archive stays with the one that it went on to.
    """
    said = wish.choice.archives
    both = (*known.archives, *(archive for archive in said if archive not in known.archives))
    archives = said if alone else both
    went_on = known.archive != known.archives[0] and known.archive in archives
    return {
        "archive": known.archive if went_on else archives[0],
        "archives": list(archives),
        **_expected(known, wish, alone=alone),
    }


def _expected(known: model.Retrieve | None, wish: model.Wanted, *, alone: bool) -> dict[str, object]:
    """Give what is to arrive: the series that this order wants, or all that its orders want together."""
    said = parts.wanted(wish.choice)
    series = said if known is None or alone else parts.unite(known.series, said)
    return {
        "series": [list(each) for each in series],
        # What the last move left out says nothing of what it was not asked for.
        "missing": list(known.missing) if known is not None and known.series == series else [],
        "expected_instances": parts.count(series) if series else wish.choice.study.instances,
        "expected_series": len(series) or wish.choice.study.series,
    }


def _create(c: Connection, wishes: Sequence[model.Wanted], now: datetime) -> dict[int, model.Wanted]:
    """Make retrieves; the unique index lets one node only do so, and has the other plan again."""
    if not wishes:
        return {}
    numbers = {
        (study, place): n for n, study, place in c.execute(_CREATE, [_row(wish, now) for wish in wishes])
    }
    return {numbers[_target(wish)]: wish for wish in wishes}


def _row(wish: model.Wanted, now: datetime) -> dict[str, object]:
    """Give the row of a retrieve that is new."""
    choice, study = wish.choice, wish.choice.study
    state = _first_state(wish, now)
    present = state is RetrieveState.VERIFIED
    return {
        "state": state,
        "study_instance_uid": study.study_instance_uid,
        "archive": choice.archives[0],
        "archives": list(choice.archives),
        "destination": choice.destination,
        "patient_id": wish.patient_id,
        "issuer_of_patient_id": wish.issuer_of_patient_id,
        "lane": wish.lane,
        "start_at": choice.start_at,
        "closes_at": choice.closes_at,
        "deadline": choice.deadline,
        "expire_at": wish.expire_at,
        "attempts": 0,
        "checks": 0,
        "fence": 0,
        **_expected(None, wish, alone=True),
        "problem": wish.because or None,
        "verified_by": VerifiedBy.QUERY if present else None,
        "verified_at": now if present else None,
        "created_at": now,
    }


def _first_state(wish: model.Wanted, now: datetime) -> RetrieveState:
    state = _FIRST_STATE[wish.decision]
    return RetrieveState.DUE if state is RetrieveState.WAITING and wish.choice.start_at <= now else state


def _want(order_id: int, retrieve_id: int, wish: model.Wanted) -> dict[str, object]:
    """Give the row of what an order wants of a retrieve."""
    choice = wish.choice
    return {
        "order_id": order_id,
        "retrieve_id": retrieve_id,
        "rule": choice.rule,
        "prior_class": choice.prior_class,
        "grade": choice.grade,
        "lane": wish.lane,
        "start_at": choice.start_at,
        "closes_at": choice.closes_at,
        "deadline": choice.deadline,
        "expire_at": wish.expire_at,
        "withdrawn": False,
        "withdrawn_because": None,
    }


def _planned(retrieve_id: int, wish: model.Wanted, now: datetime) -> model.Happening:
    detail: dict[str, object] = {"state": _first_state(wish, now), "because": wish.because}
    return model.Happening(at=now, what="retrieve_planned", retrieve_id=retrieve_id, detail=detail)


def _refused_by_hand(c: Connection, order_id: int) -> set[Target]:
    """Give what a person has taken from this order: no plan brings it back."""
    rows = _REFUSED_BY_HAND.rows(c, {"order": order_id})
    return {(row["study_instance_uid"], row["destination"]) for row in rows}


def _target(wish: model.Wanted) -> Target:
    return wish.choice.study.study_instance_uid, wish.choice.destination


def _tell(
    plan: model.Plan, created: Sequence[int], joined: Sequence[int], left: Sequence[int], now: datetime
) -> model.Happening:
    detail: dict[str, object] = {
        "version": plan.order_version,
        "created": len(created),
        "joined": len(joined),
        "withdrawn": len(left),
        "problem": plan.problem,
    }
    return model.Happening(at=now, what="order_planned", order_id=plan.order_id, detail=detail)
