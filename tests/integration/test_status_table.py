"""Row by row: what an archive says at the end of a query or a move, and what is done then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefetch import errors, lifecycle, model
from prefetch.dimse import peer, wire
from prefetch.dimse.association import RemoteAE
from prefetch.lifecycle import Step
from prefetch.model import Outcome
from tests.identifiers import encoded
from tests.scripted import Conversation, Script, ScriptedScp

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
PATIENCE = lifecycle.Patience(attempts=5)
STUDY = "1.2.3"


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move came to, and what follows if that comes again and again."""

    result: model.MoveResult
    first: lifecycle.Next
    tries: int
    """How many attempts there are before it is given up."""
    asked: tuple[str, ...]
    """What the archive was asked, in order: service and level."""


def move(script: Script, find: Script | None = None, **more: Any) -> Moved:
    """Have a study moved by an archive that follows the script."""
    asked: list[str] = []

    def on(service: str, then: Script) -> Script:
        def noted(conversation: Conversation) -> None:
            asked.append(f"{service} {conversation.identifier.QueryRetrieveLevel}")
            then(conversation)

        return noted

    finding = on("find", find or still_there)
    with ScriptedScp(move=on("move", script), find=finding, offers=EVERYTHING) as scp:
        result = asyncio.run(_move(scp.peer(), **more))
    return Moved(result, follow(result, 1), _count(result), tuple(asked))


EVERYTHING = (wire.ECHO, wire.FIND, wire.MOVE, wire.PATIENT_ROOT_FIND, wire.PATIENT_ROOT_MOVE)


async def _move(to: peer.Peer, **more: Any) -> model.MoveResult:
    async with RemoteAE(to) as remote:
        return await remote.move_studies(
            study_instance_uids=[STUDY], destination_ae_title="READ1", patient_id="P1", **more
        )


def follow(result: model.MoveResult, attempts: int) -> lifecycle.Next:
    """What the queue does with a result."""
    return lifecycle.after_move(
        result.outcome,
        arrived=bool(result.completed or result.warning),
        attempts=attempts,
        elsewhere=None,
        now=NOW,
        patience=PATIENCE,
        settle=timedelta(),
        park=timedelta(minutes=10),
        because=result.because,
        unwell=result.unwell,
        tries=result.tries,
    )


def _count(result: model.MoveResult) -> int:
    """How many attempts there are before the study is given up; none where it never is for this."""
    steps = [follow(result, attempts).step for attempts in range(1, 8)]
    return steps.index(Step.FAIL) + 1 if Step.FAIL in steps else 0


def still_there(conversation: Conversation) -> None:
    """The archive tells of the study."""
    conversation.respond(0xFF00, encoded(StudyInstanceUID=STUDY, PatientID="P1"))
    conversation.respond(0x0000)


def nothing(conversation: Conversation) -> None:
    """The archive tells of nothing."""
    conversation.respond(0x0000)


def says(status: int, **counts: Any) -> Script:
    """An archive that always ends so."""
    return lambda conversation: conversation.respond(status, **counts)


@pytest.mark.parametrize(
    ("status", "outcome", "tries"),
    [
        (0xFE00, Outcome.TRANSIENT, 5),
        (0xA700, Outcome.TRANSIENT, 5),
        (0xA701, Outcome.TRANSIENT, 5),
        (0xA702, Outcome.TRANSIENT, 5),
        (0xA900, Outcome.PERMANENT, 1),
        (0xAA00, Outcome.PERMANENT, 1),
        (0xAA04, Outcome.PERMANENT, 1),
        (0xC000, Outcome.TRANSIENT, 3),
        (0xC123, Outcome.TRANSIENT, 3),
        (0x0105, Outcome.PERMANENT, 1),
        (0x0106, Outcome.PERMANENT, 1),
        (0x0110, Outcome.TRANSIENT, 3),
        (0x0115, Outcome.PERMANENT, 1),
        (0x0117, Outcome.PERMANENT, 1),
        (0x0118, Outcome.PERMANENT, 1),
        (0x0120, Outcome.PERMANENT, 1),
        (0x0121, Outcome.PERMANENT, 1),
        (0x0122, Outcome.PERMANENT, 1),
        (0x0124, Outcome.PERMANENT, 1),
        (0x0210, Outcome.TRANSIENT, 2),
        (0x0211, Outcome.TRANSIENT, 2),
        (0x0212, Outcome.TRANSIENT, 2),
        (0x0213, Outcome.TRANSIENT, 5),
        (0x0199, Outcome.TRANSIENT, 2),
        (0xA7FF, Outcome.TRANSIENT, 2),
        (0x7777, Outcome.TRANSIENT, 2),
    ],
)
def test_how_often_a_refusal_is_tried(status: int, outcome: Outcome, tries: int) -> None:
    """Until patience is over, a few times, once more, or never again; the words keep the status."""
    moved = move(says(status))
    assert (outcome, tries) == (moved.result.outcome, moved.tries)
    assert moved.result.because.startswith(f"0x{status:04X} ")


@pytest.mark.parametrize(
    ("status", "counts", "outcome"),
    [
        (0x0000, {"NumberOfCompletedSuboperations": 3}, Outcome.SUCCESS),
        (0x0000, {"NumberOfCompletedSuboperations": 0}, Outcome.SUSPECT),
        (0x0000, {}, Outcome.SUSPECT),
        (0x0000, {"NumberOfFailedSuboperations": 3}, Outcome.PARTIAL),
        (0xB000, {"NumberOfCompletedSuboperations": 1, "NumberOfFailedSuboperations": 2}, Outcome.PARTIAL),
        (
            0xB000,
            {
                "NumberOfCompletedSuboperations": 1,
                "NumberOfFailedSuboperations": 0,
                "NumberOfWarningSuboperations": 2,
            },
            Outcome.WARNING,
        ),
    ],
)
def test_what_may_have_sent_something_is_looked_for(
    status: int, counts: dict[str, int], outcome: Outcome
) -> None:
    """No word of the archive is believed; the destination is asked."""
    moved = move(says(status, **counts))
    assert (outcome, Step.MOVE) == (moved.result.outcome, moved.first.step)


def test_an_abort_is_looked_for() -> None:
    """What arrived before it is not known."""
    moved = move(Conversation.abort)
    assert (Outcome.UNKNOWN, Step.MOVE, False) == (
        moved.result.outcome,
        moved.first.step,
        moved.result.unwell,
    )


def test_a_move_that_hangs_counts_for_the_rest_of_its_archive() -> None:
    """Ended by its timer, looked for, and one failure more of the archive."""
    moved = move(Conversation.hang)
    assert (Outcome.UNKNOWN, Step.MOVE, True) == (
        moved.result.outcome,
        moved.first.step,
        moved.result.unwell,
    )


@pytest.mark.parametrize("rejection", [(1, 1, 3), (1, 1, 7), (1, 1, 1)])
def test_a_rejection_counts_for_the_rest_of_its_archive(rejection: tuple[int, int, int]) -> None:
    """The study waits for somebody who registers us, and is not given up."""
    with ScriptedScp(rejects=lambda _: rejection) as scp:
        result = asyncio.run(_move(scp.peer()))
    assert (Outcome.PERMANENT, True, 0) == (result.outcome, result.unwell, _count(result))
    assert "association rejected (permanent)" in result.because


def test_what_is_not_offered_is_named_with_what_is() -> None:
    """So that the administrator sees which service to ask the vendor for."""
    with ScriptedScp(offers=(wire.ECHO, wire.FIND)) as scp:
        result = asyncio.run(_move(scp.peer()))
    assert (Outcome.PERMANENT, 1) == (result.outcome, _count(result))
    assert "does not offer Study Root Query/Retrieve Information Model - MOVE" in result.because
    assert "it offers Study Root Query/Retrieve Information Model - FIND, Verification" in result.because


def test_comment_and_offending_element_are_kept() -> None:
    """(0000,0902) and (0000,0901)."""
    moved = move(says(0xC001, ErrorComment="no such table", OffendingElement=[0x00100020]))
    assert "0xC001 Unable to process (no such table; offending element (0010,0020))" == moved.result.because


# --- where the answer leaves a question -------------------------------------------------------------


@pytest.mark.parametrize("status", [0x0112, 0xC000])
def test_a_study_that_is_gone_is_not_found(status: int) -> None:
    """The archive is asked again, and does not tell of it any more; Orthanc says 0xC000 of it."""
    moved = move(says(status), nothing)
    assert (Outcome.NOT_FOUND, 1, ("move STUDY", "find STUDY")) == (
        moved.result.outcome,
        moved.tries,
        moved.asked,
    )
    assert "deleted there, or merged into another" in moved.result.because


def test_a_study_that_is_still_told_of_is_tried_once_more() -> None:
    """0x0112 may be a moment's confusion."""
    moved = move(says(0x0112))
    assert (Outcome.TRANSIENT, 2) == (moved.result.outcome, moved.tries)


def test_where_it_cannot_be_asked_it_is_not_said_to_be_gone() -> None:
    """A refusal is no answer."""
    assert Outcome.TRANSIENT is move(says(0x0112), says(0xC000)).result.outcome


def two_series(conversation: Conversation) -> None:
    """A study of two series, each with a count."""
    for number in (1, 2):
        said = encoded(SeriesInstanceUID=f"1.2.3.{number}", NumberOfSeriesRelatedInstances="2")
        conversation.respond(0xFF00, said)
    conversation.respond(0x0000)


def test_what_is_too_much_as_a_study_is_moved_by_series() -> None:
    """0xA701: at the second attempt, for the first may have met a busy hour."""

    def script(conversation: Conversation) -> None:
        if conversation.identifier.QueryRetrieveLevel == "STUDY":
            conversation.respond(0xA701)
        else:
            conversation.respond(0x0000, NumberOfCompletedSuboperations=2)

    assert ("move STUDY",) == move(script, two_series).asked
    moved = move(script, two_series, is_repeated=True)
    assert ("move STUDY", "find SERIES", "move SERIES", "move SERIES") == moved.asked
    assert (Outcome.SUCCESS, 4) == (moved.result.outcome, moved.result.completed)


def instances_of_two_series(conversation: Conversation) -> None:
    """The archive tells of two series, and of two instances in each."""
    if conversation.identifier.QueryRetrieveLevel == "SERIES":
        two_series(conversation)
        return
    for number in (1, 2):
        uid = f"{conversation.identifier.SeriesInstanceUID}.{number}"
        conversation.respond(0xFF00, encoded(SOPInstanceUID=uid))
    conversation.respond(0x0000)


def test_only_what_failed_is_moved_again() -> None:
    """0xB000 and a list of what failed: those are looked for in their series, and named with these."""
    named: list[str] = []

    def script(conversation: Conversation) -> None:
        named.append(f"{conversation.identifier.SeriesInstanceUID} {conversation.identifier.SOPInstanceUID}")
        conversation.respond(0x0000, NumberOfCompletedSuboperations=1)

    moved = move(script, instances_of_two_series, missing=["1.2.3.2.1"], is_repeated=True)
    assert ("find SERIES", "find IMAGE", "find IMAGE", "move IMAGE") == moved.asked
    assert ["1.2.3.2 1.2.3.2.1"] == named
    assert (True, "only the 1 that had failed: 0x0000 Success; 1 sent") == (
        moved.result.of_missing,
        moved.result.because,
    )


@pytest.mark.parametrize("status", [0xA900, 0x0000])
def test_an_archive_that_moves_no_instances_moves_all_of_it(status: int) -> None:
    """Whether it refuses the level or says Success and sends nothing."""

    def script(conversation: Conversation) -> None:
        whole = conversation.identifier.QueryRetrieveLevel == "STUDY"
        conversation.respond(0x0000 if whole else status, NumberOfCompletedSuboperations=4 if whole else 0)

    moved = move(script, instances_of_two_series, missing=["1.2.3.2.1"], is_repeated=True)
    assert ["move IMAGE", "move STUDY"] == [each for each in moved.asked if each.startswith("move")]
    assert (Outcome.SUCCESS, False) == (moved.result.outcome, moved.result.of_missing)


def test_an_archive_that_moves_no_instances_moves_their_series() -> None:
    """Key images then come with what is around them."""

    def script(conversation: Conversation) -> None:
        level = conversation.identifier.QueryRetrieveLevel
        conversation.respond(0xA900 if level == "IMAGE" else 0x0000, NumberOfCompletedSuboperations=2)

    moved = move(script, parts=(model.Part("1.2.3.1", 1, ("1.2.3.1.1",)), model.Part("1.2.3.2", 2)))
    assert ("move IMAGE", "move SERIES", "move SERIES") == moved.asked
    assert (Outcome.SUCCESS, 4) == (moved.result.outcome, moved.result.completed)


def test_what_failed_and_is_not_found_is_moved_with_the_rest() -> None:
    """The list may name anything."""
    moved = move(says(0x0000, NumberOfCompletedSuboperations=4), instances_of_two_series, missing=["9.9"])
    assert ("move STUDY", False) == (moved.asked[-1], moved.result.of_missing)


@pytest.mark.parametrize("status", [0xA900, 0x0118, 0x0122])
def test_the_other_root_is_tried_once(status: int) -> None:
    """Patient Root wants the patient's ID."""
    heard: list[str] = []

    def script(conversation: Conversation) -> None:
        if conversation.sop_class == wire.MOVE:
            conversation.respond(status)
            return
        heard.append(str(conversation.identifier.PatientID))
        conversation.respond(0x0000, NumberOfCompletedSuboperations=2)

    moved = move(script)
    assert (Outcome.SUCCESS, ["P1"], 2) == (moved.result.outcome, heard, len(moved.asked))
    assert 2 == len(move(says(status)).asked)


async def never_before() -> bool:
    """Nothing has ever arrived at the workstation."""
    return True


def test_nobody_asks_what_has_arrived_where_a_move_says_what_it_is() -> None:
    """The queue is not read through for every move."""

    async def asked() -> bool:
        raise AssertionError("nobody has to know")

    for status in (0x0000, 0xA702, 0xA801, 0xB000):
        move(says(status, NumberOfCompletedSuboperations=2), is_suspect=asked)


def test_a_store_that_is_away_makes_nobody_suspect_a_destination() -> None:
    """It is tried as any other failure."""

    async def away() -> bool:
        raise errors.StoreUnavailableError("the database is away")

    moved = move(says(0xC000), is_suspect=away)
    assert (Outcome.TRANSIENT, ("move STUDY", "find STUDY")) == (moved.result.outcome, moved.asked)


def test_an_unknown_destination_is_found_out() -> None:
    """0xC000 that is said of any AE Title that nobody has: parked, as with 0xA801."""
    moved = move(says(0xC000), is_suspect=never_before)
    assert Outcome.UNKNOWN_DESTINATION is moved.result.outcome
    assert (NOW + timedelta(minutes=10), False) == (moved.first.park_until, moved.first.counts)


def test_an_archive_that_says_which_is_believed() -> None:
    """A study that nobody has and a destination that nobody has get different answers: it knows this one."""

    def script(conversation: Conversation) -> None:
        known = conversation.destination == "READ1"
        conversation.respond(0xC000 if known else 0xA801)

    assert Outcome.TRANSIENT is move(script, is_suspect=never_before).result.outcome


def test_a_destination_that_things_have_arrived_at_is_not_suspected() -> None:
    """One study that cannot be moved must not park all the others."""
    moved = move(says(0xC000))
    assert (Outcome.TRANSIENT, ("move STUDY", "find STUDY")) == (moved.result.outcome, moved.asked)


def test_another_answer_for_nobody_is_no_proof() -> None:
    """Then it is tried as any other failure."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xC000 if conversation.destination == "READ1" else 0xC001)

    assert Outcome.TRANSIENT is move(script, is_suspect=never_before).result.outcome


# --- queries ----------------------------------------------------------------------------------------


def find(script: Script) -> model.FindResult:
    """What a query comes to."""

    async def run(to: peer.Peer) -> model.FindResult:
        async with RemoteAE(to) as remote:
            return await remote.find_studies(patient_id="P1")

    with ScriptedScp(find=script) as scp:
        return asyncio.run(run(scp.peer()))


@pytest.mark.parametrize(
    ("status", "outcome", "unwell"),
    [
        (0x0000, Outcome.SUCCESS, False),
        (0xFE00, Outcome.TRANSIENT, False),
        (0xA700, Outcome.TRANSIENT, True),
        (0xA900, Outcome.PERMANENT, False),
        (0xC001, Outcome.TRANSIENT, False),
        (0x0110, Outcome.TRANSIENT, False),
        (0x0122, Outcome.PERMANENT, False),
        (0x0124, Outcome.PERMANENT, False),
        (0x0213, Outcome.TRANSIENT, False),
        (0x0001, Outcome.WARNING, False),
    ],
)
def test_a_query_that_ends_so(status: int, outcome: Outcome, unwell: bool) -> None:
    """Only out of resources counts for the rest of the archive; the planner asks again in every case."""
    result = find(says(status))
    assert (outcome, unwell) == (result.outcome, result.unwell)


def test_unsupported_keys_are_told() -> None:
    """0xFF01: the answers count, and `explain` tells what the archive cannot."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF01, encoded(StudyInstanceUID=STUDY, PatientID="P1"))
        conversation.respond(0x0000)

    result = find(script)
    assert (Outcome.SUCCESS, 1) == (result.outcome, len(result.studies))
    assert "Success; some keys are not supported (0xFF01)" == result.because


@pytest.mark.parametrize("status", [0x0210, 0x0211, 0x0212])
def test_what_speaks_of_the_association_gets_a_new_one(status: int) -> None:
    """The next call does not use it again."""

    async def run(to: peer.Peer) -> None:
        async with RemoteAE(to) as remote:
            for _ in range(2):
                await remote.find_studies(patient_id="P1")

    with ScriptedScp(find=says(status)) as scp:
        asyncio.run(run(scp.peer()))
        assert 2 == scp.requested
