"""Does a study of another person ever move? Made-up people with all that makes one be taken for another.

    python -m tests.bench.wrong_patient --patients 10000
    python -m tests.bench.wrong_patient --patients 10000 --no-daemon
    python -m tests.bench.wrong_patient --patients 10000 --no-issuers

Numbers that two hospitals gave out to two people, twins, misfiled studies, misspelt names, mistyped birth
dates, swapped sex, missing birth dates and issuers. The judge reads the instances on the workstation and
knows whose each study is from making it; it never asks the daemon. Exit status 1 where, as the daemon is
shipped, any study of another person moved. Beside it stands what other settings of `identity` would do to
the same people, by the daemon's checks alone; `--no-daemon` prints only that. With `--no-issuers` the archive
names no issuer, as most do, and nothing is said of it but its address: two people with one number stand side
by side in its answers.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom.config

from prefetch import model
from prefetch.config import Config
from prefetch.planning import identity, keys
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
    "birth_date_said_by: study": {"birth_date_said_by": "study"},
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

    owner: dict[str, Person] = field(default_factory=dict)
    filed: dict[str, model.Patient] = field(default_factory=dict)
    _by_number: dict[str | None, list[str]] = field(default_factory=dict)

    def file(self, uid: str, owner: Person, filed: model.Patient) -> None:
        """Note a study."""
        self.owner[uid], self.filed[uid] = owner, filed
        self._by_number.setdefault(filed.patient_id, []).append(uid)

    def right(self, uid: str) -> bool:
        """Whether it is a study of somebody who has an exam, filed under his own number."""
        own, filed = self.owner[uid], self.filed[uid]
        issuers = {own.patient.issuer_of_patient_id, None}
        same = filed.patient_id == own.patient.patient_id and filed.issuer_of_patient_id in issuers
        return own.expected and same

    def under(self, number: str | None) -> list[model.Study]:
        """What an archive answers about a number."""
        return [_answer(uid, self.filed[uid]) for uid in self._by_number.get(number, ())]


def _answer(uid: str, filed: model.Patient) -> model.Study:
    return model.Study(
        study_instance_uid=uid,
        archive="main",
        patient_id=filed.patient_id,
        issuer_of_patient_id=filed.issuer_of_patient_id,
        patient_name=filed.name,
        birth_date=filed.birth_date,
        sex=filed.sex,
    )


def file_all(people: Sequence[Person], chance: random.Random, *, issuers: bool) -> Truth:
    """File everybody's studies, with their issuers where the archive names any."""
    truth = Truth()
    for person in people:
        group = people[person.number // 4 * 4 :][:4]
        for nth in range(STUDIES):
            uid = f"2.25.{person.number * STUDIES + nth + 10**9}"
            filed = as_filed(group, person, chance)
            truth.file(uid, person, filed if issuers else replace(filed, issuer_of_patient_id=None))
    return truth


def write_all(truth: Truth, directory: Path) -> list[Path]:
    """Write the studies as they were filed, one instance each."""
    paths = list[Path]()
    with pydicom.config.disable_value_validation():  # a year alone is no date, and is in archives
        for uid, filed in truth.filed.items():
            written = studies.write_study(
                directory,
                patient_id=filed.patient_id or "",
                issuer_of_patient_id=filed.issuer_of_patient_id,
                name=filed.name or "",
                birth_date=filed.birth_date or "",
                sex=filed.sex or "",
                study_date=f"20{10 + int(uid[-1]) % STUDIES}0105",
                study_instance_uid=uid,
                instances=1,
            )
            paths += written.paths
    return paths


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
    """People and their studies, how each was filed and ordered."""

    def __init__(self, *, patients: int, seed: int, issuers: bool = True) -> None:
        """Make them up, the same ones for the same seed; `issuers`: whether the archive names any."""
        self.known: Mapping[str, Any] = KNOWN if issuers else {}
        chance = random.Random(seed)  # noqa: S311 (not a secret)
        self.people = list(make_people(patients, chance))
        self.truth = file_all(self.people, chance, issuers=issuers)
        self.ordered = {one.number: as_ordered(one, chance) for one in self.people if one.expected}

    def run(self, directory: Path, hospital: Hospital) -> Outcome:
        """Book everybody's exam with a daemon as it is shipped; what moved is read off the workstation."""
        workstation = hospital.workstation(peers.Orthanc)
        archive = hospital.archive(peers.Orthanc)
        paths = write_all(self.truth, directory)
        for at in range(0, len(paths), CHUNK):
            archive.load(paths[at : at + CHUNK])
        hospital.open(rules=ANYTHING, archives={"main": self.known})
        start = soon(hours=6)
        exams = [
            hospital.exam(f"T{number}", patient=patient, scheduled_start=start)
            for number, patient in self.ordered.items()
        ]
        hospital.send(*map(hospital.message, exams))
        settle(hospital, len(exams))
        quarantined = {row["study_instance_uid"] for row in hospital.rows("quarantine")}
        moved = {str(image.StudyInstanceUID) for image in workstation.instances().values()}
        return self._judge(moved, quarantined)

    def foresee(self, said: Mapping[str, str]) -> Outcome:
        """What the daemon's checks alone would do with this said of identity; no judge, only a comparison."""
        site = _site(said, self.known)
        moved, quarantined = set[str](), set[str]()
        for patient in self.ordered.values():
            sure, doubtful = _check(patient, self.truth.under(patient.patient_id), site)
            moved |= sure
            quarantined |= doubtful
        return self._judge(moved, quarantined)

    def _judge(self, moved: set[str], quarantined: set[str]) -> Outcome:
        right = {uid for uid in self.truth.owner if self.truth.right(uid)}
        return Outcome(
            moved=len(moved),
            wrong=tuple(sorted(uid for uid in moved if not self.truth.owner[uid].expected)),
            right_moved=len(right & moved) / len(right),
            right_quarantined=len(right & quarantined) / len(right),
            quarantined=len(quarantined),
        )

    def tell(self, title: str, outcome: Outcome) -> None:
        """Print a line of the table, and whose the wrong ones are."""
        print(  # noqa: T201 (a bench tells)
            f"| {title} | {outcome.moved} | {len(outcome.wrong)} | {outcome.right_moved:.1%} "
            f"| {outcome.right_quarantined:.1%} | {outcome.quarantined} |",
            flush=True,
        )
        for uid in outcome.wrong[:3]:
            owner, filed = self.truth.owner[uid].patient, self.truth.filed[uid]
            print(f"    {owner} filed as {filed}", flush=True)  # noqa: T201 (the same)


KNOWN: Mapping[str, Any] = {"send_issuer": False, "issuers": {issuer: issuer for issuer in HOSPITALS}}
"""What is said of the archive: both hospitals' numbers lie in it, and it is asked by number alone."""


def _site(said: Mapping[str, str], known: Mapping[str, Any]) -> Config:
    archive = {"ae_title": "MAIN", "host": "127.0.0.1", "port": "104", **known, "send_issuer": "false"}
    workstation = {"ae_title": "ROOM", "verify": "counters"}
    return Config.model_validate(
        {
            "time_zone": "UTC",
            "archives": {"main": archive},
            "workstations": {"room": workstation},
            "identity": said,
        }
    )


def _check(patient: model.Patient, found: Sequence[model.Study], site: Config) -> tuple[set[str], set[str]]:
    """The studies that would move, and those that a person would decide on."""
    asked = [key.alone() for key in keys.keys_for(patient.ids, site.archives["main"]).asked]
    policy = identity.Policy.of(site)
    kinds = {
        study.study_instance_uid: identity.check_identity(patient, study, asked=asked, policy=policy).kind
        for study in found
    }
    own = [study for study in found if kinds[study.study_instance_uid] is not identity.Kind.OTHER]
    apart = identity.check_together(patient, own, policy)
    odd = identity.check_record(own, policy)
    uids = {study.study_instance_uid for study in own}
    doubtful = {uid for uid in uids if apart or uid in odd or kinds[uid] is identity.Kind.CONFLICT}
    return uids - doubtful, doubtful


def main() -> int:
    """Run the trial and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-daemon", action="store_true", help="only the checks, no archive and no daemon")
    parser.add_argument("--no-issuers", action="store_true", help="an archive that names no issuer")
    said = parser.parse_args()
    trial = Trial(patients=said.patients, seed=said.seed, issuers=not said.no_issuers)
    print(f"{said.patients} people, {len(trial.truth.owner)} studies, seed {said.seed}")  # noqa: T201 (a bench tells)
    print("| setting | moved | of another | right ones moved | right ones kept back | kept back in all |")  # noqa: T201
    for setting, identities in SETTINGS.items():
        trial.tell(setting, trial.foresee(identities))
    if said.no_daemon:
        return 0
    with tempfile.TemporaryDirectory() as name, Hospital(Path(name)) as hospital:
        outcome = trial.run(Path(name), hospital)
    trial.tell("as shipped, read off the workstation", outcome)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
