"""Peers that do not know us, or each other: `echo` says so, and so do the daemon's log and `status`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from prefetch.cli import terms
from prefetch.cli.program import program
from tests import peers
from tests.e2e.hospital import ANNA, ANYTHING, BRUNO, Hospital, Row, holds_exactly

pytestmark = pytest.mark.peers

CLOSED = {"DicomAlwaysAllowFind": False, "DicomAlwaysAllowMove": False}
"""Orthanc as it is shipped: whom it does not know may send to it and say C-ECHO, and nothing else."""


class Somebody:
    """Whom a peer knows instead of us."""

    ae_title = "SOMEBODY"
    host = peers.HOST
    port = 11112


def orthanc(hospital: Hospital, kind: str, ae_title: str) -> peers.Server:
    """An Orthanc that does not know us."""
    make = hospital.archive if kind == "archive" else hospital.workstation
    return make(peers.Orthanc, ae_title, settings=CLOSED)


def dcmqrscp(hospital: Hospital, kind: str, ae_title: str) -> peers.Server:
    """A dcmqrscp that lets somebody else in."""
    make = hospital.archive if kind == "archive" else hospital.workstation
    return make(peers.Dcmqrscp, ae_title, knows=[Somebody()], lets_in_anyone=False)


CLOSED_PEERS = pytest.mark.parametrize("start", [orthanc, dcmqrscp])


def echo(hospital: Hospital, *arguments: str) -> tuple[int, dict[str, Row]]:
    """The exit status of `echo` and its rows by peer."""
    result = CliRunner().invoke(
        program, ["echo", *arguments, "--json", "--config", str(hospital.configuration)]
    )
    return result.exit_code, {row["peer"]: row for row in map(json.loads, result.stdout.splitlines())}


def trouble(hospital: Hospital, *words: str) -> str:
    """The line of `status` that holds these words; empty while there is none."""
    (status,) = hospital.rows("status")
    lines: list[str] = status["trouble"]
    return next((line for line in lines if all(word in line for word in words)), "")


@CLOSED_PEERS
def test_an_archive_that_does_not_know_us_is_told_by_echo(hospital: Hospital, start: Any) -> None:
    """Not `yes, C-FIND`, but that it refuses us and which AE title to register."""
    hospital.workstation(peers.Orthanc)
    start(hospital, "archive", "MAIN")
    hospital.configure()
    exit_status, rows = echo(hospital, "main")
    refusal = (
        "refuses our queries: is PREFETCH registered there?"
        if start is orthanc
        else ("refuses our associations: is PREFETCH registered there, and MAIN its AE title?")
    )
    assert refusal in rows["main"]["problem"]
    assert "C-FIND" not in rows["main"]["offers"]
    assert exit_status == (terms.Exit.NO if start is orthanc else terms.Exit.COULD_NOT_ASK)


@CLOSED_PEERS
def test_an_archive_that_does_not_know_us_is_told_by_status(hospital: Hospital, start: Any) -> None:
    """The second refusal of an exam's query is a warning, and a line of `status` with what to do."""
    hospital.workstation(peers.Orthanc)
    archive = start(hospital, "archive", "MAIN")
    hospital.open()
    hospital.book(hospital.exam("A1"))
    warning = hospital.await_said("requests_refused", peer="main", service="C-FIND")
    line = hospital.await_that(
        lambda: trouble(hospital, "main refuses our queries: is PREFETCH registered there?"), "trouble"
    )
    remedy = f"register the AE title PREFETCH at MAIN (127.0.0.1:{archive.port}) with C-FIND allowed"
    assert remedy in warning["remedy"]
    assert remedy in line


@CLOSED_PEERS
def test_a_workstation_that_does_not_know_us_is_told(hospital: Hospital, start: Any) -> None:
    """By `echo`, and by `status` as soon as the daemon has asked it twice what it holds."""
    workstation = start(hospital, "workstation", "READ1")
    archive = hospital.archive(peers.Orthanc)
    hospital.study(archive)
    hospital.open()
    _, rows = echo(hospital, "read1")
    assert "is PREFETCH registered there" in rows["read1"]["problem"]
    hospital.book(hospital.exam("A1"))
    hospital.await_said("requests_refused", peer="read1", service="C-FIND")
    line = hospital.await_that(
        lambda: trouble(hospital, "read1 refuses our queries: is PREFETCH registered there?"), "trouble"
    )
    assert f"register the AE title PREFETCH at READ1 (127.0.0.1:{workstation.port})" in line


def test_a_workstation_that_only_lets_us_not_query_still_receives(hospital: Hospital) -> None:
    """It does not rest for that: the images are there, though nobody can verify it."""
    workstation = hospital.workstation(peers.Orthanc, settings=CLOSED)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: holds_exactly(workstation, prior), "the prior to arrive")
    hospital.await_said("requests_refused", peer="read1")
    assert hospital.said("peer_rests") == []


def test_what_is_registered_is_no_trouble_any_more(hospital: Hospital) -> None:
    """The daemon goes on by itself, the exam is ready, and `status` and `echo` are clean."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = orthanc(hospital, "archive", "MAIN")
    prior = hospital.study(archive)
    hospital.open(archives={"main": {"rest": {"first": "1s", "longest": "1s"}}})
    hospital.book(hospital.exam("A1"))
    hospital.await_that(lambda: trouble(hospital, "main refuses our queries"), "trouble")
    archive.kill()
    archive.knows = (workstation, Ourselves())
    archive.start()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, prior)
    hospital.await_that(lambda: not trouble(hospital, "main refuses"), "the trouble to end")
    exit_status, rows = echo(hospital, "main")
    assert (exit_status, rows["main"]["problem"]) == (terms.Exit.FINE, None)


class Ourselves:
    """What is registered at a peer for us."""

    ae_title = "PREFETCH"
    host = peers.HOST
    port = 11112


def test_an_archive_that_lets_us_query_and_not_move_is_told_by_echo(hospital: Hospital) -> None:
    """Orthanc breaks off at the C-MOVE of whom it lets no more than ask."""
    hospital.workstation(peers.Orthanc)
    hospital.archive(peers.Orthanc, settings={"DicomAlwaysAllowMove": False})
    hospital.configure()
    exit_status, rows = echo(hospital, "main")
    assert "refuses our moves: is PREFETCH registered there?" in rows["main"]["problem"]
    assert ["C-ECHO", "C-FIND"] == rows["main"]["offers"]
    assert exit_status == terms.Exit.NO


def test_a_worklist_that_does_not_know_us_is_told_by_echo(hospital: Hospital) -> None:
    """Orthanc's worklist breaks off at the query, too."""
    hospital.workstation(peers.Orthanc)
    hospital.archive(peers.Orthanc)
    with peers.OrthancWorklist(
        ae_title="RIS", directory=hospital.directory, settings={"DicomModalities": {}}
    ) as ris:
        hospital.configure(worklists={"mwl": {"ae_title": ris.ae_title, "host": ris.host, "port": ris.port}})
        _, rows = echo(hospital, "mwl")
    assert "refuses our queries: is PREFETCH registered there?" in rows["mwl"]["problem"]


@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
def test_an_unknown_destination_is_told_with_its_remedy(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """Several studies share a move: it is the destination, and nothing is learnt of lists of studies."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class, knows=[])
    priors = [hospital.study(archive, study_date=f"202{year}0105") for year in range(3)]
    hospital.open(rules=ANYTHING)
    _, before = echo(hospital, "main")
    hospital.book(hospital.exam("A1"))
    warning = hospital.await_said("destination_unknown", archive="main", destination="read1")
    line = hospital.await_that(lambda: trouble(hospital, "main does not know read1"), "trouble")
    exit_status, rows = echo(hospital, "main")
    assert before["main"]["knows_because"] == {"read1": "not told by this archive before the first move"}
    remedy = (
        f"register at MAIN (127.0.0.1:{archive.port}) the AE title READ1, "
        f"host 127.0.0.1, port {workstation.port}"
    )
    assert remedy in warning["remedy"]
    assert remedy in line
    assert remedy in rows["main"]["problem"]
    assert (exit_status, rows["main"]["knows"]) == (terms.Exit.NO, {"read1": "unknown"})
    assert hospital.said("studies_moved_one_by_one") == []
    archive.kill()
    archive.knows = (workstation,)
    archive.start()
    hospital.await_ready("A1")
    assert holds_exactly(workstation, *priors)
    assert not trouble(hospital, "main does not know")
    exit_status, rows = echo(hospital, "main")
    assert (exit_status, rows["main"]["knows"]) == (terms.Exit.FINE, {"read1": "known"})
    assert hospital.said("studies_moved_one_by_one") == []


def test_a_destination_that_an_archive_has_forgotten_is_told(hospital: Hospital) -> None:
    """Images have arrived there once; several studies that fail in a row say that it is known no more."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    before = hospital.study(archive)
    hospital.open(rules=ANYTHING)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    priors = [hospital.study(archive, patient=BRUNO, study_date=f"202{year}0105") for year in range(4)]
    archive.kill()
    archive.knows = ()
    archive.start()
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_said("destination_unknown", archive="main", destination="read1")
    assert trouble(hospital, "main does not know read1")
    archive.kill()
    archive.knows = (workstation,)
    archive.start()
    hospital.await_ready("A2")
    assert holds_exactly(workstation, before, *priors)
    assert hospital.said("studies_moved_one_by_one") == []


# --- one patient -----------------------------------------------------------------------------------


def ask_for(hospital: Hospital, *arguments: str) -> tuple[int, list[Row]]:
    """The exit status of `echo --patient` and its rows."""
    result = CliRunner().invoke(
        program, ["echo", "--patient", *arguments, "--json", "--config", str(hospital.configuration)]
    )
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
def test_echo_shows_what_an_archive_answers_to_a_patient(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """An archive that names no issuer finds nothing by one, and all by the ID alone; that is said."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    for year in range(3):
        hospital.study(archive, patient=replace(ANNA, issuer_of_patient_id=None), study_date=f"202{year}0105")
    hospital.configure(archives={"main": {"send_issuer": True}})
    exit_status, rows = ask_for(hospital, "P1", "--issuer", "HOSP")
    found = {(row["issuer_of_patient_id"], row["root"]): (row["studies"], row["issuers"]) for row in rows}
    roots = {row["root"] for row in rows}
    # dcmqrscp heeds an issuer under Study Root only.
    heeding = roots if archive_class is peers.Orthanc else {"Study Root"}
    expected: dict[Any, Any] = {("HOSP", root): (0 if root in heeding else 3, {}) for root in roots}
    assert {"Study Root", "Patient Root"} == roots
    assert found == expected | {(None, root): (3, {}) for root in roots}
    assert all(row["studies"] == row["with_birth_date"] for row in rows)
    (used,) = [row for row in rows if row["used"]]
    assert ("HOSP", "Study Root") == (used["issuer_of_patient_id"], used["root"])
    assert "the daemon asks main for P1 with issuer HOSP under Study Root" in used["reason"]
    assert "the ID alone finds 3 studies that name no issuer" in used["problem"]
    assert exit_status == terms.Exit.NO


def test_echo_shows_an_id_in_the_form_of_the_archive(hospital: Hospital) -> None:
    """Padded, and under the name that the archive has for the issuer: the way that the daemon takes."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    padded = {"patient_id": "000042", "issuer_of_patient_id": "GENERAL"}
    hospital.study(archive, patient=replace(ANNA, patient_id="000042", issuer_of_patient_id="GENERAL"))
    form = {"patient_ids": {"pad_to": "6"}, "issuers": {"HOSP": "GENERAL"}, "send_issuer": True}
    hospital.configure(archives={"main": form})
    exit_status, rows = ask_for(hospital, "42", "--issuer", "HOSP")
    (used,) = [row for row in rows if row["used"]]
    assert (padded, 1) == ({name: used[name] for name in padded}, used["studies"])
    assert {"GENERAL": 1} == used["issuers"]
    assert exit_status == terms.Exit.FINE


def test_a_patient_id_that_is_no_safe_key_is_refused(hospital: Hospital) -> None:
    """A wildcard would show other people's studies."""
    hospital.workstation(peers.Orthanc)
    hospital.archive(peers.Orthanc)
    hospital.configure()
    assert terms.Exit.WRONG_USE == ask_for(hospital, "P*")[0]


def test_no_name_is_shown(hospital: Hospital) -> None:
    """IDs are enough to see which way of asking finds what."""
    hospital.workstation(peers.Orthanc)
    hospital.study(hospital.archive(peers.Orthanc))
    hospital.configure()
    shown = hospital.run("echo", "--patient", "P1")
    assert "Muster" not in shown
    assert "P1" in shown
