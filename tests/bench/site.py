"""The site that benches of the daemon run, and the orders that its RIS sends: a CT of the chest each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefetch import model
from prefetch.sandbox import messages

CONFIGURATION = """\
version: 1
ae_title: PREFETCH
time_zone: UTC
store: sqlite:///prefetch.db
listeners: {{ris: {{port: 0}}}}
archives: {{{archives}}}
workstations: {{room: {{ae_title: ROOM, host: 127.0.0.1, port: {room}}}}}
logging: {{format: json}}
"""
RULE = """\
version: 1
rules:
  - name: chest-ct
    when: {modality: [CT]}
    priors: [{newest: 3, within: 5y}]
"""


def configure(directory: Path, *, archives: Mapping[str, int], room: int) -> Path:
    """Write the files of a site with these archives (name → port); gives the configuration."""
    said = ", ".join(
        f"{name}: {{ae_title: {name.upper()}, host: 127.0.0.1, port: {port}}}"
        for name, port in archives.items()
    )
    (directory / "rules").mkdir(parents=True)
    (directory / "rules" / "chest.yaml").write_text(RULE)
    file = directory / "prefetch.yaml"
    file.write_text(CONFIGURATION.format(archives=said, room=room))
    return file


def patient(patient_id: str) -> model.Patient:
    """Somebody who was never born."""
    return model.Patient(patient_id=patient_id, name="Bench^Patient", birth_date="19600115", sex="F")


def order(number: str, *, ahead: timedelta, priority: str = "R") -> str:
    """An ORM for the patient of this number, whose exam is so long ahead."""
    now = datetime.now(UTC)
    booking = messages.Booking(
        patient=patient(f"P{number}"),
        accession_number=f"A{number}",
        procedure_code="CTCH",
        procedure_description="CT chest",
        modality="CT",
        station_ae_title="CT1",
        scheduled_start=now + ahead,
        priority=priority,
    )
    return messages.orm(booking, messages.Change.NEW, control_id=f"M{number}", now=now)
