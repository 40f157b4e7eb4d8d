"""Mends C-FIND responses that pynetdicom would drop, or take for no response, as they come in.

An identifier in the final Success is an answer that nobody would see (pynetdicom#571); a status that stands
in the data set, and not in the command, would end the association.
"""

from __future__ import annotations

import re
from io import BytesIO

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_FIND

from prefetch.dimse import status

_C_FIND_RSP = 0x8020
_PENDING = 0xFF00
_STATUS = re.compile(rb"\x00\x00\x00\x09(?:\x02\x00\x00\x00|US\x02\x00)(..)", re.DOTALL)
"""(0000,0900), little endian, with an implicit or an explicit VR."""


def mend(event: evt.Event) -> None:
    """Handler of `EVT_DIMSE_RECV`: runs before pynetdicom makes a response of the message."""
    message = event.message
    command: Dataset = message.command_set
    if command.get("CommandField") != _C_FIND_RSP:
        return
    carried: bytes = message.data_set.getvalue() if message.data_set is not None else b""
    if "Status" not in command:
        command.Status = _said_in(carried)
    elif command.Status == status.SUCCESS and carried and message.context_id is not None:
        event.assoc.dimse.msg_queue.put((message.context_id, _answer(command, carried)))


def _said_in(identifier: bytes) -> int:
    """The status in an identifier; one that says none is an answer, and no identifier is the end."""
    if said := _STATUS.search(identifier):
        return int.from_bytes(said[1], "little")
    return _PENDING if identifier else status.SUCCESS


def _answer(command: Dataset, identifier: bytes) -> C_FIND:
    """What the identifier would have been in a Pending response of its own."""
    response = C_FIND()
    response.MessageIDBeingRespondedTo = command.MessageIDBeingRespondedTo
    response.AffectedSOPClassUID = command.get("AffectedSOPClassUID")
    response.Status = _PENDING
    response.Identifier = BytesIO(identifier)
    return response
