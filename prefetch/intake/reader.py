"""The reader stage: inbox → orders (design, section 2, steps 2 and 3).

Takes raw messages that were acknowledged, has them read off the event loop, and has what they say applied in
inbox order, but for what may take long to read: it waits for the others, not they for it. A message that
nobody can understand goes to the dead letters, and the feed goes on.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import structlog

from prefetch import bell, errors, orders
from prefetch.fieldpath import FieldPath
from prefetch.intake import hl7, parsing, rush, upserts
from prefetch.store import database, inbox
from prefetch.store.tables import MessageState
from prefetch.timing import Now

log = structlog.get_logger()

Read = tuple[inbox.InboxMessage, hl7.Reading]

TOGETHER = 4
"""Messages applied in one transaction: a commit for each would be what the feed waits for."""

BATCH = 100
"""Messages read in one go; enough to feed the worker processes."""

SLOW_AT_A_TIME = 2
"""Messages of a batch that may take long to read: they come last, and after these what has come since."""

LET_IN = 10
"""Messages of a batch applied before a look whether a STAT order has come: it waits for no more of them."""


class Reader:
    """Reads what is in the inbox."""

    def __init__(
        self,
        *,
        store: database.Database,
        pool: parsing.ReaderPool,
        clock: orders.Clock,
        now: Now,
        bells: bell.Bells,
        watched: Sequence[FieldPath] = (),
        feeds: rush.Rush | None = None,
    ) -> None:
        """`watched` are the places in messages that rules ask for; `feeds` tells when they pour in."""
        self.watched = watched
        self._feeds = feeds or rush.Rush()
        self._store = store
        self._pool = pool
        self.clock = clock
        self._now = now
        self._bells = bells

    async def read_waiting(self) -> int:
        """Read and apply one batch, last what may take long; gives how many messages were read.

        The order is free: the freshest word holds, whenever it is read.
        """
        waiting = await self._store.read(inbox.waiting_messages, BATCH)
        quick: list[inbox.InboxMessage] = []
        slow: list[inbox.InboxMessage] = []
        for message in waiting:
            (quick if parsing.is_ordinary(message.raw) else slow).append(message)
        taken = slow[:SLOW_AT_A_TIME]
        if len(waiting) == BATCH or len(taken) < len(slow):
            self._bells.reader.ring()
        known = {message.id for message in waiting}
        for together in filter(None, (quick, taken)):
            await self._apply_letting_in(await self._read(together), known)
        return len(quick) + len(taken)

    async def _apply_letting_in(self, read: Sequence[Read], known: Container[int]) -> None:
        """Apply what was read, and between it the STAT orders that have come meanwhile."""
        for first in range(0, len(read), LET_IN):
            await self._apply_all(read[first : first + LET_IN])
            urgent = await self._store.read(inbox.urgent_messages, BATCH)
            await self._apply_all(await self._read([each for each in urgent if each.id not in known]))

    async def _read(self, messages: Sequence[inbox.InboxMessage]) -> list[Read]:
        async with self._feeds.giving_way():
            readings = await self._pool.read(
                [message.raw for message in messages], [message.source for message in messages]
            )
        return list(zip(messages, readings, strict=True))

    async def _apply_all(self, read: Sequence[Read]) -> None:
        for first in range(0, len(read), TOGETHER):
            async with self._feeds.giving_way():
                await self._apply(read[first : first + TOGETHER])

    async def _apply(self, read: Sequence[Read]) -> None:
        """Apply some messages in one transaction; where one of them fails, each in its own."""
        now = self._now()
        try:
            applied = await self._store.write_soon(
                upserts.apply_readings, read, clock=self.clock, now=now, watched=self.watched
            )
        except errors.StoreUnavailableError:
            raise
        except Exception as error:  # whatever one message does to us, the feed goes on
            if len(read) > 1:
                for each in read:
                    await self._apply([each])
                return
            ((message, _),) = read
            log.exception("message_failed", message_id=message.id, control_id=message.control_id)
            await self._store.write(
                inbox.finish_message,
                message.id,
                MessageState.DEAD,
                because=f"could not be applied, our fault: {error!r}",
                at=now,
            )
            return
        for (message, _), outcome in zip(read, applied, strict=True):
            self._tell(message, outcome)

    def _tell(self, message: inbox.InboxMessage, applied: upserts.Applied | None) -> None:
        """Log what became of a message, and wake who plans what it changed; None: another applied it."""
        if applied is None:
            return
        log.info(
            "message_read",
            message_id=message.id,
            source=message.source,
            control_id=message.control_id,
            message_type=message.message_type,
            outcome=applied.state.value,
            because=applied.because,
            orders=[order.id for order in applied.changed],
        )
        if applied.changed:
            self._bells.planner.ring()
