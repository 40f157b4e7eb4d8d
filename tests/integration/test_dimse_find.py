"""C-FIND against archives that answer oddly, late, too much or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from prefetch import model
from prefetch.dimse import exchange, find, identifier, manner, peer, status, wire
from prefetch.model import Outcome
from tests.identifiers import encoded
from tests.scripted import Conversation, Script, ScriptedScp

TODAY = date(2025, 3, 1)
HOUR = 3600.0
"""A wait that no test sits out."""


@contextmanager
def associated(scp: ScriptedScp, **more: Any) -> Iterator[tuple[Any, peer.Peer]]:
    """An association, and the peer that it leads to."""
    to = scp.peer(**more)
    association = wire.associate(to)
    assert not isinstance(association, status.Verdict)
    try:
        yield association, to
    finally:
        wire.discard(association)


def asker(association: Any, to: peer.Peer) -> find.Asker:
    """Whoever asks, with nothing known of the archive's habits."""
    return find.Asker(association=association, of=to, habits=manner.Habits())


def ask(script: Script, **more: Any) -> model.FindResult:
    """What one query for P1 comes to where the archive follows the script."""
    with ScriptedScp(find=script) as scp, associated(scp, **more) as (association, to):
        query = identifier.studies(patient_id="P1", character_set=to.character_set)
        return find.find_studies(asker(association, to), query, today=TODAY)


def answer(number: int = 1, **more: bytes | str) -> bytes:
    """One answer that names a study."""
    return encoded(**{"StudyInstanceUID": f"1.2.{number}", "PatientID": "P1", **more})


def test_answers_are_read() -> None:
    """Every Pending response is a study, until Success."""

    def script(conversation: Conversation) -> None:
        assert conversation.identifier.PatientID == "P1"
        for number in (1, 2, 3):
            conversation.respond(0xFF00, answer(number))
        conversation.respond(0x0000)

    result = ask(script)
    assert (result.outcome, result.status) == (Outcome.SUCCESS, 0x0000)
    assert [study.study_instance_uid for study in result.studies] == ["1.2.1", "1.2.2", "1.2.3"]
    assert {study.archive for study in result.studies} == {"scripted"}


def test_no_answer_is_an_answer() -> None:
    """Success with no Pending before it: the archive holds nothing of the patient."""
    result = ask(lambda conversation: conversation.respond(0x0000))
    assert (result.outcome, result.studies) == (Outcome.SUCCESS, ())


def test_answer_with_unsupported_optional_keys_counts() -> None:
    """0xFF01 is a match as 0xFF00 is (PS3.4 C.4.1.1.4)."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF01, answer())
        conversation.respond(0x0000)

    assert len(ask(script).studies) == 1


def test_other_patient_is_kept_as_answered() -> None:
    """Whether a study is the patient's is not judged here."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, answer(PatientID="P2"))
        conversation.respond(0x0000)

    assert [study.patient_id for study in ask(script).studies] == ["P2"]


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"\x08\x00",
        b"\x08\x00\x32\x10\xff\xff\xff\xff\xfe\xff",
        encoded(PatientID="P1"),
        encoded(StudyInstanceUID="*"),
    ],
    ids=range(5),
)
def test_answer_that_cannot_be_read_is_told(odd: bytes) -> None:
    """The other answers count, but the result does not claim to be whole."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, odd)
        conversation.respond(0xFF00, answer())
        conversation.respond(0x0000)

    result = ask(script)
    assert (result.outcome, len(result.studies)) == (Outcome.WARNING, 1)
    assert result.because == "Success, but there were answers that cannot be decoded or name nothing"


def test_character_set_of_the_peer_is_the_fallback() -> None:
    """Answers that do not say what they are written in are read as configured, and asked for accordingly."""

    def script(conversation: Conversation) -> None:
        assert conversation.identifier.SpecificCharacterSet == "ISO_IR 144"
        conversation.respond(0xFF00, answer(PatientName="Иванов".encode("iso8859-5")))
        conversation.respond(0x0000)

    assert ask(script, character_set="ISO_IR 144").studies[0].patient_name == "Иванов"


def test_query_ends_at_the_limit() -> None:
    """Of more answers than the limit the first are kept, and the archive is told to stop."""

    def script(conversation: Conversation) -> None:
        for number in range(10_000):
            conversation.respond(0xFF00, answer(number))
            conversation.wait_until(lambda: False, 0.005)
            if conversation.over:
                return
        raise AssertionError("the query went on")

    result = ask(script, answer_limit=5)
    assert (result.outcome, len(result.studies)) == (Outcome.PARTIAL, 5)
    assert result.because == "more than 5 answers; only the first 5 were read"


def test_a_passing_refusal_for_want_of_resources_is_asked_again() -> None:
    """Once more in the same words: asked in parts, a study without a date would not be found."""

    def script(conversation: Conversation) -> None:
        if conversation.number == 1:
            return conversation.respond(0xA700)
        conversation.respond(0xFF00, answer())
        return conversation.respond(0x0000)

    result = ask(script)
    assert (Outcome.SUCCESS, 1) == (result.outcome, len(result.studies))


def test_exactly_the_limit_is_whole() -> None:
    """The limit itself is not too many."""

    def script(conversation: Conversation) -> None:
        for number in range(5):
            conversation.respond(0xFF00, answer(number))
        conversation.respond(0x0000)

    result = ask(script, answer_limit=5)
    assert (result.outcome, len(result.studies)) == (Outcome.SUCCESS, 5)


def test_answers_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more bytes than we take the first answers are kept, and the archive is not listened to any more."""
    monkeypatch.setattr(exchange, "MOST_BYTES", 2**20)

    def script(conversation: Conversation) -> None:
        for number in range(10_000):
            conversation.respond(0xFF00, answer(number, StudyDescription="x" * 50_000))
            if conversation.over:
                return

    result = ask(script)
    assert (Outcome.PARTIAL, True) == (result.outcome, 10 < len(result.studies) < 30)
    assert f"more than 1 MiB of answers; only the first {len(result.studies)} were read" == result.because


EMPTY_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"


def full_of_items(count: int, number: int = 0) -> bytes:
    """An answer with a Procedure Code Sequence of so many empty items."""
    items = EMPTY_ITEM * count
    return b"\x08\0\x32\x10" + len(items).to_bytes(4, "little") + items + answer(number)[8:]


def test_answer_full_of_items_is_not_decoded() -> None:
    """A thousand items are read, 300,000 are not; the answers beside it are."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, full_of_items(30_000))
        conversation.respond(0xFF00, answer(1))
        conversation.respond(0x0000)

    result = ask(script)
    assert (Outcome.WARNING, 1) == (result.outcome, len(result.studies))


def test_items_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small answers that are full of items are listened to until there are too many of them."""
    monkeypatch.setattr(exchange, "MOST_ITEMS", 10_000)

    def script(conversation: Conversation) -> None:
        for number in range(10_000):
            conversation.respond(0xFF00, full_of_items(1_000, number))
            if conversation.over:
                return

    result = ask(script)
    assert Outcome.PARTIAL is result.outcome
    assert "more than 10000 items in answers; only the first 10 were read" == result.because


def test_elements_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs the processor as much as some hundred bytes, and has eight."""
    monkeypatch.setattr(exchange, "MOST_ELEMENTS", 10_000)
    tiny = b"".join((0x10_0009 + (number << 16)).to_bytes(4, "little") + bytes(4) for number in range(1_000))

    def script(conversation: Conversation) -> None:
        for number in range(10_000):
            conversation.respond(0xFF00, tiny + answer(number))
            if conversation.over:
                return

    result = ask(script)
    assert "more than 10000 elements in answers; only the first 10 were read" == result.because


def test_text_is_cut_to_what_is_kept() -> None:
    """A description of 100 kB costs no more memory than a long one."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, answer(StudyDescription="x" * 100_000))
        conversation.respond(0x0000)

    (study,) = ask(script).studies
    assert "x" * 1024 == study.description


@pytest.mark.parametrize("items", [40_000, 300_000])
def test_an_answer_of_nothing_but_items_is_not_decoded(items: int) -> None:
    """It costs itself alone: the other answers are read, and the whole is not called whole."""
    sequence = bytes.fromhex("08001011ffffffff") + bytes.fromhex("feff00e000000000") * items

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, sequence + bytes.fromhex("feffdde000000000"))
        conversation.respond(0xFF00, answer())
        conversation.respond(0x0000)

    result = ask(script)
    assert (Outcome.WARNING, 1) == (result.outcome, len(result.studies))


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(0xA700, Outcome.TRANSIENT), (0xA900, Outcome.PERMANENT), (0xC001, Outcome.TRANSIENT)],
)
def test_failure_keeps_its_status_and_comment(code: int, outcome: Outcome) -> None:
    """What the archive says of its failure reaches the administrator."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, answer())
        conversation.respond(code, ErrorComment="too broad")

    result = ask(script)
    assert (result.outcome, result.status) == (outcome, code)
    assert result.because.endswith("(too broad)")


def test_silence_ends_with_the_idle_time() -> None:
    """An archive that stops answering is given up after the idle time, not after the total."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, answer())
        conversation.hang()

    result = ask(script, timeouts=peer.Timeouts(idle=0.3, find_total=HOUR))
    assert (result.outcome, result.because) == (Outcome.TRANSIENT, "no response for 0.3 s")


def test_pending_for_ever_ends_with_the_total_time() -> None:
    """Pending responses reset the idle time and never the total."""

    def script(conversation: Conversation) -> None:
        while not conversation.over:
            conversation.respond(0xFF00, answer())
            conversation.wait_until(lambda: False, 0.02)

    result = ask(script, timeouts=peer.Timeouts(idle=HOUR, find_total=0.5))
    assert (result.outcome, result.because) == (Outcome.TRANSIENT, "no end of it within 0.5 s")


def test_abort_is_transient() -> None:
    """An archive that aborts half-way is asked again; what it answered until then is not whole."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, answer())
        conversation.abort()

    result = ask(script)
    assert (result.outcome, result.status, len(result.studies)) == (Outcome.TRANSIENT, None, 1)
    assert result.because == "the association was aborted or its connection lost"


def test_association_that_has_gone_is_transient() -> None:
    """A query over an association that was lost in the meantime is not even sent."""
    with ScriptedScp() as scp, associated(scp) as (association, to):
        wire.discard(association)
        result = find.find_studies(asker(association, to), identifier.studies(patient_id="P1"), today=TODAY)
    assert (result.outcome, result.because) == (
        Outcome.TRANSIENT,
        "the association was lost before the request was sent",
    )


def test_no_time_at_all_is_no_answer() -> None:
    """When the time is over before anything came, nothing more is read."""
    result = ask(lambda conversation: conversation.respond(0x0000), timeouts=peer.Timeouts(find_total=0))
    assert (result.outcome, result.because) == (Outcome.TRANSIENT, "no end of it within 0 s")


def test_half_a_pdu_is_not_waited_for_for_ever() -> None:
    """A peer that stops in the middle of a PDU costs the idle time and the stall, and no thread."""

    def script(conversation: Conversation) -> None:
        conversation.send_raw(b"\x04\x00\x00\x00\x10\x00half")
        conversation.hang()

    result = ask(script, timeouts=peer.Timeouts(idle=0.3, acse=0.5, find_total=HOUR))
    assert result.outcome is Outcome.TRANSIENT


def test_a_pdu_that_drips_is_not_waited_for() -> None:
    """A byte now and then keeps no thread beyond the idle time."""
    over = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.send_raw(b"\x04\x00\x00\x00\x10\x00")
        while not over.wait(0.1) and not conversation.over:
            conversation.send_raw(b"x")

    result = ask(script, timeouts=peer.Timeouts(idle=0.5, acse=HOUR, find_total=HOUR))
    over.set()
    assert (result.outcome, result.because) == (Outcome.TRANSIENT, "no response for 0.5 s")


def test_bytes_that_are_no_pdu_are_survived() -> None:
    """Garbage on the connection ends the query at once, and not the daemon."""

    def script(conversation: Conversation) -> None:
        conversation.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        conversation.hang()

    result = ask(script, timeouts=peer.Timeouts(idle=HOUR, find_total=HOUR))
    assert result.outcome is Outcome.TRANSIENT


def test_instances_are_counted_series_by_series() -> None:
    """Where a study has no count, those of its series or the instances themselves are counted."""
    series = {"1": "7", "2": ""}

    def script(conversation: Conversation) -> None:
        asked = conversation.identifier
        assert asked.StudyInstanceUID == "1.2.3"
        if asked.QueryRetrieveLevel == "SERIES":
            for number, count in series.items():
                conversation.respond(
                    0xFF00, encoded(SeriesInstanceUID=f"1.2.3.{number}", NumberOfSeriesRelatedInstances=count)
                )
        else:
            assert (asked.QueryRetrieveLevel, asked.SeriesInstanceUID) == ("IMAGE", "1.2.3.2")
            for instance in (1, 2, 3, 3):
                conversation.respond(0xFF00, encoded(SOPInstanceUID=f"1.2.3.2.{instance}"))
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp, associated(scp) as (association, to):
        assert find.count_instances(asker(association, to), study_instance_uid="1.2.3") == 10


def test_series_are_told_with_what_the_archive_says_of_them() -> None:
    """Each is named once; one that has no number is counted."""

    def script(conversation: Conversation) -> None:
        if conversation.identifier.QueryRetrieveLevel == "IMAGE":
            conversation.respond(0xFF00, encoded(SOPInstanceUID="1.2.3.2.1"))
        else:
            said = encoded(
                SeriesInstanceUID="1.2.3.1",
                Modality="PT",
                SeriesDescription="Whole body",
                BodyPartExamined="TRUNK",
                NumberOfSeriesRelatedInstances="7",
            )
            conversation.respond(0xFF00, said)
            conversation.respond(0xFF00, said)
            conversation.respond(0xFF00, encoded(SeriesInstanceUID="1.2.3.2"))
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp, associated(scp) as (association, to):
        told = find.find_series(asker(association, to), study_instance_uid="1.2.3")
    assert told == (
        model.Series(
            series_instance_uid="1.2.3.1",
            modality="PT",
            description="Whole body",
            body_part="TRUNK",
            instances=7,
        ),
        model.Series(series_instance_uid="1.2.3.2", instances=1),
    )


@pytest.mark.parametrize("refused", [False, True])
def test_what_marks_images_is_asked_which(refused: bool) -> None:
    """Only of its series, and only where that matters; an archive that refuses leaves it unsaid."""
    asked: list[str] = []

    def script(conversation: Conversation) -> None:
        if conversation.identifier.QueryRetrieveLevel == "IMAGE":
            asked.append(str(conversation.identifier.SeriesInstanceUID))
            assert "CurrentRequestedProcedureEvidenceSequence" in conversation.identifier
            conversation.respond(0xFF00, encoded(SOPInstanceUID="1.2.3.2.1"))
        else:
            for number, modality in ((1, "CT"), (2, "KO")):
                said = {"SeriesInstanceUID": f"1.2.3.{number}", "NumberOfSeriesRelatedInstances": "1"}
                conversation.respond(0xFF00, encoded(Modality=modality, **said))
        conversation.respond(0xC001 if refused and asked else 0x0000)

    with ScriptedScp(find=script) as scp, associated(scp) as (association, to):
        told = find.find_series(asker(association, to), study_instance_uid="1.2.3", markings=True)
    unsaid = None if refused else (model.Marking(sop_instance_uid="1.2.3.2.1"),)
    assert told is not None
    assert ({"1.2.3.2"}, [None, unsaid]) == (set(asked), [each.markings for each in told])


def test_series_that_cannot_be_told_are_none() -> None:
    """A refusal at SERIES level is not an empty study."""
    with ScriptedScp(find=lambda talk: talk.respond(0xA900)) as scp, associated(scp) as (association, to):
        assert find.find_series(asker(association, to), study_instance_uid="1.2.3") is None


def test_series_without_uid_cannot_be_counted() -> None:
    """A series that cannot be asked for leaves the count unknown."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, encoded(Modality="CT"))
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp, associated(scp) as (association, to):
        assert find.count_instances(asker(association, to), study_instance_uid="1.2.3") is None


@pytest.mark.parametrize("fails_at", ["SERIES", "IMAGE"])
def test_count_that_is_not_whole_is_none(fails_at: str) -> None:
    """A query that fails at any level leaves the count unknown, never smaller."""

    def script(conversation: Conversation) -> None:
        level = conversation.identifier.QueryRetrieveLevel
        if level == fails_at:
            conversation.respond(0xC000)
            return
        conversation.respond(0xFF00, encoded(SeriesInstanceUID="1.2.3.1"))
        conversation.respond(0x0000)

    with ScriptedScp(find=script) as scp, associated(scp) as (association, to):
        assert find.count_instances(asker(association, to), study_instance_uid="1.2.3") is None


def test_study_without_series_counts_nothing() -> None:
    """A study that is not there has no instances."""
    with ScriptedScp() as scp, associated(scp) as (association, to):
        assert find.count_instances(asker(association, to), study_instance_uid="1.2.3") == 0
