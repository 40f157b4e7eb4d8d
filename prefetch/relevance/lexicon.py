"""The vocabulary compiled for reading: terms by their words, and what an unknown word may have meant.

Knows words and what they say, and nothing of files or of how several terms make a description.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from prefetch.relevance import words
from prefetch.relevance.senses import Sense

LONGEST_TERM = 3
"""Words in a term: a vocabulary holds words, never whole descriptions."""

# From how many letters on a word that is not known may stand for one that is.
_COMPOUND, _PARTS = 5, 4
"""The shortest compound, and the most parts that it is taken into."""
_CUT_OFF, _CUT_SHORT = 4, 5
"""The shortest word cut off at the end of a text, and the shortest that was cut anywhere: cervic."""
_LACKING = 5
"""The most letters of a stem, its star among them, that a cut-off word may lack."""
_MISSPELT, _MISHEARD = 6, 5
"""The shortest word that is looked for with a slip, and with one in its vowels alone: tibea."""
_STEM = 5
"""The shortest stem in which letters may be doubled or exchanged, with no more than an ending behind."""
_SKELETON = 4
"""The fewest consonants that tell a word whose vowels are left out: shldr."""
_TAIL = 4
"""The shortest word that is looked for behind a stem: nieren-sonographie."""
_ENDING = 4
"""The longest ending of a stem inside a compound: schulter-gelenk-es."""
_STEM_ENDING = 5
"""The longest ending of a stem before another word that was written on to it."""
_PART = 4
_EDGE = 3
"""The shortest part, and the shortest at either end: knie-mrt."""
_SHORT_PARTS = frozenset(
    [
        "ct",
        "mr",
        "us",
        "nm",
        "xr",
        "rx",
        "tc",
        "rm",
        "pa",
        "ap",
        "lt",
        "rt",
        "fl",
        "xa",
        "rf",
        "ir",
        "dx",
        "cr",
        "mg",
        "pt",
        "tk",
        "ul",
        "wo",
        "bx",
    ]
)
_LINKS = ("", "s", "n", "en", "es", "e", "er", "o")
"""Letters between the parts of a compound: handgelenk-s-aufnahme; only behind a part of some length."""
_LONGEST_SYLLABIC = 8
_PLURALS = (("ves", "f"), ("ies", "y"), ("ae", "a"), ("ces", "x"), ("es", "is"), ("es", ""), ("s", ""))
"""Endings of plurals → of their singular."""
_PLURAL = 4
"""Letters that a plural has more than."""
_SEVERAL = 12
"""Known words that are looked at for what a cut-off one may mean."""

Key = tuple[str, ...]
Node = dict[str, Any]
"""Key of a word → the next node; under the empty key, the senses of the term that ends here."""


@dataclass(slots=True)
class Vocabulary:
    """All terms: a tree of their words, `knee` for itself and `knee*` for any ending."""

    root: Node = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)
    shy: set[str] = field(default_factory=set)
    """Words that count only in company, and make no part of another word."""
    inverted: set[Key] = field(default_factory=set)
    """Terms that stand in no file, but the other way round."""
    _sorted: list[str] = field(default_factory=list)
    _neighbours: dict[str, list[str]] = field(default_factory=dict)
    _skeletons: dict[str, list[str]] = field(default_factory=dict)

    def keys(self, word: str) -> Key:
        """The words of the tree that a word is or begins with, the most exact first."""
        found: Key = (word,) if word in self.words else ()
        stems = self.stems
        for size in range(len(word), 1, -1):
            if word[:size] in stems:
                found += (word[:size] + "*",)
        return found

    def senses(self, *keys: str) -> tuple[Sense, ...]:
        """What the term of these words says; nothing where there is no such term."""
        node = self.root
        for key in keys:
            node = node.get(key, {})
        senses: tuple[Sense, ...] = node.get("", ())
        return senses

    # --- compounds --------------------------------------------------------------------------------

    def behind(self, word: str, stem: str) -> list[str]:
        """The words that follow in a compound after the stem that it begins with."""
        tail = word[len(stem) - 1 :]
        for link in _LINKS:
            after = tail[len(link) :]
            if len(after) < _TAIL or not tail.startswith(link):
                continue
            keys = self.keys(after)
            if keys and len(keys[0]) >= _TAIL:
                return [after, *(self.behind(after, keys[0]) if keys[0] != after else ())]
            if parts := self._parts(after, 0, _PARTS - 1):
                return parts
        for start in range(1, _STEM_ENDING + 1):  # angiogra-fie-karotid
            keys = self.keys(tail[start:])
            if keys and len(keys[0]) > _TAIL and self._says(tail[start:]):
                return [tail[start:]]
        return []

    def parts(self, word: str) -> list[str]:
        """Known words that make up an unknown one; in scripts without blanks, those that stand in it."""
        if words.is_syllabic(word):
            return self._segments(word)
        return self._parts(word, 0, _PARTS) if len(word) >= _COMPOUND else []

    def _parts(self, word: str, start: int, most: int) -> list[str]:
        """Known words that make up the rest of a word: cthead, lungenrundherd, angiotomografia."""
        if not most:
            return []
        for end in range(len(word), start + 1, -1):
            piece = word[start:end]
            if not self._is_part(piece, at_edge=not start or end == len(word)):
                continue
            if end == len(word):
                return [piece] if start else []
            if start and len(word) - end <= _ENDING < len(piece) and piece in self.stems:
                return [word[start:]]
            for link in _LINKS if len(piece) >= _TAIL else _LINKS[:1]:
                if word.startswith(link, end) and (rest := self._parts(word, end + len(link), most - 1)):
                    return [piece, *rest]
        return []

    def _is_part(self, piece: str, *, at_edge: bool) -> bool:
        if len(piece) < _EDGE:
            return at_edge and piece in _SHORT_PARTS
        if len(piece) < _PART and not at_edge:
            return False
        return piece in self.stems or (piece in self.words and piece not in self.shy)

    def _segments(self, run: str) -> list[str]:
        """Known words in a run without blanks, the longest first, from left to right."""
        found = []
        place = 0
        while place < len(run):
            for end in range(min(len(run), place + _LONGEST_SYLLABIC), place, -1):
                piece = run[place:end]
                if piece in self.words and not (len(piece) == 1 < len(run) and words.is_hangul(piece)):
                    found.append(piece)  # a single Hangul syllable hides in too many words: 위 in 부위
                    place = end
                    break
            else:
                place += 1
        return found

    # --- plurals ----------------------------------------------------------------------------------

    def singular(self, word: str) -> str | None:
        """The known word of which another is the plural: thigh of thighs, calf of calves."""
        for ending, instead in _PLURALS:
            if word.endswith(ending) and len(word) > _PLURAL:
                one = word[: -len(ending)] + instead
                if one in self.words and one not in self.shy and self.senses(one):
                    return one
        return None

    # --- slips ------------------------------------------------------------------------------------

    def meant(self, word: str, *, cut_off: bool) -> str | None:
        """The known word that an unknown one stands for: cut off, mistyped, or without its vowels."""
        if len(word) >= (_CUT_OFF if cut_off else _CUT_SHORT) and (whole := self._completed(word)):
            return whole
        if len(word) >= _MISHEARD and (right := self._corrected(word)):
            return right
        return self._filled(word) or (self._retyped(word) if len(word) >= _MISSPELT else None)

    def mistyped(self, word: str) -> str | None:
        """The one whole known word that a long word is but for a slip, whatever else it may be taken for."""
        return self._agreed(self._near(word)) if len(word) > _MISSPELT else None

    def _completed(self, word: str) -> str | None:
        """The known word that an unknown one was cut off from, if all such words say the same."""
        if not self._sorted:
            all_known = (*self.words, *(stem + "*" for stem in self.stems))
            self._sorted = sorted(known for known in all_known if known.isascii() and len(known) > _CUT_OFF)
        first = bisect.bisect_left(self._sorted, word)
        begin_alike = itertools.takewhile(
            lambda known: known.startswith(word), itertools.islice(self._sorted, first, first + _SEVERAL)
        )
        likely = [known for known in begin_alike if known[-1] != "*" or len(known) - len(word) <= _LACKING]
        return self._agreed(likely)

    def _corrected(self, word: str) -> str | None:
        """The known word that is one slip away, if all such words say the same; a short one begins alike."""
        meant = self._near(word)
        if len(word) < _MISSPELT:
            skeleton = words.skeleton(word)
            lost = [known for known in meant if len(known) > len(word) and known[:-1] != word]
            lost = [known for known in lost if known[0] == word[0]]
            return self._agreed(lost + [known for known in meant if words.skeleton(known) == skeleton])
        stems = self._neighbours.get(word[:_EDGE] + "*", ())
        return self._agreed(meant or [stem for stem in stems if _begins_nearly(word, stem)])

    def _near(self, word: str) -> list[str]:
        """Known whole words that are one slip away."""
        if not self._neighbours:
            self._neighbours = self._index_neighbours()
        near = self._neighbours
        candidates = {*near.get(word[:_EDGE], ()), *near.get("-" + word[-_EDGE:], ())}
        return [
            known
            for known in candidates
            if words.within_one(word, known) and (len(known) >= _MISSPELT or known[0] == word[0])
        ]

    def _retyped(self, word: str) -> str | None:
        """The known stem that a word begins with once a letter doubled, or two exchanged, are put right."""
        begun = []
        for place in range(1, len(word)):
            one, other = word[place - 1], word[place]
            right = word[:place] + word[place + 1 :]
            if one != other:
                right = word[: place - 1] + other + one + word[place + 1 :]
            keys = self.keys(right)
            bare = len(keys[0].rstrip("*")) if keys else 0
            if bare >= _STEM and (bare > _STEM or len(right) - bare < _EDGE) and self.senses(keys[0]):
                begun.append(keys[0])
        return self._agreed(begun)

    def _index_neighbours(self) -> dict[str, list[str]]:
        """Long words by their first and by their last letters: one slip cannot touch both ends."""
        index: dict[str, list[str]] = {}
        for known in self.words:
            if len(known) >= _MISHEARD and known.isascii():
                index.setdefault(known[:_EDGE], []).append(known)
                index.setdefault("-" + known[-_EDGE:], []).append(known)
        for stem in self.stems:
            if len(stem) > _MISSPELT and stem.isascii():
                index.setdefault(stem[:_EDGE] + "*", []).append(stem + "*")
        return index

    def _filled(self, word: str) -> str | None:
        """The known word of which an unknown one lacks vowels, if all such words say the same."""
        skeleton = words.skeleton(word)
        if len(skeleton) < _SKELETON:
            return None
        if not self._skeletons:
            for known in (*self.words, *(stem + "*" for stem in self.stems)):
                bare = known.rstrip("*")
                if bare.isascii() and len(bare) > _SKELETON:
                    self._skeletons.setdefault(words.skeleton(bare), []).append(known)
        candidates = self._skeletons.get(skeleton, ())
        return self._agreed([known for known in candidates if words.is_within(word, known.rstrip("*"))])

    def _agreed(self, known: Sequence[str]) -> str | None:
        """The shortest of some words, if they all say one and the same thing."""
        says = {self._says(word) for word in known}
        return min(known, key=lambda word: (len(word), word)) if len(says) == 1 and () not in says else None

    def _says(self, word: str) -> tuple[str, ...]:
        """What a word says by itself, or the stem that it begins with."""
        found = (self.senses(key) for key in (word, *self.keys(word)))
        return tuple(sense.says for sense in next(filter(None, found), ()))


def _begins_nearly(word: str, stem: str) -> bool:
    """Whether a word begins with a stem but for one slip."""
    bare = stem[:-1]
    size = len(bare)
    return any(words.within_one(word[:end], bare) for end in (size, size + 1, size - 1))
