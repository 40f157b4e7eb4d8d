"""Peers that are away, that do not know each other, or that refuse: the exam is ready in the end."""

from __future__ import annotations

import pydicom
import pytest

from tests import peers
from tests.e2e import packaged
from tests.e2e.hospital import ANYTHING, Hospital, count, holds_exactly, pixels
from tests.e2e.witnesses import VERBOSE, moves_asked

pytestmark = pytest.mark.peers

ARCHIVES = pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
KINDS = {peers.Orthanc: "0xC000", peers.Dcmqrscp: "0xA801"}
"""What each kind of archive answers for a Move Destination that it does not know."""
UNREACHED = {peers.Orthanc: "0xC000", peers.Dcmqrscp: "0xA702"}
"""And for one that it cannot reach."""


@ARCHIVES
def test_unknown_destination_is_told_and_mended(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """The operator sees it, other destinations go on, and once the archive is told it goes on there too."""
    known = hospital.workstation(peers.Orthanc, "READ1")
    unknown = hospital.workstation(peers.Orthanc, "READ2")
    archive = hospital.archive(archive_class, knows=[known])
    prior = hospital.study(archive)
    hospital.open(planning={"to": ["read1", "read2"]})
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", prior, "verified", to="read1")
    waits = hospital.await_retrieve("A1", prior, "waiting", to="read2")
    assert KINDS[archive_class] in waits["problem"]
    assert hospital.order("A1")["readiness"] == "waiting"
    assert holds_exactly(known, prior)
    assert holds_exactly(unknown)
    archive.kill()
    archive.knows = (known, unknown)
    archive.start()
    hospital.await_ready("A1")
    assert holds_exactly(unknown, prior)


@ARCHIVES
def test_archive_that_is_away_is_asked_again(hospital: Hospital, archive_class: type[peers.Server]) -> None:
    """An order of that time is known with its problem, and gets its priors when the archive is back."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    prior = hospital.study(archive)
    archive.kill()
    hospital.open()
    hospital.book(hospital.exam("A1"))
    waiting = hospital.await_order("A1", readiness="incomplete")
    assert waiting["problem"].startswith("main: ")
    assert waiting["next_plan_at"]
    archive.start()
    assert hospital.await_ready("A1")["problem"] is None
    assert holds_exactly(workstation, prior)


def test_one_archive_away_does_not_keep_the_other(hospital: Hospital) -> None:
    """What the archive that answers holds comes at once; the exam says what is missing until all is there."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Orthanc, "MAIN")
    offsite = hospital.archive(peers.Dcmqrscp, "OFFSITE")
    near = hospital.study(main, study_date="20240105")
    away = hospital.study(offsite, study_date="20210105")
    offsite.kill()
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", near, "verified")
    assert hospital.order("A1")["problem"].startswith("offsite: ")
    assert holds_exactly(workstation, near)
    offsite.start()
    hospital.await_retrieve("A1", away, "verified")
    assert hospital.await_ready("A1")["problem"] is None
    assert holds_exactly(workstation, near, away)


@ARCHIVES
def test_archive_that_is_away_when_it_is_to_move(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """A move that could not begin is tried again until the archive is back."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    prior = hospital.study(archive)
    hospital.open()
    hospital.run("pause", "main")
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", prior, "due")
    archive.kill()
    hospital.run("resume", "main")
    hospital.await_said("move_finished", outcome="transient")
    archive.start()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


SHORT_REST = {"rest": {"first": "1s", "longest": "1s"}}
ONE_ATTEMPT = {"retry": {"attempts": 1}}


def waits_are_told(hospital: Hospital) -> bool:
    """Whether `status` says that moves to the workstation wait, as it does between two probes."""
    (status,) = hospital.rows("status")
    return any(line.startswith("moves from main to read1 wait until") for line in status["trouble"])


def test_workstation_that_is_away_is_sent_nothing(hospital: Hospital) -> None:
    """It rests and is probed, others go on, and no attempt is lost; in the end it has its priors."""
    away = hospital.workstation(peers.Orthanc, "READ1")
    there = hospital.workstation(peers.Orthanc, "READ2")
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    prior = hospital.study(archive)
    away.kill()
    rests = {"read1": SHORT_REST, "read2": SHORT_REST}
    hospital.open(planning={"to": ["read1", "read2"]}, workstations=rests, retrieval=ONE_ATTEMPT)
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", prior, "verified", to="read2")
    hospital.await_said("peer_rests", peer="read1")
    waits = hospital.await_retrieve("A1", prior, "waiting", to="read1")
    assert "READ1 does not answer C-ECHO: " in waits["problem"]
    hospital.await_that(lambda: waits_are_told(hospital), "`status` to tell of it while it rests")
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(there, prior)
    away.start()
    assert hospital.await_ready("A1")["problem"] is None
    assert hospital.said("peer_answers_again", peer="read1")
    assert hospital.retrieve("A1", prior, to="read1")["attempts"] == 1
    assert holds_exactly(away, prior)


@ARCHIVES
def test_workstation_that_an_archive_cannot_reach_is_probed(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """The archive says no more than that it cannot; the workstation's silence says why, and costs nothing."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    prior = hospital.study(archive)
    hospital.open(workstations={"read1": SHORT_REST}, retrieval=ONE_ATTEMPT)
    hospital.run("pause", "main")
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", prior, "due")
    workstation.kill()
    hospital.run("resume", "main")
    failed = hospital.await_said("move_finished", status=UNREACHED[archive_class])
    assert failed["next"] == "retry"
    assert "READ1 does not answer C-ECHO: " in failed["because"]
    workstation.start()
    hospital.await_ready("A1")
    assert hospital.retrieve("A1", prior)["attempts"] == 1
    assert holds_exactly(workstation, prior)


def test_archive_that_breaks_off_is_asked_to_move_again(hospital: Hospital) -> None:
    """An archive that dies in mid-move has sent a part; what is missing comes when it is back."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive, instances=400)
    hospital.open(retrieval={"check_again": {"attempts": 1}})
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: count(workstation), "the first instance")
    archive.kill()
    hospital.await_said("move_finished", outcome="unknown")
    assert 0 < len(workstation.instances()) < prior.instances
    archive.start()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_refused_instances_leave_a_prior_partial(hospital: Hospital) -> None:
    """Two of three instances are JPEG 2000, which dcmqrscp does not send: nobody calls that complete."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    (plain,) = packaged.files("RG1_UNCR.dcm")
    archive.load([plain, *packaged.files("RG1_J2K?.dcm")])
    hospital.open(rules=ANYTHING, retrieval={"retry": {"attempts": 2}})
    image = pydicom.dcmread(plain)
    hospital.book(hospital.exam("A1", patient=packaged.patient_of(image)))
    hospital.await_order("A1", readiness="incomplete")
    (prior,) = hospital.explain("A1")["retrieves"]
    assert (prior["state"], prior["arrived_instances"]) == ("partial", 1)
    assert "of 3 instances" in prior["problem"]
    assert pixels(workstation.instances().values()) == pixels([image])
