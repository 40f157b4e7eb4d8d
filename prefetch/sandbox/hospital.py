"""What `hospital.yaml` may say: patients, their histories, a morning's exams, and what must come of them.

What is expected of the daemon stands in that file by hand; nothing here or there knows a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from prefetch import spans, yamlfile
from prefetch.sandbox import iods, messages

FILE = Path(__file__).with_name("hospital.yaml")

MAIN = "main-archive"
OFFSITE = "offsite"

COLUMNS = ("key", "ago", "modality", MAIN, OFFSITE, "description")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLine:
    """One line of a patient's history."""

    key: str
    ago: spans.Age
    modalities: tuple[str, ...]
    description: str
    held: Mapping[str, tuple[int, ...]]
    """Archive → instances of each series."""


def _read_line(line: str) -> StudyLine:
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) != len(COLUMNS):
        raise ValueError(f"not “{' | '.join(COLUMNS)}”: {line}")
    key, ago, modality, main, offsite, description = cells
    modalities = tuple(modality.split("+"))
    if unknown := set(modalities) - set(iods.IODS):
        raise ValueError(f"{key}: no instances can be made of {', '.join(sorted(unknown))}")
    counts = {archive: _read_counts(cell) for archive, cell in ((MAIN, main), (OFFSITE, offsite))}
    return StudyLine(
        key=key,
        ago=spans.read_age(ago),
        modalities=modalities,
        description=description,
        held={archive: series for archive, series in counts.items() if series},
    )


def _read_counts(cell: str) -> tuple[int, ...]:
    return () if cell == "-" else tuple(map(int, cell.split("+")))


def _read_lines(said: object) -> tuple[StudyLine, ...]:
    return tuple(_read_line(line) for line in str(said or "").splitlines() if line.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One message about an exam: in which form, of what, and the start that it says."""

    write: str
    change: messages.Change
    starts: timedelta | None = None
    """From now; None: as the exam says."""
    again: bool = False
    """The same message once more, byte by byte."""


def _read_step(said: object) -> Step:
    found = re.fullmatch(r"(orm|omi|siu) (new|changed|cancelled)( again)?(?: (\w+))?", str(said))
    if not found:
        raise ValueError(f"not a message such as “orm new” or “siu changed 2h”: {said}")
    write, change, again, starts = found.groups()
    return Step(
        write=write,
        change=messages.Change(change),
        starts=spans.read_duration(starts) if starts else None,
        again=bool(again),
    )


def _read_procedure(said: object) -> tuple[str, str]:
    code, _, description = str(said).partition("|")
    return code.strip(), description.strip()


class Exam(yamlfile.Model):
    """An exam of this morning, and what must come of it."""

    accession: str
    procedure: Annotated[tuple[str, str], BeforeValidator(_read_procedure)]
    """Code and description, with a bar between them."""
    modality: str
    station: str
    starts: spans.Duration | None = None
    """From now; left out: no time is known."""
    patient_class: str = Field(default="O", alias="class")
    priority: str = "R"
    location: str = ""
    messages: tuple[Annotated[Step, BeforeValidator(_read_step)], ...]
    later: bool = False
    """Not booked in the morning's feed."""
    wanted: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    why: str

    @property
    def is_cancelled(self) -> bool:
        """Whether it does not take place in the end."""
        return self.messages[-1].change is messages.Change.CANCELLED


class Patient(yamlfile.Model):
    """A patient with a history."""

    key: str
    name: str
    id: str
    issuer: str | None = None
    """Left out: the hospital's own."""
    sex: str
    age: Annotated[spans.Age, BeforeValidator(spans.read_age)]
    character_set: str = "ISO_IR 192"
    story: str
    studies: Annotated[tuple[StudyLine, ...], BeforeValidator(_read_lines)] = ()
    exams: tuple[Exam, ...] = ()


class Hospital(yamlfile.Model):
    """The whole file."""

    issuer: str
    rooms: dict[str, str]
    """Modality → AE title of the workstation where its exams are read."""
    patients: tuple[Patient, ...]

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        known = {f"{patient.key}/{line.key}" for patient in self.patients for line in patient.studies}
        for patient, exam in (*self.exams(), *self.exams(later=True)):
            for key in (*exam.wanted, *exam.never):
                if full_key(patient, key) not in known:
                    raise ValueError(f"{exam.accession}: there is no study {full_key(patient, key)}")
            if exam.modality not in self.rooms:
                raise ValueError(f"{exam.accession}: there is no room to read {exam.modality}")
        return self

    def exams(self, *, later: bool = False) -> Iterator[tuple[Patient, Exam]]:
        """Every exam of the morning with its patient; or those that are booked later."""
        everything = ((patient, exam) for patient in self.patients for exam in patient.exams)
        return ((patient, exam) for patient, exam in everything if exam.later is later)


def full_key(patient: Patient, key: str) -> str:
    """`patient/study` of a key that may leave out its own patient."""
    return key if "/" in key else f"{patient.key}/{key}"


def load(file: Path = FILE) -> Hospital:
    """Read a hospital; raises `ConfigurationError` with every mistake in it."""
    return yamlfile.load(file, Hospital)
