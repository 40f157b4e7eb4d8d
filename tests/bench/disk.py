"""Disks to measure on: this one, and the same with so much added to each fsync and fdatasync.

The slow one is this one with a preloaded library (`slow_fsync.c`) in the environment of a child process:
SQLite syncs by fdatasync, and whoever waits for the disk sleeps, as with a real one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("slow_fsync.c")

_COMMITS = """\
import pathlib, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=FULL")
connection.execute("CREATE TABLE t (x)")
times = []
for _ in range(100):
    began = time.perf_counter()
    connection.execute("INSERT INTO t VALUES (1)")
    times.append((time.perf_counter() - began) * 1000)
print(sorted(times)[50])
"""


def slow(directory: Path, milliseconds: int) -> dict[str, str] | None:
    """The environment in which each fsync takes so much longer; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = directory / "slow_fsync.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
    return {"LD_PRELOAD": str(library), "SLOW_FSYNC_MICROSECONDS": str(milliseconds * 1000)}


def commit_milliseconds(directory: Path, environment: Mapping[str, str]) -> float:
    """What one durable commit of SQLite costs in a child process of this environment: the median of 100."""
    file = directory / "commits.db"
    command = [sys.executable, "-c", _COMMITS, str(file)]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=60)
    file.unlink()
    return float(ended.stdout)
