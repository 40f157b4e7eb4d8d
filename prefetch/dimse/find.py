"""Asking by C-FIND, Study Root, in the thread that holds the association (PS3.4 C.4.1, C.6.2.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    series = _collect(association, identifier.series(study_instance_uid), of, _series)
    if series is None:
        return None
    total = 0
    for uid, said in dict(series).items():
        counted = _count_series(association, study_instance_uid, uid, of) if said is None and uid else said
        if counted is None:
            return None
        total += counted
    return total


def find_modalities(
    association: Association, *, study_instance_uids: Sequence[str], of: peer.Peer
) -> dict[str, tuple[str, ...]]:
    """The modalities of studies, asked series by series; what cannot be told in time is left out.

    For archives that answer no Modalities in Study (0008,0061), an optional key (PS3.4 C.6.2.1.2).
    """
    deadline = time.monotonic() + of.timeouts.find_total
    told: dict[str, tuple[str, ...]] = {}
    for uid in study_instance_uids:
        series = _collect(association, identifier.series(uid), of, _modality)
        if series is None or time.monotonic() > deadline:
            break
        told[uid] = tuple(sorted(set(series) - {""}))
    return told


def _modality(response: Dataset) -> str:
    return answer.text(response, "Modality") or ""


def _series(response: Dataset) -> tuple[str | None, int | None]:
    """A series' UID, and how many instances it is said to have."""
    uid = answer.text(response, "SeriesInstanceUID")
    return uid, answer.count(response, "NumberOfSeriesRelatedInstances")


def _count_series(
    association: Association, study_instance_uid: str, series_instance_uid: str, of: peer.Peer
) -> int | None:
    query = identifier.instances(study_instance_uid, series_instance_uid)
    uids = _collect(association, query, of, lambda response: answer.text(response, "SOPInstanceUID"))
    return None if uids is None else len(set(uids))


def _collect(
    association: Association, query: Dataset, of: peer.Peer, read: Callable[[Dataset], T]
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
