"""PURE: a short text that is the same for equal settings, in every process, and differs for others.

Order counts in lists and mappings, not in sets; where a value stands in its file does not count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any

from pydantic import BaseModel

LENGTH = 16
"""Characters: no site has so many configurations that two of them share one."""


def fingerprint(*values: object) -> str:
    """Digest values; raises `TypeError` for one that is not written the same way in another process."""
    text = json.dumps([_plain(value) for value in values], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def _plain(value: object) -> object:
    """Write a value in what JSON knows."""
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value):
        return {
            one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.compare
        }
    return _collection(value)


def _collection(value: object) -> object:
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(inner)] for key, inner in value.items()]
    if isinstance(value, AbstractSet):
        return sorted(json.dumps(_plain(inner)) for inner in value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r} {value.flags}"
    if " at 0x" in str(value):  # as objects are written that say nothing of themselves
        raise TypeError(f"{value!r} is written otherwise in each process: it has no fingerprint")
    return str(value)
