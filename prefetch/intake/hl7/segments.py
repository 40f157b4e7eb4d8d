"""PURE: text into messages, segments and raw fields, mended where senders lost or added line ends.

We cut and hl7apy reads: a general parser gives up on a lost carriage return, and a whole message takes it ten
times longer than the fields that anybody asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prefetch.intake.header import Delimiters

_NAME = r"[A-Z][A-Z0-9]{2}"

# How a segment begins that lost the line end before it; `|` stands for the field separator. Strict, because
# PID-17 may well read `MSH` (a religion) and a note may name a segment.
_GLUED = (
    r"ORC\|(?:NW|SN|PA|CH|XO|XX|XR|SC|CA|DC|OC|OD|CR|DR|RP|RQ|RU|RO|HD|OH|RL|OE|OR)(?:\||$)",
    r"OBR\|\d{0,4}\|[^|]*\|[^|]*\|[^|]+",
    r"ZDS\|\d+(?:\.\d+)+",
    r"PV1\|\d{0,4}\|[A-Z](?:\||$)",
    r"PID\|\d{0,4}\|[^|]*\|[^|]+\|[^|]*\|[^|]+",
    r"MRG\|[^|]*\d[^|]*(?:\||$)",
    r"TQ1\|\d{0,4}(?:\|[^|]*){5}\|\d{8}",
    r"AIS\|\d{0,4}\|[ADUX]?\|[^|]+",
    r"SCH\|[^|]*\|[^|]*\|(?:[^|]*\|){7}",
)
_MAY_BE_GLUED = frozenset(
    {"MSH", "EVN", "PID", "PV1", "PV2", "ORC", "TQ1", "OBR", "SCH", "RGS", "AIS", "MRG"}
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its name and its fields as they were sent, numbered as in the standard."""

    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """The field of this number, repetitions and all; "" where there is none."""
        at = number - 1 if self.name == "MSH" else number
        return self.fields[at] if at < len(self.fields) else ""


def cut(text: str, delimiters: Delimiters) -> Sequence[Segment]:
    """The segments of a message or of a whole batch, in order."""
    separator = delimiters.field
    lines = _join_broken(re.split(r"[\r\n]+", text.lstrip("\x0b\0 \t\r\n")), separator)
    parts = (part for line in lines for part in _part_glued(line, separator))
    return [Segment(part[:3], tuple(part.split(separator))) for part in parts]


def _without_nobody(message: Iterable[Segment]) -> Iterator[Segment]:
    """Leave out what reads like a PID after the message's own and names nobody: a line of a note.

    Headers and trailers of a batch are left out too.
    """
    has_patient = False
    for segment in message:
        if segment.name in {"FHS", "BHS", "BTS", "FTS"}:
            continue
        if segment.name == "PID":
            names_somebody = any(segment.field(number).strip() for number in range(2, 6))
            if has_patient and not names_somebody:
                continue
            has_patient = True
        yield segment


def messages(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    """Each message of a batch (HL7 v2.5.1 2.10.3); file and batch headers and trailers are left out."""
    starts = [at for at, segment in enumerate(segments) if segment.name == "MSH"]
    for start, end in zip(starts, [*starts[1:], len(segments)], strict=False):
        yield list(_without_nobody(segments[start:end]))


def _join_broken(lines: list[str], separator: str) -> Iterator[str]:
    """Lines that begin a segment, each with those that follow it and do not: a line end inside a field."""
    begins = re.compile(rf"\s*({_NAME})(?={re.escape(separator)}|\s*$)")
    whole: list[str] = []
    for line in lines:
        if begins.match(line):
            if whole:
                yield "\n".join(whole)
            whole = [line.lstrip()]
        elif line.strip() and whole:
            whole.append(line)
    if whole:
        yield "\n".join(whole)


def _part_glued(line: str, separator: str) -> Iterator[str]:
    if line[:3] not in _MAY_BE_GLUED:
        yield line
        return
    start = 0
    for found in _glued(separator).finditer(line, 4):
        yield line[start : found.start()]
        start = found.start()
    yield line[start:]


@lru_cache
def _glued(separator: str) -> re.Pattern[str]:
    literal = re.escape(separator)
    anyone = "|".join(pattern.replace("[^|]", f"[^{literal}]").replace(r"\|", literal) for pattern in _GLUED)
    # A look-ahead: one segment's beginning may lie inside what the pattern of another takes in.
    return re.compile(f"(?={anyone})")
