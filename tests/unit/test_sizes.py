"""Amounts of data as an administrator writes them."""

from __future__ import annotations

import pytest

from prefetch import sizes


@pytest.mark.parametrize(
    ("said", "size"), [("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("64KB", 64_000), ("3B", 3), (7, 7)]
)
def test_a_size_is_read_as_bytes(said: object, size: int) -> None:
    """A kB is a thousand of them."""
    assert size == sizes.read_size(said)


@pytest.mark.parametrize("said", ["500", "0MB", "2 gigs", "", "-1MB"])
def test_what_is_no_size_is_refused(said: object) -> None:
    """With an example."""
    with pytest.raises(ValueError, match="such as 500MB or 2GB"):
        sizes.read_size(said)


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0B"), (999, "999B"), (1500, "1.5kB"), (2_000_000, "2MB"), (123_456_789, "123MB")]
)
def test_a_size_is_written_short(size: int, said: str) -> None:
    """In the largest unit that it fills."""
    assert said == sizes.say_size(size)
