"""Promises of the sandbox's RIS, against a listener of a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from prefetch.sandbox import ris

MESSAGE = "MSH|^~\\&|RIS|N|||20260302||ORM^O01|17|P|2.3.1\rPID|1||4711\r"


@asynccontextmanager
async def listener(answer: Callable[[str], str]) -> AsyncIterator[int]:
    """A listener that answers each message; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                frame = await reader.readuntil(b"\x1c\r")
            except asyncio.IncompleteReadError:
                break
            reply = answer(frame[1:-2].decode())
            if not reply:
                break
            writer.write(b"\x0b" + reply.encode() + b"\x1c\r")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def acknowledge(code: str, text: str = "") -> Callable[[str], str]:
    """Answers every message in the same way, with its control ID."""
    return lambda message: (
        f"MSH|^~\\&|||||20260302||ACK|1|P|2.3.1\rMSA|{code}|{message.split('|')[9]}|{text}\r"
    )


def test_every_message_waits_for_its_answer() -> None:
    """Messages go one after the other over one connection, each acknowledged by its control ID."""

    async def exchange() -> list[ris.Acknowledgement]:
        async with listener(acknowledge("AA")) as port, ris.Ris(host="127.0.0.1", port=port) as sender:
            return [await sender.send(MESSAGE.replace("|17|", f"|{number}|")) for number in range(3)]

    answers = asyncio.run(exchange())
    assert [(answer.code, answer.control_id) for answer in answers] == [("AA", "0"), ("AA", "1"), ("AA", "2")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (acknowledge("AE", "the store is full"), "AE: the store is full"),
        (lambda _: "", "did not answer"),
        (lambda _: "MSH|^~\\&|||||20260302||ACK|1|P|2.3.1\r", "without MSA"),
    ],
    ids=["refused", "closed", "no MSA"],
)
def test_a_booking_that_is_not_accepted_is_an_error(answer: Callable[[str], str], words: str) -> None:
    """A refusal, a closed connection and an empty answer are all told."""

    async def book() -> None:
        async with listener(answer) as port, ris.Ris(host="127.0.0.1", port=port) as sender:
            await sender.book(MESSAGE)

    with pytest.raises(ris.NotAcknowledgedError, match=words):
        asyncio.run(book())
