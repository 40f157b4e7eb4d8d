"""What goes through the queue in tests: orders, wishes, plans with defaults, and a queue that walks them on.

queue = Queue(database)
order = queue.order(accession_number="A1")
queue.plan(order, wish("1.2.3"))
retrieve = queue.claim()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefetch import lifecycle, model, together
from prefetch.lifecycle import Step
from prefetch.model import Decision, Outcome, Priority, VerifiedBy
from prefetch.store import checks, claims, orders, plans, retrieves
from prefetch.store.database import Connection, Database

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(seconds=30)
OWNER = "here:1:aaaa"
ARCHIVE = "main-archive"
DESTINATION = "reading-room"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def order(**said: Any) -> model.Order:
    """An order that is not stored yet, due for planning."""
    usual: dict[str, Any] = {
        "id": 0,
        "version": 1,
        "status": model.OrderStatus.SCHEDULED,
        "patient": model.Patient(patient_id="4711", issuer_of_patient_id="HOSPITAL"),
        "source": "ris",
        "created_at": NOW,
        "changed_at": NOW,
        "plan_at": NOW,
    }
    return model.Order(**(usual | said))


def wish(
    study_instance_uid: str = "1.2.3",
    *,
    decision: Decision = Decision.TAKEN,
    archives: tuple[str, ...] = (ARCHIVE,),
    destination: str = DESTINATION,
    start_at: datetime = NOW,
    deadline: datetime = NOW + 4 * HOUR,
    expire_at: datetime = NOW + 24 * HOUR,
    lane: Priority = Priority.ROUTINE,
    instances: int | None = 10,
    because: str = "",
    series: Mapping[str, int | None] | None = None,
) -> model.Wanted:
    """One study, or some series of it, that a plan wants at a destination."""
    study = model.Study(study_instance_uid=study_instance_uid, archive=archives[0], instances=instances)
    choice = model.Choice(
        study=study,
        archives=archives,
        destination=destination,
        rule="chest",
        prior_class="newest",
        grade=3,
        start_at=start_at,
        deadline=deadline,
        observe=False,
        reason=model.Reason(because="one of the newest two", rule="chest"),
        series=tuple(
            model.Series(series_instance_uid=uid, instances=count) for uid, count in (series or {}).items()
        ),
    )
    return model.Wanted(
        choice=choice, decision=decision, patient_id="4711", lane=lane, expire_at=expire_at, because=because
    )


def following(step: Step, at: datetime = NOW, **more: Any) -> lifecycle.Next:
    """What the life cycle has decided."""
    return lifecycle.Next(step=step, at=at, because="said so", **more)


class Queue:
    """A database, walked on step by step in short transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def do(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run a statement in a transaction of its own."""
        with self.database.transaction() as connection:
            return function(connection, *args, **kwargs)

    def order(self, **said: Any) -> model.Order:
        """Store an order."""
        return self.do(orders.save_order, order(**said))

    def change(self, changed: model.Order, **said: Any) -> model.Order:
        """Store what a message made of an order: a version more, due for planning."""
        usual: dict[str, Any] = {"version": changed.version + 1, "plan_at": NOW}
        return self.do(orders.save_order, replace(self.order_now(changed), **(usual | said)))

    def order_now(self, known: model.Order) -> model.Order:
        """The order as it stands."""
        found = self.do(orders.get_order, known.id)
        assert found is not None
        return found

    def claim_order(self, now: datetime = NOW, owner: str = OWNER) -> model.Order | None:
        """Claim the order that is to be planned next."""
        claim = self.do(orders.claim_orders_to_plan, owner=owner, now=now, lease=LEASE, limit=1)
        return claim.orders[0] if claim.orders else None

    def claim_orders(self, most: int) -> Sequence[model.Order]:
        """Claim the orders that are to be planned next."""
        return self.do(orders.claim_orders_to_plan, owner=OWNER, now=NOW, lease=LEASE, limit=most).orders

    def plan(
        self,
        known: model.Order,
        *wanted: model.Wanted,
        now: datetime = NOW,
        next_plan_at: datetime | None = None,
    ) -> plans.Saved:
        """Plan an order, whether it is due or not."""
        self.do(orders.save_order, replace(self.order_now(known), plan_at=now))
        claimed = {each.id: each for each in self._claim_all(now)}
        made = model.Plan(order_id=known.id, order_version=claimed[known.id].version, made_at=now)
        saved = self.do(plans.save_plan, made, wanted, owner=OWNER, next_plan_at=next_plan_at, now=now)
        self.do(orders.release_orders, owner=OWNER)
        assert saved is not None
        return saved

    def _claim_all(self, now: datetime) -> Sequence[model.Order]:
        return self.do(orders.claim_orders_to_plan, owner=OWNER, now=now, lease=LEASE, limit=100).orders

    def wanted(self, *wishes: model.Wanted) -> model.Retrieve:
        """The first retrieve of a new order that wants this."""
        saved = self.plan(self.order(), *(wishes or (wish(),)))
        return self.retrieve((*saved.created, *saved.joined)[0])

    def retrieve(self, number: int) -> model.Retrieve:
        """A retrieve as it stands."""
        found = self.do(retrieves.get_retrieve, number)
        assert found is not None
        return found

    def claim(
        self, now: datetime = NOW, *, owner: str = OWNER, slots: int = 4, archive: str = ARCHIVE
    ) -> model.Retrieve | None:
        """Claim the most urgent retrieve."""
        claimed = self.claim_many(now, owner=owner, slots=slots, archive=archive, limit=1)
        return claimed[0] if claimed else None

    def claim_many(
        self,
        now: datetime = NOW,
        *,
        owner: str = OWNER,
        slots: int = 4,
        archive: str = ARCHIVE,
        limit: int = 100,
    ) -> list[model.Retrieve]:
        """Claim the most urgent retrieves, each for a move of its own."""
        self.do(claims.promote, now)
        claimed: list[model.Retrieve] = []
        while len(claimed) < limit:
            claim = self.claim_move(now, owner=owner, slots=slots, archive=archive)
            if not claim.moving:
                break
            claimed += claim.moving
        return claimed

    def claim_move(
        self,
        now: datetime = NOW,
        *,
        owner: str = OWNER,
        slots: int = 4,
        archive: str = ARCHIVE,
        most: together.Most = together.ALONE,
    ) -> claims.Claim:
        """Claim the most urgent retrieve, and what may go with it."""
        return self.do(
            claims.claim_move,
            archive=archive,
            slots=slots,
            owner=owner,
            now=now,
            lease=LEASE,
            most=lambda _: most,
        )

    def moving(self, *wishes: model.Wanted) -> model.Retrieve:
        """A retrieve that was just claimed."""
        self.wanted(*wishes)
        claimed = self.claim()
        assert claimed is not None
        return claimed

    def finish(
        self,
        moved: model.Retrieve,
        step: Step = Step.MOVE,
        *,
        at: datetime = NOW,
        outcome: Outcome = Outcome.SUCCESS,
        **more: Any,
    ) -> bool:
        """Write what became of a move."""
        result = model.MoveResult(outcome=outcome, completed=10, failed=0)
        return bool(self.do(claims.finish_move, [moved], result, following(step, at, **more), now=NOW))

    def renew(
        self,
        *,
        now: datetime = NOW,
        lease: timedelta = LEASE,
        planning: Sequence[int] = (),
        retrieving: Sequence[int] = (),
    ) -> int:
        """Renew the leases of what is worked on; nothing, unless it is named."""
        return self.do(
            claims.renew_leases, OWNER, planning=planning, retrieving=retrieving, now=now, lease=lease
        )

    def claim_checks(
        self, now: datetime = NOW, *, owner: str = OWNER, destination: str | None = None
    ) -> list[model.Retrieve]:
        """Claim all looks that are due."""
        return self.do(
            checks.claim_checks, owner=owner, now=now, lease=LEASE, limit=100, destination=destination
        )

    def check(
        self,
        looked_at: model.Retrieve,
        step: Step = Step.VERIFY,
        *,
        at: datetime = NOW,
        now: datetime = NOW,
        **more: Any,
    ) -> list[model.ReadyOrder] | None:
        """Write what a look at the destination found; None where the claim was lost."""
        look = checks.Look(
            retrieve=looked_at,
            then=following(step, at, **more),
            arrived_instances=10,
            verified_by=VerifiedBy.QUERY,
        )
        written = self.do(checks.finish_checks, [look], now=now)
        return list(written.ready) if written.kept else None

    def verify(self, number: int, now: datetime = NOW) -> list[model.ReadyOrder]:
        """Move and verify one retrieve; gives the orders that are ready by it."""
        for moved in self.claim_many(now):
            self.finish(moved)
        ready: list[model.ReadyOrder] = []
        for looked_at in self.claim_checks(now):
            if looked_at.id == number:
                ready = self.check(looked_at, now=now) or []
            else:
                self.check(looked_at, Step.CHECK_AGAIN, now=now, counts=False)
        return ready


@contextmanager
def two_nodes(url: str) -> Iterator[tuple[Queue, Queue]]:
    """The same database, open twice."""
    nodes = Database.open(url), Database.open(url)
    yield Queue(nodes[0]), Queue(nodes[1])
    for node in nodes:
        node.close()


def meanwhile(
    database: Database, one: Callable[[Connection], Result], other: Callable[[], Result]
) -> tuple[Result, Result]:
    """Do the other while what the one has done is not committed yet; gives what both came to."""
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as connection:
            first = one(connection)
            second = thread.submit(other)
            wait([second], timeout=0.3)
        return first, second.result()
