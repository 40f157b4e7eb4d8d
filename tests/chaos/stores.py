"""The stores of a soak, each on a disk of its own: away, full, and read by plain SQL."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from tests.postgresql import PostgreSQL

_ATTEMPTS, _APART = 100, 0.2
"""Looks at a store that somebody writes to, and the seconds between two of them."""


class Store(ABC):
    """A database on a small disk; `url` is how the daemon is told of it."""

    name: str
    megabytes: int
    url: str

    def __init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.disk = Path(tempfile.mkdtemp(prefix="prefetch-disk-"))
        self._open.callback(shutil.rmtree, self.disk, ignore_errors=True)
        self.disk.chmod(0o755)
        self.has_own_disk = self._mount()
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Fill its disk to the last byte, and make room again."""
        ballast = self.disk / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            yield
        finally:
            ballast.unlink(missing_ok=True)
        self._after_a_full_disk()

    @contextmanager
    @abstractmethod
    def away(self) -> Iterator[None]:
        """Let nobody write to it."""
        yield

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives, as soon as the store can be read."""
        for _ in range(_ATTEMPTS):
            with suppress(Exception):  # away, locked, or in recovery
                return self._rows(query)
            time.sleep(_APART)
        return self._rows(query)

    def _mount(self) -> bool:
        command = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "tmpfs", str(self.disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        self._open.callback(subprocess.run, ["/usr/bin/umount", "--lazy", str(self.disk)], check=False)
        self.disk.chmod(0o755)
        return True

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _rows(self, query: str) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _after_a_full_disk(self) -> None: ...


class Sqlite(Store):
    """A file; it is away while another program holds its lock."""

    name, megabytes = "sqlite", 64

    def _begin(self) -> None:
        self._file = self.disk / "prefetch.db"
        self.url = f"sqlite:///{self._file}"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Hold its lock, as a program that copies it does."""
        with closing(sqlite3.connect(self._file, isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def _after_a_full_disk(self) -> None:
        """Nothing: there is no server to look after."""


class Postgresql(Store):
    """A server; it is away while it is stopped, at once and with all connections broken."""

    name, megabytes = "postgresql", 512

    def _begin(self) -> None:
        self._server = self._open.enter_context(PostgreSQL(below=self.disk))
        self.url = self._server.create("prefetch")

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop it, and start it again."""
        self._server.stop()
        yield
        self._server.start()

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg  # noqa: PLC0415 (an extra: a soak on SQLite needs none of it)

        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def _after_a_full_disk(self) -> None:
        for _ in range(_ATTEMPTS):  # it has lived through it, recovers, or has given up
            with suppress(Exception):
                self._rows("SELECT 1")
                return
            if not (self._server.directory / "data" / "postmaster.pid").exists():
                self._server.start()
            time.sleep(_APART)


STORES: dict[str, type[Store]] = {store.name: store for store in (Sqlite, Postgresql)}
