"""What a site's procedure catalogue leaves unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefetch import errors
from prefetch.relevance import catalogue
from prefetch.relevance.catalogue import Procedure
from prefetch.relevance.codes import ProcedureCodes
from prefetch.relevance.comparison import Comparison


def write(directory: Path, text: str) -> Path:
    """A catalogue."""
    (directory / "catalogue.csv").write_text(text, encoding="utf-8")
    return directory / "catalogue.csv"


@pytest.mark.parametrize(
    "text",
    [
        "code,description,modality,count\nA1,CT chest,CT,12\n",
        "Count;Description;Code;Modality\n12;CT chest;A1;CT\n",
        "Procedure Code\tProcedure\tmodality\tuses\nA1\tCT chest\tCT\t12\n",
        "Kürzel;Bezeichnung;Modalität;Anzahl\nA1;CT chest;CT;12\n",
        "code,description,modality,count,price\n\nA1,CT chest,CT,12,9.50\n",
    ],
)
def test_catalogues_are_read(tmp_path: Path, text: str) -> None:
    """Whatever its separator, the order of its columns, and the language of their names."""
    expected = [Procedure(description="CT chest", code="A1", modality="CT", count=12)]
    assert expected == catalogue.read_catalogue(write(tmp_path, text))


def test_only_the_description_is_needed(tmp_path: Path) -> None:
    """What is missing is not known; a line may end early."""
    read = catalogue.read_catalogue(write(tmp_path, "description,code,count\nCT chest\nMR head,,many\n"))
    assert [Procedure(description="CT chest"), Procedure(description="MR head")] == read


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    """With blanks or points between the thousands."""
    read = catalogue.read_catalogue(write(tmp_path, "description;n\nCT;1.200\nMR;3 400\n"))
    assert [1200, 3400] == [procedure.count for procedure in read]


@pytest.mark.parametrize("text", ["", "code,count\nA1,12\n", "CT chest\nMR head\n"])
def test_a_catalogue_without_descriptions_is_refused(tmp_path: Path, text: str) -> None:
    """With what the first line must hold."""
    with pytest.raises(
        errors.ConfigurationError, match=r"catalogue.csv:1:1: the first line names the columns"
    ):
        catalogue.read_catalogue(write(tmp_path, text))


def unmapped(*procedures: Procedure, procedure_codes: ProcedureCodes | None = None) -> list[tuple[str, str]]:
    """The procedures that are not understood, each with what is missing."""
    found = catalogue.find_unmapped(list(procedures), Comparison(procedure_codes=procedure_codes))
    return [(one.procedure.description, " ".join((*one.missing, *one.unknown))) for one in found]


def test_what_is_unknown_is_listed_most_used_first() -> None:
    """With what is missing and the words that did not tell; in the order of the catalogue where equal."""
    assert [("qwrtz", "region modality qwrtz"), ("chest", "modality"), ("XR", "region")] == unmapped(
        Procedure(description="CT chest", count=1000),
        Procedure(description="chest", count=5),
        Procedure(description="XR"),
        Procedure(description="qwrtz", count=90),
    )


def test_modality_and_code_help() -> None:
    """A column of the catalogue, and the site's own map of codes."""
    codes = ProcedureCodes(exact={"A1": "MR head"})
    assert [] == unmapped(
        Procedure(description="chest", modality="CR"),
        Procedure(description="qwrtz", code="A1"),
        procedure_codes=codes,
    )
