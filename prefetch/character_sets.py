"""PURE: the names of character sets, as HL7, DICOM, operating systems and senders write them, to codecs.

Whether bytes bear out what is declared is another question (see `intake.charset`).
"""

from __future__ import annotations

import re

from prefetch import yamlfile

_ISO_IR = {
    "100": "iso8859_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "144": "iso8859_5",
    "127": "iso8859_6",
    "126": "iso8859_7",
    "138": "iso8859_8",
    "148": "iso8859_9",
    "166": "iso8859_11",
    "203": "iso8859_15",
    "87": "cp932",
    "159": "cp932",
    "13": "cp932",
    "14": "cp932",
    "58": "gb18030",
    "149": "cp949",
    "192": "utf_8",
}
"""Registration numbers as in DICOM's Specific Character Set (PS3.3 C.12.1.1.2) and HL7 table 0211."""

_NAMES = {
    "unicode": "utf_8",
    "unicodeutf8": "utf_8",
    "utf8": "utf_8",
    "ansi": "cp1252",
    "latin1": "iso8859_1",
    "latin2": "iso8859_2",
    "latin9": "iso8859_15",
    "gb180302000": "gb18030",
    "gb18030": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "windows936": "gb18030",
    "cp950": "big5",
    "big5hkscs": "big5hkscs",
    "ksx1001": "cp949",
    "ksc5601": "cp949",
    "euckr": "cp949",
    "big5": "big5",
    "uhc": "cp949",
    "iso2022jp": "cp932",
    "sjis": "cp932",
    "shiftjis": "cp932",
    "windows31j": "cp932",
    "eucjp": "euc_jp",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
}
"""Names without case, blanks and punctuation."""

_CODE_PAGES = re.compile(
    r"(?:cp|windows|win|ibm|ms|dos)?(125[0-8]|437|737|775|85[025-8]|86[0-69]|874|932|949)"
)


def codec(name: str) -> str | None:
    """The codec that one repetition of MSH-18 names; None where it names none or plain ASCII."""
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    if key in _NAMES:
        return _NAMES[key]
    if found := re.fullmatch(r"(?:iso)?8859(\d{1,2})", key):
        part = int(found[1])
        return f"iso8859_{part}" if part in {*range(1, 12), *range(13, 17)} else None
    if found := re.fullmatch(r"(?:iso)?(?:2022)?ir(\d+)", key):
        return _ISO_IR.get(found[1])
    found = _CODE_PAGES.fullmatch(key)
    return f"cp{found[1]}" if found else None


USUAL = (
    *("ASCII", "UNICODE UTF-8"),
    *("8859/1", "8859/2", "8859/3", "8859/4", "8859/5", "8859/6", "8859/7", "8859/8", "8859/9", "8859/15"),
    *("CP1250", "CP1251", "CP1252", "CP1253", "CP1254", "CP1255", "CP1256", "CP1257", "CP437", "CP850"),
    *("CP852", "ISO IR87", "ISO IR159", "SHIFT_JIS", "EUC-JP", "KS X 1001", "GB 18030-2000", "BIG-5"),
    "KOI8-R",
)
"""What to suggest where a name is not known: HL7 table 0211, and the code pages of the field."""


def read(said: object) -> str:
    """A name that is known, as it was written; raises ValueError, with the nearest one, else."""
    name = str(said).strip()
    if codec(name) is None and name.upper() != "ASCII":
        raise ValueError(f"“{name}” is not a character set; {yamlfile.did_you_mean(name, USUAL)}")
    return name
