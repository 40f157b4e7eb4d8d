"""Promises of pynetdicom's threads that wait, pinned for each release of pynetdicom."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

import pytest
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import TRANSITION_TABLE, StateMachine

from prefetch.dimse import reactor, waiting, wire
from prefetch.sandbox import archive

IDLE = 1.0
"""Seconds in which the looks of a thread are counted."""


@pytest.fixture
def peer() -> Iterator[archive.Archive]:
    """A peer that answers at once."""
    with archive.Archive(ae_title="MAIN") as made:
        yield made


def associate(peer: archive.Archive, handlers: list[evt.EventHandlerType]) -> Association:
    """An association that has echoed once."""
    ours = AE("ASKER")
    ours.add_requested_context("1.2.840.10008.1.1")
    handlers = [*handlers, (evt.EVT_ESTABLISHED, reactor.leave_responses)]
    association = ours.associate(peer.host, peer.port, ae_title="MAIN", evt_handlers=handlers)
    assert "Status" in association.send_c_echo()
    return association


def looks_while_idle(association: Association, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    """How often its connection's thread looks for something to send in vain, and in how many seconds."""
    looks = 0
    look = association.dul._process_recv_primitive  # noqa: SLF001 (what the thread does each time)

    def counted() -> bool:
        nonlocal looks
        looks += 1
        return look()

    monkeypatch.setattr(association.dul, "_process_recv_primitive", counted)
    began = time.monotonic()
    time.sleep(IDLE)
    monkeypatch.undo()
    return looks, time.monotonic() - began


def test_an_idle_association_hardly_looks(peer: archive.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread wakes now and then, and not a thousand times a second."""
    association = associate(peer, wire.fast_handlers())
    looks, seconds = looks_while_idle(association, monkeypatch)
    association.release()
    assert 0 < looks <= 4 * seconds / waiting.LOOKS_EVERY


def test_a_peer_that_goes_away_is_noticed(peer: archive.Archive) -> None:
    """Nobody asks anything of the association, and its end is seen all the same."""
    association = associate(peer, wire.fast_handlers())
    peer.stop()
    deadline = time.monotonic() + 120
    while association.is_established and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not association.is_established
    association.join(120)
    assert not association.is_alive()


def test_every_exchange_is_answered(peer: archive.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """However quickly one follows the other, no wake-up is lost: none waits for the next look."""
    monkeypatch.setattr(waiting, "LOOKS_EVERY", 20.0)
    association = associate(peer, wire.fast_handlers())
    slow = 0
    for _ in range(200):  # no machine is so busy that one of them takes as long as a look
        began = time.monotonic()
        assert "Status" in association.send_c_echo()
        slow += time.monotonic() - began >= waiting.LOOKS_EVERY
    association.release()
    assert slow == 0


def test_a_call_is_left_to_who_has_the_line(peer: archive.Archive) -> None:
    """Its own thread, which waits for its turn meanwhile, does not take it: whoever has it would sleep on."""
    association = associate(peer, wire.fast_handlers())
    line = waiting.line_of(association)
    for _ in range(10):
        with line.held():
            line.call()
            time.sleep(2 * waiting.LOOKS_EVERY)
            assert line._wake.wait(0, line._holders_poll)  # noqa: SLF001 (what it waits with)
    association.release()


def test_no_descriptor_outlives_its_association(peer: archive.Archive) -> None:
    """Not even where the connection is closed before the end of it can be heard of."""
    unheard = [handler for handler in wire.fast_handlers() if handler[0] is not evt.EVT_CONN_CLOSE]
    association = associate(peer, unheard)
    association.bind = lambda *_: None  # type: ignore[method-assign]  # nobody hears of the end
    opened = descriptors()
    waiting.read_when_there_is_something(evt.Event(association, evt.EVT_ESTABLISHED))
    assert descriptors() == opened + 2
    wire.discard(association)
    del association
    gc.collect()
    assert descriptors() < opened


def test_no_connection_outlives_a_thread_that_was_told_to_end(peer: archive.Archive) -> None:
    """It closes nothing then: not where a peer has kept it from ending in time."""
    association = associate(peer, wire.fast_handlers())
    transport = association.dul.socket
    assert transport is not None
    assert transport.socket is not None
    connection = transport.socket
    association.dul.kill_dul()
    association.dul.join()
    wire.discard(association)
    assert connection.fileno() < 0


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, and no paths)


def test_what_is_bound_is_still_there() -> None:
    """The private names that this reaches into: when one is gone, pynetdicom has changed its threads."""
    assert {"_is_transport_event", "_process_recv_primitive"} <= set(vars(DULServiceProvider))
    assert "_reactor_checkpoint" in vars(Association(AE("X"), "requestor"))
    releases = {state for event, state in TRANSITION_TABLE if event == "Evt11"}
    assert ({"Sta6"}, True) == (releases, "do_action" in vars(StateMachine))
