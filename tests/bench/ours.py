"""The daemon itself, as an operator runs it: SQLite on disk, real MLLP, every prior verified by query."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefetch import model
from prefetch.model import RetrieveState, VerifiedBy
from prefetch.sandbox import messages, ris
from prefetch.sandbox.daemon import Daemon
from prefetch.store import database, orders, retrieves
from tests.bench import trial

GLANCE = 0.1
"""Seconds between two looks at the log whether all is verified."""

CONFIGURATION = """\
version: 1
ae_title: PREFETCH
time_zone: UTC
store: sqlite:///prefetch.db
listeners: {{ris: {{port: 0}}}}
archives:
  archive:
    ae_title: {archive.ae_title}
    host: {archive.host}
    port: {archive.port}
    max_associations: {associations}
workstations:
  room:
    ae_title: {workstation.ae_title}
    host: {workstation.host}
    port: {workstation.port}
logging: {{format: json}}
"""

RULE = """\
version: 1
rules:
  - name: everything
    fetch_from: when ordered
    priors: [{newest: 50}]
"""


def fetch(task: trial.Trial) -> trial.Score:
    """Start the daemon, send an order for each patient, and wait until all priors are verified."""
    configuration = task.directory / "prefetch.yaml"
    # Of its associations the daemon keeps one for queries: so many moves at a time as the others have.
    configuration.write_text(
        CONFIGURATION.format(
            archive=task.archive, workstation=task.workstation, associations=task.parallel + 1
        )
    )
    (task.directory / "rules").mkdir()
    (task.directory / "rules" / "everything.yaml").write_text(RULE)
    with Daemon(configuration=configuration, log=task.directory / "daemon.log") as daemon:
        with trial.cpu_meter(daemon.process_id) as cpu:
            began = datetime.now(UTC)
            bookings = [_book(patient) for patient in task.patients]
            waits = asyncio.run(_send(bookings, daemon.listener_ports["ris"]))
            _await_verified(daemon, task)
        walk = _read_walk(task.directory / "prefetch.db")
    ended = max(retrieve.verified_at for retrieve in walk.retrieves if retrieve.verified_at)
    if any(retrieve.verified_by is not VerifiedBy.QUERY for retrieve in walk.retrieves):
        raise RuntimeError("not every prior was verified by query")
    details = [*_stages(walk, began, waits), *_log_lines(daemon)]
    return trial.Score(seconds=(ended - began).total_seconds(), cpu=cpu[0], details=details)


# --- the orders ------------------------------------------------------------------------------------


def _book(patient: model.Patient) -> str:
    now = datetime.now(UTC)
    number = str(patient.patient_id)
    booking = messages.Booking(
        patient=patient,
        accession_number=f"A{number}",
        procedure_code="CTCH",
        procedure_description="CT chest",
        modality="CT",
        station_ae_title="CT1",
        scheduled_start=now + timedelta(hours=20),
    )
    write = messages.omi if int(number[1:]) % 2 else messages.orm
    return write(booking, messages.Change.NEW, control_id=f"M{number}", now=now)


async def _send(bookings: Sequence[str], port: int) -> list[float]:
    """Send one after the other on one connection, as a RIS does; gives the seconds until each AA."""
    waits = []
    async with ris.Ris(host="127.0.0.1", port=port) as sender:
        for message in bookings:
            began = time.monotonic()
            await sender.book(message)
            waits.append(time.monotonic() - began)
    return waits


def _await_verified(daemon: Daemon, task: trial.Trial) -> None:
    """Follow the log until it has told of every prior."""
    deadline = time.monotonic() + trial.PATIENCE
    verified, rest = 0, b""
    with daemon.log.open("rb") as log:
        while verified < task.studies:
            *lines, rest = (rest + log.read()).split(b"\n")
            verified += sum(b'"retrieve_verified"' in line for line in lines)
            daemon.require_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{verified} of {task.studies} priors verified in {trial.PATIENCE:.0f} s")
            time.sleep(GLANCE)


# --- where the time went ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """All orders and retrieves as the store holds them afterwards."""

    orders: Sequence[model.Order]
    retrieves: Sequence[model.Retrieve]


def _read_walk(file: Path) -> Walk:
    store = database.Database.open(f"sqlite:///{file}")
    try:
        with store.snapshot() as connection:
            return Walk(
                orders=orders.list_orders(connection, limit=100_000),
                retrieves=retrieves.list_retrieves(
                    connection, states=[RetrieveState.VERIFIED], limit=1_000_000
                ),
            )
    finally:
        store.close()


def _stages(walk: Walk, began: datetime, acknowledged: Sequence[float]) -> Iterator[str]:
    """Each stage: when its first and last thing ended, and how long one took, waiting included."""
    yield f"{'stage':12} {'first':>7} {'last s':>7} {'median':>8} {'p95 ms':>8}"
    yield _line("acknowledge", [], acknowledged, began)
    spans: Mapping[str, Sequence[tuple[datetime | None, datetime | None]]] = {
        "plan": [(order.created_at, order.planned_at) for order in walk.orders],
        "wait": [(retrieve.created_at, retrieve.claimed_at) for retrieve in walk.retrieves],
        "move": [(retrieve.claimed_at, retrieve.moved_at) for retrieve in walk.retrieves],
        "verify": [(retrieve.moved_at, retrieve.verified_at) for retrieve in walk.retrieves],
    }
    yield _line("read", [order.created_at for order in walk.orders], [], began)
    for name, moments in spans.items():
        known = [(first, last) for first, last in moments if first and last]
        took = [(last - first).total_seconds() for first, last in known]
        yield _line(name, [last for _, last in known], took, began)


def _line(name: str, ends: Sequence[datetime], took: Sequence[float], began: datetime) -> str:
    first, last = (f"{(pick(ends) - began).total_seconds():7.2f}" if ends else " " * 7 for pick in (min, max))
    middle = f"{statistics.median(took) * 1000:8.1f}" if took else ""
    slow = f"{sorted(took)[int(len(took) * 0.95)] * 1000:8.1f}" if took else ""
    return f"{name:12} {first} {last} {middle} {slow}"


def _log_lines(daemon: Daemon) -> Iterator[str]:
    """What the log says that a query and a move took on the wire."""
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
    for event in ("archive_asked", "move_finished"):
        times = [line["milliseconds"] for line in lines if line["event"] == event]
        yield f"{event}: {len(times)} times, median {statistics.median(times):.1f} ms on the wire"
