"""A feed that pours in goes before reading what it says."""

from __future__ import annotations

import asyncio
import time

import pytest

from prefetch.intake import rush


def poured() -> rush.Rush:
    """A feed that has just sent as much as makes a rush."""
    feeds = rush.Rush()
    for _ in range(rush.MANY):
        feeds.tell()
    return feeds


async def read(feeds: rush.Rush, seconds: float) -> float:
    """Read for so long; gives how long that took with all the giving way."""
    began = time.monotonic()
    async with feeds.giving_way():
        await asyncio.sleep(seconds)
    return time.monotonic() - began


def test_some_messages_are_no_rush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before as many as make one have come within the moment."""
    monkeypatch.setattr(rush, "WITHIN", 60.0)
    feeds = rush.Rush()
    for _ in range(rush.MANY - 1):
        feeds.tell()
    assert (feeds.is_on, poured().is_on) == (False, True)


def test_in_a_rush_reading_takes_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What took a while is followed by a rest that is longer."""
    monkeypatch.setattr(rush, "WITHIN", 60.0)
    assert asyncio.run(read(poured(), 0.02)) >= 0.02 / rush.SHARE


def test_nobody_rests_when_the_rush_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the reading took: the rest would last for a quarter of an hour."""
    monkeypatch.setattr(rush, "SHARE", 0.0001)
    monkeypatch.setattr(rush, "WITHIN", 0.05)
    asyncio.run(asyncio.wait_for(read(poured(), 0.1), timeout=60))
