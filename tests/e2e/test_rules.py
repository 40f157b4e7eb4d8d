"""What rules say beyond which studies: from which archives, named by the order, and when, with real peers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prefetch.sandbox.messages import Change
from tests import peers
from tests.e2e.hospital import ANNA, BRUNO, Hospital, deadline, holds_exactly, soon

pytestmark = pytest.mark.peers

MIRRORED = """
rules:
  - name: ct
    from: {archives: [main, mirror], use: first that answers}
    priors: [{newest: 2}]
"""


def test_a_mirror_stands_in_for_an_archive_that_is_down(hospital: Hospital) -> None:
    """The exam is ready from the mirror, nothing is missing, and while the archive is up nobody asks it."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Dcmqrscp)
    mirror = hospital.archive(peers.Dcmqrscp, "MIRROR")
    prior = hospital.study(main, mirror)
    hospital.open(rules=MIRRORED)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert ["main"] == [query["archive"] for query in hospital.explain("A1")["queries"]]
    main.kill()
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    story = hospital.explain("A2")
    assert (["main", "mirror"], None) == ([query["archive"] for query in story["queries"]], story["problem"])
    assert "goes by mirror, the first that answers; main does not answer" in story["rules"][0]["because"]
    assert "mirror" == hospital.decision("A2", prior)["archive"]
    assert holds_exactly(workstation, prior)


def test_a_mirror_moves_what_the_first_archive_cannot(hospital: Hospital) -> None:
    """The first answers and does not know the workstation: the mirror sends the study, unasked."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Dcmqrscp, knows=[])
    mirror = hospital.archive(peers.Orthanc, "MIRROR")
    prior = hospital.study(main, mirror)
    hospital.open(rules=MIRRORED)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    story = hospital.explain("A1")
    assert (["main"], "mirror") == (
        [query["archive"] for query in story["queries"]],
        hospital.retrieve("A1", prior)["archive"],
    )
    assert holds_exactly(workstation, prior)


NAMED = """
rules:
  - name: second-opinion
    priors: [{name: named, named_in: ZXX-2}]
"""


def naming(wire: str, *uids: str) -> str:
    """A message that names studies."""
    return f"{wire}ZXX|1|{'~'.join(uids)}\r"


@pytest.mark.parametrize("make", [peers.Orthanc, peers.Dcmqrscp])
def test_a_study_that_the_order_names_is_fetched(hospital: Hospital, make: type[peers.Server]) -> None:
    """And no other of the patient's, nor another patient's though it is named; what is wrong is told."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(make)
    prior, unnamed = hospital.study(archive), hospital.study(archive, study_date="20200105")
    others = hospital.study(archive, patient=BRUNO)
    hospital.open(rules=NAMED)
    uids = [prior.study_instance_uid, others.study_instance_uid, "1.2.3.4", "see letter"]
    hospital.send(naming(hospital.message(hospital.exam("A1")), *uids))
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
    assert ["not named in ZXX-2"] == because(hospital, unnamed.study_instance_uid)
    assert "another patient's" in because(hospital, others.study_instance_uid)[0]
    assert ["1.2.3.4, named in ZXX-2, is not found in main"] == because(hospital, "1.2.3.4")
    story = hospital.explain("A1")
    assert "ZXX-2 says “see letter”, which is no Study Instance UID" in story["rules"][0]["because"]
    by_uid = {query["study_instance_uid"]: query["answers"] for query in story["queries"]}
    assert {None: 2, others.study_instance_uid: 1, "1.2.3.4": 0} == by_uid
    assert "1.2.3.4, named in ZXX-2" in " ".join(hospital.run("explain", "A1").split())


def because(hospital: Hospital, uid: str) -> list[str]:
    """Why the study is left."""
    (found,) = [one for one in hospital.explain("A1")["candidates"] if one["study_instance_uid"] == uid]
    assert found["decision"] == "left"
    return [reason["because"] for reason in found["reasons"]]


def test_a_named_study_is_found_where_its_patient_is_not(hospital: Hospital) -> None:
    """It was made in an emergency, and nobody has put in the ID: birth date and sex vouch for it."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, patient=replace(ANNA, patient_id="", issuer_of_patient_id=None))
    hospital.open(rules=NAMED)
    hospital.send(naming(hospital.message(hospital.exam("A1")), prior.study_instance_uid))
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def windowed(begin: timedelta, end: timedelta) -> str:
    """A rule that moves only from then until then, counted from now."""
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    hours = f"{now + begin:%H:%M}-{now + end:%H:%M}"
    return f'rules: [{{name: at-night, windows: "{hours}", priors: [{{newest: 1}}]}}]\n'


def test_a_rule_moves_in_its_window_only(hospital: Hospital) -> None:
    """Until it opens nothing moves, and the order is planned again when it closes."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hour = timedelta(hours=1)
    hospital.open(rules=windowed(2 * hour, 3 * hour))
    hospital.book(hospital.exam("A1", scheduled_start=soon(hours=6)))
    waiting = hospital.await_retrieve("A1", prior, "waiting")
    assert 0 == waiting["attempts"]
    assert "moves in" in hospital.explain("A1")["rules"][0]["because"]
    hospital.reload(rules=windowed(-hour, hour))
    hospital.book(hospital.exam("A1", scheduled_start=soon(hours=5)), Change.CHANGED)
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


RESTING = "rules: [{name: to-a-router, cool_down: 12h, priors: [{newest: 1}]}]\n"


def test_what_was_passed_on_is_not_sent_again(hospital: Hospital) -> None:
    """A change of the order finds it gone, and lets it rest; for another exam it is fetched."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    prior = hospital.study(archive)
    hospital.open(rules=RESTING)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    for study in workstation.rest("GET", "/studies"):
        workstation.rest("DELETE", f"/studies/{study}")
    start = soon(hours=3)
    hospital.book(hospital.exam("A1", scheduled_start=start), Change.CHANGED)
    hospital.await_order("A1", ready_by=deadline(start), readiness="ready")
    decided = hospital.decision("A1", prior)
    assert "cooling down" == decided["decision"]
    assert "the cool-down is 12h" in decided["reasons"][0]["because"]
    assert {} == workstation.instances()
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    assert holds_exactly(workstation, prior)
