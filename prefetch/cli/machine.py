"""What this machine says of itself: its time zone, and who may read what lies in /etc."""

from __future__ import annotations

import grp
import os
import zoneinfo
from contextlib import suppress
from pathlib import Path

_SERVICE_GROUP = "prefetch"


def time_zone(root: Path = Path("/")) -> str | None:
    """The time zone of this machine by its IANA name; None where the machine does not tell it."""
    linked = str((root / "etc/localtime").resolve()).partition("zoneinfo/")[2]
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked, _written_zone(root / "etc/timezone")):
        with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return zoneinfo.ZoneInfo(name).key
    return None


def _written_zone(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="ascii").strip()
    return ""


def service_group() -> int | None:
    """The group of those who may read the service's configuration; None where it is not installed."""
    with suppress(KeyError):
        return grp.getgrnam(_SERVICE_GROUP).gr_gid
    return None


def may_write(directory: Path) -> bool:
    """Whether we may make files in a directory, or make the directory first."""
    there = directory
    while not there.exists():
        there = there.parent
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
