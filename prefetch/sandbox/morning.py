"""PURE: a morning in the made-up hospital: its dates counted back from now, its instances, its messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zlib import crc32

from pydicom import Dataset

from prefetch import model
from prefetch.sandbox import messages, studies
from prefetch.sandbox.hospital import MAIN, Exam, Hospital, Patient, Step, StudyLine, full_key

_WRITERS = {"orm": messages.orm, "omi": messages.omi, "siu": messages.siu}


class Morning:
    """The hospital at a moment; the same moment gives the same bytes."""

    def __init__(self, hospital: Hospital, now: datetime) -> None:
        """`now` is aware, in the hospital's time zone."""
        self.hospital = hospital
        self.now = now
        self._lines = {
            full_key(patient, line.key): (patient, line)
            for patient in hospital.patients
            for line in patient.studies
        }
        self._keys = {uid_of(key): key for key in self._lines}

    def identity(self, patient: Patient) -> model.Patient:
        """The patient as archives and feeds know them."""
        days = 1 + crc32(patient.key.encode()) % 300
        born = patient.age.before(self.now.date()) - timedelta(days=days)
        return model.Patient(
            patient_id=patient.id,
            issuer_of_patient_id=patient.issuer or self.hospital.issuer,
            name=patient.name,
            birth_date=born.strftime("%Y%m%d"),
            sex=patient.sex,
        )

    def held_by(self, archive: str) -> Iterator[Dataset]:
        """Every instance that an archive holds; the main archive names no issuer, as in most hospitals."""
        for patient, line in self._lines.values():
            if archive in line.held:
                facts = self._facts(patient, line, line.held[archive])
                if archive == MAIN:
                    facts = replace(facts, patient=replace(facts.patient, issuer_of_patient_id=None))
                yield from studies.make(facts)

    def whole_study(self, key: str) -> list[Dataset]:
        """A study with every instance that any archive holds of it."""
        patient, line = self._lines[key]
        return list(studies.make(self._facts(patient, line, max(line.held.values(), key=sum))))

    def key_of(self, study_instance_uid: str) -> str | None:
        """The key `patient/study` of a study of the hospital."""
        return self._keys.get(study_instance_uid)

    def feed(self, *, later: bool = False) -> Iterator[str]:
        """The messages in the order in which they are sent: the first of each exam, then what follows.

        With `later` those of the exams that are not booked in the morning.
        """
        exams = list(self.hospital.exams(later=later))
        for position in range(max((len(exam.messages) for _, exam in exams), default=0)):
            for patient, exam in exams:
                if position < len(exam.messages):
                    yield self._message(patient, exam, position)

    def _message(self, patient: Patient, exam: Exam, position: int) -> str:
        step = exam.messages[position]
        return _WRITERS[step.write](
            self._booking(patient, exam, step),
            step.change,
            control_id=f"{exam.accession}.{position if step.again else position + 1}",
            now=self.now,
        )

    def _booking(self, patient: Patient, exam: Exam, step: Step) -> messages.Booking:
        code, description = exam.procedure
        starts = step.starts or exam.starts
        return messages.Booking(
            patient=self.identity(patient),
            accession_number=exam.accession,
            procedure_code=code,
            procedure_description=description,
            modality=exam.modality,
            station_ae_title=exam.station,
            scheduled_start=None if starts is None else self.now + starts,
            patient_class=exam.patient_class,
            priority=exam.priority,
            study_instance_uid=studies.made_up_uid("exam", exam.accession),
            location=exam.location,
        )

    def _facts(self, patient: Patient, line: StudyLine, counts: Sequence[int]) -> studies.Study:
        key = full_key(patient, line.key)
        number = crc32(key.encode())
        modalities = [*line.modalities, *[line.modalities[-1]] * len(counts)]
        return studies.Study(
            patient=self.identity(patient),
            study_instance_uid=uid_of(key),
            study_date=line.ago.before(self.now.date()),
            study_time=f"{8 + number % 9:02}{number % 59:02}00",
            accession_number=f"H{number % 10**7:07}",
            description=line.description,
            series=[
                studies.Series(modality=modality, instances=instances)
                for modality, instances in zip(modalities, counts, strict=False)
            ],
            character_set=patient.character_set,
        )


def uid_of(key: str) -> str:
    """The Study Instance UID of a study of the hospital by its key."""
    return studies.made_up_uid("study", key)
