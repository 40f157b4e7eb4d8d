"""The page of the manual that tells what came of each lie, made of what a run has seen."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prefetch.sandbox.faults import FAULTS
from tests.lies.run import Observation

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "archives-that-lie.md"
_MARKS = re.compile(r"(<!-- lies -->\n).*(<!-- /lies -->)", re.DOTALL)
_HEADINGS = (
    "lie",
    "what the peer does",
    "waits that ended",
    "the query",
    "the moves",
    "the prior",
    "the exam",
)


def with_lies(page: str, seen: Mapping[str, Observation]) -> str:
    """The page with what was seen between its marks."""
    text = "\n".join(_text(seen))
    return _MARKS.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def _text(seen: Mapping[str, Observation]) -> Iterator[str]:
    yield _row(_HEADINGS)
    yield _row("---" for _ in _HEADINGS)
    for key, each in seen.items():
        yield _row((f"[`{key}`](#{key.lower()})", FAULTS[key].because, *_summary(each)))
    for key, each in seen.items():
        yield ""
        yield f"### {key}"
        yield ""
        yield from _story(key, each)


def _summary(seen: Observation) -> Iterator[str]:
    yield _list(f"`{timer}`" for timer in sorted(seen.timers))
    yield seen.find or "–"
    yield _list(seen.moves)
    yield _list(_counted(seen.states))
    yield seen.readiness


def _story(key: str, seen: Observation) -> Iterator[str]:
    met = FAULTS[key].seen
    yield f"{_sentence(FAULTS[key].because)}{f' Met in the field: {met}.' if met else ''}"
    yield ""
    yield "```text"
    yield from seen.log
    yield "```"
    yield ""
    yield _said("`prefetch explain` and `prefetch orders` say", seen.says)
    if seen.leaves:
        yield ""
        yield _said("`prefetch explain` leaves a candidate out", seen.leaves)
    if seen.trouble:
        yield ""
        yield _said("`prefetch status` says", seen.trouble)


def _said(who: str, words: Iterable[str]) -> str:
    return f"{who}: " + ("; ".join(f"“{each}”" for each in words) or "nothing, for nothing is wrong") + "."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _counted(values: Iterable[str]) -> Iterator[str]:
    for value, several in itertools.groupby(values):
        count = len(list(several))
        yield value if count == 1 else f"{count} × {value}"


def _list(values: Iterable[str]) -> str:
    return ", ".join(values) or "–"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
