"""Exams that were planned and recorded without any peer: what archives hold is given.

    made = recorded.record(connection, site, order, {"main": [study]}, now=NOW)

The planner's own decisions and the store's own functions are used; only the queries are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from prefetch import model
from prefetch.config import Config
from prefetch.planning import draft, identity, keys, matching
from prefetch.planning.circumstances import Circumstances
from prefetch.store import answers, orders, plans, retrieves
from prefetch.store.database import Connection

OWNER = "here:1:aaaa"
LEASE = timedelta(minutes=1)

Held = Mapping[str, Sequence[model.Study]]
"""Archive → what it holds of the order's patient."""


def record(
    c: Connection, site: Config, order: model.Order, held: Held, *, now: datetime, **more: Any
) -> model.Plan:
    """Store an order and plan it now; `more` as in `plan`."""
    orders.save_order(c, replace(order, id=0, plan_at=now))
    (claimed,) = orders.claim_orders_to_plan(c, owner=OWNER, now=now, lease=LEASE, limit=1).orders
    return plan(c, site, claimed, held, now=now, **more)


def plan(
    c: Connection,
    site: Config,
    order: model.Order,
    held: Held,
    *,
    now: datetime,
    present: Collection[tuple[str, str]] = (),
    outcome: model.Outcome = model.Outcome.SUCCESS,
) -> model.Plan:
    """Plan a claimed order as the planner does, keep what the archives answered, and store the plan.

    `present` names what a destination holds already: (Study Instance UID, destination); `outcome` is that of
    every query.
    """
    matches = matching.match_rules(site.rule_set, order, site=site, now=now)
    made = model.Plan(
        order_id=order.id,
        order_version=order.version,
        made_at=now,
        rules=tuple(match.reason for match in matches),
    )
    wanted: tuple[model.Wanted, ...] = ()
    names = dict.fromkeys(name for match in matches if match.acts for name in match.archives)
    if names:
        asked = [_ask(c, site, order, name, held.get(name, ()), now=now, outcome=outcome) for name in names]
        facts = draft.Facts(
            order=order,
            verdicts={},
            policy=identity.Policy.of(site),
            circumstances=Circumstances.of(site, now),
            fetched=[retrieve for _, retrieve in retrieves.retrieves_of_order(c, order.id)],
        )
        found = draft.sort_studies(facts, matches, asked)
        made = replace(
            made,
            patient_ids=tuple(model.KnownId(id=one, because="the order") for one in order.patient.ids),
            consulted=tuple(each for answer in asked for each in answer.consulted),
            candidates=draft.candidates(found, present=present),
        )
        wanted = draft.want(order, found, present=present, expire_after=site.retrieval.expire_after)
    saved = plans.save_plan(c, made, wanted, owner=OWNER, next_plan_at=None, now=now)
    assert saved is not None
    return made


def _ask(
    c: Connection,
    site: Config,
    order: model.Order,
    archive: str,
    held: Iterable[model.Study],
    *,
    now: datetime,
    outcome: model.Outcome,
) -> draft.Answer:
    chosen = keys.keys_for(order.patient.ids, site.archives[archive])
    result = model.FindResult(outcome=outcome, studies=tuple(held))
    for key in chosen.asked:
        named = archive, key.patient_id, key.issuer_of_patient_id
        answers.save_answer(c, *named, result, address="", asked_as="", asked_at=now)
    told = [draft.answer_about(key, archive, now, result) for key in chosen.asked]
    return draft.unite(archive, told, asked=chosen.asked, left_out=(), now=now)
