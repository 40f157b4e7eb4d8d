"""PURE: the message header, read by hand so that any message can be answered (HL7 v2.5.1 2.15.9).

A general parser refuses a message for an empty MSH-12; a feed must be answered all the same. Here too: the
acknowledgement, and a cheap look at priority and order number before a message has been understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from prefetch import character_sets, model, orders
from prefetch.intake import charset, control
from prefetch.rules import Pattern

APPLICATION = "PREFETCH"
VERSION = "2.5.1"
"""Said in an acknowledgement where the message itself says neither."""

_MSH = re.compile(rb"MSH(?P<separator>[!-/:-@\[-`{-~])[^\r\n]*?(?P=separator)")
_BATCH = (b"FHS", b"BHS")
_TYPE_AND_TRIGGER = re.compile(r"([A-Z]{3})[^A-Z0-9]+([A-Z]\d\d)")
_LONGEST_LINE = 16_384
_GLANCED = 64 * 1024
"""How far into a message priority and order number are looked for: every message passes here before its
acknowledgement, and one of megabytes must not hold up the others."""


class AcknowledgmentCode(StrEnum):
    """HL7 table 0008."""

    ACCEPTED = "AA"
    ERROR = "AE"
    REJECTED = "AR"
    COMMIT_ACCEPTED = "CA"
    COMMIT_ERROR = "CE"
    COMMIT_REJECTED = "CR"


# HL7 table 0357
_INTERNAL_ERROR = "207^Application internal error^HL70357"
_UNSUPPORTED = "200^Unsupported message type^HL70357"
_ERROR_CODES = {
    AcknowledgmentCode.ERROR: _INTERNAL_ERROR,
    AcknowledgmentCode.REJECTED: _UNSUPPORTED,
    AcknowledgmentCode.COMMIT_ERROR: _INTERNAL_ERROR,
    AcknowledgmentCode.COMMIT_REJECTED: _UNSUPPORTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiters:
    """MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    codec: str = "utf_8"
    """The message's own character set, in which the bytes of an escape are to be read."""

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What MSH says, each field as it was sent; "" where it says nothing."""

    delimiters: Delimiters
    codec: str
    """What this header was read with, and what its acknowledgement is written in."""
    encoding_characters: str = ""
    """MSH-2 as it was sent; `delimiters` is what it is taken for."""
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    message_time: str = ""
    message_type: str = ""
    """MSH-9.1: `ORM`, `SIU`, `ADT`, …"""
    trigger: str = ""
    """MSH-9.2: `O01`, `S12`, `A40`, …"""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    accept_acknowledgment: str = ""
    application_acknowledgment: str = ""
    country: str = ""
    charset: str = ""
    language: str = ""

    @property
    def type_and_trigger(self) -> str:
        """`ORM^O01`, or `ORM` where that is all that MSH-9 says."""
        return f"{self.message_type}^{self.trigger}" if self.trigger else self.message_type

    def comes_from(self, application: tuple[Pattern, ...], facility: tuple[Pattern, ...]) -> bool:
        """Whether MSH-3 and MSH-4 are like one of these each; none stands for any."""
        return self._is_one_of(self.sending_application, application) and self._is_one_of(
            self.sending_facility, facility
        )

    def _is_one_of(self, said: str, patterns: tuple[Pattern, ...]) -> bool:
        """Whether an HD is meant, by its namespace ID alone or in full (HL7 v2.5.1 2.A.33)."""
        short = said.partition(self.delimiters.component)[0]
        return not patterns or any(pattern.matches(text) for pattern in patterns for text in (short, said))


_FIELDS = {
    3: "sending_application",
    4: "sending_facility",
    5: "receiving_application",
    6: "receiving_facility",
    7: "message_time",
    10: "control_id",
    11: "processing_id",
    12: "version",
    15: "accept_acknowledgment",
    16: "application_acknowledgment",
    17: "country",
    18: "charset",
    19: "language",
}


def read_header(raw: bytes) -> Header | None:
    """The header of a message, or of the first one in a batch; None where there is no MSH to read."""
    line = _header_line(raw)
    if line is None:
        return None
    wide = charset.wide(raw)
    fields = line.split(line[3:4])
    # MSH-3..6 may be written in Shift_JIS, where a separator is also a second byte: so decode, then split.
    declared, country, language = (_ascii(fields, number) for number in (18, 17, 19))
    decoded = charset.decode(line, declared=declared, country=country, language=language)
    texts = decoded.text.replace("\0", "").split(decoded.text[3])
    delimiters = read_delimiters(decoded.text[3], texts[1])
    own = character_sets.codec(declared.partition(delimiters.repetition)[0])
    if own is not None:
        delimiters = replace(delimiters, codec=own)
    message_type, _, trigger = _numbered(texts, 9).partition(delimiters.component)
    trigger = trigger.partition(delimiters.component)[0]
    if found := _TYPE_AND_TRIGGER.fullmatch(message_type.strip().upper()):  # `ORM_O01` for `ORM^O01`
        message_type, trigger = found.groups()
    return Header(
        delimiters=delimiters,
        codec=wide or decoded.codec,
        encoding_characters=texts[1],
        message_type=message_type.strip().upper(),
        trigger=trigger.strip().upper(),
        **{name: _numbered(texts, number).strip() for number, name in _FIELDS.items()},
    )


@lru_cache(maxsize=64)
def read_delimiters(separator: str, encoding_characters: str) -> Delimiters:
    r"""Delimiters from MSH-1 and MSH-2, mended where senders shorten, double or spoil them.

    `^~` leaves the rest to the usual, `^~&` has lost its backslash, `^~\\&` has it twice.
    """
    said = "".join(dict.fromkeys(encoding_characters.strip()))
    usual = Delimiters()
    if said[2:3] == usual.subcomponent:
        said = said[:2] + usual.escape + usual.subcomponent
    return Delimiters(
        field=separator,
        component=said[0:1] or usual.component,
        repetition=said[1:2] or usual.repetition,
        escape=said[2:3] or usual.escape,
        subcomponent=said[3:4] or usual.subcomponent,
    )


def decode(raw: bytes, header: Header, *, usual: str = "") -> charset.Decoded:
    """A message of this header as text; `usual` counts where MSH-18 says nothing, or nothing true."""
    declared = "UTF-8" if charset.wide(raw) else header.charset
    narrow = without_marks(raw)
    return charset.decode(
        narrow, declared=declared, country=header.country, language=header.language, usual=usual
    )


def without_marks(raw: bytes) -> bytes:
    """A message in 8-bit characters, without marks, blanks and framing before its first segment."""
    return charset.narrow(raw).lstrip(b"\xef\xbb\xbf\xfe\xff\x00\x0b\r\n\t ")


def why_unreadable(raw: bytes) -> str:
    """Why no header was read in this, for the sender and in the dead letters."""
    if b"M\0S\0H" in raw[:_LONGEST_LINE]:
        return "its text is UTF-16, for which MLLP has no room: have the sender write UTF-8"
    return "no MSH segment at the beginning: not an HL7 v2 message"


def _header_line(raw: bytes) -> bytes | None:
    body = without_marks(raw[: _LONGEST_LINE * 2])
    if body.startswith(_BATCH):
        found = re.search(rb"[\r\n]\s*(MSH)", body)
        body = body[found.start(1) :] if found else b""
    line = body[:_LONGEST_LINE].partition(b"\r")[0].partition(b"\n")[0]
    return line if _MSH.match(line) else None


def _ascii(fields: list[bytes], number: int) -> str:
    return fields[number - 1].decode("ascii", "replace") if len(fields) >= number else ""


def _numbered(texts: list[str], number: int) -> str:
    return texts[number - 1] if len(texts) >= number else ""


# --- of interest -------------------------------------------------------------------------------------

_OF_INTEREST = {"SIU": control.APPOINTMENT, "ADT": control.PATIENT}


def is_of_interest(header: Header) -> bool:
    """Whether a message of this type may speak of an order or a patient: else it is not parsed at all."""
    if header.message_type in control.ORDERS:
        return True
    triggers = _OF_INTEREST.get(header.message_type)
    return triggers is not None and (not header.trigger or header.trigger in triggers)


# --- the acknowledgement -----------------------------------------------------------------------------


def acknowledge(
    header: Header | None, code: AcknowledgmentCode, text: str = "", *, now: datetime, control_id: str
) -> bytes:
    """An acknowledgement in the message's own delimiters, version and character set (HL7 v2.5.1 2.9.2).

    MSH-3..6 are swapped, MSA-2 echoes MSH-10; `text` says why it is not AA, in MSA-3 and ERR-8.
    """
    asked = header or Header(delimiters=Delimiters(), codec="ascii")
    delimiters = asked.delimiters
    trigger = delimiters.component + asked.trigger if asked.trigger else ""
    msh = [
        "MSH",
        delimiters.encoding_characters,
        asked.receiving_application or APPLICATION,
        asked.receiving_facility,
        asked.sending_application,
        asked.sending_facility,
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        "ACK" + trigger,
        control_id,
        asked.processing_id or "P",
        asked.version or VERSION,
        *([""] * 5),
        asked.charset,
    ]
    said = escape(text, delimiters)
    segments = [msh, ["MSA", code.value, asked.control_id, said]]
    if code in _ERROR_CODES:
        error = _ERROR_CODES[code].replace("^", delimiters.component)
        segments.append(["ERR", "", "", error, "E", "", "", "", said])
    lines = [delimiters.field.join(fields).rstrip(delimiters.field) + "\r" for fields in segments]
    return "".join(lines).encode(asked.codec, "replace")


def escape(text: str, delimiters: Delimiters) -> str:
    """Text as it may stand in a field (HL7 v2.5.1 2.7)."""
    codes = {
        delimiters.escape: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        "\r": "X0D",
        "\n": "X0A",
    }
    mark = delimiters.escape
    return "".join(f"{mark}{codes[char]}{mark}" if char in codes else char for char in text)


# --- a look before the message is understood ---------------------------------------------------------

# TQ1-9, ORC-7.6, OBR-27.6, OBR-5: (segment, field, component)
_PRIORITY = ((b"TQ1", 9, 1), (b"ORC", 7, 6), (b"OBR", 27, 6), (b"OBR", 5, 1))
_ORDER_NUMBER = (
    (b"ORC", 3, 1),
    (b"ORC", 2, 1),
    (b"OBR", 3, 1),
    (b"OBR", 2, 1),
    (b"SCH", 2, 1),
    (b"SCH", 1, 1),
)
_PATIENT_CLASS = ((b"PV1", 2, 1),)
_SEEN = frozenset(name for name, *_ in (*_PRIORITY, *_ORDER_NUMBER, *_PATIENT_CLASS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a message looks like before it is understood."""

    priority: model.Priority = model.Priority.ROUTINE
    """Its highest, or STAT for patient class E (HL7 table 0004)."""
    order_number: str | None = None
    """The first filler, placer or appointment number in sight."""


def glance(raw: bytes) -> Glance:
    """Look at a message on its way into the inbox; it is cut once, and only where something is seen."""
    line = _header_line(raw)
    if line is None:
        return Glance()
    separator, component = line[3:4], line[4:5] or b"^"
    lines = charset.narrow(raw[:_GLANCED]).splitlines()
    seen = [line.split(separator) for line in lines if line[:3] in _SEEN and line[3:4] == separator]
    is_emergency = any(map(orders.is_emergency_class, _values(seen, _PATIENT_CLASS, component)))
    said = map(orders.read_priority, _values(seen, _PRIORITY, component))
    return Glance(
        priority=model.Priority.STAT if is_emergency else min(said, default=model.Priority.ROUTINE),
        order_number=next(_values(seen, _ORDER_NUMBER, component), None),
    )


def _values(
    seen: list[list[bytes]], places: tuple[tuple[bytes, int, int], ...], component: bytes
) -> Iterator[str]:
    """What stands at these places, the first place's first."""
    for name, number, part in places:
        for fields in seen:
            if fields[0] == name and len(fields) > number:
                parts = fields[number].split(component)
                if len(parts) >= part and (value := parts[part - 1].decode("ascii", "replace").strip()):
                    yield value
