"""The file of a SQLite database: who holds it, its mode, and whether it is still the one that was opened.

The lock is on the file itself and not beside it, so that no link and no deleted lock file lets a second
daemon in. A commit into a file that was deleted or replaced would be lost unseen: so each looks first.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from prefetch import errors

SHARED, OWN = 0o660, 0o600
_GROUP_MAY_WRITE = stat.S_IWGRP


def make(file: Path) -> None:
    """Make an empty file unless there is one."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWN))
    except FileExistsError:
        return
    except OSError as error:
        raise errors.StoreUnavailableError(f"database {file} cannot be made: {error.strerror}") from error


def set_mode(file: Path) -> None:
    """Let the group of the directory in where it may write there, and nobody else, whatever the umask.

    SQLite gives the files beside it (`-wal`, `-shm`) the same mode. A file that is not ours stays as it is.
    """
    shared = file.parent.stat().st_mode & _GROUP_MAY_WRITE
    with suppress(PermissionError):
        file.chmod(SHARED if shared else OWN)


def lock(file: Path) -> int:
    """Lock the file until the process ends; gives the descriptor that holds the lock.

    Raises `StoreRefusedError` where another process has it, by whatever name.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise errors.StoreUnavailableError(f"database {file} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = _holder(os.fstat(descriptor))
        os.close(descriptor)
        raise errors.StoreRefusedError(
            f"database {file} is in use by process {holder or 'unknown'}: two daemons cannot share it"
        ) from None
    return descriptor


def _holder(about: os.stat_result) -> str | None:
    """Give the process that holds the lock, where the kernel tells (proc(5), /proc/locks)."""
    inode = f":{about.st_ino}"
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "FLOCK" in fields and "->" not in fields and fields[5].endswith(inode):
                return fields[4]
    return None


class Guard:
    """Tells whether the file under the database's name is still the one that was opened and locked."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        self._longest = 0
        self._damage: str | None = None

    def require(self) -> None:
        """Raise `StoreUnavailableError` where a commit would not be found again."""
        if because := self.trouble():
            raise errors.StoreUnavailableError(f"database {self._file}: {because}")

    def trouble(self) -> str | None:
        """Give what is wrong with the file, in words with a remedy; `None` where nothing is."""
        if self._damage:
            return self._damage
        ours = os.fstat(self._descriptor)
        try:
            named = self._file.stat()
        except OSError:
            return _DELETED.format(pid=os.getpid(), descriptor=self._descriptor)
        if not os.path.samestat(ours, named):
            return "another file has taken its place while the daemon ran; put it back, or restart the daemon"
        if ours.st_size < self._longest:
            return "it was cut short while the daemon ran; stop the daemon and restore a copy"
        self._longest = ours.st_size
        return None

    def look_beside(self) -> None:
        """Find out whether the files that belong to it are still there, which SQLite itself never notices."""
        beside = {f"{self._file.resolve()}{ending} (deleted)" for ending in ("-wal", "-shm")}
        with suppress(OSError):
            for link in Path("/proc/self/fd").iterdir():
                with suppress(OSError):
                    if str(link.readlink()) in beside:
                        self.report(_BESIDE_DELETED)
                        return

    def report(self, damage: str) -> None:
        """Note damage that does not mend itself: from here on nothing is committed any more."""
        self._damage = damage

    def close(self) -> None:
        """Give the lock back; after all connections, whose own locks would end with it (fcntl(2))."""
        os.close(self._descriptor)


_DELETED = (
    "it was deleted while the daemon ran; put it back under its name, or save what it holds before the "
    "daemon ends (/proc/{pid}/fd/{descriptor}) and restart it"
)
_BESIDE_DELETED = (
    "its -wal or -shm file was deleted while the daemon ran; restart the daemon, which saves what is in them"
)
