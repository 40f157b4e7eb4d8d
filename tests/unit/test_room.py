"""Room that many share: never more in use than there is, and everybody's turn comes."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake.room import Room

SIZE = 100


@given(
    st.lists(st.integers(min_value=0, max_value=2 * SIZE), max_size=30),
    st.randoms(use_true_random=False),
)
def test_any_takers_share_the_room(wanted: list[int], chance: random.Random) -> None:
    """In whatever order it is given back, all are served in turn, and never is more taken than there is."""
    served: list[int] = []

    async def use(room: Room, number: int) -> None:
        taken = await room.take(wanted[number])
        served.append(number)
        assert taken <= room.taken <= SIZE
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        room.give(taken)

    async def use_all() -> None:
        room = Room(SIZE)
        await asyncio.gather(*(use(room, number) for number in range(len(wanted))))
        assert room.taken == 0

    asyncio.run(use_all())
    assert list(range(len(wanted))) == served


def test_who_gives_up_waiting_holds_nothing() -> None:
    """A connection that is cut while it waits leaves its turn to the next."""

    async def test() -> None:
        room = Room(SIZE)
        taken = await room.take(SIZE)
        waiting = asyncio.create_task(room.take(1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        room.give(taken)
        assert await room.take(SIZE) == SIZE

    asyncio.run(test())
