"""What the RIS says after the first word: changed, put off, cancelled, and said again."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from prefetch.sandbox import messages
from prefetch.sandbox.messages import Change
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, RULES, Build, Hospital, deadline, far, holds_exactly, soon
from tests.e2e.witnesses import VERBOSE, moves_asked, stores_received

pytestmark = pytest.mark.peers


@pytest.fixture
def workstation(hospital: Hospital) -> peers.Storescp:
    """Receives, and tells what it was sent."""
    return hospital.workstation(peers.Storescp, options=VERBOSE)


@pytest.fixture
def archive(hospital: Hospital, workstation: peers.Storescp) -> peers.Dcmqrscp:
    """Tells what it was asked to move."""
    return hospital.archive(peers.Dcmqrscp, knows=[workstation], options=VERBOSE)


def test_changed_order_wants_other_priors(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """A CT that becomes an MR no longer wants the CTs, as they have not moved; it brings the MRs."""
    ct, mr = hospital.study(archive), hospital.study(archive, description="MR Thorax")
    hospital.open()
    hospital.book(hospital.exam("A1", scheduled_start=far()))
    hospital.await_retrieve("A1", ct, "waiting")
    changed = hospital.exam("A1", description="MR Chest", scheduled_start=far())
    hospital.book(changed, Change.CHANGED)
    hospital.await_retrieve("A1", mr, "waiting")
    hospital.await_retrieve("A1", ct, "cancelled", withdrawn=True)
    hospital.book(replace(changed, scheduled_start=soon()), Change.CHANGED)
    hospital.await_ready("A1")
    assert holds_exactly(workstation, mr)


@pytest.mark.parametrize("build", [messages.orm, messages.omi, messages.siu])
def test_deadline_moves_with_the_exam(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp, build: Build
) -> None:
    """An exam that is put off (XO, S13) is fetched for later, and one that is brought forward at once."""
    prior = hospital.study(archive)
    hospital.open()
    booking = hospital.exam("A1", scheduled_start=far())
    order = hospital.book(booking, build=build)
    hospital.await_retrieve(order, prior, "waiting")
    for start in (far(days=6), soon(hours=30), soon()):
        hospital.book(replace(booking, scheduled_start=start), Change.CHANGED, build)
        hospital.await_order(order, ready_by=deadline(start))
    hospital.await_ready(order)
    assert holds_exactly(workstation, prior)


def test_order_given_to_the_right_patient(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """An order that was made for the wrong patient and corrected brings the right one's priors alone."""
    wrong, right = (hospital.study(archive, patient=patient) for patient in (ANNA, BRUNO))
    hospital.open()
    hospital.book(hospital.exam("A1", patient=ANNA, scheduled_start=far()))
    hospital.await_retrieve("A1", wrong, "waiting")
    hospital.book(hospital.exam("A1", patient=BRUNO), Change.CHANGED)
    hospital.await_ready("A1")
    assert hospital.retrieve("A1", wrong)["withdrawn"]
    assert holds_exactly(workstation, right)


def test_order_without_a_time_waits_for_its_appointment(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """Under `if_unscheduled: wait` nothing is fetched before the SIU^S12 that says when."""
    prior = hospital.study(archive)
    hospital.open(rules=RULES.replace("- name: ct", "- name: ct\n    if_unscheduled: wait"))
    booking = hospital.exam("A1", scheduled_start=None)
    order = hospital.book(booking)
    hospital.await_order(order, readiness="waits for a time", priors=0)
    hospital.book(replace(booking, scheduled_start=soon()), build=messages.siu)
    hospital.await_ready(order)
    assert holds_exactly(workstation, prior)


def test_appointment_moves_an_order(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """An order that came as ORM is brought forward by the SIU^S13 of its appointment."""
    prior = hospital.study(archive)
    hospital.open()
    booking = hospital.exam("A1", scheduled_start=far())
    order = hospital.book(booking, build=messages.orm)
    hospital.await_retrieve(order, prior, "waiting")
    hospital.book(replace(booking, scheduled_start=soon()), Change.CHANGED, messages.siu)
    hospital.await_ready(order)
    assert holds_exactly(workstation, prior)
    assert len(hospital.rows("orders")) == 1


@pytest.mark.parametrize("build", [messages.orm, messages.omi, messages.siu])
def test_cancelled_order_fetches_nothing(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp, build: Build
) -> None:
    """What has not moved when the cancellation comes never moves, also when its time has come."""
    prior = hospital.study(archive)
    other = hospital.study(archive, patient=BRUNO)
    hospital.open()
    hospital.run("pause", "main")
    booking = hospital.exam("A1")
    order = hospital.book(booking, build=build)
    hospital.await_retrieve(order, prior, "due")
    hospital.book(booking, Change.CANCELLED, build)
    hospital.await_order(order, readiness="cancelled", status="cancelled")
    hospital.await_retrieve(order, prior, "cancelled", withdrawn=True)
    hospital.run("resume", "main")
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_ready("A2")
    assert moves_asked(archive) == [other.study_instance_uid]
    assert holds_exactly(workstation, other)


def test_cancellation_lets_end_what_moves(hospital: Hospital) -> None:
    """Of two priors the one on its way arrives whole, and the other never begins."""
    workstation = hospital.workstation(peers.Storescp, options=["--sleep-after", "1"])
    archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
    priors = [hospital.study(archive, study_date=day) for day in ("20230105", "20240105")]
    hospital.open(archives={"main": {"max_associations": 2}})  # one move at a time
    booking = hospital.exam("A1")
    hospital.book(booking)
    hospital.await_that(workstation.instances, "the first instance to arrive")
    hospital.book(booking, Change.CANCELLED)
    hospital.await_order("A1", readiness="cancelled")
    begun, other = sorted(priors, key=lambda prior: prior.study_instance_uid not in workstation.studies())
    hospital.await_said("retrieve_verified")
    hospital.await_retrieve("A1", other, "cancelled", attempts=0)
    assert moves_asked(archive) == [begun.study_instance_uid]
    assert holds_exactly(workstation, begun)


def test_repeated_message_does_nothing_twice(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """A message that is sent again, as it was or under a new control ID, is acknowledged, and that is all."""
    prior = hospital.study(archive)
    hospital.open()
    booking = hospital.exam("A1")
    message = hospital.message(booking)
    hospital.send(message, message)
    hospital.await_ready("A1")
    hospital.send(message, hospital.message(booking))
    hospital.await_that(lambda: len(hospital.said("message_read")) == 2, "the other message to be read")
    time.sleep(0.5)
    assert len(hospital.rows("orders")) == 1
    assert len(hospital.history("A1", "order_planned")) == 1
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert stores_received(workstation) == dict.fromkeys(prior.pixels, 1)


def test_shared_prior_comes_for_the_order_that_is_left(
    hospital: Hospital, archive: peers.Dcmqrscp, workstation: peers.Storescp
) -> None:
    """Of two orders that share a prior one is cancelled: it comes for the other, once, by its time."""
    prior = hospital.study(archive)
    hospital.open()
    earlier = hospital.exam("A1", scheduled_start=far())
    later = hospital.exam("A2", scheduled_start=far(days=6))
    hospital.book(earlier)
    hospital.book(later)
    wanted = [hospital.await_retrieve(order, prior, "waiting") for order in ("A1", "A2")]
    assert wanted[0]["retrieve"] == wanted[1]["retrieve"]
    hospital.book(earlier, Change.CANCELLED)
    hospital.await_order("A1", readiness="cancelled")
    hospital.await_retrieve("A2", prior, "waiting", deadline=deadline(later.scheduled_start))
    hospital.book(replace(later, scheduled_start=soon()), Change.CHANGED)
    hospital.await_ready("A2")
    assert moves_asked(archive) == [prior.study_instance_uid]
    assert holds_exactly(workstation, prior)
