"""Silence is told: archives, rules and clocks by which nothing comes stand in the log and in `status`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pydicom
import pytest

from prefetch import model
from prefetch.sandbox import messages
from prefetch.sandbox.messages import Booking, Change
from tests import peers
from tests.e2e.hospital import ANNA, ANYTHING, Hospital

pytestmark = pytest.mark.peers

ONLY_MAMMOGRAPHY = """
version: 1
rules:
  - name: breast
    when: {modality: MG}
    priors: [{name: earlier breast, description: "MG*"}]
"""
MOSCOW, NEW_YORK = ZoneInfo("Europe/Moscow"), ZoneInfo("America/New_York")


def patient(number: int, **more: Any) -> model.Patient:
    """One of many."""
    return replace(ANNA, patient_id=f"M{number}", name=f"Muster^Anna{number}", **more)


def told(hospital: Hospital) -> set[tuple[str, str]]:
    """The troubles that `status` shows: name and subject."""
    return {(each["name"], each["subject"]) for each in hospital.rows("status")[0]["troubles"]}


def book_in_zone(hospital: Hospital, bookings: list[Booking], zone: ZoneInfo) -> None:
    """Have a RIS book that writes the time of a zone, and not which."""
    wires = []
    for number, booking in enumerate(bookings):
        start = booking.scheduled_start
        assert start is not None
        there = replace(booking, scheduled_start=start.astimezone(zone).replace(tzinfo=None))
        now = datetime.now(UTC).astimezone(zone).replace(tzinfo=None)
        wires.append(messages.orm(there, Change.NEW, control_id=f"Z{number}", now=now))
    hospital.send(*wires)


def test_an_archive_that_knows_nobody_is_told_once_and_until_it_knows_somebody(hospital: Hospital) -> None:
    """An empty Orthanc that was asked for twenty patients; a restart does not tell it again."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    hospital.open(rules=ANYTHING)
    for number in range(20):
        hospital.book(hospital.exam(f"A{number}", patient=patient(number)))
    trouble = ("archive_knows_nobody", "main")
    hospital.await_that(lambda: trouble in told(hospital), "the trouble to be told")
    began = hospital.await_said("trouble_began", trouble=trouble[0], subject="main")
    assert "warning" == began["level"]
    assert "prefetch echo --patient" in began["what_to_do"]
    (words,) = hospital.explain("A0")["trouble"]
    assert "main knows none of the last 20 patients" in words
    (before,) = hospital.rows("status")[0]["troubles"]
    hospital.close()
    hospital.open()
    hospital.study(archive, patient=patient(99))
    hospital.book(hospital.exam("A99", patient=patient(99)))
    hospital.await_ready("A99")
    assert told(hospital) == set()
    assert before["since"] == hospital.await_said("trouble_ended", trouble=trouble[0])["since"]
    assert hospital.said("trouble_began") == []


def test_rules_that_match_nothing_and_a_ris_in_another_zone(hospital: Hospital) -> None:
    """Twenty exams without a rule; MSH-7 is hours ahead, and the remedy names the zone."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(rules=ONLY_MAMMOGRAPHY)
    exams = [hospital.exam(f"A{number}", patient=patient(number)) for number in range(20)]
    book_in_zone(hospital, exams, MOSCOW)
    names = {"no_rule_matches", "sender_clock"}
    hospital.await_that(lambda: names <= {name for name, _ in told(hospital)}, "both to be told")
    (clock,) = (each for each in hospital.rows("status")[0]["troubles"] if each["name"] == "sender_clock")
    assert clock["remedy"].startswith("UTC+03:00 (Europe/")
    words = hospital.explain("A0")["trouble"]
    assert "no rule matched: nothing is fetched for this exam" in words
    assert clock["sentence"] in words


def test_exams_in_the_past_are_told(hospital: Hospital) -> None:
    """A RIS that writes New York's time to a site in Berlin."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.open()
    exams = [hospital.exam(f"A{number}", patient=patient(number)) for number in range(5)]
    book_in_zone(hospital, exams, NEW_YORK)
    hospital.await_that(lambda: ("exams_in_the_past", "ris") in told(hospital), "the trouble to be told")


def test_identities_and_answers_of_no_use_are_told(hospital: Hospital) -> None:
    """Orders without birth date, and studies of which an archive says nothing."""
    hospital.workstation(peers.Storescp)
    archive = hospital.archive(peers.Dcmqrscp)
    people = [patient(number, birth_date=None) for number in range(5)]
    for person in people:
        written = hospital.study(patient=person)
        for path in written.paths:
            dataset = pydicom.dcmread(path)
            dataset.StudyDate = dataset.StudyDescription = ""
            dataset.save_as(path)
        archive.load(written.paths)
    hospital.open(rules=ANYTHING)
    for number, person in enumerate(people):
        hospital.book(hospital.exam(f"A{number}", patient=person))
    expected = {("identity_not_compared", "main"), ("answers_unusable", "main")}
    hospital.await_that(lambda: expected <= told(hospital), "both to be told")
    assert (
        "identity could not be compared by birth date at main: no birth date in the order"
        in hospital.explain("A0")["trouble"]
    )


def test_a_good_day_has_no_trouble(hospital: Hospital) -> None:
    """Orders come, priors are found, times are right: the list is empty and the text ends with the queue."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    for number in range(6):
        hospital.study(archive, patient=patient(number))
    hospital.open()
    for number in range(6):
        hospital.book(hospital.exam(f"A{number}", patient=patient(number)))
    for number in range(6):
        hospital.await_ready(f"A{number}")
    assert told(hospital) == set()
    assert "!" not in hospital.run("status")
    assert hospital.explain("A0")["trouble"] == []
