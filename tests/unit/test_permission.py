"""A peer that refuses us every time is told once, with what to do; what may be chance is not."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from prefetch import model
from prefetch.dimse import peer, permission, status
from prefetch.dimse.turns import Kind
from prefetch.model import Outcome

ABORTED = model.FindResult(outcome=Outcome.TRANSIENT, because="aborted", refused=True)
MOVE_ABORTED = model.MoveResult(outcome=Outcome.UNKNOWN, because="aborted", refused=True)
REJECTED = status.classify_rejection(1, 1, 3)
ANSWERED = model.FindResult(outcome=Outcome.SUCCESS, status=0x0000)
UNREACHED = status.Verdict(outcome=Outcome.TRANSIENT, because="no connection", unwell=True)
NOT_AUTHORIZED = model.FindResult(outcome=Outcome.PERMANENT, status=0x0124, because="0x0124")


class Archive:
    """What one archive's answers teach, and what is logged of it."""

    def __init__(self, **more: Any) -> None:
        facts: dict[str, Any] = {"name": "main", "ae_title": "MAIN", "host": "h", "port": 104, **more}
        remote = peer.Peer(calling_ae_title="PREFETCH", **facts)
        self.permissions = permission.Permissions(remote, log=structlog.get_logger())

    def hear(self, *results: Any, kind: Kind = Kind.QUERY) -> list[str]:
        """The events that are logged while these results come."""
        with capture_logs() as logs:
            for result in results:
                self.permissions.hear(kind, result)
        return [line["event"] for line in logs]


@pytest.mark.parametrize("refusal", [ABORTED, REJECTED])
def test_the_second_refusal_in_a_row_is_told(refusal: Any) -> None:
    """Once, with the AE title to register and where."""
    archive = Archive()
    assert [[], ["requests_refused"], []] == [archive.hear(refusal) for _ in range(3)]
    (sentence,) = archive.permissions.refusals
    assert "refuses our queries: is PREFETCH registered there?" in sentence
    assert "register the AE title PREFETCH at MAIN (h:104) with C-FIND allowed" in sentence


def test_an_answer_makes_the_next_refusal_the_first() -> None:
    """Peers break off now and then."""
    archive = Archive()
    assert [] == archive.hear(ABORTED, ANSWERED, ABORTED)
    assert [] == archive.permissions.refusals


def test_another_refusal_begins_anew() -> None:
    """An abort and a rejection are not the same failure."""
    assert [] == Archive().hear(ABORTED, REJECTED)


def test_what_is_no_answer_ends_no_refusal() -> None:
    """A peer that was away in between does not know us any better."""
    assert ["requests_refused"] == Archive().hear(ABORTED, UNREACHED, ABORTED)


def test_the_end_of_refusals_is_told() -> None:
    """And nothing is left of it."""
    archive = Archive()
    archive.hear(ABORTED, ABORTED)
    assert ["requests_accepted_again"] == archive.hear(ANSWERED)
    assert [] == archive.permissions.refusals


def test_moves_are_told_apart_from_queries() -> None:
    """An archive may let us ask and not move."""
    archive = Archive()
    archive.hear(MOVE_ABORTED, MOVE_ABORTED, kind=Kind.MOVE)
    archive.hear(ANSWERED)
    (sentence,) = archive.permissions.refusals
    assert "refuses our moves" in sentence
    assert "C-MOVE allowed" in sentence


def test_a_refusal_with_a_status_is_certain_at_once() -> None:
    """0x0124 is no chance."""
    archive = Archive()
    archive.hear(NOT_AUTHORIZED)
    assert 1 == len(archive.permissions.refusals)


@pytest.mark.parametrize(("is_destination", "expected"), [(False, [False, True]), (True, [False, False])])
def test_the_second_refusal_counts_for_an_archives_rest(is_destination: bool, expected: list[bool]) -> None:
    """A workstation that lets us not query receives all the same."""
    archive = Archive(is_destination=is_destination)
    heard = [archive.permissions.hear(Kind.QUERY, ABORTED).unwell for _ in range(2)]
    assert expected == heard


def test_the_silent_logger_says_nothing() -> None:
    """A verb tells the person by itself."""
    with capture_logs() as logs:
        permission.SILENT.warning("requests_refused", peer="main")
    assert [] == logs
