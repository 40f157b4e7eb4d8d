"""Each scripted fault of the sandbox, shown on the wire as a peer sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from itertools import islice

import pytest

from prefetch import model
from prefetch.sandbox import fault, faults, scp, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.operation import Service
from prefetch.sandbox.workstation import Workstation
from tests import scu

ROOT = scp.STUDY_ROOT_FIND


def study(patient_id: str, *, number: str = "") -> studies.Study:
    """The one study of a patient, or one of several: three instances of CT."""
    return studies.Study(
        patient=model.Patient(patient_id=patient_id, name="Quíst^Ada", birth_date="19500102", sex="F"),
        study_instance_uid=studies.made_up_uid(patient_id, *number),
        study_date=date(2024, 5, 1),
        series=[studies.Series(modality="CT", instances=3)],
    )


UID = study("1").study_instance_uid


@pytest.fixture
def workstation() -> Iterator[Workstation]:
    """A workstation that listens."""
    with Workstation(ae_title="READING1") as made:
        yield made


@pytest.fixture
def archive(workstation: Workstation) -> Iterator[Archive]:
    """An archive with a study each of two patients, faithful until a test says otherwise."""
    holdings = Holdings(instance for patient_id in "12" for instance in studies.make(study(patient_id)))
    knows = {workstation.ae_title: (workstation.host, workstation.port)}
    with Archive(ae_title="MAIN", holdings=holdings, knows=knows) as made:
        yield made


def counts(status: object) -> tuple[int | None, int | None]:
    """Completed and failed sub-operations, None where nothing was said."""
    return (
        getattr(status, "NumberOfCompletedSuboperations", None),
        getattr(status, "NumberOfFailedSuboperations", None),
    )


def test_find_hangs(archive: Archive) -> None:
    """No answer comes; who gives up gets no status at all."""
    archive.misbehave("find-hangs")
    ((status, answer),) = scu.ask(archive, "STUDY", patience=0.3, PatientID="1")
    assert (len(status), answer) == (0, None)
    assert scu.move(archive, "READING1", UID)[-1][0].Status == 0x0000


def test_association_unanswered(archive: Archive) -> None:
    """The connection stands, and neither an acceptance nor a rejection comes."""
    archive.misbehave("association-unanswered")
    ours = scu.entity()
    ours.acse_timeout = 0.3
    refused = ours.associate(archive.host, archive.port, ae_title="MAIN")
    assert (refused.is_established, refused.is_rejected, archive.rejected) == (False, False, 0)


def test_find_never_ends(archive: Archive) -> None:
    """Answers go on and on, slowly, until somebody ends the association."""
    archive.misbehave("find-never-ends")
    with scu.associated(archive) as association:
        responses = association.send_c_find(scu.identifier("STUDY", PatientID="1", StudyInstanceUID=""), ROOT)
        answers = [answer for _, answer in islice(responses, 4)]
        association.abort()
    assert len({answer.StudyInstanceUID for answer in answers if answer is not None}) == 4


def test_find_fails_first(archive: Archive) -> None:
    """The first C-FIND ends with 0xC000; asked again it is answered."""
    archive.misbehave("find-fails-first")
    ((first, _),) = scu.ask(archive, "STUDY", PatientID="1")
    assert first.Status == 0xC000
    assert len(scu.find(archive, "STUDY", PatientID="1")) == 1


def test_answers_another_patient(archive: Archive) -> None:
    """Studies of a patient who was not asked for are among the answers, and say so."""
    archive.misbehave("answers-another-patient")
    answers = scu.find(archive, "STUDY", PatientID="1", StudyInstanceUID="")
    assert sorted(answer.PatientID for answer in answers) == ["1", "2"]


def test_find_aborts_half_way(archive: Archive) -> None:
    """Half of the answers come, then the association is aborted."""
    archive.holdings = Holdings(
        instance for number in "1234" for instance in studies.make(study("1", number=number))
    )
    archive.misbehave("find-aborts-half-way")
    *answers, (last, _) = scu.ask(archive, "STUDY", PatientID="1", StudyInstanceUID="")
    assert (len(answers), len(last)) == (2, 0)


def test_find_too_broad(archive: Archive) -> None:
    """No answer, and 0xA700."""
    archive.misbehave("find-too-broad")
    ((final, _),) = scu.ask(archive, "STUDY", PatientID="1")
    assert final.Status == 0xA700


def test_five_thousand_answers(archive: Archive) -> None:
    """The patient's own study and thousands that look like it, as long as somebody reads."""
    archive.misbehave("five-thousand-answers")
    with scu.associated(archive) as association:
        identifier = scu.identifier("STUDY", PatientID="1", StudyInstanceUID="", StudyDate="")
        answers = [answer for _, answer in islice(association.send_c_find(identifier, ROOT), 50)]
        association.abort()
    uids = [answer.StudyInstanceUID for answer in answers if answer is not None]
    assert (UID, 50) == (uids[0], len(set(uids)))
    assert faults.MANY == 5_000


def test_no_character_set(archive: Archive) -> None:
    """The bytes are Latin-1, as pydicom takes them to be, and the answer does not say so."""
    archive.misbehave("no-character-set")
    (answer,) = scu.find(archive, "STUDY", PatientID="1", PatientName="", SpecificCharacterSet="")
    assert "SpecificCharacterSet" not in answer
    assert str(answer.PatientName) == "Quíst^Ada"


def test_malformed_dates(archive: Archive) -> None:
    """Dates come as a person would write them."""
    archive.misbehave("malformed-dates")
    (answer,) = scu.find(archive, "STUDY", PatientID="1", StudyDate="", PatientBirthDate="")
    assert (answer.StudyDate, answer.PatientBirthDate) == ("01.05.2024", "1950-01-02")


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("no-modalities-in-study", "ModalitiesInStudy"),
        ("no-instance-count", "NumberOfStudyRelatedInstances"),
    ],
)
def test_an_attribute_is_not_returned(archive: Archive, name: str, keyword: str) -> None:
    """The answer comes without the attribute that was asked for."""
    assert keyword in scu.find(archive, "STUDY", PatientID="1", **{keyword: ""})[0]
    archive.misbehave(name)
    assert keyword not in scu.find(archive, "STUDY", PatientID="1", **{keyword: ""})[0]


def test_no_counts(archive: Archive, workstation: Workstation) -> None:
    """All arrives, and no response says how much."""
    archive.misbehave("no-counts")
    responses = scu.move(archive, "READING1", UID)
    assert {counts(status) for status, _ in responses} == {(None, None)}
    assert workstation.holdings.counts() == {UID: 3}


def test_move_silent(archive: Archive, workstation: Workstation) -> None:
    """No response comes and nothing arrives."""
    archive.misbehave("move-silent")
    ((status, _),) = scu.move(archive, "READING1", UID, patience=0.3)
    assert len(status) == 0
    assert workstation.holdings.counts() == {}


def test_move_pending_for_ever(archive: Archive, workstation: Workstation) -> None:
    """One Pending after the other, until somebody ends the association; nothing arrives."""
    archive.misbehave("move-pending-for-ever")
    with scu.associated(archive) as association:
        wanted = scu.identifier("STUDY", StudyInstanceUID=UID)
        responses = association.send_c_move(wanted, "READING1", scp.STUDY_ROOT_MOVE)
        assert [status.Status for status, _ in islice(responses, 3)] == [0xFF00] * 3
        association.abort()
    assert workstation.holdings.counts() == {}


def test_move_aborts_after_first_store(archive: Archive, workstation: Workstation) -> None:
    """One instance arrives, one Pending says so, and the association is aborted."""
    archive.misbehave("move-aborts-after-first-store")
    (pending, _), (last, _) = scu.move(archive, "READING1", UID)
    assert (pending.Status, counts(pending), len(last)) == (0xFF00, (1, 0), 0)
    assert workstation.holdings.counts() == {UID: 1}


def test_success_stores_later(archive: Archive, workstation: Workstation) -> None:
    """Success with all completed while nothing is there; all is there a little later."""
    archive.misbehave("success-stores-later")
    final, _ = scu.move(archive, "READING1", UID)[-1]
    assert (final.Status, counts(final), workstation.holdings.counts()) == (0x0000, (3, 0), {})
    deadline = time.monotonic() + 120
    while workstation.holdings.counts() != {UID: 3} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workstation.holdings.counts() == {UID: 3}


def test_move_fails_first(archive: Archive) -> None:
    """The first C-MOVE ends with 0xA702; asked again it works."""
    archive.misbehave("move-fails-first")
    assert [scu.move(archive, "READING1", UID)[-1][0].Status for _ in range(2)] == [0xA702, 0x0000]


@pytest.mark.parametrize(
    ("name", "said", "arrived"),
    [
        ("success-nothing-stored", (3, 0), {}),
        ("success-nothing-counted", (0, 0), {}),
        ("success-all-failed", (0, 3), {}),
        ("one-instance-missing", (3, 0), {UID: 2}),
    ],
)
def test_success_that_is_none(
    archive: Archive, workstation: Workstation, name: str, said: tuple[int, int], arrived: dict[str, int]
) -> None:
    """The archive says Success with these counts; the workstation holds something else."""
    archive.misbehave(name)
    final, _ = scu.move(archive, "READING1", UID)[-1]
    assert (final.Status, counts(final)) == (0x0000, said)
    assert workstation.holdings.counts() == arrived


def test_warning_all_failed(archive: Archive, workstation: Workstation) -> None:
    """A Warning that counts every sub-operation as failed; nothing arrives."""
    archive.misbehave("warning-all-failed")
    final, _ = scu.move(archive, "READING1", UID)[-1]
    assert (final.Status, counts(final)) == (0xB000, (0, 3))
    assert workstation.holdings.counts() == {}


def test_one_instance_fails_first(archive: Archive, workstation: Workstation) -> None:
    """The first C-MOVE names it; asked again it comes."""
    archive.misbehave("one-instance-fails-first")
    final, identifier = scu.move(archive, "READING1", UID)[-1]
    assert (final.Status, counts(final), workstation.holdings.counts()) == (0xB000, (2, 1), {UID: 2})
    assert identifier is not None
    assert identifier.FailedSOPInstanceUIDList
    assert scu.move(archive, "READING1", UID)[-1][0].Status == 0x0000
    assert workstation.holdings.counts() == {UID: 3}


@pytest.mark.parametrize(
    ("name", "status"), [("unknown-destination", 0xA801), ("unknown-destination-as-0xC000", 0xC000)]
)
def test_unknown_destination(archive: Archive, workstation: Workstation, name: str, status: int) -> None:
    """The status, whatever the archive was told."""
    archive.misbehave(name)
    ((final, _),) = scu.move(archive, "READING1", UID)
    assert final.Status == status
    assert workstation.holdings.counts() == {}


def test_store_refused(archive: Archive, workstation: Workstation) -> None:
    """Every sub-operation fails at the workstation, and the archive names the instances."""
    workstation.misbehave("store-refused")
    final, identifier = scu.move(archive, "READING1", UID)[-1]
    assert (final.Status, counts(final)) == (0xA702, (0, 3))
    assert identifier is not None
    assert len(identifier.FailedSOPInstanceUIDList) == 3


@pytest.mark.parametrize("limit", [1, 2])
def test_rejects_above_a_limit(archive: Archive, limit: int) -> None:
    """One association too many is rejected as transient; when one ends there is room again."""
    archive.misbehave(f"rejects-above-{limit}")
    opened = [scu.entity().associate(archive.host, archive.port, ae_title="MAIN") for _ in range(limit)]
    refused = scu.entity().associate(archive.host, archive.port, ae_title="MAIN")
    answer = refused.acceptor.primitive
    assert refused.is_rejected
    assert answer is not None
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
    for association in opened:
        association.release()
    assert archive.rejected == 1
    assert archive.most_open == limit


def test_a_fault_may_be_made_for_the_occasion_and_taken_back(archive: Archive) -> None:
    """A fault need not be in the table, faults add up, and `behave` ends them."""
    silent_cut = fault.Fault(because="a silent limit of answers", answers=lambda _, given: islice(given, 1))
    archive.misbehave("answers-another-patient", silent_cut)
    assert len(scu.find(archive, "STUDY", PatientID="1")) == 1
    archive.behave()
    assert archive.operations(Service.FIND)[-1].matched == 2
    assert len(scu.find(archive, "STUDY", PatientID="")) == 2


def test_every_fault_says_what_it_shows() -> None:
    """The table explains each name."""
    assert all(fault.because for fault in faults.FAULTS.values())
    with pytest.raises(KeyError):
        scp.Scp(ae_title="MAIN", faults=["no-such-fault"])
