"""The runtime that every stage lives by: jobs side by side, what is in flight, what is set aside."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from prefetch import bell, errors, health, stage
from prefetch.runtime import set_aside
from prefetch.runtime.clock_steps import Reading, step_between
from prefetch.runtime.in_flight import InFlight
from prefetch.runtime.tasks import run_together

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


async def fail(error: Exception) -> int:
    """A job that fails."""
    raise error


async def give(value: int) -> int:
    """A job that goes well."""
    return value


async def wait_for_ever() -> int:
    """A job that only ends when it is cancelled."""
    await asyncio.Event().wait()
    return 0


def test_jobs_run_side_by_side_and_answer_in_order() -> None:
    """As many results as jobs."""
    assert [1, 2, 3] == asyncio.run(run_together(give(number) for number in (1, 2, 3)))


def test_a_job_that_fails_ends_the_others_with_its_own_error() -> None:
    """Whoever waits sees no group of errors."""
    with pytest.raises(ZeroDivisionError, match="ours"):
        asyncio.run(run_together([wait_for_ever(), fail(ZeroDivisionError("ours"))]))


def test_a_store_that_is_away_outranks_other_errors() -> None:
    """Also where it stands in a group inside the group: waiting mends it."""

    async def nested() -> int:
        return sum(await run_together([fail(ValueError("bad")), fail(errors.StoreUnavailableError("away"))]))

    async def raise_group() -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(nested())
            group.create_task(fail(KeyError("first")))
        return 0

    with pytest.raises(errors.StoreUnavailableError, match="away"):
        asyncio.run(run_together([fail(ValueError("worse")), raise_group()]))


def test_what_is_worked_on_twice_stays_in_flight_until_both_end() -> None:
    """A late worker that ends does not take the lease from the next one."""
    in_flight = InFlight()
    with in_flight.working_on([1, 2]):
        with in_flight.working_on([2]):
            assert {1, 2} == set(in_flight.numbers)
        assert {1, 2} == set(in_flight.numbers)
    assert ((), 0) == (in_flight.numbers, len(in_flight))


def test_a_row_is_set_aside_at_the_third_failure_and_counted_anew() -> None:
    """One that went well in between has all its chances again."""
    failures = set_aside.Failures()
    first = [failures.count(7) for _ in range(2)]
    failures.forget(7)
    assert [False] * 4 + [True, False] == [*first, *(failures.count(7) for _ in range(4))]


def test_the_reason_of_what_is_set_aside_is_one_line() -> None:
    """Whatever the error says, and with what can be done."""
    words = set_aside.reason(ValueError("a\nb" + "c" * 1000), "`prefetch retry` tries again")
    assert ("\n" in words, len(words) < 400, words.endswith("`prefetch retry` tries again")) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("wall", "monotonic", "step"),
    [(1.0, 1.0, None), (2.5, 1.0, None), (90.0, 90.0, None), (-3600.0, 1.0, -3601.0), (3601.0, 1.0, 3600.0)],
)
def test_a_clock_that_was_set_is_told_from_one_that_went(
    wall: float, monotonic: float, step: float | None
) -> None:
    """However long the two looks are apart."""
    before = Reading(wall=NOW, monotonic=5.0)
    after = Reading(wall=NOW + timedelta(seconds=wall), monotonic=5.0 + monotonic)
    assert (None if step is None else timedelta(seconds=step)) == step_between(before, after)


def test_a_mistake_of_ours_does_not_end_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and the stage begins again."""
    monkeypatch.setattr(stage, "PAUSE", 0.01)
    calls: list[str] = []

    async def scene() -> None:
        done = asyncio.Event()

        async def once() -> int:
            calls.append("called")
            if len(calls) == 1:
                raise KeyError("a mistake of our own")
            done.set()
            return 0

        worker = asyncio.ensure_future(stage.work("test", once, bell.Bell(), health.Pulse()))
        await asyncio.wait_for(done.wait(), 60)
        worker.cancel()
        await asyncio.wait([worker])

    asyncio.run(scene())
    assert len(calls) >= 2


def test_a_store_that_must_not_be_used_ends_a_stage() -> None:
    """A corrupted database is no place to go on with."""

    async def once() -> int:
        raise errors.StoreRefusedError("it is corrupted")

    with pytest.raises(errors.StoreRefusedError):
        asyncio.run(stage.work("test", once, bell.Bell(), health.Pulse()))
