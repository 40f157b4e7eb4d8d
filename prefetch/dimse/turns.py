"""Whose turn it is at one remote AE: as many calls at a time as it lets us have associations.

A peer that rejects one more for the time being (PS3.8 9.3.4, “local limit exceeded”) is taken at its word:
what comes then waits until one of ours is free. How many that are is forgotten after a while, for it may have
been a busy hour. Lives on the event loop and knows no association.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from prefetch.dimse import peer, status
from prefetch.model import Outcome

LEARNT_FOR = 60.0
"""Seconds for which we ask for no more associations than the peer let us have."""

INTERRUPTED = status.Verdict(outcome=Outcome.CANCELLED, because="interrupted by us")


class Kind(Enum):
    """What a turn is wanted for."""

    QUERY = "query"
    """Anything short; also the release of what nobody uses."""
    MOVE = "move"
    """Lasts: moves take one turn fewer than there are, so that a query never waits for them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    kind: Kind
    turn: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Whether it has begun; false where it never will."""


class Turns:
    """Begins and ends calls; first come, first served, as far as there is room for the kind."""

    def __init__(self, remote: peer.Peer) -> None:
        self._peer = remote
        self._room = remote.max_associations
        self._learnt_at = float("-inf")
        self._fewest = remote.max_associations
        self._under_way: Counter[Kind] = Counter()
        self._waiting: list[_Waiter] = []
        self._interruptions = 0

    def use(self, remote: peer.Peer) -> None:
        """Go by other settings; what the peer let us have lately holds on, as far as they allow as many."""
        before, self._peer = self._peer, remote
        if remote.max_associations != before.max_associations:
            self._room = min(self._room, remote.max_associations)
            self._fewest = remote.max_associations
        self._begin_waiting()

    @property
    def room(self) -> int:
        """How many calls there may be at a time."""
        if time.monotonic() - self._learnt_at > LEARNT_FOR:
            self._room = self._peer.max_associations
        return self._room

    @property
    def is_limited(self) -> bool:
        """Whether the peer has let us have fewer than there might be, not long ago."""
        return self.room < self._peer.max_associations

    @property
    def for_moves(self) -> int:
        """How many of them may be moves."""
        return _without_one(self.room)

    @property
    def most_moves(self) -> int:
        """How many may ever be moves, as the settings say."""
        return _without_one(self._peer.max_associations)

    @property
    def under_way(self) -> int:
        """How many calls there are."""
        return self._under_way.total()

    def learn(self, room: int) -> bool:
        """The peer lets us have no more than this; gives whether it ever let us have so few."""
        self._room, self._learnt_at = min(room, self.room), time.monotonic()
        news, self._fewest = room < self._fewest, min(room, self._fewest)
        return news

    def begin_now(self, kind: Kind) -> bool:
        """Begin a call if there is room for it."""
        if self.under_way >= self.room or (kind is Kind.MOVE and self._under_way[kind] >= self.for_moves):
            return False
        self._under_way[kind] += 1
        return True

    async def begin(self, kind: Kind, *, patience: float) -> status.Verdict | None:
        """Begin a call when it is its turn; None, or why that did not come within so many seconds."""
        if self.begin_now(kind):
            return None
        waiter, interruptions = _Waiter(kind), self._interruptions
        self._waiting.append(waiter)
        try:
            await asyncio.wait([waiter.turn], timeout=patience)
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        if self._interruptions > interruptions:
            self._give_up(waiter)
            return INTERRUPTED
        if waiter.turn.done():
            return None
        self._waiting.remove(waiter)
        because = f"{self._peer.ae_title} takes {self.room} associations of ours, and none was free in time"
        return status.Verdict(outcome=Outcome.TRANSIENT, because=because)

    def end(self, kind: Kind) -> None:
        """A call has ended: whoever waits and may begins."""
        self._under_way[kind] -= 1
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        """Let those begin who wait and may."""
        for waiter in tuple(self._waiting):
            if self.begin_now(waiter.kind):
                self._waiting.remove(waiter)
                waiter.turn.set_result(True)

    def interrupt(self) -> None:
        """Nobody waits any longer, not even one whose turn has just come."""
        self._interruptions += 1
        for waiter in self._waiting:
            waiter.turn.set_result(False)
        self._waiting.clear()

    def _give_up(self, waiter: _Waiter) -> None:
        """Whoever waited does not want its turn any more, which perhaps has just come."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        elif waiter.turn.done() and waiter.turn.result():
            self.end(waiter.kind)


def _without_one(turns: int) -> int:
    """Give the turns that moves may take, of so many."""
    return max(1, turns - 1)
