"""What an archive or workstation holds: instances by study, and the answers to queries about them.

Hierarchical queries from either root (PS3.4 C.6.1, C.6.2); the counts and modalities that answers carry
are counted here, from the instances themselves.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pydicom
from pydicom import Dataset

from prefetch.sandbox import matching


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


UNIQUE_KEYS = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}

_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "InstitutionName",
    "ProcedureCodeSequence",
    "AnatomicRegionsInStudyCodeSequence",
)
_SERIES = (
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
    "Laterality",
)
_IMAGE = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames")

_ANSWERED = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: _PATIENT + _STUDY,
    Level.SERIES: ("PatientID", "StudyInstanceUID", *_SERIES),
    Level.IMAGE: ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", *_IMAGE),
}


class IdentifierError(Exception):
    """The identifier does not fit the SOP Class: 0xA900 (PS3.4 C.4.1.1.4)."""


@dataclass(slots=True)
class _Study:
    instances: dict[str, Dataset] = field(default_factory=dict)
    entity: Dataset | None = None
    """Its answer at STUDY level, until another instance comes."""


class Holdings:
    """Instances in memory, or their headers with the pixels left on disk; safe to use from many threads."""

    def __init__(self, instances: Iterable[Dataset] = ()) -> None:
        self._studies: dict[str, _Study] = {}
        self._lock = threading.Lock()
        for instance in instances:
            self.add(instance)

    def add(self, instance: Dataset) -> None:
        """Hold an instance; the same SOP Instance UID again replaces it."""
        with self._lock:
            study = self._studies.setdefault(str(instance.StudyInstanceUID), _Study())
            study.instances[str(instance.SOPInstanceUID)] = instance
            study.entity = None

    def add_directory(self, directory: Path) -> None:
        """Hold every DICOM file below a directory; what is large is read when it is sent."""
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                self.add(pydicom.dcmread(path, defer_size="1 KB"))

    def remove_study(self, study_instance_uid: str) -> None:
        """Forget a study, as a clean-up of the archive would."""
        with self._lock:
            self._studies.pop(study_instance_uid, None)

    def instances(self) -> list[Dataset]:
        """All instances."""
        with self._lock:
            return [instance for study in self._studies.values() for instance in study.instances.values()]

    def counts(self) -> dict[str, int]:
        """How many instances of each study there are, by Study Instance UID."""
        with self._lock:
            return {uid: len(study.instances) for uid, study in self._studies.items()}

    def find(self, identifier: Dataset) -> list[Dataset]:
        """The answers to a C-FIND identifier, each with the attributes that were asked for."""
        level = level_of(identifier)
        _require_keys_above(identifier, level)
        return [
            _answer(identifier, level, entity)
            for entity in self._entities(identifier, level)
            if matching.matches(identifier, entity)
        ]

    def select(self, identifier: Dataset) -> list[Dataset]:
        """The instances that a C-MOVE identifier names by its unique keys (PS3.4 C.4.2.1.4.1)."""
        level = level_of(identifier)
        _require_keys_above(identifier, level, itself=True)
        keys = Dataset()
        for keyword in UNIQUE_KEYS.values():
            if keyword in identifier:
                keys[keyword] = identifier[keyword]
        return [
            instance
            for study in self._candidates(identifier)
            for instance in study
            if matching.matches(keys, instance)
        ]

    def _entities(self, identifier: Dataset, level: Level) -> Iterator[Dataset]:
        for study in self._candidates(identifier):
            if level is Level.IMAGE:
                yield from study
            elif level is Level.SERIES:
                yield from _series_of(study)
            elif level is Level.STUDY:
                yield self._study_entity(study)
        if level is Level.PATIENT:
            yield from _patients_of(self._candidates(identifier))

    def _study_entity(self, instances: list[Dataset]) -> Dataset:
        with self._lock:
            study = self._studies.get(str(instances[0].StudyInstanceUID))
            if study is None:  # removed since the question came
                return _describe_study(instances)
            if study.entity is None:
                study.entity = _describe_study(list(study.instances.values()))
            return study.entity

    def _candidates(self, identifier: Dataset) -> list[list[Dataset]]:
        """The studies that may match, found by UID where the identifier says one."""
        uids = matching.values(identifier, "StudyInstanceUID")
        with self._lock:
            named = [self._studies[uid] for uid in uids if uid in self._studies]
            studies = named if uids else list(self._studies.values())
            return [list(study.instances.values()) for study in studies]


def level_of(identifier: Dataset) -> Level:
    """The identifier's level."""
    try:
        return Level(str(identifier.get("QueryRetrieveLevel", "")).strip())
    except ValueError as error:
        raise IdentifierError("Query/Retrieve Level is missing or unknown") from error


def _require_keys_above(identifier: Dataset, level: Level, *, itself: bool = False) -> None:
    """No relational queries: each level above STUDY's children needs one unique key (PS3.4 C.4.1.2.2.1)."""
    levels = list(Level)
    above = levels[levels.index(Level.STUDY) : levels.index(level) + itself]
    if itself and level is Level.PATIENT:
        above = [Level.PATIENT]
    for needed in above:
        if not matching.values(identifier, UNIQUE_KEYS[needed]):
            raise IdentifierError(f"{UNIQUE_KEYS[needed]} is missing")


def _answer(identifier: Dataset, level: Level, entity: Dataset) -> Dataset:
    answer = Dataset()
    answer.QueryRetrieveLevel = str(level)
    if "SpecificCharacterSet" in entity:
        answer.SpecificCharacterSet = entity.SpecificCharacterSet
    for key in identifier:
        if key.keyword in entity:
            answer[key.tag] = copy.copy(entity[key.tag])  # a fault may edit it
        elif key.keyword and key.keyword not in matching.NOT_KEYS:
            setattr(answer, key.keyword, [] if key.VR == "SQ" else "")
    return answer


def _describe_study(instances: list[Dataset]) -> Dataset:
    entity = _take(instances[0], _ANSWERED[Level.STUDY])
    entity.ModalitiesInStudy = sorted({str(instance.get("Modality", "")) for instance in instances} - {""})
    entity.SOPClassesInStudy = sorted({str(instance.SOPClassUID) for instance in instances})
    entity.NumberOfStudyRelatedSeries = len({str(instance.SeriesInstanceUID) for instance in instances})
    entity.NumberOfStudyRelatedInstances = len(instances)
    entity.InstanceAvailability = "ONLINE"
    return entity


def _series_of(instances: list[Dataset]) -> Iterator[Dataset]:
    by_uid: dict[str, list[Dataset]] = {}
    for instance in instances:
        by_uid.setdefault(str(instance.SeriesInstanceUID), []).append(instance)
    for members in by_uid.values():
        entity = _take(members[0], _ANSWERED[Level.SERIES])
        entity.NumberOfSeriesRelatedInstances = len(members)
        entity.InstanceAvailability = "ONLINE"
        yield entity


def _patients_of(studies: list[list[Dataset]]) -> Iterator[Dataset]:
    by_identity: dict[tuple[str, str], list[list[Dataset]]] = {}
    for instances in studies:
        first = instances[0]
        identity = (str(first.get("PatientID", "")), str(first.get("IssuerOfPatientID", "")))
        by_identity.setdefault(identity, []).append(instances)
    for theirs in by_identity.values():
        entity = _take(theirs[0][0], _ANSWERED[Level.PATIENT])
        entity.NumberOfPatientRelatedStudies = len(theirs)
        entity.NumberOfPatientRelatedInstances = sum(map(len, theirs))
        yield entity


def _take(instance: Dataset, keywords: Iterable[str]) -> Dataset:
    entity = Dataset()
    for keyword in ("SpecificCharacterSet", *keywords):
        if keyword in instance:
            entity[keyword] = instance[keyword]
    return entity
