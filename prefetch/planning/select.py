"""PURE: rules × order × studies → priors, with a reason for every study taken or left.

Rules are matched first, because the archives that they name must be asked; then their classes choose among
the answers. Whatever matches contributes; the union is brought to one choice a study and destination.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from typing import Self

from prefetch import rules
from prefetch.model import Candidate, Choice, Decision, Order, Reason, Study
from prefetch.planning import conditions
from prefetch.planning.conditions import Exam, Finding
from prefetch.planning.holdings import Holding, hold
from prefetch.rules import Mode, PriorClass, Rule
from prefetch.settings import Config, Limits

GRADE = 3
"""Relevance of what a class chooses that does not grade."""


# --- rules × order ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMatch:
    """What one rule says of one order."""

    rule: Rule
    matched: bool
    waits: bool
    """It matches, and waits for the message that brings a time."""
    reason: Reason
    archives: tuple[str, ...]
    """In order of preference; none for a rule that wants nothing."""
    destinations: tuple[str, ...]
    start_at: datetime
    deadline: datetime
    observe: bool


def match_rules(
    rule_set: rules.RuleSet, order: Order, *, site: Config, now: datetime
) -> tuple[RuleMatch, ...]:
    """What each rule says of an order, in the order in which rules are looked at."""
    matches: list[RuleMatch] = []
    for rule in rule_set.in_turn:
        finding = _looked_at(rule, matches)
        if finding.holds and rule.when:
            finding = conditions.order_matches(rule.when, order)
        destinations, nowhere = _destinations(rule, order, site)
        if finding.holds and rule.priors and not destinations:
            finding = Finding(False, nowhere)
        matches.append(_rule_match(rule, finding, destinations, order, site=site, now=now))
    return tuple(matches)


def _looked_at(rule: Rule, before: Sequence[RuleMatch]) -> Finding:
    """Whether a rule gets its turn at all, after the rules before it."""
    matched = [match.rule for match in before if match.matched]
    stopper = next((one.name for one in matched if one.stop), None)
    if not rule.enabled:
        return Finding(False, "it is switched off")
    if stopper is not None:
        return Finding(False, f"rule {stopper} matches and stops")
    if rule.fallback and matched:
        return Finding(False, f"it is a fallback, and rule {matched[0].name} matches")
    return Finding(True, "every order")


def _rule_match(
    rule: Rule, finding: Finding, destinations: tuple[str, ...], order: Order, *, site: Config, now: datetime
) -> RuleMatch:
    matched = finding.holds is True
    waits = matched and order.scheduled_start is None and rule.if_unscheduled is rules.IfUnscheduled.WAIT
    start_at, deadline = _times(rule, order, site=site, now=now)
    words = "matches, and waits for a time" if waits else "matches" if matched else "does not match"
    return RuleMatch(
        rule=rule,
        matched=matched,
        waits=waits,
        reason=Reason(because=f"{words}: {finding.because}", rule=rule.name, place=rule.place or None),
        archives=(rule.archives or tuple(site.archives)) if rule.priors else (),
        destinations=destinations if rule.priors else (),
        start_at=start_at,
        deadline=deadline,
        observe=Mode.OBSERVE in {rule.mode, site.mode},
    )


def _destinations(rule: Rule, order: Order, site: Config) -> tuple[tuple[str, ...], str]:
    """The workstations for an order, or why there is none."""
    to = rule.destinations or site.planning.to or tuple(site.workstations)
    if not isinstance(to, rules.Lookup):
        return tuple(dict.fromkeys(to)), ""
    value = getattr(order, to.by)
    for case, names in to.cases.items():
        if value and rules.Pattern(case).matches(value):
            return tuple(dict.fromkeys(names)), ""
    return tuple(dict.fromkeys(to.otherwise)), f"no destination for {to.by} {value or 'that is not said'}"


def _times(rule: Rule, order: Order, *, site: Config, now: datetime) -> tuple[datetime, datetime]:
    """When the fetch may begin and by when it must be ready."""
    exam = order.scheduled_start
    if exam is None:
        return now, now + site.planning.deadline_if_unscheduled
    begin = (rule.fetch_from or site.planning.fetch_from).before_exam
    ready = (rule.ready_by or site.planning.ready_by).before_exam or timedelta()
    # In UTC: a day before the exam is 24 hours before it, whatever the clocks do in that night.
    start = exam.astimezone(UTC)
    return now if begin is None else start - begin, start - ready


# --- matches × studies -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What choosing needs to know beside rules, order and studies."""

    now: datetime
    zone: tzinfo
    """The site's: of the exam's day, and of study dates."""
    limits: Limits
    observed_archives: frozenset[str] = frozenset()
    """Archives that are asked and never have anything moved."""

    @classmethod
    def of(cls, site: Config, now: datetime) -> Self:
        """As a configuration says them."""
        observed = frozenset(name for name, one in site.archives.items() if one.mode is Mode.OBSERVE)
        return cls(now=now, zone=site.time_zone, limits=site.limits, observed_archives=observed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is wanted where, and every study of the patient with what was decided."""

    choices: tuple[Choice, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def select_priors(
    matches: Iterable[RuleMatch],
    order: Order,
    studies_by_archive: Mapping[str, Sequence[Study]],
    *,
    circumstances: Circumstances,
) -> Selection:
    """Choose among the archives' answers what the rules that matched want."""
    acting = [match for match in matches if match.matched and not match.waits]
    exam = _exam(order, circumstances)
    everything = hold(studies_by_archive, studies_by_archive)
    left = _no_priors(chain.from_iterable(studies_by_archive.values()), exam)
    no_priors = frozenset(left)
    wishes: list[_Wish] = []
    for match in acting:
        holdings = [one for one in hold(studies_by_archive, match.archives) if one.uid not in no_priors]
        wishes += _wishes(match, holdings, exam, circumstances, left)
    choices = _union(_cap(wishes, circumstances.limits, left))
    return Selection(choices=choices, candidates=_candidates(everything, choices, wishes, left))


_Left = defaultdict[str, list[Reason]]
"""Study Instance UID → why it was left, rule by rule and class by class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """One class of one rule wants one study."""

    match: RuleMatch
    holding: Holding
    prior_class: str
    reason: Reason
    observe: bool
    grade: int = GRADE


# --- what is no prior at all -----------------------------------------------------------------------


def _exam(order: Order, circumstances: Circumstances) -> Exam:
    at = order.scheduled_start or circumstances.now
    return Exam(order=order, at=at.astimezone(circumstances.zone))


def _no_priors(answers: Iterable[Study], exam: Exam) -> _Left:
    """Where archives disagree, one that says so is enough."""
    left: _Left = defaultdict(list)
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


# --- the classes of a rule -------------------------------------------------------------------------


def _wishes(
    match: RuleMatch, holdings: Sequence[Holding], exam: Exam, circumstances: Circumstances, left: _Left
) -> list[_Wish]:
    """What one rule wants: class by class, a later one not counting what an earlier one took."""
    wishes: list[_Wish] = []
    for prior_class in match.rule.priors:
        taken = {wish.holding.uid for wish in wishes}
        rest = [holding for holding in holdings if holding.uid not in taken]
        for holding, reason, wanted in _judge(match.rule, prior_class, rest, exam):
            if wanted:
                wishes.append(_wish(match, prior_class, holding, reason, circumstances))
            else:
                left[holding.uid].append(reason)
    limits = match.rule.limits
    budget = _Budget(limits.studies, limits.instances, circumstances.limits.unknown_instances)
    return list(_affordable(wishes, budget, "the rule", left))


def _judge(
    rule: Rule, prior_class: PriorClass, holdings: Sequence[Holding], exam: Exam
) -> Iterator[tuple[Holding, Reason, bool]]:
    """Each study with the reason why a class wants it or not; the newest first."""
    findings = [conditions.study_matches(prior_class, holding.study, exam) for holding in holdings]
    fitting = [holding for holding, finding in zip(holdings, findings, strict=True) if finding.holds]
    wanted = _pick(prior_class, fitting)
    too_many = f"only {_numbers(prior_class)} of {len(fitting)} are wanted"
    for holding, finding in zip(holdings, findings, strict=True):
        words = (
            f"{finding.because}; {wanted.get(holding.uid, too_many)}" if finding.holds else finding.because
        )
        reason = Reason(
            because=words, rule=rule.name, prior_class=prior_class.name, place=prior_class.place or None
        )
        yield holding, reason, holding.uid in wanted


def _pick(prior_class: PriorClass, fitting: Sequence[Holding]) -> dict[str, str]:
    """Study Instance UID → which one it is; a study without a date is never among the oldest."""
    if prior_class.is_unlimited:
        return {holding.uid: "all are wanted" for holding in fitting}
    oldest = [holding for holding in reversed(fitting) if holding.study.study_date][: prior_class.oldest or 0]
    newest = fitting[: prior_class.newest or 0]
    return {holding.uid: f"oldest, number {number}" for number, holding in enumerate(oldest, 1)} | {
        holding.uid: f"newest, number {number}" for number, holding in enumerate(newest, 1)
    }


def _numbers(prior_class: PriorClass) -> str:
    said = {"newest": prior_class.newest, "oldest": prior_class.oldest}
    return " and ".join(f"the {word} {number}" for word, number in said.items() if number)


def _wish(
    match: RuleMatch, prior_class: PriorClass, holding: Holding, reason: Reason, circumstances: Circumstances
) -> _Wish:
    """An archive in observe mode moves nothing, and so asks nothing of one that holds the study as well."""
    live = tuple(name for name in holding.archives if name not in circumstances.observed_archives)
    return _Wish(
        match=match,
        holding=replace(holding, archives=live or holding.archives),
        prior_class=prior_class.name,
        reason=reason,
        observe=match.observe or not live,
    )


# --- limits ----------------------------------------------------------------------------------------


class _Budget:
    """How many studies and instances may be taken; a study is counted once."""

    def __init__(self, studies: int | None, instances: int | None, unknown_instances: int) -> None:
        self._studies = studies
        self._instances = instances
        self._unknown = unknown_instances
        self._count = 0
        self._total = 0
        self._decided: dict[str, str | None] = {}

    def refuse(self, study: Study) -> str | None:
        """Why there is no room for a study; None where there is, and it is taken."""
        uid = study.study_instance_uid
        if uid not in self._decided:
            self._decided[uid] = self._decide(self._unknown if study.instances is None else study.instances)
        return self._decided[uid]

    def _decide(self, instances: int) -> str | None:
        if self._studies is not None and self._count >= self._studies:
            return f"is full with {self._studies} studies"
        if self._instances is not None and self._total + instances > self._instances:
            return f"has no room for {instances} instances more: {self._total} of {self._instances} are taken"
        self._count += 1
        self._total += instances
        return None


def _affordable(wishes: Iterable[_Wish], budget: _Budget, whose: str, left: _Left) -> Iterator[_Wish]:
    """The wishes that limits leave room for; one too big does not keep out the smaller ones after it."""
    for wish in wishes:
        refusal = budget.refuse(wish.holding.study)
        if refusal is None:
            yield wish
        else:
            because = f"{wish.reason.because}; but {whose} {refusal}"
            left[wish.holding.uid].append(replace(wish.reason, because=because))


def _cap(wishes: Iterable[_Wish], limits: Limits, left: _Left) -> list[_Wish]:
    """What fits under the cap of an exam: what is moved before what is observed, higher grades first."""
    by_weight = sorted(wishes, key=lambda wish: (wish.observe, -wish.grade))
    budget = _Budget(limits.studies, limits.instances, limits.unknown_instances)
    return list(_affordable(by_weight, budget, "the exam", left))


# --- union -----------------------------------------------------------------------------------------


def _union(wishes: Iterable[_Wish]) -> tuple[Choice, ...]:
    """One choice a study and destination."""
    together: dict[tuple[str, str], list[_Wish]] = defaultdict(list)
    for wish in wishes:
        for destination in wish.match.destinations:
            together[wish.holding.uid, destination].append(wish)
    return tuple(_choice(same, destination) for (_, destination), same in together.items())


def _choice(wishes: Sequence[_Wish], destination: str) -> Choice:
    """The highest grade and the earliest deadline win; who wins the grade says from where.

    What one rule moves is moved, though another only observes it.
    """
    moving = [wish for wish in wishes if not wish.observe] or wishes
    winner = min(moving, key=lambda wish: (-wish.grade, wish.match.deadline))
    return Choice(
        study=winner.holding.study,
        archives=winner.holding.archives,
        destination=destination,
        rule=winner.match.rule.name,
        prior_class=winner.prior_class,
        grade=winner.grade,
        start_at=min(wish.match.start_at for wish in moving),
        deadline=min(wish.match.deadline for wish in moving),
        observe=winner.observe,
        reason=winner.reason,
    )


def _candidates(
    everything: Iterable[Holding], choices: Sequence[Choice], wishes: Sequence[_Wish], left: _Left
) -> tuple[Candidate, ...]:
    """Every study of the patient, what is wanted first, with all that was said of it."""
    chosen = {choice.study.study_instance_uid for choice in choices}
    return (
        *(_taken(choice, wishes) for choice in choices),
        *(
            Candidate(
                study=holding.study,
                decision=Decision.LEFT,
                reasons=tuple(left[holding.uid]) or (_not_asked(holding),),
            )
            for holding in everything
            if holding.uid not in chosen
        ),
    )


def _not_asked(holding: Holding) -> Reason:
    return Reason(because=f"no rule that matches asks {' or '.join(holding.archives)}")


def _taken(choice: Choice, wishes: Iterable[_Wish]) -> Candidate:
    """A choice with its own reason first, and then those of other rules that want the same."""
    others = (
        wish.reason
        for wish in wishes
        if wish.holding.uid == choice.study.study_instance_uid
        and choice.destination in wish.match.destinations
        and wish.reason != choice.reason
    )
    return Candidate(
        study=choice.study,
        decision=Decision.OBSERVED if choice.observe else Decision.TAKEN,
        destination=choice.destination,
        reasons=(choice.reason, *others),
    )
