"""Having studies sent by C-MOVE: at STUDY level, or at SERIES or IMAGE level where a part is wanted.

Never at PATIENT level: an ID alone does not name a person (PS3.4 C.4.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association

from prefetch import model
from prefetch.dimse import exchange, identifier, peer, status, wire
from prefetch.dimse.message import Command
from prefetch.model import Outcome


def move_studies(
    association: Association,
    *,
    study_instance_uids: Sequence[str],
    parts: model.Parts = (),
    one_by_one: bool = False,
    destination_ae_title: str,
    of: peer.Peer,
    sop_class: UID = wire.MOVE,
    patient_id: str | None = None,
) -> model.MoveResult:
    """Have the archive send studies, or parts of one, to the Move Destination, and read what it says.

    Series are asked for one by one: not every archive takes a list of UIDs at that level. Instances of one
    series are named together, unless `one_by_one`. Patient Root wants the patient's ID as well (PS3.4
    C.4.2.2.1).
    """
    above = patient_id if sop_class == wire.PATIENT_ROOT_MOVE else None
    move = partial(_move, association, destination_ae_title=destination_ae_title, of=of, sop_class=sop_class)
    if not parts:
        return move(identifier.studies_to_move(study_instance_uids, above))
    (study_instance_uid,) = study_instance_uids
    results: list[model.MoveResult] = []
    for part in parts:
        for key in _keys(study_instance_uid, part, above, 1 if one_by_one else _INSTANCES):
            results.append(move(key))
            if results[-1].outcome not in _WORST:
                return _together(results)
    return _together(results)


_INSTANCES = 100
"""Named in one C-MOVE at most: the identifier stays within what fits into a PDU of any archive."""


def _keys(study: str, part: model.Part, patient_id: str | None, most: int) -> Iterator[Dataset]:
    """What to name for one part: its series, or so many of its instances at a time."""
    series = part.series_instance_uid
    if not part.only:
        yield identifier.series_to_move(study, series, patient_id)
    for first in range(0, len(part.only), most):
        yield identifier.instances_to_move(study, series, part.only[first : first + most], patient_id)


_WORST = (Outcome.SUCCESS, Outcome.WARNING, Outcome.SUSPECT, Outcome.PARTIAL)
"""From best to worst; after these the next part may still be moved over the same association."""


def _together(results: Sequence[model.MoveResult]) -> model.MoveResult:
    """The moves of several parts as one: the worst outcome, and the counts of all."""
    worst = max(
        results, key=lambda each: _WORST.index(each.outcome) if each.outcome in _WORST else len(_WORST)
    )
    return replace(
        worst,
        completed=_sum(each.completed for each in results),
        failed=_sum(each.failed for each in results),
        warning=_sum(each.warning for each in results),
        failed_sop_instance_uids=tuple(uid for each in results for uid in each.failed_sop_instance_uids),
        milliseconds=sum(each.milliseconds for each in results),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum of those that were said; `None` where none was."""
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def _move(
    association: Association, key: Dataset, *, destination_ae_title: str, of: peer.Peer, sop_class: UID
) -> model.MoveResult:
    asking = exchange.Exchange(association, idle=of.timeouts.move_idle, total=of.timeouts.move_total)
    for _ in asking.ask(Command.MOVE, sop_class, key, move_destination=destination_ae_title):
        pass  # the counts of Pending responses are a promise; only the last ones are read
    last = asking.last
    if not last.sent:
        return model.MoveResult(outcome=Outcome.TRANSIENT, because=last.lost)
    verdict = status.classify_move(
        last.status,
        completed=last.completed,
        failed=last.failed,
        warning=last.warning,
        failed_sop_instance_uids=len(last.failed_sop_instance_uids),
        comment=last.comment,
        lost=last.lost,
    )
    return model.MoveResult(
        outcome=verdict.outcome,
        status=last.status,
        because=verdict.because,
        completed=last.completed,
        failed=last.failed,
        warning=last.warning,
        failed_sop_instance_uids=last.failed_sop_instance_uids,
        unwell=last.silent,
        refused=last.refused,
        tries=verdict.tries,
        milliseconds=asking.milliseconds,
    )


class Acquaintance(StrEnum):
    """Whether an archive knows a Move Destination."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What an archive let us know of a Move Destination, and how."""

    acquaintance: Acquaintance
    because: str
    refused: bool = False
    """Whether it broke off at the C-MOVE, as one does that does not let us move."""


def cannot_tell(verdict: status.Verdict) -> Introduction:
    """Nothing was learnt, because nothing could be asked."""
    return Introduction(
        acquaintance=Acquaintance.CANNOT_TELL, because=verdict.because, refused=verdict.refused
    )


def probe_destination(
    association: Association,
    *,
    destination_ae_title: str,
    nobody_ae_title: str,
    no_study_instance_uid: str,
    of: peer.Peer,
) -> Introduction:
    """Find out whether the archive knows a destination, without anything being sent to anyone.

    A study that nobody has is to be moved there, and to an AE Title that nobody has: the archive knows the
    destination if it tells the two apart. Orthanc (0xC000 for both) and dcmqrscp (Success) look for the study
    first and do not.
    """
    root = wire.MOVE if wire.accepts(association, wire.MOVE) else wire.PATIENT_ROOT_MOVE
    move = partial(
        move_studies,
        association,
        study_instance_uids=[no_study_instance_uid],
        of=of,
        sop_class=root,
        patient_id=nobody_ae_title,  # nobody's either
    )
    asked = move(destination_ae_title=destination_ae_title)
    if asked.outcome is Outcome.UNKNOWN_DESTINATION:
        return Introduction(acquaintance=Acquaintance.UNKNOWN, because=asked.because)
    if asked.status is None:
        return Introduction(
            acquaintance=Acquaintance.CANNOT_TELL, because=asked.because, refused=asked.refused
        )
    control = move(destination_ae_title=nobody_ae_title)
    if control.outcome is Outcome.UNKNOWN_DESTINATION:
        because = f"{asked.because}; an AE Title that nobody has: {control.because}"
        return Introduction(acquaintance=Acquaintance.KNOWN, because=because)
    because = f"the same answer as for an AE Title that nobody has: {asked.because}"
    return Introduction(acquaintance=Acquaintance.CANNOT_TELL, because=because)
