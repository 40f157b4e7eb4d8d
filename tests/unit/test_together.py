"""Studies that share a C-MOVE: which do, and what its result says of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from prefetch import model, together
from prefetch.model import Outcome, RetrieveState
from tests.queued import NOW

TEN = together.Most(studies=10, instances=100)


def due(
    number: int, *, instances: int | None = 10, tried: bool = False, part: bool = False
) -> model.Retrieve:
    """One study that may move."""
    return model.Retrieve(
        id=number,
        state=RetrieveState.DUE,
        study_instance_uid=f"1.2.{number}",
        archive="main",
        archives=("main",),
        destination="room",
        patient_id="4711",
        start_at=NOW,
        deadline=NOW,
        expire_at=NOW,
        created_at=NOW,
        claimed_at=NOW if tried else None,
        expected_instances=instances,
        series=(model.Part("1.2.3.4", 1),) if part else (),
    )


def chosen(leader: model.Retrieve, *others: model.Retrieve, most: together.Most = TEN) -> list[int]:
    """The numbers of what moves together."""
    moving = together.choose(leader, lambda _, limit: others[:limit], most)
    return [retrieve.id for retrieve in moving]


def test_small_studies_of_one_patient_move_together() -> None:
    """The most urgent first."""
    assert chosen(due(1), due(2), due(3)) == [1, 2, 3]


def test_no_more_studies_than_the_site_says() -> None:
    """The leader is one of them."""
    assert chosen(due(1), due(2), due(3), most=together.Most(studies=2, instances=100)) == [1, 2]


def test_what_is_too_large_goes_by_itself() -> None:
    """A smaller one behind it still fits; a leader that is too large takes nobody along."""
    assert chosen(due(1), due(2, instances=91), due(3, instances=90), due(4)) == [1, 3]
    assert chosen(due(1, instances=500), due(2)) == [1]


@pytest.mark.parametrize("odd", [due(2, instances=None), due(2, part=True)])
def test_what_cannot_be_counted_goes_by_itself(odd: model.Retrieve) -> None:
    """A study of unknown size, and a part of one, neither lead nor follow."""
    assert chosen(due(1), odd, due(3)) == [1, 3]
    assert chosen(odd, due(3)) == [2]


def test_what_was_tried_in_vain_goes_by_itself() -> None:
    """It would spoil the move of the others once more."""
    assert chosen(due(1, tried=True), due(2)) == [1]


@pytest.mark.parametrize(
    ("result", "whole", "understood"),
    [
        (model.MoveResult(outcome=Outcome.SUCCESS, completed=20, failed=0, warning=0), True, True),
        (model.MoveResult(outcome=Outcome.SUCCESS, completed=20), True, True),
        (model.MoveResult(outcome=Outcome.WARNING, completed=18, failed=0, warning=2), False, True),
        (model.MoveResult(outcome=Outcome.PARTIAL, completed=15, failed=5, warning=0), False, True),
        (model.MoveResult(outcome=Outcome.SUCCESS, completed=10, failed=0, warning=0), False, False),
        (model.MoveResult(outcome=Outcome.SUSPECT), False, False),
        (model.MoveResult(outcome=Outcome.PERMANENT, status=0xA900), False, False),
        (model.MoveResult(outcome=Outcome.TRANSIENT, status=0xC001), False, False),
        (model.MoveResult(outcome=Outcome.TRANSIENT, status=0xA702), False, True),
        (model.MoveResult(outcome=Outcome.UNKNOWN), False, True),
        (model.MoveResult(outcome=Outcome.UNKNOWN_DESTINATION, status=0xA801), False, True),
    ],
)
def test_what_a_result_says_of_a_list(result: model.MoveResult, *, whole: bool, understood: bool) -> None:
    """All sent; or dealt with at least; else the archive does not take lists, or only their first."""
    moved: Sequence[model.Retrieve] = [due(1), due(2)]
    assert (together.is_whole(moved, result), together.is_understood(moved, result)) == (whole, understood)


def test_a_success_that_left_studies_out_is_partial() -> None:
    """They are moved again at the first look; one that was whole, or said nothing, stays what it was."""
    cut, whole, silent = (
        together.read([due(1), due(2)], model.MoveResult(outcome=outcome, completed=completed))
        for outcome, completed in [
            (Outcome.SUCCESS, 10),
            (Outcome.SUCCESS, 20),
            (Outcome.SUSPECT, None),
        ]
    )
    assert (cut.outcome, whole.outcome, silent.outcome) == (
        Outcome.PARTIAL,
        Outcome.SUCCESS,
        Outcome.SUSPECT,
    )
    assert "2 studies of 20 instances were asked for" in cut.because
