"""What codes say: Anatomic Region codes of the standard, and a site's own procedure codes.

A site's map gives each code, or each prefix (`CTA*`), a few words that the vocabulary reads: `CT chest left`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefetch import errors

_ANATOMY = Path(__file__).parent / "anatomic-regions.tsv"


@functools.cache
def anatomic_regions() -> Mapping[str, str]:
    """SNOMED CT or SNOMED-RT code of an Anatomic Region (PS3.16 CID 4 and its kin) → what it says."""
    said: dict[str, str] = {}
    for line in _ANATOMY.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
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


def load_procedure_codes(file: Path) -> ProcedureCodes:
    """Read a map of codes: `code,words` lines of a CSV or TSV file, or `code: words` of a YAML file."""
    rows = list(_from_yaml(file) if file.suffix in {".yaml", ".yml"} else _from_table(file))
    exact: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for code, said in rows:
        if code.endswith("*"):
            prefixes[code[:-1]] = said
        else:
            exact[code] = said
    return ProcedureCodes(exact, prefixes)


def _from_table(file: Path) -> Iterator[tuple[str, str]]:
    problems = []
    rows = []
    for number, row in enumerate(read_table(file), 1):
        code, said = [*(cell.strip() for cell in row), "", ""][:2]
        if not (code and said):
            problem = "a line holds a code and, after a comma, semicolon or tab, what it stands for"
            problems.append(_problem(file, number, problem))
        elif (number, code.lower()) != (1, "code"):
            rows.append((code, said))
    if problems:
        raise errors.ConfigurationError(problems)
    return iter(rows)


def _from_yaml(file: Path) -> Iterator[tuple[str, str]]:
    from prefetch import yamltree  # noqa: PLC0415 (a YAML reader costs a third of the start-up; only who needs it)

    document = yamltree.read(file)
    if not document.problems and not isinstance(document.value, dict):
        document.problems.append(document.problem((), "a mapping of codes is expected, `CTTHX: CT chest`"))
    if document.problems:
        raise errors.ConfigurationError(document.problems)
    problems = []
    for code, said in document.value.items():
        if isinstance(said, str) and said.strip():
            yield code, said.strip()
        else:
            problems.append(document.problem((code,), "words are expected, as in `CTTHX: CT chest`"))
    if problems:
        raise errors.ConfigurationError(problems)


def read_table(file: Path) -> Iterable[list[str]]:
    """The rows of a CSV or TSV file, whichever separator it uses; UTF-8, or Latin-1 where it is not."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise errors.ConfigurationError([_problem(file, 1, f"cannot be read: {error.strerror}")]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.replace("\0", "").splitlines()
    first = lines[0] if lines else ""
    separator = max("\t;,", key=first.count)
    return csv.reader((line for line in lines if line.strip()), delimiter=separator)


def _problem(file: Path, line: int, message: str) -> errors.Problem:
    return errors.Problem(file=file, line=line, column=1, path="", message=message)
