"""The manners in which one question can be put, and what an archive has let us know of the one it takes.

Archives refuse what others insist on: an empty UID or a `*`, keys that they do not know, a root. What is
refused is put once in each other manner that may help, and what was taken is remembered while we run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from pydicom import Dataset
from pydicom.uid import UID

from prefetch.dimse import identifier, wire


class Keys(Enum):
    """Which return keys are asked for."""

    ALL = "all keys"
    USUAL = "only the keys that IHE asks every archive for"
    """IHE RAD TF-2 Table 4.14-1."""
    REQUIRED = "only the keys that the standard requires"
    """PS3.4 Tables C.6-1 to C.6-5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """One way to put a question."""

    root: UID = wire.FIND
    keys: Keys = Keys.ALL
    any_uid: str = ""
    """What stands for any UID: nothing (PS3.4 C.2.2.2.3), or the `*` that some archives want."""

    @property
    def words(self) -> str:
        """In words for the administrator."""
        star = ", and * for any UID" if self.any_uid else ""
        return f"{self.root.name.split(' Query')[0]}, {self.keys.value}{star}"


_REQUIRED = frozenset(
    {
        "PatientID",
        "PatientName",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "SeriesInstanceUID",
        "Modality",
        "SOPInstanceUID",
    }
)
_USUAL = _REQUIRED | {
    "PatientBirthDate",
    "PatientSex",
    "StudyDescription",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
    "SeriesDescription",
    "NumberOfSeriesRelatedInstances",
}
_KEPT: Mapping[Keys, frozenset[str] | None] = {Keys.ALL: None, Keys.USUAL: _USUAL, Keys.REQUIRED: _REQUIRED}

MANNERS = (
    Manner(),
    Manner(any_uid="*"),
    Manner(keys=Keys.USUAL),
    Manner(keys=Keys.REQUIRED),
    Manner(keys=Keys.REQUIRED, any_uid="*"),
    Manner(root=wire.PATIENT_ROOT_FIND),
    Manner(root=wire.PATIENT_ROOT_FIND, keys=Keys.REQUIRED),
)
"""In this order, so that no more is given up than the archive refuses."""


def _other_keys(refused: Manner, other: Manner) -> bool:
    return other.root == refused.root and other != refused


def _other_root(refused: Manner, other: Manner) -> bool:
    return other.root != refused.root


_HELPS: Mapping[int, Callable[[Manner, Manner], bool]] = {
    0xA900: lambda refused, other: other != refused,
    0x0118: _other_root,
    0x0122: _other_root,
    **dict.fromkeys((0x0105, 0x0106, 0x0115, 0x0117, 0x0120, 0x0121), _other_keys),
}
"""Status → whether another manner may help where one was refused with it (PS3.7 Annex C, PS3.4 C.4.1.1.4)."""


REFUSALS = frozenset(_HELPS)
"""Statuses that speak of how a question was put."""


def others(refused: Manner, status: int | None) -> tuple[Manner, ...]:
    """The manners that may help where one was refused, in the order in which they are tried."""
    helps = _HELPS.get(status) if status is not None else None
    return tuple(other for other in MANNERS if helps is not None and helps(refused, other))


def put(query: Dataset, manner: Manner, *, patient_id: str | None = None) -> Dataset:
    """The same question in a manner; Patient Root wants the patient's ID at every level (PS3.4 C.6.1)."""
    if manner == MANNERS[0]:
        return query
    kept = _KEPT[manner.keys]
    made = identifier.copied(query)
    for element in query:
        # What has a value is no return key: it says what is asked for. A sequence says it in its items.
        is_return_key = element.VR == "SQ" or not element.value
        if kept is not None and is_return_key and element.keyword not in kept:
            del made[element.tag]
        elif manner.any_uid and element.VR == "UI" and not element.value:
            identifier.put_unchecked(made, element.keyword, manner.any_uid)
    if manner.root == wire.PATIENT_ROOT_FIND and patient_id is not None:
        identifier.set_key(made, "PatientID", [patient_id], str(query.get("SpecificCharacterSet") or ""))
    return made


Learnt = Callable[[str, Manner, str], None]
"""Told of a level, the manner that is taken there, and why another was not."""


class Habits:
    """What one archive has let us know of how it wants to be asked, for all threads that ask it."""

    def __init__(self, learnt: Learnt = lambda _level, _manner, _because: None) -> None:
        self._learnt = learnt
        self._taken: dict[str, Manner] = {}
        self._why: dict[str, str] = {}
        """Why another manner was not taken at a level."""
        self._last = MANNERS[0]
        self._in_vain: set[str] = set()

    @property
    def words(self) -> list[str]:
        """What is known of it, for the administrator."""
        taken = [
            f"{level} is asked by {self._taken[level].words}, because of: {because}"
            for level, because in tuple(self._why.items())
        ]
        return taken + [f"{level} is refused in every manner" for level in sorted(self._in_vain)]

    def manner(self, level: str, offered: Collection[UID]) -> Manner:
        """The manner to begin with."""
        known = self._taken.get(level, self._last)
        usable = [manner for manner in (known, *MANNERS) if manner.root in offered]
        return next(iter(usable), known)

    def others(self, level: str, refused: Manner, status: int | None) -> tuple[Manner, ...]:
        """The manners to try where one was refused; none where all of them were in vain before."""
        return () if level in self._in_vain else others(refused, status)

    def learn(self, level: str, manner: Manner, because: str) -> None:
        """The archive took this one, where it refused another because of something."""
        news = manner not in (self._taken.get(level), self._last)
        self._taken[level] = self._last = manner
        self._why[level] = because
        if news:
            self._learnt(level, manner, because)

    def give_up(self, level: str) -> None:
        """The archive refuses every manner: what it refuses is not put in each of them again."""
        self._in_vain.add(level)

    def answered(self, level: str) -> None:
        """The archive answers, so that another manner may be worth a try when it next refuses."""
        self._in_vain.discard(level)
