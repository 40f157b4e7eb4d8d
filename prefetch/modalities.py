"""PURE: the Modality terms of DICOM, and the families in which people speak of them.

Orders and studies keep DICOM's terms; a rule may name a family (`XR`) for all of its members.
"""

from __future__ import annotations

# PS3.3 C.7.3.1.1.1, Defined Terms of Modality (0008,0060)
_TERMS = """
    ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL
    IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX
    REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF
    STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
"""
_RETIRED = "AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF"
"""Retired from the standard, not from the archives."""

TERMS = frozenset((_TERMS + _RETIRED).split())

FAMILIES = {
    "XR": frozenset({"CR", "DX", "RG", "PX"}),
    "DXA": frozenset({"BMD"}),
}
"""What people say → the terms that they mean."""

MARKING = frozenset({"KO", "PR"})
"""What marks images of its study: Key Object Selections and Presentation States."""

KNOWN = (*sorted(FAMILIES), *sorted(TERMS))
"""All that a rule may name."""


def members(modality: str) -> frozenset[str]:
    """The terms that a name stands for: a family's members, or the term itself."""
    return FAMILIES.get(modality, frozenset({modality}))


def family(modality: str) -> frozenset[str]:
    """The terms that compare with a modality as their own kind: CR with DX, CT with CT."""
    for terms in FAMILIES.values():
        if modality in terms:
            return terms
    return members(modality)
