"""Refused things: each is counted, and a flood of them is a line a minute."""

from __future__ import annotations

from structlog.testing import capture_logs

from prefetch.intake import refusals
from prefetch.intake.refusals import Cause, Refusals


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def test_a_flood_is_said_once_a_minute_with_its_count() -> None:
    """The first at once; later how many were kept quiet; and all are counted."""
    clock = Clock()
    told = Refusals("ris", clock)
    with capture_logs() as lines:
        for _ in range(500):
            told.tell(
                "message_refused", Cause.UNREADABLE, address="10.0.0.1", because="no MSH", peer="10.0.0.1:5"
            )
        clock.now += refusals.QUIET_SECONDS
        told.tell(
            "message_refused", Cause.UNREADABLE, address="10.0.0.1", because="no MSH", peer="10.0.0.1:6"
        )
    said = [(line["peer"], line.get("suppressed")) for line in lines]
    assert ([("10.0.0.1:5", None), ("10.0.0.1:6", 499)], 501) == (said, told.counts[Cause.UNREADABLE])


def test_another_reason_or_address_is_said_at_once() -> None:
    """A flood from one does not hide what is wrong with another."""
    told = Refusals("ris", Clock())
    with capture_logs() as lines:
        for address, because in (("a", "x"), ("a", "x"), ("b", "x"), ("a", "y")):
            told.tell("connection_refused", Cause.NETWORK, address=address, because=because)
    assert [("a", "x"), ("b", "x"), ("a", "y")] == [(line["address"], line["because"]) for line in lines]


def test_a_flood_from_everywhere_is_told_as_one() -> None:
    """However many addresses there are, memory and log are bounded."""
    told = Refusals("ris", Clock())
    with capture_logs() as lines:
        for number in range(5 * refusals.MOST_REMEMBERED):
            told.tell(
                "connection_refused", Cause.NETWORK, address=str(number), because="its network is not allowed"
            )
    assert refusals.MOST_REMEMBERED + 1 == len(lines)
    assert told.counts.total() == 5 * refusals.MOST_REMEMBERED


def test_after_a_while_addresses_are_forgotten() -> None:
    """So that the next ones are told by their names again."""
    clock = Clock()
    told = Refusals("ris", clock)
    for number in range(refusals.MOST_REMEMBERED):
        told.tell("connection_refused", Cause.NETWORK, address=str(number), because="x")
    clock.now += refusals.QUIET_SECONDS
    with capture_logs() as lines:
        told.tell("connection_refused", Cause.NETWORK, address="new", because="x")
        told.tell("connection_refused", Cause.NETWORK, address="newer", because="x")
    assert ["new", "newer"] == [line["address"] for line in lines]
