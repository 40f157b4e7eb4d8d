"""Plans: what one planning decided, turned into retrieves and wants in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, insert, select, update

from prefetch import errors, lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import Decision, RetrieveState, VerifiedBy
from prefetch.store import documents, history
from prefetch.store.dialects import insert_into, upsert
from prefetch.store.orders import RELEASED
from prefetch.store.retrieves import COLUMNS, as_retrieve, take_step
from prefetch.store.tables import in_state, orders, plans, retrieves, wants
from prefetch.store.wants import judge_readiness, leave, orders_wanting, retime, wanted_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a plan changed in the queue, by retrieve."""

    created: tuple[int, ...]
    joined: tuple[int, ...]
    """Were there already, for this order or another."""
    withdrawn: tuple[int, ...]
    """Are no longer wanted by the order; ended only where no other order wants them."""
    ready: tuple[model.Order, ...]
    """Orders that became ready by it."""


_FIRST_STATE = {
    Decision.TAKEN: RetrieveState.WAITING,
    Decision.PRESENT: RetrieveState.VERIFIED,
    Decision.QUARANTINED: RetrieveState.QUARANTINED,
}
"""Decision → state of a retrieve that is new; the other decisions want none."""


def save_plan(
    c: Connection,
    plan: model.Plan,
    wanted: Sequence[model.Wanted],
    *,
    owner: str,
    next_plan_at: datetime | None,
    attempts: int = 0,
    now: datetime,
) -> Saved | None:
    """Write a plan and make the queue want just that; `attempts`: plans in a row that were not whole.

    None where the order changed meanwhile or the claim on it is lost: the result is dropped, and the order is
    planned again by whoever claims it next.
    """
    if not _still_ours(c, plan, owner):
        return None
    document = documents.write_plan(plan)
    c.execute(insert(plans).values(order_id=plan.order_id, made_at=plan.made_at, document=document))
    _finish_planning(c, plan, next_plan_at, attempts, now)
    before = wanted_by(c, plan.order_id)
    created, joined = _queue_all(c, plan.order_id, wanted, now)
    left = [number for number in before if number not in {*created, *joined}]
    touched = [*created, *joined, *left]
    leave(c, plan.order_id, left, because="no longer in the plan", now=now)
    retime(c, [*created, *joined], now=now)
    ready = judge_readiness(c, sorted({plan.order_id, *orders_wanting(c, touched)}), now=now)
    history.record(c, _tell(plan, created, joined, left, now))
    return Saved(created=tuple(created), joined=tuple(joined), withdrawn=tuple(left), ready=tuple(ready))


def latest_plan(c: Connection, order_id: int) -> model.Plan | None:
    """Give the last plan of an order."""
    query = select(plans.c.document).where(plans.c.order_id == order_id).order_by(plans.c.id.desc()).limit(1)
    document = c.execute(query).scalar_one_or_none()
    return None if document is None else documents.read_plan(document)


# --- the order's row -------------------------------------------------------------------------------


def _still_ours(c: Connection, plan: model.Plan, owner: str) -> bool:
    """Hold the order's row and tell whether the plan is of its present version and by its present owner."""
    query = select(orders.c.owner, orders.c.version).where(orders.c.id == plan.order_id).with_for_update()
    row = c.execute(query).one_or_none()
    if row is None or row.owner != owner:
        return False
    if row.version != plan.order_version:
        c.execute(update(orders).where(orders.c.id == plan.order_id).values(**RELEASED))
        return False
    return True


def _finish_planning(
    c: Connection, plan: model.Plan, next_plan_at: datetime | None, attempts: int, now: datetime
) -> None:
    """Write of the order that it is planned, and when it is to be planned again."""
    c.execute(
        update(orders)
        .where(orders.c.id == plan.order_id)
        .values(
            planned_at=now,
            planned_version=plan.order_version,
            plan_at=next_plan_at,
            plan_attempts=attempts,
            plan_problem=plan.problem,
            **RELEASED,
        )
    )


# --- the queue -------------------------------------------------------------------------------------


def _queue_all(
    c: Connection, order_id: int, wanted: Sequence[model.Wanted], now: datetime
) -> tuple[list[int], list[int]]:
    """Queue all that an order wants; gives the retrieves that were made and those that were there."""
    refused = _refused_by_hand(c, order_id)
    created: list[int] = []
    joined: list[int] = []
    for wish in sorted(
        wanted, key=_target
    ):  # in one sequence for all, so that no two plans wait for each other
        if _target(wish) in refused:
            continue
        retrieve_id, new = _queue(c, order_id, wish, now)
        _want(c, order_id, retrieve_id, wish)
        (created if new else joined).append(retrieve_id)
    return created, joined


def _queue(c: Connection, order_id: int, wish: model.Wanted, now: datetime) -> tuple[int, bool]:
    """Find or make the retrieve of a wish; gives its number, and whether it is new."""
    known = _find(c, wish)
    if known and _must_stop(c, known, wish, order_id):
        take_step(c, Step.WITHDRAW, retrieves.c.id == known.id, at=now, detail={"because": wish.because})
        known = None
    if known is None:
        if made := _create(c, wish, now):
            return made, True
        known = _find(c, wish)  # another node was quicker
    if known is None:
        raise errors.StoreUnavailableError(f"a retrieve of {_target(wish)} came and went; plan again")
    _join(c, known, wish, order_id, now)
    return known.id, False


def _find(c: Connection, wish: model.Wanted) -> model.Retrieve | None:
    """Hold the live retrieve of a study to a destination; for what is present, else what brought it."""
    study_instance_uid, destination = _target(wish)
    same = and_(retrieves.c.study_instance_uid == study_instance_uid, retrieves.c.destination == destination)
    query = select(*COLUMNS).where(same).order_by(retrieves.c.id.desc()).limit(1).with_for_update()
    row = c.execute(query.where(in_state(*lifecycle.LIVE))).mappings().one_or_none()
    if row is None and wish.decision is Decision.PRESENT:
        row = c.execute(query.where(in_state(RetrieveState.VERIFIED))).mappings().one_or_none()
    return as_retrieve(row) if row else None


def _create(c: Connection, wish: model.Wanted, now: datetime) -> int | None:
    """Make a retrieve; None where another node has made one at this moment."""
    choice, study = wish.choice, wish.choice.study
    state = _FIRST_STATE[wish.decision]
    if state is RetrieveState.WAITING and choice.start_at <= now:
        state = RetrieveState.DUE
    present = state is RetrieveState.VERIFIED
    statement = insert_into(c, retrieves).values(
        state=state,
        study_instance_uid=study.study_instance_uid,
        archive=choice.archives[0],
        archives=list(choice.archives),
        destination=choice.destination,
        patient_id=wish.patient_id,
        issuer_of_patient_id=wish.issuer_of_patient_id,
        lane=wish.lane,
        start_at=choice.start_at,
        deadline=choice.deadline,
        expire_at=wish.expire_at,
        attempts=0,
        checks=0,
        fence=0,
        expected_instances=study.instances,
        expected_series=study.series,
        problem=wish.because or None,
        verified_by=VerifiedBy.QUERY if present else None,
        verified_at=now if present else None,
        created_at=now,
    )
    made = c.execute(statement.on_conflict_do_nothing().returning(retrieves.c.id)).scalar_one_or_none()
    if made is not None:
        detail: dict[str, object] = {"state": state, "because": wish.because}
        happening = model.Happening(at=now, what="retrieve_planned", retrieve_id=made, detail=detail)
        history.record(c, happening)
    return made


def _must_stop(c: Connection, known: model.Retrieve, wish: model.Wanted, order_id: int) -> bool:
    """Whether what was taken before, for this order alone, is now found to conflict: it must not move."""
    return (
        wish.decision is Decision.QUARANTINED
        and known.state in {RetrieveState.WAITING, RetrieveState.DUE}
        and not _wanted_by_others(c, known.id, order_id)
    )


def _join(c: Connection, known: model.Retrieve, wish: model.Wanted, order_id: int, now: datetime) -> None:
    """Bring a retrieve that was there up to what this plan knows of it."""
    this = retrieves.c.id == known.id
    alone = not _wanted_by_others(c, known.id, order_id)
    if wish.decision is Decision.PRESENT and known.state in lifecycle.origins(Step.VERIFY):
        verified = {"verified_by": VerifiedBy.QUERY, "verified_at": now}
        take_step(
            c, Step.VERIFY, this, at=now, values=verified, detail={"because": wish.choice.reason.because}
        )
    elif known.state in {RetrieveState.WAITING, RetrieveState.DUE, RetrieveState.QUARANTINED}:
        c.execute(update(retrieves).where(this).values(_merge(known, wish, alone=alone)))
    # A conflict that was this order's own is gone with it; another order's conflict waits for a person.
    if wish.decision is Decision.TAKEN and known.state is RetrieveState.QUARANTINED and alone:
        take_step(
            c,
            Step.RELEASE,
            this,
            at=now,
            values={"problem": None},
            detail={"because": "no conflict any more"},
        )


def _merge(known: model.Retrieve, wish: model.Wanted, *, alone: bool) -> dict[str, object]:
    """Give the archives that a retrieve may come from: as its only order says, or of all its orders."""
    study, said = wish.choice.study, wish.choice.archives
    both = (*known.archives, *(archive for archive in said if archive not in known.archives))
    archives = said if alone else both
    return {
        "archive": archives[0],
        "archives": list(archives),
        "expected_instances": study.instances,
        "expected_series": study.series,
    }


def _want(c: Connection, order_id: int, retrieve_id: int, wish: model.Wanted) -> None:
    """Write what an order wants of a retrieve, anew or again."""
    choice = wish.choice
    values: dict[str, object] = {
        "rule": choice.rule,
        "prior_class": choice.prior_class,
        "grade": choice.grade,
        "lane": wish.lane,
        "start_at": choice.start_at,
        "deadline": choice.deadline,
        "expire_at": wish.expire_at,
        "withdrawn": False,
        "withdrawn_because": None,
    }
    upsert(c, wants, {"order_id": order_id, "retrieve_id": retrieve_id}, values)


def _wanted_by_others(c: Connection, retrieve_id: int, order_id: int) -> bool:
    return any(other != order_id for other in orders_wanting(c, [retrieve_id]))


def _refused_by_hand(c: Connection, order_id: int) -> set[tuple[str, str]]:
    """Give what a person has taken from this order: no plan brings it back."""
    query = (
        select(retrieves.c.study_instance_uid, retrieves.c.destination)
        .join(wants, wants.c.retrieve_id == retrieves.c.id)
        .where(wants.c.order_id == order_id, wants.c.refused_by.is_not(None))
    )
    return {(row.study_instance_uid, row.destination) for row in c.execute(query)}


def _target(wish: model.Wanted) -> tuple[str, str]:
    """Give the study and the destination: at most one live retrieve has both."""
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
