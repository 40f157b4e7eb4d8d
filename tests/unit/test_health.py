"""What the daemon tells systemd, and what it makes of its own silence."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from prefetch import health

PATIENCE = 60.0


class Clock:
    """A clock that a test winds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_stage_that_stops_beating_is_noticed() -> None:
    """A minute of silence from one stage, the others being well, names that stage."""
    clock = Clock()
    pulse = health.Pulse(PATIENCE, clock)
    pulse.beat("reader")
    clock.now = PATIENCE
    pulse.beat("planner")
    assert [] == pulse.stalled()
    clock.now += 1
    assert ["reader"] == pulse.stalled()


def test_a_slow_archive_is_no_stall() -> None:
    """While a stage waits for a peer its silence means nothing; the peer has timers of its own."""
    clock = Clock()
    pulse = health.Pulse(PATIENCE, clock)
    pulse.beat("mover main")
    with pulse.waiting_for_peer("mover main"):
        clock.now = 10 * PATIENCE
        assert [] == pulse.stalled()
    assert [] == pulse.stalled()
    clock.now += 2 * PATIENCE
    assert ["mover main"] == pulse.stalled()


def test_a_state_reaches_the_service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram to the socket that systemd names (sd_notify(3))."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert health.notify("READY=1")
        assert manager.recv(100) == b"READY=1"
        health.notify_ready("2 rules\nin force")
        assert manager.recv(100) == b"READY=1\nSTATUS=2 rules in force"
        health.notify_stopping(2.5)
        assert manager.recv(100) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=2500000"
        health.notify_reloading()
        assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_a_service_manager_that_does_not_listen_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no room for is dropped, and said to be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert not all(health.notify("WATCHDOG=1") for _ in range(10_000))


def test_an_abstract_socket_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that begins with @ is in the abstract namespace (unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0prefetch-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@prefetch-test-notify")
        assert health.notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_without_a_service_manager_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither where none is named, nor where the one that is named has gone."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not health.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not health.notify("READY=1")


@pytest.mark.parametrize(("said", "seconds"), [("30000000", 30.0), ("0", None), ("", None), ("soon", None)])
def test_the_watchdog_s_time_is_read(
    monkeypatch: pytest.MonkeyPatch, said: str, seconds: float | None
) -> None:
    """WATCHDOG_USEC is in microseconds; nothing sensible means no watchdog."""
    monkeypatch.setenv("WATCHDOG_USEC", said)
    assert seconds == health.watchdog_seconds()
