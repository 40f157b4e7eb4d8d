"""What dcmtk's servers themselves say, in their `--verbose` logs, of what they were asked and sent."""

from __future__ import annotations

import re
from collections import Counter

from tests import peers

VERBOSE = ("--verbose",)

_MOVE = re.compile(r"Move SCP Request Identifiers:.*?\(0020,000d\) UI \[([^]]+)]", re.DOTALL)
_STORE = re.compile(r"storing DICOM file: \S*?/[A-Z]+[a-z]*\.([0-9.]+)$", re.MULTILINE)


def moves_asked(archive: peers.Dcmqrscp) -> list[str]:
    """The Study Instance UID of each C-MOVE that an archive was asked for, in order."""
    lists = _MOVE.findall(archive.log.read_text(errors="replace"))
    return [uid for uids in lists for uid in uids.split("\\")]


def stores_received(workstation: peers.Storescp) -> Counter[str]:
    """How often a workstation was sent each instance, by SOP Instance UID."""
    return Counter(_STORE.findall(workstation.log.read_text(errors="replace")))
