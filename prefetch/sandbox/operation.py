"""One DIMSE operation that a peer asked of a sandbox SCP: what came, what was done, how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydicom import Dataset

_POLL = 0.02


class Service(StrEnum):
    """The DIMSE-C services that the sandbox answers (PS3.7 9.1)."""

    ECHO = "C-ECHO"
    FIND = "C-FIND"
    MOVE = "C-MOVE"
    STORE = "C-STORE"


@dataclass(slots=True, kw_only=True)
class Operation:
    """An entry of an SCP's journal; a judge reads it, a fault may look at it."""

    service: Service
    number: int
    """The how-manieth of its service at this SCP, from 1."""
    calling_ae_title: str
    at: datetime
    identifier: Dataset = field(default_factory=Dataset)
    """As it was sent; of a C-STORE only the UIDs of the instance."""
    move_destination: str | None = None
    matched: int = 0
    """Answers that matched a C-FIND, or instances that a C-MOVE named."""
    sent: list[str] = field(default_factory=list)
    """SOP Instance UIDs that a C-MOVE sent."""
    refused: int | None = None
    """The status that a fault ends it with."""
    last_words: Dataset | None = None
    """An answer that goes out with the final status."""
    status: int | None = None
    """As it went out; None while it runs, or when it never ended."""
    abandoned: Callable[[], bool] = lambda: True
    """Whether nobody waits for the answer any more."""
    pend: Callable[[], None] = lambda: None
    """Sends a Pending response that is none of its own."""

    def hang(self, seconds: float = float("inf")) -> None:
        """Do nothing until the time is over or nobody waits any more."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.abandoned():
            time.sleep(_POLL)
