"""What the intake does with junk, with a backlog, and with STAT in it: `python -m tests.bench.intake`.

Acknowledgements while half of all messages are junk, beside none; messages understood a second in a thread,
and in one and two processes; and how long a STAT order takes to its plan while 20,000 messages wait. Prints
figures and asserts nothing.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from prefetch.intake import header, parsing
from prefetch.sandbox import ris
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.daemon import Daemon
from prefetch.sandbox.workstation import Workstation
from prefetch.store import database, inbox
from tests.bench import machine, senders, site

TOMORROW = timedelta(hours=40)
SENDERS = 8
PATIENCE = 60.0
IN_ONE_GO = 500
"""Messages handed to the reader pool at once."""


def main(
    *,
    seconds: Annotated[float, typer.Option(help="Measured for each rate of acknowledgements.")] = 5.0,
    backlog: Annotated[int, typer.Option(help="Messages that wait when STAT orders come.")] = 20_000,
    stat: Annotated[int, typer.Option(help="STAT orders that come then.")] = 20,
) -> None:
    """Measure one after the other."""
    with tempfile.TemporaryDirectory(prefix="prefetch-bench-") as name:
        typer.echo(machine.describe(Path(name)))
        _compare_junk(Path(name), seconds)
        asyncio.run(_compare_readers(backlog // 10))
        _stat_in_a_backlog(Path(name), backlog, stat)


# --- junk ------------------------------------------------------------------------------------------


def _compare_junk(directory: Path, seconds: float) -> None:
    typer.echo(f"acknowledgements a second, {SENDERS} senders:")
    rates = []
    for title, share in (("orders only", 0.0), ("half of it junk", 0.5)):
        with _daemon(directory / title.replace(" ", "-"), archive=9, room=9) as daemon:
            port = daemon.listener_ports["ris"]
            seen = senders.send(host="127.0.0.1", port=port, senders=SENDERS, seconds=seconds, junk=share)
            daemon.kill()
        rates.append(seen.rate)
        typer.echo(f"  {title:16} {seen.rate:8.0f} AA/s, p99 {seen.p99:.1f} ms")
    typer.echo(f"  with junk it is {rates[1] / rates[0]:.2f} times as many")


# --- readers ---------------------------------------------------------------------------------------


async def _compare_readers(count: int) -> None:
    typer.echo(f"messages understood a second, of {count}:")
    raws = list(_orders(count))
    for title, workers in (("one thread", 0), ("one process", 1), ("two processes", 2)):
        pool = parsing.ReaderPool(workers=workers, threshold=1)
        await _read(pool, raws[:IN_ONE_GO])  # until the processes are there
        began = time.monotonic()
        await _read(pool, raws)
        typer.echo(f"  {title:16} {count / (time.monotonic() - began):8.0f}")
        pool.close()


async def _read(pool: parsing.ReaderPool, raws: Sequence[bytes]) -> None:
    for first in range(0, len(raws), IN_ONE_GO):
        part = raws[first : first + IN_ONE_GO]
        await pool.read(part, ["ris"] * len(part))


# --- STAT in a backlog -----------------------------------------------------------------------------


def _stat_in_a_backlog(directory: Path, backlog: int, count: int) -> None:
    home = directory / "backlog"
    with Archive(ae_title="MAIN") as archive, Workstation(ae_title="ROOM") as room:
        with _daemon(home, archive=archive.port, room=room.port):
            pass  # it makes the store
        _fill(home / "prefetch.db", _orders(backlog))
        with Daemon(configuration=home / "prefetch.yaml", log=home / "backlog.log") as daemon:
            waits = asyncio.run(_book(daemon, count))
        left = _count_waiting(home / "prefetch.db")
    waits.sort()
    typer.echo(
        f"STAT order to its plan while {backlog:,} to {left:,} messages wait: "
        f"median {waits[len(waits) // 2]:.2f} s, most {waits[-1]:.2f} s ({count} orders)"
    )


def _fill(file: Path, raws: Iterator[bytes]) -> None:
    """Accept messages as the listener does, all in one commit."""
    now = datetime.now(UTC)
    with closing(database.Database.open(f"sqlite:///{file}")) as store, store.transaction() as connection:
        for raw in raws:
            read = header.read_header(raw)
            if read is None:
                raise ValueError("a message without a header")
            seen = header.glance(raw)
            inbox.accept_message(
                connection,
                source="ris",
                raw=raw,
                control_id=read.control_id,
                message_type=read.type_and_trigger,
                priority=seen.priority,
                order_number=seen.order_number,
                received_at=now,
            )


def _count_waiting(file: Path) -> int:
    with closing(database.Database.open(f"sqlite:///{file}")) as store, store.snapshot() as connection:
        return len(inbox.waiting_messages(connection, 1_000_000))


async def _book(daemon: Daemon, count: int) -> list[float]:
    waits = []
    async with ris.Ris(host="127.0.0.1", port=daemon.listener_ports["ris"]) as sender:
        for number in range(count):
            began = time.monotonic()
            await sender.book(site.order(f"STAT{number:03}", ahead=TOMORROW, priority="S"))
            await _await_plan(daemon, f"ASTAT{number:03}")
            waits.append(time.monotonic() - began)
    return waits


async def _await_plan(daemon: Daemon, order: str) -> None:
    deadline = time.monotonic() + PATIENCE
    said = f'"order": "{order}"'
    while time.monotonic() < deadline:
        for line in daemon.log.read_text().splitlines():
            if said in line and json.loads(line)["event"] == "order_planned":
                return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"{order} was not planned in {PATIENCE:.0f} s")


# --- what is sent ----------------------------------------------------------------------------------


def _orders(count: int) -> Iterator[bytes]:
    return (site.order(f"{number:07}", ahead=TOMORROW).encode() for number in range(count))


def _daemon(home: Path, *, archive: int, room: int) -> Daemon:
    configuration = site.configure(home, archives={"main": archive}, room=room)
    return Daemon(configuration=configuration, log=home / "daemon.log")


if __name__ == "__main__":
    typer.run(main)
