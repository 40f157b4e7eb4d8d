"""Asking by C-FIND in the thread that holds the association (PS3.4 C.4.1, C.6).

One question may take several: in the manner that the archive likes (`manner`), and in parts where it gives no
more than so many answers (`narrowing`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Generic, TypeVar

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association

from prefetch import modalities, model
from prefetch.dimse import answer, exchange, identifier, manner, narrowing, peer, status, wire
from prefetch.dimse.message import Command
from prefetch.model import Outcome

T = TypeVar("T")
Ask = Callable[[Dataset], "Answers[model.Study]"]

MOST_INSTANCES = 100_000
"""Of a study, beyond which nobody counts."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What was read of the answers to one query, and what became of it."""

    read: list[T]
    verdict: status.Verdict
    status: int | None
    milliseconds: float

    @property
    def whole(self) -> bool:
        """Whether all came and could be read."""
        return self.verdict.outcome is Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whom we ask, over which association, and what is known of how it wants to be asked."""

    association: Association
    of: peer.Peer
    habits: manner.Habits
    patient_id: str | None = None
    """Whose studies the question is about, for archives that want it at every level."""

    @property
    def is_under_patient_root(self) -> bool:
        """Whether studies are asked for under Patient Root."""
        root = self.habits.manner("STUDY", wire.offered(self.association)).root
        return root == wire.PATIENT_ROOT_FIND

    def ask(
        self,
        query: Dataset,
        *,
        read: Callable[[Dataset], T | None],
        limit: int,
        longest: int = exchange.LONGEST_ANSWER,
    ) -> Answers[T]:
        """Ask in the manner that was taken last; where it is refused, once in each other that may help."""
        level, offered = str(query.QueryRetrieveLevel), wire.offered(self.association)
        first = self.habits.manner(level, offered)
        if first.root not in offered:
            because = f"{self.of.ae_title} does not offer C-FIND"
            return Answers([], status.Verdict(outcome=Outcome.PERMANENT, because=because), None, 0.0)
        put = partial(self._put, query, read=read, limit=limit, longest=longest)
        asked = put(first)
        if asked.status == status.SUCCESS:
            self.habits.answered(level)
        others = [other for other in self.habits.others(level, first, asked.status) if other.root in offered]
        for other in others:
            again = put(other)
            if again.status == status.SUCCESS:
                self.habits.learn(level, other, asked.verdict.because)
            if again.status is None or again.status not in manner.REFUSALS:
                return again
        if others:
            self.habits.give_up(level)
        return asked

    def _put(
        self,
        query: Dataset,
        way: manner.Manner,
        *,
        read: Callable[[Dataset], T | None],
        limit: int,
        longest: int,
    ) -> Answers[T]:
        put = manner.put(query, way, patient_id=self.patient_id)
        return ask(self.association, put, way.root, of=self.of, read=read, limit=limit, longest=longest)


def ask(
    association: Association,
    query: Dataset,
    sop_class: UID,
    *,
    of: peer.Peer,
    read: Callable[[Dataset], T | None],
    limit: int,
    longest: int = exchange.LONGEST_ANSWER,
) -> Answers[T]:
    """Ask, and read all the answers; at more than the limit the first are kept and the association ends.

    `read` gives None for an answer that says nothing of use: then the whole is no Success. `longest` bounds
    each answer, in bytes; what is longer says nothing of use either.
    """
    timeouts = of.timeouts
    asking = exchange.Exchange(association, idle=timeouts.idle, total=timeouts.find_total, longest=longest)
    answers: list[T | None] = []
    cut = False
    for each in asking.ask(Command.FIND, sop_class, query):
        cut = len(answers) == limit
        if cut:
            # After a C-CANCEL an archive may send on, and the next query would take that for its answers.
            association.abort(block=False)
            break
        answers.append(None if each is None else read(each))
    readable = [each for each in answers if each is not None]
    if cut or asking.too_much:
        most = f"{limit} answers" if cut else asking.too_much
        because = f"more than {most}; only the first {len(answers)} were read"
        verdict = status.Verdict(outcome=Outcome.PARTIAL, because=because)
    else:
        verdict = _judge(asking.last, readable=len(readable) == len(answers))
        if asking.keys_unsupported and verdict.outcome is Outcome.SUCCESS:
            verdict = replace(verdict, because=f"{verdict.because}; some keys are not supported (0xFF01)")
    return Answers(readable, verdict, asking.last.status, asking.milliseconds)


# --- studies ---------------------------------------------------------------------------------------


def find_studies(asker: Asker, query: Dataset, *, today: date) -> model.FindResult:
    """Ask for studies, in parts where that is needed, and read all the answers."""
    read = partial(answer.read_study, archive=asker.of.name, character_set=asker.of.character_set)
    put = partial(asker.ask, read=read, limit=asker.of.answer_limit)
    asked = put(query)
    if asked.status == status.OUT_OF_RESOURCES:
        asked = put(query)  # what passes is no limit; asked in parts, a study without a date would be missing
    if _is_cut(asked, asker.of):
        asked = _in_parts(put, query, asked, of=asker.of, today=today)
    studies = answer.collapse(asked.read)
    says_nobody = "PatientBirthDate" in query and any(study.birth_date is None for study in studies)
    if says_nobody and asker.is_under_patient_root:
        studies = _say_whose(studies, asker)
    return _result(asked, studies)


def find_studies_under(asker: Asker, query: Dataset, *, root: UID) -> model.FindResult:
    """Ask once under one root, whatever manner the archive likes, and read its first answer."""
    read = partial(answer.read_study, archive=asker.of.name, character_set=asker.of.character_set)
    put = manner.put(query, manner.Manner(root=root), patient_id=asker.patient_id)
    asked = ask(asker.association, put, root, of=asker.of, read=read, limit=asker.of.answer_limit)
    return _result(asked, answer.collapse(asked.read))


def _result(asked: Answers[model.Study], studies: tuple[model.Study, ...]) -> model.FindResult:
    return replace(
        unasked(asked.verdict), studies=studies, status=asked.status, milliseconds=asked.milliseconds
    )


def unasked(verdict: status.Verdict) -> model.FindResult:
    """Give the result of a query that could not be put, or of one without its answers."""
    return model.FindResult(
        outcome=verdict.outcome, because=verdict.because, unwell=verdict.unwell, refused=verdict.refused
    )


def _say_whose(studies: tuple[model.Study, ...], asker: Asker) -> tuple[model.Study, ...]:
    """Under Patient Root a study may not say whose it is: then the PATIENT level does, of one person."""
    if asker.patient_id is None:
        return studies
    read = partial(answer.read_patient, character_set=asker.of.character_set)
    found = asker.ask(identifier.patient(asker.patient_id), read=read, limit=asker.of.answer_limit)
    people = dict.fromkeys(found.read)
    if not found.whole or len(people) != 1:
        return studies
    (person,) = people
    return tuple(
        replace(
            study,
            patient_name=study.patient_name or person.name,
            birth_date=study.birth_date or person.birth_date,
            sex=study.sex or person.sex,
        )
        for study in studies
    )


def _is_cut(asked: Answers[model.Study], of: peer.Peer) -> bool:
    return narrowing.is_cut(asked.status, len(asked.read), of.most_answers)


def _in_parts(
    ask: Ask, query: Dataset, first: Answers[model.Study], *, of: peer.Peer, today: date
) -> Answers[model.Study]:
    """Ask again in parts, by study date; what came at first and has no date is kept."""
    parts = list(_parts(ask, query, of=of, today=today))
    found = [study for part, _ in parts for study in part.read]
    _, unanswered = parts[-1]
    verdict = unanswered or _whole(first, found, questions=len(parts))
    return Answers(
        [*first.read, *found],
        verdict,
        parts[-1][0].status,
        first.milliseconds + sum(part.milliseconds for part, _ in parts),
    )


def _parts(
    ask: Ask, query: Dataset, *, of: peer.Peer, today: date
) -> Iterator[tuple[Answers[model.Study], status.Verdict | None]]:
    """Each part's answers; with the last of them why no more are asked for, where some are left."""
    waiting = deque(narrowing.parts(today))
    asked = 0
    while waiting:
        days = waiting.popleft()
        part = ask(identifier.between(query, days))
        asked += 1
        cut = _is_cut(part, of)
        ends = _why_stop(part, days, cut=cut, last=asked + len(waiting) >= narrowing.MOST_QUESTIONS)
        yield part, ends
        if ends is not None:
            return
        if cut:
            waiting.extendleft(reversed(days.halves()))


def _why_stop(
    part: Answers[model.Study], days: narrowing.Days, *, cut: bool, last: bool
) -> status.Verdict | None:
    """Why no further part is asked for; None where the next one is."""
    if not narrowing.are_within(days, part.read):
        return _cut_short("and it does not heed study dates, by which it was asked in parts")
    if not cut:
        return None if part.verdict.outcome in {Outcome.SUCCESS, Outcome.WARNING} else part.verdict
    if days.is_short and part.verdict.outcome is Outcome.TRANSIENT:
        return part.verdict
    if last or not days.halves():
        return _cut_short(f"and the studies of {days} are still too many for one answer")
    return None


def _whole(first: Answers[model.Study], found: list[model.Study], *, questions: int) -> status.Verdict:
    """What the parts come to together."""
    if not narrowing.are_among(first.read, found):
        return _cut_short("and it does not find by study date what it has")
    if len(found) <= len(first.read) and first.whole:
        return first.verdict  # it was no limit: the patient has just as many
    asked = f"{first.verdict.because}; asked in {questions} parts, by study date"
    if first.whole:
        return status.Verdict(outcome=Outcome.SUCCESS, because=asked)
    because = f"{asked}; a study without a date may be missing"
    return status.Verdict(outcome=Outcome.WARNING, because=because)


def _cut_short(because: str) -> status.Verdict:
    return status.Verdict(
        outcome=Outcome.PARTIAL, because=f"the archive gives no more than so many answers, {because}"
    )


# --- series and instances --------------------------------------------------------------------------


def count_instances(asker: Asker, *, study_instance_uid: str) -> int | None:
    """How many instances there are of a study, counted series by series; `None` where that cannot be told.

    For peers that answer no Number of Study Related Instances.
    """
    series = _ask_series(asker, study_instance_uid)
    found = _counted(asker, study_instance_uid, series.read) if series.whole else None
    counts = [each.instances for each in found or ()]
    return None if found is None or None in counts else sum(count or 0 for count in counts)


def find_series(
    asker: Asker, *, study_instance_uid: str, markings: bool = False
) -> tuple[model.Series, ...] | None:
    """The series of a study, counted one by one where no number came; `None` unless all of them came.

    An answer that cannot be read costs no more than that series. With `markings` those that mark images
    are asked for which.
    """
    asked = _ask_series(asker, study_instance_uid)
    came = asked.whole or asked.verdict.outcome is Outcome.WARNING
    if not came:
        return None
    series = _counted(asker, study_instance_uid, asked.read)
    return tuple(_with_markings(asker, study_instance_uid, each) for each in series) if markings else series


def _with_markings(asker: Asker, study_instance_uid: str, series: model.Series) -> model.Series:
    if series.modality not in modalities.MARKING:
        return series
    query = identifier.markings(study_instance_uid, series.series_instance_uid)
    read = partial(answer.read_marking, study_instance_uid=study_instance_uid)
    asked = _ask_below(asker, query, read, longest=exchange.LONGEST_LIST)
    return replace(series, markings=tuple(asked.read)) if asked.whole else series


def _ask_series(asker: Asker, study_instance_uid: str) -> Answers[model.Series]:
    read = partial(answer.read_series, character_set=asker.of.character_set)
    return _ask_below(asker, identifier.series(study_instance_uid), read)


def _counted(
    asker: Asker, study_instance_uid: str, series: Iterable[model.Series]
) -> tuple[model.Series, ...]:
    found = {each.series_instance_uid: each for each in series}
    return tuple(
        each
        if each.instances is not None
        else replace(each, instances=_count_series(asker, study_instance_uid, uid))
        for uid, each in found.items()
    )


def _count_series(asker: Asker, study_instance_uid: str, series_instance_uid: str) -> int | None:
    uids = _find_instances(asker, study_instance_uid, series_instance_uid)
    return None if uids is None else len(uids)


def _find_instances(asker: Asker, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
    """The SOP Instance UIDs of a series; `None` where that cannot be told."""
    query = identifier.instances(study_instance_uid, series_instance_uid)
    uids = _ask_below(asker, query, lambda response: answer.text(response, "SOPInstanceUID"))
    return set(uids.read) if uids.whole else None


def count_parts(asker: Asker, *, study_instance_uid: str, parts: model.Parts) -> dict[str, int | None] | None:
    """How many there are of what is wanted of each series: Series Instance UID → number.

    Of a whole series its instances are counted, of a part those that are wanted are looked for by their UIDs.
    `None` where that cannot be told.
    """
    counts: dict[str, int | None] = {}
    if not all(part.only for part in parts):
        series = find_series(asker, study_instance_uid=study_instance_uid)
        if series is None:
            return None
        counts = {each.series_instance_uid: each.instances for each in series}
    for part in parts:
        if part.only:
            held = _find_instances(asker, study_instance_uid, part.series_instance_uid)
            counts[part.series_instance_uid] = None if held is None else len(held.intersection(part.only))
    return counts


def locate(asker: Asker, *, study_instance_uid: str, sop_instance_uids: Iterable[str]) -> model.Parts | None:
    """The series in which some instances of a study lie; `None` unless all are found.

    A C-MOVE at IMAGE level names its series too (PS3.4 C.4.2.2.1), and a list of what failed does not.
    """
    sought, parts = set(sop_instance_uids), []
    for series in _ask_series(asker, study_instance_uid).read:
        held = _find_instances(asker, study_instance_uid, series.series_instance_uid) or set()
        if found := tuple(sorted(held & sought)):
            parts.append(model.Part(series.series_instance_uid, len(found), found))
            sought.difference_update(found)
        if not sought:
            return tuple(parts)
    return None


def _ask_below(
    asker: Asker,
    query: Dataset,
    read: Callable[[Dataset], T | None],
    *,
    longest: int = exchange.LONGEST_ANSWER,
) -> Answers[T]:
    """Ask below STUDY level, where there are no parts to ask for; as many as a limit allows are too few."""
    asked = asker.ask(query, read=read, limit=MOST_INSTANCES, longest=longest)
    limit = asker.of.most_answers
    if asked.whole and limit is not None and len(asked.read) >= limit:
        return replace(asked, verdict=_cut_short("and there is no asking for the rest"))
    return asked


def _judge(last: exchange.Last, *, readable: bool) -> status.Verdict:
    verdict = status.classify_find(last.status, comment=last.comment, lost=last.lost)
    if last.silent or last.status == status.OUT_OF_RESOURCES:
        return replace(verdict, unwell=True)
    if last.refused:
        return replace(verdict, refused=True)
    if verdict.outcome is Outcome.SUCCESS and not readable:
        because = "Success, but there were answers that cannot be decoded or name nothing"
        return status.Verdict(outcome=Outcome.WARNING, because=because)
    return verdict
