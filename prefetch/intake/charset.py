"""PURE: bytes to text, before anything is split: in Shift_JIS, GBK and ISO-2022 a second byte may be a `|`.

What MSH-18 declares (HL7 table 0211, and what senders write in its place) is believed as far as the bytes
bear it out. Where they don't, or nothing is declared, each encoding that hospitals use is tried, and the
text that reads most like one of its languages wins; country and language in MSH-17 and MSH-19 weigh in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from prefetch import character_sets
from prefetch.intake import plausibility


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and the codec that it was read with."""

    text: str
    codec: str


# --- what is declared --------------------------------------------------------------------------------

_C1 = re.compile(rb"[\x80-\x9f]")

_WINDOWS = {
    "iso8859_1": "cp1252",
    "iso8859_15": "cp1252",
    "iso8859_2": "cp1250",
    "iso8859_5": "cp1251",
    "iso8859_6": "cp1256",
    "iso8859_7": "cp1253",
    "iso8859_8": "cp1255",
    "iso8859_9": "cp1254",
    "iso8859_13": "cp1257",
}
"""What a sender means that declares ISO 8859 and uses 80–9F, which there are control characters."""


# --- characters of 16 bits ---------------------------------------------------------------------------


def wide(raw: bytes) -> str | None:
    """The codec of a text in UTF-16, told by its first three letters; None for any other.

    Editors save so. MLLP has no room for it: in U+041C stands the byte that ends a frame.
    """
    if b"\0" not in raw[:_BEGINNING]:
        return None
    if re.match(rb"(?:\xff\xfe)?(?:[A-Z]\0){3}", raw):
        return "utf_16_le"
    return "utf_16_be" if re.match(rb"(?:\xfe\xff)?(?:\0[A-Z]){3}", raw) else None


_BEGINNING = 8
"""Bytes that a mark and three letters of 16 bits take."""


def narrow(raw: bytes) -> bytes:
    """A text in UTF-16 as UTF-8; any other as it is."""
    codec = wide(raw)
    return raw if codec is None else raw.decode(codec, "ignore").lstrip("\ufeff").encode("utf-8", "ignore")


# --- what speaks for an encoding ---------------------------------------------------------------------

_HOME: dict[str, str] = {
    "JPN JP JA JAP": "cp932 euc_jp",
    "CHN CN ZH CHI": "gb18030",
    "TWN TW HKG HK": "big5",
    "KOR KR KO": "cp949",
    "RUS RU UKR UA UK BGR BG BEL BLR BY SRB": "cp1251 iso8859_5 koi8_r",
    "POL PL CZE CZ CS SVK SK HUN HU HRV HR SVN SI SL ROU RO": "cp1250 iso8859_2",
    "GRC GR EL": "cp1253",
    "TUR TR": "cp1254",
    "LTU LT LVA LV EST EE ET": "cp1257",
    "ISR IL HE": "cp1255",
    "SAU ARE EGY AR": "cp1256",
}
"""Country (MSH-17) and language (MSH-19) codes → what is written there."""

_DECLARED_BONUS = 0.8
# 8859/1 is what interface engines declare that were never told anything else.
_DEFAULT_BONUS = 0.4
_HOME_BONUS = 0.4
# The administrator said so; a declaration that is no mere default still goes first.
_KNOWN_BONUS = 0.6


# --- decoding ----------------------------------------------------------------------------------------


def decode(
    raw: bytes, *, declared: str = "", country: str = "", language: str = "", usual: str = ""
) -> Decoded:
    """Text from bytes, whatever they are; `declared` is MSH-18 as sent, with its repetitions (`~`).

    `usual` is what this sender is known to write; it counts where nothing is declared, or what is declared
    does not explain the bytes.

    Never fails: what no encoding explains becomes U+FFFD.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\x1b$" in raw or b"\x1b(" in raw:
        return _decode_switched(raw)
    if raw.isascii():
        return Decoded(raw.decode("ascii"), "ascii")
    codecs = [codec for name in declared.split("~") if (codec := character_sets.codec(name))]
    known = character_sets.codec(usual)
    if codecs[:1] == ["utf_8"]:
        return Decoded(_value_by_value(raw, f"{country} {language}", known), "utf_8")
    if (text := _as_utf8(raw, codecs or ([known] if known else []))) is not None:
        return Decoded(text, "utf_8")
    if known and not codecs and (text := _try(raw, known)) is not None:
        return Decoded(text, known)
    return _best(raw, codecs[0] if codecs else None, f"{country} {language}", known)


def _try(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


_SWITCHED = ("iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_3", "iso2022_kr")
"""Codecs that follow escape sequences; the first knows Japanese, Chinese and Korean sets by name."""


def _decode_switched(raw: bytes) -> Decoded:
    """ISO 2022: escape sequences switch the character set (PS3.3 C.12.1.1.2 names the same ones).

    A line begins in ASCII, whatever was not switched back at the end of the one before (HL7 v2.5.1 2.7.2).
    """
    lines = re.split(rb"([\r\n])", raw)
    for codec in _SWITCHED:
        try:
            return Decoded("".join(line.decode(codec) for line in lines), codec)
        except UnicodeDecodeError:
            continue
    return Decoded("".join(line.decode(_SWITCHED[0], "replace") for line in lines), _SWITCHED[0])


_SEPARATORS = re.compile(rb"([|^~&\r\n])")
"""Bytes that stand for themselves in UTF-8 and in every single-byte set."""


def _value_by_value(raw: bytes, home: str, known: str | None) -> str:
    """A text that is declared as UTF-8: a value that is none is read by itself, and the others as declared.

    Where nothing at all is UTF-8 the declaration is a lie about the whole.
    """
    text = _try(raw, "utf_8")
    if text is not None:
        return text
    values = _SEPARATORS.split(raw)
    foreign = [value for value in values if _try(value, "utf_8") is None]
    in_utf8 = len(values) - len(foreign)
    if in_utf8 == sum(map(bytes.isascii, values)):
        as_a_whole = _as_utf8(raw, ["utf_8"])
        return _best(raw, None, home, known).text if as_a_whole is None else as_a_whole
    codec = _best(b" ".join(foreign), "iso8859_1", home, known, among=_SINGLE_BYTE).codec
    return "".join(_read_value(value, codec) for value in values)


def _read_value(value: bytes, codec: str) -> str:
    """A value in UTF-8, or one whose last character was cut off, or else in another codec."""
    if (text := _try(value, "utf_8")) is not None:
        return text
    for cut in range(1, _LONGEST_CHARACTER):
        begun, rest = value[:-cut], value[-cut:]
        if (
            begun
            and rest[0] >= _BEGINS
            and (text := _try(begun, "utf_8")) is not None
            and not begun.isascii()
        ):
            return f"{text}\ufffd"
    return value.decode(codec, "replace")


_LONGEST_CHARACTER = 4
_BEGINS = 0xC2
"""The least byte with which a character of several bytes begins in UTF-8."""


def _as_utf8(raw: bytes, codecs: list[str]) -> str | None:
    """The text if the bytes are UTF-8, a character cut off here and there at a field's end allowed."""
    text = raw.decode("utf_8", "replace")
    bad = text.count("\ufffd")
    good = sum(1 for char in text if char > "\x7f") - bad
    if bad * 3 > good:
        return None
    # A few double-byte characters may happen to be UTF-8's two-byte ones: then what is declared decides.
    chance = max(text.replace("\ufffd", "")) < "\u0800"
    return None if chance and codecs and codecs[0] in {"gb18030", "cp949", "cp932", "big5"} else text


_DOUBLE_BYTE = frozenset({"cp932", "cp949", "gb18030", "big5", "big5hkscs", "euc_jp"})
_SINGLE_BYTE = tuple(codec for codec in plausibility.CANDIDATES if codec not in _DOUBLE_BYTE)


def _best(
    raw: bytes,
    declared: str | None,
    home: str,
    known: str | None = None,
    among: Iterable[str] = tuple(plausibility.CANDIDATES),
) -> Decoded:
    if declared in _WINDOWS and _C1.search(raw):
        declared = _WINDOWS[declared]
    local = _home_codecs(home)
    default = declared in {"iso8859_1", "cp1252"}
    readings: list[tuple[float, Decoded]] = []
    for codec in dict.fromkeys([*filter(None, (declared, known)), *among]):
        if (text := _try(raw, codec)) is None:
            continue
        score = plausibility.judge(text, _likeness(codec))
        if codec == declared:
            score += _DEFAULT_BONUS if default else _DECLARED_BONUS
        if codec in local:
            score += _HOME_BONUS
        if codec == known:
            score += _KNOWN_BONUS
        readings.append((score, Decoded(text, codec)))
    # Never empty: ISO 8859-2 and 8859-5 give every byte a meaning.
    return max(readings, key=lambda reading: reading[0])[1]


def _likeness(codec: str) -> str:
    """The candidate with whose eyes a text in this codec is looked at."""
    codec = codec if codec in plausibility.CANDIDATES else _WINDOWS.get(codec, "cp1252")
    return codec if codec in plausibility.CANDIDATES else "cp1252"


def _home_codecs(codes: str) -> frozenset[str]:
    said = set(re.findall(r"[A-Z]{2,3}", codes.upper()))
    return frozenset(
        codec for keys, codecs in _HOME.items() if said & set(keys.split()) for codec in codecs.split()
    )
