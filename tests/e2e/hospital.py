"""A hospital of real peers on loopback, with the daemon between them as a process of its own.

    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive, description="CT Thorax")
    hospital.open()
    hospital.book(hospital.exam("A1", description="CT Chest"))
    hospital.await_ready("A1")

Peers are started first, workstations before archives: an archive knows the workstations that are there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import pydicom
from typer.testing import CliRunner

from prefetch import model
from prefetch.cli.program import program
from prefetch.sandbox import messages, ris
from prefetch.sandbox.daemon import Daemon
from prefetch.sandbox.messages import Booking, Change
from tests import peers, studies

T = TypeVar("T")
ServerT = TypeVar("ServerT", bound=peers.Server)
Row = dict[str, Any]
Build = Callable[..., str]
"""Makes the HL7 message of a booking: `messages.orm`, `omi` or `siu`."""

BEFORE_EXAM = timedelta(minutes=30)
PATIENCE = 300.0
"""Seconds within which everything that a test waits for must have come, on a busy machine too."""
LOOK_AGAIN = 0.05

ANNA = model.Patient(
    patient_id="P1", issuer_of_patient_id="HOSP", name="Muster^Anna", birth_date="19700101", sex="F"
)
BRUNO = model.Patient(
    patient_id="P2", issuer_of_patient_id="HOSP", name="Beispiel^Bruno", birth_date="19581112", sex="M"
)

# dcmqrscp does not tell modalities, and an SIU has none either: descriptions speak for them.
RULES = """
version: 1
rules:
  - name: ct
    when: {any: [{modality: CT}, {procedure_description: "CT *"}]}
    priors: [{name: earlier CT, description: "CT*"}]
  - name: mr
    when: {any: [{modality: MR}, {procedure_description: "MR *"}]}
    priors: [{name: earlier MR, description: "MR*"}]
"""
"""A CT exam wants the patient's CTs, an MR exam the MRs."""

ANYTHING = """
version: 1
rules:
  - name: anything
    priors: [{name: earlier study}]
"""
"""Every exam wants all that there is of the patient."""

_TIMINGS: Mapping[str, Any] = {
    "planning": {
        "fetch_from": "24h before exam",
        "ready_by": "30m before exam",
        "replan_before": "1m",
        "reuse_answer": "0s",
        "retry": {"first": "1s", "longest": "1s"},
    },
    "retrieval": {
        "retry": {"attempts": 1000, "first": "1s", "longest": "1s"},
        "check_again": {"attempts": 3, "first": "1s", "longest": "1s"},
        "park": "2s",
    },
    "drain": "1s",
}


class Hospital:
    """Archives, workstations, a RIS and the daemon; everything ends with the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.archives: dict[str, peers.Server] = {}
        self.workstations: dict[str, peers.Server] = {}
        self.environment: Mapping[str, str] | None = None
        """Of the daemons that are started from here on; ours where it is None."""
        self.daemon: Daemon | None = None
        self._latest: Daemon | None = None
        self.configuration = directory / "prefetch.yaml"
        self.port = peers.free_port()
        self._peers = ExitStack()
        self._starts = itertools.count(1)
        self._control_ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._peers.close()

    # --- setting up --------------------------------------------------------------------------------

    def workstation(self, make: type[ServerT], ae_title: str = "READ1", **options: Any) -> ServerT:
        """Start a workstation; archives that are started later know it."""
        workstation = make(ae_title=ae_title, directory=self.directory, **options)
        self._peers.enter_context(workstation)
        self.workstations[ae_title.lower()] = workstation
        return workstation

    def archive(
        self,
        make: type[ServerT],
        ae_title: str = "MAIN",
        *,
        knows: Iterable[peers.Addressed] | None = None,
        **options: Any,
    ) -> ServerT:
        """Start an archive; unless said otherwise it knows all workstations."""
        known = self.workstations.values() if knows is None else knows
        archive = make(ae_title=ae_title, directory=self.directory, knows=known, **options)
        self._peers.enter_context(archive)
        self.archives[ae_title.lower()] = archive
        return archive

    def study(
        self,
        *held_by: peers.Server,
        patient: model.Patient = ANNA,
        description: str = "CT Thorax",
        **facts: Any,
    ) -> studies.WrittenStudy:
        """Write a study of a patient and load it into the servers."""
        written = studies.write_study(
            self.directory,
            patient_id=patient.patient_id or "",
            issuer_of_patient_id=patient.issuer_of_patient_id,
            name=patient.name or "",
            birth_date=patient.birth_date or "",
            sex=patient.sex or "",
            description=description,
            **{"modality": description[:2], **facts},
        )
        for server in held_by:
            server.load(written.paths)
        return written

    def configure(self, *, rules: str = RULES, settle: str = "0s", **settings: Any) -> None:
        """Write `prefetch.yaml` and its rules; `settings` stand for whole sections of it."""
        directory = self.directory / "rules"
        directory.mkdir(exist_ok=True)
        (directory / "rules.yaml").write_text(rules)
        said = {
            "time_zone": "Europe/Berlin",
            "store": "sqlite:///prefetch.db",
            "listeners": {"ris": {"port": self.port}},
            "archives": {name: _called(server) for name, server in self.archives.items()},
            "workstations": {
                name: _called(server)
                | {"settle": settle}
                | ({"verify": "counters"} if isinstance(server, peers.Storescp) else {})
                for name, server in self.workstations.items()
            },
            **_TIMINGS,
        }
        for section, values in settings.items():
            known = said.get(section)
            said[section] = _merge(known, values) if isinstance(known, dict) else values
        self.configuration.write_text(json.dumps(said, indent=1))  # JSON is YAML

    # --- the daemon's life -------------------------------------------------------------------------

    def open(self, **settings: Any) -> None:
        """Start the daemon, configured anew where anything is said."""
        if settings or not self.configuration.exists():
            self.configure(**settings)
        log = self.directory / f"daemon-{next(self._starts)}.log"
        self._latest = Daemon(configuration=self.configuration, log=log, environment=self.environment)
        self._latest.__enter__()
        self.daemon = self._latest

    def close(self) -> int | None:
        """Ask the daemon to end, and give its exit status; no process of it is left."""
        assert self.daemon is not None
        pid, status = self.daemon.process_id, self.daemon.stop()
        self.daemon = None
        assert _group_is_gone(pid)
        return status

    def kill(self) -> None:
        """End the daemon by SIGKILL; no process of it is left for long."""
        if self.daemon is not None:
            pid = self.daemon.process_id
            self.daemon.kill()
            self.daemon = None
            self.await_that(lambda: _group_is_gone(pid), "the daemon's worker processes to end")

    def reload(self, *, rules: str | None = None) -> None:
        """Have the daemon reload by SIGHUP, other rules if any, and wait until it has taken or refused it."""
        if rules is not None:
            (self.directory / "rules" / "rules.yaml").write_text(rules)
        self.reload_files()

    def reload_files(self) -> None:
        """Have the daemon reload the files as they are, and wait until it has taken or refused them."""
        assert self.daemon is not None
        before = self._reloads()
        os.kill(self.daemon.process_id, signal.SIGHUP)
        self.await_that(lambda: self._reloads() > before, "the daemon to reload")

    def _reloads(self) -> int:
        return len(self.said("configuration_loaded")) + len(self.said("configuration_refused"))

    def freeze(self) -> None:
        """Let the daemon hang; what its peers send meanwhile waits in its sockets."""
        assert self.daemon is not None
        os.kill(self.daemon.process_id, signal.SIGSTOP)

    def said(self, event: str, **fields: object) -> list[Row]:
        """The lines about an event in the log of the daemon that runs, or of the one that ended last."""
        assert self._latest is not None
        return [
            line
            for line in self._latest.said()
            if line.get("event") == event and all(line.get(name) == value for name, value in fields.items())
        ]

    # --- the RIS -----------------------------------------------------------------------------------

    def exam(self, accession_number: str, *, description: str = "CT Chest", **facts: Any) -> Booking:
        """A booking, in two hours unless said otherwise; the modality begins its description."""
        values: Row = {
            "patient": ANNA,
            "procedure_code": description.upper().replace(" ", ""),
            "modality": description[:2],
            "station_ae_title": "STATION1",
            "scheduled_start": soon(),
        }
        return Booking(
            accession_number=accession_number, procedure_description=description, **{**values, **facts}
        )

    def message(self, booking: Booking, change: Change = Change.NEW, build: Build = messages.omi) -> str:
        """The message that tells of a booking."""
        return build(booking, change, control_id=f"C{next(self._control_ids)}", now=datetime.now(UTC))

    def book(self, booking: Booking, change: Change = Change.NEW, build: Build = messages.omi) -> str:
        """Tell the daemon of a booking; gives what it calls the order, and fails where it refuses."""
        self.send(self.message(booking, change, build))
        # An appointment has no accession number (IHE RAD TF-2 4.48): the filler order number names it.
        return booking.filler_order_number if build is messages.siu else booking.accession_number

    def tell(self, trigger: str, patient: model.Patient, *prior: model.PatientId) -> None:
        """Tell the daemon of a patient's data, or of a merge of `prior` IDs into the patient's (ADT)."""
        control_id = f"C{next(self._control_ids)}"
        self.send(messages.adt(trigger, patient, prior, control_id=control_id, now=datetime.now(UTC)))

    def send(self, *wires: str) -> None:
        """Send messages one after the other over one connection, each acknowledged before the next."""
        asyncio.run(ris.book_all(wires, host=peers.HOST, port=self.port))

    # --- what the administrator sees ---------------------------------------------------------------

    def run(self, *verb: str) -> str:
        """Run a command line verb; gives what it prints, and fails where it fails."""
        result = CliRunner().invoke(program, [*verb, "--config", str(self.configuration)])
        assert result.exit_code == 0, f"{' '.join(verb)}: {result.output}\n{result.exception!r}"
        return result.stdout

    def rows(self, *verb: str) -> list[Row]:
        """The rows that a verb prints with `--json`."""
        return [json.loads(line) for line in self.run(*verb, "--json").splitlines()]

    def order(self, name: str) -> Row:
        """One order as `prefetch orders` lists it; empty while it is not known."""
        return next((row for row in self.rows("orders") if row["order"] == name), {})

    def explain(self, name: str) -> Row:
        """The whole story of an order."""
        return self.rows("explain", name)[0]

    def retrieve(self, name: str, study: studies.WrittenStudy, *, to: str = "read1") -> Row:
        """What an order wants or wanted of a study at a workstation; empty while that is nothing."""
        if not self.order(name):
            return {}
        wanted = self.explain(name)["retrieves"]
        same = {"study_instance_uid": study.study_instance_uid, "destination": to}
        return next((row for row in wanted if same.items() <= row.items()), {})

    def decision(self, name: str, study: studies.WrittenStudy) -> Row:
        """What the plan of an order says of a study."""
        return next(
            candidate
            for candidate in self.explain(name)["candidates"]
            if candidate["study_instance_uid"] == study.study_instance_uid
        )

    def history(self, name: str, what: str) -> list[Row]:
        """What of one kind happened to an order."""
        return [each for each in self.explain(name)["history"] if each["what"] == what]

    # --- waiting -----------------------------------------------------------------------------------

    def await_ready(self, name: str) -> Row:
        """Wait until an exam is reported ready."""
        return self.await_order(name, readiness="ready")

    def await_order(self, name: str, **fields: object) -> Row:
        """Wait until an order is reported like this."""

        def look() -> Row | None:
            row = self.order(name)
            return row if fields.items() <= row.items() else None

        return self.await_that(look, f"{name} to be {fields}", last=lambda: self.order(name))

    def await_retrieve(
        self, name: str, study: studies.WrittenStudy, state: str, *, to: str = "read1", **fields: object
    ) -> Row:
        """Wait until what an order wants of a study is in this state."""
        expected = {"state": state, **fields}

        def look() -> Row | None:
            row = self.retrieve(name, study, to=to)
            return row if expected.items() <= row.items() else None

        return self.await_that(
            look, f"{study.study_instance_uid} to be {expected}", last=lambda: self.explain(name)
        )

    def await_said(self, event: str, **fields: object) -> Row:
        """Wait for a line of the daemon's log."""
        found = self.await_that(lambda: self.said(event, **fields), f"{event} {fields}")
        return found[0]

    def await_that(
        self, look: Callable[[], T | None], what: str, *, last: Callable[[], object] = lambda: ""
    ) -> T:
        """Wait until a look finds something."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if found := look():
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE:.0f} s for {what}\n{last()}\n{self._last_words()}")
            time.sleep(LOOK_AGAIN)

    def _last_words(self) -> str:
        logs = sorted(self.directory.glob("daemon-*.log"))
        return "\n".join(logs[-1].read_text(errors="replace").splitlines()[-30:]) if logs else ""


# --- facts -----------------------------------------------------------------------------------------


def soon(**after: float) -> datetime:
    """The start of an exam whose priors are wanted now: in two hours, or after so much time."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**(after or {"hours": 2}))


def far(days: int = 5) -> datetime:
    """The start of an exam whose priors are not wanted yet."""
    return soon(days=days)


def deadline(start: datetime | None) -> str:
    """When the priors of an exam must be there, as the command line shows it."""
    return "" if start is None else (start - BEFORE_EXAM).isoformat()


def pixels(images: Iterable[pydicom.Dataset]) -> dict[str, bytes]:
    """Pixel data by SOP Instance UID; empty for what has none."""
    return {str(image.SOPInstanceUID): image.get("PixelData", b"") for image in images}


def holds_exactly(server: peers.Server, *expected: studies.WrittenStudy) -> bool:
    """Whether a server holds these studies whole, pixel for pixel, and nothing else."""
    held = pixels(server.instances().values())
    return held == {uid: value for study in expected for uid, value in study.pixels.items()}


def count(server: peers.Orthanc) -> int:
    """How many instances an Orthanc holds: a quick look, while they arrive."""
    counted: int = server.rest("GET", "/statistics")["CountInstances"]
    return counted


def is_called(server: peers.Server) -> bool:
    """Whether anybody has a connection to a server."""
    return any(far == server.port and state == _ESTABLISHED for _, far, state in _connections())


def is_occupied(server: peers.Server) -> bool:
    """Whether a server holds an association open, though its caller may have gone."""
    held = {_ESTABLISHED, _CLOSE_WAIT}
    return any(near == server.port and state in held for near, _, state in _connections())


def _connections() -> Iterator[tuple[int, int, str]]:
    """The machine's TCP connections: port of the near end, port of the far end, state (proc(5))."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, near, far, state, *_ = line.split()
        yield int(near.partition(":")[2], 16), int(far.partition(":")[2], 16), state


_ESTABLISHED, _CLOSE_WAIT = "01", "08"


def _group_is_gone(pid: int) -> bool:
    """Whether no process of a daemon's process group is left."""
    with suppress(ProcessLookupError):
        os.killpg(pid, 0)
        return False
    return True


def _called(server: peers.Server) -> Row:
    return {"ae_title": server.ae_title, "host": server.host, "port": server.port}


def _merge(known: Row, values: Row) -> Row:
    return {
        key: _merge(known[key], value) if isinstance(known.get(key), dict) else value
        for key, value in {**known, **values}.items()
    }
