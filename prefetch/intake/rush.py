"""Whether a feed pours in: then who waits for an acknowledgement goes before what nobody waits for.

A RIS that was away sends hours of messages at once, and each of its senders waits for one AA after the other.
Reading what they mean takes ten times as long as keeping it; done at the same time it would make the queue at
the RIS long instead of ours. So in a rush reading takes its share of the time and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MANY = 8
WITHIN = 0.1
"""So many messages within so many seconds are a rush."""

SHARE = 0.2
"""Of the time, for reading in a rush."""

_LOOKS_EVERY = 0.02


class Rush:
    """Hears of each message that was kept, and lets others pass."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=MANY)

    def tell(self) -> None:
        """A message was kept."""
        self._kept.append(time.monotonic())

    @property
    def is_on(self) -> bool:
        """Whether there is one now."""
        return len(self._kept) == MANY and time.monotonic() - self._kept[0] < WITHIN

    @asynccontextmanager
    async def giving_way(self) -> AsyncIterator[None]:
        """Do something, and then rest for as long as makes it a share; no longer than the rush lasts."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        until = now + (now - began) * (1 / SHARE - 1)
        while self.is_on and time.monotonic() < until:  # noqa: ASYNC110 (both end as time passes)
            await asyncio.sleep(_LOOKS_EVERY)
