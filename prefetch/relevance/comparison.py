"""PURE: describing and grading with one site's words, codes and tables; each text is read once.

A hospital has some thousand texts and writes them a million times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TypeVar

from prefetch import errors
from prefetch.relevance import codes, glossary, grading, tables
from prefetch.relevance.codes import ProcedureCodes
from prefetch.relevance.description import Description, describe
from prefetch.relevance.grading import Grade
from prefetch.relevance.lexicon import Vocabulary
from prefetch.relevance.tables import Table

REMEMBERED = 20_000
"""Texts of which the description is kept; more than a hospital's catalogue with its slips of the pen."""

_Read = TypeVar("_Read")
_Describe = Callable[[str, tuple[str, ...], tuple[str, ...], str | None, tuple[str, ...]], Description]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Describes and grades as a site says; what is None is as it comes with the product."""

    vocabulary: Vocabulary | None = None
    procedure_codes: ProcedureCodes | None = None
    table: Table | None = None
    _remembered: _Describe = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_remembered", lru_cache(REMEMBERED)(self._describe))

    def describe(
        self,
        text: str | None,
        *,
        modalities: Iterable[str] = (),
        code: str | Iterable[str] | None = None,
        body_part: str | None = None,
        anatomic_codes: Iterable[str] = (),
    ) -> Description:
        """What an order or study is of."""
        several = (code,) if isinstance(code, str) else tuple(code or ())
        # Codes that no map explains say nothing, and need not be told apart.
        known = several if self.procedure_codes else ()
        return self._remembered(text or "", tuple(modalities), known, body_part, tuple(anatomic_codes))

    def grade(
        self, order: Description, study: Description, *, age_days: float | None, same: str | None = None
    ) -> Grade:
        """How much a study is worth to an order."""
        return grading.grade(order, study, age_days=age_days, same=same, table=self.table)

    def _describe(
        self,
        text: str,
        modalities: tuple[str, ...],
        code: tuple[str, ...],
        body_part: str | None,
        anatomic_codes: tuple[str, ...],
    ) -> Description:
        return describe(
            text,
            modality=modalities,
            code=code,
            body_part=body_part,
            anatomic_codes=anatomic_codes,
            procedure_codes=self.procedure_codes,
            vocabulary=self.vocabulary,
        )


@cache
def usual() -> Comparison:
    """As it comes with the product."""
    return Comparison()


def load(
    *, vocabulary: Path | None = None, procedure_codes: Path | None = None, grading_tables: Path | None = None
) -> Comparison:
    """Read a site's own files; raises `ConfigurationError` with the mistakes of all of them."""
    if not (vocabulary or procedure_codes or grading_tables):
        return usual()
    problems: list[errors.Problem] = []
    words = _tried(problems, glossary.load, glossary.SHIPPED, vocabulary)
    table = _tried(problems, tables.load, tables.SHIPPED, grading_tables)
    read_codes = partial(codes.load_procedure_codes, vocabulary=words)
    code_map = _tried(problems, read_codes, procedure_codes)
    if problems:
        raise errors.ConfigurationError(problems)
    return Comparison(vocabulary=words, procedure_codes=code_map, table=table)


def _tried(problems: list[errors.Problem], read: Callable[..., _Read], *paths: Path | None) -> _Read | None:
    """What is read from the paths, if all are said; mistakes are noted."""
    try:
        return read(*paths) if all(paths) else None
    except errors.ConfigurationError as error:
        problems += error.problems
        return None
