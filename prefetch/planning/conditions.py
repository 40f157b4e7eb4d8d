"""PURE: whether an order is what a rule's `when` asks for, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from prefetch import hours, lastmessage, rules
from prefetch.planning.exam import Exam
from prefetch.planning.findings import (
    Finding,
    compare,
    every,
    is_among,
    is_like,
    is_of_kind,
    opposite,
    say,
    some,
    words,
)


def order_matches(condition: rules.Condition, exam: Exam) -> Finding:
    """Whether an order is what a rule's `when` asks for."""
    return every(_findings(condition, exam))


def _findings(condition: rules.Condition, exam: Exam) -> Iterator[Finding]:
    for key in condition.said:
        if key in _TESTS:
            yield _compared(key, _own(key, exam), getattr(condition, key))
    if condition.age:
        yield _is_of_age(condition.age, exam)
    if condition.exists:
        yield every(_exists(name, exam) for name in condition.exists)
    for path, asked in condition.hl7.items():
        said = lastmessage.values(exam.order.segments, path)
        yield _is_as_asked(f"{path} of the message", said, asked)
    for keyword, asked in condition.worklist.items():
        yield _is_as_asked(f"{keyword} of the worklist", _one(exam.order.worklist.get(keyword)), asked)
    if condition.every:
        yield every(order_matches(one, exam) for one in condition.every)
    if condition.some:
        yield some(order_matches(one, exam) for one in condition.some)
    if condition.none:
        yield opposite(order_matches(condition.none, exam))


# --- what an order says ----------------------------------------------------------------------------


def values(value: rules.OrderValue, exam: Exam) -> tuple[Any, ...]:
    """What an order says of something: nothing, one value, or several."""
    order = exam.order
    if value.path is not None:
        return lastmessage.values(order.segments, value.path)
    if value.keyword is not None:
        return _one(order.worklist.get(value.keyword))
    return _own(value.text, exam)


def _own(name: str, exam: Exam) -> tuple[Any, ...]:
    if name in _READ:
        return _READ[name](exam)
    if name in rules.SOURCES:
        return _from_sources(rules.SOURCES[name], exam)
    return _one(getattr(exam.order, name))


def _one(said: Any) -> tuple[Any, ...]:
    return () if said is None or said == "" else (said,)


def _from_sources(sources: rules.Sources, exam: Exam) -> tuple[str, ...]:
    segments, worklist = exam.order.segments, exam.order.worklist
    for group in sources.places:
        if said := [value for path in group for value in lastmessage.values(segments, path)]:
            return tuple(said)
    return next((_one(worklist[keyword]) for keyword in sources.keywords if worklist.get(keyword)), ())


def _sides(exam: Exam) -> tuple[str, ...]:
    return tuple(side.value for side in rules.Side if side.laterality is exam.said.laterality)


def _sex(exam: Exam) -> tuple[str, ...]:
    said = (exam.order.patient.sex or "").strip().upper()
    return (said,) if said in rules.SEXES else ()


_READ: Mapping[str, Callable[[Exam], tuple[Any, ...]]] = {
    "modality": lambda exam: exam.modalities,
    "region": lambda exam: exam.said.regions,
    "side": _sides,
    "facet": lambda exam: exam.facets,
    "age": lambda exam: exam.births or (),
    "sex": _sex,
    "feed": lambda exam: (exam.order.source,),
    "time_of_day": lambda exam: (exam.at.time(),) if exam.order.scheduled_start else (),
    "weekday": lambda exam: (hours.Weekday.of(exam.day),) if exam.order.scheduled_start else (),
}
"""What an order says by more than an attribute of that name."""


# --- whether that is what is asked for -------------------------------------------------------------


def _is_one_of(value: str, asked: Iterable[str]) -> bool:
    return rules.fold(value) in map(rules.fold, asked)


def _is_covered(value: Any, asked: Iterable[Any]) -> bool:
    return any(span.covers(value) for span in asked)


_TESTS: Mapping[str, Callable[[Any, Iterable[Any]], bool]] = {
    "modality": is_of_kind,
    "region": is_among,
    "side": is_among,
    "facet": is_among,
    "procedure_code": is_like,
    "procedure_description": is_like,
    "station_ae_title": is_like,
    "station_name": is_like,
    "location": is_like,
    "referring_unit": is_like,
    "referring_physician": is_like,
    "patient_class": _is_one_of,
    "priority": is_among,
    "sex": is_among,
    "feed": _is_one_of,
    "time_of_day": _is_covered,
    "weekday": _is_covered,
}
"""Key of `when` → whether a value of the order is among those asked for."""


@lru_cache(4000)
def _compared(key: str, said: tuple[Any, ...], asked: tuple[Any, ...]) -> Finding:
    """What a key of `when` finds; orders say the same few things, and many rules ask for them."""
    return compare(f"the order's {words(key)}", said, asked, _TESTS[key])


def _exists(value: rules.OrderValue, exam: Exam) -> Finding:
    return _is_said(f"the order's {words(value.text)}", values(value, exam))


def _is_said(what: str, said: Sequence[object]) -> Finding:
    """The only question that what is missing answers."""
    return Finding(bool(said), f"{what} is {'said' if said else 'not said'}")


def _is_as_asked(what: str, said: Sequence[str], asked: Sequence[rules.Pattern] | rules.ValueTest) -> Finding:
    if not isinstance(asked, rules.ValueTest):
        return compare(what, said, asked, is_like)
    findings = []
    if asked.exists is not None:
        found = _is_said(what, said)
        findings.append(found if asked.exists else opposite(found))
    if asked.like:
        findings.append(compare(what, said, asked.like, is_like))
    if asked.at_least is not None or asked.at_most is not None:
        findings.append(_is_in_range(what, said, asked))
    return every(findings)


def _is_in_range(what: str, said: Sequence[str], asked: rules.ValueTest) -> Finding:
    if not said:
        return Finding(None, f"{what} is not said")
    numbers = [Decimal(value) for value in said if re.fullmatch(rules.NUMBER, value)]
    if not numbers:
        return Finding(None, f"{what} is {', '.join(map(say, said))}, which is no number")
    low, high = asked.at_least, asked.at_most
    holds = any((low is None or number >= low) and (high is None or number <= high) for number in numbers)
    bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    unless = "" if holds else f", not {' and '.join(bounds)}"
    return Finding(holds, f"{what} is {', '.join(map(str, numbers))}{unless}")


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
