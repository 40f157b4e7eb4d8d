"""The shipped rules, all of them: four sentences that hold for any exam and any history.

Histories are drawn: every kind of exam, recent and old, of the region and of others, in several languages.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefetch import config, model, rules
from prefetch.planning import matching, select
from prefetch.planning.circumstances import Circumstances

DIRECTORY = Path(__file__).parents[2] / "rules"
NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
MOST = 8

EXAMS = {
    "CT": [
        "CT chest",
        "CT Abdomen nativ",
        "TC de cráneo",
        "CT of the neck",
        "CT lumbar spine",
        "CT Thorax Abdomen",
    ],
    "MR": ["MRI brain", "MRT Knie links", "IRM lombaire", "MR pelvis", "MR liver", "MRI shoulder right"],
    "US": [
        "US thyroid",
        "Abdomensonographie",
        "Echocardiography",
        "US breast left",
        "US scrotum",
        "Duplex leg veins",
    ],
    "CR": ["XR chest", "Thorax p.a.", "XR knee left", "Rx bacino", "XR hand right", "XR cervical spine"],
    "MG": ["Mammography bilateral", "Mammographie beidseits"],
    "NM": ["Bone scan whole body", "Thyroid scintigraphy", "Myocardial perfusion"],
    "PT": ["PET/CT skull base to thigh", "FDG PET lymphoma"],
    "XA": ["Coronary angiography", "Angiography of the leg"],
    "RF": ["Barium swallow", "Small bowel follow through"],
    "BMD": ["Bone density spine and hip"],
}
AGES = [1, 3, 10, 25, 60, 200, 400, 800, 1500, 2600, 4000]
"""Days before the exam."""


@pytest.fixture(scope="module")
def site() -> config.Config:
    """A site with the shipped rules and nothing else said."""
    return config.made_up(DIRECTORY)


def history(chance: random.Random) -> tuple[model.Study, ...]:
    """A patient's earlier studies, no two of the same day."""
    ages = chance.sample(AGES, chance.randint(0, len(AGES)))
    return tuple(study(chance, age) for age in ages)


def study(chance: random.Random, age: int) -> model.Study:
    """One study of any kind."""
    modality = chance.choice(list(EXAMS))
    return model.Study(
        study_instance_uid=f"1.2.{age}",
        archive="main-archive",
        patient_id="4711",
        study_date=(NOW - timedelta(days=age)).date(),
        description=chance.choice(EXAMS[modality]),
        modalities=(modality,),
        instances=10,
    )


def exam(chance: random.Random) -> model.Order:
    """One order of any kind."""
    modality = chance.choice(list(EXAMS))
    return model.Order(
        id=1,
        version=1,
        status=model.OrderStatus.SCHEDULED,
        patient=model.Patient(patient_id="4711", birth_date="19700101", sex="F"),
        source="ris",
        accession_number="A1",
        procedure_description=chance.choice(EXAMS[modality]),
        modality=modality,
        scheduled_start=NOW + timedelta(hours=5),
        created_at=NOW,
        changed_at=NOW,
    )


def chosen(
    order: model.Order, studies: Sequence[model.Study], site: config.Config
) -> tuple[set[str], dict[str, int]]:
    """The studies that the library takes, and the grade of each one."""
    loaded: rules.RuleSet = site.rule_set
    matches = matching.match_rules(loaded, order, site=site, now=NOW)
    archive = next(iter(site.archives))
    own = tuple(replace(each, archive=archive) for each in studies)
    selection = select.select_priors(
        matches, order, {archive: own}, circumstances=Circumstances.of(site, NOW)
    )
    grades = {choice.study.study_instance_uid: choice.grade for choice in selection.choices}
    grades |= {
        each.study.study_instance_uid: each.relevance.grade
        for each in selection.candidates
        if each.relevance is not None
    }
    return {choice.study.study_instance_uid for choice in selection.choices}, grades


def age_of(uid: str) -> int:
    """The age of a drawn study in days."""
    return int(uid.rpartition(".")[2])


@pytest.mark.parametrize("seed", range(300))
def test_nobody_is_left_with_nothing(site: config.Config, seed: int) -> None:
    """The newest comparable comes, whatever its age, and what was made in the last days; never too many."""
    chance = random.Random(seed)  # noqa: S311 (a draw of histories)
    order, studies = exam(chance), history(chance)
    taken, grades = chosen(order, studies, site)
    comparable = sorted((uid for uid, grade in grades.items() if grade >= 2), key=age_of)
    recent = sorted((uid for uid, grade in grades.items() if grade >= 1 and age_of(uid) <= 30), key=age_of)
    assert set(comparable[:1]) <= taken
    if order.modality != "BMD":
        assert set(recent[:1]) <= taken
    assert len(taken) <= MOST
