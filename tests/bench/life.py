"""The daemon's life: start-up, idling, and a STAT order on an idle day: `python -m tests.bench.life`.

With two archives, on a new store and on one with 200,000 orders of history. Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from prefetch.sandbox import ris, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.daemon import Daemon
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.operation import Service
from prefetch.sandbox.workstation import Workstation
from tests.bench import machine, past, site, trial

BECOMES_IDLE = 3.0
"""Seconds until nothing is left to do, of the start or of the last order."""
PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one life came to."""

    start: float
    """Seconds from the start of the process until it told the service manager that it is ready."""
    start_cpu: float
    idle_cpu: float
    """Share of a core."""
    idle_megabytes: float
    stat: Sequence[float]
    """Milliseconds from the first byte of a STAT order until its archive had the C-MOVE, in order."""

    def __str__(self) -> str:
        """One line a figure."""
        middle, slow = (self.stat[int(len(self.stat) * share)] for share in (0.5, 0.99))
        return (
            f"  ready after {self.start:.2f} s ({self.start_cpu:.2f} s of CPU)\n"
            f"  idle: {self.idle_cpu:.2%} of a core, {self.idle_megabytes:.0f} MB\n"
            f"  STAT order to C-MOVE: median {middle:.0f} ms, p99 {slow:.0f} ms, most {self.stat[-1]:.0f} ms "
            f"({len(self.stat)} orders)"
        )


def main(
    *,
    orders: Annotated[int, typer.Option(help="STAT orders, each after a pause.")] = 60,
    history: Annotated[int, typer.Option(help="Orders that the second store has seen.")] = 200_000,
    idle: Annotated[float, typer.Option(help="Seconds of idling that are measured.")] = 20.0,
) -> None:
    """Live twice: without a past, and with one."""
    with tempfile.TemporaryDirectory(prefix="prefetch-bench-") as name:
        directory = Path(name)
        typer.echo(machine.describe(directory))
        with _hospital(directory, orders + 1) as hospital:
            typer.echo("a new store:")
            typer.echo(_live(hospital, range(orders), idle))
            count = past.copy_exams(directory / "prefetch.db", max(1, history // orders))
            size = (directory / "prefetch.db").stat().st_size / 1e6
            typer.echo(f"a store with {count:,} orders ({size:,.0f} MB):")
            hospital.forget()
            typer.echo(_live(hospital, range(orders), idle))


# --- a hospital ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """Two archives with a study for each patient, and where the daemon's files are."""

    directory: Path
    archives: Sequence[Archive]
    turn: list[int]
    """How often it has been lived in, so that no order comes twice."""

    def first_move(self, patient_id: str) -> datetime | None:
        """When an archive was first asked to move a study of a patient."""
        wanted = _study_of(patient_id).study_instance_uid
        for archive in self.archives:
            for operation in archive.operations(Service.MOVE):
                if operation.identifier.StudyInstanceUID == wanted:
                    return operation.at
        return None

    def forget(self) -> None:
        """Have the workstation's copies and the archives' journals be gone."""
        self.turn[0] += 1
        for archive in self.archives:
            archive.journal.clear()


@contextlib.contextmanager
def _hospital(directory: Path, patients: int) -> Iterator[Hospital]:
    with contextlib.ExitStack() as stack:
        room = stack.enter_context(Workstation(ae_title="ROOM", faults=[]))
        knows = {"ROOM": (room.host, room.port)}
        held = [
            instance
            for turn in (0, 1)
            for number in range(patients)
            for instance in studies.make(_study_of(_patient_id(turn, number)))
        ]
        main = stack.enter_context(Archive(ae_title="MAIN", holdings=Holdings(held), knows=knows))
        offsite = stack.enter_context(Archive(ae_title="OFFSITE", knows=knows))
        site.configure(directory, archives={"main": main.port, "offsite": offsite.port}, room=room.port)
        yield Hospital(directory=directory, archives=[main, offsite], turn=[0])


def _patient_id(turn: int, number: int) -> str:
    return f"P{turn}{number:05}"


def _study_of(patient_id: str) -> studies.Study:
    return studies.Study(
        patient=site.patient(patient_id),
        study_instance_uid=studies.made_up_uid("life", patient_id),
        study_date=date(datetime.now(UTC).year - 1, 1, 5),
        description="CT chest",
    )


# --- a life ----------------------------------------------------------------------------------------


def _live(hospital: Hospital, orders: range, idle: float) -> Figures:
    daemon, start, start_cpu = _start(hospital.directory)
    try:
        time.sleep(BECOMES_IDLE)
        with trial.cpu_meter(daemon.process_id) as cpu:
            time.sleep(idle)
        stat = asyncio.run(_book_all(hospital, daemon, orders))
        time.sleep(BECOMES_IDLE)
        return Figures(
            start=start,
            start_cpu=start_cpu,
            idle_cpu=cpu[0] / idle,
            idle_megabytes=_megabytes(daemon.process_id),
            stat=sorted(stat),
        )
    finally:
        daemon.stop()


def _start(directory: Path) -> tuple[Daemon, float, float]:
    """Start the daemon as a service manager does, and hear from it when it is ready."""
    address = str(directory / "notify")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(address)  # noqa: PTH108 (a socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        daemon = Daemon(
            configuration=directory / "prefetch.yaml",
            log=directory / "daemon.log",
            environment={**os.environ, "NOTIFY_SOCKET": address},
        )
        (directory / "daemon.log").write_text("")
        began = time.monotonic()
        daemon.start()
        while b"READY=1" not in manager.recv(1000):
            pass
        took = time.monotonic() - began
    cpu = trial.cpu_of(daemon.process_id)
    daemon.await_ready()
    return daemon, took, cpu


def _megabytes(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


async def _book_all(hospital: Hospital, daemon: Daemon, orders: range) -> list[float]:
    """One STAT order after the other, each when the one before it is long over."""
    chance = random.Random(7)  # noqa: S311 (a bench)
    waits = []
    async with ris.Ris(host="127.0.0.1", port=daemon.listener_ports["ris"]) as sender:
        for number in orders:
            patient_id = _patient_id(hospital.turn[0], number)
            began = datetime.now(UTC)
            await sender.book(site.order(patient_id[1:], ahead=timedelta(hours=1), priority="S"))
            waits.append((await _await_move(hospital, patient_id) - began).total_seconds() * 1000)
            await asyncio.sleep(chance.uniform(0.3, 1.7))  # with its association kept, and without
    return waits


async def _await_move(hospital: Hospital, patient_id: str) -> datetime:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if at := hospital.first_move(patient_id):
            return at
        await asyncio.sleep(0.01)
    raise TimeoutError(f"no C-MOVE for {patient_id} in {PATIENCE:.0f} s")


if __name__ == "__main__":
    typer.run(main)
