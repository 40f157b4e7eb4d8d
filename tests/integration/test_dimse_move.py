"""C-MOVE against archives that promise, hide, break off or never end."""

from __future__ import annotations

from typing import Any

import pytest

from prefetch import model
from prefetch.dimse import move, peer, status, wire
from prefetch.dimse.move import Acquaintance
from prefetch.model import Outcome
from tests.identifiers import encoded
from tests.scripted import Conversation, Script, ScriptedScp

HOUR = 3600.0
"""A wait that no test sits out."""


def order(
    script: Script,
    series: tuple[str, ...] = (),
    *,
    instances: tuple[str, ...] = (),
    one_by_one: bool = False,
    studies: tuple[str, ...] = ("1.2.3",),
    **more: Any,
) -> model.MoveResult:
    """What the move of one study, or of some, comes to where the archive follows the script."""
    with ScriptedScp(move=script) as scp:
        to = scp.peer(**more)
        association = wire.associate(to)
        assert not isinstance(association, status.Verdict)
        try:
            return move.move_studies(
                association,
                study_instance_uids=studies,
                parts=tuple(model.Part(uid, None, instances) for uid in series),
                one_by_one=one_by_one,
                destination_ae_title="READ1",
                of=to,
            )
        finally:
            wire.discard(association)


def counts(*, remaining: int = 0, completed: int = 0, failed: int = 0, warning: int = 0) -> dict[str, int]:
    """The four counts of sub-operations (PS3.7 9.1.4)."""
    return {
        "NumberOfRemainingSuboperations": remaining,
        "NumberOfCompletedSuboperations": completed,
        "NumberOfFailedSuboperations": failed,
        "NumberOfWarningSuboperations": warning,
    }


def test_study_is_named_to_its_destination() -> None:
    """The request names the study, at STUDY level, and the Move Destination."""

    def script(conversation: Conversation) -> None:
        asked = conversation.identifier
        assert (asked.QueryRetrieveLevel, asked.StudyInstanceUID) == ("STUDY", "1.2.3")
        assert (conversation.destination or "").strip() == "READ1"
        conversation.respond(0xFF00, **counts(remaining=1, completed=1))
        conversation.respond(0x0000, **counts(completed=2))

    result = order(script)
    assert (result.outcome, result.completed, result.failed, result.warning) == (Outcome.SUCCESS, 2, 0, 0)


def test_several_studies_are_named_in_one_move() -> None:
    """A list of Study Instance UIDs, and the counts of them all."""

    def script(conversation: Conversation) -> None:
        assert list(conversation.identifier.StudyInstanceUID) == ["1.2.3", "1.2.4"]
        conversation.respond(0x0000, **counts(completed=4))

    result = order(script, studies=("1.2.3", "1.2.4"))
    assert (result.outcome, result.completed) == (Outcome.SUCCESS, 4)


def test_what_failed_is_named() -> None:
    """The Failed SOP Instance UID List (0008,0058) is read, and so are comment and counts."""

    def script(conversation: Conversation) -> None:
        listed = encoded(FailedSOPInstanceUIDList="1.2.3.4\\1.2.3.5")
        conversation.respond(0xB000, listed, ErrorComment="no context", **counts(completed=1, failed=2))

    result = order(script)
    assert (result.outcome, result.status) == (Outcome.PARTIAL, 0xB000)
    assert result.failed_sop_instance_uids == ("1.2.3.4", "1.2.3.5")
    assert "2 of 3 sub-operations failed (no context)" in result.because


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (0x0000, counts(failed=12), Outcome.PARTIAL),
        (0x0000, counts(), Outcome.SUSPECT),
        (0x0000, {}, Outcome.SUSPECT),
        (0xB000, counts(completed=1, warning=1), Outcome.WARNING),
        (0xA702, counts(failed=12), Outcome.TRANSIENT),
        (0xA801, {}, Outcome.UNKNOWN_DESTINATION),
        (0xA900, {}, Outcome.PERMANENT),
        (0xC000, counts(), Outcome.TRANSIENT),
        (0xFE00, counts(completed=1), Outcome.TRANSIENT),
    ],
)
def test_outcomes(code: int, said: dict[str, int], outcome: Outcome) -> None:
    """What an archive ends a move with, on the wire, is what the table says."""
    assert order(lambda conversation: conversation.respond(code, **said)).outcome is outcome


def test_counts_that_were_not_sent_are_none() -> None:
    """A missing count is not zero."""
    result = order(lambda conversation: conversation.respond(0x0000, NumberOfCompletedSuboperations=3))
    assert (result.completed, result.failed, result.warning) == (3, None, None)


def test_abort_half_way_may_have_sent_anything() -> None:
    """An archive that aborts after some sub-operations leaves the outcome unknown."""

    def script(conversation: Conversation) -> None:
        conversation.respond(0xFF00, **counts(remaining=1, completed=1))
        conversation.abort()

    assert order(script).outcome is Outcome.UNKNOWN


def test_association_that_has_gone_moves_nothing() -> None:
    """A move over an association that was lost in the meantime is not sent, and only that is said."""
    with ScriptedScp() as scp:
        association = wire.associate(scp.peer())
        assert not isinstance(association, status.Verdict)
        wire.discard(association)
        result = move.move_studies(
            association, study_instance_uids=["1.2.3"], destination_ae_title="READ1", of=scp.peer()
        )
    assert (result.outcome, result.because) == (
        Outcome.TRANSIENT,
        "the association was lost before the request was sent",
    )


def test_silent_move_ends_with_the_idle_time() -> None:
    """An archive that says nothing is given up after the idle time of moves."""
    result = order(Conversation.hang, timeouts=peer.Timeouts(idle=HOUR, move_idle=0.3, move_total=HOUR))
    assert (result.outcome, result.because) == (Outcome.UNKNOWN, "no response for 0.3 s")


def test_late_success_is_waited_for() -> None:
    """Silence within the idle time is the way of archives that send no Pending."""

    def script(conversation: Conversation) -> None:
        conversation.wait_until(lambda: False, 0.5)
        conversation.respond(0x0000, **counts(completed=2))

    assert order(script, timeouts=peer.Timeouts(idle=0.1, move_idle=HOUR)).outcome is Outcome.SUCCESS


def test_pending_for_ever_ends_with_the_total_time() -> None:
    """Pending responses without an end are given up after the total time (dcm4che #199)."""

    def script(conversation: Conversation) -> None:
        while not conversation.over:
            conversation.respond(0xFF00, **counts(remaining=9))
            conversation.wait_until(lambda: False, 0.02)

    result = order(script, timeouts=peer.Timeouts(move_idle=HOUR, move_total=0.5))
    assert (result.outcome, result.because) == (Outcome.UNKNOWN, "no end of it within 0.5 s")


def probe(script: Script) -> move.Introduction:
    """What is learnt of READ1 from an archive that follows the script."""
    with ScriptedScp(move=script) as scp:
        association = wire.associate(scp.peer())
        assert not isinstance(association, status.Verdict)
        try:
            return move.probe_destination(
                association,
                destination_ae_title="READ1",
                nobody_ae_title="NOBODY",
                no_study_instance_uid="2.25.1",
                of=scp.peer(),
            )
        finally:
            wire.discard(association)


def knows_only(*ae_titles: str) -> Script:
    """An archive that looks at the destination before it looks for the study."""

    def script(conversation: Conversation) -> None:
        known = (conversation.destination or "").strip() in ae_titles
        conversation.respond(0x0000 if known else 0xA801, **counts())

    return script


@pytest.mark.parametrize(
    ("script", "acquaintance"),
    [
        (knows_only("READ1"), Acquaintance.KNOWN),
        (knows_only(), Acquaintance.UNKNOWN),
        (lambda conversation: conversation.respond(0xC000), Acquaintance.CANNOT_TELL),
        (lambda conversation: conversation.respond(0x0000, **counts()), Acquaintance.CANNOT_TELL),
        (Conversation.abort, Acquaintance.CANNOT_TELL),
    ],
    ids=["known", "unknown", "always fails", "always succeeds", "aborts"],
)
def test_destination_is_known_where_a_stranger_is_not(script: Script, acquaintance: Acquaintance) -> None:
    """An archive that tells a destination from an AE Title that nobody has, knows it."""
    introduction = probe(script)
    assert introduction.acquaintance is acquaintance
    assert introduction.because


def test_series_are_moved_one_by_one_and_counted_together() -> None:
    """At SERIES level, each named with its study; the worst outcome is that of all."""

    def script(conversation: Conversation) -> None:
        asked = conversation.identifier
        assert (asked.QueryRetrieveLevel, asked.StudyInstanceUID) == ("SERIES", "1.2.3")
        assert f"1.2.3.{conversation.number}" == asked.SeriesInstanceUID
        if conversation.number == 1:
            conversation.respond(0x0000, **counts(completed=2))
        else:
            conversation.respond(0xB000, **counts(completed=3, failed=1))

    result = order(script, series=("1.2.3.1", "1.2.3.2"))
    assert (result.outcome, result.completed, result.failed) == (Outcome.PARTIAL, 5, 1)


def test_after_a_series_that_is_refused_no_more_are_asked_for() -> None:
    """What has arrived is counted all the same."""

    def script(conversation: Conversation) -> None:
        assert conversation.number < 3
        conversation.respond(*((0x0000,) if conversation.number == 1 else (0xA801,)), **counts(completed=2))

    result = order(script, series=("1.2.3.1", "1.2.3.2", "1.2.3.3"))
    assert (result.outcome, result.completed) == (Outcome.UNKNOWN_DESTINATION, 4)


@pytest.mark.parametrize(("one_by_one", "named"), [(False, [2]), (True, [1, 1])])
def test_instances_are_named_with_all_that_is_above_them(one_by_one: bool, named: list[int]) -> None:
    """At IMAGE level, together or each by itself (PS3.4 C.4.2.2.1)."""
    heard: list[int] = []

    def script(conversation: Conversation) -> None:
        asked = conversation.identifier
        said = (asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.SeriesInstanceUID)
        assert said == ("IMAGE", "1.2.3", "1.2.3.1")
        uids = asked.SOPInstanceUID
        heard.append(1 if isinstance(uids, str) else len(uids))
        conversation.respond(0x0000, **counts(completed=heard[-1]))

    result = order(script, series=("1.2.3.1",), instances=("1.2.3.1.7", "1.2.3.1.9"), one_by_one=one_by_one)
    assert (result.outcome, result.completed, heard) == (Outcome.SUCCESS, 2, named)


def test_many_instances_take_several_moves() -> None:
    """So that no identifier is too long for an archive."""

    def script(conversation: Conversation) -> None:
        uids = conversation.identifier.SOPInstanceUID
        conversation.respond(0x0000, **counts(completed=1 if isinstance(uids, str) else len(uids)))

    many = tuple(f"1.2.3.1.{number}" for number in range(201))
    assert order(script, series=("1.2.3.1",), instances=many).completed == 201
