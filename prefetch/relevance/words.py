"""PURE: a description as hospitals type it, cut into words: folded, unaccented, scripts apart.

Knows letters, and no meaning. `CT,HEAD/BRAIN W/O` gives ct head brain w o; `복부CT조영` gives 복부 ct 조영.
"""

from __future__ import annotations

import re
import unicodedata

_FIRST_SYLLABLE = "\u3040"
SYLLABLES = "぀-ヿㇰ-ㇿ㐀-鿿豈-﫿가-힣々〆"
"""Scripts that are written without blanks between words."""

_CAMEL = re.compile(r"(?<=[a-zß-öø-ÿ]{2})(?=[A-Z])")  # kneeLeft, BrainMRI
_DIGRAPHS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ß": "ss", "�": "?"}
)
_ELIDED = re.compile(r"\b[cdjlmnqst]['’](?=[aeiouyh])")  # l'épaule, d'addome
_DOTTED = re.compile(r"(?<=\b[a-z])\.(?=[a-z]\b)")  # a.t.m., p.a.
_SYLLABIC = re.compile(f"[{SYLLABLES}]+")  # once only: classes so wide take milliseconds to compile
_POSSESSIVE = re.compile(r"(?<=[a-z]{3})['’]s\b")  # water's view, but not l's
_WORD = re.compile(
    r"[a-z]{1,3}\d{1,2}(?![^\W_])"  # l5, th12, co2, mag3
    r"|\d+[a-z](?![^\W_])"  # 2v, 3d
    r"|[^\W\d_]+(?:\?[^\W\d_]+)*"  # a letter lost to a wrong character set: sch?del
    r"|\d+|[&+]"
)
_ASCII_WORD = re.compile(r"[a-z]{1,3}\d{1,2}(?![a-z0-9])|\d+[a-z](?![a-z0-9])|[a-z]+(?:\?[a-z]+)*|\d+|[&+]")


def fold(text: str) -> str:
    """Lower case without accents, wide letters made narrow: `Schädel` gives schadel, `ＣＴ` gives ct."""
    if (plain := text.lower().translate(_LATIN)).isascii():
        return plain
    lowered = text.casefold().lower()  # Cherokee folds to its capitals
    marked = unicodedata.normalize("NFKD", lowered).translate(_DIGRAPHS)
    bare = "".join([letter for letter in marked if not unicodedata.combining(letter)]).lower()  # 𝐀 gives A
    return unicodedata.normalize("NFC", bare)  # NFKD took Hangul syllables apart


_LATIN: dict[int, str] = {}
"""Letters of Europe → what they are folded to: most texts need no more."""
_LATIN.update({letter: fold(chr(letter)) for letter in range(0xC0, 0x180)})


def cut(text: str) -> list[str]:
    """The words of a text in order, folded; `&` and `+` count as words."""
    if not (text.isupper() or text.islower()):
        text = _CAMEL.sub(" ", text)
    folded = _DOTTED.sub("", fold(text))
    if "'" in folded or "’" in folded:
        folded = _POSSESSIVE.sub(" ", _ELIDED.sub(" ", folded))
    if folded.isascii():
        return _ASCII_WORD.findall(folded)
    return _WORD.findall(_SYLLABIC.sub(r" \g<0> ", folded))


def is_syllabic(word: str) -> bool:
    """Whether the word is of a script without blanks."""
    return word[0] >= _FIRST_SYLLABLE


def is_hangul(word: str) -> bool:
    """Whether the word is Korean."""
    return "가" <= word[0] <= "힣"


def spellings(term: str) -> set[str]:
    """The forms of a vocabulary term, cut as texts are: `Schädel` is also typed Schaedel, `hånd` haand."""
    if _PLAIN_TERM.fullmatch(term):
        return {term}
    lowered = term.casefold()
    if max(lowered) >= _FIRST_SYLLABLE:
        lowered = _SYLLABIC.sub(r" \g<0> ", lowered).replace(" *", "*").strip()  # x光 is cut in two
    typed_out = lowered.translate(_TYPED_OUT)
    return {_as_cut(lowered)} if typed_out == lowered else {_as_cut(lowered), _as_cut(typed_out)}


def _as_cut(term: str) -> str:
    """A term's words, and the stars behind them."""
    if _PLAIN_TERM.fullmatch(folded := fold(term)):
        return folded
    return " ".join(" ".join(cut(word)) + "*" * word.endswith("*") for word in term.split())


_PLAIN_TERM = re.compile(r"[a-z]+\*?(?: [a-z]+\*?)*")
_TYPED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


def skeleton(word: str) -> str:
    """The first letter of a word and its consonants: `shoulder` and `shlder` give shldr."""
    return word[:1] + word[1:].translate(_NO_VOWELS)


_NO_VOWELS = str.maketrans("", "", "aeiouy")


def is_within(shorter: str, longer: str) -> bool:
    """Whether the letters of the one stand in the other in their order, and it has more."""
    letters = iter(longer)
    return len(shorter) < len(longer) and all(letter in letters for letter in shorter)


def within_one(one: str, other: str) -> bool:
    """Whether one insertion, deletion, substitution or exchange of neighbours turns one into the other."""
    if len(one) > len(other):
        one, other = other, one
    longer = len(other) - len(one)
    if longer > 1:
        return False
    place = 0
    while place < len(one) and one[place] == other[place]:
        place += 1
    if longer:
        return one[place:] == other[place + 1 :]
    if one[place + 1 :] == other[place + 1 :]:
        return True
    return one[place : place + 2] == other[place : place + 2][::-1] and one[place + 2 :] == other[place + 2 :]
