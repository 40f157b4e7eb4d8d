"""PURE: how much a text reads like one of the languages that its encoding is used for.

Knows alphabets and the everyday characters of scripts, and no declaration: `charset` weighs both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

_SAMPLE = 400
"""How many characters beyond ASCII are weighed."""

Weigh = Callable[[str, str, str], float]
"""Of a character, the one before and the one after: from about 1, quite usual, to -2, never."""

_PUNCTUATION = "°§´’‘“”„–—«»€µ²³·½º\xa0…"


def _weigh_punctuation(char: str, before: str, after: str) -> float:
    if char not in _PUNCTUATION:
        return -2
    return -1 if before.isalpha() and after.isalpha() and char != "’" else 0.3


def _breaks_case(char: str, before: str) -> bool:
    return char.isupper() and before.islower()


def _latin(alphabet: str) -> Weigh:
    letters = frozenset(alphabet + alphabet.upper())

    def weigh(char: str, before: str, after: str) -> float:
        if not char.isalpha() or char in "ªº":
            return _weigh_punctuation(char, before, after)
        if char not in letters or _breaks_case(char, before):
            return -1
        # Two accented letters side by side are rare; another script read as Latin is full of them.
        return 0.2 if before > "\x7f" and before.isalpha() else 1

    return weigh


def _script(first: str, last: str, *, common: str) -> Weigh:
    """An alphabet of its own; its `common` letters make most of any text."""
    usual = frozenset(common + common.upper())

    def weigh(char: str, before: str, after: str) -> float:
        if not first <= char <= last:
            return -1 if char.isalpha() else _weigh_punctuation(char, before, after)
        if _breaks_case(char, before):
            return -1
        mixed = (before < "\x7f" and before.isalpha()) + (after < "\x7f" and after.isalpha())
        return (1 if char in usual else 0.6) - 0.6 * mixed

    return weigh


@lru_cache
def _common(codec: str, first: int, last: int) -> frozenset[str]:
    """The characters of a double-byte set's everyday rows: its level 1."""
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in range(0x40, 0xFF))
    return frozenset(text for pair in pairs if len(text := pair.decode(codec, "ignore")) == 1)


def _ideographs(codec: str, first: int, last: int, *, kana: float) -> Weigh:
    def weigh(char: str, _before: str, _after: str) -> float:
        if "\u3041" <= char <= "\u30ff":
            return kana
        if char in _common(codec, first, last):
            return 1
        if "\u3000" <= char <= "\u303f" or "\uff01" <= char <= "\uff5e":
            return 0.5
        if "\uff61" <= char <= "\uff9f":  # half-width katakana: what Latin letters become in Shift_JIS
            return -0.3
        return 0.1 if "\u4e00" <= char <= "\u9fff" else -1

    return weigh


_WEST = "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßœ"
_EAST = "áâăäćčçďđéęëěíîĺľłńňóôőöŕřśšșşßťțţúůűüýźžżą"

_CYRILLIC = "авгдеиклмнопрсту"

CANDIDATES: dict[str, Weigh] = {
    "cp1252": _latin(_WEST),
    "iso8859_2": _latin(_EAST),
    "cp1250": _latin(_EAST),
    "cp1251": _script("Ё", "ҟ", common=_CYRILLIC),
    "iso8859_5": _script("Ё", "ҟ", common=_CYRILLIC),
    "koi8_r": _script("Ё", "ҟ", common=_CYRILLIC),
    "cp1253": _script("Ά", "ώ", common="αάεέηήιίκλμνοόπρσςτυω"),
    "cp1254": _latin(_WEST + "ğışöçü" + "i̇"),
    "cp1257": _latin("äåæéóõöøüāčēėęģīįķļłńņšśūųźžżą"),
    "cp1255": _script("א", "ת", common="אבדהוילמנקרשת"),
    "cp1256": _script("ء", "ي", common="ابتحدرسعفلمنهوي"),
    "cp932": _ideographs("euc_jp", 0xB0, 0xCF, kana=1.1),
    "cp949": _ideographs("euc_kr", 0xB0, 0xC8, kana=-1),
    "gb18030": _ideographs("gb2312", 0xB0, 0xD7, kana=-0.5),
    "big5": _ideographs("big5", 0xA4, 0xC6, kana=-0.5),
    "euc_jp": _ideographs("euc_jp", 0xB0, 0xCF, kana=1.1),
}
"""Encodings to try; of two that read equally well the former is taken."""

# With the letters of neighbours, whose names are everywhere.
_WESTERN = (
    "äöüßéèàç",  # German
    "àâæçéèêëîïôœùûüÿñáíóöä",  # French
    "áéíñóúüçàèò",  # Spanish, Catalan, Galician
    "àáâãçéêíóôõúüñè",  # Portuguese
    "àèéìíîòóùçäöü",  # Italian
    "åäöéüøæ",  # Swedish, Finnish
    "æøåéèêóòôüäö",  # Danish, Norwegian
    "áðéíóúýþæö",  # Icelandic
    "ëïéèöüóêâçñ",  # Dutch, Afrikaans
)
_EASTERN = (
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "ąćęłńóśźż",  # Polish
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian, Slovene, Bosnian
    "ăâîșțşţ",  # Romanian
    "äöüß",  # German
)
_TURKISH = ("çğıöşüâîûi̇",)
_BALTIC = ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž", "ąćęłńóśźż")
_LANGUAGES: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "iso8859_2": _EASTERN,
    "cp1250": _EASTERN,
    "cp1254": _TURKISH,
    "cp1257": _BALTIC,
}
"""Letters beyond ASCII of the languages that are written in an encoding; for scripts `weigh` says enough."""

_STRANGER = 1.3
"""What it counts when no language has all the letters."""


def _beyond_ascii(text: str) -> Iterator[tuple[str, str, str]]:
    for count, found in enumerate(re.finditer(r"[^\x00-\x7f]", text)):
        if count == _SAMPLE:
            return
        at = found.start()
        yield found[0], text[at - 1 : at], text[at + 1 : at + 2]


def judge(text: str, codec: str) -> float:
    """How much a text reads as it should if this candidate is its encoding: about 1, or less, or below 0."""
    weigh = CANDIDATES[codec]
    sample = list(_beyond_ascii(text))
    weights = [weigh(char, before or " ", after or " ") for char, before, after in sample]
    mean = sum(weights) / len(weights) if weights else 0.0
    return mean - _STRANGER * _strangers([char for char, _, _ in sample], _LANGUAGES.get(codec, ()))


def _strangers(chars: list[str], languages: tuple[str, ...]) -> float:
    """The share of letters that the language which has most of them does not have.

    `Dvoøák^Jiøí` is all Latin letters, and no language writes both ø and í: it is Czech, read as Western.
    """
    letters = Counter(char.lower() for char in chars if char.isalpha())
    count = letters.total()
    if not languages or not count:
        return 0.0
    return 1 - max(sum(letters[letter] for letter in alphabet) for alphabet in languages) / count
