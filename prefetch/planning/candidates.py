"""PURE: whether a study is what a class of priors asks for, its numbers aside, and why."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any

from prefetch import modalities, rules
from prefetch.planning import named
from prefetch.planning.exam import Compared, Exam
from prefetch.planning.findings import Finding, alternatives, compare, every, is_among, is_like, some
from prefetch.relevance.anatomy import Laterality

_Fact = Callable[[Compared], Hashable]
"""What of a study a key of a block asks about."""
_Test = Callable[[Any], Finding]
"""What is found of a fact."""
_Tests = Mapping[str, tuple[_Fact, Callable[[Any, Exam], _Test]]]
"""Key of a block → what of a study it asks about, and what makes its test of the block and the exam."""
_Column = list[Finding]
"""What one key of a block finds, study by study."""


class Beside:
    """Studies beside one exam, for all classes of all rules.

    A key of a block is put to all studies at once, and tested once for all that say the same: a patient of
    two hundred studies and forty classes would else cost most of what an order costs.
    """

    def __init__(self, exam: Exam, studies: Sequence[Compared]) -> None:
        self._exam, self._studies = exam, studies
        self._facts: dict[str, list[Any]] = {}
        self._columns: dict[tuple[str, Hashable], _Column] = {}

    def of(self, asked: rules.PriorClass) -> _Column:
        """Whether each study is what the class asks for, and then whether it is one to leave out."""
        rows = self._rows(_CLASS_TESTS, asked)
        found = [every(row) if row else _ANY for row in rows]
        if not asked.exclude:
            return found
        excluded = zip(*(self._excluded(one) for one in asked.exclude), strict=True)
        return [
            fits if fits.holds is False else every((*row, _not_excluded(some(out))))
            for fits, row, out in zip(found, rows, excluded, strict=True)
        ]

    def _excluded(self, asked: rules.StudyCondition) -> _Column:
        """Whether each study is one to leave out.

        What an archive does not say excludes nothing. What the order does not say, so that nobody can tell
        what is the same as it, excludes whatever it might: an order that says less chooses no more.
        """
        found = [every(row) for row in self._rows(_STUDY_TESTS, asked)]
        if not any(_is_unsaid(key, asked, self._exam) for key in _OF_ORDER):
            return found
        return [Finding(True, f"perhaps, as {one.because}") if one.holds is None else one for one in found]

    def may_be(self, asked: rules.PriorClass, number: int) -> bool:
        """Whether what was not said of a study, by its number, could make it one that the class asks for."""
        study = self._studies[number].study
        more = {"relevance", *(() if study.modalities else ("modality",))}
        more |= set() if study.description else {"region", "side", "facet", "description"}
        columns = self._of_keys(_CLASS_TESTS, asked)
        return all(column[number].holds is not False for key, column in columns.items() if key not in more)

    def _rows(self, tests: _Tests, asked: rules.StudyCondition) -> list[tuple[Finding, ...]]:
        """What the keys of a block find, study by study."""
        columns = self._of_keys(tests, asked).values()
        return list(zip(*columns, strict=True)) if columns else [()] * len(self._studies)

    def _of_keys(self, tests: _Tests, asked: rules.StudyCondition) -> dict[str, _Column]:
        """The keys of a block that ask for something."""
        return {key: self._column(key, tests, asked) for key in tests if key in asked.said}

    def _column(self, key: str, tests: _Tests, asked: rules.StudyCondition) -> _Column:
        question = (key, getattr(asked, key))
        column = self._columns.get(question)
        if column is None:
            fact, make_test = tests[key]
            if key not in self._facts:
                self._facts[key] = list(map(fact, self._studies))
            facts, test = self._facts[key], make_test(asked, self._exam)
            found = {said: test(said) for said in dict.fromkeys(facts)}
            column = self._columns[question] = [found[said] for said in facts]
        return column


_ANY = Finding(True, "any study")


_OF_ORDER: Mapping[str, Callable[[Exam], object]] = {
    "modality": attrgetter("kinds"),
    "region": attrgetter("said.regions"),
    "side": attrgetter("said.laterality"),
    "procedure_code": attrgetter("order.procedure_code"),
}
"""Key that may ask for the `same` → what the order says of it."""


def _is_unsaid(key: str, asked: rules.StudyCondition, exam: Exam) -> bool:
    """Whether a key asks for the `same` as of the order, and the order does not say what that is."""
    return any(str(one) == rules.SAME for one in getattr(asked, key)) and not _OF_ORDER[key](exam)


def _not_excluded(excluded: Finding) -> Finding:
    """An exclusion that cannot be told excludes nothing, and says so."""
    if excluded.holds:
        return Finding(False, f"excluded: {excluded.because}")
    unsaid = f", as {excluded.because}" if excluded.holds is None else ""
    return Finding(True, f"not excluded{unsaid}")


# --- any block about a study -----------------------------------------------------------------------


def _has_modality(asked: rules.StudyCondition, exam: Exam) -> _Test:
    same = exam.kinds if rules.SAME in asked.modality else frozenset()
    wanted = same.union(*(modalities.members(name) for name in asked.modality if name != rules.SAME))
    others = alternatives(sorted(wanted))
    is_unsaid = _is_unsaid("modality", asked, exam)

    def test(said: tuple[str, ...]) -> Finding:
        if not said:
            return Finding(None, "the archive does not say the modalities")
        has = "\\".join(said)
        if any(modalities.members(one) & wanted for one in said):
            return Finding(True, f"modality is {has}")
        if is_unsaid:
            return Finding(None, "the order's modality is not said, so none is the same")
        return Finding(False, f"modality is {has}, not {others}")

    return test


def _has_region(asked: rules.StudyCondition, exam: Exam) -> _Test:
    own = exam.said.regions if rules.SAME in asked.region else ()
    wanted = [*own, *(name for name in asked.region if name != rules.SAME)]
    unsaid = Finding(None, "the order names no region, so none is the same")
    is_unsaid = _is_unsaid("region", asked, exam)

    def test(regions: tuple[str, ...]) -> Finding:
        if not wanted:
            return unsaid
        found = compare("the study's region", regions, wanted, is_among)
        return unsaid if found.holds is False and is_unsaid else found

    return test


def _has_side(asked: rules.StudyCondition, exam: Exam) -> _Test:
    own = (exam.said.laterality,) if rules.SAME in asked.side and exam.said.laterality else ()
    wanted = [*own, *(rules.Side(name).laterality for name in asked.side if name != rules.SAME)]
    sides = alternatives(_SIDES[one] for one in wanted)
    unsaid = Finding(None, "the order names no side, so none is the same")
    is_unsaid = _is_unsaid("side", asked, exam)

    def test(has: Laterality | None) -> Finding:
        if not wanted:
            return unsaid
        if has is None:
            return Finding(None, "the study names no side")
        if has in wanted or Laterality.BOTH in (has, *own):
            return Finding(True, f"the side is {_SIDES[has]}")
        return unsaid if is_unsaid else Finding(False, f"the side is {_SIDES[has]}, not {sides}")

    return test


def _has_facet(asked: rules.StudyCondition, _: Exam) -> _Test:
    return lambda facets: compare("the study's facet", facets, asked.facet, is_among)


def _has_description(asked: rules.StudyCondition, _: Exam) -> _Test:
    def test(said: tuple[str | None, tuple[str, ...]]) -> Finding:
        text, texts_of_series = said
        if text or not texts_of_series:
            return compare("the study description", _text(text), asked.description, is_like)
        return compare("a series description", texts_of_series, asked.description, is_like)

    return test


def _has_code(asked: rules.StudyCondition, exam: Exam) -> _Test:
    patterns = [one for one in asked.procedure_code if one.text != rules.SAME]
    own = exam.order.procedure_code if len(patterns) < len(asked.procedure_code) else None
    wanted = [*filter(None, [own]), *patterns]

    def test(codes: tuple[str, ...]) -> Finding:
        if not wanted:
            return Finding(None, "the order's procedure code is not said, so none is the same")
        return compare(
            "the study's procedure code",
            codes,
            wanted,
            lambda value, _: value == own or is_like(value, patterns),
        )

    return test


def _is_of_institution(asked: rules.StudyCondition, _: Exam) -> _Test:
    return lambda said: compare("the institution", _text(said), asked.institution, is_like)


def _text(said: str | None) -> tuple[str, ...]:
    return (said,) if said else ()


_SIDES = {side.laterality: side.value for side in rules.Side}


# --- a class ---------------------------------------------------------------------------------------


def _is_named(asked: rules.PriorClass, exam: Exam) -> _Test:
    uids = named.uids(asked, exam)
    places = alternatives(asked.named_in)

    def test(uid: str) -> Finding:
        if not uids:
            return Finding(None, f"the order names no study in {places}")
        place = uids.get(uid)
        return Finding(place is not None, f"named in {place}" if place else f"not named in {places}")

    return test


def _is_relevant(asked: rules.PriorClass, _: Exam) -> _Test:
    least = asked.relevance

    def test(graded: tuple[int, str]) -> Finding:
        grade, why = graded
        because = f"{_WORDS[grade]}: {why}"
        if least is None or grade >= least.least:
            return Finding(True, because)
        return Finding(False, f"{because}; asked for is {least.value}")

    return test


def _is_within(asked: rules.PriorClass, exam: Exam) -> _Test:
    within = asked.within
    begins = within.before(exam.day) if within else date.min
    words = within.text if within else ""
    fits, too_old = Finding(True, f"within {words}"), f", more than {words} before the exam"
    return _dated(lambda day: fits if day >= begins else Finding(False, f"of {day.isoformat()}{too_old}"))


def _is_not_before(asked: rules.PriorClass, exam: Exam) -> _Test:
    begins = asked.not_before.seen_from(exam.day) if asked.not_before else date.min
    return _dated(
        lambda day: Finding(day >= begins, f"of {day}, {_not(day >= begins)}before {asked.not_before}")
    )


def _is_not_after(asked: rules.PriorClass, exam: Exam) -> _Test:
    ends = asked.not_after.seen_from(exam.day) if asked.not_after else date.max
    return _dated(lambda day: Finding(day <= ends, f"of {day}, {_not(day <= ends)}after {asked.not_after}"))


def _dated(test: Callable[[date], Finding]) -> _Test:
    """Where a study has no date, nothing about it can be told."""
    unsaid = Finding(None, "the study has no date")
    return lambda day: unsaid if day is None else test(day)


def _not(holds: bool) -> str:
    return "not " if holds else ""


_WORDS = ("not relevant", "marginal", "useful", "must")
"""Grade → what explain calls it."""

_STUDY_TESTS: _Tests = {
    "modality": (attrgetter("study.modalities"), _has_modality),
    "region": (attrgetter("said.regions"), _has_region),
    "side": (attrgetter("said.laterality"), _has_side),
    "facet": (attrgetter("facets"), _has_facet),
    "description": (attrgetter("study.description", "texts"), _has_description),
    "procedure_code": (attrgetter("study.procedure_codes"), _has_code),
    "institution": (attrgetter("study.institution"), _is_of_institution),
}
"""The keys of a block about a study."""

_DAY = attrgetter("study.study_date")

_CLASS_TESTS: _Tests = {
    "named_in": (attrgetter("study.study_instance_uid"), _is_named),
    **_STUDY_TESTS,
    "relevance": (attrgetter("graded.grade", "graded.because"), _is_relevant),
    "within": (_DAY, _is_within),
    "not_before": (_DAY, _is_not_before),
    "not_after": (_DAY, _is_not_after),
}
"""The keys of a class of priors; one that cannot be told does not hold."""
