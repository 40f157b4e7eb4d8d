"""One patient, her exam and her priors, for a test about a single archive."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

from prefetch import model
from prefetch.sandbox import studies
from prefetch.sandbox.messages import Booking
from tests.lies.premises import Premises, Row

PATIENCE = 300.0
ANNA = model.Patient(patient_id="P1", name="Muster^Anna", birth_date="19700101", sex="F")


def study(name: str) -> studies.Study:
    """A prior of hers, three instances large."""
    return studies.Study(
        patient=ANNA,
        study_instance_uid=studies.made_up_uid(name),
        study_date=date(2024, 5, 1),
        description="CT Thorax",
        series=[studies.Series(modality="CT", instances=3)],
    )


def booking() -> Booking:
    """The exam A1, of the code CT."""
    return Booking(
        patient=ANNA,
        accession_number="A1",
        procedure_code="CT",
        procedure_description="CT Chest",
        modality="CT",
        station_ae_title="CT1",
        scheduled_start=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2),
    )


def await_ready(premises: Premises) -> Row:
    """Wait until it is ready; gives its story."""
    deadline = time.monotonic() + PATIENCE
    while (story := premises.story("A1")) is None or story["order"]["readiness"] != "ready":
        premises.daemon.require_alive()
        assert time.monotonic() < deadline, story
        time.sleep(0.2)
    return story
