"""What every competitor of the bench is given: an archive full of priors, an empty workstation, patients.

The archive stays the same; each trial gets a workstation of its own that has received nothing yet.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefetch import model
from tests import peers
from tests.studies import write_study

PRIORS = 6
"""Studies of each patient in the archive, all of them wanted."""

INSTANCES = 2
"""Images of each study, 32 by 32 pixels."""

PATIENCE = 240.0
"""Seconds that a competitor has; then it has lost."""

MODALITIES = ("CT", "MR", "CR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One competitor's task: have all studies of these patients sent to this workstation."""

    archive: peers.Server
    workstation: peers.Server
    patients: Sequence[model.Patient]
    parallel: int
    """How many moves may be under way at a time."""
    directory: Path
    """For files of its own."""

    @property
    def studies(self) -> int:
        """How many priors are to arrive."""
        return len(self.patients) * PRIORS

    @property
    def instances(self) -> int:
        """How many instances are to arrive."""
        return self.studies * INSTANCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one trial came to."""

    seconds: float
    """From the first order or patient to the last prior, in the competitor's own words."""
    cpu: float
    """Seconds of CPU that the competitor itself used."""
    archive_cpu: float = 0.0
    workstation_cpu: float = 0.0
    details: Sequence[str] = ()
    """Lines for who wants to know more."""

    def rate(self, trial: Trial) -> float:
        """Orders a second."""
        return len(trial.patients) / self.seconds


Competitor = Callable[[Trial], Score]


# --- what is there ---------------------------------------------------------------------------------


def make_patients(count: int) -> list[model.Patient]:
    """People who were never born, each with an ID of their own."""
    return [
        model.Patient(
            patient_id=f"B{number:05}",
            name=f"Bench^Patient{number:05}",
            birth_date=f"19{40 + number % 50}0{1 + number % 9}15",
            sex="F" if number % 2 else "M",
        )
        for number in range(count)
    ]


def write_priors(directory: Path, patients: Sequence[model.Patient]) -> Iterator[Path]:
    """The files of everybody's earlier studies."""
    for patient in patients:
        for number in range(PRIORS):
            modality = MODALITIES[number % len(MODALITIES)]
            yield from write_study(
                directory,
                patient_id=str(patient.patient_id),
                name=str(patient.name),
                birth_date=str(patient.birth_date),
                sex=str(patient.sex),
                study_date=f"20{12 + number * 2}0310",
                modality=modality,
                description=f"{modality} chest {number}",
                instances=INSTANCES,
            ).paths


# --- what it costs ---------------------------------------------------------------------------------


def cpu_of(process_id: int) -> float:
    """Seconds of CPU of a process and of all its children, those that have ended too (proc(5))."""
    process = Path(f"/proc/{process_id}")
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        children = [child for task in process.glob("task/*/children") for child in task.read_text().split()]
    except OSError:  # ended meanwhile, and counted by its parent
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_of(int(child)) for child in children)


def cpu_of_children() -> float:
    """Seconds of CPU of our own children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def cpu_meter(*process_ids: int) -> Iterator[list[float]]:
    """Give a list that holds, when the block has ended, what each process used meanwhile."""
    before = [cpu_of(process_id) for process_id in process_ids]
    used: list[float] = []
    yield used
    used += [cpu_of(process_id) - then for process_id, then in zip(process_ids, before, strict=True)]


def fsync_milliseconds(directory: Path) -> float:
    """What one durable write of a page costs here: the median of a hundred."""
    times = []
    with (directory / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[len(times) // 2]
