"""A RIS with several connections that sends again whatever was not acknowledged, as MLLP senders do.

async with feed.connected(8):
    feed.offer(message)
    await feed.all_acknowledged()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefetch.sandbox import ris
from tests import peers

RECONNECT = 0.02
"""Seconds until a connection that broke, or was refused, is tried again."""
PATIENCE = 600.0
"""Seconds that an answer may take of a daemon that lives: a busy machine is slow, and no failure."""


class Feed:
    """Messages on their way to a listener; whoever takes one keeps it until it is acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[str] = []
        """Each message for which AA came."""
        self.refusals: list[str] = []
        """What came instead: the code and words of each acknowledgement that was not AA."""
        self.unanswered = 0
        """Messages that were sent whole and whose connection broke before the answer came."""
        self.under_way = 0
        """Messages that were sent and are not answered yet."""
        self._port = port
        self._offered = 0
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    @asynccontextmanager
    async def connected(self, connections: int) -> AsyncIterator[None]:
        """Send what is offered over so many connections, until the block ends."""
        senders = [asyncio.create_task(self._keep_sending()) for _ in range(connections)]
        try:
            yield
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.wait(senders)

    def offer(self, message: str) -> None:
        """Have a message sent over the connection that is free first."""
        self._offered += 1
        self._waiting.put_nowait(message)

    @property
    def is_through(self) -> bool:
        """Whether all that was offered is acknowledged."""
        return self._offered == len(self.acknowledged)

    async def all_acknowledged(self) -> None:
        """Wait until all that was offered is acknowledged."""
        await self._waiting.join()

    async def _keep_sending(self) -> None:
        message: str | None = None
        while True:
            try:
                async with ris.Ris(host=peers.HOST, port=self._port, patience=PATIENCE) as sender:
                    while True:
                        message = message or await self._waiting.get()
                        if await self._send(sender, message):
                            message = None
                            self._waiting.task_done()
            except (OSError, ris.NotAcknowledgedError):
                await asyncio.sleep(RECONNECT)

    async def _send(self, sender: ris.Ris, message: str) -> bool:
        self.under_way += 1
        try:
            answer = await sender.send(message)
        except ris.NotAcknowledgedError:
            self.unanswered += 1
            raise
        finally:
            self.under_way -= 1
        if answer.code != "AA":
            self.refusals.append(f"{answer.code}: {answer.text}")
            await asyncio.sleep(RECONNECT)
            return False
        self.acknowledged.append(message)
        return True
