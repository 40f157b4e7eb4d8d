"""DICOM that nobody here wrote: what pydicom and pydicom-data ship, with all its oddities."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pydicom

from prefetch import model

_SHELVES = (
    Path(str(resources.files("pydicom"))) / "data" / "test_files",
    Path(str(resources.files("data_store"))) / "data",
)


def files(*patterns: str) -> list[Path]:
    """The DICOM files of these names; `*` stands for any part of a name."""
    found = [path for shelf in _SHELVES for pattern in patterns for path in shelf.rglob(pattern)]
    return sorted(path for path in found if path.is_file())


def patient_of(path: Path) -> model.Patient:
    """Whose image it is; what the file does not say stays unknown."""
    image = pydicom.dcmread(path, stop_before_pixels=True)
    return model.Patient(
        patient_id=image.PatientID,
        issuer_of_patient_id=image.get("IssuerOfPatientID") or None,
        name=str(image.PatientName),
        birth_date=image.get("PatientBirthDate") or None,
        sex=image.get("PatientSex") or None,
    )


def pixels_of(paths: list[Path]) -> dict[str, bytes]:
    """Pixel data by SOP Instance UID."""
    return {str(image.SOPInstanceUID): image.PixelData for image in map(pydicom.dcmread, paths)}
