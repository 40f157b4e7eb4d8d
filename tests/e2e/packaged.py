"""DICOM that nobody here wrote: what pydicom, pydicom-data and pynetdicom ship, with all its oddities."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom

from prefetch import model

_SHELVES = (
    Path(str(resources.files("pydicom"))) / "data" / "test_files",
    Path(str(resources.files("data_store"))) / "data",
    Path(str(resources.files("pynetdicom"))) / "tests" / "dicom_files",
)


def files(*patterns: str) -> list[Path]:
    """The DICOM files of these names; `*` stands for any part of a name."""
    found = [path for shelf in _SHELVES for pattern in patterns for path in shelf.rglob(pattern)]
    return sorted(path for path in found if path.is_file() and is_dicom(path))


def patient_of(image: pydicom.Dataset) -> model.Patient:
    """Whose image it is; what it does not say stays unknown."""
    return model.Patient(
        patient_id=image.PatientID,
        issuer_of_patient_id=image.get("IssuerOfPatientID") or None,
        name=str(image.get("PatientName") or "") or None,
        birth_date=image.get("PatientBirthDate") or None,
        sex=image.get("PatientSex") or None,
    )
