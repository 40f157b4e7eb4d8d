"""PURE: rules × order → which rules act, from where, to where, and when; with the reason for each.

Rules are matched before any archive is asked, because what they name decides who is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefetch import rules
from prefetch.model import Order, Reason
from prefetch.planning import conditions, named
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.exam import Exam
from prefetch.planning.findings import Finding, alternatives
from prefetch.rules import Mode, Rule
from prefetch.settings import Config


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

    @property
    def acts(self) -> bool:
        """Whether it chooses now."""
        return self.matched and not self.waits


def match_rules(
    rule_set: rules.RuleSet, order: Order, *, site: Config, now: datetime
) -> tuple[RuleMatch, ...]:
    """What each rule says of an order, in the order in which rules are looked at."""
    matches: list[RuleMatch] = []
    exam = Circumstances.of(site, now).exam(order)
    for rule in rule_set.in_turn:
        finding = _looked_at(rule, matches, order)
        if finding.holds and rule.when:
            finding = conditions.order_matches(rule.when, exam)
        destinations, nowhere = _destinations(rule, exam, site)
        if finding.holds and rule.priors and not destinations:
            finding = Finding(False, nowhere)
        if finding.holds and (wrong := named.problems(rule.priors, exam)):
            finding = Finding(True, "; ".join([finding.because, *wrong]))
        matches.append(_rule_match(rule, finding, destinations, order, site=site, now=now))
    return tuple(matches)


def _looked_at(rule: Rule, before: Sequence[RuleMatch], order: Order) -> Finding:
    """Whether a rule gets its turn at all, after the rules before it."""
    if not rule.enabled:
        return Finding(False, "it is switched off")
    if rule.feeds and rules.fold(order.source) not in map(rules.fold, rule.feeds):
        return Finding(False, f"the order is from {order.source}, not {alternatives(rule.feeds)}")
    matched = [match.rule for match in before if match.matched]
    stopper = next((one.name for one in matched if one.stop), None)
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


def _destinations(rule: Rule, exam: Exam, site: Config) -> tuple[tuple[str, ...], str]:
    """The workstations for an order, or why there is none."""
    to = rule.destinations or site.planning.to or tuple(site.workstations)
    if not isinstance(to, rules.Lookup):
        return tuple(dict.fromkeys(to)), ""
    values = conditions.values(to.by, exam)
    for case, names in to.cases.items():
        if any(rules.Pattern(case).matches(str(value)) for value in values):
            return tuple(dict.fromkeys(names)), ""
    said = ", ".join(map(str, values)) or "that is not said"
    return tuple(dict.fromkeys(to.otherwise)), f"no destination for {to.by} {said}"


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
