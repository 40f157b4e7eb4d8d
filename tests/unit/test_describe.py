"""What a description says, the grammar of its words, and what codes add to it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import errors, relevance
from prefetch.relevance import Description, anatomy, codes, glossary, senses
from prefetch.relevance.anatomy import Laterality, Region
from prefetch.relevance.codes import ProcedureCodes


def regions(text: str, *, body_part: str | None = None) -> str:
    """The regions of a text, from head to foot."""
    return " ".join(relevance.describe(text, body_part=body_part).regions)


def modalities(text: str, modality: str | list[str] | None = None) -> str:
    """The modalities of a text beside those that were sent."""
    return " ".join(relevance.describe(text, modality=modality).modalities)


def facets(text: str) -> str:
    """The facets of a text, sorted."""
    return " ".join(sorted(relevance.describe(text).facets))


# --- anything ------------------------------------------------------------------------------------------


@given(st.text(max_size=200), st.text(max_size=5), st.text(max_size=5))
def test_any_text_is_described(text: str, modality: str, code: str) -> None:
    """Nothing that a sender writes ends in an error."""
    said = relevance.describe(text, modality=modality, code=code, body_part=code)
    assert said.mask == anatomy.bits(said.regions)
    assert len(set(said.modalities)) == len(said.modalities)


@given(st.lists(st.sampled_from(sorted(glossary.shipped().words)), max_size=12).map(" ".join))
def test_any_known_words_are_described(text: str) -> None:
    """However they are thrown together."""
    said = relevance.describe(text)
    assert said.mask == anatomy.bits(said.regions)
    assert not said.facets - {"contrast", "native", *senses.FACETS}


@pytest.mark.parametrize("text", ["", "   ", "-", "qwrtz", "12345", "STAT", "study", "?", "routine protocol"])
def test_a_text_that_says_nothing_gives_nothing(text: str) -> None:
    """Unknown is an answer."""
    said = relevance.describe(text)
    assert ((), (), None, frozenset()) == (said.modalities, said.regions, said.laterality, said.facets)


@pytest.mark.parametrize(
    "words", [("CT", "chest", "left"), ("XR", "knee", "right"), ("MRI", "Schulter", "links")]
)
def test_order_of_words_does_not_matter(words: tuple[str, ...]) -> None:
    """Where no word needs its neighbour."""
    said = {_essence(relevance.describe(" ".join(order))) for order in permutations(words)}
    assert 1 == len(said)


def _essence(said: Description) -> tuple[object, ...]:
    return said.modalities, said.regions, said.laterality, said.vessels


def test_what_lies_beyond_a_thousand_letters_is_not_read() -> None:
    """A Study Description holds 64; a flood of text costs no more than this."""
    assert "head" == regions("head" + " x" * 600 + " knee")


def test_reasons_name_each_word() -> None:
    """What was understood as what, and what was not understood at all."""
    said = relevance.describe("CT chest qwrtz w contrast")
    assert ("ct: CT", "chest: chest", "w: with", "contrast: contrast") == said.because
    assert ("qwrtz",) == said.unknown


# --- several languages in one text ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT thorax abdomen pelvis", "chest abdomen pelvis"),
        ("Radiographie du genou / knee X-ray", "knee"),
        ("MRI Kniegelenk", "knee"),
        ("腹部 CT abdomen", "abdomen"),
    ],
)
def test_mixed_languages_are_read(text: str, expected: str) -> None:
    """All regions of a text are named, whoever wrote them."""
    assert expected == regions(text)


def test_a_word_is_read_in_the_language_of_the_others() -> None:
    """`e` joins in Portuguese between two regions, and is a left behind one."""
    assert (None, "chest abdomen") == (
        relevance.describe("TC de tórax e abdome").laterality,
        regions("TC de tórax e abdome"),
    )
    assert Laterality.LEFT == relevance.describe("RX joelho E").laterality
    assert Laterality.BOTH == relevance.describe("RX joelho D e E").laterality
    assert None is relevance.describe("RX tórax PA e perfil").laterality


# --- slips ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT ABDOEMN", "abdomen"),
        ("XR SHOUDLER", "shoulder"),
        ("MRI CERVCAL SPINE", "cervical-spine"),
        ("CT CHESTABDOMEN", "chest abdomen"),
        ("XRKNEE", "knee"),
        ("Sch?del CT", "head"),
        ("Kniegelenksaufnahme", "knee"),
        ("Oberbauchsonographie", "abdomen"),
        ("Lungenrundherdkontrolle", "chest"),
        ("Schultergelenkes", "shoulder"),
        ("pain?knee", "knee"),
    ],
)
def test_slips_and_compounds_are_read(text: str, expected: str) -> None:
    """Letters swapped or lost, blanks missing, words cut off, words joined."""
    assert expected == regions(text)


@pytest.mark.parametrize("text", ["XR SNEE", "CT CHSXT", "MR BRAAAAIN", "abcd"])
def test_a_guess_is_not_made_of_little(text: str) -> None:
    """Short words and those that are two slips away stay unknown."""
    assert "" == regions(text)


# --- the grammar ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("XR cervical", "cervical-spine"),
        ("US cervical", "neck"),
        ("XR spine", "cervical-spine thoracic-spine lumbar-spine"),
        ("XR spine lumbar", "lumbar-spine"),
        ("MR spine sacrum", "pelvis"),
        ("CT torácico lumbar", "thoracic-spine lumbar-spine"),
        ("columna dorsal", "thoracic-spine"),
        ("rx dorsal", "thoracic-spine"),
        ("CT cervical thoracic abdomen", "neck chest abdomen"),
        ("vertebroplasty", "cervical-spine thoracic-spine lumbar-spine"),
        ("DXA spine", "lumbar-spine"),
        ("DXA femur", "hip"),
        ("DXA thoracic spine", "thoracic-spine"),
        ("CT chest including abdomen", "chest abdomen"),
        ("XR knee incl femur", "knee"),
        ("CT abdomen excluding pelvis", "abdomen"),
        ("CT chest and whole body", "whole-body"),
        ("nodule", "chest"),
        ("neck nodule", "neck"),
        ("left upper extremity XR", "arm"),
        ("XR lower left extremity", "leg"),
    ],
)
def test_levels_and_parts(text: str, expected: str) -> None:
    """A level belongs to its spine or its trunk; what is named outranks what is suggested."""
    assert expected == regions(text)


@pytest.mark.parametrize(
    ("text", "modality", "expected"),
    [
        ("CT chest", None, "CT"),
        ("chest 2 views", None, "XR"),
        ("barium swallow 4 views", None, "RF"),
        ("XR barium enema", None, "RF"),
        ("PET/CT", None, "CT PT"),
        ("NM PET brain", None, "PT"),
        ("mammogram 2 views", None, "MG"),
        ("MR arthrogram shoulder", None, "MR"),
        ("arthrogram and MR shoulder", None, "MR RF"),
        ("CT abdomen US if needed", None, "CT"),
        ("chest", "CR", "XR"),
        ("chest", "CT\\SR", "CT"),
        ("chest", ["DX", "PR"], "XR"),
        ("chest", "MRT", "MR"),
        ("chest", "USG", "US"),
        ("chest", "nonsense", ""),
        ("MRI chest", "CT", "CT"),
        ("PET/CT", "PT", "CT PT"),
        ("chest", "SR", ""),
        ("hip", "BMD", "DXA"),
    ],
)
def test_modalities(text: str, modality: str | list[str] | None, expected: str) -> None:
    """In families; DICOM's own outweighs the text, and what shows no part of the body is no modality."""
    assert expected == modalities(text, modality)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("XR knee left", "L"),
        ("XR knee rt", "R"),
        ("XR knees bilateral", "B"),
        ("XR knee right and left", "B"),
        ("XR knees", "B"),
        ("XR chest left lateral", None),
        ("XR knee left lateral", "L"),
        ("left ventricle MR", None),
        ("CT head", None),
    ],
)
def test_sides(text: str, expected: str | None) -> None:
    """The side of the body; that of a projection or of a part of an organ is none."""
    assert expected == relevance.describe(text).laterality


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT head w contrast", "contrast"),
        ("CT head without contrast", "native"),
        ("CT head w/o", "native"),
        ("CT head w/wo contrast", "contrast native"),
        ("CT head with and without contrast", "contrast native"),
        ("CT head non contrast", "native"),
        ("CT Kopf mit KM", "contrast"),
        ("CT Kopf nativ", "native"),
        ("IRM cérébrale sans injection", "native"),
        ("TAC de cráneo sin contraste", "native"),
        ("CT head with 3D", ""),
        ("XR chest w/o", ""),
        ("MG screening", "screening"),
        ("MG diagnostic left spot compression", "breast-view diagnostic"),
        ("XR spot lumbar spine", ""),
        ("CT guided biopsy lung", "guidance"),
        ("XR chest tube placement", "guidance"),
        ("XR line check", "device"),
        ("XR chest PICC line placement", "device guidance"),
        ("NM bone scan", "bone"),
        ("XR nasal bones", ""),
        ("NM gastric emptying", "function"),
        ("US OB first trimester", "obstetric"),
        ("US venous leg", "venous"),
        ("US arterial duplex leg", "arterial"),
        ("OPG", "dental"),
    ],
)
def test_facets(text: str, expected: str) -> None:
    """What else matters for comparison, and only where it makes sense."""
    assert expected == facets(text)


def test_vessels_are_flagged() -> None:
    """Angiography, duplex and the names of vessels."""
    said = {text: relevance.describe(text).vessels for text in ("CTA head", "US duplex leg", "CT head")}
    assert {"CTA head": True, "US duplex leg": True, "CT head": False} == said


# --- codes ---------------------------------------------------------------------------------------------

CODES = ProcedureCodes(exact={"CTTHX": "CT chest", "X1": "left"}, prefixes={"CTA": "CT vessels", "CT": "CT"})


@pytest.mark.parametrize(
    ("code", "words"),
    [("CTTHX", "CT chest"), (" CTTHX ", "CT chest"), ("CTA99", "CT vessels"), ("CT9", "CT"), ("MR1", None)],
)
def test_a_code_is_found_exactly_or_by_its_longest_prefix(code: str, words: str | None) -> None:
    """The exact code first."""
    assert words == CODES.find(code)


def test_a_code_of_the_site_outweighs_the_text() -> None:
    """For all that its words speak of; what they leave open the text still says."""
    said = relevance.describe("MRI knee left", code="CTTHX", procedure_codes=CODES)
    assert (("CT",), ("chest",), "L") == (said.modalities, said.regions, said.laterality)
    assert "ct: CT" == said.because[0]


def test_a_code_that_names_a_side_only_leaves_the_rest() -> None:
    """The map may be as short as the site likes."""
    said = relevance.describe("MRI knee", code="X1", procedure_codes=CODES)
    assert (("MR",), ("knee",), "L") == (said.modalities, said.regions, said.laterality)


def test_an_unknown_code_changes_nothing() -> None:
    """Nor does a code where the site has no map."""
    expected = relevance.describe("MRI knee")
    assert expected == relevance.describe("MRI knee", code="ZZZ", procedure_codes=CODES)
    assert expected == relevance.describe("MRI knee", code="CTTHX")


def test_anatomic_regions_add_to_the_text() -> None:
    """A code of PS3.16 CID 4 names a region, in SNOMED CT or its elder; an unknown one names none."""
    said = relevance.describe("CT", anatomic_codes=["T-D4000", "nonsense"])
    assert ("abdomen",) == said.regions
    said = relevance.describe("CT chest", anatomic_codes=["818981001"])
    assert ("chest", "abdomen") == said.regions


def test_every_anatomic_code_is_understood() -> None:
    """Each of the shipped codes says a region in the words of the vocabulary, and nothing unknown."""
    told = {words: relevance.describe(words) for words in set(codes.anatomic_regions().values())}
    assert [] == [words for words, said in told.items() if not said.regions or said.unknown]


def test_body_part_is_asked_last() -> None:
    """Body Part Examined is heard only where the text names no region: it is wrong too often."""
    assert "chest" == regions("CT", body_part="CHEST")
    assert "knee" == regions("CT knee", body_part="CHEST")


def test_a_modality_may_tell_the_region() -> None:
    """A mammogram without a word is of the breast."""
    assert (Region.BREAST,) == relevance.describe("", modality="MG").regions
    assert () == relevance.describe("", modality="CT").regions


# --- the site's map of codes ---------------------------------------------------------------------------


def write(directory: Path, name: str, text: str) -> Path:
    """A file of the site."""
    (directory / name).write_text(text, encoding="utf-8")
    return directory / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codes.csv", "code,words\nCTTHX,CT chest\nCTA*,CT vessels\n"),
        ("codes.csv", "CTTHX;CT chest\n\nCTA*;CT vessels;and more\n"),
        ("codes.tsv", "CTTHX\tCT chest\nCTA*\tCT vessels\n"),
        ("codes.yaml", "CTTHX: CT chest\nCTA*: CT vessels\n"),
    ],
)
def test_maps_of_codes_are_read(tmp_path: Path, name: str, text: str) -> None:
    """CSV with any separator, or YAML; a star makes a prefix."""
    read = codes.load_procedure_codes(write(tmp_path, name, text))
    assert ("CT chest", "CT vessels") == (read.find("CTTHX"), read.find("CTA1"))


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    """A code is a text, in YAML too."""
    read = codes.load_procedure_codes(write(tmp_path, "codes.yaml", "00123: CT chest\n1e3: MR head\n"))
    assert ("CT chest", "MR head") == (read.find("00123"), read.find("1e3"))


def test_a_map_in_latin_1_is_read(tmp_path: Path) -> None:
    """As a spreadsheet of the hospital may save it."""
    (tmp_path / "codes.csv").write_bytes("CTS;CT Schädel\n".encode("latin-1"))
    assert "CT Schädel" == codes.load_procedure_codes(tmp_path / "codes.csv").find("CTS")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("codes.csv", "A,CT\n\nB,\n", ":3:1: a line holds a code and, after a comma, semicolon or tab"),
        ("codes.csv", "A,CT\nonly\n", ":2:1: a line holds a code and, after a comma, semicolon or tab"),
        ("codes.csv", "A,CT\nB,C" + "T" * 200_000, ":2:1: field larger than field limit"),
        ("codes.csv", "A,qwrtz\n", ":1:1: “qwrtz” is not understood"),
        ("codes.yaml", "- A\n", "a mapping of codes is expected"),
        ("codes.yaml", "A: CT\nB: {x: 1}\n", ":2:4: B: words are expected"),
        ("codes.yaml", "A: [\n", "codes.yaml:"),
    ],
)
def test_mistakes_in_a_map_are_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    """With file and line."""
    with pytest.raises(errors.ConfigurationError) as caught:
        codes.load_procedure_codes(write(tmp_path, name, text))
    assert message in str(caught.value)


def test_a_map_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name, and why."""
    with pytest.raises(errors.ConfigurationError, match="cannot be read: No such file"):
        codes.load_procedure_codes(tmp_path / "nowhere.csv")


# --- where nothing names a region ----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["CT guided biopsy", "Drainage CT", "biopsia eco guiada", "IR tube change"])
def test_a_biopsy_without_a_region_is_of_the_trunk(text: str) -> None:
    """Unless another witness says where it was done."""
    assert "chest abdomen pelvis" == regions(text)
    assert "pelvis" == regions(text, body_part="PROSTATE")


@pytest.mark.parametrize(
    "disease", ["breast cancer", "Lymphom", "melanoma", "carcinoma prostata", "sarcoidose"]
)
def test_a_pet_for_a_disease_that_spreads_is_of_the_whole_body(disease: str) -> None:
    """Whatever organ the disease is named after; a CT for it is of the organ."""
    assert "whole-body" == regions(f"PET {disease}")
    assert "whole-body" != regions(f"CT {disease}")


def test_a_report_is_no_exam_but_an_exam_may_have_one() -> None:
    """A word for paperwork counts where region or modality is missing."""
    assert "paperwork" == facets("consultation")
    assert "paperwork" == facets("chest, second opinion")
    assert not facets("CT chest, second opinion")


def test_the_catheter_of_a_drainage_is_no_mere_line() -> None:
    """What is drained is looked at; what a line lies in is not."""
    assert "guidance" == facets("IR drainage catheter placement abdomen")
    assert "device" == facets("IR catheter check")
