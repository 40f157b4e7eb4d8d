"""SIGHUP: other rules are in force for what is planned from then on, and wrong ones never are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefetch.sandbox.messages import Change
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, Hospital, far, holds_exactly

pytestmark = pytest.mark.peers

NOTHING_FOR_CT = """
version: 1
rules:
  - name: mr
    when: {modality: MR}
    priors: [{name: earlier MR}]
"""


def test_what_is_queued_keeps_its_plan_until_it_is_planned_again(hospital: Hospital) -> None:
    """New rules want nothing for a CT: so the next order gets nothing, and a queued one once it changes."""
    hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    priors = {patient: hospital.study(archive, patient=patient) for patient in (ANNA, BRUNO)}
    hospital.open()
    booking = hospital.exam("A1", scheduled_start=far())
    hospital.book(booking)
    hospital.await_retrieve("A1", priors[ANNA], "waiting")
    hospital.reload(rules=NOTHING_FOR_CT)
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_order("A2", readiness="nothing to fetch")
    assert hospital.retrieve("A1", priors[ANNA])["state"] == "waiting"
    assert len(hospital.history("A1", "order_planned")) == 1
    hospital.book(replace(booking, scheduled_start=far(days=6)), Change.CHANGED)
    hospital.await_retrieve("A1", priors[ANNA], "cancelled", withdrawn=True)


def test_wrong_rules_leave_the_last_good_ones_in_force(hospital: Hospital) -> None:
    """Orders that come meanwhile are planned by them, and `status` says so although the files are wrong."""
    workstation = hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open()
    hospital.reload(rules=NOTHING_FOR_CT.replace("priors", "prior"))
    (refused,) = hospital.said("configuration_refused")
    assert "did you mean priors?" in refused["problems"][0]
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
    (status,) = hospital.rows("status")
    assert [each["last_reload_successful"] for each in status["daemons"]] == [False]
