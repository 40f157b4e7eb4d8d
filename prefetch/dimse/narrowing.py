"""PURE: which narrower questions follow where an archive gives no more than so many answers.

A patient's studies are asked for in parts, by study date: the last year, the two before it, the four before
those; a part that is cut again is halved. Ranges have both ends, for some archives refuse an open one
(microsoft/dicom-server#1087).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from prefetch import model

TOO_MANY = frozenset({0xA700, 0xB001})
"""Refused as out of resources, which may mean too broad; and cut at the response limit (PS3.4 C.4-1, K.4)."""
MOST_QUESTIONS = 40
"""About one patient; what is still cut then is not whole."""

_FIRST_DAY = date(1895, 1, 1)
_LIMITS = frozenset({50, 64, 128, 250, 256, 512, 1024})
"""Limits that are set besides round hundreds; a patient with just as many studies costs a few questions."""
_HUNDRED = 100
_SHORT = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Days:
    """A span of study dates; both ends belong to it."""

    first: date
    last: date

    def __str__(self) -> str:
        """As a matching key (PS3.4 C.2.2.2.5)."""
        return f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    @property
    def is_short(self) -> bool:
        """Whether an archive that refuses it is out of resources, and not asked too broadly."""
        return self.last - self.first <= _SHORT

    def holds(self, day: date) -> bool:
        """Whether a day belongs to it."""
        return self.first <= day <= self.last

    def halves(self) -> tuple[Days, ...]:
        """The two halves, the later one first; none of a single day."""
        if self.first == self.last:
            return ()
        middle = self.first + (self.last - self.first) // 2
        return Days(middle + timedelta(days=1), self.last), Days(self.first, middle)


def is_cut(status: int | None, answers: int, limit: int | None) -> bool:
    """Whether there may be more than was answered: the archive says so, or gave as many as a limit allows.

    `limit` is the archive's, where it is known.
    """
    if status in TOO_MANY:
        return True
    return status == 0 and answers > 0 and (_is_limit(answers) if limit is None else answers >= limit)


def _is_limit(answers: int) -> bool:
    return answers % _HUNDRED == 0 or answers in _LIMITS


def parts(today: date) -> list[Days]:
    """All study dates in parts that grow with their age, the latest first."""
    last, years, made = today + timedelta(days=366), 1, []
    while last >= _FIRST_DAY:
        first = max(_FIRST_DAY, today - timedelta(days=366 * (2 * years - 1)))
        made.append(Days(first, last))
        last, years = first - timedelta(days=1), years * 2
    return made


def are_within(days: Days, studies: Iterable[model.Study]) -> bool:
    """Whether an archive heeded the dates that it was asked for; a date that cannot be read says nothing."""
    return all(days.holds(study.study_date) for study in studies if study.study_date is not None)


def are_among(studies: Iterable[model.Study], found: Collection[model.Study]) -> bool:
    """Whether all that an archive told at first, of studies with a date, came again in the parts."""
    again = {study.study_instance_uid for study in found}
    return all(study.study_instance_uid in again for study in studies if study.study_date is not None)
