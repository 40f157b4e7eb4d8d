"""Not more than so many a second, and none is turned away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake.rate import BURST_SECONDS, Rate


def test_without_a_rate_nobody_waits() -> None:
    """However many come at once."""
    rate = Rate(None)
    assert {0.0} == {rate.reserve(0.0) for _ in range(1000)}


def test_who_comes_too_fast_waits_its_turn() -> None:
    """After a second's worth at once, each waits a little longer than the one before."""
    rate = Rate(2)
    assert [0.0, 0.0, 0.5, 1.0, 1.5] == [rate.reserve(100.0) for _ in range(5)]


@given(
    st.integers(min_value=1, max_value=50),
    st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=80),
)
def test_no_second_sees_more_than_it_may(per_second: int, pauses: list[float]) -> None:
    """Whenever they come: in any second there are at most two seconds' worth, a pause's credit among them."""
    rate, now, times = Rate(per_second), 0.0, []
    for pause in pauses:
        now += pause
        times.append(now + rate.reserve(now))
    most = per_second * (1 + BURST_SECONDS) + 1
    assert all(sum(begin <= time < begin + 1 for time in times) <= most for begin in times)
