"""PURE: which of a rule's archives are still to be asked, and by whose answers the rule goes.

A rule names archives in order of preference and says how to use them (`from`). The planner asks whoever is
still to be asked until nobody is; then every rule is brought down to the archives that it goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from prefetch.planning.matching import RuleMatch
from prefetch.rules import Use

Answered = Mapping[str, bool]
"""Archive that was asked → whether it answered."""

IsEnough = Callable[[RuleMatch], bool]
"""Whether a rule finds all that its classes ask for in the archives of the match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """What became of the archives of one rule."""

    used: tuple[str, ...]
    """By whose answers it goes, in order of preference."""
    still_to_ask: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    """Those that hold the same and were not asked: they move what the ones it goes by cannot."""
    because: str = ""
    """Why these and no others, where that needs saying."""


def still_to_ask(matches: Iterable[RuleMatch], answered: Answered, is_enough: IsEnough) -> tuple[str, ...]:
    """The archives to ask next for the rules that act, each once; none where nobody is left to ask."""
    plans = (_decide(match, answered, is_enough) for match in matches if match.acts)
    return tuple(dict.fromkeys(name for plan in plans for name in plan.still_to_ask))


def settle(matches: Iterable[RuleMatch], answered: Answered, is_enough: IsEnough) -> tuple[RuleMatch, ...]:
    """The matches with the archives that their rules go by, and why."""
    return tuple(
        _settled(match, _decide(match, answered, is_enough)) if match.acts else match for match in matches
    )


def gone_by(matches: Iterable[RuleMatch]) -> frozenset[str]:
    """The archives that any rule goes by."""
    return frozenset(name for match in matches if match.acts for name in match.archives)


def _settled(match: RuleMatch, archives: Archives) -> RuleMatch:
    settled = replace(match, archives=archives.used, mirrors=archives.mirrors)
    if not archives.because:
        return settled
    return replace(
        settled, reason=replace(match.reason, because=f"{match.reason.because}; {archives.because}")
    )


def _decide(match: RuleMatch, answered: Answered, is_enough: IsEnough) -> Archives:
    return _STRATEGIES[match.rule.use](match, answered, is_enough)


def _all(match: RuleMatch, answered: Answered, _: IsEnough) -> Archives:
    rest = tuple(name for name in match.archives if name not in answered)
    return Archives(used=match.archives, still_to_ask=rest)


def _first_that_answers(match: RuleMatch, answered: Answered, _: IsEnough) -> Archives:
    """One that is silent is not gone by, not even by its last answer, once another has answered."""
    for number, name in enumerate(match.archives):
        if name not in answered:
            return Archives(used=match.archives[:number], still_to_ask=(name,))
        if answered[name]:
            silent = match.archives[:number]
            words = f"; {_list(silent)} {_did(silent)} not answer" if silent else ""
            because = f"goes by {name}, the first that answers{words}"
            return Archives(used=(name,), mirrors=match.archives[number + 1 :], because=because)
    return Archives(used=match.archives, because="none of its archives answers; goes by their last answers")


def _as_needed(match: RuleMatch, answered: Answered, is_enough: IsEnough) -> Archives:
    for number, name in enumerate(match.archives):
        used = match.archives[: number + 1]
        if name not in answered:
            return Archives(used=match.archives[:number], still_to_ask=(name,))
        if is_enough(replace(match, archives=used)):
            others = match.archives[number + 1 :]
            because = f"has all that it asks for from {_list(used)}; {_list(others)} not needed"
            return Archives(used=used, because=because if others else "")
    return Archives(used=match.archives)


def _list(names: Sequence[str]) -> str:
    return " and ".join(names)


def _did(names: Sequence[str]) -> str:
    return "do" if names[1:] else "does"


_STRATEGIES: Mapping[Use, Callable[[RuleMatch, Answered, IsEnough], Archives]] = {
    Use.ALL: _all,
    Use.FIRST_THAT_ANSWERS: _first_that_answers,
    Use.AS_NEEDED: _as_needed,
}
