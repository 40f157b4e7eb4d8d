"""Bells wake as many workers as there is work for."""

from __future__ import annotations

import asyncio

from prefetch import bell, errors, health, stage
from tests import clocks


def test_a_ring_before_the_wait_is_not_lost() -> None:
    """Work that was left while nobody waited wakes the next one who would."""

    async def scene() -> None:
        struck = bell.Bell()
        struck.ring()
        struck.ring()
        await asyncio.wait_for(struck.wait(), 1)

    clocks.run_simulated(scene())


def test_a_ring_wakes_one_worker_only() -> None:
    """Eight workers and one piece of work: one looks."""

    async def scene() -> int:
        struck = bell.Bell()
        workers = [asyncio.ensure_future(struck.wait()) for _ in range(8)]
        await asyncio.sleep(0)
        struck.ring()
        await asyncio.wait(workers, timeout=0.1)
        awake = sum(worker.done() for worker in workers)
        for worker in workers:
            worker.cancel()
        return awake

    assert clocks.run_simulated(scene()) == 1


def test_a_wait_may_end_without_a_ring() -> None:
    """A time limit is no error."""
    clocks.run_simulated(bell.Bell().wait(0.01))


def test_a_planned_ring_comes_when_its_time_has_passed() -> None:
    """Never before, for the store would still say that nothing is due; and no more than a grain later."""

    async def scene() -> float:
        struck = bell.Bell()
        began = asyncio.get_running_loop().time()
        struck.ring_in(0.3)
        await asyncio.wait_for(struck.wait(), 2)
        return asyncio.get_running_loop().time() - began

    took = clocks.run_simulated(scene())
    assert 0.3 <= took <= 0.3 + bell.GRAIN


def test_planned_rings_of_about_the_same_time_are_one() -> None:
    """A hundred moves that end together cause one look."""

    async def scene() -> tuple[int, int]:
        struck = bell.Bell()
        loop = asyncio.get_running_loop()
        end = loop.time() + 4 * bell.GRAIN
        for _ in range(100):
            struck.ring_in(0.0)
        rings = 0
        while (left := end - loop.time()) > 0:
            before = loop.time()
            await struck.wait(left)
            rings += loop.time() - before < left
        return rings, 100

    rings, planned = clocks.run_simulated(scene())
    assert 1 <= rings <= 2 < planned


def test_every_stage_has_its_bell() -> None:
    """The tick wakes all of them."""

    async def scene() -> None:
        bells = bell.Bells(archives=["main"], destinations=["room-1"])
        bells.ring_all()
        for each in (bells.reader, bells.planner, bells.movers["main"], bells.verifiers["room-1"]):
            await asyncio.wait_for(each.wait(), 1)

    clocks.run_simulated(scene())


def test_a_stage_survives_a_store_that_is_away_for_a_while() -> None:
    """It tries again, and goes on with its work when the store is back."""
    calls: list[str] = []

    async def once() -> int:
        calls.append("called")
        if len(calls) == 1:
            raise errors.StoreUnavailableError("the disk is full")
        return 0

    async def scene() -> None:
        wake = bell.Bell()
        worker = asyncio.ensure_future(stage.work("test", once, wake, health.Pulse()))
        await asyncio.sleep(0.01)
        wake.ring()
        await asyncio.sleep(0.01)
        worker.cancel()
        await asyncio.wait([worker])

    clocks.run_simulated(scene())
    assert len(calls) >= 2
