"""What is read in the answers of archives, as odd as they come."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from typing import Any, Literal
from warnings import simplefilter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pynetdicom.dsutils import encode

from prefetch import model
from prefetch.dimse import answer, identifier
from tests.identifiers import decoded


def read(character_set: str = "", **values: bytes | str) -> model.Study:
    """The study of an answer that has a UID and these values."""
    study = answer.read_study(
        decoded(**{"StudyInstanceUID": "1.2.3", **values}), archive="main", character_set=character_set
    )
    assert study is not None
    return study


def test_well_formed_answer_is_read_whole() -> None:
    """Every attribute that we ask for has its place in the study."""
    study = read(
        SpecificCharacterSet="ISO_IR 100",
        StudyDate="20240105",
        StudyTime="081530.5",
        AccessionNumber="A77",
        StudyDescription="CT Schädel".encode("latin-1"),
        ModalitiesInStudy="CT\\SR",
        NumberOfStudyRelatedInstances="120",
        NumberOfStudyRelatedSeries="3",
        InstanceAvailability="NEARLINE",
        PatientName="Müller^Zoë".encode("latin-1"),
        PatientID="P1",
        IssuerOfPatientID="HOSP",
        PatientBirthDate="19700131",
        PatientSex="F",
    )
    assert study == model.Study(
        study_instance_uid="1.2.3",
        archive="main",
        patient_id="P1",
        issuer_of_patient_id="HOSP",
        patient_name="Müller^Zoë",
        birth_date="19700131",
        sex="F",
        study_date=date(2024, 1, 5),
        study_time="081530.5",
        accession_number="A77",
        description="CT Schädel",
        modalities=("CT", "SR"),
        instances=120,
        series=3,
        availability="NEARLINE",
    )


def test_empty_answer_says_nothing() -> None:
    """Whatever is absent or empty is None or (), never zero and never an empty text."""
    said = {keyword: "" for keyword in identifier.STUDY_RETURN_KEYS if keyword != "StudyInstanceUID"}
    nothing = model.Study(study_instance_uid="1.2.3", archive="main")
    assert (read(), read(**said)) == (nothing, nothing)


def coded(**values: str | list[Dataset]) -> Dataset:
    """A data set, or an item of a sequence of codes."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def sent(said: Dataset) -> Dataset:
    """The same as it comes over the wire."""
    raw = encode(said, is_implicit_vr=True, is_little_endian=True)
    return read_dataset(BytesIO(raw or b""), True, True)


def read_coded(**values: str | list[Dataset]) -> model.Study:
    """The study of an answer with these values and sequences, as it comes over the wire."""
    study = answer.read_study(sent(coded(StudyInstanceUID="1.2.3", **values)), archive="main")
    assert study is not None
    return study


def test_codes_are_read() -> None:
    """Procedures and regions by their code values, short or long; what has none is left out."""
    said = read_coded(
        ProcedureCodeSequence=[
            coded(CodeValue="CTCH"),
            coded(CodeMeaning="?"),
            coded(LongCodeValue="x" * 17),
        ],
        AnatomicRegionsInStudyCodeSequence=[coded(CodeValue="51185008")],
        AnatomicRegionSequence=[coded(CodeValue="69536005")],
    )
    assert (("CTCH", "x" * 17), ("51185008",), "69536005") == (
        said.procedure_codes,
        said.anatomic_regions,
        said.body_part,
    )


def test_a_body_part_outweighs_the_region_of_an_image() -> None:
    """In words where there are any."""
    said = read_coded(BodyPartExamined="CHEST", AnatomicRegionSequence=[coded(CodeValue="69536005")])
    assert said.body_part == "CHEST"


def test_a_sequence_that_is_none_says_nothing() -> None:
    """Bytes that cannot be read as items cost no more than that value."""
    broken = decoded(StudyInstanceUID="1.2.3")
    tag = Tag("ProcedureCodeSequence")
    broken[tag] = RawDataElement(tag, "SQ", 5, b"\x01\x02\x03\x04\x05", 0, True, True)
    study = answer.read_study(broken, archive="main")
    assert study is not None
    assert study.procedure_codes == ()


@pytest.mark.parametrize("uid", ["", "1.2.*", "1.2.3\\1.2.4", "1 2", "9" * 65])
def test_answer_without_a_usable_uid_names_no_study(uid: str) -> None:
    """A study that cannot be asked for by its UID is none."""
    assert answer.read_study(decoded(StudyInstanceUID=uid), archive="main") is None


def test_answer_without_any_uid_names_no_study() -> None:
    """The attribute may be missing altogether."""
    assert answer.read_study(decoded(PatientID="P1"), archive="main") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1997.04.24", date(1997, 4, 24)),
        ("19970424", date(1997, 4, 24)),
        ("19970432", None),
        ("1997", None),
        ("24.04.1997", date(1997, 4, 24)),
        ("1997-04-24", date(1997, 4, 24)),
        ("1997-0424", None),
        ("04/24/1997", None),
        ("", None),
    ],
)
def test_study_dates(said: str, expected: date | None) -> None:
    """The date of ACR-NEMA is understood, and what people write; what could be two dates is none."""
    assert read(StudyDate=said).study_date == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("12", 12),
        ("1.0", 1),
        ("+7", 7),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("many", None),
        ("9" * 13, None),
    ],
)
def test_counts(said: str, expected: int | None) -> None:
    """A number written as a decimal is understood; what is no number is absent, not zero."""
    assert read(NumberOfStudyRelatedInstances=said).instances == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1970", "1970"),
        ("197001", "197001"),
        ("1970.01.31", "19700131"),
        ("1970-01-31", "19700131"),
        ("unknown", None),
        ("", None),
    ],
)
def test_birth_dates(said: str, expected: str | None) -> None:
    """A birth date may be as short as its year."""
    assert read(PatientBirthDate=said).birth_date == expected


def test_malformed_time_is_absent() -> None:
    """A time that is none is not carried along."""
    assert read(StudyTime="morning").study_time is None


def test_modalities_are_listed_once() -> None:
    """Blanks, empty values and repetitions count for nothing."""
    assert read(ModalitiesInStudy="CT \\ SR\\\\CT").modalities == ("CT", "SR")


def test_padding_is_taken_off() -> None:
    """Blanks and NULs around a value are no part of it, and no NUL stays within."""
    assert read(PatientID=b" P1 \0").patient_id == "P1"
    assert read(PatientID=b"P\x001").patient_id == "P1"


NAME = "Müller^Jörg"


@pytest.mark.filterwarnings("ignore:Incorrect value for Specific Character Set:UserWarning")
@pytest.mark.filterwarnings("ignore:Unknown encoding:UserWarning")
@pytest.mark.parametrize(
    ("declared", "fallback", "written", "name"),
    [
        ("ISO_IR 192", "", NAME.encode(), NAME),
        ("ISO_IR 100", "", NAME.encode("latin-1"), NAME),
        ("ISO-IR 100", "", NAME.encode("latin-1"), NAME),
        ("", "", NAME.encode("latin-1"), NAME),
        ("", "", NAME.encode(), NAME),
        ("ISO_IR 6", "", NAME.encode("latin-1"), NAME),
        ("ISO_IR 192", "", NAME.encode("latin-1"), NAME),
        ("LATIN", "", NAME.encode("latin-1"), NAME),
        ("", "ISO_IR 100", NAME.encode("latin-1"), NAME),
        ("", "ISO_IR 100", NAME.encode(), NAME),
        ("", "ISO_IR 144", "Иванов^Пётр".encode("iso8859-5"), "Иванов^Пётр"),
        ("", "GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("GBK", "ISO_IR 100", "王^小东".encode("gbk"), "王^小东"),
        (
            "\\ISO 2022 IR 87",
            "",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "\\ISO 2022 IR 149",
            "",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        ),
    ],
)
def test_names_in_any_character_set(declared: str, fallback: str, written: bytes, name: str) -> None:
    """Text is read as declared; where that is missing or wrong, as configured, as UTF-8, or as Latin-1."""
    study = read(fallback, SpecificCharacterSet=declared, PatientName=written)
    assert study.patient_name == name


@pytest.mark.parametrize("warnings", ["ignore", "error"])
def test_escape_sequence_that_nobody_knows_costs_no_answer(
    warnings: Literal["ignore", "error"],
) -> None:
    """Text with a broken escape sequence is kept as well as it goes, however pydicom's warnings are taken."""
    simplefilter(warnings)
    study = read(SpecificCharacterSet="\\ISO 2022 IR 87", PatientName=b"Yamada=\x1b$Z\xff\xfe^x")
    assert study.study_instance_uid == "1.2.3"
    assert study.patient_name is not None
    assert study.patient_name.startswith("Yamada")


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    values=st.dictionaries(
        st.sampled_from([*identifier.STUDY_RETURN_KEYS[1:]]), st.binary(max_size=80), max_size=8
    ),
    declared=st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87", "GB18030", "nonsense"]),
    fallback=st.sampled_from(["", "ISO_IR 144", "GBK", "nonsense"]),
)
def test_any_bytes_are_read(values: dict[str, bytes], declared: str, fallback: str) -> None:
    """No value of an answer, whatever its bytes, costs the answer."""
    more: dict[str, Any] = {"SpecificCharacterSet": declared, **values}
    assert read(fallback, **more).study_instance_uid == "1.2.3"


def study(**facts: Any) -> model.Study:
    """A study with a UID and these facts."""
    return model.Study(**{"study_instance_uid": "1.2.3", "archive": "main", "patient_id": "P1", **facts})


def test_repeated_answers_are_one() -> None:
    """The same study of the same patient counts once, with what any of its answers said."""
    first, second = study(instances=10), study(modalities=("CT",), instances=12)
    other = study(study_instance_uid="1.2.4")
    assert answer.collapse([first, other, second]) == (study(instances=10, modalities=("CT",)), other)


def test_two_patients_under_one_uid_stay_two() -> None:
    """A conflict of identity is not hidden by collapsing."""
    conflict = (study(birth_date="19700101"), study(birth_date="19800101"))
    assert answer.collapse(conflict) == conflict


def test_patients_are_read_as_studies_are() -> None:
    """A birth date that people write, a name in its letters; without an ID it is nobody."""
    said = decoded(
        PatientID="P1", PatientName="Müller^Änne".encode(), PatientBirthDate="1970-01-31", PatientSex="F"
    )
    expected = model.Patient(patient_id="P1", name="Müller^Änne", birth_date="19700131", sex="F")
    assert expected == answer.read_patient(said)
    assert answer.read_patient(decoded(PatientName="Muster^Anna")) is None


# --- what marks images -----------------------------------------------------------------------------


def item(**values: str | list[Dataset]) -> Dataset:
    """An item of a sequence, or an answer."""
    made = Dataset()
    for keyword, value in values.items():
        identifier.put_unchecked(made, keyword, value)
    return made


def references(keyword: str, *uids: str) -> list[Dataset]:
    """Images of one series, referred to by a Key Object or a Presentation State."""
    images = [item(ReferencedSOPInstanceUID=uid) for uid in uids]
    return [item(SeriesInstanceUID="1.2.3.1", **{keyword: images})]


def read_marking(**values: str | list[Dataset]) -> model.Marking | None:
    """What is read of an answer that came over the wire."""
    said = item(SOPInstanceUID="1.2.3.9.1", **values)
    return answer.read_marking(sent(said), study_instance_uid="1.2.3")


def test_a_key_object_says_which_images_of_its_study_it_marks() -> None:
    """Each once, with its title; of another study it says nothing that could be moved with this one."""
    evidence = [
        item(StudyInstanceUID=uid, ReferencedSeriesSequence=references("ReferencedSOPSequence", *uids))
        for uid, uids in (("1.2.3", ("1.2.3.1.2", "1.2.3.1.1", "1.2.3.1.1")), ("9.9", ("9.9.1.1",)))
    ]
    title = [item(CodeValue="113000", CodingSchemeDesignator="DCM", CodeMeaning="Of Interest")]
    assert model.Marking(
        sop_instance_uid="1.2.3.9.1",
        title="113000",
        images=(("1.2.3.1", "1.2.3.1.1"), ("1.2.3.1", "1.2.3.1.2")),
    ) == read_marking(CurrentRequestedProcedureEvidenceSequence=evidence, ConceptNameCodeSequence=title)
    elsewhere = read_marking(CurrentRequestedProcedureEvidenceSequence=evidence[1:])
    assert elsewhere is not None
    assert () == elsewhere.images


def test_a_presentation_state_says_which_images_it_is_for() -> None:
    """Those of its own study; what is no UID is left out."""
    marking = read_marking(ReferencedSeriesSequence=references("ReferencedImageSequence", "1.2.3.1.1", "*"))
    assert marking is not None
    assert (("1.2.3.1", "1.2.3.1.1"),) == marking.images


def test_an_archive_that_does_not_read_what_it_holds_says_no_images() -> None:
    """Which is not the same as none."""
    assert model.Marking(sop_instance_uid="1.2.3.9.1") == read_marking(ReferencedSeriesSequence=[])


def test_an_answer_without_an_instance_marks_nothing() -> None:
    """It cannot be moved."""
    assert answer.read_marking(Dataset(), study_instance_uid="1.2.3") is None
