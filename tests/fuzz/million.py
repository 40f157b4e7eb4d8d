"""`make fuzz`, first part: a million messages gone wrong to decoder and splitter, a tenth to the reader.

Ends with the figures, and with status 1 where anything died or memory grew.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.fuzz import mutants

SHARE = 5_000
"""Messages that a worker takes at a time."""
GROWTH = 64
"""Megabytes by which a worker may grow after its first share: caches fill, nothing else stays."""
PARTS: dict[str, tuple[int, tuple[Callable[[bytes], None], ...]]] = {
    "decoder and splitter": (1_000_000, (mutants.decodes, mutants.splits)),
    "reader": (100_000, (mutants.reads,)),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one share."""

    deaths: list[str]
    worker: int
    megabytes: float


def run(part: str, seed: int) -> Outcome:
    """Put one share of a part's messages through it."""
    deaths = []
    for raw in mutants.mutants(SHARE, seed):
        for holds in PARTS[part][1]:
            try:
                holds(raw)
            except Exception as error:  # noqa: BLE001 (each is a death, to be counted and shown)
                deaths.append(f"{holds.__name__}, seed {seed}: {type(error).__name__}: {str(error)[:500]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(deaths, os.getpid(), peak)


def grown(outcomes: Iterable[Outcome]) -> float:
    """The megabytes by which the worker that grew most did so after its first share."""
    first: dict[int, float] = {}
    growth: Counter[int] = Counter()
    for outcome in outcomes:
        first.setdefault(outcome.worker, outcome.megabytes)
        growth[outcome.worker] = round(outcome.megabytes - first[outcome.worker])
    return max(growth.values(), default=0)


def main() -> int:
    """Run every part on all cores; gives the exit status."""
    status = 0
    for part, (count, _) in PARTS.items():
        began = time.monotonic()
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            shares = range(count // SHARE)
            outcomes = list(pool.map(run, [part] * len(shares), shares))
        deaths = [death for outcome in outcomes for death in outcome.deaths]
        growth = grown(outcomes)
        sys.stdout.write(
            f"{part}: {count} messages, {len(deaths)} deaths, {time.monotonic() - began:.0f} s, "
            f"at most {max(outcome.megabytes for outcome in outcomes):.0f} MB a worker, "
            f"grown by {growth:.0f} MB after its first {SHARE}\n"
        )
        sys.stdout.writelines(f"  {death}\n" for death in deaths[:20])
        if deaths or growth > GROWTH:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
