"""Worklists that Debian ships tell of exams: new, changed, gone, away and back, and together with HL7."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prefetch.sandbox.messages import Change
from tests import peers, worklists
from tests.e2e.hospital import Hospital, deadline, far, holds_exactly, soon

pytestmark = pytest.mark.peers

ZONE = ZoneInfo("Europe/Berlin")
STALE = {"absences": 2}


@pytest.fixture(params=[peers.Wlmscpfs, peers.OrthancWorklist], ids=["wlmscpfs", "orthanc"])
def ris(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[worklists.RealWorklist]:
    """A worklist of either make."""
    with request.param(ae_title="RIS", directory=tmp_path) as started:
        yield started


def put(ris: worklists.RealWorklist, name: str, *, start: datetime, **facts: Any) -> None:
    """An item, at an instant."""
    worklists.put(ris, name, start=start.astimezone(ZONE).replace(tzinfo=None), **facts)


def asked(of: worklists.RealWorklist, **said: Any) -> dict[str, Any]:
    """The section of a configuration that asks it every second."""
    called = {"ae_title": of.ae_title, "host": of.host, "port": of.port}
    return {"mwl": called | {"interval": "1s", "ahead": "30d", "stale": STALE} | said}


def test_an_exam_lives_by_its_worklist_item(hospital: Hospital, ris: worklists.RealWorklist) -> None:
    """New, put off, brought forward, and gone: what the other exam wants of the same study stays wanted."""
    workstation = hospital.workstation(peers.Storescp)
    prior = hospital.study(hospital.archive(peers.Dcmqrscp))
    for name in ("A1", "A2"):
        put(ris, name, start=far())
    hospital.open(worklists=asked(ris))
    for name in ("A1", "A2"):
        hospital.await_retrieve(name, prior, "waiting")
    later = far(days=6)
    put(ris, "A1", start=later, station_ae_title="CT2")
    hospital.await_order("A1", ready_by=deadline(later), station_ae_title="CT2")
    worklists.take(ris, "A2")
    hospital.await_order("A2", status="cancelled")
    hospital.await_retrieve("A1", prior, "waiting")
    put(ris, "A1", start=soon())
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)


def test_a_worklist_that_is_away_cancels_nothing(hospital: Hospital, ris: worklists.RealWorklist) -> None:
    """`status` names it, and when it is back, what changed meanwhile is heard."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    put(ris, "A1", start=far())
    hospital.open(worklists=asked(ris, stale=STALE | {"silent": "1s"}))
    hospital.await_order("A1", status="scheduled")
    ris.kill()
    away = hospital.await_said("worklist_polled", outcome="transient")
    assert away["gone"] == 0
    hospital.await_that(
        lambda: any(
            "worklist mwl has not answered" in line for line in hospital.rows("status")[0]["trouble"]
        ),
        "status to name the worklist",
    )
    start = far(days=6)
    put(ris, "A1", start=start)
    ris.start()
    hospital.await_order("A1", status="scheduled", scheduled_start=start.isoformat())


def test_message_and_worklist_tell_of_one_exam(hospital: Hospital, ris: worklists.RealWorklist) -> None:
    """The fresher word holds, whoever said it, and `explain` says who did."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(worklists=asked(ris))
    hospital.book(hospital.exam("A1", scheduled_start=far()))
    hospital.await_order("A1", status="scheduled")
    start = far(days=6)
    put(ris, "A1", start=start, station_ae_title="CT2")
    hospital.await_order("A1", scheduled_start=start.isoformat(), station_ae_title="CT2")
    start = far(days=7)
    hospital.book(hospital.exam("A1", scheduled_start=start, station_ae_title="CT2"), Change.CHANGED)
    hospital.await_order("A1", scheduled_start=start.isoformat())
    said = hospital.explain("A1")["said"]["scheduled_start"]
    assert [("ris", True), ("mwl", False)] == [(each["source"], each["holds"]) for each in said]
    assert "overtaken" in hospital.run("explain", "A1")


def test_news_survives_a_kill(hospital: Hospital, tmp_path: Path) -> None:
    """However often the daemon is killed between asking and applying: in the end each item is one exam."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    names = [f"A{number}" for number in range(40)]
    with peers.Wlmscpfs(ae_title="RIS", directory=tmp_path) as ris:
        for name in names:
            put(ris, name, start=far() + timedelta(minutes=len(name)))
        hospital.configure(worklists=asked(ris))
        for _ in range(2):
            hospital.open()
            hospital.await_that(lambda: len(hospital.rows("orders")) > 0, "the first exam")
            hospital.kill()
        hospital.open()
        hospital.await_that(lambda: len(hospital.rows("orders")) >= len(names), "all exams")
        assert sorted(names) == sorted(row["order"] for row in hospital.rows("orders"))


def test_echo_tries_a_worklist_too(hospital: Hospital, ris: worklists.RealWorklist) -> None:
    """And says what it offers."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.configure(worklists=asked(ris))
    (row,) = hospital.rows("echo", "mwl")
    assert ("worklist", True, None) == (row["kind"], row["reachable"], row["problem"])
    assert "Modality Worklist" in row["offers"]
