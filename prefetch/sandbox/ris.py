"""A RIS of the sandbox: sends HL7 messages over MLLP, one after the other, and waits for each answer.

Frames and answers are read by hand here, not by the code that the daemon uses: a peer is nobody's mirror.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

START = b"\x0b"
END = b"\x1c\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the receiver answered (HL7 v2.5.1 2.14.8, MSA)."""

    code: str
    """MSA-1: AA, AE or AR."""
    control_id: str
    """MSA-2: the control ID of the message that it answers."""
    text: str


class NotAcknowledgedError(Exception):
    """A message was refused, or not answered in time."""


class Ris:
    """One connection to a listener, kept open."""

    def __init__(
        self, *, host: str, port: int, patience: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """`patience` is how many seconds an answer may take; `tls` is what to trust and to show."""
        self._host = host
        self._port = port
        self._patience = patience
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def send(self, message: str) -> Acknowledgement:
        """Send one message and wait for its answer, whatever it says."""
        self._writer.write(START + message.encode() + END)
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drain()
                answer = await self._reader.readuntil(END)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise NotAcknowledgedError("the listener did not answer") from error
        return _read(answer.removeprefix(START).removesuffix(END).decode())

    async def book(self, message: str) -> None:
        """Send one message; raises unless it is accepted (AA)."""
        answer = await self.send(message)
        if answer.code != "AA":
            raise NotAcknowledgedError(f"{answer.code}: {answer.text}")


async def book_all(messages: Iterable[str], *, host: str, port: int) -> None:
    """Send messages over one connection; raises at the first that is not accepted."""
    async with Ris(host=host, port=port) as sender:
        for message in messages:
            await sender.book(message)


def _read(answer: str) -> Acknowledgement:
    for segment in answer.split("\r"):
        name, *fields = segment.split("|")
        if name == "MSA":
            code, control_id, text = (*fields, "", "", "")[:3]
            return Acknowledgement(code=code, control_id=control_id, text=text)
    raise NotAcknowledgedError("an answer without MSA")
