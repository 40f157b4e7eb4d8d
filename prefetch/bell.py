"""Waking a stage: a bell that another stage rings when it has left work in the store.

A bell is only a hint; the store says what there is to do, and a slow tick rings anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable

GRAIN = 0.1
"""Seconds: planned rings less than this apart are one, so that what comes due together is done together."""


class Bell:
    """Wakes one worker, now or when it next waits, however many times it was struck.

    A worker that leaves work rings again before it begins, so that the next one looks too: as many wake as
    there is work for.
    """

    def __init__(self) -> None:
        self._struck: asyncio.Queue[None] = asyncio.Queue(maxsize=1)
        self._planned: set[int] = set()
        """The grains of time at whose end it rings by itself."""

    def ring(self) -> None:
        """Wake a worker that waits, or the next one that would."""
        if not self._struck.full():
            self._struck.put_nowait(None)

    def ring_in(self, seconds: float) -> None:
        """Ring by itself when so many seconds have passed: never earlier, and up to a grain later."""
        loop = asyncio.get_running_loop()
        grain = math.ceil((loop.time() + max(seconds, 0.0)) / GRAIN)
        if grain not in self._planned:
            self._planned.add(grain)
            loop.call_at(grain * GRAIN, self._ring_as_planned, grain)

    def _ring_as_planned(self, grain: int) -> None:
        self._planned.discard(grain)
        self.ring()

    def take(self) -> bool:
        """Whether it was struck, for one who would wait for it otherwise; then nobody else wakes."""
        if self._struck.empty():
            return False
        self._struck.get_nowait()
        return True

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the bell, or for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._struck.get()


class Bells:
    """The bells of the walk: reader, planner, one for the movers of each archive, one a verifier."""

    def __init__(self, *, archives: Iterable[str], destinations: Iterable[str]) -> None:
        self.reader = Bell()
        self.planner = Bell()
        self.movers = {archive: Bell() for archive in archives}
        self.verifiers = {destination: Bell() for destination in destinations}

    def ring_movers(self) -> None:
        """Wake every mover."""
        for bell in self.movers.values():
            bell.ring()

    def ring_all(self) -> None:
        """Wake every stage."""
        for bell in (self.reader, self.planner, *self.movers.values(), *self.verifiers.values()):
            bell.ring()
