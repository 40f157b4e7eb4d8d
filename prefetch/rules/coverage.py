"""PURE: which conditions hold whenever others do, and which can never hold, by what rules say alone.

A condition is taken apart into atoms that must all hold. What cannot be proved is not claimed: the answer
“covers” is always true, the answer “does not cover” means that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from itertools import combinations
from typing import Any

from prefetch import modalities
from prefetch.rules.rule import Rule
from prefetch.rules.values import Pattern, fold
from prefetch.rules.when import AgeRange, Condition, ValueTest
from prefetch.spans import Age


@dataclass(frozen=True, slots=True)
class Atom:
    """One thing that must hold of an order: of `key`, what `values` says."""

    kind: str
    """How its values compare: a key of `_KINDS`, or `any`, `not`, `said`, `unsaid`."""
    key: str
    """What of the order it is about."""
    values: Any

    @property
    def is_about_a_value(self) -> bool:
        """Whether it holds only where the order says something of its key."""
        return self.kind not in {"any", "not", "unsaid"}


def of_rule(rule: Rule) -> tuple[Atom, ...]:
    """All that must hold of an order for a rule to match."""
    feeds = (Atom("words", "feed", rule.feeds),) if rule.feeds else ()
    return (*feeds, *(of_condition(rule.when) if rule.when else ()))


def of_condition(condition: Condition) -> tuple[Atom, ...]:
    """All that must hold of an order for a condition to hold."""
    return tuple(_atoms(condition))


def _atoms(condition: Condition) -> Iterator[Atom]:
    for key, kind in KIND_OF_KEY.items():
        if values := getattr(condition, key):
            yield Atom(kind, key, values)
    yield from (Atom("said", value.text, True) for value in condition.exists)
    for path, asked in condition.hl7.items():
        yield from _of_value(str(path), asked)
    for keyword, asked in condition.worklist.items():
        yield from _of_value(f"worklist.{keyword}", asked)
    for one in condition.every:
        yield from _atoms(one)
    if condition.some:
        yield Atom("any", "any", tuple(map(of_condition, condition.some)))
    if condition.none:
        yield Atom("not", "not", of_condition(condition.none))


def _of_value(key: str, asked: tuple[Pattern, ...] | ValueTest) -> Iterator[Atom]:
    if not isinstance(asked, ValueTest):
        yield Atom("repeated patterns", key, asked)
        return
    if asked.exists is not None:
        yield Atom("said" if asked.exists else "unsaid", key, asked.exists)
    if asked.like:
        yield Atom("repeated patterns", key, asked.like)
    if asked.at_least is not None or asked.at_most is not None:
        yield Atom("numbers", key, (asked.at_least, asked.at_most))


# --- what holds whenever something else does -------------------------------------------------------


def implies(narrow: Sequence[Atom], wide: Iterable[Atom]) -> bool:
    """Whether all of `wide` holds wherever all of `narrow` does."""
    return all(_implies(narrow, atom) for atom in wide)


def _implies(narrow: Sequence[Atom], wide: Atom) -> bool:
    return any(_covers(wide, atom) for atom in narrow) or _COMPOUND.get(wide.kind, _by_cases)(narrow, wide)


def _covers(wide: Atom, narrow: Atom) -> bool:
    if wide.kind == "said" and _SAYS.get(narrow.key, narrow.key) == wide.key:
        return narrow.is_about_a_value
    if wide.key != narrow.key:
        return False
    if wide.kind != narrow.kind or wide.kind in _COMPOUND:
        return wide == narrow
    return wide.kind == "unsaid" or _KINDS[wide.kind].covers(wide.values, narrow.values)


_SAYS = {"time_of_day": "scheduled_start", "weekday": "scheduled_start"}
"""Key that asks for a part of a value → the name of that value."""


def _by_cases(narrow: Sequence[Atom], wide: Atom) -> bool:
    """Whether each alternative of some `any` of the narrower implies it."""
    return any(
        all(implies([*case, *_without(narrow, atom)], [wide]) for case in atom.values)
        for atom in narrow
        if atom.kind == "any"
    )


def _implies_any(narrow: Sequence[Atom], wide: Atom) -> bool:
    return any(implies(narrow, case) for case in wide.values) or _by_cases(narrow, wide)


def _implies_not(narrow: Sequence[Atom], wide: Atom) -> bool:
    """Where less is forbidden, or what is forbidden cannot be beside what is asked for."""
    forbidden = any(atom.kind == "not" and _forbids_no_less(atom, wide) for atom in narrow)
    return forbidden or any(_contradicts(a, b) for a in narrow for b in wide.values)


def _forbids_no_less(narrow: Atom, wide: Atom) -> bool:
    return narrow == wide or (not _asks_whether_said(narrow.values) and implies(wide.values, narrow.values))


def _asks_whether_said(atoms: Iterable[Atom]) -> bool:
    """Whether it can be false because something is not said, of which nothing else can be told then."""
    return any(
        atom.kind in {"said", "unsaid"} or any(map(_asks_whether_said, _parts(atom))) for atom in atoms
    )


def _parts(atom: Atom) -> Iterable[Sequence[Atom]]:
    parts: Mapping[str, Iterable[Sequence[Atom]]] = {"any": atom.values, "not": (atom.values,)}
    return parts.get(atom.kind, ())


def _contradicts(asked: Atom, forbidden: Atom) -> bool:
    """Whether what is forbidden is surely not so; of what is not said nobody can tell."""
    cannot_be_told = asked.kind == "unsaid" and forbidden.kind != "said"
    return not cannot_be_told and _excludes(asked, forbidden)


_COMPOUND: Mapping[str, Callable[[Sequence[Atom], Atom], bool]] = {"any": _implies_any, "not": _implies_not}


def _without(atoms: Iterable[Atom], left_out: Atom) -> list[Atom]:
    return [atom for atom in atoms if atom is not left_out]


# --- what can never hold ---------------------------------------------------------------------------


def contradiction(atoms: Sequence[Atom]) -> str | None:
    """Why no order is like that, in words; None where one may be."""
    for atom in atoms:
        if why := _CONTRADICTIONS.get(atom.kind, _nothing)(atom, _without(atoms, atom)):
            return why
    pairs = (pair for pair in combinations(atoms, 2) if _excludes(*pair))
    return next((_both(a, b) for a, b in pairs), None)


def _excludes(one: Atom, other: Atom) -> bool:
    """Whether no order has both."""
    if one.key != other.key:
        return False
    if "unsaid" in {one.kind, other.kind}:
        return one.is_about_a_value or other.is_about_a_value
    disjoint = _KINDS[one.kind].disjoint if one.kind == other.kind and one.kind in _KINDS else None
    return disjoint is not None and disjoint(one.values, other.values)


def _both(one: Atom, other: Atom) -> str:
    if "unsaid" in {one.kind, other.kind}:
        return f"{one.key} cannot be both said and not said"
    return f"{one.key} cannot be both {_say(one)} and {_say(other)}"


def _say(atom: Atom) -> str:
    said = list(map(_word, atom.values if isinstance(atom.values, tuple) else [atom.values]))
    return " or ".join(said)


def _word(value: Any) -> str:
    if isinstance(value, AgeRange):
        bounds = [f"at least {value.at_least}"] * bool(value.at_least) + [f"under {value.under}"] * bool(
            value.under
        )
        return " and ".join(bounds)
    return value.name.lower() if hasattr(value, "name") else str(value)


def _nothing(_: Atom, __: Sequence[Atom]) -> str | None:
    return None


def _forbids_itself(atom: Atom, others: Sequence[Atom]) -> str | None:
    if implies(others, atom.values):
        return f"its `not` forbids what it asks for ({', '.join(dict.fromkeys(a.key for a in atom.values))})"
    return None


def _has_no_case(atom: Atom, others: Sequence[Atom]) -> str | None:
    """An `any` of which no block can hold."""
    why = [contradiction([*case, *others]) for case in atom.values]
    return f"no block of its `any` can hold: {why[0]}" if all(why) else None


def _is_empty_range(atom: Atom, _: Sequence[Atom]) -> str | None:
    low, high = atom.values
    if low is None or high is None or low <= high:
        return None
    return f"no number is at least {low} and at most {high} ({atom.key})"


_CONTRADICTIONS: Mapping[str, Callable[[Atom, Sequence[Atom]], str | None]] = {
    "not": _forbids_itself,
    "any": _has_no_case,
    "numbers": _is_empty_range,
}


def modalities_at_once(atoms: Sequence[Atom]) -> str | None:
    """Two modalities of different kinds that an order must have at once, in words.

    Hybrid devices (PET/CT, PET/MR) are described so, and their orders may leave the modality out.
    """
    asked = [atom for atom in atoms if atom.kind == "modalities"]
    for one, other in combinations(asked, 2):
        terms = _terms(one.values), _terms(other.values)
        if not terms[0] & terms[1] and not {"PT", "NM"} & (terms[0] | terms[1]):
            return f"{_say(one)} and {_say(other)}"
    return None


def excludes_all(atoms: Sequence[Atom], key: str, cases: Sequence[Pattern]) -> bool:
    """Whether none of some cases of a value is possible beside what is asked for."""
    return any(
        atom.key == key and atom.kind == "patterns" and _excludes(atom, Atom("patterns", key, cases))
        for atom in atoms
    )


# --- values ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    """How lists of values compare: whether one takes all that another takes, or nothing of it."""

    covers: Callable[[Any, Any], bool]
    disjoint: Callable[[Any, Any], bool] | None = None
    """None where an order may have several values of this kind."""


def patterns_cover(wide: Iterable[Pattern], narrow: Iterable[Pattern]) -> bool:
    """Whether every text that fits any of the narrower patterns fits one of the wider."""
    return all(any(_pattern_covers(one, other) for one in wide) for other in narrow)


def _pattern_covers(wide: Pattern, narrow: Pattern) -> bool:
    if fold(wide.text) == fold(narrow.text):
        return True
    # The narrower one's own * may stand for anything, which only a * of the wider takes.
    return ("?" not in wide.text or "*" not in narrow.text) and wide.matches(narrow.text)


def _patterns_are_disjoint(one: Sequence[Pattern], other: Sequence[Pattern]) -> bool:
    return not any(_may_meet(a, b) for a in one for b in other)


def _may_meet(one: Pattern, other: Pattern) -> bool:
    if one.is_literal:
        return other.matches(one.text)
    return not other.is_literal or one.matches(other.text)


def _terms(names: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(modalities.members, names))


def _folded(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(map(fold, texts))


def _minutes(spans: Sequence[Any]) -> frozenset[time]:
    day = (time(minute // 60, minute % 60) for minute in range(24 * 60))
    return frozenset(moment for moment in day if any(span.covers(moment) for span in spans))


def _days(spans: Sequence[Any]) -> frozenset[int]:
    return frozenset(day for day in range(7) if any(span.covers(day) for span in spans))


def _as_sets(read: Callable[[Any], frozenset[Any]], *, single: bool = True) -> _Kind:
    """Values that stand for a set of things of which an order has one, or perhaps more."""
    return _Kind(
        covers=lambda wide, narrow: read(narrow) <= read(wide),
        disjoint=(lambda one, other: not read(one) & read(other)) if single else None,
    )


def no_longer(one: Age, other: Age) -> bool:
    """Whether an age is no longer than another on any day; months and days are not compared."""
    return one.months <= other.months and one.days <= other.days


def _ages_cover(wide: AgeRange, narrow: AgeRange) -> bool:
    begins = wide.at_least is None or (
        narrow.at_least is not None and no_longer(wide.at_least, narrow.at_least)
    )
    ends = wide.under is None or (narrow.under is not None and no_longer(narrow.under, wide.under))
    return begins and ends


def _ages_are_disjoint(one: AgeRange, other: AgeRange) -> bool:
    return any(
        old.at_least is not None and young.under is not None and no_longer(young.under, old.at_least)
        for old, young in ((one, other), (other, one))
    )


def _numbers_cover(wide: Any, narrow: Any) -> bool:
    (low, high), (least, most) = wide, narrow
    begins = low is None or (least is not None and least >= low)
    return begins and (high is None or (most is not None and most <= high))


_KINDS: Mapping[str, _Kind] = {
    "modalities": _as_sets(_terms, single=False),
    "several": _as_sets(frozenset, single=False),
    "one": _as_sets(frozenset),
    "words": _as_sets(_folded),
    "patterns": _Kind(patterns_cover, _patterns_are_disjoint),
    "repeated patterns": _Kind(patterns_cover),
    "ages": _Kind(_ages_cover, _ages_are_disjoint),
    "hours": _as_sets(_minutes),
    "days": _as_sets(_days),
    "numbers": _Kind(_numbers_cover),
}

KIND_OF_KEY: Mapping[str, str] = {
    "modality": "modalities",
    "region": "several",
    "side": "one",
    "facet": "several",
    "procedure_code": "patterns",
    "procedure_description": "patterns",
    "station_ae_title": "patterns",
    "station_name": "patterns",
    "location": "patterns",
    "referring_unit": "repeated patterns",
    "referring_physician": "repeated patterns",
    "patient_class": "words",
    "priority": "one",
    "age": "ages",
    "sex": "one",
    "feed": "words",
    "time_of_day": "hours",
    "weekday": "days",
}
"""Key of `when` → kind of its values. An order without a modality may name several in its description."""
