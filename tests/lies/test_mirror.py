"""An archive that gives up, and its mirror: `use: first that answers`, between sandbox archives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import Dataset

from prefetch import model
from prefetch.sandbox import studies
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.faults import FAULTS
from prefetch.sandbox.messages import Booking
from prefetch.sandbox.operation import Operation, Service
from tests.lies.premises import Premises, Row

PATIENCE = 60.0
ANNA = model.Patient(patient_id="P1", name="Muster^Anna", birth_date="19700101", sex="F")
PRIOR = studies.Study(
    patient=ANNA,
    study_instance_uid=studies.made_up_uid("mirrored"),
    study_date=date(2024, 5, 1),
    description="CT Thorax",
    series=[studies.Series(modality="CT", instances=3)],
)


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    """Nothing yet but the place."""
    with Premises(tmp_path) as made:
        yield made


def _refuse(operation: Operation) -> int | None:
    return 0xA900 if operation.service is Service.MOVE else None


def _never_send_the_last(operation: Operation, instances: list[Dataset]) -> list[Dataset]:
    return FAULTS["one-instance-fails-first"].sends(replace(operation, number=1), instances)


@pytest.mark.parametrize(
    ("fault", "level"),
    [
        pytest.param(Fault(because="refuses", begins=_refuse), "STUDY", id="refuses"),
        pytest.param(FAULTS["warning-all-failed"], "STUDY", id="all-failed"),
        pytest.param(Fault(because="cannot send one", sends=_never_send_the_last), "IMAGE", id="one-fails"),
    ],
)
def test_the_mirror_moves_what_the_first_gives_up(premises: Premises, fault: Fault, level: str) -> None:
    """It was not asked what it holds; of what has arrived in part it moves the rest."""
    workstation = premises.workstation("room")
    premises.archive("main", fault, holds=[PRIOR])
    mirror = premises.archive("mirror", holds=[PRIOR])
    premises.rule(code="CT", archives=["main", "mirror"], use="first that answers", workstation="room")
    premises.open()
    premises.book([_booking()])
    story = _await_ready(premises)
    assert {"verified"} == {row["state"] for row in story["retrieves"]}
    assert {PRIOR.study_instance_uid: 3} == workstation.holdings.counts()
    assert [level] == [str(each.identifier.QueryRetrieveLevel) for each in mirror.operations(Service.MOVE)]


def _booking() -> Booking:
    return Booking(
        patient=ANNA,
        accession_number="A1",
        procedure_code="CT",
        procedure_description="CT Chest",
        modality="CT",
        station_ae_title="CT1",
        scheduled_start=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2),
    )


def _await_ready(premises: Premises) -> Row:
    deadline = time.monotonic() + PATIENCE
    while (story := premises.story("A1")) is None or story["order"]["readiness"] != "ready":
        premises.daemon.require_alive()
        assert time.monotonic() < deadline, story
        time.sleep(0.2)
    return story
