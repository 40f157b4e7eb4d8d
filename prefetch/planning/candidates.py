"""PURE: whether a study is what a class of priors asks for, its numbers aside, and why."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

from prefetch import modalities, rules
from prefetch.planning import named
from prefetch.planning.exam import Compared, Exam
from prefetch.planning.findings import Finding, alternatives, compare, every, is_among, is_like, some
from prefetch.relevance.anatomy import Laterality

_Fact = Callable[[Compared], Hashable]
"""What of a study a key of a block asks about."""
_Test = Callable[[Any, Any, Exam], Finding]
"""The test of a key: the block, the fact of the study, the exam."""


class _Found(dict[Hashable, Finding]):
    """Fact of a study → what one key of a block finds of it, tested once for all that say the same."""

    def __init__(self, test: _Test, asked: rules.StudyCondition, exam: Exam) -> None:
        super().__init__()
        self._test, self._asked, self._exam = test, asked, exam

    def __missing__(self, fact: Hashable) -> Finding:
        found = self[fact] = self._test(self._asked, fact, self._exam)
        return found


Known = dict[tuple[str, Hashable], _Found]
"""Key of a block with what it asks for → what was found so far; of one exam, for all classes."""


class Asking:
    """One class beside an exam, put to many studies: what is found of one holds for all that say it too."""

    def __init__(self, asked: rules.PriorClass, exam: Exam, known: Known | None = None) -> None:
        known = {} if known is None else known
        self._tests = _Tests(_CLASS_TESTS, asked, exam, known)
        self._excluded = [_Tests(_STUDY_TESTS, one, exam, known) for one in asked.exclude]

    def of(self, compared: Compared) -> Finding:
        """Whether a study is what the class asks for, and then whether it is one to leave out."""
        findings = self._tests.of(compared)
        found = every(findings) if findings else Finding(True, "any study")
        if found.holds is False or not self._excluded:
            return found
        return every([*([found] if findings else []), self._not_excluded(compared)])

    def may_be(self, compared: Compared) -> bool:
        """Whether what an archive did not say could make a study one that the class asks for."""
        more = {"relevance", *(() if compared.study.modalities else ("modality",))}
        more |= set() if compared.study.description else {"region", "side", "facet", "description"}
        return all(finding.holds is not False for finding in self._tests.but(more, compared))

    def _not_excluded(self, compared: Compared) -> Finding:
        """An exclusion that cannot be told excludes nothing, and says so."""
        excluded = some(every(tests.of(compared)) for tests in self._excluded)
        if excluded.holds:
            return Finding(False, f"excluded: {excluded.because}")
        unsaid = f", as {excluded.because}" if excluded.holds is None else ""
        return Finding(True, f"not excluded{unsaid}")


class _Tests:
    """The keys of a block that ask for something, each with what was found of every fact so far."""

    def __init__(
        self,
        tests: Mapping[str, tuple[_Fact, _Test]],
        asked: rules.StudyCondition,
        exam: Exam,
        known: Known,
    ) -> None:
        self._keys = [
            (key, fact, known.setdefault((key, getattr(asked, key)), _Found(test, asked, exam)))
            for key, (fact, test) in tests.items()
            if key in asked.said
        ]

    def of(self, compared: Compared) -> list[Finding]:
        """What is found of a study, key by key."""
        return [found[fact(compared)] for _, fact, found in self._keys]

    def but(self, keys: Container[str], compared: Compared) -> list[Finding]:
        """The same but for some keys."""
        return [found[fact(compared)] for key, fact, found in self._keys if key not in keys]


# --- any block about a study -----------------------------------------------------------------------


def _has_modality(asked: rules.StudyCondition, said: tuple[str, ...], exam: Exam) -> Finding:
    if not said:
        return Finding(None, "the archive does not say the modalities")
    terms = _terms(asked.modality, exam.kinds)
    has = "\\".join(said)
    if any(modalities.members(one) & terms for one in said):
        return Finding(True, f"modality is {has}")
    if rules.SAME in asked.modality and not exam.kinds:
        return Finding(None, "the order's modality is not said, so none is the same")
    return Finding(False, f"modality is {has}, not {alternatives(sorted(terms))}")


@lru_cache(1000)
def _terms(asked: tuple[str, ...], same: frozenset[str]) -> frozenset[str]:
    """The modality terms that are asked for."""
    wanted = (name for name in asked if name != rules.SAME)
    return frozenset[str]().union(same if rules.SAME in asked else (), *map(modalities.members, wanted))


def _has_region(asked: rules.StudyCondition, regions: tuple[str, ...], exam: Exam) -> Finding:
    own = exam.said.regions if rules.SAME in asked.region else ()
    wanted = [*own, *(name for name in asked.region if name != rules.SAME)]
    if not wanted:
        return Finding(None, "the order names no region, so none is the same")
    found = compare("the study's region", regions, wanted, is_among)
    if found.holds is False and rules.SAME in asked.region and not own:
        return Finding(None, "the order names no region, so none is the same")
    return found


def _has_side(asked: rules.StudyCondition, has: Laterality | None, exam: Exam) -> Finding:
    own = (exam.said.laterality,) if rules.SAME in asked.side and exam.said.laterality else ()
    wanted = [*own, *(rules.Side(name).laterality for name in asked.side if name != rules.SAME)]
    if not wanted:
        return Finding(None, "the order names no side, so none is the same")
    if has is None:
        return Finding(None, "the study names no side")
    fits = has in wanted or Laterality.BOTH in (has, *own)
    if not fits and rules.SAME in asked.side and not own:
        return Finding(None, "the order names no side, so none is the same")
    sides = alternatives(_SIDES[one] for one in wanted)
    return Finding(fits, f"the side is {_SIDES[has]}" if fits else f"the side is {_SIDES[has]}, not {sides}")


def _has_facet(asked: rules.StudyCondition, facets: tuple[str, ...], _: Exam) -> Finding:
    return compare("the study's facet", facets, asked.facet, is_among)


def _has_description(
    asked: rules.StudyCondition, said: tuple[str | None, tuple[str, ...]], _: Exam
) -> Finding:
    text, texts_of_series = said
    if text or not texts_of_series:
        return compare("the study description", _text(text), asked.description, is_like)
    return compare("a series description", texts_of_series, asked.description, is_like)


def _has_code(asked: rules.StudyCondition, codes: tuple[str, ...], exam: Exam) -> Finding:
    patterns = [one for one in asked.procedure_code if one.text != rules.SAME]
    own = exam.order.procedure_code if len(patterns) < len(asked.procedure_code) else None
    if not (own or patterns):
        return Finding(None, "the order's procedure code is not said, so none is the same")
    return compare(
        "the study's procedure code",
        codes,
        [*filter(None, [own]), *patterns],
        lambda value, _: value == own or is_like(value, patterns),
    )


def _is_of_institution(asked: rules.StudyCondition, said: str | None, _: Exam) -> Finding:
    return compare("the institution", _text(said), asked.institution, is_like)


def _text(said: str | None) -> tuple[str, ...]:
    return (said,) if said else ()


_SIDES = {side.laterality: side.value for side in rules.Side}


# --- a class ---------------------------------------------------------------------------------------


def _is_named(asked: rules.PriorClass, uid: str, exam: Exam) -> Finding:
    uids = named.uids(asked, exam)
    places = alternatives(asked.named_in)
    if not uids:
        return Finding(None, f"the order names no study in {places}")
    place = uids.get(uid)
    return Finding(place is not None, f"named in {place}" if place else f"not named in {places}")


def _is_relevant(asked: rules.PriorClass, graded: tuple[int, str], _: Exam) -> Finding:
    assert asked.relevance  # noqa: S101 (asked only where it is)
    grade, why = graded
    because = f"{_WORDS[grade]}: {why}"
    if grade >= asked.relevance.least:
        return Finding(True, because)
    return Finding(False, f"{because}; asked for is {asked.relevance.value}")


def _is_within(asked: rules.PriorClass, day: date | None, exam: Exam) -> Finding:
    if asked.within is None or day is None:
        return Finding(None, "the study has no date")
    if day < asked.within.before(exam.day):
        return Finding(False, f"of {day.isoformat()}, more than {asked.within.text} before the exam")
    return Finding(True, f"within {asked.within.text}")


def _is_not_before(asked: rules.PriorClass, day: date | None, exam: Exam) -> Finding:
    if asked.not_before is None or day is None:
        return Finding(None, "the study has no date")
    holds = day >= asked.not_before.seen_from(exam.day)
    return Finding(holds, f"of {day}, {'not ' if holds else ''}before {asked.not_before}")


def _is_not_after(asked: rules.PriorClass, day: date | None, exam: Exam) -> Finding:
    if asked.not_after is None or day is None:
        return Finding(None, "the study has no date")
    holds = day <= asked.not_after.seen_from(exam.day)
    return Finding(holds, f"of {day}, {'not ' if holds else ''}after {asked.not_after}")


_WORDS = ("not relevant", "marginal", "useful", "must")
"""Grade → what explain calls it."""

_STUDY_TESTS: Mapping[str, tuple[_Fact, _Test]] = {
    "modality": (attrgetter("study.modalities"), _has_modality),
    "region": (attrgetter("said.regions"), _has_region),
    "side": (attrgetter("said.laterality"), _has_side),
    "facet": (attrgetter("facets"), _has_facet),
    "description": (attrgetter("study.description", "texts"), _has_description),
    "procedure_code": (attrgetter("study.procedure_codes"), _has_code),
    "institution": (attrgetter("study.institution"), _is_of_institution),
}
"""Key of a block about a study → what of the study it asks about, and its test."""

_DAY = attrgetter("study.study_date")

_CLASS_TESTS: Mapping[str, tuple[_Fact, _Test]] = {
    "named_in": (attrgetter("study.study_instance_uid"), _is_named),
    **_STUDY_TESTS,
    "relevance": (attrgetter("graded.grade", "graded.because"), _is_relevant),
    "within": (_DAY, _is_within),
    "not_before": (_DAY, _is_not_before),
    "not_after": (_DAY, _is_not_after),
}
"""Key of a class of priors → the same; one that cannot be told does not hold."""
