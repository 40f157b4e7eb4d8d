"""PURE: matches × studies → priors, with a reason for every study taken or left.

The classes of the rules that match choose among the archives' answers. Whatever matches contributes; the
union is brought to one choice a study and destination.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import chain
from operator import attrgetter

from prefetch import openings, parts
from prefetch.model import Candidate, Choice, Decision, Order, Reason, Series, Study
from prefetch.planning import series
from prefetch.planning.budget import Budget
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.classes import Choosing, Laid, Left, Table, Wish, affordable
from prefetch.planning.exam import Exam
from prefetch.planning.holdings import Holding, hold
from prefetch.planning.matching import RuleMatch
from prefetch.settings import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is wanted where, and every study of the patient with what was decided."""

    choices: tuple[Choice, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def to_look_into(
    matches: Iterable[RuleMatch],
    order: Order,
    studies_by_archive: Mapping[str, Sequence[Study]],
    *,
    circumstances: Circumstances,
) -> tuple[Study, ...]:
    """The studies whose archive must be asked for their series, each once, before anything is chosen."""
    acting = [match for match in matches if match.acts]
    table = Table(circumstances.exam(order))
    no_priors = frozenset(_no_priors(chain.from_iterable(studies_by_archive.values()), table.exam))
    asks_series = any(one.series for match in acting for one in match.rule.priors)
    laid = _laid_out(studies_by_archive, table, only=None if asks_series else series.may_be_lacking)
    found: dict[str, Study] = {}
    for match in acting:
        choosing = Choosing(
            match=match,
            table=table,
            circumstances=circumstances,
            left=defaultdict(list),
            no_priors=no_priors,
        )
        lacking = choosing.lacking(laid(match.archives))
        found = {study.study_instance_uid: study for study in lacking} | found
    return tuple(found.values())


def select_priors(
    matches: Iterable[RuleMatch],
    order: Order,
    studies_by_archive: Mapping[str, Sequence[Study]],
    *,
    circumstances: Circumstances,
) -> Selection:
    """Choose among the archives' answers what the rules that matched want."""
    exam = circumstances.exam(order)
    table = Table(exam)
    left = _no_priors(chain.from_iterable(studies_by_archive.values()), exam)
    no_priors = frozenset(left)
    laid = _laid_out(studies_by_archive, table)
    everything = laid(tuple(studies_by_archive)).holdings
    wishes: list[Wish] = []
    for match in filter(attrgetter("acts"), matches):
        choosing = Choosing(
            match=match, table=table, circumstances=circumstances, left=left, no_priors=no_priors
        )
        wishes += choosing.among(laid(match.archives))
    choices = _union(_cap(wishes, circumstances.limits, left), table)
    return Selection(choices=choices, candidates=_candidates(everything, choices, left, table))


def _laid_out(
    studies_by_archive: Mapping[str, Sequence[Study]],
    table: Table,
    *,
    only: Callable[[Study], bool] | None = None,
) -> Callable[[tuple[str, ...]], Laid]:
    """Lays out what archives hold, or some of it, once for all rules that go by the same archives."""

    @cache
    def lay_out(archives: tuple[str, ...]) -> Laid:
        held = hold(studies_by_archive, archives)
        return table.lay_out(held if only is None else [one for one in held if only(one.study)])

    return lay_out


# --- what is no prior at all -----------------------------------------------------------------------


def _no_priors(answers: Iterable[Study], exam: Exam) -> Left:
    """Where archives disagree, one that says so is enough."""
    left: Left = defaultdict(list)
    for study in answers:
        if because := _is_no_prior(study, exam):
            left[study.study_instance_uid] = [Reason(because=because)]
    return left


def _is_no_prior(study: Study, exam: Exam) -> str | None:
    """Why a study cannot be a prior of this exam, whatever the rules say."""
    order = exam.order
    if study.study_instance_uid == order.study_instance_uid:
        return "it is the exam itself, by its Study Instance UID"
    if study.accession_number and study.accession_number == order.accession_number:
        return "it is the exam itself, by its accession number"
    if study.study_date is not None and _begins_later(study, exam):
        return "it is later than the exam"
    return None


def _begins_later(study: Study, exam: Exam) -> bool:
    """By date, and on the exam's own day by time where the archive says one (PS3.5 6.2, VR TM)."""
    if study.study_date != exam.day:
        return study.study_date is not None and study.study_date > exam.day
    time = (study.study_time or "").replace(":", "")[:6]
    return bool(time) and time.ljust(6, "0") >= f"{exam.at:%H%M%S}"


# --- limits ----------------------------------------------------------------------------------------


def _cap(wishes: Iterable[Wish], limits: Limits, left: Left) -> list[Wish]:
    """What fits under the cap of an exam: what is moved before what is observed, higher grades first."""
    by_weight = sorted(wishes, key=lambda wish: (wish.observe, -wish.grade))
    budget = Budget(limits, limits)
    return list(affordable(by_weight, budget, "the exam", left))


# --- union -----------------------------------------------------------------------------------------


def _union(wishes: Iterable[Wish], table: Table) -> tuple[Choice, ...]:
    """One choice a study and destination."""
    together: dict[tuple[str, str], list[Wish]] = defaultdict(list)
    for wish in wishes:
        for destination in wish.match.destinations:
            together[wish.holding.uid, destination].append(wish)
    return tuple(_choice(same, destination, table) for (_, destination), same in together.items())


def _choice(wishes: Sequence[Wish], destination: str, table: Table) -> Choice:
    """The highest grade and the earliest deadline win; who wins the grade says from where.

    What one rule moves is moved, though another only observes it.
    """
    moving = [wish for wish in wishes if not wish.observe] or wishes
    winner = min(moving, key=lambda wish: (-wish.grade, wish.match.deadline))
    opening = openings.soonest(openings.Opening(wish.match.start_at, wish.match.closes_at) for wish in moving)
    return Choice(
        study=winner.holding.study,
        archives=winner.holding.archives,
        destination=destination,
        rule=winner.match.rule.name,
        prior_class=winner.prior_class,
        grade=winner.grade,
        start_at=opening.opens,
        closes_at=opening.closes,
        lane=min(wish.match.lane for wish in moving),
        cool_down=_cool_down(moving),
        deadline=min(wish.match.deadline for wish in moving),
        observe=winner.observe,
        reason=winner.reason,
        series=_series(moving),
        others=tuple(wish.reason for wish in wishes if wish is not winner),
        relevance=table.of(winner.holding.study).graded,
    )


def _cool_down(wishes: Sequence[Wish]) -> timedelta | None:
    """The shortest; none where one of the rules wants the study there whenever it is missing."""
    said = [wish.match.rule.cool_down for wish in wishes]
    return None if None in said else min(filter(None, said), default=None)


def _series(wishes: Sequence[Wish]) -> tuple[Series, ...]:
    """The series that any of the wishes wants; where one wants the whole study, that."""
    if any(not wish.series for wish in wishes):
        return ()
    return series.united(each for wish in wishes for each in wish.series)


def _candidates(
    everything: Iterable[Holding], choices: Sequence[Choice], left: Left, table: Table
) -> tuple[Candidate, ...]:
    """Every study of the patient, what is wanted first, with all that was said of it."""
    chosen = {choice.study.study_instance_uid for choice in choices}
    others = (holding for holding in everything if holding.uid not in chosen)
    return (*map(taken, choices), *(_left_alone(holding, left, table) for holding in others))


def taken(choice: Choice) -> Candidate:
    """A choice as a candidate: its own reason first, and then those of other rules that want the same."""
    return Candidate(
        study=choice.study,
        decision=Decision.OBSERVED if choice.observe else Decision.TAKEN,
        destination=choice.destination,
        reasons=(choice.reason, *choice.others),
        relevance=choice.relevance,
        series=parts.wanted(choice),
    )


def _left_alone(holding: Holding, left: Left, table: Table) -> Candidate:
    reasons = left[holding.uid]
    if not reasons:
        reasons = [Reason(because=f"no rule that matches asks {' or '.join(holding.archives)}")]
    return Candidate(
        study=holding.study,
        decision=Decision.LEFT,
        reasons=tuple(reasons),
        relevance=table.of(holding.study).graded,
    )
