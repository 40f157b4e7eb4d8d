"""`kill -9` in each stage of the walk: nothing that was acknowledged is lost, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from prefetch.sandbox import ris
from tests import peers
from tests.e2e.hospital import BRUNO, Hospital, count, far, holds_exactly, is_called
from tests.e2e.witnesses import VERBOSE, moves_asked, stores_received

pytestmark = pytest.mark.peers

CONNECTIONS = 8
BIG = 400
"""Instances that take a second or so to arrive."""


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Orthanc:
    """Can be asked what arrived."""
    return hospital.workstation(peers.Orthanc)


@pytest.fixture
def archive(hospital: Hospital, workstation: peers.Orthanc) -> peers.Dcmqrscp:
    """Tells what it was asked to move."""
    return hospital.archive(peers.Dcmqrscp, knows=[workstation], options=VERBOSE)


def stream(hospital: Hospital, wires: Sequence[str], *, kill_after: int) -> set[str]:
    """Send messages over several connections and kill the daemon in their midst; gives those acknowledged."""
    acknowledged: set[str] = set()

    async def send(mine: Sequence[str]) -> None:
        async with ris.Ris(host=peers.HOST, port=hospital.port) as sender:
            for wire in mine:
                await sender.book(wire)
                acknowledged.add(wire)
                if len(acknowledged) == kill_after:
                    hospital.kill()

    async def main() -> None:
        senders = [send(wires[number::CONNECTIONS]) for number in range(CONNECTIONS)]
        await asyncio.gather(*senders, return_exceptions=True)

    asyncio.run(main())
    return acknowledged


def known(hospital: Hospital) -> list[str]:
    """The orders that the daemon has planned."""
    return sorted(row["order"] for row in hospital.rows("orders") if row["planned_at"])


def test_listener_killed(hospital: Hospital, archive: peers.Dcmqrscp) -> None:
    """What was acknowledged is kept; what was not is sent again by the RIS, and no order is there twice."""
    hospital.study(archive)
    hospital.open(planning={"reuse_answer": "2m"})
    orders = [f"A{number:03}" for number in range(120)]
    wires = {order: hospital.message(hospital.exam(order, scheduled_start=far())) for order in orders}
    acknowledged = stream(hospital, list(wires.values()), kill_after=50)
    assert 50 <= len(acknowledged) < len(orders)
    hospital.open()
    kept = [order for order in orders if wires[order] in acknowledged]
    hospital.await_that(lambda: set(kept) <= set(known(hospital)), "all that was acknowledged")
    hospital.send(*wires.values())
    hospital.await_that(lambda: known(hospital) == orders, "all, and each once")
    assert {len(hospital.history(order, "order_created")) for order in kept[:5]} == {1}


def test_reader_killed(hospital: Hospital, archive: peers.Dcmqrscp) -> None:
    """Messages that were acknowledged and not read yet are read by the next daemon, each once."""
    hospital.study(archive)
    hospital.open(planning={"reuse_answer": "2m"})
    orders = [f"A{number:03}" for number in range(200)]
    wires = [hospital.message(hospital.exam(order, scheduled_start=far())) for order in orders]
    acknowledged = stream(hospital, wires, kill_after=len(wires))
    assert acknowledged == set(wires)
    (status,) = hospital.rows("status")
    assert status["messages"]["waiting"] > 0
    hospital.open()
    hospital.await_that(lambda: known(hospital) == orders, "all, and each once")


def test_planner_killed(hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc) -> None:
    """An order whose archive was just being asked is planned by the next daemon."""
    prior = hospital.study(archive)
    hospital.open()
    archive.freeze()
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: is_called(archive), "the archive to be asked")
    hospital.kill()
    archive.thaw()
    hospital.open()
    hospital.await_ready("A1")
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(workstation, prior)


def test_mover_killed(hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc) -> None:
    """The study in flight is looked for first and then moved again; what had arrived before is not."""
    done = hospital.study(archive, patient=BRUNO)
    big = hospital.study(archive, instances=BIG)
    hospital.open(retrieval={"check_again": {"attempts": 1}})
    hospital.book(hospital.exam("A1", patient=BRUNO))
    hospital.await_ready("A1")
    hospital.book(hospital.exam("A2"))
    hospital.await_that(lambda: count(workstation) > done.instances, "the first instance")
    hospital.kill()
    assert hospital.retrieve("A2", big)["state"] == "moving"
    hospital.open()
    hospital.await_ready("A2")
    (recovered,) = hospital.history("A2", "retrieve_recovered")
    (looked, *_) = hospital.said("retrieve_incomplete")
    (moved,) = hospital.said("move_finished")
    assert recovered["at"] < looked["timestamp"] < moved["timestamp"]
    assert moves_asked(archive) == [done.study_instance_uid, *[big.study_instance_uid] * 2]
    assert holds_exactly(workstation, done, big)


def test_mover_killed_when_all_had_arrived(hospital: Hospital, workstation: peers.Orthanc) -> None:
    """The archive went on without us: what is complete at the workstation is not sent a second time."""
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, instances=BIG)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: count(workstation), "the first instance")
    hospital.freeze()
    hospital.await_that(lambda: holds_exactly(workstation, prior), "the last instance")
    hospital.kill()
    assert hospital.retrieve("A1", prior)["state"] == "moving"
    hospital.open()
    hospital.await_ready("A1")
    assert hospital.said("move_finished") == []


def test_mover_killed_before_a_workstation_that_cannot_be_asked(hospital: Hospital) -> None:
    """What was in flight is moved once more, as nobody can be asked, and only its own counts verify it."""
    workstation = hospital.workstation(peers.Storescp, options=["--sleep-after", "1", *VERBOSE])
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive)
    hospital.open(retrieval={"check_again": {"attempts": 1}})
    hospital.book(hospital.exam("A1"))
    hospital.await_that(workstation.instances, "the first instance")
    hospital.kill()
    assert hospital.retrieve("A1", prior)["state"] == "moving"
    hospital.open()
    hospital.await_ready("A1")
    assert hospital.retrieve("A1", prior)["verified_by"] == "counters"
    assert moves_asked(archive) == [prior.study_instance_uid] * 2
    assert max(stores_received(workstation).values()) <= 2
    assert holds_exactly(workstation, prior)


def test_verifier_killed_while_it_waits(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """A study that was moved, and was left to settle, is verified by the next daemon."""
    prior = hospital.study(archive)
    hospital.open(settle="2s")
    hospital.book(hospital.exam("A1"))
    hospital.await_said("move_finished")
    hospital.kill()
    assert hospital.retrieve("A1", prior)["state"] == "moved"
    hospital.open()
    hospital.await_ready("A1")
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(workstation, prior)


def test_verifier_killed_while_it_asks(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """A workstation that was just being asked is asked again by the next daemon."""
    prior = hospital.study(archive)
    hospital.open(settle="2s")
    hospital.book(hospital.exam("A1"))
    hospital.await_said("move_finished")
    hospital.await_that(lambda: not is_called(workstation), "the workstation to be left alone")
    workstation.freeze()
    hospital.await_that(lambda: is_called(workstation), "the workstation to be asked")
    hospital.kill()
    workstation.thaw()
    assert hospital.retrieve("A1", prior)["state"] == "moved"
    hospital.open()
    hospital.await_ready("A1")
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(workstation, prior)
