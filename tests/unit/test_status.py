"""What DIMSE statuses and rejections come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.dimse import status
from prefetch.model import Outcome

PERMANENT = (0x0105, 0x0106, 0x0112, 0x0115, 0x0117, 0x0118, 0x0120, 0x0121, 0x0122, 0x0124)
TRANSIENT = (0x0110, 0x0210, 0x0211, 0x0212, 0x0213, 0xC000, 0xC123, 0xCFFF, 0xFE00)
OTHER_FAILURES = (0x0111, 0x0119, 0x0123, 0x0299, 0xA710, 0xAFFF, 0x1234, 0x8000, 0xD000, 0xFFFF)


@pytest.mark.parametrize("code", [*PERMANENT, 0xA900])
def test_find_is_refused_for_good(code: int) -> None:
    """What the archive says of our query or of us is not asked again in the same way."""
    assert status.classify_find(code).outcome is Outcome.PERMANENT


@pytest.mark.parametrize("code", [*TRANSIENT, *OTHER_FAILURES, 0xA700, None])
def test_find_may_be_asked_again(code: int | None) -> None:
    """A failure that time may mend, a status that nobody knows, and a lost association are transient."""
    assert status.classify_find(code).outcome is Outcome.TRANSIENT


@pytest.mark.parametrize("code", [0x0001, 0x0107, 0x0116, 0xB000, 0xBFFF])
def test_find_ends_with_a_warning(code: int) -> None:
    """A warning is no success: the answers may not be whole."""
    assert status.classify_find(code).outcome is Outcome.WARNING


def test_find_that_reached_its_limit_is_partial() -> None:
    """0xB001: there are more, and the archive says so."""
    assert status.classify_find(0xB001).outcome is Outcome.PARTIAL


def test_find_succeeds() -> None:
    """0x0000 is success, however many answers came before it."""
    assert status.classify_find(0x0000).outcome is Outcome.SUCCESS


def test_find_that_ends_while_pending() -> None:
    """A Pending status is no end."""
    assert status.classify_find(0xFF00).outcome is Outcome.TRANSIENT


@pytest.mark.parametrize("code", [*PERMANENT, 0xA900, 0xAA00, 0xAA01, 0xAA02, 0xAA03, 0xAA04])
def test_move_is_refused_for_good(code: int) -> None:
    """What no second try mends is permanent."""
    assert status.classify_move(code).outcome is Outcome.PERMANENT


@pytest.mark.parametrize("code", [*TRANSIENT, *OTHER_FAILURES, 0xA700, 0xA701, 0xA702])
def test_move_may_be_tried_again(code: int) -> None:
    """Congestion, Cxxx (which is seen to cure itself) and statuses that nobody knows are transient."""
    assert status.classify_move(code).outcome is Outcome.TRANSIENT


def test_unknown_destination_is_an_outcome_of_its_own() -> None:
    """0xA801 stops every move of the pair, so it is told apart."""
    verdict = status.classify_move(0xA801)
    assert verdict == status.Verdict(
        outcome=Outcome.UNKNOWN_DESTINATION, because="0xA801 Refused: Move Destination unknown"
    )


@pytest.mark.parametrize("code", [None, 0xFF00, 0xFF01])
def test_lost_move_may_have_sent_anything(code: int | None) -> None:
    """Without a last response nobody knows what arrived."""
    assert status.classify_move(code).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "counts", "outcome"),
    [
        (0x0000, {"completed": 12, "failed": 0, "warning": 0}, Outcome.SUCCESS),
        (0x0000, {"completed": 12}, Outcome.SUCCESS),
        (0x0000, {"completed": 12, "failed": 1}, Outcome.PARTIAL),
        (0x0000, {"completed": 0, "failed": 12}, Outcome.PARTIAL),
        (0x0000, {"failed": 12}, Outcome.PARTIAL),
        (0x0000, {"completed": 12, "failed_sop_instance_uids": 1}, Outcome.PARTIAL),
        (0x0000, {"completed": 10, "failed": 0, "warning": 2}, Outcome.WARNING),
        (0x0000, {"completed": 0, "failed": 0, "warning": 2}, Outcome.WARNING),
        (0x0000, {"completed": 0, "failed": 0, "warning": 0}, Outcome.SUSPECT),
        (0x0000, {"failed": 0}, Outcome.SUSPECT),
        (0x0000, {}, Outcome.SUSPECT),
        (0xB000, {"completed": 10, "failed": 2, "warning": 0}, Outcome.PARTIAL),
        (0xB000, {"completed": 0, "failed": 12, "warning": 0}, Outcome.PARTIAL),
        (0xB000, {"completed": 10, "failed": 0, "warning": 2}, Outcome.WARNING),
        (0xB000, {"completed": 10, "failed": 1, "warning": 2}, Outcome.PARTIAL),
        (0xB000, {"completed": 12, "failed": 0, "warning": 0}, Outcome.PARTIAL),
        (0xB000, {"completed": 12, "failed_sop_instance_uids": 3}, Outcome.PARTIAL),
        (0xB000, {}, Outcome.PARTIAL),
        (0xB123, {"completed": 1, "warning": 1}, Outcome.WARNING),
        (0x0001, {"completed": 1, "warning": 1}, Outcome.WARNING),
    ],
)
def test_counts_decide_what_success_is_worth(code: int, counts: dict[str, Any], outcome: Outcome) -> None:
    """Success and Warning are believed only as far as the counts of sub-operations go."""
    assert status.classify_move(code, **counts).outcome is outcome


@pytest.mark.parametrize(
    ("counts", "because"),
    [
        ({"completed": 12}, "0x0000 Success; 12 sent"),
        ({"completed": 10, "warning": 2}, "0x0000 Success; 12 sent, 2 of them with a warning"),
        ({"completed": 10, "failed": 2}, "0x0000 Success; 2 of 12 sub-operations failed"),
        ({"completed": 0, "failed": 12}, "0x0000 Success; all 12 sub-operations failed"),
        ({"completed": 0}, "0x0000 Success; nothing was sent"),
        ({}, "0x0000 Success; what was sent was not said"),
    ],
)
def test_counts_are_told_in_words(counts: dict[str, Any], because: str) -> None:
    """An administrator reads what was counted."""
    assert status.classify_move(0x0000, **counts).because == because


def test_comment_of_the_archive_is_kept() -> None:
    """The Error Comment (0000,0902) stands beside the standard's words."""
    assert status.classify_find(0xC001, comment="Index locked").because == (
        "0xC001 Unable to process (Index locked)"
    )
    assert status.classify_move(0xA702, comment="busy").because == (
        "0xA702 Refused: Out of resources – Unable to perform sub-operations (busy)"
    )


def test_how_it_was_lost_is_kept() -> None:
    """Where there was no last response, whoever waited says how."""
    lost = "no response for 60 s"
    assert status.classify_find(None, lost=lost).because == lost
    assert status.classify_move(None, lost=lost).because == lost


@given(code=st.integers(0, 0xFFFF), comment=st.none() | st.text(max_size=64))
def test_any_status_of_a_find_has_an_outcome_and_words(code: int, comment: str | None) -> None:
    """Whatever a C-FIND ends with, there is an outcome and a sentence."""
    verdict = status.classify_find(code, comment=comment)
    assert isinstance(verdict.outcome, Outcome)
    assert verdict.because


COUNTS = st.none() | st.integers(0, 0xFFFF)


@given(
    code=st.integers(0, 0xFFFF),
    counts=st.fixed_dictionaries({"completed": COUNTS, "failed": COUNTS, "warning": COUNTS}),
    listed=st.integers(0, 1000),
)
def test_any_end_of_a_move_has_an_outcome_and_words(code: int, counts: dict[str, Any], listed: int) -> None:
    """Whatever a C-MOVE ends with, and whatever it counts, there is an outcome and a sentence."""
    verdict = status.classify_move(code, **counts, failed_sop_instance_uids=listed)
    assert isinstance(verdict.outcome, Outcome)
    assert verdict.because
    sent_whole = counts["completed"] and not (counts["failed"] or counts["warning"] or listed)
    assert (verdict.outcome is Outcome.SUCCESS) == bool(code == 0 and sent_whole)


REJECTED = "association rejected (permanent): "


@pytest.mark.parametrize(
    ("rejection", "outcome", "because"),
    [
        ((1, 1, 1), Outcome.PERMANENT, "association rejected (permanent): no reason given"),
        (
            (1, 1, 2),
            Outcome.PERMANENT,
            "association rejected (permanent): application context name not supported",
        ),
        ((1, 1, 3), Outcome.PERMANENT, "association rejected (permanent): calling AE Title not recognized"),
        ((1, 1, 7), Outcome.PERMANENT, "association rejected (permanent): called AE Title not recognized"),
        ((1, 2, 2), Outcome.PERMANENT, "association rejected (permanent): protocol version not supported"),
        ((2, 1, 1), Outcome.TRANSIENT, "association rejected (transient): no reason given"),
        ((2, 3, 1), Outcome.TRANSIENT, "association rejected (transient): temporary congestion"),
        ((2, 3, 2), Outcome.TRANSIENT, "association rejected (transient): local limit exceeded"),
        ((1, 3, 2), Outcome.TRANSIENT, "association rejected (transient): local limit exceeded"),
        *(
            (
                (result, source, reason),
                Outcome.PERMANENT,
                f"{REJECTED}result {result}, source {source}, reason {reason}, which DICOM does not know",
            )
            for result, source, reason in [(1, 1, 9), (3, 1, 1), (255, 255, 255), (None, None, None)]
        ),
    ],
)
def test_rejections(rejection: tuple[int, int, int], outcome: Outcome, because: str) -> None:
    """A rejection is permanent or transient as it says; congestion is always transient."""
    crowded = outcome is Outcome.TRANSIENT
    expected = status.Verdict(
        outcome=outcome,
        because=because,
        unwell=not crowded,
        rejected=True,
        crowded=crowded,
        refused=not crowded,
    )
    assert expected == status.classify_rejection(*rejection)
