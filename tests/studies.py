"""Small synthetic studies as DICOM files, for archives that a test starts.

study = write_study(tmp_path, patient_id="P1", modality="CT", study_date="20240105", instances=3)
archive.load(study.paths)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefetch import model
from prefetch.sandbox import studies


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStudy:
    """What was written: the files, and the facts that a test compares with."""

    study_instance_uid: str
    patient_id: str
    accession_number: str
    paths: tuple[Path, ...]
    pixels: dict[str, bytes]
    """SOP Instance UID → Pixel Data, the same in every run."""

    @property
    def instances(self) -> int:
        """How many instances it has."""
        return len(self.paths)


def write_study(
    directory: Path,
    *,
    patient_id: str = "P1",
    issuer_of_patient_id: str | None = None,
    name: str = "Muster^Anna",
    birth_date: str = "19700101",
    sex: str = "F",
    study_date: str = "20240105",
    study_time: str = "080000",
    modality: str = "CT",
    description: str = "CT Thorax",
    accession_number: str = "",
    procedure_codes: Sequence[str] = (),
    study_instance_uid: str | None = None,
    series: int | Sequence[studies.Series] = 1,
    instances: int = 2,
    first: int | None = None,
) -> WrittenStudy:
    """Write the instances of one study; `instances` are those of each series, or `series` are given.

    Without a UID one is made of the facts, so that the same call writes the same study. `first` writes only
    so many files: an archive that holds a part of it.
    """
    uid = study_instance_uid or studies.made_up_uid(
        patient_id, issuer_of_patient_id, study_date, study_time, modality, description, accession_number
    )
    facts = studies.Study(
        patient=model.Patient(
            patient_id=patient_id,
            issuer_of_patient_id=issuer_of_patient_id,
            name=name,
            birth_date=birth_date,
            sex=sex,
        ),
        study_instance_uid=uid,
        study_date=datetime.strptime(study_date, "%Y%m%d").date(),  # noqa: DTZ007 (a date has no zone)
        study_time=study_time,
        accession_number=accession_number,
        description=description,
        procedure_codes=procedure_codes,
        series=[studies.Series(modality=modality, instances=instances)] * series
        if isinstance(series, int)
        else series,
    )
    paths: list[Path] = []
    pixels: dict[str, bytes] = {}
    for instance in list(studies.make(facts))[:first]:
        path = directory / f"{instance.SOPInstanceUID}.dcm"
        instance.save_as(path, enforce_file_format=True)
        paths.append(path)
        pixels[str(instance.SOPInstanceUID)] = instance.PixelData
    return WrittenStudy(
        study_instance_uid=uid,
        patient_id=patient_id,
        accession_number=accession_number,
        paths=tuple(paths),
        pixels=pixels,
    )
