"""Identifiers byte by byte, so that a test can say exactly what an archive puts into its answers."""

from __future__ import annotations

import struct
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_dataset


def encoded(**values: bytes | str) -> bytes:
    """These attributes in Implicit VR Little Endian (PS3.5 A.1), whatever is in them."""
    elements = []
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        raw = value.encode("ascii") if isinstance(value, str) else value
        elements.append((tag, raw + b" " * (len(raw) % 2)))
    return b"".join(
        struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(raw)) + raw for tag, raw in sorted(elements)
    )


def decoded(**values: bytes | str) -> Dataset:
    """The same as pynetdicom hands it out."""
    return read_dataset(BytesIO(encoded(**values)), is_implicit_VR=True, is_little_endian=True)
