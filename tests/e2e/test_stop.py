"""SIGTERM: the daemon ends in order, within its drain time, and the next one goes on.

An end that is waited for is never timed here: where the drain time must not be sat out it is an hour, longer
than a test may take, and where it must be, the log says what was interrupted at its end.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests import peers
from tests.e2e.hospital import Hospital, count, holds_exactly, is_called, is_occupied
from tests.e2e.witnesses import VERBOSE, moves_asked

pytestmark = pytest.mark.peers

NEVER = "1h"


def await_free(hospital: Hospital, server: peers.Server) -> None:
    """Wait until a server holds no association any more: it has heard that ours has ended."""
    hospital.await_that(lambda: not is_occupied(server), f"{server.ae_title} to be free")


def interrupted(hospital: Hospital) -> int:
    """How many moves the daemon that ended last had to interrupt."""
    (drained,) = hospital.said("daemon_drained")
    number: int = drained["interrupted"]
    return number


def test_idle_daemon_ends_at_once(hospital: Hospital) -> None:
    """With nothing under way there is nothing to wait for."""
    hospital.workstation(peers.Orthanc)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(drain=NEVER)
    assert hospital.close() == 0


def test_move_that_hangs_is_put_back(hospital: Hospital) -> None:
    """A move is interrupted at the end of the drain time, and looked for and made again by the next."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive, instances=400)
    hospital.open(retrieval={"check_again": {"attempts": 1}})
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: count(workstation), "the first instance")
    archive.freeze()
    assert hospital.close() == 0
    assert interrupted(hospital) == 1
    assert hospital.retrieve("A1", prior)["state"] == "moved"
    archive.thaw()
    await_free(hospital, archive)
    hospital.open()
    hospital.await_ready("A1")
    assert moves_asked(archive) == [prior.study_instance_uid] * 2
    assert holds_exactly(workstation, prior)


def test_second_sigterm_does_not_wait(hospital: Hospital) -> None:
    """A move that hangs is interrupted then and there, however long it might have had, and put back."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive)
    hospital.open(drain=NEVER)
    hospital.run("pause", "main")
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", prior, "due")
    workstation.freeze()
    hospital.run("resume", "main")
    hospital.await_that(lambda: moves_asked(archive), "the move to begin")
    assert hospital.daemon is not None
    os.kill(hospital.daemon.process_id, signal.SIGTERM)
    hospital.await_said("daemon_draining")
    assert hospital.said("daemon_drained") == []
    assert hospital.close() == 0
    assert interrupted(hospital) == 1
    workstation.thaw()
    await_free(hospital, archive)
    hospital.open()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_move_that_can_end_ends(hospital: Hospital) -> None:
    """A move that is over within the drain time is written down, and nothing new is begun."""
    workstation = hospital.workstation(peers.Storescp, options=["--sleep-after", "1"])
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    priors = [hospital.study(archive, study_date=day) for day in ("20230105", "20240105")]
    hospital.open(archives={"main": {"max_associations": 2}}, drain=NEVER)  # one move at a time
    hospital.book(hospital.exam("A1"))
    hospital.await_that(workstation.instances, "the first instance")
    assert hospital.close() == 0
    assert interrupted(hospital) == 0
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
    hospital.open(drain=NEVER)
    archive.freeze()
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: is_called(archive), "the archive to be asked")
    assert hospital.close() == 0
    archive.thaw()
    await_free(hospital, archive)
    hospital.open()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
