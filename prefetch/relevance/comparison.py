"""PURE: describing and grading with one site's words, codes and tables; each text is read once.

A hospital has some thousand texts and writes them a million times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from prefetch import errors
from prefetch.relevance import codes, glossary, grading, tables
from prefetch.relevance.codes import ProcedureCodes
from prefetch.relevance.description import Description, describe
from prefetch.relevance.grading import Grade
from prefetch.relevance.lexicon import Vocabulary
from prefetch.relevance.tables import Table

REMEMBERED = 20_000
"""Texts of which the description is kept; more than a hospital's catalogue with its slips of the pen."""

_Describe = Callable[[str, tuple[str, ...], str | None, str | None], Description]


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
        code: str | None = None,
        body_part: str | None = None,
    ) -> Description:
        """What an order or study is of."""
        return self._remembered(text or "", tuple(modalities), code, body_part)

    def grade(
        self, order: Description, study: Description, *, age_days: float | None, same_code: bool
    ) -> Grade:
        """How much a study is worth to an order."""
        return grading.grade(order, study, age_days=age_days, same_code=same_code, table=self.table)

    def _describe(
        self, text: str, modalities: tuple[str, ...], code: str | None, body_part: str | None
    ) -> Description:
        return describe(
            text,
            modality=modalities,
            code=code,
            body_part=body_part,
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
    """Read a site's own files; raises `ConfigurationError` with the mistakes of the first that is wrong."""
    if not (vocabulary or procedure_codes or grading_tables):
        return usual()
    for directory in filter(None, (vocabulary, grading_tables)):
        if not directory.is_dir():
            raise errors.ConfigurationError([_not_there(directory)])
    return Comparison(
        vocabulary=glossary.load(glossary.SHIPPED, vocabulary) if vocabulary else None,
        procedure_codes=codes.load_procedure_codes(procedure_codes) if procedure_codes else None,
        table=tables.load(tables.SHIPPED, grading_tables) if grading_tables else None,
    )


def _not_there(directory: Path) -> errors.Problem:
    return errors.Problem(file=directory, line=1, column=1, path="", message="is not a directory")
