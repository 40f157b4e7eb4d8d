"""The starter rules on a morning in the made-up hospital, against what was decided by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pynetdicom.dsutils import encode

from prefetch import config, model
from prefetch.dimse import answer
from prefetch.planning import identity, keys, matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.sandbox import hospital, morning, premises
from prefetch.sandbox.holdings import Holdings

HOSPITAL = hospital.load()
NOW = datetime(2026, 2, 27, 7, 30, tzinfo=UTC)
MORNING = morning.Morning(HOSPITAL, NOW)
EXAMS = {exam.accession: (patient, exam) for patient, exam in HOSPITAL.exams()}

KEYS = (
    "StudyInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
    "AccessionNumber",
)


@dataclass(frozen=True)
class Site:
    """The hospital's configuration with the starter rules, and what its archives hold."""

    config: config.Config
    holdings: dict[str, Holdings]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The hospital as its own premises describe it; nothing listens."""
    closed = premises.Premises(MORNING)
    for peer in (*closed.archives.values(), *closed.workstations.values()):
        peer.port = 11112
    file = tmp_path_factory.mktemp("site") / "prefetch.yaml"
    rules = Path(premises.__file__).with_name("rules")
    file.write_text(
        closed.configuration(listener_port=0, store=file.with_name("db"), rules=rules, time_zone="UTC")
    )
    holdings = {name: archive.holdings for name, archive in closed.archives.items()}
    return Site(config=config.load(file), holdings=holdings)


def order_of(patient: hospital.Patient, exam: hospital.Exam) -> model.Order:
    """The order that the exam's messages come to."""
    starts = exam.messages[-1].starts or exam.starts
    code, description = exam.procedure
    return model.Order(
        id=1,
        version=1,
        status=model.OrderStatus.SCHEDULED,
        patient=MORNING.identity(patient),
        source="ris",
        accession_number=exam.accession,
        procedure_code=code,
        procedure_description=description,
        modality=exam.modality,
        station_ae_title=exam.station,
        patient_class=exam.patient_class,
        scheduled_start=None if starts is None else NOW + starts,
        created_at=NOW,
        changed_at=NOW,
    )


def answers(site: Site, patient_id: str) -> dict[str, list[model.Study]]:
    """What each archive answers about a patient ID, as the daemon reads it."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    for keyword in KEYS:
        setattr(identifier, keyword, "")
    identifier.PatientID = patient_id
    return {
        name: [study for one in held.find(identifier) if (study := over_the_wire(one, name)) is not None]
        for name, held in site.holdings.items()
    }


def over_the_wire(identifier: Dataset, archive: str) -> model.Study | None:
    """An answer as the daemon reads it from its bytes."""
    encoded = encode(identifier, is_implicit_vr=True, is_little_endian=True)
    return answer.read_study(read_dataset(BytesIO(encoded or b""), True, True), archive=archive)


def chosen(site: Site, accession: str) -> dict[str, str]:
    """What the rules choose for an exam and identity allows: key of the study → workstation."""
    patient, exam = EXAMS[accession]
    order = order_of(patient, exam)
    policy = identity.Policy.of(site.config)
    sure = {
        archive: [
            study
            for study in studies
            if identity.check_identity(
                order.patient, study, asked=keys.own(order.patient.ids), policy=policy
            ).kind
            in {identity.Kind.MATCH, identity.Kind.UNKNOWN}
        ]
        for archive, studies in answers(site, patient.id).items()
    }
    matches = matching.match_rules(site.config.rule_set, order, site=site.config, now=NOW)
    found = select.select_priors(matches, order, sure, circumstances=Circumstances.of(site.config, NOW))
    return {
        MORNING.key_of(choice.study.study_instance_uid) or "": choice.destination
        for choice in found.choices
        if choice.start_at <= NOW
    }


@pytest.mark.parametrize("accession", EXAMS)
def test_a_radiologist_gets_what_was_decided_by_hand(site: Site, accession: str) -> None:
    """Every wanted prior is chosen for the room where the exam is read, and nothing that must not come."""
    patient, exam = EXAMS[accession]
    found = chosen(site, accession) if not exam.is_cancelled else {}
    room = premises.room_name(HOSPITAL.rooms[exam.modality])
    wanted = {hospital.full_key(patient, key) for key in exam.wanted}
    assert wanted - set(found) == set()
    assert set(found) & {hospital.full_key(patient, key) for key in exam.never} == set()
    assert set(found.values()) <= {room}


def test_the_morning_stays_small(site: Site) -> None:
    """The rules choose a handful of priors for an exam, not a patient's whole history."""
    counts = [len(chosen(site, accession)) for accession in EXAMS]
    assert max(counts) <= 8
    assert sum(counts) <= 4 * len(counts)
