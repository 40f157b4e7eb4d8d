"""SIGHUP and restart: other files reach the exams that are known, and wrong ones never do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from prefetch.cli.program import program
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


MORE_FOR_CT = (
    NOTHING_FOR_CT
    + """
  - name: ct
    when: {modality: CT}
    priors: [{name: earlier CT}]
"""
)
KNOWN, LATER = 45, 5


def test_a_rule_that_is_added_reaches_the_exams_that_are_known(hospital: Hospital) -> None:
    """Of 50 that no rule matched the near ones have their priors; far ones are spread; it says how many."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive)
    hospital.open(rules=NOTHING_FOR_CT)
    near = [f"A{number}" for number in range(KNOWN)]
    later = [f"B{number}" for number in range(LATER)]
    for name in near:
        hospital.book(hospital.exam(name))
    for name in later:
        hospital.book(hospital.exam(name, scheduled_start=far()))
    for name in (*near, *later):
        hospital.await_order(name, readiness="nothing to fetch", next_plan_at=None)
    hospital.reload(rules=MORE_FOR_CT)
    (loaded,) = hospital.said("configuration_loaded")
    assert loaded["exams_planned_anew"] == KNOWN + LATER
    for name in near:
        hospital.await_ready(name)
    assert holds_exactly(workstation, prior)
    times = [_next_plan(hospital, name) for name in later]
    assert times == sorted(times)
    assert len({*times}) == LATER
    (status,) = hospital.rows("status")
    assert [each["exams_planned_anew"] for each in status["daemons"]] == [KNOWN + LATER]


def _next_plan(hospital: Hospital, name: str) -> str:
    """When an exam is planned next, or was planned for the second time."""
    plans = hospital.history(name, "order_planned")
    return str(plans[1]["at"] if len(plans) > 1 else hospital.order(name)["next_plan_at"])


def test_what_is_queued_goes_by_the_rules_of_now(hospital: Hospital) -> None:
    """New rules want nothing for a CT: what waits for such an exam is withdrawn, though it did not change."""
    hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open()
    hospital.book(hospital.exam("A1", scheduled_start=far()))
    hospital.await_retrieve("A1", prior, "waiting")
    hospital.reload(rules=NOTHING_FOR_CT)
    hospital.await_retrieve("A1", prior, "cancelled", withdrawn=True)


def test_from_observe_to_active_and_back(hospital: Hospital) -> None:
    """What was observed and is due moves; what waits when observing begins is withdrawn, and does not."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    priors = {patient: hospital.study(archive, patient=patient) for patient in (ANNA, BRUNO)}
    hospital.open(mode="observe")
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="observed")
    hospital.configure(mode="active")
    hospital.reload()
    hospital.await_ready("A1")
    hospital.run("pause", "main")
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_retrieve("A2", priors[BRUNO], "due")
    hospital.configure(mode="observe")
    hospital.reload()
    hospital.run("resume", "main")
    hospital.await_retrieve("A2", priors[BRUNO], "cancelled", withdrawn=True)
    assert hospital.order("A2")["readiness"] == "observed"
    assert holds_exactly(workstation, priors[ANNA])


def test_a_restart_plans_anew_only_what_other_files_planned(hospital: Hospital) -> None:
    """The same files, and a comment more, touch nothing; another rule reaches the exam that it had passed."""
    workstation = hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open(rules=NOTHING_FOR_CT)
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    hospital.close()
    hospital.open(rules=f"# told on Monday\n{NOTHING_FOR_CT}")
    assert [line["exams_planned_anew"] for line in hospital.said("daemon_ready")] == [0]
    hospital.close()
    hospital.open(rules=MORE_FOR_CT)
    assert [line["exams_planned_anew"] for line in hospital.said("daemon_ready")] == [1]
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


@pytest.mark.parametrize("by_restart", [False, True])
def test_an_answer_to_a_question_put_wrongly_is_not_used_again(hospital: Hospital, by_restart: bool) -> None:
    """The issuer that no study has went out as a key: once that is mended the exam has its prior."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, patient=replace(ANNA, issuer_of_patient_id=None))
    long = {"reuse_answer": "1h"}
    hospital.open(archives={"main": {"send_issuer": True}}, planning=long)
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    hospital.configure(archives={"main": {"send_issuer": False}}, planning=long)
    if by_restart:
        hospital.close()
        hospital.open()
    else:
        hospital.reload()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


@pytest.mark.parametrize("which", ["A1", "--all"])
def test_replan_by_hand_asks_anew(hospital: Hospital, which: str) -> None:
    """What has come to the archive since is found, though its answer would serve; it says who asked."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    hospital.open(planning={"reuse_answer": "1h"})
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    prior = hospital.study(archive)
    told = hospital.run("replan", which, "--by", "erika")
    assert told.startswith("1 exam planned anew")
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
    (asked,) = hospital.history("A1", "replan_asked_by_hand")
    assert asked["by"] == "erika"


def test_fetch_by_hand_asks_anew(hospital: Hospital) -> None:
    """What has come to the archive since is found, though its answer would serve for an hour."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    hospital.open(planning={"reuse_answer": "1h"})
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    prior = hospital.study(archive)
    hospital.run("fetch", "--accession", "A1")
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_what_waits_for_a_restart_keeps_nothing_else(hospital: Hospital) -> None:
    """Another port is told by `check --reload`, `status` and the log; the rule beside it is in force."""
    workstation = hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open(rules=NOTHING_FOR_CT)
    hospital.run("check", "--reload")
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    hospital.configure(rules=MORE_FOR_CT, listeners={"ris": {"port": peers.free_port()}})
    hospital.reload()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
    (waits,) = hospital.said("configuration_waits_for_restart")
    assert waits["keys"] == ["listeners.ris"]
    asked = CliRunner().invoke(program, ["check", "--reload", "--config", str(hospital.configuration)])
    assert asked.exit_code == 1
    assert "listeners.ris changed; a reload cannot change that: restart the daemon" in asked.stdout
    (status,) = hospital.rows("status")
    assert any("listeners.ris changed" in trouble for trouble in status["trouble"])
    hospital.book(hospital.exam("A2"))  # at the port where it still listens
    hospital.await_ready("A2")


def test_rules_that_need_a_new_archive_wait_with_it(hospital: Hospital) -> None:
    """Half of it would be no rule: nothing changes, and it says that a restart is needed."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(rules=NOTHING_FOR_CT)
    offsite = {"ae_title": "OFFSITE", "host": peers.HOST, "port": peers.free_port()}
    rules = MORE_FOR_CT.replace("name: ct\n", "name: ct\n    from: offsite\n")
    hospital.configure(rules=rules, archives={"offsite": offsite})
    hospital.reload()
    (refused,) = hospital.said("configuration_refused")
    assert "offsite" in refused["problems"][0]
    assert refused["problems"][-1].startswith("archives.offsite is new; ")


def test_how_a_workstation_is_looked_at_can_change(hospital: Hospital) -> None:
    """One for which the archive's counters were trusted is asked from the reload on."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    priors = {patient: hospital.study(archive, patient=patient) for patient in (ANNA, BRUNO)}
    hospital.open(workstations={"read1": {"verify": "counters"}})
    hospital.book(hospital.exam("A1"))
    hospital.await_retrieve("A1", priors[ANNA], "verified", verified_by="counters")
    hospital.configure(
        workstations={"read1": {"verify": "query"}}, archives={"main": {"max_associations": 6}}
    )
    hospital.reload()
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_retrieve("A2", priors[BRUNO], "verified", verified_by="query")


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
