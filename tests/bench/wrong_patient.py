"""Does a study of another person ever move? Made-up people with all that makes one be taken for another.

    python -m tests.bench.wrong_patient --patients 10000

Numbers that two hospitals gave out to two people, twins, misfiled studies, misspelt names, swapped sex,
missing birth dates and issuers. The judge reads the instances on the workstation and knows whose each study
is from making it; it never asks the daemon. Exit status 1 where any study of another person moved.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prefetch import model
from tests import peers, studies
from tests.e2e.hospital import ANYTHING, Hospital, soon

HOSPITALS = ("HOSP", "CLINIC")
STUDIES = 2
"""Of each person."""
CHUNK = 500
"""Files loaded at a time."""
LOOK = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who was never born; only who is `expected` has an exam."""

    number: int
    patient: model.Patient
    expected: bool


def make_people(count: int, chance: random.Random) -> Iterator[Person]:
    """People in groups: one who has an exam, and those who could be taken for him."""
    for number in range(0, count, 4):
        own = _born(number, HOSPITALS[0], chance)
        stranger = _born(number, HOSPITALS[1], chance)
        twin = replace(
            own, patient_id=f"{number + 500_000:07}", name=f"{_family(own)}^{_word(chance)}", sex=own.sex
        )
        namesake = replace(_born(number + 2, HOSPITALS[1], chance), name=own.name)
        group = (own, stranger, twin, namesake)
        yield from (Person(number=number + at, patient=one, expected=at == 0) for at, one in enumerate(group))


def _born(number: int, issuer: str, chance: random.Random) -> model.Patient:
    return model.Patient(
        patient_id=f"{number:07}",
        issuer_of_patient_id=issuer,
        name=f"{_word(chance)}^{_word(chance)}",
        birth_date=f"{chance.randint(1930, 2019)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}",
        sex=chance.choice("MF"),
    )


def _word(chance: random.Random) -> str:
    return "".join(chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(4)).title()


def _family(patient: model.Patient) -> str:
    return (patient.name or "").split("^")[0]


def as_filed(group: Sequence[Person], person: Person, chance: random.Random) -> model.Patient:
    """How a clerk filed one study of a person: mostly right."""
    filed = person.patient
    if chance.random() < 0.1:  # under the number of somebody whom he was taken for
        wrong = chance.choice(group).patient
        filed = replace(filed, patient_id=wrong.patient_id, issuer_of_patient_id=wrong.issuer_of_patient_id)
    if chance.random() < 0.3:
        filed = replace(filed, issuer_of_patient_id=None)
    if chance.random() < 0.1:
        filed = replace(filed, name=_misspelt(filed.name or "", chance))
    if chance.random() < 0.05:
        filed = replace(filed, birth_date="")
    if chance.random() < 0.03:
        filed = replace(filed, sex={"M": "F", "F": "M"}[filed.sex or "M"])
    return filed


def _misspelt(name: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(name) - 1)
    return name if "^" in name[at : at + 2] else name[:at] + name[at + 1] + name[at] + name[at + 2 :]


@dataclass(slots=True)
class Truth:
    """Whose each study is, and how it was filed."""

    owner: dict[str, Person]
    filed: dict[str, model.Patient]

    def right(self, uid: str) -> bool:
        """Whether it is a study of somebody who has an exam, filed under his own number."""
        own, filed = self.owner[uid], self.filed[uid]
        issuers = {own.patient.issuer_of_patient_id, None}
        same = filed.patient_id == own.patient.patient_id and filed.issuer_of_patient_id in issuers
        return own.expected and same


def write_all(people: Sequence[Person], directory: Path, chance: random.Random) -> tuple[Truth, list[Path]]:
    """Write everybody's studies, one instance each."""
    truth, paths = Truth({}, {}), list[Path]()
    for person in people:
        group = people[person.number // 4 * 4 :][:4]
        for nth in range(STUDIES):
            filed = as_filed(group, person, chance)
            uid = f"2.25.{person.number * STUDIES + nth + 10**9}"
            written = studies.write_study(
                directory,
                patient_id=filed.patient_id or "",
                issuer_of_patient_id=filed.issuer_of_patient_id,
                name=filed.name or "",
                birth_date=filed.birth_date or "",
                sex=filed.sex or "",
                study_date=f"20{10 + nth}0105",
                study_instance_uid=uid,
                instances=1,
            )
            truth.owner[uid], truth.filed[uid] = person, filed
            paths += written.paths
    return truth, paths


def settle(hospital: Hospital, exams: int) -> None:
    """Wait until every exam has what it will get."""
    while True:
        rows = hospital.rows("orders", "--limit", str(exams + 1))
        words = [row["readiness"] for row in rows]
        done = sum(word not in {"unplanned", "waiting"} for word in words)
        print(f"  {done} of {exams} exams settled", flush=True)  # noqa: T201 (a bench tells)
        if done == exams:
            return
        time.sleep(LOOK)


def main() -> int:
    """Run the trial and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    chance = random.Random(said.seed)  # noqa: S311 (not a secret)
    people = list(make_people(said.patients, chance))
    with tempfile.TemporaryDirectory() as name, Hospital(Path(name)) as hospital:
        workstation = hospital.workstation(peers.Orthanc)
        archive = hospital.archive(peers.Orthanc)
        truth, paths = write_all(people, Path(name), chance)
        for at in range(0, len(paths), CHUNK):
            archive.load(paths[at : at + CHUNK])
        hospital.open(
            rules=ANYTHING,
            identity={"name_conflict": "given name"},
            archives={"main": {"send_issuer": False, "issuers": {issuer: issuer for issuer in HOSPITALS}}},
        )
        expected = [person for person in people if person.expected]
        start = soon(hours=6)
        exams = [
            hospital.exam(f"T{one.number}", patient=one.patient, scheduled_start=start) for one in expected
        ]
        hospital.send(*map(hospital.message, exams))
        settle(hospital, len(exams))
        moved = {str(image.StudyInstanceUID) for image in workstation.instances().values()}
        quarantined = {row["study_instance_uid"] for row in hospital.rows("quarantine")}
    return tell(truth, moved, quarantined, len(people))


def tell(truth: Truth, moved: set[str], quarantined: set[str], count: int) -> int:
    """Print the figures; 1 where a study of another person moved."""
    right = {uid for uid in truth.owner if truth.right(uid)}
    wrong = sorted(uid for uid in moved if not truth.owner[uid].expected)
    print(f"{count} people, {len(truth.owner)} studies, {len(right)} of them wanted and rightly filed")  # noqa: T201
    print(f"moved: {len(moved)}, of these of another person: {len(wrong)}")  # noqa: T201
    print(f"rightly filed and moved: {len(right & moved) / len(right):.2%}")  # noqa: T201
    print(f"rightly filed and in quarantine: {len(right & quarantined) / len(right):.2%}")  # noqa: T201
    print(f"in quarantine in all: {len(quarantined)}")  # noqa: T201
    for uid in wrong[:10]:
        print(f"  {truth.owner[uid].patient} filed as {truth.filed[uid]}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
