"""Issuer of Patient ID is a key where it helps, and never what keeps a prior from being found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.domain.issuers import NAMES_KEPT, TRUSTED_AFTER, IssuerKey, IssuersHeld, Query, query_for

NOTHING = IssuersHeld()
NAMED = NOTHING.with_answer(["HOSP"])
UNNAMED = NOTHING.with_answer([None, ""])
MIXED = NAMED.with_answer([None])
REFUSED = NOTHING.with_repeat(found=True, refused=True)


def in_vain(held: IssuersHeld, times: int) -> IssuersHeld:
    """After so many repeats by the ID alone that found nothing either."""
    for _ in range(times):
        held = held.with_repeat(found=False, refused=False)
    return held


@pytest.mark.parametrize(
    ("held", "query"),
    [
        (NOTHING, Query.ISSUER_THEN_ID),
        (in_vain(NOTHING, 1000), Query.ISSUER_THEN_ID),
        (UNNAMED, Query.ID_ALONE),
        (MIXED, Query.ID_ALONE),
        (REFUSED, Query.ID_ALONE),
        (NAMED, Query.ISSUER_THEN_ID),
        (in_vain(NAMED, TRUSTED_AFTER - 1), Query.ISSUER_THEN_ID),
        (in_vain(NAMED, TRUSTED_AFTER), Query.WITH_ISSUER),
        (in_vain(NAMED, TRUSTED_AFTER).with_repeat(found=True, refused=False), Query.ISSUER_THEN_ID),
    ],
)
def test_how_an_archive_is_asked_follows_from_what_it_answered(held: IssuersHeld, query: Query) -> None:
    """Once it is known, one query is enough."""
    assert query == query_for(IssuerKey.AUTO, held, "4711")


@pytest.mark.parametrize("held", [NOTHING, NAMED, UNNAMED, MIXED, REFUSED])
def test_a_setting_outranks_what_was_learned(held: IssuersHeld) -> None:
    """An administrator may know better."""
    settings = (IssuerKey.TRUE, IssuerKey.FALSE)
    assert [Query.WITH_ISSUER, Query.ID_ALONE] == [query_for(setting, held) for setting in settings]


def test_a_few_patients_are_always_asked_for_by_the_id_alone() -> None:
    """An archive that has named issuers for years may take over studies that name none."""
    trusted = in_vain(NAMED, TRUSTED_AFTER)
    asked = [query_for(IssuerKey.AUTO, trusted, str(number)) for number in range(2000)]
    assert 50 < asked.count(Query.ISSUER_THEN_ID) < 200


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=4), max_size=8))
def test_the_order_of_answers_does_not_matter_for_what_decides(answers: list[list[str | None]]) -> None:
    """And no archive makes us keep more names than a few."""
    forwards = backwards = NOTHING
    for issuers in answers:
        forwards = forwards.with_answer(issuers)
    for issuers in reversed(answers):
        backwards = backwards.with_answer(issuers)
    assert (forwards.some_unnamed, bool(forwards.names)) == (backwards.some_unnamed, bool(backwards.names))
    assert len(forwards.names) <= NAMES_KEPT


def test_what_was_learned_is_told_in_words() -> None:
    """With what follows from it; nothing is told where nothing is known."""
    assert NOTHING.words is None
    assert "studies name no issuer: asked by the patient ID alone" == UNNAMED.words
    assert str(MIXED.words).startswith("some studies name an issuer (HOSP) and some none: asked by")
    assert str(NAMED.words).startswith(
        "studies name an issuer (HOSP): asked by the patient ID with its issuer"
    )
    assert str(REFUSED.words).startswith("refuses Issuer of Patient ID as a key")
