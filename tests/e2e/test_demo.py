"""`prefetch demo` as a newcomer runs it: the whole walk, the verdict, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "prefetch", "demo"]


@contextmanager
def running(directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that keeps its files below a directory; ended in order where a test fails."""
    demo = subprocess.Popen(
        [*DEMO, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(directory), "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield demo
    finally:
        demo.terminate()
        try:
            demo.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            demo.kill()
            demo.communicate()


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """What it says until these words."""
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"the demo never said “{words}”:\n{said}")


def processes(directory: Path) -> list[int]:
    """Processes whose command line names the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def prefetch(command: str) -> str:
    """What a command prints; it must succeed."""
    words = shlex.split(command.strip())
    words = [sys.executable, "-m", "prefetch", *words[1:]] if words[0] == "prefetch" else words
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_the_demo_brings_every_prior_and_stays(tmp_path: Path) -> None:
    """All that a radiologist wants arrives; with --keep its commands work as printed; Ctrl-C clears up."""
    with running(tmp_path, "--keep") as demo:
        said = read_until(demo, "leaves nothing behind")
        wanted = re.search(r"On the workstations: (\d+) of (\d+) priors", said)
        assert wanted, said
        assert wanted[1] == wanted[2]
        assert "nothing that must not be there" in " ".join(said.split())
        orders, explain, quarantine, submit = (line for line in said.splitlines() if " --config " in line)
        rows = [json.loads(line) for line in prefetch(f"{orders} --json").splitlines()]
        assert {row["readiness"] for row in rows} == {
            "ready",
            "waiting",
            "quarantined",
            "nothing to fetch",
            "cancelled",
        }
        assert "birth date differs" in prefetch(explain)
        assert len(prefetch(f"{quarantine} --json").splitlines()) == 1
        prefetch(submit)
        wait_until_ready(f"{orders} --json", "N26029")
        assert len(processes(tmp_path)) == 1
        demo.send_signal(signal.SIGINT)
        assert demo.wait(300) == 0
    assert processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def wait_until_ready(orders: str, accession: str) -> None:
    """Wait until an exam has its priors."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        rows = {row["order"]: row for row in map(json.loads, prefetch(orders).splitlines())}
        if rows.get(accession, {}).get("readiness") == "ready":
            return
        time.sleep(0.2)
    pytest.fail(f"{accession} did not become ready: {rows.get(accession)}")


def test_a_demo_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM in mid-walk stops the daemon, removes the files, and is no success."""
    with running(tmp_path) as demo:
        read_until(demo, "messages read")
        assert len(processes(tmp_path)) == 1
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(300) == 1
    assert processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
