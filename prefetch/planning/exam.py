"""PURE: the exam that studies are compared with: its order, what that is of, and when it is at the site."""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Self

from prefetch import modalities
from prefetch.model import Graded, Order, Study
from prefetch.relevance import Description, comparison
from prefetch.relevance.grading import same_procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """An order as rules see it."""

    order: Order
    at: datetime
    """When it begins by the site's clock; where nobody has said, now."""
    day: date
    """The day of that at the site."""
    said: Description
    """What it is of, by its description, code and modality."""
    births: tuple[date, date] | None = None
    """The first and the last day on which the patient may have been born; None where nothing is known."""
    relevance: comparison.Comparison

    @classmethod
    def of(
        cls,
        order: Order,
        *,
        now: datetime,
        zone: tzinfo,
        relevance: comparison.Comparison,
        unknown_births: Collection[str] = (),
    ) -> Self:
        """Describe an order; `unknown_births` are birth dates that mean “unknown”."""
        born = order.patient.birth_date
        at = (order.scheduled_start or now).astimezone(zone)
        return cls(
            order=order,
            at=at,
            day=at.date(),
            said=relevance.describe(
                order.procedure_description,
                modalities=(order.modality,) if order.modality else (),
                code=order.procedure_code,
            ),
            births=None if born in unknown_births else _births(born),
            relevance=relevance,
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """The order's modality, or what its description says where that is missing."""
        return (self.order.modality,) if self.order.modality else self.said.modalities

    @property
    def facets(self) -> tuple[str, ...]:
        """What else its description says; nothing where there is none."""
        return _facets(self.said, is_described=bool(self.order.procedure_description))

    @property
    def kinds(self) -> frozenset[str]:
        """The modalities that are of the order's own kind."""
        return frozenset[str]().union(*map(modalities.family, self.modalities))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A study beside the exam: what it is of, and how well it compares."""

    study: Study
    said: Description
    graded: Graded
    """As a plan keeps it."""

    @property
    def facets(self) -> tuple[str, ...]:
        """What else its description says; nothing where there is none."""
        return _facets(self.said, is_described=bool(self.study.description or self.texts))

    @property
    def texts(self) -> tuple[str, ...]:
        """The descriptions of its series, where they are known."""
        return _texts(self.study)


def compare(exam: Exam, study: Study) -> Compared:
    """Describe and grade a study for an exam."""
    relevance, order = exam.relevance, exam.order
    said = relevance.describe(
        study.description or "; ".join(_texts(study)[:_ENOUGH]),
        modalities=study.modalities,
        code=study.procedure_codes,
        anatomic_codes=study.anatomic_regions,
        body_part=study.body_part
        or next((each.body_part for each in study.series_found or () if each.body_part), None),
    )
    grade = relevance.grade(
        exam.said,
        said,
        age_days=(exam.day - study.study_date).days if study.study_date else None,
        same=same_procedure(
            order.procedure_code, study.procedure_codes, order.procedure_description, study.description
        ),
    )
    return Compared(study=study, said=said, graded=Graded(grade=int(grade.value), because=grade.because))


_ENOUGH = 10
"""Series descriptions that stand in for a study's; the first say what the others repeat."""


def _facets(said: Description, *, is_described: bool) -> tuple[str, ...]:
    """The facets, `vessels` among them; a description that says none is of none."""
    named = (*sorted(said.facets), *(["vessels"] if said.vessels else []))
    return named or (("none",) if is_described else ())


def _texts(study: Study) -> tuple[str, ...]:
    said = (each.description for each in study.series_found or ())
    return tuple(dict.fromkeys(text for text in said if text))


def _births(said: str | None) -> tuple[date, date] | None:
    """`YYYY`, `YYYYMM` or `YYYYMMDD` as the days that it may mean."""
    found = re.fullmatch(r"(\d{4})(?:(\d\d)(\d\d)?)?", (said or "").replace("-", "").strip())
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        last_month = first.replace(month=month or 12)
    except ValueError:
        return None
    last = calendar.monthrange(last_month.year, last_month.month)[1]
    return first, last_month.replace(day=day or last)
