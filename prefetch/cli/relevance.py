"""`prefetch describe` and `prefetch relevance`: what is read in a description, and how two exams compare."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from prefetch import errors
from prefetch.cli import terms
from prefetch.relevance import Description, catalogue, comparison, grading
from prefetch.relevance.comparison import Comparison

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT…", help="Descriptions; - reads standard input, a line each.", show_default=False
    ),
]
Pair = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ORDER STUDY",
        help="The order's description and the study's; - reads JSON lines from standard input.",
        show_default=False,
    ),
]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="JSON lines in and out.")]
VocabularyOption = Annotated[
    Path | None,
    typer.Option("--vocabulary", metavar="DIR", help="The site's own vocabulary files.", show_default=False),
]
CodesOption = Annotated[
    Path | None,
    typer.Option(
        "--codes", metavar="FILE", help="The site's procedure codes in words (CSV, YAML).", show_default=False
    ),
]
GradingOption = Annotated[
    Path | None,
    typer.Option("--grading", metavar="DIR", help="The site's own grading tables.", show_default=False),
]
UnmappedOption = Annotated[
    Path | None,
    typer.Option(
        "--unmapped",
        metavar="FILE",
        help="List what a procedure catalogue (CSV) leaves unknown, most used first.",
        show_default=False,
    ),
]
SiteOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Use the words, codes and tables that this configuration names.",
        show_default=False,
    ),
]
AgeOption = Annotated[
    float | None, typer.Option("--age-days", help="Days from the study to the exam.", show_default=False)
]

Row = dict[str, Any]


class _RefusedError(Exception):
    """A line that is not what was asked for; the message says what is."""


MOST_BYTES = 1_000_000
"""Of one JSON line; a longer one is refused unread."""


# --- the verbs -----------------------------------------------------------------------------------------


def describe(
    texts: Texts = None,
    *,
    as_json: JsonLinesOption = False,
    unmapped: UnmappedOption = None,
    vocabulary: VocabularyOption = None,
    code_map: CodesOption = None,
    config: SiteOption = None,
) -> None:
    """Show modality, regions and side as the daemon reads them in a description; needs no configuration."""
    compared = _comparison(config, vocabulary, code_map)
    if unmapped is not None:
        _print_unmapped(unmapped, compared, as_json=as_json)
        return
    if not texts:
        terms.stop(terms.Exit.WRONG_USE, "a description is expected, or - for standard input")
    if as_json and texts == ["-"]:
        _answer_lines(lambda row: row | _shown(_described(row, compared)))
        return
    lines = (line.decode(errors="replace").strip() for line in sys.stdin.buffer) if texts == ["-"] else texts
    rows = ({"text": line} | _shown(compared.describe(line)) for line in lines)
    _print_rows(rows, _DESCRIBED, as_json=as_json)


def relevance(
    pair: Pair = None,
    *,
    as_json: JsonLinesOption = False,
    age_days: AgeOption = None,
    vocabulary: VocabularyOption = None,
    code_map: CodesOption = None,
    tables_of_site: GradingOption = None,
    config: SiteOption = None,
) -> None:
    """Show how much a study is worth to an order, 0 to 3, and why; needs no configuration."""
    compared = _comparison(config, vocabulary, code_map, tables_of_site)
    if pair == ["-"]:
        _answer_lines(lambda row: _graded(row, compared))
        return
    if not pair or len(pair) != 2:  # noqa: PLR2004 (a pair)
        terms.stop(terms.Exit.WRONG_USE, "two descriptions are expected, an order's and a study's, or -")
    row = {
        "order": {"procedure_description": pair[0]},
        "study": {"study_description": pair[1], "age_days": age_days},
    }
    _print_rows([_graded(row, compared)], {"grade": "grade", "because": "because"}, as_json=as_json)


# --- what is read --------------------------------------------------------------------------------------


def _comparison(
    config: Path | None, vocabulary: Path | None, code_map: Path | None, grading: Path | None = None
) -> Comparison:
    """The words, codes and tables of the configuration, or else of these files."""
    with _site_files():
        if config is None:
            return comparison.load(vocabulary=vocabulary, procedure_codes=code_map, grading_tables=grading)
        if vocabulary or code_map or grading:
            terms.stop(terms.Exit.WRONG_USE, "--config names the site's files; leave the other options out")
        from prefetch import config as configuration  # noqa: PLC0415 (costs more than all else here)

        return configuration.load(terms.config_path(config)).comparison


@contextmanager
def _site_files() -> Iterator[None]:
    """Name every mistake in the site's files and stop."""
    try:
        yield
    except errors.ConfigurationError as error:
        terms.stop(terms.Exit.WRONG_USE, str(error))


def _described(row: Row, compared: Comparison) -> Description:
    modalities, code = _texts(row, "modality"), _text(row, "code", optional=True)
    return compared.describe(_text(row, "text"), modalities=modalities, code=code)


_DESCRIBED = {
    "text": "text",
    "modality": "modality",
    "regions": "regions",
    "laterality": "side",
    "facets": "facets",
    "because": "because",
}


def _shown(said: Description) -> Row:
    return {
        "modality": list(said.modalities),
        "regions": list(said.regions),
        "vessels": said.vessels,
        "laterality": said.laterality,
        "facets": sorted(said.facets),
        "because": "; ".join(said.because),
        "unknown": list(said.unknown),
    }


def _print_rows(rows: Iterable[Row], columns: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        terms.print_lines(rows)
    else:
        terms.print_table(map(_joined, rows), columns)


def _joined(row: Row) -> Row:
    return {key: " ".join(value) if isinstance(value, list) else value for key, value in row.items()}


def _graded(row: Row, compared: Comparison) -> Row:
    order, study = _object(row, "order"), _object(row, "study")
    order_code, study_code = (_text(of, "procedure_code", optional=True) for of in (order, study))
    order_text = _text(order, "procedure_description", optional=True)
    study_text = _text(study, "study_description", optional=True)
    graded = compared.grade(
        compared.describe(order_text, modalities=_texts(order, "modality"), code=order_code),
        compared.describe(study_text, modalities=_texts(study, "modalities_in_study"), code=study_code),
        age_days=_number(study, "age_days"),
        same=grading.same_procedure(order_code, filter(None, [study_code]), order_text, study_text),
    )
    return {"grade": int(graded.value), "because": graded.because}


# --- JSON lines ----------------------------------------------------------------------------------------


def _answer_lines(answer: Callable[[Row], Row]) -> None:
    """Answer each line of standard input with a line; one that cannot be read with the problem."""
    refused = False
    for number, raw in enumerate(_lines(), 1):
        try:
            answered = answer(_parsed(raw))
        except _RefusedError as error:
            refused = True
            answered = {"problem": f"line {number}: {error}"}
        sys.stdout.buffer.write(json.dumps(answered, ensure_ascii=False).encode(errors="replace") + b"\n")
    sys.stdout.buffer.flush()
    if refused:
        terms.stop(terms.Exit.WRONG_USE, "some lines could not be read; their answers say why")


def _lines() -> Iterator[bytes]:
    while raw := sys.stdin.buffer.readline(MOST_BYTES + 1):
        line = raw
        while len(raw) > MOST_BYTES and not raw.endswith(b"\n"):
            raw = sys.stdin.buffer.readline(MOST_BYTES)
        if line.strip():
            yield line


def _parsed(raw: bytes) -> Row:
    if len(raw) > MOST_BYTES:
        raise _RefusedError(f"longer than {MOST_BYTES:,} bytes")
    try:
        row = json.loads(raw.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise _RefusedError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise _RefusedError("a JSON object is expected")
    return row


def _text(row: Row, key: str, *, optional: bool = False) -> str:
    said = row.get(key)
    if said is None and optional:
        return ""
    if not isinstance(said, str):
        raise _RefusedError(f"{key}: a text is expected")
    return said


def _texts(row: Row, key: str) -> list[str]:
    """A list of texts, or one in which backslashes part them, as in a DICOM value."""
    said = row.get(key)
    if said is None:
        return []
    if isinstance(said, str):
        return said.split("\\")
    if isinstance(said, list) and all(isinstance(item, str) for item in said):
        return said
    raise _RefusedError(f"{key}: a text or a list of texts is expected")


def _number(row: Row, key: str) -> float | None:
    said = row.get(key)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise _RefusedError(f"{key}: a number is expected")
    return said


def _object(row: Row, key: str) -> Row:
    said = row.get(key)
    if not isinstance(said, dict):
        raise _RefusedError(f"{key}: an object is expected")
    return said


# --- a catalogue ---------------------------------------------------------------------------------------


def _print_unmapped(file: Path, compared: Comparison, *, as_json: bool) -> None:
    with _site_files():
        procedures = catalogue.read_catalogue(file)
    left = catalogue.find_unmapped(procedures, compared)
    rows = [
        {
            "count": unmapped.procedure.count,
            "code": unmapped.procedure.code,
            "description": unmapped.procedure.description,
            "missing": list(unmapped.missing),
            "unknown": list(unmapped.unknown),
        }
        for unmapped in left
    ]
    columns = {
        "count": "used",
        "code": "code",
        "description": "description",
        "missing": "missing",
        "unknown": "unknown words",
    }
    _print_rows(rows, columns, as_json=as_json)
    terms.say(f"{len(left)} of {len(procedures)} procedures are not wholly understood")
