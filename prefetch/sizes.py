"""PURE: amounts of data as an administrator writes them: `500MB`, `2GB`. A kB is a thousand bytes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator

from prefetch import yamlfile

_UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}
_SIZE = r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*(TB|GB|MB|[kK]B|B)"


def read_size(said: object) -> int:
    """Read `500MB`, `1.5GB` or `64kB` as bytes."""
    if isinstance(said, int):
        return said
    text = yamlfile.one_line(said)
    found = re.fullmatch(_SIZE, text)
    size = round(float(found[1]) * _UNITS[found[2].replace("K", "k")]) if found else 0
    if not size:
        raise ValueError(f"expected an amount of data such as 500MB or 2GB, found “{text}”")
    return size


def say_size(size: int) -> str:
    """Write bytes in the largest unit that they fill, with two digits at least: `64kB`, `1.5GB`."""
    for unit, worth in _UNITS.items():
        if size >= worth:
            amount = size / worth
            return f"{amount:.1f}".removesuffix(".0") + unit if amount < 10 else f"{amount:.0f}{unit}"  # noqa: PLR2004 (two digits)
    return "0B"


Size = Annotated[int, PlainValidator(read_size), yamlfile.text_like(_SIZE)]
