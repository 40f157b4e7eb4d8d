"""Exams of a month, and their patients' histories in two archives: the same whenever they are made up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from prefetch import model
from tests import recorded

KINDS = {
    "CT": ("CT chest", "CT abdomen and pelvis", "CT head", "CT lumbar spine", "CT thorax abdomen"),
    "MR": ("MR brain", "MRI lumbar spine", "MR knee right", "MR knee left", "MR liver", "MR pelvis"),
    "CR": ("XR chest 2 views", "XR hand left", "XR knee right", "XR lumbar spine", "XR chest bedside"),
    "DX": ("Thorax p.a.", "Becken", "LWS in 2 Ebenen", "Knie rechts", "Schulter links"),
    "US": ("US abdomen", "US thyroid", "US leg veins left", "US kidneys"),
    "MG": ("Mammography screening", "Mammography left"),
    "PT": ("PET/CT whole body",),
    "NM": ("Bone scan", "Thyroid scintigraphy"),
    "XA": ("Coronary angiography",),
}
ADDED = ("", "", " with contrast", " w/o", " follow-up", " routine", " urgent", " portable", " (control)")
SIZES = {
    "CT": (100, 900),
    "MR": (80, 600),
    "PT": (300, 900),
    "CR": (1, 4),
    "DX": (1, 4),
    "US": (5, 60),
    "MG": (4, 9),
    "NM": (2, 20),
    "XA": (20, 200),
}
"""Instances of a study, from and to."""
NOW = datetime(2026, 3, 31, 6, 0, tzinfo=UTC)

Exam = tuple[model.Order, recorded.Held]


def exams(number: int) -> Iterator[Exam]:
    """Exams of a month; most patients come once, the others twice or more."""
    chance = random.Random(30_000)  # noqa: S311 (no secret depends on it)
    patients = [_patient(chance, each) for each in range(number * 3 // 4)]
    for each in range(number):
        patient, held = patients[each] if each < len(patients) else chance.choice(patients)
        created = NOW - timedelta(days=30) + timedelta(days=30) * each / number
        created -= timedelta(minutes=created.minute % 10)
        modality, description = _procedure(chance)
        yield _order(each, patient, modality, description, created), held


def _order(
    number: int, patient: model.Patient, modality: str, description: str, created: datetime
) -> model.Order:
    return model.Order(
        id=0,
        version=1,
        status=model.OrderStatus.SCHEDULED,
        patient=patient,
        source="ris",
        accession_number=f"A{number}",
        placer_order_number=f"P{number}",
        modality=modality,
        procedure_code=f"{modality}{len(description):02}",
        procedure_description=description,
        station_ae_title=f"{modality}{number % 3}",
        location="WARD-3",
        patient_class="IOE"[number % 3],
        scheduled_start=created + timedelta(hours=30),
        created_at=created,
        changed_at=created,
        plan_at=created,
        segments=(
            ["PV1", "1", "I", [["WARD-3", "12", "B"]]],
            [
                "OBR",
                "1",
                f"P{number}",
                "",
                [["CODE", description]],
                *[""] * 13,
                f"A{number}",
                *[""] * 5,
                modality,
            ],
        ),
    )


def _patient(chance: random.Random, number: int) -> tuple[model.Patient, recorded.Held]:
    patient = model.Patient(
        patient_id=f"{number:07}",
        issuer_of_patient_id="HOSP",
        name=f"Bench^Patient {number}",
        birth_date=f"{1930 + number % 80}0115",
        sex="FM"[number % 2],
    )
    count = min(int(chance.expovariate(1 / 14)), 80)
    studies = [_study(chance, patient, f"1.2.826.0.1.{number}.{each}") for each in range(count)]
    recent = [study for study in studies if study.study_date and study.study_date.year > 2021]
    away = [replace(study, archive="offsite") for study in studies if study not in recent]
    return patient, {"main": recent, "offsite": away}


def _study(chance: random.Random, patient: model.Patient, uid: str) -> model.Study:
    modality, description = _procedure(chance)
    return model.Study(
        study_instance_uid=uid,
        archive="main",
        patient_id=patient.patient_id,
        issuer_of_patient_id=patient.issuer_of_patient_id,
        patient_name=patient.name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        study_date=date(2026, 2, 27) - timedelta(days=int(chance.expovariate(1 / 1200))),
        study_time=f"{chance.randrange(24):02}{chance.randrange(60):02}00",
        accession_number=f"S{uid[-12:]}",
        description=description,
        institution="Northgate",
        modalities=(modality,),
        instances=chance.randrange(*SIZES[modality]),
        series=chance.randrange(1, 9),
    )


def _procedure(chance: random.Random) -> tuple[str, str]:
    modality = chance.choice([*KINDS])
    return modality, chance.choice(KINDS[modality]) + chance.choice(ADDED)
