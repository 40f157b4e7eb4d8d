"""PURE: rules and classes that can do nothing: what never matches, and what others leave nothing to.

Of each rule that is switched on the first thing is told that is found. What cannot be proved is not said: a
warning that cries wolf is read no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prefetch import rules
from prefetch.errors import Problem
from prefetch.rules import coverage, takes

Sources = Sequence[rules.Source]
"""Rules that are switched on, as they are looked at."""


def find_shadows(enabled: Sources) -> Iterator[Problem]:
    """Warnings about rules and classes that can do nothing."""
    for source in enabled:
        found = (check(source, enabled) for check in _CHECKS)
        yield from filter(None, [next(filter(None, found), None)])
        yield from _idle_classes(source)


def idle_cases(to: rules.Lookup) -> Iterator[tuple[str, str]]:
    """Values of a look-up of destinations that one before them decides, and which that is."""
    before: list[str] = []
    for case in to.cases:
        wide = (one for one in before if coverage.patterns_cover([rules.Pattern(one)], [rules.Pattern(case)]))
        if first := next(wide, None):
            yield case, first
        before.append(case)


def _warn(source: rules.Source, *where: str | int, message: str) -> Problem:
    return source.problem(*where, message=message, severity="warning")


# --- alone -----------------------------------------------------------------------------------------


def _never_matches(source: rules.Source, _: Sources) -> Problem | None:
    why = coverage.contradiction(coverage.of_rule(source.rule))
    where = "when" if source.rule.when else "feeds"
    remedy = "put what is an alternative under `any`, or remove it"
    return _warn(source, where, message=f"never matches: {why}; {remedy}") if why else None


def _hardly_matches(source: rules.Source, _: Sources) -> Problem | None:
    """Only an order that says no modality, and describes both, has two."""
    two = coverage.modalities_at_once(coverage.of_rule(source.rule))
    message = f"asks for {two} at once, and an order says one modality: write a list, or put them under `any`"
    return _warn(source, "when", message=message) if two else None


def _goes_nowhere(source: rules.Source, _: Sources) -> Problem | None:
    """A look-up that knows none of the values that the rule asks for."""
    to, rule = source.rule.destinations, source.rule
    if not isinstance(to, rules.Lookup) or to.otherwise or not rule.priors:
        return None
    cases = [rules.Pattern(case) for case in to.cases]
    message = f"knows no {to.by} that `when` asks for, so nothing is fetched: add them, or `otherwise`"
    nowhere = coverage.excludes_all(coverage.of_rule(rule), to.by.text, cases)
    return _warn(source, "to", "map", message=message) if nowhere else None


def _idle_classes(source: rules.Source) -> Iterator[Problem]:
    for position, one in enumerate(source.rule.priors):
        if why := takes.takes_nothing(one):
            message = f"never takes a study: {why}; change one of the two"
            yield _warn(source, "priors", position, message=message)
    for position, first in takes.never_has_a_turn(source.rule.priors):
        message = f"never takes a study: {first} before it takes all of these; put this class before that one"
        yield _warn(source, "priors", position, message=message)


# --- beside others ---------------------------------------------------------------------------------


def _is_stopped(source: rules.Source, enabled: Sources) -> Problem | None:
    """Whether one before it matches whatever it matches, and stops."""
    stoppers = [one for one in _before(source, enabled) if one.rule.stop]
    stopper = _covering(source, stoppers)
    if stopper is None:
        return None
    message = f"is never looked at: {_name(stopper)} matches {_what(stopper, source)} and stops"
    return _warn(source, message=f"{message}; put this rule before it, or narrow that one")


def _is_no_fallback(source: rules.Source, enabled: Sources) -> Problem | None:
    """Whether another leaves no order to a fallback."""
    other = _covering(source, _before(source, enabled)) if source.rule.fallback else None
    if other is None:
        return None
    message = f"never matches: {_name(other)} matches {_what(other, source)}"
    return _warn(source, "fallback", message=f"{message}; narrow that rule, or leave `fallback` out")


def _adds_nothing(source: rules.Source, enabled: Sources) -> Problem | None:
    """Whether another wants anyway what it wants; of two that are alike the later is told."""
    others = [one for one in enabled if one is not source and _wants_no_less(one, source)]
    alike = [one for one in others if _wants_no_less(source, one)]
    later = [one for one in alike if one not in _before(source, enabled)]
    other = next((one for one in others if one not in later), None)
    if other is None:
        return None
    message = f"adds nothing: {_name(other)} wants the same of {_what(other, source)}; remove one of them"
    return _warn(source, message=message)


def _before(source: rules.Source, enabled: Sources) -> Sources:
    return enabled[: enabled.index(source)]


def _covering(source: rules.Source, others: Sources) -> rules.Source | None:
    return next((one for one in others if _matches_whenever(one, source)), None)


def _matches_whenever(wide: rules.Source, narrow: rules.Source) -> bool:
    """Whether a rule matches every order that another would."""
    to = wide.rule.destinations
    may_go_nowhere = bool(wide.rule.priors) and isinstance(to, rules.Lookup) and not to.otherwise
    covers = coverage.implies(coverage.of_rule(narrow.rule), coverage.of_rule(wide.rule))
    return covers and not may_go_nowhere and (narrow.rule.fallback or not wide.rule.fallback)


def _name(source: rules.Source) -> str:
    return f"{source.rule.name} ({Path(source.rule.place).name})"


def _what(wide: rules.Source, narrow: rules.Source) -> str:
    of_wide, of_narrow = coverage.of_rule(wide.rule), coverage.of_rule(narrow.rule)
    if not of_wide:
        return "every order"
    return "the same orders" if coverage.implies(of_wide, of_narrow) else "all of its orders"


ALIKE = (
    *("origin", "destinations", "fetch_from", "ready_by", "windows", "if_no_window", "if_unscheduled"),
    *("if_late", "priority", "cool_down", "fallback", "limits", "mode"),
)
"""Keys of a rule in which two must agree, if one of them is to want what the other does."""


def _wants_no_less(wide: rules.Source, narrow: rules.Source) -> bool:
    one, other = wide.rule, narrow.rule
    if not other.priors or other.stop or not _matches_whenever(wide, narrow):
        return False
    alike = all(getattr(one, key) == getattr(other, key) for key in ALIKE)
    return alike and _take_no_less(one.priors, other.priors)


def _take_no_less(wide: Sequence[rules.PriorClass], narrow: Sequence[rules.PriorClass]) -> bool:
    """Classes that begin as the others do, or one that takes what the only other does."""
    mine, theirs = ([one.model_copy(update={"name": ""}) for one in classes] for classes in (wide, narrow))
    if mine[: len(theirs)] == theirs:
        return True
    return len(narrow) == 1 and any(takes.takes_no_less(one, narrow[0]) for one in wide)


_CHECKS: Sequence[Callable[[rules.Source, Sources], Problem | None]] = (
    _never_matches,
    _hardly_matches,
    _goes_nowhere,
    _is_stopped,
    _is_no_fallback,
    _adds_nothing,
)
"""Of one rule beside all, the gravest first."""
