"""A PostgreSQL of the test run's own: in a directory of its own, on a Unix socket, gone afterwards.

It runs as the user `postgres` where the tests run as root, which PostgreSQL refuses to be.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests import peers


class PostgreSQL:
    """A running server; `create` makes databases in it."""

    def __init__(self, *, below: Path | None = None) -> None:
        """Make a cluster, below a directory if one is named; nothing runs yet."""
        self._programs = _programs()
        self._user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.directory = Path(tempfile.mkdtemp(prefix="prefetch-postgresql-", dir=below))
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres")
        self._run("initdb", "-D", f"{self.directory}/data", "-A", "trust", "-E", "UTF8", "--no-sync", "-N")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start it, or start it again; what a power cut would do to it is not what we test, so no fsync."""
        options = f"-k {self.directory} -c listen_addresses= -c fsync=off -c max_connections=50"
        data, log = f"{self.directory}/data", f"{self.directory}/log"
        self._run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "-s", "start")

    def stop(self) -> None:
        """End it at once; connections that are open break."""
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-m", "immediate", "-w", "-s", "stop")

    def create(self, name: str) -> str:
        """Make a database; gives its URL."""
        self._run("createdb", "-h", str(self.directory), name)
        return f"postgresql://{self._user}@/{name}?host={self.directory}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [peers.installed(str(self._programs / program)), *arguments]
        user = self._user if os.geteuid() == 0 else None
        subprocess.run(
            command, user=user, group=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=300
        )


def _programs() -> Path:
    """Where Debian keeps the newest version's programs."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    return max(versions, key=lambda path: int(path.parent.name), default=Path("/usr/lib/postgresql/bin"))
