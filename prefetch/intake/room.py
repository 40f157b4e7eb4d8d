"""Room for what waits to be stored: bytes that all connections share; who finds none is not read."""

from __future__ import annotations

import asyncio


class Room:
    """A number of bytes; whoever wants more than is free waits, first come first served."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._turn = asyncio.Lock()
        self._given = asyncio.Event()

    @property
    def taken(self) -> int:
        """Bytes that are in use."""
        return self._size - self._free

    async def take(self, wanted: int) -> int:
        """Wait for room; gives how much was taken: what is larger than all of it takes it all."""
        wanted = min(wanted, self._size)
        async with self._turn:
            while self._free < wanted:
                self._given.clear()
                await self._given.wait()
            self._free -= wanted
        return wanted

    def give(self, taken: int) -> None:
        """Give back what was taken."""
        self._free += taken
        self._given.set()
