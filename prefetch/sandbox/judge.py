"""PURE: whether what lies on the workstations is what the hospital expects; instance by instance.

Trusts nobody's word: neither the daemon's store nor the archives' counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

from prefetch.sandbox.hospital import full_key
from prefetch.sandbox.morning import Morning


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A wanted study: how much of it is on the workstation where its exam is read."""

    study: str
    instances: int
    expected: int

    @property
    def is_complete(self) -> bool:
        """Whether every instance is there, with the very pixels of the archive."""
        return self.instances == self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one exam."""

    accession: str
    arrivals: tuple[Arrival, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Studies that must not be on any workstation, and are."""

    @property
    def is_good(self) -> bool:
        """Whether all that is wanted came, and nothing that must not."""
        return not self.forbidden and all(arrival.is_complete for arrival in self.arrivals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of the morning."""

    findings: tuple[Finding, ...] = ()
    strangers: tuple[str, ...] = field(default=())
    """Studies on a workstation of patients who have no exam, or that nobody knows."""

    @property
    def is_good(self) -> bool:
        """Whether every exam is as it should be, and no stranger's images are about."""
        return not self.strangers and all(finding.is_good for finding in self.findings)

    def of(self, accession: str) -> Finding:
        """The finding of one exam."""
        return next(finding for finding in self.findings if finding.accession == accession)


Pixels = dict[str, dict[str, bytes]]
"""Study Instance UID → SOP Instance UID → Pixel Data."""


def judge(morning: Morning, workstations: Mapping[str, Iterable[Dataset]]) -> Verdict:
    """Compare what each workstation (by AE title) holds with what is expected."""
    held = {ae_title: _pixels(instances) for ae_title, instances in workstations.items()}
    present = {morning.key_of(uid) or uid for pixels in held.values() for uid in pixels}
    findings = []
    for patient, exam in morning.hospital.exams():
        room = held[morning.hospital.rooms[exam.modality]]
        findings.append(
            Finding(
                accession=exam.accession,
                arrivals=tuple(_arrival(morning, full_key(patient, key), room) for key in exam.wanted),
                forbidden=tuple(key for key in exam.never if full_key(patient, key) in present),
            )
        )
    expected = {patient.key for patient, _ in morning.hospital.exams()}
    strangers = sorted(key for key in present if key.partition("/")[0] not in expected)
    return Verdict(findings=tuple(findings), strangers=tuple(strangers))


def _arrival(morning: Morning, key: str, room: Pixels) -> Arrival:
    ((uid, expected),) = _pixels(morning.whole_study(key)).items()
    arrived = room.get(uid, {})
    same = sum(arrived.get(instance) == pixels for instance, pixels in expected.items())
    return Arrival(study=key, instances=same, expected=len(expected))


def _pixels(instances: Iterable[Dataset]) -> Pixels:
    held: Pixels = {}
    for instance in instances:
        study = held.setdefault(str(instance.StudyInstanceUID), {})
        study[str(instance.SOPInstanceUID)] = instance.PixelData
    return held
