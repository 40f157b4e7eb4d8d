"""`make fuzz`, second part: a fuzzer led by coverage looks for what our own mutations do not think of.

Bounded by runs, time and memory; libFuzzer prints the message that killed, and its figures at the end.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["prefetch.intake"]):
    from tests.fuzz import mutants

RUNS = 100_000
SECONDS = 300
"""What comes first ends it, with status 0: a run under instrumentation takes tens of times as long."""


def survives(data: bytes) -> None:
    """One input: its first byte says how the stream is cut, the rest is the message."""
    raw = data[1:]
    mutants.decodes(raw, chunk=1 + data[0] if data else 1)
    mutants.splits(raw)
    mutants.reads(raw)


def main() -> None:
    """Fuzz from our own messages on; an argument is another number of runs."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(mutants.SEEDS):
            (Path(folder) / str(number)).write_bytes(b"a" + seed)
        options = [
            f"-runs={runs}",
            f"-max_total_time={SECONDS}",
            "-max_len=3000",
            "-timeout=20",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], folder, *options], survives)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
