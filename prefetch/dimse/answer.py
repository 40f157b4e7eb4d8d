"""PURE: what an identifier says, read from its bytes: malformed values as absent, text in any character set.

Knows no peer. pydicom's own conversion is left aside on purpose: it warns, replaces or raises, where an
archive's odd value must cost no more than that value (field guide, section 4, quirks 9, 10, 12 and 30).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import date

from pydicom import Dataset
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from prefetch import model

_DATE = re.compile(
    r"(?P<year>\d{4})(?P<sign>[.-]?)(?P<month>\d{2})(?P=sign)(?P<day>\d{2})"
    r"|(?P<the_day>\d{2})\.(?P<the_month>\d{2})\.(?P<the_year>\d{4})"
)
"""DA, as ACR-NEMA 300 wrote it (PS3.5 Table 6.2-1), and as people do where the order cannot be mistaken."""
_BIRTH_DATE = re.compile(r"\d{4}(\d{2}(\d{2})?)?")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_COUNT = re.compile(r"\+?(\d{1,12})(\.0*)?")
_UID = re.compile(r"[0-9A-Za-z._-]{1,64}")
"""Wider than PS3.5 9.1: what an archive calls a study is the only name to ask for it by."""
_ESCAPE = 0x1B
_DELIMITERS = {*PN_DELIMS, *TEXT_VR_DELIMS, ord("=")}
"""Where ISO 2022 returns to the first character set (PS3.5 6.1.2.5.3)."""
_UNDECLARED = "iso8859"
"""pydicom's name for the default repertoire, in which whatever is not ASCII is a guess."""
_LATIN_1 = "latin_1"
"""Declared by many that write UTF-8; what is UTF-8 by accident makes no sense in Latin-1."""
_MULTI_BYTE = frozenset({"GB18030", "GBK", "GB2312", "shift_jis", "euc_kr"})


def read_study(identifier: Dataset, *, archive: str, character_set: str = "") -> model.Study | None:
    """One STUDY-level answer (PS3.4 C.6.2.1.2); `None` where it names no study.

    `character_set` is what the archive writes in when it does not say (0008,0005).
    """
    uid = text(identifier, "StudyInstanceUID")
    if not uid or not _UID.fullmatch(uid):
        return None
    encodings = encodings_of(identifier, character_set)
    return model.Study(
        study_instance_uid=uid,
        archive=archive,
        patient_id=text(identifier, "PatientID", encodings),
        issuer_of_patient_id=text(identifier, "IssuerOfPatientID", encodings),
        patient_name=text(identifier, "PatientName", encodings),
        birth_date=_birth_date(text(identifier, "PatientBirthDate")),
        sex=text(identifier, "PatientSex"),
        study_date=_date(text(identifier, "StudyDate")),
        study_time=_matching(_TIME, text(identifier, "StudyTime")),
        accession_number=text(identifier, "AccessionNumber", encodings),
        description=text(identifier, "StudyDescription", encodings),
        institution=text(identifier, "InstitutionName", encodings),
        procedure_codes=codes(identifier, "ProcedureCodeSequence", encodings),
        anatomic_regions=codes(identifier, "AnatomicRegionsInStudyCodeSequence"),
        body_part=_body_part(identifier),
        modalities=tuple(dict.fromkeys(values(identifier, "ModalitiesInStudy"))),
        instances=count(identifier, "NumberOfStudyRelatedInstances"),
        series=count(identifier, "NumberOfStudyRelatedSeries"),
        availability=text(identifier, "InstanceAvailability"),
    )


def read_patient(identifier: Dataset, *, character_set: str = "") -> model.Patient | None:
    """One PATIENT-level answer (PS3.4 C.6.1.1.2); `None` where it names no patient."""
    encodings = encodings_of(identifier, character_set)
    patient_id = text(identifier, "PatientID", encodings)
    if patient_id is None:
        return None
    return model.Patient(
        patient_id=patient_id,
        issuer_of_patient_id=text(identifier, "IssuerOfPatientID", encodings),
        name=text(identifier, "PatientName", encodings),
        birth_date=_birth_date(text(identifier, "PatientBirthDate")),
        sex=text(identifier, "PatientSex"),
    )


def read_series(identifier: Dataset, *, character_set: str = "") -> model.Series | None:
    """One SERIES-level answer (PS3.4 C.6.2.1.3); `None` where it names no series."""
    uid = text(identifier, "SeriesInstanceUID")
    if not uid or not _UID.fullmatch(uid):
        return None
    return model.Series(
        series_instance_uid=uid,
        modality=text(identifier, "Modality"),
        description=text(identifier, "SeriesDescription", encodings_of(identifier, character_set)),
        body_part=_body_part(identifier),
        instances=count(identifier, "NumberOfSeriesRelatedInstances"),
    )


def read_marking(identifier: Dataset, *, study_instance_uid: str) -> model.Marking | None:
    """One IMAGE-level answer about an object that marks images; `None` where it names no instance."""
    uid = text(identifier, "SOPInstanceUID")
    if not uid or not _UID.fullmatch(uid):
        return None
    title = codes(identifier, "ConceptNameCodeSequence")
    return model.Marking(
        sop_instance_uid=uid,
        title=title[0] if title else None,
        images=_marked(identifier, study_instance_uid),
    )


def _marked(identifier: Dataset, study_instance_uid: str) -> tuple[tuple[str, str], ...] | None:
    """The images of the study that an object refers to, by series; `None` where it is not said."""
    evidence = items(identifier, "CurrentRequestedProcedureEvidenceSequence", MOST_MARKED)
    of_study = [item for item in evidence if text(item, "StudyInstanceUID") == study_instance_uid]
    holders = of_study or ([] if evidence else [identifier])
    series = [one for holder in holders for one in items(holder, "ReferencedSeriesSequence", MOST_MARKED)]
    if not evidence and not series:
        return None
    images = {
        (text(one, "SeriesInstanceUID") or "", text(image, "ReferencedSOPInstanceUID") or "")
        for one in series
        for keyword in ("ReferencedSOPSequence", "ReferencedImageSequence")
        for image in items(one, keyword, MOST_MARKED)
    }
    return tuple(sorted(pair for pair in images if all(map(_UID.fullmatch, pair))))


MOST_MARKED = 10_000
"""Items of a level of references that are read."""


def collapse(studies: Iterable[model.Study]) -> tuple[model.Study, ...]:
    """Answers that name the same study of the same patient as one; what the first left out, the next fill in.

    Two patients under one Study Instance UID stay two answers, for the planner to judge.
    """
    merged: dict[tuple[str | None, ...], model.Study] = {}
    for study in studies:
        key = (study.study_instance_uid, study.patient_id, study.issuer_of_patient_id, study.birth_date)
        merged[key] = _fill_in(merged[key], study) if key in merged else study
    return tuple(merged.values())


def _fill_in(first: model.Study, second: model.Study) -> model.Study:
    names = (each.name for each in fields(first) if getattr(first, each.name) in (None, ()))
    return replace(first, **{name: getattr(second, name) for name in names})


LONGEST_TEXT = 1024
"""Characters of a value that are read: sixteen times what PS3.5 6.2 allows most of them."""
_BYTES_A_CHARACTER = 4


def text(
    identifier: Dataset,
    keyword: str,
    encodings: Sequence[str] = ("ascii",),
    *,
    longest: int = LONGEST_TEXT,
) -> str | None:
    """The value of an attribute, stripped, so many characters at most; `None` where it is absent or empty."""
    raw = _bytes(identifier, keyword)[: longest * _BYTES_A_CHARACTER]
    # A NUL pads odd values of some archives, and PostgreSQL keeps none.
    return _decode(raw, encodings).replace("\0", "").strip()[:longest] or None


def values(identifier: Dataset, keyword: str, *, longest: int = LONGEST_TEXT) -> tuple[str, ...]:
    """All values of an attribute of several, without the empty ones."""
    parts = (text(identifier, keyword, longest=longest) or "").split("\\")
    return tuple(stripped for part in parts if (stripped := part.strip()))


def codes(identifier: Dataset, keyword: str, encodings: Sequence[str] = ("ascii",)) -> tuple[str, ...]:
    """The code values of a sequence of codes, in whichever of its three attributes (PS3.3 8.1)."""
    said = (
        next(filter(None, (text(item, name, encodings) for name in _CODE_VALUES)), None)
        for item in items(identifier, keyword)
    )
    return tuple(dict.fromkeys(filter(None, said)))


_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")


def items(identifier: Dataset, keyword: str, most: int | None = None) -> Sequence[Dataset]:
    """The items of a sequence, so many as make sense; none where it is absent or broken."""
    try:
        return list(identifier.get(keyword) or ())[: most or MOST_ITEMS]
    except Exception:  # noqa: BLE001 (pydicom raises many kinds for bytes that are no sequence)
        return ()


MOST_ITEMS = 20
"""Of a sequence that are read."""


def _body_part(identifier: Dataset) -> str | None:
    region = codes(identifier, "AnatomicRegionSequence")
    return text(identifier, "BodyPartExamined") or (region[0] if region else None)


def count(identifier: Dataset, keyword: str) -> int | None:
    """A number of related objects; `None`, never zero, where it is absent, malformed or beyond all reason."""
    match = _COUNT.fullmatch(text(identifier, keyword) or "")
    number = int(match[1]) if match else None
    return number if number is None or number <= MOST_COUNTED else None


MOST_COUNTED = 10_000_000
"""Objects of one study or series: no study has more, and every store keeps and adds such numbers."""


def _bytes(identifier: Dataset, keyword: str) -> bytes:
    tag = tag_for_keyword(keyword)
    element: object = identifier.get_item(tag) if tag is not None and tag in identifier else None
    raw = element.value if isinstance(element, RawDataElement) else None
    return raw if isinstance(raw, bytes) else b""


def encodings_of(identifier: Dataset, fallback: str) -> list[str]:
    """Python's names for what the answer is written in, as it says itself or, silent, as configured."""
    declared = _decode(_bytes(identifier, "SpecificCharacterSet"), ("ascii",)).strip(" \0")
    if declared:
        encodings = python_encodings(declared)
        return ["utf-8", *encodings] if encodings[0] == _LATIN_1 else encodings
    configured = python_encodings(fallback)
    # A single-byte encoding reads anything; what happens to be UTF-8 was meant to be.
    return configured if configured[0] in _MULTI_BYTE else ["utf-8", *configured]


def python_encodings(character_set: str) -> list[str]:
    """Python's names for the defined terms of a Specific Character Set, whatever their blanks and dashes.

    PS3.3 C.12.1.1.2; a term that nobody knows counts as the default repertoire.
    """
    terms = character_set.split("\\")
    return [_ENCODINGS.get(_letters_and_digits(term), _UNDECLARED) for term in terms]


def can_write(value: str, character_set: str) -> bool:
    """Whether a value can be written in a Specific Character Set without loss."""
    encoding = python_encodings(character_set)[0]
    try:
        value.encode("ascii" if encoding == _UNDECLARED else encoding)
    except UnicodeError:
        return False
    return True


def _letters_and_digits(term: str) -> str:
    return "".join(sign for sign in term.upper() if sign.isalnum())


_ENCODINGS = {_letters_and_digits(term): encoding for term, encoding in python_encoding.items()}


def _decode(raw: bytes, encodings: Sequence[str]) -> str:
    """Text in the declared encoding; where that is a lie, in the one that fits the bytes."""
    if _ESCAPE in raw:
        try:
            return decode_bytes(raw, encodings, _DELIMITERS)
        except (LookupError, UnicodeError, UserWarning):  # a warning, where warnings are made errors
            return raw.decode("latin-1")
    for encoding in (encodings[0], "utf-8", *encodings[1:]):
        try:
            return raw.decode("ascii" if encoding == _UNDECLARED else encoding)
        except UnicodeError:
            continue
    return raw.decode("latin-1")


def _matching(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None


def _date(value: str | None) -> date | None:
    match = _DATE.fullmatch(value or "")
    if match is None:
        return None
    year, month, day = (int(match[part] or match[f"the_{part}"]) for part in ("year", "month", "day"))
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _birth_date(value: str | None) -> str | None:
    day = _date(value)
    return _matching(_BIRTH_DATE, value) if day is None else f"{day:%Y%m%d}"
