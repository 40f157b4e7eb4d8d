"""PURE: whether an order is what a rule's `when` asks for, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from prefetch import hours, modalities, rules
from prefetch.planning.exam import Exam
from prefetch.planning.findings import Finding, compare, every, opposite, some, words


def order_matches(condition: rules.Condition, exam: Exam) -> Finding:
    """Whether an order is what a rule's `when` asks for."""
    return every(_findings(condition, exam))


def _findings(condition: rules.Condition, exam: Exam) -> Iterator[Finding]:
    for key, fits in _TESTS.items():
        if asked := getattr(condition, key):
            yield compare(f"the order's {words(key)}", values(key, exam), asked, fits)
    if condition.age:
        yield _is_of_age(condition.age, exam)
    if condition.exists:
        yield every(_exists(name, exam) for name in condition.exists)
    if condition.every:
        yield every(order_matches(one, exam) for one in condition.every)
    if condition.some:
        yield some(order_matches(one, exam) for one in condition.some)
    if condition.none:
        yield opposite(order_matches(condition.none, exam))


# --- what an order says ----------------------------------------------------------------------------


def values(name: str, exam: Exam) -> tuple[Any, ...]:
    """What an order says of something: nothing, one value, or several."""
    if name in _READ:
        return _READ[name](exam)
    value = getattr(exam.order, name)
    return () if value is None or value == "" else (value,)


def _sides(exam: Exam) -> tuple[str, ...]:
    return tuple(side.value for side in rules.Side if side.laterality is exam.said.laterality)


def _sex(exam: Exam) -> tuple[str, ...]:
    said = (exam.order.patient.sex or "").strip().upper()
    return (said,) if said in rules.SEXES else ()


_READ: Mapping[str, Callable[[Exam], tuple[Any, ...]]] = {
    "modality": lambda exam: exam.modalities,
    "region": lambda exam: exam.said.regions,
    "side": _sides,
    "age": lambda exam: exam.births or (),
    "sex": _sex,
    "feed": lambda exam: (exam.order.source,),
    "time_of_day": lambda exam: (hours.time_at(exam.at),) if exam.order.scheduled_start else (),
    "weekday": lambda exam: (hours.Weekday.of(exam.day),) if exam.order.scheduled_start else (),
}
"""What an order says by more than an attribute of that name."""


# --- whether that is what is asked for -------------------------------------------------------------


def _is_of_kind(value: str, asked: Iterable[str]) -> bool:
    return any(modalities.members(value) & modalities.members(one) for one in asked)


def _is_like(value: str, asked: Iterable[rules.Pattern]) -> bool:
    return any(pattern.matches(value) for pattern in asked)


def _is_one_of(value: str, asked: Iterable[str]) -> bool:
    return rules.fold(value) in map(rules.fold, asked)


def _is_among(value: object, asked: Iterable[object]) -> bool:
    return value in asked


def _is_covered(value: Any, asked: Iterable[Any]) -> bool:
    return any(span.covers(value) for span in asked)


_TESTS: Mapping[str, Callable[[Any, Iterable[Any]], bool]] = {
    "modality": _is_of_kind,
    "region": _is_among,
    "side": _is_among,
    "procedure_code": _is_like,
    "procedure_description": _is_like,
    "station_ae_title": _is_like,
    "station_name": _is_like,
    "location": _is_like,
    "patient_class": _is_one_of,
    "priority": _is_among,
    "sex": _is_among,
    "feed": _is_one_of,
    "time_of_day": _is_covered,
    "weekday": _is_covered,
}
"""Key of `when` → whether a value of the order is among those asked for."""


def _exists(name: str, exam: Exam) -> Finding:
    """The only question that what is missing answers."""
    said = bool(values(name, exam))
    return Finding(said, f"the order's {words(name)} is {'said' if said else 'not said'}")


def _is_of_age(asked: rules.AgeRange, exam: Exam) -> Finding:
    if exam.births is None:
        return Finding(None, "the patient's age is not known")
    findings = []
    if asked.at_least:
        findings.append(_born_by(asked.at_least.before(exam.day), exam.births, f"at least {asked.at_least}"))
    if asked.under:
        too_old = _born_by(asked.under.before(exam.day), exam.births, f"under {asked.under}")
        findings.append(opposite(too_old))
    found = every(findings)
    verb = {True: "is", False: "is not", None: "may or may not be"}[found.holds]
    return Finding(found.holds, f"the patient {verb} {found.because} on the day of the exam")


def _born_by(day: date, births: tuple[date, date], because: str) -> Finding:
    first, last = births
    holds = None if first <= day < last else last <= day
    return Finding(holds, because)
