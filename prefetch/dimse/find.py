"""Asking by C-FIND, Study Root, in the thread that holds the association (PS3.4 C.4.1, C.6.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pydicom import Dataset
from pynetdicom.association import Association

from prefetch import model
from prefetch.dimse import answer, exchange, identifier, peer, status, wire
from prefetch.model import Outcome

_MESSAGE_ID = 1
_CANCELS_WITHIN = 5.0
"""Seconds that an archive has for ending a query that was cancelled."""


def find_studies(association: Association, query: Dataset, *, of: peer.Peer) -> model.FindResult:
    """Ask, and read all the answers; at more than the limit the query is cancelled and the first are kept."""
    asking = exchange.Exchange(association, idle=of.timeouts.idle, total=of.timeouts.find_total)
    studies: list[model.Study] = []
    answers = unreadable = 0
    for each in _ask(association, query, asking):
        answers += 1
        if answers > of.answer_limit:
            _cancel(association, asking, once=answers == of.answer_limit + 1)
        elif study := _read(each, of):
            studies.append(study)
        else:
            unreadable += 1
    verdict = _judge(asking.last, cut=answers > of.answer_limit, unreadable=unreadable, of=of)
    return model.FindResult(
        outcome=verdict.outcome,
        studies=answer.collapse(studies),
        status=asking.last.status,
        because=verdict.because,
        milliseconds=asking.milliseconds,
    )


def count_instances(association: Association, *, study_instance_uid: str, of: peer.Peer) -> int | None:
    """How many instances there are of a study, counted series by series; `None` where that cannot be told.

    For peers that answer no Number of Study Related Instances.
    """
    series = _find_all(association, identifier.series(study_instance_uid), of)
    if series is None:
        return None
    counts = [_count_series(association, study_instance_uid, each, of) for each in series]
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def _count_series(
    association: Association, study_instance_uid: str, series: Dataset, of: peer.Peer
) -> int | None:
    said = answer.count(series, "NumberOfSeriesRelatedInstances")
    uid = answer.text(series, "SeriesInstanceUID")
    if said is not None or uid is None:
        return said
    instances = _find_all(association, identifier.instances(study_instance_uid, uid), of)
    if instances is None:
        return None
    return len({answer.text(each, "SOPInstanceUID") for each in instances})


def _find_all(association: Association, query: Dataset, of: peer.Peer) -> list[Dataset] | None:
    """All answers; `None` unless every one of them came and can be read."""
    asking = exchange.Exchange(association, idle=of.timeouts.idle, total=of.timeouts.find_total)
    answers = list(_ask(association, query, asking))
    readable = [each for each in answers if each is not None]
    whole = asking.last.status == status.SUCCESS and len(readable) == len(answers)
    return readable if whole else None


def _ask(association: Association, query: Dataset, asking: exchange.Exchange) -> Iterator[Dataset | None]:
    return asking.ask(partial(association.send_c_find, query, wire.FIND, msg_id=_MESSAGE_ID))


def _read(response: Dataset | None, of: peer.Peer) -> model.Study | None:
    if response is None:
        return None
    return answer.read_study(response, archive=of.name, character_set=of.character_set)


def _cancel(association: Association, asking: exchange.Exchange, *, once: bool) -> None:
    """Ask for no more (PS3.7 9.3.2.3); what comes all the same is read and dropped."""
    if once:
        association.send_c_cancel(_MESSAGE_ID, query_model=wire.FIND)
        asking.hurry(_CANCELS_WITHIN)


def _judge(last: exchange.Last, *, cut: bool, unreadable: int, of: peer.Peer) -> status.Verdict:
    verdict = status.classify_find(last.status, comment=last.comment, lost=last.lost)
    if cut:
        because = f"more than {of.answer_limit} answers; only the first {of.answer_limit} were read"
        return status.Verdict(outcome=Outcome.PARTIAL, because=because)
    if unreadable and verdict.outcome is Outcome.SUCCESS:
        because = "Success, but there were answers that cannot be decoded or name no study"
        return status.Verdict(outcome=Outcome.WARNING, because=because)
    return verdict
