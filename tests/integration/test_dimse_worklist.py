"""Worklist queries against the worklists that Debian ships, and one that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from prefetch import errors, model
from prefetch.dimse import peer
from prefetch.dimse.association import RemoteAE
from prefetch.dimse.echo import EchoResult
from prefetch.intake.worklist import reading
from prefetch.model import Outcome, WorklistKeys
from prefetch.sandbox import worklist as sandbox
from prefetch.sandbox.archive import Archive
from tests import peers, worklists


def remote(of: peers.Addressed, **more: Any) -> peer.Peer:
    """A worklist as the daemon calls it."""
    facts: dict[str, Any] = {"name": "mwl", "ae_title": of.ae_title, "host": of.host, "port": of.port}
    return peer.Peer(**(facts | {"calling_ae_title": "PREFETCH", "is_worklist": True} | more))


def ask(of: peers.Addressed, keys: WorklistKeys | None = None, **more: Any) -> model.WorklistAnswer:
    """One query on an association of its own."""

    async def asking() -> model.WorklistAnswer:
        async with RemoteAE(remote(of, **more)) as ae:
            return await ae.find_worklist(keys or WorklistKeys())

    return asyncio.run(asking())


def echo(of: peers.Addressed) -> EchoResult:
    """Whether it is there, and what it offers."""

    async def asking() -> EchoResult:
        async with RemoteAE(remote(of)) as ae:
            return await ae.echo()

    return asyncio.run(asking())


def numbers(answer: model.WorklistAnswer) -> list[str]:
    """The accession numbers of an answer."""
    return sorted(item["AccessionNumber"] for item in answer.items)


@pytest.fixture(params=[peers.Wlmscpfs, peers.OrthancWorklist], ids=["wlmscpfs", "orthanc"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[worklists.RealWorklist]:
    """A worklist with two CTs and an MR on two days and two stations."""
    with request.param(ae_title="RIS", directory=tmp_path) as started:
        worklists.put(started, "A1", description="CT Schädel", procedure_code="CTHEAD")
        worklists.put(started, "A2", start=datetime(2026, 3, 5, 8), station_ae_title="CT2")  # noqa: DTZ001
        worklists.put(started, "A3", modality="MR", station_ae_title="MR1", priority="HIGH")
        yield started


@pytest.mark.peers
def test_all_that_an_item_says_comes_back(real: worklists.RealWorklist) -> None:
    """Names in their character set, codes in their sequences, numbers as they are."""
    answer = ask(real)
    assert (Outcome.SUCCESS, ["A1", "A2", "A3"]) == (answer.outcome, numbers(answer))
    first = next(item for item in answer.items if item["AccessionNumber"] == "A1")
    event = reading.read_exam([first])
    said = (event.patient_id, event.procedure_code, event.procedure_description, event.modality)
    assert ("P1", "CTHEAD", "CT Schädel", "CT") == said
    assert ("2026-03-02T10:00:00", "CT1") == (event.scheduled_start, event.station_ae_title)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (WorklistKeys(first_day=date(2026, 3, 2), last_day=date(2026, 3, 3)), ["A1", "A3"]),
        (WorklistKeys(station_ae_title="CT2"), ["A2"]),
        (WorklistKeys(modality="MR"), ["A3"]),
        (WorklistKeys(accession_number="A2"), ["A2"]),
        (WorklistKeys(patient_id="P1", modality="CT"), ["A1", "A2"]),
        (WorklistKeys(accession_number="A9"), []),
    ],
    ids=["days", "station", "modality", "accession", "patient and modality", "nothing"],
)
def test_keys_are_matched(real: worklists.RealWorklist, keys: WorklistKeys, expected: list[str]) -> None:
    """Real worklists honour the keys that Table K.6-1 requires, and the accession number."""
    answer = ask(real, keys)
    assert (Outcome.SUCCESS, expected) == (answer.outcome, numbers(answer))


@pytest.mark.peers
def test_a_real_worklist_is_known_by_its_echo(real: worklists.RealWorklist) -> None:
    """It offers the worklist."""
    answer = echo(real)
    assert (True, True, None) == (answer.reachable, answer.worklist, answer.problem)


def test_an_archive_is_no_worklist() -> None:
    """What does not offer the service is told in words."""
    with Archive(ae_title="MAIN") as archive:
        answer = ask(archive)
        assert (Outcome.PERMANENT, ()) == (answer.outcome, answer.items)
        assert "MAIN does not offer Modality Worklist" in answer.because


def test_a_key_with_a_wildcard_is_never_sent() -> None:
    """It would mean other exams."""
    with sandbox.Worklist(ae_title="RIS") as ris, pytest.raises(errors.UnsafeKeyError):
        ask(ris, WorklistKeys(accession_number="A*"))


def test_what_was_answered_before_an_abort_is_kept_but_not_whole() -> None:
    """Half of the items, and why it is only half."""
    with sandbox.Worklist(ae_title="RIS", faults=[sandbox.FAULTS["aborts-half-way"]]) as ris:
        ris.items |= {name: worklists.item(name) for name in ("A1", "A2", "A3", "A4")}
        answer = ask(ris)
    assert (Outcome.TRANSIENT, 2) == (answer.outcome, len(answer.items))


def test_more_items_than_the_limit_are_not_taken() -> None:
    """The first are kept, and the answer does not claim to be whole."""
    with sandbox.Worklist(ae_title="RIS") as ris:
        ris.items |= {name: worklists.item(name) for name in ("A1", "A2", "A3")}
        answer = ask(ris, answer_limit=2)
    assert (Outcome.PARTIAL, 2) == (answer.outcome, len(answer.items))
    assert "more than 2 answers" in answer.because


def test_padding_of_a_title_means_nothing() -> None:
    """A station is known by its title without blanks, however many a RIS writes."""
    with sandbox.Worklist(ae_title="RIS", faults=[sandbox.FAULTS["pads-ae-titles"]]) as ris:
        ris.items["A1"] = worklists.item("A1")
        (item,) = ask(ris).items
    assert (["CT1"], "CT1") == ([*reading.stations_of(item)], reading.read_exam([item]).station_ae_title)
