"""Where a message departs from the standard: for the talk with its sender, never a reason to refuse it.

The daemon reads what it gets; this is for `prefetch read --strict`. hl7apy validates; what it cannot even
parse, and what it gets wrong, is told or left out here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hl7apy
from hl7apy import parser
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Element
from hl7apy.exceptions import HL7apyException

from prefetch import character_sets
from prefetch.intake import header as headers
from prefetch.intake.header import Header
from prefetch.intake.hl7 import fields, forms, segments

_STANDS_IN = {"2.9": "2.8.2", "2.9.1": "2.8.2"}
"""Versions that hl7apy has no profile of → the nearest one that it has."""

# Of a choice between segments hl7apy demands every branch; of a field whose data type its profile leaves open
# it says that it has the wrong one, None in place of None.
_NO_DEVIATION = re.compile(
    r"_(?:CHOICE|SUPPGRP\d*)\.|Datatype None is not correct for .* \(it must be None\)"
)


def deviations(raw: bytes) -> list[str]:
    """Each departure from the standard in words; an empty list where there is none to be found."""
    header = headers.read_header(raw)
    if header is None:
        return [headers.why_unreadable(raw)]
    version, note = _version(header.version)
    return [*_of_form(raw, header), *note, *_of_content(raw, header, version)]


def _version(said: str) -> tuple[str, list[str]]:
    version = said.partition("^")[0]
    if version in hl7apy.SUPPORTED_LIBRARIES:
        return version, []
    instead = _STANDS_IN.get(version, fields.VERSION)
    return instead, [
        f"MSH-12: version {version or 'not given'}, for which there is no profile: checked as {instead}"
    ]


def _of_form(raw: bytes, header: Header) -> Iterator[str]:
    if raw.startswith(b"\xef\xbb\xbf"):
        yield "begins with a byte-order mark"
    if b"\n" in raw:
        yield "segments end with a line feed; the standard has a carriage return alone (2.5.1)"
    taken_for = header.delimiters.encoding_characters
    if header.encoding_characters != taken_for:
        yield f"MSH-2: {header.encoding_characters or 'nothing'} is read as {taken_for}"
    if not header.control_id:
        yield "MSH-10: no message control ID"
    if forms.time(header.message_time, header) is None:
        yield f"MSH-7: {header.message_time or 'nothing'} is no time"
    decoded = headers.decode(raw, header)
    declared = character_sets.codec(header.charset.partition("~")[0]) or "ascii"
    if decoded.codec not in {"ascii", declared} and not decoded.codec.startswith("iso2022"):
        yield f"MSH-18: says {header.charset or 'nothing'}, the text reads as {decoded.codec}"


def _of_content(raw: bytes, header: Header, version: str) -> Iterator[str]:
    text = headers.decode(raw, header).text
    cut = segments.cut(text, header.delimiters)
    for segment in cut:
        start = re.escape(header.delimiters.field.join(segment.fields[:4]))
        if not re.search(rf"(?:^|[\r\n\ufeff])\s*{start}", text):
            yield f"{segment.name}: the line end before it is lost"
    lines = [header.delimiters.field.join(_mended(segment, header, version)) for segment in cut]
    try:
        message = parser.parse_message("\r".join(lines), VALIDATION_LEVEL.TOLERANT)
    except (HL7apyException, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        yield f"cannot be parsed by the standard: {error or type(error).__name__}"
        return
    if message.name is None:
        yield f"MSH-9: {header.type_and_trigger} has no structure in version {version}: checked by segment"
    for element in [message] if message.name else message.children:
        yield from _validated(element)


def _mended(segment: segments.Segment, header: Header, version: str) -> list[str]:
    """The fields of a segment, those of MSH so that hl7apy can begin at all."""
    said = list(segment.fields)
    if segment.name == "MSH":
        said += [""] * (12 - len(said))
        said[1], said[11] = header.delimiters.encoding_characters, version
    return said


def _validated(element: Element) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        try:
            element.validate(report_file=str(report))  # tells all of it only in a file
        except HL7apyException:
            pass
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            yield f"{element.name}: cannot be checked: {error}"
        found = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    for line in found:
        if not _NO_DEVIATION.search(line):
            yield re.sub(r"^(Error|Warning): ", "", line)
