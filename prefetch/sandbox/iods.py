"""PURE: what an instance of each modality must say of itself, by its IOD (PS3.3 section A).

Only what the standard requires and the patient, study and series do not tell; values are plausible, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset, uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Iod:
    """A modality's usual IOD: its SOP Class, the shape of its pixels, and its own attributes."""

    sop_class_uid: uid.UID
    bits: int = 16
    frames: int | None = None
    """For multi-frame IODs, else None."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sequences: Callable[[], Mapping[str, list[Dataset]]] = dict
    """Sequences are made anew for each instance: a pydicom item belongs to one data set only."""


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


_CROSS_SECTIONAL = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.7, 0.7],
    "SliceThickness": 5,
    "AcquisitionNumber": 1,
}

_PROJECTION = {
    "ImageType": ["ORIGINAL", "PRIMARY"],
    "PatientOrientation": ["L", "F"],
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "00",
    "PresentationIntentType": "FOR PRESENTATION",
    "PixelIntensityRelationship": "LOG",
    "PixelIntensityRelationshipSign": -1,
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "RescaleType": "US",
    "PresentationLUTShape": "IDENTITY",
    "ImagerPixelSpacing": [0.14, 0.14],
    "DetectorType": "DIRECT",
    "WindowCenter": 32768,
    "WindowWidth": 65535,
    "KVP": 70,
}


def _projection_sequences() -> dict[str, list[Dataset]]:
    return {
        "AnatomicRegionSequence": [_code("51185008", "SCT", "Chest")],
        "ViewCodeSequence": [_code("399348003", "SCT", "antero-posterior")],
        "AcquisitionContextSequence": [],
    }


def _breast_sequences() -> dict[str, list[Dataset]]:
    view = _code("399368009", "SCT", "medio-lateral oblique")
    view.ViewModifierCodeSequence = []
    return {
        "AnatomicRegionSequence": [_code("76752008", "SCT", "Breast")],
        "ViewCodeSequence": [view],
        "AcquisitionContextSequence": [],
    }


def _nuclear_sequences() -> dict[str, list[Dataset]]:
    return {
        "EnergyWindowInformationSequence": [_item()],
        "RadiopharmaceuticalInformationSequence": [_item(RadionuclideCodeSequence=[])],
        "DetectorInformationSequence": [
            _item(CollimatorType="PARA", ImageOrientationPatient=None, ImagePositionPatient=None)
        ],
        "PatientOrientationCodeSequence": [],
        "PatientGantryRelationshipCodeSequence": [],
    }


def _positron_sequences() -> dict[str, list[Dataset]]:
    return {
        "RadiopharmaceuticalInformationSequence": [_item(RadionuclideCodeSequence=[])],
        "PatientOrientationCodeSequence": [],
        "PatientGantryRelationshipCodeSequence": [],
    }


_SCREEN = {"ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"], "PixelIntensityRelationship": "DISP"}

IODS: dict[str, Iod] = {
    "CT": Iod(
        sop_class_uid=uid.CTImageStorage,
        attributes=_CROSS_SECTIONAL
        | {"PatientPosition": "HFS", "RescaleIntercept": -1024, "RescaleSlope": 1, "KVP": 120},
    ),
    "MR": Iod(
        sop_class_uid=uid.MRImageStorage,
        attributes=_CROSS_SECTIONAL
        | {
            "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
            "PatientPosition": "HFS",
            "ScanningSequence": "SE",
            "SequenceVariant": "NONE",
            "ScanOptions": "",
            "MRAcquisitionType": "2D",
            "RepetitionTime": 500,
            "EchoTime": 15,
            "EchoTrainLength": 1,
        },
    ),
    "PT": Iod(
        sop_class_uid=uid.PositronEmissionTomographyImageStorage,
        attributes=_CROSS_SECTIONAL
        | {
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "Units": "BQML",
            "CountsSource": "EMISSION",
            "SeriesType": ["STATIC", "IMAGE"],
            "NumberOfSlices": 1,
            "CorrectedImage": ["DECY", "ATTN"],
            "DecayCorrection": "START",
            "CollimatorType": "NONE",
            "RescaleIntercept": 0,
            "RescaleSlope": 1,
            "FrameReferenceTime": 0,
            "ActualFrameDuration": 60000,
            "ImageIndex": 1,
            "AcquisitionDate": "",
            "AcquisitionTime": "",
            "DecayFactor": 1,
        },
        sequences=_positron_sequences,
    ),
    "CR": Iod(
        sop_class_uid=uid.ComputedRadiographyImageStorage,
        attributes={"PatientOrientation": ["L", "F"], "BodyPartExamined": "", "ViewPosition": ""},
    ),
    "DX": Iod(
        sop_class_uid=uid.DigitalXRayImageStorageForPresentation,
        attributes=_PROJECTION | {"ImageLaterality": "U", "PositionerType": ""},
        sequences=_projection_sequences,
    ),
    "MG": Iod(
        sop_class_uid=uid.DigitalMammographyXRayImageStorageForPresentation,
        attributes=_PROJECTION
        | {
            "ImageType": ["ORIGINAL", "PRIMARY", ""],
            "PositionerType": "MAMMOGRAPHIC",
            "OrganExposed": "BREAST",
            "BodyPartExamined": "BREAST",
            "ImageLaterality": "R",
            "BreastImplantPresent": "NO",
            "PartialView": "NO",
        },
        sequences=_breast_sequences,
    ),
    "US": Iod(
        sop_class_uid=uid.UltrasoundImageStorage,
        bits=8,
        attributes={
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "LossyImageCompression": "00",
            "PatientOrientation": "",
        },
    ),
    "NM": Iod(
        sop_class_uid=uid.NuclearMedicineImageStorage,
        frames=1,
        attributes={
            "ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"],
            "PixelSpacing": [2.4, 2.4],
            "FrameIncrementPointer": [0x00540010, 0x00540020],
            "EnergyWindowVector": 1,
            "NumberOfEnergyWindows": 1,
            "DetectorVector": 1,
            "NumberOfDetectors": 1,
            "CountsAccumulated": 100000,
            "ActualFrameDuration": 60000,
        },
        sequences=_nuclear_sequences,
    ),
    "XA": Iod(
        sop_class_uid=uid.XRayAngiographicImageStorage,
        bits=8,
        attributes=_SCREEN
        | {
            "PatientOrientation": "",
            "LossyImageCompression": "00",
            "KVP": 80,
            "RadiationSetting": "GR",
            "ExposureTime": 10,
            "XRayTubeCurrent": 400,
            "PositionerMotion": "STATIC",
            "PositionerPrimaryAngle": 0,
            "PositionerSecondaryAngle": 0,
        },
    ),
    "RF": Iod(
        sop_class_uid=uid.XRayRadiofluoroscopicImageStorage,
        bits=8,
        attributes=_SCREEN
        | {
            "PatientOrientation": "",
            "LossyImageCompression": "00",
            "KVP": 80,
            "RadiationSetting": "SC",
            "ExposureTime": 10,
            "XRayTubeCurrent": 4,
        },
    ),
    "BMD": Iod(
        sop_class_uid=uid.SecondaryCaptureImageStorage,
        bits=8,
        attributes={"ConversionType": "WSD", "PatientOrientation": ""},
    ),
}
