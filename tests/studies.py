"""Small synthetic studies as DICOM files, for archives that a test starts.

study = write_study(tmp_path, patient_id="P1", modality="CT", study_date="20240105", instances=3)
archive.load(study.paths)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import UID, GrayscaleSoftcopyPresentationStateStorage, KeyObjectSelectionDocumentStorage

from prefetch import model
from prefetch.sandbox import studies

KEY_OBJECT, PRESENTATION_STATE = KeyObjectSelectionDocumentStorage, GrayscaleSoftcopyPresentationStateStorage


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


def write_marking(
    directory: Path, *images: Path, sop_class: UID = KEY_OBJECT, title: str = "113000"
) -> tuple[Path, str]:
    """Write an object of a series of its own that marks images of one study; gives its file and UID.

    Only what an archive is asked for is in it.
    """
    marked = [dcmread(image) for image in images]
    made = dcmread(images[0])
    for keyword in ("PixelData", "Rows", "Columns", "SeriesDescription"):
        if keyword in made:
            del made[keyword]
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    made.Modality = "KO" if sop_class == KEY_OBJECT else "PR"
    made.SeriesInstanceUID = studies.made_up_uid(sop_class, "series", *images)
    made.SOPInstanceUID = studies.made_up_uid(sop_class, title, *images)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    series = [_referred(image, sop_class) for image in marked]
    if sop_class == KEY_OBJECT:
        made.ConceptNameCodeSequence = [
            _item(CodeValue=title, CodingSchemeDesignator="DCM", CodeMeaning="a title")
        ]
        evidence = _item(StudyInstanceUID=made.StudyInstanceUID, ReferencedSeriesSequence=series)
        made.CurrentRequestedProcedureEvidenceSequence = [evidence]
    else:
        made.ReferencedSeriesSequence = series
    path = directory / f"{made.SOPInstanceUID}.dcm"
    made.save_as(path, enforce_file_format=True)
    return path, str(made.SOPInstanceUID)


def _referred(image: Dataset, sop_class: UID) -> Dataset:
    """An image by its series (PS3.3 C.17.2.1 in a Key Object, C.11.11 in a Presentation State)."""
    instance = _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    keyword = "ReferencedSOPSequence" if sop_class == KEY_OBJECT else "ReferencedImageSequence"
    return _item(**{"SeriesInstanceUID": image.SeriesInstanceUID, keyword: [instance]})


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
