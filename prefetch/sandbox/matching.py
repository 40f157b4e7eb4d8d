"""PURE: attribute matching of a C-FIND identifier, as PS3.4 C.2.2.2 has it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import VR

_RANGES = {VR.DA, VR.TM, VR.DT}
_NO_WILDCARDS = {VR.DA, VR.TM, VR.DT, VR.UI, VR.IS, VR.DS, VR.US, VR.SS, VR.UL, VR.SL, VR.FL, VR.FD, VR.AS}

NOT_KEYS = {"QueryRetrieveLevel", "SpecificCharacterSet", "TimezoneOffsetFromUTC", "RetrieveAETitle"}
"""Attributes of an identifier that say how to answer, not what to match."""


def matches(keys: Dataset, entity: Dataset) -> bool:
    """Whether an entity matches every key that has a value; an empty one matches all (PS3.4 C.2.2.2.3)."""
    return all(_matches(key, values(entity, key.keyword)) for key in matching_keys(keys))


def matching_keys(keys: Dataset) -> Iterable[DataElement]:
    """The keys that carry a value; sequence matching (PS3.4 C.2.2.2.6) is not offered."""
    return (
        key
        for key in keys
        if key.keyword not in NOT_KEYS and key.VR != VR.SQ and key.value not in ("", None, [])
    )


def values(entity: Dataset, keyword: str) -> list[str]:
    """The attribute's values as text, without the padding that means nothing (PS3.5 6.2)."""
    value = entity.get(keyword)
    several = value if isinstance(value, MultiValue | list) else [value]
    return [str(one).strip(" \0") for one in several if one not in (None, "")]


def _matches(key: DataElement, found: list[str]) -> bool:
    wanted = values_of(key)
    if key.VR == VR.UI:  # PS3.4 C.2.2.2.2, List of UID Matching
        return not set(wanted).isdisjoint(found)
    # Only UIDs come in lists: with several values the backslash is a character like any other.
    text = "\\".join(wanted)
    if key.VR in _RANGES and "-" in text:
        return any(_in_range(text, value) for value in found)
    if key.VR not in _NO_WILDCARDS and ("*" in text or "?" in text):
        return any(_wildcard(text, case=key.VR != VR.PN).fullmatch(value) for value in found)
    if key.VR == VR.PN:  # PS3.4 C.2.2.2.1 leaves case to the SCP, for names only
        return text.casefold() in (value.casefold() for value in found)
    return text in found


def values_of(key: DataElement) -> list[str]:
    """A key's own values as text."""
    several = key.value if isinstance(key.value, MultiValue | list) else [key.value]
    return [str(one).strip(" \0") for one in several]


def _in_range(text: str, value: str) -> bool:
    """PS3.4 C.2.2.2.5: both ends belong to it, either may be open; digits compare as they are written."""
    first, last = (end.strip() for end in text.split("-", 1))
    return (not first or value >= first) and (not last or value[: len(last)] <= last)


def _wildcard(text: str, *, case: bool) -> re.Pattern[str]:
    """PS3.4 C.2.2.2.4: `*` is any characters, `?` is one."""
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in text)
    return re.compile(expression, re.DOTALL if case else re.DOTALL | re.IGNORECASE)
