"""Who said what, and whose word holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from prefetch import provenance
from prefetch.model import Saying

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def saying(minute: int, source: str = "ris", **said: str | None) -> Saying:
    """What a source said so many minutes later."""
    return Saying(source=source, at=NOW + timedelta(minutes=minute), said=said)


def test_a_source_s_last_word_replaces_its_former_one() -> None:
    """What nobody needs any more is not kept."""
    sayings, fresh = provenance.hear((saying(0, modality="CT"),), saying(1, modality="MR"))
    assert ((saying(1, modality="MR"),), ["modality"]) == (sayings, sorted(fresh))


def test_a_word_that_comes_late_is_not_the_freshest() -> None:
    """It is kept where its source has said nothing of it since, and forgotten where it has."""
    known = (saying(2, "mwl", modality="MR"), saying(2, location="W1"))
    sayings, fresh = provenance.hear(known, saying(1, modality="CT", location="W2", sex="F"))
    assert ((*known, saying(1, modality="CT", sex="F")), ["sex"]) == (sayings, sorted(fresh))


def test_of_two_words_of_the_same_time_the_last_heard_holds() -> None:
    """Many senders give the minute only."""
    first, second = saying(0, "mwl", modality="MR"), saying(0, modality="CT")
    assert second == provenance.latest((first, second), "modality")
    assert provenance.is_fresher(second, first, among=(first, second))
    assert not provenance.is_fresher(None, first, among=(first,))


def test_nobody_s_word_holds_where_nobody_spoke() -> None:
    """Of a field that was never said there is no last word."""
    assert provenance.latest((saying(0, modality="CT"),), "sex") is None


def test_two_orders_that_are_one_exam_share_what_was_said() -> None:
    """The fresher word of either holds."""
    merged = provenance.merge((saying(0, modality="CT", sex="F"),), (saying(1, "mwl", modality="MR"),))
    assert {"modality": "mwl", "sex": "ris"} == {
        name: said.source for name, said in provenance.holding(merged).items()
    }


_SAYINGS = st.builds(
    saying,
    st.integers(0, 3),
    st.sampled_from(["ris", "mwl"]),
    modality=st.sampled_from(["CT", "MR", None]),
)


@given(st.lists(_SAYINGS, max_size=8))
def test_each_source_has_one_word_on_a_field(heard: list[Saying]) -> None:
    """What is kept does not grow with what comes."""
    sayings: provenance.Sayings = ()
    for each in heard:
        sayings, _ = provenance.hear(sayings, each)
    assert {each.source for each in heard} == {each.source for each in sayings}
    assert len(sayings) == len({each.source for each in sayings})
