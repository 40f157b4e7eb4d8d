"""Whether the daemon is well, and telling systemd so (sd_notify(3)).

The watchdog is fed by the stages and not by a timer beside them: each beats whenever it has done something or
found nothing to do. What waits for a peer is bounded by that peer's own timers, and is no stall.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator

PATIENCE = 90.0
"""Seconds after which a silent stage is stalled, where systemd sets none: more than a statement may take."""

FEEDS = 4
"""How often systemd is told that we are well in the time after which it would restart us."""


class Pulse:
    """When each stage last beat, and which wait for a peer."""

    def __init__(self, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        """In `patience` seconds every stage does something, or finds nothing to do, or waits for a peer."""
        self._patience = patience
        self._clock = clock
        self._last: dict[str, float] = {}
        self._waiting: dict[str, int] = {}

    def beat(self, stage: str) -> None:
        """A stage is alive."""
        self._last[stage] = self._clock()

    @contextlib.contextmanager
    def waiting_for_peer(self, stage: str) -> Iterator[None]:
        """While a stage waits for a peer, its silence means nothing."""
        self._waiting[stage] = self._waiting.get(stage, 0) + 1
        try:
            yield
        finally:
            self._waiting[stage] -= 1
            self.beat(stage)

    def stalled(self) -> list[str]:
        """The stages that have been silent for too long."""
        now = self._clock()
        return [
            stage
            for stage, last in self._last.items()
            if now - last > self._patience and not self._waiting.get(stage)
        ]


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear of us (WATCHDOG_USEC); None where it does not."""
    said = os.environ.get("WATCHDOG_USEC", "")
    return int(said) / 1_000_000 if said.isdecimal() and int(said) else None


def notify_ready(status: str) -> None:
    """Tell systemd that we are ready, at start or after a reload, and what `systemctl status` shows."""
    notify(f"READY=1\nSTATUS={' '.join(status.split())}")


def notify_waiting(status: str, *, seconds: float) -> None:
    """Tell systemd what the start waits for, and to give it so many seconds more from now."""
    notify(f"STATUS={' '.join(status.split())}\nEXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")


def notify_stopping(seconds: float) -> None:
    """Tell systemd that we end, and how many seconds that may take, whatever the unit says."""
    notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")


def notify_reloading() -> None:
    """Tell systemd that the reload it waits for has begun (Type=notify-reload)."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify(state: str) -> bool:
    """Send a state to systemd where it listens; false where it does not. The protocol is one datagram.

    One that systemd has no room for is dropped: a service manager that is slow must not hold up an order.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.setblocking(False)
        try:
            out.sendto(state.encode(), address)
        except OSError:
            return False
    return True
