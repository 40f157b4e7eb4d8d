"""Waking a stage: a bell that another stage rings when it has left work in the store.

A bell is only a hint; the store says what there is to do, and a slow tick rings anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Bell:
    """Rings once for however many times it was struck since the last wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or the next one who would."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the bell, or for so many seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


class Bells:
    """The bells of the walk, one a stage; `movers` holds one an archive."""

    def __init__(self, archives: Iterable[str] = ()) -> None:
        self.reader = Bell()
        self.planner = Bell()
        self.verifier = Bell()
        self.movers = {archive: Bell() for archive in archives}

    def ring_movers(self) -> None:
        """Wake every mover."""
        for bell in self.movers.values():
            bell.ring()

    def ring_all(self) -> None:
        """Wake every stage."""
        for bell in (self.reader, self.planner, self.verifier):
            bell.ring()
        self.ring_movers()
