"""How fast descriptions are read and studies graded on one core: `python -m tests.bench.relevance`.

Every text is read once and no answer is kept: 40,000 descriptions, each different, a fifth of them with a
slip of the pen. Start-up is measured in a process of its own.
"""

from __future__ import annotations

import itertools
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import typer

from prefetch import relevance
from prefetch.relevance import Description

TEXTS = 40_000
GRADES = 200_000

_MODALITIES = (
    "CT",
    "MRI",
    "XR",
    "US",
    "Röntgen",
    "Scanner",
    "TAC",
    "NM",
    "MR",
    "USG",
    "RTG",
    "IRM",
    "ECHO",
    "FL",
)
_PARTS = (
    "CHEST",
    "ABDOMEN AND PELVIS",
    "KNEE",
    "LUMBAR SPINE",
    "Schädel",
    "genou",
    "columna cervical",
    "tórax",
    "HEAD",
    "Sprunggelenk",
    "lower extremity veins",
    "klatki piersiowej",
    "brucha a panvy",
    "THORAX ABDOMEN PELVIS",
    "Lendenwirbelsäule",
    "membres inférieurs",
    "上腹部",
    "右膝関節",
    "breast",
    "SHOULDER",
)
_ENDS = (
    "",
    "LEFT",
    "RT",
    "W CONTRAST",
    "WO IV CONTRAST",
    "2 VIEWS",
    "bds.",
    "nativ",
    "sin contraste",
    "W/WO",
    "droit",
)
_MORE = ("", "FOLLOW UP", "PORTABLE", "LIMITED", "in 2 Ebenen", "protocol", "STAT", "AP LAT")


def texts(seed: int = 1) -> Iterator[str]:
    """Different descriptions without end: what hospitals write, numbered to tell them apart."""
    chance = random.Random(seed)  # noqa: S311 (a bench)
    for number in itertools.count():
        words = [chance.choice(choices) for choices in (_MODALITIES, _PARTS, _ENDS, _MORE)]
        text = " ".join(word for word in words if word)
        if number % 5 == 0:
            place = chance.randrange(1, len(text) - 1)
            text = text[:place] + text[place + 1 :]
        yield f"{text} #{number}"


def describe_many() -> list[Description]:
    """Read the texts and print the rate."""
    sample = list(itertools.islice(texts(), TEXTS))
    relevance.describe("warm up")
    begun = time.process_time()
    said = [relevance.describe(text) for text in sample]
    taken = time.process_time() - begun
    typer.echo(f"described {TEXTS / taken:10,.0f} texts a second, {1e6 * taken / TEXTS:.0f} µs each")
    return said


def grade_many(said: list[Description]) -> None:
    """Grade pairs of what was read and print the rate."""
    chance = random.Random(2)  # noqa: S311 (a bench)
    pairs = [(chance.choice(said), chance.choice(said), chance.randrange(4000)) for _ in range(GRADES)]
    begun = time.process_time()
    for order, study, age_days in pairs:
        relevance.grade(order, study, age_days=age_days)
    taken = time.process_time() - begun
    typer.echo(f"graded    {GRADES / taken:10,.0f} pairs a second, {1e6 * taken / GRADES:.1f} µs each")


def start() -> None:
    """Print how long the first answer takes beyond the interpreter's own start."""
    bare = min(_seconds("pass") for _ in range(5))
    first = min(_seconds("from prefetch import relevance; relevance.describe('CT CHEST')") for _ in range(5))
    typer.echo(
        f"start-up  {1000 * (first - bare):10.0f} ms to the first description, the interpreter not counted"
    )


def _seconds(program: str) -> float:
    """Seconds of the processor that a program takes, whatever else the machine does."""
    begun = _of_children()
    subprocess.run([sys.executable, "-c", program], check=True)
    return _of_children() - begun


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    start()
    grade_many(describe_many())
