"""PURE: what was decided of an exam beside what other rules decide of it, and the sum over many exams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from prefetch import model, parts
from prefetch.model import Candidate, Decision
from prefetch.settings import Limits
from prefetch.store.recorded import Rate, Record, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One prior that an exam gains or loses, or gets from elsewhere or in another part."""

    order: model.Order
    target: Target
    """The study, and the destination of which this is said."""
    before: Candidate
    """What was decided of the study."""
    after: Candidate
    """What the other rules decide of it."""

    @property
    def study(self) -> model.Study:
        """The study."""
        return self.after.study


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What changes for one exam."""

    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    otherwise: tuple[Change, ...]
    """Still wanted, but from another archive, or another part of the study, or resting on one side only."""
    kept: tuple[Target, ...]
    """Wanted as before."""

    @property
    def is_touched(self) -> bool:
        """Whether anything changes."""
        return bool(self.gained or self.lost or self.otherwise)


def is_wanted(candidate: Candidate) -> bool:
    """Whether a study was chosen, whatever keeps it from moving."""
    return candidate.decision is not Decision.LEFT


def compare(record: Record, candidates: Iterable[Candidate]) -> Compared:
    """Compare what was decided of an exam with what other rules decide."""
    before, after = _wanted(record.plan.candidates), _wanted(candidates)
    was = _of_studies(record.plan.candidates)
    now = _of_studies(candidates)

    def change(target: Target) -> Change:
        uid, _ = target
        old = before.get(target) or was.get(uid) or _never_seen(after[target])
        new = after.get(target) or now.get(uid) or _never_seen(before[target])
        return Change(order=_brief(record.order), target=target, before=old, after=new)

    both = [target for target in before if target in after]
    otherwise = [target for target in both if not _is_same(before[target], after[target])]
    return Compared(
        gained=tuple(change(target) for target in after if target not in before),
        lost=tuple(change(target) for target in before if target not in after),
        otherwise=tuple(map(change, otherwise)),
        kept=tuple(target for target in both if target not in otherwise),
    )


def _wanted(candidates: Iterable[Candidate]) -> dict[Target, Candidate]:
    return {
        (one.study.study_instance_uid, one.destination or ""): one for one in candidates if is_wanted(one)
    }


def _of_studies(candidates: Iterable[Candidate]) -> dict[str, Candidate]:
    return {one.study.study_instance_uid: one for one in candidates}


def _never_seen(other: Candidate) -> Candidate:
    reason = model.Reason(because="no rule asked an archive that holds it")
    return replace(other, decision=Decision.LEFT, destination=None, reasons=(reason,))


def _is_same(before: Candidate, after: Candidate) -> bool:
    """Whether as much moves, from the same archive; what was there moved nothing, rest it or not."""
    if before.decision is Decision.PRESENT:
        return _how(before) == _how(after)
    return _how(before) == _how(after) and _rests(before) == _rests(after)


def _rests(candidate: Candidate) -> bool:
    return candidate.decision is Decision.COOLING


def _how(candidate: Candidate) -> tuple[str, frozenset[tuple[str, tuple[str, ...]]]]:
    return candidate.study.archive, frozenset(
        (part.series_instance_uid, part.only) for part in candidate.series
    )


def _brief(order: model.Order) -> model.Order:
    """An order without its messages."""
    return replace(order, sayings=(), segments=(), worklist={})


# --- many exams ------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of many exams; tallies of parts add up to that of the whole."""

    replayed: int = 0
    touched: int = 0
    not_replayed: Counter[str] = field(default_factory=Counter)
    """Why → exams."""
    not_judged: Counter[str] = field(default_factory=Counter)
    """What was missing → exams; one that missed two things is counted for each."""
    unjudged: list[str] = field(default_factory=list)
    """The exams that could not be judged, by what a person calls them."""
    gained: list[Change] = field(default_factory=list)
    lost: list[Change] = field(default_factory=list)
    otherwise: list[Change] = field(default_factory=list)
    kept: set[Target] = field(default_factory=set)
    there: set[Target] = field(default_factory=set)
    """What destinations held without our doing: nothing is saved by not wanting it."""

    def add(self, record: Record, compared: Compared) -> None:
        """Count an exam that was replayed."""
        self.replayed += 1
        self.touched += compared.is_touched
        self.gained += compared.gained
        self.lost += compared.lost
        self.otherwise += compared.otherwise
        self.kept.update(compared.kept)
        self.there |= record.there

    def skip(self, order: model.Order, missing: Iterable[str]) -> None:
        """Count an exam that could not be judged."""
        self.not_judged.update(set(missing))
        self.unjudged.append(order.name)

    def unite(self, other: Tally) -> None:
        """Count the exams of another tally too."""
        self.replayed += other.replayed
        self.touched += other.touched
        self.not_replayed += other.not_replayed
        self.not_judged += other.not_judged
        self.unjudged += other.unjudged
        self.gained += other.gained
        self.lost += other.lost
        self.otherwise += other.otherwise
        self.kept |= other.kept
        self.there |= other.there


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What is moved, all together. Bytes are estimated: no archive says them in advance."""

    studies: int = 0
    instances: int = 0
    bytes: int = 0
    uncounted: int = 0
    """Studies of which the archive does not say the instances: they count as the site says."""

    def __add__(self, other: Volume) -> Volume:
        """Both together."""
        return Volume(
            studies=self.studies + other.studies,
            instances=self.instances + other.instances,
            bytes=self.bytes + other.bytes,
            uncounted=self.uncounted + other.uncounted,
        )

    def minutes(self, rate: Rate | None) -> float | None:
        """How long an archive is busy with it; None where its rate is not known and there is something."""
        if not self.instances:
            return 0.0
        return None if rate is None else self.instances / rate.instances_a_second / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What an archive has to move more, and what less."""

    more: Volume = Volume()
    less: Volume = Volume()

    def __add__(self, other: Traffic) -> Traffic:
        """Of two archives together."""
        return Traffic(more=self.more + other.more, less=self.less + other.less)


def traffic(tally: Tally, limits: Limits) -> dict[str, Traffic]:
    """What each archive has to move more and less; a study that several exams want at a place moves once."""
    before = {one.target: one.before for one in (*tally.lost, *tally.otherwise)}
    after = {one.target: one.after for one in (*tally.gained, *tally.otherwise)}
    counted: dict[str, Traffic] = {}
    for target in (before | after).keys() - tally.kept - tally.there:
        old, new = before.get(target), after.get(target)
        if old and new and _is_same(old, new):
            continue
        for candidate, which in ((old, "less"), (new, "more")):
            if candidate is not None and candidate.decision not in _UNMOVED:
                archive = candidate.study.archive
                known = counted.get(archive, Traffic())
                total = getattr(known, which) + _volume(candidate, limits)
                counted[archive] = replace(known, **{which: total})
    return dict(sorted(counted.items()))


_UNMOVED = frozenset({Decision.QUARANTINED, Decision.COOLING})
"""Wanted, and not moved for now."""


def _volume(candidate: Candidate, limits: Limits) -> Volume:
    series = candidate.series
    study = replace(candidate.study, instances=parts.count(series)) if series else candidate.study
    return Volume(
        studies=1,
        instances=limits.count(study),
        bytes=limits.estimate(study),
        uncounted=study.instances is None,
    )


def by_rule(tally: Tally) -> Mapping[str, tuple[int, int]]:
    """Rule → how many priors are gained by it, and how many that it took are lost."""
    gained = Counter(one.after.reasons[0].rule or "" for one in tally.gained if one.after.reasons)
    lost = Counter(one.before.reasons[0].rule or "" for one in tally.lost if one.before.reasons)
    return {name: (gained[name], lost[name]) for name in sorted(gained | lost)}
