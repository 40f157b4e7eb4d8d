"""Event loops whose clock a test sets: what depends on time is tested without waiting, and without hurry.

`Adjustable` goes on by itself as real time does, and a test moves it on, or stops it: for real sockets.
`Simulated` stands still while anything is to be done, and jumps to what is due next: for coroutines alone.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Adjustable(asyncio.SelectorEventLoop):
    """A loop whose clock a test moves on; timers that are due then ring."""

    _ahead = 0.0
    _stopped_at: float | None = None

    def time(self) -> float:
        """Return the time by which all timers of the loop go."""
        return self._ahead + (super().time() if self._stopped_at is None else self._stopped_at)

    def move_on(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._ahead += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock: only `move_on` lets time pass, however long a busy machine takes."""
        self._stopped_at = super().time()
        yield
        self._stopped_at = None


def adjustable() -> Adjustable:
    """Return the running loop, where `run_adjustable` has started it."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Adjustable)
    return loop


def run_adjustable(test: Coroutine[Any, Any, T]) -> T:
    """Run a test whose clock may be moved on."""
    with asyncio.Runner(loop_factory=Adjustable) as runner:
        return runner.run(test)


class Simulated(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time, and nothing else takes any either."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the simulated time, from 0."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Go to what is due next."""
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    """Does not wait for what is due next: the clock jumps there."""

    def __init__(self, loop: Simulated) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; where nothing is, time passes."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self._loop.jump(max(timeout, 0.0))
        return ready


def run_simulated(test: Coroutine[Any, Any, T]) -> T:
    """Run a test in simulated time; it ends at once, whatever it waits for."""
    with asyncio.Runner(loop_factory=Simulated) as runner:
        return runner.run(test)
