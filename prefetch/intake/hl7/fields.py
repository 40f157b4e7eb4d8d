r"""PURE: one raw field into its repetitions, components and subcomponents: the place where hl7apy reads.

hl7apy reads a field as its data type under one fixed version, tolerantly; what it refuses is cut at the
delimiters and nothing more. Escape sequences are resolved last (HL7 v2.5.1 2.7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from hl7apy import parser
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
            tuple(unescape(part, delimiters).strip() for part in component.split(delimiters.subcomponent))
            for component in components
        )
    )


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
        sent = bytes.fromhex(code.removeprefix("X"))
        try:
            return sent.decode()
        except UnicodeDecodeError:  # of a sender that means Western letters by its bytes
            return sent.decode("cp1252", "replace")

    pattern = rf"{mark}([FSTREHN]|\.[a-z]{{2}}[+-]?\d*|X(?:[0-9A-Fa-f]{{2}})+){mark}"
    return re.sub(pattern, resolve, text).replace("\0", "")
