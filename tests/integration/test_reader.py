"""The reader stage: what waits in the inbox becomes orders, as the daemon has it done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefetch import bell, lastmessage, model, orders, timing
from prefetch.fieldpath import FieldPath
from prefetch.intake import header, hl7
from prefetch.intake.hl7.mapping import Mapping
from prefetch.intake.parsing import ReaderPool
from prefetch.intake.reader import SLOW_AT_A_TIME, Reader
from prefetch.store import inbox
from prefetch.store import orders as order_rows
from prefetch.store.database import Database

WARD = FieldPath.parse("ZXX-2")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store that has its tables."""
    url = f"sqlite:///{tmp_path / 'prefetch.db'}"
    Database.open(url, create=True).close()
    return url


def message(minute: int, *, ward: str = "A", placer: str = "P1") -> str:
    """An order of a CT, changed in another minute."""
    return (
        f"MSH|^~\\&|RIS|H|||202603010{minute:03}||ORM^O01|M{placer}{minute}|P|2.3.1\r"
        f"PID|||4711^^^H||Quist^Ada\rORC|XO|{placer}\rOBR|1|{placer}||CTCH^CT chest\rZXX||{ward}\r"
    )


async def accept(database: Database, raw: str, priority: model.Priority = model.Priority.ROUTINE) -> None:
    """Have a message wait."""
    said = header.read_header(raw.encode())
    assert said is not None
    await database.write(
        inbox.accept_message,
        source="ris",
        raw=raw.encode(),
        control_id=said.control_id,
        message_type=said.type_and_trigger,
        priority=priority,
        order_number=None,
        received_at=timing.now(),
    )


def make_reader(database: Database, pool: ReaderPool, watched: Sequence[FieldPath] = ()) -> Reader:
    """The stage, as the daemon has it."""
    return Reader(
        store=database,
        pool=pool,
        clock=orders.Clock(zone=UTC),
        now=timing.now,
        bells=bell.Bells(archives=["main"], destinations=["room"]),
        watched=watched,
    )


def read(url: str, *messages: str, watched: Sequence[FieldPath] = ()) -> list[model.Order]:
    """Have messages wait and be read; gives the orders then."""

    async def main(database: Database) -> list[model.Order]:
        for each in messages:
            await accept(database, each)
        pool = ReaderPool(workers=0)
        reader = make_reader(database, pool, watched)
        assert len(messages) == await reader.read_waiting()
        pool.close()
        return await database.read(order_rows.list_orders, limit=100)

    with closing(Database.open(url)) as database:
        return asyncio.run(main(database))


def test_what_rules_ask_for_changes_an_order(store: str) -> None:
    """A value at a place that a rule names is a change like any other: the order is planned again."""
    (before,) = read(store, message(1), watched=[WARD])
    (after,) = read(store, message(2, ward="B"), watched=[WARD])
    assert before.version + 1 == after.version
    assert after.plan_at is not None


def test_what_no_rule_asks_for_changes_nothing(store: str) -> None:
    """The same value, where no rule names its place, causes no planning."""
    (before,) = read(store, message(1))
    (after,) = read(store, message(2, ward="B"))
    assert before.version == after.version


def test_many_messages_are_applied_in_the_order_in_which_they_came(store: str) -> None:
    """However they are put together for the store, the last word holds."""
    (order,) = read(store, *(message(minute, ward=f"W{minute}") for minute in range(1, 10)), watched=[WARD])
    assert (9, ("W9",)) == (order.version, lastmessage.values(order.segments, WARD))


def test_a_stat_order_is_let_in_between_the_messages_of_a_batch(store: str) -> None:
    """Of those that were being read when it came most are still waiting when it has become an order."""

    async def main(database: Database) -> list[str | None]:
        pool, came = ReaderPool(workers=0), asyncio.Event()
        reader = make_reader(database, pool)
        for number in range(100):
            await accept(database, message(1, placer=f"P{number}"))
        reading = asyncio.create_task(reader.read_waiting())
        while not came.is_set():
            if await database.read(order_rows.list_orders, limit=1):
                await accept(database, message(1, placer="STAT"), model.Priority.STAT)
                came.set()
            await asyncio.sleep(0)
        await reading
        pool.close()
        return [order.placer_order_number for order in await database.read(order_rows.list_orders, limit=200)]

    with closing(Database.open(store)) as database:
        orders_made = asyncio.run(main(database))
    assert 101 == len(orders_made)
    assert orders_made.index("STAT") < 100


class Held(hl7.Senders):
    """Senders of whom some have the reader compute until a file is there."""

    def __init__(self, until: Path) -> None:
        super().__init__()
        self.until = until

    def mapping(self, header: header.Header, listener: str) -> Mapping:
        """As anybody's; for some messages late."""
        while header.control_id.startswith("MSLOW") and not self.until.exists():
            time.sleep(0.01)
        return super().mapping(header, listener)


def test_no_message_waits_for_one_that_takes_long(store: str, tmp_path: Path) -> None:
    """Those after it in the batch become orders first, and those that come later before many more like it."""
    until = tmp_path / "now"
    slow = [f"SLOW{number}" for number in range(SLOW_AT_A_TIME + 1)]

    async def main(database: Database) -> list[str | None]:
        async def placers(count: int) -> list[str | None]:
            async with asyncio.timeout(300):
                while len(found := await database.read(order_rows.list_orders, limit=100)) < count:  # noqa: ASYNC110 (it asks a store)
                    await asyncio.sleep(0.01)
            return [order.placer_order_number for order in sorted(found, key=lambda order: order.id)]

        with closing(ReaderPool(workers=1)) as pool:
            pool.senders = Held(until)
            reader = make_reader(database, pool)
            for placer in slow:
                await accept(database, message(1, placer=placer) + "NTE|1||some words\r" * 500)
            for number in range(5):
                await accept(database, message(1, placer=f"P{number}"))
            reading = asyncio.create_task(reader.read_waiting())
            assert [f"P{number}" for number in range(5)] == await placers(5)
            await accept(database, message(1, placer="NEXT"))
            until.touch()
            assert 5 + SLOW_AT_A_TIME == await reading
            assert 2 == await reader.read_waiting()
            return (await placers(len(slow) + 6))[5:]

    with closing(Database.open(store)) as database:
        assert [*slow[:SLOW_AT_A_TIME], "NEXT", *slow[SLOW_AT_A_TIME:]] == asyncio.run(main(database))


def test_a_message_that_cannot_be_applied_harms_no_other(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a dead letter, our fault; those that were to be applied together with it are applied."""
    create = orders.create

    def stumble(event: model.OrderEvent, **more: object) -> model.Order | None:
        if event.placer_order_number == "P2":
            raise ArithmeticError("on purpose")
        return create(event, **more)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(orders, "create", stumble)
    found = read(store, *(message(1, placer=f"P{number}") for number in range(1, 5)))
    assert {"P1", "P3", "P4"} == {order.placer_order_number for order in found}
    with closing(Database.open(store)) as database, database.snapshot() as connection:
        (letter,) = inbox.dead_letters(connection, 10)
    assert ("MP21", True) == (letter.control_id, "our fault: ArithmeticError" in (letter.because or ""))
    assert datetime.now(UTC) >= letter.received_at
