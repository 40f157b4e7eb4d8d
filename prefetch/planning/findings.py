"""PURE: whether something holds, and why, in words; and how such findings combine.

Three answers, not two: where the order or the archive does not say, nothing holds and neither does its
opposite. So what is missing never makes a rule match more (design, section 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import time
from typing import Any, NamedTuple

from prefetch import modalities
from prefetch.model import Priority
from prefetch.rules import Pattern

_SAID = 3
"""Values of a list that a reason names; a rule's thirty patterns would hide what matters."""


class Finding(NamedTuple):
    """Whether something holds, and why; None: it cannot be told."""

    holds: bool | None
    because: str


def every(findings: Iterable[Finding]) -> Finding:
    """All of them: one that does not hold decides, else one that cannot be told."""
    findings = tuple(findings)
    if len(findings) == 1:
        return findings[0]
    if against := [because for holds, because in findings if holds is False]:
        return Finding(False, "; ".join(against))
    if unsaid := [because for holds, because in findings if holds is None]:
        return Finding(None, "; ".join(unsaid))
    return Finding(True, "; ".join([because for _, because in findings]))


def some(findings: Iterable[Finding]) -> Finding:
    """Any of them: one that holds decides, else one that cannot be told."""
    return opposite(every([opposite(finding) for finding in findings]))


def opposite(finding: Finding) -> Finding:
    """None of it: what cannot be told stays so."""
    return Finding(None if finding.holds is None else not finding.holds, finding.because)


# --- a value among those asked for -----------------------------------------------------------------


def compare(
    what: str, values: Sequence[Any], asked: Iterable[Any], fits: Callable[[Any, Iterable[Any]], bool]
) -> Finding:
    """Whether any of the values is among those asked for; without a value it cannot be told."""
    if not values:
        return Finding(None, f"{what} is not said")
    said = ", ".join(map(say, values))
    if any(fits(value, asked) for value in values):
        return Finding(True, f"{what} is {said}")
    return Finding(False, f"{what} is {said}, not {alternatives(asked)}")


def is_like(value: str, asked: Iterable[Pattern]) -> bool:
    """Whether a text fits any of the patterns."""
    return any(pattern.matches(value) for pattern in asked)


def is_among(value: object, asked: Iterable[object]) -> bool:
    """Whether a value is one of those asked for."""
    return value in asked


def is_of_kind(value: str, asked: Iterable[str]) -> bool:
    """Whether a modality is one of those asked for, or of their family."""
    return any(modalities.members(value) & modalities.members(one) for one in asked)


def words(key: str) -> str:
    """A key in words."""
    return key.replace("_", " ").replace(" ae ", " AE ")


def say(value: object) -> str:
    """A value in a sentence."""
    if isinstance(value, Priority):
        return value.name.lower()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return f"“{value}”" if " " in str(value) else str(value)


def alternatives(asked: Iterable[object]) -> str:
    """The values asked for, or the first of them where they are many."""
    values = list(asked)
    rest = len(values) - _SAID
    if rest <= 1:
        return " or ".join(map(say, values))
    return " or ".join([*map(say, values[:_SAID]), f"{rest} more"])
