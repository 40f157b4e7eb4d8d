r"""PURE: one raw field into its repetitions, components and subcomponents: the place where hl7apy reads.

hl7apy reads a field as its data type under one fixed version, tolerantly; what it refuses is cut at the
delimiters and nothing more. Escape sequences are resolved last (HL7 v2.5.1 2.7).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hl7apy import load_library, parser
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException

from prefetch.intake.header import Delimiters

VERSION = "2.5.1"
"""Fields kept their places from 2.1 to 2.9; one version reads all senders."""

NULL = '""'
"""The explicit null: delete what is known (HL7 v2.5.1 2.5.3)."""

_LONGEST = 4096
"""Of one repetition; no field that is read has more to say."""


_REMEMBERED = 1024
"""Fields kept as they were read: a feed says the same procedure, class and authority again and again."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field: its components, each with its subcomponents, escapes resolved."""

    components: tuple[tuple[str, ...], ...]

    def component(self, number: int, subcomponent: int = 1) -> str:
        """A component's first (or given) subcomponent; "" where there is none."""
        parts = self.components[number - 1] if number <= len(self.components) else ()
        return parts[subcomponent - 1] if subcomponent <= len(parts) else ""

    def whole(self, number: int) -> tuple[str, ...]:
        """All subcomponents of a component."""
        return self.components[number - 1] if number <= len(self.components) else ()

    @property
    def is_null(self) -> bool:
        """Whether this repetition is the explicit null."""
        return self.components == ((NULL,),)


def read_field(text: str, name: str, delimiters: Delimiters) -> tuple[Repetition, ...]:
    """The repetitions of a raw field; `name` is hl7apy's, `PID_3`."""
    return tuple(
        _read_repetition(part[:_LONGEST], name, delimiters)
        for part in text.split(delimiters.repetition)
        if part.strip()
    )


def _read_repetition(text: str, name: str, delimiters: Delimiters) -> Repetition:
    if delimiters.component not in text and delimiters.subcomponent not in text:
        return Repetition(((unescape(text, delimiters).strip(),),))
    components = _parse(text, name, delimiters) or tuple(text.split(delimiters.component))
    return Repetition(
        tuple(
            tuple(unescape(part, delimiters).strip() for part in parts_of(component, name, place, delimiters))
            for place, component in enumerate(components, 1)
        )
    )


def parts_of(component: str, name: str, place: int, delimiters: Delimiters) -> Sequence[str]:
    """The subcomponents of a component; of text in a coded or free text field it is itself the only one.

    `CT CHEST & ABDOMEN` is what people write, and no data type of theirs has a part behind the `&`.
    """
    if delimiters.subcomponent not in component:
        return (component,)
    if not _is_text(name, place):
        return component.split(delimiters.subcomponent)
    return (_XML.sub(lambda found: html.unescape(found[0]), component),)


_XML = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,4});")
"""What an interface engine leaves of a text that was XML."""

_TEXT = frozenset({"ST", "TX", "FT", "ID", "IS"})
_CODED = frozenset({"CE", "CWE", "CNE", "CF"})


@lru_cache(_REMEMBERED)
def _is_text(name: str, place: int) -> bool:
    """Whether a component is text, by hl7apy's tables: of a coded field, or the whole of a text field."""
    library = load_library(VERSION)
    kind = library.FIELDS.get(name, ("", None, ""))[2]
    if kind in _CODED:
        component = library.DATATYPES.get(f"{kind}_{place}", ("", None, "ST"))[2]
        return component in _TEXT
    return kind in {"TX", "FT"} or (kind == "ST" and name in _PROSE)


_PROSE = frozenset({"OBR_13", "ORC_16", "NTE_3", "OBX_5"})
"""Fields that hold what somebody wrote. Other texts may be numbers with parts, whatever the standard says."""


@lru_cache(_REMEMBERED)
def _parse(text: str, name: str, delimiters: Delimiters) -> tuple[str, ...] | None:
    """The components as hl7apy reads them; None where it does not read what was sent.

    Beyond a data type's last component it loses places, it writes numbers anew (007 is 7 to it), and it
    escapes what is escaped already.
    """
    encoding = {
        "SEGMENT": "\r",
        "FIELD": delimiters.field,
        "COMPONENT": delimiters.component,
        "SUBCOMPONENT": delimiters.subcomponent,
        "REPETITION": delimiters.repetition,
        "ESCAPE": delimiters.escape,
    }
    try:
        field = parser.parse_field(text, name, VERSION, encoding, VALIDATION_LEVEL.TOLERANT)
        # `CX_4` names its place; what has no name has none that could be trusted.
        components = {_place(child.name): child.to_er7(encoding) for child in field.children}
    except (HL7apyException, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    read = [components.get(place, "") for place in range(1, max(components, default=0) + 1)]
    return tuple(read) if delimiters.component.join(read) == text.rstrip(delimiters.component) else None


def _place(name: str | None) -> int:
    return int((name or "").rpartition("_")[2] or 0)


_ESCAPES = {"F": "field", "S": "component", "T": "subcomponent", "R": "repetition", "E": "escape"}


def unescape(text: str, delimiters: Delimiters) -> str:
    """Text with its escape sequences resolved; highlighting is dropped, unknown ones stay as sent.

    NUL, which pads fields here and there, is dropped too: no text in a store holds it.
    """
    if delimiters.escape not in text:
        return text.replace("\0", "")
    mark = re.escape(delimiters.escape)

    def resolve(found: re.Match[str]) -> str:
        code = found[1]
        if code in _ESCAPES:
            return str(getattr(delimiters, _ESCAPES[code]))
        if code in {"H", "N"}:
            return ""
        if code.startswith("."):
            return " "
        return _read_hex(bytes.fromhex(code.removeprefix("X")), delimiters.codec)

    pattern = rf"{mark}([FSTREHN]|\.[a-z]{{2}}[+-]?\d*|X(?:[0-9A-Fa-f]{{2}})+){mark}"
    return re.sub(pattern, resolve, text).replace("\0", "")


def _read_hex(sent: bytes, codec: str) -> str:
    r"""Text from the bytes of a `\X…\` escape, in the message's own character set (HL7 v2.5.1 2.7.5).

    Two bytes that are no text of it are one unit of UTF-16, as senders in the East of Europe write them; what
    is a control character even so is a line end, or nothing.
    """
    readings = [
        reading for each in (codec, "utf_8", "cp1252") if (reading := _decoded(sent, each)) is not None
    ]
    plain = next((reading for reading in readings if not _has_control(reading)), None)
    if plain is None and len(sent) % _UNIT == 0:
        plain = _decoded(sent, "utf_16_be")
    text = plain if plain is not None else (readings or [sent.decode("cp1252", "replace")])[0]
    return "".join(char for char in text if char in _LINE_ENDS or not _is_control(char))


_UNIT = 2
_LINE_ENDS = "\r\n\t"


def _decoded(sent: bytes, codec: str) -> str | None:
    try:
        return sent.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


def _has_control(text: str) -> bool:
    return any(_is_control(char) and char not in _LINE_ENDS for char in text)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs", "Cn", "Co"}
