"""A town full of patients whose earlier studies lie in two archives, and the peers that keep their own logs.

The sandbox's archive and workstation write a journal of each operation; dcmqrscp writes its `--verbose` log.
All of them are slow, as archives are, so that there is always something under way; none of them is at fault.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from prefetch import model
from prefetch.sandbox import faults, messages
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.operation import Service
from prefetch.sandbox.workstation import Workstation
from tests import peers, studies
from tests.e2e.witnesses import VERBOSE, moves_asked

INSTANCES = 3
ORDERS_OF_A_PATIENT = 2
EVERY = 4
"""Every fourth patient has an older study in the second archive too."""

RULES = """
version: 1
rules:
  - name: anything
    priors: [{name: earlier study, within: 200y}]
"""
SETTINGS: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "store": "sqlite:///prefetch.db",
    "planning": {"retry": {"first": "1s", "longest": "1s"}},
    "retrieval": {
        "retry": {"attempts": 8, "first": "1s", "longest": "1s"},
        "check_again": {"attempts": 2, "first": "1s", "longest": "1s"},
    },
    "drain": "5s",
    "logging": {"format": "json"},
}


class Town:
    """Two archives, a workstation and a RIS; everything ends with the test."""

    def __init__(
        self,
        directory: Path,
        *,
        orders: int,
        strangers: int = 0,
        settings: Mapping[str, Any] | None = None,
        archives: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the studies that the patients of so many orders had before.

        `strangers` have studies in the first archive and no order. `settings` stand for whole sections of the
        configuration, `archives` are added to that of each archive.
        """
        self.store = directory / "prefetch.db"
        self.configuration = directory / "prefetch.yaml"
        self.listener_port = peers.free_port()
        patients = [_patient(number) for number in range(-(-orders // ORDERS_OF_A_PATIENT))]
        self.main = [_write(directory / "main", patient, "20230105") for patient in patients]
        self.offsite = [_write(directory / "offsite", patient, "20190105") for patient in patients[::EVERY]]
        for number in range(strangers):
            _write(directory / "main", _patient(number, "S"), "20220105")
        self.orders = orders
        self.called: dict[str, str] = {}
        """Message → what the daemon calls its order."""
        self._settings = {**SETTINGS, **(settings or {})}
        self._of_archives = dict(archives or {})
        self.workstation = Workstation(ae_title="READ1", faults=[faults.takes(find=0.1)])
        self.archive = Archive(ae_title="MAIN", faults=[faults.takes(find=0.05, move=0.1)])
        self.archive.holdings.add_directory(directory / "main")
        self._study_of = {uid: prior.study_instance_uid for prior in self.priors for uid in prior.pixels}
        self._names: list[str] = []
        self._patients = patients
        self._directory = directory
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self.workstation)
        self.archive.knows["READ1"] = (self.workstation.host, self.workstation.port)
        self._open.enter_context(self.archive)
        self.dcmqrscp = peers.Dcmqrscp(
            ae_title="OFFSITE", directory=self._directory, knows=[self.workstation], options=VERBOSE
        )
        self._open.enter_context(self.dcmqrscp)
        self.dcmqrscp.load(path for study in self.offsite for path in study.paths)
        self._configure()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def priors(self) -> list[studies.WrittenStudy]:
        """All that has to be at the workstation in the end."""
        return [*self.main, *self.offsite]

    @property
    def names(self) -> list[str]:
        """What the daemon calls the orders, sorted: an appointment is known by its filler order number."""
        return sorted(self._names)

    def study_of(self, sop_instance_uid: str) -> str:
        """The study of an instance."""
        return self._study_of[sop_instance_uid]

    def book(self, chance: random.Random) -> list[str]:
        """The message of each order: in any form, of any priority, for any time of the day."""
        return [self._book(number, chance) for number in range(self.orders)]

    # --- what the peers' own logs say --------------------------------------------------------------

    def moves(self) -> Counter[str]:
        """How often an archive was asked to move each study, by Study Instance UID."""
        asked = [str(move.identifier.StudyInstanceUID) for move in self.archive.operations(Service.MOVE)]
        return Counter([*asked, *moves_asked(self.dcmqrscp)])

    def stores(self) -> Counter[str]:
        """How often the workstation was sent each instance, by SOP Instance UID."""
        stores = self.workstation.operations(Service.STORE)
        return Counter(str(store.identifier.SOPInstanceUID) for store in stores)

    def moved_without_a_look(self) -> list[str]:
        """Studies that the first archive was asked for again before the workstation was."""
        patient = {study.study_instance_uid: study.patient_id for study in self.main}
        asked = [*self.archive.operations(Service.MOVE), *self.workstation.operations(Service.FIND)]
        unseen: set[str] = set()
        blind: list[str] = []
        for operation in sorted(asked, key=lambda operation: operation.at):
            if operation.service is Service.FIND:
                unseen -= {uid for uid in unseen if patient[uid] == operation.identifier.PatientID}
                continue
            uid = str(operation.identifier.StudyInstanceUID)
            if uid in unseen:
                blind.append(uid)
            unseen.add(uid)
        return blind

    def arrived(self) -> dict[str, bytes]:
        """The pixels that the workstation holds, by SOP Instance UID."""
        return _pixels(self.workstation.holdings.instances())

    # --- the small print ---------------------------------------------------------------------------

    def _book(self, number: int, chance: random.Random) -> str:
        modality = chance.choice(["CT", "MR", "CR"])
        booking = messages.Booking(
            patient=self._patients[number // ORDERS_OF_A_PATIENT],
            accession_number=f"A{number:04}",
            procedure_code=f"{modality}CHEST",
            procedure_description=f"{modality} Chest",
            modality=modality,
            station_ae_title="STATION1",
            scheduled_start=datetime.now(UTC) + timedelta(minutes=chance.randint(60, 600)),
            priority=chance.choice("RRRRRRRAS"),
        )
        build = chance.choice([messages.orm, messages.omi, messages.siu])
        self._names.append(booking.filler_order_number if build is messages.siu else booking.accession_number)
        wire = build(booking, messages.Change.NEW, control_id=f"C{number:04}", now=datetime.now(UTC))
        self.called[wire] = self._names[-1]
        return wire

    def _configure(self) -> None:
        rules = self._directory / "rules"
        rules.mkdir()
        (rules / "rules.yaml").write_text(RULES)
        archives: dict[str, peers.Addressed] = {"main": self.archive, "offsite": self.dcmqrscp}
        said = self._settings | {
            "listeners": {"ris": {"port": self.listener_port}},
            "archives": {name: _called(archive) | self._of_archives for name, archive in archives.items()},
            "workstations": {"read1": _called(self.workstation) | {"settle": "1s"}},
        }
        self.configuration.write_text(json.dumps(said))  # JSON is YAML


def _patient(number: int, letter: str = "T") -> model.Patient:
    return model.Patient(
        patient_id=f"{letter}{number:04}",
        issuer_of_patient_id="HOSP",
        name=f"Muster^Person{number:04}",
        birth_date=f"19{30 + number % 60}0{1 + number % 9}15",
        sex="FM"[number % 2],
    )


def _write(directory: Path, patient: model.Patient, study_date: str) -> studies.WrittenStudy:
    directory.mkdir(exist_ok=True)
    return studies.write_study(
        directory,
        patient_id=patient.patient_id or "",
        issuer_of_patient_id=patient.issuer_of_patient_id,
        name=patient.name or "",
        birth_date=patient.birth_date or "",
        sex=patient.sex or "",
        study_date=study_date,
        instances=INSTANCES,
    )


def _called(peer: peers.Addressed) -> dict[str, Any]:
    return {"ae_title": peer.ae_title, "host": peer.host, "port": peer.port}


def _pixels(instances: Iterable[Any]) -> dict[str, bytes]:
    return {str(instance.SOPInstanceUID): instance.PixelData for instance in instances}
