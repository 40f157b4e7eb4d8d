"""What an operator does with the command line while the daemon runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from prefetch.sandbox import messages
from tests import peers
from tests.e2e.hospital import Hospital, far, holds_exactly, soon
from tests.e2e.witnesses import VERBOSE, moves_asked

pytestmark = pytest.mark.peers


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Orthanc:
    """Can be asked what arrived."""
    return hospital.workstation(peers.Orthanc)


@pytest.fixture
def archive(hospital: Hospital, workstation: peers.Orthanc) -> peers.Dcmqrscp:
    """Tells what it was asked to move."""
    return hospital.archive(peers.Dcmqrscp, knows=[workstation], options=VERBOSE)


def test_an_exam_of_another_day_is_fetched_now(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """`fetch --accession` waits for no time."""
    prior = hospital.study(archive)
    hospital.open()
    hospital.book(hospital.exam("A1", scheduled_start=far()))
    hospital.await_retrieve("A1", prior, "waiting")
    hospital.run("fetch", "--accession", "A1")
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_a_patient_without_an_order(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """`fetch --patient` brings what the rules want for an exam of that kind."""
    prior = hospital.study(archive)
    hospital.open()
    hospital.run("fetch", "--patient", "P1", "--issuer", "HOSP", "--modality", "CT")
    hospital.await_that(lambda: hospital.rows("orders"), "the order by hand")
    hospital.await_ready(hospital.rows("orders")[0]["order"])
    assert holds_exactly(workstation, prior)


def test_bookings_made_before_the_daemon_was_there(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """`submit` puts files through the inbox as a feed would, before the first start and while it runs."""
    prior = hospital.study(archive)
    files = [hospital.directory / f"{order}.hl7" for order in ("A1", "A2")]
    for file in files:
        file.write_text(hospital.message(hospital.exam(file.stem)), newline="")
    hospital.configure()
    hospital.run("migrate")
    hospital.run("submit", str(files[0]))
    hospital.open()
    hospital.run("submit", str(files[1]))
    for file in files:
        hospital.await_ready(file.stem)
    assert holds_exactly(workstation, prior)


def test_cancelled_retrieve_stays_out(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """What an operator takes off the queue is left out when its order is planned again."""
    wanted, unwanted = (hospital.study(archive, study_date=day) for day in ("20240105", "20230105"))
    hospital.open()
    booking = hospital.exam("A1", scheduled_start=far())
    hospital.book(booking)
    number = hospital.await_retrieve("A1", unwanted, "waiting")["retrieve"]
    hospital.run("cancel", str(number))
    hospital.book(hospital.exam("A1", scheduled_start=soon()), messages.Change.CHANGED)
    hospital.await_ready("A1")
    assert holds_exactly(workstation, wanted)
    assert moves_asked(archive) == [wanted.study_instance_uid]


def test_what_waits_for_an_archive_to_be_mended_is_retried(hospital: Hospital) -> None:
    """Orthanc answers 0xC000 to an unknown destination; when it has learnt it, `retry` need not wait."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc, knows=[])
    prior = hospital.study(archive)
    hospital.open(retrieval={"park": "2h"})
    hospital.book(hospital.exam("A1"))
    hospital.await_said("move_finished", outcome="unknown destination")
    waiting = hospital.await_retrieve("A1", prior, "waiting")
    archive.kill()
    archive.knows = (workstation,)
    archive.start()
    hospital.run("retry", str(waiting["retrieve"]))
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_command_line_is_a_process_of_its_own(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Orthanc
) -> None:
    """`prefetch status` looks into the store of a daemon that runs, and tells a person in words."""
    hospital.study(archive)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    command = [sys.executable, "-m", "prefetch", "status", "--config", str(hospital.configuration)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "1 ready" in shown
    assert workstation.studies()
