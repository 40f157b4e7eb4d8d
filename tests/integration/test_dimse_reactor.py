"""Promises of an association's own thread, pinned for each release of pynetdicom."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pynetdicom import AE, evt

from prefetch.dimse import reactor, wire
from prefetch.sandbox import archive

ECHOES = 5


class SlowCheckpoint(threading.Event):
    """A checkpoint behind which the scheduler leaves the reactor alone for a while."""

    def wait(self, timeout: float | None = None) -> bool:
        """Pass, and be stopped right behind."""
        passed = super().wait(timeout)
        time.sleep(0.05)
        return passed


def schedule_badly(event: evt.Event) -> None:
    """Make what happens on a busy machine once in hundreds of times happen nearly always."""
    association = event.assoc
    association._reactor_checkpoint = SlowCheckpoint()  # noqa: SLF001 (there is no other way to slow it down)
    association._reactor_checkpoint.set()  # noqa: SLF001 (the same)
    take = association.dimse.get_msg

    def get_msg(block: bool = False) -> Any:
        if threading.current_thread() is not association:
            time.sleep(0.1)
        return take(block)

    association.dimse.get_msg = get_msg  # type: ignore[method-assign]  # of this one association


@pytest.fixture
def peer() -> Iterator[archive.Archive]:
    """A peer that answers at once."""
    with archive.Archive(ae_title="MAIN") as made:
        yield made


def echoes(peer: archive.Archive, patience: float, *handlers: evt.EventHandlerType) -> int:
    """How many C-ECHOs get their response in so many seconds."""
    ours = AE("ASKER")
    ours.dimse_timeout = patience
    ours.add_requested_context("1.2.840.10008.1.1")
    answered = 0
    for _ in range(ECHOES):
        association = ours.associate(
            peer.host,
            peer.port,
            ae_title="MAIN",
            evt_handlers=[
                *wire.fast_handlers(),
                (evt.EVT_ESTABLISHED, schedule_badly),
                *handlers,
            ],
        )
        time.sleep(0.02)  # until the reactor has passed its checkpoint
        answered += "Status" in association.send_c_echo()
        association.release() if association.is_established else association.abort()
    return answered


def test_a_response_is_left_to_who_waits_for_it(peer: archive.Archive) -> None:
    """However badly the threads are scheduled, no response is lost."""
    assert echoes(peer, 20.0, (evt.EVT_ESTABLISHED, reactor.leave_responses)) == ECHOES


def test_pynetdicom_still_needs_it(peer: archive.Archive) -> None:
    """Without it responses are lost; when this fails pynetdicom is mended, and the module may go."""
    assert echoes(peer, 0.25) < ECHOES
