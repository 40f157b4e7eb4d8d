"""What the vocabulary is worth on texts it has not seen: `python -m tests.bench.left_out FILE`.

FILE is a table (tabs, a first line that names the columns) of labelled descriptions: `text`, `regions`
(parted by semicolons) and `source`. One source after another is left out: the terms that only its texts use
are dropped from the vocabulary, common as they may be, and its texts are read with the rest. The figure is
the share of texts of which the regions are exactly right. It is a floor: a language that only one
source writes loses most of its words.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from prefetch import relevance
from prefetch.relevance import glossary, reading, words
from prefetch.relevance.glossary import Line
from prefetch.relevance.lexicon import Vocabulary

Term = tuple[Line, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A description, and what a person says that it is of."""

    text: str
    regions: frozenset[str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A source, and how well its texts are read with all words and without its own."""

    source: str
    texts: int
    dropped: int
    with_all: float
    without: float


def read_labels(file: Path) -> list[Label]:
    """The labelled texts of a file; codes and numbers behind a source's name part no sources."""
    with file.open(encoding="utf-8", newline="") as table:
        return [
            Label(
                text=row["text"],
                regions=frozenset(filter(None, row["regions"].split(";"))),
                source=re.split(r"[ ,]*\b[A-Z]*\d", row["source"], maxsplit=1)[0] or row["source"],
            )
            for row in csv.DictReader(table, delimiter="\t")
            if row["regions"]
        ]


def leave_out(labels: list[Label], lines: list[Line]) -> list[LeftOut]:
    """Leave one source out after another, the largest first."""
    by_source: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_source[label.source].append(label)
    vocabulary = glossary.compiled(lines)
    index = _terms_by_meaning(lines)
    used = {source: _used(of_source, vocabulary, index) for source, of_source in by_source.items()}
    found = []
    for source, of_source in sorted(by_source.items(), key=lambda item: -len(item[1])):
        own = used[source].difference(*(terms for other, terms in used.items() if other != source))
        rest = [
            replace(line, terms=tuple(term for term in line.terms if (line, term) not in own))
            for line in lines
        ]
        found.append(
            LeftOut(
                source=source,
                texts=len(of_source),
                dropped=len(own),
                with_all=_exact(of_source, vocabulary),
                without=_exact(of_source, glossary.compiled(rest)),
            )
        )
    return found


def _exact(labels: list[Label], vocabulary: Vocabulary) -> float:
    right = [
        label.regions == frozenset(relevance.describe(label.text, vocabulary=vocabulary).regions)
        for label in labels
    ]
    return sum(right) / len(right)


def _terms_by_meaning(lines: Iterable[Line]) -> dict[str, list[tuple[list[str], Term]]]:
    index: dict[str, list[tuple[list[str], Term]]] = defaultdict(list)
    for line in lines:
        for term in line.terms:
            for spelling in words.spellings(term.removeprefix("!")):
                index[line.says].append((spelling.split(), (line, term)))
    return index


def _used(
    labels: list[Label], vocabulary: Vocabulary, index: dict[str, list[tuple[list[str], Term]]]
) -> set[Term]:
    """The terms that say what the texts were read to say."""
    return {
        term
        for label in labels
        for met, sense in reading.read(label.text, vocabulary).found
        for keys, term in index[sense.says]
        if _is_met(keys, met.split())
    }


def _is_met(keys: list[str], met: list[str]) -> bool:
    return len(keys) == len(met) and all(
        word.startswith(key[:-1]) if key.endswith("*") else word == key
        for key, word in zip(keys, met, strict=True)
    )


def main(file: Path) -> None:
    """Print a line a source, and the mean over all texts."""
    labels = read_labels(file)
    found = leave_out(labels, list(glossary.read_lines(glossary.SHIPPED)))
    typer.echo("texts  terms dropped  with all words  without  source")
    for one in found:
        typer.echo(f"{one.texts:5} {one.dropped:14} {one.with_all:15.3f} {one.without:8.3f}  {one.source}")
    for name in ("with_all", "without"):
        mean = sum(getattr(one, name) * one.texts for one in found) / len(labels)
        typer.echo(f"{name.replace('_', ' ')}: regions exactly right {mean:.4f} of {len(labels)} texts")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
