"""Does a study of another person ever move? Made-up people with all that makes one be taken for another.

    python -m tests.bench.wrong_patient --patients 10000
    python -m tests.bench.wrong_patient --patients 10000 --every-setting

Numbers that two hospitals gave out to two people, twins, misfiled studies, misspelt names, mistyped birth
dates, swapped sex, missing birth dates and issuers. The judge reads the instances on the workstation and
knows whose each study is from making it; it never asks the daemon. Exit status 1 where, as the daemon is
shipped, any study of another person moved. `--every-setting` shows beside it what other settings of
`identity` would cost.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom.config

from prefetch import model
from tests import peers, studies
from tests.e2e.hospital import ANYTHING, Hospital, soon

HOSPITALS = ("HOSP", "CLINIC")
STUDIES = 2
"""Of each person."""
CHUNK = 500
"""Files loaded at a time."""
LOOK = 2.0

AS_SHIPPED = "as shipped"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    AS_SHIPPED: {},
    "name_conflict: quarantine": {"name_conflict": "quarantine"},
    "birth_date_said_by: both": {"birth_date_said_by": "both"},
    "both, and every name": {"birth_date_said_by": "both", "name_conflict": "must agree"},
    "birth_date_said_by: nobody": {"birth_date_said_by": "nobody"},
    "name_conflict: note": {"name_conflict": "note"},
    "nobody, and note": {"birth_date_said_by": "nobody", "name_conflict": "note"},
}
"""What a site may say under `identity`."""


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
        family, _, given = (own.name or "").partition("^")
        # Some twins share a given name and go by the other.
        shared = f"{given.split()[0]} " if " " in given else ""
        twin = replace(
            own, patient_id=f"{number + 500_000:07}", name=f"{family}^{shared}{_word(chance)}", sex=own.sex
        )
        namesake = replace(_born(number + 2, HOSPITALS[1], chance), name=own.name)
        group = (own, stranger, twin, namesake)
        yield from (Person(number=number + at, patient=one, expected=at == 0) for at, one in enumerate(group))


def _born(number: int, issuer: str, chance: random.Random) -> model.Patient:
    given = " ".join(_word(chance) for _ in range(chance.choice((1, 1, 2))))
    return model.Patient(
        patient_id=f"{number:07}",
        issuer_of_patient_id=issuer,
        name=f"{_word(chance)}^{given}",
        birth_date=f"{chance.randint(1930, 2019)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}",
        sex=chance.choice("MF"),
    )


def _word(chance: random.Random) -> str:
    return "".join(chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(4)).title()


def as_ordered(person: Person, chance: random.Random) -> model.Patient:
    """A patient as the order names him: now and then nobody asked for the birth date."""
    return replace(person.patient, birth_date="") if chance.random() < 0.01 else person.patient


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
    if chance.random() < 0.08:
        filed = replace(filed, birth_date=_less_of(filed.birth_date or "", chance))
    if chance.random() < 0.03:
        filed = replace(filed, sex={"M": "F", "F": "M"}[filed.sex or "M"])
    return filed


def _less_of(date: str, chance: random.Random) -> str:
    """A birth date that is missing, stands for none, is a year alone, or is mistyped."""
    at = chance.randrange(2, 7)
    mistyped = date[:at] + date[at + 1] + date[at] + date[at + 2 :]
    return chance.choice(("", "", "", "", "19000101", date[:4], mistyped))


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
        if done == exams:
            return
        time.sleep(LOOK + exams / 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one setting, as the workstation and the truth have it."""

    moved: int
    wrong: tuple[str, ...]
    """Studies of another person that moved."""
    right_moved: float
    right_quarantined: float
    quarantined: int


class Trial:
    """An archive full of people, and a workstation for each setting that is tried."""

    def __init__(
        self, directory: Path, hospital: Hospital, *, patients: int, seed: int, settings: int
    ) -> None:
        """Make the people and their studies, and load them."""
        chance = random.Random(seed)  # noqa: S311 (not a secret)
        self.hospital = hospital
        self.people = list(make_people(patients, chance))
        self._stations = [
            hospital.workstation(peers.Orthanc, ae_title=f"READ{nth}") for nth in range(settings)
        ]
        archive = hospital.archive(peers.Orthanc)
        with pydicom.config.disable_value_validation():  # a year alone is no date, and is in archives
            self.truth, paths = write_all(self.people, directory, chance)
        for at in range(0, len(paths), CHUNK):
            archive.load(paths[at : at + CHUNK])
        self._expected = [(one.number, as_ordered(one, chance)) for one in self.people if one.expected]

    def run(self, said: Mapping[str, str]) -> Outcome:
        """Book everybody's exam with a daemon that has this said of identity."""
        station = self._stations.pop()
        self.hospital.workstations = {"room": station}
        self.hospital.open(
            rules=ANYTHING,
            identity=said,
            store=f"sqlite:///{station.ae_title}.db",
            archives={"main": {"send_issuer": False, "issuers": {issuer: issuer for issuer in HOSPITALS}}},
        )
        start = soon(hours=6)
        exams = [
            self.hospital.exam(f"T{number}", patient=patient, scheduled_start=start)
            for number, patient in self._expected
        ]
        self.hospital.send(*map(self.hospital.message, exams))
        settle(self.hospital, len(exams))
        quarantined = {row["study_instance_uid"] for row in self.hospital.rows("quarantine")}
        self.hospital.close()
        return self._judge(
            {str(image.StudyInstanceUID) for image in station.instances().values()}, quarantined
        )

    def _judge(self, moved: set[str], quarantined: set[str]) -> Outcome:
        right = {uid for uid in self.truth.owner if self.truth.right(uid)}
        return Outcome(
            moved=len(moved),
            wrong=tuple(sorted(uid for uid in moved if not self.truth.owner[uid].expected)),
            right_moved=len(right & moved) / len(right),
            right_quarantined=len(right & quarantined) / len(right),
            quarantined=len(quarantined),
        )

    def tell_of(self, uid: str) -> str:
        """Whose a study is, and how it was filed."""
        return f"{self.truth.owner[uid].patient} filed as {self.truth.filed[uid]}"


def main() -> int:
    """Run the trial and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every-setting", action="store_true")
    said = parser.parse_args()
    names = list(SETTINGS) if said.every_setting else [AS_SHIPPED]
    with tempfile.TemporaryDirectory() as name, Hospital(Path(name)) as hospital:
        trial = Trial(Path(name), hospital, patients=said.patients, seed=said.seed, settings=len(names))
        print(f"{said.patients} people, {len(trial.truth.owner)} studies, seed {said.seed}", flush=True)  # noqa: T201 (a bench tells)
        outcomes = {each: tell(trial, each) for each in names}
    return 1 if outcomes[AS_SHIPPED].wrong else 0


def tell(trial: Trial, setting: str) -> Outcome:
    """Try one setting, and print a line of the table."""
    outcome = trial.run(SETTINGS[setting])
    print(  # noqa: T201 (a bench tells)
        f"| {setting} | moved {outcome.moved}, of another person {len(outcome.wrong)} "
        f"| right ones moved {outcome.right_moved:.2%}, in quarantine {outcome.right_quarantined:.2%} "
        f"| in quarantine in all {outcome.quarantined} |",
        flush=True,
    )
    for uid in outcome.wrong[:10]:
        print(f"    {trial.tell_of(uid)}", flush=True)  # noqa: T201 (a bench tells)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
