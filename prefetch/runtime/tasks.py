"""Runs coroutines side by side so that their caller sees plain errors, never a group of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from prefetch import errors

Result = TypeVar("Result")


async def run_together(jobs: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run jobs side by side and give their results in order.

    The first error cancels the other jobs and is raised as itself. Where several failed at once, a store that
    is away outranks the rest: waiting mends it, and the work is done again then.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except BaseExceptionGroup as failed:
        raise min(_leaves(failed), key=_rank) from failed
    return [task.result() for task in tasks]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _rank(error: BaseException) -> int:
    return 0 if isinstance(error, errors.StoreUnavailableError) else 1
