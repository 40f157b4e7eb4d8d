"""A first configuration that writes itself, against real peers: from nothing to priors on the workstation."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from prefetch.cli.program import program
from tests import peers
from tests.e2e.hospital import ANNA, Hospital, holds_exactly

pytestmark = pytest.mark.peers


def test_from_init_to_priors_on_the_workstation(hospital: Hospital) -> None:
    """Addresses alone: it checks clean, watches in observe mode, and moves once it is active."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    nobodys = replace(ANNA, issuer_of_patient_id=None)
    prior = hospital.study(archive, patient=nobodys, description="CT Chest")
    site = hospital.directory / "site"
    result = CliRunner().invoke(
        program,
        [
            *("init", str(site), "--time-zone", "Europe/Berlin", "--listen", f"127.0.0.1:{hospital.port}"),
            *("--archive", f"main={archive.ae_title}@127.0.0.1:{archive.port}"),
            *("--workstation", f"read1={workstation.ae_title}@127.0.0.1:{workstation.port}"),
            *("--patient", "P1", "--yes"),
        ],
    )
    assert 0 == result.exit_code, result.output
    assert "prefetch check" in result.output
    hospital.configuration = site / "prefetch.yaml"
    hospital.run("check")
    hospital.open()
    hospital.book(hospital.exam("A1", patient=ANNA))
    hospital.await_that(lambda: hospital.order("A1").get("planned_at"), "A1 to be planned")
    assert holds_exactly(workstation)
    text = hospital.configuration.read_text()
    hospital.configuration.write_text(text.replace("mode: observe", "mode: active"))
    hospital.reload_files()
    hospital.await_order("A1", verified=1)
    assert holds_exactly(workstation, prior)
    assert hospital.close() == 0


def test_what_is_there_is_not_written_over(hospital: Hospital) -> None:
    """Nor is anything written where an option says what cannot be."""
    site = hospital.directory / "site"
    arguments = ["init", str(site), "--archive", "PACS@127.0.0.1:1", "--workstation", "READ1", "--yes"]
    zone = ["--time-zone", "UTC"]
    wrong = CliRunner().invoke(program, [*arguments, "--time-zone", "Europe/Berln"])
    assert (2, False) == (wrong.exit_code, site.exists())
    assert "Europe/Berlin" in wrong.output
    assert 0 == CliRunner().invoke(program, [*arguments, *zone]).exit_code
    before = (site / "prefetch.yaml").read_text()
    again = CliRunner().invoke(program, [*arguments, *zone, "--ae-title", "OTHER"])
    assert (2, before) == (again.exit_code, (site / "prefetch.yaml").read_text())
    assert "is there already" in again.output
    assert 0 == CliRunner().invoke(program, [*arguments, *zone, "--ae-title", "OTHER", "--force"]).exit_code
    assert "ae_title: OTHER" in (site / "prefetch.yaml").read_text()


def test_it_asks_on_a_terminal(hospital: Hospital) -> None:
    """For what no option says, with what is usual in brackets; what is no answer is asked for again."""
    site = hospital.directory / "asked"
    ours, theirs = pty.openpty()
    arguments = ["init", str(site), "--archive", "PACS@127.0.0.1:1", "--workstation", "READ1"]
    command = [sys.executable, "-m", "prefetch", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True) as asking:
        os.close(theirs)
        seen = answer_all(ours)
        os.close(ours)
        assert 0 == asking.wait(120), seen
    assert "Our own AE title" in seen
    assert "ae_title: FETCHER" in (site / "prefetch.yaml").read_text()


def answer_all(terminal: int) -> str:
    """Answer each question: our AE title, at first with a mistake, and all others by Enter."""
    seen, answered = "", 0
    titles = iter(["MUCH\\TOO LONG FOR A TITLE", "FETCHER"])
    while True:
        try:
            came = os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # its end closes the terminal
            return seen
        if not came:
            return seen
        seen += came
        if re.search(r"[:\]?)] ?$", seen[answered:].rstrip("\r\n")) and not seen.endswith("\n"):
            last = seen[answered:]
            answered = len(seen)
            text = next(titles, "") if "AE title" in last.splitlines()[-1] else ""
            os.write(terminal, f"{text}\n".encode())
