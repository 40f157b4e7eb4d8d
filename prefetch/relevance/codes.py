"""What codes say: Anatomic Region codes of the standard, and a site's own procedure codes.

A site's map gives each code, or each prefix (`CTA*`), a few words that the vocabulary reads: `CT chest left`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from prefetch import errors
from prefetch.relevance import glossary, lines, reading
from prefetch.relevance.lexicon import Vocabulary

_ANATOMY = Path(__file__).parent / "anatomic-regions.tsv"


@functools.cache
def anatomic_regions() -> Mapping[str, str]:
    """SNOMED CT or SNOMED-RT code of an Anatomic Region (PS3.16 CID 4 and its kin) → what it says."""
    said: dict[str, str] = {}
    for _, line in lines.read(_ANATOMY):
        says, codes, _ = line.split("\t")
        said.update((code, says) for code in codes.split(", "))
    return said


@dataclass(frozen=True, slots=True)
class ProcedureCodes:
    """A site's procedure codes in words: by the exact code, else by the longest prefix."""

    exact: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def find(self, code: str) -> str | None:
        """The words for a code; None where the map says nothing of it."""
        code = code.strip()
        if code in self.exact:
            return self.exact[code]
        for size in range(len(code), 0, -1):
            if code[:size] in self.prefixes:
                return self.prefixes[code[:size]]
        return None


def load_procedure_codes(file: Path, *, vocabulary: Vocabulary | None = None) -> ProcedureCodes:
    """Read a map of codes: `code,words` lines of a CSV or TSV file, or `code: words` of a YAML file.

    Raises `ConfigurationError`, also for words that the vocabulary does not hold.
    """
    problems: list[errors.Problem] = []
    rows = (_from_yaml if file.suffix in {".yaml", ".yml"} else _from_table)(file, problems)
    vocabulary = vocabulary or glossary.shipped()
    exact: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for code, said, place in rows:
        if unknown := reading.read(said, vocabulary).unknown:
            message = f"“{unknown[0]}” is not understood; `prefetch describe` shows what is"
            problems.append(replace(place, message=message))
        elif code.endswith("*"):
            prefixes[code[:-1]] = said
        else:
            exact[code] = said
    if problems:
        raise errors.ConfigurationError(sorted(problems, key=lambda problem: problem.line))
    return ProcedureCodes(exact, prefixes)


Row = tuple[str, str, errors.Problem]
"""A code, its words, and their place for whatever is wrong with them."""


def _from_table(file: Path, problems: list[errors.Problem]) -> Iterator[Row]:
    for number, row in read_table(file):
        code, said = [*(cell.strip() for cell in row), "", ""][:2]
        if not (code and said):
            message = "a line holds a code and, after a comma, semicolon or tab, what it stands for"
            problems.append(lines.problem(file, number, message))
        elif (number, code.lower()) != (1, "code"):
            yield code, said, lines.problem(file, number, "")


def _from_yaml(file: Path, problems: list[errors.Problem]) -> Iterator[Row]:
    from prefetch import yamltree  # noqa: PLC0415 (a YAML reader costs a third of the start-up; only who needs it)

    document = yamltree.read(file)
    problems += document.problems
    if not document.problems and not isinstance(document.value, dict):
        problems.append(document.problem((), "a mapping of codes is expected, `CTTHX: CT chest`"))
    if problems:
        return
    for code, said in document.value.items():
        if isinstance(said, str) and said.strip():
            yield code, said.strip(), document.problem((code,), "")
        else:
            problems.append(document.problem((code,), "words are expected, as in `CTTHX: CT chest`"))


def read_table(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV or TSV file with their lines, whichever separator it uses.

    UTF-8, or Latin-1 where it is not; rows without anything in them are left out.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise errors.ConfigurationError([lines.problem(file, 1, message)]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    rows = text.replace("\0", "").splitlines()
    separator = max("\t;,", key=next(iter(rows), "").count)
    reader = csv.reader(rows, delimiter=separator)
    try:
        yield from ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise errors.ConfigurationError([lines.problem(file, reader.line_num, str(error))]) from error
