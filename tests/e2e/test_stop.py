"""SIGTERM: the daemon ends in order, within its drain time, and the next one goes on."""

from __future__ import annotations

import time

import pytest

from tests import peers
from tests.e2e.hospital import Hospital, count, holds_exactly, is_called
from tests.e2e.witnesses import VERBOSE, moves_asked

pytestmark = pytest.mark.peers

DRAIN = 1.0
"""The drain time of the tests' configuration."""
IN_ORDER = 4.0
"""And what ending takes besides, on a busy machine."""


def test_idle_daemon_ends_at_once(hospital: Hospital) -> None:
    """With nothing under way there is nothing to wait for."""
    hospital.workstation(peers.Orthanc)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(drain="30s")
    asked = time.monotonic()
    assert hospital.close() == 0
    assert time.monotonic() - asked < IN_ORDER


def test_move_that_hangs_is_put_back(hospital: Hospital) -> None:
    """A move is interrupted at the end of the drain time, and looked for and made again by the next."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive, instances=400)
    hospital.open(retrieval={"check_again": {"attempts": 1}})
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: count(workstation), "the first instance")
    archive.freeze()
    asked = time.monotonic()
    assert hospital.close() == 0
    assert DRAIN <= time.monotonic() - asked < DRAIN + IN_ORDER
    assert hospital.retrieve("A1", prior)["state"] == "moved"
    archive.thaw()
    hospital.open()
    hospital.await_ready("A1")
    assert moves_asked(archive) == [prior.study_instance_uid] * 2
    assert holds_exactly(workstation, prior)


def test_move_that_can_end_ends(hospital: Hospital) -> None:
    """A move that is over within the drain time is written down, and nothing new is begun."""
    workstation = hospital.workstation(peers.Storescp, options=["--sleep-after", "1"])
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    priors = [hospital.study(archive, study_date=day) for day in ("20230105", "20240105")]
    hospital.open(archives={"main": {"max_associations": 2}}, drain="20s")  # one move at a time
    hospital.book(hospital.exam("A1"))
    hospital.await_that(workstation.instances, "the first instance")
    assert hospital.close() == 0
    begun, other = sorted(priors, key=lambda prior: prior.study_instance_uid not in workstation.studies())
    assert moves_asked(archive) == [begun.study_instance_uid]
    assert hospital.retrieve("A1", begun)["state"] in {"moved", "verified"}
    assert hospital.retrieve("A1", other)["state"] == "due"
    hospital.open()
    hospital.await_ready("A1")
    assert sorted(moves_asked(archive)) == sorted(prior.study_instance_uid for prior in priors)
    assert holds_exactly(workstation, *priors)


def test_query_that_hangs_does_not_keep_the_daemon(hospital: Hospital) -> None:
    """A daemon whose archive says nothing ends all the same, and plans the order when it is back."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open()
    archive.freeze()
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: is_called(archive), "the archive to be asked")
    asked = time.monotonic()
    assert hospital.close() == 0
    assert time.monotonic() - asked < DRAIN + IN_ORDER
    archive.thaw()
    hospital.open()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
