"""PURE: how much an earlier study is worth to an order, 0 to 3, and why.

Region first, then modality, kind, side and age. Every judgement stands in the tables of `grading/`, one topic
a file, which a site may amend with its own; here they are only looked up. A grade is the least they allow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from prefetch.relevance import anatomy, tables
from prefetch.relevance.anatomy import Laterality
from prefetch.relevance.description import Description
from prefetch.relevance.tables import Table


class Worth(IntEnum):
    """What a prior is worth to the reader, in the words of the rules."""

    NONE = 0
    MARGINAL = 1
    USEFUL = 2
    MUST = 3


@dataclass(frozen=True, slots=True)
class Grade:
    """The worth of a study to an order, and the reason in words."""

    value: Worth
    because: str


_WORTH = tuple(Worth)
_OTHER_SIDE = {Laterality.LEFT: Laterality.RIGHT, Laterality.RIGHT: Laterality.LEFT}


def grade(
    order: Description,
    study: Description,
    *,
    age_days: float | None = None,
    same: str | None = None,
    table: Table | None = None,
) -> Grade:
    """Compare a study with an order.

    `age_days` runs from the study to the exam; None is not known and takes nothing off. `same` says by what
    both are one procedure (`same_procedure`): the strongest witness, which leaves only the age to ask about.
    """
    table = table or tables.shipped()
    of_order = order.mask or table.assume(order.modalities)
    of_study = study.mask or table.assume(study.modalities)
    where = of_order & of_study or of_order | of_study
    if "paperwork" in study.facets:
        value, because = 0, "no images of its own"
    elif same:
        value, because = 3, same
    elif of_order and of_study:
        value, because = _compared(table, order, of_order, study, of_study)
    else:
        value, because = _unknown(order, study)
    if value and age_days is not None:
        less, least = table.aged(study.modalities, where, age_days)
        if less and value > least:
            value = max(value - less, least)
            because += f"; {_age(age_days)} old"
    return Grade(_WORTH[value], because)


def _compared(
    table: Table, order: Description, of_order: int, study: Description, of_study: int
) -> tuple[int, str]:
    """What region, modality, kind and side allow."""
    common = of_order & of_study
    if common:
        value, because = 3, f"{_names(common)} in both"
        where = common
    else:
        value, because = table.nearest(order, of_order, study, of_study)
        because = f"{_names(of_study)} for {_names(of_order)}: {because}"
        where = of_order | of_study
    if not value:
        return value, because
    worth, why = _modalities(table, order, study, where)
    value, because = min(value, worth), f"{because}; {why}"
    for kind in table.kinds.values():
        if kind.most < value and kind.fits(order, study, where):
            value, because = kind.most, f"{because}; {kind.because}"
    if order.laterality and _OTHER_SIDE.get(order.laterality) == study.laterality:
        most = table.other_side(common or of_order)
        if most < value:
            value, because = most, f"{because}; the other side"
    return value, because


def _modalities(table: Table, order: Description, study: Description, where: int) -> tuple[int, str]:
    best = -1
    because = "modality not stated"
    for one in order.modalities:
        for other in study.modalities:
            worth = table.compare(one, other, where)
            if worth > best:
                best, because = worth, f"{other} as well" if one == other else f"{other} for {one}"
    return (2 if best < 0 else best), because


def _unknown(order: Description, study: Description) -> tuple[int, str]:
    """What can be said where one of the two names no region."""
    which = "the study" if order.mask else "the order"
    if order.modalities and study.modalities and set(order.modalities).isdisjoint(study.modalities):
        return 0, f"{which} names no region, and the modality is another"
    return 1, f"{which} names no region"


def _names(mask: int) -> str:
    return ", ".join(anatomy.regions(mask))


def _age(days: float) -> str:
    years = days / 365.25
    return f"{years:.0f} years" if years > 1 else f"{days:.0f} days"


def same_procedure(
    order_code: str | None, study_codes: Iterable[str], order_text: str | None, study_text: str | None
) -> str | None:
    """By what an order and a study are the same procedure: a code, or word for word the description."""
    code, codes = (order_code or "").strip(), {each.strip() for each in study_codes}
    if code and codes:
        return f"the same procedure code {code}" if code in codes else None
    if order_text and _bare(order_text) == _bare(study_text):
        return "the same description"
    return None


def _bare(text: str | None) -> str:
    return " ".join((text or "").casefold().split())
