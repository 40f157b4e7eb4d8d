"""PURE: whether two names may be one person's, as feeds and archives write it in their scripts and spellings.

Folded is what nobody means to tell apart: case, accents and how they are spelt out, blanks, hyphens, titles,
prefixes such as VON, the order of the words, hiragana and katakana. Between scripts nothing is compared: a
transliteration has too many ways to be sure of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

_REMEMBERED = 1000
"""Pairs of names: an archive writes the same one in all studies of a patient."""

_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})  # codespell:ignore ue
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_VOICED = frozenset("\u3099\u309a")
"""Combining marks that make another sound, where the others are accents."""

_TITLES = frozenset(
    [
        *("dr", "prof", "med", "phd", "md", "mr", "mrs", "ms", "miss", "herr", "frau", "dipl", "ing"),
        *("jr", "sr"),
    ]
)
_PREFIXES = frozenset(
    [
        *(
            "von",
            "vom",
            "van",
            "ver",
            "de",
            "den",
            "der",
            "des",
            "del",
            "della",
            "di",
            "da",
            "do",
            "dos",
            "das",
        ),
        *("du", "la", "le", "los", "el", "al", "bin", "bint", "ben", "ibn", "abu", "zu", "zum", "zur", "ter"),
        *("ten", "af", "av", "y", "e"),
    ]
)
"""Left out or written together with the next word as the clerk likes."""
_BOUND = frozenset({"o", "mc", "mac", "d", "l"})
"""Written together with the next word, or not."""


@lru_cache(_REMEMBERED)
def agree(ours: str | None, theirs: str | None) -> bool | None:
    """Whether two PN or XPN values may name one person; `None` where they cannot be compared.

    One name may hold words that the other lacks: middle names, a second family name.
    """
    if ours == theirs and ours and ours[0].isalpha():
        return True  # letter by letter the same, as it mostly is
    pairs = [
        (mine, other)
        for mine in _readings(ours, _FAMILY_AND_GIVEN)
        for other in _readings(theirs, _FAMILY_AND_GIVEN)
        if _script(mine) == _script(other)
    ]
    return any(_covers(*pair) for pair in pairs) if pairs else None


def agree_in_given_names(ours: str | None, theirs: str | None) -> bool | None:
    """Whether one side's given and middle names are all among the other's: twins share all else.

    One that both have is not enough: Anna Maria and Anna Sophie are two, and so are Xiao Dong and Xiao Ming.
    """
    pairs = [
        (mine, other)
        for mine in _readings(ours, _GIVEN)
        for other in _readings(theirs, _GIVEN)
        if _script(mine) == _script(other)
    ]
    return any(_covers(*pair) or _abbreviates(*pair) for pair in pairs) if pairs else None


_FAMILY_AND_GIVEN = slice(0, 3)
"""Components of a name; HL7 and DICOM order what follows differently (PS3.5 6.2.1, HL7 v2.5.1 2.A.88)."""
_GIVEN = slice(1, 3)


def _covers(ours: list[str], theirs: list[str]) -> bool:
    """Whether one name holds all words of the other, or both are the same but for blanks."""
    shorter, longer = sorted((set(ours), set(theirs)), key=len)
    return shorter <= longer or "".join(ours) == "".join(theirs)


def _abbreviates(ours: list[str], theirs: list[str]) -> bool:
    """Whether one name is the other with words left out or cut to an initial, and begins with a whole one."""
    return any(
        short[0] in long and all(word in long or word in {whole[0] for whole in long} for word in short)
        for short, long in ((ours, theirs), (theirs, ours))
    )


def _script(words: list[str]) -> str:
    """LATIN, CYRILLIC, CJK, HANGUL, …: the script of the first letter."""
    return unicodedata.name(words[0][0], "").split(" ")[0].split("-")[0]


def _readings(name: str | None, components: slice) -> Iterator[list[str]]:
    """The words of a name, once for each component group and way to write it."""
    for group in (name or "").split("="):
        parts = group.split("^")
        if len(parts) == 1:  # DOE,JANE, as who knows no components writes it
            parts = group.split(",", 1)
        composed = unicodedata.normalize("NFC", "^".join(parts[components]))
        text = composed.casefold()
        for way in _WAYS:
            words = _without_titles(_fold(way(text)).split())
            if words:
                yield from ([*_glued(words)], _bare(words))


def _without_titles(words: list[str]) -> list[str]:
    """What a name is without titles; a family that is called so keeps its name."""
    return [word for word in words if word not in _TITLES] or words


def _bare(words: list[str]) -> list[str]:
    """The words without prefixes, unless there is nothing else."""
    bound = [*_glued(words, _BOUND)]
    return [word for word in bound if word not in _PREFIXES] or bound


def _glued(words: list[str], prefixes: frozenset[str] = _PREFIXES | _BOUND) -> Iterator[str]:
    """The words, each with the prefixes before it."""
    before = ""
    for at, word in enumerate(words, start=1):
        if word in prefixes and at < len(words):
            before += word
        else:
            yield before + word
            before = ""


def _plain(text: str) -> str:
    return text.translate(_PLAIN)


def _spelt_out(text: str) -> str:
    return text.translate(_SPELT_OUT).translate(_PLAIN)


def _unspelt(text: str) -> str:
    """As who has no umlauts and spells none out: Müller, Mueller and Muller are one."""
    return re.sub(r"([aou])e", r"\1", _spelt_out(text)).replace("aa", "a")


_WAYS: tuple[Callable[[str], str], ...] = (_plain, _spelt_out, _unspelt)


def _fold(text: str) -> str:
    """Letters without accents; apostrophes go, and whatever else is no letter parts two words."""
    signs = unicodedata.normalize("NFKD", text)
    bare = "".join(sign for sign in signs if sign in _VOICED or not unicodedata.combining(sign))
    whole = unicodedata.normalize("NFC", re.sub(r"['’`´]", "", bare)).translate(_HIRAGANA)
    return re.sub(r"[\W_]+", " ", whole)
