"""Asking by C-FIND, Study Root, in the thread that holds the association (PS3.4 C.4.1, C.6.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association

from prefetch import model
from prefetch.dimse import answer, exchange, identifier, peer, status, wire
from prefetch.model import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What was read of the answers to one query, and what became of it."""

    read: list[T]
    verdict: status.Verdict
    status: int | None
    milliseconds: float


def find_studies(association: Association, query: Dataset, *, of: peer.Peer) -> model.FindResult:
    """Ask for studies, and read all the answers."""
    asked = ask(association, query, wire.FIND, of=of, read=partial(_read, of=of))
    return model.FindResult(
        outcome=asked.verdict.outcome,
        studies=answer.collapse(asked.read),
        status=asked.status,
        because=asked.verdict.because,
        milliseconds=asked.milliseconds,
    )


def ask(
    association: Association,
    query: Dataset,
    sop_class: UID,
    *,
    of: peer.Peer,
    read: Callable[[Dataset], T | None],
) -> Answers[T]:
    """Ask, and read all the answers; at more than the limit the first are kept and the association ends.

    `read` gives None for an answer that says nothing of use: then the whole is no Success.
    """
    asking = exchange.Exchange(association, idle=of.timeouts.idle, total=of.timeouts.find_total)
    answers: list[T | None] = []
    cut = False
    for each in asking.ask(partial(association.send_c_find, query, sop_class)):
        cut = len(answers) == of.answer_limit
        if cut:
            # After a C-CANCEL an archive may send on, and the next query would take that for its answers.
            association.abort(block=False)
            break
        answers.append(None if each is None else read(each))
    readable = [each for each in answers if each is not None]
    if cut:
        because = f"more than {of.answer_limit} answers; only the first {of.answer_limit} were read"
        verdict = status.Verdict(outcome=Outcome.PARTIAL, because=because)
    else:
        verdict = _judge(asking.last, readable=len(readable) == len(answers))
    return Answers(readable, verdict, asking.last.status, asking.milliseconds)


def count_instances(association: Association, *, study_instance_uid: str, of: peer.Peer) -> int | None:
    """How many instances there are of a study, counted series by series; `None` where that cannot be told.

    For peers that answer no Number of Study Related Instances.
    """
    found = find_series(association, study_instance_uid=study_instance_uid, of=of)
    counts = [each.instances for each in found or ()]
    return None if found is None or None in counts else sum(count or 0 for count in counts)


def find_series(
    association: Association, *, study_instance_uid: str, of: peer.Peer
) -> tuple[model.Series, ...] | None:
    """The series of a study, counted one by one where no number came; `None` unless all of them are told."""
    read = partial(answer.read_series, character_set=of.character_set)
    series = _collect(association, identifier.series(study_instance_uid), of, read)
    if series is None:
        return None
    found = {each.series_instance_uid: each for each in series}
    return tuple(
        each
        if each.instances is not None
        else replace(each, instances=_count_series(association, study_instance_uid, uid, of))
        for uid, each in found.items()
    )


def _count_series(
    association: Association, study_instance_uid: str, series_instance_uid: str, of: peer.Peer
) -> int | None:
    query = identifier.instances(study_instance_uid, series_instance_uid)
    uids = _collect(association, query, of, lambda response: answer.text(response, "SOPInstanceUID"))
    return None if uids is None else len(set(uids))


def _collect(
    association: Association, query: Dataset, of: peer.Peer, read: Callable[[Dataset], T | None]
) -> list[T] | None:
    """What is read in each answer; `None` unless all of them came and can be read."""
    asking = exchange.Exchange(association, idle=of.timeouts.idle, total=of.timeouts.find_total)
    send = partial(association.send_c_find, query, wire.FIND)
    answers = [None if each is None else read(each) for each in asking.ask(send)]
    readable = [each for each in answers if each is not None]
    whole = asking.last.status == status.SUCCESS and len(readable) == len(answers)
    return readable if whole else None


def _read(response: Dataset, of: peer.Peer) -> model.Study | None:
    return answer.read_study(response, archive=of.name, character_set=of.character_set)


def _judge(last: exchange.Last, *, readable: bool) -> status.Verdict:
    verdict = status.classify_find(last.status, comment=last.comment, lost=last.lost)
    if verdict.outcome is Outcome.SUCCESS and not readable:
        because = "Success, but there were answers that cannot be decoded or name nothing"
        return status.Verdict(outcome=Outcome.WARNING, because=because)
    return verdict
