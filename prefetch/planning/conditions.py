"""PURE: whether what a rule asks for holds, of an order and of a study, and why, in words.

Three answers, not two: where the order or the archive does not say, nothing holds and neither does its
opposite. So what is missing never makes a rule match more (design, section 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from prefetch import modalities, rules
from prefetch.model import Order, Priority, Study

_SAID = 3
"""Values of a list that a reason names; a rule's thirty patterns would hide what matters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether something holds, and why; None: it cannot be told."""

    holds: bool | None
    because: str


def every(findings: Iterable[Finding]) -> Finding:
    """All of them: one that does not hold decides, else one that cannot be told."""
    return _decide(list(findings), order=(False, None), otherwise=True)


def some(findings: Iterable[Finding]) -> Finding:
    """Any of them: one that holds decides, else one that cannot be told."""
    return _decide(list(findings), order=(True, None), otherwise=False)


def opposite(finding: Finding) -> Finding:
    """None of it: what cannot be told stays so."""
    return Finding(None if finding.holds is None else not finding.holds, finding.because)


def _decide(findings: list[Finding], *, order: Sequence[bool | None], otherwise: bool) -> Finding:
    for holds in order:
        deciding = [finding for finding in findings if finding.holds is holds]
        if deciding:
            return Finding(holds, _join(deciding))
    return Finding(otherwise, _join(findings))


def _join(findings: Iterable[Finding]) -> str:
    return "; ".join(finding.because for finding in findings)


# --- of the order ----------------------------------------------------------------------------------


def order_matches(condition: rules.Condition, order: Order) -> Finding:
    """Whether an order is what a rule's `when` asks for."""
    return every(_order_findings(condition, order))


def _order_findings(condition: rules.Condition, order: Order) -> Iterator[Finding]:
    for key, fits in _ORDER_TESTS.items():
        if asked := getattr(condition, key):
            yield _compare(f"the order's {_words(key)}", getattr(order, key), asked, fits)
    if condition.every:
        yield every(order_matches(one, order) for one in condition.every)
    if condition.some:
        yield some(order_matches(one, order) for one in condition.some)
    if condition.none:
        yield opposite(order_matches(condition.none, order))


def _is_of_kind(value: str, asked: Iterable[str]) -> bool:
    return any(modalities.members(value) & modalities.members(one) for one in asked)


def _is_like(value: str, asked: Iterable[rules.Pattern]) -> bool:
    return any(pattern.matches(value) for pattern in asked)


def _is_one_of(value: str, asked: Iterable[str]) -> bool:
    return rules.fold(value) in map(rules.fold, asked)


_ORDER_TESTS: Mapping[str, Callable[[Any, Iterable[Any]], bool]] = {
    "modality": _is_of_kind,
    "procedure_code": _is_like,
    "procedure_description": _is_like,
    "station_ae_title": _is_like,
    "station_name": _is_like,
    "location": _is_like,
    "patient_class": _is_one_of,
    "priority": lambda value, asked: value in asked,
}
"""Key of `when`, which is also the order's attribute → whether its value is among those asked for."""


def _compare(
    what: str, value: Any, asked: Iterable[Any], fits: Callable[[Any, Iterable[Any]], bool]
) -> Finding:
    if value is None or value == "":
        return Finding(None, f"{what} is not said")
    if fits(value, asked):
        return Finding(True, f"{what} is {_say(value)}")
    return Finding(False, f"{what} is {_say(value)}, not {_alternatives(asked)}")


# --- of a study ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What a study is compared with: the order, and when the exam begins by the site's clock."""

    order: Order
    at: datetime

    @property
    def day(self) -> date:
        """The day of the exam at the site."""
        return self.at.date()


def study_matches(prior_class: rules.PriorClass, study: Study, exam: Exam) -> Finding:
    """Whether a study is what a class asks for, its numbers aside, and is not one to leave out."""
    findings = [
        test(prior_class, study, exam) for key, test in _CLASS_TESTS.items() if getattr(prior_class, key)
    ]
    if prior_class.exclude:
        findings.append(_not_excluded(prior_class, study, exam))
    return every(findings) if findings else Finding(True, "any study")


def _not_excluded(prior_class: rules.PriorClass, study: Study, exam: Exam) -> Finding:
    """An exclusion that cannot be told excludes nothing, and says so."""
    excluded = some(
        every(test(one, study, exam) for key, test in _STUDY_TESTS.items() if getattr(one, key))
        for one in prior_class.exclude
    )
    if excluded.holds:
        return Finding(False, f"excluded: {excluded.because}")
    unsaid = f", as {excluded.because}" if excluded.holds is None else ""
    return Finding(True, f"not excluded{unsaid}")


def _has_modality(asked: rules.StudyCondition, study: Study, exam: Exam) -> Finding:
    if not study.modalities:
        return Finding(None, "the archive does not say the modalities")
    own = exam.order.modality
    wanted = {name for name in asked.modality if name != rules.SAME}
    terms = frozenset[str]().union(*map(modalities.members, wanted))
    if rules.SAME in asked.modality and own:
        terms |= modalities.family(own)
    has = "\\".join(study.modalities)
    if any(modalities.members(one) & terms for one in study.modalities):
        return Finding(True, f"modality is {has}")
    if rules.SAME in asked.modality and not own:
        return Finding(None, "the order's modality is not said, so none is the same")
    return Finding(False, f"modality is {has}, not {_alternatives(sorted(terms))}")


def _has_description(asked: rules.StudyCondition, study: Study, _: Exam) -> Finding:
    return _compare("the study description", study.description, asked.description, _is_like)


def _is_within(asked: rules.PriorClass, study: Study, exam: Exam) -> Finding:
    if asked.within is None or study.study_date is None:
        return Finding(None, "the study has no date")
    begin = asked.within.before(exam.day)
    if study.study_date < begin:
        return Finding(False, f"of {study.study_date}, more than {asked.within} before the exam")
    return Finding(True, f"within {asked.within}")


_STUDY_TESTS: Mapping[str, Callable[[rules.StudyCondition, Study, Exam], Finding]] = {
    "modality": _has_modality,
    "description": _has_description,
}
"""Key of a block about a study → its test."""

_CLASS_TESTS: Mapping[str, Callable[[rules.PriorClass, Study, Exam], Finding]] = {
    **_STUDY_TESTS,
    "within": _is_within,
}
"""Key of a class of priors → its test; one that cannot be told does not hold."""


# --- words -----------------------------------------------------------------------------------------


def _words(key: str) -> str:
    return key.replace("_", " ").replace(" ae ", " AE ")


def _say(value: object) -> str:
    if isinstance(value, Priority):
        return value.name.lower()
    return f"“{value}”" if " " in str(value) else str(value)


def _alternatives(asked: Iterable[object]) -> str:
    said = list(map(_say, asked))
    rest = len(said) - _SAID
    return " or ".join(said if rest <= 1 else [*said[:_SAID], f"{rest} more"])
