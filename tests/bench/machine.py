"""The machine that a bench runs on, in one line: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from tests.bench import trial


def describe(directory: Path) -> str:
    """Its processor and load, and what an fsync costs in this directory."""
    processor = platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return (
        f"{os.cpu_count()} cores ({processor}), load {os.getloadavg()[0]:.1f}, "
        f"an fsync costs {trial.fsync_milliseconds(directory):.2f} ms"
    )
