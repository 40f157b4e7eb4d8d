"""So many senders at once, each of which waits for its answer: `python -m tests.bench.senders HOST PORT`.

A program of its own, so that it shares no interpreter with the daemon; prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tests.bench import site

WARM_UP = 1.0
"""Seconds before the clock starts."""

_START, _END = b"\x0b", b"\x1c\r"
_NUMBER = "0000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the senders saw, the warm-up left out but for `ever`."""

    acknowledged: int
    seconds: float
    refused: int
    median: float
    p99: float
    """Milliseconds from a message's first byte to its acknowledgement's last."""
    ever: int
    """Acknowledgements since the first connection: so many messages are in the store."""

    @property
    def rate(self) -> float:
        """Acknowledgements a second."""
        return self.acknowledged / self.seconds


def send(*, host: str, port: int, senders: int, seconds: float, junk: float = 0.0) -> Seen:
    """Run the program and read what it saw."""
    command = [sys.executable, "-m", "tests.bench.senders", host, str(port)]
    command += ["--senders", str(senders), "--seconds", str(seconds), "--junk", str(junk)]
    ended = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        check=True,
        timeout=WARM_UP + seconds + 60,
    )
    return Seen(**json.loads(ended.stdout))


def main(
    host: str,
    port: int,
    *,
    senders: Annotated[int, typer.Option()] = 8,
    seconds: Annotated[float, typer.Option()] = 3.0,
    junk: Annotated[float, typer.Option(help="Share of the messages that nobody understands.")] = 0.0,
) -> None:
    """Send orders until the time is over."""
    typer.echo(json.dumps(asdict(asyncio.run(_send(host, port, senders, seconds, junk)))))


async def _send(host: str, port: int, senders: int, seconds: float, junk: float) -> Seen:
    loop, orders = asyncio.get_running_loop(), _mixed(_orders(), junk)
    connections = [
        (await loop.create_connection(lambda: _Sender(orders), host, port))[1] for _ in range(senders)
    ]
    await asyncio.sleep(WARM_UP)
    before, began = [len(each.waits) for each in connections], time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    waits = sorted(
        wait for each, first in zip(connections, before, strict=True) for wait in each.waits[first:]
    )
    for each in connections:
        await each.finish()
    return Seen(
        acknowledged=len(waits),
        seconds=took,
        refused=sum(each.refused for each in connections),
        median=waits[len(waits) // 2] * 1000,
        p99=waits[int(len(waits) * 0.99)] * 1000,
        ever=sum(len(each.waits) for each in connections),
    )


def _orders() -> Iterator[bytes]:
    """Orders of different patients, in their frames; only the number differs."""
    message = site.order(_NUMBER, ahead=timedelta(hours=20))
    parts = (_START + message.encode() + _END).split(_NUMBER.encode())
    return (b"%07d".__mod__(number).join(parts) for number in itertools.count(1))


def _mixed(orders: Iterator[bytes], junk: float) -> Iterator[bytes]:
    """The orders, and among them so large a share of messages with a header and nothing that makes sense."""
    chance = random.Random(11)  # noqa: S311 (a bench)
    for order in orders:
        if chance.random() < junk:
            head, _, rest = order.partition(b"\r")
            noise = chance.randbytes(len(rest)).replace(b"\x1c", b"?").replace(b"\x0b", b"?")
            yield head + b"\r" + noise + _END
        else:
            yield order


class _Sender(asyncio.Protocol):
    """One connection: sends an order, waits for its answer, sends the next."""

    def __init__(self, orders: Iterator[bytes]) -> None:
        self.waits: list[float] = []
        self.refused = 0
        self._orders = orders
        self._answer = b""
        self._stopping = False
        self._ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(_END):
            return
        if b"\rMSA|AA|" in self._answer:
            self.waits.append(time.perf_counter() - self._began)
        else:
            self.refused += 1
        self._answer = b""
        if self._stopping:
            self._transport.close()
        else:
            self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio calls it so)
        self._ended.set_result(None)

    async def finish(self) -> None:
        """Wait for the last answer and close."""
        self._stopping = True
        await self._ended

    def _send_next(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._orders))


if __name__ == "__main__":
    typer.run(main)
