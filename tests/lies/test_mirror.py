"""An archive that gives up, and its mirror: `use: first that answers`, between sandbox archives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from prefetch.sandbox.fault import Fault
from prefetch.sandbox.faults import FAULTS
from prefetch.sandbox.operation import Operation, Service
from tests.lies import anna
from tests.lies.premises import Premises

PRIOR = anna.study("mirrored")


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
    premises.book([anna.booking()])
    story = anna.await_ready(premises)
    assert {"verified"} == {row["state"] for row in story["retrieves"]}
    assert {PRIOR.study_instance_uid: 3} == workstation.holdings.counts()
    assert [level] == [str(each.identifier.QueryRetrieveLevel) for each in mirror.operations(Service.MOVE)]
