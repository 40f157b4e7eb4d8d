"""Promises of the made-up hospital: its file, its morning, and the judge."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import Dataset

from prefetch import errors
from prefetch.sandbox import hospital, judge, morning

NOW = datetime(2026, 2, 27, 7, 30, tzinfo=UTC)

TINY = """
issuer: NORTHGATE
rooms: {CT: READING1, MR: READING2}
patients:
  - key: ada
    name: Quist^Ada
    id: "0017"
    sex: F
    age: 61y
    story: Two scans, and a film that has nothing to do with them.
    studies: |
      ct1  | 6mo | CT    | 2   | -   | CT chest
      pet  | 1y  | PT+CT | 2+1 | 2+3 | PET/CT
      foot | 9y  | DX    | -   | 1   | XR foot
    exams:
      - accession: A1
        procedure: CTCH | CT chest
        modality: CT
        station: CT1
        starts: 1h
        messages: [orm new, orm new again, siu changed 2h]
        wanted: [ct1, pet]
        never: [foot]
        why: Growth.
  - key: ben
    name: Quist^Ben
    id: "0018"
    sex: M
    age: 3y
    story: No exam today.
    studies: |
      us1  | 1y | US | 1 | - | US hips infant
"""


def read(text: str, directory: Path) -> hospital.Hospital:
    """A hospital from a text."""
    file = directory / "hospital.yaml"
    file.write_text(text)
    return hospital.load(file)


@pytest.fixture
def tiny(tmp_path: Path) -> morning.Morning:
    """A morning in the tiny hospital."""
    return morning.Morning(read(TINY, tmp_path), NOW)


# --- the file --------------------------------------------------------------------------------------


def test_the_shipped_hospital_has_what_a_demo_needs() -> None:
    """A few dozen patients, a few hundred studies in two archives, a morning's exams."""
    shipped = hospital.load()
    lines = [line for patient in shipped.patients for line in patient.studies]
    assert len(shipped.patients) >= 36
    assert len(lines) >= 250
    assert sum(len(line.held) == 2 for line in lines) >= 15
    assert len({exam.accession for _, exam in shipped.exams()}) >= 24


def test_nothing_is_both_wanted_and_forbidden() -> None:
    """The shipped expectations do not contradict each other, nor one exam those of another."""
    wanted, never = set(), set()
    for patient, exam in hospital.load().exams():
        wanted |= {hospital.full_key(patient, key) for key in exam.wanted}
        never |= {hospital.full_key(patient, key) for key in exam.never}
    assert not wanted & never


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("wanted: [ct1, pet]", "wanted: [ct7]", "there is no study ada/ct7"),
        ("modality: CT\n", "modality: US\n", "there is no room to read US"),
        ("| CT chest\n", "\n", "not “key | ago"),
        ("ct1  | 6mo | CT ", "ct1  | 6mo | CC ", "no instances can be made of CC"),
        ("orm new,", "fax new,", "not a message such as"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, right: str, wrong: str, words: str) -> None:
    """What cannot be is refused with words when the file is loaded."""
    assert right in TINY
    with pytest.raises(errors.ConfigurationError, match=words):
        read(TINY.replace(right, wrong, 1), tmp_path)


# --- the morning -----------------------------------------------------------------------------------


def test_dates_are_told_back_from_today(tiny: morning.Morning) -> None:
    """A study of six months ago has a date of six months ago, and a child of three is three."""
    (first, *_) = tiny.held_by(hospital.MAIN)
    assert first.StudyDate == "20250827"
    ben = tiny.identity(tiny.hospital.patients[1])
    assert ben.birth_date is not None
    assert "20220227" < ben.birth_date < "20230227"


def test_each_archive_holds_what_the_file_says(tiny: morning.Morning) -> None:
    """The columns are archives, the numbers instances a series; the larger copy is the whole study."""
    main, offsite = (
        [f"{instance.Modality}{instance.SeriesNumber}" for instance in tiny.held_by(archive)]
        for archive in (hospital.MAIN, hospital.OFFSITE)
    )
    assert main == ["CT1", "CT1", "PT1", "PT1", "CT2", "US1"]
    assert offsite == ["PT1", "PT1", "CT2", "CT2", "CT2", "DX1"]
    assert len(tiny.whole_study("ada/pet")) == 5


def test_the_feed_repeats_and_changes(tiny: morning.Morning) -> None:
    """A message said to come again is the same bytes; a change has a control ID and a time of its own."""
    first, again, changed = tiny.feed()
    assert first == again
    assert "|A1.1|" in first
    assert "20260227083000" in first
    assert "|A1.3|" in changed
    assert "20260227093000" in changed


# --- the judge -------------------------------------------------------------------------------------


def verdict(tiny: morning.Morning, *instances: Dataset, room: str = "READING1") -> judge.Verdict:
    """What the judge says when one room holds these instances and the other none."""
    held: dict[str, list[Dataset]] = {"READING1": [], "READING2": []}
    return judge.judge(tiny, held | {room: list(instances)})


def everything(tiny: morning.Morning) -> list[Dataset]:
    """All that is wanted."""
    return [*tiny.whole_study("ada/ct1"), *tiny.whole_study("ada/pet")]


def test_all_that_is_wanted_is_good(tiny: morning.Morning) -> None:
    """Every instance of every wanted study in the right room, and nothing else."""
    assert verdict(tiny, *everything(tiny)).is_good


def test_a_missing_instance_is_found(tiny: morning.Morning) -> None:
    """A study is complete with what the fuller archive holds, not with less."""
    found = verdict(tiny, *everything(tiny)[:-1])
    assert not found.is_good
    assert [(arrival.instances, arrival.expected) for arrival in found.of("A1").arrivals] == [(2, 2), (4, 5)]


def test_other_pixels_are_not_the_study(tiny: morning.Morning) -> None:
    """An instance with the right UID and other pixels does not count."""
    instances = everything(tiny)
    instances[0].PixelData = bytes(len(instances[0].PixelData))
    assert not verdict(tiny, *instances).is_good


def test_the_wrong_room_does_not_count(tiny: morning.Morning) -> None:
    """Priors must be where the exam is read."""
    assert not verdict(tiny, *everything(tiny), room="READING2").is_good


def test_what_must_never_come_is_found_in_any_room(tiny: morning.Morning) -> None:
    """A forbidden study on whichever workstation spoils the exam."""
    found = verdict(tiny, *tiny.whole_study("ada/foot"), room="READING2")
    assert found.of("A1").forbidden == ("foot",)


def test_strangers_are_found(tiny: morning.Morning) -> None:
    """Images of a patient without an exam, or of nobody known, are told."""
    unknown = tiny.whole_study("ada/ct1")[0]
    unknown.StudyInstanceUID = "1.2.3"
    found = verdict(tiny, *everything(tiny), *tiny.whole_study("ben/us1"), unknown)
    assert found.strangers == ("1.2.3", "ben/us1")
    assert not found.is_good
