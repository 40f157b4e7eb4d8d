"""How much a study is worth to an order, and the tables that say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import errors, relevance
from prefetch.relevance import Description, Worth, anatomy, tables
from prefetch.relevance.grading import same_procedure

YEAR = 365
PAIRS = Path(__file__).parents[1] / "data" / "pairs"


def pairs() -> list[tuple[str, str, int]]:
    """Order, study and grade of each line in `tests/data/pairs`."""
    found = []
    for file in sorted(PAIRS.glob("*.tsv")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                order, study, worth = line.split("\t")
                found.append((order, study, int(worth)))
    return found


def grade(order: str, study: str, *, age_days: float | None = None, same: str | None = None) -> Worth:
    """The worth of a study to an order, both as hospitals write them."""
    return relevance.grade(
        relevance.describe(order), relevance.describe(study), age_days=age_days, same=same
    ).value


def because(order: str, study: str, age_days: float | None = None) -> str:
    """The reason in words."""
    return relevance.grade(relevance.describe(order), relevance.describe(study), age_days=age_days).because


MUST, USEFUL, MARGINAL, NONE = Worth.MUST, Worth.USEFUL, Worth.MARGINAL, Worth.NONE


@pytest.mark.parametrize(
    ("order", "study", "worth"),
    [
        # the same region
        ("CT CHEST W CONTRAST", "CT chest wo", MUST),
        ("CT CHEST", "XR CHEST 2 VIEWS", USEFUL),
        ("XR KNEE LEFT", "MRI KNEE LEFT WO", USEFUL),
        ("MRI BRAIN", "CT HEAD WO", MUST),
        ("CT HEAD", "MRI BRAIN", USEFUL),
        ("CT HEAD", "XR SKULL", MARGINAL),
        ("US RENAL", "CT ABDOMEN PELVIS", USEFUL),
        ("US ABDOMEN", "XR ABDOMEN 1 VIEW", USEFUL),
        ("US THYROID", "XR NECK SOFT TISSUE", MARGINAL),
        # regions that cover one another, and neighbours
        ("CT CHEST", "CT CHEST ABDOMEN PELVIS", MUST),
        ("CT CHEST", "PET CT SKULL BASE TO MID THIGH", MUST),
        ("PET CT WHOLE BODY", "CT ABDOMEN PELVIS", MUST),
        ("MRI LUMBAR SPINE", "NM BONE SCAN WHOLE BODY", USEFUL),
        ("CT CHEST", "NM BONE SCAN WHOLE BODY", MARGINAL),
        ("CT CHEST", "CT ABDOMEN PELVIS", MARGINAL),
        ("CT ABDOMEN", "CT PELVIS", USEFUL),
        ("CT ABDOMEN", "MRI PELVIS", MARGINAL),
        ("CT CHEST", "CTA CORONARY", USEFUL),
        ("XR HIP LEFT", "XR PELVIS", USEFUL),
        ("CT ABDOMEN PELVIS", "XR HIP LEFT", MARGINAL),
        ("XR CHEST", "NM BONE SCAN WHOLE BODY", MARGINAL),
        ("XR KNEE LEFT", "NM BONE SCAN WHOLE BODY", USEFUL),
        ("US VENOUS DUPLEX LEG", "NM BONE SCAN WHOLE BODY", NONE),
        ("PET CT WHOLE BODY", "XR LUMBAR SPINE", MARGINAL),
        ("MRI LUMBAR SPINE", "PET CT WHOLE BODY", USEFUL),
        ("XR LUMBAR SPINE", "PET CT WHOLE BODY", MARGINAL),
        ("MRI CERVICAL SPINE", "MRI THORACIC SPINE", USEFUL),
        ("MRI CERVICAL SPINE", "MRI LUMBAR SPINE", MARGINAL),
        ("XR LUMBAR SPINE", "XR THORACIC SPINE", MARGINAL),
        ("CT CHEST", "MRI ABDOMEN", MARGINAL),
        ("CT CHEST", "CT PELVIS", NONE),
        ("CT MAXILLOFACIAL", "CT HEAD", USEFUL),
        ("CT MAXILLOFACIAL", "MRI BRAIN", MARGINAL),
        ("CTA HEAD", "CTA NECK", USEFUL),
        ("CT HEAD", "CTA NECK", USEFUL),
        ("XR WRIST RIGHT", "XR HAND RIGHT", USEFUL),
        ("XR FEMUR RIGHT", "XR HIP RIGHT", USEFUL),
        ("MRI KNEE RIGHT", "MRI LOWER EXTREMITY RIGHT", USEFUL),
        ("MRI KNEE RIGHT", "XR FEMUR RIGHT", USEFUL),
        ("XR FEMUR RIGHT", "XR HIP LEFT", MARGINAL),
        ("MODIFIED BARIUM SWALLOW", "ESOPHAGRAM", USEFUL),
        ("US PELVIS TRANSVAGINAL", "XR PELVIS", MARGINAL),
        ("US ABDOMEN PELVIS", "XR ABDOMEN KUB", USEFUL),
        ("CT CHEST", "MRI KNEE", NONE),
        ("CT ABDOMEN", "XR CHEST", NONE),
        # families that are read together
        ("MAM SCREENING BILATERAL", "US BREAST LEFT", MUST),
        ("MAM SCREENING BILATERAL", "MRI BREAST BILATERAL", MUST),
        ("US BREAST RIGHT", "MAM DIAGNOSTIC RIGHT", MUST),
        ("MAM SCREENING BILATERAL", "XR CHEST", NONE),
        ("XR LUMBAR SPINE", "CT ABDOMEN PELVIS", USEFUL),
        ("MRI LUMBAR SPINE", "CT ABDOMEN PELVIS", USEFUL),
        ("DEXA", "DXA BONE DENSITY AXIAL SKELETON", MUST),
        ("DEXA HIP", "CT PELVIS", NONE),
        ("MRI LUMBAR SPINE", "DEXA", MARGINAL),
        # kinds
        ("US VENOUS DUPLEX LEG LEFT", "US VENOUS DUPLEX LEG LEFT", MUST),
        ("US VENOUS DUPLEX LEG LEFT", "US ARTERIAL DUPLEX LEG LEFT", MARGINAL),
        ("US VENOUS DUPLEX LEG LEFT", "XR FEMUR LEFT", NONE),
        ("US THYROID", "US CAROTID DUPLEX", MARGINAL),
        ("CT ABDOMEN", "NM GASTRIC EMPTYING", MARGINAL),
        ("XR FACIAL BONES", "OPG XR", MARGINAL),
        ("CT CHEST", "IR PICC PLACEMENT", MARGINAL),
        ("IR PORT REMOVAL", "IR PORT PLACEMENT", MUST),
        ("IR PORT PLACEMENT", "CT CHEST", USEFUL),
        ("CT CHEST", "CT GUIDED LUNG BIOPSY", MUST),
        # sides
        ("XR KNEE LEFT", "XR KNEE LEFT", MUST),
        ("XR KNEE LEFT", "XR KNEES BILATERAL", MUST),
        ("XR KNEE LEFT", "XR KNEE RIGHT", MARGINAL),
        ("XR KNEE", "XR KNEES BILATERAL", MUST),
        ("US VENOUS DUPLEX LEG", "US VENOUS DUPLEX LEG BILATERAL", MUST),
        ("XR KNEES BILATERAL", "XR KNEE LEFT", MUST),
        ("XR KNEE", "XR KNEE LEFT", MUST),
        ("US BREAST LEFT", "US BREAST RIGHT", USEFUL),
        # orders and priors with nothing but their descriptions
        ("CT CHEST W/O CONTRAST", "US THORACENTESIS", USEFUL),
        ("CT CHEST W/O CONTRAST", "CT GUIDED LUNG BIOPSY RIGHT", MUST),
        ("CT CHEST W/O CONTRAST", "Thorax^1_Routine", USEFUL),
        ("CHEST 1V PORT", "ECHO TTE", MARGINAL),
        ("MRI BRAIN W/WO CONTRAST", "IR CEREBRAL ANGIO", USEFUL),
        ("US RENAL COMPLETE", "NM RENAL SCAN W LASIX", USEFUL),
        ("FL UPPER GI", "NM GASTRIC EMPTYING", USEFUL),
        ("US GALLBLADDER", "NM HIDA", USEFUL),
        ("CT HIP LT W/O", "XR PELVIS", USEFUL),
        ("XR HAND RT", "BILATERAL HANDS ARTHRITIS", USEFUL),
        ("NM LEXISCAN", "LEFT HEART CATH", USEFUL),
        ("ECHO STRESS", "CT CALCIUM SCORE", USEFUL),
        ("XR TIBIA FIBULA RT", "US DVT RT LEG", NONE),
        ("IRM cérébrale", "scanner crâne", MUST),
        ("MRT Knie links", "Knie li. 2 Ebenen", USEFUL),
        ("MRT Knie links", "Knie rechts", MARGINAL),
        ("RX TORAX", "ECOGRAFIA ABDOMINAL", NONE),
        # what is not said
        ("CT CHEST", "CT", MARGINAL),
        ("CT CHEST", "US", NONE),
        ("CT", "CT CHEST", MARGINAL),
        ("CT CHEST", "PET", USEFUL),
        ("chest", "XR chest", USEFUL),
        ("", "", MARGINAL),
        ("ABDOMEN", "CHEST", NONE),
        ("NECK", "CHEST", MARGINAL),
        ("HIP", "PELVIS", USEFUL),
        ("FOOT LT", "XR ANKLE LT", USEFUL),
        ("HAND", "WRIST", USEFUL),
        ("MRI WRIST", "HAND", MARGINAL),
        ("MRI THORACIC SPINE", "THORACIC SPINE", USEFUL),
        ("SPINE", "NM BONE SCAN", USEFUL),
        # what belongs together
        ("CT ABDOMEN", "CT CHEST", MARGINAL),
        ("ECHOCARDIOGRAM", "XR CHEST", USEFUL),
        ("CT CORONARY ANGIO", "CT CHEST", USEFUL),
        ("NM MYOCARDIAL PERFUSION", "CT CHEST", USEFUL),
        ("ECHOCARDIOGRAM", "MAMMOGRAM", NONE),
        ("CT CHEST", "ECHOCARDIOGRAM", MARGINAL),
        ("CT HEAD", "CT CERVICAL SPINE", USEFUL),
        ("CT CERVICAL SPINE", "CT HEAD", USEFUL),
        ("CT HEAD", "XR CERVICAL SPINE", NONE),
        ("MRI BRAIN", "US CAROTID", USEFUL),
        ("US CAROTID", "MRI BRAIN", USEFUL),
        ("US THYROID", "MRI BRAIN", NONE),
        ("MRI BRAIN", "US THYROID", NONE),
        ("MRI BRAIN", "MRI WHOLE SPINE", USEFUL),
        ("MRI WHOLE SPINE", "MRI BRAIN", USEFUL),
        ("MRI BRAIN", "MRI LUMBAR SPINE", MARGINAL),
        ("CT ABDOMEN", "CT LUMBAR SPINE", MARGINAL),
        ("XR THORACIC SPINE", "CT CHEST", USEFUL),
        ("US KNEE LEFT", "XR TIBIA LEFT", USEFUL),
    ],
)
def test_worth(order: str, study: str, worth: Worth) -> None:
    """What a radiologist would say."""
    assert worth == grade(order, study)


@pytest.mark.parametrize(
    ("order", "study", "years", "worth"),
    [
        ("US ABDOMEN", "US ABDOMEN", 6, MUST),
        ("US ABDOMEN", "US ABDOMEN", 8, USEFUL),
        ("CT ABDOMEN", "US ABDOMEN", 8, MARGINAL),
        ("US ABDOMEN", "US ABDOMEN", 11, USEFUL),
        ("CT ABDOMEN", "US ABDOMEN", 11, MARGINAL),
        ("MAM SCREENING", "MAM SCREENING", 6, MUST),
        ("MAM SCREENING", "MAM SCREENING", 30, USEFUL),
        ("US BREAST", "US BREAST", 8, MUST),
        ("CT CHEST", "CT CHEST", 9, MUST),
        ("CT CHEST", "CT CHEST", 11, USEFUL),
        ("CT CHEST", "XR CHEST", 11, USEFUL),
        ("CT CHEST", "XR CHEST", 21, MARGINAL),
        ("CT ABDOMEN", "FL BARIUM ENEMA", 1, USEFUL),
        ("CT ABDOMEN", "FL BARIUM ENEMA", 3, MARGINAL),
    ],
)
def test_age_counts_by_modality(order: str, study: str, years: int, worth: Worth) -> None:
    """An old ultrasound is worth little, an old mammogram much."""
    assert worth == grade(order, study, age_days=years * YEAR)


def test_an_unknown_age_takes_nothing_off() -> None:
    """Unknown is not old."""
    assert MUST == grade("US ABDOMEN", "US ABDOMEN")


@pytest.mark.parametrize(
    ("order", "study", "words"),
    [
        ("CT CHEST", "CT CHEST", "chest in both; CT as well"),
        ("CT CHEST", "XR CHEST", "chest in both; XR for CT"),
        ("CT CHEST", "MRI KNEE", "knee for chest: another region"),
        ("XR KNEE LEFT", "XR KNEE RIGHT", "knee in both; XR as well; the other side"),
        ("CT CHEST", "US", "the study names no region, and the modality is another"),
        ("CT", "CT CHEST", "the order names no region"),
        ("chest", "chest", "chest in both; modality not stated"),
    ],
)
def test_the_reason_is_in_words(order: str, study: str, words: str) -> None:
    """Region first, then modality, kind, side."""
    assert words == because(order, study)


def test_the_reason_tells_an_age_that_counted() -> None:
    """In years, or in days below one."""
    assert because("US ABDOMEN", "US ABDOMEN", 8 * YEAR).endswith("; 8 years old")
    assert "old" not in because("US ABDOMEN", "US ABDOMEN", YEAR)


def test_the_same_code_is_the_strongest_witness() -> None:
    """Whatever the texts say; only the age is asked about."""
    assert MUST == grade("qwrtz", "CT CHEST", same="the same code")
    assert USEFUL == grade("qwrtz", "US ABDOMEN", same="the same code", age_days=8 * YEAR)


@pytest.mark.parametrize(
    ("codes", "texts", "same"),
    [
        (("A1", ["A1"]), ("CT", "MR"), "the same procedure code A1"),
        (("A1", ["B7", " A1 "]), ("CT", "MR"), "the same procedure code A1"),
        (("A1", ["A2"]), ("CT", "CT"), None),
        ((None, ["A2"]), ("CT chest ", "ct  CHEST"), "the same description"),
        ((None, []), ("CT chest", "CT head"), None),
        ((None, []), ("", ""), None),
        (("A1", []), (None, None), None),
        (("A1", []), ("CT chest", "CT chest"), "the same description"),
    ],
)
def test_the_same_procedure(
    codes: tuple[str | None, list[str]], texts: tuple[str | None, str | None], same: str | None
) -> None:
    """By a code where both have one, else word for word by the text."""
    assert same == same_procedure(*codes, *texts)


# --- any -----------------------------------------------------------------------------------------------

descriptions = st.builds(
    lambda mask, modalities, side, vessels, facets: Description(
        mask=mask,
        regions=anatomy.regions(mask),
        modalities=modalities,
        laterality=side,
        vessels=vessels,
        facets=facets,
    ),
    st.sets(st.sampled_from(sorted(anatomy.BIT.values())), max_size=3).map(sum),
    st.lists(
        st.sampled_from(["CT", "MR", "XR", "US", "NM", "PT", "MG", "DXA", "ES"]), max_size=2, unique=True
    ).map(tuple),
    st.sampled_from([None, *anatomy.Laterality]),
    st.booleans(),
    st.sets(st.sampled_from(["bone", "function", "obstetric", "dental", "venous", "arterial"])).map(
        frozenset
    ),
)


@given(descriptions, descriptions, st.none() | st.floats(min_value=-10, max_value=50_000))
def test_any_two_are_graded(order: Description, study: Description, age_days: float | None) -> None:
    """With a reason, and never better for being older."""
    found = relevance.grade(order, study, age_days=age_days)
    assert found.because
    assert found.value <= relevance.grade(order, study).value


@given(descriptions)
def test_the_same_again_is_the_best_there_is(said: Description) -> None:
    """Nothing compares better with an exam than one just like it, where its region is known."""
    if said.mask and said.modalities:
        assert MUST == relevance.grade(said, said).value


@given(descriptions)
def test_the_other_side_is_never_worth_more(said: Description) -> None:
    """Left for right, in every region."""
    left, right = (
        Description(mask=said.mask, regions=said.regions, modalities=said.modalities, laterality=side)
        for side in (anatomy.Laterality.LEFT, anatomy.Laterality.RIGHT)
    )
    assert relevance.grade(left, right).value <= relevance.grade(left, left).value


# --- the tables of a site ------------------------------------------------------------------------------


def write(directory: Path, name: str, *lines: str) -> Path:
    """A table of the site with these lines, blanks between the cells; gives its directory."""
    text = "".join("\t".join(line.split("|")) + "\n" for line in lines)
    (directory / name).write_text(text, encoding="utf-8")
    return directory


def graded_by(directory: Path, order: str, study: str, age_days: float | None = None) -> Worth:
    """The worth by the site's tables."""
    table = tables.load(tables.SHIPPED, directory)
    return relevance.grade(
        relevance.describe(order), relevance.describe(study), age_days=age_days, table=table
    ).value


@pytest.mark.parametrize(
    ("name", "line", "pair", "worth"),
    [
        ("regions.tsv", "2|chest|abdomen|both|any|any|-|ours", ("CT CHEST", "CT ABDOMEN"), (1, 2)),
        ("regions.tsv", "0|chest|heart|both|any|any|-|ours", ("CT CHEST", "CTA CORONARY"), (2, 0)),
        ("modalities.tsv", "3|CT|XR|chest", ("CT CHEST", "XR CHEST"), (2, 3)),
        ("modalities.tsv", "0|any|DXA|any", ("MRI LUMBAR SPINE", "DEXA"), (1, 0)),
        ("kinds.tsv", "0|function|study|NM|CT|any|ours", ("CT ABDOMEN", "NM GASTRIC EMPTYING"), (1, 0)),
        ("sides.tsv", "0|knee", ("XR KNEE LEFT", "XR KNEE RIGHT"), (1, 0)),
        ("unknown.tsv", "CT|head", ("CT", "CT HEAD"), (1, 3)),
    ],
)
def test_a_site_amends_the_tables(
    tmp_path: Path, name: str, line: str, pair: tuple[str, str], worth: tuple[int, int]
) -> None:
    """One line in a file of the same name, and its word is the last."""
    assert worth == (grade(*pair), graded_by(write(tmp_path, name, "# ours", line), *pair))


@pytest.mark.parametrize(("order", "study", "worth"), pairs())
def test_pairs_of_each_kind(order: str, study: str, worth: int) -> None:
    """What a radiologist says of a pair, in whatever language it is written."""
    assert worth == grade(order, study, age_days=30)


def test_paperwork_takes_no_place_even_under_the_same_code() -> None:
    """A report that was stored under the code of its exam has no images to compare."""
    assert NONE == grade("CT CHEST", "CONSULTATION", same="the same procedure code CTX")


@pytest.mark.parametrize(
    ("modality", "text", "worth"), [("SR", "", NONE), ("DOC", "", NONE), ("SR", "CT CHEST", MUST)]
)
def test_a_study_of_documents_takes_no_place(modality: str, text: str, worth: Worth) -> None:
    """Unless its description says of what exam they are: an archive may state one modality of several."""
    study = relevance.describe(text, modality=modality)
    assert worth == relevance.grade(relevance.describe("CT CHEST"), study).value


def test_what_no_line_speaks_of_is_worth_nothing(tmp_path: Path) -> None:
    """Without tables there is nothing to look up."""
    said = relevance.describe("CT CHEST")
    assert NONE == relevance.grade(said, said, table=tables.load(tmp_path)).value


def test_a_site_amends_the_ages(tmp_path: Path) -> None:
    """A chest film of two years may be old to them."""
    write(tmp_path, "ages.tsv", "XR|chest|700|2|0")
    assert (3, 1) == (
        graded_by(tmp_path, "XR CHEST", "XR CHEST", 600),
        graded_by(tmp_path, "XR CHEST", "XR CHEST", 800),
    )


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("regions.tsv", "2|chest|abdomen", "8 columns are expected, parted by tabs; here are 3"),
        ("regions.tsv", "2|chests|abdomen|both|any|any|-|x", "“chests” is no region; there are head, face"),
        ("regions.tsv", "2|chest|abdomen|yes|any|any|-|x", "“yes” is none of - both"),
        ("regions.tsv", "2|chest|abdomen|-|any|any|no|x", "“no” is none of - study order both none"),
        ("modalities.tsv", "4|CT|XR|any", "“4” is no grade from 0 to 3"),
        ("modalities.tsv", "2|CT|XRAY|any", "“XRAY” is no modality"),
        ("ages.tsv", "US|any|5y|1|0", "“5y” is no number of days"),
        ("kinds.tsv", "1|boney|study|NM|CT|any|x", "“boney” is none of vessels screening"),
        ("kinds.tsv", "1|bone|both|NM|CT|any|x", "“both” is none of differ study order"),
        ("sides.tsv", "1|kneee", "“kneee” is no region"),
        ("unknown.tsv", "CTX|head", "“CTX” is no modality"),
        ("modality.tsv", "2|CT|XR|any", "no table is called so; there are regions.tsv, modalities.tsv"),
    ],
)
def test_a_mistake_in_a_table_is_told(tmp_path: Path, name: str, line: str, message: str) -> None:
    """With its file and line."""
    write(tmp_path, name, line)
    with pytest.raises(errors.ConfigurationError) as caught:
        tables.load(tables.SHIPPED, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/{name}:1:1: {message}")


def test_all_mistakes_in_the_tables_are_told_at_once(tmp_path: Path) -> None:
    """Of all files."""
    write(tmp_path, "sides.tsv", "1|kneee", "9|knee")
    write(tmp_path, "ages.tsv", "US|any|5y|1|0")
    with pytest.raises(errors.ConfigurationError) as caught:
        tables.load(tables.SHIPPED, tmp_path)
    assert [("ages.tsv", 1), ("sides.tsv", 1), ("sides.tsv", 2)] == [
        (problem.file.name, problem.line) for problem in caught.value.problems
    ]
