"""What a site's procedure catalogue leaves unknown: the words that its vocabulary still lacks, by use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefetch import errors
from prefetch.relevance import codes, lines, words
from prefetch.relevance.comparison import Comparison
from prefetch.relevance.description import Description

_HEADINGS = {
    "description": "description text name procedure procedure_description bezeichnung beschreibung leistung"
    " libelle intitule descripcion nombre descricao descrizione prestazione omschrijving beskrivelse"
    " benamning nazwa nazev",
    "code": "code procedure_code codigo codice kod kode kuerzel kurzel id",
    "modality": "modality modalitaet modalitat modalite modalidad modalidade modalita modaliteit modalitet",
    "count": "count uses used exams n number anzahl nombre_examens volume frequency cantidad quantidade"
    " numero antal",
}
"""What a column may be called, in a few languages; compared without case, accents and blanks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One line of a catalogue."""

    description: str
    code: str | None = None
    modality: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """A procedure of which the region or the modality is not known, and the words that did not tell."""

    procedure: Procedure
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def read_catalogue(file: Path) -> list[Procedure]:
    """The lines of a CSV or TSV file whose first line names the columns, at least the description."""
    rows = codes.read_table(file)
    _, header = next(rows, (1, []))
    columns = _columns(header)
    if "description" not in columns:
        message = "the first line names the columns: description, and where there are: code, modality, count"
        raise errors.ConfigurationError([lines.problem(file, 1, message)])
    return [
        _procedure({name: row[place] for name, place in columns.items() if place < len(row)})
        for _, row in rows
    ]


def _columns(header: list[str]) -> dict[str, int]:
    called = ["_".join(words.fold(cell).split()) for cell in header]
    return {
        name: place
        for name, headings in _HEADINGS.items()
        for place, heading in reversed(list(enumerate(called)))
        if heading in headings.split()
    }


def _procedure(cells: dict[str, str]) -> Procedure:
    digits = "".join(letter for letter in cells.get("count", "") if letter.isdecimal())
    return Procedure(
        description=cells.get("description", "").strip(),
        code=cells.get("code", "").strip() or None,
        modality=cells.get("modality", "").strip() or None,
        count=int(digits[:12]) if digits else None,
    )


def find_unmapped(procedures: list[Procedure], compared: Comparison) -> list[Unmapped]:
    """The procedures without a region or a modality, most used first; then as the catalogue has them."""
    found = list(_unmapped(procedures, compared))
    return sorted(found, key=lambda unmapped: -(unmapped.procedure.count or 0))


def _unmapped(procedures: list[Procedure], compared: Comparison) -> Iterator[Unmapped]:
    for procedure in procedures:
        stated = (procedure.modality or "").split("\\")
        said = compared.describe(procedure.description, modalities=stated, code=procedure.code)
        if missing := _missing(said):
            yield Unmapped(procedure=procedure, missing=missing, unknown=said.unknown)


def _missing(said: Description) -> tuple[str, ...]:
    return (*(() if said.regions else ("region",)), *(() if said.modalities else ("modality",)))
