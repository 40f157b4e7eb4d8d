"""Decides when a row that we fail at is set aside: after the third failure for a reason of our own.

A failure of ours is anything but a peer's answer and a store that is away. What is set aside waits for a
person; the others go on. The count is this process's: a restart gives every row a new chance.
"""

from __future__ import annotations

from collections import Counter

from prefetch import errors

SET_ASIDE = "set aside"
"""Begins the problem of whatever is set aside."""

NOT_OURS = (errors.StoreUnavailableError, errors.StoreRefusedError)
"""Errors that no row is set aside for: the work is done again when the store is there."""

FAILURES = 3
"""Failures for a reason of our own after which a row is set aside."""


class Failures:
    """Counts how often each row made us fail."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def count(self, number: int) -> bool:
        """Count one more failure of a row; true where it is to be set aside now, and counted anew later."""
        self._counts[number] += 1
        if self._counts[number] < FAILURES:
            return False
        del self._counts[number]
        return True

    def forget(self, number: int) -> None:
        """Forget the failures of a row that went well."""
        self._counts.pop(number, None)


def reason(error: Exception, remedy: str) -> str:
    """Say why a row is set aside, and what a person can do; the error's own text is cut to a line."""
    text = " ".join(str(error).split())[:300]
    return f"{SET_ASIDE} after {FAILURES} failures of ours ({type(error).__name__}: {text}); {remedy}"
