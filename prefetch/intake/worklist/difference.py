"""PURE: what is new, changed or absent in a worklist's answer, compared with what it answered before.

A worklist repeats itself every minute: only what it changed counts as said. It also ignores keys, limits its
answers and fails half-way: what is absent from an answer is only counted, and only where the answer was whole
and should have held it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import Enum
from typing import Any, TypeVar

from prefetch import modalities
from prefetch.intake.worklist import reading
from prefetch.intake.worklist.reading import Item, Name
from prefetch.model import Action, OrderEvent, Outcome, WorklistAnswer

T = TypeVar("T")

SUSPICIOUS = 10
"""An empty answer where more items than this were known is no word on any of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An item as it was last answered."""

    id: int
    item: Item
    absences: int = 0
    """Whole answers in a row that should have held it and did not."""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What of a worklist is of interest: the matching keys, which not every worklist honours."""

    first_day: date
    last_day: date
    stations: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    """Terms or families; none: all."""

    def holds(self, item: Item) -> bool:
        """Whether an item should be in the answer."""
        day = reading.day_of(item)
        return (day is None or self.first_day <= day <= self.last_day) and self._is_ours(item)

    def _is_ours(self, item: Item) -> bool:
        terms = {term for name in self.modalities for term in (name, *modalities.members(name))}
        station = not self.stations or bool(self.stations & reading.stations_of(item))
        return station and (not terms or reading.modality_of(item) in terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What a worklist says of one exam now, and what of that is news."""

    event: OrderEvent
    """All that its items say; names the exam."""
    news: OrderEvent
    """Only what they did not say before."""
    written: tuple[tuple[Known | None, Item], ...]
    """Items to keep, each with what it was before."""
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An answer compared with the one before."""

    exams: tuple[Exam, ...] = ()
    """Of which there is news."""
    seen: tuple[Known, ...] = ()
    absent: tuple[Known, ...] = ()
    """Each with one absence more."""
    duplicates: int = 0
    outside: int = 0
    """Items that nobody asked for."""
    unnamed: int = 0
    """Items without any number that could name an order."""


class Fate(Enum):
    """What an ask by number says of an item."""

    GONE = "gone"
    STILL_THERE = "still there"
    UNSURE = "unsure"


def is_doubtful(known: Iterable[Known], answer: WorklistAnswer, interest: Interest) -> str | None:
    """Why an answer is no word on what it does not hold; None where it is."""
    if answer.outcome is not Outcome.SUCCESS:
        return answer.because
    expected = sum(interest.holds(one.item) for one in known if not one.gone)
    if not answer.items and expected > SUSPICIOUS:
        return f"no item at all where {expected} were known"
    return None


def compare(
    known: Sequence[Known],
    items: Sequence[Item],
    *,
    interest: Interest,
    whole: bool,
    issuer: str | None = None,
) -> Difference:
    """Compare an answer with what is known; only where it is `whole` anything is absent from it."""
    before = _by_name(known, lambda one: one.item)
    wanted = [item for item in items if interest.holds(item) or _find(before, item) is not None]
    answered = _without_duplicates(wanted)
    now = _by_name(answered, lambda item: item)
    seen = tuple(one for one in known if _find(now, one.item) is not None)
    there = {one.id for one in seen}
    missing = [one for one in known if one.id not in there and not one.gone]
    once = [one.item for one in known if one.id not in there and one.gone]
    exams = _exams([(_find(before, item), item) for item in answered], missing, once, issuer)
    return Difference(
        exams=tuple(exam for exam in exams if exam.event.identifies_an_order and exam.written),
        seen=seen,
        absent=tuple(
            replace(one, absences=one.absences + 1) for one in missing if whole and interest.holds(one.item)
        ),
        duplicates=len(wanted) - len(answered),
        outside=len(items) - len(wanted),
        unnamed=sum(not exam.event.identifies_an_order for exam in exams),
    )


def without(
    known: Sequence[Known], gone: Known, *, issuer: str | None = None
) -> tuple[OrderEvent, OrderEvent]:
    """What is said of an exam without an item that has gone, and the news: cancelled if it was the last."""
    exam = reading.exam_of(gone.item)
    items = [one.item for one in known if not one.gone and reading.exam_of(one.item) == exam]
    steps = sum(reading.exam_of(one.item) == exam for one in known)
    before = reading.read_exam(items, issuer=issuer, steps=steps)
    left = [item for item in items if item != gone.item]
    if not left:
        cancelled = replace(before, action=Action.CANCEL, status=None)
        return cancelled, OrderEvent(action=Action.CANCEL)
    after = reading.read_exam(left, issuer=issuer, steps=steps)
    return after, _news(before, after)


def same_item(item: Item, among: Iterable[Item]) -> list[Item]:
    """What is the same item, as it is now."""
    return [other for other in among if reading.names_of(other) & reading.names_of(item)]


def judge(gone: Known, answer: WorklistAnswer, *, asked_for: Callable[[Item], bool]) -> Fate:
    """What the answer to an ask by number says: an answer with other items shows that the key is ignored."""
    if same_item(gone.item, answer.items):
        return Fate.STILL_THERE
    if answer.outcome is not Outcome.SUCCESS or not all(map(asked_for, answer.items)):
        return Fate.UNSURE
    return Fate.GONE


# --- the small print ---------------------------------------------------------------------------------


def _by_name(entries: Iterable[T], item_of: Callable[[T], Item]) -> dict[Name, T]:
    found: dict[Name, T] = {}
    for entry in entries:
        for name in reading.names_of(item_of(entry)):
            found.setdefault(name, entry)
    return found


def _find(named: Mapping[Name, T], item: Item) -> T | None:
    return next((named[name] for name in sorted(reading.names_of(item)) if name in named), None)


def _without_duplicates(items: Sequence[Item]) -> list[Item]:
    """One item a name: the earliest, so that it does not matter in which order they were answered."""
    kept: list[Item] = []
    taken: set[Name] = set()
    for item in sorted(
        items, key=lambda item: (reading.start_of(item) or "~", repr(sorted(item.items(), key=str)))
    ):
        names = reading.names_of(item)
        if not names & taken:
            kept.append(item)
        taken |= names
    return kept


def _exams(
    answered: Sequence[tuple[Known | None, Item]],
    missing: Sequence[Known],
    once: Sequence[Item],
    issuer: str | None,
) -> list[Exam]:
    """The exams of an answer, each of all its steps: those that are missing stand as they were."""
    grouped: dict[Name, list[tuple[Known | None, Item]]] = {}
    for one, item in answered:
        grouped.setdefault(reading.exam_of(item), []).append((one, item))
    silent: dict[Name, list[Item]] = {}
    for missed in missing:
        silent.setdefault(reading.exam_of(missed.item), []).append(missed.item)
    former = Counter(map(reading.exam_of, once))
    return [
        _exam(members, silent.get(exam, []), former=former[exam], issuer=issuer)
        for exam, members in grouped.items()
    ]


def _exam(
    members: Sequence[tuple[Known | None, Item]], silent: Sequence[Item], *, former: int, issuer: str | None
) -> Exam:
    """One exam; `former` steps of it have gone."""
    now = [*(item for _, item in members), *silent]
    before = [*(one.item for one, _ in members if one is not None and not one.gone), *silent]
    event = reading.read_exam(now, issuer=issuer, steps=len(now) + former)
    said = reading.read_exam(before, issuer=issuer, steps=len(before) + former) if before else None
    return Exam(
        event=event,
        news=event if said is None else _news(said, event),
        is_new=said is None,
        written=tuple((one, item) for one, item in members if one is None or one.gone or one.item != item),
    )


_MAY_BE_UNSAID = tuple(each.name for each in fields(OrderEvent) if each.default is None)


def _news(before: OrderEvent, after: OrderEvent) -> OrderEvent:
    """What of an event was not said before; what is no longer said was not deleted."""
    same: dict[str, Any] = {
        name: None for name in _MAY_BE_UNSAID if getattr(before, name) == getattr(after, name)
    }
    if not {"patient_id", "issuer_of_patient_id"} <= same.keys():
        same = {name: None for name in same if name not in {"patient_id", "issuer_of_patient_id"}}
    action = after.action if after.action is not before.action else Action.CHANGE
    worklist = {} if before.worklist == after.worklist else after.worklist
    return replace(after, **same, action=action, worklist=worklist)
