"""What waits to be written: who goes first, and that nobody is kept out by it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from sqlalchemy import Connection

from prefetch.store.writer import Waiting, Work

ALL = 500


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs nothing: its futures are all that is needed of it."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def work(loop: asyncio.AbstractEventLoop, *, first: bool = False) -> Work:
    """A piece of work that does nothing."""

    def nothing(_: Connection) -> None:
        return

    return Work(function=nothing, context=copy_context(), future=loop.create_future(), first=first)


def test_what_a_peer_waits_for_is_taken_first(loop: asyncio.AbstractEventLoop) -> None:
    """And each kind in the order in which it came."""
    waiting = Waiting()
    stages, peers = [work(loop) for _ in range(3)], [work(loop, first=True) for _ in range(3)]
    for each in (*stages, *peers):
        waiting.put(each)
    assert [*peers, *stages] == waiting.take(ALL)


def test_what_was_passed_over_begins_the_next_commit(loop: asyncio.AbstractEventLoop) -> None:
    """Where what peers wait for filled a commit, one piece of the rest goes before all else."""
    waiting = Waiting()
    stage, peers = work(loop), [work(loop, first=True) for _ in range(3)]
    for each in (stage, *peers):
        waiting.put(each)
    taken = waiting.take(ALL)
    waiting.put_back(taken[1:], done=taken[:1])
    assert [stage, *peers[1:]] == waiting.take(ALL)


def test_what_was_not_passed_over_waits_for_its_turn(loop: asyncio.AbstractEventLoop) -> None:
    """A commit that held a piece of the rest leaves the next one to the peers."""
    waiting = Waiting()
    stages, peer = [work(loop) for _ in range(3)], work(loop, first=True)
    for each in stages:
        waiting.put(each)
    taken = waiting.take(ALL)
    waiting.put_back(taken[1:], done=taken[:1])
    waiting.put(peer)
    assert [peer, *stages[1:]] == waiting.take(ALL)


def test_no_more_is_taken_than_is_asked_for(loop: asyncio.AbstractEventLoop) -> None:
    """One commit a message is possible, and the rest is still there."""
    waiting = Waiting()
    peers = [work(loop, first=True) for _ in range(3)]
    for each in peers:
        waiting.put(each)
    assert [[peers[0]], peers[1:]] == [waiting.take(1), waiting.take(ALL)]


def test_as_many_peers_as_there_were_lately_share_a_commit(loop: asyncio.AbstractEventLoop) -> None:
    """The first that comes back does not have the disk to himself."""
    waiting = Waiting()
    peers = [work(loop, first=True) for _ in range(3)]
    with ThreadPoolExecutor(1) as writer:
        taken = writer.submit(waiting.take, ALL, expected=3, patience=60.0)
        for each in peers:
            waiting.put(each)
        assert taken.result(timeout=60) == peers


def test_nobody_is_waited_for_without_end(loop: asyncio.AbstractEventLoop) -> None:
    """Who does not come back keeps nobody; and what no peer waits for, waits for no peer."""
    waiting = Waiting()
    peer, stage = work(loop, first=True), work(loop)
    waiting.put(peer)
    assert waiting.take(ALL, expected=3, patience=0.01) == [peer]
    waiting.put(stage)
    assert waiting.take(ALL, expected=3, patience=60.0) == [stage]


def test_an_end_is_not_put_off(loop: asyncio.AbstractEventLoop) -> None:
    """What waits is taken at once where nothing more will come."""
    waiting = Waiting()
    peer = work(loop, first=True)
    waiting.put(peer)
    waiting.end()
    assert waiting.take(ALL, expected=3, patience=60.0) == [peer]


def test_at_the_end_there_is_nothing(loop: asyncio.AbstractEventLoop) -> None:
    """But what was there before it is taken."""
    waiting = Waiting()
    left = work(loop)
    waiting.put(left)
    waiting.end()
    assert [[left], []] == [waiting.take(ALL), waiting.take(ALL)]
