"""Moving studies, and what else is asked where the archive's answer leaves a question.

Is it still there (0x0112)? Can its series be moved where the study cannot (0xA701)? Does the other root help
(0xA900, 0x0118, 0x0122)? Is it the destination that is unknown, where an archive says no more than that it
cannot (0xC000, Orthanc)?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from prefetch import model
from prefetch.dimse import find, identifier, move, status, wire
from prefetch.dimse.manner import Manner
from prefetch.model import Outcome

LEVEL = "MOVE"
"""Under which an archive's habits remember the root of its moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What is to be moved, and what the queue knows of it."""

    study_instance_uids: Sequence[str]
    parts: model.Parts = ()
    missing: Sequence[str] = ()
    """SOP Instance UIDs of what the last move left out: nothing else is moved, if the archive finds them."""
    destination_ae_title: str
    is_repeated: bool = False
    """Whether a move of it has failed before."""
    is_suspect: Callable[[], bool] = lambda: False
    """Tells whether the archive may not know it, as where nothing ever arrived; asked where that matters."""
    nobody_ae_title: str = "NOBODY"
    """An AE Title that nobody has."""
    no_study_instance_uid: str = "2.25.0"
    """A study that nobody has."""

    @property
    def study_instance_uid(self) -> str:
        """The study, where it is one."""
        (uid,) = self.study_instance_uids
        return uid


def move_studies(asker: find.Asker, moving: Moving, *, today: date) -> model.MoveResult:
    """Have the archive send them, and look twice where that leaves a question.

    Of several no question is asked: those that did not come are moved one by one, and then looked after.
    """
    result = _move_what_is_missing(asker, moving) if moving.missing else _move_what_is_wanted(asker, moving)
    if len(moving.study_instance_uids) > 1:
        return result
    look = _LOOKS.get(result.status or status.SUCCESS)
    if look is None and _says_nothing(result):
        look = _why_unable
    return look(asker, moving, result, today) if look is not None else result


def _move_what_is_missing(asker: find.Asker, moving: Moving) -> model.MoveResult:
    """Move the instances that failed; where the archive does not find or not move them, everything."""
    parts = find.locate(asker, study_instance_uid=moving.study_instance_uid, sop_instance_uids=moving.missing)
    if parts is None:
        return _move(asker, moving)
    result = _move(asker, moving, parts=parts, one_by_one=False)
    if result.outcome in _MOVES_NO_INSTANCES:
        return _move(asker, moving)
    because = f"only the {len(moving.missing)} that had failed: {result.because}"
    return replace(result, of_missing=True, because=because)


def _move_what_is_wanted(asker: find.Asker, moving: Moving) -> model.MoveResult:
    """Move what is wanted; of an archive that does not move instances the series in which they are."""
    result = _move(asker, moving)
    if result.outcome not in _MOVES_NO_INSTANCES or not any(part.only for part in moving.parts):
        return result
    series = tuple(model.Part(part.series_instance_uid, None) for part in moving.parts)
    moved = _move(asker, moving, parts=series)
    return replace(moved, because=f"whole series, after {result.because}: {moved.because}")


_MOVES_NO_INSTANCES = frozenset({Outcome.PERMANENT, Outcome.SUSPECT})
"""What a move at IMAGE level may end with where an archive does not know that level."""


def _move(asker: find.Asker, moving: Moving, **other: object) -> model.MoveResult:
    said = {
        "study_instance_uids": moving.study_instance_uids,
        "parts": moving.parts,
        "one_by_one": moving.is_repeated,
        "destination_ae_title": moving.destination_ae_title,
        "sop_class": _root(asker),
        "patient_id": asker.patient_id,
        **other,
    }
    return move.move_studies(asker.association, of=asker.of, **said)  # type: ignore[arg-type]  # named as they are


def _root(asker: find.Asker) -> str:
    """The SOP Class to move by: as the archive likes it, among those that it offers."""
    offered = wire.offered(asker.association)
    liked = _ROOTS[asker.habits.manner(LEVEL, offered).root]
    return next(root for root in (liked, *_ROOTS.values()) if root in offered)


_ROOTS = {wire.FIND: wire.MOVE, wire.PATIENT_ROOT_FIND: wire.PATIENT_ROOT_MOVE}


def _says_nothing(result: model.MoveResult) -> bool:
    """Whether it ended with a status that may mean anything, and nothing was sent."""
    sent = result.completed or result.warning or result.failed
    return not sent and result.status is not None and (result.status in status.UNABLE)


# --- the looks -------------------------------------------------------------------------------------


def _is_it_there(
    asker: find.Asker, moving: Moving, result: model.MoveResult, today: date
) -> model.MoveResult:
    """Ask for the study again: it may have been deleted, or merged into another."""
    query = identifier.studies(study_instance_uids=[moving.study_instance_uid])
    found = find.find_studies(asker, query, today=today)
    if found.outcome is Outcome.SUCCESS and not found.studies:
        because = f"{result.because}; it tells of the study no more: deleted there, or merged into another"
        return replace(result, outcome=Outcome.NOT_FOUND, because=because)
    if result.outcome is Outcome.PERMANENT:  # it says that it is not there, and cannot be believed
        return replace(result, outcome=Outcome.TRANSIENT, tries=2)
    return result


def _why_unable(asker: find.Asker, moving: Moving, result: model.MoveResult, today: date) -> model.MoveResult:
    """Whether the study is gone, or the destination unknown: some archives have one status for all of it."""
    seen = _is_it_there(asker, moving, result, today)
    suspected = seen.outcome is not Outcome.NOT_FOUND and moving.is_suspect()
    if not suspected or _knows_destination(asker, moving, result):
        return seen
    because = (
        f"{result.because}; it says the same of an AE Title that nobody has: it may not know the "
        "workstation, or not reach it"
    )
    return replace(result, outcome=Outcome.UNKNOWN_DESTINATION, because=because)


def _knows_destination(asker: find.Asker, moving: Moving, result: model.MoveResult) -> bool:
    """Whether it tells the destination from an AE Title that nobody has.

    First with a study that nobody has; an archive that looks for the study first (Orthanc) is then asked to
    move the study itself to nobody.
    """
    introduction = move.probe_destination(
        asker.association,
        destination_ae_title=moving.destination_ae_title,
        nobody_ae_title=moving.nobody_ae_title,
        no_study_instance_uid=moving.no_study_instance_uid,
        of=asker.of,
    )
    if introduction.acquaintance is not move.Acquaintance.CANNOT_TELL:
        return introduction.acquaintance is move.Acquaintance.KNOWN
    control = _move(asker, moving, destination_ae_title=moving.nobody_ae_title)
    return control.status != result.status or not _says_nothing(control)


def _move_its_series(
    asker: find.Asker, moving: Moving, result: model.MoveResult, _today: date
) -> model.MoveResult:
    """Move series by series where the study was too much for it, and not for the first time."""
    if not moving.is_repeated or moving.parts:
        return result
    series = find.find_series(asker, study_instance_uid=moving.study_instance_uid)
    if not series:
        return result
    parts = tuple(model.Part(each.series_instance_uid, each.instances) for each in series)
    moved = _move(asker, moving, parts=parts)
    return replace(moved, because=f"series by series, after {result.because}: {moved.because}")


def _move_by_the_other_root(
    asker: find.Asker, moving: Moving, result: model.MoveResult, _today: date
) -> model.MoveResult:
    """Move once under the other root, where it is offered; Patient Root needs the patient's ID."""
    refused, offered = _root(asker), wire.offered(asker.association)
    others = [find_root for find_root, root in _ROOTS.items() if root != refused and root in offered]
    if not others or asker.patient_id is None:
        return result
    moved = _move(asker, moving, sop_class=_ROOTS[others[0]])
    if moved.outcome is Outcome.PERMANENT or moved.status is None:
        return result
    asker.habits.learn(LEVEL, Manner(root=others[0]), result.because)
    return moved


_Look = Callable[[find.Asker, Moving, model.MoveResult, date], model.MoveResult]

_LOOKS: Mapping[int, _Look] = {
    0x0112: _is_it_there,
    0xA701: _move_its_series,
    0xA900: _move_by_the_other_root,
    0x0118: _move_by_the_other_root,
    0x0122: _move_by_the_other_root,
}
"""Status of a C-MOVE → what else is asked."""
