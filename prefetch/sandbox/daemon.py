"""The daemon as a child process, as an operator would start it: `prefetch run` with its log in a file."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

STARTS_WITHIN = 120.0
ENDS_WITHIN = 120.0
_POLL = 0.05


class DaemonEndedError(Exception):
    """The daemon ended, or never said that it is ready; the message ends with its last words."""


class Daemon:
    """A running daemon; `listener_ports` are where it takes messages, by the listener's name."""

    def __init__(
        self,
        *,
        configuration: Path,
        log: Path,
        module: str = "prefetch",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """A bench may run another module than the command itself, or in an environment of its own."""
        self.configuration = configuration
        self.log = log
        self._command = [sys.executable, "-m", module, "run", "--config", str(configuration)]
        self._environment = environment
        self.listener_ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and do not wait until it is ready."""
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is ours to hear, and we end the daemon in order.
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
            )

    def await_ready(self) -> None:
        """Wait until it says that it is ready; raises where it ends instead."""
        if self._process is None:
            raise DaemonEndedError("the daemon does not run")
        self.listener_ports = self._wait_until_ready(self._process)["listeners"]

    def stop(self) -> int | None:
        """End it by SIGTERM, so that it drains, and give its exit status; what does not end is killed."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would: it puts nothing in order."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def process_id(self) -> int:
        """Of the running daemon, and of its session and process group."""
        if self._process is None:
            raise DaemonEndedError("the daemon does not run")
        return self._process.pid

    def require_alive(self) -> None:
        """Raise where the daemon has ended."""
        if self._process is None or self._process.poll() is not None:
            raise DaemonEndedError(f"the daemon has ended\n{self._last_words()}")

    def said(self) -> list[dict[str, Any]]:
        """The log so far: each JSON line."""
        lines = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict)]

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            for line in self.said():
                if line.get("event") == "daemon_ready":
                    return line
            if process.poll() is not None:
                raise DaemonEndedError(f"the daemon did not start\n{self._last_words()}")
            time.sleep(_POLL)
        raise DaemonEndedError(f"the daemon was not ready in {STARTS_WITHIN:.0f} s\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
