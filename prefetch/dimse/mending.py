"""PURE: mends C-FIND responses whose answer or status stands where nobody would look for it.

An identifier in the final Success is an answer (pynetdicom#571); a status that stands in the data set, and
not in the command, ends or goes on with the query all the same.
"""

from __future__ import annotations

import re
from dataclasses import replace

from prefetch.dimse import status
from prefetch.dimse.message import Command, Response

_PENDING = 0xFF00
_STATUS = re.compile(rb"\x00\x00\x00\x09(?:\x02\x00\x00\x00|US\x02\x00)(..)", re.DOTALL)
"""(0000,0900), little endian, with an implicit or an explicit VR."""


def mend(response: Response) -> tuple[Response, ...]:
    """The responses that it should have been."""
    if response.command != Command.FIND.response:
        return (response,)
    if response.status is None:
        return (replace(response, status=_said_in(response.identifier)),)
    if response.status == status.SUCCESS and response.identifier:
        return replace(response, status=_PENDING), replace(response, identifier=b"")
    return (response,)


def _said_in(identifier: bytes) -> int:
    """The status in an identifier; one that says none is an answer, and no identifier is the end."""
    if said := _STATUS.search(identifier):
        return int.from_bytes(said[1], "little")
    return _PENDING if identifier else status.SUCCESS
