"""Promises of the daemon as the sandbox starts it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from prefetch.sandbox.daemon import Daemon, DaemonEndedError

CONFIGURATION = """
ae_title: PREFETCH
time_zone: UTC
store: sqlite:///{directory}/prefetch.db
rules: {directory}/rules
listeners: {{ris: {{port: 0}}}}
archives: {{main-archive: {{ae_title: MAIN, host: 127.0.0.1, port: 1}}}}
workstations: {{reading-room-1: {{ae_title: READING1, host: 127.0.0.1, port: 1}}}}
"""
RULE = "rules: [{name: all, priors: [{newest: 1}]}]"


def configured(directory: Path, text: str = CONFIGURATION) -> Daemon:
    """A daemon that is not started yet."""
    (directory / "rules").mkdir()
    (directory / "rules" / "all.yaml").write_text(RULE)
    configuration = directory / "prefetch.yaml"
    configuration.write_text(text.format(directory=directory))
    return Daemon(configuration=configuration, log=directory / "daemon.log")


def test_it_tells_where_it_listens_and_ends_in_order(tmp_path: Path) -> None:
    """Once ready its ports are known; it is ended by SIGTERM and says so."""
    with configured(tmp_path) as daemon:
        assert daemon.listener_ports["ris"] > 0
        daemon.require_alive()
    assert daemon.said()[-1]["event"] == "daemon_stopped"


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    """A daemon that does not start leaves its last words in the error."""
    with pytest.raises(DaemonEndedError, match=r"prefetch\.yaml:2:1: ae_titel: unknown key"):
        configured(tmp_path, CONFIGURATION.replace("ae_title: PREFETCH", "ae_titel: PREFETCH")).__enter__()


def test_a_daemon_that_dies_is_noticed(tmp_path: Path) -> None:
    """Who watches it learns of its end."""
    with configured(tmp_path) as daemon:
        os.kill(daemon.process_id, signal.SIGKILL)
        with pytest.raises(DaemonEndedError, match="has ended"):
            watch(daemon, seconds=120)


def watch(daemon: Daemon, *, seconds: float) -> None:
    """Look at a daemon as its watcher does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        daemon.require_alive()
        time.sleep(0.02)
