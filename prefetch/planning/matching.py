"""PURE: rules × order → which rules act, from where, to where, and when; with the reason for each.

Rules are matched before any archive is asked, because what they name decides who is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from prefetch import openings, orders, rules
from prefetch.model import MATCHES, Order, Priority, Reason
from prefetch.planning import conditions, named
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.exam import Exam
from prefetch.planning.findings import Finding, alternatives, is_of_kind
from prefetch.rules import Mode, Rule
from prefetch.settings import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMatch:
    """What one rule says of one order."""

    rule: Rule
    matched: bool
    waits: bool
    """It matches, and waits for the message that brings a time."""
    skips: bool
    """It matches, and fetches nothing for an order that is too late for it."""
    reason: Reason
    archives: tuple[str, ...]
    """In order of preference; none for a rule that wants nothing."""
    destinations: tuple[str, ...]
    start_at: datetime
    closes_at: datetime | None
    """When its window closes; None: nothing but the deadline presses."""
    deadline: datetime
    lane: Priority
    observe: bool
    mirrors: tuple[str, ...] = ()
    """Archives that say what the others do, and were not asked: they are next where a move fails for good."""

    @property
    def acts(self) -> bool:
        """Whether it chooses now."""
        return self.matched and not self.waits and not self.skips


def match_rules(
    rule_set: rules.RuleSet, order: Order, *, site: Config, now: datetime
) -> tuple[RuleMatch, ...]:
    """What each rule says of an order, in the order in which rules are looked at."""
    matches: list[RuleMatch] = []
    matched: list[Rule] = []
    exam = Circumstances.of(site, now).exam(order)
    for rule in rule_set.in_turn:
        finding = _looked_at(rule, matched, order)
        if finding.holds and rule.when:
            finding = conditions.order_matches(rule.when, exam)
        destinations, nowhere = _destinations(rule, exam, site)
        if finding.holds and rule.priors and not destinations:
            finding = Finding(False, nowhere)
        if finding.holds and (wrong := named.problems(rule.priors, exam)):
            finding = Finding(True, "; ".join([finding.because, *wrong]))
        matches.append(_rule_match(rule, finding, destinations, order, site=site, now=now))
        matched += [rule] if finding.holds else []
    return tuple(matches)


def _looked_at(rule: Rule, matched: Sequence[Rule], order: Order) -> Finding:
    """Whether a rule gets its turn at all, after those before it that matched."""
    if not rule.enabled:
        return Finding(False, "it is switched off")
    if rule.feeds and rules.fold(order.source) not in map(rules.fold, rule.feeds):
        return Finding(False, f"the order is from {order.source}, not {alternatives(rule.feeds)}")
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
    times = _times(rule, order, site=site, now=now) if matched else _at_once(now)
    skips = matched and not waits and times.skips
    words = f"{MATCHES}, and waits for a time" if waits else MATCHES if matched else "does not match"
    because = f"{words}: {finding.because}"
    if matched and not waits and times.because:
        because = f"{because}; {times.because}"
    return RuleMatch(
        rule=rule,
        matched=matched,
        waits=waits,
        skips=skips,
        reason=Reason(because=because, rule=rule.name, place=rule.place or None),
        archives=(rule.archives or tuple(site.archives)) if rule.priors else (),
        destinations=destinations if rule.priors else (),
        start_at=times.opening.opens,
        closes_at=times.opening.closes,
        deadline=times.deadline,
        lane=orders.lane(order) if rule.priority is None else rule.priority,
        observe=Mode.OBSERVE in {rule.mode, site.mode},
    )


def _destinations(rule: Rule, exam: Exam, site: Config) -> tuple[tuple[str, ...], str]:
    """The workstations for an order, or why there is none."""
    to = rule.destinations or site.planning.to or tuple(site.workstations)
    if not isinstance(to, rules.Lookup):
        return tuple(dict.fromkeys(to)), ""
    values = conditions.values(to.by, exam)
    for case, names in to.cases.items():
        if any(_decides(case, value, to.by) for value in values):
            return tuple(dict.fromkeys(names)), ""
    said = ", ".join(map(str, values)) or "that is not said"
    return tuple(dict.fromkeys(to.otherwise)), f"no destination for {to.by} {said}"


def _decides(case: str, value: object, by: rules.OrderValue) -> bool:
    """Whether a case of a look-up is for a value; of modalities XR is CR, DX, RG and PX here too."""
    is_kind = by.text == "modality" and is_of_kind(str(value), [case])
    return is_kind or rules.Pattern(case).matches(str(value))


# --- when ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a rule may fetch for an order, and by when."""

    opening: openings.Opening
    deadline: datetime
    skips: bool = False
    because: str = ""
    """What needs saying of them."""


def _at_once(now: datetime) -> Times:
    """For a rule that does not match, of which nobody asks when."""
    return Times(opening=openings.Opening(now), deadline=now)


def _times(rule: Rule, order: Order, *, site: Config, now: datetime) -> Times:
    """When the fetch may begin and by when it must be ready."""
    times = _asked_for(rule, order, site=site, now=now)
    if order.fetch_now:
        return times
    if _came_late(order, times.deadline):
        skips = rule.if_late is rules.IfLate.SKIP
        words = "the order came after the deadline"
        return replace(times, skips=skips, because=f"{words}: nothing is fetched" if skips else words)
    if not rule.windows or orders.is_emergency(order):
        return times
    return _in_window(rule, times, site=site, now=now)


def _asked_for(rule: Rule, order: Order, *, site: Config, now: datetime) -> Times:
    """By the rule's times alone, or the site's; without a time of the exam at once."""
    exam = order.scheduled_start
    if exam is None:
        return Times(opening=openings.Opening(now), deadline=now + site.planning.deadline_if_unscheduled)
    begin = (rule.fetch_from or site.planning.fetch_from).before_exam
    ready = (rule.ready_by or site.planning.ready_by).before_exam or timedelta()
    # In UTC: a day before the exam is 24 hours before it, whatever the clocks do in that night.
    start = exam.astimezone(UTC)
    return Times(opening=openings.Opening(now if begin is None else start - begin), deadline=start - ready)


def _came_late(order: Order, deadline: datetime) -> bool:
    """Whether the order itself came after its deadline; one that is planned again later did not."""
    return order.scheduled_start is not None and order.created_at >= deadline


def _in_window(rule: Rule, times: Times, *, site: Config, now: datetime) -> Times:
    """The same within the rule's windows, as far as one opens before the deadline."""
    begin = times.opening.opens
    opening = openings.first_opening(rule.windows, max(begin, now), site.time_zone)
    named = alternatives(rule.windows)
    if opening.opens >= times.deadline:
        return _without_window(rule, times, opening, f"{named} does not open before the deadline")
    because = f"moves in {named}: from {_local(opening.opens, site)} to {_local(opening.closes, site)}"
    return replace(times, opening=replace(opening, opens=max(begin, opening.opens)), because=because)


def _without_window(rule: Rule, times: Times, opening: openings.Opening, because: str) -> Times:
    if rule.if_no_window is rules.IfNoWindow.WAIT:
        return replace(times, opening=opening, because=f"{because}: waits for it all the same")
    skips = rule.if_no_window is rules.IfNoWindow.SKIP
    return replace(
        times, skips=skips, because=f"{because}: {'nothing is fetched' if skips else 'fetched anyway'}"
    )


def _local(moment: datetime | None, site: Config) -> str:
    return f"{moment.astimezone(site.time_zone):%Y-%m-%d %H:%M}" if moment else ""
