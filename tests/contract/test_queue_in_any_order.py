"""Whatever happens to the queue in whatever order, its promises hold after every step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from prefetch import errors, lifecycle, model
from prefetch.lifecycle import Step
from prefetch.model import Decision, Priority, RetrieveState
from prefetch.store import checks, claims, operator, orders, retrieves, wants
from prefetch.store import tables as t
from prefetch.store.database import Database
from tests.contract.conftest import empty
from tests.queued import HOUR, MINUTE, NOW, Queue, wish

SLOTS = 2
STUDIES = ("1", "2", "3")
MOVED = (Step.MOVE, Step.RETRY, Step.FAIL)
LOOKED = (Step.VERIFY, Step.CHECK_AGAIN, Step.RETRY, Step.FALL_SHORT)
VERBS: tuple[Callable[..., model.Retrieve], ...] = (operator.release, operator.refuse, operator.cancel)

wishes = st.builds(
    wish,
    st.sampled_from(STUDIES),
    decision=st.sampled_from([Decision.TAKEN, Decision.TAKEN, Decision.PRESENT, Decision.QUARANTINED]),
    start_at=st.sampled_from([NOW, NOW + 10 * MINUTE]),
    deadline=st.sampled_from([NOW + HOUR, NOW + 2 * HOUR]),
    expire_at=st.sampled_from([NOW + 3 * HOUR, NOW + 6 * HOUR]),
    lane=st.sampled_from(list(Priority)),
)
plans_of = st.lists(wishes, max_size=3, unique_by=lambda wished: wished.choice.study.study_instance_uid)
steps = st.timedeltas(min_value=timedelta(), max_value=HOUR)


class AnyOrder(RuleBasedStateMachine):
    """Two nodes, a feed and an operator at the same queue."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        empty(self.url)
        self.queue = Queue(Database.open(self.url))
        self.now = NOW
        self.orders: list[model.Order] = []
        self.moves: list[model.Retrieve] = []
        self.looks: list[model.Retrieve] = []
        self.fences: dict[int, int] = defaultdict(int)

    def teardown(self) -> None:
        """Close the database."""
        self.queue.database.close()

    # --- what may happen ---------------------------------------------------------------------------

    @rule(by=steps)
    def time_passes(self, by: timedelta) -> None:
        """What has come due is promoted, what came too late expires."""
        self.now += by
        self.queue.do(claims.promote, self.now)
        self.queue.do(checks.expire, self.now)

    @precondition(lambda self: len(self.orders) < 3)
    @rule()
    def an_order_comes(self) -> None:
        """A new order, due for planning."""
        self.orders.append(self.queue.order())

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), wanted=plans_of)
    def it_is_planned(self, data: st.DataObject, wanted: list[model.Wanted]) -> None:
        """For the first time or again, with whatever the rules want now."""
        self.queue.plan(data.draw(st.sampled_from(self.orders)), *wanted, now=self.now)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def it_is_cancelled(self, data: st.DataObject) -> None:
        """By the feed; it may be planned again all the same."""
        order = data.draw(st.sampled_from(self.orders))
        self.queue.do(wants.withdraw_wants, order.id, because="cancelled", now=self.now)

    @rule(owner=st.sampled_from(["here", "there"]))
    def a_node_claims(self, owner: str) -> None:
        """As many as there are slots."""
        self.moves += self.queue.claim_many(self.now, owner=owner, slots=SLOTS)

    @precondition(lambda self: self.moves)
    @rule(data=st.data(), step=st.sampled_from(MOVED), wait=steps)
    def a_move_ends(self, data: st.DataObject, step: Step, wait: timedelta) -> None:
        """Or is told to have ended by who has lost the claim: then nothing changes."""
        moved = data.draw(st.sampled_from(self.moves))
        before = self.queue.retrieve(moved.id)
        ours = (before.state, before.fence) == (RetrieveState.MOVING, moved.fence)
        assert ours == self.queue.finish(moved, step, at=self.now + wait)
        assert ours or before == self.queue.retrieve(moved.id)

    @rule(owner=st.sampled_from(["here", "there"]))
    def a_node_looks(self, owner: str) -> None:
        """At all that is due."""
        self.looks += self.queue.claim_checks(self.now, owner=owner)

    @precondition(lambda self: self.looks)
    @rule(data=st.data(), step=st.sampled_from(LOOKED), wait=steps)
    def a_look_ends(self, data: st.DataObject, step: Step, wait: timedelta) -> None:
        """Or is dropped, as a move's result is."""
        look = data.draw(st.sampled_from(self.looks))
        before = self.queue.retrieve(look.id)
        ours = (before.state, before.fence) == (RetrieveState.MOVED, look.fence)
        assert ours == (self.queue.check(look, step, at=self.now + wait, now=self.now) is not None)

    @rule(owner=st.sampled_from(["here", "there", None]))
    def a_node_dies(self, owner: str | None) -> None:
        """One of them, or the whole machine."""
        self.queue.do(claims.recover, now=self.now, owner=owner)

    @rule(data=st.data(), verb=st.sampled_from(VERBS))
    def a_person_decides(self, data: st.DataObject, verb: Callable[..., model.Retrieve]) -> None:
        """Release, refuse or cancel, whatever the state."""
        self._by_hand(data, verb)

    @rule(data=st.data())
    def a_person_retries(self, data: st.DataObject) -> None:
        """Whatever the state."""
        self._by_hand(data, operator.retry, expire_at=self.now + HOUR)

    def _by_hand(self, data: st.DataObject, verb: Callable[..., model.Retrieve], **more: Any) -> None:
        number = data.draw(st.integers(min_value=1, max_value=9))
        known = sorted(each.id for each in self.queue.do(retrieves.list_retrieves))
        chosen = known[number % len(known)] if known else number
        try:
            self.queue.do(verb, chosen, by="ada", now=self.now, **more)
        except (errors.NotFoundError, errors.IllegalTransitionError):
            return

    # --- what must hold ----------------------------------------------------------------------------

    def _standing(self) -> list[tuple[Any, model.Retrieve]]:
        """Each want that stands, with its retrieve."""
        with self.queue.database.snapshot() as connection:
            rows = connection.execute(select(t.wants).where(t.wants.c.withdrawn.is_(False))).all()
        return [(row, self.queue.retrieve(row.retrieve_id)) for row in rows]

    @invariant()
    def no_archive_moves_more_than_its_slots(self) -> None:
        """Whoever claimed."""
        assert SLOTS >= len(self.queue.do(retrieves.list_retrieves, states=[RetrieveState.MOVING]))

    @invariant()
    def a_study_is_live_once_for_a_destination(self) -> None:
        """However many want it."""
        live = self.queue.do(retrieves.list_retrieves, states=lifecycle.LIVE)
        assert len(live) == len({(each.study_instance_uid, each.destination) for each in live})

    @invariant()
    def what_waits_is_wanted_and_as_urgent_as_its_wants(self) -> None:
        """Nothing is left behind, and nothing comes late for another's sake."""
        wanted = defaultdict(list)
        for want, _ in self._standing():
            wanted[want.retrieve_id].append(want)
        queued = (RetrieveState.WAITING, RetrieveState.DUE, RetrieveState.QUARANTINED)
        for each in self.queue.do(retrieves.list_retrieves, states=queued):
            assert wanted[each.id], f"nobody wants {each}"
            assert each.lane == min(want.lane for want in wanted[each.id])
            assert each.deadline == min(want.deadline for want in wanted[each.id])

    @invariant()
    def an_order_is_ready_when_all_it_wants_is_verified(self) -> None:
        """Not before, and not without being told."""
        wanted = defaultdict(list)
        for want, retrieve in self._standing():
            wanted[want.order_id].append((want, retrieve))
        for known in self.orders:
            mine = wanted[known.id]
            ready = bool(mine) and all(each.state is RetrieveState.VERIFIED for _, each in mine)
            first_deadline = min((want.deadline for want, _ in mine), default=None)
            order = self.queue.do(orders.get_order, known.id)
            assert order is not None
            assert (ready, first_deadline) == (order.ready_at is not None, order.ready_by)

    @invariant()
    def a_fence_only_grows(self) -> None:
        """So a late result never fits a later claim."""
        for each in self.queue.do(retrieves.list_retrieves):
            assert each.fence >= self.fences[each.id]
            self.fences[each.id] = each.fence


def test_the_promises_of_the_queue_hold_in_any_order(url: str) -> None:
    """Plans, moves, looks, deaths, cancels and people's verbs, as they come."""
    machine = type("AnyOrderOnThis", (AnyOrder,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=settings().max_examples // 5,  # by the profile: 20, or 5 in `make quick`
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
