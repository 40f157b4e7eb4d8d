"""Counts what a stage works on at this moment: only that keeps its lease.

A claim whose work ended without a result (the store was away, a task died) is not in flight any more. Its
lease runs out, and the row is claimed again as if its owner had died: the same mechanism for every stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class InFlight:
    """The numbers of the rows that one stage works on."""

    def __init__(self) -> None:
        self._numbers: Counter[int] = Counter()

    @contextmanager
    def working_on(self, numbers: Collection[int]) -> Iterator[None]:
        """Count rows as worked on; the same row may be held by a late worker and by its next claim."""
        self._numbers.update(numbers)
        try:
            yield
        finally:
            self._numbers -= Counter(numbers)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The rows that are worked on now."""
        return tuple(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
