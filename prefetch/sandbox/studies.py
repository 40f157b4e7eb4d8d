"""PURE: synthetic studies as DICOM data sets; small, valid, and the same bytes for the same facts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import shake_128

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from prefetch import model
from prefetch.sandbox import iods

SIDE = 32
"""Rows and columns of an image; enough to compare pixels, cheap to send."""

_MAKER = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'sandbox.prefetch.invalid').int}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of a study: its modality, how many instances it has, and what it is called."""

    modality: str
    instances: int
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is to be made: the facts that every instance of the study carries."""

    patient: model.Patient
    study_instance_uid: str
    study_date: date
    study_time: str = "080000"
    accession_number: str = ""
    description: str = ""
    procedure_codes: Sequence[str] = ()
    """Code values of a site's own scheme."""
    series: Sequence[Series] = (Series(modality="CT", instances=1),)
    character_set: str = "ISO_IR 192"

    @property
    def instances(self) -> int:
        """How many instances it has."""
        return sum(series.instances for series in self.series)


def made_up_uid(*names: object) -> str:
    """A UID that is always the same for the same names (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, names))).int}"


def make(study: Study) -> Iterator[Dataset]:
    """The instances of a study, series by series.

    A UID depends on the study's UID and the place in it, so that an archive with fewer instances of a
    study holds the same first ones.
    """
    for series_number, series in enumerate(study.series, start=1):
        for instance_number in range(1, series.instances + 1):
            yield _instance(study, series, series_number, instance_number)


def _instance(study: Study, series: Series, series_number: int, number: int) -> Dataset:
    iod = iods.IODS[series.modality]
    instance = Dataset()
    instance.SpecificCharacterSet = study.character_set
    instance.SOPClassUID = iod.sop_class_uid
    instance.SOPInstanceUID = made_up_uid(study.study_instance_uid, series_number, number)
    _say_whose(instance, study.patient)
    _say_which_study(instance, study)
    _say_which_series(instance, study, series.modality, series_number)
    if series.description:
        instance.SeriesDescription = series.description
    instance.InstanceNumber = number
    for keyword, value in iod.attributes.items():
        setattr(instance, keyword, value)
    for keyword, items in iod.sequences().items():
        setattr(instance, keyword, items)
    if "ImageLaterality" not in iod.attributes:
        instance.Laterality = ""
    if "ImageOrientationPatient" in iod.attributes:
        instance.FrameOfReferenceUID = made_up_uid(study.study_instance_uid, "frame of reference")
        instance.PositionReferenceIndicator = ""
        instance.ImagePositionPatient = [0, 0, 5 * number]
    _draw(instance, iod)
    instance.file_meta = _file_meta(instance)
    return instance


def _say_whose(instance: Dataset, patient: model.Patient) -> None:
    instance.PatientName = patient.name or ""
    instance.PatientID = patient.patient_id or ""
    if patient.issuer_of_patient_id:
        instance.IssuerOfPatientID = patient.issuer_of_patient_id
    instance.PatientBirthDate = patient.birth_date or ""
    instance.PatientSex = patient.sex or ""


def _say_which_study(instance: Dataset, study: Study) -> None:
    instance.StudyInstanceUID = study.study_instance_uid
    instance.StudyDate = study.study_date.strftime("%Y%m%d")
    instance.StudyTime = study.study_time
    instance.AccessionNumber = study.accession_number
    instance.StudyDescription = study.description
    if study.procedure_codes:
        instance.ProcedureCodeSequence = [_code(value) for value in study.procedure_codes]
    instance.StudyID = "1"
    instance.ReferringPhysicianName = ""


def _code(value: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "99SANDBOX", value
    return code


def _say_which_series(instance: Dataset, study: Study, modality: str, number: int) -> None:
    instance.Modality = modality
    instance.SeriesInstanceUID = made_up_uid(study.study_instance_uid, number)
    instance.SeriesNumber = number
    instance.SeriesDate = instance.ContentDate = instance.AcquisitionDate = instance.StudyDate
    instance.SeriesTime = instance.ContentTime = instance.AcquisitionTime = study.study_time
    instance.Manufacturer = "prefetch sandbox"


def _draw(instance: Dataset, iod: iods.Iod) -> None:
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    if iod.frames is not None:
        instance.NumberOfFrames = iod.frames
    instance.Rows = instance.Columns = SIDE
    instance.BitsAllocated = instance.BitsStored = iod.bits
    instance.HighBit = iod.bits - 1
    instance.PixelRepresentation = 0
    seed = str(instance.SOPInstanceUID).encode()
    instance.PixelData = shake_128(seed).digest(SIDE * SIDE * iod.bits // 8 * (iod.frames or 1))


def _file_meta(instance: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = instance.SOPClassUID
    meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _MAKER
    return meta
