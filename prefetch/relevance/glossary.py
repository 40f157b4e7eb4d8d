"""The vocabulary's files, read and checked: `what is said<TAB>term, term, …`, a file a language.

A site's own directory of such files is read after the shipped one, and its terms overrule. The format is
explained at the head of `vocabulary/international.tsv`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from prefetch import errors
from prefetch.relevance import lines, senses, words
from prefetch.relevance.lexicon import LONGEST_TERM, Key, Vocabulary
from prefetch.relevance.senses import Sense

SHIPPED = Path(__file__).parent / "vocabulary"
INTERNATIONAL = "international"
"""The file whose words stand in texts of any language, and so vouch for none."""
_FIRST = (INTERNATIONAL, "english")
"""Whose meaning stands where a word has several and nothing tells the language."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: some terms that say the same."""

    says: str
    terms: tuple[str, ...]
    """As they stand, with their `!`."""
    file: Path
    number: int

    @property
    def languages(self) -> frozenset[str]:
        """The language that the words vouch for."""
        return frozenset() if self.file.stem == INTERNATIONAL else frozenset({self.file.stem})

    def problem(self, message: str) -> errors.Problem:
        """A mistake in this line."""
        return lines.problem(self.file, self.number, message)


def files(directory: Path) -> list[Path]:
    """The vocabulary files of a directory in the order of their say."""
    return sorted(lines.files(directory), key=lambda file: [file.stem != first for first in _FIRST])


def read_lines(directory: Path) -> Iterator[Line]:
    """Every line of a directory's files, mistakes and all."""
    for file in files(directory):
        for number, text in lines.read(file):
            says, _, terms = text.partition("\t")
            yield Line(says.strip(), tuple(term.strip() for term in terms.split(",")), file, number)


def load(*directories: Path) -> Vocabulary:
    """The vocabulary of some directories; a later one overrules the terms of an earlier one.

    Raises `ConfigurationError` with all mistakes of all files.
    """
    vocabulary = Vocabulary()
    problems: list[errors.Problem] = []
    for directory in directories:
        written = list(read_lines(directory))
        problems += mistakes(written)
        if not problems:
            _add(vocabulary, written)
    if problems:
        raise errors.ConfigurationError(problems)
    return vocabulary


def compiled(written: Iterable[Line]) -> Vocabulary:
    """The vocabulary of some lines, all of one say."""
    vocabulary = Vocabulary()
    _add(vocabulary, written)
    return vocabulary


@functools.cache
def shipped() -> Vocabulary:
    """The vocabulary that comes with the product, read once when first asked for."""
    return load(SHIPPED)


def mistakes(written: Iterable[Line]) -> list[errors.Problem]:
    """What cannot be read: too long a term, a star in its middle, a thing that cannot be said."""
    found = []
    for line in written:
        if unsayable := senses.unsayable(line.says):
            found.append(
                line.problem(f"“{unsayable[0]}” is no region, modality, facet or other thing to say")
            )
        for term in line.terms:
            bare = term.removeprefix("!")
            if not 0 < len(bare.split()) <= LONGEST_TERM:
                found.append(line.problem(f"“{term}”: a tab, then terms of one to {LONGEST_TERM} words"))
            elif "!" in bare or ("*" in bare and any("*" in word[:-1] for word in bare.split())):
                found.append(line.problem(f"“{term}”: * stands at the end of a word, ! before the term"))
            elif not (bare[0].isalnum() or words.cut(bare)):
                found.append(line.problem(f"“{term}” has neither letters nor digits"))
    return found


def contradictions(written: Iterable[Line]) -> list[errors.Problem]:
    """Terms that say two things, or the same twice, in one language: what no company could settle."""
    found = []
    said: dict[tuple[str, Path, bool], Line] = {}
    for line in written:
        for term in line.terms:
            places = [(spelling, line.file, term[0] == "!") for spelling in words.spellings(term.lstrip("!"))]
            former = [said[place] for place in places if place in said]
            if former and (len(former) == len(places) or former[0].says != line.says):
                message = f"“{term}” says {line.says}, but {former[0].says} in line {former[0].number}"
                found.append(line.problem(message))
            said.update((place, line) for place in places)
    return found


def _add(vocabulary: Vocabulary, written: Iterable[Line]) -> None:
    gathered: dict[Key, list[Sense]] = {}
    for line in written:
        bold = senses.parse(line.says, line.languages)
        for term in line.terms:
            sense, bare = (replace(bold, shy=True), term[1:]) if term[0] == "!" else (bold, term)
            for spelling in words.spellings(bare):
                gathered.setdefault(tuple(spelling.split()), []).append(sense)
    _invert(gathered, vocabulary)
    for keys, found in gathered.items():
        node = vocabulary.root
        for key in keys:
            node = node.setdefault(key, {})
            if key[-1] == "*":
                vocabulary.stems.add(key[:-1])
            else:
                vocabulary.words.add(key)
        node[""] = _merged(found) if len(found) > 1 else (found[0],)
        if len(keys) == 1 and all(sense.shy for sense in found):
            vocabulary.shy.add(keys[0])


_SHORTEST_FIRST = 3
"""Letters of the word that an inverted term begins with: joint si, but no l s."""
_INVERTED = 2
"""Words of the terms that are inverted."""


def _invert(gathered: dict[Key, list[Sense]], vocabulary: Vocabulary) -> None:
    """Catalogues put the noun first: a region's term of two words may stand the other way round.

    Not if its words say as much alone, as chest port does, or each names a region: brain orbit is two.
    """
    for keys, found in [item for item in gathered.items() if len(item[0]) == _INVERTED]:
        if len(keys[1]) < _SHORTEST_FIRST or not found[0].bits & senses.ANY_REGION:
            continue
        inverted = keys[::-1]
        if inverted in gathered or (inverted not in vocabulary.inverted and vocabulary.senses(*inverted)):
            continue
        alone = [gathered.get((key,)) or vocabulary.senses(key) for key in keys]
        named = [_all_bits(each) & senses.REGIONS for each in alone]
        if all(named) or any(sense.modalities and not sense.shy for each in alone for sense in each):
            continue
        if all(senses.where(sense) & ~(named[0] | named[1]) for sense in found):
            gathered[inverted] = found
            vocabulary.inverted.add(inverted)


def _all_bits(found: Iterable[Sense]) -> int:
    total = 0
    for sense in found:
        total |= sense.bits
    return total


def _merged(found: Iterable[Sense]) -> tuple[Sense, ...]:
    """One sense for each thing said, of all the languages that say it."""
    by_says: dict[tuple[str, bool], Sense] = {}
    for sense in found:
        said = (sense.says, sense.shy)
        former = by_says.get(said)
        by_says[said] = replace(sense, languages=_vouched(sense, former)) if former else sense
    return tuple(by_says.values())


def _vouched(one: Sense, other: Sense) -> frozenset[str]:
    """The languages of a word that several files hold; an international word is none of theirs."""
    return one.languages | other.languages if one.languages and other.languages else frozenset()
