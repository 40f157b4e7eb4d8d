"""PURE: the terms of a text, each with what it says here.

Words are looked up, mended where they are not known, joined into the longest terms; a word that several
languages share is read in the language that most of the others speak.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from prefetch.relevance import senses, words
from prefetch.relevance.lexicon import Key, Node, Vocabulary
from prefetch.relevance.senses import FLAG, Sense


class Found(NamedTuple):
    """A term of the text as it was read, and what it says."""

    term: str
    sense: Sense


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read in a text, in order."""

    found: tuple[Found, ...]
    unknown: tuple[str, ...]
    """Words that the vocabulary does not hold."""


class _Token(NamedTuple):
    word: str
    keys: Key
    guessed: bool = False
    """Mended from a slip or a cut-off word: it may have meant something else."""


class _Term(NamedTuple):
    words: str
    possible: tuple[Sense, ...]
    guessed: bool


def read(text: str, vocabulary: Vocabulary) -> Reading:
    """Read a text with the words of a vocabulary."""
    tokens: list[_Token] = []
    unknown: list[str] = []
    cut = words.cut(text)
    for place, word in enumerate(cut, 1):
        known = _tokens(word, vocabulary, last=place == len(cut))
        if known:
            tokens += known
        elif word[0].isalpha():
            tokens.append(_Token(word, ()))
            unknown.append(word)
    return Reading(_settled(_terms(tokens, vocabulary.root)), tuple(unknown))


# --- words -------------------------------------------------------------------------------------------

_ENDING = 2
"""Letters behind a stem that are no more than an ending."""
_PART = 4
"""The shortest part of a word that begins like one of a longer term."""
_SHORT_STEM = 5
"""A stem of so few letters, its star among them, is less of a witness than a whole word but for a slip."""


def _tokens(word: str, vocabulary: Vocabulary, *, last: bool) -> list[_Token]:
    """A word as the vocabulary knows it: itself, its parts, or what was meant; nothing if it is not known."""
    keys = vocabulary.keys(word)
    if keys and (keys[0] == word or any(map(vocabulary.senses, keys))):
        if keys[0] != word and len(keys[0]) <= _SHORT_STEM and (meant := vocabulary.mistyped(word)):
            return [_Token(meant, vocabulary.keys(meant) + keys, guessed=True)]
        if keys[0] == word and not vocabulary.senses(word) and (one := vocabulary.singular(word)):
            keys += vocabulary.keys(
                one
            )  # thighs: a word of longer terms, and the plural of one that says more
        first = [_Token(word, keys)]
        if keys[0] == word or len(word) - len(keys[0]) < _ENDING:
            return first
        return first + _known(vocabulary.behind(word, keys[0]), vocabulary)
    if one := vocabulary.singular(word):
        return [_Token(one, vocabulary.keys(one) + keys)]
    parts = vocabulary.parts(word)
    if keys and min(map(len, parts), default=0) < _PART:
        parts = []  # embol-us: a word of longer terms, and no compound
    if parts and not vocabulary.mistyped(word):
        return _known(parts, vocabulary)
    return _mended(word, keys, vocabulary, last=last)


def _mended(word: str, keys: Key, vocabulary: Vocabulary, *, last: bool) -> list[_Token]:
    """What was meant by a word that says nothing by itself."""
    if meant := vocabulary.meant(word, cut_off=last):
        return [_Token(meant, vocabulary.keys(meant) + keys, guessed=True)]
    if keys:  # a stem that says something only in a longer term
        return [_Token(word, keys)]
    if "?" in word:  # no lost letter, but a question: pain?left
        return [token for piece in word.split("?") for token in _tokens(piece, vocabulary, last=False)]
    return []


def _known(parts: list[str], vocabulary: Vocabulary) -> list[_Token]:
    return [_Token(part, vocabulary.keys(part)) for part in parts]


# --- terms -------------------------------------------------------------------------------------------


def _terms(tokens: list[_Token], root: Node) -> list[_Term]:
    """The longest terms from left to right; a word that a term skipped is read on its own."""
    taken = [False] * len(tokens)
    terms = []
    for start, token in enumerate(tokens):
        if taken[start]:
            continue
        places, possible = _longest(root, tokens, taken, start)
        for place in places:
            taken[place] = True
        if places:
            used = [tokens[place] for place in places]
            guessed = any(token.guessed for token in used)
            terms.append(_Term(" ".join(token.word for token in used), possible, guessed))
    return terms


Match = tuple[list[int], tuple[Sense, ...]]
"""The places of a term's words, and what it can say."""


def _longest(root: Node, tokens: list[_Token], taken: list[bool], start: int) -> Match:
    best: Match = ([], ())
    for key in tokens[start].keys:
        node = root.get(key)
        if node is None:
            continue
        if not best[0] and "" in node:
            best = ([start], node[""])
        if len(node) > ("" in node):
            reached = _extended(node, tokens, taken, [start], root)
            if len(reached[0]) > len(best[0]):
                best = reached
    return best


_REACH = 4
"""How far behind a word the next of its term may stand, with articles and sides between them."""


def _extended(node: Node, tokens: list[_Token], taken: list[bool], used: list[int], root: Node) -> Match:
    """The longest term that goes on from a node, passing over words that may stand inside a term."""
    best: Match = (used, node[""]) if "" in node else ([], ())
    for place in range(used[-1] + 1, min(used[-1] + _REACH, len(tokens))):
        if taken[place]:
            break
        for key in tokens[place].keys:
            if key in node:
                reached = _extended(node[key], tokens, taken, [*used, place], root)
                if len(reached[0]) > len(best[0]):
                    best = reached
        if len(best[0]) > len(used) or not _may_be_passed(tokens[place], root):
            break
    return best


_PASSED = FLAG["skipped"] | FLAG["and"] | senses.SIDES


def _may_be_passed(token: _Token, root: Node) -> bool:
    """Whether a word may stand inside a term: an article, a number, or the side in “lower left extremity”."""
    return token.word.isdecimal() or any(
        sense.bits & _PASSED for key in token.keys for sense in root.get(key, {}).get("", ())
    )


# --- languages ---------------------------------------------------------------------------------------


def _settled(terms: list[_Term]) -> tuple[Found, ...]:
    """One sense for each term, or none for a term that nothing in the text vouches for."""
    if all(len(term.possible) == 1 and not term.guessed and not term.possible[0].shy for term in terms):
        return tuple(Found(term.words, term.possible[0]) for term in terms)
    terms = [_joined(terms, place) for place in range(len(terms))]
    spoken = _spoken(terms)
    chosen = ((term, _choose(term, spoken)) for term in terms)
    return tuple(Found(term.words, sense) for term, sense in chosen if sense)


_AND = FLAG["and"]


def _joined(terms: list[_Term], place: int) -> _Term:
    """What may be an “and” is one between two of a kind: tórax e abdome, but joelho E."""
    term = terms[place]
    joining = [bool(sense.bits & _AND) for sense in term.possible]
    if all(joining) or not any(joining):
        return term
    inside = 0 < place < len(terms) - 1
    joins = inside and _names_region(terms[place - 1]) == _names_region(terms[place + 1])
    return term._replace(possible=tuple(s for s, j in zip(term.possible, joining, strict=True) if j == joins))


def _names_region(term: _Term) -> bool:
    return any(sense.bits & senses.ANY_REGION for sense in term.possible)


def _spoken(terms: list[_Term]) -> Counter[str]:
    """How many terms are of each language, of those that can be of one only."""
    spoken: Counter[str] = Counter()
    for term in terms:
        bold = [sense for sense in term.possible if not sense.shy]
        if len(bold) == 1 and not term.guessed:
            spoken.update(bold[0].languages)
    return spoken


def _choose(term: _Term, spoken: Counter[str]) -> Sense | None:
    """The sense in the language that is spoken most.

    A shy sense wants its language spoken as much as any; so does a guess, unless no language is.
    """
    most = max(spoken.values(), default=0)
    best: Sense | None = None
    heard = 0
    for sense in term.possible:
        company = max((spoken[language] for language in sense.languages), default=0)
        if sense.shy and company < max(most, 1):
            continue
        if term.guessed and sense.languages and company < most:
            continue
        if best is None or company > heard or (company == heard and best.is_silent):
            best, heard = sense, company
    return best
