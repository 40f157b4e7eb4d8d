"""PURE: what the classes of one rule choose among the studies of a patient, and why each is taken or left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from prefetch.model import Reason, Series, Study
from prefetch.planning import candidates, named, series
from prefetch.planning.budget import Budget
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.exam import Compared, Exam, compare
from prefetch.planning.findings import Finding, every
from prefetch.planning.holdings import Holding
from prefetch.planning.matching import RuleMatch
from prefetch.rules import PriorClass, SeriesFilter

GRADE = 3
"""Relevance of what a class chooses that does not ask for any."""

Left = defaultdict[str, list[Reason]]
"""Study Instance UID → why it was left, rule by rule and class by class."""


class Table:
    """The patient's studies beside the exam, each described and graded once."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        # By identity, since a study has many fields to hash; what is kept here is not freed and named anew.
        self._known: dict[int, Compared] = {}

    def of(self, study: Study) -> Compared:
        """A study beside the exam."""
        known = self._known.get(id(study))
        if known is None:
            known = self._known[id(study)] = compare(self.exam, study)
        return known

    def lay_out(self, holdings: Sequence[Holding]) -> Laid:
        """What archives hold together, for the classes of the rules that go by those archives."""
        beside = candidates.Beside(self.exam, [self.of(holding.study) for holding in holdings])
        return Laid(holdings=holdings, uids=[holding.uid for holding in holdings], beside=beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What some archives hold together, the newest first, beside the exam."""

    holdings: Sequence[Holding]
    uids: Sequence[str]
    """Their Study Instance UIDs."""
    beside: candidates.Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One class of one rule wants one study."""

    match: RuleMatch
    holding: Holding
    prior_class: str
    reason: Reason
    observe: bool
    grade: int
    series: tuple[Series, ...] = ()
    """The series that are wanted; none: the whole study."""

    @property
    def counted(self) -> Study:
        """The study as limits count it: of a part only that."""
        if not self.series:
            return self.holding.study
        counts = [each.instances for each in self.series]
        modalities = tuple(dict.fromkeys(each.modality for each in self.series if each.modality))
        instances = None if None in counts else sum(count or 0 for count in counts)
        return replace(self.holding.study, instances=instances, modalities=modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """One rule at its choice; what it leaves is told in `left`."""

    match: RuleMatch
    table: Table
    circumstances: Circumstances
    left: Left
    no_priors: frozenset[str] = frozenset()
    """Studies that are none, unless the order names them."""

    def among(self, laid: Laid) -> list[Wish]:
        """What the rule wants: class by class, a later one not counting what an earlier one took."""
        wishes: list[Wish] = []
        for prior_class in self.match.rule.priors:
            taken = frozenset(wish.holding.uid for wish in wishes)
            wishes += self._class(prior_class, laid, taken=taken)
        budget = Budget(self.match.rule.limits, self.circumstances.limits)
        return list(affordable(wishes, budget, "the rule", self.left))

    def lacking(self, laid: Laid) -> list[Study]:
        """The studies of which the series must be known to tell what the rule wants."""
        return [
            holding.study
            for number, holding in enumerate(laid.holdings)
            if any(self._is_lacking(asked, laid, number) for asked in self.match.rule.priors)
        ]

    def _is_lacking(self, asked: PriorClass, laid: Laid, number: int) -> bool:
        return (
            series.is_lacking(laid.holdings[number].study, asked)
            and laid.uids[number] not in self._barred(asked)
            and laid.beside.may_be(asked, number)
        )

    def _barred(self, asked: PriorClass) -> frozenset[str]:
        """The studies that a class may not choose."""
        if not self.no_priors:
            return self.no_priors
        return self.no_priors - named.uids(asked, self.table.exam).keys()

    def _class(self, asked: PriorClass, laid: Laid, *, taken: frozenset[str]) -> Iterator[Wish]:
        """What one class wants, the newest first; `taken` is what the classes before it took."""
        barred = self._barred(asked) | taken
        found = list(zip(laid.uids, laid.holdings, laid.beside.of(asked), strict=True))
        if barred:
            found = [one for one in found if one[0] not in barred]
        parts: dict[str, tuple[Series, ...]] = {}
        if asked.series:
            found, parts = _narrow(asked.series, found)
        fitting = [holding for _, holding, finding in found if finding.holds]
        wanted, otherwise = _pick(asked, fitting, taken=len(taken))
        rule, name, place = self.match.rule.name, asked.name, asked.place or None
        for uid, holding, (holds, because) in found:
            why = f"{because}; {wanted.get(uid, otherwise)}" if holds else because
            reason = Reason(because=why, rule=rule, prior_class=name, place=place)
            if uid in wanted:
                yield self._wish(asked, holding, parts.get(uid, ()), reason)
            else:
                self.left[uid].append(reason)

    def _wish(self, asked: PriorClass, holding: Holding, part: tuple[Series, ...], reason: Reason) -> Wish:
        """An archive in observe mode moves nothing, and leaves the study to another that holds it."""
        observed = self.circumstances.observed_archives
        live = tuple(name for name in holding.archives if name not in observed)
        mirrors = tuple(name for name in self.match.mirrors if name not in observed)
        return Wish(
            match=self.match,
            holding=replace(holding, archives=(*live, *mirrors) if live else holding.archives),
            prior_class=asked.name,
            reason=reason,
            observe=self.match.observe or not live,
            series=part,
            grade=self.table.of(holding.study).graded.grade if asked.relevance else GRADE,
        )


_Found = list[tuple[str, Holding, Finding]]
"""Study Instance UID, what is held of it, and what a class finds."""


def _narrow(asked: SeriesFilter, found: _Found) -> tuple[_Found, dict[str, tuple[Series, ...]]]:
    """What is found with the series asked about as well, and by Study Instance UID which are wanted.

    None wanted of a study that fits: the whole of it.
    """
    narrowed: _Found = []
    parts = {}
    for uid, holding, finding in found:
        if finding.holds:
            parts[uid], of_series = series.wanted(asked, holding.study)
            narrowed.append((uid, holding, every([finding, of_series])))
        else:
            narrowed.append((uid, holding, finding))
    return narrowed, parts


def _pick(asked: PriorClass, fitting: Sequence[Holding], *, taken: int) -> tuple[dict[str, str], str]:
    """Study Instance UID → which one it is, and why the others are not wanted.

    A study without a date is never among the oldest.
    """
    if asked.if_fewer_than is not None and taken >= asked.if_fewer_than:
        return {}, f"only wanted if there are fewer than {asked.if_fewer_than}, and there are {taken}"
    if asked.is_unlimited:
        return {holding.uid: "all are wanted" for holding in fitting}, ""
    oldest = [holding for holding in reversed(fitting) if holding.study.study_date][: asked.oldest or 0]
    newest = fitting[: asked.newest or 0]
    wanted = {holding.uid: f"oldest, number {number}" for number, holding in enumerate(oldest, 1)} | {
        holding.uid: f"newest, number {number}" for number, holding in enumerate(newest, 1)
    }
    return wanted, f"only {_numbers(asked)} of {len(fitting)} are wanted"


def _numbers(asked: PriorClass) -> str:
    said = {"newest": asked.newest, "oldest": asked.oldest}
    return " and ".join(f"the {word} {number}" for word, number in said.items() if number)


def affordable(wishes: Iterable[Wish], budget: Budget, whose: str, left: Left) -> Iterator[Wish]:
    """The wishes that limits leave room for; one too big does not keep out the smaller ones after it."""
    for wish in wishes:
        refusal = budget.refuse(wish.counted)
        if refusal is None:
            yield wish
        else:
            because = f"{wish.reason.because}; but {whose} {refusal}"
            left[wish.holding.uid].append(replace(wish.reason, because=because))
