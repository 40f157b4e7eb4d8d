"""A stand-in for `systemctl` where no systemd runs: what a unit of Type=notify says is done by its words.

Knows start, stop, restart, reload, enable --now and daemon-reload, for one unit in /etc/systemd/system.
Neither hardening nor watchdog: those are systemd's own.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNITS = Path("/etc/systemd/system")
STATE = Path("/run")


class Unit:
    """A service as its unit file describes it."""

    def __init__(self, name: str) -> None:
        self._lines = (UNITS / f"{name}.service").read_text().splitlines()
        self._pid = STATE / f"{name}.pid"
        self._notify = STATE / f"{name}.notify"
        self._journal = STATE / f"{name}.journal"

    def start(self) -> int:
        """Run what comes first, start the daemon, and return when it says that it is ready."""
        if failed := self._run_all("ExecStartPre"):
            return failed
        self._notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(str(self._notify))
            self._notify.chmod(0o777)
            heard.settimeout(1)
            (command,) = self._all("ExecStart")
            told = {"NOTIFY_SOCKET": str(self._notify)}
            # The stand-in ends, the daemon stays: nobody waits for it but `stop`.
            with self._journal.open("ab") as journal:
                process = subprocess.Popen(
                    shlex.split(command),
                    start_new_session=True,
                    stdout=journal,
                    stderr=journal,
                    **self._as_user(told),
                )
            self._pid.write_text(str(process.pid))
            while process.poll() is None:
                try:
                    if heard.recv(1000).startswith(b"READY=1"):
                        return 0
                except TimeoutError:
                    continue
            return 1

    def stop(self) -> int:
        """Ask the daemon to end, and return when it has."""
        pid = int(self._pid.read_text())
        os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            time.sleep(0.05)
        return 0

    def restart(self) -> int:
        """End it and start it."""
        return self.stop() or self.start()

    def reload(self) -> int:
        """Run the commands of a reload until one fails."""
        return self._run_all("ExecReload")

    def _run_all(self, key: str) -> int:
        mainpid = self._pid.read_text() if self._pid.exists() else ""
        for command in self._all(key):
            words = [word.replace("$MAINPID", mainpid) for word in shlex.split(command)]
            done: subprocess.CompletedProcess[bytes] = subprocess.run(words, check=False, **self._as_user({}))
            if done.returncode:
                return done.returncode
        return 0

    def _all(self, key: str) -> list[str]:
        return [line.partition("=")[2] for line in self._lines if line.startswith(f"{key}=")]

    def _as_user(self, told: dict[str, str]) -> dict[str, Any]:
        user = pwd.getpwnam(self._all("User")[0])
        environment = dict(said.split("=", 1) for said in self._all("Environment"))
        known = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": user.pw_dir}
        return {
            "user": user.pw_uid,
            "group": user.pw_gid,
            "extra_groups": [],
            "cwd": "/",
            "env": known | environment | told,
            "umask": int(self._all("UMask")[0], 8),
        }


def main(verb: str, *words: str) -> int:
    """Do what the command line says; gives the exit status."""
    if verb == "daemon-reload":
        return 0
    unit = Unit(words[-1])
    acts: dict[str, Callable[[], int]] = {
        "start": unit.start,
        "stop": unit.stop,
        "restart": unit.restart,
        "reload": unit.reload,
        "enable": unit.start if "--now" in words else lambda: 0,
    }
    return acts[verb]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
